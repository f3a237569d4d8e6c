//! Runs that freeze and wake when another has their job, and checkpoints that are larger than a record may
//! be.

use super::ledger::signal;
use super::rig::{self, Live, Record, crossrate, end};
use super::{heartbeat, run, short, trade};
use crate::recovery::command::Example;
use crate::recovery::{self, postgres};
use crossrate::source::simulated::Tape;

/// Who has the job now.
fn owner(place: &str) -> String {
    let mut show = crossrate(["checkpoint", "show", "--json"]);
    let (code, stdout, stderr) = end({
        show.args(place.split_whitespace());
        show
    });
    assert_eq!(code, 0, "{stderr}");
    let shown: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    shown["owner"].as_str().expect("an owner").to_owned()
}

#[test]
#[ignore = "needs Java and PostgreSQL"]
fn who_was_frozen_while_another_took_its_place_names_it_on_every_ledger() {
    let kafka = rig::kafka();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rows.jsonl").display().to_string();
    let database = folder.path().join("rows.db").display().to_string();
    let mut places = vec![format!("--to {file}"), format!("--to sqlite:{database}")];
    places.push(format!("--to postgres:{}", postgres::shared().database()));
    for place in places {
        let topic = kafka.topic("frozen", 1);
        let flags = format!("--symbols A --window 10s --delay 1s --rows symbol --to stdout {place}");
        kafka.produce(&topic, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);
        let mut before = Live::start(run(&kafka, &topic, &flags));
        assert_eq!(before.row()["trades"], 1);
        signal(&before, "STOP");
        let mut after = Live::start(run(&kafka, &topic, &flags));
        let id = after.id();
        rig::until("the job is taken over", || {
            owner(&place).contains(&format!("process {id} on")).then_some(())
        });
        kafka.produce(&topic, &[Record::new(0, trade("A", 3, 25.0))]);
        if place.contains("sql") || place.contains("postgres") {
            // A file is locked by whoever writes it, until that one has noticed.
            assert_eq!(after.row()["start_ms"], 1_525_022_010_000_u64, "{place}");
        }
        signal(&before, "CONT");
        let (code, stdout, stderr) = before.ends();
        assert_eq!((code, stdout.as_str()), (1, ""), "{place}: {stderr}");
        assert!(stderr.contains(&format!("was taken over by process {id} on ")), "{place}: {stderr}");
        if !(place.contains("sql") || place.contains("postgres")) {
            assert_eq!(after.row()["start_ms"], 1_525_022_010_000_u64, "{place}");
        }
        kafka.produce(&topic, &[Record::new(0, heartbeat(35.0))]);
        assert_eq!(after.row()["start_ms"], 1_525_022_020_000_u64, "{place}");
        drop(after);
        let starts = "SELECT start_ms FROM symbols ORDER BY 1";
        let expected = [0, 10, 20].map(|second: i64| 1_525_022_000_000 + second * 1_000);
        if let Some(url) = place.strip_prefix("--to postgres:") {
            let found: Vec<_> = postgres::rows(url, starts).into_iter().flatten().flatten().collect();
            assert_eq!(found, expected.map(|start| start.to_string()));
        } else if place.contains("sqlite") {
            let database = rusqlite::Connection::open(&database).expect("opened");
            let mut select = database.prepare(starts).expect("a table");
            let found: Vec<i64> = select
                .query_map([], |row| row.get(0))
                .expect("rows")
                .map(|row| row.expect("a row"))
                .collect();
            assert_eq!(found, expected);
        } else {
            let rows = std::fs::read_to_string(&file).expect("rows");
            assert_eq!(short(&rows), ["A 0 1 event", "A 10 1 event", "A 20 1 event"]);
        }
    }
}

#[test]
#[ignore = "needs Java"]
fn a_checkpoint_larger_than_a_record_may_be_is_written_in_parts() {
    let kafka = rig::kafka();
    let folder = recovery::folder();
    let tape = Tape { trades: 80_000, symbols: 4_000, per_second: 8_000, ..Tape::default() };
    let path = folder.path().join("many.jsonl");
    let mut tapes = vec![Vec::new()];
    tape.write(&mut tapes).expect("memory takes everything");
    std::fs::write(&path, &tapes[0]).expect("written");
    let out = rig::unique("parts");
    let recovery_topic = format!("{out}.{out}.recovery");
    kafka.make(&recovery_topic, 1, &[("cleanup.policy", "compact"), ("max.message.bytes", "100000")]);
    let flags = "--window 6s --slide 3s --delay 100ms --symbols all --rows symbol --commit-interval 0ms -q";
    let job = |out: &str| {
        let place = format!("--to kafka:{out} --name {out} -b {}", kafka.brokers);
        let words = [path.display().to_string()].into_iter();
        words.chain(format!("{flags} {place}").split_whitespace().map(str::to_owned)).collect::<Vec<_>>()
    };
    let run = |words: Vec<String>| end(crossrate(std::iter::once("run".to_owned()).chain(words)));
    let (code, _, stderr) = run(job(&out));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("max.message.bytes=100000") && stderr.contains("kafka-configs.sh"), "{stderr}");
    // It is enough for a part, but not for an entry.
    let out = rig::unique("parts");
    let recovery_topic = format!("{out}.{out}.recovery");
    kafka.make(&recovery_topic, 1, &[("cleanup.policy", "compact"), ("max.message.bytes", "524288")]);
    Example::breaks_off(job(&out), 2);
    let mut show = crossrate(["checkpoint", "show", "--json", "--name", &out, "-b", &kafka.brokers, "--to"]);
    show.arg(format!("kafka:{out}"));
    let (code, shown, stderr) = end(show);
    assert_eq!(code, 0, "{stderr}");
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    assert!(shown["bytes"].as_u64() > Some(262_144), "{}", shown["bytes"]);
    assert!(kafka.has_key(&recovery_topic, "#1"), "no entry has a second part");
    let (code, _, stderr) = run(job(&out));
    assert_eq!(code, 0, "{stderr}");
    let whole = rig::unique("whole");
    let (code, _, stderr) = run(job(&whole));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(kafka.lines(&out), kafka.lines(&whole));
}
