//! One reader: it begins with a snapshot, batch by batch, and goes on with deltas. It makes no message before
//! it is asked for one, so a reader that does not read holds one batch at most, whatever the board keeps.

use super::{FeedMessage, ReaderState, RowFeed, Transport};
use crate::serve::board::snapshot::{Snapshot, SnapshotBatch};
use crate::serve::board::{BatchLimit, BoardState, Resync};
use crate::serve::filter::Filter;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

/// What one message holds at most. Each reader that does not keep up has one that waits to be sent, and a job
/// at full speed leaves none that does: thousands of them are why it is small.
const MOST: BatchLimit = BatchLimit { rows: 1_000, bytes: 32 << 10 };

/// What a reader subscribes to.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Which rows.
    pub filter: Filter,
    /// The names and windows among them that have no rows, as JSON.
    pub unknown: Option<Box<str>>,
    /// How many windows of each name the snapshot has.
    pub windows: usize,
    /// The id of the last message that the reader saw, if it was here before.
    pub after: Option<String>,
    /// How often the reader is told how far the job is.
    pub every: Duration,
}

/// Which batch of a snapshot.
enum SnapshotPart {
    /// The first, with the reason why the reader cannot go on from where it was.
    First(Option<&'static str>),
    Later,
}

/// One reader.
#[derive(Debug)]
pub struct FeedReader {
    feed: Arc<RowFeed>,
    reading: Arc<ReaderState>,
    transport: Transport,
    /// Told with the first snapshot.
    unknown: Option<Box<str>>,
    windows: usize,
    seen: u64,
    /// The snapshot that is under way.
    snapshot: Option<Snapshot>,
    ready: VecDeque<FeedMessage>,
    progress: tokio::time::Interval,
    /// Since when the rows were here that the last message holds, if it tells news.
    handed_on: Option<std::time::Instant>,
    /// The same of the message that comes next.
    news_since: Option<std::time::Instant>,
    over: bool,
}

impl FeedReader {
    /// A reader that begins with a snapshot, or with the delta since the message that it saw last.
    pub fn new(feed: &Arc<RowFeed>, subscription: Subscription, transport: Transport) -> FeedReader {
        let reading = Arc::new(ReaderState { filter: subscription.filter, news: Notify::new() });
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
        let mut progress = tokio::time::interval_at(Instant::now() + subscription.every, subscription.every);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reader = FeedReader {
            feed: Arc::clone(feed),
            reading,
            transport,
            unknown: subscription.unknown,
            windows: subscription.windows,
            seen: 0,
            snapshot: None,
            ready: VecDeque::new(),
            progress,
            handed_on: None,
            news_since: None,
            over: false,
        };
        reader.begin(subscription.after.as_deref());
        reader
    }

    /// The next message; `None` after the last one. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<FeedMessage> {
        // Whoever asks for the next one has taken the last one.
        if let Some(since) = self.handed_on.take() {
            self.feed.delivery.observe(since.elapsed());
        }
        loop {
            if let Some(message) = self.ready.pop_front() {
                self.handed_on = self.news_since.take();
                return Some(message);
            }
            if self.over {
                return None;
            }
            if self.feed.closing.load(Ordering::SeqCst) {
                self.over = true;
                return Some(FeedMessage::Bye("the server ends; come again with the last id"));
            }
            if self.snapshot.is_some() {
                self.take(true);
                continue;
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
        match self.snapshot.take() {
            Some(snapshot) => self.go_on(&state, snapshot, SnapshotPart::Later),
            None => self.catch_up(&state, progress),
        }
    }

    /// The next batch of the delta, and after the last one how far the job is.
    fn catch_up(&mut self, state: &BoardState, progress: bool) {
        if self.seen == state.number && !progress {
            return;
        }
        let delta = match state.delta(&self.reading.filter, self.seen, MOST) {
            Ok(delta) => delta,
            Err(why) => return self.resync(state, why),
        };
        self.seen = delta.upto;
        if !delta.rows.is_empty() {
            self.feed.conflated.fetch_add(delta.conflated as u64, Ordering::Relaxed);
            self.news_since = state.since;
            let id = Some(self.id());
            self.ready.push_back(FeedMessage::Update { rows: delta.rows, id, conflated: delta.conflated });
        }
        if !delta.whole {
            // The rest follows when this has been taken, and then how far the job is.
            self.reading.news.notify_one();
        } else if progress {
            self.ready.push_back(FeedMessage::Progress(state.progress.json()));
        }
    }

    fn resync(&mut self, state: &BoardState, why: Resync) {
        self.feed.restarted.fetch_add(1, Ordering::Relaxed);
        let reason = match why {
            Resync::Forgotten => "you were away for longer than the server's history",
            Resync::Cleared => "the results that are served were begun anew",
        };
        self.start(state, Some(reason));
    }

    fn start(&mut self, state: &BoardState, reason: Option<&'static str>) {
        self.go_on(state, Snapshot::new(state, self.windows), SnapshotPart::First(reason));
    }

    /// The next batch of a snapshot. The last one has the id to go on from, and progress follows it.
    fn go_on(&mut self, state: &BoardState, mut snapshot: Snapshot, part: SnapshotPart) {
        let SnapshotBatch { rows, whole } =
            match state.snapshot_batch(&mut snapshot, &self.reading.filter, MOST) {
                Ok(batch) => batch,
                Err(why) => return self.resync(state, why),
            };
        self.seen = snapshot.number;
        self.snapshot = (!whole).then_some(snapshot);
        let id = whole.then(|| self.id());
        self.ready.push_back(match part {
            SnapshotPart::First(reason) => {
                FeedMessage::Snapshot { rows, id, reason, unknown: self.unknown.take() }
            }
            SnapshotPart::Later => FeedMessage::Update { rows, id, conflated: 0 },
        });
        if whole {
            self.ready.push_back(FeedMessage::Progress(state.progress.json()));
        }
    }

    fn id(&self) -> String {
        format!("{}-{}", self.feed.board.instance, self.seen)
    }
}

impl Drop for FeedReader {
    fn drop(&mut self) {
        self.feed.forget(&self.reading);
        self.feed.readers[self.transport as usize].fetch_sub(1, Ordering::Relaxed);
    }
}
