//! The program against Apache Kafka itself: a topic is read as files of the same partitions are, live and after
//! accidents. `scripts/test` starts the broker; else the tests start one by `scripts/kafka`.

mod changing;
mod damage;
mod faults;
mod first_moments;
mod fixtures;
mod frozen;
mod full_disk;
mod input;
mod kills;
mod ledger;
#[cfg(feature = "tls")]
mod links;
mod pods;
mod point;
mod queue;
mod readme;
pub(crate) mod rig;
mod rights;
#[cfg(all(feature = "avro", feature = "protobuf"))]
mod schemas;
mod serving;
mod silence;
mod topics;

use rig::{Kafka, Live, Record, crossrate, end, rows, spec_vector};
use std::path::Path;

/// A record of each partition in turn.
fn dealt(lines: &[&str], partitions: i32) -> Vec<Record> {
    (0..partitions).cycle().zip(lines).map(|(partition, line)| Record::new(partition, line)).collect()
}

/// The same partitions as files.
fn as_files(folder: &Path, records: &[Record], partitions: i32) -> Vec<String> {
    (0..partitions)
        .map(|partition| {
            let path = folder.join(format!("{partition}.jsonl"));
            let mut bytes = Vec::new();
            for record in records.iter().filter(|record| record.partition == partition) {
                bytes.extend_from_slice(record.value.as_deref().expect("a value"));
                bytes.push(b'\n');
            }
            std::fs::write(&path, bytes).expect("written");
            path.to_str().expect("UTF-8").to_owned()
        })
        .collect()
}

fn run(kafka: &Kafka, topic: &str, more: &str) -> std::process::Command {
    let mut command = crossrate(["run", "-b", &kafka.brokers, "-t", topic]);
    command.args(more.split_whitespace());
    command
}

#[test]
#[ignore = "needs Java"]
fn a_topic_gives_the_rows_of_files_with_the_same_partitions() {
    let kafka = rig::kafka();
    let (input, expected) = spec_vector();
    let folder = tempfile::tempdir().expect("a folder");
    for partitions in [1, 4] {
        let topic = kafka.topic("same-as-files", partitions);
        let records = dealt(&input, partitions);
        kafka.produce(&topic, &records);
        let mut of_files = crossrate(["run", "--window", "10s"]);
        of_files.args(as_files(folder.path(), &records, partitions));
        let of_files = rows(of_files);
        if partitions == 1 {
            assert_eq!(of_files, expected);
        }
        for workers in ["-w 1", "-w 2", "-n 2", "-w 1 --batch-records 1"] {
            let of_topic = rows(run(&kafka, &topic, &format!("-e --window 10s {workers}")));
            assert_eq!(of_topic, of_files, "{partitions} partitions, {workers}");
        }
    }
}

/// A trade at so many seconds of the vector's minute.
fn trade(symbol: &str, id: u64, second: f64) -> String {
    let time = 1_525_022_000_000 + (second * 1_000.0) as u64;
    format!(r#"{{"e":"trade","s":"{symbol}","t":{id},"p":"100.5","q":"1.5","T":{time},"m":true}}"#)
}

fn heartbeat(second: f64) -> String {
    format!(r#"{{"e":"heartbeat","T":{}}}"#, 1_525_022_000_000 + (second * 1_000.0) as u64)
}

/// Starts, sums and closings of the rows, for comparison at a glance.
fn short(rows: &str) -> Vec<String> {
    rows.lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("a row");
            let start = row["start_ms"].as_u64().expect("a start") / 1_000 - 1_525_022_000;
            format!("{} {start} {} {}", row["name"], row["trades"], row["closed_by"]).replace('"', "")
        })
        .collect()
}

/// Trades of A at 1, 11, .. 51 seconds, with Kafka's clock a million seconds ahead of them.
fn six_windows(kafka: &Kafka, topic: &str) {
    let record = |n: u32| Record {
        timestamp: Some(1_526_022_000_000 + i64::from(n) * 10_000),
        ..Record::new(0, trade("A", n.into(), f64::from(n * 10 + 1)))
    };
    kafka.produce(topic, &(0..6).map(record).collect::<Vec<_>>());
}

const SIX: &str = "-e --symbols A --window 10s --delay 1s --rows symbol";

#[test]
#[ignore = "needs Java"]
fn a_run_that_begins_inside_a_log_withholds_windows_that_it_has_not_seen_whole() {
    let kafka = rig::kafka();
    let topic = kafka.topic("inside", 1);
    six_windows(&kafka, &topic);
    let from = |offset: &str| short(&rows(run(&kafka, &topic, &format!("{SIX} {offset}"))));
    let whole = from("");
    assert_eq!(whole.len(), 6);
    assert_eq!(whole[0], "A 0 1 event");
    assert_eq!(from("-o beginning"), whole);
    assert_eq!(from("-o 0"), whole);
    // The trade at 21 s is the first one read: windows from 22 s on are whole.
    assert_eq!(from("-o 2"), whole[3..]);
    // The first record with that timestamp, or a later one: the one at 31 s.
    assert_eq!(from("-o @1526022020001"), whole[4..]);
    assert_eq!(from("-o @1526022050001"), Vec::<String>::new());
    assert_eq!(from("-o end"), Vec::<String>::new());
    assert_eq!(from("-o 6"), Vec::<String>::new());
    let (code, _, stderr) = end(run(&kafka, &topic, "-e -o 7"));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("no offset 7: it begins at 0 and ends at 6"), "{stderr}");
    // Retention has cut the log: its beginning is inside of what there was.
    kafka.delete_records(&topic, 0, 1);
    assert_eq!(from(""), whole[2..]);
    let (code, _, stderr) = end(run(&kafka, &topic, "-e -o 0"));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("no offset 0: it begins at 1"), "{stderr}");
}

