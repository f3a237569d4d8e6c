//! The broker's disk is full, and so it stops: said, waited for, and taken up where it was. As root only, who
//! may make a small disk in memory.

use super::ledger::to;
use super::rig::{self, Broker, Kafka, Live, crossrate, rows};
use crate::recovery::full_disk::Disk;
use crate::recovery::input;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Takes all the room there is.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).expect("made");
    let zeros = vec![0; 64 << 10];
    while file.write_all(&zeros).is_ok() {}
}

#[test]
#[ignore = "needs Java and root"]
fn a_broker_whose_disk_is_full_is_waited_for_and_nothing_is_lost_or_doubled() {
    rig::needed();
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::new(folder.path().join("disk"), "32m");
    let (data, ballast) = (disk.0.join("broker"), disk.0.join("ballast"));
    let mut broker = Broker::start(Some(&data), None);
    let kafka = Kafka { brokers: broker.brokers.clone() };
    let port = broker.port().to_owned();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 62, 2, 30_000, 300);
    let job = |out: &str| {
        let mut command = crossrate(["run", "-b", &kafka.brokers, "--to", "stdout"]);
        command.args("--delay 500ms --symbols all --window 1s --emit changes --grace 1s".split_whitespace());
        command.args(to(out).split_whitespace()).args(["--batch-records", "64"]).args(&inputs);
        command
    };
    // Revisions of a row have one key, and compaction would take the earlier ones away before they are
    // compared.
    let out = kafka.topic_with("full-out", 1, &[("retention.ms", "-1")]);
    let mut live = Live::start(job(&out));
    live.row();
    fill(&ballast);
    let line = live.hears(", waiting");
    assert!(line.contains(&kafka.brokers), "{line}");
    std::fs::remove_file(&ballast).expect("there is room again");
    broker.stop();
    broker = Broker::start(Some(&data), Some(&port));
    assert_eq!(live.some_rows(200), 200, "{:?}", live.said());
    // Once more, and nobody waits.
    fill(&ballast);
    let line = live.hears(", waiting");
    assert!(line.contains(&kafka.brokers), "{line}");
    assert!(live.kill(), "it ended by itself: {:?}", live.said());
    std::fs::remove_file(&ballast).expect("there is room again");
    broker.stop();
    broker = Broker::start(Some(&data), Some(&port));
    rows(job(&out));
    let mut undisturbed = crossrate(["run"]);
    undisturbed.args("--delay 500ms --symbols all --window 1s --emit changes --grace 1s".split_whitespace());
    undisturbed.args(&inputs);
    assert!(kafka.lines(&out) == rows(undisturbed), "other rows than expected");
    broker.stop();
}
