//! What is there of a symbol where it did not trade?
//!
//! A window of a tumbling, sliding or civil definition without trades gets a row with `trades` 0 all the
//! same, where it ends at most `--max-fill` after the symbol's latest earlier window with trades. Its prices
//! are null, or the close of that window (`--fill previous`).
//!
//! Empty: a symbol that never traded has nothing to be filled from. Late: a row leaves once, at end + G, when
//! it is known that the window has no trades. Windows that only the end of an input closes are not filled: a
//! later run with more input may bring their trades. Crosses, statistics and bases take no notice. A fill is
//! its row: nothing else is visited.

use crate::market::agenda::Agenda;
use crate::market::changes::{DatedChange, DefinitionTimeline};
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::resume::{LastClose, LastingChange, Resume};
use crate::market::row::{ClosedBy, Occasion, Row, RowKind, Stage, fill_row};
use crate::market::trade::Symbol;
use crate::market::value::Value;
use crate::market::windows::{InWindows, Window, WindowPlace};
use crate::market::work::count;
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::closings::PartitionReport;
use crate::operators::emission::Emission;
use crate::operators::given_once::given_once;
use crate::operators::moves::{Moves, WatermarkMove};
use differential_dataflow::hashable::Hashable;
use num_traits::ToPrimitive;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::{Concat, Exchange};
use timely::dataflow::operators::vec::{Broadcast, Map};
use timely::dataflow::{Scope, StreamVec};

/// How long a symbol is filled where nothing is said, if no window is longer.
const AN_HOUR: u64 = 3_600_000_000;

/// A row for each window without trades that is near enough behind one with trades.
pub fn fills<'scope>(
    symbol_rows: StreamVec<'scope, EventTime, Emission>,
    notes: StreamVec<'scope, EventTime, PartitionReport>,
    changes: StreamVec<'scope, EventTime, DatedChange>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> StreamVec<'scope, EventTime, Emission> {
    let known = known_closes(symbol_rows.scope(), resume).map(|(of, close)| FillInput::Known(of, close));
    // A symbol that came again has its windows on another worker than before.
    let traded = symbol_rows.flat_map(traded).exchange(|traded: &TradedWindow| traded.symbol.hashed());
    let traded = traded.map(FillInput::Traded);
    let moves = notes.flat_map(|note| note.moved).broadcast().map(FillInput::Moved);
    let input = traded.concat(moves).concat(known).concat(changes.map(FillInput::Changed));
    input.at_looks(Pipeline, "Fills", FillRows::new(definition, resume))
}

/// The restored state, each part on the worker of its symbol.
fn known_closes<'scope>(
    scope: Scope<'scope, EventTime>,
    resume: &Resume,
) -> StreamVec<'scope, EventTime, (InWindows, LastClose)> {
    let known = resume.closes.iter().map(|(of, close)| (of.clone(), *close));
    // As panes are arranged.
    given_once(scope, known).exchange(|((symbol, _), _): &(InWindows, LastClose)| symbol.hashed())
}

#[derive(Debug, Clone)]
enum FillInput {
    /// The final row of a window with trades.
    Traded(TradedWindow),
    /// Where a partition's watermark was moved.
    Moved(WatermarkMove),
    /// The definition changes.
    Changed(DatedChange),
    /// What a symbol's windows of a definition were filled from when an earlier run ended.
    Known(InWindows, LastClose),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct TradedWindow {
    look: EventTime,
    symbol: Symbol,
    place: WindowPlace,
    close: LastClose,
}

/// Takes the close out of a final row.
fn traded(emission: Emission) -> Option<TradedWindow> {
    let Emission::Row(row) = emission else { return None };
    if row.kind != RowKind::Symbol || !row.is_final() {
        return None;
    }
    // A close is a price, which 64 bits hold.
    let close = row.value("close").and_then(Value::as_decimal)?.scaled().to_i64()?;
    let counts_ids = row.value("missing_ids") != Some(&Value::Null);
    let Row { look, place, end, name: symbol, .. } = row;
    Some(TradedWindow { look, symbol, place, close: LastClose { end, close, counts_ids } })
}

struct FillRows {
    definition: Arc<Definition>,
    changing: DefinitionTimeline,
    looks: Looks,
    /// Rows looked at until then are out.
    resumed_at: EventTime,
    /// Windows with trades, by the look at which they became final.
    pending: BTreeMap<EventTime, Vec<TradedWindow>>,
    numbers: HashMap<Symbol, usize, foldhash::fast::RandomState>,
    names: Vec<Symbol>,
    /// The latest window with trades, of each symbol and definition: see [`FillRows::line`].
    closes: Vec<Option<LastClose>>,
    /// Where the next window ends that has a row if it has no trades.
    due: Agenda,
    moves: Moves,
    /// Whether nothing moves any watermark any more but the end of the input.
    has_ended: bool,
}

impl FillRows {
    fn new(definition: &Arc<Definition>, resume: &Resume) -> FillRows {
        FillRows {
            looks: Looks::of(definition),
            definition: Arc::clone(definition),
            changing: DefinitionTimeline::of(definition).after(&resume.changes()),
            resumed_at: resume.at,
            pending: BTreeMap::new(),
            numbers: HashMap::default(),
            names: Vec::new(),
            closes: Vec::new(),
            due: Agenda::default(),
            moves: Moves::after(&resume.idle),
            has_ended: false,
        }
    }

