//! A job whose database a release before window definitions made: its tables get the column `window`, in rows
//! that are there too, and the job goes on.

use super::{folder, postgres};
use crate::formats::{OF_ARRAYS, TWO_BAD};
use crate::program::without_settings;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const DATABASE: &str = include_str!("earlier_release/rows.sql");
const INPUT: &str = include_str!("../../golden/spec-vector/input.jsonl");
const TABLES: [&str; 3] = ["symbols", "crosses", "stats"];

/// The tables as that release made them in Postgres.
const POSTGRES: &str = r#"
    CREATE TABLE symbols (job text, "name" text, "start_ms" bigint, "end_ms" bigint, "trades" bigint, "open" numeric,
        "high" numeric, "low" numeric, "close" numeric, "volume" numeric, "quote_volume" numeric, "vwap" numeric,
        "vw_variance" double precision, "vw_std" double precision, "missing_ids" bigint, "digest" text,
        "revision" bigint, "closed" boolean, "final" boolean, "closed_by" text,
        PRIMARY KEY (name, start_ms, end_ms, job));
    CREATE TABLE crosses (job text, "name" text, "start_ms" bigint, "end_ms" bigint, "status" text, "vwap" numeric,
        "vw_variance" double precision, "vw_std" double precision, "trades" bigint, "legs" json, "missing_ids" bigint,
        "digest" text, "revision" bigint, "closed" boolean, "final" boolean, "closed_by" text,
        PRIMARY KEY (name, start_ms, end_ms, job));
    CREATE TABLE stats (job text, "name" text, "start_ms" bigint, "end_ms" bigint, "n" bigint, "vwap" numeric,
        "sum" numeric, "mean" numeric, "variance" double precision, "std" double precision,
        PRIMARY KEY (name, start_ms, end_ms, job));
    CREATE TABLE crossrate_lease (
        job text PRIMARY KEY, run bytea NOT NULL, number bigint NOT NULL, owner text NOT NULL,
        taken_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE crossrate_recovery (
        job text NOT NULL, key text NOT NULL, value bytea NOT NULL, PRIMARY KEY (job, key));
    CREATE TABLE dead_letters (
        job text NOT NULL, partition bigint NOT NULL, "offset" bigint NOT NULL, reason text NOT NULL,
        detail text NOT NULL, value bytea NOT NULL, PRIMARY KEY (job, partition, "offset"));
    INSERT INTO dead_letters VALUES ('prices', 7, 8, 'late', 'of an earlier release', '');"#;

/// The database in a folder, with an index and a view that somebody has made beside it.
fn database(folder: &Path) -> Connection {
    std::fs::write(folder.join("trades.jsonl"), INPUT).expect("written");
    let database = Connection::open(folder.join("rows.db")).expect("opened");
    database.execute_batch(DATABASE).expect("the release's tables");
    database
        .execute_batch(
            "CREATE INDEX by_time ON symbols (end_ms);
             CREATE VIEW rates AS SELECT name, end_ms, vwap FROM crosses WHERE vwap IS NOT NULL;
             INSERT INTO stats (job, name, start_ms, end_ms, n) VALUES ('other', 'A', 60000, 120000, 1)",
        )
        .expect("made");
    database
}

fn run(folder: &Path, to: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    without_settings(&mut command);
    let words = "run trades.jsonl -q --window 10s --slide 5s --name prices --to";
    command.args(words.split(' ')).arg(to).current_dir(folder).stdin(Stdio::null());
    command.output().expect("it starts")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_database_of_an_earlier_release_gets_the_column_and_the_job_goes_on() {
    let folder = folder();
    let database = database(folder.path());
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).expect(sql);
    let before = TABLES.map(|table| count(&format!("SELECT count(*) FROM {table} WHERE job = 'prices'")));
    let rates = count("SELECT count(*) FROM rates");
    let output = run(folder.path(), "sqlite:rows.db");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("the table symbols of rows.db is brought to this release"));
    for (table, before) in TABLES.into_iter().zip(before) {
        let all = format!("SELECT count(*) FROM {table} WHERE job = 'prices'");
        // No rate came after, so no statistics.
        assert!(count(&all) > before || table == "stats", "{table}");
        assert_eq!(count(&all), count(&format!("{all} AND window = '10s/5s'")), "{table}");
        let keys = format!("SELECT count(DISTINCT name || ' ' || end_ms) FROM {table} WHERE job = 'prices'");
        assert_eq!(count(&all), count(&keys), "{table}");
    }
    assert_eq!(count("SELECT count(*) FROM stats WHERE job = 'other' AND window = '1m'"), 1);
    assert_eq!(count("SELECT count(*) FROM rates"), rates, "the view is there, and no rate came after");
    assert_eq!(count("SELECT count(*) FROM sqlite_schema WHERE name = 'by_time' AND type = 'index'"), 1);
    assert_eq!(count("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%this_release%'"), 0);
    // What was not known then is null; what was is as it was.
    let earlier = "SELECT count(*) FROM symbols WHERE end_ms = 1525022030000 AND taker_buy_volume IS NULL \
                   AND vwap = '8887.507130569948432510' AND vwap_real > 8887.5";
    assert_eq!(count(earlier), 1);
    // The next run finds nothing to do.
    assert!(text(&run(folder.path(), "sqlite:rows.db")).is_empty());
}

