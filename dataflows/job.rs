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
