//! Files by day, read by DuckDB, hold the rows.

use super::{crossrate, folder, readers, succeed};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const RUN: &str = "run trades.jsonl -q --window 10s --to rows.jsonl --to csv:csv";

fn run(folder: &Path, more: &str) {
    let words: Vec<&str> = RUN.split(' ').chain(more.split_whitespace()).collect();
    succeed(&mut crossrate(folder, &words));
}

/// Fields as they are written: doubles are compared as they are read by us, not by a parser of JSON.
type Fields = BTreeMap<String, Box<RawValue>>;

/// The rows that left, by table.
fn rows(folder: &Path) -> BTreeMap<&'static str, Vec<Fields>> {
    let text = std::fs::read_to_string(folder.join("rows.jsonl")).expect("rows");
    let mut rows: BTreeMap<&str, Vec<Fields>> = BTreeMap::new();
    for line in text.lines() {
        let mut row: Fields = serde_json::from_str(line).expect("a row");
        let kind = row.remove("kind").expect("a kind");
        let table = match kind.get() {
            "\"symbol\"" => "symbols",
            "\"cross\"" => "crosses",
            _ => "stats",
        };
        rows.entry(table).or_default().push(row);
    }
    rows
}

fn duckdb(folder: &Path, programs: &Path, sql: &str) -> Vec<Fields> {
    let mut command = Command::new(programs.join("duckdb"));
    let printed = succeed(command.args(["-json", "-c", sql]).current_dir(folder));
    if printed.trim().is_empty() { Vec::new() } else { serde_json::from_str(&printed).expect("JSON") }
}

/// The text of a field: of CSV all are texts, and null is none.
fn text(field: &str) -> String {
    match field.as_bytes().first() {
        Some(b'"') => serde_json::from_str(field).expect("a text"),
        _ if field == "null" => String::new(),
        _ => field.to_owned(),
    }
}

/// Each field of each row is what DuckDB finds in the files.
fn assert_read(folder: &Path, programs: &Path, files: &str, read: &str) {
    for (table, rows) in rows(folder) {
        let from = read.replace("FILES", &format!("{files}/{table}/**/rows.*"));
        let found =
            duckdb(folder, programs, &format!("SELECT * FROM {from} ORDER BY name, \"window\", end_ms"));
        let number = |row: &Fields, field: &str| row[field].get().parse::<u64>().expect("a number");
        let mut expected: Vec<&Fields> = rows.iter().collect();
        let key = |row: &&Fields| (text(row["name"].get()), text(row["window"].get()), number(row, "end_ms"));
        expected.sort_by_key(key);
        assert_eq!(found.len(), expected.len(), "{files} {table}");
        for (found, expected) in found.iter().zip(expected) {
            for (field, value) in expected {
                let is_number = !value.get().starts_with('"');
                let (value, read) = (text(value.get()), text(found[field].get()));
                let double = |text: &str| text.parse::<f64>().ok();
                let same =
                    value == read || is_number && double(&value).is_some() && double(&value) == double(&read);
                assert!(same, "{files} {table} {field}: {value} is {read} in\n{found:?}");
            }
            let date =
                if number(expected, "start_ms") < 1_525_132_800_000 { "2018-04-30" } else { "2018-05-01" };
            assert_eq!(text(found["date"].get()), date, "{found:?}");
        }
    }
}

#[test]
#[ignore = "needs DuckDB, polars and pandas"]
fn csv_holds_the_rows() {
    let folder = folder();
    run(folder.path(), "");
    assert_eq!(rows(folder.path()).len(), 3);
    let programs = readers();
    let read =
        "read_csv('FILES', hive_partitioning = true, hive_types = {date: VARCHAR}, all_varchar = true)";
    assert_read(folder.path(), &programs, "csv", read);
}

const SEVERAL: &str = "--window 1m/10s --window anchored:1h/1m";

