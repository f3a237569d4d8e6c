//! Replays: the rows are those of a run over the same range; they leave nothing behind and end with their
//! reader.

use super::follow::trades;
use super::{Served, crossrate, http};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// When the trades begin.
const BEGUN: u64 = 1_525_022_020_000;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trades.jsonl"), trades(0..120)).unwrap();
    folder
}

fn printed(folder: &Path, command: &mut Command) -> String {
    let output = command.current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of windows in a range, but for statistics, which begin where the rows do.
pub(crate) fn within(rows: &str, since: u64, until: u64) -> Vec<&str> {
    let is = |line: &&str| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["kind"] != "stats"
            && row["start_ms"].as_u64().unwrap() >= since
            && row["end_ms"].as_u64().unwrap() <= until
    };
    rows.lines().filter(is).collect()
}

/// When the window of a row starts.
fn starts(row: &str) -> u64 {
    serde_json::from_str::<Value>(row).unwrap()["start_ms"].as_u64().unwrap()
}

fn ask(served: &Served, headers: &[(&str, &str)], wish: &Value) -> http::Answer {
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    http::ask(served.address, "POST", "/v1/replay", &headers, &wish.to_string())
}

#[test]
fn the_rows_of_a_range_are_those_of_a_run() {
    let folder = folder();
    let folder = folder.path();
    let flags = ["trades.jsonl", "--delay", "1s", "--window", "6s", "--slide", "3s", "-q"];
    let all = printed(folder, crossrate(&["run"]).args(flags));
    let (since, until) = (BEGUN + 30_000, BEGUN + 60_000);
    for workers in ["1", "3"] {
        let range = ["--since", "2018-04-29T17:14:10Z", "--until", &until.to_string(), "-w", workers];
        let rows = printed(folder, crossrate(&["replay"]).args(flags).args(range));
        assert_eq!(within(&rows, 0, u64::MAX), within(&all, since, until));
        // Statistics are of the range, and nothing else.
        let stats: Vec<Value> = rows
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|row| row["kind"] == "stats")
            .collect();
        let crosses = within(&rows, 0, u64::MAX).iter().filter(|row| row.contains("\"cross\"")).count();
        assert_eq!((stats.len(), &stats[0]["n"]), (crosses, &json!(1)));
    }
    // To the end of the input, what was still open included.
    assert_eq!(printed(folder, crossrate(&["replay"]).args(flags)), all);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "it leaves nothing behind");
}

