//! Checkpoints that released programs have left in Kafka are taken up, as those in files are.
//!
//! A fixture is the committed records of the topic of rows and of the topic of the checkpoint. The names of
//! topics are fixed: a checkpoint knows them.

use super::rig::{self, Kafka, Record};
use crate::recovery::fixtures::{
    self, BY_1C289BD, BY_AFC0E70, CHANGES, EVERYTHING, RestartedJob, SLIDING, Stage,
};
use crate::recovery::outputs::assert_same_lines;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rdkafka::Message;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// A job of a fixture.
struct Case {
    name: &'static str,
    /// The program that wrote it.
    writer: &'static str,
    job: RestartedJob,
    topics: &'static str,
    /// The program was killed after so many commits.
    commits: usize,
}

const CASES: [Case; 3] = [
    Case {
        name: "sliding-kafka",
        writer: BY_AFC0E70,
        job: RestartedJob::of(SLIDING),
        topics: "-t fixture-trades",
        commits: 6,
    },
    Case {
        name: "changes-kafka",
        writer: BY_AFC0E70,
        job: RestartedJob::of(CHANGES),
        topics: "-t fixture-trades",
        commits: 9,
    },
    Case {
        name: "everything-kafka",
        writer: BY_1C289BD,
        job: EVERYTHING,
        topics: "-t fixture-venue=tests/fixtures/checkpoints/venue.toml \
                 -t fixture-other=tests/fixtures/checkpoints/venue.toml",
        commits: 3,
    },
];

/// The topics of trades, with their inputs: a partition each.
const TOPICS: [(&str, &[&str]); 3] = [
    ("fixture-trades", &fixtures::INPUTS),
    ("fixture-venue", &["venue-0.jsonl"]),
    ("fixture-other", &["venue-1.jsonl", "venue-2.jsonl"]),
];

const ROWS: &str = "fixture-rows";
const CHECKPOINT: &str = "fixture-rows.fixture.recovery";
const COMPACTED: [(&str, &str); 2] =
    [("cleanup.policy", "compact"), ("message.timestamp.after.max.ms", "9223372036854775807")];

/// A run of a job by that program.
fn run(kafka: &Kafka, program: &str, case: &Case, stage: &Stage) -> Command {
    let mut command = Command::new(program);
    crate::program::without_settings(&mut command);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", "-b", &kafka.brokers, "-e"]);
    command.args(case.topics.split_whitespace()).args(case.job.flags_of(stage).split_whitespace());
    let sinks =
        format!("--to kafka:{ROWS} --to stdout --name fixture --commit-interval 0ms --batch-records 8");
    command.args(sinks.split(' '));
    command
}

/// Makes the topics of trades, without a record.
fn make_topics(kafka: &Kafka) {
    for (topic, inputs) in TOPICS {
        kafka.make(topic, inputs.len() as i32, &[]);
    }
}

/// Puts inputs into their partitions.
fn put_inputs(kafka: &Kafka, wanted: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    fixtures::put_inputs(folder.path(), wanted);
    for (topic, inputs) in TOPICS {
        for (partition, name) in inputs.iter().enumerate().filter(|(_, name)| wanted.contains(name)) {
            let bytes = std::fs::read(folder.path().join(name)).expect("read");
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let records: Vec<Record> = lines.map(|line| Record::new(partition as i32, line)).collect();
            kafka.produce(topic, &records);
        }
    }
}

/// Does the runs of a job, whose inputs come when their run does.
fn in_stages(kafka: &Kafka, case: &Case, mut run: impl FnMut(&Stage)) {
    make_topics(kafka);
    let mut there: Vec<&str> = Vec::new();
    for stage in case.job.before.iter().chain([&case.job.taken_up]) {
        let new: Vec<&str> = stage.inputs.iter().copied().filter(|name| !there.contains(name)).collect();
        put_inputs(kafka, &new);
        there.extend(new);
        run(stage);
    }
}

fn delete_inputs(kafka: &Kafka) {
    TOPICS.iter().for_each(|(topic, _)| kafka.delete_topic(topic));
}

fn delete_outputs(kafka: &Kafka) {
    [ROWS, CHECKPOINT].iter().for_each(|topic| kafka.delete_topic(topic));
}

/// Makes a fixture by that program, and leaves the inputs.
fn write(kafka: &Kafka, program: &str, case: &Case, whole: &[String]) {
    loop {
        delete_inputs(kafka);
        let mut is_killed = false;
        in_stages(kafka, case, |stage| {
            let mut command = run(kafka, program, case, stage);
            if stage.inputs == case.job.taken_up.inputs {
                command.arg("-v");
                is_killed = fixtures::run_and_kill(command, case.commits);
            } else {
                fixtures::to_the_end(command);
            }
        });
        if is_killed && is_some_of(&rows_of(kafka), whole) {
            break;
        }
        delete_outputs(kafka);
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
        &fixtures::fixtures().join(case.writer).join(case.name).join("records.jsonl.gz"),
    );
    delete_outputs(kafka);
}

/// The rows before a moment, and not all of them.
fn is_some_of(rows: &[String], whole: &[String]) -> bool {
    !rows.is_empty() && rows.len() < whole.len() && whole.starts_with(rows)
}

/// Puts the records of a fixture where they were; the rows among them.
fn put(kafka: &Kafka, fixture: &Path, later: &[&str]) -> Vec<String> {
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
            rows.extend(texts.map(|text| fixtures::without_fields(&text.expect("UTF-8"), later)));
        }
    }
    rows
}

fn rows_of(kafka: &Kafka) -> Vec<String> {
    kafka.lines(ROWS).lines().map(str::to_owned).collect()
}

/// The rows that a run prints: a compacted topic may have lost some that others replace.
fn printed(command: Command, later: &[&str]) -> Vec<String> {
    rig::rows(command).lines().map(|line| fixtures::without_fields(line, later)).collect()
}

#[test]
#[ignore = "needs Java"]
fn checkpoints_of_released_programs_in_kafka_are_taken_up_without_a_difference_in_any_row() {
    let kafka = rig::kafka();
    let today = env!("CARGO_BIN_EXE_crossrate");
    for case in CASES {
        let Case { name, writer, .. } = case;
        let later = fixtures::later_than(writer);
        let mut expected = Vec::new();
        in_stages(&kafka, &case, |stage| expected.extend(printed(run(&kafka, today, &case, stage), later)));
        delete_outputs(&kafka);
        if let Some(program) = fixtures::writer().filter(|_| writer == fixtures::WRITER) {
            write(&kafka, &program, &case, &expected);
        }
        let before = put(&kafka, &fixtures::fixtures().join(writer).join(name), later);
        assert!(is_some_of(&before, &expected), "{name}: {} of {}", before.len(), expected.len());
        let mut command = run(&kafka, today, &case, &case.job.taken_up);
        command.args(["-w", "2"]);
        assert_same_lines(name, &expected, &[before, printed(command, later)].concat());
        delete_outputs(&kafka);
        delete_inputs(&kafka);
    }
}
