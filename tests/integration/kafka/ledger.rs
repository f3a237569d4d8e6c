//! Rows, dead letters and checkpoints in transactions.

use super::rig::{self, Kafka, Live, Record, crossrate, end, rows, spec_vector};
use super::{dealt, heartbeat, run, short, trade};

/// Flags of a job of its own that writes to a topic, quickly.
pub(super) fn to(topic: &str) -> String {
    format!("--to kafka:{topic} --name {topic} --commit-interval 0s")
}

#[test]
#[ignore = "needs Java"]
fn rows_in_a_topic_are_those_of_standard_output_with_their_keys_and_times() {
    let kafka = rig::kafka();
    let (input, expected) = spec_vector();
    for (partitions, workers) in [(1, "-w 1"), (4, "-w 2"), (4, "-n 2")] {
        let (topic, out) = (kafka.topic("rows-in", partitions), rig::unique("rows-out"));
        kafka.produce(&topic, &dealt(&input, partitions));
        let printed =
            rows(run(&kafka, &topic, &format!("-e --window 10s --to stdout {workers} {}", to(&out))));
        if partitions == 1 {
            assert_eq!(printed, expected);
        }
        assert_eq!(kafka.lines(&out), printed, "{workers}");
        for found in kafka.read(&out) {
            let row: serde_json::Value = serde_json::from_str(&found.value.expect("a value")).expect("a row");
            let text = |name: &str| row[name].to_string().replace('"', "");
            let key = ["kind", "name", "window", "start_ms", "end_ms"].map(text).join("|");
            assert_eq!((found.key, found.timestamp), (Some(key), row["end_ms"].as_i64().expect("an end")));
        }
    }
    // Files can be read into a topic as well.
    let folder = tempfile::tempdir().expect("a folder");
    let out = rig::unique("rows-of-files");
    let mut command = crossrate(["run", "--window", "10s", "-b", &kafka.brokers]);
    command.args(to(&out).split_whitespace());
    command.args(super::as_files(folder.path(), &dealt(&input, 1), 1));
    assert_eq!(rows(command), "");
    assert_eq!(kafka.lines(&out), expected);
}

/// What is open at the end of the log stays open, and goes on with what comes later.
#[test]
#[ignore = "needs Java"]
fn a_topic_that_ends_and_goes_on_gives_the_rows_of_one_run() {
    let kafka = rig::kafka();
    let trades: Vec<String> =
        (0..120).map(|n| trade(["XVGBTC", "BTCUSDT"][n as usize % 2], 1 + n / 2, n as f64)).collect();
    let lines: Vec<&str> = trades.iter().map(String::as_str).collect();
    let flags = "-e --window 10s --window anchored:all/20s --delay 2s";
    for workers in ["-w 2", "-n 2"] {
        let (topic, out) = (kafka.topic("kept-in", 2), rig::unique("kept-out"));
        for (part, at_end) in [(&lines[..35], "keep"), (&lines[35..71], "keep"), (&lines[71..], "close")] {
            kafka.produce(&topic, &dealt(part, 2));
            let manner = format!("{flags} {workers} --at-end {at_end} {}", to(&out));
            let (code, _, stderr) = end(run(&kafka, &topic, &manner));
            let is_kept = stderr.contains("what is open stays in the checkpoint");
            assert_eq!((code, is_kept), (0, at_end == "keep"), "{stderr}");
        }
        let whole = rig::unique("kept-whole");
        assert_eq!(end(run(&kafka, &topic, &format!("{flags} {}", to(&whole)))).0, 0);
        assert_eq!(kafka.lines(&out), kafka.lines(&whole), "{workers}");
    }
}

