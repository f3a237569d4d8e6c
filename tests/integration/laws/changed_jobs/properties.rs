//! What the oracle's rows of a changed job have to do with those of jobs that were born so, or never saw
//! what was not asked for: held against each other, so that the oracle's reading of the log is not believed
//! for its own sake.

use crate::tapes::{self, Case, Random};
use num_bigint::BigInt;
use oracle::windows::pane;
use oracle::{Change, Cross, File, Log, LoggedChange, Outcome, Record, Settings, run, run_changed};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const CASES: u64 = 60;

/// A case of any generator, and numbers for what is done to it.
fn drawn(seed: u64) -> (Case, Random) {
    let of_kind = [tapes::case, tapes::case_of_windows, tapes::case_of_ids];
    (of_kind[seed as usize % 3](seed), Random::new(seed ^ 0x0b0e))
}

fn at_once(change: Change, from: i64) -> LoggedChange {
    LoggedChange { change, from, offsets: BTreeMap::new() }
}

/// Times of trades, in order.
fn times(settings: &Settings, files: &[File]) -> Vec<i64> {
    let elements = files.iter().flat_map(|file| file.elements(settings.decimals));
    let mut times: Vec<i64> = elements
        .filter_map(|element| match element.record {
            Record::Trade(event) => Some(event.time),
            _ => None,
        })
        .collect();
    times.sort_unstable();
    times
}

/// The settings with the legs of their crosses wanted for themselves.
fn with_legs_wanted(mut settings: Settings) -> Settings {
    settings.symbols = settings.wanted().map(|wanted| wanted.into_iter().collect());
    settings
}

#[test]
fn crosses_added_before_the_first_record_give_the_rows_of_a_job_born_so() {
    for seed in 0..CASES {
        let (case, mut random) = drawn(seed);
        let born = with_legs_wanted(Settings::read(&case.flags));
        let mut changed = born.clone();
        changed.back_fill = random.one_of(&[0, 1_000_000, 3_600_000_000]);
        let is_of_basis = |cross: &Cross| born.bases.iter().any(|(name, _)| *name == cross.name);
        changed.crosses.retain(|cross| is_of_basis(cross) || random.chance(20));
        let added = born.crosses.iter().filter(|cross| !changed.crosses.contains(cross));
        let from = pane(&born.windows, 0).0;
        let changes = added.map(|cross| at_once(Change::AddCross(cross.clone()), from)).collect();
        let files = case.files();
        let (expected, found) = (run(&born, &files), run_changed(&changed, &Log { changes }, &files));
        assert_eq!(found, expected, "seed {seed}, flags {}", case.flags.join(" "));
    }
}

/// A row, read.
struct Row<'a> {
    text: &'a str,
    value: Value,
}

impl Row<'_> {
    fn is(&self, kind: &str, name: &str) -> bool {
        self.value["kind"] == kind && self.value["name"] == name
    }

    fn micros(&self, key: &str) -> i64 {
        self.value[key].as_i64().expect(key) * 1_000
    }

    /// Whether something has this window that is there from a moment on.
    fn begins_with(&self, from: i64) -> bool {
        let window = self.value["window"].as_str().expect("a window");
        let begin_together =
            window.starts_with("anchored:all") || window.strip_prefix("anchored:").is_some_and(is_moment);
        if begin_together { self.micros("end_ms") > from } else { self.micros("start_ms") >= from }
    }

    /// Of rows that leave once.
    fn place(&self, settings: &Settings, cross: &str, from: i64) -> (i64, bool, i64, usize, usize, String) {
        let end = self.micros("end_ms");
        let is_of_cross = self.is("cross", cross) || self.is("stats", cross);
        let last = end + settings.grace;
        let is_late = is_of_cross && last <= from;
        let window = settings.windows.iter().position(|w| self.value["window"] == w.canonical());
        let kind = ["symbol", "cross", "stats", "basis"].iter().position(|kind| self.value["kind"] == **kind);
        let name = self.value["name"].as_str().expect("a name").to_owned();
        let firing = if is_late { from } else { last };
        (firing, !is_late, end, window.expect("a window"), kind.expect("a kind"), name)
    }
}

/// Years have four digits, and periods fewer.
fn is_moment(rest: &str) -> bool {
    rest.len() > 4 && rest.bytes().take(4).all(|byte| byte.is_ascii_digit()) && rest.as_bytes()[4] == b'-'
}

fn read(outcome: &Outcome) -> Vec<Row<'_>> {
    let lines = outcome.rows.lines();
    lines.map(|text| Row { text, value: serde_json::from_str(text).expect("a row") }).collect()
}

