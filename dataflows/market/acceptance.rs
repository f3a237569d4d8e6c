//! Which records count (`docs/semantics.md#acceptance`): decided per partition, from that partition's own
//! prefix alone, so that the answer never depends on timing, on other partitions or on how many workers there
//! are.
//!
//! This module judges, [`restoring`] takes a partition up again; [`super::folding`] keeps the ids of what was
//! accepted, [`super::sums`] its sums.

mod restoring;

use super::candle::TradeArrival;
pub use super::counts::Counts;
use super::definition::Definition;
use super::event_time::EventTime;
use super::folding::OpenPanes;
use super::jumps::Jumps;
use super::looks::Looks;
use super::movers::{Mover, Movers};
use super::sums::Sums;
use super::trade::{IdKind, SymbolNumber, Trade, TradeKind};
pub use restoring::Head;

/// Where a record stands.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct RecordPosition {
    /// Its offset, or its number in a file.
    pub offset: i64,
    /// Which of its record's trades it is.
    pub part: u32,
    /// Its Kafka timestamp in milliseconds, 0 or less without one.
    pub kafka_ms: i64,
}

/// What a trade or a heartbeat was judged to be.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Accepted,
    /// A trade with its symbol and id was accepted before in the same pane.
    Duplicate,
    /// Its pane was final already; `by_entry` where only an idle or adopted entry made it so.
    Late {
        /// The partition's own records alone would have let it in.
        by_entry: bool,
        /// When its pane was final.
        settled: EventTime,
    },
    /// Too far ahead.
    Future(FutureBound),
    /// The other kind of trade event than the one that its symbol is counted by here.
    OtherKind,
}

/// What a record is too far ahead of.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum FutureBound {
    /// Of its Kafka timestamp.
    Timestamp,
    /// Of all that its partition has reached.
    Partition,
}

/// One partition: its watermark, its counts, and the panes that are open in it.
#[derive(Debug)]
pub struct PartitionState {
    number: u32,
    looks: Looks,
    delay: u64,
    max_ahead: u64,
    jumps: Jumps,
    dedup: bool,
    watermark: EventTime,
    /// Where it stood when the input ended, and the offset from which reading again rebuilds what was open
    /// then.
    before_end: Option<(EventTime, Option<i64>)>,
    own: EventTime,
    /// What moves it further than this at once may make all that follows late.
    far: u64,
    movers: Movers,
    /// Event time of the first accepted record or heartbeat.
    first: Option<EventTime>,
    inside_log: bool,
    counts: Counts,
    kinds: Vec<Option<TradeKind>>,
    /// The symbols that have one, in the order in which they came.
    known: Vec<SymbolNumber>,
    panes: OpenPanes,
}

impl PartitionState {
    /// A partition of which nothing was read.
    pub fn new(definition: &Definition) -> Self {
        PartitionState {
            number: 0,
            looks: Looks::of(definition),
            delay: definition.delay,
            max_ahead: definition.max_ahead,
            jumps: Jumps::new(definition.max_jump),
            dedup: definition.dedup,
            watermark: EventTime::MIN,
            before_end: None,
            own: EventTime::MIN,
            far: definition.delay.max(definition.windows.finest()),
            movers: Movers::default(),
            first: None,
            inside_log: false,
            counts: Counts::default(),
            kinds: Vec::new(),
            known: Vec::new(),
            panes: OpenPanes::default(),
        }
    }

    /// The same with that number among the partitions of the job.
    #[must_use]
    pub fn numbered(self, number: u32) -> Self {
        PartitionState { number, ..self }
    }

    /// W(p): nothing older can be accepted except within the panes that are still open.
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// How far the partition's own records took it.
    pub fn own(&self) -> EventTime {
        self.own
    }

    /// The records of this run that moved the watermark far.
    pub fn movers(&self) -> &Movers {
        &self.movers
    }

