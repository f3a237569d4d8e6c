//! What is in an input: counts, symbols, times, order, ids. Records are judged by the very acceptance of a
//! run.

use super::clocks::Clocks;
use crate::wire::chunk::Chunk;
use crate::wire::format::Format;
use crate::wire::{RawRecord, Record, Scratch, decode_chunk, why};
use crossrate_dataflows::market::acceptance::{Counts, PartitionState, RecordPosition, Verdict};
use crossrate_dataflows::market::definition::Definition;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::sums::{PaneUpdate, Sums};
use crossrate_dataflows::market::trade::{SymbolNumber, Trade, TradeKind};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

/// Which format reads an input, or which comes nearest and why it does not.
#[derive(Debug, Default)]
pub(super) struct Recognition {
    /// The one that gives trades; none where no format does.
    pub(super) format: Option<Format>,
    /// Whether no other was tried.
    pub(super) is_given: bool,
    /// What each of the others comes to, the nearest first.
    pub(super) others: Vec<(String, String)>,
    /// Of no format that reads it: the mapping that is the best beginning of one's own.
    pub(super) nearest: Option<String>,
    /// Whether ids are numbered one after another.
    pub(super) is_numbered: bool,
    /// Whether the symbol must be told.
    pub(super) needs_symbol: bool,
}

impl Recognition {
    /// Whether a format gives trades.
    pub(super) fn fits(&self) -> bool {
        self.format.is_some()
    }
}

/// So many symbols are told apart; trades of more are counted, but not judged by their ids.
const MOST_SYMBOLS: usize = 100_000;
/// So many of the records that do not count are told.
const EXAMPLES: usize = 5;
/// In so many of them the values are looked for that a mapping asks for.
const LOOKED_INTO: u64 = 100;

/// One partition, while it is read.
pub(super) struct Survey {
    state: PartitionState,
    sums: Sums,
    updates: Vec<PaneUpdate>,
    scratch: Scratch,
    limit: u64,
    partition: Option<u32>,
    records: u64,
    pointers: (u64, u64),
    numbers: HashMap<String, u32, foldhash::fast::RandomState>,
    symbols: Vec<SymbolFound>,
    found: SurveyResult,
}

/// What was found in a partition, or in several.
#[derive(Debug, Default)]
pub(super) struct SurveyResult {
    pub(super) name: String,
    pub(super) recognition: Recognition,
    pub(super) counts: Counts,
    /// Least and greatest time of trades.
    pub(super) times: Option<(EventTime, EventTime)>,
    /// How many trades were behind an earlier one of their partition, and how far the latest of them was, in
    /// microseconds.
    pub(super) behind: u64,
    pub(super) most_behind: u64,
    /// The record that went furthest ahead of those before it.
    pub(super) jump: Option<Jump>,
    /// What becomes of the order where wild clocks are refused.
    pub(super) clocks: Clocks,
    pub(super) symbols: BTreeMap<String, SymbolFound>,
    /// Trades of symbols beyond the most that are told apart.
    pub(super) other_symbols: u64,
    /// The first records that are bad, or ignored, with why.
    pub(super) examples: Vec<RefusedExample>,
    /// Whether there is more than was looked at.
    pub(super) is_cut: bool,
    /// Why it cannot be read, or not beyond what was found.
    pub(super) failure: Option<anyhow::Error>,
}

/// A record that went ahead of all before it.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct Jump {
    pub(super) offset: i64,
    pub(super) by: u64,
    /// Trades since then that are behind it by half of that at least.
    pub(super) left_behind: u64,
}

/// A record that does not count.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RefusedExample {
    pub(super) class: &'static str,
    pub(super) partition: Option<u32>,
    pub(super) offset: i64,
    pub(super) why: String,
}

/// The trades of one symbol.
#[derive(Debug, Copy, Clone)]
pub(super) struct SymbolFound {
    pub(super) trades: u64,
    /// Those whose id is another one's of the same pane.
    pub(super) repeated: u64,
    /// Those whose ids are no sequence.
    unnumbered: u64,
    pub(super) least_id: u64,
    pub(super) greatest_id: u64,
}

