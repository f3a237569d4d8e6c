//! `crossrate recovery` with Kafka as ledger; runs that are under way when their recovery point is removed.

use super::ledger::to;
use super::rig::{self, Live, Record, crossrate, end};
use super::{heartbeat, run, trade};
use crate::recovery::command::Example;
use crate::recovery::postgres;

#[test]
fn recovery_points_in_kafka_are_shown_checked_and_removed_and_never_guessed_at() {
    let Some(kafka) = rig::kafka() else { return };
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
fn who_has_lost_its_recovery_point_says_so_and_commits_nothing_more() {
    let Some(kafka) = rig::kafka() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let out = rig::unique("removed-out");
    let mut places = vec![
        (to(&out), format!("--to kafka:{out} --name {out} -b {}", kafka.brokers)),
        ("--to sqlite:".to_owned() + &folder.path().join("rows.db").display().to_string(), String::new()),
    ];
    places.extend(
        postgres::shared().map(|server| (format!("--to postgres:{}", server.database()), String::new())),
    );
    for (place, recovery) in places {
        let recovery = if recovery.is_empty() { place.clone() } else { recovery };
        let topic = kafka.topic("removed", 1);
        kafka.produce(&topic, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);
        let flags = format!("--symbols A --window 10s --delay 1s --rows symbol --to stdout {place}");
        let mut live = Live::start(run(&kafka, &topic, &flags));
        assert_eq!(live.row()["trades"], 1);
        let mut reset = crossrate(["recovery", "reset", "--yes"]);
        reset.args(recovery.split_whitespace());
        let (code, _, stderr) = end(reset);
        assert_eq!(code, 0, "{stderr}");
        kafka.produce(&topic, &[Record::new(0, heartbeat(35.0))]);
        let (code, stdout, stderr) = live.ends();
        assert_eq!((code, stdout.as_str()), (1, ""), "{place}: {stderr}");
        assert!(stderr.contains("was removed from"), "{place}: {stderr}");
    }
}
