//! Rights and passwords that are taken away while a job runs: it ends and says what is missing, and goes on
//! when that is there again, as if nothing had happened.

use super::ledger::to;
use super::rig::{self, Broker, Kafka, Live, Record};
use super::{heartbeat, run, short, trade};
use std::process::Command;

/// Whoever comes without a name may do everything; others may what no rule denies.
const RULES: [&str; 6] = [
    "--set",
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "--set",
    "super.users=User:ANONYMOUS",
    "--set",
    "allow.everyone.if.no.acl.found=true",
];

const USER: &str = "-X security.protocol=sasl_plaintext -X sasl.mechanism=PLAIN -X sasl.username=crossrate \
                    -X sasl.password=secret";

/// Denies the user everything that concerns these resources, or no more.
fn deny(kafka: &Kafka, change: &str, resources: &[&str]) {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka"));
    command.args([
        "tool",
        "org.apache.kafka.tools.AclCommand",
        "--bootstrap-server",
        &kafka.brokers,
        "--force",
    ]);
    command.args([change, "--deny-principal", "User:crossrate", "--operation", "All"]).args(resources);
    let output = command.output().expect("scripts/kafka starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn record(id: u64, second: f64) -> Record {
    Record::new(0, trade("A", id, second))
}

#[test]
#[ignore = "needs Java"]
fn what_is_not_permitted_any_more_ends_the_run_and_nothing_is_lost() {
    rig::needed();
    let data = tempfile::tempdir().expect("a folder");
    let broker = Broker::start_with(Some(data.path()), None, &RULES);
    let kafka = Kafka { brokers: broker.brokers.clone() };
    let guarded = Kafka { brokers: format!("127.0.0.1:{}", broker.port_after(2)) };
    let start = |(topic, out): &(String, String)| {
        let flags = "--symbols A --window 10s --delay 1s --rows symbol --to stdout";
        Live::start(run(&guarded, topic, &format!("{flags} {} {USER}", to(out))))
    };
    let names = ["unreadable", "unwritable", "nameless", "locked-out"];
    let jobs = names.map(|name| (kafka.topic(name, 1), rig::unique(&format!("{name}-out"))));
    let mut lives = jobs.each_ref().map(|job| {
        kafka.produce(&job.0, &[record(1, 1.0), record(2, 15.0)]);
        let mut live = start(job);
        assert_eq!(live.row()["trades"], 1);
        live
    });
    let id = format!("crossrate-{}", jobs[2].1);
    let resources = ["--topic", &jobs[0].0, "--topic", &jobs[1].1, "--transactional-id", &id];
    deny(&kafka, "--add", &resources);
    for (topic, _) in &jobs {
        kafka.produce(topic, &[record(3, 25.0)]);
    }
    // The last one may still do everything.
    assert_eq!(lives[3].row()["start_ms"], 1_525_022_010_000_u64);
    let [unreadable, unwritable, nameless, mut locked_out] = lives;
    for (live, words) in [
        (unreadable, format!("cannot read topic {}", jobs[0].0)),
        (unwritable, format!("topic {} does not take the record", jobs[1].1)),
        (nameless, format!("cannot take up job {:?} in Kafka", jobs[2].1)),
    ] {
        let (code, _, stderr) = live.ends();
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains(&words), "{words}: {stderr}");
        assert!(stderr.contains("the broker does not permit it") && stderr.contains("(an ACL)"), "{stderr}");
    }
    // Who has nothing to write begins in vain as well.
    let (code, _, stderr) = start(&jobs[2]).ends();
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("the broker does not permit it"), "{stderr}");
    deny(&kafka, "--remove", &resources);

    // The broker comes back and wants another password.
    let port = broker.port().to_owned();
    broker.stop();
    locked_out.hears("no Kafka broker answers at");
    let changed = "listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.\
                   PlainLoginModule required user_crossrate=\"changed\";";
    let words = [&RULES[..], &["--set", changed]].concat();
    let broker = Broker::start_with(Some(data.path()), Some(&port), &words);
    let (code, _, stderr) = locked_out.ends();
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains(&format!("the broker at {} does not let us in", guarded.brokers)), "{stderr}");
    assert!(stderr.contains("sasl.password") && !stderr.contains("secret"), "{stderr}");
    broker.stop();
    let broker = Broker::start_with(Some(data.path()), Some(&port), &RULES);
    for job in &jobs {
        kafka.produce(&job.0, &[Record::new(0, heartbeat(35.0))]);
        let mut live = start(job);
        while live.row()["start_ms"] != 1_525_022_020_000_u64 {}
        drop(live);
        let found = short(&kafka.lines(&job.1));
        assert_eq!(found, ["A 0 1 event", "A 10 1 event", "A 20 1 event"], "{}", job.0);
    }
    broker.stop();
}
