//! Which windows a series is of.

use super::board::BoardState;
use super::filter::Filter;
use super::problem::Problem;
use crossrate_dataflows::market::schema::RowKind;
use std::sync::Arc;

/// The definition of the windows of a series: the one that is asked for, or the job's first.
pub(super) fn series_window(
    state: &BoardState,
    kind: RowKind,
    name: &Arc<str>,
    filter: &Filter,
) -> Result<Arc<str>, Problem> {
    if let Some(wanted) = filter.windows() {
        let mut windows = wanted.iter();
        return match (windows.next(), windows.next()) {
            (Some(one), None) => Ok(Arc::clone(one)),
            _ => Err(Problem::bad_request("a series is of one window").hint("ask for each by itself")),
        };
    }
    let there = || state.named(kind, name).map(|((_, _, window), _)| window);
    let defined = state.definition.iter().flat_map(|definition| &definition.windows);
    let first = defined.filter_map(|first| there().find(|window| ***window == **first)).next();
    Ok(first.or_else(|| there().next()).map_or_else(|| Arc::from(""), Arc::clone))
}
