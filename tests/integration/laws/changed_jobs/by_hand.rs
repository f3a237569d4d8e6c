//! Jobs that are changed while they run, with the rows that a person worked out: each shows one rule.
//!
//! In short, seconds counted from [`START`]. A record is `A10x2#7@5`: a trade of A, price 10, quantity 2
//! (else 1), id 7 (else one more than the symbol's last), at 5 s; `+A..` an aggregate; `~5` a heartbeat. A
//! change is `cross X=A*B from 20 at 4 2`: of partition 0 the record of offset 4 is the first after it, of
//! partition 1 that of offset 2, of others their first; likewise `drop cross X`, `symbol A`, `drop symbol
//! A`.

use crate::tapes::{Case, ChangedCase, Packing, Tape};
use oracle::{Change, Cross, Log, LoggedChange, Outcome, Settings, run_changed};
use serde_json::Value;
use std::collections::BTreeMap;

/// In seconds: whole minutes.
const START: i64 = 1_500_000_000;

pub(super) struct ByHand {
    pub(super) shows: &'static str,
    pub(super) flags: &'static str,
    /// A line a partition.
    pub(super) inputs: &'static str,
    /// A line a change.
    pub(super) log: &'static str,
    /// A line a row, see [`short`], then the counts.
    pub(super) rows: &'static str,
}

