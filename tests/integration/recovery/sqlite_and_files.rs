//! The kill loop with an SQLite database or a file as ledger, in every mode.

use super::input::{self, Random};
use super::kill_loop::{self, Job, kill_and_take_up, kills};
use super::outputs;

const EVERYTHING: &str = "--to sqlite:rows.db --to rows.jsonl --dead-letter dead.jsonl";

/// Runs a definition undisturbed, and then killed, into each kind of ledger.
fn survives(definition: &str, salt: u64) {
    let folder = super::folder();
    let seed = input::seed() * 1_000 + salt;
    let inputs = input::write(folder.path(), seed, 3, kill_loop::trades(), 400);
    let common = "--delay 500ms --symbols all --cross XVGUSDT=XVGBTC*BTCUSDT --cross BACK=BTCUSDT/XVGBTC \
                  --basis XVGUSDT=BTCUSDT";
    let flags = format!("{common} {definition}");
    let job = |name: &str, sinks: &str| Job::new(folder.path().join(name), &inputs, &flags, sinks);
    let undisturbed = job("undisturbed", EVERYTHING);
    let whole = undisturbed.run_whole();
    let expected = undisturbed.outputs();
    let rows = expected.rows.as_deref().expect("rows");
    assert!(rows.len() > 50_000, "{} bytes of rows", rows.len());
    assert!(expected.dead_letters.as_ref().is_some_and(|letters| letters.len() > 50));
    let mut random = Random::new(seed);
    let file = if salt.is_multiple_of(2) { EVERYTHING } else { "--to rows.jsonl --dead-letter dead.jsonl" };
    for (name, sinks) in [("sqlite", "--to sqlite:rows.db --dead-letter dead.jsonl"), ("file", file)] {
        let job = job(name, sinks);
        kill_and_take_up(&job, &mut random, kills().div_ceil(2), whole, |folder, killed| {
            // What a file holds at any time is what it is to hold in the end, as far as it goes.
            let found = outputs::text(&folder.join("rows.jsonl")).unwrap_or_default();
            assert!(rows.starts_with(&found), "{name}, kill {killed}, seed {seed}: other rows than expected");
        });
        expected.assert_same(&job.outputs(), &format!("{name}, seed {seed}, {definition}"));
    }
}

#[test]
fn final_rows() {
    survives("--window 3s", 1);
}

#[test]
fn sliding_windows_with_a_grace() {
    survives("--window 4s --slide 1s --grace 2s", 2);
}

#[test]
fn changes() {
    survives("--window 2s --emit changes --grace 3s", 3);
}

#[test]
fn provisional_rows_and_changes() {
    survives("--window 3s --slide 1500ms --emit changes --provisional --grace 1500ms --tick 500ms", 4);
}

#[test]
fn carried_legs() {
    survives("--window 2s --slide 1s --missing-leg carry --max-carry 8s --emit changes --grace 4s", 5);
}

#[test]
fn carried_legs_of_final_rows() {
    survives("--window 2s --missing-leg carry --max-carry 20s", 6);
}

#[test]
fn filled_windows() {
    survives("--window 500ms --window 1s/250ms --window anchored:10s/1s --fill previous --max-fill 4s", 8);
}

#[test]
fn withheld_rows_and_the_last_statistics() {
    survives("--window 1s --missing-leg withhold --stats-last 7 --dedup off", 7);
}

/// SQLite itself says of a lack of descriptors only that it cannot open a file.
#[test]
fn where_no_more_files_may_be_open_every_command_on_a_database_says_so() {
    let folder = super::folder();
    let trade = r#"{"e":"trade","s":"A","t":1,"p":"1","q":"1","T":1400000000000}"#;
    std::fs::write(folder.path().join("a.jsonl"), trade).expect("written");
    let run = "run a.jsonl --symbols A --rows symbol --to sqlite:rows.db -q";
    let mut failed = std::collections::BTreeMap::new();
    for files in (6..40).rev() {
        for words in [run, "query rows.db \"SELECT * FROM symbols\"", "checkpoint check --to sqlite:rows.db"]
        {
            let mut command = std::process::Command::new("sh");
            let line = format!("ulimit -n {files}; exec \"$0\" {words}");
            command.args(["-c", &line, env!("CARGO_BIN_EXE_crossrate")]).current_dir(folder.path());
            crate::program::without_settings(&mut command);
            let output = command.output().expect("it starts");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if !output.status.success() {
                assert!(said.contains("ulimit -n 65536"), "{words}, {files} files: {said}");
                *failed.entry(words).or_insert(0) += 1;
            }
        }
    }
    assert!(failed.contains_key(run), "{failed:?}");
}
