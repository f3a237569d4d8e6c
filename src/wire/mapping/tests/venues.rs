//! Recorded trades of venues, each file read by its mapping and compared with its independent reading.

use super::*;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Files of recordings with the mapping that reads them: of the program, or of the tests.
const FILES: [(&str, &str); 38] = [
    ("ascendex-2021-04-17.jsonl", "tests/ascendex"),
    ("binance-spot-aggtrades-rest-btcusdt-2020-01-02.jsonl", "tests/binance-aggtrades-rest"),
    ("binance-usdm-aggtrade-2021-07-22.jsonl", "binance-futures"),
    ("binance-usdm-trade-2024-08-08.jsonl.gz", "binance-futures"),
    ("binance-usdm-trxusdt-2025-03-04.csv.gz", "tests/binance-recorder-csv"),
    ("bitget-2022-04-07.jsonl", "tests/bitget"),
    ("bitmex-2021-07-22.jsonl", "tests/bitmex"),
    ("bitstamp-2022-01-05.jsonl", "bitstamp"),
    ("bitstamp-rest-btcusd-2019-06-14.jsonl", "tests/bitstamp-rest"),
    ("BTCUSDT-aggTrades-2020-01-02.csv", "tests/binance-aggtrades-csv"),
    ("bybit-v2-linear-2021-04-17.jsonl", "tests/bybit-v2"),
    ("bybit-v5-linear-2026-08-09.jsonl", "bybit"),
    ("ccxt-xrpeth-2019-10-11.jsonl.gz", "ccxt"),
    ("coinbase-advanced-2026-08-09.jsonl", "coinbase"),
    ("coinbase-exchange-2026-07-07.jsonl", "coinbase"),
    ("cryptocom-2021-11-23.jsonl", "tests/cryptocom"),
    ("cryptofeed-kafka-2021-07-22.jsonl", "cryptofeed"),
    ("deribit.jsonl", "tests/deribit"),
    ("gate-futures.jsonl", "tests/gate-futures"),
    ("gate-spot-2021-04-22.jsonl", "tests/gate-spot"),
    ("gemini-2021-06-24.jsonl", "tests/gemini"),
    ("gemini-rest-btcusd-2020-06-06.jsonl", "tests/gemini-rest"),
    ("hitbtc-2021-07-15.jsonl", "tests/hitbtc"),
    ("htx-linear-swap-2022-02-19.jsonl", "tests/htx-linear-swap"),
    ("htx-spot-2021-04-17.jsonl", "tests/htx-spot"),
    ("hyperliquid-2025-01-26.jsonl", "tests/hyperliquid"),
    ("kraken-csv-bcheur-2023.csv", "tests/kraken-csv"),
    ("kraken-futures-2021-07-22.jsonl", "tests/kraken-futures"),
    ("kraken-rest-xbtusdt-2025-11-10.jsonl", "tests/kraken-rest"),
    ("kraken-v1-2021-04-17.jsonl", "kraken"),
    ("kraken-v2-2026-07-07.jsonl", "kraken"),
    ("kucoin-2021-04-25.jsonl", "tests/kucoin"),
    ("okx-2022-05-13.jsonl", "okx"),
    ("poloniex-2022-08-21.jsonl", "tests/poloniex"),
    ("SUSHIUSDT-aggTrades-2021-07-22.csv", "tests/binance-aggtrades-csv"),
    ("tardis-bitmex-xbtusd-2020-03-01.csv", "tardis"),
    ("upbit-2021-04-17.jsonl", "tests/upbit"),
    ("bitfinex-te-2022-10-11.jsonl", ""),
];

/// What the reading says of a trade that no order book made.
const NO_PRICE: &str = "\"price\":\"0\",";

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/venues");
    assert!(folder.is_dir(), "there are no recordings at {}", folder.display());
    folder
}

fn text_of(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => {
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).map(drop).unwrap()
        }
        false => text = String::from_utf8(bytes).unwrap(),
    }
    text
}

fn mapping_text(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = match name.strip_prefix("tests/") {
        Some(name) => root.join("tests/formats").join(name),
        None => root.join("src/wire/formats").join(name),
    };
    std::fs::read_to_string(path.with_extension("toml")).unwrap()
}

