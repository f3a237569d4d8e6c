//! Jobs that have ended and are taken up with more, or under other circumstances: nothing that was final is
//! opened again.

use rusqlite::Connection;
use std::path::Path;
use std::process::{Command, Stdio};

fn trade(symbol: &str, id: u64, price: &str, quantity: &str, ms: u64) -> String {
    let time = 1_525_022_020_000 + ms;
    format!(
        "{{\"e\":\"trade\",\"s\":\"{symbol}\",\"t\":{id},\"p\":\"{price}\",\"q\":\"{quantity}\",\"T\":{time}}}\n"
    )
}

fn heartbeat(ms: u64) -> String {
    format!("{{\"e\":\"heartbeat\",\"T\":{}}}\n", 1_525_022_020_000 + ms)
}

/// Runs in a folder: the code it ended with, its rows where they go to standard output, what it said.
fn run(folder: &Path, words: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    command.arg("run").args(words.split_whitespace()).current_dir(folder).stdin(Stdio::null());
    let output = command.output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
}

fn write(folder: &Path, name: &str, lines: &[String]) {
    std::fs::write(folder.join(name), lines.concat()).expect("written");
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).expect("it is there")
}

/// What is in a window that was closed although it gave no row is not opened again.
#[test]
fn what_an_ended_job_has_closed_stays_closed_also_where_it_gave_no_row() {
    let first = trade("BTCUSDT", 1, "500", "9", 330);
    let more = [first.clone(), trade("BTCUSDT", 2, "100", "1", 340), trade("XVGBTC", 1, "2", "1", 345)];
    for rows in ["--rows cross,stats --missing-leg withhold", "--rows stats", "--rows stats,cross"] {
        let folder = super::folder();
        let line = format!("e.jsonl --window 250ms --to rows.jsonl {rows} --summary s.json");
        write(folder.path(), "e.jsonl", &more[..1]);
        assert_eq!(run(folder.path(), &line).0, 0);
        let before = read(folder.path(), "rows.jsonl");
        write(folder.path(), "e.jsonl", &more);
        let (code, _, said) = run(folder.path(), &line);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("1 accepted") && said.contains("2 late"), "{rows}: {said}");
        assert_eq!(read(folder.path(), "rows.jsonl"), before, "{rows}");
    }
}

/// A partition's watermark after the end depends on what was closed, not on which partition ended first.
#[test]
fn an_ended_job_that_has_closed_nothing_holds_nothing_against_what_comes() {
    for workers in ["1", "2"] {
        let folder = super::folder();
        let line =
            format!("a.jsonl b.jsonl --window 1s --delay 0s --symbols all --to rows.jsonl -w {workers}");
        write(folder.path(), "a.jsonl", &[heartbeat(2_000)]);
        write(folder.path(), "b.jsonl", &["{}\n".to_owned()]);
        assert_eq!(run(folder.path(), &line).0, 0);
        write(folder.path(), "b.jsonl", &["{}\n".to_owned(), trade("A", 1, "1", "1", 1_035)]);
        let (_, _, said) = run(folder.path(), &line);
        assert!(said.contains("1 accepted") && !said.contains("1 late"), "{said}");
    }
}

#[test]
fn a_leg_that_stands_in_does_so_in_provisional_rows_after_a_restart() {
    let lines = [trade("BTCUSDT", 1, "100", "1", 330), trade("XVGBTC", 1, "2", "1", 586)];
    let folder = super::folder();
    let line = "--window 250ms --delay 0s --missing-leg carry --rows cross --provisional --tick 7ms";
    write(folder.path(), "f.jsonl", &lines[..1]);
    assert_eq!(run(folder.path(), &format!("f.jsonl {line} --to rows.jsonl")).0, 0);
    write(folder.path(), "f.jsonl", &lines);
    assert_eq!(run(folder.path(), &format!("f.jsonl {line} --to rows.jsonl")).0, 0);
    // Those of the window of the leg that came later: one of it open, one final, both with a rate.
    let rows = read(folder.path(), "rows.jsonl");
    let of_it: Vec<&str> = rows.lines().filter(|row| row.contains("\"start_ms\":1525022020500")).collect();
    assert_eq!(of_it.len(), 2, "{rows}");
    assert!(of_it.iter().all(|row| row.contains("\"status\":\"carried\",\"vwap\":\"200.0")), "{rows}");
    let (_, whole, _) = run(folder.path(), &format!("f.jsonl {line}"));
    assert!(of_it.iter().all(|row| whole.contains(row)), "{whole}");
}

