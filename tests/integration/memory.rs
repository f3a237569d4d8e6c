//! Law 7: memory depends on open panes and symbols, not on the length of a stream nor on how unequal
//! partitions are.
//!
//! The peak is the kernel's own (`VmHWM`), looked at until the process ends. Bounds are far above what
//! allocators vary by and far below what keeping the stream, or reading it far ahead, would take.

#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
/// The event time of a stream's first record.
const START_MS: u64 = 1_700_000_000_000;
const DEADLINE: Duration = Duration::from_secs(300);
const FLAGS: &str = "--window 1s --delay 1s --symbols all --rows symbol -q -w 2 --from";

/// So many records of each of so many milliseconds, every symbol in turn.
fn stream(millis: u64, every: usize, symbols: u64) -> String {
    let mut text = String::new();
    for at in (0..millis).step_by(every) {
        let (symbol, id, time) = (at / every as u64 % symbols, at, START_MS + at);
        let _ = writeln!(text, r#"{{"e":"trade","s":"S{symbol}","t":{id},"p":"1.5","q":"2","T":{time}}}"#);
    }
    text
}

fn start(folder: &Path, files: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.arg("run").args(FLAGS.split(' ')).args(files).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    crate::program::without_settings(&mut command);
    command.spawn().expect("the program starts")
}

/// What the kernel says of a process, in kibibytes; nothing once it has ended.
fn status(child: &Child, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().ok()
}

/// Waits for its end: the most memory that it had, in bytes.
fn peak(mut child: Child) -> u64 {
    let begun = Instant::now();
    let mut peak = 0;
    loop {
        peak = status(&child, "VmHWM").unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "{status}");
            return peak * 1024;
        }
        if begun.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_longer_stream_takes_no_more_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let peaks = [40_000, 400_000].map(|millis| {
        let text = stream(millis, 1, 8);
        std::fs::write(folder.path().join("a"), &text).expect("written");
        (peak(start(folder.path(), &["a"])), text.len() as u64)
    });
    let [(short, _), (long, read)] = peaks;
    assert!(read > 24 * MIB, "the stream should be longer");
    assert!(long < short + 12 * MIB, "{} MiB, but {} MiB of more", short / MIB, long / MIB);
}

/// What waits for the next commit is in memory, and is committed sooner than asked for where it is much.
#[test]
fn a_long_interval_between_commits_takes_no_more_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let peaks = [40_000, 400_000].map(|millis| {
        std::fs::write(folder.path().join("a"), stream(millis, 1, 8)).expect("written");
        let rows = folder.path().join(format!("{millis}.jsonl"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        command.args("run a --window 20ms --delay 1s --symbols all --rows symbol -q -w 1".split(' '));
        command.args(["--commit-interval", "1h", "--to"]).arg(&rows).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        crate::program::without_settings(&mut command);
        let peak = peak(command.spawn().expect("the program starts"));
        (peak, std::fs::metadata(rows).expect("rows").len())
    });
    let [(short, _), (long, written)] = peaks;
    assert!(written > 48 * MIB, "the rows should be more: {written}");
    assert!(long < short + 40 * MIB, "{} MiB, but {} MiB of more", short / MIB, long / MIB);
}

#[test]
fn a_partition_that_runs_ahead_waits_for_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("mkfifo").arg(folder.path().join("slow")).status().expect("mkfifo starts");
    assert!(made.success());
    let peaks = [400_000, 1_600_000].map(|millis| {
        std::fs::write(folder.path().join("fast"), stream(millis, 2, 3_000)).expect("written");
        let slow = stream(millis, 1_000, 1);
        let child = start(folder.path(), &["fast", "slow"]);
        let mut pipe = std::fs::File::create(folder.path().join("slow")).expect("the pipe opens");
        let (first, rest) = slow.split_at(slow.find('\n').expect("a line") + 1);
        pipe.write_all(first.as_bytes()).expect("it reads");
        until_it_rests(&child);
        pipe.write_all(rest.as_bytes()).expect("it reads");
        drop(pipe);
        peak(child)
    });
    let [short, long] = peaks;
    // Both are read as far ahead as may be, and some chunks farther. Read without waiting, the longer one
    // takes 260 MiB more.
    assert!(long < short + 64 * MIB, "{} MiB, but {} MiB of more", short / MIB, long / MIB);
}

/// Until no thread of the process has wanted the processor for a while: what it may read ahead, it has read.
/// On a busy machine one that gets none is not at rest, but waits for its turn.
fn until_it_rests(child: &Child) {
    let tasks = format!("/proc/{}/task", child.id());
    // Of all threads: whether one would run, and the time that they have had.
    let used = || -> Option<(bool, u64)> {
        let (mut wanted, mut sum) = (false, 0);
        for task in std::fs::read_dir(&tasks).ok()? {
            let text = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
            let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
            wanted |= *fields.first()? != "S";
            sum += fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        }
        Some((wanted, sum))
    };
    let begun = Instant::now();
    let (mut before, mut same) = (None, 0);
    while same < 50 && begun.elapsed() < DEADLINE {
        let now = used();
        let rests = now == before && now.is_some_and(|(wanted, _)| !wanted);
        same = if rests { same + 1 } else { 0 };
        before = now;
        std::thread::sleep(Duration::from_millis(10));
    }
}
