//! Who wants to be told, and how they are: each reader knows up to which number it has seen the board, is
//! woken when a row that it wants has changed, and takes what is newer. No queue grows anywhere: a reader
//! that is slow finds, when it comes again, the newest version of what it has not seen, and how many versions
//! it was not shown.

mod backlog;
mod message;
mod reader;

pub use backlog::{Backlog, Charge};
pub use message::FeedMessage;
pub use reader::{FeedReader, Subscription};

use super::board::{Board, SeriesName};
use super::filter::Filter;
use super::histogram::{self, Histogram};
use crossrate_dataflows::market::row::RowKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// Updates are gathered for so long before readers are woken.
const GATHERING: Duration = Duration::from_millis(20);

/// All readers of a board.
#[derive(Debug)]
pub struct RowFeed {
    /// What they read.
    pub board: Arc<Board>,
    waiting: Mutex<WaitingReaders>,
    closing: AtomicBool,
    /// Rows that replaced a version which the reader they were sent to had not seen.
    pub conflated: AtomicU64,
    /// Readers that were sent a new snapshot since the history did not go back far enough.
    pub restarted: AtomicU64,
    /// How many readers there are, by transport.
    pub readers: [AtomicU64; 2],
    /// What was made for readers and not taken by them.
    pub backlog: Backlog,
    /// From the arrival of rows to when a reader has taken the message that holds them.
    pub delivery: Histogram,
}

/// How a reader is connected.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Server-sent events.
    Sse,
    /// A websocket.
    Websocket,
}

#[derive(Debug, Default)]
struct WaitingReaders {
    by_name: BTreeMap<Arc<str>, Vec<Weak<ReaderState>>>,
    of_all: Vec<Weak<ReaderState>>,
}

#[derive(Debug)]
struct ReaderState {
    filter: Filter,
    news: Notify,
}

impl RowFeed {
    /// Nobody yet.
    pub fn new(board: Arc<Board>) -> Arc<RowFeed> {
        Arc::new(RowFeed {
            board,
            waiting: Mutex::default(),
            closing: AtomicBool::new(false),
            conflated: AtomicU64::new(0),
            restarted: AtomicU64::new(0),
            readers: Default::default(),
            backlog: Backlog::default(),
            delivery: Histogram::new(histogram::SHORT),
        })
    }

    /// Takes news in and wakes readers, for ever.
    pub async fn keep(self: Arc<Self>) {
        loop {
            self.board.arrival().await;
            self.board.absorb();
            let changed = self.board.changed();
            self.wake(&changed);
            tokio::time::sleep(GATHERING).await;
        }
    }

    /// Tells all readers that the server ends.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        let waiting = self.waiting();
        let all = waiting.by_name.values().flatten().chain(&waiting.of_all);
        all.filter_map(Weak::upgrade).for_each(|reading| reading.news.notify_one());
    }

    /// How many readers there are.
    pub fn count(&self) -> u64 {
        self.readers.iter().map(|readers| readers.load(Ordering::Relaxed)).sum()
    }

    fn wake(&self, changed: &BTreeSet<SeriesName>) {
        if changed.is_empty() {
            return;
        }
        let mut waiting = self.waiting();
        for (kind, name, window) in changed {
            let Some(readings) = waiting.by_name.get_mut(name) else { continue };
            tell(readings, |filter| filter.admits_kind(*kind) && filter.admits_window(window));
            if readings.is_empty() {
                waiting.by_name.remove(name);
            }
        }
        let kinds: BTreeSet<(RowKind, &Arc<str>)> =
            changed.iter().map(|(kind, _, window)| (*kind, window)).collect();
        let admits = |filter: &Filter, (kind, window): &(RowKind, &Arc<str>)| {
            filter.admits_kind(*kind) && filter.admits_window(window)
        };
        tell(&mut waiting.of_all, |filter| kinds.iter().any(|of| admits(filter, of)));
    }

    /// Forgets a reader at once: of names that never change nobody else would.
    fn forget(&self, gone: &Arc<ReaderState>) {
        let remove = |readings: &mut Vec<Weak<ReaderState>>| {
            if let Some(place) = readings.iter().position(|other| other.as_ptr() == Arc::as_ptr(gone)) {
                readings.swap_remove(place);
            }
        };
        let mut waiting = self.waiting();
        match gone.filter.names() {
            None => remove(&mut waiting.of_all),
            Some(names) => {
                for name in names {
                    let Some(readings) = waiting.by_name.get_mut(name) else { continue };
                    remove(readings);
                    if readings.is_empty() {
                        waiting.by_name.remove(name);
                    }
                }
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, WaitingReaders> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes those whose filter wants it, and forgets those that went away.
fn tell(readings: &mut Vec<Weak<ReaderState>>, wanted: impl Fn(&Filter) -> bool) {
    readings.retain(|reading| match reading.upgrade() {
        Some(reading) => {
            if wanted(&reading.filter) {
                reading.news.notify_one();
            }
            true
        }
        None => false,
    });
}

#[cfg(test)]
mod tests;
