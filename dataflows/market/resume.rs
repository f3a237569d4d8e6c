//! What an earlier run knew: a checkpoint, as far as the dataflow needs it.
//!
//! **Why so little is enough.** Take the checkpoint of event time `t`: all rows looked at until `t` are out.
//! A partition's state at *any* batch boundary with watermark `w >= t` will do: whatever comes after that
//! boundary is accepted at a watermark of `w` or more, so no look at or before `t` could see it; and what
//! came before it is either in rows that are out, or in panes that later windows still need. Those panes were
//! handed over with their dates; handed over again with the same dates they meet the same looks, of which
//! those until `t` stay silent. The open panes are folded again from the log. What outlives its windows is
//! kept by value: the greatest ids, what is carried, the running statistics.
//!
//! With `changes` or provisional rows, a window that is not final at `t` may have been looked at before.
//! Those looks are repeated in silence, so that it is known which revision left last and what it said. They
//! may have seen panes and carried windows that are final at `t` but were not then (a late trade that raises
//! the greatest id before the window, a leg that was corrected while it stood in), so these are kept for as
//! long as the earliest such look lies back: [`super::looks::Looks::hindsight`]. So no barrier crosses the
//! dataflow, and nothing of a checkpoint knows a worker.

use super::base::Base;
use super::changes::{Change, DatedChange};
use super::cross::LegState;
use super::definition::{Cross, Leg};
use super::event_time::EventTime;
use super::series::SeriesMoments;
use super::trade::Symbol;
use super::trade_counts::CountsOfStep;
use super::windows::{InWindows, Window, WindowName};
use compact_str::CompactString;
use num_bigint::BigInt;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The dataflow's part of a checkpoint; the default is a run from the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// Rows looked at until then are out.
    pub at: EventTime,
    /// The greatest id of each symbol after the panes that no window needs any more.
    pub greatest_ids: HashMap<Symbol, u64>,
    /// The greatest id of each symbol since its ids began anew, where that is another one.
    pub ids_anew: HashMap<Symbol, u64>,
    /// The latest window with trades of each leg that may have to stand in, or is the beginning of one that
    /// grows, with its end, of those that were final before any look that is repeated in silence.
    pub carried: HashMap<InWindows, (EventTime, LegState)>,
    /// The sums of each symbol's long windows.
    pub bases: HashMap<InWindows, Base>,
    /// The statistics of each cross.
    pub series: HashMap<InWindows, SeriesMoments>,
    /// Where idleness or adoption had taken watermarks, disjoint; for what a row says closed it.
    pub idle: Vec<(EventTime, EventTime)>,
    /// What each symbol's windows without trades are filled from; only where they are.
    pub closes: HashMap<InWindows, LastClose>,
    /// The rates that are in the statistics, by their number among all of the cross; only with
    /// `--stats-last`.
    pub rates: HashMap<InWindows, BTreeMap<i64, BigInt>>,
    /// How the definition has changed since the job began.
    pub log: Vec<DatedChange>,
    /// The paths in force, and those of earlier windows that are open, by the cross's name and when they were
    /// taken; none where there was none any more.
    pub paths: BTreeMap<(Symbol, EventTime), Option<Vec<Leg>>>,
    /// Choices of paths until then are known: those that the last window with trades has seen. Later ones are
    /// made again, for what the run that goes on may have for them.
    pub chosen_to: EventTime,
    /// How often each symbol has traded, by the choice of paths that ends a stretch of time.
    pub counts: HashMap<Symbol, BTreeMap<EventTime, CountsOfStep>>,
    /// Whether no run goes on from this one, since there is no ledger: long windows are not kept for it.
    pub is_last: bool,
    /// Final windows that a cross which is added may reach back to, by their end; only with `--back-fill`.
    pub held: HashMap<InWindows, BTreeMap<EventTime, LegState>>,
}

