//! The board: what it keeps, answers and forgets.

use super::about::JobDescription;
use super::latest::LatestFilter;
use super::partition_news::PartitionNews;
use super::progress::{Knowledge, ProgressNews};
use super::range::{RowOrder, WindowCursor};
use super::*;
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::{Content, Stage};
use proptest::prelude::*;

fn board(history: u64) -> Arc<Board> {
    Board::new(
        JobDescription { job: "test".into(), source: "test".into(), is_recording: false, definition: None },
        Some(history),
    )
}

fn row(kind: RowKind, name: &str, start_ms: u64, end_ms: u64, json: &str, last: bool) -> CachedRow {
    let stage = if last { Stage::FINAL } else { Stage::Provisional };
    let content = Content { values: Box::default(), stage, closed_by: None };
    CachedRow { kind, name: name.into(), window: "10s".into(), start_ms, end_ms, content, json: json.into() }
}

fn cross(name: &str, start_ms: u64, json: &str) -> CachedRow {
    row(RowKind::Cross, name, start_ms, start_ms + 10, json, false)
}

fn tell(board: &Board, rows: impl IntoIterator<Item = CachedRow>) {
    board.tell(|inbox| rows.into_iter().for_each(|row| inbox.row(row)));
    board.absorb();
}

const TEN: BatchLimit = BatchLimit { rows: 10, bytes: 1_000 };

fn texts(rows: &[Arc<CachedRow>]) -> Vec<&str> {
    rows.iter().map(|row| &*row.json).collect()
}

fn names(names: &[&str]) -> Filter {
    Filter::new(None, Some(names.iter().map(|name| Arc::from(*name)).collect()))
}

#[test]
fn the_newest_row_of_a_window_is_kept_and_an_older_one_told_as_conflated() {
    let board = board(1_000);
    tell(&board, [cross("A", 0, "a0"), cross("A", 0, "a1"), cross("B", 0, "b0")]);
    let state = board.read();
    let all = Filter::default();
    assert_eq!(texts(&state.latest(&all, 1, LatestFilter::default())), ["a1", "b0"]);
    let delta = state.delta(&all, 0, TEN).unwrap();
    assert_eq!(
        (texts(&delta.rows), delta.conflated, delta.upto, delta.whole),
        (vec!["a1", "b0"], 1, 3, true)
    );
    let delta = state.delta(&all, 1, TEN).unwrap();
    assert_eq!((texts(&delta.rows), delta.conflated), (vec!["a1", "b0"], 0));
    let delta = state.delta(&names(&["A"]), 2, TEN).unwrap();
    assert_eq!((delta.rows.len(), delta.upto), (0, 3));
}

#[test]
fn history_is_bounded_by_event_time_and_what_is_forgotten_is_known() {
    let board = board(20);
    tell(&board, (0..5).map(|i| cross("A", i * 10, &format!("a{i}"))));
    let state = board.read();
    assert_eq!(texts(&state.latest(&Filter::default(), 99, LatestFilter::default())), ["a3", "a4"]);
    assert!(state.delta(&Filter::default(), 2, TEN).is_err(), "row 3 was never seen and is gone");
    assert_eq!(texts(&state.delta(&Filter::default(), 3, TEN).unwrap().rows), ["a3", "a4"]);
}

#[test]
fn a_full_inbox_is_emptied_by_whoever_fills_it() {
    let board = board(1);
    for chunk in 0..70 {
        board.tell(|inbox| (0..1_000).for_each(|i| inbox.row(cross("A", (chunk * 1_000 + i) * 10, "a"))));
    }
    assert!(board.read().number >= 65_536);
    assert_eq!(board.changed().len(), 1);
}

#[test]
fn a_small_portion_costs_little_however_much_a_reader_lacks() {
    let board = board(1_000_000);
    tell(&board, (0..60_000).map(|i| cross(&format!("N{}", i % 200), i / 200 * 10, "row")));
    let (state, all) = (board.read(), Filter::default());
    let took = |times: u32, most: BatchLimit| {
        let begun = std::time::Instant::now();
        let rows = (0..times).map(|_| state.delta(&all, 0, most).unwrap().rows.len()).sum::<usize>();
        (rows, begun.elapsed())
    };
    let (rows, whole) = took(1, BatchLimit { rows: 60_000, bytes: usize::MAX });
    let (few, small) = took(5, BatchLimit { rows: 1_000, bytes: 30 });
    assert_eq!((rows, few), (60_000, 50));
    assert!(small < whole, "five small portions took {small:?}, all there is {whole:?}");
}

