//! The feed: what readers get, and what they cost.

use super::*;
use crate::serve::board::about::JobDescription;
use crate::serve::board::latest::LatestFilter;
use crate::serve::board::series::CachedRow;
use crossrate_dataflows::market::row::{Content, Stage};
use proptest::prelude::*;
use tokio::runtime::Runtime;

/// Bytes of one message's rows at most, where no row is longer.
const PORTION: usize = 32 << 10;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn feed(history_ms: u64) -> Arc<RowFeed> {
    let about =
        JobDescription { job: "test".into(), source: "test".into(), is_recording: false, definition: None };
    RowFeed::new(Board::new(about, Some(history_ms)))
}

fn reader(feed: &Arc<RowFeed>, names: Option<&[&str]>, windows: usize) -> FeedReader {
    let names = names.map(|names| names.iter().map(|name| Arc::from(*name)).collect());
    // Progress is told by itself once a day, so only after snapshots here.
    let every = Duration::from_secs(86_400);
    let filter = Filter::new(None, names);
    let subscription = Subscription { filter, unknown: None, windows, after: None, every };
    FeedReader::new(feed, subscription, Transport::Sse)
}

/// Tells the board a version of a window of ten milliseconds; the text is as long as asked.
fn tell(feed: &RowFeed, name: &str, window: u64, version: usize, bytes: usize) {
    let json = format!("{:bytes$}", format!("\"{name} {window} {version}\"")).into();
    let (start_ms, end_ms) = (window * 10, window * 10 + 10);
    let (kind, name) = (RowKind::Cross, name.into());
    let stage = Stage::Closed { revision: 0, last: false };
    let content = Content { values: Box::default(), stage, closed_by: None };
    let row = CachedRow { kind, name, window: "10s".into(), start_ms, end_ms, content, json };
    feed.board.tell(|inbox| inbox.row(row));
    feed.board.absorb();
    feed.wake(&feed.board.changed());
}

/// What a client makes of messages, as the documents tell it to.
#[derive(Default)]
struct Client {
    rows: BTreeMap<(Arc<str>, u64), Arc<CachedRow>>,
    is_whole: bool,
    snapshots: usize,
}

impl Client {
    fn take(&mut self, message: FeedMessage) {
        let (rows, id) = match message {
            FeedMessage::Snapshot { rows, id, .. } => {
                self.snapshots += 1;
                self.rows.clear();
                (rows, id)
            }
            FeedMessage::Update { rows, id, .. } => (rows, id),
            FeedMessage::Progress(_) => return assert!(self.is_whole, "progress follows a whole snapshot"),
            FeedMessage::Bye(_) => return,
        };
        self.is_whole = id.is_some();
        let bytes: usize = rows.iter().map(|row| row.json.len()).sum();
        assert!(rows.len() == 1 || bytes <= PORTION, "{} rows of {bytes} bytes", rows.len());
        for row in rows {
            let before = self.rows.insert((Arc::clone(&row.name), row.end_ms), Arc::clone(&row));
            assert!(before.is_none_or(|before| before.json != row.json), "told twice: {}", row.json);
        }
    }

    /// Takes all messages that there are without new rows.
    fn take_all(&mut self, runtime: &Runtime, reader: &mut FeedReader) {
        while self.take_one(runtime, reader) {}
    }

    fn take_one(&mut self, runtime: &Runtime, reader: &mut FeedReader) -> bool {
        // A reader waits for nothing but news, and none comes meanwhile.
        let next = runtime.block_on(async {
            tokio::select! { biased; message = reader.next() => message, () = std::future::ready(()) => None }
        });
        next.map(|message| self.take(message)).is_some()
    }
}

#[test]
fn readers_that_are_gone_are_forgotten_though_nothing_changes() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let feed = feed(1_000);
    let reader = |names: Option<&[&str]>| reader(&feed, names, 1);
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

#[test]
fn a_snapshot_has_the_latest_windows_of_its_moment_and_no_more() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let feed = feed(1_000_000);
    for window in 0..10 {
        ["A", "B", "C"].iter().for_each(|name| tell(&feed, name, window, 0, 20_000));
    }
    let mut reader = reader(&feed, Some(&["A", "C"]), 3);
    let mut client = Client::default();
    assert!(client.take_one(&runtime, &mut reader) && !client.is_whole);
    // A window that begins later, and one that changes, are updates; the snapshot's windows stay the same.
    tell(&feed, "C", 10, 0, 20_000);
    tell(&feed, "C", 7, 1, 20_000);
    client.take_all(&runtime, &mut reader);
    let known = |name: &str| -> Vec<u64> {
        client.rows.keys().filter(|(of, _)| **of == *name).map(|(_, end)| end / 10 - 1).collect()
    };
    assert_eq!((known("A"), known("B"), known("C")), (vec![7, 8, 9], vec![], vec![7, 8, 9, 10]));
    assert!(client.is_whole && client.rows[&("C".into(), 80)].json.contains("C 7 1"));
}

#[test]
fn a_reader_that_does_not_read_begins_anew_when_what_it_lacks_is_gone() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let feed = feed(50);
    (0..5).for_each(|window| tell(&feed, "A", window, 0, 20_000));
    let mut reader = reader(&feed, None, 100);
    let mut client = Client::default();
    client.take_one(&runtime, &mut reader);
    (5..20).for_each(|window| tell(&feed, "A", window, 0, 20_000));
    client.take_all(&runtime, &mut reader);
    let windows: Vec<u64> = client.rows.keys().map(|(_, end)| end / 10 - 1).collect();
    assert_eq!((windows, client.snapshots), ((15..20).collect(), 2));
}

proptest! {
    /// A reader that joins and reads when it likes, or not at all, knows in the end exactly what the board
    /// knows, whatever has changed meanwhile: nothing is missing, nothing older is told after a newer one,
    /// nothing twice.
    #[test]
    fn a_reader_knows_in_the_end_what_the_board_knows(
        before in prop::collection::vec((0u64..30, 0u8..4), 0..60),
        after in prop::collection::vec((0u64..40, 0u8..5, 0usize..3), 0..120),
        bytes in 1_000usize..40_000,
        history_ms in prop::sample::select(vec![60, 150, 1_000_000]),
    ) {
        let runtime = runtime();
        let _inside = runtime.enter();
        let feed = feed(history_ms);
        for (version, (window, name)) in before.iter().enumerate() {
            tell(&feed, &format!("N{name}"), *window, version, bytes);
        }
        let mut reader = reader(&feed, None, 1_000);
        let mut client = Client::default();
        for (version, (window, name, reads)) in after.iter().enumerate() {
            tell(&feed, &format!("N{name}"), *window, 1_000 + version, bytes);
            for _ in 0..*reads {
                client.take_one(&runtime, &mut reader);
            }
        }
        client.take_all(&runtime, &mut reader);
        prop_assert!(client.is_whole);
        let state = feed.board.read();
        for row in state.latest(&Filter::default(), 1_000, LatestFilter::default()) {
            let known = client.rows.get(&(Arc::clone(&row.name), row.end_ms));
            prop_assert_eq!(known.map(|row| &row.json), Some(&row.json));
        }
        let is_kept = |(name, end): &(Arc<str>, u64)| {
            let series = state.series.get(&(RowKind::Cross, Arc::clone(name), Arc::from("10s")));
            series.and_then(|series| series.get((*end, end - 10))).is_some()
        };
        // What the board has forgotten since may be known beyond it.
        prop_assert!(history_ms < 1_000 || client.rows.keys().all(is_kept));
    }
}
