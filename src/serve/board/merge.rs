//! Series are merged, as far as an answer goes.

use super::range::{Range, RowOrder};
use super::series::CachedRow;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;

impl Range {
    /// Whether a row comes after the place that the range goes on from, and is as it is wanted.
    fn admits(&self, row: &CachedRow) -> bool {
        let is_after = self.after.as_ref().is_none_or(|after| match self.order {
            RowOrder::Ascending => row.place() > after.as_ref(),
            RowOrder::Descending => row.place() < after.as_ref(),
        });
        is_after && (row.is_final() || !self.only_final)
    }
}

/// The first rows of all series, each of which is in the order of the range.
pub(super) fn merged<'a>(
    series: impl Iterator<Item = impl Iterator<Item = &'a Arc<CachedRow>>>,
    range: &Range,
    most: usize,
) -> Vec<Arc<CachedRow>> {
    let order = range.order;
    let entry = |mut rows| Iterator::next(&mut rows).map(|row| MergeEntry { row, rows, order });
    let mut heads: BinaryHeap<_> = series.filter_map(entry).collect();
    let mut found = Vec::new();
    while let Some(MergeEntry { row, rows, .. }) = heads.pop() {
        if range.admits(row) {
            found.push(Arc::clone(row));
            if found.len() == most {
                break;
            }
        }
        heads.extend(entry(rows));
    }
    found
}

/// A series in the merge by the order of windows: its next row, and the rows after it.
struct MergeEntry<'a, I> {
    row: &'a Arc<CachedRow>,
    rows: I,
    order: RowOrder,
}

impl<I> PartialEq for MergeEntry<'_, I> {
    fn eq(&self, other: &Self) -> bool {
        self.row.place() == other.row.place()
    }
}

impl<I> Eq for MergeEntry<'_, I> {}

impl<I> PartialOrd for MergeEntry<'_, I> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<I> Ord for MergeEntry<'_, I> {
    /// The row that comes first is the greatest entry, since a heap gives the greatest first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match self.order {
            RowOrder::Ascending => other.row.place().cmp(&self.row.place()),
            RowOrder::Descending => self.row.place().cmp(&other.row.place()),
        }
    }
}

impl<I> fmt::Debug for MergeEntry<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeEntry").field("row", self.row).finish_non_exhaustive()
    }
}
