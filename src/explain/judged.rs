//! The records of an input, judged once more by the very acceptance of a run, as far as they concern one
//! window.

use crate::config::Config;
use crate::exit::stopped;
use crate::source::PartitionFeed;
use crate::source::opening::{SourceOpener, UnopenedSource};
use crate::source::starts::Starts;
use crate::symbols::Symbols;
use crate::wire::chunk::Chunk;
use crate::wire::{RawRecord, Record, Scratch, decode_chunk};
use crate::workers::Workers;
use anyhow::Result;
use crossrate_dataflows::market::acceptance::{FutureBound, PartitionState, RecordPosition, Verdict};
use crossrate_dataflows::market::changes::DefinitionTimeline;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::name_keys::name_of;
use crossrate_dataflows::market::sums::{PaneUpdate, Sums};
use crossrate_dataflows::market::trade::{Symbol, SymbolNumber, Trade, TradeKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long to wait at once for what comes.
const NAP: Duration = Duration::from_millis(100);
/// Trades, and records that are bad, of which more is kept than their number; of each partition.
const MOST_TRADES: usize = 100_000;
const MOST_BAD: usize = 100;

/// What concerns the window.
#[derive(Debug)]
pub(super) struct WindowQuestion {
    /// Whose trades.
    pub(super) symbols: BTreeSet<Symbol>,
    pub(super) start: EventTime,
    pub(super) end: EventTime,
    /// When it is looked at.
    pub(super) firings: BTreeSet<EventTime>,
}

/// A partition, as far as it concerns the window.
#[derive(Debug)]
pub(super) struct JudgedPartition {
    pub(super) number: u32,
    pub(super) name: String,
    /// The record that took the watermark to a firing, or past it.
    pub(super) reached: BTreeMap<EventTime, FiringMover>,
    /// Trades of the window, in their order.
    pub(super) trades: Vec<JudgedTrade>,
    /// How many more there are.
    pub(super) more_trades: u64,
    /// Records that are bad and came while the window's trades did.
    pub(super) bad: Vec<(i64, String)>,
    /// How many more of them came then.
    pub(super) more_bad: u64,
}

/// What took a watermark to a firing.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct FiringMover {
    pub(super) by: MovedBy,
    pub(super) offset: i64,
    /// Its event time.
    pub(super) time: EventTime,
    /// In milliseconds; 0 where there is none.
    pub(super) kafka_ms: i64,
    /// Where it took the watermark.
    pub(super) watermark: EventTime,
}

/// What moves a watermark.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum MovedBy {
    Trade,
    Heartbeat,
}

/// A trade of the window.
#[derive(Debug)]
pub(super) struct JudgedTrade {
    pub(super) symbol: Symbol,
    pub(super) trade: Trade,
    pub(super) offset: i64,
    /// The partition's watermark before it.
    pub(super) watermark: EventTime,
    /// Why it does not count; none where it does.
    pub(super) refused: Option<TradeRefusal>,
}

/// Why a trade does not count.
#[derive(Debug)]
pub(super) struct TradeRefusal {
    /// In a word.
    pub(super) class: &'static str,
    pub(super) why: String,
}

/// Judges all records of the input.
pub(super) fn judge(
    config: &Config,
    question: &WindowQuestion,
    interrupted: &AtomicBool,
) -> Result<Vec<JudgedPartition>> {
    let (config, workers) = (Arc::new(config.clone()), Workers::of(&config.cluster));
    workers.wakers[0].arrived();
    let mut source = UnopenedSource::look(&config, &workers, interrupted)?;
    source.connect_ahead(&config, &workers);
    let opened = SourceOpener::new(&config, &Arc::new(workers), source).take(0, &Starts::default())?;
    let symbols = wanted(&config);
    let judges = opened.partitions.into_iter().map(|feed| Judge::new(&config, feed, symbols.clone()));
    let mut judges: Vec<Judge> = judges.collect();
    while judges.iter().any(|judge| !judge.has_ended) {
        if interrupted.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        let mut is_idle = true;
        for judge in judges.iter_mut().filter(|judge| !judge.has_ended) {
            while let Some(chunk) = judge.feed.feed.next_chunk(&mut judge.has_ended)? {
                is_idle = false;
                judge.take(&chunk, question);
                judge.feed.feed.recycle(chunk);
            }
        }
        if is_idle {
            std::thread::park_timeout(NAP);
        }
    }
    Ok(judges.into_iter().map(|judge| judge.judged).collect())
}

/// The symbols that count, and what changes of the definition make of them.
fn wanted(config: &Config) -> Symbols {
    let mut symbols = Symbols::new(&config.definition.symbols);
    symbols.want_assets(&config.definition);
    let mut changing = DefinitionTimeline::of(&config.definition);
    for logged in &config.changes {
        symbols.change(changing.apply(&logged.change).as_ref(), logged.change.from);
    }
    symbols
}

/// One partition, while it is read.
struct Judge {
    feed: PartitionFeed,
    has_ended: bool,
    state: PartitionState,
    sums: Sums,
    updates: Vec<PaneUpdate>,
    scratch: Scratch,
    symbols: Symbols,
    /// The offset from which on records are judged after each change of the definition.
    taken: Vec<i64>,
    records: i64,
    judged: JudgedPartition,
}

