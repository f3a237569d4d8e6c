//! A job that is changed while it reads topics: what was answered is there after any kill, and comes once.

use super::rig::{self, Live, Record, until};
use super::run;
use crate::serve::changing::{BEGIN, of, rows_of_a_job_born_so, trades};
use crate::serve::http;
use std::net::SocketAddr;

/// One symbol in a partition of its own: one with trades that nobody wants alone would hold the frontier.
fn records(seconds: std::ops::Range<u64>) -> Vec<Record> {
    let text = trades(seconds);
    let partition = |line: &str| i32::from(line.contains("\"BTCUSDT\""));
    text.lines().map(|line| Record::new(partition(line), line)).collect()
}

fn address(live: &mut Live) -> SocketAddr {
    let line = live.hears("serving http://");
    line.rsplit("http://").next().expect("an address").trim_end_matches('/').parse().expect("an address")
}

#[test]
#[ignore = "needs Java"]
fn an_answered_change_outlives_kills_and_comes_once() {
    let kafka = rig::kafka();
    let (topic, out) = (kafka.topic("changing-in", 2), rig::unique("changing-out"));
    let flags = format!(
        "--window 10s --cross X=ETHBTC*BTCUSDT --symbols ETHUSDT --back-fill 1m --to kafka:{out} --name {out} -w 2"
    );
    let live = || {
        let mut live =
            Live::start(run(&kafka, &topic, &format!("{flags} --listen 127.0.0.1:0 --idle-timeout off")));
        let address = address(&mut live);
        let known = || http::ask(address, "GET", "/v1/definition", &[], "");
        until("the job to begin", || (known().status == 200).then_some(()));
        (live, address)
    };
    let judged = |address: SocketAddr, second: u64| {
        let watermark = (BEGIN + 1_000 * second - 5_000).to_string();
        until("all partitions to be judged", || {
            let frontier = http::ask(address, "GET", "/v1/frontier", &[], "").body;
            (frontier.matches(&watermark).count() >= 2).then_some(())
        });
    };
    let put = |address: SocketAddr, name: &str, formula: &str| {
        let body = format!("{{\"formula\":\"{formula}\"}}");
        let answer = http::ask(address, "PUT", name, &[("Content-Type", "application/json")], &body);
        assert_eq!((answer.status, &answer.json()["kept"]), (200, &true.into()), "{}", answer.body);
        let changes = answer.json()["changes"].clone();
        changes.as_array().expect("changes").first().map(|change| change["from_ms"].as_u64().expect("a time"))
    };
    kafka.produce(&topic, &records(0..100));
    let (mut first, at) = live();
    judged(at, 99);
    let from = put(at, "/v1/crosses/Y", "ETHUSDT/BTCUSDT");
    // At once, and without a word.
    assert!(first.kill());
    let (mut second, at) = live();
    let log = |at| http::ask(at, "GET", "/v1/definition", &[], "").json()["log"].clone();
    assert_eq!(log(at)[0]["from_ms"].as_u64(), from);
    assert_eq!(put(at, "/v1/crosses/Y", "ETHUSDT/BTCUSDT"), None, "it is there already");
    kafka.produce(&topic, &records(100..200));
    judged(at, 199);
    let later = put(at, "/v1/crosses/Z", "XVGBTC*BTCUSDT");
    assert!(second.kill());
    let (mut third, at) = live();
    assert_eq!(log(at).as_array().map(Vec::len), Some(3), "{}", log(at));
    kafka.produce(&topic, &records(200..300));
    judged(at, 299);
    assert!(third.kill());
    let (code, _, said) = rig::end(run(&kafka, &topic, &format!("{flags} -e -q")));
    assert_eq!(code, 0, "{said}");
    let rows = kafka.lines(&out);
    let all = ["--cross", "X=ETHBTC*BTCUSDT", "--cross", "Y=ETHUSDT/BTCUSDT", "--cross", "Z=XVGBTC*BTCUSDT"];
    let born = rows_of_a_job_born_so(0..300, &all);
    assert_eq!(of(&rows, "cross", "X", 0), of(&born, "cross", "X", 0));
    let begins = [("Y", from.expect("a change") - 60_000), ("Z", later.expect("a change"))];
    for (name, since) in begins {
        assert_eq!(of(&rows, "cross", name, 0), of(&born, "cross", name, since), "{name}");
    }
}
