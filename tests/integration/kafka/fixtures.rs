//! Checkpoints that released programs have left in Kafka are taken up, as those in files are.
//!
//! A fixture is the committed records of the topic of rows and of the topic of the checkpoint. The names of
//! topics are fixed: a checkpoint knows them.

use super::rig::{self, Kafka, Record};
use super::run;
use crate::recovery::fixtures::{self, CHANGES, INPUTS, SLIDING};
use crate::recovery::outputs::assert_same_lines;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rdkafka::Message;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// A job of a fixture, and after how many commits it was killed.
const CASES: [(&str, &str, usize); 2] = [("sliding-kafka", SLIDING, 6), ("changes-kafka", CHANGES, 9)];

const TRADES: &str = "fixture-trades";
const ROWS: &str = "fixture-rows";
const CHECKPOINT: &str = "fixture-rows.fixture.recovery";
const COMPACTED: [(&str, &str); 2] =
    [("cleanup.policy", "compact"), ("message.timestamp.after.max.ms", "9223372036854775807")];

fn flags(flags: &str) -> String {
    format!("-e {flags} --to kafka:{ROWS} --to stdout --name fixture --commit-interval 0ms --batch-records 8")
}

/// The inputs, a partition each.
fn put_inputs(kafka: &Kafka) {
    let folder = tempfile::tempdir().expect("a folder");
    fixtures::put_inputs(folder.path());
    kafka.make(TRADES, INPUTS.len() as i32, &[]);
    for (partition, name) in INPUTS.iter().enumerate() {
        let bytes = std::fs::read(folder.path().join(name)).expect("read");
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let records: Vec<Record> = lines.map(|line| Record::new(partition as i32, line)).collect();
        kafka.produce(TRADES, &records);
    }
}

fn delete(kafka: &Kafka, topics: &[&str]) {
    topics.iter().for_each(|topic| kafka.delete_topic(topic));
}

/// Makes a fixture by that program.
fn write(kafka: &Kafka, program: &str, (name, of_job, commits): (&str, &str, usize), whole: &[String]) {
    loop {
        let mut command = Command::new(program);
        command
            .args(["run", "-b", &kafka.brokers, "-t", TRADES, "-v"])
            .args(flags(of_job).split_whitespace());
        if fixtures::run_and_kill(command, commits) && is_some_of(&rows_of(kafka), whole) {
            break;
        }
        delete(kafka, &[ROWS, CHECKPOINT]);
    }
    let mut text = String::new();
    for topic in [ROWS, CHECKPOINT] {
        let line = |message: &rdkafka::message::BorrowedMessage<'_>| {
            let key = message.key().map(|key| String::from_utf8(key.to_vec()).expect("UTF-8"));
            let value = message.payload().map(|value| BASE64_STANDARD.encode(value));
            let timestamp = message.timestamp().to_millis();
            json!({ "topic": topic, "key": key, "value": value, "timestamp": timestamp }).to_string() + "\n"
        };
        text.extend(kafka.read_as(topic, line));
    }
    fixtures::pack(
        text.as_bytes(),
        &fixtures::fixtures().join(fixtures::WRITER).join(name).join("records.jsonl.gz"),
    );
    delete(kafka, &[ROWS, CHECKPOINT]);
}

/// The rows before a moment, and not all of them.
fn is_some_of(rows: &[String], whole: &[String]) -> bool {
    !rows.is_empty() && rows.len() < whole.len() && whole.starts_with(rows)
}

/// Puts the records of a fixture where they were; the rows among them.
fn put(kafka: &Kafka, fixture: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("records.jsonl");
    fixtures::unpack(&fixture.join("records.jsonl.gz"), &records);
    let text = std::fs::read_to_string(records).expect("read");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut rows = Vec::new();
    for topic in [ROWS, CHECKPOINT] {
        kafka.make(topic, 1, &COMPACTED);
        let record = |line: &Value| Record {
            partition: 0,
            key: line["key"].as_str().map(|key| key.as_bytes().to_vec()),
            value: line["value"].as_str().map(|value| BASE64_STANDARD.decode(value).expect("base64")),
            timestamp: line["timestamp"].as_i64(),
        };
        let records: Vec<Record> = lines.iter().filter(|line| line["topic"] == topic).map(record).collect();
        kafka.produce(topic, &records);
        if topic == ROWS {
            let texts = records.into_iter().filter_map(|record| record.value).map(String::from_utf8);
            rows.extend(texts.map(|text| fixtures::without_later_fields(&text.expect("UTF-8"))));
        }
    }
    rows
}

fn rows_of(kafka: &Kafka) -> Vec<String> {
    kafka.lines(ROWS).lines().map(str::to_owned).collect()
}

/// The rows that a run prints: a compacted topic may have lost some that others replace.
fn printed(kafka: &Kafka, flags: &str) -> Vec<String> {
    rig::rows(run(kafka, TRADES, flags)).lines().map(fixtures::without_later_fields).collect()
}

#[test]
#[ignore = "needs Java"]
fn checkpoints_of_released_programs_in_kafka_are_taken_up_without_a_difference_in_any_row() {
    let kafka = rig::kafka();
    if fixtures::writer().is_some() {
        fixtures::make_inputs();
    }
    put_inputs(&kafka);
    for case in CASES {
        let (name, of_job, _) = case;
        let expected = printed(&kafka, &flags(of_job));
        delete(&kafka, &[ROWS, CHECKPOINT]);
        if let Some(program) = fixtures::writer() {
            write(&kafka, &program, case, &expected);
        }
        for writer in fixtures::writers().into_iter().filter(|writer| writer.join(name).is_dir()) {
            let before = put(&kafka, &writer.join(name));
            assert!(is_some_of(&before, &expected), "{name}: {} of {}", before.len(), expected.len());
            let after = printed(&kafka, &format!("{} -w 2", flags(of_job)));
            assert_same_lines(name, &expected, &[before, after].concat());
            delete(&kafka, &[ROWS, CHECKPOINT]);
        }
    }
    delete(&kafka, &[TRADES]);
}
