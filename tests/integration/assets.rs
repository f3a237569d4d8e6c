//! Rates of every asset in a currency: the whole program, by files.

use crate::program::without_settings;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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
    let [expected, found] = ["at-once.jsonl", "rows.jsonl"]
        .map(|name| without_closing(&std::fs::read_to_string(folder.path().join(name)).unwrap()));
    assert!(expected.len() > 500, "{} rows", expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

/// A row without what tells which run closed it.
fn without_closing(text: &str) -> Vec<String> {
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row.as_object_mut().unwrap().remove("closed_by");
        row.to_string()
    };
    text.lines().map(row).collect()
}

/// A file that has ended, and grows after a silence. Choices of paths that fall into the silence are made
/// once all is known, also where heartbeats say how long it is.
#[test]
fn a_job_whose_file_grows_has_the_paths_of_one_that_was_whole() {
    let folder = tempfile::tempdir().unwrap();
    let flags = &[FLAGS, PATHS, &["-q", "file.jsonl"]].concat();
    for (silence, has_heartbeats) in [(70, false), (70, true), (150, true), (400, false)] {
        let (mut first, mut second) = (String::new(), String::new());
        for (text, seconds) in [(&mut first, 0..200), (&mut second, 200 + silence..400 + silence)] {
            trades(text, "BTCUSDT", "9000", seconds.clone());
            trades(text, "XVGBTC", "0.00001", seconds.clone().step_by(14));
            trades(text, "XVGETH", "0.0002", seconds.clone().step_by(15));
            trades(text, "ETHUSDT", "600", seconds);
        }
        let in_order = |text: &str| {
            let mut lines: Vec<&str> = text.lines().collect();
            let time = |line: &str| serde_json::from_str::<Value>(line).unwrap()["T"].as_u64();
            lines.sort_by_key(|line| time(line));
            lines.join("\n") + "\n"
        };
        let mut first = in_order(&first);
        if has_heartbeats {
            for second in (200..200 + silence).step_by(10) {
                let _ = writeln!(first, r#"{{"e":"heartbeat","T":{}}}"#, BEGUN + second * 1_000);
            }
        }
        let (whole, file) = (first.clone() + &in_order(&second), folder.path().join("file.jsonl"));
        for at_end in ["close", "keep"] {
            let run = |name: &str, job: &str, text: &str| {
                std::fs::write(&file, text).unwrap();
                let places = ["--at-end", at_end, "--to", name, "--name", job];
                rows(folder.path(), &[&["run"], flags, &places]);
                std::fs::read_to_string(folder.path().join(name)).unwrap()
            };
            let case = format!("{silence}-{has_heartbeats}-{at_end}");
            let expected = run(&format!("{case}-whole.jsonl"), &format!("{case}-whole"), &whole);
            let name = format!("{case}.jsonl");
            run(&name, &case, &first);
            let found = run(&name, &case, &whole);
            assert!(told(&expected, "XVG-USDT").1.len() <= 2, "{case}");
            let (expected, found) = (without_closing(&expected), without_closing(&found));
            let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
            assert!(differs.is_none() && found.len() == expected.len(), "{case}: {differs:?}");
        }
    }
}

/// A rate beside the symbol that trades its two assets, whatever that is called and whether it was asked for
/// or not.
#[test]
fn a_rate_has_a_basis_against_the_symbol_of_its_assets() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    let mut direct = String::new();
    trades(&mut direct, "venue:xvg_usdt", "0.1", (0..600).step_by(30));
    std::fs::write(folder.path().join("direct.jsonl"), direct).unwrap();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).chain(["direct.jsonl"]).collect();
    let some = ["--symbols", "XVGBTC,XVGETH,BTCUSDT,ETHUSDT"];
    for symbols in [&[][..], &some] {
        let bases = ["--basis", "XVG-USDT", "--basis", "BTC-USDT=ETHUSDT"];
        let rows = rows(folder.path(), &[&["run", "-q"], &inputs, FLAGS, PATHS, &bases, symbols]);
        let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |kind: &str, name: &str| -> BTreeMap<(String, u64), Value> {
            let rows = rows.iter().filter(|row| row["kind"] == kind && row["name"] == name);
            let key =
                |row: &Value| (row["window"].as_str().unwrap().to_owned(), row["end_ms"].as_u64().unwrap());
            rows.map(|row| (key(row), row.clone())).collect()
        };
        let steps = |value: &Value| value.as_str().map(|text| text.replace('.', "").parse::<i128>().unwrap());
        for (name, direct, complete) in
            [("XVG-USDT", "venue:xvg_usdt", 15..600), ("BTC-USDT", "ETHUSDT", 80..600)]
        {
            let (crosses, directs, bases) = (of("cross", name), of("symbol", direct), of("basis", name));
            let with_rate = crosses.iter().filter(|(_, row)| !row["vwap"].is_null()).map(|(key, _)| key);
            let expected: BTreeSet<_> = with_rate.chain(directs.keys()).collect();
            assert_eq!(bases.keys().collect::<BTreeSet<_>>(), expected, "{name}");
            let mut count = 0;
            for (key, basis) in &bases {
                let of_both =
                    [&crosses, &directs].map(|rows| rows.get(key).map_or(&Value::Null, |row| &row["vwap"]));
                assert_eq!([&basis["cross"], &basis["direct"]], of_both, "{basis}");
                let [cross, direct] = of_both.map(steps);
                assert_eq!(steps(&basis["basis"]), cross.zip(direct).map(|(cross, direct)| cross - direct));
                count += usize::from(basis["status"] == "complete");
            }
            assert!(complete.contains(&count), "{name}: {count} of {}", bases.len());
        }
    }
    let output = crossrate(folder.path(), &[&["run"], &inputs, FLAGS, &["--basis", "XVG-EUR"]]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("expected a cross"), "{said}");
}

#[test]
fn symbols_that_cannot_be_split_are_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    for manner in [&["-w", "1"][..], &["-w", "3"], &["-n", "2"]] {
        let output = crossrate(folder.path(), &[&["run"], &inputs, FLAGS, PATHS, manner]);
        let said = String::from_utf8_lossy(&output.stderr);
        let warnings: Vec<&str> = said.lines().filter(|line| line.contains("nobody")).collect();
        let [warning] = warnings[..] else { panic!("{manner:?}: {said}") };
        assert!(warning.contains("--pairs") && warning.contains("base and quote of nobody:"), "{warning}");
    }
    let output = crossrate(folder.path(), &[&["run", "--symbols", "all"], &inputs]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("nobody"), "without --quote");
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
