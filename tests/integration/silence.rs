//! An input that gives nothing says why (`docs/semantics.md`), and so does one whose clock was wrong.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

fn run(records: &str, flags: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    command.args(["run", "--from", "-"]).args(flags).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(records.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

fn trade(symbol: &str, id: u64, ms: u64) -> String {
    format!("{{\"e\":\"trade\",\"s\":\"{symbol}\",\"t\":{id},\"p\":\"2\",\"q\":\"1\",\"T\":{ms}}}\n")
}

const START: u64 = 1_525_022_020_000;

#[test]
fn a_name_in_the_wrong_case_is_told_also_to_who_asked_for_silence() {
    let records: String = (0..3).map(|id| trade("BTCUSDT", id, START + id)).collect();
    let records = records + &trade("ETHUSDT", 1, START);
    let (output, said) = run(&records, &["--symbols", "btcusdt", "-q"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let told = "of 4 records none was accepted: 4 unselected; symbols seen: BTCUSDT, ETHUSDT \
                (btcusdt is not BTCUSDT: names are told apart by case)";
    assert!(said.contains(told), "{said}");
    let (output, said) = run(&records, &["--symbols", "btcusdt", "-q", "--strict"]);
    assert_eq!(output.status.code(), Some(4), "{said}");
    let (output, said) = run(&records, &["--symbols", "BTCUSDT", "-q", "--strict"]);
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}

/// The names are read out of the records once more, by the job's decimals.
#[test]
fn symbols_nobody_asked_for_are_named_whatever_the_decimals() {
    let records: String =
        (1..4).map(|id| trade("PEPEBTC", id, START + id).replace("\"2\"", "\"0.0000000012\"")).collect();
    let flags = ["--price-decimals", "10", "--symbols", "BTCUSDT", "-q"];
    let (output, said) = run(&records, &flags);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("3 unselected; symbols seen: PEPEBTC"), "{said}");
    let of_coinbase = r#"{"type":"match","trade_id":1,"side":"sell","size":"1","price":"0.0000000012","product_id":"PEPE-BTC","time":"2018-04-29T17:13:40Z"}"#;
    let (output, said) = run(&format!("{of_coinbase}\n"), &[&flags[..], &["--format", "coinbase"]].concat());
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("1 unselected; symbols seen: PEPE-BTC"), "{said}");
}

#[test]
fn the_first_record_of_the_most_frequent_class_is_told_with_its_reason() {
    let depth = "{\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\"}\n";
    let cases = [
        (
            depth.repeat(2) + "{\n",
            "1 bad + 2 ignored",
            "the first, number 0: event depthUpdate is none of trade",
        ),
        ("{\n{\n{}\n".to_owned(), "2 bad + 1 ignored", "the first, number 0: "),
    ];
    for (records, counts, why) in &cases {
        let (output, said) = run(records, &["-q"]);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains(&format!("of 3 records none was accepted: {counts}; {why}")), "{said}");
    }
    let (_, said) = run("", &["-q", "--strict"]);
    assert_eq!(said, "", "no record is no error");
}

#[test]
fn a_record_for_which_no_condition_of_a_mapping_holds_is_told_with_the_values_that_it_has() {
    let records = "{\"type\":\"subscriptions\",\"channels\":[]}\n".repeat(2);
    let (output, said) = run(&records, &["--format", "coinbase", "-q"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let why = "of 2 records none was accepted: 2 ignored; the first, number 0: no `where` holds: \
               /type is \"subscriptions\" and not \"match\" or \"last_match\"; /channel is absent";
    assert!(said.contains(why), "{said}");
}

#[test]
fn the_delay_that_is_told_takes_what_was_late() {
    let mut records: String = (0..50).map(|n| trade("BTCUSDT", n, START + n * 1_000)).collect();
    records += &trade("BTCUSDT", 90, START + 12_345);
    records += &trade("BTCUSDT", 91, START + 50_000);
    let flags = ["--symbols", "BTCUSDT", "--window", "1s", "--slide", "500ms"];
    let (_, said) = run(&records, &flags);
    let delay = said.split("--delay ").nth(1).and_then(|rest| rest.split(' ').next());
    let delay = delay.unwrap_or_else(|| panic!("{said}"));
    assert!(said.contains("1 late, the latest 36.655 s behind; --delay 37s would have taken them"), "{said}");
    let (_, said) = run(&records, &[&flags[..], &["--delay", delay]].concat());
    assert!(said.contains(" + 0 late + "), "{said}");
}

#[test]
fn a_clock_that_was_wrong_is_told_and_with_max_jump_moves_nothing() {
    let mut records: String = (0..5).map(|n| trade("BTCUSDT", n, START + n * 1_000)).collect();
    records += &trade("BTCUSDT", 5, 4_071_000_000_000);
    records += &(6..20).map(|n| trade("BTCUSDT", n, START + n * 1_000)).collect::<String>();
    let flags = ["--symbols", "BTCUSDT", "--window", "1s", "--delay", "1s"];
    let (_, said) = run(&records, &flags);
    let told = "all records after number 5, whose time is 2099-01-02T01:20:00.000Z, were late (";
    assert!(said.contains(told) && said.contains("--max-jump"), "{said}");
    let (_, said) = run(&records, &[&flags[..], &["--max-jump", "1m"]].concat());
    assert!(said.contains("19 accepted") && said.contains(" 0 late") && said.contains("1 future"), "{said}");
}

#[test]
fn ids_against_time_are_told_once() {
    let records: String = (0..6).map(|n| trade("BTCUSDT", 100 - n * 10, START + n * 1_000)).collect();
    let (_, said) = run(&records, &["--symbols", "BTCUSDT", "--window", "1s"]);
    assert_eq!(said.matches("warning: missing_ids of BTCUSDT is below zero").count(), 1, "{said}");
}

#[test]
fn an_archive_of_an_unselected_symbol_is_told_by_its_name_and_refused_by_every_number_of_processes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ETHUSDT-trades-2018-04-29.csv");
    std::fs::write(&file, "1,2,3,6,1525022020000,true,true\n2,2,3,6,1525022021000,true,true\n")
        .expect("written");
    for number in ["1", "2"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        crate::program::without_settings(&mut command);
        command.arg("run").arg(&file).args(["--symbols", "ETHBTC", "-q", "--strict", "-n", number]);
        let output = command.stdin(Stdio::null()).output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "-n {number}: {said}");
        let told = "of 2 records none was accepted: 2 unselected; symbols seen: ETHUSDT";
        assert_eq!(said.matches(told).count(), 1, "-n {number}: {said}");
    }
    // A symbol that is told wins over the file's name.
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    command.arg("run").arg(&file).args(["--symbol", "ETHBTC", "--symbols", "ETHBTC", "-q", "--strict"]);
    let output = command.stdin(Stdio::null()).output().expect("it ends");
    let rows = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && rows.contains(r#""name":"ETHBTC""#), "{rows}");
}

#[test]
fn a_pipe_that_stays_open_without_a_row_says_what_it_waits_for_and_so_does_its_interrupt() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    command.args(["run", "--from", "-", "--symbols", "BTCUSDT"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(trade("BTCUSDT", 1, START).as_bytes()).expect("it reads");
    let said = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut lines = said.lines().map(|line| line.expect("text"));
    let waits = "the next window ends at 2018-04-29T17:14:00.000Z and the frontier is at 2018-04-29T17:13:35.000Z, \
                 held by standard input: its watermark, the latest event time less --delay 5s, is no further";
    let is_told = |words: &str, line: String| line == format!("crossrate: {words}: {waits}");
    assert!(lines.any(|line| is_told("no row for 10 s", line)), "it ends without a word");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    assert!(lines.any(|line| is_told("no row yet", line)), "it is interrupted without a word");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    drop(input);
}
