//! What did each symbol do in each window?
//!
//! VWAP = Σpq/Σq and its volume-weighted variance, candle, missing ids and digest, of the trades whose event
//! time lies in `[start, end)`. A window without trades has no row. Partitions and workers are merged by
//! differential: panes are a collection whose difference is [`Moments`], arranged by symbol; windows are
//! running sums of panes.
//!
//! Late: a correction within the grace revises the windows that are not final (`emit changes`); later ones
//! never get here. Missing: a leg that did not trade sends the cross nothing; with `carry` the cross takes
//! the leg's latest earlier window. Work is by windows with trades, and at ticks by windows that changed:
//! none is visited because time goes by.

use crate::market::candle::Candle;
use crate::market::changes::DatedChange;
use crate::market::cross::LegState;
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::moments::Moments;
use crate::market::resume::Resume;
use crate::market::trade::Symbol;
use crate::market::windows::WindowKey;
use crate::operators::at_looks::AtLooks;
use crate::operators::emission::Emission;
use crate::operators::pane_trace::{PaneTrace, PaneValue};
use crate::operators::sorted_runs::SortedRuns;
use crate::operators::window_looks::{LookInput, LookOutput, WindowLooks, kept_bases};
use differential_dataflow::VecCollection;
use differential_dataflow::batcher::merge::MergeBatcher;
use differential_dataflow::batcher::merge::vec::VecMerger;
use differential_dataflow::trace::implementations::ord_neu::VecOrdValBuilder;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::{Concat, Map, OkErr};

/// A pane's new trades in one partition: symbol, pane end and the candle there, weighted by the sums.
pub type PaneCollection<'scope> = VecCollection<'scope, EventTime, (Symbol, (EventTime, Candle)), Moments>;

/// The states of legs for the windows of crosses, by symbol and window; withdrawn when the window is final.
pub type LegCollection<'scope> = VecCollection<'scope, EventTime, (Symbol, (WindowKey, LegState)), isize>;

/// Rows of symbols, and the states of those that are legs.
///
/// From which time on a window's trades have all been seen, and changes of the definition, have been told to
/// every worker.
pub fn symbol_windows<'scope>(
    panes: PaneCollection<'scope>,
    (withhold_before, changes): (
        StreamVec<'scope, EventTime, EventTime>,
        StreamVec<'scope, EventTime, DatedChange>,
    ),
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> (StreamVec<'scope, EventTime, Emission>, LegCollection<'scope>) {
    let bases = kept_bases(panes.inner.scope(), definition, resume).map(LookInput::Base);
    #[cfg(feature = "abomonation")]
    let panes = crate::operators::abomonated::by_symbol(panes);
    let panes = panes.arrange_named::<_, PaneTrace>("Panes", PaneBatcher::new).stream.map(LookInput::Panes);
    let known = withhold_before.map(LookInput::WithholdBefore);
    let input = panes.concat(known).concat(changes.map(LookInput::Change)).concat(bases);
    let states = input.at_looks(Pipeline, "SymbolWindows", WindowLooks::new(definition, resume));
    let (rows, legs) = states.ok_err(|output| match output {
        LookOutput::Emission(emission) => Ok(emission),
        LookOutput::Leg(leg) => Err(*leg),
    });
    (rows, VecCollection::new(legs))
}

/// Panes come sorted from where they were gathered: there is nothing to merge but what several workers send.
type PaneBatcher = MergeBatcher<
    SortedRuns<(Symbol, PaneValue), EventTime, Moments>,
    VecMerger<(Symbol, PaneValue), EventTime, Moments>,
    VecOrdValBuilder<Symbol, PaneValue, EventTime, Moments>,
>;
