//! Records of other venues through a mapping: the rows are those of the oracle over the independent reading
//! of the same records, from a file, through a pipe and from Kafka.

use crate::program::{same, without_settings};
use crate::recordings;
use oracle::{File, Settings};
use serde_json::Value;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Recordings with their formats.
const FILES: [(&str, &str); 40] = [
    ("ascendex-2021-04-17.jsonl", "ascendex"),
    ("binance-spot-aggtrades-rest-btcusdt-2020-01-02.jsonl", "binance-aggtrades-rest"),
    ("binance-usdm-aggtrade-2021-07-22.jsonl", "binance-futures"),
    ("binance-usdm-aggtrade-2021-07-22.jsonl", "binance"),
    ("binance-usdm-trade-2024-08-08.jsonl.gz", "binance-futures"),
    ("binance-usdm-trade-2024-08-08.jsonl.gz", "binance"),
    ("binance-usdm-trxusdt-2025-03-04.csv.gz", "binance-recorder-csv"),
    ("bitget-2022-04-07.jsonl", "bitget"),
    ("bitmex-2021-07-22.jsonl", "bitmex"),
    ("bitstamp-2022-01-05.jsonl", "bitstamp"),
    ("bitstamp-rest-btcusd-2019-06-14.jsonl", "bitstamp-rest"),
    ("BTCUSDT-aggTrades-2020-01-02.csv", "binance"),
    ("bybit-v2-linear-2021-04-17.jsonl", "bybit-v2"),
    ("bybit-v5-linear-2026-08-09.jsonl", "bybit"),
    ("ccxt-xrpeth-2019-10-11.jsonl.gz", "ccxt"),
    ("coinbase-advanced-2026-08-09.jsonl", "coinbase"),
    ("coinbase-exchange-2026-07-07.jsonl", "coinbase"),
    ("cryptocom-2021-11-23.jsonl", "cryptocom"),
    ("cryptofeed-kafka-2021-07-22.jsonl", "cryptofeed"),
    ("deribit.jsonl", "deribit"),
    ("gate-futures.jsonl", "gate-futures"),
    ("gate-spot-2021-04-22.jsonl", "gate-spot"),
    ("gemini-2021-06-24.jsonl", "gemini"),
    ("gemini-rest-btcusd-2020-06-06.jsonl", "gemini-rest"),
    ("hitbtc-2021-07-15.jsonl", "hitbtc"),
    ("htx-linear-swap-2022-02-19.jsonl", "htx-linear-swap"),
    ("htx-spot-2021-04-17.jsonl", "htx-spot"),
    ("hyperliquid-2025-01-26.jsonl", "hyperliquid"),
    ("kraken-csv-bcheur-2023.csv", "kraken-csv"),
    ("kraken-futures-2021-07-22.jsonl", "kraken-futures"),
    ("kraken-rest-xbtusdt-2025-11-10.jsonl", "kraken-rest"),
    ("kraken-v1-2021-04-17.jsonl", "kraken"),
    ("kraken-v2-2026-07-07.jsonl", "kraken"),
    ("kucoin-2021-04-25.jsonl", "kucoin"),
    ("okx-2022-05-13.jsonl", "okx"),
    ("poloniex-2022-08-21.jsonl", "poloniex"),
    ("SUSHIUSDT-aggTrades-2021-07-22.csv", "binance"),
    ("SUSHIUSDT-aggTrades-2021-07-22.csv", "binance-aggtrades-csv"),
    ("tardis-bitmex-xbtusd-2020-03-01.csv", "tardis"),
    ("upbit-2021-04-17.jsonl", "upbit"),
];

/// Late is nothing: what is asked here is how records are read.
const FLAGS: &str = "--symbols all --window 10s --delay 12h --price-decimals 10 --quantity-decimals 11";

/// The text of a mapping, of the program or of the tests. Contracts are no coins for a job, but what is asked
/// here is how their records are read.
fn mapping(name: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let paths = ["tests/formats", "src/wire/formats"].map(|folder| root.join(folder).join(name));
    let text = paths.iter().find_map(|path| std::fs::read_to_string(path.with_extension("toml")).ok())?;
    Some(text.lines().filter(|line| !line.starts_with("contracts")).map(|line| format!("{line}\n")).collect())
}

