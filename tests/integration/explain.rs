//! `crossrate explain`: why a row is what it is, held against the rows of a run and against its own numbers.

use crate::program::without_settings;
use crate::tapes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const CASES: u64 = 24;
/// Windows of a case that are explained.
const WINDOWS: usize = 2;

fn crossrate<S: AsRef<OsStr>>(folder: &Path, words: impl IntoIterator<Item = S>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    without_settings(&mut command);
    command.args(words).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What is explained shares its flags with `run`, but for those of rows of other kinds.
fn explained(flags: &[String]) -> Vec<String> {
    let mut flags = flags.to_vec();
    for other in ["--basis", "--rows", "--stats-last", "--fill", "--max-fill"] {
        while let Some(place) = flags.iter().position(|flag| flag == other) {
            flags.drain(place..place + 2);
        }
    }
    flags
}

type Key = (String, String, u64);

/// How many rows each cross and symbol has in windows that end then, most first.
fn keys(rows: &[Value]) -> Vec<Key> {
    let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
    for row in rows {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let (kind, name, end) = (text("kind"), text("name"), row["end_ms"].as_u64().unwrap());
        if (kind == "cross" || kind == "symbol") && !name.starts_with('-') {
            *counts.entry((kind, name, end)).or_default() += 1;
        }
    }
    let mut keys: Vec<(usize, Key)> = counts.into_iter().map(|(key, count)| (count, key)).collect();
    keys.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    keys.into_iter().map(|(_, key)| key).collect()
}

/// Each window's rows are those of the run, and the trades that entered them are theirs.
#[test]
fn what_is_explained_is_what_a_run_gives() {
    let (mut explained_windows, mut several) = (0, 0);
    for seed in 0..CASES {
        let case = tapes::case(seed);
        let folder = tempfile::tempdir().unwrap();
        let files = (0..).zip(&case.tapes).map(|(number, tape)| tape.write(folder.path(), number));
        let files: Vec<String> = files.map(|path| path.to_str().unwrap().to_owned()).collect();
        let mut flags = explained(&case.flags);
        let run = [&["run".to_owned(), "-q".to_owned()][..], &flags, &files].concat();
        let rows = text(&crossrate(folder.path(), run));
        let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        flags.push("--json".to_owned());
        for (kind, name, end) in keys(&rows).into_iter().take(WINDOWS) {
            let asked = ["explain".to_owned(), kind.clone(), format!("{name}@{end}")];
            let told = text(&crossrate(folder.path(), [&asked[..], &flags, &files].concat()));
            let told: Value = serde_json::from_str(&told).unwrap();
            let what = format!("seed {seed}, {kind} {name} {end}, {}: {told}", flags.join(" "));
            // Of several definitions the first is explained; the others decide which trades are late.
            let is_told = |row: &&Value| {
                ["kind", "name", "window", "end_ms"].iter().all(|field| row[*field] == told[*field])
            };
            let rows: Vec<&Value> = rows.iter().filter(is_told).collect();
            check(&told, &rows, &what);
            explained_windows += 1;
            several += usize::from(rows.len() > 1);
        }
    }
    assert!(explained_windows > 12 && several > 3, "{explained_windows}, {several} of them with corrections");
}

fn check(told: &Value, rows: &[&Value], what: &str) {
    let revisions = told["revisions"].as_array().unwrap();
    let found: Vec<&Value> = revisions.iter().map(|revision| &revision["row"]).collect();
    assert_eq!(found, rows, "{what}");
    let mut entered: BTreeMap<&str, u64> = BTreeMap::new();
    let mut before = 0;
    for revision in revisions {
        let firing = revision["firing_us"].as_u64().unwrap();
        for trade in revision["entered"].as_array().unwrap() {
            *entered.entry(trade["symbol"].as_str().unwrap()).or_default() += 1;
            let watermark = trade["watermark_us"].as_u64().unwrap();
            assert!((before..firing).contains(&watermark), "{trade}: {what}");
        }
        for partition in revision["watermarks"].as_array().unwrap() {
            let reached = partition["watermark_us"].as_u64().is_none_or(|watermark| watermark >= firing);
            assert!(reached && (partition["offset"].is_null() == (partition["moved_by"] == "end")), "{what}");
        }
        let row = &revision["row"];
        let count = |symbol: &Value| entered.get(symbol.as_str().unwrap()).copied().unwrap_or(0);
        match row["legs"].as_array() {
            None => assert_eq!(row["trades"], count(&row["name"]), "{what}"),
            Some(legs) => legs.iter().filter(|leg| leg["age_ms"] == 0).for_each(|leg| {
                assert_eq!(leg["trades"], count(&leg["symbol"]), "{leg}: {what}");
            }),
        }
        before = firing;
    }
}

const CROSS: &[&str] = &["--window", "10s", "--grace", "5s", "--emit", "changes", "--delay", "2s"];

fn trade(symbol: &str, id: u64, price: &str, second: f64) -> String {
    let time = 1_525_022_000_000 + (second * 1_000.0) as u64;
    format!(r#"{{"e":"trade","s":"{symbol}","t":{id},"p":"{price}","q":"2","T":{time}}}"#) + "\n"
}

#[test]
fn a_corrected_row_names_its_firings_trades_and_refusals() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        trade("XVGBTC", 1, "0.00001", 1.0),
        trade("BTCUSDT", 1, "9000", 2.0),
        trade("BTCUSDT", 1, "9000", 2.0),
        // Its watermark is at 12: the window has closed, and what comes then corrects it.
        trade("BTCUSDT", 4, "9100", 14.0),
        trade("XVGBTC", 2, "0.00003", 9.5),
        "{\"e\":\"trade\",\n".to_owned(),
        trade("BTCUSDT", 5, "9100", 17.5),
        trade("XVGBTC", 3, "0.00005", 9.75),
    ];
    std::fs::write(folder.path().join("trades.jsonl"), lines.concat()).unwrap();
    let asked = ["explain", "cross", "XVGUSDT@2018-04-29T17:13:30Z", "trades.jsonl"];
    let told = text(&crossrate(folder.path(), [&asked[..], CROSS].concat()));
    let expected = "\
cross XVGUSDT, window 10s, from 2018-04-29T17:13:20.000Z to 2018-04-29T17:13:30.000Z

revision 0, at the firing of 2018-04-29T17:13:30.000Z, closed by event
  vwap 0.090000000000000000, complete
  path XVGBTC*BTCUSDT
  leg XVGBTC at 0.000010000000000000, 1 trade
  leg BTCUSDT at 9000.000000000000000000, 1 trade
  watermarks that reached the firing:
    trades.jsonl: record 3, a trade of 2018-04-29T17:13:34.000Z, took it to 2018-04-29T17:13:32.000Z
  held by trades.jsonl
  entered since the firing before:
    BTCUSDT: 1 trade
      id 1: 2.00000000 at 9000.00000000, 2018-04-29T17:13:22.000Z, record 1 of trades.jsonl
    XVGBTC: 1 trade
      id 1: 2.00000000 at 0.00001000, 2018-04-29T17:13:21.000Z, record 0 of trades.jsonl

revision 1, at the firing of 2018-04-29T17:13:32.250Z
  vwap 0.180000000000000000, complete
  path XVGBTC*BTCUSDT
  leg XVGBTC at 0.000020000000000000, 2 trades
  leg BTCUSDT at 9000.000000000000000000, 1 trade
  watermarks that reached the firing:
    trades.jsonl: record 6, a trade of 2018-04-29T17:13:37.500Z, took it to 2018-04-29T17:13:35.500Z
  held by trades.jsonl
  entered since the firing before:
    XVGBTC: 1 trade
      id 2: 2.00000000 at 0.00003000, 2018-04-29T17:13:29.500Z, record 4 of trades.jsonl

revision 1, final, at the firing of 2018-04-29T17:13:35.000Z, closed by event
  vwap 0.180000000000000000, complete
  path XVGBTC*BTCUSDT
  leg XVGBTC at 0.000020000000000000, 2 trades
  leg BTCUSDT at 9000.000000000000000000, 1 trade
  watermarks that reached the firing:
    trades.jsonl: record 6, a trade of 2018-04-29T17:13:37.500Z, took it to 2018-04-29T17:13:35.500Z
  held by trades.jsonl
  no trade of it entered since the firing before

refused, of the window's trades:
  duplicate BTCUSDT id 1: 2.00000000 at 9000.00000000, 2018-04-29T17:13:22.000Z, record 2 of trades.jsonl: \
its id was accepted before in the same pane
  late XVGBTC id 3: 2.00000000 at 0.00005000, 2018-04-29T17:13:29.750Z, record 7 of trades.jsonl: \
its pane was final at 2018-04-29T17:13:35.000Z, and the watermark at 2018-04-29T17:13:35.500Z
1 bad records of trades.jsonl came meanwhile; the first is record 5: ";
    // Closed rows that are not final say what closed them, too.
    let told = told.replace("17:13:32.250Z, closed by event", "17:13:32.250Z");
    assert!(told.starts_with(expected), "{told}\nexpected\n{expected}");
}

