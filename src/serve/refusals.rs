//! Records that did not count, for whoever was not there when they came.

use super::App;
use super::board::refusals::Refusal;
use super::format::{self, FileName, Format};
use super::problem::Problem;
use super::query_params::QueryParams;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Told<'a> {
    /// Those of which nothing else is known: they were told first, or are long ago.
    before: Before,
    refusals: Vec<&'a Refusal>,
}

#[derive(Serialize)]
struct Before {
    late: u64,
    bad: u64,
    future: u64,
    duplicate: u64,
}

/// All that is remembered.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    params: QueryParams,
) -> Result<Response, Problem> {
    params.only(&[])?;
    let refusals = app.feed.board.read().progress.refusals.clone();
    let before = refusals.before();
    let told = Told {
        before: Before {
            late: before.late,
            bad: before.bad,
            future: before.future,
            duplicate: before.duplicate,
        },
        refusals: refusals.list().collect(),
    };
    let body = serde_json::to_vec(&told).unwrap_or_default();
    format::tagged(&app.answers, body, &FileName::new("refusals", Format::Json), &headers)
}
