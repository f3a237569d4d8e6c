//! Bytes to trades: pure functions on one record, without I/O.
//!
//! [`decode_chunk`] takes a chunk apart. A record goes through [`swift`] first, which knows the exchange's
//! own way of writing; what it does not know goes through [`json`] and [`binance`], which know all of
//! `docs/semantics.md#input`. Lines of archives go through [`archive`].

pub(crate) use binance::counts_contracts;
use chunk::{Chunk, ChunkMessage, Framing, LineFormat};
use crossrate_dataflows::market::acceptance::RecordPosition;
use crossrate_dataflows::market::decimal::{Decimals, Price, Quantity};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::{Side, Trade, TradeKind};
use mapping::{MappedRecord, Mapping, MappingScratch, Taker, TradeId};
use std::fmt;
use std::ops::Range;

pub mod archive;
mod binance;
pub mod chunk;
pub mod decoded;
mod escape;
pub mod format;
mod json;
pub mod mapping;
mod numbers;
mod ordered;
mod scanning;
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

/// What the decoder needs beside the record: how the job's numbers are scaled, and what is kept for its
/// allocation.
#[derive(Debug, Default)]
pub struct Scratch {
    decimals: Decimals,
    text: String,
    mapping: MappingScratch,
}

impl Scratch {
    /// That of a job whose prices and quantities have so many decimals.
    pub fn of(decimals: Decimals) -> Scratch {
        Scratch { decimals, ..Scratch::default() }
    }
}

/// A record as it was read.
#[derive(Debug, Copy, Clone)]
pub struct RawRecord<'a> {
    /// A line without its end; or a message's key, where it was kept, and its value.
    all: &'a [u8],
    /// What Kafka says of it; `None` in a file.
    pub place: Option<&'a ChunkMessage>,
    /// Which of its trades this is, of a record that holds several.
    pub part: u32,
}

impl<'a> RawRecord<'a> {
    /// A line, without its end.
    #[inline]
    pub fn line(all: &'a [u8]) -> Self {
        RawRecord { all, place: None, part: 0 }
    }

    /// A message: its key, where it was kept, and its value.
    #[inline]
    pub fn message(all: &'a [u8], message: &'a ChunkMessage) -> Self {
        RawRecord { all, place: Some(message), part: 0 }
    }

    /// Its bytes: a line, or a message's value.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        &self.all[self.key_length()..]
    }

    /// A message's key, where it was kept.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.place?.key.map(|_| &self.all[..self.key_length()])
    }

    /// Where it stands, behind so many records of its partition.
    #[inline]
    pub fn place_behind(&self, records: i64) -> RecordPosition {
        match self.place {
            Some(message) => {
                RecordPosition { offset: message.offset, part: self.part, kafka_ms: message.timestamp_ms }
            }
            // The trades of one record have one place.
            None => {
                RecordPosition { offset: records - i64::from(self.part > 0), part: self.part, kafka_ms: 0 }
            }
        }
    }

    #[inline]
    fn key_length(&self) -> usize {
        self.place.and_then(|message| message.key).unwrap_or(0) as usize
    }
}

/// Decodes a chunk's records, in order.
#[inline]
pub fn decode_chunk<'a>(
    chunk: &'a Chunk,
    scratch: &mut Scratch,
    each: impl FnMut(RawRecord<'a>, Record<'_>),
) {
    if scratch.decimals != Decimals::EIGHT {
        return decode_scaled(chunk, scratch, each);
    }
    decode_by_framing(chunk, Decimals::EIGHT, scratch, swift::decode, each);
}

/// The same where the job has other decimals than eight: compiled apart, so that the others do not pay for
/// it.
#[inline(never)]
fn decode_scaled<'a>(chunk: &'a Chunk, scratch: &mut Scratch, each: impl FnMut(RawRecord<'a>, Record<'_>)) {
    let decimals = scratch.decimals;
    let swift = |bytes: &'a [u8], at| swift_scaled(bytes, at, decimals);
    decode_by_framing(chunk, decimals, scratch, swift, each);
}

/// The same by the fast way of those decimals.
#[inline(always)]
fn decode_by_framing<'a>(
    chunk: &'a Chunk,
    decimals: Decimals,
    scratch: &mut Scratch,
    swift: impl Fn(&'a [u8], usize) -> Option<(Record<'a>, usize)>,
    each: impl FnMut(RawRecord<'a>, Record<'_>),
) {
    match &chunk.framing {
        Framing::Lines(LineFormat::Json) => json_lines(&chunk.bytes, scratch, swift, each),
        Framing::Lines(LineFormat::Csv { symbol, kind }) => {
            csv_lines(&chunk.bytes, (symbol, *kind), decimals, each);
        }
        Framing::Messages(messages) if chunk.mapping.is_none() => {
            self::messages(&chunk.bytes, messages, scratch, swift, each);
        }
        _ => decode_mapped(chunk, scratch, each),
    }
}

/// What the fast way makes of a record, in other steps than its own; nothing where they do not hold it
/// exactly.
#[inline(never)]
fn swift_scaled(bytes: &[u8], at: usize, decimals: Decimals) -> Option<(Record<'_>, usize)> {
    let (mut record, end) = swift::decode(bytes, at)?;
    if let Record::Trade { trade, .. } = &mut record {
        trade.price = Price::from_scaled(rescaled(trade.price.scaled(), decimals.price)?)?;
        trade.quantity = Quantity::from_scaled(rescaled(trade.quantity.scaled(), decimals.quantity)?)?;
    }
    Some((record, end))
}

/// A number of eight decimals in steps of so many.
fn rescaled(scaled: i64, places: u8) -> Option<i64> {
    let eight = Decimals::EIGHT.price;
    let factor = 10i64.pow(places.abs_diff(eight).into());
    match places >= eight {
        true => scaled.checked_mul(factor),
        false => (scaled % factor == 0).then_some(scaled / factor),
    }
}

