//! What producers write, as they write it: recordings, backlogs dealt out in turn, packed batches, odd
//! records.

use super::rig::{self, Kafka, Record, crossrate, end, rows};
use super::{run, trade};
use crate::recordings;
use crate::tapes::Random;
use std::net::TcpListener;
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs Java and recordings"]
fn recordings_give_the_same_rows_through_a_topic() {
    let (kafka, recordings) = (rig::kafka(), recordings::folder());
    for case in recordings::cases(&recordings) {
        let topic = kafka.topic("recording", case.partitions.len() as i32);
        let numbered = (0..).zip(&case.partitions);
        let records: Vec<Record> =
            numbered.flat_map(|(p, records)| records.iter().map(move |r| Record::new(p, r))).collect();
        kafka.produce(&topic, &records);
        let expected = case.expected();
        for manner in ["-w 2", "-n 2"] {
            let found = rows(run(&kafka, &topic, &format!("-e -q {} {manner}", case.flags)));
            assert!(found == expected.rows, "{} {manner}", case.name);
        }
    }
}

/// Two symbols' trades, a second apart, over so many seconds.
fn long_tape(seconds: u64) -> Vec<String> {
    (0..seconds).map(|n| trade(["A", "B"][n as usize % 2], n / 2 + 1, n as f64)).collect()
}

/// The layout of most producers: keys are null, trades lie in turn in all partitions. What is read first
/// depends on the moment, and a partition can be many minutes of event time ahead of another.
#[test]
#[ignore = "needs Java"]
fn a_backlog_without_keys_is_exact_however_it_is_read() {
    let kafka = rig::kafka();
    let tape = long_tape(20_000);
    let folder = tempfile::tempdir().expect("a folder");
    let flags = "--cross X=A*B --window 10s --delay 5s";
    let dealt = super::dealt(&tape.iter().map(String::as_str).collect::<Vec<_>>(), 4);
    let mut of_files = crossrate(["run", "-q"]);
    of_files.args(flags.split(' ')).args(super::as_files(folder.path(), &dealt, 4));
    let expected = rows(of_files);
    // Each of the 2,000 windows: two symbols, the cross, its statistics.
    assert_eq!(expected.lines().count(), 8_000);
    // The third partition comes last and whole; in the log of the first all is packed, in that of the second
    // by another producer and otherwise.
    let topic = kafka.topic("backlog", 4);
    for (partition, codec) in [(0, "lz4"), (1, "gzip"), (3, "snappy"), (2, "none")] {
        let producer = kafka.producer(&[("compression.type", codec), ("linger.ms", "5")]);
        rig::send(&producer, &topic, dealt.iter().filter(|record| record.partition == partition));
        rdkafka::producer::Producer::flush(&producer, rig::PATIENCE).expect("flushed");
    }
    for manner in ["-w 1", "-w 2", "-w 4", "-n 2", "-w 2 --batch-records 64 --max-drift 20s"] {
        let found = rows(run(&kafka, &topic, &format!("-e -q {flags} {manner}")));
        assert!(found == expected, "{manner}");
    }
    // An empty partition more holds nobody back at the end of the logs; more workers than partitions do no
    // harm.
    kafka.add_partitions(&topic, 5);
    let found = rows(run(&kafka, &topic, &format!("-e -q {flags} -w 7")));
    assert_eq!(found.lines().count(), expected.lines().count());
    assert!(found.replace("eof", "event") == expected.replace("eof", "event"));
}

