//! The program against Apache Kafka itself: a topic is read as files of the same partitions are, live and after
//! accidents. `scripts/test` starts the broker; else the tests start one by `scripts/kafka`.

mod rig;

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
fn a_topic_gives_the_rows_of_files_with_the_same_partitions() {
    let Some(kafka) = rig::kafka() else { return };
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