#[test]
#[ignore = "needs DuckDB, polars and pandas"]
fn csv_by_window_holds_the_rows() {
    let folder = folder();
    run(folder.path(), SEVERAL);
    let programs = readers();
    let read = "read_csv('FILES', hive_partitioning = true, hive_types = {date: VARCHAR, \"window\": VARCHAR}, all_varchar = true)";
    assert_read(folder.path(), &programs, "csv", read);
}

/// DuckDB and polars take the definition from the folder's name, with its slashes and colons.
#[cfg(feature = "parquet")]
#[test]
#[ignore = "needs DuckDB, polars and pandas"]
fn parquet_by_window_holds_the_rows() {
    let folder = folder();
    run(folder.path(), &format!("{SEVERAL} --to parquet:parquet"));
    let programs = readers();
    let read =
        "read_parquet('FILES', hive_partitioning = true, hive_types = {date: VARCHAR, \"window\": VARCHAR})";
    assert_read(folder.path(), &programs, "parquet", read);
    let crosses = &rows(folder.path())["crosses"];
    let of_window = crosses.iter().filter(|row| row["window"].get() == "\"1m/10s\"").count();
    let program = "import polars as pl\n\
                   r = pl.read_parquet('parquet/crosses/**/rows.parquet', hive_partitioning=True)\n\
                   print(len(r), len(r.filter(pl.col('window') == '1m/10s')), *sorted(set(r['window'])))";
    let mut command = Command::new(programs.join("python3"));
    let printed = succeed(command.args(["-c", program]).current_dir(folder.path()));
    assert_eq!(printed.trim(), format!("{} {of_window} 10s 1m/10s anchored:1h/1m", crosses.len()));
    // By pandas' engine of Parquet a folder is refused whose files have a column that their paths have too.
    let sql =
        "SELECT DISTINCT name FROM parquet_schema('parquet/crosses/*/*/rows.parquet') WHERE name = 'window'";
    assert!(duckdb(folder.path(), &programs, sql).is_empty());
}

#[cfg(feature = "parquet")]
#[test]
#[ignore = "needs DuckDB, polars and pandas"]
fn parquet_holds_the_rows() {
    let folder = folder();
    run(folder.path(), "--to parquet:parquet");
    let gathered = folder.path().join("parquet/crosses/date=2018-04-30/_rows.jsonl");
    assert!(gathered.exists(), "a day that more may come of is kept");
    let programs = readers();
    let read = "read_parquet('FILES', hive_partitioning = true, hive_types = {date: VARCHAR})";
    assert_read(folder.path(), &programs, "parquet", read);
    let sql = "SELECT typeof(start_ms) AS a, typeof(vw_std) AS b, typeof(final) AS c, typeof(vwap) AS d, \
               count(*) FILTER (vwap::DOUBLE <> vwap_real) AS e FROM 'parquet/crosses/*/rows.parquet' GROUP BY ALL";
    let found = duckdb(folder.path(), &programs, sql);
    let found: Vec<String> = found.iter().flat_map(Fields::values).map(|field| text(field.get())).collect();
    assert_eq!(found, ["BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR", "0"]);
}

/// What `crossrate query` answers about a place.
fn asked(folder: &Path, sql: &str, places: &[&str]) -> String {
    let words: Vec<&str> = ["query", "-f", "csv", sql].into_iter().chain(places.iter().copied()).collect();
    succeed(&mut crossrate(folder, &words))
}

