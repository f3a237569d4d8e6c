//! A link to the broker that falls silent without being closed, as one does behind a firewall or a machine
//! that is gone.

use super::ledger::{signal, to};
use super::rig::{self, Broker, Kafka, Live, Record, crossrate, rows};
use super::{heartbeat, run, trade};
use crate::proxy::Proxy;
use crate::recovery::input;

/// A broker, how it is reached, and how by a link that can fall silent.
fn linked() -> (Broker, Kafka, Kafka, Proxy) {
    let proxy = Proxy::open();
    let broker = Broker::start_with(None, None, &["--behind", &proxy.port.to_string()]);
    proxy.lead_to(broker.port_after(3));
    let direct = Kafka { brokers: broker.brokers.clone() };
    let linked = Kafka { brokers: format!("127.0.0.1:{}", proxy.port) };
    (broker, direct, linked, proxy)
}

#[test]
#[ignore = "needs Java"]
fn a_broker_that_falls_silent_is_said_and_waited_for_and_nothing_is_lost_or_doubled() {
    rig::needed();
    let (broker, direct, linked, proxy) = linked();
    let no_answer = format!("no Kafka broker answers at {}", linked.brokers);

    // Who reads.
    let topic = direct.topic("silent", 1);
    let input = |ids: &[(u64, f64)]| -> Vec<Record> {
        ids.iter().map(|(id, second)| Record::new(0, trade("A", *id, *second))).collect()
    };
    direct.produce(&topic, &input(&[(1, 1.0), (2, 15.0)]));
    let flags = "--symbols A --window 10s --delay 1s --rows symbol --idle-timeout 300ms";
    let mut live = Live::start(run(&linked, &topic, &format!("{flags} -X socket.timeout.ms=2000")));
    assert_eq!(live.row()["trades"], 1);
    proxy.silence();
    direct.produce(&topic, &input(&[(3, 16.0)]));
    live.hears(&no_answer);
    proxy.heal();
    live.hears(&format!("Kafka answers again at {}", linked.brokers));
    direct.produce(&topic, &[Record::new(0, heartbeat(25.0))]);
    let row = live.row();
    // A broker that is away is not idleness.
    assert_eq!((&row["trades"], &row["closed_by"]), (&2.into(), &"event".into()));
    drop(live);

    // Who writes: by many commits, and short transactions, so that what is under way is given up soon.
    let folder = tempfile::tempdir().expect("a folder");
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 61, 2, 30_000, 300);
    let job = |kafka: &Kafka, out: &str| {
        let mut command = crossrate(["run", "-b", &kafka.brokers, "--to", "stdout"]);
        command.args("--delay 500ms --symbols all --window 1s --emit changes --grace 1s".split_whitespace());
        command.args(to(out).split_whitespace()).args("-X transaction.timeout.ms=3000".split_whitespace());
        command.args(["--batch-records", "64"]).args(&inputs);
        command
    };
    // Revisions of a row have one key, and compaction would take the earlier ones away before they are
    // compared.
    let topic_of_rows = |name| direct.topic_with(name, 1, &[("retention.ms", "-1")]);
    let (whole, out) = (topic_of_rows("whole"), topic_of_rows("silent-out"));
    let expected = rows(job(&direct, &whole));
    let mut live = Live::start(job(&linked, &out));
    live.row();
    proxy.silence();
    live.hears(&format!("Kafka at {} does not take what is written, waiting", linked.brokers));
    // Who begins now ends within the time that it may take to begin.
    let begins = Live::start(run(&linked, &topic, "-e"));
    live.hears(&no_answer);
    let (code, _, stderr) = begins.ends();
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains(&no_answer) && stderr.contains("-b/--brokers"), "{stderr}");
    proxy.heal();
    assert_eq!(live.some_rows(200), 200, "{:?}", live.said());
    // It falls silent again, and somebody loses patience.
    proxy.silence();
    live.hears("does not take what is written, waiting");
    signal(&live, "TERM");
    let (code, _, stderr) = live.ends();
    assert_eq!(code, 130, "{stderr}");
    assert!(stderr.contains("ending without it; the last commit is whole"), "{stderr}");
    let written = direct.lines(&out);
    assert!(written.len() < expected.len() && expected.starts_with(&written));
    proxy.heal();
    rows(job(&linked, &out));
    assert!(direct.lines(&out) == expected, "other rows than expected");
    assert_eq!(direct.lines(&whole), expected);
    broker.stop();
}
