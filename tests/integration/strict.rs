//! `--strict`: the first bad record ends the run and is not read.

use crate::program::same;
use crate::recovery::input::Random;
use crate::recovery::kill_loop::{children_of, signal};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const BEFORE: &str = r#"{"e":"trade","s":"BTCUSDT","t":1,"p":"2","q":"1","T":1525022020000}
{"e":"trade","s":"BTCUSDT","t":2,"p":"3","q":"1","T":1525022031000}
{"e":"trade","s":"BTCUSDT","t":3,"p":"4","q":"1","T":1525022036000}
"#;
const BAD: &str = r#"{"e":"trade","s":"BTCUSDT","t":4,"p":"-4","q":"1","T":1525022037000}
"#;
const AFTER: &str = r#"{"e":"trade","s":"BTCUSDT","t":5,"p":"6","q":"1","T":1525022052000}
"#;

fn run(folder: &Path, flags: &[&str]) -> (Option<i32>, String, String) {
    run_of(folder, &["a.jsonl"], flags)
}

fn command(folder: &Path, files: &[&str], flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.arg("run").args(files).args(["--symbols", "BTCUSDT", "--window", "10s"]).args(flags);
    crate::program::without_settings(&mut command);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run_of(folder: &Path, files: &[&str], flags: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        command(folder, files, flags).output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn the_first_bad_record_ends_the_run_behind_the_rows_that_are_final() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.jsonl"), [BEFORE, BAD, AFTER, BAD].concat()).expect("written");
    let (code, rows, complaint) =
        run(folder.path(), &["--strict", "--summary", "s.json", "--dead-letter", "d.jsonl"]);
    assert_eq!(code, Some(4), "{complaint}");
    for words in ["a.jsonl: record 3 is bad: p: ", "hint: mend it", "read 3 = 3 accepted"] {
        assert!(complaint.contains(words), "{words} is not in {complaint}");
    }
    assert!(rows.lines().count() == 1 && rows.contains("\"end_ms\":1525022030000"), "{rows}");
    let summary = std::fs::read_to_string(folder.path().join("s.json")).expect("a summary");
    assert!(summary.starts_with(r#"{"read":3,"accepted":3,"#), "{summary}");
    assert_eq!(std::fs::read_to_string(folder.path().join("d.jsonl")).expect("a file"), "");
    for manner in [["-w", "3"], ["-n", "2"], ["--batch-records", "1"]] {
        assert_eq!(run(folder.path(), &["--strict", manner[0], manner[1]]).0, Some(4), "{manner:?}");
    }
}

/// Who has the rows hears of it from another worker or process, and still says what was read.
#[test]
fn whichever_worker_meets_it_the_run_is_accounted_for() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.jsonl"), [BEFORE, AFTER].concat()).expect("written");
    std::fs::write(folder.path().join("b.jsonl"), [BEFORE, BAD, AFTER].concat()).expect("written");
    for manner in [["-w", "1"], ["-w", "2"], ["-w", "4"], ["-n", "2"], ["-n", "3"]] {
        for _ in 0..5 {
            let flags = ["--strict", manner[0], manner[1], "--summary", "s.json"];
            let (code, _, complaint) = run_of(folder.path(), &["a.jsonl", "b.jsonl"], &flags);
            assert_eq!(code, Some(4), "{complaint}");
            for words in ["b.jsonl: record 3 is bad: p: ", "crossrate: read "] {
                assert!(complaint.contains(words), "{manner:?}: {words} is not in {complaint}");
            }
            let summary = std::fs::read_to_string(folder.path().join("s.json")).expect("a summary");
            assert!(summary.starts_with("{\"read\":"), "{summary}");
            std::fs::remove_file(folder.path().join("s.json")).expect("removed");
        }
    }
}

/// The process that writes stands still somewhere while it starts, and another one meets the record
/// meanwhile.
#[test]
fn a_process_that_is_slow_to_start_still_says_what_was_read() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.jsonl"), [BEFORE, AFTER].concat()).expect("written");
    std::fs::write(folder.path().join("b.jsonl"), [BEFORE, BAD, AFTER].concat()).expect("written");
    let mut random = Random::new(crate::recovery::input::seed());
    for _ in 0..12 {
        let run = command(folder.path(), &["a.jsonl", "b.jsonl"], &["--strict", "-n", "2"])
            .spawn()
            .expect("it starts");
        let begun = Instant::now();
        while children_of(run.id()).len() < 2 && begun.elapsed() < Duration::from_secs(180) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(random.below(150_000)));
        // It may be through by now.
        if let [writes, _] = children_of(run.id())[..] {
            signal(writes, "STOP");
            std::thread::sleep(Duration::from_millis(200));
            signal(writes, "CONT");
        }
        let output = run.wait_with_output().expect("it ends");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{complaint}");
        for words in ["b.jsonl: record 3 is bad: p: ", "crossrate: read "] {
            assert!(complaint.contains(words), "{words} is not in {complaint}");
        }
    }
}

/// All rows that the records before it have made final are there, however many workers have a part in them.
#[test]
fn the_rows_before_it_are_complete_with_any_number_of_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let trades: String = (0..20_000)
        .map(|n| {
            let (symbol, time) = (["BTCUSDT", "XVGBTC", "ETHUSDT"][n % 3], 1_525_022_020_000 + n * 50);
            format!("{{\"e\":\"trade\",\"s\":\"{symbol}\",\"t\":{n},\"p\":\"2\",\"q\":\"1\",\"T\":{time}}}\n")
        })
        .collect();
    std::fs::write(folder.path().join("a.jsonl"), [&trades, BAD, AFTER].concat()).expect("written");
    let flags = |manner: [&'static str; 2]| {
        let [flag, number] = manner;
        ["--strict", "--cross", "XVGUSDT=XVGBTC*BTCUSDT", "--batch-records", "500", flag, number]
    };
    let (_, expected, _) = run(folder.path(), &flags(["-w", "1"]));
    assert!(expected.lines().count() > 300, "{expected}");
    for manner in [["-w", "2"], ["-w", "3"], ["-w", "4"], ["-n", "2"], ["-n", "3"]] {
        let (code, rows, complaint) = run(folder.path(), &flags(manner));
        assert_eq!(code, Some(4), "{complaint}");
        same("rows before a bad record", &rows, &expected).expect("the same bytes");
    }
}

#[test]
fn a_run_that_is_taken_up_meets_it_again_and_goes_on_once_it_is_mended() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("a.jsonl");
    let mended = BAD.replace("-4", "4");
    std::fs::write(&input, [BEFORE, &mended, AFTER].concat()).expect("written");
    let (code, expected, complaint) = run(folder.path(), &[]);
    assert_eq!(code, Some(0), "{complaint}");
    std::fs::write(&input, [BEFORE, BAD, AFTER].concat()).expect("written");
    for _ in 0..2 {
        let (code, _, complaint) = run(folder.path(), &["--strict", "--to", "rows.jsonl"]);
        assert!(code == Some(4) && complaint.contains("record 3 is bad"), "{code:?} {complaint}");
    }
    std::fs::write(&input, [BEFORE, &mended, AFTER].concat()).expect("written");
    let (code, _, complaint) = run(folder.path(), &["--strict", "--to", "rows.jsonl"]);
    assert_eq!(code, Some(0), "{complaint}");
    let rows = std::fs::read_to_string(folder.path().join("rows.jsonl")).expect("rows");
    same("rows of a run that was taken up", &rows, &expected).expect("the same bytes");
}