fn texts<'a>(rows: impl Iterator<Item = &'a Row<'a>>) -> Vec<&'a str> {
    rows.map(|row| row.text).collect()
}

/// From where it is filled back to on, a cross that is added has the rows of one that was always there, with
/// statistics of their own; no other row knows.
#[test]
fn a_cross_that_is_added_gives_from_there_on_the_rows_of_one_that_was_there() {
    let mut filled_back = 0;
    for seed in 0..CASES {
        let (case, mut random) = drawn(seed);
        let mut born = with_legs_wanted(Settings::read(&case.flags));
        (born.changes, born.provisional, born.rows) = (false, false, [true; 4]);
        let is_of_basis = |cross: &&Cross| born.bases.iter().any(|(name, _)| *name == cross.name);
        let Some(cross) = born.crosses.iter().find(|cross| !is_of_basis(cross)).cloned() else { continue };
        let mut before = born.clone();
        before.crosses.retain(|other| other.name != cross.name);
        before.back_fill = random.one_of(&[0, 1_000, 7_000_000, 60_000_000, 3_600_000_000]);
        let files = case.files();
        let times = times(&born, &files);
        if times.is_empty() {
            continue;
        }
        let from = pane(&born.windows, random.one_of(&times)).1;
        let offsets = (0..files.len()).map(|partition| (partition, random.below(60) as usize)).collect();
        let name = cross.name.clone();
        let log = Log { changes: vec![LoggedChange { change: Change::AddCross(cross), from, offsets }] };
        let outcomes = (run_changed(&before, &log, &files), run(&born, &files), run(&before, &files));
        let (changed, always, never) = (read(&outcomes.0), read(&outcomes.1), read(&outcomes.2));
        let what = format!("seed {seed}, flags {}, {log:?}", case.flags.join(" "));
        let is_other = |row: &&Row<'_>| !row.is("cross", &name) && !row.is("stats", &name);
        assert_eq!(texts(changed.iter().filter(is_other)), texts(never.iter()), "{what}");
        assert_eq!(texts(always.iter().filter(is_other)), texts(never.iter()), "{what}");
        assert_eq!(outcomes.0.counts, outcomes.1.counts, "{what}");
        // The least boundary that is not before: every boundary is the end of the pane before it.
        let begins = pane(&born.windows, from - before.back_fill - 1).1;
        let of_cross = |row: &&Row<'_>| row.is("cross", &name);
        let expected = always.iter().filter(of_cross).filter(|row| row.begins_with(begins));
        assert_eq!(texts(changed.iter().filter(of_cross)), texts(expected), "{what}");
        check_statistics(&changed, &name, born.stats_last, &what);
        let places = changed.iter().map(|row| row.place(&born, &name, from));
        assert!(places.is_sorted(), "{what}");
        filled_back += changed.iter().filter(|row| of_cross(row) && row.micros("end_ms") <= from).count();
    }
    assert!(filled_back > 20, "rows that are filled back: {filled_back}");
}

/// Each row of statistics tells the number and the sum of the rates of the rows before it.
fn check_statistics(rows: &[Row<'_>], name: &str, stats_last: usize, what: &str) {
    let number = |value: &Value| {
        let text = value.as_str().expect("a rate").replace('.', "");
        text.parse::<BigInt>().expect("digits")
    };
    let windows: BTreeSet<&str> = rows.iter().filter_map(|row| row.value["window"].as_str()).collect();
    for window in windows {
        let of = |kind: &'static str| {
            let rows = rows.iter().filter(move |row| row.is(kind, name) && row.value["window"] == window);
            rows.collect::<Vec<_>>()
        };
        let with_rate: Vec<_> = of("cross").into_iter().filter(|row| !row.value["vwap"].is_null()).collect();
        let stats = of("stats");
        assert_eq!(stats.len(), with_rate.len(), "{what}");
        for (place, row) in stats.iter().enumerate() {
            let last = &with_rate[(place + 1).saturating_sub(stats_last)..=place];
            let sum: BigInt = last.iter().map(|row| number(&row.value["vwap"])).sum();
            assert_eq!(row.value["n"].to_string(), last.len().to_string(), "{what}");
            assert_eq!(number(&row.value["sum"]), sum, "{what}");
        }
    }
}

/// The files without the symbol's trades whose time is refused.
fn without(settings: &Settings, files: &[File], symbol: &str, is_refused: impl Fn(i64) -> bool) -> Vec<File> {
    let of_file = |file: &File| {
        let kept = file.elements(settings.decimals).into_iter().filter(|element| match &element.record {
            Record::Trade(event) => event.symbol != symbol || !is_refused(event.time),
            _ => true,
        });
        let bytes = kept.flat_map(|element| [element.line, b"\n"].concat()).collect();
        File { bytes, ..file.clone() }
    };
    files.iter().map(of_file).collect()
}

