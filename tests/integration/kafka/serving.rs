//! The read side and replays over topics.

use super::rig::{self, Broker, Kafka, Live, Record, crossrate, end, rows, until};
use super::{heartbeat, run};
use crate::serve::follow::{rows_of, serve, served_rows, trades};
use crate::serve::replay::within;

/// Trades of each second, the two symbols in partitions of their own.
fn records(seconds: std::ops::Range<u64>) -> Vec<Record> {
    let text = trades(seconds);
    let record = |line: &str| Record {
        timestamp: Some(time_of(line)),
        ..Record::new(i32::from(line.contains("BTCUSDT")), line)
    };
    text.lines().map(record).collect()
}

fn time_of(line: &str) -> i64 {
    serde_json::from_str::<serde_json::Value>(line).expect("a trade")["T"].as_i64().expect("a time")
}

fn job(kafka: &Kafka, topic: &str, out: &str) -> std::process::Command {
    run(
        kafka,
        topic,
        &format!("--window 5s --delay 1s --to kafka:{out} --commit-interval 0s --idle-timeout off"),
    )
}

#[test]
#[ignore = "needs Java"]
fn a_topic_of_rows_is_served_as_it_grows() {
    let kafka = rig::kafka();
    let (topic, out) = (kafka.topic("served-in", 2), rig::unique("served-out"));
    kafka.produce(&topic, &records(0..60));
    let live = Live::start(job(&kafka, &topic, &out));
    until("rows", || {
        let made = kafka.config().create::<rdkafka::consumer::BaseConsumer>().expect("a client");
        let found = rdkafka::consumer::Consumer::fetch_metadata(&made, Some(&out), rig::PATIENCE).ok()?;
        (!found.topics().first()?.partitions().is_empty() && !kafka.read(&out).is_empty()).then_some(())
    });
    let folder = tempfile::tempdir().expect("a folder");
    let (served, _says) =
        serve(folder.path(), &format!("kafka:{out}"), &["-b", &kafka.brokers, "-t", &topic]);
    let same = || {
        until("the rows of the topic", || (served_rows(&served) == rows_of(&kafka.lines(&out))).then_some(()))
    };
    same();
    kafka.produce(&topic, &records(60..120));
    until("the rows of what came", || {
        served_rows(&served).contains("\"end_ms\":1525022135000").then_some(())
    });
    same();
    // The checkpoint tells how far the job is, partition by partition.
    until("the partitions", || {
        let frontier = served.get("/v1/frontier").json();
        let names = frontier["partitions"].as_array()?.iter().map(|p| p["name"].clone()).collect::<Vec<_>>();
        let all = names == [format!("{topic}-0"), format!("{topic}-1")] && frontier["records"]["read"] == 240;
        (all && frontier["known_from"] == "commit").then_some(())
    });
    // And what it computes.
    until("what is computed", || {
        let definition = served.get("/v1/catalog").json()["definition"].clone();
        let product = &definition["crosses"][0]["product"];
        (definition["window_ms"] == 5_000 && definition["delay_ms"] == 1_000 && product == "XVGBTC*BTCUSDT")
            .then_some(())
    });
    // The trades of those rows again, in other windows.
    let headers = [("Content-Type", "application/json")];
    let wish = r#"{"window":"10s","delay":"1s","rows":["cross"]}"#;
    let answer = crate::serve::http::ask(served.address, "POST", "/v1/replay", &headers, wish);
    let replayed: String =
        answer.body.lines().filter(|l| l.starts_with("{\"kind\"")).map(|l| format!("{l}\n")).collect();
    assert_eq!(replayed, rows(run(&kafka, &topic, "-e --window 10s --delay 1s --rows cross -q")));
    drop(live);
}

#[test]
#[ignore = "needs Java"]
fn a_broker_that_goes_away_takes_nothing_with_it() {
    rig::needed();
    let data = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(Some(data.path()), None);
    let kafka = Kafka { brokers: broker.brokers.clone() };
    let (topic, out) = (kafka.topic("away-in", 2), rig::unique("away-out"));
    kafka.produce(&topic, &records(0..30));
    rows(run(&kafka, &topic, &format!("-e --window 5s --delay 1s --to kafka:{out} -q")));
    let folder = tempfile::tempdir().expect("a folder");
    let (served, says) = serve(folder.path(), &format!("kafka:{out}"), &["-b", &kafka.brokers]);
    let expected = rows_of(&kafka.lines(&out));
    until("the rows", || (served_rows(&served) == expected).then_some(()));
    let port = broker.port().to_owned();
    broker.stop();
    until("word that it is away", || (served.get("/readyz").status == 503).then_some(()));
    assert_eq!(served_rows(&served), expected);
    let following = || served.get("/v1/frontier").json()["following"]["state"].clone();
    until("word in the frontier", || (following() == "away").then_some(()));
    assert!(says.iter().any(|line| line.contains("is away, trying again")));
    let _broker = Broker::start(Some(data.path()), Some(&port));
    until("word that it is back", || (served.get("/readyz").status == 200).then_some(()));
    kafka.produce(&topic, &records(30..60));
    rows(run(&kafka, &topic, &format!("-e --window 5s --delay 1s --to kafka:{out} -q")));
    let expected = rows_of(&kafka.lines(&out));
    until("the new rows", || (served_rows(&served) == expected).then_some(()));
}

