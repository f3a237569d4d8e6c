//! `crossrate inspect`: what it says of an input, and that its last line is a command that works.

use crate::program::without_settings;
use crate::recordings;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn inspect(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.arg("inspect").args(arguments).current_dir(folder).stdin(Stdio::null());
    without_settings(&mut command);
    command.output().expect("the program starts")
}

fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = inspect(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {} {said}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command line as a shell would, and gives its accounting.
pub(crate) fn by_shell(folder: &Path, line: &str) -> (String, Value) {
    let program = Path::new(env!("CARGO_BIN_EXE_crossrate"));
    let mut path = program.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let summary = folder.join("inspected-summary.json");
    let is_run = line.starts_with("crossrate run ");
    let line = if is_run { format!("{line} -q --summary {}", summary.display()) } else { line.to_owned() };
    let mut command = Command::new("sh");
    command.args(["-c", &line]).current_dir(folder).env("PATH", path).stdin(Stdio::null());
    without_settings(&mut command);
    let output = command.output().expect("a shell starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {} {said}", output.status);
    let counts = std::fs::read_to_string(&summary).unwrap_or_else(|_| "null".into());
    (String::from_utf8(output.stdout).expect("text"), serde_json::from_str(&counts).expect("JSON"))
}

/// The last line is a command that takes all trades that were found.
fn last_line_works(folder: &Path, arguments: &[&str]) -> String {
    let text = told(folder, arguments);
    let line = text.lines().last().expect("a last line");
    let (rows, counts) = by_shell(folder, line);
    if line.starts_with("crossrate run ") {
        assert!(rows.lines().count() > 0, "{line}: no rows; {text}");
        assert_eq!(counts["late"], 0, "{line}: {text}");
        let found: Value =
            serde_json::from_str(&told(folder, &[arguments, &["--json"]].concat())).expect("JSON");
        let input = &found["inputs"][0]["records"];
        assert_eq!(input["read"], counts["read"], "{line}: {text}");
        let taken = |counts: &Value| {
            ["accepted", "duplicate", "late"]
                .iter()
                .map(|class| counts[*class].as_u64().expect("a count"))
                .sum::<u64>()
        };
        assert_eq!(taken(input), taken(&counts), "{line}: {text}");
        assert_eq!(found["command"], line, "{text}");
    } else {
        assert!(!rows.is_empty(), "{line}");
    }
    text
}

const TRADES: &str = r#"{"e":"trade","s":"BTCUSDT","t":39982779,"p":"8888.1512","q":"0.01937446","T":1525022020361}
{"e":"depthUpdate","s":"BTCUSDT"}
{"e":"trade","s":"BTCUSDT","t":39982780,"p":"8880","q":"1","T":1525022021000}
{"e":"trade","s":"BTCUSDT","t":39982780,"p":"8880","q":"1","T":1525022021000}
{"e":"trade","s":"BTCUSDT","t":39982783,"p":"8881","q":"x","T":1525022022000}
{"e":"trade","s":"XVGBTC","t":7,"p":"0.00000874","q":"5","T":1525022031000}
{"e":"trade","s":"BTCUSDT","t":39982785,"p":"8881","q":"1","T":1525022001000}
"#;

#[test]
fn numbers_of_more_decimals_are_recognised_and_read_by_the_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let trade = |id: u64| {
        let ms = 1_525_022_020_000 + id * 20_000;
        format!(
            "{{\"e\":\"trade\",\"s\":\"PEPEBTC\",\"t\":{id},\"p\":\"0.000000000{id}\",\"q\":\"1000\",\"T\":{ms}}}\n"
        )
    };
    std::fs::write(folder.path().join("pepe.jsonl"), (1..6).map(trade).collect::<String>()).expect("written");
    let text = last_line_works(folder.path(), &["pepe.jsonl", "--price-decimals", "10"]);
    assert!(text.contains("format    binance") && text.contains("--price-decimals 10"), "{text}");
}

