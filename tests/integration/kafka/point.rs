//! `crossrate checkpoint` with Kafka as ledger; runs that are under way when their checkpoint is removed.

use super::ledger::to;
use super::rig::{self, Live, Record, crossrate, end, rows};
use super::{heartbeat, run, trade};
use crate::recovery::command::Example;
use crate::recovery::postgres;

#[test]
#[ignore = "needs Java"]
fn checkpoints_in_kafka_are_shown_checked_and_removed_and_never_guessed_at() {
    let kafka = rig::kafka();
    let folder = tempfile::tempdir().expect("a folder");
    let out = rig::unique("shown");
    let place = |out: &str| format!("--to kafka:{out} --name {out} -b {}", kafka.brokers);
    Example::new(folder.path(), &place(&out)).is_shown_checked_and_removed();
    let out = rig::unique("spoiled");
    Example::new(folder.path(), &place(&out)).is_not_guessed_at(|key, entry| {
        let value = [1_u32.to_le_bytes().as_slice(), entry].concat();
        let key = Some(format!("{key}#0").into_bytes());
        kafka.produce(&format!("{out}.{out}.recovery"), &[Record { key, ..Record::new(0, value) }]);
    });
}

#[test]
#[ignore = "needs Java and PostgreSQL"]
fn who_has_lost_its_checkpoint_says_so_and_commits_nothing_more() {
    let kafka = rig::kafka();
    let folder = tempfile::tempdir().expect("a folder");
    let out = rig::unique("removed-out");
    let mut places = vec![
        (to(&out), format!("--to kafka:{out} --name {out} -b {}", kafka.brokers)),
        ("--to sqlite:".to_owned() + &folder.path().join("rows.db").display().to_string(), String::new()),
    ];
    places.push((format!("--to postgres:{}", postgres::shared().database()), String::new()));
    for (place, recovery) in places {
        let recovery = if recovery.is_empty() { place.clone() } else { recovery };
        let topic = kafka.topic("removed", 1);
        kafka.produce(&topic, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);
        let flags = format!("--symbols A --window 10s --delay 1s --rows symbol --to stdout {place}");
        let mut live = Live::start(run(&kafka, &topic, &flags));
        assert_eq!(live.row()["trades"], 1);
        let mut reset = crossrate(["checkpoint", "reset", "--yes"]);
        reset.args(recovery.split_whitespace());
        let (code, _, stderr) = end(reset);
        assert_eq!(code, 0, "{stderr}");
        kafka.produce(&topic, &[Record::new(0, heartbeat(35.0))]);
        let (code, stdout, stderr) = live.ends();
        assert_eq!((code, stdout.as_str()), (1, ""), "{place}: {stderr}");
        assert!(stderr.contains("was removed from"), "{place}: {stderr}");
    }
}

