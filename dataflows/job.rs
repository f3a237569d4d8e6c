//! The whole job as one dataflow, the same on every worker: panes and notes go in, rows come out in their
//! order.

use crate::asset_paths::asset_paths;
use crate::basis::basis;
use crate::cross_rates::{cross_legs, cross_rates};
use crate::fills::fills;
use crate::held_windows::held_windows;
use crate::market::changes::DatedChange;
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::resume::Resume;
use crate::market::schema::RowKind;
use crate::operators::closings::{Outbox, PartitionReport, closings};
use crate::operators::emission::Emission;
use crate::series_stats::series_stats;
use crate::symbol_windows::{PaneCollection, symbol_windows};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::operators::core::{Concat, Map, ToStream};
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::vec::{Broadcast, Filter};
use timely::dataflow::{Scope, StreamVec};

/// The output of a job's dataflow on this worker. Only the first worker's outbox ever holds anything.
#[derive(Debug)]
pub struct Job {
    /// Rows, refused records and progress.
    pub outbox: Rc<RefCell<Outbox>>,
    /// How far the rows are.
    pub probe: Handle<EventTime>,
}

/// The input of a job besides panes.
pub struct ControlStreams<'scope> {
    /// The event time from which on all trades of a window have been seen; the greatest one holds.
    pub withhold_before: StreamVec<'scope, EventTime, EventTime>,
    /// News of partitions.
    pub notes: StreamVec<'scope, EventTime, PartitionReport>,
    /// Changes of the definition, in order, each told by the first worker before what it dates from is
    /// passed.
    pub changes: StreamVec<'scope, EventTime, DatedChange>,
}

impl std::fmt::Debug for ControlStreams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlStreams").finish_non_exhaustive()
    }
}

impl<'scope> ControlStreams<'scope> {
    /// Where nothing is withheld and nothing changes.
    pub fn none(
        scope: Scope<'scope, EventTime>,
        notes: StreamVec<'scope, EventTime, PartitionReport>,
    ) -> Self {
        ControlStreams {
            withhold_before: Vec::<EventTime>::new().to_stream(scope).container::<Vec<_>>(),
            notes,
            changes: Vec::<DatedChange>::new().to_stream(scope).container::<Vec<_>>(),
        }
    }
}

/// Builds the job: windows of symbols, crosses of windows, statistics of crosses, and the dataflows over
/// final rows.
pub fn job<'scope>(
    scope: Scope<'scope, EventTime>,
    panes: PaneCollection<'scope>,
    ControlStreams { withhold_before, notes, changes }: ControlStreams<'scope>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> Job {
    let known = withhold_before.broadcast();
    let (changes, paths) = match &definition.quotes {
        Some(_) => {
            let (chosen, lasting) = asset_paths(panes.clone(), changes.clone(), definition, resume);
            (changes.concat(chosen), Some(lasting))
        }
        None => (changes, None),
    };
    let legs = cross_legs(scope, changes.clone(), definition, resume);
    let changes = changes.broadcast();
    let control = (known.clone(), changes.clone());
    let (symbol_rows, leg_windows) = symbol_windows(panes, control, definition, resume);
    let fillable = definition.wants_fills().then(|| symbol_rows.clone());
    let (leg_windows, held) = match definition.holds_windows() {
        true => {
            let (held, lasting) = held_windows(leg_windows, definition, resume);
            (held, Some(lasting))
        }
        false => (leg_windows, None),
    };
    let (cross_rows, rates) = cross_rates(leg_windows, legs, (known, changes.clone()), definition, resume);
    let stats_rows = series_stats(rates, changes.clone(), definition, resume);
    let stats_rows = held.into_iter().chain(paths).fold(stats_rows, |rows, lasting| rows.concat(lasting));
    let rows = symbol_rows.concat(cross_rows.map(Emission::Row));
    let rows = if definition.wants_basis() { rows.clone().concat(basis(rows, definition)) } else { rows };
    let rows = leaving(rows, definition).concat(stats_rows);
    let rows = match fillable {
        Some(symbol_rows) => rows.concat(fills(symbol_rows, notes.clone(), changes, definition, resume)),
        None => rows,
    };
    let (outbox, probe) = closings(rows, notes, definition, resume);
    Job { outbox, probe }
}

