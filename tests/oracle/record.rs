//! One record: what `docs/semantics.md#input` makes of its bytes, before anything is asked about its
//! partition.

use super::json::{self, Json};

/// [2009-01-01, 2100-01-01) in milliseconds.
const TIMES_MS: std::ops::Range<u128> = 1_230_768_000_000..4_102_444_800_000;

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Kind {
    Trade,
    Aggregate,
}

/// What a trade is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// One more than the symbol's trade before it has.
    Sequence(u64),
    /// A number, or a text, that no other trade of the symbol has.
    Unique(u64),
    Text(String),
    None,
}

/// Prices and quantities are scaled by their [`Decimals`], times are microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub symbol: String,
    pub kind: Kind,
    pub id: Id,
    pub price: i64,
    pub quantity: i64,
    pub time: i64,
    /// Of an aggregate the first and the last of its trades; else the id, where it is one of a sequence.
    pub first: u64,
    pub last: u64,
    /// What the taker did, where it is told.
    pub taker_buys: Option<bool>,
}

/// How many decimals prices and quantities have.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Decimals {
    pub price: usize,
    pub quantity: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Trade(Event),
    Heartbeat(i64),
    Ignored,
    Bad,
}

/// A record, or one element of it.
#[derive(Debug)]
pub struct Element<'a> {
    /// The number of the record.
    pub offset: usize,
    /// The place of the element in it.
    pub part: usize,
    pub line: &'a [u8],
    pub record: Record,
}

/// A partition: JSON lines and capture lines, or an archive of trades.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Unpacked.
    pub bytes: Vec<u8>,
    /// The symbol of an archive: it is CSV.
    pub archive_of: Option<String>,
    /// Its JSON is read by `tests/formats/any-ids.toml`.
    pub is_mapped: bool,
}

impl File {
    pub fn of_json(bytes: Vec<u8>) -> File {
        File { bytes, archive_of: None, is_mapped: false }
    }

    /// What is judged by itself, in order.
    pub fn elements(&self, decimals: Decimals) -> Vec<Element<'_>> {
        let mut elements = Vec::new();
        for (offset, (line, records)) in self.records(decimals).into_iter().enumerate() {
            let parts = records.into_iter().enumerate();
            elements.extend(parts.map(|(part, record)| Element { offset, part, line, record }));
        }
        elements
    }

    /// Its records in order, each with its bytes and what it is.
    fn records(&self, decimals: Decimals) -> Vec<(&[u8], Vec<Record>)> {
        let lines = self.bytes.split(|b| *b == b'\n');
        let lines = lines.filter(|line| !line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')));
        match &self.archive_of {
            None if self.is_mapped => lines.map(|line| (line, mapped(line, decimals))).collect(),
            None => lines.map(|line| (line, vec![read(line, decimals)])).collect(),
            Some(symbol) => {
                let not_header = lines.filter(|line| !line.starts_with(b"id,"));
                let record = |line| archived(line, symbol, decimals).unwrap_or(Record::Bad);
                not_header.map(|line| (line, vec![record(line)])).collect()
            }
        }
    }
}

/// `id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch`.
fn archived(line: &[u8], symbol: &str, decimals: Decimals) -> Option<Record> {
    let line = std::str::from_utf8(line).ok()?;
    let columns: Vec<&str> = line.trim_end_matches('\r').split(',').collect();
    let integer = |column: usize| Json::Number((*columns.get(column)?).to_owned()).plain_integer();
    let id = u64::try_from(integer(0)?).ok().filter(|id| *id < 1 << 63)?;
    let price = decimal(columns.get(1)?, decimals.price)?;
    let quantity = decimal(columns.get(2)?, decimals.quantity)?;
    let time = micros(integer(4)?)?;
    // The buyer was the maker: the taker sold.
    let taker_buys = match columns.get(5).map(|text| text.to_ascii_lowercase()).as_deref() {
        Some("true") => Some(false),
        Some("false") => Some(true),
        _ => None,
    };
    let symbol = symbol.to_owned();
    let kind = Kind::Trade;
    let (first, last, id) = (id, id, Id::Sequence(id));
    Some(Record::Trade(Event { symbol, kind, id, price, quantity, time, first, last, taker_buys }))
}

