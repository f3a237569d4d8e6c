//! Who wants to be told, and how they are: each reader knows up to which number it has seen the board, is woken when
//! a row that it wants has changed, and takes what is newer. No queue grows anywhere: a reader that is slow finds,
//! when it comes again, the newest version of what it has not seen, and how many versions it was not shown.

use super::board::series::Kept;
use super::board::{Anew, Board, Portion, SeriesName, State};
use super::filter::Filter;
use crossrate_dataflows::market::row::RowKind;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

/// News are gathered for so long before readers are woken.
const GATHERING: Duration = Duration::from_millis(20);
/// What one message holds at most. Each reader that does not keep up has one that waits to be sent, and a job at full
/// speed leaves none that does: thousands of them are why it is small.
const MOST: Portion = Portion { rows: 1_000, bytes: 32 << 10 };

/// All readers of a board.
#[derive(Debug)]
pub struct Feed {
    /// What they read.
    pub board: Arc<Board>,
    waiting: Mutex<Waiting>,
    closing: AtomicBool,
    /// Rows that replaced a version which the reader they were sent to had not seen.
    pub conflated: AtomicU64,
    /// Readers that were sent everything anew since history did not go back far enough.
    pub restarted: AtomicU64,
    /// How many readers there are, by transport.
    pub readers: [AtomicU64; 2],
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
struct Waiting {
    by_name: BTreeMap<Arc<str>, Vec<Weak<Reading>>>,
    of_all: Vec<Weak<Reading>>,
}

#[derive(Debug)]
struct Reading {
    filter: Filter,
    news: Notify,
}

impl Feed {
    /// Nobody yet.
    pub fn new(board: Arc<Board>) -> Arc<Feed> {
        Arc::new(Feed {
            board,
            waiting: Mutex::default(),
            closing: AtomicBool::new(false),
            conflated: AtomicU64::new(0),
            restarted: AtomicU64::new(0),
            readers: Default::default(),
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
        for (kind, name) in changed {
            let Some(readings) = waiting.by_name.get_mut(name) else { continue };
            tell(readings, |filter| filter.admits_kind(*kind));
            if readings.is_empty() {
                waiting.by_name.remove(name);
            }
        }
        let kinds: BTreeSet<RowKind> = changed.iter().map(|(kind, _)| *kind).collect();
        tell(&mut waiting.of_all, |filter| kinds.iter().any(|kind| filter.admits_kind(*kind)));
    }

    /// Forgets a reader at once: of names that never change nobody else would.
    fn forget(&self, gone: &Arc<Reading>) {
        let remove = |readings: &mut Vec<Weak<Reading>>| {
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

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes those whose filter wants it, and forgets those that went away.
fn tell(readings: &mut Vec<Weak<Reading>>, wanted: impl Fn(&Filter) -> bool) {
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

/// What a reader is told.
#[derive(Debug)]
pub enum Message {
    /// What there is; whatever the reader had is obsolete.
    Snapshot {
        /// The rows, in the order of windows.
        rows: Vec<Arc<Kept>>,
        /// Where to go on from.
        id: String,
        /// Why the reader cannot go on from where it was, if it was somewhere.
        reason: Option<&'static str>,
    },
    /// What is new.
    Update {
        /// The rows, in the order in which they came.
        rows: Vec<Arc<Kept>>,
        /// Where to go on from.
        id: String,
        /// How many of them replace a version that was never sent here.
        conflated: usize,
    },
    /// How far the job is: rows looked at before its frontier are all there.
    Progress(Arc<str>),
    /// The server ends.
    Bye(&'static str),
}

/// What a reader wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which rows.
    pub filter: Filter,
    /// How many windows of each name it wants to begin with.
    pub windows: usize,
    /// Where it was: the id of the last message that it saw.
    pub after: Option<String>,
    /// How often it is told how far the job is.
    pub every: Duration,
}

/// One reader.
#[derive(Debug)]
pub struct Reader {
    feed: Arc<Feed>,
    reading: Arc<Reading>,
    transport: Transport,
    windows: usize,
    seen: u64,
    ready: VecDeque<Message>,
    progress: tokio::time::Interval,
    over: bool,
}

impl Reader {
    /// A reader that begins with a snapshot, or with what is newer than what it saw.
    pub fn new(feed: &Arc<Feed>, wish: Wish, transport: Transport) -> Reader {
        let reading = Arc::new(Reading { filter: wish.filter, news: Notify::new() });
        {
            let mut waiting = feed.waiting();
            match reading.filter.names() {
                None => waiting.of_all.push(Arc::downgrade(&reading)),
                Some(names) => {
                    for name in names {
                        waiting.by_name.entry(Arc::clone(name)).or_default().push(Arc::downgrade(&reading));
                    }
                }
            }
        }
        feed.readers[transport as usize].fetch_add(1, Ordering::Relaxed);
        let mut progress = tokio::time::interval_at(Instant::now() + wish.every, wish.every);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reader = Reader {
            feed: Arc::clone(feed),
            reading,
            transport,
            windows: wish.windows,
            seen: 0,
            ready: VecDeque::new(),
            progress,
            over: false,
        };
        reader.begin(wish.after.as_deref());
        reader
    }

    /// The next message; `None` after the last one. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            if self.over {
                return None;
            }
            if self.feed.closing.load(Ordering::SeqCst) {
                self.over = true;
                return Some(Message::Bye("the server ends; come again with the last id"));
            }
            tokio::select! {
                () = self.reading.news.notified() => self.take(false),
                _ = self.progress.tick() => self.take(true),
            }
        }
    }

    fn begin(&mut self, after: Option<&str>) {
        let board = Arc::clone(&self.feed.board);
        let state = board.read();
        let known = after.and_then(|id| {
            let (instance, number) = id.split_once('-')?;
            let number: u64 = number.parse().ok()?;
            (instance == board.instance && number <= state.number).then_some(number)
        });
        match (known, after) {
            (Some(number), _) => {
                self.seen = number;
                self.catch_up(&state, true);
            }
            (None, Some(_)) => self.start(&state, Some("that id is of another run of the server")),
            (None, None) => self.start(&state, None),
        }
    }

    fn take(&mut self, progress: bool) {
        let board = Arc::clone(&self.feed.board);
        let state = board.read();
        self.catch_up(&state, progress);
    }

    /// What is newer, and after it how far the job was when that was all there was.
    fn catch_up(&mut self, state: &State, progress: bool) {
        if self.seen == state.number && !progress {
            return;
        }
        let newer = match state.newer(&self.reading.filter, self.seen, MOST) {
            Ok(newer) => newer,
            Err(why) => {
                self.feed.restarted.fetch_add(1, Ordering::Relaxed);
                let reason = match why {
                    Anew::Forgotten => "you were away for longer than the server's history",
                    Anew::Cleared => "the results that are served were begun anew",
                };
                return self.start(state, Some(reason));
            }
        };
        self.seen = newer.upto;
        if !newer.rows.is_empty() {
            self.feed.conflated.fetch_add(newer.conflated as u64, Ordering::Relaxed);
            let id = self.id();
            self.ready.push_back(Message::Update { rows: newer.rows, id, conflated: newer.conflated });
        }
        if !newer.whole {
            // The rest follows when this has been taken, and then how far the job is.
            self.reading.news.notify_one();
        } else if progress {
            self.ready.push_back(Message::Progress(state.progress.json()));
        }
    }

    fn start(&mut self, state: &State, reason: Option<&'static str>) {
        let rows = state.latest(&self.reading.filter, self.windows, false);
        self.seen = state.number;
        self.ready.push_back(Message::Snapshot { rows, id: self.id(), reason });
        self.ready.push_back(Message::Progress(state.progress.json()));
    }

    fn id(&self) -> String {
        format!("{}-{}", self.feed.board.instance, self.seen)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.feed.forget(&self.reading);
        self.feed.readers[self.transport as usize].fetch_sub(1, Ordering::Relaxed);
    }
}

impl Message {
    /// What kind of message it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Message::Snapshot { .. } => "snapshot",
            Message::Update { .. } => "update",
            Message::Progress(_) => "progress",
            Message::Bye(_) => "bye",
        }
    }

    /// Where to go on from after this message.
    pub fn id(&self) -> Option<&str> {
        match self {
            Message::Snapshot { id, .. } | Message::Update { id, .. } => Some(id),
            Message::Progress(_) | Message::Bye(_) => None,
        }
    }

    /// The message as a JSON object on one line. Rows are in it as they left the dataflow.
    pub fn json(&self) -> String {
        match self {
            Message::Snapshot { rows, id, reason } => {
                let reason = serde_json::Value::from(*reason);
                let head = format!("{{\"type\":\"snapshot\",\"id\":\"{id}\",\"reason\":{reason},\"rows\":[");
                with_rows(head, rows)
            }
            Message::Update { rows, id, conflated } => with_rows(
                format!("{{\"type\":\"update\",\"id\":\"{id}\",\"conflated\":{conflated},\"rows\":["),
                rows,
            ),
            Message::Progress(progress) => {
                format!("{{\"type\":\"progress\",{}", progress.strip_prefix('{').unwrap_or("}"))
            }
            Message::Bye(reason) => {
                format!("{{\"type\":\"bye\",\"reason\":{}}}", serde_json::Value::from(*reason))
            }
        }
    }
}

fn with_rows(mut json: String, rows: &[Arc<Kept>]) -> String {
    json.reserve(rows.iter().map(|row| row.json.len() + 1).sum::<usize>() + 2);
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        json.push_str(&row.json);
    }
    json.push_str("]}");
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::board::about::About;

    #[test]
    fn readers_that_are_gone_are_forgotten_though_nothing_changes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let about = About { job: "test".into(), source: "test".into(), definition: None };
        let feed = Feed::new(Board::new(about, 1_000));
        let reader = |names: Option<&[&str]>| {
            let names = names.map(|names| names.iter().map(|name| Arc::from(*name)).collect());
            let every = Duration::from_secs(1);
            let wish = Wish { filter: Filter::new(None, names), windows: 1, after: None, every };
            Reader::new(&feed, wish, Transport::Sse)
        };
        let registered = || {
            let waiting = feed.waiting();
            (waiting.of_all.len(), waiting.by_name.values().map(Vec::len).collect::<Vec<_>>())
        };
        let stays = reader(Some(&["B"]));
        let go = [reader(None), reader(Some(&["A", "B"])), reader(Some(&["B", "C"]))];
        assert_eq!(registered(), (1, vec![1, 3, 1]));
        drop(go);
        assert_eq!(registered(), (0, vec![1]));
        drop(stays);
        assert_eq!((registered(), feed.count()), ((0, vec![]), 0));
    }
}