impl Resume {
    /// The changes that were in force: those of people, and those of paths in order of time.
    pub fn changes(&self) -> Vec<DatedChange> {
        let mut paths = Vec::new();
        let mut last: Option<&Symbol> = None;
        for ((name, from), legs) in &self.paths {
            let take = |legs: &[Leg]| {
                let cross = Cross { name: name.clone(), legs: legs.into() };
                DatedChange { change: Change::TakePath(cross), from: *from }
            };
            if last != Some(name) && legs.is_none() {
                // Later paths go on with its statistics.
                paths.push(take(&[]));
            }
            if last == Some(name) || legs.is_none() {
                paths.push(DatedChange { change: Change::LeavePath(name.clone()), from: *from });
            }
            last = Some(name);
            paths.extend(legs.as_ref().map(|legs| take(legs)));
        }
        // Of one moment a path is left before another one is taken.
        paths.sort_by_key(|path| path.from);
        self.log.iter().cloned().chain(paths).collect()
    }
}

/// What is known of a name in the windows of a definition, or in those of the only one there was.
pub fn known_of<'a, V>(known: &'a HashMap<InWindows, V>, name: &Symbol, window: &Window) -> Option<&'a V> {
    let only = || known.get(&(name.clone(), CompactString::default()));
    known.get(&(name.clone(), window.name_owned())).or_else(only)
}

/// What a window without trades takes from the latest earlier one with trades.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastClose {
    /// The end of that window.
    pub end: EventTime,
    /// Its close, as prices are scaled.
    pub close: i64,
    /// Whether its ids were counted.
    pub counts_ids: bool,
}

