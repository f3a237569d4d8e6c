//! An input that gives nothing says why (`docs/semantics.md`), and so does one whose clock was wrong.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

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

/// Trades a second apart, with wild clocks among them.
fn with_wild_clocks(wild: &[(u64, u64)]) -> String {
    let mut records = String::new();
    for n in 0..100 {
        records += &trade("BTCUSDT", n, START + n * 1_000);
        for (_, time) in wild.iter().filter(|(after, _)| *after == n) {
            records += &trade("BTCUSDT", 1_000 + records.len() as u64, *time);
        }
    }
    records
}

const YEAR_2099: u64 = 4_071_000_000_000;

/// Each with what the watermark makes of it: within the delay of each other, and far beyond.
#[test]
fn wild_clocks_are_told_by_the_first_of_them_however_many_there_are() {
    let flags = ["--symbols", "BTCUSDT", "--window", "10s"];
    let far = YEAR_2099 + 3_600_000;
    let jump = "with --max-jump such a record moves nothing";
    let borne_out = "both are taken for what follows a gap";
    let cases: [(&[(u64, u64)], u64, &str); 6] = [
        (&[(19, YEAR_2099)], 0, jump),
        (&[(19, YEAR_2099), (59, YEAR_2099)], 1, jump),
        (&[(19, YEAR_2099), (59, far)], 1, jump),
        (&[(19, YEAR_2099), (29, far), (59, far + 60_000)], 2, jump),
        (&[(19, YEAR_2099), (19, YEAR_2099 + 1_000)], 1, borne_out),
        (&[(19, YEAR_2099), (19, far)], 1, borne_out),
    ];
    for (wild, counted, hint) in cases {
        let (output, said) = run(&with_wild_clocks(wild), &flags);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let told = match counted {
            0 => "all records after number 20, whose time is 2099-01-02T01:20:00.000Z, were late (80)"
                .to_owned(),
            _ => format!(
                "of the records after number 20, whose time is 2099-01-02T01:20:00.000Z, 80 were late and \
                 {counted} counted"
            ),
        };
        assert!(said.contains(&told) && said.contains(hint), "{wild:?}: {said}");
        assert_eq!(said.matches("after number").count(), 1, "{wild:?}: {said}");
        let (_, said) = run(&with_wild_clocks(wild), &[&flags[..], &["--max-jump", "1m"]].concat());
        assert!(said.contains(" 0 late") || hint == borne_out, "{wild:?}: {said}");
        let (_, said) = run(&with_wild_clocks(wild), &[&flags[..], &["-q"]].concat());
        assert_eq!(said, "");
    }
}

/// Behind a true gap many records count, and some that come from before it are late.
#[test]
fn a_gap_with_stragglers_is_no_wild_clock() {
    let mut records: String = (0..50).map(|n| trade("BTCUSDT", n, START + n * 1_000)).collect();
    records += &(0..3).map(|n| trade("BTCUSDT", 60 + n, START + 3_600_000 + n * 1_000)).collect::<String>();
    records += &(0..5).map(|n| trade("BTCUSDT", 70 + n, START + 40_000 + n * 1_000)).collect::<String>();
    let (_, said) = run(&records, &["--symbols", "BTCUSDT", "--window", "10s"]);
    assert!(said.contains("5 late, the latest ") && !said.contains("after number"), "{said}");
}

/// A program that reads a pipe which stays open after these records, and the lines that it tells.
fn piped(records: &str, flags: &[&str]) -> (Child, ChildStdin, impl Iterator<Item = String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    command.args(["run", "--from", "-"]).args(flags).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(records.as_bytes()).expect("it reads");
    let said = BufReader::new(child.stderr.take().expect("a pipe"));
    (child, input, said.lines().map(|line| line.expect("text")))
}

