//! Decoding ahead: a worker that has nothing else to do decodes chunks that wait for another worker of its process.
//!
//! Acceptance (SPEC section 5) must see a partition in order and stays with the worker that owns it; decoding need
//! not. So one large file or one hot partition does not pin one core.

use crate::run::WorkerWaker;
use crate::source::files::Prefix;
use crate::source::{Chunk, Feed, Framing, Loan, Message};
use crate::symbols::Symbols;
use crate::wire::{self, BadRecord, Raw, Record, Scratch};
use crossrate_dataflows::market::acceptance::SymbolNumber;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::{Trade, TradeKind};
use std::sync::{Arc, Mutex, PoisonError};

/// The feeds of a process's workers, as one of them sees them.
#[derive(Debug, Clone)]
pub struct Pool {
    local: usize,
    wakers: Vec<WorkerWaker>,
    /// With the worker that owns each.
    feeds: Arc<Mutex<Vec<(usize, Arc<Feed>)>>>,
}

impl Pool {
    /// As each worker of a process sees it.
    pub fn new(wakers: &[WorkerWaker]) -> Vec<Pool> {
        let feeds = Arc::default();
        let pool = |local| Pool { local, wakers: wakers.to_vec(), feeds: Arc::clone(&feeds) };
        (0..wakers.len()).map(pool).collect()
    }

    /// Lets the others help with a feed of this worker.
    pub fn join(&self, feed: &Arc<Feed>) {
        self.lock().push((self.local, Arc::clone(feed)));
    }

    /// Wakes the others if there is something for them to decode in a feed of this worker.
    pub fn call(&self, feed: &Feed) {
        if self.wakers.len() > 1 && feed.could_lend() {
            let others = self.wakers.iter().enumerate().filter(|(local, _)| *local != self.local);
            others.for_each(|(_, waker)| waker.wake());
        }
    }

    /// Decodes a chunk of whoever has one waiting; false if nobody has.
    pub fn help(&self, symbols: &mut Symbols, scratch: &mut Scratch) -> bool {
        if self.wakers.len() < 2 {
            return false;
        }
        let found =
            self.lock().iter().find_map(|(owner, feed)| Some((*owner, Arc::clone(feed), feed.lend()?)));
        let Some((owner, feed, Loan { place, chunk, used })) = found else { return false };
        feed.give_back(place, Decoded::of(chunk, used, symbols, scratch));
        if owner != self.local {
            self.wakers[owner].wake();
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(usize, Arc<Feed>)>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one record is, its symbol looked up.
#[derive(Debug, Copy, Clone, PartialEq)]
pub enum Known {
    /// A trade; without a number if nobody asked for its symbol.
    Trade(Option<SymbolNumber>, TradeKind, Trade),
    /// The writer has nothing older than this to write.
    Heartbeat(EventTime),
    /// Valid, but nothing that we count.
    Ignored,
    /// Not what it should be.
    Bad(BadRecord),
}

impl Known {
    /// A record whose symbol is looked up in `symbols`.
    #[inline]
    pub fn of(record: &Record<'_>, symbols: &mut Symbols) -> Known {
        match record {
            Record::Trade { symbol, kind, trade } => Known::Trade(symbols.number(symbol), *kind, *trade),
            Record::Heartbeat(time) => Known::Heartbeat(*time),
            Record::Ignored => Known::Ignored,
            Record::Bad(bad) => Known::Bad(*bad),
        }
    }
}

/// A chunk and its records.
#[derive(Debug, Default)]
pub struct Decoded {
    chunk: Chunk,
    records: Vec<Decoding>,
}

/// A record and where it stands in its chunk.
#[derive(Debug, Copy, Clone)]
struct Decoding {
    from: u32,
    to: u32,
    record: Known,
}

impl Decoded {
    /// Decodes a chunk, into the allocation of another one that has been used.
    pub fn of(chunk: Chunk, used: Decoded, symbols: &mut Symbols, scratch: &mut Scratch) -> Decoded {
        let mut records = used.records;
        records.clear();
        let start = chunk.bytes.as_ptr().addr();
        wire::decode_chunk(&chunk, scratch, |raw, record| {
            // A chunk holds less than 4 GiB: messages say where they end in 32 bits, and readers of files stop long
            // before. The bytes of a record are a part of it.
            let from = (raw.bytes.as_ptr().addr() - start) as u32;
            let to = from + raw.bytes.len() as u32;
            records.push(Decoding { from, to, record: Known::of(&record, symbols) });
        });
        Decoded { chunk, records }
    }

    /// The records, in order.
    #[inline]
    pub fn each<'a>(&'a self, mut each: impl FnMut(Raw<'a>, Known)) {
        let bytes = &self.chunk.bytes;
        match &self.chunk.framing {
            Framing::Messages(messages) => {
                for (message, decoding) in messages.iter().zip(&self.records) {
                    each(self.raw_message(message, decoding), decoding.record);
                }
            }
            Framing::Lines(_) => {
                for decoding in &self.records {
                    let raw = &bytes[decoding.from as usize..decoding.to as usize];
                    each(Raw { bytes: raw, key: None, place: None }, decoding.record);
                }
            }
        }
    }

    fn raw_message(&self, message: &Message, decoding: &Decoding) -> Raw<'_> {
        let (from, to) = (decoding.from as usize, decoding.to as usize);
        let key = message.key.map(|length| &self.chunk.bytes[from - length as usize..from]);
        Raw { bytes: &self.chunk.bytes[from..to], key, place: Some(*message) }
    }

    /// All that was read of a file up to the chunk's end.
    pub fn read(&self) -> Option<Prefix> {
        self.chunk.read
    }

    /// The chunk, and what can take the next one.
    pub fn take_apart(self) -> (Chunk, Decoded) {
        (self.chunk, Decoded { chunk: Chunk::default(), records: self.records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::LineFormat;
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
            messages.push(Message { offset, timestamp_ms: 5, end, null, key: Some(3) });
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
            wire::decode_chunk(&make(), &mut scratch, |raw, record| {
                let key = raw.key.map(<[u8]>::to_vec);
                expected.push((raw.bytes.to_vec(), key, raw.place, Known::of(&record, &mut symbols)));
            });
            let decoded = Decoded::of(make(), Decoded::default(), &mut symbols, &mut scratch);
            let mut got = Vec::new();
            decoded.each(|raw, known| {
                got.push((raw.bytes.to_vec(), raw.key.map(<[u8]>::to_vec), raw.place, known));
            });
            assert_eq!(got, expected);
            assert!(got.len() >= 5);
            assert_eq!(decoded.take_apart().0.bytes, make().bytes);
        }
    }
}
