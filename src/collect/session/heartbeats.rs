//! Heartbeats: up to when a partition is complete.
//!
//! A partition's heartbeat is the least of what its shards' connections prove, less [`SLACK`]. It is not sent
//! while anything of the partition is held, nor while a shard has no connection. What a partition waits for
//! is bounded by twice `fill_hold` ([`crate::collect::reorder_buffer`]): after that it goes on, and what
//! comes later may be late.

use super::{CollectedKind, CollectedRecord, CollectorSession, SessionAction};
use crate::collect::clock::Moment;
use crossrate_dataflows::market::event_time::EventTime;

/// How much later, in microseconds, one symbol of a connection may be told than another. The exchange
/// promises nothing here; what is later still shows as overtaken, and the reader's own `--delay` is far
/// greater.
const SLACK: u64 = 250_000;
/// Milliseconds from one heartbeat to the next: a second less the distance of proofs, so that it is a second
/// at most.
const EVERY: u64 = 750;

impl CollectorSession {
    pub(super) fn beat(&mut self, now: Moment) {
        if self.stopping {
            return;
        }
        for number in 0..self.partitions.len() {
            let partition = &self.partitions[number];
            if now.since(partition.beaten) < EVERY || !partition.hold.is_empty() {
                continue;
            }
            let Some(proven) = self.proven(number) else { continue };
            let time = EventTime::from_micros(proven.minus(SLACK).millis() * 1_000);
            let partition = &mut self.partitions[number];
            if Some(time) <= partition.heartbeat {
                continue;
            }
            partition.heartbeat = Some(time);
            partition.beaten = now;
            let value = format!(r#"{{"e":"heartbeat","T":{}}}"#, time.millis()).into_bytes().into();
            self.counts.heartbeats += 1;
            let record = CollectedRecord {
                partition: number,
                what: CollectedKind::Heartbeat,
                time,
                value,
                received: now,
            };
            self.outputs.push(SessionAction::Publish(record));
        }
    }

    /// A partition without symbols is complete up to what anybody knows.
    fn proven(&self, partition: usize) -> Option<EventTime> {
        let shards = &self.partitions[partition].shards;
        if shards.is_empty() {
            return self.shards.iter().filter_map(|shard| shard.proven()).max();
        }
        let proofs = shards.iter().map(|shard| match self.audits[*shard].in_doubt() {
            true => None,
            false => self.shards[*shard].proven(),
        });
        proofs.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}
