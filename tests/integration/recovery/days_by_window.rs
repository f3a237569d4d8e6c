//! Files by day of a job with several window definitions: each has a folder of its own, but where the
//! folder began without.

use super::days::files;
use super::input;
use super::kill_loop::Job;
use crossrate::ledger::checkpoint::{self, Checkpoint};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const SEVERAL: &str = "--symbols all --cross XVGUSDT=XVGBTC*BTCUSDT --delay 20s --window 1m --window 2m/1m \
                       --window anchored:1d@Europe/Berlin/10m";

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().map(|name| name.display().to_string()).collect()
}

fn job(folder: &Path, inputs: &[PathBuf], flags: &str, sinks: &str) -> Job {
    let words = super::kill_loop::words;
    Job { folder: folder.to_owned(), inputs: inputs.to_vec(), flags: words(flags), sinks: words(sinks) }
}

/// The lines of all files of CSV, without headers.
fn lines(folder: &Path) -> Vec<String> {
    let texts = files(folder).into_values().map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    let mut lines: Vec<String> =
        texts.flat_map(|text| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.sort();
    lines
}

#[test]
fn each_of_several_window_definitions_has_a_folder_of_its_own() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed(), 2, 100_000, 1);
    let parquet = if cfg!(feature = "parquet") { "--to parquet:parquet" } else { "" };
    let sinks = format!("--to csv:csv {parquet} --to rows.jsonl");
    job(folder.path(), &inputs, SEVERAL, &sinks).run(&[]);
    let rows = std::fs::read_to_string(folder.path().join("rows.jsonl")).expect("rows");
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for line in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row");
        let table = match row["kind"].as_str().expect("a kind") {
            "symbol" => "symbols",
            "cross" => "crosses",
            other => other,
        };
        let window = row["window"].as_str().expect("a window").replace('/', "%2F").replace(':', "%3A");
        let start =
            jiff::Timestamp::from_millisecond(row["start_ms"].as_i64().expect("a start")).expect("a time");
        let date = start.strftime("%Y-%m-%d");
        *counted.entry(format!("{table}/window={window}/date={date}/rows.csv")).or_default() += 1;
    }
    let expected: Vec<&String> = counted.keys().collect();
    assert!(
        expected
            .contains(&&"crosses/window=anchored%3A1d@Europe%2FBerlin%2F10m/date=2018-05-01/rows.csv".into())
    );
    assert_eq!(names(&folder.path().join("csv")).iter().collect::<Vec<_>>(), expected);
    if cfg!(feature = "parquet") {
        let mut found = names(&folder.path().join("parquet"));
        found.retain(|name| !name.ends_with("_rows.jsonl"));
        // Each with its checksum, whose name comes first.
        let named = |name: &&String| {
            [name.replace("rows.csv", "_rows.parquet.sha256"), name.replace(".csv", ".parquet")]
        };
        assert_eq!(found, expected.iter().flat_map(named).collect::<Vec<_>>());
    }
    // Each row stands in the folder of its window, and in no other.
    for (name, bytes) in files(&folder.path().join("csv")) {
        let name = name.display().to_string();
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert_eq!(text.lines().count() - 1, counted[&name], "{name}");
        for line in text.lines().skip(1) {
            let window = line.split(',').nth(1).expect("a window").replace('/', "%2F").replace(':', "%3A");
            assert!(name.contains(&format!("/window={window}/")), "{name}: {line}");
        }
    }
}