#[test]
fn a_window_without_a_row_and_what_is_no_row_are_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trades.jsonl"), trade("BTCUSDT", 1, "9000", 2.0)).unwrap();
    let explain = |words: &[&str]| {
        crossrate(folder.path(), [&["explain"][..], words, &["trades.jsonl", "--window", "10s"]].concat())
    };
    let told = text(&explain(&["cross", "XVGUSDT@2018-04-29T17:13:41Z"]));
    assert!(told.contains("no row: none of its legs has a trade in the window that counts"), "{told}");
    let told = text(&explain(&["cross", "BTC-USDT@2018-04-29T17:13:21Z", "--quote", "USDT"]));
    assert!(told.contains("no row: it had no path then"), "{told}");
    for (words, said) in [
        (&["cross", "XVGUSD@2018-04-29T17:13:41Z"][..], "did you mean XVGUSDT?"),
        (&["symbol", "ETHUSDT@2018-04-29T17:13:41Z"], "BTCUSDT, XVGBTC"),
        (&["cross", "XVGUSDT"], "NAME@MOMENT, such as"),
        (&["cross", "XVGUSDT@yesterday"], "milliseconds since the epoch"),
        (&["cross", "XVGUSDT@2018-04-29T17:13:41Z", "-"], "is read twice"),
    ] {
        let output = explain(words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(said), "{words:?}: {told}");
    }
}

