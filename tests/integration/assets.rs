//! Rates of every asset in a currency: the whole program, by files.

use crate::program::without_settings;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// When the trades begin: a multiple of an hour.
const BEGUN: u64 = 1_525_021_200_000;

/// Trades of a symbol: so many from that second on, one a second.
fn trades(text: &mut String, symbol: &str, price: &str, seconds: impl Iterator<Item = u64>) {
    for second in seconds {
        let time = BEGUN + second * 1_000 + 17;
        let _ =
            writeln!(text, r#"{{"e":"trade","s":"{symbol}","t":{second},"p":"{price}","q":"2","T":{time}}}"#);
    }
}

/// Two partitions. XVG is priced by BTC, and later by ETH, which then trades three times as often; lira are
/// told the other way round.
fn inputs(folder: &Path) -> [String; 2] {
    let (mut first, mut second) = (String::new(), String::new());
    trades(&mut first, "BTCUSDT", "9000", 0..600);
    trades(&mut first, "USDTTRY", "4", (0..600).step_by(7));
    trades(&mut second, "ETHUSDT", "600", 0..600);
    trades(&mut second, "XVGBTC", "0.00001", (0..600).step_by(14));
    trades(&mut second, "XVGETH", "0.0002", (300..600).step_by(2));
    trades(&mut second, "nobody", "1", (0..600).step_by(50));
    let mut names = [("first.jsonl", first), ("second.jsonl", second)].map(|(name, text)| {
        let mut lines: Vec<&str> = text.lines().collect();
        let time = |line: &str| serde_json::from_str::<Value>(line).unwrap()["T"].as_u64();
        lines.sort_by_key(|line| time(line));
        std::fs::write(folder.join(name), lines.join("\n") + "\n").unwrap();
        name.to_owned()
    });
    names.sort();
    names
}

const FLAGS: &[&str] =
    &["--quote", "usdt", "--window", "10s", "--window", "1m/20s", "--window", "anchored:all/30s"];
const PATHS: &[&str] = &["--path-every", "1m", "--path-lookback", "2m", "--delay", "2s"];

fn crossrate(folder: &Path, words: &[&[&str]]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    without_settings(&mut command);
    command.args(words.concat()).current_dir(folder).stdin(Stdio::null());
    command.output().unwrap()
}

fn rows(folder: &Path, words: &[&[&str]]) -> String {
    let output = crossrate(folder, words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The last row of a cross in 10 s windows, and all formulas that it has had, in order of time.
fn told(rows: &str, name: &str) -> (Value, Vec<String>) {
    let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_name: Vec<Value> =
        rows.filter(|row| row["kind"] == "cross" && row["name"] == name && row["window"] == "10s").collect();
    let mut formulas: Vec<String> = Vec::new();
    for row in &of_name {
        let legs = row["legs"].as_array().unwrap().iter();
        let leg = |leg: &Value| {
            format!("{}{}", if leg["inverse"] == true { "/" } else { "*" }, leg["symbol"].as_str().unwrap())
        };
        let formula: String = legs.map(leg).collect();
        if formulas.last() != Some(&formula) {
            formulas.push(formula);
        }
    }
    (of_name.last().expect("a row").clone(), formulas)
}

#[test]
fn each_asset_has_a_rate_along_the_symbols_that_trade_most() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let rows = rows(folder.path(), &[&["run", "-q"], &inputs, FLAGS, PATHS]);
    let names: BTreeSet<&str> = rows
        .lines()
        .filter(|line| line.contains("\"kind\":\"cross\""))
        .map(|line| line.split("\"name\":\"").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["BTC-USDT", "ETH-USDT", "TRY-USDT", "XVG-USDT"]));
    assert_eq!(told(&rows, "BTC-USDT").0["vwap"], "9000.000000000000000000");
    assert_eq!(told(&rows, "TRY-USDT"), {
        let (row, _) = told(&rows, "TRY-USDT");
        assert_eq!(row["vwap"], "0.250000000000000000");
        (row, vec!["/USDTTRY".to_owned()])
    });
    let (last, formulas) = told(&rows, "XVG-USDT");
    assert_eq!(formulas, ["*XVGBTC*BTCUSDT", "*XVGETH*ETHUSDT"]);
    assert_eq!(last["vwap"], "0.120000000000000000");
}

#[test]
fn the_rows_are_the_same_whatever_the_workers_and_processes() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let more: &[&str] = &["--missing-leg", "carry", "--emit", "changes", "--grace", "3s"];
    let expected = rows(folder.path(), &[&["run", "-q"], &inputs, FLAGS, PATHS, more]);
    assert!(expected.contains("\"status\":\"carried\""));
    for manner in
        [&["-w", "2"][..], &["-w", "4"], &["-n", "2", "-w", "1"], &["--batch-records", "3", "-w", "3"]]
    {
        let found = rows(folder.path(), &[&["run", "-q"], &inputs, FLAGS, PATHS, more, manner]);
        assert!(found == expected, "{manner:?}");
    }
    let replayed = rows(folder.path(), &[&["replay", "-q"], &inputs, FLAGS, PATHS, more]);
    assert!(replayed == expected, "a replay");
}

