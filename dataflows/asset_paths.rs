//! Through which pairs is an asset priced in a currency?
//!
//! A symbol's weight is the number of its trades in the lookback; a path's weight is that of its least
//! symbol. For each length the best path of an asset goes over the symbol and the neighbour's best path, one
//! symbol shorter, that weigh most: best paths spread from the currency, by `iterate`. The path in force is
//! left for one that weighs twice as much, or where one of its symbols has no weight. An asset's first path
//! is found by a plain search. The output is dated changes of the collection of crosses
//! (`docs/semantics.md#assets`).
//!
//! Late: trades count once their pane is final, so choices never change. Missing: an asset without a path of
//! any weight has no cross. Empty: where nothing has traded nothing is chosen. Work is by symbols at choices,
//! and by the changes of weights in between.

mod best;
mod choice;
mod messages;
mod search;
mod weights;

#[cfg(test)]
mod tests;

use crate::market::changes::DatedChange;
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::resume::Resume;
use crate::operators::at_looks::AtLooks;
use crate::operators::emission::Emission;
use crate::symbol_windows::PaneCollection;
use best::best_paths;
use choice::PathsInForce;
use messages::{Choice, ChoiceOrEmission, TradesOfPane};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::core::{Concat, Map, OkErr};
use weights::SymbolWeights;

/// Number of an asset in the order in which the first worker met it; the currencies come first.
type AssetNumber = u32;

/// Changes of the paths in force, on the first worker; their state for the next run; and the symbols that
/// cannot take part.
///
/// Changes that people make have been told to the first worker.
pub fn asset_paths<'scope>(
    panes: PaneCollection<'scope>,
    changes: StreamVec<'scope, EventTime, DatedChange>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> (StreamVec<'scope, EventTime, DatedChange>, StreamVec<'scope, EventTime, Emission>) {
    let trades = panes.inner.map(|update| messages::WeightsInput::Trades(TradesOfPane::of(update)));
    let input = trades.concat(changes.map(messages::WeightsInput::Changed));
    let first = Exchange::new(|_: &messages::WeightsInput| 0);
    let weights = input.at_looks(first, "SymbolWeights", SymbolWeights::new(definition, resume));
    let (edges, told): (_, StreamVec<'_, _, ChoiceOrEmission>) =
        weights.ok_err(messages::WeightsOutput::edge_or_told);
    let (choices, counts): (StreamVec<'_, _, (EventTime, Choice)>, _) =
        told.ok_err(ChoiceOrEmission::choice_or_other);
    let best = best_paths(edges, definition).inner.map(choice::PathsInput::Best);
    let input = best.concat(choices.map(choice::PathsInput::Choice));
    let first = Exchange::new(|_: &choice::PathsInput| 0);
    let chosen = input.at_looks(first, "PathsInForce", PathsInForce::new(definition, resume));
    let (changes, paths) = chosen.ok_err(choice::PathsOutput::change_or_lasting);
    (changes, counts.concat(paths))
}