/// Nothing that is not a trade does harm, and each record is counted.
#[test]
#[ignore = "needs Java"]
fn odd_records_are_counted_and_harm_nobody() {
    let kafka = rig::kafka();
    let topic = kafka.topic_with("odd", 1, &[("max.message.bytes", "2000000")]);
    let bare = |value: Option<Vec<u8>>| Record { value, ..Record::default() };
    let mut random = Random::new(9);
    let noise = |random: &mut Random, length: usize| -> Vec<u8> {
        (0..length).map(|_| random.one_of(&[0u8, 1, b'{', b'"', 0xff, b'9', b'\n', 0xc3])).collect()
    };
    // A trade of 900 kB: the room is taken by a key that nobody asked for.
    let large = trade("A", 2, 2.0).replace('}', &format!(r#","note":"{}"}}"#, "x".repeat(900_000)));
    let records = [
        Record::new(0, trade("A", 1, 1.0)),
        bare(None),
        bare(Some(Vec::new())),
        Record { key: Some(b"A".to_vec()), value: None, ..Record::default() },
        Record::new(0, &large),
        Record::new(0, noise(&mut random, 900_000)),
        Record { key: Some(noise(&mut random, 100)), ..Record::new(0, trade("A", 3, 3.0)) },
        // Kafka's clock at 0 says nothing about the future.
        Record { timestamp: Some(0), ..Record::new(0, trade("A", 4, 4.0)) },
        Record { timestamp: Some(1_525_021_900_000), ..Record::new(0, trade("A", 5, 5.0)) },
    ];
    let producer = kafka.producer(&[("message.max.bytes", "2000000"), ("compression.type", "lz4")]);
    rig::send(&producer, &topic, &records);
    rdkafka::producer::Producer::flush(&producer, rig::PATIENCE).expect("flushed");
    let folder = tempfile::tempdir().expect("a folder");
    for manner in ["-w 1", "-w 2", "-n 2"] {
        let (letters, summary) = (folder.path().join("letters"), folder.path().join("summary"));
        let _ = std::fs::remove_file(&letters);
        let mut command =
            run(&kafka, &topic, &format!("-e -q --symbols A --window 10s --rows symbol {manner}"));
        command.arg("--dead-letter").arg(&letters).arg("--summary").arg(&summary);
        let found = rows(command);
        let row: serde_json::Value = serde_json::from_str(&found).expect("one row");
        assert_eq!((&row["trades"], &row["missing_ids"]), (&4.into(), &0.into()), "{found}");
        let summary: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&summary).expect("a summary")).expect("JSON");
        // Tombstones are ignored; an empty value is a record, and no JSON.
        let counts = |names: [&str; 5]| names.map(|name| summary[name].as_u64().expect("a count"));
        assert_eq!(counts(["read", "accepted", "ignored", "bad", "future"]), [9, 4, 2, 2, 1], "{summary}");
        let letters = std::fs::read_to_string(&letters).expect("dead letters");
        let offsets = letters.lines().map(|line| {
            let letter: serde_json::Value = serde_json::from_str(line).expect("a dead letter");
            (
                letter["offset"].as_u64().expect("an offset"),
                letter["reason"].as_str().expect("a reason").to_owned(),
            )
        });
        let expected =
            [(2, "bad"), (5, "bad"), (8, "future")].map(|(offset, reason)| (offset, reason.to_owned()));
        assert_eq!(offsets.collect::<Vec<_>>(), expected, "{manner}");
    }
}

/// The same records are read again from the topic, as far as they go now.
#[test]
#[ignore = "needs Java"]
fn a_row_is_explained_by_the_records_of_its_topic() {
    let kafka = rig::kafka();
    let topic = kafka.topic("explained", 2);
    let folder = tempfile::tempdir().expect("a folder");
    let tape = long_tape(40);
    let mut files = ["", ""].map(str::to_owned);
    for (n, record) in tape.iter().enumerate() {
        files[n % 2] += &format!("{record}\n");
    }
    let records: Vec<Record> = tape.iter().enumerate().map(|(n, r)| Record::new(n as i32 % 2, r)).collect();
    kafka.produce(&topic, &records);
    for (n, lines) in files.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{topic}-{n}")), lines).expect("written");
    }
    let last = rows(run(&kafka, &topic, "-e -q --window 10s --cross C=A*B"));
    let last: serde_json::Value = serde_json::from_str(last.lines().last().expect("a row")).expect("JSON");
    let asked = format!("explain cross C@{} --window 10s --cross C=A*B --json", last["end_ms"]);
    let words: Vec<&str> = asked.split(' ').collect();
    let of_topic = crossrate(words.iter().copied().chain(["-b", &kafka.brokers, "-t", &topic]));
    let mut of_files =
        crossrate(words.iter().copied().chain([&*format!("{topic}-0"), &format!("{topic}-1")]));
    let told = rows(of_topic);
    assert!(told.contains("revisions") && told.contains(&topic), "{told}");
    of_files.current_dir(folder.path());
    assert_eq!(told, rows(of_files));
}

#[test]
fn a_broker_that_takes_the_call_and_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let brokers = listener.local_addr().expect("an address").to_string();
    // Connections wait in the listener's queue: the line is open, and nobody speaks.
    let begun = Instant::now();
    let (code, stdout, stderr) = end(run(&Kafka { brokers: brokers.clone() }, "trades", "-e"));
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    assert!(stderr.contains(&format!("no Kafka broker answers at {brokers}")), "{stderr}");
    // Ten seconds are promised; a busy machine may take longer, but not for ever.
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}
