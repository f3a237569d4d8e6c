//! The kill loop with files by day beside a ledger, and as ledgers themselves.

use super::input::{self, Random};
use super::kill_loop::{Job, kill_and_take_up, kills, words};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// All files under a folder, by their names below it.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
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
fn rows_of_several_windows_by_day() {
    let windows = "--window 40s --window 2m/40s --window anchored:1d@Europe/Berlin/10m --grace 1m";
    survives(24, windows, &["--to sqlite:rows.db", ""]);
}

#[test]
fn a_folder_that_has_moved_is_gone_on_with() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), 23, 2, 20_000, 1);
    let job = |name: &str| {
        let (flags, sinks) =
            (words("--window 1m --window 1d --delay 20s"), words("--to csv:csv --dead-letter dead.jsonl"));
        Job { folder: folder.path().join(name), inputs: inputs.clone(), flags, sinks }
    };
    let (before, after) = (job("before"), job("after"));
    std::fs::create_dir(&before.folder).expect("made");
    before.run(&[]);
    let expected = files(&before.folder.join("csv"));
    std::fs::rename(&before.folder, &after.folder).expect("moved");
    // Where nothing is added, a further run still knows the rows.
    for _ in 0..2 {
        after.run(&[]);
        assert_same_files(&expected, &files(&after.folder.join("csv")), "moved");
    }
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

/// A day that is over for heartbeats alone is still there when a job ends, which goes back to its last
/// closing.
#[test]
fn a_day_that_was_over_stays_when_a_job_has_ended() {
    let folder = super::folder();
    let noon = 1_525_089_600_000_u64;
    let trade = |id: u64, ms: u64| {
        format!("{{\"e\":\"trade\",\"s\":\"A\",\"t\":{id},\"p\":\"1\",\"q\":\"1\",\"T\":{}}}\n", noon + ms)
    };
    let hour = 3_600_000;
    let mut lines = trade(1, 11 * hour);
    for minute in 1..90 {
        lines += &format!("{{\"e\":\"heartbeat\",\"T\":{}}}\n", noon + 11 * hour + minute * 60_000);
    }
    // Enough for a commit before the end.
    let bad = format!("{}\n", "x".repeat(4_000));
    lines += &bad.repeat(5_000);
    let input = folder.path().join("quiet.jsonl");
    std::fs::write(&input, &lines).expect("written");
    let flags = "--symbols A --rows symbol --window 10s --delay 0s";
    let sinks = "--to csv:csv --dead-letter dead.jsonl";
    let job = Job::new(folder.path().join("job"), std::slice::from_ref(&input), flags, sinks);
    job.run(&[]);
    let csv = job.folder.join("csv");
    let expected = files(&csv);
    assert!(expected.len() == 1, "{:?}", expected.keys());
    job.run(&[]);
    assert_same_files(&expected, &files(&csv), "again");
    std::fs::write(&input, lines + &trade(2, 14 * hour) + &trade(3, 15 * hour)).expect("written");
    job.run(&[]);
    let found = files(&csv);
    assert!(found.len() == 2, "{:?}", found.keys());
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{} differs", name.display());
    }
}

/// Where each commit has rows of very many days, as many files are open.
#[test]
fn a_history_of_few_trades_a_day_goes_into_files_of_days() {
    let folder = super::folder();
    let day = 86_400_000;
    let trade = |n: u64| {
        let time = 1_400_000_000_000_u64 + n * day;
        format!("{{\"e\":\"trade\",\"s\":\"A\",\"t\":{n},\"p\":\"1\",\"q\":\"1\",\"T\":{time}}}\n")
    };
    std::fs::write(folder.path().join("a.jsonl"), (0..600).map(trade).collect::<String>()).expect("written");
    let mut command = std::process::Command::new("bash");
    let line = "ulimit -Sn 256; exec \"$0\" run a.jsonl --symbols A --rows symbol --window 1h --to csv:csv -q \
                --commit-interval 1h";
    command.args(["-c", line, env!("CARGO_BIN_EXE_crossrate")]).current_dir(folder.path());
    crate::program::without_settings(&mut command);
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(files(&folder.path().join("csv")).len(), 600);
}
