//! Bytes to trades: pure functions on one record, without I/O.
//!
//! [`decode_chunk`] takes a chunk apart. A record goes through [`swift`] first, which knows the exchange's own way
//! of writing; what it does not know goes through [`json`] and [`binance`], which know all of `docs/semantics.md#input`. Lines
//! of archives go through [`archive`].

pub(crate) use binance::counts_contracts;
use chunk::{Chunk, Framing, LineFormat, Message};
use crossrate_dataflows::market::decimal::{Price, Quantity};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::{IdRange, Side, Trade, TradeKind};
use mapping::{Mapped, Mapping, MappingScratch, Places, Taker, TradeId};
use std::fmt;

pub mod archive;
mod binance;
pub mod chunk;
pub mod decoded;
mod escape;
pub mod format;
mod json;
pub mod mapping;
mod swift;
pub mod why;

/// What one record is (`docs/semantics.md#input`), before anybody asks whether its symbol is wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum Record<'a> {
    /// A trade.
    Trade {
        /// Its symbol, UTF-8 and not empty: a slice of the record, or of the scratch where it used escapes.
        symbol: &'a [u8],
        /// What it is counted by.
        kind: TradeKind,
        /// The trade.
        trade: Trade,
    },
    /// The writer has nothing older than this to write.
    Heartbeat(EventTime),
    /// Valid, but nothing that we count.
    Ignored,
    /// Not what it should be.
    Bad(BadRecord),
}

/// Why a record is bad: what was wrong and, where that is known, at which byte.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// A few words for people, such as `p: more than eight decimals`.
    pub reason: &'static str,
    /// Byte offset in the record.
    pub at: Option<usize>,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{} (at byte {at})", self.reason),
            None => f.write_str(self.reason),
        }
    }
}

/// What the decoder needs beside the record, kept for its allocation.
#[derive(Debug, Default)]
pub struct Scratch {
    text: String,
    mapping: MappingScratch,
}

/// A record as it was read.
#[derive(Debug, Copy, Clone)]
pub struct Raw<'a> {
    /// Its bytes: a line without its end, or a message's value.
    pub bytes: &'a [u8],
    /// A message's key, where it was kept.
    pub key: Option<&'a [u8]>,
    /// What Kafka says of it; `None` in a file.
    pub place: Option<Message>,
    /// Which of its trades this is, of a record that holds several.
    pub part: u32,
}

/// Decodes a chunk's records, in order.
#[inline]
pub fn decode_chunk<'a>(chunk: &'a Chunk, scratch: &mut Scratch, each: impl FnMut(Raw<'a>, Record<'_>)) {
    match &chunk.framing {
        Framing::Lines(LineFormat::Json) => json_lines(&chunk.bytes, scratch, each),
        Framing::Lines(LineFormat::Csv { symbol, kind }) => csv_lines(&chunk.bytes, (symbol, *kind), each),
        Framing::Messages(messages) if chunk.mapping.is_none() => {
            self::messages(&chunk.bytes, messages, scratch, each);
        }
        _ => decode_mapped(chunk, scratch, each_record(each)),
    }
}

/// Gives what a mapping tells as a record.
fn each_record<'a>(mut each: impl FnMut(Raw<'a>, Record<'_>)) -> impl FnMut(Raw<'a>, Mapped<'_>) {
    move |raw, mapped| each(raw, record_of(mapped))
}

/// Decodes a chunk's records by its mapping, where it has one, as that tells them: with ids of any kind.
#[inline]
pub fn decode_mapped<'a>(chunk: &'a Chunk, scratch: &mut Scratch, each: impl FnMut(Raw<'a>, Mapped<'_>)) {
    match (&chunk.framing, &chunk.mapping) {
        (Framing::Lines(LineFormat::Mapped(mapping)), _) => {
            mapped_lines(&chunk.bytes, mapping, scratch, each)
        }
        (Framing::Messages(messages), Some(mapping)) => {
            mapped_messages(&chunk.bytes, messages, mapping, scratch, each);
        }
        _ => {}
    }
}

/// Decodes one record by itself.
pub fn decode<'a>(bytes: &'a [u8], scratch: &'a mut Scratch) -> Record<'a> {
    match swift::decode(bytes, 0) {
        Some((record, end)) if end == bytes.len() => record,
        _ => binance::decode(bytes, scratch),
    }
}

fn json_lines<'a>(bytes: &'a [u8], scratch: &mut Scratch, mut each: impl FnMut(Raw<'a>, Record<'_>)) {
    let mut at = 0;
    while at < bytes.len() {
        let json = at + capture_prefix(&bytes[at..]);
        if let Some((record, end)) = swift::decode(bytes, json)
            && matches!(bytes.get(end), Some(b'\n') | None)
        {
            each(Raw { bytes: &bytes[at..end], key: None, place: None, part: 0 }, record);
            at = end + 1;
            continue;
        }
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        let line = &bytes[at..end];
        if !line.trim_ascii().is_empty() {
            let inner = if json < end { &bytes[json..end] } else { line };
            each(Raw { bytes: line, key: None, place: None, part: 0 }, binance::decode(inner, scratch));
        }
        at = end + 1;
    }
}