#[test]
fn a_pipe_tells_of_wild_clocks_and_of_the_wrong_case_after_ten_seconds() {
    let records = with_wild_clocks(&[(19, YEAR_2099), (19, YEAR_2099 + 1_000)]) + &trade("ETHUSDT", 1, START);
    let (mut child, input, lines) = piped(&records, &["--symbols", "BTCUSDT,ethusdt"]);
    let mut open = vec![
        "of the records after number 20, whose time is 2099-01-02T01:20:00.000Z, 80 were late and 1 counted",
        "no trade of ethusdt, but trades of ETHUSDT: names are told apart by case",
    ];
    for line in lines {
        open.retain(|words| !line.contains(words));
        if open.is_empty() {
            break;
        }
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert!(open.is_empty(), "it says nothing of: {open:?}");
    drop(input);
}

/// Three bad records for one reason, two for another one, and one for a third.
fn with_bad_records() -> String {
    let bad = |n: u64| match n {
        10 | 30 | 50 => "{\n".to_owned(),
        20 | 40 => trade("BTCUSDT", n, START).replace("\"2\"", "\"-2\""),
        60 => trade("BTCUSDT", n, START).replace("\"q\":\"1\"", "\"q\":\"0\""),
        _ => String::new(),
    };
    (0..80).map(|n| trade("BTCUSDT", n, START + n * 1_000) + &bad(n)).collect()
}

#[test]
fn bad_records_are_told_the_first_for_each_reason_and_then_their_counts() {
    let flags = ["--symbols", "all", "--window", "10s"];
    let (output, said) = run(&with_bad_records(), &flags);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let firsts: Vec<&str> = said
        .lines()
        .filter(|line| line.contains(": the first bad record for this reason, number "))
        .collect();
    let numbers = ["number 11: ", "number 22: ", "number 66: "];
    assert!(firsts.len() == 3 && firsts.iter().zip(numbers).all(|(line, n)| line.contains(n)), "{said}");
    for counts in [
        "standard input: 3 bad, the first number 11: ",
        "standard input: 2 bad, the first number 22: ",
        "standard input: 1 bad, the first number 66: ",
    ] {
        assert_eq!(said.matches(counts).count(), 1, "{said}");
    }
    let (_, said) = run(&with_bad_records(), &[&flags[..], &["-q"]].concat());
    assert_eq!(said, "");
    let (_, said) = run(&with_bad_records(), &[&flags[..], &["--log-format", "json"]].concat());
    let events = said.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
    let of_reasons: Vec<Value> = events.filter(|event| event.get("reason").is_some()).collect();
    let is_whole = |event: &Value| {
        event["partition"] == "standard input"
            && event["reason"].as_str().is_some_and(|reason| !reason.is_empty())
            && event["offset"].is_i64()
            && event["level"] == "warn"
    };
    assert!(of_reasons.len() == 6 && of_reasons.iter().all(is_whole), "{said}");
    let counts: Vec<&Value> = of_reasons.iter().filter_map(|event| event.get("bad")).collect();
    assert_eq!(counts, [3, 2, 1]);
}

/// Reasons beyond so many are counted together.
#[test]
fn bad_records_of_any_number_of_reasons_are_told_in_a_bounded_number_of_lines() {
    let good = trade("BTCUSDT", 1, START);
    let bad =
        ["{", "[1]", "{} 1", "{\"a\":}", "{\"a\":01}", "{\"a\":\"\\x\"}", "{\"a\" 1}", "{a}", "{\"a\":tru}"];
    let mut records: String = bad.iter().map(|line| format!("{line}\n")).collect();
    for (from, to) in [
        ("\"2\"", "\"2.000000001\""),
        ("\"2\"", "\"\""),
        ("\"2\"", "2"),
        ("\"q\":\"1\"", "\"q\":\"0\""),
        ("\"t\":1", "\"t\":-1"),
        (",\"T\":1525022020000", ""),
        ("1525022020000", "12"),
        ("\"s\":\"BTCUSDT\",", ""),
    ] {
        records += &good.replace(from, to);
    }
    let (_, said) = run(&(good + &records), &["--symbols", "all"]);
    assert_eq!(said.matches("the first bad record for this reason").count(), 8, "{said}");
    assert_eq!(said.matches(" bad for other reasons").count(), 1, "{said}");
}

#[test]
fn a_run_that_accepts_trades_and_gives_no_row_says_what_its_rows_needed() {
    let records: String =
        (0..50).flat_map(|n| ["BTCUSDT", "ETHUSDT"].map(|name| trade(name, n, START + n * 1_000))).collect();
    let case = "no trade of ethusdt, but trades of ETHUSDT: names are told apart by case";
    let cases: [(&str, &[&str]); 5] = [
        (
            "--rows stats",
            &["accepted 50 trades and gave no row: XVGBTC never traded, which a cross needs"][..],
        ),
        (
            "--cross X=BTCUSDT*ethusdt --rows cross --missing-leg withhold",
            &["accepted 50 trades and gave no row: ethusdt never traded, which a cross needs", case],
        ),
        (
            "--cross X=BTCUSDT*A --cross Y=B/A --rows cross --missing-leg withhold",
            &["gave no row: A and B never traded, which crosses need"],
        ),
        (
            "--symbols all --window anchored:2030-01-01T00:00:00Z/1m",
            &["accepted 100 trades and gave no row: no window holds them, the first one begins at \
                 2030-01-01T00:00:00.000Z"],
        ),
        ("--symbols all --rows cross", &["gave no row: there is no cross, and --rows asks for no others"]),
    ];
    for (flags, words) in cases {
        let flags: Vec<&str> = flags.split(' ').collect();
        let (output, said) = run(&records, &flags);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{flags:?}: {said}");
        for words in words {
            assert_eq!(said.matches(words).count(), 1, "{flags:?}: {said}");
        }
        let (output, said) = run(&records, &[&flags[..], &["-q"]].concat());
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{flags:?}");
    }
    // Legs that trade, but never in one window.
    let apart: String =
        (0..4).map(|n| trade(["BTCUSDT", "ETHUSDT"][n as usize % 2], n, START + n * 60_000)).collect();
    let flags = ["--cross", "X=BTCUSDT*ETHUSDT", "--rows", "cross", "--missing-leg", "withhold"];
    let (_, said) = run(&apart, &flags);
    assert!(
        said.contains("accepted 4 trades and gave no row: in no window all legs of a cross traded"),
        "{said}"
    );
    let (output, said) = run(&records, &flags);
    assert!(!output.stdout.is_empty() && !said.contains("no row"), "{said}");
}

#[test]
fn a_wanted_symbol_in_the_wrong_case_is_told_once_whatever_else_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = |name: &str| (0..50).map(|n| trade(name, n, START + n * 1_000)).collect::<String>();
    let write = |file: &str, text: String| std::fs::write(folder.path().join(file), text).expect("written");
    write("both.jsonl", records("BTCUSDT") + &records("ETHUSDT"));
    write("other.jsonl", records("ETHUSDT"));
    write("lower.jsonl", records("btcusdt"));
    let told = "no trade of btcusdt, but trades of BTCUSDT: names are told apart by case";
    for (words, times) in [
        ("both.jsonl --delay 1h --cross X=btcusdt*ETHUSDT", 1),
        ("both.jsonl --delay 1h --symbols btcusdt,ETHUSDT", 1),
        ("both.jsonl other.jsonl --delay 1h --symbols btcusdt,ETHUSDT -w 2", 1),
        ("both.jsonl other.jsonl --delay 1h --symbols btcusdt,ETHUSDT -n 2", 1),
        ("both.jsonl --delay 1h --symbols btcusdt,ETHUSDT -q", 0),
        ("both.jsonl lower.jsonl --delay 1h --symbols btcusdt,ETHUSDT", 0),
        ("both.jsonl --delay 1h --symbols ETHUSDT", 0),
        ("both.jsonl --delay 1h --symbols all", 0),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        crate::program::without_settings(&mut command);
        command.arg("run").args(words.split(' ')).current_dir(folder.path());
        let output = command.stdin(Stdio::null()).output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{words}: {said}");
        assert_eq!(said.matches(told).count(), times, "{words}: {said}");
        assert_eq!(said.matches("told apart by case").count(), times, "{words}: {said}");
    }
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
    let record = trade("BTCUSDT", 1, START);
    let (mut child, input, mut lines) = piped(&record, &["--symbols", "BTCUSDT"]);
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
