//! Records that are there and cannot be read, since the log is damaged: they are not passed over, and the run
//! says where they are. And such as others have compressed.

use super::rig::{self, Broker, Kafka, Record, end, rows};
use super::{run, trade};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a disk may do: one byte of a trade with this id is another one.
fn damage(log: &Path, id: u64) {
    let mut bytes = std::fs::read(log).expect("a log");
    let trade = format!("\"t\":{id},");
    let at = bytes.windows(trade.len()).position(|found| found == trade.as_bytes()).expect("the trade");
    bytes[at + 4] ^= 1;
    // In its place, since the broker has it open.
    let mut file = std::fs::File::options().write(true).open(log).expect("opened");
    file.write_all(&bytes).expect("written");
}

#[test]
#[ignore = "needs Java"]
fn what_cannot_be_read_of_a_log_is_not_passed_over() {
    rig::needed();
    let data = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(Some(data.path()), None);
    let kafka = Kafka { brokers: broker.brokers.clone() };
    let flags = "-e --symbols A --window 10s --delay 1s --rows symbol";
    let topic = kafka.topic("damaged", 1);
    for id in 1..=4_u32 {
        kafka.produce(&topic, &[Record::new(0, trade("A", (700 + id).into(), f64::from(id)))]);
    }
    rows(run(&kafka, &topic, flags));
    damage(&data.path().join(format!("log/{topic}-0/00000000000000000000.log")), 703);
    let (code, stdout, stderr) = end(run(&kafka, &topic, flags));
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    assert!(stderr.contains(&format!("record 2 of partition 0 of topic {topic} cannot be read")), "{stderr}");

    // What another client has compressed by zstd is read.
    let topic = kafka.topic("compressed", 1);
    kafka.produce(&topic, &[Record::new(0, trade("A", 1, 1.0))]);
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka"));
    command.args(["tool", "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", &kafka.brokers]);
    command.args(["--compression-codec", "zstd", "--topic", &topic]);
    let mut producer = command.stdin(Stdio::piped()).spawn().expect("scripts/kafka starts");
    let trades: String = (2..30).map(|id| trade("A", id, 2.0) + "\n").collect();
    producer.stdin.take().expect("piped").write_all(trades.as_bytes()).expect("written");
    assert!(producer.wait().expect("it ends").success());
    let got = rows(run(&kafka, &topic, flags));
    assert!(got.contains("\"trades\":29,"), "{got}");
    broker.stop();
}
