//! Takes batches of partitions, and gives the dataflow what they bring.

use super::judging::{FEW_SYMBOLS, RECORDS_AT_ONCE, RecordJudge};
use super::partition::{AssignedPartition, PaneRebuild, rebuilt};
use super::{ControlMessage, UnorderedInput};
use crate::config::{AtEnd, Config, Verbosity};
use crate::exit::Failure;
use crate::ledger::checkpoint::PartitionCheckpoint;
use crate::source::{Delivery, TakenDelivery};
use crate::symbols::Symbols;
use crate::wire;
use anyhow::Result;
use crossrate_dataflows::market::acceptance::PartitionState;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::looks::Looks;
use crossrate_dataflows::market::row::ClosedBy;
use crossrate_dataflows::market::sums::{PaneItem, PaneUpdate, Sums};
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::operators::closings::{PartitionReport, RefusedRecord, WatermarkMove};
use std::sync::Arc;
use timely::dataflow::operators::ActivateCapability;

/// So many large chunks of a partition are a batch at most. What a batch costs beside its records (a step of
/// the dataflow, word to the other workers and processes) is then shared by more of them; where chunks are
/// small or do not wait, each is a batch of its own.
const CHUNKS_A_BATCH: usize = 4;

/// What taking a batch needs.
pub(super) struct ReadingSide {
    pub(super) config: Arc<Config>,
    pub(super) symbols: Symbols,
    pub(super) panes: UnorderedInput<PaneItem>,
    /// At the least watermark of all partitions of this worker; `None` when all have ended.
    pub(super) panes_from: Option<ActivateCapability<EventTime>>,
    /// What not all of them have passed.
    pub(super) sums: Sums,
    pub(super) control: UnorderedInput<ControlMessage>,
    pub(super) scratch: wire::Scratch,
    /// Scratch: what a partition hands over, where that must be known.
    pub(super) updates: Vec<PaneUpdate>,
    pub(super) refused: Vec<RefusedRecord>,
    /// The first bad record, where that ends the run.
    pub(super) strict: Option<Failure>,
}

impl ReadingSide {
    /// Judges a delivery, and the large chunks that wait behind it as long as the partition is not ahead of
    /// `limit`; hands over what that brought.
    pub(super) fn batch(
        &mut self,
        partition: &mut AssignedPartition,
        taken: TakenDelivery,
        limit: EventTime,
    ) -> Result<()> {
        let mut is_chunk = self.deliver(partition, taken)?;
        for _ in 1..CHUNKS_A_BATCH {
            if !is_chunk || self.strict.is_some() || partition.state.watermark() > limit {
                break;
            }
            let Some(taken) = partition.feed.feed.pop_large() else { break };
            is_chunk = self.deliver(partition, taken)?;
        }
        if is_chunk {
            self.send(partition)?;
        }
        self.strict.take().map_or(Ok(()), |bad| Err(bad.into()))
    }