#[test]
fn says_what_is_in_a_file_and_which_command_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("it's trades.jsonl"), TRADES).expect("written");
    let text = last_line_works(folder.path(), &["it's trades.jsonl"]);
    let expected = "\
it's trades.jsonl
  format    binance
  records   7 read = 3 accepted + 1 duplicate + 1 late + 1 bad + 1 ignored
  times     2018-04-29T17:13:21.000Z to 2018-04-29T17:13:51.000Z (30.000 s)
  order     1 of 5 behind an earlier one, by 30.000 s at most
  ids       a sequence, 4 missing, 1 repeated
  symbols   2: BTCUSDT 3, XVGBTC 1
  ignored   record 1: event depthUpdate is none of trade, aggTrade and heartbeat
  bad       record 4: q: not a plain decimal number (at byte 56)

crossrate run 'it'\\''s trades.jsonl' --symbols all --delay 30s
";
    assert_eq!(text, expected);
}

#[test]
fn an_input_that_no_format_reads_comes_with_the_reason_of_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("ticks.jsonl", "{\"type\":\"ticker\",\"price\":\"1\"}\n{\"type\":\"ticker\",\"price\":\"2\"}\n");
    write(
        "match.jsonl",
        "{\"type\":\"match\",\"price\":\"1\",\"time\":\"2026-07-07T22:58:16Z\",\"size\":\"-1\"}\n",
    );
    write("none.jsonl", "");
    write("1.csv", "7,8888.1,0.5,4444.05,1525022020361,True,True\n");
    let text = last_line_works(folder.path(), &["match.jsonl"]);
    assert!(text.contains("coinbase: quantity: not a plain decimal number"), "{text}");
    assert!(text.ends_with("\ncrossrate formats coinbase\n"), "{text}");
    let text = last_line_works(folder.path(), &["ticks.jsonl"]);
    assert!(text.contains("binance: it has no event type e"), "{text}");
    let text = told(folder.path(), &["ticks.jsonl", "--format", "coinbase"]);
    let why = "no `where` holds: /type is \"ticker\" and not \"match\" or \"last_match\"; /channel is absent";
    assert!(text.contains(why), "{text}");
    assert!(told(folder.path(), &["none.jsonl"]).contains("records   none"));
    let text = last_line_works(folder.path(), &["1.csv"]);
    assert!(text.ends_with("crossrate run 1.csv --symbol SYMBOL --symbols all\n"), "{text}");
    let text = last_line_works(folder.path(), &["1.csv", "--symbol", "BTCUSDT"]);
    assert!(text.ends_with("crossrate run 1.csv --symbol BTCUSDT --symbols all\n"), "{text}");
    let output = inspect(folder.path(), &["nowhere.jsonl"]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_limit_ends_the_look_at_each_file() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.jsonl"), TRADES).expect("written");
    let text = told(folder.path(), &["a.jsonl", "--limit", "3"]);
    assert!(text.contains("3 read = 2 accepted + 1 ignored, and there is more"), "{text}");
}

#[test]
#[ignore = "needs recordings"]
fn the_last_line_works_for_every_recording_of_a_venue() {
    let folder = recordings::folder().join("venues");
    let room = tempfile::tempdir().expect("a folder");
    let expected = [
        ("bybit-v5-linear-2026-08-09.jsonl", "bybit"),
        ("coinbase-advanced-2026-08-09.jsonl", "coinbase"),
        ("coinbase-exchange-2026-07-07.jsonl", "coinbase"),
        ("cryptofeed-kafka-2021-07-22.jsonl", "cryptofeed"),
        ("ccxt-xrpeth-2019-10-11.jsonl.gz", "ccxt"),
        ("bitstamp-2022-01-05.jsonl", "bitstamp"),
        ("kraken-v1-2021-04-17.jsonl", "kraken"),
        ("kraken-v2-2026-07-07.jsonl", "kraken"),
        ("tardis-bitmex-xbtusd-2020-03-01.csv", "tardis"),
        ("binance-usdm-aggtrade-2021-07-22.jsonl", "binance"),
        ("binance-usdm-trade-2024-08-08.jsonl.gz", "binance"),
    ];
    for entry in std::fs::read_dir(&folder).expect("recordings") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.contains(".expected.") || name == "README.md" {
            continue;
        }
        let text = last_line_works(room.path(), &[path.to_str().expect("UTF-8")]);
        if let Some((_, format)) = expected.iter().find(|(file, _)| *file == name) {
            assert!(text.contains(&format!("  format    {format}\n")), "{name}: {text}");
        }
    }
}
