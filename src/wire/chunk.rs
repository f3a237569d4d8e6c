//! What is decoded: a chunk of a partition's bytes, and how they fall into records.

use super::mapping::Mapping;
use crossrate_dataflows::market::trade::TradeKind;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A run of consecutive records of one partition, undecoded.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The records' bytes, one after another.
    pub bytes: Vec<u8>,
    /// How `bytes` falls into records.
    pub framing: Framing,
    /// How messages are read, where that is not the exchange's own way.
    pub mapping: Option<Arc<Mapping>>,
    /// All that was read of a file up to this chunk's end, where a later run may want to find it again.
    pub read: Option<Prefix>,
}

impl Chunk {
    /// What reads its records, where that is a mapping.
    pub fn mapping(&self) -> Option<&Arc<Mapping>> {
        match &self.framing {
            Framing::Lines(LineFormat::Mapped(mapping)) => Some(mapping),
            Framing::Lines(_) => None,
            Framing::Messages(_) => self.mapping.as_ref(),
        }
    }
}

/// How a chunk's bytes fall into records.
#[derive(Debug)]
pub enum Framing {
    /// Records are lines; a line of white space is none. The chunk ends at the end of a line, or of the file.
    Lines(LineFormat),
    /// Records are these messages, in order.
    Messages(Vec<ChunkMessage>),
}

impl Default for Framing {
    fn default() -> Self {
        Framing::Lines(LineFormat::Json)
    }
}

/// What the lines of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineFormat {
    /// JSON, or capture lines (`<receive time in ns> <JSON>`), told apart line by line.
    Json,
    /// An archive of one symbol: of trades, `id,price,qty,quoteQty,time,..`, or of aggregate trades,
    /// `a,p,q,f,l,T,..`; a header line is no record.
    Csv {
        /// The symbol of every line.
        symbol: Arc<str>,
        /// What every line is.
        kind: TradeKind,
    },
    /// What a mapping reads; its header line is no record.
    Mapped(Arc<Mapping>),
}

/// Where a message ends in its chunk, and what Kafka says of it.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct ChunkMessage {
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch; 0 or less when there is none.
    pub timestamp_ms: i64,
    /// Where its value ends in the chunk's bytes; it begins where the one before ends.
    pub end: u32,
    /// A null value: a tombstone, which is ignored.
    pub null: bool,
    /// Length of its key, which stands before the value; kept for dead letters to Kafka only.
    pub key: Option<u32>,
}

/// The beginning of a partition's content, up to some record.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefix {
    /// How long it is.
    pub bytes: u64,
    /// Its XXH3-128, with seed 0.
    pub hash: u128,
}