#[test]
#[ignore = "needs Java"]
fn a_topic_that_would_lose_or_refuse_rows_is_named_before_the_first_row() {
    let kafka = rig::kafka();
    let topic = kafka.topic("settings-in", 1);
    kafka.produce(&topic, &dealt(&spec_vector().0, 1));
    for (settings, words) in [
        (vec![("cleanup.policy", "delete"), ("retention.ms", "604800000")], "retention.ms=604800000"),
        (
            vec![("cleanup.policy", "compact"), ("message.timestamp.before.max.ms", "1000")],
            "before.max.ms=1000",
        ),
        (
            vec![("cleanup.policy", "compact"), ("message.timestamp.after.max.ms", "1000")],
            "after.max.ms=1000",
        ),
    ] {
        let out = kafka.topic_with("settings-out", 1, &settings);
        let (code, stdout, stderr) = end(run(&kafka, &topic, &format!("-e --window 10s {}", to(&out))));
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        assert!(stderr.contains(&format!("topic {out} will not do")) && stderr.contains(words), "{stderr}");
        assert!(stderr.contains("kafka-configs.sh"), "{stderr}");
        assert_eq!(kafka.lines(&out), "");
    }
    // What another made as it should be will do.
    let out = kafka.topic_with("settings-good", 1, &[("cleanup.policy", "compact")]);
    assert_eq!(rows(run(&kafka, &topic, &format!("-e --window 10s {}", to(&out)))), "");
    assert_eq!(kafka.lines(&out), spec_vector().1);
    // And one that refuses a row after all ends the run with the place: a window far ahead of the clock.
    let ahead =
        format!(r#"{{"e":"trade","s":"A","t":1,"p":"1","q":"1","T":{},"m":true}}"#, 4_000_000_000_000_u64);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ahead.jsonl");
    std::fs::write(&file, ahead).expect("written");
    let mut command = crossrate(["run", "--symbols", "A", "-b", &kafka.brokers]);
    command.args(to(&out).replace("--name settings", "--name other-settings").split_whitespace()).arg(&file);
    let (code, _, stderr) = end(command);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(&format!("topic {out} does not take the record \"symbol|A|")), "{stderr}");
    assert!(stderr.contains("message.timestamp.after.max.ms"), "{stderr}");
}

#[test]
#[ignore = "needs Java"]
fn refused_records_go_to_their_topic_as_they_came() {
    let kafka = rig::kafka();
    let records = [
        Record { key: Some(b"k0".to_vec()), ..Record::new(0, trade("A", 1, 25.0)) },
        // A tombstone is no record that anybody could want: ignored.
        Record { key: Some(b"k1".to_vec()), ..Record::default() },
        Record { key: Some(b"k2".to_vec()), ..Record::new(0, "{broken") },
        Record::new(0, trade("A", 2, 1.0)),
        Record { timestamp: Some(1_525_022_000_000), ..Record::new(0, trade("A", 3, 30.0)) },
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for ledger in ["stdout", "sqlite", "kafka"] {
        let (topic, letters) = (kafka.topic("letters-in", 1), rig::unique("letters"));
        kafka.produce(&topic, &records);
        let summary = folder.path().join(ledger);
        let to = match ledger {
            "stdout" => "--to stdout".to_owned(),
            "sqlite" => format!("--to sqlite:{}", folder.path().join("rows.db").display()),
            _ => to(&rig::unique("letters-rows")),
        };
        let flags = format!("-e --symbols A --window 10s --delay 1s --dead-letter kafka:{letters} {to}");
        let mut command = run(&kafka, &topic, &flags);
        command.arg("--summary").arg(&summary);
        rows(command);
        let summary: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&summary).expect("a summary")).expect("JSON");
        let counts =
            ["read", "accepted", "ignored", "bad", "late", "future"].map(|name| summary[name].as_u64());
        assert_eq!(counts, [5, 1, 1, 1, 1, 1].map(Some), "{ledger}");
        let found = kafka.read(&letters);
        let header = |at: usize, name: &str| {
            let of = |(key, value): &(String, String)| (key == name).then(|| value.clone());
            found[at].headers.iter().find_map(of).expect("a header")
        };
        let seen: Vec<_> = (0..found.len())
            .map(|at| {
                let [partition, offset, reason] =
                    ["partition", "offset", "reason"].map(|name| header(at, &format!("crossrate.{name}")));
                (
                    partition,
                    offset,
                    reason,
                    found[at].key.clone(),
                    found[at].value.clone().map(String::into_bytes),
                )
            })
            .collect();
        let expected = [(2, "bad"), (3, "late"), (4, "future")].map(|(at, reason): (usize, &str)| {
            let Record { key, value, .. } = &records[at];
            let key = key.clone().map(|key| String::from_utf8(key).expect("UTF-8"));
            ("0".to_owned(), at.to_string(), reason.to_owned(), key, value.clone())
        });
        assert_eq!(seen, expected, "{ledger}");
        assert!(header(2, "crossrate.detail").contains("ahead of the Kafka timestamp"));
    }
}