/// A trade more in a leg that stands in may change no value of the row: then nothing leaves.
#[test]
fn a_correction_that_changes_no_value_is_no_revision() {
    let folder = super::folder();
    let mut lines = vec![
        trade("BTCUSDT", 1, "100", "1", 330),
        trade("XVGBTC", 1, "2", "1", 586),
        heartbeat(800),
        trade("BTCUSDT", 2, "100", "3", 340),
        heartbeat(1_100),
    ];
    let line = "c.jsonl --window 250ms --delay 0s --grace 1s --missing-leg carry --rows cross --tick 10ms";
    write(folder.path(), "c.jsonl", &lines);
    let (_, rows, _) = run(folder.path(), &format!("{line} --emit changes"));
    let of_it: Vec<&str> = rows.lines().filter(|row| row.contains("\"start_ms\":1525022020500")).collect();
    assert_eq!(of_it.len(), 2, "{rows}");
    assert!(of_it.iter().all(|row| row.contains("\"revision\":0")), "{rows}");
    // Ids that are missing in one leg and not in the other any more: a row has the sum.
    let moved = [
        trade("B", 1, "2", "1", 1_000),
        trade("A", 5, "3", "1", 11_000),
        trade("B", 5, "2", "1", 12_000),
        heartbeat(21_000),
        trade("A", 2, "3", "1", 2_000),
        trade("B", 3, "2", "1", 3_000),
        heartbeat(90_000),
    ];
    write(folder.path(), "moved.jsonl", &moved);
    let ids = "moved.jsonl --cross X=A*B --rows cross --window 10s --delay 0s --grace 1m --emit changes";
    let (_, rows, _) = run(folder.path(), ids);
    let of_it: Vec<&str> = rows.lines().filter(|row| row.contains("\"start_ms\":1525022030000")).collect();
    let revised = of_it.iter().any(|row| row.contains("\"revision\":1"));
    assert!(!of_it.is_empty() && !revised && of_it[0].contains("\"missing_ids\":3"), "{rows}");
    lines[2] = heartbeat(600);
    write(folder.path(), "c.jsonl", &lines);
    let (_, rows, _) = run(folder.path(), &format!("{line} --provisional"));
    let open = rows
        .lines()
        .filter(|row| row.contains("\"start_ms\":1525022020500,") && row.contains("\"closed\":false"));
    let mut seen = std::collections::HashSet::new();
    assert!(open.into_iter().all(|row| seen.insert(row)), "{rows}");
}

#[test]
fn a_file_of_another_job_is_not_emptied() {
    let folder = super::folder();
    let lines: Vec<String> = (0..50).map(|n| trade("A", n, "1", "1", n * 100)).collect();
    write(folder.path(), "a.jsonl", &lines);
    assert_eq!(run(folder.path(), "a.jsonl --symbols A --window 1s --to rows.jsonl").0, 0);
    let before = read(folder.path(), "rows.jsonl");
    let (code, _, said) = run(folder.path(), "a.jsonl --symbols A --window 2s --to rows.jsonl --name other");
    assert!(code == 2 && said.contains("has the rows of job \"crossrate\""), "{code} {said}");
    assert_eq!(read(folder.path(), "rows.jsonl"), before);
}