/// What a program wrote that knew several windows and one layout: all rows of a day together.
fn made_flat(folder: &Path) {
    let database = Connection::open(folder.join("csv.recovery")).expect("opened");
    let mut query = database.prepare("SELECT job, key, value FROM crossrate_recovery").expect("entries");
    let found: Vec<(String, String, Vec<u8>)> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .and_then(Iterator::collect)
        .expect("entries");
    let name = found[0].0.clone();
    let entries: BTreeMap<_, _> = found.into_iter().map(|(_, key, value)| (key, value)).collect();
    let known = Checkpoint::decode(&entries).expect("decoded").files.lengths;
    database.execute("DELETE FROM crossrate_recovery WHERE key LIKE 'file/%'", []).expect("deleted");
    let root = folder.join("csv").canonicalize().expect("a folder");
    let mut growing = BTreeSet::new();
    let mut flat: BTreeMap<PathBuf, String> = BTreeMap::new();
    for (below, bytes) in files(&root) {
        let [table, _, date, file] = below.iter().collect::<Vec<_>>()[..] else { panic!("{below:?}") };
        let text = String::from_utf8(bytes).expect("UTF-8");
        let (header, rows) = text.split_once('\n').expect("a header");
        let together: PathBuf = [table, date, file].iter().collect();
        if known.contains_key(root.join(&below).to_str().expect("UTF-8")) {
            growing.insert(together.clone());
        }
        flat.entry(together).or_insert_with(|| format!("{header}\n")).push_str(rows);
    }
    assert!(!growing.is_empty());
    for table in ["crosses", "stats", "symbols"] {
        std::fs::remove_dir_all(root.join(table)).expect("removed");
    }
    for (below, text) in flat {
        let path = root.join(&below);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, &text).expect("written");
        if growing.contains(&below) {
            let entry = checkpoint::encode(&(text.len() as u64)).expect("encoded");
            let put = "INSERT INTO crossrate_recovery VALUES (?1, ?2, ?3)";
            database
                .execute(put, params![name, format!("length/{}", path.display()), entry])
                .expect("written");
        }
    }
}

#[test]
fn a_folder_that_began_without_folders_of_windows_goes_on_without() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed(), 2, 100_000, 1);
    let whole: Vec<Vec<u8>> = inputs.iter().map(|input| std::fs::read(input).expect("read")).collect();
    for (input, bytes) in inputs.iter().zip(&whole) {
        let some = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .take(bytes.iter().filter(|b| **b == b'\n').count() * 9 / 10);
        std::fs::write(input, some.collect::<Vec<_>>().concat()).expect("written");
    }
    let jobs = ["apart", "flat"].map(|name| {
        std::fs::create_dir(folder.path().join(name)).expect("made");
        job(&folder.path().join(name), &inputs, SEVERAL, "--to csv:csv")
    });
    jobs.iter().for_each(|job| job.run(&[]));
    made_flat(&jobs[1].folder);
    let before = names(&jobs[1].folder.join("csv"));
    for (input, bytes) in inputs.iter().zip(&whole) {
        std::fs::write(input, bytes).expect("written");
    }
    for job in &jobs {
        (0..2).for_each(|_| job.run(&[]));
    }
    let [apart, flat] = jobs.map(|job| job.folder.join("csv"));
    assert_eq!(names(&flat), before, "no folder of a window");
    assert!(names(&apart).iter().all(|name| name.contains("/window=")));
    assert!(lines(&apart) == lines(&flat) && !lines(&flat).is_empty());
}

#[test]
fn a_fresh_start_leaves_nothing_of_the_other_layout() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed(), 1, 3_000, 1);
    let one = "--symbols all --window 1m";
    let sinks = if cfg!(feature = "parquet") { "--to csv:csv --to parquet:parquet" } else { "--to csv:csv" };
    let all = |folder: &Path| [names(&folder.join("csv")), names(&folder.join("parquet"))].concat();
    std::fs::create_dir(folder.path().join("parquet")).expect("made");
    for (first, second, is_apart) in [(one, SEVERAL, true), (SEVERAL, one, false)] {
        job(folder.path(), &inputs, first, sinks).run(&["--fresh"]);
        assert!(all(folder.path()).iter().all(|name| name.contains("/window=") != is_apart));
        job(folder.path(), &inputs, second, sinks).run(&["--fresh"]);
        let found = all(folder.path());
        assert!(
            !found.is_empty() && found.iter().all(|name| name.contains("/window=") == is_apart),
            "{found:?}"
        );
    }
}