    /// Judges a delivery; whether it was a chunk, of which nothing is handed over yet.
    fn deliver(&mut self, partition: &mut AssignedPartition, taken: TakenDelivery) -> Result<bool> {
        let delivery = match taken {
            TakenDelivery::Delivery(delivery) => delivery,
            // What a change of the definition asks for was not looked up in it.
            TakenDelivery::Decoded(decoded) if decoded.changes() != self.symbols.changes() => {
                Delivery::Chunk(decoded.take_apart().0)
            }
            TakenDelivery::Decoded(decoded) => {
                self.wake(partition);
                partition.diagnosis.begin(decoded.chunk());
                // Its symbols may be new to this worker.
                self.symbols.catch_up();
                let (mut judging, symbols, _) = self.judging(partition);
                let mut waiting = Vec::with_capacity(RECORDS_AT_ONCE);
                decoded.each(|raw, known| judging.known(&mut waiting, raw, known, symbols));
                judging.now(&mut waiting, symbols);
                drop(waiting);
                if self.strict.is_none() {
                    partition.has_read(decoded.read());
                }
                partition.feed.feed.recycle_decoded(decoded);
                return Ok(true);
            }
        };
        match delivery {
            Delivery::Chunk(chunk) => {
                self.wake(partition);
                partition.diagnosis.begin(&chunk);
                let (mut judging, symbols, scratch) = self.judging(partition);
                let mut waiting = Vec::with_capacity(RECORDS_AT_ONCE);
                wire::decode_chunk(&chunk, scratch, |raw, record| {
                    judging.decoded(&mut waiting, raw, &record, symbols);
                });
                judging.now(&mut waiting, symbols);
                drop(waiting);
                if self.strict.is_none() {
                    partition.has_read(chunk.read);
                }
                partition.feed.feed.recycle(chunk);
                return Ok(true);
            }
            Delivery::Nothing { until } => {
                // A restart goes on behind this offset, because retention may remove the records before it.
                partition.records = partition.records.max(until);
                self.send(partition)?;
            }
            Delivery::Idle => {
                rebuilt(partition)?;
                partition.idle = true;
                // With what a partition that had ended before has handed over by being rebuilt.
                self.send(partition)?;
            }
            Delivery::Unconfirmed => {
                partition.idle = false;
                self.tell_progress(partition)?;
            }
            Delivery::End => self.end(partition)?,
            Delivery::Failed(error) => {
                let (name, records) = (&partition.feed.name, partition.records);
                return Err(error.context(format!("while reading {name}, behind record {records}")));
            }
        }
        Ok(false)
    }

    /// A partition has ended: what is open is closed, or kept.
    fn end(&mut self, partition: &mut AssignedPartition) -> Result<()> {
        rebuilt(partition)?;
        partition.diagnosis.at_end(&partition.feed.name, &partition.state, &self.config);
        if self.config.at_end == AtEnd::Keep {
            partition.is_kept = true;
            // One that has moved nothing holds nobody up.
            partition.idle |= partition.lets_go || partition.state.own() == EventTime::MIN;
            self.send(partition)?;
            return Ok(());
        }
        // Beyond that its watermark is where idleness took it, or an earlier end of its input.
        let from = partition.state.own();
        partition.state.end();
        partition.moved = Some(WatermarkMove { from, to: EventTime::MAX, by: ClosedBy::Eof });
        partition.ended = true;
        self.send(partition)?;
        partition.control = None;
        Ok(())
    }

    /// Goes on where an earlier run was: what it handed over enters with the same dates, what was open is
    /// rebuilt.
    pub(super) fn take_up(
        &mut self,
        partition: &mut AssignedPartition,
        earlier: &PartitionCheckpoint,
        at: EventTime,
    ) -> Result<()> {
        let head = &earlier.head;
        // Where it had ended and what was open is not there any more, it goes on without.
        let from = head.rebuild_from.max(partition.feed.from);
        let mut numbered = |symbol: &Symbol| self.symbols.number(symbol.as_str().as_bytes());
        let mut kinds = Vec::new();
        let mut greatest_ids = Vec::new();
        for known in &earlier.symbols {
            let Some(number) = numbered(&known.symbol) else { continue };
            kinds.push((number, known.kind));
            greatest_ids.extend(known.greatest_id.map(|id| (number, id)));
        }
        let mut handed_over = Vec::new();
        // The latest pane whose sums are complete although its partition had not ended.
        let mut complete = None;
        for ((pane_end, date), entries) in &earlier.panes {
            // Only the end of its input has handed that over: it is open again, and rebuilt, for there may be
            // more.
            if *date >= head.watermark {
                if from < head.next {
                    if let Some(unwritten) = &mut partition.unwritten {
                        unwritten.take_back(*pane_end, *date);
                    }
                    continue;
                }
                complete = complete.max(Some(*pane_end));
            }
            for entry in entries {
                let Some(symbol) = numbered(&entry.symbol) else { continue };
                let (moments, candle) = (entry.moments, entry.candle);
                handed_over.push(PaneUpdate { date: *date, symbol, pane_end: *pane_end, moments, candle });
            }
        }
        let resumed = PartitionState::resume(&self.config.definition, head, &earlier.jumps, &kinds);
        partition.state = resumed.numbered(partition.feed.number);
        if let Some(end) = complete {
            partition.state.entry(Looks::of(&self.config.definition).final_at(end));
        }
        partition.diagnosis.goes_on(&head.counts);
        partition.records = from;
        partition.unselected = earlier.unselected;
        partition.has_begun = !head.inside_log;
        if let Some(unwritten) = &mut partition.unwritten {
            unwritten.know(at, greatest_ids.into_iter(), &earlier.symbol_keys, &earlier.jumps);
            handed_over.iter().for_each(|update| unwritten.keep_known(update));
        }
        handed_over.iter().for_each(|update| self.sums.add(update));
        let last = handed_over.iter().map(|update| update.pane_end).max();
        partition.rebuilding = Some(PaneRebuild { until: head.next, handed_over, at });
        if from == head.next {
            rebuilt(partition)?;
        }
        self.note_closing(partition, last);
        self.give(partition);
        // The restored counts are reported at once, so that they survive a run that reads nothing.
        self.tell(partition, Vec::new());
        Ok(())
    }