#[test]
fn a_question_about_a_folder_is_answered_as_one_about_the_rows() {
    for windows in ["", SEVERAL] {
        let folder = folder();
        let parquet = if cfg!(feature = "parquet") { "--to parquet:parquet" } else { "" };
        run(folder.path(), &format!("{windows} --basis XVGUSDT=BTCUSDT {parquet}"));
        let mut places = vec![vec!["csv:csv"], vec!["csv"], vec!["rows.jsonl", "csv:csv"]];
        if cfg!(feature = "parquet") {
            // A day that is over is a Parquet file, the other one has gathered; and both as Parquet files.
            places.extend([vec!["parquet:parquet"], vec!["parquet"]]);
        }
        for sql in [
            "select * from symbols order by name, window, start_ms, end_ms",
            "select * from crosses order by name, window, start_ms, end_ms",
            "select * from stats order by name, window, start_ms, end_ms",
            "select * from basis order by name, window, start_ms, end_ms",
            "select s.name, count(*), max(s.vwap), sum(c.vwap_real) from symbols s join crosses c
             using (window, start_ms, end_ms) group by 1 order by 1",
        ] {
            let expected = asked(folder.path(), sql, &["rows.jsonl"]);
            assert!(expected.lines().count() > 2, "{sql}: {expected}");
            for place in &places {
                assert_eq!(asked(folder.path(), sql, place), expected, "{place:?}: {sql}");
            }
        }
        let mut gathered = Vec::new();
        files_named(folder.path(), "_rows.jsonl", &mut gathered);
        assert_eq!(gathered.is_empty(), parquet.is_empty());
        let counted = "select count(*) from symbols";
        let expected = asked(folder.path(), counted, &["rows.jsonl"]);
        for path in gathered {
            std::fs::remove_file(path).expect("removed");
            assert_eq!(asked(folder.path(), counted, &["parquet:parquet"]), expected);
        }
    }
}

fn files_named(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            files_named(&entry, name, found);
        } else if entry.ends_with(name) {
            found.push(entry);
        }
    }
}

#[test]
fn a_damaged_file_by_day_is_named() {
    let folder = folder();
    run(folder.path(), "");
    let path = "csv/stats/date=2018-04-30/rows.csv";
    let text = std::fs::read_to_string(folder.path().join(path)).expect("written");
    for (damaged, words) in [
        (text.replacen(",1,", ",one,", 1), "line 2 is no row of this table"),
        (text.replacen("window", "fenster", 1), "its columns are not those of this table"),
    ] {
        std::fs::write(folder.path().join(path), damaged).expect("written");
        let refused = crossrate(folder.path(), &["query", "select * from stats", "csv:csv"]).output();
        let refused = refused.expect("it starts");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(said.contains(path) && said.contains(words), "{said}");
        // Who asks for another table does not read it.
        assert!(asked(folder.path(), "select count(*) from crosses", &["csv:csv"]).lines().count() == 2);
    }
    // A line that is being written is not there yet.
    std::fs::write(folder.path().join(path), &text[..text.len() - 5]).expect("written");
    let count = asked(folder.path(), "select count(*) from stats", &["csv:csv"]);
    let whole = asked(folder.path(), "select count(*) from stats", &["rows.jsonl"]);
    let number =
        |text: &str| text.lines().nth(1).and_then(|line| line.parse::<u64>().ok()).expect("a number");
    assert_eq!(number(&count), number(&whole) - 1);
}

#[cfg(feature = "parquet")]
#[test]
fn days_of_another_job_are_not_overwritten() {
    let folder = folder();
    run(folder.path(), "--to parquet:parquet");
    let words: Vec<&str> = "run trades.jsonl -q --to parquet:parquet --name other".split(' ').collect();
    let refused = crossrate(folder.path(), &words).output().expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("name another folder"), "{said}");
    let words: Vec<&str> = words.into_iter().chain(["--fresh"]).collect();
    succeed(&mut crossrate(folder.path(), &words));
}

#[test]
fn a_file_that_is_no_folder_is_refused() {
    let folder = folder();
    let refused = crossrate(folder.path(), &["run", "trades.jsonl", "--to", "csv:trades.jsonl/"]).output();
    let refused = refused.expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    std::fs::write(folder.path().join("taken"), "").expect("written");
    let refused = crossrate(folder.path(), &["run", "trades.jsonl", "--to", "csv:taken"]).output();
    let refused = refused.expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("name a folder"), "{said}");
}

#[cfg(not(feature = "parquet"))]
#[test]
fn without_parquet_it_says_how_to_have_it() {
    let folder = folder();
    let refused = crossrate(folder.path(), &["run", "trades.jsonl", "--to", "parquet:parquet"]).output();
    let refused = refused.expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("--features parquet"), "{said}");
}
