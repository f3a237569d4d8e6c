//! From a websocket to a chart: a simulated exchange, the collector, Apache Kafka, `run -w 2` and the page in
//! a browser.

use super::browser::Browser;
use super::{Served, http};
use crate::exchange::Exchange;
use crate::exchange::collector::{Collector, Log};
use crate::exchange::market::Faults;
use crate::kafka::rig;
use oracle::{File, Settings};
use serde_json::Value;
use std::collections::BTreeSet;

/// Milliseconds of `--delay`.
const DELAY: i64 = 1_000;
const FLAGS: &str = "--window 2s --delay 1s --missing-leg carry";

/// Notes by the browser's clock when each window was seen to be final.
const WATCH: &str = "window.seen = {};
    const look = () => {
      for (const row of document.querySelectorAll('#rows [data-stage=final]')) window.seen[row.dataset.start] ??= Date.now();
    };
    look();
    // What was there already is not seen to come.
    window.before = Object.keys(window.seen);
    new MutationObserver(look).observe(document.querySelector('#rows'), { childList: true, subtree: true, attributes: true });";

#[test]
#[ignore = "needs Java and Chromium"]
fn from_the_exchange_to_the_page() {
    let kafka = rig::kafka();
    let browser = Browser::open();
    let folder = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(1, Faults::default());
    // One leg of the default cross trades rarely: only heartbeats say that nothing of it is missing.
    exchange.market.state().symbols.iter_mut().find(|s| s.name == "XVGBTC").unwrap().pace = 5_000;
    let topic = kafka.topic("live", 3);
    let log = Log::Topic(kafka.clone(), topic.clone());
    let mut collector = Collector::start(folder.path(), &exchange, log, &[]);
    let rows = folder.path().join("rows.jsonl");
    let mut flags = vec!["-b", &kafka.brokers, "-t", &topic, "-w", "2", "--provisional", "--fresh"];
    flags.extend(["--to", rows.to_str().unwrap()]);
    flags.extend(FLAGS.split(' '));
    let served = Served::run(&flags);
    browser.go(&format!("http://{}/", served.address));
    browser.wait("return document.querySelectorAll('#rows [data-stage=final]').length > 0", "a final window");
    browser.script(WATCH);
    let finals = || -> Vec<Value> {
        let answer = served.get("/v1/windows?kind=cross&name=XVGUSDT&limit=100").json();
        let rows = answer["rows"].as_array().unwrap().iter();
        rows.filter(|row| row["final"] == true).cloned().collect()
    };
    let is_quiet = |row: &Value| row["status"] == "carried";
    http::eventually(
        || finals().len() >= 8 && finals().iter().any(is_quiet),
        "windows without a trade of the rare leg",
    );
    let told = finals();
    let last = told.last().unwrap()["start_ms"].to_string();
    browser.wait(
        &format!("return document.querySelector('#rows [data-start=\"{last}\"]')?.dataset.stage === 'final'"),
        "the last of them on the page",
    );

    // What stands on the page is what the server has, and that is what the oracle makes of the topic.
    let shown = browser.script(
        "return [...document.querySelectorAll('#rows tr')].map((line) => [line.dataset.start, line.cells[1].textContent])",
    );
    let shown: BTreeSet<(String, String)> = serde_json::from_value(shown).unwrap();
    // The page shows the latest twenty.
    for row in told.iter().rev().take(8) {
        let rate = row["vwap"].as_str().unwrap_or("no rate");
        assert!(shown.contains(&(row["start_ms"].to_string(), rate.to_owned())), "{row} in {shown:?}");
    }
    let seen = browser
        .script("return Object.entries(window.seen).filter(([start]) => !window.before.includes(start))");
    let seen: Vec<(String, i64)> = serde_json::from_value(seen).unwrap();
    collector.interrupt();
    let partitions = collector.log.partitions();
    let files = partitions.iter().map(|lines| File::of_json((lines.join("\n") + "\n").into_bytes()));
    let flags: Vec<String> = FLAGS.split(' ').map(str::to_owned).collect();
    let expected = oracle::run(&Settings::read(&flags), &files.collect::<Vec<_>>());
    let expected: Vec<Value> =
        expected.rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for row in &told {
        assert_eq!(row["closed_by"], "event");
        assert!(expected.contains(row), "{row}");
    }

    // Recorded, not asserted: how long after its end a window is final before the reader's eyes.
    let mut lags: Vec<i64> = seen
        .iter()
        .map(|(start, at)| at + exchange.market.ahead - (start.parse::<i64>().unwrap() + 2_000) - DELAY)
        .collect();
    lags.sort_unstable();
    if let (Some(most), Some(median)) = (lags.last(), lags.get(lags.len() / 2)) {
        eprintln!(
            "{} windows were final on the page {median} ms after end + delay (median), {most} ms at most",
            lags.len()
        );
    }
}
