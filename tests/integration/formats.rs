//! Records of other venues through a mapping: the rows are those of the oracle over the independent reading of the same
//! records, from a file, through a pipe and from Kafka.

use crate::program::{same, without_settings};
use crate::recordings::{self, Case};
use serde_json::Value;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Recordings whose ids are a sequence, with their formats.
const FILES: [(&str, &str); 14] = [
    ("coinbase-exchange-2026-07-07.jsonl", "coinbase"),
    ("coinbase-advanced-2026-08-09.jsonl", "coinbase"),
    ("kraken-v2-2026-07-07.jsonl", "kraken"),
    ("kraken-rest-xbtusdt-2025-11-10.jsonl", "kraken-rest"),
    ("binance-usdm-aggtrade-2021-07-22.jsonl", "binance-futures"),
    ("binance-usdm-trade-2024-08-08.jsonl.gz", "binance-futures"),
    ("binance-usdm-trxusdt-2025-03-04.csv.gz", "binance-recorder-csv"),
    ("SUSHIUSDT-aggTrades-2021-07-22.csv", "binance-aggtrades-csv"),
    ("SUSHIUSDT-aggTrades-2021-07-22.csv", "binance"),
    ("BTCUSDT-aggTrades-2020-01-02.csv", "binance"),
    ("binance-usdm-aggtrade-2021-07-22.jsonl", "binance"),
    ("binance-usdm-trade-2024-08-08.jsonl.gz", "binance"),
    ("poloniex-2022-08-21.jsonl", "poloniex"),
    ("htx-spot-2021-04-17.jsonl", "htx-spot"),
];

/// Late is nothing: what is asked here is how records are read.
const FLAGS: &str = "--symbols all --window 10s --delay 12h";

/// A format's name, or the path of its mapping among those of the tests.
fn format(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(name).with_extension("toml");
    if path.exists() { path.display().to_string() } else { name.to_owned() }
}

/// The independent reading of a recording as the exchange's own events.
fn events(file: &Path) -> Vec<String> {
    let name = file.file_name().expect("a name").to_string_lossy();
    let stem = name.trim_end_matches(".gz").rsplit_once('.').expect("an ending").0;
    let plain = file.with_file_name(format!("{stem}.expected.jsonl"));
    let packed = file.with_file_name(format!("{stem}.expected.jsonl.gz"));
    let text = if plain.exists() {
        std::fs::read_to_string(plain).expect("a reading")
    } else {
        let mut text = String::new();
        let bytes = std::fs::read(packed).expect("a reading");
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("text");
        text
    };
    // A trade without a price is one that no order book made.
    text.lines().filter(|line| !line.contains("\"price\":\"0\",")).map(event).collect()
}

fn event(line: &str) -> String {
    let trade: Value = serde_json::from_str(line).expect("JSON");
    let text = |key: &str| trade[key].as_str().expect("a text").to_owned();
    let id = trade["id"].as_str().map_or_else(|| trade["id"].to_string(), str::to_owned);
    let (symbol, price, quantity) = (text("symbol").replace('/', "-"), text("price"), text("quantity"));
    let maker = match trade["taker"].as_str() {
        Some("buy") => r#","m":false"#,
        Some("sell") => r#","m":true"#,
        _ => "",
    };
    format!(
        r#"{{"e":"trade","s":"{symbol}","t":{id},"p":"{price}","q":"{quantity}","T":{}{maker}}}"#,
        trade["time_us"]
    )
}

fn rows(file: &Path, format: &str, input: Option<PathBuf>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.args(["run", "-q", "--format", format]).args(FLAGS.split(' ')).stdout(Stdio::piped());
    without_settings(&mut command);
    match &input {
        None => command.arg(file).stdin(Stdio::null()),
        Some(_) => command.arg("-").stdin(Stdio::piped()),
    };
    let mut child = command.spawn().expect("the program starts");
    if let (Some(mut stdin), Some(path)) = (child.stdin.take(), input) {
        stdin.write_all(&std::fs::read(path).expect("a recording")).expect("the program reads all");
    }
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}: {}", file.display(), output.status);
    String::from_utf8(output.stdout).expect("text")
}

#[test]
#[ignore = "needs recordings"]
fn mapped_recordings_give_the_rows_of_their_independent_reading() {
    let folder = recordings::folder().join("venues");
    for (name, format_name) in FILES {
        let file = folder.join(name);
        let case = Case { name, partitions: vec![events(&file)], flags: FLAGS };
        let expected = case.expected();
        assert!(expected.rows.lines().count() > 1, "{name}");
        let format = format(format_name);
        same(name, &expected.rows, &rows(&file, &format, None)).unwrap_or_else(|error| panic!("{error}"));
        // A pipe has no name that could tell a symbol.
        if !name.contains("-aggTrades-") {
            let piped = rows(&file, &format, Some(file.clone()));
            same(name, &expected.rows, &piped).unwrap_or_else(|error| panic!("pipe: {error}"));
        }
    }
}

fn refused(flags: &[&str], folder: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.arg("run").args(flags).current_dir(folder).stdin(Stdio::null());
    without_settings(&mut command);
    let output = command.output().expect("the program starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_format_that_cannot_work_is_a_usage_error_before_anything_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("in.jsonl", "{}\n");
    write(
        "bad.toml",
        "[[record]]\nsymbol = \"s\"\nprice = \"/p\"\nquantity = \"/q\"\ntime = \"/t\"\nunit = \"s\"\n",
    );
    write(
        "csv.toml",
        "encoding = \"csv\"\n[[record]]\nsymbol = \"s\"\nid = \"i\"\nprice = \"p\"\nquantity = \"q\"\ntime = \"t\"\nunit = \"s\"\n",
    );
    write("in.csv", "s,i,p,q\n");
    let cases: [(&[&str], i32, &str); 6] = [
        (&["in.jsonl", "--format", "coinbse"], 2, "did you mean coinbase?"),
        (&["in.jsonl", "--format", "none.toml"], 2, "it cannot be read"),
        (&["in.jsonl", "--format", "bad.toml"], 2, "bad.toml:2: \"s\" is no JSON pointer"),
        (&["in.jsonl", "--format", "bybit"], 2, "whose ids are no sequence"),
        (&["--format", "csv.toml"], 2, "records of a topic have no header"),
        (&["in.csv", "--format", "csv.toml"], 3, "the header has no column \"t\"; it has s, i, p, q"),
    ];
    for (flags, code, words) in cases {
        let (found, said) = refused(flags, folder.path());
        assert!(found == Some(code) && said.contains(words), "{flags:?}: {found:?} {said}");
    }
}
