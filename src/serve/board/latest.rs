//! The latest windows, now or as of a moment.

use super::BoardState;
use super::series::CachedRow;
use crate::serve::filter::Filter;
use std::sync::Arc;

/// Which windows the latest ones are sought among.
#[derive(Debug, Copy, Clone, Default)]
pub struct LatestFilter {
    /// Final ones only.
    pub only_final: bool,
    /// Those that ended at this millisecond or earlier.
    pub ended_by: Option<u64>,
    /// Where none ended so early, the first ones that are kept.
    pub or_first: bool,
}

impl BoardState {
    /// The latest windows of every series that the filter lets through, in the order of windows.
    pub fn latest(&self, filter: &Filter, windows: usize, wanted: LatestFilter) -> Vec<Arc<CachedRow>> {
        let mut rows: Vec<Arc<CachedRow>> = Vec::new();
        for series in self.of(filter) {
            let is_wanted = |row: &&Arc<CachedRow>| row.is_final() || !wanted.only_final;
            let ended = series.ended_within(0, wanted.ended_by.unwrap_or(u64::MAX)).rev();
            let before = rows.len();
            rows.extend(ended.filter(is_wanted).take(windows).cloned());
            if wanted.or_first && rows.len() == before {
                rows.extend(series.rows().filter(is_wanted).take(windows).cloned());
            }
        }
        rows.sort_by(|a, b| a.place().cmp(&b.place()));
        rows
    }
}
