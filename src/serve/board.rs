//! The read model: the latest rows of each name and a bounded history, how far the job is, and what became of
//! its records. Knows no HTTP.
//!
//! Readers never hold the dataflow up. Its thread puts updates into the [`inbox`], which nobody else holds
//! for longer than it takes to swap it; a task of the server takes them out ([`Board::absorb`]).
//!
//! Every row that arrives has a number, which rises by one. A reader that knows everything up to some number
//! asks for the delta since then ([`BoardState::delta`]): the newest row of each window that has changed. A slow
//! reader sees fewer versions of a window, and is told so, but never misses the last one.

pub mod about;
pub mod inbox;
pub mod latest;
mod merge;
pub mod partition_news;
pub mod progress;
pub mod range;
pub mod refusals;
pub mod room;
pub mod series;
pub mod snapshot;

use super::filter::Filter;
use super::histogram::Delays;
use crossrate_dataflows::market::row::RowKind;
use inbox::{BoardUpdate, Inbox};
use merge::merged;
use progress::JobProgress;
use range::{Range, RowOrder};
use room::RowRoom;
use series::{CachedRow, History, Series, WindowSpan};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;
use tokio::sync::Notify;

/// Rows that the board keeps at most, over all names.
pub const MOST_ROWS: usize = 500_000;

/// The name of a series: a kind of rows, whose they are, and the definition of their windows.
pub type SeriesName = (RowKind, Arc<str>, Arc<str>);

/// The read model. Shared by the sink that fills it and everything that serves it.
#[derive(Debug)]
pub struct Board {
    /// Tells this process from the one before it: numbers of rows begin anew with each.
    pub instance: String,
    /// When it began, in milliseconds since the epoch.
    pub began_ms: u64,
    /// Whose rows they are.
    pub about: about::JobDescription,
    history: Option<u64>,
    most_rows: usize,
    /// How late its rows are.
    pub delays: Delays,
    inbox: Mutex<Inbox>,
    arrived: Notify,
    state: RwLock<BoardState>,
}

/// What is known at some moment.
#[derive(Debug, Default)]
pub struct BoardState {
    /// The number of the latest row.
    pub number: u64,
    /// The rows, by kind and name.
    pub series: BTreeMap<SeriesName, Series>,
    /// How far the job is.
    pub progress: JobProgress,
    /// What is computed; `None` where only rows are known.
    pub definition: Option<Arc<about::DefinitionDescription>>,
    /// How many rows have arrived: by kind, provisional, closed, final.
    pub arrived: BTreeMap<(&'static str, &'static str), u64>,
    /// Bytes of all rows that are kept.
    pub bytes: usize,
    /// The rows that are kept, and since when.
    pub room: RowRoom,
    /// Since when the newest rows were here, or on their way here.
    pub since: Option<Instant>,
    changed: BTreeSet<SeriesName>,
    /// The number of the latest row when everything before became obsolete.
    cleared: u64,
}

impl Board {
    /// An empty board that keeps rows of so many milliseconds of event time, or all that fit.
    pub fn new(about: about::JobDescription, history: Option<u64>) -> Arc<Board> {
        Board::with_room(about, history, MOST_ROWS)
    }

    /// The same for so many rows.
    fn with_room(about: about::JobDescription, history: Option<u64>, most_rows: usize) -> Arc<Board> {
        let mut random = [0; 6];
        // Without randomness the time still tells instances apart.
        if getrandom::fill(&mut random).is_err() {
            random.copy_from_slice(&progress::now_ms().to_be_bytes()[2..]);
        }
        let definition = about.definition.clone();
        let instance = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Arc::new(Board {
            instance,
            began_ms: progress::now_ms(),
            about,
            history,
            most_rows,
            inbox: Mutex::default(),
            delays: Delays::default(),
            arrived: Notify::new(),
            state: RwLock::new(BoardState { definition, ..BoardState::default() }),
        })
    }

    /// Of how many milliseconds of event time rows are kept; `None` for as many as fit.
    pub fn history(&self) -> Option<u64> {
        self.history
    }

    /// Puts an update into the inbox; takes no longer however many readers there are.
    pub fn tell(&self, update: impl FnOnce(&mut Inbox)) {
        let full = {
            let mut inbox = self.inbox();
            update(&mut inbox);
            inbox.is_full()
        };
        if full {
            // The server does not keep up, so its work is done here: memory stays bounded.
            self.absorb();
        }
        self.arrived.notify_one();
    }

    /// Waits until there may be an update.
    pub async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// Takes the updates in.
    pub fn absorb(&self) {
        // The state first: whoever absorbs takes the inbox in the order in which it was filled.
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let BoardUpdate { is_cleared, rows, since, progress, following, definition } = self.inbox().take();
        if is_cleared {
            state.clear();
        }
        state.since = since.or(state.since);
        for row in rows {
            state.add(row, self.history, self.most_rows);
        }
        if let Some(news) = progress {
            state.progress.absorb(news);
        }
        if definition.is_some() {
            state.definition = definition;
        }
        if let Some(following) = following {
            state.progress.follow(following);
        }
    }