    /// The greatest event time of its own records.
    pub fn own_reached(&self) -> EventTime {
        if self.own == EventTime::MIN { EventTime::MIN } else { self.own.plus(self.delay) }
    }

    /// The end of the earliest pane that has trades and is not final in it.
    pub fn open(&self) -> Option<EventTime> {
        self.panes.first_end()
    }

    /// What the partition has reached: its watermark was put there less the delay.
    pub fn reached(&self) -> EventTime {
        self.watermark.plus(self.delay)
    }

    /// Reading begins inside the log: the first windows will lack trades (`docs/semantics.md#windows`).
    pub fn begin_inside_log(&mut self) {
        self.inside_log = true;
    }

    /// The time before which windows must not begin, for all their trades to have been seen. `None` where
    /// reading began at the log's start, or where it is not known yet.
    pub fn seen_from(&self) -> Option<EventTime> {
        self.first.filter(|_| self.inside_log).map(|first| first.plus(self.delay))
    }

    /// What became of the records so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// For the classes that are decided before event time matters: bad, ignored, unselected.
    pub fn counts_mut(&mut self) -> &mut Counts {
        &mut self.counts
    }

    /// Fetches what tells where the ids and the sums of such a trade are. Where thousands of symbols are
    /// traded it is far away; asked for by several trades one after another, it comes for all of them in the
    /// time of one.
    #[inline]
    pub fn prefetch(&self, symbol: SymbolNumber, trade: &Trade, sums: &Sums) {
        self.panes.prefetch(symbol.0 as usize, trade.time, sums);
    }

    /// Fetches those ids and sums.
    #[inline]
    pub fn prefetch_more(&self, symbol: SymbolNumber, trade: &Trade, sums: &Sums) {
        self.panes.prefetch_more(symbol.0 as usize, trade.time, sums);
    }

    /// Fetches where the trade's id will stand among them.
    #[inline]
    pub fn prefetch_id(&self, symbol: SymbolNumber, trade: &Trade) {
        self.panes.prefetch_id(symbol.0 as usize, trade);
    }

    /// Judges a valid trade of a wanted symbol (rules 1, 2, 4, 5, 6), counts it and adds it to `sums` if it
    /// counts.
    #[inline]
    pub fn trade(
        &mut self,
        symbol: SymbolNumber,
        kind: TradeKind,
        (trade, hash): (&Trade, u64),
        place: RecordPosition,
        sums: &mut Sums,
    ) -> Verdict {
        let number = symbol.0 as usize;
        match self.kinds.get(number) {
            Some(Some(k)) if *k == kind => {}
            Some(Some(_)) => {
                self.counts.ignored += 1;
                return Verdict::OtherKind;
            }
            _ => self.note_kind(symbol, kind),
        }
        if let Some(ahead) = self.future(trade.time, place) {
            self.counts.future += 1;
            return Verdict::Future(ahead);
        }
        // A pane that is open is not final, so only a trade without one can be late.
        let pane = match self.panes.find(trade.time) {
            Some(pane) => pane,
            None => {
                let open = self.looks.pane(trade.time);
                let settled = self.looks.final_at(open.end);
                if settled <= self.watermark {
                    self.counts.late += 1;
                    return Verdict::Late { by_entry: settled > self.own, settled };
                }
                self.panes.open(open, place.offset)
            }
        };
        if !self.fold(pane, number, (trade, hash), place, sums) {
            self.counts.duplicate += 1;
            return Verdict::Duplicate;
        }
        self.counts.accepted += 1;
        self.advance(trade.time, place.offset);
        Verdict::Accepted
    }

    /// Judges a heartbeat (rules 2 and 3) and counts it.
    pub fn heartbeat(&mut self, time: EventTime, place: RecordPosition) -> Verdict {
        if let Some(ahead) = self.future(time, place) {
            self.counts.future += 1;
            return Verdict::Future(ahead);
        }
        self.counts.heartbeat += 1;
        self.advance(time, place.offset);
        Verdict::Accepted
    }