/// The independent reading of a recording, in records as `any-ids.toml` has them, each with the trades of one
/// that was recorded.
fn events(file: &Path, are_unique: bool) -> Vec<u8> {
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
    let made = text.lines().filter(|line| !line.contains("\"price\":\"0\","));
    let trades: Vec<Value> = made.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut events = String::new();
    for of_record in trades.chunk_by(|a, b| a["line"] == b["line"]) {
        let elements: Vec<String> = of_record.iter().map(element).collect();
        let kind = if of_record[0]["id"].is_null() { "none" } else { "unique" };
        match are_unique || kind == "none" {
            true => events += &format!("{{\"e\":\"{kind}\",\"d\":[{{{}}}]}}\n", elements.join("},{")),
            false => {
                elements.iter().for_each(|element| events += &format!("{{\"e\":\"trade\",{element}}}\n"))
            }
        }
    }
    events.into_bytes()
}

/// The members of a trade.
fn element(trade: &Value) -> String {
    let text = |key: &str| trade[key].as_str().expect("a text").to_owned();
    let (symbol, price, quantity) = (text("symbol").replace('/', "-"), text("price"), text("quantity"));
    let maker = match trade["taker"].as_str() {
        Some("buy") => r#","m":false"#,
        Some("sell") => r#","m":true"#,
        _ => "",
    };
    let (id, time) = (&trade["id"], &trade["time_us"]);
    format!(r#""s":"{symbol}","t":{id},"p":"{price}","q":"{quantity}","T":{time}{maker}"#)
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

/// A recording, how it is read, and the rows that the oracle makes of its independent reading.
pub(crate) struct Recording {
    pub(crate) name: &'static str,
    pub(crate) file: PathBuf,
    /// A format of the program, or the path of a mapping.
    pub(crate) format: String,
    /// Its symbol is told by the name of its file.
    is_named: bool,
    pub(crate) expected: String,
}

/// All recordings: read once for all tests.
pub(crate) fn all_recordings() -> &'static [Recording] {
    static ALL: OnceLock<(tempfile::TempDir, Vec<Recording>)> = OnceLock::new();
    let (_, all) = ALL.get_or_init(|| {
        let folder = recordings::folder().join("venues");
        let mappings = tempfile::tempdir().expect("a folder");
        let settings = Settings::read(&flags());
        let recording = |(name, format): (&'static str, &str)| {
            let file = folder.join(name);
            let text = mapping(format).unwrap_or_default();
            let path = mappings.path().join(format).with_extension("toml");
            std::fs::write(&path, &text).expect("written");
            let format = if text.is_empty() { format.to_owned() } else { path.display().to_string() };
            let bytes = events(&file, text.contains("ids = \"unique\""));
            let expected = oracle::run(&settings, &[File { bytes, archive_of: None, is_mapped: true }]).rows;
            assert!(!expected.is_empty(), "{name}");
            let is_named = name.contains("-aggTrades-") || text.contains("name =") || text.contains("{ name");
            Recording { name, file, format, is_named, expected }
        };
        let all = FILES.into_iter().map(recording).collect();
        (mappings, all)
    });
    all
}

pub(crate) fn flags() -> Vec<String> {
    FLAGS.split(' ').map(str::to_owned).collect()
}

#[test]
#[ignore = "needs recordings"]
fn mapped_recordings_give_the_rows_of_their_independent_reading() {
    for Recording { name, file, format, is_named, expected } in all_recordings() {
        same(name, expected, &rows(file, format, None)).unwrap_or_else(|error| panic!("{error}"));
        // A pipe has no name that could tell a symbol.
        if !is_named {
            let piped = rows(file, format, Some(file.clone()));
            same(name, expected, &piped).unwrap_or_else(|error| panic!("pipe: {error}"));
        }
    }
}

/// Letters of a database: topic, partition, offset, part and reason.
fn letters(database: &Path) -> Vec<(String, i64, i64, i64, String)> {
    let connection = rusqlite::Connection::open(database).expect("opened");
    let sql = "SELECT topic, partition, \"offset\", part, reason FROM dead_letters ORDER BY 1, 2, 3, 4";
    let mut select = connection.prepare(sql).expect("the columns of this release");
    let found =
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)));
    found.expect("read").collect::<rusqlite::Result<_>>().expect("read")
}

