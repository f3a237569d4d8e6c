//! `crossrate serve`: what it serves is what was written, wherever that is, and while it goes away and comes
//! back.

use super::{Served, crossrate, http};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};

/// The read side over that place, at a free port; and what it says afterwards.
pub(crate) fn serve(folder: &Path, from: &str, flags: &[&str]) -> (Served, Receiver<String>) {
    let mut command = crossrate(&["serve", "--from", from, "--listen", "127.0.0.1:0"]);
    let mut child = command.args(flags).current_dir(folder).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let address = line.strip_prefix("crossrate: serving http://").and_then(|rest| rest.split_once("/ from "));
    let (address, _) = address.unwrap_or_else(|| panic!("it said {line:?}"));
    let (told, says) = channel();
    let address = address.parse().unwrap();
    std::thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(told.send(line))));
    (Served { child, address }, says)
}

/// Trades of the default cross, a pair of them a second, from one second to another.
pub(crate) fn trades(seconds: std::ops::Range<u64>) -> String {
    let mut text = String::new();
    for second in seconds {
        let time = 1_525_022_020_000 + second * 1_000;
        let price = 8_880 + second % 7;
        let _ = writeln!(
            text,
            r#"{{"e":"trade","s":"XVGBTC","t":{second},"p":"0.0000087{}","q":"31","T":{time}}}"#,
            second % 10
        );
        let _ = writeln!(
            text,
            r#"{{"e":"trade","s":"BTCUSDT","t":{second},"p":"{price}.5","q":"0.5","T":{}}}"#,
            time + 100
        );
    }
    text
}

fn feed(folder: &Path, text: &str) {
    let mut file =
        std::fs::File::options().create(true).append(true).open(folder.join("trades.jsonl")).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn run(folder: &Path, flags: &[&str]) {
    let mut command = crossrate(&["run", "trades.jsonl", "--delay", "1s", "-q"]);
    if !flags.contains(&"--window") {
        command.args(["--window", "5s"]);
    }
    let output = command.args(flags).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// All rows that are served, in the order of windows.
pub(crate) fn served_rows(served: &Served) -> String {
    served.get("/v1/windows?limit=10000&format=ndjson").body
}

/// Rows of a file in the same order, the last of each window.
pub(crate) fn rows_of(text: &str) -> String {
    let mut rows: Vec<(u64, u8, &str)> = text
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let kind = ["symbol", "cross", "stats"].iter().position(|kind| row["kind"] == *kind).unwrap();
            (row["end_ms"].as_u64().unwrap(), kind as u8, line)
        })
        .collect();
    rows.sort_by_key(|(end, kind, _)| (*end, *kind));
    rows.into_iter().map(|(_, _, line)| line.to_owned() + "\n").collect()
}

fn becomes(served: &Served, expected: &str) {
    http::eventually(|| served_rows(served) == expected, "the rows that were written");
}

#[test]
fn a_file_is_followed_over_its_end_a_restart_of_its_job_and_a_new_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    feed(folder, &trades(0..60));
    run(folder, &["--to", "rows.jsonl"]);
    let rows = || rows_of(&std::fs::read_to_string(folder.join("rows.jsonl")).unwrap());
    let (served, _says) = serve(folder, "rows.jsonl", &[]);
    becomes(&served, &rows());
    assert_eq!(served.get("/readyz").status, 200);
    // The job goes on: the checkpoint beside the file tells how far it is.
    feed(folder, &trades(60..200));
    run(folder, &["--to", "rows.jsonl"]);
    becomes(&served, &rows());
    http::eventually(
        || {
            let frontier = served.get("/v1/frontier").json();
            let is_whole = frontier["known_from"] == "commit" && frontier["records"]["read"] == 400;
            is_whole && frontier["state"] == "ended" && frontier["partitions"][0]["idle"].is_null()
        },
        "what the checkpoint says",
    );
    // Another job of other windows begins it anew: nothing of the old ones stays.
    run(folder, &["--to", "rows.jsonl", "--fresh", "--window", "10s"]);
    becomes(&served, &rows());
    // While it was begun anew it may have been away.
    http::eventually(
        || served.get("/metrics").body.contains("crossrate_source_up 1\n"),
        "word that the file is there",
    );
}

