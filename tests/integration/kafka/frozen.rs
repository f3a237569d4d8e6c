//! A run that freezes in the middle of a transaction, for longer than the broker lets one be open.

use super::ledger::{signal, to};
use super::rig::{self, Broker, Kafka, Live, crossrate, rows};
use crate::recovery::input;

/// Freezes a run while its transaction is open.
fn freeze(live: &mut Live, kafka: &Kafka, out: &str) {
    for _ in 0..60 {
        assert_eq!(live.some_rows(2), 2, "it was through too early: {:?}", live.said());
        signal(live, "STOP");
        if kafka.is_open(out) {
            return;
        }
        signal(live, "CONT");
    }
    panic!("no moment was in the middle of a transaction");
}

#[test]
#[ignore = "needs Java"]
fn a_transaction_that_the_broker_gave_up_is_written_again_by_whoever_has_the_job() {
    rig::needed();
    // It looks for transactions that are over each tenth of a second, not each ten seconds.
    let often = ["--set", "transaction.abort.timed.out.transaction.cleanup.interval.ms=100"];
    let broker = Broker::start_with(None, None, &often);
    let kafka = Kafka { brokers: broker.brokers.clone() };
    let folder = tempfile::tempdir().expect("a folder");
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 63, 2, 60_000, 300);
    let definition = "--delay 500ms --symbols all --window 1s --emit changes --grace 1s";
    let job = |out: &str| {
        let mut command = crossrate(["run", "-b", &kafka.brokers, "--to", "stdout", "--batch-records", "64"]);
        command.args(definition.split_whitespace()).args(to(out).split_whitespace());
        command.args(["-X", "transaction.timeout.ms=1000"]).args(&inputs);
        command
    };
    // Revisions of a row have one key, and compaction would take the earlier ones away before they are
    // compared.
    let out = kafka.topic_with("frozen-out", 1, &[("retention.ms", "-1")]);
    let mut live = Live::held(job(&out));
    freeze(&mut live, &kafka, &out);
    // Who reads waits for a transaction that is open, until the broker ends it.
    rig::until("the broker gives it up", || (!kafka.is_open(&out)).then_some(()));
    signal(&live, "CONT");
    assert_eq!(live.some_rows(20), 20, "{:?}", live.said());
    // Another one takes the job over, and ends the transaction itself.
    freeze(&mut live, &kafka, &out);
    let mut next = Live::start(job(&out));
    next.row();
    assert!(!kafka.lines(&out).is_empty());
    signal(&live, "CONT");
    let (code, _, stderr) = live.ends();
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(&format!("was taken over by process {} on ", next.id())), "{stderr}");
    let (code, _, stderr) = next.ends();
    assert_eq!(code, 0, "{stderr}");
    let mut undisturbed = crossrate(["run"]);
    undisturbed.args(definition.split_whitespace()).args(&inputs);
    assert!(kafka.lines(&out) == rows(undisturbed), "other rows than expected");
    broker.stop();
}
