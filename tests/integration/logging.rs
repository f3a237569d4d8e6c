//! What the program tells of itself: as text, as JSON lines, and how far it is.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const START: u64 = 1_525_022_020_000;

fn trade(symbol: &str, id: u64, ms: u64) -> String {
    format!("{{\"e\":\"trade\",\"s\":\"{symbol}\",\"t\":{id},\"p\":\"2\",\"q\":\"1\",\"T\":{ms}}}\n")
}

fn crossrate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    command.args(arguments);
    command
}

fn ended(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().expect("it starts");
    (status.code(), String::from_utf8(stderr).expect("UTF-8"))
}

/// The same, as JSON: each line one object.
fn told(command: &mut Command) -> (Option<i32>, Vec<Value>) {
    let (code, said) = ended(command.args(["--log-format", "json"]));
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    (code, said.lines().map(line).collect())
}

/// A line of text, as the event of a JSON line has it.
fn text_of(event: &Value) -> String {
    let words = event["message"].as_str().expect("a message");
    let word = if event["level"] == "error" { "error: " } else { "" };
    let hint = event["hint"].as_str().map_or(String::new(), |hint| format!("crossrate: hint: {hint}\n"));
    format!("crossrate: {word}{words}\n{hint}")
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn text_and_json_tell_the_same_and_json_has_the_fields() {
    let folder = tempfile::tempdir().expect("a folder");
    let late: String = (0..3).map(|id| trade("A", 10 + id, START + 1_000)).collect();
    let input =
        file(folder.path(), "trades.jsonl", &(trade("A", 1, START) + &trade("A", 2, START + 60_000) + &late));
    let run = || crossrate(&["run", &input, "--symbols", "A", "--window", "10s", "--delay", "1s"]);
    let ((code, text), (json_code, events)) = (ended(&mut run()), told(&mut run()));
    assert_eq!((code, json_code), (Some(0), Some(0)), "{text}");
    assert_eq!(events.iter().map(text_of).collect::<String>(), text);
    for event in &events {
        assert!(event["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{event}");
        assert!(["info", "warn"].contains(&event["level"].as_str().expect("a level")), "{event}");
        assert!(event["module"].as_str().is_some_and(|module| !module.is_empty()), "{event}");
    }
    let of = |field: &str| events.iter().find(|event| event.get(field).is_some()).expect("an event with it");
    assert_eq!(
        (&of("read")["read"], &of("read")["accepted"], &of("read")["late"]),
        (&5.into(), &2.into(), &3.into())
    );
    let jump = of("offset");
    assert_eq!(
        (&jump["level"], &jump["partition"], &jump["offset"]),
        (&"warn".into(), &input.into(), &1.into())
    );
    assert_eq!((&jump["time_ms"], &jump["late"]), (&(START + 60_000).into(), &3.into()));
}

#[test]
fn an_error_is_one_event_with_its_exit_code_and_what_to_do() {
    let run = || crossrate(&["run", "there-is-no-such-file.jsonl"]);
    let ((code, text), (json_code, events)) = (ended(&mut run()), told(&mut run()));
    assert_eq!((code, json_code), (Some(3), Some(3)), "{text}");
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&event["level"], &event["exit_code"]), (&"error".into(), &3.into()));
    assert!(event["hint"].as_str().is_some_and(|hint| hint.contains("check the name")), "{event}");
    assert_eq!(text_of(event), text);
}

#[test]
fn a_process_of_several_has_its_number_in_each_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = file(folder.path(), "trades.jsonl", &trade("A", 1, START));
    let (code, events) = told(&mut crossrate(&["run", &input, "--symbols", "A", "-n", "2", "-v"]));
    assert_eq!(code, Some(0), "{events:?}");
    let numbers: Vec<Option<u64>> = events.iter().map(|event| event["process"].as_u64()).collect();
    assert!(numbers.contains(&Some(0)), "{events:?}");
    assert!(events.iter().any(|event| event["level"] == "debug"), "{events:?}");
}

#[test]
fn a_run_tells_its_progress_where_it_ends_and_where_it_is_taken_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = file(folder.path(), "1.jsonl", &(trade("A", 1, START) + &trade("A", 2, START + 15_000)));
    let second = file(folder.path(), "2.jsonl", &trade("A", 3, START + 60_000));
    let database = format!("sqlite:{}", folder.path().join("rows.db").display());
    let run = |files: &[&str], progress: &str| {
        let mut command = crossrate(&["run", "--symbols", "A", "--window", "10s", "--delay", "1s"]);
        command
            .args(["--rows", "symbol", "--at-end", "keep", "--to", &database, "--progress", progress])
            .args(files);
        command
    };
    let (code, said) = ended(&mut run(&[&first], "always"));
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("crossrate: 1 rows of 2 records in ") && said.contains(" % waiting for input\n"),
        "{said}"
    );
    assert!(!said.contains("taken up"), "{said}");
    let (code, said) = ended(&mut run(&[&first, &second], "never"));
    assert!(code == Some(0) && !said.contains("taken up") && !said.contains("rows of"), "{said}");
    let third = file(folder.path(), "3.jsonl", &trade("A", 4, START + 90_000));
    let (code, events) = told(&mut run(&[&first, &second, &third], "always"));
    assert_eq!(code, Some(0), "{events:?}");
    let taken = events.iter().find(|event| event.get("committed_ms").is_some()).expect("taken up");
    let words = taken["message"].as_str().expect("a message");
    assert!(words.starts_with("taken up where it was: rows are out until "), "{words}");
    assert!(words.contains("partition 0 at record 2, 1 at record 1"), "{words}");
    let end = events.iter().find(|event| event.get("reading_s").is_some()).expect("the end");
    assert_eq!(end["records"], 4, "{end}");
    for part in ["seconds", "reading_s", "computing_s", "writing_s", "waiting_s"] {
        assert!(end[part].as_f64().is_some_and(|seconds| seconds >= 0.0), "{end}");
    }
}

#[test]
fn a_terminal_shows_one_line_that_goes_when_something_else_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("trades");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let rows = folder.path().join("rows.jsonl");
    let line = format!(
        "{} run {} --symbols A --window 10s --delay 1s > {}",
        env!("CARGO_BIN_EXE_crossrate"),
        pipe.display(),
        rows.display()
    );
    let mut command = Command::new("script");
    crate::program::without_settings(&mut command);
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("script starts");
    let mut writer = fs::File::options().read(true).write(true).open(&pipe).expect("a pipe");
    writer.write_all((trade("A", 1, START) + &trade("A", 2, START + 60_000)).as_bytes()).expect("written");
    let mut shown = BufReader::new(child.stdout.take().expect("piped"));
    let mut seen = Vec::new();
    // Each line that is shown is taken away by the next.
    while !String::from_utf8_lossy(&seen).contains("crossrate: 2 records, ") {
        let read = shown.read_until(b'\r', &mut seen).expect("a terminal");
        assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
    }
    drop(writer);
    shown.read_to_end(&mut seen).expect("a terminal");
    let seen = String::from_utf8_lossy(&seen);
    assert!(child.wait().expect("it ends").success(), "{seen}");
    assert!(seen.contains("\r\x1b[Kcrossrate: "), "{seen:?}");
    let (_, end) = seen.rsplit_once("\x1b[K").expect("the line goes");
    assert!(end.starts_with("crossrate: ") && end.contains(" rows of 2 records in "), "{seen:?}");
}