#[test]
fn who_holds_the_frontier_and_since_when() {
    let mut progress = JobProgress::default();
    let mut told = |told_ms: u64, partitions: &[(u64, bool, bool)]| {
        let partition = |(number, (w, idle, ended)): (usize, &(u64, bool, bool))| {
            let news = PartitionNews {
                name: format!("p{number}"),
                watermark: EventTime::from_micros(w * 1_000),
                counts: Counts::default(),
                idle: *idle,
                ended: *ended,
            };
            (number as u32, news)
        };
        let least = partitions.iter().filter(|(_, idle, ended)| !idle && !ended).map(|(w, _, _)| *w).min();
        progress.absorb(ProgressNews {
            known_from: Knowledge::Job,
            partitions: partitions.iter().enumerate().map(partition).collect(),
            frontier: least.map(|w| EventTime::from_micros(w * 1_000)),
            over: false,
            told_ms,
        });
        (progress.holder, progress.moved_ms)
    };
    assert_eq!(told(1, &[(5, false, false), (5, false, false)]), (None, 1));
    assert_eq!(told(2, &[(9, false, false), (5, false, false)]), (Some((1, 2)), 1));
    assert_eq!(told(3, &[(9, false, false), (6, false, false)]), (Some((1, 2)), 3));
    assert_eq!(told(4, &[(9, false, false), (6, true, false)]), (None, 4));
    assert_eq!(told(5, &[(9, false, false), (11, false, false)]), (Some((0, 5)), 4));
    assert_eq!(told(6, &[(9, false, true), (11, false, true)]), (None, 6));
    assert!(progress.json().contains("\"state\":\"ended\""));
}

#[test]
fn a_commit_names_no_holder_that_the_frontier_has_passed() {
    let at = |seconds: u64| EventTime::from_micros(seconds * 1_000_000);
    let news = |watermark: u64| PartitionNews {
        name: String::new(),
        watermark: at(watermark),
        counts: Counts::default(),
        idle: false,
        ended: false,
    };
    let holder = |watermarks: [u64; 3]| {
        let mut progress = JobProgress::default();
        progress.absorb(ProgressNews {
            known_from: Knowledge::Commit,
            partitions: (0..).zip(watermarks.map(news)).collect(),
            frontier: Some(at(10)),
            over: false,
            told_ms: 1,
        });
        progress.holder.map(|(partition, _)| partition)
    };
    assert_eq!(holder([5, 10, 12]), Some(1), "the first is idle, or the frontier would be where it is");
    assert_eq!(holder([5, 10, 10]), None);
    assert_eq!(holder([12, 11, 10]), Some(2));
}

proptest! {
    /// Whatever is told and however slowly somebody reads, in however small pieces, in the end it knows the
    /// newest row of every window that is kept, and of no other row a newer version than there is.
    #[test]
    fn a_reader_of_any_pace_ends_with_the_newest_rows(
        steps in prop::collection::vec((0u64..6, 0u8..3, any::<bool>()), 1..80),
        rows in 1usize..5,
        bytes in 1usize..9,
    ) {
        let board = board(1_000_000);
        let filter = Filter::default();
        let mut known: BTreeMap<(String, u64), String> = BTreeMap::new();
        let mut seen = 0;
        let read = |known: &mut BTreeMap<(String, u64), String>, seen: &mut u64, all: bool| {
            loop {
                let state = board.read();
                let delta = state.delta(&filter, *seen, BatchLimit { rows, bytes }).unwrap();
                assert!(delta.rows.len() <= rows);
                assert!(delta.rows.len() <= 1 || delta.rows.iter().map(|row| row.json.len()).sum::<usize>() <= bytes);
                for row in &delta.rows {
                    known.insert((row.name.to_string(), row.start_ms), row.json.to_string());
                }
                *seen = delta.upto;
                if delta.whole || !all {
                    return;
                }
            }
        };
        for (version, (window, name, reads)) in steps.iter().enumerate() {
            tell(&board, [cross(&format!("N{name}"), window * 10, &version.to_string())]);
            if *reads {
                read(&mut known, &mut seen, false);
            }
        }
        read(&mut known, &mut seen, true);
        let state = board.read();
        let rows = state.latest(&filter, 99, LatestFilter::default());
        let there: BTreeMap<_, _> =
            rows.iter().map(|r| ((r.name.to_string(), r.start_ms), r.json.to_string())).collect();
        prop_assert_eq!(known, there);
    }

    /// Page by page gives what one page would, in the order of windows.
    #[test]
    fn pages_of_any_limit_add_up_to_the_whole_answer(
        windows in prop::collection::btree_set((0u64..20, 0u8..4, 0usize..3), 0..60),
        limit in 1usize..7,
        from in prop::option::of(0u64..200),
        until in prop::option::of(0u64..200),
        order in prop::sample::select(vec![RowOrder::Ascending, RowOrder::Descending]),
    ) {
        let board = board(1_000_000);
        let kinds = RowKind::ALL;
        let rows = windows.iter().map(|(w, name, kind)| {
            row(kinds[*kind], &format!("N{name}"), w * 10, w * 10 + 30, &format!("{w} {name} {kind}"), w % 2 == 0)
        });
        tell(&board, rows);
        let state = board.read();
        let mut range = Range { from, until, order, ..Range::default() };
        let filter = Filter::default();
        let whole = state.windows(&filter, &range, usize::MAX);
        let mut paged = Vec::new();
        loop {
            let page = state.windows(&filter, &range, limit);
            let Some(last) = page.last() else { break };
            let name = last.name.to_string();
            let window = last.window.to_string();
            let (end_ms, start_ms, kind) = (last.end_ms, last.start_ms, last.kind);
            range.after = Some(WindowCursor { end_ms, kind, name, start_ms, window });
            paged.extend(page);
        }
        prop_assert_eq!(texts(&paged), texts(&whole));
        let is_sorted = whole.is_sorted_by(|a, b| match order {
            RowOrder::Ascending => a.place() < b.place(),
            RowOrder::Descending => a.place() > b.place(),
        });
        prop_assert!(is_sorted);
        let wanted = windows.iter().filter(|(w, _, _)| {
            from.is_none_or(|f| w * 10 >= f) && until.is_none_or(|u| w * 10 < u)
        });
        prop_assert_eq!(whole.len(), wanted.count());
    }
}

