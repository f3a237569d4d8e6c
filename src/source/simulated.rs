//! A market that nobody recorded: generated from a seed, the same bytes on every machine and in every run.
//!
//! [`market`] is the market of `crossrate demo`, small, with everything that goes wrong in real ones at known
//! places. [`tape`] writes long inputs for tests and benches. [`spawn`] delivers a market's partition through
//! the very contract that files and Kafka keep ([`crate::source`]), at the pace of [`Speed`].

use super::{Delivery, Feed, FeedClosed};
use crate::config::Speed;
use crate::wire::chunk::{Chunk, ChunkMessage, Framing};
use crate::workers::Waker;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

mod event;
pub mod market;
mod pairs;
mod random;
pub mod story;
pub mod tape;

pub use market::{Market, MarketRecord};
pub use tape::Tape;

/// A reader that is ahead of its time waits so long at least: what falls due meanwhile goes in one chunk.
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes after which a chunk is handed over even when more is due.
const CHUNK_BYTES: usize = 64 << 10;

/// Starts a thread that delivers one partition of a market from the record numbered `from` on, then its end.
/// `begun` is when the market began on the wall; partitions that share it keep step.
pub fn spawn(
    market: Market,
    partition: usize,
    from: u64,
    speed: Speed,
    started: Instant,
    feed: Arc<Feed>,
    waker: Waker,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("market-{partition}")).spawn(move || {
        // A closed feed means that the run is ending: there is nobody left to tell.
        let _ = deliver(&market, partition, from, speed, started, &feed, &waker);
    })
}

fn deliver(
    market: &Market,
    partition: usize,
    from: u64,
    speed: Speed,
    started: Instant,
    feed: &Feed,
    waker: &Waker,
) -> Result<(), FeedClosed> {
    let mut batch = Batch::new(feed);
    for (offset, record) in (0..).zip(market.partition(partition)).skip_while(|(offset, _)| *offset < from) {
        if let Speed::Times(times) = speed {
            let passed = record.arrival.micros().saturating_sub(Market::START.micros());
            let due = started + Duration::from_secs_f64(passed as f64 / 1e6 / times);
            let now = Instant::now();
            if due > now {
                batch.hand_over(feed, waker)?;
                if feed.wait_closed((due - now).max(PAUSE)) {
                    return Err(FeedClosed);
                }
            }
        }
        batch.push(offset, &record);
        if batch.chunk.bytes.len() >= CHUNK_BYTES {
            batch.hand_over(feed, waker)?;
        }
    }
    batch.hand_over(feed, waker)?;
    feed.push(Delivery::End)?;
    waker();
    Ok(())
}

/// Messages that are due but not yet handed over.
struct Batch {
    chunk: Chunk,
    messages: Vec<ChunkMessage>,
}

impl Batch {
    fn new(feed: &Feed) -> Self {
        let mut chunk = feed.spare();
        let messages = match std::mem::take(&mut chunk.framing) {
            Framing::Messages(mut messages) => {
                messages.clear();
                messages
            }
            Framing::Lines(_) => Vec::new(),
        };
        Batch { chunk, messages }
    }

    fn push(&mut self, offset: u64, record: &MarketRecord) {
        self.chunk.bytes.extend_from_slice(&record.value);
        self.messages.push(ChunkMessage {
            offset: offset.cast_signed(),
            timestamp_ms: record.arrival.millis().cast_signed(),
            // A chunk is handed over at 64 kB, and a record is a line.
            end: u32::try_from(self.chunk.bytes.len()).unwrap_or(u32::MAX),
            null: false,
            key: None,
        });
    }

    fn hand_over(&mut self, feed: &Feed, waker: &Waker) -> Result<(), FeedClosed> {
        if self.messages.is_empty() {
            return Ok(());
        }
        let Batch { mut chunk, messages } = std::mem::replace(self, Batch::new(feed));
        chunk.framing = Framing::Messages(messages);
        feed.push(Delivery::Chunk(chunk))?;
        waker();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Listing;
    use crate::source::TakenDelivery;

    fn nobody() -> Waker {
        Arc::new(|| {})
    }

    /// All that a reader delivers, as (offset, timestamp, value).
    fn drain(feed: &Feed) -> Vec<(i64, i64, Vec<u8>)> {
        let mut got = Vec::new();
        loop {
            match feed.pop() {
                None => std::thread::yield_now(),
                Some(TakenDelivery::Delivery(Delivery::End)) => return got,
                Some(TakenDelivery::Delivery(Delivery::Chunk(chunk))) => {
                    let Framing::Messages(messages) = &chunk.framing else { panic!("lines") };
                    let mut start = 0;
                    for m in messages {
                        got.push((m.offset, m.timestamp_ms, chunk.bytes[start..m.end as usize].to_vec()));
                        start = m.end as usize;
                    }
                    assert_eq!(start, chunk.bytes.len());
                    feed.recycle(chunk);
                }
                Some(other) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_delivered_is_the_partition_from_any_record_on() {
        let market = Market { seed: 7, seconds: 40, listing: Listing::Story };
        let whole: Vec<_> = (0..)
            .zip(market.partition(1))
            .map(|(offset, r): (i64, MarketRecord)| (offset, r.arrival.millis().cast_signed(), r.value))
            .collect();
        for from in [0, 1, 1_000, whole.len() as u64] {
            let feed = Feed::new(2);
            let reader = spawn(market, 1, from, Speed::Max, Instant::now(), feed.clone(), nobody()).unwrap();
            assert!(drain(&feed) == whole[from as usize..], "from {from}");
            reader.join().unwrap();
        }
    }

    #[test]
    fn a_market_at_100_times_speed_takes_a_hundredth_of_its_time() {
        let market = Market { seed: 7, seconds: 20, listing: Listing::Story };
        let feed = Feed::new(2);
        let started = Instant::now();
        let reader = spawn(market, 3, 0, Speed::Times(100.0), started, feed.clone(), nobody()).unwrap();
        assert!(!drain(&feed).is_empty());
        // The last heartbeat is due in the last of the 20 seconds.
        assert!(started.elapsed() >= Duration::from_millis(180), "{:?}", started.elapsed());
        reader.join().unwrap();
    }

    #[test]
    fn a_waiting_reader_ends_when_the_feed_closes() {
        let market = Market { seed: 7, seconds: 20, listing: Listing::Story };
        let feed = Feed::new(2);
        let reader =
            spawn(market, 0, 0, Speed::Times(0.001), Instant::now(), feed.clone(), nobody()).unwrap();
        feed.close();
        reader.join().unwrap();
    }
}