/// What the checkpoint says is told beside the rows, and takes none with it where it is not understood.
#[test]
#[ignore = "needs Java"]
fn rows_beside_a_checkpoint_of_another_version_are_served() {
    let kafka = rig::kafka();
    let (topic, out) = (kafka.topic("version-in", 2), rig::unique("version-out"));
    kafka.produce(&topic, &records(0..30));
    rows(run(&kafka, &topic, &format!("-e --window 5s --delay 1s --to kafka:{out} -q")));
    let value = [1_u32.to_le_bytes().as_slice(), &[99; 40]].concat();
    let entry = Record { key: Some(b"job#0".to_vec()), ..Record::new(0, value) };
    kafka.produce(&format!("{out}.crossrate.recovery"), &[entry]);
    let folder = tempfile::tempdir().expect("a folder");
    let (served, _says) = serve(folder.path(), &format!("kafka:{out}"), &["-b", &kafka.brokers]);
    let expected = rows_of(&kafka.lines(&out));
    until("the rows", || (served_rows(&served) == expected).then_some(()));
}

/// Also where it was looked at while there was none.
#[test]
#[ignore = "needs Java"]
fn a_topic_that_is_made_anew_is_another_one() {
    let kafka = rig::kafka();
    let (topic, out) = (kafka.topic("anew-in", 2), rig::unique("anew-out"));
    kafka.produce(&topic, &records(0..30));
    rows(run(&kafka, &topic, &format!("-e --window 5s --delay 1s --to kafka:{out} -q")));
    let folder = tempfile::tempdir().expect("a folder");
    let (served, _says) = serve(folder.path(), &format!("kafka:{out}"), &["-b", &kafka.brokers]);
    let expected = rows_of(&kafka.lines(&out));
    until("the rows", || (served_rows(&served) == expected).then_some(()));
    kafka.delete_topic(&out);
    until("word that it is away", || (served.get("/readyz").status == 503).then_some(()));
    let topic = kafka.topic("anew-other", 2);
    kafka.produce(&topic, &records(100..160));
    rows(run(&kafka, &topic, &format!("-e --window 5s --delay 1s --to kafka:{out} -q --fresh")));
    let expected = rows_of(&kafka.lines(&out));
    until("the rows of the new one", || (served_rows(&served) == expected).then_some(()));
}

#[test]
#[ignore = "needs Java"]
fn a_replay_of_a_range_gives_the_rows_of_a_run_and_the_live_job_does_not_notice() {
    let kafka = rig::kafka();
    let topic = kafka.topic("replayed", 2);
    kafka.produce(&topic, &records(0..300));
    let out = rig::unique("replayed-out");
    let mut live = Live::start(job(&kafka, &topic, &out));
    let flags = "--window 10s --delay 2s --grace 1s -q";
    let all = rows(run(&kafka, &topic, &format!("-e {flags}")));
    let (since, until_ms) = (1_525_022_120_000_u64, 1_525_022_220_000_u64);
    let replay = |more: &str| {
        let mut command = crossrate(["replay", "-b", &kafka.brokers, "-t", &topic]);
        command.args(flags.split_whitespace()).args(more.split_whitespace());
        command
    };
    for workers in ["-w 1", "-w 2"] {
        let range = format!("--since {since} --until {until_ms} {workers}");
        let replayed = rows(replay(&range));
        assert_eq!(within(&replayed, 0, u64::MAX), within(&all, since, until_ms), "{workers}");
    }
    // Reading begins by time, inside the log: most of it is not read.
    let folder = tempfile::tempdir().expect("a folder");
    let summary = folder.path().join("summary.json");
    let range = format!("--since {since} --until {until_ms} --summary {}", summary.display());
    rows(replay(&range));
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(summary).expect("a summary")).expect("JSON");
    assert!(summary["read"].as_u64().expect("a count") < 450, "{summary}");
    // From an offset: as a run from there.
    let from = rows(run(&kafka, &topic, &format!("-e -o 100 {flags}")));
    assert_eq!(rows(replay("--from-offset 100")), from);
    // The live job goes on, and its rows are as if nobody had asked.
    kafka.produce(&topic, &[Record::new(0, heartbeat(400.0)), Record::new(1, heartbeat(400.0))]);
    let expected = rows(run(&kafka, &topic, "-e --window 5s --delay 1s -q"));
    until("the rows of the live job", || (kafka.lines(&out) == expected).then_some(()));
    live.kill();
    let (code, _, said) = end(crossrate(["replay", "-b", &kafka.brokers, "-t", "nowhere"]));
    assert!(code == 3 && said.contains("there is no topic nowhere"), "{said}");
}