impl Judge {
    fn new(config: &Config, feed: PartitionFeed, symbols: Symbols) -> Judge {
        let taken = |offsets: &BTreeMap<u32, i64>| offsets.get(&feed.number).copied().unwrap_or(i64::MIN);
        Judge {
            has_ended: false,
            state: PartitionState::new(&config.definition).numbered(feed.number),
            sums: Sums::default(),
            updates: Vec::new(),
            scratch: Scratch::of(config.definition.decimals()),
            symbols,
            taken: config.changes.iter().map(|logged| taken(&logged.offsets)).collect(),
            records: feed.from,
            judged: JudgedPartition {
                number: feed.number,
                name: feed.name.clone(),
                reached: BTreeMap::new(),
                trades: Vec::new(),
                more_trades: 0,
                bad: Vec::new(),
                more_bad: 0,
            },
            feed,
        }
    }

    fn take(&mut self, chunk: &Chunk, question: &WindowQuestion) {
        let mut scratch = std::mem::take(&mut self.scratch);
        decode_chunk(chunk, &mut scratch, |raw, record| self.record(&raw, &record, question));
        self.scratch = scratch;
        // What panes that are final hold is of no more use.
        self.sums.hand_over(self.state.watermark(), &mut self.updates);
        self.updates.clear();
    }

    fn record(&mut self, raw: &RawRecord<'_>, record: &Record<'_>, question: &WindowQuestion) {
        let place = raw.place_behind(self.records);
        self.records = place.offset + 1;
        let before = self.state.watermark();
        let moved = match record {
            Record::Trade { symbol, kind, trade } => {
                self.trade(symbol, (*kind, trade), place, question);
                (MovedBy::Trade, trade.time)
            }
            Record::Heartbeat(time) => {
                self.state.heartbeat(*time, place);
                (MovedBy::Heartbeat, *time)
            }
            Record::Ignored => return,
            Record::Bad(bad) => {
                // It tells no event time: what came meanwhile may have been of the window.
                let reached = self.state.reached();
                if reached >= question.start && before <= *question.firings.last().unwrap_or(&question.end) {
                    match self.judged.bad.len() < MOST_BAD {
                        true => self.judged.bad.push((place.offset, bad.to_string())),
                        false => self.judged.more_bad += 1,
                    }
                }
                return;
            }
        };
        self.note_move(before, moved, place, question);
    }

    fn note_move(
        &mut self,
        before: EventTime,
        (by, time): (MovedBy, EventTime),
        RecordPosition { offset, kafka_ms, .. }: RecordPosition,
        question: &WindowQuestion,
    ) {
        let watermark = self.state.watermark();
        if watermark > before {
            let mover = FiringMover { by, offset, time, kafka_ms, watermark };
            let passed = question.firings.range(before.plus(1)..=watermark);
            self.judged.reached.extend(passed.map(|firing| (*firing, mover)));
        }
    }

    fn trade(
        &mut self,
        name: &[u8],
        (kind, trade): (TradeKind, &Trade),
        place: RecordPosition,
        question: &WindowQuestion,
    ) {
        let Some(number) = self.number(name, place.offset, trade.time) else { return };
        let watermark = self.state.watermark();
        let verdict = self.state.trade(number, kind, (trade, 0), place, &mut self.sums);
        if trade.time < question.start || trade.time >= question.end {
            return;
        }
        let symbol = name_of(&self.symbols.names()[number.0 as usize]);
        if !question.symbols.contains(&symbol) {
            return;
        }
        if self.judged.trades.len() >= MOST_TRADES {
            self.judged.more_trades += 1;
            return;
        }
        let refused = refusal(verdict, &self.state, trade.time, place);
        let trade = *trade;
        self.judged.trades.push(JudgedTrade { symbol, trade, offset: place.offset, watermark, refused });
    }

    /// What a name stands for in a record of that offset and event time.
    fn number(&mut self, name: &[u8], offset: i64, time: EventTime) -> Option<SymbolNumber> {
        let number = self.symbols.number(name)?;
        match self.symbols.turns() {
            Some(turns) => turns.number(number, self.taken.partition_point(|from| *from <= offset), time),
            None => Some(number),
        }
    }
}

fn refusal(
    verdict: Verdict,
    state: &PartitionState,
    time: EventTime,
    place: RecordPosition,
) -> Option<TradeRefusal> {
    let refused = |class, why| Some(TradeRefusal { class, why });
    match verdict {
        Verdict::Accepted => None,
        Verdict::Duplicate => refused("duplicate", "its id was accepted before in the same pane".into()),
        Verdict::Late { settled, .. } => {
            let watermark = state.watermark();
            refused("late", format!("its pane was final at {settled}, and the watermark at {watermark}"))
        }
        Verdict::Future(FutureBound::Timestamp) => {
            let kafka = EventTime::from_micros(place.kafka_ms.unsigned_abs().saturating_mul(1_000));
            refused("future", format!("{time} is more than --max-ahead past its Kafka timestamp, {kafka}"))
        }
        Verdict::Future(FutureBound::Partition) => {
            let reached = state.reached();
            refused("future", format!("{time} is more than --max-jump past its partition, at {reached}"))
        }
        Verdict::OtherKind => {
            refused("ignored", "its symbol is counted by the other kind of trade events here".into())
        }
    }
}