/// Which partition a firing waited for, and which path a rate went.
#[test]
fn a_rate_tells_its_path_and_several_files_who_came_last() {
    let folder = tempfile::tempdir().unwrap();
    let of = |symbol: &str, price: &str| -> String {
        (0..40).map(|second| trade(symbol, second, price, second as f64)).collect()
    };
    std::fs::write(folder.path().join("a.jsonl"), of("XVGBTC", "0.00001")).unwrap();
    std::fs::write(folder.path().join("b.jsonl"), of("BTCUSDT", "9000")).unwrap();
    let asked = ["explain", "cross", "XVG-USDT@1525022030000", "a.jsonl", "b.jsonl", "--quote", "USDT"];
    let told = text(&crossrate(folder.path(), [&asked[..], &["--window", "10s", "--json"]].concat()));
    let told: Value = serde_json::from_str(&told).unwrap();
    let revision = &told["revisions"][0];
    assert_eq!(revision["path"], "XVGBTC*BTCUSDT");
    assert_eq!((&revision["held_by"], revision["entered"].as_array().unwrap().len()), (&Value::Null, 20));
    let offsets: Vec<&Value> =
        revision["watermarks"].as_array().unwrap().iter().map(|partition| &partition["offset"]).collect();
    assert_eq!(offsets, [35, 35], "5 s of delay");
}