    /// A partition that appears enters with the frontier as its watermark (`docs/semantics.md#entries`).
    pub(super) fn adopt(&mut self, partition: &mut AssignedPartition, frontier: EventTime) -> Result<()> {
        // Nothing is open in it yet, so nothing is handed over.
        partition.state.entry(frontier);
        partition.moved = Some(WatermarkMove { from: EventTime::MIN, to: frontier, by: ClosedBy::Idle });
        if self.config.verbosity >= Verbosity::Normal {
            let (name, watermark_ms) = (&partition.feed.name, frontier.millis());
            tracing::info!(
                partition = name,
                watermark_ms,
                "{name} is new and begins with its watermark at {watermark_ms} ms"
            );
        }
        self.send(partition)
    }

    /// The next record of an idle partition: from here on its watermark is what the frontier was, which is an
    /// entry of its prefix. It has followed the frontier all along, so there is nothing to move.
    fn wake(&mut self, partition: &mut AssignedPartition) {
        if std::mem::take(&mut partition.idle) && self.config.verbosity >= Verbosity::Verbose {
            let (name, watermark_ms) = (&partition.feed.name, partition.state.watermark().millis());
            tracing::debug!(
                partition = name,
                watermark_ms,
                "{name} was idle and goes on with its watermark at {watermark_ms} ms"
            );
        }
    }

    /// A run that closes nothing ends: what still becomes of the dataflow is told nobody.
    pub(super) fn let_go(&mut self, partition: &mut AssignedPartition) {
        let from = partition.state.own();
        partition.moved = Some(WatermarkMove { from, to: EventTime::MAX, by: ClosedBy::Eof });
        self.tell(partition, Vec::new());
    }