#[test]
#[ignore = "needs Java"]
fn a_job_goes_on_from_its_checkpoint() {
    let kafka = rig::kafka();
    let (topic, out) = (kafka.topic("go-on", 1), rig::unique("went-on"));
    let flags = format!("--symbols A --window 10s --delay 1s --rows symbol {}", to(&out));
    kafka.produce(&topic, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);
    rows(run(&kafka, &topic, &format!("-e {flags}")));
    let first = ["A 0 1 event", "A 10 1 eof"];
    assert_eq!(short(&kafka.lines(&out)), first);
    // The bounded run closed everything; what comes later is new, what it has seen is not given again.
    kafka.produce(&topic, &[Record::new(0, trade("A", 3, 25.0)), Record::new(0, trade("A", 4, 16.0))]);
    rows(run(&kafka, &topic, &format!("-e {flags} -w 2")));
    assert_eq!(short(&kafka.lines(&out)), ["A 0 1 event", "A 10 1 eof", "A 20 1 eof"]);
    // -o says something else than the checkpoint.
    let (code, _, stderr) = end(run(&kafka, &topic, &format!("-e {flags} -o beginning")));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("leave -o out"), "{stderr}");
    // Another definition is another job.
    let (code, _, stderr) = end(run(&kafka, &topic, &format!("-e {flags} --grace 1s")));
    assert_eq!(code, 2, "{stderr}");
    // Anew.
    rows(run(&kafka, &topic, &format!("-e {flags} --fresh -o beginning")));
    assert_eq!(short(&kafka.lines(&out))[3..], ["A 0 1 event", "A 10 1 event", "A 20 1 eof"]);
}

#[test]
#[ignore = "needs Java"]
fn what_was_lost_in_the_meantime_is_said_with_its_number() {
    let kafka = rig::kafka();
    let flags = |out: &str| format!("--symbols A --window 10s --delay 1s --rows symbol -e {}", to(out));
    let records: Vec<Record> = (0..6).map(|n| Record::new(0, trade("A", n, (n * 10 + 1) as f64))).collect();
    // Retention passes the checkpoint.
    let (topic, out) = (kafka.topic("retention", 1), rig::unique("retention-out"));
    kafka.produce(&topic, &records[..2]);
    rows(run(&kafka, &topic, &flags(&out)));
    kafka.produce(&topic, &records[2..]);
    kafka.delete_records(&topic, 0, 5);
    let (code, _, stderr) = end(run(&kafka, &topic, &flags(&out)));
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("begins at offset 5") && stderr.contains("3 records are missing"), "{stderr}");
    assert!(stderr.contains("--fresh"), "{stderr}");
    // The topic is another one by now.
    let (topic, out) = (kafka.topic("anew", 1), rig::unique("anew-out"));
    kafka.produce(&topic, &records);
    rows(run(&kafka, &topic, &flags(&out)));
    kafka.delete_topic(&topic);
    kafka.make(&topic, 1, &[]);
    kafka.produce(&topic, &records[..2]);
    let (code, _, stderr) = end(run(&kafka, &topic, &flags(&out)));
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("ends at offset 2") && stderr.contains("4 records are missing"), "{stderr}");
    assert!(stderr.contains("deleted and made anew"), "{stderr}");
}