/// A case, a symbol of it that no cross needs, and a moment.
fn case_with_symbol(seed: u64) -> Option<(Case, Settings, String, i64)> {
    let mut random = Random::new(seed ^ 0x5b01);
    let case = if seed.is_multiple_of(2) { tapes::case(seed) } else { tapes::case_of_windows(seed) };
    let mut settings = Settings::read(&case.flags);
    (settings.provisional, settings.rows) = (false, [true; 4]);
    settings.symbols = settings.symbols.take().or(Some(vec!["ETHUSDT".to_owned()]));
    let needed = settings.wanted().unwrap_or_default();
    let files = case.files();
    let elements = files.iter().flat_map(|file| file.elements(settings.decimals));
    let names: BTreeSet<String> = elements
        .filter_map(|element| match element.record {
            Record::Trade(event) if !needed.contains(&event.symbol) => Some(event.symbol),
            _ => None,
        })
        .collect();
    let names: Vec<String> = names.into_iter().collect();
    let times = times(&settings, &files);
    if names.is_empty() || times.is_empty() {
        return None;
    }
    let from = pane(&settings.windows, random.one_of(&times)).1;
    Some((case, settings, random.one_of(&names), from))
}

/// Offsets are others where records are left out, so dead letters are not compared.
fn same_judgement(one: &Outcome, other: &Outcome, what: &str) {
    let counts = |outcome: &Outcome| {
        let counts = &outcome.counts;
        (counts.accepted, counts.duplicate, counts.late, counts.future, counts.heartbeat)
    };
    assert_eq!(counts(one), counts(other), "{what}");
}

#[test]
fn a_symbol_that_is_added_gives_the_rows_of_a_job_that_never_saw_its_earlier_trades() {
    let mut compared = 0;
    for seed in 0..CASES {
        let Some((case, mut settings, name, from)) = case_with_symbol(seed) else { continue };
        // A fill may follow a window that began before.
        settings.fill = Settings::read(&[]).fill;
        let log = Log { changes: vec![at_once(Change::AddSymbol(name.clone()), from)] };
        let files = case.files();
        let changed = run_changed(&settings, &log, &files);
        let later = without(&settings, &files, &name, |time| time < from);
        settings.symbols.as_mut().expect("some").push(name.clone());
        let born = run(&settings, &later);
        let what = format!("seed {seed}, flags {}, {log:?}", case.flags.join(" "));
        same_judgement(&changed, &born, &what);
        let rows = read(&born);
        let expected = rows.iter().filter(|row| !row.is("symbol", &name) || row.begins_with(from));
        let found = read(&changed);
        compared += found.iter().filter(|row| row.is("symbol", &name)).count();
        assert_eq!(texts(found.iter()), texts(expected), "{what}");
    }
    assert!(compared > 100, "rows of symbols that are added: {compared}");
}

#[test]
fn a_symbol_that_is_dropped_gives_the_rows_of_a_job_that_never_saw_its_later_trades() {
    let mut compared = 0;
    for seed in 0..CASES {
        let Some((case, mut settings, name, from)) = case_with_symbol(seed) else { continue };
        settings.symbols.as_mut().expect("some").push(name.clone());
        let log = Log { changes: vec![at_once(Change::DropSymbol(name.clone()), from)] };
        let files = case.files();
        let changed = run_changed(&settings, &log, &files);
        let earlier = without(&settings, &files, &name, |time| time >= from);
        let always = run(&settings, &earlier);
        let what = format!("seed {seed}, flags {}, {log:?}", case.flags.join(" "));
        same_judgement(&changed, &always, &what);
        let rows = read(&always);
        let expected = rows.iter().filter(|row| !row.is("symbol", &name) || row.micros("end_ms") <= from);
        let found = read(&changed);
        compared += found.iter().filter(|row| row.is("symbol", &name)).count();
        assert_eq!(texts(found.iter()), texts(expected), "{what}");
    }
    assert!(compared > 100, "rows of symbols that are dropped: {compared}");
}

/// Of any log, what rows alone can say.
#[test]
fn rows_of_changed_jobs_are_plausible() {
    for seed in 0..CASES {
        let tapes::ChangedCase { case, log } = tapes::case_of_changes(seed);
        let outcome = run_changed(&Settings::read(&case.flags), &log, &case.files());
        let rows = super::super::plausible(&outcome.rows);
        rows.unwrap_or_else(|what| panic!("seed {seed}, flags {}, {log:?}: {what}", case.flags.join(" ")));
    }
}