impl Survey {
    /// The look at a partition: that of a topic with this number, or a file.
    pub(super) fn new(definition: &Definition, limit: Option<u64>, partition: Option<u32>) -> Self {
        Survey {
            state: PartitionState::new(definition),
            sums: Sums::default(),
            updates: Vec::new(),
            scratch: Scratch::of(definition.decimals()),
            limit: limit.unwrap_or(u64::MAX),
            partition,
            records: 0,
            pointers: (0, 0),
            numbers: HashMap::default(),
            symbols: Vec::new(),
            found: SurveyResult::default(),
        }
    }

    /// Judges the records of a chunk; whether there may be more.
    pub(super) fn take(&mut self, chunk: &Chunk) -> ControlFlow<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        decode_chunk(chunk, &mut scratch, |raw, record| self.record(&raw, &record, chunk));
        self.scratch = scratch;
        // What panes that are final hold is of no more use.
        self.sums.hand_over(self.state.watermark(), &mut self.updates);
        self.updates.clear();
        if self.found.is_cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// What became of the records so far.
    pub(super) fn counts(&self) -> &Counts {
        self.state.counts()
    }

    /// The trades so far, whatever became of them.
    pub(super) fn trades(&self) -> u64 {
        let counts = self.counts();
        counts.accepted + counts.duplicate + counts.late + counts.future
    }

    /// Of the values that its mapping asks for in records that are no trades: how many are there, and how
    /// many are asked for.
    pub(super) fn pointers(&self) -> (u64, u64) {
        self.pointers
    }

    /// Why the first record that is no trade is none. What is bad says more than what is ignored.
    pub(super) fn why_not(&self) -> Option<String> {
        let examples = &self.found.examples;
        let bad = examples.iter().find(|example| example.class == "bad");
        bad.or(examples.first()).map(|example| example.why.clone())
    }

    /// All was read.
    fn end(self) -> SurveyResult {
        let mut found = self.found;
        let symbols = &self.symbols;
        found.symbols = self.numbers.into_iter().map(|(name, at)| (name, symbols[at as usize])).collect();
        SurveyResult { counts: *self.state.counts(), ..found }
    }

    fn record(&mut self, raw: &RawRecord<'_>, record: &Record<'_>, chunk: &Chunk) {
        let is_new = raw.part == 0;
        if self.found.is_cut || (is_new && self.records == self.limit) {
            self.found.is_cut = true;
            return;
        }
        let place = raw.place_behind(self.records as i64);
        self.records += u64::from(is_new);
        match record {
            Record::Trade { symbol, kind, trade } => self.trade(symbol, *kind, trade, place),
            Record::Heartbeat(time) => {
                self.state.heartbeat(*time, place);
                self.found.clocks.take(*time, false);
            }
            Record::Ignored => {
                self.state.counts_mut().ignored += 1;
                self.look_into(raw, chunk);
                let mapping = chunk.mapping().map(|mapping| &**mapping);
                self.example("ignored", place, || why::ignored(raw.bytes(), mapping));
            }
            Record::Bad(bad) => {
                self.state.counts_mut().bad += 1;
                self.look_into(raw, chunk);
                self.example("bad", place, || bad.to_string());
            }
        }
    }

    fn trade(&mut self, symbol: &[u8], kind: TradeKind, trade: &Trade, place: RecordPosition) {
        let Some(number) = self.number(symbol) else {
            self.found.other_symbols += 1;
            self.state.counts_mut().accepted += 1;
            return;
        };
        let verdict = self.state.trade(SymbolNumber(number), kind, (trade, 0), place, &mut self.sums);
        let of_symbol = &mut self.symbols[number as usize];
        match verdict {
            Verdict::Future(_) | Verdict::OtherKind => return,
            Verdict::Duplicate => of_symbol.repeated += 1,
            Verdict::Accepted | Verdict::Late { .. } => {
                of_symbol.trades += 1;
                of_symbol.unnumbered += u64::from(!trade.is_numbered());
                of_symbol.least_id = of_symbol.least_id.min(trade.id);
                of_symbol.greatest_id = of_symbol.greatest_id.max(trade.id);
            }
        }
        self.time(trade.time, place.offset);
        self.found.clocks.take(trade.time, true);
    }

    /// Notes how near a record that is none comes to what its mapping reads.
    fn look_into(&mut self, raw: &RawRecord<'_>, chunk: &Chunk) {
        let counts = self.state.counts();
        if counts.bad + counts.ignored > LOOKED_INTO {
            return;
        }
        if let Some(mapping) = chunk.mapping() {
            let (found, asked) = why::pointers_found(raw.bytes(), mapping);
            self.pointers = (self.pointers.0 + found, self.pointers.1 + asked);
        }
    }

