//! The rows that fit: where they are too many, the earliest windows go, of all names alike, so that nobody
//! takes what is not kept for what never was.

use super::BoardState;
use super::series::Series;

/// How many rows there are, and from when on windows of all names are kept.
#[derive(Debug, Copy, Clone, Default)]
pub struct RowRoom {
    /// Rows.
    pub rows: usize,
    /// The greatest end of a window.
    pub newest_ms: u64,
    /// Windows that end then or earlier had to be forgotten; 0 where none had.
    pub(super) floor_ms: u64,
    /// Rows that there may be before others are forgotten, where names are too many.
    pub(super) enough: usize,
}

impl RowRoom {
    /// From when on windows are kept, where that is later than the history that is wanted.
    pub fn held_from_ms(&self, history_ms: Option<u64>) -> Option<u64> {
        let wanted = self.newest_ms.saturating_sub(history_ms.unwrap_or(u64::MAX));
        (self.floor_ms > wanted).then_some(self.floor_ms)
    }
}

impl BoardState {
    /// Forgets the earliest windows of all names alike, a sixteenth of all rows at once.
    pub(super) fn make_room(&mut self, most_rows: usize) {
        let mut ends: Vec<u64> = self.series.values().flat_map(Series::ends).collect();
        let surplus = ends.len().saturating_sub(most_rows - most_rows / 16).min(ends.len() - 1);
        let (_, floor_ms, _) = ends.select_nth_unstable(surplus);
        self.room.floor_ms = self.room.floor_ms.max(*floor_ms);
        for series in self.series.values_mut() {
            self.bytes -= series.forget(self.room.floor_ms);
        }
        self.room.rows = self.series.values().map(Series::len).sum();
        // The newest row of each name stays, however many names there are.
        self.room.enough = self.room.rows + self.room.rows / 16;
    }
}