/// How long the receive time of a capture line is, with its blank; 0 where there is none.
#[inline]
fn capture_prefix(line: &[u8]) -> usize {
    if !matches!(line.first(), Some(b'0'..=b'9')) {
        return 0;
    }
    let digits = swift::leading_digits(line);
    if line.get(digits) == Some(&b' ') { digits + 1 } else { 0 }
}

fn csv_lines<'a>(
    bytes: &'a [u8],
    (symbol, kind): (&str, TradeKind),
    mut each: impl FnMut(Raw<'a>, Record<'_>),
) {
    for line in bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        if let Some(record) = archive::decode(line, symbol, kind) {
            each(Raw { bytes: line, key: None, place: None, part: 0 }, record);
        }
    }
}

fn messages<'a>(
    bytes: &'a [u8],
    messages: &[Message],
    scratch: &mut Scratch,
    mut each: impl FnMut(Raw<'a>, Record<'_>),
) {
    let mut from = 0;
    for message in messages {
        let end = message.end as usize;
        let value = from + message.key.unwrap_or(0) as usize;
        let raw = Raw {
            bytes: &bytes[value..end],
            key: message.key.map(|_| &bytes[from..value]),
            place: Some(*message),
            part: 0,
        };
        from = end;
        if message.null {
            each(raw, Record::Ignored);
            continue;
        }
        match swift::decode(bytes, value) {
            Some((record, at)) if at == end => each(raw, record),
            _ => each(raw, binance::decode(raw.bytes, scratch)),
        }
    }
}

fn mapped_lines<'a>(
    bytes: &'a [u8],
    mapping: &Mapping,
    scratch: &mut Scratch,
    mut each: impl FnMut(Raw<'a>, Mapped<'_>),
) {
    for line in bytes.split(|b| *b == b'\n').filter(|line| mapping.is_record(line)) {
        let json = if mapping.is_csv() { 0 } else { capture_prefix(line) };
        let raw = Raw { bytes: line, key: None, place: None, part: 0 };
        mapped(raw, &line[json..], mapping, scratch, &mut each);
    }
}

fn mapped_messages<'a>(
    bytes: &'a [u8],
    messages: &[Message],
    mapping: &Mapping,
    scratch: &mut Scratch,
    mut each: impl FnMut(Raw<'a>, Mapped<'_>),
) {
    let mut from = 0;
    for message in messages {
        let value = from + message.key.unwrap_or(0) as usize;
        let end = message.end as usize;
        let key = message.key.map(|_| &bytes[from..value]);
        let raw = Raw { bytes: &bytes[value..end], key, place: Some(*message), part: 0 };
        from = end;
        match message.null {
            true => each(raw, Mapped::Ignored),
            false => mapped(raw, raw.bytes, mapping, scratch, &mut each),
        }
    }
}

/// The trades of one record, or once what it is instead.
fn mapped<'a>(
    raw: Raw<'a>,
    bytes: &[u8],
    mapping: &Mapping,
    scratch: &mut Scratch,
    each: &mut impl FnMut(Raw<'a>, Mapped<'_>),
) {
    let mut part = 0;
    mapping.decode(bytes, Places::default(), &mut scratch.mapping, |mapped| {
        each(Raw { part, ..raw }, mapped);
        part += 1;
    });
}

fn record_of(mapped: Mapped<'_>) -> Record<'_> {
    let trade = match mapped {
        Mapped::Trade(trade) => trade,
        Mapped::Heartbeat(time) => return Record::Heartbeat(time),
        Mapped::Ignored => return Record::Ignored,
        Mapped::Bad(bad) => return Record::Bad(bad),
    };
    let TradeId::Sequence(id) = trade.id else {
        return Record::Bad(BadRecord { reason: "id: no sequence, which is not supported yet", at: None });
    };
    // The decoder gives what is positive and below 2^63 only.
    let (Some(price), Some(quantity)) =
        (Price::from_scaled(trade.price), Quantity::from_scaled(trade.quantity))
    else {
        return Record::Bad(BadRecord { reason: "price or quantity: zero", at: None });
    };
    let side = match trade.taker {
        Some(Taker::Buy) => Side::Buy,
        Some(Taker::Sell) => Side::Sell,
        None => Side::Untold,
    };
    let symbol = trade.symbol.as_bytes();
    let trade = Trade { id, ids: IdRange::one(id), side, price, quantity, time: trade.time };
    Record::Trade { symbol, kind: TradeKind::Trade, trade }
}

#[cfg(test)]
mod tests;