#[test]
#[ignore = "needs Java"]
fn what_idleness_and_adoption_made_late_stays_late_after_a_kill() {
    let kafka = rig::kafka();
    let folder = tempfile::tempdir().expect("a folder");
    for how in ["idle", "adopted"] {
        let (partitions, idle) = if how == "idle" { (2, "200ms") } else { (1, "off") };
        let (topic, out) = (kafka.topic(how, partitions), rig::unique("late-out"));
        let letters = folder.path().join(how);
        let flags = |idle: &str, workers: &str| {
            let mut command = run(
                &kafka,
                &topic,
                &format!(
                    "--symbols A --window 10s --delay 1s --rows symbol --to stdout {} --idle-timeout {idle} {workers} \
                     -X topic.metadata.refresh.interval.ms=50",
                    to(&out)
                ),
            );
            command.arg("--dead-letter").arg(&letters);
            command
        };
        kafka.produce(&topic, &[Record::new(0, trade("A", 1, 2.0)), Record::new(0, trade("A", 2, 15.0))]);
        let mut before = Live::start(flags(idle, "-w 2"));
        let row = before.row();
        assert_eq!(row["closed_by"], if how == "idle" { "idle" } else { "event" });
        if how == "adopted" {
            kafka.add_partitions(&topic, 2);
            before.hears(&format!("{topic}-1 is new"));
            // With this window the entry is committed.
            kafka.produce(&topic, &[Record::new(0, heartbeat(25.0)), Record::new(1, heartbeat(25.0))]);
            assert_eq!(before.row()["start_ms"], 1_525_022_010_000_u64);
        }
        assert!(before.kill());
        // It belongs to the first window, which is out: nothing but the entry says so.
        kafka.produce(&topic, &[Record::new(1, trade("A", 3, 3.0)), Record::new(1, trade("A", 4, 26.0))]);
        kafka.produce(&topic, &[Record::new(0, heartbeat(45.0)), Record::new(1, heartbeat(45.0))]);
        let mut after = Live::start(flags("off", "-w 1"));
        let starts: Vec<u64> = if how == "idle" { vec![10, 20] } else { vec![20] };
        for start in starts {
            let row = after.row();
            let expected = (1_525_022_000_000 + start * 1_000).into();
            assert_eq!((&row["start_ms"], &row["trades"]), (&expected, &1.into()), "{how}");
        }
        after.kill();
        let text = std::fs::read_to_string(&letters).expect("dead letters");
        let late: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a letter")).collect();
        assert_eq!(late.len(), 1, "{how}: {text}");
        assert_eq!((&late[0]["partition"], &late[0]["reason"]), (&1.into(), &"late".into()), "{how}");
        if how == "idle" {
            assert!(late[0]["detail"].as_str().expect("a text").contains("idle"), "{text}");
        }
        let of_first = |row: &&str| row.contains("\"start_ms\":1525022000000");
        assert_eq!(kafka.lines(&out).lines().filter(of_first).count(), 1, "{how}");
    }
}

/// A job over two partitions, of which the first one has ended with a window open and the other one, of so
/// many seconds, has not, is killed: the topic, its flags, the topic of its rows.
fn killed_when_one_had_ended(kafka: &rig::Kafka, name: &str, seconds: u64) -> (String, String, String) {
    let (topic, out) = (kafka.topic(name, 2), rig::unique(&format!("{name}-out")));
    let long = (0..seconds / 5).map(|n| Record::new(1, trade("B", n, n as f64 * 5.0)));
    let records: Vec<Record> = long.chain([Record::new(0, trade("A", 1, 1.0))]).collect();
    kafka.produce(&topic, &records);
    let flags = format!("--cross X=A*B --window 10s --delay 0s --rows symbol --to stdout {}", to(&out));
    // What it prints is not read, so that it does not come to its end.
    let mut live = Live::held(run(kafka, &topic, &format!("-e {flags}")));
    assert_eq!(live.some_rows(20), 20);
    assert!(live.kill(), "{:?}", live.said());
    (topic, flags, out)
}

/// The row of a symbol in the window that starts so many seconds after the beginning.
fn row_at(live: &mut Live, start: u64, name: &str) -> serde_json::Value {
    loop {
        let row = live.row();
        if row["start_ms"].as_u64() == Some(1_525_022_000_000 + start * 1_000) && row["name"] == name {
            return row;
        }
    }
}

fn rows_of(kafka: &rig::Kafka, out: &str, name: &str) -> u64 {
    let name = format!("\"name\":\"{name}\"");
    kafka.lines(out).lines().filter(|row| row.contains(&name)).count() as u64
}