#[test]
#[ignore = "needs Java"]
fn empty_partitions_end_at_once() {
    let kafka = rig::kafka();
    let topic = kafka.topic("empty", 3);
    six_windows(&kafka, &topic);
    let closed = short(&rows(run(&kafka, &topic, SIX)));
    assert_eq!(closed.len(), 6);
    assert!(closed.iter().all(|row| row.ends_with(" 1 eof")), "{closed:?}");
    let nothing = kafka.topic("nothing", 2);
    assert_eq!(rows(run(&kafka, &nothing, SIX)), "");
}

#[test]
#[ignore = "needs Java"]
fn records_of_aborted_transactions_are_not_seen_and_open_ones_not_waited_for() {
    use rdkafka::producer::Producer;
    let kafka = rig::kafka();
    let topic = kafka.topic("transactions", 1);
    let id = rig::unique("transactions");
    let producer = kafka.producer(&[("transactional.id", &id)]);
    producer.init_transactions(rig::PATIENCE).expect("a coordinator");
    let write = |n: u64, end: &dyn Fn()| {
        producer.begin_transaction().expect("begun");
        rig::send(&producer, &topic, &[Record::new(0, trade("A", n, n as f64 * 10.0 + 1.0))]);
        producer.flush(rig::PATIENCE).expect("flushed");
        end();
    };
    let commit = || producer.commit_transaction(rig::PATIENCE).expect("committed");
    let abort = || producer.abort_transaction(rig::PATIENCE).expect("aborted");
    write(0, &commit);
    write(1, &abort);
    write(2, &commit);
    write(3, &abort);
    // The log ends with the mark of an aborted transaction.
    let seen = ["A 0 1 event", "A 20 1 eof"];
    assert_eq!(short(&rows(run(&kafka, &topic, SIX))), seen);
    // And then with an open one, which begins where the last stable offset is.
    write(4, &|| ());
    assert_eq!(short(&rows(run(&kafka, &topic, SIX))), seen);
    abort();
    assert_eq!(short(&rows(run(&kafka, &topic, SIX))), seen);
}

#[test]
#[ignore = "needs Java"]
fn what_cannot_be_read_is_said_with_the_place_and_what_to_do() {
    let kafka = rig::kafka();
    let topic = rig::unique("none");
    let (code, stdout, stderr) = end(run(&kafka, &topic, "-e"));
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    assert!(stderr.contains(&format!("there is no topic {topic} at {}", kafka.brokers)), "{stderr}");
    assert!(stderr.contains("--create --topic"), "{stderr}");
    // The topic was not made by asking for it.
    let (code, ..) = end(run(&kafka, &topic, "-e"));
    assert_eq!(code, 3);

    let nobody = Kafka { brokers: "127.0.0.1:1".into() };
    let (code, stdout, stderr) = end(run(&nobody, "trades", "-e"));
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    assert!(stderr.contains("no Kafka broker answers at 127.0.0.1:1: "), "{stderr}");
    assert!(stderr.contains("-b/--brokers"), "{stderr}");

    let port: u16 = kafka.brokers.split_once(':').expect("host:port").1.parse().expect("a port");
    let guarded = Kafka { brokers: format!("127.0.0.1:{}", port + 2) };
    let topic = kafka.topic("guarded", 1);
    let user = "-X security.protocol=sasl_plaintext -X sasl.mechanism=PLAIN -X sasl.username=crossrate";
    let (code, _, stderr) = end(run(&guarded, &topic, &format!("-e {user} -X sasl.password=wrong")));
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("does not let us in"), "{stderr}");
    assert!(!stderr.contains("wrong"), "{stderr}");
    assert_eq!(rows(run(&guarded, &topic, &format!("-e {user} -X sasl.password=secret"))), "");

    let (code, _, stderr) = end(run(&kafka, &topic, "-e -X security.protocol=ssl"));
    if cfg!(feature = "tls") {
        assert_eq!(code, 3, "{stderr}");
    } else {
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("--features tls"), "{stderr}");
    }
    let (code, _, stderr) = end(run(&kafka, &topic, "-e -X sasl.pasword=secret"));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("sasl.pasword") && !stderr.contains("secret"), "{stderr}");
}

