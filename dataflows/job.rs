//! The whole job as one dataflow, the same on every worker: panes and notes go in, rows come out in their order.

use crate::cross_rates::{CrossLegs, cross_rates, legs_of};
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::resume::Resume;
use crate::operators::closings::{Note, Outbox, closings};
use crate::series_stats::series_stats;
use crate::symbol_windows::{Emission, PaneCollection, symbol_windows};
use differential_dataflow::VecCollection;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::operators::core::{Concat, Map, ToStream};
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::{Scope, StreamVec};

/// What leaves a job's dataflow on this worker. Only the first worker's outbox ever holds anything.
#[derive(Debug)]
pub struct Job {
    /// Rows, refused records and progress.
    pub outbox: Rc<RefCell<Outbox>>,
    /// How far the rows are.
    pub probe: Handle<EventTime>,
}

/// Builds the job: windows of symbols, crosses of windows, statistics of crosses.
pub fn job<'scope>(
    scope: Scope<'scope, EventTime>,
    panes: PaneCollection<'scope>,
    withhold_before: StreamVec<'scope, EventTime, EventTime>,
    notes: StreamVec<'scope, EventTime, Note>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> Job {
    let (symbol_rows, leg_windows) = symbol_windows(panes, withhold_before.broadcast(), definition, resume);
    let legs = crosses(scope, definition);
    let (cross_rows, rates) = cross_rates(leg_windows, legs, definition, resume);
    let stats_rows = series_stats(rates, definition, resume);
    let rows = symbol_rows.concat(cross_rows.map(Emission::Row)).concat(stats_rows);
    let (outbox, probe) = closings(rows, notes, definition.grace, resume);
    Job { outbox, probe }
}

/// The crosses as a collection; today it comes from the definition and does not change.
fn crosses<'scope>(scope: Scope<'scope, EventTime>, definition: &Arc<Definition>) -> CrossLegs<'scope> {
    let mine = if scope.index() == 0 { legs_of(definition) } else { Vec::new() };
    let updates = mine.into_iter().map(|leg| (leg, EventTime::MIN, 1isize));
    VecCollection::new(updates.to_stream(scope))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::market::candle::Candle;
    use crate::market::decimal::{Price, Quantity};
    use crate::market::definition::{Cross, Emit, Leg, MissingLeg, RowKinds, Selection, Windows};
    use crate::market::moments::Moments;
    use crate::market::row::RowKind;
    use crate::market::trade::{Symbol, Trade};
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
            windows: Windows { size: 100, slide: 100 },
            delay: 0,
            grace: 0,
            emit: Emit::Final,
            provisional: true,
            tick: 10,
            rows: RowKinds { symbol: true, cross: true, stats: true },
            missing_leg: MissingLeg::Null,
            max_carry: 0,
            stats_last: None,
            dedup: true,
            max_ahead: 0,
        }
    }

    /// The rows of a window from 100 to 200 in which both legs trade, of which it is known at 150 that those that begin
    /// before `withheld` were not seen whole: of which kind, and whether they are final.
    fn rows(withheld: u64) -> Vec<(RowKind, bool)> {
        timely::execute_directly(move |worker| {
            let (definition, resume) = (Arc::new(definition()), Arc::new(Resume::default()));
            let (mut panes, mut told, job) = worker.dataflow::<EventTime, _, _>(|scope| {
                let (panes, pane_stream) = scope.new_unordered_input();
                let (told, told_stream) = scope
                    .new_unordered_input::<timely::container::CapacityContainerBuilder<Vec<EventTime>>>();
                let notes = Vec::<Note>::new().to_stream(scope).container::<Vec<_>>();
                (
                    panes,
                    told,
                    job(scope, VecCollection::new(pane_stream), told_stream, notes, &definition, &resume),
                )
            });
            for (symbol, date) in [("A", 110), ("B", 120)] {
                let (price, quantity) = (Price::from_scaled(2).unwrap(), Quantity::from_scaled(1).unwrap());
                let trade = Trade { id: 1, price, quantity, time: at(date) };
                let mut moments = Moments::default();
                moments.add_trade(&trade, 7);
                let item = ((Symbol::new(symbol), (at(200), Candle::of(&trade))), at(date), moments);
                panes.0.activate().session(&panes.1).give_container(&mut vec![item]);
                panes.1.downgrade(&at(date + 1));
            }
            panes.1.downgrade(&at(150));
            told.1.downgrade(&at(150));
            for _ in 0..100 {
                worker.step();
            }
            told.0.activate().session(&told.1).give(at(withheld));
            drop((panes, told));
            worker.step_while(|| !job.probe.done());
            let outbox = job.outbox.borrow();
            outbox.rows.iter().map(|row| (row.kind, row.last)).collect()
        })
    }

    #[test]
    fn a_cross_is_withheld_with_its_legs_also_where_it_was_shown_before_that_was_known() {
        let whole = rows(0);
        assert!(whole.contains(&(RowKind::Cross, false)), "{whole:?}");
        assert!(
            whole.contains(&(RowKind::Cross, true)) && whole.contains(&(RowKind::Stats, true)),
            "{whole:?}"
        );
        let withheld = rows(150);
        assert!(withheld.contains(&(RowKind::Cross, false)), "{withheld:?}");
        assert!(withheld.iter().all(|(_, last)| !last), "{withheld:?}");
    }
}
