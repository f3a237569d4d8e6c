//! Decoded records, kept with their chunk until the owner of the partition takes them.

use super::chunk::{Chunk, ChunkMessage, Framing, Prefix};
use super::{BadRecord, RawRecord, Record, Scratch, decode_chunk};
use crate::symbols::Symbols;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::{SymbolNumber, Trade, TradeKind};

/// What one record is, its symbol looked up.
#[derive(Debug, Copy, Clone, PartialEq)]
pub enum ResolvedRecord {
    /// A trade; without a number if nobody asked for its symbol.
    Trade(Option<SymbolNumber>, TradeKind, Trade),
    /// The writer has nothing older than this to write.
    Heartbeat(EventTime),
    /// Valid, but nothing that we count.
    Ignored,
    /// Not what it should be.
    Bad(BadRecord),
}

impl ResolvedRecord {
    /// A record whose symbol is looked up in `symbols`.
    #[inline]
    pub fn of(record: &Record<'_>, symbols: &mut Symbols) -> ResolvedRecord {
        match record {
            Record::Trade { symbol, kind, trade } => {
                ResolvedRecord::Trade(symbols.number(symbol), *kind, *trade)
            }
            Record::Heartbeat(time) => ResolvedRecord::Heartbeat(*time),
            Record::Ignored => ResolvedRecord::Ignored,
            Record::Bad(bad) => ResolvedRecord::Bad(*bad),
        }
    }
}

/// A chunk and its records.
#[derive(Debug, Default)]
pub struct DecodedChunk {
    chunk: Chunk,
    records: Vec<DecodedRecord>,
    /// After how many changes of the definition symbols were looked up.
    changes: usize,
}

/// A record and where it stands in its chunk.
#[derive(Debug, Copy, Clone)]
struct DecodedRecord {
    from: u32,
    to: u32,
    /// Which of its record's trades this is.
    part: u32,
    record: ResolvedRecord,
}

impl DecodedChunk {
    /// Decodes a chunk, into the allocation of another one that has been used.
    pub fn of(
        chunk: Chunk,
        used: DecodedChunk,
        symbols: &mut Symbols,
        scratch: &mut Scratch,
    ) -> DecodedChunk {
        let (mut records, changes) = (used.records, symbols.changes());
        records.clear();
        let start = chunk.bytes.as_ptr().addr();
        decode_chunk(&chunk, scratch, |raw, record| {
            // A chunk holds less than 4 GiB: messages say where they end in 32 bits, and readers of files
            // stop long before. The bytes of a record are a part of it.
            let from = (raw.bytes().as_ptr().addr() - start) as u32;
            let to = from + raw.bytes().len() as u32;
            records.push(DecodedRecord {
                from,
                to,
                part: raw.part,
                record: ResolvedRecord::of(&record, symbols),
            });
        });
        DecodedChunk { chunk, records, changes }
    }

    /// After how many changes of the definition symbols were looked up.
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// The chunk.
    pub fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// The records, in order.
    #[inline]
    pub fn each<'a>(&'a self, mut each: impl FnMut(RawRecord<'a>, ResolvedRecord)) {
        let bytes = &self.chunk.bytes;
        match &self.chunk.framing {
            Framing::Messages(messages) => {
                let mut messages = messages.iter();
                let mut message = None;
                for decoding in &self.records {
                    // Each message gives one at least.
                    if decoding.part == 0 {
                        message = messages.next();
                    }
                    let Some(message) = message else { return };
                    each(self.raw_message(message, decoding), decoding.record);
                }
            }
            Framing::Lines(_) => {
                for decoding in &self.records {
                    let raw = &bytes[decoding.from as usize..decoding.to as usize];
                    each(RawRecord { part: decoding.part, ..RawRecord::line(raw) }, decoding.record);
                }
            }
        }
    }

    fn raw_message<'a>(&'a self, message: &'a ChunkMessage, decoding: &DecodedRecord) -> RawRecord<'a> {
        let from = decoding.from as usize - message.key.unwrap_or(0) as usize;
        let all = &self.chunk.bytes[from..decoding.to as usize];
        RawRecord { part: decoding.part, ..RawRecord::message(all, message) }
    }

    /// All that was read of a file up to the chunk's end.
    pub fn read(&self) -> Option<Prefix> {
        self.chunk.read
    }

    /// The chunk, and what can take the next one.
    pub fn take_apart(self) -> (Chunk, DecodedChunk) {
        (self.chunk, DecodedChunk { records: self.records, ..DecodedChunk::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::chunk::LineFormat;
    use crossrate_dataflows::market::definition::Selection;

    #[test]
    fn gives_the_same_as_decoding_in_turn() {
        let trade = r#"{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"1","T":1525022020361}"#;
        let values = [trade, "", "{}", "nonsense", r#"{"e":"heartbeat","T":1525022020361}"#, trade];
        let mut messages = Vec::new();
        let mut bytes = Vec::new();
        for (offset, value) in (10..).zip(values) {
            bytes.extend_from_slice(b"key");
            bytes.extend_from_slice(value.as_bytes());
            let (end, null) = (bytes.len() as u32, value.is_empty());
            messages.push(ChunkMessage { offset, timestamp_ms: 5, end, null, key: Some(3) });
        }
        let lines = values.join("\n").into_bytes();
        let as_messages = || Chunk {
            bytes: bytes.clone(),
            framing: Framing::Messages(messages.clone()),
            ..Chunk::default()
        };
        let as_lines =
            || Chunk { bytes: lines.clone(), framing: Framing::Lines(LineFormat::Json), ..Chunk::default() };
        for make in [&as_messages as &dyn Fn() -> Chunk, &as_lines] {
            let mut symbols = Symbols::new(&Selection::All);
            let mut scratch = Scratch::default();
            let mut expected = Vec::new();
            decode_chunk(&make(), &mut scratch, |raw, record| {
                let key = raw.key().map(<[u8]>::to_vec);
                expected.push((
                    raw.bytes().to_vec(),
                    key,
                    raw.place.copied(),
                    ResolvedRecord::of(&record, &mut symbols),
                ));
            });
            let decoded = DecodedChunk::of(make(), DecodedChunk::default(), &mut symbols, &mut scratch);
            let mut got = Vec::new();
            decoded.each(|raw, known| {
                got.push((raw.bytes().to_vec(), raw.key().map(<[u8]>::to_vec), raw.place.copied(), known));
            });
            assert_eq!(got, expected);
            assert!(got.len() >= 5);
            assert_eq!(decoded.take_apart().0.bytes, make().bytes);
        }
    }
}