/// A job that ends after each part of its trades goes on as if it never had.
#[test]
fn paths_and_counts_are_taken_up_where_an_earlier_run_left_them() {
    let folder = tempfile::tempdir().unwrap();
    let all = inputs(folder.path()).map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap());
    let mut lines: Vec<&str> = all.iter().flat_map(|text| text.lines()).collect();
    let time = |line: &str| serde_json::from_str::<Value>(line).unwrap()["T"].as_u64();
    lines.sort_by_key(|line| time(line));
    std::fs::write(folder.path().join("whole.jsonl"), lines.join("\n") + "\n").unwrap();
    let mut names = Vec::new();
    for (number, part) in lines.chunks(lines.len() / 9).enumerate() {
        let name = format!("{number}.jsonl");
        std::fs::write(folder.path().join(&name), part.join("\n") + "\n").unwrap();
        names.push(name);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let flags = &[FLAGS, PATHS, &["--at-end", "keep", "-q"]].concat();
    rows(folder.path(), &[&["run", "whole.jsonl"], flags, &["--to", "at-once.jsonl"]]);
    for count in 1..=names.len() {
        rows(folder.path(), &[&["run"], &names[..count], flags, &["--to", "rows.jsonl"]]);
    }
    // What closed a window was the watermark of its file or that of the next one.
    let [expected, found] = ["at-once.jsonl", "rows.jsonl"].map(|name| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        let row = |line: &str| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            row.as_object_mut().unwrap().remove("closed_by");
            row.to_string()
        };
        text.lines().map(row).collect::<Vec<String>>()
    });
    assert!(expected.len() > 500, "{} rows", expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn what_cannot_be_priced_so_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let pairs = |text: &str| std::fs::write(folder.path().join("pairs.csv"), text).unwrap();
    pairs("symbol,base,quote\nBTCUSDT,BTC\n");
    for (flags, words) in [
        (&["--quote", "A B"][..], "assets joined by commas"),
        (&["--quote", "USDT", "--path-lookback", "90m"], "times --path-every, which is 1h"),
        (&["--quote", "USDT", "--cross", "X-USDT=A*B"], "another name: --quote makes crosses of this form"),
        (&["--quote", "USDT", "--pairs", "pairs.csv"], "pairs.csv:2"),
        (&["--quote", "USDT", "--pairs", "none.csv"], "none.csv"),
    ] {
        let output = crossrate(folder.path(), &[&["run"], &inputs, flags]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(words), "{flags:?}: {said}");
    }
    let output = crossrate(folder.path(), &[&["run", "--path-every", "1m", "--symbols", "all"], &inputs]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("it changes nothing without --quote"));
    // A table tells what names do not.
    pairs("symbol,base,quote\nnobody,odd,USDT\n");
    let rows = rows(folder.path(), &[&["run", "-q", "--pairs", "pairs.csv"], &inputs, FLAGS, PATHS]);
    assert_eq!(told(&rows, "ODD-USDT").1, ["*nobody"]);
}