#[test]
fn where_rows_are_too_many_the_earliest_go_of_all_names_alike() {
    let about =
        JobDescription { job: "test".into(), source: "test".into(), is_recording: false, definition: None };
    let board = Board::with_room(about, Some(1_000_000), 160);
    // A name with a row each time, and one with a row every tenth time.
    let rows = |at: u64| {
        let often = cross("A", at * 10, &format!("a{at}"));
        let seldom = at.is_multiple_of(10).then(|| cross("B", at * 10, &format!("b{at}")));
        [Some(often), seldom].into_iter().flatten()
    };
    tell(&board, (0..1_000).flat_map(rows));
    let state = board.read();
    let held = state.room.held_from_ms(Some(1_000_000)).expect("less than is wanted");
    assert!(state.room.rows <= 160 && state.room.rows > 130, "{}", state.room.rows);
    assert_eq!(state.series.values().map(Series::len).sum::<usize>(), state.room.rows);
    let firsts = state.series.values().map(|series| series.rows().next().unwrap().end_ms);
    assert!(firsts.clone().all(|end| end > held && end <= held + 100), "{:?}", firsts.collect::<Vec<_>>());
    assert_eq!(
        state.bytes,
        state.series.values().flat_map(Series::rows).map(|row| row.json.len()).sum::<usize>()
    );
    drop(state);
    // What comes of a time that is not held any more is not held either, but as the newest of its name.
    tell(&board, [cross("A", 0, "again"), cross("C", 0, "c0"), cross("C", 10, "c1")]);
    let state = board.read();
    assert_eq!(texts(&state.latest(&names(&["C"]), 99, LatestFilter::default())), ["c1"]);
    let first = state.latest(&names(&["A"]), 999, LatestFilter::default())[0].end_ms;
    assert!(first > held, "{first}");
}

#[test]
fn of_more_names_than_rows_that_fit_each_keeps_its_newest() {
    let about =
        JobDescription { job: "test".into(), source: "test".into(), is_recording: false, definition: None };
    let board = Board::with_room(about, None, 16);
    for at in 0..20 {
        tell(&board, (0..50).map(|name| cross(&format!("N{name}"), at * 10, &format!("{at}"))));
    }
    let state = board.read();
    assert_eq!(state.series.len(), 50);
    assert!(state.room.rows < 70, "{}", state.room.rows);
    let latest = state.latest(&Filter::default(), 1, LatestFilter::default());
    assert!(latest.iter().all(|row| &*row.json == "19"));
}

#[test]
fn the_latest_windows_as_of_a_moment_are_those_that_had_ended() {
    let board = board(1_000);
    tell(&board, (0..5).map(|i| cross("A", i * 10, &format!("a{i}"))));
    let state = board.read();
    let by = |ended_by| LatestFilter { ended_by: Some(ended_by), ..LatestFilter::default() };
    assert_eq!(texts(&state.latest(&Filter::default(), 1, by(29))), ["a1"]);
    assert_eq!(texts(&state.latest(&Filter::default(), 2, by(30))), ["a1", "a2"]);
    assert!(state.latest(&Filter::default(), 1, by(9)).is_empty());
    let or_first = |ended_by| LatestFilter { or_first: true, ..by(ended_by) };
    assert_eq!(texts(&state.latest(&Filter::default(), 2, or_first(9))), ["a0", "a1"]);
    assert_eq!(texts(&state.latest(&Filter::default(), 1, or_first(29))), ["a1"]);
}