/// A change of what outlives its windows. Small, since it travels beside rows and as they do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastingChange {
    /// A leg's latest final window with trades.
    Carried(InWindows, EventTime, Box<LegState>),
    /// The greatest id of a symbol since its ids began anew; `None` where it is the greatest of all again.
    IdsAnew(Symbol, Option<u64>),
    /// The sums of a symbol's long windows.
    Bases(Symbol, Vec<(WindowName, Base)>),
    /// A cross's statistics.
    Series(InWindows, SeriesMoments),
    /// A symbol's latest final window with trades, from which those without are filled.
    Close(InWindows, LastClose),
    /// A final window is held for crosses that may be added.
    Held(InWindows, EventTime, Box<LegState>),
    /// It is held no longer.
    Released(InWindows, EventTime),
    /// The path of a cross for windows that start then or later; none where there is none.
    Path(Symbol, EventTime, Option<Vec<Leg>>),
    /// The windows of the path that was taken then are final.
    PathGone(Symbol, EventTime),
    /// The trades of a symbol in the step of time that ends then.
    Counts(Symbol, EventTime, CountsOfStep),
    /// They count no longer.
    CountsGone(Symbol, EventTime),
    /// A rate has entered the statistics of the last K, and the one with the number `- K` has left.
    Rate(InWindows, i64, BigInt),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{ControlStreams, job};
    use crate::market::assets::{Pair, Quotes};
    use crate::market::candle::Candle;
    use crate::market::changes::{Change, DatedChange, DefinitionTimeline};
    use crate::market::decimal::{Price, Quantity};
    use crate::market::definition::{Cross, Definition, Emit, Fill, Leg, MissingLeg, Selection, Windows};
    use crate::market::looks::Looks;
    use crate::market::moments::Moments;
    use crate::market::name_keys::{self, name_of};
    use crate::market::row::RowKind;
    use crate::market::sums::PaneItem;
    use crate::market::trade::Trade;
    use crate::market::windows::{Period, WindowDefinition};
    use crate::operators::closings::PartitionReport;
    use differential_dataflow::VecCollection;
    use differential_dataflow::difference::Semigroup;
    use proptest::prelude::*;
    use std::sync::Arc;
    use timely::dataflow::operators::core::ToStream;

    fn at(micros: u64) -> EventTime {
        EventTime::from_micros(micros)
    }

    /// What leaves at each look: rows by their order, and what outlives its windows.
    type Left = (Vec<(EventTime, EventTime, RowKind, Symbol, String)>, Vec<(EventTime, LastingChange)>);

    fn run(
        panes: Vec<PaneItem>,
        definition: &Arc<Definition>,
        resume: Resume,
        changes: Vec<DatedChange>,
    ) -> Left {
        let (definition, resume) = (Arc::clone(definition), Arc::new(resume));
        timely::execute_directly(move |worker| {
            let job = worker.dataflow::<EventTime, _, _>(|scope| {
                let notes = Vec::<PartitionReport>::new().to_stream(scope).container::<Vec<_>>();
                let changes = changes.to_stream(scope).container::<Vec<_>>();
                let control = ControlStreams { changes, ..ControlStreams::none(scope, notes) };
                job(scope, VecCollection::new(panes.to_stream(scope)), control, &definition, &resume)
            });
            worker.step_while(|| !job.probe.done());
            let mut outbox = job.outbox.borrow_mut();
            let rows = outbox.rows.drain(..).map(|row| (row.look, row.end, row.kind, row.name, row.json));
            (rows.collect(), std::mem::take(&mut outbox.lasting))
        })
    }

    /// What the checkpoint of `t` holds of a run that began with `earlier` and has left all that, by what
    /// the crate's documents say of it; and the panes that are handed over again. That run kept sums every
    /// so many steps, and where these are several, of windows of more than 32 steps alone.
    fn point(
        t: EventTime,
        panes: &[PaneItem],
        left: &[(EventTime, LastingChange)],
        definition: &Definition,
        earlier: Resume,
        every: u64,
    ) -> (Resume, Vec<PaneItem>) {
        let looks = Looks::of(definition);
        let windows = &definition.windows;
        let kept_from = looks.kept_from(earlier.at);
        // When the last window is final that has a row because of what was handed over by then.
        let handed_over = panes.iter().filter(|(_, date, _)| *date < t);
        let row_end = |((_, (end, _)), ..): &PaneItem| windows.last_row_end(windows.pane(end.minus(1)));
        let closes = handed_over.map(|pane| row_end(pane).plus(definition.grace)).max();
        let chosen_to = closes.unwrap_or(EventTime::MIN).min(t).max(earlier.chosen_to);
        let mut resume = Resume { at: t, chosen_to, ..earlier };
        let step = windows.base_step().unwrap_or(1);
        let is_by_panes = |window: &Window| every > 1 && !window.is_endless() && window.span() <= 32 * step;
        let needed = |end: EventTime| {
            let mut until = windows.pane_needed_until(end, kept_from);
            if windows.base_step().is_some() && every > 1 {
                until = until.max(at(end.micros().next_multiple_of(step * every)));
            }
            for window in windows.each().iter().filter(|window| is_by_panes(window)) {
                let slot = window.slot(end.minus(1));
                until = slot.map_or(until, |slot| until.max(window.last_end_over(slot.end)));
            }
            until.plus(definition.grace + looks.hindsight()) > t
        };
        let (again, gone): (Vec<_>, Vec<_>) =
            panes.iter().cloned().partition(|((_, (end, _)), ..)| needed(*end));
        for ((symbol, (_, candle)), ..) in gone {
            let greatest = resume.greatest_ids.entry(symbol).or_default();
            *greatest = candle.greatest_id.max(*greatest);
        }
        for (look, lasting) in left {
            match lasting.clone() {
                LastingChange::Carried(leg, end, state) if look.plus(looks.hindsight()) <= t => {
                    resume.carried.insert(leg, (end, *state));
                }
                // That of a symbol which does not trade until then is the same.
                LastingChange::Bases(symbol, bases) => {
                    // No commit has what a look that is repeated must not see.
                    let span = definition.grace + looks.hindsight();
                    assert!(bases.iter().all(|(_, base)| base.until.plus(span) <= *look));
                    let is_kept = |base: &Base| {
                        let moment = at(base.until.micros().next_multiple_of(step * every));
                        moment.plus(span) <= t
                    };
                    let is_long = |name: &str| windows.named(name).is_some_and(|(_, w)| !is_by_panes(w));
                    let bases = bases.into_iter().filter(|(name, base)| is_long(name) && is_kept(base));
                    resume.bases.extend(bases.map(|(window, base)| ((symbol.clone(), window), base)));
                }
                LastingChange::IdsAnew(symbol, id) if look.plus(looks.hindsight()) <= t => {
                    match id {
                        Some(id) => _ = resume.ids_anew.insert(symbol, id),
                        None => _ = resume.ids_anew.remove(&symbol),
                    };
                }
                LastingChange::Series(cross, series) if *look <= t => {
                    resume.series.insert(cross, series);
                }
                LastingChange::Close(symbol, close) if *look <= t => {
                    resume.closes.insert(symbol, close);
                }
                LastingChange::Held(of, end, leg) if *look <= t => {
                    resume.held.entry(of).or_default().insert(end, *leg);
                }
                LastingChange::Released(of, end) if *look <= t => {
                    resume.held.get_mut(&of).map(|held| held.remove(&end));
                }
                LastingChange::Counts(symbol, step, counts) if *look <= chosen_to => {
                    resume.counts.entry(symbol).or_default().insert(step, counts);
                }
                LastingChange::CountsGone(symbol, step) if *look <= chosen_to => {
                    resume.counts.get_mut(&symbol).map(|steps| steps.remove(&step));
                }
                LastingChange::Path(name, from, legs) if *look <= chosen_to => {
                    resume.paths.insert((name, from), legs);
                }
                LastingChange::PathGone(name, from) if *look <= chosen_to => {
                    _ = resume.paths.remove(&(name, from));
                }
                _ => {}
            }
        }
        (resume, again)
    }

    /// Trades of two legs as panes: which leg, how long after a moment 12 us before the watermark it is
    /// dated, how far the watermark has gone before it came, and whether its id is one of those that begin
    /// anew.
    fn panes(trades: &[(bool, u64, u64, usize)], definition: &Definition) -> Vec<PaneItem> {
        let looks = Looks::of(definition);
        let mut panes: BTreeMap<(Symbol, EventTime, EventTime), (Candle, Moments)> = BTreeMap::new();
        let mut w = 1_000;
        for (id, (first_leg, time, step, ids)) in (1..).zip(trades) {
            let id = id + [0, 0, 0, 0, 0, 3_000, 3_000, 9_000, 100][*ids];
            w += step;
            let time = at(w + time - 12);
            let end = looks.pane(time).end;
            if looks.final_at(end) <= at(w) {
                continue;
            }
            let (price, quantity) =
                (Price::from_scaled(7 * id as i64).unwrap(), Quantity::from_scaled(3).unwrap());
            let trade = Trade::new(id, price, quantity, time);
            let mut moments = Moments::default();
            moments.add_trade(&trade, id.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let candle = Candle::of(&trade);
            let date = looks.first_look(end, at(w)).minus(1);
            panes
                .entry((Symbol::new(if *first_leg { "A" } else { "B" }), end, date))
                .and_modify(|(c, m)| {
                    c.merge(&candle);
                    m.plus_equals(&moments);
                })
                .or_insert((candle, moments));
        }
        panes.into_iter().map(|((symbol, end, date), (c, m))| ((symbol, (end, c)), date, m)).collect()
    }

    fn definition() -> impl Strategy<Value = WindowDefinition> {
        let period = prop_oneof![
            Just(Period::All),
            (20u64..300).prop_map(Period::Length),
            Just(Period::Length(60)),
            (950u64..1_200).prop_map(|moment| Period::From(at(moment))),
        ];
        let sliding = |(slide, count)| WindowDefinition::Sliding { size: slide * count, slide };
        prop_oneof![
            (1u64..6, 1u64..4).prop_map(sliding),
            (1u64..6, 50u64..90).prop_map(move |(slide, count)| sliding((slide * count, 1))),
            // Those that are kept with windows that grow from where they begin.
            Just(sliding((60, 1))),
            (period, 1u64..20).prop_map(|(period, step)| WindowDefinition::Anchored(period, step)),
        ]
    }

    /// A rate of every asset in one currency: of one by B, of another one by A and B.
    fn quotes((path_every, lookback): (u64, u64)) -> Quotes {
        let [x, y, z] = ["X", "Y", "Z"].map(Symbol::new);
        let pair = |name: &str, base: &Symbol, quote: &Symbol| {
            (Symbol::new(name), Pair { base: base.clone(), quote: quote.clone() })
        };
        Quotes {
            currencies: vec![z.clone()],
            path_every,
            path_lookback: path_every * lookback,
            quote_assets: Vec::new(),
            pairs: [pair("A", &x, &y), pair("B", &z, &y)].into(),
        }
    }

    /// Changes that are so many microseconds apart: symbols come and go, and so do two crosses.
    fn log(wishes: &[(usize, u64, bool)], definition: &Definition) -> Vec<DatedChange> {
        let cross = |name: &str, legs: [(&str, bool); 2]| {
            let leg = |(symbol, inverse)| Leg { symbol: Symbol::new(symbol), inverse };
            Change::AddCross(Cross { name: Symbol::new(name), legs: legs.map(leg).into() })
        };
        let (mut changing, mut log, mut time) = (DefinitionTimeline::of(definition), Vec::new(), 1_000);
        for (wish, after, _) in wishes {
            time += after;
            let from = definition.windows.pane(at(time)).end;
            let [x, y, b] = ["X", "Y", "B"].map(Symbol::new);
            let changes = match wish {
                0 => vec![cross("Y", [("B", false), ("A", false)])],
                1 => vec![Change::DropCross(y), cross("Y", [("A", true), ("B", false)])],
                2 => vec![Change::DropCross(y)],
                3 => vec![cross("X", [("A", false), ("B", false)])],
                4 => vec![Change::DropCross(x), Change::DropCross(y), Change::DropSymbol(b)],
                _ => vec![Change::AddSymbol(b)],
            };
            for change in changes {
                let is_leg = |leg: &Leg| changing.wanted().is_some_and(|wanted| wanted.contains(&leg.symbol));
                if matches!(&change, Change::AddCross(cross) if !cross.legs.iter().all(is_leg)) {
                    continue;
                }
                let change = DatedChange { change, from };
                if changing.apply(&change).is_some() {
                    log.push(change);
                }
            }
        }
        log
    }

    /// The trades that count, each as one of the symbol as it is then.
    fn living(panes: Vec<PaneItem>, log: &[DatedChange], definition: &Definition) -> Vec<PaneItem> {
        let changing = DefinitionTimeline::of(definition).after(log);
        let keys = |name: &Symbol| (0..9).map(|n| name_keys::key(name, n)).collect::<Vec<_>>();
        let living = |((symbol, (end, candle)), date, moments): PaneItem| {
            let lives = |key: &Symbol| {
                let life = changing.life_of(key);
                (key == &symbol || changing.knows(key)) && life.since < end && end <= life.until
            };
            let key = keys(&symbol).into_iter().find(lives)?;
            Some(((key, (end, candle)), date, moments))
        };
        panes.into_iter().filter_map(living).collect()
    }

    /// The final rows of windows which nothing before a change touches are those of a job that was born so.
    fn as_if_born(
        rows: &[(EventTime, EventTime, RowKind, Symbol, String)],
        panes: &[PaneItem],
        log: &[DatedChange],
        definition: &Arc<Definition>,
    ) -> Result<(), TestCaseError> {
        let changing = DefinitionTimeline::of(definition).after(log);
        let all = changing.crosses().iter().map(|living| Cross {
            name: living.key.clone(),
            legs: (living.legs.iter().zip(&living.cross.legs))
                .map(|(key, leg)| Leg { symbol: key.clone(), inverse: leg.inverse })
                .collect(),
        });
        let born = Definition {
            crosses: all.collect(),
            symbols: Selection::All,
            quotes: None,
            ..(**definition).clone()
        };
        let (born, _) = run(panes.to_vec(), &Arc::new(born), Resume::default(), Vec::new());
        let value = |json: &str, field: &str| {
            let row: serde_json::Value = serde_json::from_str(json).expect("a row");
            row[field].clone()
        };
        let shown = |(_, end, kind, name, json): &(EventTime, EventTime, RowKind, Symbol, String)| {
            let is_path = name.as_str().contains('-');
            let is_cross = *kind == RowKind::Cross && value(json, "final") == true && !is_path;
            let fields = ["window", "start_ms", "vwap", "close", "status", "trades", "digest"];
            is_cross.then(|| (*end, name_of(name), fields.map(|field| value(json, field).to_string())))
        };
        let windows = &definition.windows;
        let lives = |(look, end, kind, key, json): &&(EventTime, EventTime, RowKind, Symbol, String)| {
            let named = value(json, "window");
            let (_, window) = windows.named(named.as_str().expect("a window")).expect("a definition");
            let living = changing.crosses().iter().find(|living| living.key == *key);
            *kind == RowKind::Cross
                && living.is_some_and(|living| living.life.gives(window, *end, (*look).max(living.life.from)))
        };
        let mut expected: Vec<_> = born.iter().filter(lives).filter_map(shown).collect();
        let mut given: Vec<_> = rows.iter().filter_map(shown).collect();
        expected.sort();
        given.sort();
        prop_assert_eq!(given, expected, "{:?}", log);
        Ok(())
    }

    /// A job with its changes and its trades.
    #[derive(Debug, Clone)]
    struct Case {
        definitions: Vec<WindowDefinition>,
        grace: u64,
        tick: u64,
        /// Changes, and provisional rows.
        emit: (bool, bool),
        missing: usize,
        max_carry: u64,
        fill: (usize, u64),
        back_fill: u64,
        /// Those of [`quotes`].
        steps: Option<(u64, u64)>,
        /// Those of [`log`], and whether a checkpoint knows of one before it is due.
        wishes: Vec<(usize, u64, bool)>,
        /// Those of [`panes`].
        trades: Vec<(bool, u64, u64, usize)>,
    }

    fn case() -> impl Strategy<Value = Case> {
        let job = (prop::collection::vec(definition(), 1..4), 0u64..12, 1u64..40, any::<(bool, bool)>());
        let missing = (0usize..3, 1u64..20, (0usize..3, 0u64..60));
        let changes = (
            prop_oneof![Just(0), 1u64..200],
            prop::option::of((1u64..60, 1u64..4)),
            prop::collection::vec((0usize..6, 0u64..400, any::<bool>()), 0..6),
        );
        let trades = prop::collection::vec((any::<bool>(), 0u64..60, 0u64..40, 0usize..9), 1..40);
        (job, missing, changes, trades).prop_map(|(job, missing, changes, trades)| {
            let (mut definitions, grace, tick, emit) = job;
            let mut known = std::collections::HashSet::new();
            definitions.retain(|definition| known.insert(definition.clone()));
            let ((missing, max_carry, fill), (back_fill, steps, wishes)) = (missing, changes);
            Case {
                definitions,
                grace,
                tick,
                emit,
                missing,
                max_carry,
                fill,
                back_fill,
                steps,
                wishes,
                trades,
            }
        })
    }

    impl Case {
        fn definition(&self) -> Definition {
            let windows = Windows::new(self.definitions.clone());
            Definition {
                windows: match self.steps.map(quotes) {
                    Some(quotes) => quotes.panes_of(windows),
                    None => windows,
                },
                grace: self.grace,
                emit: if self.emit.0 { Emit::Changes } else { Emit::Final },
                provisional: self.emit.1,
                tick: self.tick,
                missing_leg: [MissingLeg::Null, MissingLeg::Withhold, MissingLeg::Carry][self.missing],
                max_carry: Some(self.max_carry),
                fill: [Fill::None, Fill::Null, Fill::Previous][self.fill.0],
                max_fill: Some(self.fill.1),
                back_fill: self.back_fill,
                quotes: self.steps.map(quotes),
                symbols: Selection::Only(["A", "B"].map(Symbol::new).into()),
                ..crate::job::tests::definition()
            }
        }

        /// Takes the job up at these microseconds after the first look that may be, of so many.
        fn check(&self, places: impl FnOnce(usize) -> Vec<usize>) -> Result<(), TestCaseError> {
            let definition = Arc::new(self.definition());
            let log = log(&self.wishes, &definition);
            let panes = living(panes(&self.trades, &definition), &log, &definition);
            let (rows, lasting) = run(panes.clone(), &definition, Resume::default(), log.clone());
            as_if_born(&rows, &panes, &log, &definition)?;
            let Some(last) = rows.last().map(|row| row.0.micros()) else { return Ok(()) };
            for place in places(last as usize - 999) {
                let t = at(1_000 + place as u64);
                let (mut resume, again) = point(t, &panes, &lasting, &definition, Resume::default(), 1);
                // A change is in the checkpoint by the firing that it dates from, perhaps long before.
                let mut at = log.iter().zip(&self.wishes);
                let known = at.position(|(change, (.., early))| change.from > t && !early);
                let known = known.unwrap_or(log.len());
                resume.log = log[..known].to_vec();
                let (rest, _) = run(again, &definition, resume, log[known..].to_vec());
                let expected: Vec<_> = rows.iter().filter(|row| row.0 > t).cloned().collect();
                prop_assert_eq!(rest, expected, "taken up at {:?}", t);
            }
            Ok(())
        }
    }

    /// So many trades of `B`, each this long after the one before it.
    fn of_b(steps: &[u64]) -> impl Iterator<Item = (bool, u64, u64, usize)> {
        steps.iter().map(|step| (false, 0, *step, 0))
    }

    /// A path that is chosen once more, since nothing had closed after its first choice, has what its legs'
    /// windows have grown from.
    #[test]
    fn a_path_that_is_chosen_again_has_what_its_legs_had() {
        let mut trades: Vec<_> = of_b(&[1, 6]).collect();
        trades.extend([(false, 10, 15, 0), (true, 8, 32, 0), (false, 17, 21, 0)]);
        trades.extend(of_b(&[0, 0, 0, 0, 17, 29, 31, 38, 15, 36, 28, 39, 25, 13, 27, 19, 21, 25, 34]));
        trades.push((false, 53, 5, 0));
        let definitions =
            vec![WindowDefinition::Anchored(Period::All, 7), WindowDefinition::Sliding { size: 3, slide: 3 }];
        let case = Case {
            definitions,
            grace: 2,
            tick: 1,
            emit: (false, false),
            missing: 0,
            max_carry: 1,
            fill: (0, 0),
            back_fill: 0,
            steps: Some((22, 3)),
            wishes: vec![(0, 0, false)],
            trades,
        };
        case.check(|last| (0..last).collect()).expect("the same rows");
    }

    /// A window that is open when a leg is dropped is shown without that leg from then on, by a run that goes
    /// on and by one that is taken up.
    #[test]
    fn a_leg_that_is_dropped_leaves_the_windows_that_are_open() {
        let mut trades: Vec<_> = of_b(&[32, 3, 28, 4, 37, 26, 38, 10, 4]).collect();
        trades.extend([(false, 25, 9, 0), (true, 8, 31, 0)]);
        trades.extend(of_b(&[21, 8, 26, 33]));
        trades.extend([(false, 53, 13, 0), (false, 0, 22, 0), (false, 12, 27, 0), (false, 0, 25, 0)]);
        trades.push((true, 8, 29, 0));
        trades.extend(of_b(&[27, 3, 34, 36, 8, 20, 13, 4, 4, 7, 0]));
        let definitions = vec![
            WindowDefinition::Anchored(Period::All, 2),
            WindowDefinition::Sliding { size: 124, slide: 124 },
        ];
        let case = Case {
            definitions,
            grace: 3,
            tick: 1,
            emit: (false, true),
            missing: 0,
            max_carry: 1,
            fill: (0, 0),
            back_fill: 0,
            steps: Some((14, 2)),
            wishes: vec![(4, 370, false)],
            trades,
        };
        case.check(|last| (0..last).collect()).expect("the same rows");
    }

    /// A job without changes of its definition.
    fn changing(windows: Vec<WindowDefinition>, grace: u64, tick: u64, emit: (bool, bool)) -> Definition {
        Definition {
            windows: Windows::new(windows),
            grace,
            emit: if emit.0 { Emit::Changes } else { Emit::Final },
            provisional: emit.1,
            tick,
            ..crate::job::tests::definition()
        }
    }

    /// Takes a job up at two moments after the first look that may be, of so many. The first run kept sums
    /// every so many steps.
    fn taken_up_twice(
        definition: &Arc<Definition>,
        every: u64,
        trades: &[(bool, u64, u64, usize)],
        places: impl FnOnce(usize) -> Vec<(usize, usize)>,
    ) -> Result<(), TestCaseError> {
        let panes = panes(trades, definition);
        let (rows, lasting) = run(panes.clone(), definition, Resume::default(), Vec::new());
        let Some(last) = rows.last().map(|row| row.0.micros()) else { return Ok(()) };
        for (first, second) in places(last as usize - 999) {
            let [t, later] = [first, second].map(|place| at(1_000 + place as u64));
            let (resume, again) = point(t, &panes, &lasting, definition, Resume::default(), every);
            let (rest, lasting) = run(again.clone(), definition, resume.clone(), Vec::new());
            let expected: Vec<_> = rows.iter().filter(|row| row.0 > t).cloned().collect();
            prop_assert_eq!(rest, expected, "taken up at {:?}", t);
            let (resume, again) = point(later, &again, &lasting, definition, resume, 1);
            let (rest, _) = run(again, definition, resume, Vec::new());
            let expected: Vec<_> = rows.iter().filter(|row| row.0 > later).cloned().collect();
            prop_assert_eq!(rest, expected, "taken up at {:?}, and at {:?}", t, later);
        }
        Ok(())
    }

    /// A leg whose trades a checkpoint holds by value alone has been told of when a cross closes next.
    #[test]
    fn a_leg_that_is_known_by_value_is_there_when_its_cross_closes() {
        let mut trades: Vec<_> = of_b(&[3, 2, 26, 21, 17, 9, 39, 37, 15]).collect();
        trades.push((true, 0, 22, 0));
        trades.extend([(false, 0, 10, 0), (false, 30, 5, 0), (false, 28, 11, 0), (false, 0, 4, 0)]);
        trades.push((true, 2, 14, 0));
        trades.extend(of_b(&[35, 38, 18, 27, 27, 9]));
        trades.push((false, 46, 26, 0));
        let windows = [1, 9].map(|step| WindowDefinition::Anchored(Period::All, step));
        let definition = Arc::new(changing(windows.to_vec(), 10, 22, (true, false)));
        let places = |last| (170..last).map(|second| (170, second)).collect();
        taken_up_twice(&definition, 1, &trades, places).expect("the same rows");
    }

    proptest! {
        // Several runs each; PROPTEST_CASES asks for more of them.
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 3))]

        /// Taken up at any look, a run gives the rows that the undisturbed one gave after it, and none else.
        #[test]
        fn from_any_point_the_rest_gives_the_rest(
            case in case(), places in prop::collection::vec(any::<prop::sample::Index>(), 3),
        ) {
            case.check(|last| places.iter().map(|place| place.index(last)).collect())?;
        }

        /// A program that keeps sums more often goes on from one that did so more rarely, and from that
        /// again.
        #[test]
        fn from_a_run_that_kept_sums_at_other_moments(
            definitions in prop::collection::vec(definition(), 1..4),
            (grace, tick, every) in (0u64..12, 1u64..40, 1u64..5),
            emit: (bool, bool),
            trades in prop::collection::vec((any::<bool>(), 0u64..60, 0u64..40, 0usize..5), 1..40),
            places in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 3),
        ) {
            let mut known = std::collections::HashSet::new();
            let definitions = definitions.into_iter().filter(|definition| known.insert(definition.clone()));
            let definition = changing(definitions.collect(), grace, tick, emit);
            taken_up_twice(&Arc::new(definition), every, &trades, |last| {
                let places = places.iter();
                places.map(|(first, second)| {
                    let first = first.index(last);
                    (first, first + second.index(last - first))
                }).collect()
            })?;
        }
    }
}
