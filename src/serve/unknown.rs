//! Names and windows that are asked for and have no rows, with what was perhaps meant.

use super::board::BoardState;
use super::filter::Filter;
use super::problem::Problem;
use crate::nearest::nearest;
use axum::http::StatusCode;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What has no rows, or none yet.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum UnknownPart {
    Name(String),
    Window(String),
}

/// A name or a window definition without rows.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct UnknownSeries {
    #[serde(flatten)]
    part: UnknownPart,
    hint: String,
}

impl UnknownSeries {
    /// All that a filter asks for and that has no rows.
    pub(super) fn of(state: &BoardState, filter: &Filter) -> Vec<UnknownSeries> {
        let names = filter.names().into_iter().flatten().filter_map(|name| unknown_name(state, filter, name));
        let windows =
            filter.windows().into_iter().flatten().filter_map(|window| unknown_window(state, window));
        names.chain(windows).collect()
    }

    /// The same without what the job's definition names: its rows are still to come.
    pub(super) fn of_stream(state: &BoardState, filter: &Filter) -> Vec<UnknownSeries> {
        let will_come = |unknown: &UnknownSeries| match (&unknown.part, &state.definition) {
            (UnknownPart::Name(name), Some(definition)) => definition.names(name),
            _ => false,
        };
        UnknownSeries::of(state, filter).into_iter().filter(|unknown| !will_come(unknown)).collect()
    }

    /// Why there is no answer.
    pub(super) fn problem(self) -> Problem {
        let detail = match self.part {
            UnknownPart::Name(name) => format!("there are no rows of {name:?} (yet)"),
            UnknownPart::Window(window) => format!("there are no rows of windows {window:?} (yet)"),
        };
        Problem::new(StatusCode::NOT_FOUND, detail).hint(self.hint)
    }
}

fn unknown_name(state: &BoardState, filter: &Filter, name: &Arc<str>) -> Option<UnknownSeries> {
    let admitted = || state.series.keys().filter(|(kind, ..)| filter.admits_kind(*kind));
    if admitted().any(|(_, known, _)| known == name) {
        return None;
    }
    let names: BTreeSet<&str> = admitted().map(|(_, name, _)| name.as_ref()).collect();
    let hint = match nearest(name, names) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "see /v1/catalog for what there is".to_owned(),
    };
    Some(UnknownSeries { part: UnknownPart::Name(name.to_string()), hint })
}

fn unknown_window(state: &BoardState, window: &Arc<str>) -> Option<UnknownSeries> {
    let definition = state.definition.as_ref();
    let is_defined = definition.is_some_and(|known| known.windows.iter().any(|known| **known == **window));
    if is_defined || state.series.keys().any(|(_, _, known)| known == window) {
        return None;
    }
    let windows: BTreeSet<&str> = state.series.keys().map(|(_, _, known)| known.as_ref()).collect();
    let hint = match windows.is_empty() {
        true => "there are no rows yet".to_owned(),
        false => format!("there are {}", windows.into_iter().collect::<Vec<_>>().join(", ")),
    };
    Some(UnknownSeries { part: UnknownPart::Window(window.to_string()), hint })
}
