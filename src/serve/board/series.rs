//! The rows of one name and kind: the newest of each window, for as long as history goes back.

use super::range::{Range, RowOrder};
use crossrate_dataflows::market::row::{Content, Row, RowKey, RowKind};
use crossrate_dataflows::market::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row as the board keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedRow {
    /// What it speaks of.
    pub kind: RowKind,
    /// Whose it is.
    pub name: Arc<str>,
    /// The window's definition.
    pub window: Arc<str>,
    /// The window's start.
    pub start_ms: u64,
    /// The window's end.
    pub end_ms: u64,
    /// What it says.
    pub content: Content,
    /// The JSON object, as it left the dataflow.
    pub json: Box<str>,
}

impl CachedRow {
    /// A row of the dataflow's.
    pub fn of(row: &Row) -> CachedRow {
        CachedRow {
            kind: row.kind,
            name: row.name.as_str().into(),
            window: row.window.as_str().into(),
            start_ms: row.start.millis(),
            end_ms: row.end.millis(),
            content: row.content.clone(),
            json: row.json.as_str().into(),
        }
    }

    /// Whether the window has closed.
    pub fn is_closed(&self) -> bool {
        self.content.stage.is_closed()
    }

    /// Whether the row never changes again.
    pub fn is_final(&self) -> bool {
        self.content.stage.is_final()
    }

    /// The values of all its fields, in their order.
    pub fn columns(&self) -> Vec<Value> {
        let CachedRow { start_ms, end_ms, .. } = *self;
        self.content.columns(self.kind, &RowKey { name: &self.name, window: &self.window, start_ms, end_ms })
    }

    /// Where it stands in the order of windows.
    pub fn place(&self) -> (u64, RowKind, &str, u64, &str) {
        (self.end_ms, self.kind, &self.name, self.start_ms, &self.window)
    }

    /// How far its window is, in one word.
    pub fn stage(&self) -> &'static str {
        match (self.is_closed(), self.is_final()) {
            (_, true) => "final",
            (true, false) => "closed",
            (false, false) => "provisional",
        }
    }
}

/// A window of a series: its end and its start.
pub type WindowSpan = (u64, u64);

/// How much of a series is kept.
#[derive(Debug, Copy, Clone)]
pub struct History {
    /// Milliseconds of event time before the end of the newest window.
    pub ms: u64,
    /// Windows that ended then or earlier are forgotten.
    pub floor_ms: u64,
}

/// The rows of one kind, name and window definition.
#[derive(Debug, Default)]
pub struct Series {
    rows: BTreeMap<WindowSpan, SeriesEntry>,
    /// Windows by the number of their newest row.
    numbers: BTreeMap<u64, WindowSpan>,
    /// The greatest number of a row that is kept no longer.
    forgotten: u64,
}

#[derive(Debug)]
struct SeriesEntry {
    row: Arc<CachedRow>,
    number: u64,
    /// The number of the version before this one; 0 for the first.
    before: u64,
    /// The number of the window's first version.
    first: u64,
}

impl Series {
    /// A row with its number; the bytes of those that are forgotten for it.
    pub fn add(&mut self, row: Arc<CachedRow>, number: u64, history: History) -> usize {
        let key = super::key(&row);
        let replaced = self.rows.get(&key).map(|entry| (entry.number, entry.first, entry.row.json.len()));
        let (before, first, mut freed) = replaced.unwrap_or((0, number, 0));
        self.numbers.remove(&before);
        self.numbers.insert(number, key);
        self.rows.insert(key, SeriesEntry { row, number, before, first });
        let newest = self.rows.last_key_value().map_or(0, |((end, _), _)| *end);
        freed += self.forget(newest.saturating_sub(history.ms).max(history.floor_ms));
        freed
    }

    /// Forgets windows that ended then or earlier, but for the newest; the bytes of their rows.
    pub fn forget(&mut self, floor_ms: u64) -> usize {
        let mut freed = 0;
        while self.rows.len() > 1
            && let Some(first) = self.rows.first_entry()
            && first.key().0 <= floor_ms
        {
            let entry = first.remove();
            self.numbers.remove(&entry.number);
            self.forgotten = self.forgotten.max(entry.number);
            freed += entry.row.json.len();
        }
        freed
    }

    /// The ends of all windows.
    pub fn ends(&self) -> impl Iterator<Item = u64> {
        self.rows.keys().map(|(end, _)| *end)
    }

    /// The newest row of each window that ends after some time, and then or before another one.
    pub fn ended_within(
        &self,
        after_ms: u64,
        by_ms: u64,
    ) -> impl DoubleEndedIterator<Item = &Arc<CachedRow>> {
        let least = (after_ms.saturating_add(1).min(by_ms), 0);
        self.rows.range(least..=(by_ms, u64::MAX)).map(|(_, entry)| &entry.row)
    }

    /// The newest row of each window, in the order of windows.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &Arc<CachedRow>> {
        self.rows.values().map(|entry| &entry.row)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of a window.
    pub fn get(&self, key: WindowSpan) -> Option<&Arc<CachedRow>> {
        self.rows.get(&key).map(|entry| &entry.row)
    }

    /// The rows of windows that start in a range, by their ends, without those that lie before the place that
    /// it goes on from.
    pub fn between<'a>(&'a self, range: &'a Range) -> impl DoubleEndedIterator<Item = &'a Arc<CachedRow>> {
        let at = range.after.as_ref().map(|after| after.end_ms);
        let (after, before) = match range.order {
            RowOrder::Ascending => (at, None),
            RowOrder::Descending => (None, at),
        };
        let least = after.unwrap_or(0).max(range.from.unwrap_or(0));
        let most = before.unwrap_or(u64::MAX).max(least);
        let wanted = |start: u64| {
            range.from.is_none_or(|from| start >= from) && range.until.is_none_or(|until| start < until)
        };
        self.rows
            .range((least, 0)..=(most, u64::MAX))
            .filter(move |((_, start), _)| wanted(*start))
            .map(|(_, entry)| &entry.row)
    }

    /// Rows with a greater number, by number; with whether a version between was never seen.
    pub fn newer(&self, number: u64) -> impl Iterator<Item = (u64, bool, &Arc<CachedRow>)> {
        self.numbers.range(number + 1..).filter_map(move |(at, key)| {
            let entry = self.rows.get(key)?;
            Some((*at, entry.before > number, &entry.row))
        })
    }

    /// The first of the latest windows that were there when the latest row had that number.
    pub fn first_of(&self, windows: usize, number: u64) -> Option<WindowSpan> {
        let there = self.rows.iter().rev().filter(|(_, entry)| entry.first <= number);
        there.take(windows).last().map(|(key, _)| *key)
    }

    /// The rows of windows from that one on which have not changed since the latest row had that number.
    pub fn unchanged(
        &self,
        from: WindowSpan,
        number: u64,
    ) -> impl Iterator<Item = (WindowSpan, &Arc<CachedRow>)> {
        let unchanged = self.rows.range(from..).filter(move |(_, entry)| entry.number <= number);
        unchanged.map(|(key, entry)| (*key, &entry.row))
    }

    /// The greatest number of a row that is kept no longer.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