/// A file that a job does not know is not cut, although it has the name of one that it knows.
#[test]
fn a_file_of_that_name_elsewhere_is_another_one() {
    let folder = super::folder();
    let lines: Vec<String> = (0..50).map(|n| trade("A", n, "1", "1", n * 100)).collect();
    write(folder.path(), "a.jsonl", &lines);
    for place in ["one", "two", "three"] {
        std::fs::create_dir(folder.path().join(place)).expect("made");
    }
    let line = |place: &str| {
        format!(
            "a.jsonl --symbols A --window 1s --to sqlite:rows.db --to one/rows.jsonl --dead-letter {place}"
        )
    };
    assert_eq!(run(folder.path(), &line("one/dead.jsonl")).0, 0);
    let other = vec!["somebody's\n".to_owned(); 900];
    write(folder.path(), "two/rows.jsonl", &other);
    let elsewhere = "a.jsonl --symbols A --window 1s --to sqlite:rows.db --to two/rows.jsonl";
    let (code, _, said) = run(folder.path(), elsewhere);
    assert!(code == 1 && said.contains("two/rows.jsonl is not empty"), "{code} {said}");
    assert_eq!(read(folder.path(), "two/rows.jsonl"), other.concat());
    // One that is added begins with what comes from now on.
    write(folder.path(), "a.jsonl", &[lines.concat(), trade("A", 50, "1", "1", 7_000)]);
    let (code, _, said) = run(folder.path(), &format!("{} --to three/rows.jsonl", line("one/dead.jsonl")));
    assert_eq!(code, 0, "{said}");
    assert_eq!(read(folder.path(), "three/rows.jsonl").lines().count(), 1);
    // And one that has been moved goes on.
    std::fs::rename(folder.path().join("one"), folder.path().join("four")).expect("moved");
    let before = read(folder.path(), "four/rows.jsonl");
    write(
        folder.path(),
        "a.jsonl",
        &[lines.concat(), trade("A", 50, "1", "1", 7_000), trade("A", 51, "1", "1", 9_000)],
    );
    let moved = "a.jsonl --symbols A --window 1s --to sqlite:rows.db --to four/rows.jsonl";
    let (code, _, said) = run(folder.path(), moved);
    assert_eq!(code, 0, "{said}");
    let after = read(folder.path(), "four/rows.jsonl");
    assert!(after.starts_with(&before) && after.lines().count() == before.lines().count() + 1, "{after}");
    // Also where others are in its old place by now: the checkpoint was moved with them.
    let job = |place: &str| {
        format!("a.jsonl --symbols A --window 1s --to {place}/all.jsonl --dead-letter {place}/all.dead")
    };
    assert_eq!(run(folder.path(), &job("two")).0, 0);
    std::fs::rename(folder.path().join("two"), folder.path().join("five")).expect("moved");
    std::fs::create_dir(folder.path().join("two")).expect("made");
    assert_eq!(run(folder.path(), &job("two")).0, 0);
    let (code, _, said) = run(folder.path(), &job("five"));
    assert_eq!(code, 0, "{said}");
    // To and fro: how long it was where it was before is forgotten.
    let mut all = lines.concat();
    let mut before = read(folder.path(), "five/all.jsonl");
    for (n, place) in (0..).zip(["six", "five", "seven", "five"]) {
        let earlier = ["five", "six", "five", "seven"][n as usize];
        std::fs::rename(folder.path().join(earlier), folder.path().join(place)).expect("moved");
        all += &trade("A", 60 + n, "1", "1", 20_000 + n * 2_000);
        write(folder.path(), "b.jsonl", std::slice::from_ref(&all));
        let line = job(place).replace("a.jsonl", "b.jsonl").replace("--window", "--name b --window");
        // The first of them under another name, from the beginning.
        let (code, _, said) = run(folder.path(), &line.replace("all.", "more."));
        assert_eq!(code, 0, "{place}: {said}");
        let after = read(folder.path(), &format!("{place}/more.jsonl"));
        assert!(n == 0 || after.starts_with(&before), "{place}: {after}");
        assert_eq!(after.lines().count(), 6 + n as usize, "{place}: {after}");
        before = after;
    }
    // A file that is nobody's of those that were copied is not cut.
    std::fs::create_dir(folder.path().join("eight")).expect("made");
    for name in ["more.jsonl", "more.jsonl.recovery"] {
        let from = folder.path().join("five").join(name);
        std::fs::copy(from, folder.path().join("eight").join(name)).expect("copied");
    }
    write(folder.path(), "one.dead", &other);
    std::fs::create_dir(folder.path().join("nine")).expect("made");
    std::fs::rename(folder.path().join("one.dead"), folder.path().join("nine/more.dead")).expect("moved");
    let line = "b.jsonl --symbols A --name b --window 1s --to eight/more.jsonl --dead-letter nine/more.dead";
    let (code, _, said) = run(folder.path(), line);
    assert!(code == 1 && said.contains("nine/more.dead is not empty"), "{code} {said}");
    assert_eq!(read(folder.path(), "nine/more.dead"), other.concat());
}