#[test]
fn folders_of_files_by_day_are_followed_over_midnight_a_restart_and_a_new_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let forms: &[&str] = if cfg!(feature = "parquet") { &["csv", "parquet"] } else { &["csv"] };
    let sinks: Vec<String> = forms.iter().map(|form| format!("{form}:{form}")).collect();
    let to: Vec<&str> = sinks.iter().flat_map(|sink| ["--to", sink]).chain(["--to", "rows.jsonl"]).collect();
    let run = |more: &[&str]| run(folder, &[&to, more].concat());
    let rows = || rows_of(&std::fs::read_to_string(folder.join("rows.jsonl")).unwrap());
    // The day ends after second 24,380.
    feed(folder, &trades(24_300..24_390));
    run(&[]);
    let served: Vec<Served> = sinks.iter().map(|sink| serve(folder, sink, &[]).0).collect();
    let all_become = || served.iter().for_each(|served| becomes(served, &rows()));
    all_become();
    assert_eq!(served[0].get("/v1/catalog").json()["history_ms"], serde_json::Value::Null);
    // The job goes on: the first day is over, and its gathered rows become a Parquet file.
    feed(folder, &(trades(24_390..24_500) + &trades(111_000..111_010)));
    run(&[]);
    all_become();
    let packed = folder.join("parquet/symbols/date=2018-04-29");
    assert!(forms.len() == 1 || !packed.join("_rows.jsonl").exists() && packed.join("rows.parquet").exists());
    // Of a job whose checkpoint is beside the folder, that tells how far it is.
    self::run(folder, &["--to", "csv:alone"]);
    let (alone, _) = serve(folder, "csv:alone", &[]);
    http::eventually(
        || alone.get("/v1/frontier").json()["records"]["read"] == 420,
        "what the checkpoint beside the folder tells",
    );
    // Another job of other windows begins it anew: nothing of the old ones stays.
    run(&["--fresh", "--window", "10s"]);
    all_become();
    // A server that starts now reads Parquet files too; a folder's form may be left to it.
    for form in forms {
        becomes(&serve(folder, form, &[]).0, &rows());
    }
}

#[test]
fn a_file_that_goes_away_is_told_and_taken_up_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    feed(folder, &trades(0..60));
    run(folder, &["--to", "rows.jsonl"]);
    std::fs::remove_file(folder.join("rows.jsonl.recovery")).unwrap();
    let text = std::fs::read_to_string(folder.join("rows.jsonl")).unwrap();
    let (served, says) = serve(folder, "rows.jsonl", &[]);
    becomes(&served, &rows_of(&text));
    // Rows alone: the frontier is where they show that it has been; what nobody knows is not made up.
    let is_of_rows_alone = || {
        let frontier = served.get("/v1/frontier").json();
        let is_silent = frontier["records"].is_null() && frontier["partitions"] == serde_json::json!([]);
        frontier["known_from"] == "rows" && is_silent && frontier["frontier_ms"] == 1_525_022_080_000_u64
    };
    http::eventually(is_of_rows_alone, "a frontier that the rows tell");
    std::fs::rename(folder.join("rows.jsonl"), folder.join("elsewhere")).unwrap();
    http::eventually(|| served.get("/readyz").status == 503, "word that it is away");
    assert!(says.iter().any(|line| line.contains("rows.jsonl is away, trying again")));
    http::eventually(
        || {
            served.get("/readyz").body.contains("rows.jsonl is away")
                && served.get("/v1/frontier").json()["following"]["state"] == "away"
                && served.get("/metrics").body.contains("crossrate_source_up 0\n")
        },
        "the same word everywhere",
    );
    assert_eq!(served_rows(&served), rows_of(&text), "what is known is served on");
    std::fs::rename(folder.join("elsewhere"), folder.join("rows.jsonl")).unwrap();
    http::eventually(|| served.get("/readyz").status == 200, "word that it is back");
    assert!(says.iter().any(|line| line.contains("rows.jsonl is back")));
    becomes(&served, &rows_of(&text));
}

#[test]
fn a_database_is_followed_while_it_is_written_and_says_character_by_character_what_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let flags = ["--to", "sqlite:rows.db", "--to", "rows.jsonl", "--emit", "changes", "--grace", "3s"];
    feed(folder, &trades(0..60));
    run(folder, &flags);
    let (served, _says) = serve(folder, "sqlite:rows.db", &[]);
    let rows = || {
        let text = std::fs::read_to_string(folder.join("rows.jsonl")).unwrap();
        // Of each window the last row stays in a table.
        let mut last = std::collections::BTreeMap::new();
        for (place, line) in text.lines().enumerate() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            last.insert(
                (row["kind"].to_string(), row["name"].to_string(), row["start_ms"].as_u64()),
                (place, line),
            );
        }
        let mut rows: Vec<(usize, &str)> = last.into_values().collect();
        rows.sort();
        rows_of(&rows.iter().map(|(_, line)| format!("{line}\n")).collect::<String>())
    };
    becomes(&served, &rows());
    feed(folder, &trades(60..130));
    run(folder, &flags);
    becomes(&served, &rows());
    let is_known = || {
        let frontier = served.get("/v1/frontier").json();
        frontier["known_from"] == "commit" && frontier["records"]["read"] == 260
    };
    http::eventually(is_known, "how far the job is");
    // It is another database all of a sudden.
    std::fs::remove_file(folder.join("rows.db")).unwrap();
    http::eventually(|| served.get("/readyz").status == 503, "word that it is away");
    run(folder, &["--to", "sqlite:new.db"]);
    std::fs::rename(folder.join("new.db"), folder.join("rows.db")).unwrap();
    http::eventually(
        || served.get("/readyz").status == 200 && !served_rows(&served).contains("\"revision\":1"),
        "the rows of the new one alone",
    );
}