    /// An idle or adopted entry, or the frontier that an idle partition follows: W(p) is at least `f` from
    /// here on.
    pub fn entry(&mut self, f: EventTime) {
        if f > self.watermark {
            self.raise(f);
        }
    }

    /// The input has ended: W(p) is infinite, and everything open is handed over.
    pub fn end(&mut self) {
        self.before_end = Some((self.watermark, self.panes.opened_at()));
        self.raise(EventTime::MAX);
    }

    /// By this kind a symbol is counted from now on.
    fn note_kind(&mut self, symbol: SymbolNumber, kind: TradeKind) {
        let number = symbol.0 as usize;
        if self.kinds.len() <= number {
            self.kinds.resize(number + 1, None);
        }
        if self.kinds[number].replace(kind).is_none() {
            self.known.push(symbol);
        }
    }

    /// Adds a trade to its pane unless that has its id already: then false.
    #[inline]
    fn fold(
        &mut self,
        pane: usize,
        symbol: usize,
        (trade, hash): (&Trade, u64),
        place: RecordPosition,
        sums: &mut Sums,
    ) -> bool {
        if !trade.is_numbered() {
            return self.fold_unnumbered(pane, symbol, (trade, hash), place, sums);
        }
        if self.dedup && !self.panes.insert(pane, symbol, trade.id) {
            return false;
        }
        self.panes.fold(pane, symbol, (trade, hash), sums, (&self.looks, self.watermark));
        true
    }

    /// The same of a trade whose id is no sequence. Apart from those, which are many more.
    #[inline(never)]
    fn fold_unnumbered(
        &mut self,
        pane: usize,
        symbol: usize,
        (trade, hash): (&Trade, u64),
        place: RecordPosition,
        sums: &mut Sums,
    ) -> bool {
        let is_new = match trade.id_kind {
            _ if !self.dedup => true,
            IdKind::Sequence | IdKind::Unique => self.panes.insert(pane, symbol, trade.id),
            IdKind::Hashed => self.panes.insert_hashed(pane, symbol, trade.hash_of_id()),
            IdKind::None => true,
        };
        if is_new {
            let arrival = TradeArrival { offset: place.offset, part: place.part, partition: self.number };
            let (trade, at) = ((trade, hash, arrival), (&self.looks, self.watermark));
            self.panes.fold_unnumbered(pane, symbol, trade, sums, at);
        }
        is_new
    }

    /// Rule 2.
    #[inline]
    fn future(&mut self, time: EventTime, place: RecordPosition) -> Option<FutureBound> {
        if self.is_future(time, place.kafka_ms) {
            self.jumps.passed();
            return Some(FutureBound::Timestamp);
        }
        let open_from = || self.panes.opened_at();
        let far = self.jumps.refuses(time, (self.watermark, self.delay), (place.offset, open_from));
        far.then_some(FutureBound::Partition)
    }

    /// Whether an event time is too far ahead of a Kafka timestamp.
    #[inline]
    pub fn is_future(&self, time: EventTime, kafka_ms: i64) -> bool {
        kafka_ms > 0 && time.micros() > (kafka_ms as u64).saturating_mul(1_000).saturating_add(self.max_ahead)
    }

    #[inline]
    fn advance(&mut self, time: EventTime, offset: i64) {
        if self.first.is_none() {
            self.first = Some(time);
        }
        let reached = time.minus(self.delay);
        if reached > self.own {
            if reached.micros() - self.own.micros() > self.far {
                let (from, accepted) = (self.own, self.counts.accepted);
                self.movers.note(Mover { offset, from, to: reached, accepted });
            }
            self.own = reached;
            if reached > self.watermark {
                self.raise(reached);
            }
        }
    }

    #[inline]
    fn raise(&mut self, to: EventTime) {
        self.watermark = to;
        if self.panes.due(to) {
            self.panes.hand_over(to, &self.looks);
        }
    }
}