/// A fresh start that cannot begin leaves a file and a checkpoint that agree.
#[test]
fn a_fresh_start_that_fails_does_not_bar_the_next_one() {
    let folder = super::folder();
    let lines: Vec<String> = (0..50).map(|n| trade("A", n, "1", "1", n * 100)).collect();
    write(folder.path(), "a.jsonl", &lines);
    let line = "a.jsonl --symbols A --window 1s --to rows.jsonl";
    assert_eq!(run(folder.path(), line).0, 0);
    let before = read(folder.path(), "rows.jsonl");
    assert_eq!(run(folder.path(), &format!("{line} --fresh --to none/b.jsonl")).0, 1);
    let (code, _, said) = run(folder.path(), line);
    assert_eq!(code, 0, "{said}");
    assert_eq!(read(folder.path(), "rows.jsonl"), before);
}

#[test]
fn entries_that_are_lost_are_missed() {
    let lines: Vec<String> = (0..50).map(|n| trade("A", n, "1", "1", n * 100)).collect();
    for key in ["job", "head/0"] {
        let folder = super::folder();
        write(folder.path(), "a.jsonl", &lines);
        let line = "a.jsonl --symbols A --window 1s --to rows.jsonl";
        assert_eq!(run(folder.path(), line).0, 0);
        let database = Connection::open(folder.path().join("rows.jsonl.recovery")).expect("a database");
        database.execute("DELETE FROM crossrate_recovery WHERE key = ?1", [key]).expect("deleted");
        drop(database);
        let (code, _, said) = run(folder.path(), line);
        assert!(code == 1 && said.contains(&format!("has lost its entry \"{key}\"")), "{key}: {code} {said}");
    }
}

/// The checkpoint holds what windows need, also when the worker that writes has nothing to read any more.
#[test]
fn the_checkpoint_stays_small_when_the_first_workers_partitions_have_ended() {
    let folder = super::folder();
    write(folder.path(), "a.jsonl", &[trade("A", 1, "1", "1", 0)]);
    let lines: Vec<String> = (0..20_000).map(|n| trade("A", n, "1", "1", n * 100)).collect();
    write(folder.path(), "b.jsonl", &lines);
    let line = "a.jsonl b.jsonl --symbols A --window 1s --to rows.jsonl -w 2 --commit-interval 0s --batch-records 100";
    let (code, _, said) = run(folder.path(), line);
    assert_eq!(code, 0, "{said}");
    let database = Connection::open(folder.path().join("rows.jsonl.recovery")).expect("a database");
    let sql = "SELECT count(*) FROM crossrate_recovery WHERE key LIKE 'pane/%'";
    let panes: i64 = database.query_row(sql, [], |row| row.get(0)).expect("a number");
    assert!(panes < 500, "{panes} of 2,000 panes are kept");
}
