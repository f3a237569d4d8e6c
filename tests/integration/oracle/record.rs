//! One record: what `docs/semantics.md#input` makes of its bytes, before anything is asked about its partition.

use super::json::{self, Json};

/// [2009-01-01, 2100-01-01) in milliseconds.
const TIMES_MS: std::ops::Range<u128> = 1_230_768_000_000..4_102_444_800_000;

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Trade,
    Aggregate,
}

/// Prices and quantities are scaled by 1e8, times are microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) symbol: String,
    pub(crate) kind: Kind,
    pub(crate) id: u64,
    pub(crate) price: i64,
    pub(crate) quantity: i64,
    pub(crate) time: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Trade(Event),
    Heartbeat(i64),
    Ignored,
    Bad,
}

/// A partition: JSON lines and capture lines, or an archive of trades.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// Unpacked.
    pub(crate) bytes: Vec<u8>,
    /// The symbol of an archive: it is CSV.
    pub(crate) archive_of: Option<String>,
}

impl File {
    pub(crate) fn of_json(bytes: Vec<u8>) -> File {
        File { bytes, archive_of: None }
    }

    /// Its records in order, each with its bytes.
    pub(crate) fn records(&self) -> Vec<(&[u8], Record)> {
        let lines = self.bytes.split(|b| *b == b'\n');
        let lines = lines.filter(|line| !line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')));
        match &self.archive_of {
            None => lines.map(|line| (line, read(line))).collect(),
            Some(symbol) => {
                let not_header = lines.filter(|line| !line.starts_with(b"id,"));
                not_header.map(|line| (line, archived(line, symbol).unwrap_or(Record::Bad))).collect()
            }
        }
    }
}

/// `id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch`.
fn archived(line: &[u8], symbol: &str) -> Option<Record> {
    let line = std::str::from_utf8(line).ok()?;
    let columns: Vec<&str> = line.trim_end_matches('\r').split(',').collect();
    let integer = |column: usize| Json::Number((*columns.get(column)?).to_owned()).plain_integer();
    let id = u64::try_from(integer(0)?).ok().filter(|id| *id < 1 << 63)?;
    let price = decimal(columns.get(1)?)?;
    let quantity = decimal(columns.get(2)?)?;
    let time = micros(integer(4)?)?;
    Some(Record::Trade(Event { symbol: symbol.to_owned(), kind: Kind::Trade, id, price, quantity, time }))
}

fn read(line: &[u8]) -> Record {
    let Some(whole) = json::parse(without_receive_time(line)) else { return Record::Bad };
    if !matches!(whole, Json::Object(_)) {
        return Record::Bad;
    }
    let event = match (whole.get("stream"), whole.get("data")) {
        (Some(_), Some(data)) => data,
        _ => &whole,
    };
    let found = match event.get("e").and_then(Json::text) {
        Some("trade") => trade(event, Kind::Trade, "t"),
        Some("aggTrade") => trade(event, Kind::Aggregate, "a"),
        Some("heartbeat") => time(event).map(Record::Heartbeat),
        _ => Some(Record::Ignored),
    };
    found.unwrap_or(Record::Bad)
}

/// A line of digits, one blank and more is a capture line.
fn without_receive_time(line: &[u8]) -> &[u8] {
    let digits = line.iter().take_while(|b| b.is_ascii_digit()).count();
    match line.get(digits) {
        Some(b' ') if digits > 0 => &line[digits + 1..],
        _ => line,
    }
}

fn trade(event: &Json, kind: Kind, id: &str) -> Option<Record> {
    let symbol = event.get("s")?.text().filter(|symbol| is_name(symbol))?.to_owned();
    let id = u64::try_from(event.get(id)?.plain_integer()?).ok().filter(|id| *id < 1 << 63)?;
    let price = decimal(event.get("p")?.text()?)?;
    let quantity = decimal(event.get("q")?.text()?)?;
    Some(Record::Trade(Event { symbol, kind, id, price, quantity, time: time(event)? }))
}

/// The names of symbols (`docs/semantics.md#terms`).
fn is_name(text: &str) -> bool {
    let is_strange = |c: char| c.is_whitespace() || c.is_control() || "*/=,|\"".contains(c);
    (1..=64).contains(&text.len()) && !text.chars().any(is_strange)
}

fn time(event: &Json) -> Option<i64> {
    micros(event.get("T")?.plain_integer()?)
}

/// Of milliseconds or microseconds, told by magnitude.
fn micros(time: u128) -> Option<i64> {
    let micros = if TIMES_MS.contains(&time) {
        time * 1_000
    } else if TIMES_MS.contains(&(time / 1_000)) {
        time
    } else {
        return None;
    };
    i64::try_from(micros).ok()
}

/// Decimal text, scaled by 1e8: above zero, below 2^63, nothing but zeros after the eighth decimal.
pub(crate) fn decimal(text: &str) -> Option<i64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    if fraction.bytes().skip(8).any(|digit| digit != b'0') {
        return None;
    }
    let decimals: String = fraction.chars().chain("00000000".chars()).take(8).collect();
    let scaled = format!("{whole}{decimals}");
    scaled.trim_start_matches('0').parse::<i64>().ok()
}

#[test]
fn decimals_are_read_as_the_grammar_says() {
    for (text, scaled) in [
        ("1", 100_000_000),
        ("0.00000001", 1),
        ("000.10", 10_000_000),
        ("8.000000010000", 800_000_001),
        ("92233720368.54775807", i64::MAX),
    ] {
        assert_eq!(decimal(text), Some(scaled), "{text}");
    }
    for wrong in [
        "",
        ".",
        "1.",
        ".5",
        "+1",
        "-1",
        "1e3",
        " 1",
        "1 ",
        "0",
        "0.0",
        "0.000000001",
        "92233720368.54775808",
        "1,5",
        "1.2.3",
        "٣",
        "NaN",
        "99999999999999999999999",
    ] {
        assert_eq!(decimal(wrong), None, "{wrong}");
    }
}
