//! A job that is broken off when one of its inputs has ended and another has not, and whose ended input goes
//! on then.

use super::any_point::run_here;
use super::outputs;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The beginning of some window, in milliseconds.
const EPOCH: u64 = 1_525_022_020_000;

fn trade(symbol: &str, id: u64, price: u64, ms: u64) -> String {
    let time = EPOCH + ms;
    format!("{{\"e\":\"trade\",\"s\":\"{symbol}\",\"t\":{id},\"p\":\"{price}\",\"q\":\"1\",\"T\":{time}}}\n")
}

/// It ends in the middle of a pane of 2 s that later windows need.
fn short() -> String {
    [trade("A", 1, 10, 1_000), trade("A", 2, 20, 12_100), trade("A", 3, 30, 13_000)].concat()
}

/// What comes behind it, of the same pane: a trade again, and a new one.
fn more() -> String {
    trade("A", 2, 20, 12_100) + &trade("A", 4, 40, 13_500)
}

fn long() -> String {
    (0..80).fold(String::new(), |mut lines, n| {
        write!(lines, "{}", trade("B", n, 100 + n, n * 500)).expect("memory takes everything");
        lines
    })
}

/// Runs it until so many commits, or to its end; whether it came there.
fn run(folder: &Path, flags: &str, commits: Option<u64>) -> bool {
    let path = |name: &str| folder.join(name).display().to_string();
    let line = format!(
        "{} {} --symbols all --window 10s --slide 2s --delay 0s --commit-interval 0s --batch-records 1 -q -w 1 --to {} \
         --dead-letter {} --summary {} {flags}",
        path("a.jsonl"),
        path("b.jsonl"),
        path("rows.jsonl"),
        path("dead.jsonl"),
        path("summary.json"),
    );
    run_here(line.split_whitespace().map(str::to_owned).collect(), commits)
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

fn assert_same(whole: &Path, broken: &Path, name: &str, context: &str) {
    let lines = |folder: &Path| -> Vec<String> {
        read(folder, name).split_inclusive('\n').map(str::to_owned).collect()
    };
    outputs::assert_same_lines(&format!("{name}, {context}"), &lines(whole), &lines(broken));
}

/// Until when windows are closed, after the beginning.
fn closed_until(folder: &Path) -> u64 {
    let rows = read(folder, "rows.jsonl");
    let rows = rows.lines().filter(|row| row.contains("\"closed\":true"));
    let end = |row: &str| serde_json::from_str::<serde_json::Value>(row).expect("a row")["end_ms"].as_u64();
    rows.filter_map(end).max().map_or(0, |end| end - EPOCH)
}

fn write(folder: &Path, a: &str) {
    fs::create_dir_all(folder).expect("made");
    fs::write(folder.join("a.jsonl"), a).expect("written");
    fs::write(folder.join("b.jsonl"), long()).expect("written");
}

const FLAGS: [&str; 3] = ["", "--grace 4s --emit changes --tick 500ms", "--provisional --tick 500ms"];

#[test]
fn what_had_ended_with_a_pane_open_goes_on_in_it() {
    for flags in FLAGS {
        let folder = super::folder();
        let whole = folder.path().join("whole");
        write(&whole, &(short() + &more()));
        assert!(run(&whole, flags, None));
        let mut tried = 0;
        for (first, second) in (1..40).flat_map(|first| [(first, 1), (first, 3)]) {
            let broken = folder.path().join(format!("{first}-{second}"));
            write(&broken, &short());
            // With the window after that, ticks may be out that lie behind the end.
            if run(&broken, flags, Some(first)) || closed_until(&broken) > 10_000 {
                break;
            }
            tried += 1;
            write(&broken, &(short() + &more()));
            assert!(!run(&broken, flags, Some(second)) && run(&broken, flags, None));
            for name in ["rows.jsonl", "dead.jsonl", "summary.json"] {
                assert_same(&whole, &broken, name, &format!("{flags}: {first}, {second}"));
            }
        }
        assert!(tried > 3, "{flags}: it was broken off {tried} times");
    }
}

#[test]
fn what_had_ended_does_not_open_what_the_others_have_made_final() {
    for flags in FLAGS {
        let folder = super::folder();
        let whole = folder.path().join("whole");
        write(&whole, &short());
        assert!(run(&whole, flags, None));
        let mut tried = 0;
        for commits in (4..80).step_by(3) {
            let broken = folder.path().join(commits.to_string());
            write(&broken, &short());
            if run(&broken, flags, Some(commits)) {
                break;
            }
            // The pane is final 4 s after its end where there is a grace.
            if closed_until(&broken) < 20_000 {
                continue;
            }
            tried += 1;
            write(&broken, &(short() + &trade("A", 4, 40, 13_500)));
            assert!(run(&broken, flags, None));
            assert_same(&whole, &broken, "rows.jsonl", &format!("{flags}: {commits}"));
            let summary = read(&broken, "summary.json");
            let late = serde_json::from_str::<serde_json::Value>(&summary).expect("JSON")["late"].as_u64();
            assert_eq!(late, Some(1), "{flags}: {commits}: {summary}");
            assert!(read(&broken, "dead.jsonl").contains("\"reason\":\"late\""), "{flags}: {commits}");
        }
        assert!(tried > 3, "{flags}: it was broken off {tried} times");
    }
}