/// The marks that a transactional producer leaves are no records, and retention may take them.
#[test]
#[ignore = "needs Java"]
fn retention_of_nothing_but_marks_is_no_loss() {
    use rdkafka::producer::Producer;
    let kafka = rig::kafka();
    let (topic, out) = (kafka.topic("marks", 1), rig::unique("marks-out"));
    let id = rig::unique("marks");
    let producer = kafka.producer(&[("transactional.id", &id)]);
    producer.init_transactions(rig::PATIENCE).expect("a coordinator");
    let write = |records: &[Record]| {
        producer.begin_transaction().expect("begun");
        rig::send(&producer, &topic, records);
        producer.commit_transaction(rig::PATIENCE).expect("committed");
    };
    write(&[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);
    let flags = |more: &str| {
        format!(
            "--symbols A --window 10s --delay 1s --rows symbol --idle-timeout 300ms -v {} {more}",
            to(&out)
        )
    };
    let mut live = Live::start(run(&kafka, &topic, &flags("--to stdout")));
    assert_eq!(live.row()["trades"], 1);
    live.hears("committed 0 rows");
    // Offsets 0 and 1 are trades, 2 is the mark.
    kafka.delete_records(&topic, 0, 3);
    // It asks the broker a few times meanwhile.
    std::thread::sleep(std::time::Duration::from_secs(2));
    write(&[Record::new(0, trade("A", 3, 16.0)), Record::new(0, trade("A", 4, 25.0))]);
    assert_eq!(live.row()["trades"], 2);
    live.hears("committed 0 rows");
    signal(&live, "TERM");
    assert_eq!(live.ends().0, 0, "it goes on from its last commit");
    // Of the open window there is a trade that must be read again; what is behind it need not be there.
    kafka.delete_records(&topic, 0, 4);
    rows(run(&kafka, &topic, &flags("-e")));
    assert_eq!(short(&kafka.lines(&out)), ["A 0 1 event", "A 10 2 event", "A 20 1 eof"]);
    // An ended job needs nothing any more.
    kafka.delete_records(&topic, 0, 6);
    rows(run(&kafka, &topic, &flags("-e")));
    assert_eq!(kafka.lines(&out).lines().count(), 3);
}

/// A transactional id is a job's, whatever it writes to.
#[test]
#[ignore = "needs Java"]
fn two_jobs_of_one_name_are_told_so() {
    let kafka = rig::kafka();
    let topic = kafka.topic("one-name", 1);
    let name = rig::unique("one-name");
    let job = |out: &str| {
        let flags = format!("--symbols A --window 10s --to kafka:{} --name {name}", rig::unique(out));
        Live::start(run(&kafka, &topic, &flags))
    };
    let (mut a, _b) = (job("one-name-a"), job("one-name-b"));
    a.hears("give each job its own --name");
}

/// A job that has committed its first window, of a topic of that name: the topic, its flags, the topic of its
/// rows.
fn with_one_window(kafka: &Kafka, name: &str) -> (Live, String, String, String) {
    let (topic, out) = (kafka.topic(name, 1), rig::unique(&format!("{name}-out")));
    let flags = format!("--symbols A --window 10s --delay 1s --rows symbol --to stdout {}", to(&out));
    kafka.produce(&topic, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);
    let mut live = Live::start(run(kafka, &topic, &flags));
    assert_eq!(live.row()["trades"], 1);
    (live, topic, flags, out)
}

#[test]
#[ignore = "needs Java"]
fn who_takes_a_job_over_is_named_by_the_one_before() {
    let kafka = rig::kafka();
    let (before, topic, flags, out) = with_one_window(&kafka, "fenced");
    // It stands still, as a machine that is starved does, while another takes its place and goes on.
    signal(&before, "STOP");
    let mut after = Live::start(run(&kafka, &topic, &flags));
    kafka.produce(&topic, &[Record::new(0, trade("A", 3, 25.0))]);
    assert_eq!(after.row()["start_ms"], 1_525_022_010_000_u64);
    signal(&before, "CONT");
    let id = after.id();
    let (code, stdout, stderr) = before.ends();
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains(&format!("was taken over by process {id} on ")), "{stderr}");
    // The one that has it now was not disturbed.
    kafka.produce(&topic, &[Record::new(0, heartbeat(35.0))]);
    assert_eq!(after.row()["start_ms"], 1_525_022_020_000_u64);
    let found = short(&kafka.lines(&out));
    assert_eq!(found, ["A 0 1 event", "A 10 1 event", "A 20 1 event"]);
}