/// A trade in the words of the expected file; quantities without a place that they need not have.
fn told(line: usize, trade: &MappedTrade<'_>, decimals: Decimals) -> String {
    let plain = |scaled: i64, places: u8| {
        let text = format!("{scaled:0width$}", width = usize::from(places) + 1);
        let (whole, fraction) = text.split_at(text.len() - usize::from(places));
        format!("{whole}.{fraction}").trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let id = match trade.id.get() {
        TradeId::Sequence(id) | TradeId::Unique(id) => id.to_string(),
        TradeId::Hashed(hash) => format!("{hash:x}"),
        TradeId::None => "null".into(),
    };
    let taker = trade.taker.map_or("null", |taker| if taker == Taker::Buy { "buy" } else { "sell" });
    let (price, quantity) = (plain(trade.price, decimals.price), plain(trade.quantity, decimals.quantity));
    let symbol = str::from_utf8(trade.symbol).unwrap();
    format!("{line} {symbol} {id} {price} {quantity} {} {taker}", trade.time.micros())
}

fn expected(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    let id = match &value["id"] {
        Value::String(text) if integer(text.as_bytes()).is_none() => {
            format!("{:x}", xxh3_128(text.as_bytes()))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = |key: &str| value[key].as_str().unwrap_or("null").to_owned();
    let symbol = text("symbol").replace('/', "-");
    let numbers = format!("{} {}", text("price"), text("quantity"));
    format!("{} {symbol} {id} {numbers} {} {}", value["line"], value["time_us"], text("taker"))
}

#[test]
#[ignore = "needs recordings"]
fn each_recording_is_read_as_its_independent_reading() {
    let folder = folder();
    for (file, name) in FILES.iter().filter(|(_, name)| !name.is_empty()) {
        let stem = file.trim_end_matches(".gz").rsplit_once('.').unwrap().0;
        let expected_file =
            [".expected.jsonl", ".expected.jsonl.gz"].map(|end| folder.join(format!("{stem}{end}")));
        let expected_file = expected_file.iter().find(|path| path.exists()).unwrap();
        // Contracts are no coins for a job, but their records are read all the same.
        let lines = mapping_text(name);
        let text: String = lines
            .lines()
            .filter(|line| !line.starts_with("contracts"))
            .map(|line| format!("{line}\n"))
            .collect();
        let mut mapping = Mapping::parse(name, &text, Some(file)).unwrap_or_else(|error| panic!("{error}"));
        let decimals = Decimals { price: 10, quantity: 11 };
        let input = text_of(&folder.join(file));
        let mut lines: Vec<&str> = input.lines().collect();
        if mapping.is_csv() && mapping.take_header(lines[0].as_bytes()).unwrap() {
            lines.remove(0);
        }
        let (mut got, mut scratch) = (Vec::new(), MappingScratch::default());
        for (number, line) in (1..).zip(lines) {
            mapping.decode(line.as_bytes(), decimals, &mut scratch, |mapped| match mapped {
                MappedRecord::Trade(trade) => got.push(told(number, &trade, decimals)),
                MappedRecord::Ignored => {}
                other => panic!("{file}:{number}: {other:?}"),
            });
        }
        // A trade without a price is one that no order book made: ignored.
        let text = text_of(expected_file);
        let wanted: Vec<String> =
            text.lines().filter(|line| !line.contains(NO_PRICE)).map(expected).collect();
        let differing = got.iter().zip(&wanted).find(|(got, wanted)| got != wanted);
        assert_eq!(differing, None, "{file}");
        assert_eq!(got.len(), wanted.len(), "{file}");
    }
}

#[test]
#[ignore = "needs recordings"]
fn every_recording_has_a_mapping_or_a_reason() {
    let folder = folder();
    // The symbol of these stands in the answer to a subscription, by the number of its channel: no mapping
    // can say that.
    let none = ["bitfinex-2021-04-17.jsonl", "bitfinex-te-2022-10-11.jsonl"];
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = FILES.iter().any(|(file, _)| *file == name) || none.contains(&name.as_str());
        assert!(known || name.contains(".expected.") || name == "README.md", "{name}");
    }
}