#[test]
fn a_table_that_is_somebody_elses_is_left_alone() {
    for sql in [
        "CREATE TABLE symbols (ticker TEXT)",
        "CREATE TABLE symbols (job TEXT, name TEXT, start_ms INTEGER, end_ms INTEGER, note TEXT)",
    ] {
        let folder = folder();
        std::fs::write(folder.path().join("trades.jsonl"), INPUT).expect("written");
        let database = Connection::open(folder.path().join("rows.db")).expect("opened");
        database.execute_batch(sql).expect("made");
        let output = run(folder.path(), "sqlite:rows.db");
        let said = text(&output);
        let named = "the table symbols of rows.db is not as this release writes it: it has no";
        assert!(output.status.code() == Some(1) && said.contains(named), "{said}");
        assert!(said.contains("rename that table"), "{said}");
        let there: String = database
            .query_row("SELECT sql FROM sqlite_schema WHERE name = 'symbols'", [], |row| row.get(0))
            .expect("it is there");
        assert_eq!(there, sql);
    }
}

#[test]
fn a_database_of_an_earlier_release_is_not_served_before_it_has_the_column() {
    let folder = folder();
    drop(database(folder.path()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    without_settings(&mut command);
    command.args(["serve", "--from", "sqlite:rows.db", "--name", "prices", "--listen", "127.0.0.1:0"]);
    let output = command.current_dir(folder.path()).stdin(Stdio::null()).output().expect("it starts");
    let said = text(&output);
    assert!(output.status.code() == Some(1) && said.contains("it has no column window"), "{said}");
    assert!(said.contains("start its job with this release"), "{said}");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn tables_of_an_earlier_release_in_postgres_get_the_column_and_the_job_goes_on() {
    let server = postgres::shared();
    let url = server.database();
    let folder = folder();
    let database = database(folder.path());
    postgres::rows(&url, POSTGRES);
    for table in ["symbols", "crosses", "stats", "crossrate_lease", "crossrate_recovery"] {
        copied(&database, table).iter().for_each(|sql| drop(postgres::rows(&url, sql)));
    }
    let count =
        |sql: &str| postgres::rows(&url, sql)[0][0].as_deref().map(|n| n.parse::<u64>().unwrap()).unwrap();
    let before = TABLES.map(|table| count(&format!("SELECT count(*) FROM {table} WHERE job = 'prices'")));
    let output = run(folder.path(), &format!("postgres:{url}"));
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("the table symbols is brought to this release"), "{}", text(&output));
    for (table, before) in TABLES.into_iter().zip(before) {
        let all = format!("SELECT count(*) FROM {table} WHERE job = 'prices'");
        // No rate came after, so no statistics.
        assert!(count(&all) > before || table == "stats", "{table}");
        assert_eq!(count(&all), count(&format!("{all} AND \"window\" = '10s/5s'")), "{table}");
        let key = format!(
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid \
             AND a.attnum = ANY(i.indkey) WHERE i.indrelid = '{table}'::regclass AND i.indisprimary"
        );
        let key: BTreeSet<_> =
            postgres::rows(&url, &key).into_iter().filter_map(|row| row[0].clone()).collect();
        let expected = ["name", "window", "start_ms", "end_ms", "job"].map(str::to_owned);
        assert_eq!(key, BTreeSet::from(expected), "{table}");
    }
    assert_eq!(count("SELECT count(*) FROM stats WHERE job = 'other' AND \"window\" = '1m'"), 1);
    assert!(text(&run(folder.path(), &format!("postgres:{url}"))).is_empty());
    // Two bad trades of one record are two letters.
    std::fs::write(folder.path().join("arrays.toml"), OF_ARRAYS).expect("written");
    std::fs::write(folder.path().join("arrays.jsonl"), format!("{TWO_BAD}\n")).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    without_settings(&mut command);
    let words = "run arrays.jsonl --format arrays.toml --symbols all -q --name arrays --to";
    command.args(words.split(' ')).arg(format!("postgres:{url}")).current_dir(folder.path());
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    assert!(output.status.success(), "{}", text(&output));
    let letters =
        "SELECT job, topic, partition, \"offset\", part, reason FROM dead_letters ORDER BY 1, 2, 3, 4, 5";
    let letters = postgres::rows(&url, letters);
    let letters: Vec<String> = letters
        .iter()
        .map(|row| row.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" "))
        .collect();
    // That of the earlier release, and one that this run has refused.
    let expected = ["arrays  0 0 0 bad", "arrays  0 0 1 bad", "prices  0 5 0 late", "prices  7 8 0 late"];
    assert_eq!(letters, expected);
}

/// The rows of a table as statements for Postgres.
fn copied(database: &Connection, table: &str) -> Vec<String> {
    let mut select = database.prepare(&format!("SELECT * FROM {table}")).expect("prepared");
    // What SQLite computes is no column there.
    let names: Vec<String> = select.column_names().map(str::to_owned).collect();
    let columns: Vec<usize> = (0..names.len()).filter(|at| !names[*at].ends_with("_real")).collect();
    let rows = select.query_map([], |row| {
        let value = |at: &usize| {
            Ok(match row.get::<_, rusqlite::types::Value>(*at)? {
                rusqlite::types::Value::Null => "NULL".to_owned(),
                rusqlite::types::Value::Integer(number) => format!("'{number}'"),
                rusqlite::types::Value::Real(number) => format!("'{number}'"),
                rusqlite::types::Value::Text(text) => format!("'{text}'"),
                rusqlite::types::Value::Blob(bytes) => {
                    format!("'\\x{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
                }
            })
        };
        columns.iter().map(value).collect::<rusqlite::Result<Vec<String>>>()
    });
    let rows: Vec<Vec<String>> = rows.expect("asked").collect::<Result<_, _>>().expect("read");
    let named: Vec<String> = columns.iter().map(|at| format!("\"{}\"", names[*at])).collect();
    let insert =
        |row: &Vec<String>| format!("INSERT INTO {table} ({}) VALUES ({})", named.join(", "), row.join(", "));
    rows.iter().map(insert).collect()
}
