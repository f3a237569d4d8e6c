//! Bytes to trades: pure functions on one record, without I/O.

use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::{Trade, TradeKind};

/// What one record is (SPEC section 4), before anybody asks whether its symbol is wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum Record<'a> {
    /// A trade.
    Trade {
        /// Its symbol: a slice of the record, or of the decoder's scratch where the record used escapes.
        symbol: &'a str,
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
    /// A few words for people, such as `price: more than eight decimals`.
    pub reason: &'static str,
    /// Byte offset in the record.
    pub at: Option<usize>,
}

// ---- TEMPORARY (until the wire helper's is merged) ----
#[derive(Debug, Default)]
pub struct Scratch {}
#[derive(Debug)]
pub struct Raw<'a> {
    pub bytes: &'a [u8],
    pub key: Option<&'a [u8]>,
    pub place: Option<crate::source::Message>,
}
impl std::fmt::Display for BadRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason)
    }
}
pub fn decode_chunk(
    chunk: &crate::source::Chunk,
    _s: &mut Scratch,
    mut each: impl FnMut(Raw<'_>, Record<'_>),
) {
    use crossrate_dataflows::market::decimal::{Price, Quantity};
    let mut start = 0;
    let lines: Vec<(&[u8], Option<crate::source::Message>)> = match &chunk.framing {
        crate::source::Framing::Messages(m) => m
            .iter()
            .map(|m| {
                let s = std::mem::replace(&mut start, m.end as usize);
                (&chunk.bytes[s..m.end as usize], Some(*m))
            })
            .collect(),
        _ => chunk
            .bytes
            .split(|b| *b == b'\n')
            .filter(|l| !l.trim_ascii().is_empty())
            .map(|l| (l, None))
            .collect(),
    };
    for (line, place) in lines {
        let raw = Raw { bytes: line, key: None, place };
        let Ok(v) = serde_json::from_slice::<serde_json::Value>(line) else {
            each(raw, Record::Bad(BadRecord { reason: "json", at: None }));
            continue;
        };
        let t = v["T"].as_u64().and_then(EventTime::from_exchange);
        match v["e"].as_str() {
            Some("trade") => {
                let ok = (|| {
                    Some((
                        v["s"].as_str()?,
                        v["t"].as_u64()?,
                        Price::parse(v["p"].as_str()?.as_bytes()).ok()?,
                        Quantity::parse(v["q"].as_str()?.as_bytes()).ok()?,
                        t?,
                    ))
                })();
                match ok {
                    Some((symbol, id, price, quantity, time)) => each(
                        raw,
                        Record::Trade {
                            symbol,
                            kind: TradeKind::Trade,
                            trade: Trade { id, price, quantity, time },
                        },
                    ),
                    None => each(raw, Record::Bad(BadRecord { reason: "field", at: None })),
                }
            }
            Some("heartbeat") => match t {
                Some(t) => each(raw, Record::Heartbeat(t)),
                None => each(raw, Record::Bad(BadRecord { reason: "T", at: None })),
            },
            _ => each(raw, Record::Ignored),
        }
    }
}
