//! Judges records in order, as `docs/semantics.md#acceptance` has it.

use super::diagnosis::Class;
use super::partition::{AssignedPartition, finish_rebuilding};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::symbols::{SymbolTurns, Symbols};
use crate::wire::decoded::ResolvedRecord;
use crate::wire::{self, Record};
use crossrate_dataflows::market::acceptance::{FutureBound, PartitionState, RecordPosition, Verdict};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::moments::HashInput;
use crossrate_dataflows::market::sums::Sums;
use crossrate_dataflows::market::trade::{ShortName, SymbolNumber};
use crossrate_dataflows::operators::closings::{Reason, RefusedRecord};
use std::sync::Arc;

/// So many records are decoded before the first of them is judged, and never more: the sums that they will
/// need are fetched from memory together instead of one after the other.
pub(super) const RECORDS_AT_ONCE: usize = 32;

/// What the trades of so many symbols need is in the near caches anyway.
pub(super) const FEW_SYMBOLS: usize = 64;

/// Judges the records of one partition.
pub(super) struct RecordJudge<'a> {
    pub(super) config: &'a Config,
    /// Those of all the worker's partitions.
    pub(super) sums: &'a mut Sums,
    pub(super) refused: &'a mut Vec<RefusedRecord>,
    pub(super) strict: &'a mut Option<Failure>,
    pub(super) partition: &'a mut AssignedPartition,
    /// Whether there are so many symbols that what trades need is fetched ahead.
    pub(super) far_away: bool,
    /// The names of the trades that wait, where they are still to be looked up, at their places.
    pub(super) short_names: [ShortName; RECORDS_AT_ONCE],
    /// What is hashed of them.
    pub(super) hashed: [HashInput; RECORDS_AT_ONCE],
    /// What changes of the definition have made of names.
    pub(super) turns: Option<Arc<SymbolTurns>>,
}

