//! The kill loop with files by day beside a ledger, and as ledgers themselves.

use super::input::{self, Random};
use super::kill_loop::{Job, kill_and_take_up, kills, words};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// All files under a folder, by their names below it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let below = entry.strip_prefix(folder).expect("below it").to_owned();
                found.insert(below, std::fs::read(&entry).expect("read"));
            }
        }
    }
    found
}

fn assert_same_files(expected: &BTreeMap<PathBuf, Vec<u8>>, found: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(expected), names(found), "{what}");
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{what}: {} differs", name.display());
    }
}

/// What stands in files of CSV at any time is what will stand there in the end, as far as it goes.
fn begin_as(expected: &BTreeMap<PathBuf, Vec<u8>>, folder: &Path) {
    if folder.is_dir() {
        for (name, bytes) in files(folder) {
            assert!(expected[&name].starts_with(&bytes), "other rows than expected in {}", name.display());
        }
    }
}

/// A Parquet file has its name when it is whole, and not before.
#[cfg(feature = "parquet")]
fn are_whole(folder: &Path) {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    if folder.is_dir() {
        for name in files(folder).into_keys().filter(|name| name.ends_with("rows.parquet")) {
            let file = std::fs::File::open(folder.join(&name)).expect("opened");
            let reader =
                SerializedFileReader::new(file).unwrap_or_else(|e| panic!("{}: {e}", name.display()));
            assert!(reader.metadata().file_metadata().num_rows() > 0);
        }
    }
}

#[cfg(not(feature = "parquet"))]
fn are_whole(_: &Path) {}

/// Two days of windows, killed now and then, into folders.
fn survives(salt: u64, definition: &str, ledgers: &[&str]) {
    let folder = super::folder();
    let seed = input::seed() * 1_000 + salt;
    let inputs = input::write(folder.path(), seed, 3, 100_000, 1);
    let common = "--delay 20s --symbols all --cross XVGUSDT=XVGBTC*BTCUSDT";
    let days = if cfg!(feature = "parquet") { "--to csv:csv --to parquet:parquet" } else { "--to csv:csv" };
    let flags = format!("{common} {definition}");
    let job = |name: &str, ledger: &str| {
        let sinks = format!("{ledger} {days} --dead-letter dead.jsonl");
        Job::new(folder.path().join(name), &inputs, &flags, &sinks)
    };
    let undisturbed = job("undisturbed", "--to rows.jsonl");
    let whole = undisturbed.run_whole();
    let expected = undisturbed.outputs();
    let csv = files(&undisturbed.folder.join("csv"));
    let dates = |table: &str| csv.keys().filter(|name| name.starts_with(table)).count();
    assert!(dates("crosses") >= 2 && dates("symbols") >= 2 && dates("stats") >= 2, "{:?}", csv.keys());
    // A row a line in both, but for the header.
    let lines = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'\n').count();
    let rows = lines(expected.rows.as_deref().expect("rows").as_bytes());
    assert_eq!(csv.values().map(|file| lines(file) - 1).sum::<usize>(), rows);
    let mut random = Random::new(seed);
    for ledger in ledgers {
        let job = job(&format!("ledger{}", ledger.len()), ledger);
        kill_and_take_up(&job, &mut random, kills().div_ceil(2), whole, |folder, _| {
            begin_as(&csv, &folder.join("csv"));
            are_whole(&folder.join("parquet"));
        });
        let context = format!("{ledger:?}, seed {seed}, {definition}");
        expected.assert_same(&job.outputs(), &context);
        assert_same_files(&csv, &files(&job.folder.join("csv")), &context);
        if cfg!(feature = "parquet") {
            let packed = |job: &Job| files(&job.folder.join("parquet"));
            assert_same_files(&packed(&undisturbed), &packed(&job), &context);
        }
    }
}

#[test]
fn final_rows_by_day() {
    survives(21, "--window 40s", &["--to sqlite:rows.db"]);
}

#[test]
fn changes_by_day_across_midnight() {
    survives(22, "--window 2m --slide 1m --emit changes --grace 10m", &[""]);
}

#[test]
fn a_folder_that_has_moved_is_gone_on_with() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), 23, 2, 20_000, 1);
    let job = |name: &str| {
        let (flags, sinks) =
            (words("--window 1m --delay 20s"), words("--to csv:csv --dead-letter dead.jsonl"));
        Job { folder: folder.path().join(name), inputs: inputs.clone(), flags, sinks }
    };
    let (before, after) = (job("before"), job("after"));
    std::fs::create_dir(&before.folder).expect("made");
    before.run(&[]);
    let expected = files(&before.folder.join("csv"));
    std::fs::rename(&before.folder, &after.folder).expect("moved");
    for input in &inputs {
        let mut grown = std::fs::read(input).expect("read");
        // The same hours of another day, so that the job has something to go on with.
        grown.extend_from_slice(b"{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":99999999,\"p\":\"9000\",\"q\":\"1\",\"T\":1525400000000}\n");
        std::fs::write(input, grown).expect("written");
    }
    after.run(&[]);
    let found = files(&after.folder.join("csv"));
    assert!(found.len() > expected.len());
    for (name, bytes) in expected {
        assert!(found[&name].starts_with(&bytes), "{}", name.display());
    }
}