    /// The number of a symbol's windows of one definition.
    fn line(&mut self, symbol: &Symbol, place: WindowPlace) -> usize {
        let definitions = self.looks.windows.each().len();
        let number = match self.numbers.get(symbol) {
            Some(number) => *number,
            None => {
                self.names.push(symbol.clone());
                self.closes.resize(self.names.len() * definitions, None);
                self.numbers.insert(symbol.clone(), self.names.len() - 1);
                self.names.len() - 1
            }
        };
        number * definitions + usize::from(place)
    }

    fn window(&self, line: usize) -> (WindowPlace, &Window) {
        let place = (line % self.looks.windows.each().len()) as WindowPlace;
        (place, self.looks.windows.at(place))
    }

    /// A line goes on from a window with trades.
    fn goes_on_from(&mut self, line: usize, close: LastClose, after: EventTime) {
        self.closes[line] = Some(close);
        self.await_next(line, close.end.max(after));
    }

    /// Notes the first window that ends later, if it is near enough to be filled.
    fn await_next(&mut self, line: usize, after: EventTime) {
        let (_, window) = self.window(line);
        let next = window.next_end(after);
        let most = self.definition.max_fill.unwrap_or_else(|| window.reach_at_least(next).max(AN_HOUR));
        let is_near = |close: LastClose| next.micros() - close.end.micros() <= most;
        let next = self.closes[line].filter(|close| is_near(*close)).map(|_| next);
        if next.is_none() {
            self.closes[line] = None;
        }
        self.due.set(line, next);
    }

    fn fill(
        &mut self,
        line: usize,
        end: EventTime,
        look: EventTime,
        give: &mut dyn FnMut(EventTime, Emission),
    ) {
        count(1);
        let of = self.names[line / self.looks.windows.each().len()].clone();
        // A symbol that is dropped is filled no more, also when it comes again.
        self.closes[line] =
            self.closes[line].filter(|close| self.changing.live_together(&of, close.end, end));
        if let Some(close) = self.closes[line]
            && self.moves.closed_by(look) != ClosedBy::Eof
        {
            let (place, window) = self.window(line);
            let occasion = Occasion { look, window, place, end, stage: Stage::FINAL };
            let row = fill_row(&of, &close, &self.definition, occasion);
            give(look.minus(1), Emission::Row(row));
        }
        self.await_next(line, end);
    }
}

impl LookLogic for FillRows {
    type Input = FillInput;
    type Output = Emission;

    fn absorb(&mut self, input: FillInput) {
        match input {
            FillInput::Moved(moved) => self.moves.add(moved),
            FillInput::Changed(change) => _ = self.changing.apply(&change),
            FillInput::Traded(traded) => {
                let window = self.looks.windows.at(traded.place);
                if !window.grows() {
                    self.pending.entry(traded.look).or_default().push(traded);
                }
            }
            FillInput::Known((symbol, window), close) => {
                let place = self.looks.windows.named(&window).map(|(place, _)| place);
                if let Some(place) = place {
                    let line = self.line(&symbol, place);
                    self.goes_on_from(line, close, self.resumed_at.minus(self.looks.grace));
                }
            }
        }
    }

    fn input_has_ended(&mut self) {
        self.has_ended = true;
    }