impl RecordJudge<'_> {
    /// Judges a record, just decoded, together with those that wait, as soon as they are enough.
    #[inline]
    pub(super) fn decoded<'b>(
        &mut self,
        waiting: &mut Vec<(wire::RawRecord<'b>, ResolvedRecord)>,
        raw: wire::RawRecord<'b>,
        record: &Record<'_>,
        symbols: &mut Symbols,
    ) {
        match record {
            Record::Trade { symbol, kind, trade } => {
                let number = self.ask(waiting.len(), symbol, symbols);
                self.push(waiting, raw, ResolvedRecord::Trade(number, *kind, *trade), symbols);
            }
            record => self.other(waiting, raw, record, symbols),
        }
    }

    /// The same of what is no trade. Apart from trades, so that those are written where they wait and not
    /// copied there.
    #[inline(never)]
    fn other<'b>(
        &mut self,
        waiting: &mut Vec<(wire::RawRecord<'b>, ResolvedRecord)>,
        raw: wire::RawRecord<'b>,
        record: &Record<'_>,
        symbols: &mut Symbols,
    ) {
        self.push(waiting, raw, ResolvedRecord::of(record, symbols), symbols);
    }

    /// The number of the symbol of the trade at that place, or what is needed to look it up with the others.
    /// Apart from the decoder, which has no register to spare.
    #[inline(never)]
    fn ask(&mut self, at: usize, name: &[u8], symbols: &mut Symbols) -> Option<SymbolNumber> {
        if !self.far_away {
            return symbols.number(name);
        }
        let short = ShortName::of(name);
        self.short_names[at] = short.unwrap_or_default();
        match &short {
            Some(short) => {
                symbols.prefetch(short);
                None
            }
            None => symbols.number(name),
        }
    }

    /// Judges a record whose symbol has been looked up, together with those that wait, as soon as they are
    /// enough.
    #[inline]
    pub(super) fn known<'b>(
        &mut self,
        waiting: &mut Vec<(wire::RawRecord<'b>, ResolvedRecord)>,
        raw: wire::RawRecord<'b>,
        known: ResolvedRecord,
        symbols: &mut Symbols,
    ) {
        if self.far_away {
            self.short_names[waiting.len()] = ShortName::default();
        }
        self.push(waiting, raw, known, symbols);
    }

    #[inline]
    fn push<'b>(
        &mut self,
        waiting: &mut Vec<(wire::RawRecord<'b>, ResolvedRecord)>,
        raw: wire::RawRecord<'b>,
        known: ResolvedRecord,
        symbols: &mut Symbols,
    ) {
        waiting.push((raw, known));
        if waiting.len() == RECORDS_AT_ONCE {
            self.now(waiting, symbols);
        }
    }

    /// Judges the records that wait, in order. Each step fetches for all of them what the next one needs.
    pub(super) fn now(
        &mut self,
        waiting: &mut Vec<(wire::RawRecord<'_>, ResolvedRecord)>,
        symbols: &mut Symbols,
    ) {
        let AssignedPartition { state, apart, .. } = &*self.partition;
        let sums = apart.as_ref().unwrap_or(self.sums);
        if self.far_away {
            let short_names = &self.short_names[..waiting.len()];
            short_names.iter().filter(|name| name.is_some()).for_each(|name| symbols.prefetch_more(name));
            for ((_, known), name) in waiting.iter_mut().zip(short_names) {
                let ResolvedRecord::Trade(number, _, trade) = known else { continue };
                if name.is_some() {
                    *number = symbols.number_of_short(name);
                }
                if let Some(number) = *number {
                    state.prefetch(number, trade, sums);
                }
            }
        }
        for ((_, known), hashed) in waiting.iter().zip(&mut self.hashed) {
            if let ResolvedRecord::Trade(Some(number), _, trade) = known {
                symbols.write_hashed(hashed, *number, trade);
                if self.far_away {
                    state.prefetch_more(*number, trade, sums);
                }
            }
        }
        if self.far_away {
            for (_, known) in &*waiting {
                let ResolvedRecord::Trade(Some(number), _, trade) = known else { continue };
                state.prefetch_id(*number, trade);
            }
        }
        for (at, (raw, known)) in waiting.drain(..).enumerate() {
            self.record(&raw, known, at);
        }
    }

    /// The record, with the symbol that its name stands for at its time.
    #[cold]
    fn after_changes(&self, record: ResolvedRecord, offset: i64) -> ResolvedRecord {
        match (&self.turns, record) {
            (Some(turns), ResolvedRecord::Trade(Some(name), kind, trade)) => {
                let changes = self.partition.changes_before(offset);
                ResolvedRecord::Trade(turns.number(name, changes, trade.time), kind, trade)
            }
            (_, record) => record,
        }
    }

    #[inline]
    fn record(&mut self, raw: &wire::RawRecord<'_>, mut record: ResolvedRecord, at: usize) {
        // What follows the record that ends the run is not read either, or a run that is taken up would go on
        // behind it.
        if self.strict.is_some() {
            return;
        }
        let place = raw.place_behind(self.partition.records);
        if self.turns.is_some() {
            record = self.after_changes(record, place.offset);
        }
        self.partition.records = place.offset + 1;
        let AssignedPartition { feed, state, apart, rebuilding, diagnosis, .. } = &mut *self.partition;
        let sums = apart.as_mut().unwrap_or(self.sums);
        if let Some(again) = rebuilding {
            if place.offset < again.until {
                if let ResolvedRecord::Trade(Some(number), kind, trade) = record {
                    state.rebuild(number, kind, (&trade, self.hashed[at].hash()), place, sums);
                }
                return;
            }
            finish_rebuilding(state, rebuilding, sums);
        }
        match record {
            ResolvedRecord::Trade(Some(number), kind, trade) => {
                match state.trade(number, kind, (&trade, self.hashed[at].hash()), place, sums) {
                    Verdict::Accepted | Verdict::Duplicate => {}
                    Verdict::OtherKind => diagnosis.other_kind(state.counts(), place.offset),
                    Verdict::Late { by_entry, settled } => {
                        let detail = late_detail(state, trade.time, by_entry);
                        diagnosis.note(Class::Late, place.offset, || detail.clone());
                        diagnosis.late(state, trade.time, settled);
                        self.refuse(raw, place, Reason::Late, detail);
                    }
                    Verdict::Future(ahead) => {
                        let detail = future_detail(state, trade.time, (ahead, place));
                        diagnosis.note(Class::Future, place.offset, || detail.clone());
                        self.refuse(raw, place, Reason::Future, detail);
                    }
                }
            }
            ResolvedRecord::Trade(None, _, trade) => {
                state.counts_mut().unselected += 1;
                diagnosis.unselected(state.counts(), raw.bytes());
                let is_future = state.is_future(trade.time, place.kafka_ms);
                self.partition.pass_over(trade.time, is_future);
            }
            ResolvedRecord::Heartbeat(time) => {
                if let Verdict::Future(ahead) = state.heartbeat(time, place) {
                    let detail = future_detail(state, time, (ahead, place));
                    diagnosis.note(Class::Future, place.offset, || detail.clone());
                    self.refuse(raw, place, Reason::Future, detail);
                }
            }
            ResolvedRecord::Ignored => {
                state.counts_mut().ignored += 1;
                diagnosis.ignored(state.counts(), place.offset, raw.bytes());
            }
            ResolvedRecord::Bad(bad) if self.config.strict => {
                let words = format!("{}: record {} is bad: {bad}", feed.name, place.offset);
                self.partition.records = place.offset;
                let hint = "mend it, or let it go to --dead-letter without --strict";
                *self.strict = Some(Failure::new(Exit::Refused, words).hint(hint));
            }
            ResolvedRecord::Bad(bad) => {
                state.counts_mut().bad += 1;
                diagnosis.bad(bad, place.offset, &feed.name, self.config);
                self.refuse(raw, place, Reason::Bad, bad.to_string());
            }
        }
    }

    #[cold]
    fn refuse(&mut self, raw: &wire::RawRecord<'_>, place: RecordPosition, reason: Reason, detail: String) {
        let feed = &self.partition.feed;
        if self.config.wants_refused() {
            self.refused.push(RefusedRecord {
                partition: feed.number,
                offset: place.offset,
                reason,
                detail,
                value: raw.bytes().to_vec(),
                key: raw.key().map(<[u8]>::to_vec),
            });
        }
    }
}

fn late_detail(state: &PartitionState, time: EventTime, by_entry: bool) -> String {
    let behind = state.watermark().micros().saturating_sub(time.micros()) / 1_000;
    let entry = if by_entry { " by an idle or adopted entry" } else { "" };
    format!("its pane was final{entry}: event time {} ms is {behind} ms behind the watermark", time.millis())
}

fn future_detail(
    state: &PartitionState,
    time: EventTime,
    (ahead, place): (FutureBound, RecordPosition),
) -> String {
    let (than, what) = match ahead {
        FutureBound::Timestamp => (place.kafka_ms.unsigned_abs(), "the Kafka timestamp"),
        FutureBound::Partition => (state.reached().millis(), "the partition, more than --max-jump"),
    };
    let ahead = time.millis().saturating_sub(than);
    format!("event time {} ms is {ahead} ms ahead of {what}", time.millis())
}
