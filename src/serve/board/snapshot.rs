//! A snapshot that is taken in batches: what the board knew at one moment, while the board goes on.
//!
//! Nothing is copied or held for it. It walks over the series in their order, as fast as its reader takes
//! them, and remembers its moment (the number of the latest row) and its place. Rows that have changed since
//! that moment are left out: the reader goes on from that number, and gets them as updates. So snapshot and
//! updates together are complete, and no version of a row is told twice.

use super::series::{CachedRow, Series, WindowSpan};
use super::{BatchLimit, BoardState, Resync, SeriesName};
use crate::serve::filter::Filter;
use crossrate_dataflows::market::row::RowKind;
use std::ops::Bound;
use std::sync::Arc;

/// How far the walk is.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The number of the latest row when it began.
    pub number: u64,
    /// How many windows of each series belong to it.
    windows: usize,
    next: Option<SnapshotPosition>,
}

/// The first row that is still to be taken; the board may have forgotten it.
#[derive(Debug, Clone)]
struct SnapshotPosition {
    series: SeriesName,
    window: WindowSpan,
}

/// Some rows of a snapshot.
#[derive(Debug)]
pub struct SnapshotBatch {
    /// The rows: by kind, name and window.
    pub rows: Vec<Arc<CachedRow>>,
    /// Whether they are the last.
    pub whole: bool,
}

impl Snapshot {
    /// Of what is known now, so many windows of each series.
    pub fn new(state: &BoardState, windows: usize) -> Snapshot {
        Snapshot { number: state.number, windows, next: None }
    }
}

impl BoardState {
    /// The next rows of a snapshot, one at least where any are left; or why it cannot be completed.
    pub fn snapshot_batch(
        &self,
        snapshot: &mut Snapshot,
        filter: &Filter,
        most: BatchLimit,
    ) -> Result<SnapshotBatch, Resync> {
        if snapshot.number < self.cleared {
            return Err(Resync::Cleared);
        }
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let begun = snapshot.next.take();
        for (name, series) in self.series_from(filter, begun.as_ref().map(|place| &place.series)) {
            if series.forgotten() > snapshot.number {
                return Err(Resync::Forgotten);
            }
            let from = match &begun {
                Some(place) if place.series == *name => Some(place.window),
                _ => series.first_of(snapshot.windows, snapshot.number),
            };
            let Some(from) = from else { continue };
            for (window, row) in series.unchanged(from, snapshot.number) {
                bytes += row.json.len();
                // A row that is larger than the limit is a batch of its own.
                if !rows.is_empty() && (rows.len() >= most.rows || bytes > most.bytes) {
                    snapshot.next = Some(SnapshotPosition { series: name.clone(), window });
                    return Ok(SnapshotBatch { rows, whole: false });
                }
                rows.push(Arc::clone(row));
            }
        }
        Ok(SnapshotBatch { rows, whole: true })
    }

    /// The series of a filter in their order, from some place on; those before it are not looked at.
    fn series_from<'a>(
        &'a self,
        filter: &'a Filter,
        from: Option<&SeriesName>,
    ) -> Box<dyn Iterator<Item = (&'a SeriesName, &'a Series)> + 'a> {
        let least = from.cloned().unwrap_or_else(|| (RowKind::Symbol, Arc::from(""), Arc::from("")));
        let Some(names) = filter.names() else {
            let series = self.series.range((Bound::Included(least), Bound::Unbounded));
            return Box::new(
                series.filter(|((kind, _, window), _)| {
                    filter.admits_kind(*kind) && filter.admits_window(window)
                }),
            );
        };
        let kinds = RowKind::ALL.into_iter().filter(|kind| filter.admits_kind(*kind)).filter({
            let first = least.0;
            move |kind| *kind >= first
        });
        let from = least.clone();
        let series = kinds.flat_map(move |kind| {
            let least = if kind == from.0 { Arc::clone(&from.1) } else { Arc::from("") };
            let names = names.range((Bound::Included(least), Bound::Unbounded));
            names.flat_map(move |name| self.named(kind, name))
        });
        Box::new(series.filter(move |(name, _)| **name >= least && filter.admits_window(&name.2)))
    }
}