impl ByHand {
    /// As the generators have them.
    pub(super) fn case(&self) -> ChangedCase {
        let mut ids = BTreeMap::new();
        let mut tape = |line: &str| {
            let lines = line.split(' ').map(|text| record(text, &mut ids).into_bytes()).collect();
            Tape { lines, archive_of: None, packing: Packing::Plain, is_mapped: false }
        };
        let tapes = lines(self.inputs).map(&mut tape).collect();
        let flags = self.flags.split_whitespace().map(str::to_owned).collect();
        let log = Log { changes: lines(self.log).map(change).collect() };
        ChangedCase { case: Case { flags, tapes }, log }
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn record(text: &str, ids: &mut BTreeMap<String, u64>) -> String {
    let (head, seconds) = text.split_once('@').unwrap_or(("", text.trim_start_matches('~')));
    let time = START * 1_000 + (seconds.parse::<f64>().expect(text) * 1e3) as i64;
    if head.is_empty() {
        return format!(r#"{{"e":"heartbeat","T":{time}}}"#);
    }
    let (head, id) = head.split_once('#').map_or((head, None), |(head, id)| (head, id.parse().ok()));
    let (event, key, head) = match head.strip_prefix('+') {
        Some(head) => ("aggTrade", "a", head),
        None => ("trade", "t", head),
    };
    let symbol = head.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let (symbol, amounts) = (&head[..head.len() - symbol.len()], symbol);
    let (price, quantity) = amounts.split_once('x').unwrap_or((amounts, "1"));
    let last = ids.entry(symbol.to_owned()).or_default();
    *last = id.unwrap_or(*last + 1);
    format!(r#"{{"e":"{event}","s":"{symbol}","{key}":{last},"p":"{price}","q":"{quantity}","T":{time}}}"#)
}

fn change(text: &str) -> LoggedChange {
    let (what, when) = text.split_once(" from ").expect(text);
    let (from, at) = when.split_once(" at").unwrap_or((when, ""));
    let change = match what.rsplit_once(' ').expect(text) {
        ("cross", cross) => Change::AddCross(Cross::read(cross)),
        ("drop cross", name) => Change::DropCross(name.to_owned()),
        ("symbol", name) => Change::AddSymbol(name.to_owned()),
        ("drop symbol", name) => Change::DropSymbol(name.to_owned()),
        _ => panic!("{text}"),
    };
    let offsets = at.split_whitespace().map(|offset| offset.parse().expect(text)).enumerate().collect();
    LoggedChange { change, from: (START + from.parse::<i64>().expect(text)) * 1_000_000, offsets }
}

/// A row in short, such as `X 0-10: 6 complete n2`: of a symbol or cross its name, where it is not of the
/// first definition that definition, start (`*` for 1970) and end, VWAP, status, trades, missing ids if any;
/// `open` where the window is, `rev 1` what is not final yet, `final 1` what is and has another revision
/// than 0. A fill has its close for the VWAP.
fn short(line: &str, first_window: &str) -> String {
    let row: Value = serde_json::from_str(line).expect("a row");
    let text = |key: &str| row[key].as_str().unwrap_or("none").to_owned();
    let number = |key: &str| {
        let number = text(key);
        if number.contains('.') {
            number.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            number
        }
    };
    let seconds = |key: &str| row[key].as_i64().expect(key) / 1_000 - START;
    let start = if row["start_ms"] == 0 { "*".to_owned() } else { seconds("start_ms").to_string() };
    let window = if row["window"] == first_window { String::new() } else { format!(" {}", text("window")) };
    let head = format!("{}{window} {start}-{}", text("name"), seconds("end_ms"));
    let (trades, revision, missing) = (&row["trades"], &row["revision"], &row["missing_ids"]);
    let mark = match (row["final"] == true, revision.as_u64()) {
        (_, None) => " open".to_owned(),
        (false, Some(revision)) => format!(" rev {revision}"),
        (true, Some(0)) => String::new(),
        (true, Some(revision)) => format!(" final {revision}"),
    };
    let gap = if *missing == 0 { String::new() } else { format!(" gap {missing}") };
    match row["kind"].as_str() {
        Some("symbol") if *trades == 0 => format!("{head}: fill {}{mark}", number("close")),
        Some("symbol") => format!("{head}: {} n{trades}{gap}{mark}", number("vwap")),
        Some("cross") => format!("{head}: {} {} n{trades}{gap}{mark}", number("vwap"), text("status")),
        Some("stats") => format!("stats {head}: n{} sum {}", row["n"], number("sum")),
        _ => format!("basis {head}: {}", text("status")),
    }
}

/// The rows of an outcome in short, and its counts.
fn shorts(outcome: &Outcome, settings: &Settings) -> Vec<String> {
    let first_window = settings.windows[0].canonical();
    let mut lines: Vec<String> = outcome.rows.lines().map(|row| short(row, &first_window)).collect();
    let counts: BTreeMap<String, u64> = serde_json::from_str(&outcome.counts.json()).expect("counts");
    let counts = counts.iter().filter(|(key, count)| **count > 0 && *key != "read");
    lines.push(counts.map(|(key, count)| format!("{key} {count}")).collect::<Vec<_>>().join(", "));
    lines
}

#[test]
fn the_oracle_gives_what_a_person_worked_out() {
    let mut wrong = String::new();
    for by_hand in CASES {
        let ChangedCase { case, log } = by_hand.case();
        let settings = Settings::read(&case.flags);
        let found = shorts(&run_changed(&settings, &log, &case.files()), &settings);
        let expected: Vec<&str> = lines(by_hand.rows).collect();
        if found != expected {
            let (expected, found) = (expected.join("\n"), found.join("\n"));
            wrong += &format!("{}\nexpected\n{expected}\nfound\n{found}\n\n", by_hand.shows);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn windows_that_are_withheld_are_not_filled_back() {
    let by_hand = &CASES[1];
    assert!(by_hand.shows.starts_with("A cross is filled back"));
    let ChangedCase { case, log } = by_hand.case();
    let mut settings = Settings::read(&case.flags);
    settings.withheld_before = (START + 10) * 1_000_000;
    let found = shorts(&run_changed(&settings, &log, &case.files()), &settings);
    let kept = lines(by_hand.rows).filter(|line| !line.contains(" 0-10"));
    let mut expected: Vec<String> = kept.map(str::to_owned).collect();
    for (with, without) in [("n2 sum 26", "n1 sum 20"), ("n3 sum 68", "n2 sum 62")] {
        let line = expected.iter_mut().find(|line| line.ends_with(with)).expect(with);
        *line = line.replace(with, without);
    }
    assert_eq!(found, expected);
}

#[test]
#[should_panic(expected = "is needed")]
fn a_leg_cannot_be_dropped() {
    let log = Log { changes: vec![change("drop symbol BTCUSDT from 30")] };
    run_changed(&Settings::read(&[]), &log, &[]);
}

#[test]
#[should_panic(expected = "is no boundary")]
fn a_change_holds_from_a_boundary() {
    let log = Log { changes: vec![change("drop cross XVGUSDT from 31")] };
    run_changed(&Settings::read(&[]), &log, &[]);
}

#[test]
#[should_panic(expected = "is not in order")]
fn a_log_with_an_earlier_change_behind_a_later_one_is_refused() {
    let changes = ["symbol A from 30 at 3", "symbol B from 30 at 2"].map(change);
    run_changed(&Settings::read(&[]), &Log { changes: changes.into() }, &[]);
}

pub(super) const CASES: &[ByHand] = &[
    ByHand {
        shows: "A cross over symbols that are wanted has rows of windows that start at `from` or later.",
        flags: "--window 10s --delay 0s --symbols A,B --rows cross,stats",
        inputs: "A2@1 B3@2 A4@11 B5@12 A6@21 B7@22 A2@31",
        log: "cross X=A*B from 20 at 4",
        rows: "X 20-30: 42 complete n2
               stats X 20-30: n1 sum 42
               X 30-40: none leg_missing n1
               accepted 7",
    },
    ByHand {
        shows: "A cross is filled back: what is final at `from` leaves then, in the order of rows, \
                before the rest.",
        flags: "--window 10s --delay 0s --symbols A,B --back-fill 20s",
        inputs: "A2@1 B3@2 A4@11 B5@12 A6@21 B7@22 A2@31",
        log: "cross X=A*B from 20 at 4",
        rows: "A 0-10: 2 n1
               B 0-10: 3 n1
               X 0-10: 6 complete n2
               stats X 0-10: n1 sum 6
               X 10-20: 20 complete n2
               stats X 10-20: n2 sum 26
               A 10-20: 4 n1
               B 10-20: 5 n1
               A 20-30: 6 n1
               B 20-30: 7 n1
               X 20-30: 42 complete n2
               stats X 20-30: n3 sum 68
               A 30-40: 2 n1
               X 30-40: none leg_missing n1
               accepted 7",
    },
    ByHand {
        shows: "What is not final at `from` leaves with its window.",
        flags: "--window 10s --delay 0s --grace 5s --symbols A,B --back-fill 20s --stats-last 1",
        inputs: "A2@1 B3@2 A4@11 B5@12 A6@21",
        log: "cross X=A*B from 20 at 4",
        rows: "A 0-10: 2 n1
               B 0-10: 3 n1
               X 0-10: 6 complete n2
               stats X 0-10: n1 sum 6
               A 10-20: 4 n1
               B 10-20: 5 n1
               X 10-20: 20 complete n2
               stats X 10-20: n1 sum 20
               A 20-30: 6 n1
               X 20-30: none leg_missing n1
               accepted 5",
    },
    ByHand {
        shows: "With all symbols wanted, crosses may change, also over symbols that never trade.",
        flags: "--window 10s --delay 0s --symbols all --rows cross,stats",
        inputs: "A2@1 B3@2 A4@11 B5@12 A6@21 B7@22",
        log: "cross X=A*B from 20 at 4
              cross Y=A*N from 20 at 4",
        rows: "X 20-30: 42 complete n2
               Y 20-30: none leg_missing n1
               stats X 20-30: n1 sum 42
               accepted 6",
    },
    ByHand {
        shows: "A dropped cross has rows of windows that end by then, also if they are final later. \
                Its symbols stay.",
        flags: "--window 10s --delay 0s --grace 5s --cross X=A*B --rows symbol,cross",
        inputs: "A2@1 B3@2 A4@11 B5@12 A6@21 B7@22 A2@31",
        log: "drop cross X from 20 at 4",
        rows: "A 0-10: 2 n1
               B 0-10: 3 n1
               X 0-10: 6 complete n2
               A 10-20: 4 n1
               B 10-20: 5 n1
               X 10-20: 20 complete n2
               A 20-30: 6 n1
               B 20-30: 7 n1
               A 30-40: 2 n1
               accepted 7",
    },
    ByHand {
        shows: "Another formula: statistics begin anew, and back-fill ends where the name had another one.",
        flags: "--window 10s --delay 0s --cross X=A*B --rows cross,stats --back-fill 1h",
        inputs: "A2@1 B3@2 A4@11 B5@12 A6@21 B7@22 A2@31",
        log: "drop cross X from 20 at 4
              cross X=B/A from 20 at 4",
        rows: "X 0-10: 6 complete n2
               stats X 0-10: n1 sum 6
               X 10-20: 20 complete n2
               stats X 10-20: n2 sum 26
               X 20-30: 1.166666666666666667 complete n2
               stats X 20-30: n1 sum 1.166666666666666667
               X 30-40: none leg_missing n1
               accepted 7",
    },
    ByHand {
        shows: "A cross that comes again is filled back to where its name was dropped.",
        flags: "--window 10s --delay 0s --cross X=A*B --rows cross,stats --back-fill 1h",
        inputs: "A2@1 B3@2 A4@11 B5@12 A6@21 B7@22 A2@31 A3@41 B3@42",
        log: "drop cross X from 20 at 4
              cross X=A*B from 40 at 7",
        rows: "X 0-10: 6 complete n2
               stats X 0-10: n1 sum 6
               X 10-20: 20 complete n2
               stats X 10-20: n2 sum 26
               X 20-30: 42 complete n2
               stats X 20-30: n1 sum 42
               X 30-40: none leg_missing n1
               X 40-50: 9 complete n2
               stats X 40-50: n2 sum 51
               accepted 9",
    },
    ByHand {
        shows: "Added and dropped at one moment, a cross was there before it; the next of its name \
                begins there.",
        flags: "--window 10s --delay 0s --symbols A,B --rows cross,stats --back-fill 10s",
        inputs: "A2@1 B3@2 A4@11 B5@12 A6@21 B7@22 A2@31",
        log: "cross X=A*B from 20 at 4
              drop cross X from 20 at 4
              cross X=A/B from 20 at 4",
        rows: "X 10-20: 20 complete n2
               stats X 10-20: n1 sum 20
               X 20-30: 0.857142857142857143 complete n2
               stats X 20-30: n1 sum 0.857142857142857143
               X 30-40: none leg_missing n1
               accepted 7",
    },
    ByHand {
        shows: "Back-fill goes no further than a leg's own `from`.",
        flags: "--window 10s --delay 0s --symbols A --rows cross --back-fill 1h",
        inputs: "A2@1 C2@2 A2@11 A3@21 C4@22 A5@31 C6@32 A1@41 C1@42",
        log: "symbol C from 20 at 3
              cross X=A*C from 40 at 7",
        rows: "X 20-30: 12 complete n2
               X 30-40: 30 complete n2
               X 40-50: 1 complete n2
               accepted 8, unselected 1",
    },
    ByHand {
        shows: "Back-fill begins at the boundary at or after that long before.",
        flags: "--window 10s --delay 0s --symbols A --rows cross --back-fill 17s",
        inputs: "A2@1 C2@2 A2@11 A3@21 C4@22 A5@31 C6@32 A1@41 C1@42",
        log: "symbol C from 20 at 3
              cross X=A*C from 40 at 7",
        rows: "X 30-40: 30 complete n2
               X 40-50: 1 complete n2
               accepted 8, unselected 1",
    },
    ByHand {
        shows: "A symbol is added: records before it are judged by what was, whatever their time; \
                those after it by theirs.",
        flags: "--window 10s --delay 5s --symbols A",
        inputs: "A1@1 C5@14 A1@3 C6@4 C7@12 A1@8 C8@15",
        log: "symbol C from 10 at 3",
        rows: "A 0-10: 1 n3
               C 10-20: 7.5 n2
               accepted 5, unselected 2",
    },
    ByHand {
        shows: "A symbol is dropped: what was accepted before the change moves the watermark, also past \
                `from`, and is in \
                no row; of what comes after it, older trades are still asked for.",
        flags: "--window 10s --delay 5s --symbols A,C",
        inputs: "C1#1@1 A1@3 C2#3@16 C3#4@13 C9#2@5 A1@10.5 A1@14",
        log: "drop symbol C from 10 at 3",
        rows: "A 0-10: 1 n1
               C 0-10: 1 n1
               A 10-20: 1 n2
               accepted 5, late 1, unselected 1",
    },
    ByHand {
        shows: "Each partition takes a change by itself; one that is not named took it before its \
                first record.",
        flags: "--window 10s --delay 0s --symbols A",
        inputs: "C1@12 C2@13
                 C3@14 A1@15",
        log: "symbol C from 10 at 1",
        rows: "A 10-20: 1 n1
               C 10-20: 2.5 n2
               accepted 3, unselected 1",
    },
    ByHand {
        shows: "A symbol that comes again has forgotten its ids: none is missing between its stays.",
        flags: "--window 10s --delay 0s --symbols A,C",
        inputs: "C1#1@1 C2#2@2 A1@3 A1@12 C5#50@13 C6#60@21 C6#60@21 C7#61@22 A1@31",
        log: "drop symbol C from 10 at 3
              symbol C from 20 at 5",
        rows: "A 0-10: 1 n1
               C 0-10: 1.5 n2
               A 10-20: 1 n1
               C 20-30: 6.5 n2
               A 30-40: 1 n1
               accepted 7, duplicate 1, unselected 1",
    },
    ByHand {
        shows: "Dropped and added at one moment: trades of the stay before are not those of the next, \
                nor are their ids.",
        flags: "--window 10s --delay 10s --symbols A,C",
        inputs: "A1@1 C5#7@12 C5#7@12 C5#7@12 A1@13",
        log: "drop symbol C from 10 at 2
              symbol C from 10 at 2",
        rows: "A 0-10: 1 n1
               A 10-20: 1 n1
               C 10-20: 5 n1
               accepted 4, duplicate 1",
    },
    ByHand {
        shows: "Nor by which kind a partition counts it.",
        flags: "--window 10s --delay 10s --symbols C",
        inputs: "C1@1 +C2@2 +C3@12 C4@13 C5@3 +C6@4",
        log: "drop symbol C from 10 at 2
              symbol C from 10 at 2",
        rows: "C 0-10: 3 n2 gap 3
               C 10-20: 3 n1
               accepted 3, ignored 3",
    },
    ByHand {
        shows: "Fills end where the symbol is dropped, and begin anew with its first trade after it \
                comes again.",
        flags: "--window 10s --delay 0s --symbols A,C --fill previous --max-fill 1m",
        inputs: "C4@1 A1@2 A1@31 A1@55 C9@75 A1@95",
        log: "drop symbol C from 40 at 3
              symbol C from 60 at 4",
        rows: "A 0-10: 1 n1
               C 0-10: 4 n1
               A 10-20: fill 1
               C 10-20: fill 4
               A 20-30: fill 1
               C 20-30: fill 4
               A 30-40: 1 n1
               C 30-40: fill 4
               A 40-50: fill 1
               A 50-60: 1 n1
               A 60-70: fill 1
               A 70-80: fill 1
               C 70-80: 9 n1
               A 80-90: fill 1
               C 80-90: fill 9
               A 90-100: 1 n1
               accepted 6",
    },
    ByHand {
        shows: "In the first windows of a cross earlier ones of its legs stand in, also from before `from`.",
        flags: "--window 10s --delay 0s --symbols A,B --missing-leg carry --max-carry 30s --rows cross",
        inputs: "A2@1 B3@2 B5@12 B7@22 B8@33 B9@41",
        log: "cross X=A*B from 20 at 3",
        rows: "X 20-30: 14 carried n1
               X 30-40: 16 carried n1
               X 40-50: none leg_missing n1
               accepted 6",
    },
    ByHand {
        shows: "A leg that was dropped meanwhile has none that could stand in.",
        flags: "--window 10s --delay 0s --symbols A,B --missing-leg carry --max-carry 30s --rows cross",
        inputs: "A2@1 B3@2 B5@12 B7@22 B8@33 B9@41",
        log: "drop symbol A from 20 at 3
              symbol A from 20 at 3
              cross X=A*B from 20 at 3",
        rows: "X 20-30: none leg_missing n1
               X 30-40: none leg_missing n1
               X 40-50: none leg_missing n1
               accepted 6",
    },
    ByHand {
        shows: "Windows of one start are there if they end later: a symbol's hold what was since `from`, a \
                cross takes all of \
                its legs. Windows of periods begin with the next one.",
        flags: "--window anchored:all/10s --window anchored:30s/10s --delay 0s --symbols A,B \
                --rows symbol,cross",
        inputs: "A2@1 B3@5 A4@11 A6@12 C5@21 C7@22 A4@23 C9@31 B1@32",
        log: "symbol C from 20 at 3
              cross X=A*C from 20 at 3",
        rows: "A *-10: 2 n1
               B *-10: 3 n1
               A anchored:30s/10s 0-10: 2 n1
               B anchored:30s/10s 0-10: 3 n1
               A *-20: 4 n3
               A anchored:30s/10s 0-20: 4 n3
               A *-30: 4 n4
               C *-30: 6 n2
               X *-30: 24 complete n6
               A anchored:30s/10s 0-30: 4 n4
               B *-40: 2 n2
               C *-40: 7 n3
               X *-40: 28 complete n7
               B anchored:30s/10s 30-40: 1 n1
               C anchored:30s/10s 30-40: 9 n1
               X anchored:30s/10s 30-40: none leg_missing n1
               accepted 9",
    },
    ByHand {
        shows: "Back-fill of windows of one start: those that end after its beginning.",
        flags: "--window anchored:all/10s --delay 0s --symbols A,B --back-fill 10s --rows cross,stats",
        inputs: "A2@1 B3@5 A4@11 B5@21",
        log: "cross X=A*B from 20 at 3",
        rows: "X *-20: 9 complete n3
               stats X *-20: n1 sum 9
               X *-30: 12 complete n4
               stats X *-30: n2 sum 21
               accepted 4",
    },
    ByHand {
        shows: "A window that starts before its symbol's `from` has no row, starts no fill, stands in \
                for none.",
        flags: "--window 10s --window 5s --fill null --max-fill 10s --missing-leg carry --delay 0s \
                --symbols A --rows symbol,cross",
        inputs: "A1@1 C4@6 A1@12 A1@31",
        log: "symbol C from 5 at 1
              cross X=A*C from 5 at 1",
        rows: "A 5s 0-5: 1 n1
               A 0-10: 1 n1
               A 5s 5-10: fill none
               C 5s 5-10: 4 n1
               X 5s 5-10: 4 carried n1
               A 5s 10-15: 1 n1
               C 5s 10-15: fill none
               X 5s 10-15: 4 carried n1
               A 10-20: 1 n1
               X 10-20: none leg_missing n1
               A 5s 15-20: fill none
               C 5s 15-20: fill none
               A 5s 20-25: fill none
               A 20-30: fill none
               A 5s 30-35: 1 n1
               X 5s 30-35: 4 carried n1
               A 30-40: 1 n1
               X 30-40: none leg_missing n1
               accepted 4",
    },
    ByHand {
        shows: "Windows that slide over the moment are neither of what is dropped nor of what is added.",
        flags: "--window 10s/5s --delay 0s --symbols A,C",
        inputs: "A1@1 C1@2 A1@11 C2@12 E5@16 A1@22",
        log: "drop symbol C from 15 at 4
              symbol E from 15 at 4",
        rows: "A -5-5: 1 n1
               C -5-5: 1 n1
               A 0-10: 1 n1
               C 0-10: 1 n1
               A 5-15: 1 n1
               C 5-15: 2 n1
               A 10-20: 1 n1
               A 15-25: 1 n1
               E 15-25: 5 n1
               A 20-30: 1 n1
               accepted 6",
    },
    ByHand {
        shows: "Open windows: of what is dropped they are seen before `from`, of what is added from \
                its first tick on.",
        flags: "--window 10s --delay 0s --provisional --tick 2s --symbols A,C",
        inputs: "A1@1 C1@2 C2@12 E3@15 A2@16
                 E4@11",
        log: "drop symbol C from 10 at 3
              symbol E from 10 at 3",
        rows: "A 0-10: 1 n1 open
               C 0-10: 1 n1 open
               C 10-20: 2 n1 open
               A 0-10: 1 n1
               C 0-10: 1 n1
               E 10-20: 4 n1 open
               E 10-20: 3.5 n2 open
               A 10-20: 2 n1 open
               A 10-20: 2 n1
               E 10-20: 3.5 n2
               accepted 6",
    },
    ByHand {
        shows: "The first tick shows an open window once, as it is then; what changes later is seen \
                of what is added alone.",
        flags: "--window 10s --delay 4s --provisional --tick 2s --symbols A,C",
        inputs: "A1@1 C2@11 C4@13 C6@15
                 E1@10 E3@12 E5@13 E7@14 E9@15",
        log: "drop symbol C from 10 at 4
              symbol E from 10 at 4",
        rows: "A 0-10: 1 n1 open
               C 10-20: 2 n1 open
               C 10-20: 3 n2 open
               A 0-10: 1 n1
               E 10-20: 4 n4 open
               E 10-20: 5 n5 open
               E 10-20: 5 n5
               accepted 9",
    },
    ByHand {
        shows: "Revisions of a cross that is added begin at 0, at the first look that it has; what is \
                final leaves once.",
        flags: "--window 10s --delay 0s --grace 15s --emit changes --tick 2s --symbols A,B \
                --back-fill 30s --rows cross,stats",
        inputs: "A7@-9 B7@-8 A2#2@1 B3@2 A4#5@11 A6#3@9 A4#6@13 B9@21 A1#4@8",
        log: "cross X=A*B from 20 at 7",
        rows: "X -10-0: 49 complete n2
               stats X -10-0: n1 sum 49
               X 0-10: 12 complete n3 rev 0
               X 10-20: none leg_missing n2 gap 1 rev 0
               X 0-10: 9 complete n4 rev 1
               X 10-20: none leg_missing n2 rev 1
               X 0-10: 9 complete n4 final 1
               stats X 0-10: n2 sum 58
               X 20-30: none leg_missing n1 rev 0
               X 10-20: none leg_missing n2 final 1
               X 20-30: none leg_missing n1
               accepted 9",
    },
];
