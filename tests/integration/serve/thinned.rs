//! What the server keeps and tells of long spans: series thinned out, rows as of a moment, refusals.

use super::{Served, follow, http};
use serde_json::Value;

/// A run over trades of so many seconds, a window a second.
fn served(seconds: u64, more: &str, flags: &[&str]) -> (tempfile::TempDir, Served) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trades.jsonl");
    std::fs::write(&path, follow::trades(0..seconds) + more).unwrap();
    let served = Served::run(&[&[path.to_str().unwrap(), "--window", "1s", "--delay", "1s"], flags].concat());
    served.wait_for_the_end();
    (folder, served)
}

fn rates(rows: &[Value], from: u64, until: u64) -> Vec<String> {
    let within = rows
        .iter()
        .filter(|row| row["end_ms"].as_u64() > Some(from) && row["end_ms"].as_u64() <= Some(until));
    within.filter_map(|row| row["vwap"].as_str()).map(str::to_owned).collect()
}

/// To compare by: all rates here are positive, with as many digits after the point.
fn key(rate: &str) -> (usize, String) {
    (rate.len(), rate.to_owned())
}

#[test]
fn a_long_series_comes_in_buckets_that_say_what_their_rows_say() {
    let (_folder, served) = served(700, "", &["--emit", "changes"]);
    let rows = served.get("/v1/windows?kind=cross&name=XVGUSDT&limit=10000").json()["rows"]
        .as_array()
        .unwrap()
        .clone();
    let thinned = served.get("/v1/series?name=XVGUSDT&buckets=20").json();
    let buckets = thinned["buckets"].as_array().unwrap();
    assert_eq!((thinned["kind"].as_str(), thinned["bucket_ms"].as_u64()), (Some("cross"), Some(60_000)));
    assert!(buckets.len() <= 20 && buckets.len() > 10, "{}", buckets.len());
    let windows: u64 = buckets.iter().map(|bucket| bucket["windows"].as_u64().unwrap()).sum();
    assert_eq!(windows, rows.len() as u64);
    for bucket in buckets {
        let rates = rates(&rows, bucket["start_ms"].as_u64().unwrap(), bucket["end_ms"].as_u64().unwrap());
        assert_eq!(
            (&bucket["first"], &bucket["last"]),
            (&rates[0].as_str().into(), &rates[rates.len() - 1].as_str().into())
        );
        let (least, greatest) =
            (rates.iter().min_by_key(|rate| key(rate)), rates.iter().max_by_key(|rate| key(rate)));
        assert_eq!(bucket["min"].as_str(), least.map(String::as_str));
        assert_eq!(bucket["max"].as_str(), greatest.map(String::as_str));
    }
    // A part of it: buckets at its edges are whole, and the same as before.
    let (from, until) =
        (buckets[3]["start_ms"].as_u64().unwrap() + 5_000, buckets[5]["end_ms"].as_u64().unwrap() - 5_000);
    let part = served.get(&format!("/v1/series?name=XVGUSDT&buckets=4&from={from}&until={until}")).json();
    assert_eq!(part["buckets"].as_array().unwrap()[..], buckets[3..=5]);
    // Of a symbol a candle.
    let candles = served.get("/v1/series?name=BTCUSDT&buckets=2").json();
    let candle = &candles["buckets"][0]["candle"];
    assert_eq!(
        (&candle["high"], &candle["low"]),
        (&"8886.50000000".into(), &"8880.50000000".into()),
        "{candles}"
    );
    for (query, words) in [
        ("name=XVGUSDT&buckets=0", "buckets=0"),
        ("name=XVGUSDT&buckets=2001", "from 1 to 2000"),
        ("name=XVGUSDT&buckets=9&limit=9", "without limit"),
        ("name=XVGUSDT,BTCUSDT&buckets=9", "each name"),
        ("name=XVGUSDT&buckets=9&from=9&until=3", "from is after until"),
        ("name=XVGUSDT&kind=basis", "buckets=500"),
        ("buckets=9", "name is missing"),
    ] {
        let answer = served.get(&format!("/v1/series?{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        assert!(answer.body.contains(words), "{query}: {}", answer.body);
    }
}

#[test]
fn the_latest_rows_are_told_as_of_a_moment() {
    let (_folder, served) = served(30, "", &[]);
    let end = 1_525_022_030_000_u64;
    let by = served.get(&format!("/v1/latest?kind=cross&ended_by={end}")).json();
    assert_eq!(by["rows"][0]["end_ms"], end);
    assert_eq!(served.get("/v1/latest?kind=cross&ended_by=1").json()["rows"], serde_json::json!([]));
    assert_eq!(served.get("/v1/latest?ended_by=soon").status, 400);
}

#[test]
fn a_recording_is_kept_as_far_as_it_fits_and_by_history_where_that_is_said() {
    let (_folder, whole) = served(4_000, "", &[]);
    let first = |served: &Served| {
        let catalogue = served.get("/v1/catalog").json();
        let names = catalogue["names"].as_array().unwrap().clone();
        let cross = names.iter().find(|entry| entry["kind"] == "cross").unwrap()["first_start_ms"].clone();
        (catalogue["history_ms"].clone(), catalogue["held_from_ms"].clone(), cross)
    };
    assert_eq!(first(&whole), (Value::Null, Value::Null, 1_525_022_020_000_u64.into()));
    assert_eq!(whole.get("/v1/catalog").json()["most_rows"], 500_000);
    let metrics = whole.get("/metrics").body;
    assert!(
        metrics.contains("crossrate_board_cut 0\n") && !metrics.contains("crossrate_board_history"),
        "{metrics}"
    );
    drop(whole);
    let (_folder, hour) = served(4_000, "", &["--history", "10m"]);
    assert_eq!(first(&hour), (600_000.into(), Value::Null, (1_525_022_020_000_u64 + 3_400_000).into()));
    assert!(hour.get("/metrics").body.contains("crossrate_board_history_seconds 600\n"));
}

#[test]
fn records_that_did_not_count_are_told_to_whoever_comes_later() {
    let late = r#"{"e":"trade","s":"BTCUSDT","t":900000,"p":"1","q":"1","T":1525022021000}"#;
    let (_folder, served) = served(100, &format!("{late}\n{{\"e\":\"trade\"}}\n"), &[]);
    let told = served.get("/v1/refusals").json();
    let sum = |class: &str| {
        let since =
            told["refusals"].as_array().unwrap().iter().map(|refusal| refusal[class].as_u64().unwrap());
        told["before"][class].as_u64().unwrap() + since.sum::<u64>()
    };
    assert_eq!((sum("late"), sum("bad"), sum("future"), sum("duplicate")), (1, 1, 0, 0), "{told}");
    assert_eq!(http::ask(served.address, "GET", "/v1/refusals?x=1", &[], "").status, 400);
}