/// Without `-e` after a restart it is open again, and may be idle.
#[test]
#[ignore = "needs Java"]
fn a_partition_that_had_ended_may_be_idle_after_a_kill_and_wake() {
    let kafka = rig::kafka();
    let seconds = 20_000;
    let (topic, flags, out) = killed_when_one_had_ended(&kafka, "ended-idle", seconds);
    let mut live = Live::start(run(&kafka, &topic, &format!("--idle-timeout 1s {flags}")));
    // Only when the other one is idle.
    row_at(&mut live, seconds - 20, "B");
    let last = (seconds + 5) as f64;
    kafka.produce(&topic, &[Record::new(0, trade("A", 2, last)), Record::new(0, heartbeat(last + 20.0))]);
    kafka.produce(&topic, &[Record::new(1, heartbeat(last + 20.0))]);
    assert_eq!(row_at(&mut live, seconds, "A")["trades"], 1);
    assert_eq!((rows_of(&kafka, &out, "A"), rows_of(&kafka, &out, "B")), (2, seconds / 10));
}

/// It holds nobody up until then, and a partition that is found comes in where rows are out.
#[test]
#[ignore = "needs Java"]
fn a_partition_that_is_found_when_one_had_ended_before_a_kill_opens_nothing_again() {
    let kafka = rig::kafka();
    let seconds = 20_000;
    let (topic, flags, out) = killed_when_one_had_ended(&kafka, "ended-found", seconds);
    let folder = tempfile::tempdir().expect("a folder");
    let dead = folder.path().join("dead.jsonl");
    let more = format!(
        "--idle-timeout off -X topic.metadata.refresh.interval.ms=50 --dead-letter {}",
        dead.display()
    );
    let mut live = Live::start(run(&kafka, &topic, &format!("{more} {flags}")));
    kafka.add_partitions(&topic, 3);
    live.hears("is new and begins with its watermark at");
    let last = (seconds + 25) as f64;
    let beats = (0..3).map(|partition| Record::new(partition, heartbeat(last)));
    let records: Vec<Record> = [Record::new(2, trade("B", 1 << 40, 50.0))].into_iter().chain(beats).collect();
    kafka.produce(&topic, &records);
    row_at(&mut live, seconds - 10, "B");
    assert_eq!((rows_of(&kafka, &out, "A"), rows_of(&kafka, &out, "B")), (1, seconds / 10));
    let dead = std::fs::read_to_string(dead).expect("dead letters");
    assert!(dead.lines().count() == 1 && dead.contains("\"reason\":\"late\""), "{dead}");
}

/// What was judged of a partition is not what its end has handed over.
#[test]
#[ignore = "needs Java"]
fn retention_may_not_take_a_window_that_is_open() {
    let kafka = rig::kafka();
    let (topic, out) = (kafka.topic("open-gone", 2), rig::unique("open-gone-out"));
    kafka.produce(&topic, &[Record::new(0, trade("A", 1, 1.0)), Record::new(1, heartbeat(1.0))]);
    let flags = format!("--symbols A --window 10s --delay 0s --rows symbol {}", to(&out));
    let mut live = Live::start(run(&kafka, &topic, &format!("-v --idle-timeout off {flags}")));
    live.hears("committed 0 rows");
    std::thread::sleep(std::time::Duration::from_secs(2));
    super::ledger::signal(&live, "INT");
    assert_eq!(live.ends().0, 130);
    kafka.delete_records(&topic, 0, 1);
    let (code, _, said) = end(run(&kafka, &topic, &format!("-e {flags}")));
    assert!(code == 3 && said.contains("1 record is missing"), "{code} {said}");
}

/// With `-e` nothing of it is needed any more.
#[test]
#[ignore = "needs Java"]
fn retention_may_take_a_partition_that_had_ended_before_a_kill() {
    let kafka = rig::kafka();
    let seconds = 20_000;
    let (topic, flags, out) = killed_when_one_had_ended(&kafka, "ended-gone", seconds);
    kafka.delete_records(&topic, 0, 1);
    rows(run(&kafka, &topic, &format!("-e {flags}")));
    assert_eq!((rows_of(&kafka, &out, "A"), rows_of(&kafka, &out, "B")), (1, seconds / 10));
}