    /// Notes a trade's time beside those before it.
    fn time(&mut self, time: EventTime, offset: i64) {
        let found = &mut self.found;
        let Some((least, greatest)) = found.times else {
            found.times = Some((time, time));
            return;
        };
        found.times = Some((least.min(time), greatest.max(time)));
        if time < greatest {
            let by = greatest.micros() - time.micros();
            found.behind += 1;
            found.most_behind = found.most_behind.max(by);
            if let Some(jump) = found.jump.as_mut().filter(|jump| by >= jump.by / 2) {
                jump.left_behind += 1;
            }
        } else {
            let by = time.micros() - greatest.micros();
            if by > found.jump.map_or(0, |jump| jump.by) {
                found.jump = Some(Jump { offset, by, left_behind: 0 });
            }
        }
    }

    fn number(&mut self, symbol: &[u8]) -> Option<u32> {
        // Names are UTF-8, by all decoders.
        let name = std::str::from_utf8(symbol).ok()?;
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        if self.symbols.len() == MOST_SYMBOLS {
            return None;
        }
        let number = self.symbols.len() as u32;
        self.symbols.push(SymbolFound {
            trades: 0,
            repeated: 0,
            unnumbered: 0,
            least_id: u64::MAX,
            greatest_id: 0,
        });
        self.numbers.insert(name.to_owned(), number);
        Some(number)
    }

    fn example(&mut self, class: &'static str, place: RecordPosition, why: impl FnOnce() -> String) {
        let examples = &mut self.found.examples;
        if examples.iter().filter(|example| example.class == class).count() < EXAMPLES {
            let partition = self.partition;
            examples.push(RefusedExample { class, partition, offset: place.offset, why: why() });
        }
    }
}

impl SurveyResult {
    /// What was found in the partitions of an input, or nothing of one that was not looked at.
    pub(super) fn of(name: String, partitions: Vec<Survey>, recognition: Recognition) -> SurveyResult {
        let mut all = SurveyResult::default();
        partitions.into_iter().for_each(|partition| all.add(partition.end()));
        let is_numbered = all.symbols.values().all(|symbol| symbol.unnumbered == 0);
        SurveyResult { name, recognition: Recognition { is_numbered, ..recognition }, ..all }
    }

    /// Adds what was found in another partition of the same input.
    fn add(&mut self, other: SurveyResult) {
        self.counts.add(&other.counts);
        self.times = match (self.times, other.times) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, another) => one.or(another),
        };
        self.behind += other.behind;
        if other.most_behind >= self.most_behind {
            (self.most_behind, self.jump) = (other.most_behind, other.jump);
        }
        self.clocks.add(&other.clocks);
        for (name, of_symbol) in other.symbols {
            self.symbols.entry(name).and_modify(|known| known.add(&of_symbol)).or_insert(of_symbol);
        }
        self.other_symbols += other.other_symbols;
        for example in other.examples {
            if self.examples.iter().filter(|known| known.class == example.class).count() < EXAMPLES {
                self.examples.push(example);
            }
        }
        self.is_cut |= other.is_cut;
    }
}

impl SymbolFound {
    fn add(&mut self, other: &SymbolFound) {
        self.trades += other.trades;
        self.repeated += other.repeated;
        self.unnumbered += other.unnumbered;
        self.least_id = self.least_id.min(other.least_id);
        self.greatest_id = self.greatest_id.max(other.greatest_id);
    }

    /// The least and the greatest id, where all are integers of a sequence.
    pub(super) fn ids(&self) -> Option<(u64, u64)> {
        (self.unnumbered == 0 && self.trades > 0).then_some((self.least_id, self.greatest_id))
    }

    /// Ids between the least and the greatest that no trade has; `None` where ids are no sequence.
    pub(super) fn missing(&self) -> Option<u64> {
        if self.unnumbered > 0 {
            return None;
        }
        let span = (self.greatest_id - self.least_id.min(self.greatest_id)).checked_add(1)?;
        let missing = span.saturating_sub(self.trades);
        // A day in which a tenth came is still one; ids that all symbols share, or that are times, are none.
        (missing <= self.trades.saturating_mul(10).max(1_000)).then_some(missing)
    }
}