#[test]
fn a_job_is_served_although_another_one_in_its_database_is_months_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    feed(folder, &trades(0..60));
    run(folder, &["--to", "sqlite:rows.db", "--to", "rows.jsonl", "--name", "old"]);
    std::fs::write(folder.join("trades.jsonl"), trades(10_000_000..10_000_060)).unwrap();
    run(folder, &["--to", "sqlite:rows.db", "--name", "new"]);
    let (served, _says) = serve(folder, "sqlite:rows.db", &["--name", "old"]);
    becomes(&served, &rows_of(&std::fs::read_to_string(folder.join("rows.jsonl")).unwrap()));
}

#[test]
fn what_is_computed_is_told_as_the_job_itself_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    feed(folder, &trades(0..60));
    let flags = "--window 10s --slide 5s --grace 2s --emit changes --symbols all --stats-last 3 \
                 --missing-leg carry --cross XVGUSDT=XVGBTC*BTCUSDT --cross BACK=BTCUSDT/XVGBTC";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let path = folder.join("trades.jsonl");
    let job = Served::run(&[&[path.to_str().unwrap(), "--delay", "1s"], &flags[..]].concat());
    let definition = |served: &Served| served.get("/v1/catalog").json()["definition"].clone();
    let expected = definition(&job);
    assert_eq!((&expected["slide_ms"], &expected["stats_last"]), (&5_000.into(), &3.into()), "{expected}");
    for from in ["rows.db", "rows.jsonl"] {
        run(folder, &[&flags[..], &["--to", from]].concat());
        let (served, _says) = serve(folder, from, &[]);
        http::eventually(|| definition(&served) == expected, "the job's definition");
        // Begun anew with another one.
        run(folder, &["--fresh", "--to", from, "--window", "3s"]);
        http::eventually(|| definition(&served)["window_ms"] == 3_000, "the new definition");
    }
    // Rows alone do not tell, and nothing is made up.
    std::fs::remove_file(folder.join("rows.jsonl.recovery")).unwrap();
    let (served, _says) = serve(folder, "rows.jsonl", &[]);
    becomes(&served, &rows_of(&std::fs::read_to_string(folder.join("rows.jsonl")).unwrap()));
    assert_eq!(definition(&served), serde_json::Value::Null);
}

#[test]
fn what_cannot_be_served_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    feed(folder, &trades(0..20));
    run(folder, &["--to", "sqlite:rows.db", "--name", "spot"]);
    std::fs::write(folder.join("junk.db"), "junk").unwrap();
    for (from, more, code, word) in [
        ("nowhere.jsonl", &[][..], 3, "cannot read nowhere.jsonl"),
        ("sqlite:nowhere.db", &[], 3, "cannot read the database nowhere.db"),
        ("sqlite:junk.db", &[], 3, "cannot read the database junk.db"),
        ("sqlite:rows.db", &[], 2, "there is no job \"crossrate\", but spot"),
        // A database is one by whatever name.
        ("rows.db", &[], 2, "there is no job \"crossrate\", but spot"),
        (".", &[], 3, "is named csv:FOLDER"),
        ("csv:nowhere", &[], 3, "cannot read nowhere"),
        ("kafka", &[], 2, "the topic is missing"),
        ("-", &[], 2, "standard input ends"),
        ("a.jsonl", &["-b", "broker:9092"], 2, "no topic to read"),
        ("kafka:rows", &["-b", "127.0.0.1:1"], 3, "no Kafka broker answers"),
        ("postgres://127.0.0.1:1/none", &[], 3, "cannot read the database"),
    ] {
        let mut command = crossrate(&["serve", "--listen", "127.0.0.1:0", "--from", from]);
        let output = command.args(more).current_dir(folder).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{from}: {said}");
        assert!(said.contains(word), "{from}: {said}");
    }
    let nothing = crossrate(&["serve"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("kafka:TOPIC, sqlite:PATH, postgres:URL"));
}