#[test]
#[ignore = "needs Java"]
fn a_second_copy_ends_the_first_one_that_has_nothing_to_do() {
    let kafka = rig::kafka();
    let (before, topic, flags, _) = with_one_window(&kafka, "idle-copy");
    let mut after = Live::start(run(&kafka, &topic, &flags));
    let id = after.id();
    let (code, _, stderr) = before.ends();
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(&format!("was taken over by process {id} on ")), "{stderr}");
    kafka.produce(&topic, &[Record::new(0, heartbeat(35.0))]);
    assert_eq!(after.row()["start_ms"], 1_525_022_010_000_u64);
}

/// A copy that cannot begin, for its definition is another one or it would begin elsewhere, leaves the job to
/// the first one.
#[test]
#[ignore = "needs Java"]
fn a_copy_that_is_refused_has_taken_nothing() {
    let kafka = rig::kafka();
    let (mut first, topic, flags, out) = with_one_window(&kafka, "refused-copy");
    for (changed, words) in
        [("--grace 1s", "was another one: "), ("-o beginning", "goes on from its checkpoint")]
    {
        let (code, stdout, stderr) = end(run(&kafka, &topic, &format!("{flags} {changed}")));
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
    kafka.produce(&topic, &[Record::new(0, trade("A", 3, 25.0)), Record::new(0, heartbeat(35.0))]);
    for start in [1_525_022_010_000_u64, 1_525_022_020_000] {
        assert_eq!(first.row()["start_ms"], start);
    }
    drop(first);
    assert_eq!(short(&kafka.lines(&out)), ["A 0 1 event", "A 10 1 event", "A 20 1 event"]);
}

pub(super) fn signal(live: &Live, name: &str) {
    let sent = std::process::Command::new("kill").args([format!("-{name}"), live.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
#[ignore = "needs Java"]
fn a_job_of_two_processes_ends_with_0_when_it_is_asked_to_terminate_and_with_130_by_ctrl_c() {
    let kafka = rig::kafka();
    let (topic, out) = (kafka.topic("asked", 2), rig::unique("asked-out"));
    for (name, second, code) in [("TERM", 1.0, 0), ("INT", 31.0, 130)] {
        let at = |partition, id, second| Record::new(partition, trade("A", id, second));
        let id = 1 + second as u64;
        kafka.produce(&topic, &[at(0, id, second), at(1, id + 1, second), at(0, id + 2, second + 15.0)]);
        kafka.produce(&topic, &[at(1, id + 3, second + 15.0)]);
        let flags = format!("--symbols A --window 10s --delay 1s --rows symbol -n 2 {}", to(&out));
        let mut live = Live::start(run(&kafka, &topic, &format!("{flags} --to stdout")));
        assert_eq!(live.row()["trades"], 2);
        signal(&live, name);
        let (found, _, said) = live.ends();
        assert_eq!(found, code, "{name}: {said}");
    }
}

#[test]
#[ignore = "needs Java"]
fn a_broker_that_is_away_during_commits_is_waited_for_and_nothing_is_lost_or_doubled() {
    rig::needed();
    let folder = tempfile::tempdir().expect("a folder");
    let broker = rig::Broker::start(Some(folder.path()), None);
    let kafka = Kafka { brokers: broker.brokers.clone() };
    let (mut live, topic, _, out) = with_one_window(&kafka, "away");
    let port = broker.port().to_owned();
    broker.stop();
    live.hears("no Kafka broker answers at");
    let broker = rig::Broker::start(Some(folder.path()), Some(&port));
    kafka.produce(&topic, &[Record::new(0, trade("A", 3, 25.0)), Record::new(0, heartbeat(35.0))]);
    assert_eq!(live.row()["start_ms"], 1_525_022_010_000_u64);
    assert_eq!(live.row()["start_ms"], 1_525_022_020_000_u64);
    drop(live);
    let found = short(&kafka.lines(&out));
    assert_eq!(found, ["A 0 1 event", "A 10 1 event", "A 20 1 event"]);
    broker.stop();
}