    /// The series that have changed since this was asked last.
    pub fn changed(&self) -> BTreeSet<SeriesName> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.changed)
    }

    /// What is known now. Hold it briefly.
    pub fn read(&self) -> RwLockReadGuard<'_, BoardState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BoardState {
    /// Forgets all rows. A reader that has seen any of them needs a new snapshot.
    fn clear(&mut self) {
        self.number += 1;
        self.cleared = self.number;
        self.changed.extend(std::mem::take(&mut self.series).into_keys());
        self.bytes = 0;
        self.room = RowRoom::default();
        self.definition = None;
        self.progress.forget();
    }

    fn add(&mut self, row: CachedRow, history_ms: Option<u64>, most_rows: usize) {
        let name = (row.kind, Arc::clone(&row.name), Arc::clone(&row.window));
        let known = self.series.get(&name).and_then(|series| series.get(key(&row)));
        if known.is_some_and(|known| known.json == row.json) {
            // A place that is read again, after it was away or cut back, tells much that is known.
            return;
        }
        self.number += 1;
        *self.arrived.entry((row.kind.as_str(), row.stage())).or_default() += 1;
        let history = History { ms: history_ms.unwrap_or(u64::MAX), floor_ms: self.room.floor_ms };
        self.changed.insert(name.clone());
        self.bytes += row.json.len();
        self.room.newest_ms = self.room.newest_ms.max(row.end_ms);
        let series = self.series.entry(name).or_default();
        let before = series.len();
        self.bytes -= series.add(Arc::new(row), self.number, history);
        self.room.rows = self.room.rows + series.len() - before;
        if self.room.rows > most_rows.max(self.room.enough) {
            self.make_room(most_rows);
        }
    }

    /// The series that a filter lets through.
    pub fn matching<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = (&'a SeriesName, &'a Series)> {
        let admits =
            |(kind, name, window): &SeriesName| filter.admits(*kind, name) && filter.admits_window(window);
        self.series.iter().filter(move |(name, _)| admits(name))
    }

    /// The rows with numbers after `number`, in the order of their numbers, as many as the limit lets
    /// through; or why a reader that has seen everything up to `number` needs a new snapshot.
    pub fn delta(&self, filter: &Filter, number: u64, most: BatchLimit) -> Result<Delta, Resync> {
        if number < self.cleared {
            return Err(Resync::Cleared);
        }
        // The series are merged as far as the limit goes: a reader that lags does not walk over all rows that
        // it lacks.
        let (mut sources, mut heads) = (Vec::new(), BinaryHeap::new());
        for series in self.of(filter) {
            if series.forgotten() > number {
                return Err(Resync::Forgotten);
            }
            let mut source = series.newer(number).peekable();
            if let Some((first, ..)) = source.peek() {
                heads.push(Reverse((*first, sources.len())));
                sources.push(source);
            }
        }
        let mut delta = Delta { rows: Vec::new(), conflated: 0, upto: number, whole: false };
        let mut bytes = 0;
        while let Some(Reverse((at, source))) = heads.pop() {
            let rows = &mut sources[source];
            let Some((_, skipped, row)) = rows.next() else { continue };
            bytes += row.json.len();
            // A row that is larger than the limit is a batch of its own.
            if !delta.rows.is_empty() && (delta.rows.len() >= most.rows || bytes > most.bytes) {
                return Ok(delta);
            }
            delta.rows.push(Arc::clone(row));
            delta.conflated += usize::from(skipped);
            delta.upto = at;
            heads.extend(rows.peek().map(|(next, ..)| Reverse((*next, source))));
        }
        Ok(Delta { upto: self.number, whole: true, ..delta })
    }

    /// Rows of windows after some place, in the order of windows (end, kind, name, start, definition) or in
    /// the reverse one.
    pub fn windows(&self, filter: &Filter, range: &Range, most: usize) -> Vec<Arc<CachedRow>> {
        match range.order {
            RowOrder::Ascending => merged(self.of(filter).map(|series| series.between(range)), range, most),
            RowOrder::Descending => {
                merged(self.of(filter).map(|series| series.between(range).rev()), range, most)
            }
        }
    }

    /// The series of a filter, without looking at all of them where it names some.
    fn of<'a>(&'a self, filter: &'a Filter) -> Box<dyn Iterator<Item = &'a Series> + 'a> {
        match filter.names() {
            None => Box::new(self.matching(filter).map(|(_, series)| series)),
            Some(names) => {
                let kinds = RowKind::ALL.into_iter().filter(|kind| filter.admits_kind(*kind));
                let of_kind = move |kind| names.iter().flat_map(move |name| self.named(kind, name));
                let series = kinds.flat_map(of_kind);
                Box::new(series.filter(|(name, _)| filter.admits_window(&name.2)).map(|(_, series)| series))
            }
        }
    }

    /// The series of a kind and a name: one for each window definition.
    pub fn named<'a>(
        &'a self,
        kind: RowKind,
        name: &'a Arc<str>,
    ) -> impl Iterator<Item = (&'a SeriesName, &'a Series)> {
        let from = (kind, Arc::clone(name), Arc::from(""));
        self.series.range(from..).take_while(move |((of, named, _), _)| *of == kind && named == name)
    }
}

/// Why a reader needs a new snapshot.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Resync {
    /// The history no longer holds rows that the reader has not seen.
    Forgotten,
    /// The board was cleared: the results themselves began again.
    Cleared,
}

/// How much a reader gets at a time, one row at least.
#[derive(Debug, Copy, Clone)]
pub struct BatchLimit {
    /// Rows.
    pub rows: usize,
    /// Bytes of them.
    pub bytes: usize,
}

/// The rows that have arrived since a number.
#[derive(Debug)]
pub struct Delta {
    /// The rows.
    pub rows: Vec<Arc<CachedRow>>,
    /// How many of them replace a version that the reader never sees.
    pub conflated: usize,
    /// A reader with these rows has everything up to this number.
    pub upto: u64,
    /// Whether these are the latest rows: no more follow.
    pub whole: bool,
}

/// The key of a window within its series.
pub(crate) fn key(row: &CachedRow) -> WindowSpan {
    (row.end_ms, row.start_ms)
}

#[cfg(test)]
mod tests;