#[test]
#[ignore = "needs Java"]
fn a_quiet_partition_is_idle_and_what_it_brings_too_late_is_named_so() {
    let kafka = rig::kafka();
    let topic = kafka.topic("idle", 2);
    let folder = tempfile::tempdir().expect("a folder");
    let letters = folder.path().join("letters.jsonl");
    kafka.produce(&topic, &[Record::new(1, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 2.0))]);
    let mut command =
        run(&kafka, &topic, "--symbols A --window 10s --delay 1s --rows symbol --idle-timeout 200ms");
    command.arg("--dead-letter").arg(&letters);
    let mut live = Live::start(command);
    kafka.produce(&topic, &[Record::new(0, trade("A", 3, 15.0))]);
    let row = live.row();
    assert_eq!((&row["trades"], &row["closed_by"]), (&2.into(), &"idle".into()));
    // Its next record: the frontier is at 14 s by now, and what belongs before 10 s is late.
    kafka.produce(&topic, &[Record::new(1, trade("A", 4, 3.0)), Record::new(1, trade("A", 5, 16.0))]);
    let letter = rig::until("the dead letter", || {
        let text = std::fs::read_to_string(&letters).ok()?;
        text.ends_with('\n').then_some(text)
    });
    let letter: serde_json::Value = serde_json::from_str(&letter).expect("one line");
    assert_eq!((&letter["partition"], &letter["offset"]), (&1.into(), &1.into()));
    assert_eq!(letter["reason"], "late");
    assert!(letter["detail"].as_str().expect("a text").contains("idle"), "{letter}");
    // Both go on, and the second window has what is its. (A slow machine may make either idle once more.)
    kafka.produce(&topic, &[Record::new(0, heartbeat(25.0)), Record::new(1, heartbeat(25.0))]);
    let row = live.row();
    assert_eq!((&row["start_ms"], &row["trades"]), (&1_525_022_010_000_u64.into(), &2.into()));
}

#[test]
#[ignore = "needs Java"]
fn a_partition_that_is_added_while_the_job_runs_is_adopted() {
    let kafka = rig::kafka();
    for workers in ["-w 1", "-w 2", "-n 2"] {
        let topic = kafka.topic("adopted", 1);
        kafka.produce(&topic, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);
        let flags = "--symbols A --window 10s --delay 1s --rows symbol --idle-timeout off";
        let mut live = Live::start(run(
            &kafka,
            &topic,
            &format!("{flags} {workers} -X topic.metadata.refresh.interval.ms=50"),
        ));
        assert_eq!(live.row()["trades"], 1);
        kafka.add_partitions(&topic, 2);
        kafka.produce(&topic, &[Record::new(1, trade("B", 3, 1.0)), Record::new(1, trade("A", 4, 16.0))]);
        let line = live.hears(&format!("{topic}-1 is new"));
        assert!(line.contains("1525022014000 ms"), "{line}");
        kafka.produce(&topic, &[Record::new(0, heartbeat(25.0)), Record::new(1, heartbeat(25.0))]);
        let row = live.row();
        assert_eq!((&row["trades"], &row["closed_by"]), (&2.into(), &"event".into()), "{workers}");
    }
}

#[test]
#[ignore = "needs Java"]
fn a_broker_that_goes_and_comes_back_is_waited_for() {
    rig::needed();
    let folder = tempfile::tempdir().expect("a folder");
    let broker = rig::Broker::start(Some(folder.path()), None);
    let kafka = Kafka { brokers: broker.brokers.clone() };
    let topic = kafka.topic("restarted", 1);
    kafka.produce(&topic, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);
    let flags = "--symbols A --window 10s --delay 1s --rows symbol --idle-timeout 300ms";
    let mut live = Live::start(run(&kafka, &topic, flags));
    assert_eq!(live.row()["trades"], 1);
    let port = broker.port().to_owned();
    broker.stop();
    live.hears("no Kafka broker answers at");
    let broker = rig::Broker::start(Some(folder.path()), Some(&port));
    live.hears("Kafka answers again at");
    kafka.produce(&topic, &[Record::new(0, trade("A", 3, 16.0)), Record::new(0, heartbeat(25.0))]);
    let row = live.row();
    assert_eq!((&row["trades"], &row["closed_by"]), (&2.into(), &"event".into()));
    drop(live);
    broker.stop();
}

#[test]
#[ignore = "needs Java"]
fn a_topic_that_is_deleted_ends_the_run() {
    let kafka = rig::kafka();
    let topic = kafka.topic("deleted", 1);
    kafka.produce(&topic, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);
    let flags = "--symbols A --window 10s --delay 1s --rows symbol -X topic.metadata.refresh.interval.ms=50";
    let mut live = Live::start(run(&kafka, &topic, flags));
    assert_eq!(live.row()["trades"], 1);
    kafka.delete_topic(&topic);
    let (code, _, stderr) = live.ends();
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("is not there any more"), "{stderr}");
}

#[test]
#[ignore = "needs Java and kcat"]
fn the_recipe_of_kcat() {
    let kafka = rig::kafka();
    let trades = kafka.topic("kcat-trades", 1);
    // The run makes the topic of rows, as it should be.
    crate::people::recipes::kcat(&kafka.brokers, &trades, &format!("{trades}-rows"));
}