#[test]
fn progress_tells_the_end_at_the_end() {
    let folder = folder();
    let mut replay = crossrate(&["replay", "trades.jsonl", "--progress", "always", "--window", "5s"]);
    let output = replay.current_dir(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = told.lines().filter_map(|l| l.strip_prefix("crossrate: replay: ")).collect();
    let ends = lines.iter().filter(|line| line.starts_with("the end")).count();
    assert!(ends == 1 && lines.last().is_some_and(|line| line.starts_with("the end")), "{told}");
    // Nor is it told how far it is before there is anything.
    assert!(!told.contains(" 0 records"), "{told}");
}

#[test]
fn a_pace_is_kept() {
    let folder = folder();
    let flags = ["trades.jsonl", "--delay", "1s", "--window", "5s", "--rows", "cross", "-q"];
    let all = printed(folder.path(), crossrate(&["replay"]).args(flags));
    let begun = Instant::now();
    // Two minutes of a market, but for its last seconds, at sixty times its speed.
    assert_eq!(printed(folder.path(), crossrate(&["replay", "--speed", "60x"]).args(flags)), all);
    assert!(begun.elapsed().as_secs_f64() > 1.5, "{:?}", begun.elapsed());
}

#[test]
fn a_slow_replay_says_that_it_goes_on_while_its_next_row_waits() {
    let folder = folder();
    let flags = ["trades.jsonl", "--delay", "1s", "--window", "5s", "--speed", "0.01", "--events", "-q"];
    let mut command = crossrate(&["replay"]);
    let mut child = command.args(flags).current_dir(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The first window's rows leave at once; those of the second one are due in eight minutes.
    let told = lines
        .skip_while(|line| !line.contains("\"kind\":\"symbol\""))
        .filter(|line| line.contains("\"progress\""));
    for line in told.take(3) {
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(told["rows"].as_u64() > Some(0), "{line}");
        assert!(told["frontier_ms"].as_u64() < Some(BEGUN + 10_000), "rows of the second one wait: {line}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_cannot_be_replayed_is_told() {
    let folder = folder();
    for (flags, word) in [
        (&["--since", "yesterday"][..], "a time in UTC"),
        (&["--since", "1525022020000", "--until", "1525022030000"], "later than --since by a window"),
        (&["--speed", "0"], "event seconds per second"),
        (&["--window", "3s", "--slide", "2s"], "a slide that divides the window"),
        (&["--since", "1525022020"], "did you mean 1525022020000?"),
    ] {
        let output =
            crossrate(&["replay", "trades.jsonl"]).args(flags).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(word), "{flags:?}: {said}");
    }
}

#[test]
fn a_server_replays_and_says_how_far_it_is() {
    let folder = folder();
    let path = folder.path().join("trades.jsonl");
    let path = path.to_str().unwrap();
    let served = Served::run(&[path, "--delay", "1s", "--window", "5s"]);
    served.wait_for_the_end();
    let before = served.get("/v1/windows?limit=10000").body;
    let flags = ["--delay", "1s", "--window", "10s", "--rows", "cross", "-q"];
    let range = ["--since", &(BEGUN + 10_000).to_string(), "--until", &(BEGUN + 80_000).to_string()];
    let expected = printed(folder.path(), crossrate(&["replay", path]).args(flags).args(range));
    let wish = json!({
        "since_ms": BEGUN + 10_000, "until_ms": BEGUN + 80_000, "delay": "1s", "window": "10s", "rows": ["cross"],
    });
    let answer = ask(&served, &[], &wish);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    let (rows, told): (Vec<&str>, Vec<&str>) =
        answer.body.lines().partition(|line| line.starts_with("{\"kind\""));
    assert_eq!(rows, expected.lines().collect::<Vec<_>>());
    let end: Value = serde_json::from_str(told.last().unwrap()).unwrap();
    assert_eq!(
        (&end["type"], &end["reason"], &end["rows"]),
        (&json!("end"), &json!("until"), &json!(rows.len()))
    );
    assert_eq!(answer.body.lines().last(), told.last().copied(), "the end is the last line");
    // The same as events.
    let events = ask(&served, &[("Accept", "text/event-stream")], &wish).body;
    let data =
        events.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|d| d.starts_with("{\"kind\""));
    assert_eq!(data.collect::<Vec<_>>(), rows);
    assert!(events.contains("event: row\n") && events.contains("event: end\n"), "{events}");
    assert_eq!(served.get("/v1/windows?limit=10000").body, before, "the job is not disturbed");
    // Whatever decides which rows there are is taken, and heard.
    let days = |zone: &str, window: &str| {
        let wish = json!({"window": window, "time_zone": zone, "rows": ["cross"]});
        let rows = ask(&served, &[], &wish).body;
        rows.lines().filter(|line| line.starts_with("{\"kind\"")).map(starts).collect::<Vec<u64>>()
    };
    assert_eq!(days("Asia/Tokyo", "1d"), days("UTC", "1d@Asia/Tokyo"));
    assert_ne!(days("Asia/Tokyo", "1d"), days("UTC", "1d"));
    for (wish, status, word) in [
        (json!({"window": "1x"}), 400, "window"),
        (json!({"cross": ["A=B"]}), 400, "cross"),
        (json!({"windw": "1s"}), 400, "unknown field"),
        (json!({"since_ms": 5}), 400, "since"),
        (json!({"from_offset": 5}), 400, "offset"),
        (json!([]), 400, ""),
    ] {
        let answer = ask(&served, &[], &wish);
        let detail = answer.json()["detail"].to_string();
        assert!(answer.status == status && detail.contains(word), "{wish}: {}", answer.body);
        assert!(!detail.contains("stdin"), "{detail}");
    }
    assert_eq!(ask(&served, &[("Accept", "image/png")], &json!({})).status, 406);
    let demo = Served::demo(&["--speed", "10"]);
    let answer = ask(&demo, &[], &json!({}));
    assert!(answer.status == 409 && answer.body.contains("its market is generated"), "{}", answer.body);
}

#[test]
fn a_replay_computes_as_the_job_does_where_nothing_else_is_said() {
    let folder = folder();
    let path = folder.path().join("trades.jsonl");
    let path = path.to_str().unwrap();
    for flags in [
        &["--delay", "1s", "--window", "6s/3s", "--window", "1d@Europe/Berlin", "--symbols", "all"][..],
        &["--delay", "2s", "--window", "5s", "--emit", "changes", "--grace", "3s", "--tick", "500ms"],
        &["--window", "2s", "--fill", "previous", "--missing-leg", "carry", "--max-carry", "4s"],
        &[
            "--cross",
            "A=XVGBTC*BTCUSDT",
            "--basis",
            "A=BTCUSDT",
            "--stats-last",
            "3",
            "--price-decimals",
            "10",
        ],
        &["--symbols", "BTCUSDT", "--rows", "symbol", "--dedup", "off", "--max-jump", "1m", "--provisional"],
    ] {
        let expected = printed(folder.path(), crossrate(&["replay", path, "-q"]).args(flags));
        let served = Served::run(&[&[path], flags].concat());
        served.wait_for_the_end();
        let answer = ask(&served, &[], &json!({}));
        let rows: Vec<&str> = answer.body.lines().filter(|line| line.starts_with("{\"kind\"")).collect();
        assert!(
            !rows.is_empty() && rows == expected.lines().collect::<Vec<_>>(),
            "{flags:?}: {}",
            answer.body
        );
        // Another cross is the only one, and all else stays.
        if !flags.contains(&"--basis") {
            let answer = ask(&served, &[], &json!({"cross": ["B=XVGBTC*BTCUSDT"], "rows": ["cross"]}));
            let names: Vec<Value> = answer
                .body
                .lines()
                .filter(|line| line.starts_with("{\"kind\""))
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].clone())
                .collect();
            assert!(!names.is_empty() && names.iter().all(|name| name == "B"), "{flags:?}: {}", answer.body);
        }
    }
}