    /// What judging a chunk's records in order needs; and, apart, what decoding it does.
    fn judging<'b>(
        &'b mut self,
        partition: &'b mut AssignedPartition,
    ) -> (RecordJudge<'b>, &'b mut Symbols, &'b mut wire::Scratch) {
        let ReadingSide { config, symbols, scratch, sums, refused, strict, .. } = self;
        let far_away = symbols.names().len() > FEW_SYMBOLS;
        (
            RecordJudge {
                config,
                sums,
                refused,
                strict,
                partition,
                far_away,
                short_names: Default::default(),
                hashed: Default::default(),
                turns: symbols.turns(),
            },
            symbols,
            scratch,
        )
    }

    /// Hands over what the batch brought and moves the capabilities to the watermark.
    fn send(&mut self, partition: &mut AssignedPartition) -> Result<()> {
        if let Some(again) = &partition.rebuilding {
            if partition.records < again.until {
                return Ok(());
            }
            // There may be nothing behind it for long.
            rebuilt(partition)?;
        }
        if let (Some(unwritten), Some(apart)) = (&mut partition.unwritten, &mut partition.apart) {
            apart.hand_over(partition.state.watermark(), &mut self.updates);
            unwritten.keep(&self.updates, self.symbols.names())?;
            self.updates.drain(..).for_each(|update| self.sums.add(&update));
        }
        self.note_closing(partition, partition.state.handed_over());
        self.tell_progress(partition)?;
        self.give(partition);
        Ok(())
    }

    /// Says that windows which start before some time get no rows; of all that is said the greatest holds.
    pub(super) fn withhold(&mut self, partition: &mut AssignedPartition, before: EventTime) {
        if let Some(control) = &mut partition.control {
            self.control.activate().session(control).give(ControlMessage::WithholdBefore(before));
        }
    }

    /// Notes when the last window is final that has trades of that pane.
    fn note_closing(&self, partition: &mut AssignedPartition, last: Option<EventTime>) {
        let definition = &self.config.definition;
        let windows = &definition.windows;
        // A pane end is that of one pane: the last moment before it is in the same one.
        let closing =
            |end: EventTime| windows.last_row_end(windows.pane(end.minus(1))).plus(definition.grace);
        partition.closes = partition.closes.max(last.map_or(EventTime::MIN, closing));
    }

    fn give(&mut self, partition: &mut AssignedPartition) {
        let Some(control) = &mut partition.control else { return };
        if !partition.has_begun
            && let Some(time) = partition.state.seen_from()
        {
            partition.has_begun = true;
            self.control.activate().session(control).give(ControlMessage::WithholdBefore(time));
        }
        let watermark = partition.state.watermark();
        if watermark > *control.time() && !partition.ended {
            control.downgrade(&watermark);
        }
    }

    /// Gives the dataflow what is dated before a time that all partitions of this worker have passed.
    pub(super) fn hand_on(&mut self, passed: EventTime) {
        let Some(from) = &mut self.panes_from else { return };
        if passed <= *from.time() && !self.sums.has_before(passed) {
            return;
        }
        {
            let mut input = self.panes.activate();
            let mut session = input.session(from);
            self.sums.take(passed, self.symbols.names(), |mut items| session.give_container(&mut items));
        }
        if passed == EventTime::MAX {
            self.panes_from = None;
        } else if passed > *from.time() {
            from.downgrade(&passed);
        }
    }

    /// Says how far a partition is, and what has changed in its part of the checkpoint.
    pub(super) fn tell_progress(&mut self, partition: &mut AssignedPartition) -> Result<()> {
        if partition.control.is_none() {
            return Ok(());
        }
        let changes = match &mut partition.unwritten {
            Some(unwritten) => {
                unwritten.has_passed_over(partition.unselected);
                unwritten.changes(&partition.state, partition.records, self.symbols.names())?
            }
            None => Vec::new(),
        };
        self.tell(partition, changes);
        Ok(())
    }

    /// Says how far a partition is, with these changes of its part of the checkpoint.
    pub(super) fn tell(
        &mut self,
        partition: &mut AssignedPartition,
        changes: Vec<(String, Option<Vec<u8>>)>,
    ) {
        let traded = partition.new_symbols(&self.symbols, &self.config.definition);
        let Some(control) = &partition.control else { return };
        let report = PartitionReport {
            progress: partition.progress(),
            moved: partition.moved.take(),
            refused: std::mem::take(&mut self.refused),
            changes,
            traded,
            slips: self.symbols.new_slips(),
        };
        self.control.activate().session(control).give(ControlMessage::Note(report));
    }

    /// An idle partition does not hold the frontier: it follows.
    pub(super) fn follow(&mut self, partition: &mut AssignedPartition, least: EventTime) -> Result<()> {
        // As at its end: what took it beyond its own records is known.
        let from = partition.state.own();
        if least > partition.state.watermark() && least < EventTime::MAX {
            partition.state.entry(least);
            partition.moved = Some(WatermarkMove { from, to: least, by: ClosedBy::Idle });
            self.send(partition)?;
        }
        Ok(())
    }
}