/// A record of three trades, two of which are bad; and its format.
pub(crate) const TWO_BAD: &str = concat!(
    r#"{"d":[{"s":"A","t":1,"p":"0","T":1525022020361},{"s":"A","t":2,"p":"1.5","T":1525022020362},"#,
    r#"{"s":"A","t":3,"p":"x","T":1525022020363}]}"#
);
pub(crate) const OF_ARRAYS: &str = "[[record]]\neach = \"/d\"\nsymbol = \"/s\"\nid = \"/t\"\nprice = \"/p\"\n\
                                    quantity = \"/p\"\ntime = \"/T\"\nunit = \"ms\"\n";

#[test]
fn each_refused_trade_of_a_record_has_its_letter_in_a_database_that_an_earlier_release_made_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("in.jsonl", &format!("{TWO_BAD}\n"));
    write("arrays.toml", OF_ARRAYS);
    let database = folder.path().join("rows.db");
    rusqlite::Connection::open(&database)
        .expect("opened")
        .execute_batch(
            "CREATE TABLE dead_letters (job TEXT NOT NULL, partition INTEGER NOT NULL,
                 \"offset\" INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, value BLOB NOT NULL,
                 PRIMARY KEY (job, partition, \"offset\")) WITHOUT ROWID;
             CREATE VIEW reasons AS SELECT reason FROM dead_letters;
             INSERT INTO dead_letters VALUES ('before', 7, 8, 'late', 'of an earlier release', X'7B7D')",
        )
        .expect("made");
    let run = ["in.jsonl", "--format", "arrays.toml", "--symbols", "all", "--to", "sqlite:rows.db"];
    for _ in 0..2 {
        let (code, said) = refused(&run, folder.path());
        assert_eq!(code, Some(0), "{said}");
        let bad = |part| (String::new(), 0, 0, part, "bad".to_owned());
        let earlier = (String::new(), 7, 8, 0, "late".to_owned());
        assert_eq!(letters(&database), [bad(0), bad(1), earlier]);
    }
    let connection = rusqlite::Connection::open(&database).expect("opened");
    let reasons: i64 = connection
        .query_row("SELECT count(*) FROM reasons", [], |row| row.get(0))
        .expect("the view is there");
    assert_eq!(reasons, 3);
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
    write("kind.toml", "[[record]]\nsymbol = \"/s\"\nprice = 3\n");
    write(
        "unread.toml",
        "[[record]]\nwhere = { \"/e\" = [] }\nsymbol = \"/s\"\nprice = \"/p\"\nquantity = \"/q\"\n\
         time = \"/t\"\nunit = \"s\"\n",
    );
    let cases: [(&[&str], i32, &str); 7] = [
        (&["in.jsonl", "--format", "kind.toml"], 2, "kind.toml:3: price: got an integer `3`, want a text"),
        (&["in.jsonl", "--format", "unread.toml"], 2, "unread.toml:2: where: an empty list never holds"),
        (&["in.jsonl", "--format", "coinbse"], 2, "did you mean coinbase?"),
        (&["in.jsonl", "--format", "none.toml"], 2, "it cannot be read"),
        (&["in.jsonl", "--format", "bad.toml"], 2, "bad.toml:2: \"s\" is no JSON pointer"),
        (&["--format", "csv.toml"], 2, "records of a topic have no header"),
        (&["in.csv", "--format", "csv.toml"], 3, "the header has no column \"t\"; it has s, i, p, q"),
    ];
    for (flags, code, words) in cases {
        let (found, said) = refused(flags, folder.path());
        assert!(found == Some(code) && said.contains(words), "{flags:?}: {found:?} {said}");
    }
}

#[test]
fn the_list_of_formats_has_a_whole_sentence_for_each() {
    let list = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        command.arg("formats").args(arguments);
        without_settings(&mut command);
        String::from_utf8(command.output().expect("the program starts").stdout).expect("text")
    };
    let told = list(&[]);
    assert!(told.lines().count() >= 10 && told.lines().all(|line| line.ends_with('.')), "{told}");
    assert!(told.contains("aggTrades, of spot and futures"), "{told}");
}