fn read(line: &[u8], decimals: Decimals) -> Record {
    let Some(whole) = json::parse(without_receive_time(line)) else { return Record::Bad };
    if !matches!(whole, Json::Object(_)) {
        return Record::Bad;
    }
    let event = match (whole.get("stream"), whole.get("data")) {
        (Some(_), Some(data)) => data,
        _ => &whole,
    };
    let found = match event.get("e").and_then(Json::text) {
        // No order book made it.
        Some("trade") if event.get("X").is_some_and(|origin| origin.text() != Some("MARKET")) => {
            Some(Record::Ignored)
        }
        Some("trade") => trade(event, Kind::Trade, "t", decimals),
        Some("aggTrade") => trade(event, Kind::Aggregate, "a", decimals),
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

fn trade(event: &Json, kind: Kind, id: &str, decimals: Decimals) -> Option<Record> {
    let is_wanted = |symbol: &&str| is_name(symbol) && !counts_contracts(symbol);
    let symbol = event.get("s")?.text().filter(is_wanted)?.to_owned();
    let plain_id =
        |key: &str| u64::try_from(event.get(key)?.plain_integer()?).ok().filter(|id| *id < 1 << 63);
    let id = plain_id(id)?;
    let price = decimal(event.get("p")?.text()?, decimals.price)?;
    let quantity = decimal(event.get("q")?.text()?, decimals.quantity)?;
    let time = time(event)?;
    let trades = if kind == Kind::Aggregate { plain_id("f").zip(plain_id("l")) } else { None };
    let (first, last) = trades.filter(|(first, last)| first <= last).unwrap_or((id, id));
    let taker_buys = match event.get("m") {
        Some(Json::Bool(buyer_is_maker)) => Some(!buyer_is_maker),
        _ => None,
    };
    let id = Id::Sequence(id);
    Some(Record::Trade(Event { symbol, kind, id, price, quantity, time, first, last, taker_buys }))
}

/// A record as `tests/formats/any-ids.toml` has it.
fn mapped(line: &[u8], decimals: Decimals) -> Vec<Record> {
    let Some(whole) = json::parse(without_receive_time(line)) else { return vec![Record::Bad] };
    let event = whole.get("e").and_then(Json::text);
    match (event, whole.get("d")) {
        (Some("heartbeat"), _) => vec![micros_alone(&whole).map_or(Record::Bad, Record::Heartbeat)],
        (Some(kind @ "trade"), _) => vec![mapped_trade(&whole, kind, decimals).unwrap_or(Record::Bad)],
        (Some("unique" | "none"), Some(Json::Array(all))) if all.is_empty() => vec![Record::Ignored],
        (Some(kind @ ("unique" | "none")), Some(Json::Array(all))) => {
            all.iter().map(|one| mapped_trade(one, kind, decimals).unwrap_or(Record::Bad)).collect()
        }
        (Some("unique" | "none"), _) => vec![Record::Bad],
        _ => vec![Record::Ignored],
    }
}

fn mapped_trade(event: &Json, kind: &str, decimals: Decimals) -> Option<Record> {
    let symbol = event.get("s")?.text().filter(|symbol| is_name(symbol))?.to_owned();
    let digits = event.get("t").and_then(|id| id.text().or_else(|| id.number()));
    let is_integer = |digits: &&str| {
        let zero_first = digits.len() > 1 && digits.starts_with('0');
        (1..=19).contains(&digits.len()) && !zero_first && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let integer = digits.filter(is_integer).and_then(|digits| digits.parse().ok());
    let integer = integer.filter(|id: &u64| *id < 1 << 63);
    let id = match (kind, integer) {
        ("none", _) => Id::None,
        ("trade", id) => Id::Sequence(id?),
        (_, Some(id)) => Id::Unique(id),
        (_, None) => {
            let is_text = event.get("t")?.text().is_some_and(|text| (1..=255).contains(&text.len()));
            let is_great = event.get("t")?.plain_digits().is_some();
            Id::Text(digits.filter(|_| is_text || is_great)?.to_owned())
        }
    };
    let price = decimal(event.get("p")?.text()?, decimals.price)?;
    let quantity = decimal(event.get("q")?.text()?, decimals.quantity)?;
    let time = micros_alone(event)?;
    let taker_buys = match event.get("m") {
        Some(Json::Bool(buyer_is_maker)) => Some(!buyer_is_maker),
        _ => None,
    };
    let range = if let Id::Sequence(id) = id { id } else { 0 };
    let (kind, first, last) = (Kind::Trade, range, range);
    Some(Record::Trade(Event { symbol, kind, id, price, quantity, time, first, last, taker_buys }))
}

/// A time in microseconds, whatever its magnitude.
fn micros_alone(event: &Json) -> Option<i64> {
    let time = event.get("T")?.plain_integer()?;
    (TIMES_MS.start * 1_000..TIMES_MS.end * 1_000).contains(&time).then_some(time as i64)
}

/// The names of symbols (`docs/semantics.md#terms`).
fn is_name(text: &str) -> bool {
    let is_strange = |c: char| c.is_whitespace() || c.is_control() || "*/=,|\"".contains(c);
    (1..=64).contains(&text.len()) && !text.chars().any(is_strange)
}

/// Futures whose quantities are contracts of so many dollars.
fn counts_contracts(symbol: &str) -> bool {
    let digits = symbol.chars().rev().take_while(char::is_ascii_digit).count();
    symbol.ends_with("USD_PERP") || digits == 6 && symbol[..symbol.len() - digits].ends_with("USD_")
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

/// Decimal text, scaled by ten to `places`: above zero, below 2^63, nothing but zeros after so many decimals.
pub(crate) fn decimal(text: &str, places: usize) -> Option<i64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    if fraction.bytes().skip(places).any(|digit| digit != b'0') {
        return None;
    }
    let decimals: String = fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
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
        assert_eq!(decimal(text, 8), Some(scaled), "{text}");
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
        assert_eq!(decimal(wrong, 8), None, "{wrong}");
    }
    assert_eq!(decimal("12.00", 0), Some(12));
    assert_eq!(decimal("12.5", 0), None);
    assert_eq!(decimal("0.000000000000000001", 18), Some(1));
    assert_eq!(decimal("9.223372036854775808", 18), None);
}