#[test]
fn replays_are_bounded_and_end_with_their_readers() {
    let folder = folder();
    let path = folder.path().join("trades.jsonl");
    let served = Served::run(&[path.to_str().unwrap(), "--delay", "1s", "--window", "5s"]);
    served.wait_for_the_end();
    let slow = json!({"window": "1s", "delay": "1s", "speed": 0.5}).to_string();
    let begin = || {
        let (head, mut rest) =
            http::begin(served.address, "POST", "/v1/replay", &[("Content-Type", "application/json")], &slow);
        assert_eq!(head.status, 200);
        assert!(http::chunk(&mut rest).is_some(), "it has begun");
        rest
    };
    let readers: Vec<BufReader<_>> = (0..2).map(|_| begin()).collect();
    let third = ask(&served, &[], &json!({}));
    assert_eq!((third.status, third.header("retry-after")), (503, Some("10")), "{}", third.body);
    assert_eq!(served.helpers(), 2);
    drop(readers);
    http::eventually(|| served.helpers() == 0, "the end of replays that nobody reads");
    // Its process has ended before its place is given back.
    http::eventually(|| ask(&served, &[], &json!({"window": "5s"})).status == 200, "room for another one");
    assert!(
        BufReader::new(served.get("/metrics").body.as_bytes())
            .lines()
            .any(|line| line.unwrap() == "crossrate_replays_total{result=\"begun\"} 3")
    );
}
