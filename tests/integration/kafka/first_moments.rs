//! A job that reads a topic and is killed from its first millisecond on, before it has committed anything
//! perhaps: it starts again, and what is there in the end is what one undisturbed run leaves.

use super::kills::{Lcg, kills, market};
use super::rig::{self, Kafka, crossrate, rows};
use crate::recovery::{days, kill_loop, outputs};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A job of that name in a folder of that name, whose outputs are relative to it.
fn job(kafka: &Kafka, topic: &str, folder: &Path, flags: &str) -> Command {
    std::fs::create_dir_all(folder).expect("made");
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let mut command = crossrate(["run", "-b", &kafka.brokers, "-t", topic, "--name", &name]);
    command.args("--window 2s --delay 1s --idle-timeout off --batch-records 50".split(' '));
    command.args(flags.replace('@', &name).split_whitespace()).current_dir(folder);
    command
}

/// Rows and refused records, however they are written.
fn written(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = days::files(folder);
    found.retain(|path, _| {
        path.extension().is_some_and(|kind| ["jsonl", "csv", "parquet"].iter().any(|k| kind == *k))
    });
    if let Some(letters) = outputs::dead_letters(&folder.join("dead.jsonl")) {
        found.insert("dead.jsonl".into(), format!("{letters:?}").into_bytes());
    }
    found
}

#[test]
#[ignore = "needs Java"]
fn a_job_that_is_killed_at_the_first_bytes_of_its_file_starts_again() {
    let kafka = rig::kafka();
    let topic = kafka.topic("first-bytes", 4);
    kafka.produce(&topic, &market(&mut Lcg(41), 10.0, 20_000));
    let folder = tempfile::tempdir().expect("a folder");
    let flags = "-e --to w.jsonl --commit-interval 1m";
    let place = |name: &str| folder.path().join(rig::unique(name));
    let whole = place("whole");
    rows(job(&kafka, &topic, &whole, flags));
    let expected = written(&whole);
    let mut caught = 0;
    for attempt in 0..40 {
        let place = place("killed");
        let file = place.join("w.jsonl");
        let mut command = job(&kafka, &topic, &place, flags);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let begun = Instant::now();
        let has_bytes = || std::fs::metadata(&file).is_ok_and(|file| file.len() > 0);
        while !has_bytes() && child.try_wait().expect("it can be waited for").is_none() {
            assert!(begun.elapsed() < rig::PATIENCE, "nothing was written");
            std::thread::sleep(Duration::from_micros(50));
        }
        let is_killed = child.try_wait().expect("it can be waited for").is_none();
        let _ = child.kill();
        let _ = child.wait();
        rows(job(&kafka, &topic, &place, flags));
        assert!(written(&place) == expected, "attempt {attempt}");
        caught += u32::from(is_killed);
        if caught == 5 {
            break;
        }
    }
    assert!(caught > 0, "it was always through by then");
}

/// Kills a job from the first millisecond on, with these outputs, and lets it end then.
fn survives(seed: u64, lives: &str, outputs: &str) {
    let kafka = rig::kafka();
    let topic = kafka.topic("first-moments", 4);
    let mut random = Lcg(seed);
    kafka.produce(&topic, &market(&mut random, 10.0, 20_000));
    let folder = tempfile::tempdir().expect("a folder");
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(rig::unique(name)));
    let flags = format!("{outputs} --dead-letter dead.jsonl --commit-interval 1m");
    rows(job(&kafka, &topic, &whole, &format!("-e {flags}")));
    let lives_flags = format!("{lives} {flags}");
    let count = kills(12) as u64;
    let mut frozen: Option<Child> = None;
    let mut alive = 0;
    for kill in 0..count {
        let is_alone = random.below(4) > 0;
        let processes = if is_alone { "-w 2" } else { "-n 2" };
        let mut command = job(&kafka, &topic, &killed, &format!("{lives_flags} {processes}"));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let most = 800_000 * (kill + 1) / count;
        std::thread::sleep(Duration::from_micros(random.below(most)));
        // What has ended before is killed by nobody.
        alive += u64::from(child.try_wait().expect("it can be waited for").is_none());
        match random.below(4) {
            // One that is frozen goes on when another one has been there in the meantime.
            0 if frozen.is_none() && is_alone => {
                kill_loop::signal(child.id(), "STOP");
                frozen = Some(child);
                continue;
            }
            1 => kill_loop::signal(child.id(), "TERM"),
            _ => drop(child.kill()),
        }
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        // It does not begin where the frozen one has the files, or where that one goes on.
        let waits = frozen.is_some() && code == Some(1);
        assert!(matches!(code, None | Some(0 | 130 | 143)) || waits, "after {kill} kills: {code:?} {said}");
        if let Some(mut child) = frozen.take() {
            kill_loop::signal(child.id(), "CONT");
            // It goes on for a while, to its end, or to where it finds that it has been superseded.
            std::thread::sleep(Duration::from_micros(random.below(most)));
            let _ = child.kill();
            let _ = child.wait();
        }
    }
    if let Some(mut child) = frozen {
        let _ = child.kill();
        let _ = child.wait();
    }
    eprintln!("{alive} of {count} were alive when they were killed");
    rows(job(&kafka, &topic, &killed, &format!("-e {flags}")));
    let (expected, found) = (written(&whole), written(&killed));
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{outputs}");
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{outputs}, seed {seed}: {} differs", name.display());
    }
    if outputs.contains("kafka:") {
        let name = |folder: &Path| folder.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(kafka.lines(&name(&whole)) == kafka.lines(&name(&killed)), "{outputs}, seed {seed}");
    }
}

#[test]
#[ignore = "needs Java"]
fn a_file_from_a_topic_with_an_end() {
    survives(51, "-e", "--to rows.jsonl");
}

#[test]
#[ignore = "needs Java"]
fn a_file_from_a_topic_without_an_end() {
    survives(52, "", "--to rows.jsonl");
}

#[test]
#[ignore = "needs Java"]
fn a_topic_with_a_file_and_files_by_day() {
    survives(53, "-e", "--to kafka:@ --to rows.jsonl --to csv:csv");
}

#[test]
#[ignore = "needs Java"]
fn a_database_with_a_file_and_files_by_day_from_a_topic_without_an_end() {
    survives(54, "", "--to sqlite:rows.db --to rows.jsonl --to csv:csv");
}
