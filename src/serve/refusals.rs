//! Records that did not count, for whoever was not there when they came.

use super::AppState;
use super::board::refusals::RefusalGroup;
use super::format::{self, FileName, ResponseFormat};
use super::problem::RestResponse;
use super::query_params::QueryParams;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;

#[derive(Serialize)]
struct RefusalList<'a> {
    /// Those of which nothing else is known: they were told first, or are long ago.
    before: EarlierRefusals,
    refusals: Vec<&'a RefusalGroup>,
}

#[derive(Serialize)]
struct EarlierRefusals {
    late: u64,
    bad: u64,
    future: u64,
    duplicate: u64,
}

/// All that is remembered.
pub(super) async fn show(State(app): AppState, headers: HeaderMap, params: QueryParams) -> RestResponse {
    params.only(&[])?;
    let refusals = app.feed.board.read().progress.refusals.clone();
    let before = refusals.before();
    let told = RefusalList {
        before: EarlierRefusals {
            late: before.late,
            bad: before.bad,
            future: before.future,
            duplicate: before.duplicate,
        },
        refusals: refusals.list().collect(),
    };
    let body = serde_json::to_vec(&told).unwrap_or_default();
    format::tagged(&app.answers, body, &FileName::new("refusals", ResponseFormat::Json), &headers)
}
