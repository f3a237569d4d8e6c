//! What goes between the operators that choose paths.

use super::AssetNumber;
use super::best::EdgeUpdate;
use crate::market::assets::Asset;
use crate::market::candle::Candle;
use crate::market::changes::DatedChange;
use crate::market::definition::Leg;
use crate::market::event_time::EventTime;
use crate::market::moments::Moments;
use crate::market::resume::LastingChange;
use crate::market::trade::Symbol;
use crate::operators::emission::Emission;
use serde::{Deserialize, Serialize};

/// How many trades a symbol has in a pane, as far as one update tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TradesOfPane {
    pub(super) symbol: Symbol,
    pub(super) pane_end: EventTime,
    pub(super) trades: i64,
}

impl TradesOfPane {
    pub(super) fn of(
        ((symbol, (pane_end, _)), _, moments): ((Symbol, (EventTime, Candle)), EventTime, Moments),
    ) -> TradesOfPane {
        TradesOfPane { symbol, pane_end, trades: moments.n }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum WeightsInput {
    Trades(TradesOfPane),
    Changed(DatedChange),
}

/// What is chosen at a moment, or known by then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Choice {
    /// The number of an asset.
    Asset(AssetNumber, Asset),
    /// The weight of a symbol, until it has another one.
    Weight(Symbol, u64),
    /// Of all assets that have had a path.
    OfAll,
    /// The first paths of assets, in that currency.
    First(Vec<((Asset, Asset), Vec<Leg>)>),
    /// Of those whose path holds a symbol that is dropped.
    Without(Symbol),
}

#[derive(Debug, Clone)]
pub(super) enum ChoiceOrEmission {
    Choice(EventTime, Choice),
    Other(Emission),
}

#[derive(Debug, Clone)]
pub(super) enum WeightsOutput {
    Edge(EdgeUpdate),
    Told(ChoiceOrEmission),
}

impl WeightsOutput {
    pub(super) fn edge_or_told(self) -> Result<EdgeUpdate, ChoiceOrEmission> {
        match self {
            WeightsOutput::Edge(edge) => Ok(edge),
            WeightsOutput::Told(told) => Err(told),
        }
    }
}

impl ChoiceOrEmission {
    pub(super) fn choice_or_other(self) -> Result<(EventTime, Choice), Emission> {
        match self {
            ChoiceOrEmission::Choice(date, choice) => Ok((date, choice)),
            ChoiceOrEmission::Other(emission) => Err(emission),
        }
    }
}

pub(super) fn lasting(look: EventTime, lasting: LastingChange) -> WeightsOutput {
    WeightsOutput::Told(ChoiceOrEmission::Other(Emission::Lasting(look, lasting)))
}