    fn next_look(&self) -> Option<EventTime> {
        let last = self.moves.last_without_end().filter(|_| self.has_ended);
        let due = self.due.first().map(|end| self.looks.final_at(end));
        let due = due.filter(|look| last.is_none_or(|last| *look <= last));
        self.pending.keys().next().copied().into_iter().chain(due).min()
    }

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Emission)) {
        for TradedWindow { symbol, place, close, .. } in self.pending.remove(&look).unwrap_or_default() {
            let line = self.line(&symbol, place);
            self.goes_on_from(line, close, EventTime::MIN);
            let of = (symbol, self.looks.windows.at(place).name_owned());
            give(look.minus(1), Emission::Lasting(look, LastingChange::Close(of, close)));
        }
        while let Some(end) = self.due.first().filter(|end| self.looks.final_at(*end) <= look) {
            for line in self.due.take(end) {
                self.fill(line, end, look, give);
            }
        }
        self.moves.forget(look.minus(self.looks.grace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::definition::{Fill, Windows};

    fn at(micros: u64) -> EventTime {
        EventTime::from_micros(micros)
    }

    fn moved(from: u64, to: u64, by: ClosedBy) -> FillInput {
        let to = if by == ClosedBy::Eof { EventTime::MAX } else { at(to) };
        FillInput::Moved(WatermarkMove { from: at(from), to, by })
    }

    fn close(end: u64) -> LastClose {
        LastClose { end: at(end), close: 7, counts_ids: true }
    }

    fn traded(end: u64) -> FillInput {
        FillInput::Traded(TradedWindow {
            look: at(end),
            symbol: Symbol::new("A"),
            place: 0,
            close: close(end),
        })
    }

    /// The ends of the windows of 10 us that are filled, at most so long after one with trades.
    fn filled(max_fill: u64, resumed_at: u64, inputs: Vec<FillInput>) -> Vec<u64> {
        let definition = Definition {
            windows: Windows::sliding(10, 10),
            fill: Fill::Previous,
            max_fill: Some(max_fill),
            ..Definition::default()
        };
        let resume = Resume { at: at(resumed_at), ..Resume::default() };
        let mut rows = FillRows::new(&Arc::new(definition), &resume);
        inputs.into_iter().for_each(|input| rows.absorb(input));
        rows.input_has_ended();
        let mut ends = Vec::new();
        while let Some(look) = rows.next_look() {
            rows.look(look, &mut |_, emission| {
                if let Emission::Row(row) = emission {
                    assert_eq!(row.value("close"), Some(&Value::decimal(7, 8)), "{}", row.json);
                    ends.push(row.end.micros());
                }
            });
        }
        ends
    }

    #[test]
    fn windows_are_filled_as_far_as_records_and_idleness_reach() {
        let end = |from| moved(from, 0, ClosedBy::Eof);
        assert_eq!(filled(30, 0, vec![traded(10), end(1_000)]), [20, 30, 40]);
        assert_eq!(filled(30, 0, vec![traded(10), traded(30), end(1_000)]), [20, 40, 50, 60]);
        assert_eq!(filled(1_000, 0, vec![traded(10), end(35)]), [20, 30]);
        let idle = moved(45, 70, ClosedBy::Idle);
        // What lies between the end of the records and the idleness was closed by the end of an input.
        assert_eq!(filled(1_000, 0, vec![traded(10), end(35), idle]), [20, 30, 50, 60, 70]);
        assert_eq!(filled(0, 0, vec![traded(10), end(1_000)]), [0; 0]);
    }

    #[test]
    fn a_run_that_is_taken_up_fills_what_the_earlier_one_had_not() {
        let known = |window: &str| FillInput::Known((Symbol::new("A"), window.into()), close(10));
        let end = || moved(1_000, 0, ClosedBy::Eof);
        let name = Windows::sliding(10, 10).at(0).name_owned();
        assert_eq!(filled(50, 30, vec![known(&name), end()]), [40, 50, 60]);
        assert_eq!(filled(50, 200, vec![known(&name), end()]), [0; 0]);
        assert_eq!(filled(50, 30, vec![known("1d"), end()]), [0; 0]);
        assert_eq!(filled(50, 30, vec![known(&name), traded(50), end()]), [40, 60, 70, 80, 90, 100]);
    }
}