/// Decodes a chunk's records by its mapping.
fn decode_mapped<'a>(
    chunk: &'a Chunk,
    scratch: &mut Scratch,
    mut each: impl FnMut(RawRecord<'a>, Record<'_>),
) {
    let each = |raw: RawRecord<'a>, mapped: &MappedRecord<'_>| each(raw, record_of(mapped));
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
    let found = match scratch.decimals == Decimals::EIGHT {
        true => swift::decode(bytes, 0),
        false => swift_scaled(bytes, 0, scratch.decimals),
    };
    match found {
        Some((record, end)) if end == bytes.len() => record,
        _ => binance::decode(bytes, scratch),
    }
}

#[inline]
fn json_lines<'a>(
    bytes: &'a [u8],
    scratch: &mut Scratch,
    swift: impl Fn(&'a [u8], usize) -> Option<(Record<'a>, usize)>,
    mut each: impl FnMut(RawRecord<'a>, Record<'_>),
) {
    let mut at = 0;
    while at < bytes.len() {
        let json = at + capture_prefix(&bytes[at..]);
        if let Some((record, end)) = swift(bytes, json)
            && matches!(bytes.get(end), Some(b'\n') | None)
        {
            each(RawRecord::line(&bytes[at..end]), record);
            at = end + 1;
            continue;
        }
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        let line = &bytes[at..end];
        if !line.trim_ascii().is_empty() {
            let inner = if json < end { &bytes[json..end] } else { line };
            each(RawRecord::line(line), binance::decode(inner, scratch));
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
    let digits = scanning::leading_digits(line);
    if line.get(digits) == Some(&b' ') { digits + 1 } else { 0 }
}

fn csv_lines<'a>(
    bytes: &'a [u8],
    (symbol, kind): (&str, TradeKind),
    decimals: Decimals,
    mut each: impl FnMut(RawRecord<'a>, Record<'_>),
) {
    for line in bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        if let Some(record) = archive::decode(line, symbol, kind, decimals) {
            each(RawRecord::line(line), record);
        }
    }
}

fn messages<'a>(
    bytes: &'a [u8],
    messages: &'a [ChunkMessage],
    scratch: &mut Scratch,
    swift: impl Fn(&'a [u8], usize) -> Option<(Record<'a>, usize)>,
    mut each: impl FnMut(RawRecord<'a>, Record<'_>),
) {
    let mut from = 0;
    for message in messages {
        let end = message.end as usize;
        let value = from + message.key.unwrap_or(0) as usize;
        let raw = RawRecord::message(&bytes[from..end], message);
        from = end;
        if message.null {
            each(raw, Record::Ignored);
            continue;
        }
        match swift(bytes, value) {
            Some((record, at)) if at == end => each(raw, record),
            _ => each(raw, binance::decode(raw.bytes(), scratch)),
        }
    }
}

fn mapped_lines<'a>(
    bytes: &'a [u8],
    mapping: &Mapping,
    scratch: &mut Scratch,
    mut each: impl FnMut(RawRecord<'a>, &MappedRecord<'_>),
) {
    let mut from = 0;
    while from < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |length| from + length);
        let line = &bytes[from..end];
        if mapping.is_record(line) {
            let json = from + if mapping.is_json() { capture_prefix(line) } else { 0 };
            mapped(RawRecord::line(line), bytes, json..end, mapping, scratch, &mut each);
        }
        from = end + 1;
    }
}

fn mapped_messages<'a>(
    bytes: &'a [u8],
    messages: &'a [ChunkMessage],
    mapping: &Mapping,
    scratch: &mut Scratch,
    mut each: impl FnMut(RawRecord<'a>, &MappedRecord<'_>),
) {
    let mut from = 0;
    for message in messages {
        let value = from + message.key.unwrap_or(0) as usize;
        let end = message.end as usize;
        let raw = RawRecord::message(&bytes[from..end], message);
        from = end;
        match message.null {
            true => each(raw, &MappedRecord::Ignored),
            false => mapped(raw, bytes, value..end, mapping, scratch, &mut each),
        }
    }
}

/// The trades of the record at a place, or once what it is instead.
#[inline]
fn mapped<'a>(
    raw: RawRecord<'a>,
    all: &[u8],
    place: Range<usize>,
    mapping: &Mapping,
    scratch: &mut Scratch,
    each: &mut impl FnMut(RawRecord<'a>, &MappedRecord<'_>),
) {
    let mut part = 0;
    mapping.decode_at(all, place, scratch.decimals, &mut scratch.mapping, |mapped| {
        each(RawRecord { part, ..raw }, mapped);
        part += 1;
    });
}

#[inline]
fn record_of<'m>(mapped: &MappedRecord<'m>) -> Record<'m> {
    let trade = match mapped {
        MappedRecord::Trade(trade) => trade,
        MappedRecord::Heartbeat(time) => return Record::Heartbeat(*time),
        MappedRecord::Ignored => return Record::Ignored,
        MappedRecord::Bad(bad) => return Record::Bad(*bad),
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
    let symbol = trade.symbol;
    let untold = Trade::new(0, price, quantity, trade.time);
    let of_id = match trade.id.get() {
        TradeId::Sequence(id) => Trade::new(id, price, quantity, trade.time),
        TradeId::Unique(id) => untold.with_unique_id(id),
        TradeId::Hashed(hash) => untold.with_hashed_id(hash),
        TradeId::None => untold.without_id(),
    };
    let trade = Trade { side, ..of_id };
    Record::Trade { symbol, kind: TradeKind::Trade, trade }
}

#[cfg(test)]
mod tests;