/// Without the rows that are made for the sake of others only.
fn leaving<'scope>(
    rows: StreamVec<'scope, EventTime, Emission>,
    definition: &Arc<Definition>,
) -> StreamVec<'scope, EventTime, Emission> {
    if RowKind::ALL.into_iter().all(|kind| definition.rows.has(kind) || !definition.makes(kind)) {
        return rows;
    }
    let leave = definition.rows;
    rows.filter(move |emission| !matches!(emission, Emission::Row(row) if !leave.has(row.kind)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::market::candle::Candle;
    use crate::market::decimal::{Price, Quantity};
    use crate::market::definition::{Cross, Emit, Leg, MissingLeg, Selection, Windows};
    use crate::market::moments::Moments;
    use crate::market::sums::PaneItem;
    use crate::market::trade::{Symbol, Trade};
    use crate::market::work::steps_of;
    use differential_dataflow::VecCollection;
    use timely::dataflow::operators::core::UnorderedInput;

    fn at(micros: u64) -> EventTime {
        EventTime::from_micros(micros)
    }

    /// One cross of two legs.
    pub(crate) fn definition() -> Definition {
        let leg = |name: &str| Leg { symbol: Symbol::new(name), inverse: false };
        Definition {
            crosses: vec![Cross { name: Symbol::new("X"), legs: vec![leg("A"), leg("B")] }],
            symbols: Selection::All,
            windows: Windows::sliding(100, 100),
            delay: 0,
            grace: 0,
            emit: Emit::Final,
            provisional: true,
            tick: 10,
            max_carry: Some(0),
            ..Definition::default()
        }
    }

    /// The rows of trades, each of a symbol in a pane that ends then and with a date, where it is known at
    /// 150 that windows which begin before `withheld` were not seen whole: of which kind, whether they are
    /// final, and what they say.
    fn rows(
        definition: Definition,
        trades: &'static [(&str, u64, u64)],
        withheld: u64,
    ) -> Vec<(RowKind, bool, String)> {
        timely::execute_directly(move |worker| {
            let (definition, resume) = (Arc::new(definition), Arc::new(Resume::default()));
            let (mut panes, mut control, job) = worker.dataflow::<EventTime, _, _>(|scope| {
                let (panes, pane_stream) = scope.new_unordered_input();
                let (control, control_stream) = scope
                    .new_unordered_input::<timely::container::CapacityContainerBuilder<Vec<EventTime>>>();
                let notes = Vec::<PartitionReport>::new().to_stream(scope).container::<Vec<_>>();
                let stream =
                    ControlStreams { withhold_before: control_stream, ..ControlStreams::none(scope, notes) };
                (panes, control, job(scope, VecCollection::new(pane_stream), stream, &definition, &resume))
            });
            // Trades before that are seen before it is known.
            let (before, after) = trades.split_at(trades.partition_point(|(.., date)| *date <= 150));
            for trade in before.iter().map(Some).chain([None]).chain(after.iter().map(Some)) {
                let Some(&(symbol, pane, date)) = trade else {
                    panes.1.downgrade(&at(150));
                    control.1.downgrade(&at(150));
                    (0..100).for_each(|_| _ = worker.step());
                    control.0.activate().session(&control.1).give(at(withheld));
                    continue;
                };
                let (price, quantity) = (Price::from_scaled(2).unwrap(), Quantity::from_scaled(1).unwrap());
                let trade = Trade::new(1, price, quantity, at(date));
                let mut moments = Moments::default();
                moments.add_trade(&trade, 7);
                let item = ((Symbol::new(symbol), (at(pane), Candle::of(&trade))), at(date), moments);
                panes.0.activate().session(&panes.1).give_container(&mut vec![item]);
                panes.1.downgrade(&at(date + 1));
            }
            drop((panes, control));
            worker.step_while(|| !job.probe.done());
            let outbox = job.outbox.borrow();
            outbox.rows.iter().map(|row| (row.kind, row.is_final(), row.json.clone())).collect()
        })
    }

    #[test]
    fn a_cross_is_withheld_with_its_legs_also_where_it_was_shown_before_that_was_known() {
        const TRADES: [(&str, u64, u64); 2] = [("A", 200, 110), ("B", 200, 120)];
        let has = |rows: &[(RowKind, bool, String)], kind, last| {
            rows.iter().any(|row| (row.0, row.1) == (kind, last))
        };
        let whole = rows(definition(), &TRADES, 0);
        assert!(has(&whole, RowKind::Cross, false), "{whole:?}");
        assert!(has(&whole, RowKind::Cross, true) && has(&whole, RowKind::Stats, true), "{whole:?}");
        let withheld = rows(definition(), &TRADES, 150);
        assert!(has(&withheld, RowKind::Cross, false), "{withheld:?}");
        assert!(withheld.iter().all(|(_, last, _)| !last), "{withheld:?}");
    }

    #[test]
    fn a_window_that_is_withheld_stands_in_for_no_later_one() {
        for provisional in [true, false] {
            let definition = Definition {
                missing_leg: MissingLeg::Carry,
                max_carry: Some(1_000),
                provisional,
                ..definition()
            };
            let rows = rows(definition, &[("B", 200, 110), ("A", 400, 320)], 150);
            let last: Vec<_> = rows.iter().filter(|row| row.0 == RowKind::Cross && row.1).collect();
            assert!(last.len() == 1 && last[0].2.contains("\"status\":\"leg_missing\""), "{rows:?}");
        }
    }

    const EVERY: u64 = 100;

    /// A trade of a symbol in the pane that ends then, known just before that moment or at that date. Its
    /// price is its id.
    fn item(symbol: &str, pane: u64, id: u64, date: Option<u64>) -> PaneItem {
        let (price, quantity) = (Price::from_scaled(id as i64).unwrap(), Quantity::from_scaled(1).unwrap());
        let trade = Trade::new(id, price, quantity, at(pane - 1));
        let mut moments = Moments::default();
        moments.add_trade(&trade, id);
        ((Symbol::new(symbol), (at(pane), Candle::of(&trade))), at(date.unwrap_or(pane - 1)), moments)
    }

    /// The steps of work that a job takes for such trades, and its rows.
    fn cost(definition: Definition, items: Vec<PaneItem>) -> (u64, Vec<String>) {
        let (definition, resume) = (Arc::new(definition), Arc::new(Resume::default()));
        let mut rows = Vec::new();
        let steps = steps_of(|| {
            rows = timely::execute_directly(move |worker| {
                let job = worker.dataflow::<EventTime, _, _>(|scope| {
                    let notes = Vec::<PartitionReport>::new().to_stream(scope).container::<Vec<_>>();
                    let control = ControlStreams::none(scope, notes);
                    job(scope, VecCollection::new(items.to_stream(scope)), control, &definition, &resume)
                });
                worker.step_while(|| !job.probe.done());
                job.outbox.borrow().rows.iter().map(|row| row.json.clone()).collect()
            });
        });
        (steps, rows)
    }

    /// Ten times as much of one thing costs ten times the steps at most, and a step has its row.
    fn is_linear(what: &str, case: impl Fn(u64) -> (Definition, Vec<PaneItem>)) {
        let [few, many] = [100, 1_000].map(|n| {
            let (definition, items) = case(n);
            let trades = items.len() as u64;
            let (steps, rows) = cost(definition, items);
            let rows = rows.len();
            assert!(rows as u64 >= n, "{what}: {rows} rows of {n}");
            assert!(
                steps <= 20 * (trades + rows as u64),
                "{what}: {steps} steps for {trades} trades, {rows} rows"
            );
            steps
        });
        assert!(many <= 11 * few, "{what}: {few} steps, of ten times as much {many}");
    }

    #[test]
    fn ten_times_as_much_costs_ten_times_the_steps() {
        let last = |definition| Definition { provisional: false, ..definition };
        let in_each = |n: u64, symbol: &'static str| {
            (1..=n).map(move |k| item(symbol, 1_000_000 + k * EVERY, n + k, None)).collect::<Vec<_>>()
        };
        is_linear("windows", |n| (last(definition()), [in_each(n, "A"), in_each(n, "B")].concat()));
        // All windows are open until the end, while the first one is corrected at every tick. With ids above
        // all others each correction changes how many ids are missing before all later windows, and in one of
        // them.
        for (what, first_id) in [("open windows", 0), ("open windows, ids from behind", 1_000_000)] {
            is_linear(what, |n| {
                let corrections = (1..=n).map(|k| {
                    let date = 1_000_000 + k * EVERY + EVERY / 2 - 1;
                    item("A", 1_000_000 + EVERY, first_id + k, Some(date))
                });
                let definition = Definition {
                    emit: Emit::Changes,
                    grace: 2 * n * EVERY,
                    tick: EVERY / 2,
                    ..last(definition())
                };
                (definition, in_each(n, "A").into_iter().chain(corrections).collect())
            });
        }
        is_linear("windows in a carried leg's reach", |n| {
            let carried = Definition {
                missing_leg: MissingLeg::Carry,
                max_carry: Some(10 * n * EVERY),
                ..last(definition())
            };
            (carried, [in_each(n, "A"), vec![item("B", 1_000_000, 1, None)]].concat())
        });
        is_linear("symbols, each in a window of its own, all open", |n| {
            let items = (1..=n).map(|k| item(&format!("S{k}"), 1_000_000 + k * EVERY, k, None));
            let definition = Definition { emit: Emit::Changes, grace: 2 * n * EVERY, ..last(definition()) };
            (definition, items.collect())
        });
        is_linear("crosses, each in a window of its own", |n| {
            let leg = |name: String| Leg { symbol: Symbol::new(&name), inverse: false };
            let cross = |k: u64| Cross {
                name: Symbol::new(&format!("X{k}")),
                legs: vec![leg(format!("A{k}")), leg(format!("B{k}"))],
            };
            let traded =
                |k: u64| ["A", "B"].map(|leg| item(&format!("{leg}{k}"), 1_000_000 + k * EVERY, k, None));
            let crosses = (1..=n).map(cross).collect();
            (Definition { crosses, ..last(definition()) }, (1..=n).flat_map(traded).collect())
        });
    }

    #[test]
    fn an_open_window_takes_a_leg_of_the_window_that_ends_at_the_very_tick() {
        let definition =
            Definition { missing_leg: MissingLeg::Carry, max_carry: Some(1_000), grace: 50, ..definition() };
        let items =
            vec![item("A", 300, 1, Some(150)), item("B", 200, 2, Some(150)), item("B", 200, 4, Some(199))];
        let (_, rows) = cost(definition, items);
        let open =
            rows.iter().rfind(|row| row.contains("\"kind\":\"cross\"") && row.contains("\"closed\":false"));
        // The mean of both trades of B.
        assert!(open.is_some_and(|row| row.contains("\"vwap\":\"0.000000030000000000\"")), "{rows:#?}");
    }

    #[test]
    fn windows_that_a_leg_may_stand_in_for_cost_nothing_while_nobody_trades() {
        let of_reach = |windows: u64| {
            let carried = Definition {
                missing_leg: MissingLeg::Carry,
                max_carry: Some(windows * EVERY),
                emit: Emit::Changes,
                grace: 1_000,
                ..definition()
            };
            let items = vec![item("A", 1_000_000, 1, None), item("B", 1_000_000 + 50 * EVERY, 1, None)];
            cost(carried, items)
        };
        assert_eq!(of_reach(100), of_reach(1_000_000));
    }
}
