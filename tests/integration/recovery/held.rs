//! What a run cannot have: a file that another one writes, a place that is not there. Both are named.

use super::input;
use super::kill_loop::{Job, end_of, signal, wait_until, words};
use super::postgres;
use std::process::Stdio;

#[test]
fn who_holds_a_file_is_named_although_it_is_frozen_and_keeps_the_job() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 71, 2, 60_000, 300);
    let flags = "--delay 500ms --symbols all --window 2s";
    let sinks = "--to rows.jsonl --dead-letter dead.jsonl";
    let job = |name: &str| Job::new(folder.path().join(name), &inputs, flags, sinks);
    let (undisturbed, disturbed) = (job("undisturbed"), job("disturbed"));
    let size = undisturbed.run_whole();
    let mut frozen = disturbed.command(&[]).spawn().expect("it starts");
    wait_until(&disturbed, &mut frozen, size / 4);
    signal(frozen.id(), "STOP");
    let mut next = disturbed.command(&[]).spawn().expect("it starts");
    let code = end_of(&mut next).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    let said = disturbed.said();
    assert_eq!(code, Some(1), "{said}");
    // It may have been in the middle of a commit, and hold the checkpoint as well.
    let names = [
        format!("is being written by process {} on ", frozen.id()),
        format!("last held by process {} on ", frozen.id()),
    ];
    assert!(names.iter().any(|name| said.contains(name)), "{said}");
    signal(frozen.id(), "CONT");
    let code = end_of(&mut frozen).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    // Who could not begin has left the job to who had it.
    assert_eq!(code, Some(0), "{}", disturbed.said());
    undisturbed.outputs().assert_same(&disturbed.outputs(), "after all");
}

/// A second copy that cannot begin, for its definition is another one, leaves the job to the first one.
#[test]
#[ignore = "needs PostgreSQL"]
fn who_is_refused_has_taken_nothing() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 72, 2, 60_000, 300);
    let server = postgres::shared();
    let databases = [(); 2].map(|()| server.database());
    for kind in ["files", "sqlite", "postgres"].iter() {
        let job = |name: &str, database: &str| {
            let ledger = match *kind {
                "sqlite" => "--to sqlite:rows.db".into(),
                "postgres" => format!("--to postgres:{database}"),
                _ => String::new(),
            };
            let sinks = format!("{ledger} --to rows.jsonl --dead-letter dead.jsonl");
            let flags = "--delay 500ms --symbols all --window 2s";
            Job::new(folder.path().join(format!("{kind}-{name}")), &inputs, flags, &sinks)
        };
        let (undisturbed, disturbed) = (job("undisturbed", &databases[0]), job("disturbed", &databases[1]));
        let size = undisturbed.run_whole();
        let mut first = disturbed.command(&[]).spawn().expect("it starts");
        for part in 1..3 {
            wait_until(&disturbed, &mut first, size * part / 4);
            // So that it is there when the second one has ended.
            signal(first.id(), "STOP");
            let mut second = disturbed.command(&["--grace", "1s"]).spawn().expect("it starts");
            let code = end_of(&mut second).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
            let said = disturbed.said();
            // Or the first one was stopped in the middle of a commit, and has the database locked.
            let refused = said.contains("was another one: ") || said.contains("is locked");
            assert!(matches!(code, Some(1 | 2)) && refused, "{kind}: {code:?} {said}");
            signal(first.id(), "CONT");
        }
        let code = end_of(&mut first).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
        assert_eq!(code, Some(0), "{kind}: {}", disturbed.said());
        undisturbed.outputs().assert_same(&disturbed.outputs(), kind);
    }
}

/// Databases beside the ledger that a second copy has taken, before one that it cannot have, are given back
/// too.
#[test]
fn who_cannot_have_all_databases_gives_back_those_that_it_has() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 74, 2, 60_000, 300);
    let flags = "--delay 500ms --symbols all --window 2s";
    let sinks = "--to sqlite:rows.db --to sqlite:copy.db --dead-letter dead.jsonl";
    let job = |name: &str| Job::new(folder.path().join(name), &inputs, flags, sinks);
    let (undisturbed, disturbed) = (job("undisturbed"), job("disturbed"));
    let size = undisturbed.run_whole();
    let mut first = disturbed.command(&[]).spawn().expect("it starts");
    let sinks = words("--to sqlite:rows.db --to sqlite:copy.db --to sqlite:none/other.db");
    let other = Job { sinks, ..disturbed.clone() };
    for part in 1..4 {
        wait_until(&disturbed, &mut first, size * part / 5);
        // So that it is there when the second one has ended.
        signal(first.id(), "STOP");
        let mut second = other.command(&[]).spawn().expect("it starts");
        let code = end_of(&mut second).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
        assert_eq!(code, Some(1), "{}", disturbed.said());
        signal(first.id(), "CONT");
    }
    let code = end_of(&mut first).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    assert_eq!(code, Some(0), "{}", disturbed.said());
    undisturbed.outputs().assert_same(&disturbed.outputs(), "after all");
}

/// One that is to begin anew, and cannot have the files, has changed nothing: the first one goes on.
#[test]
#[ignore = "needs PostgreSQL"]
fn a_fresh_run_that_cannot_have_the_files_leaves_the_job_as_it_is() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 73, 2, 60_000, 300);
    let server = postgres::shared();
    let databases = [(); 2].map(|()| server.database());
    for kind in ["sqlite", "postgres"].iter() {
        let job = |name: &str, database: &str| {
            let ledger = match *kind {
                "sqlite" => "--to sqlite:rows.db".into(),
                _ => format!("--to postgres:{database}"),
            };
            // What is open when the second one comes must not be taken for all that there was.
            let flags = "--delay 500ms --symbols all --window 20s --slide 2s";
            let sinks = format!("{ledger} --to rows.jsonl --dead-letter dead.jsonl");
            Job::new(folder.path().join(format!("{kind}-{name}")), &inputs, flags, &sinks)
        };
        let (undisturbed, disturbed) = (job("undisturbed", &databases[0]), job("disturbed", &databases[1]));
        let size = undisturbed.run_whole();
        let mut first = disturbed.command(&[]).spawn().expect("it starts");
        wait_until(&disturbed, &mut first, size / 4);
        signal(first.id(), "STOP");
        let mut second = disturbed.command(&["--fresh"]).spawn().expect("it starts");
        let code = end_of(&mut second).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
        let said = disturbed.said();
        assert_eq!(code, Some(1), "{kind}: {said}");
        signal(first.id(), "CONT");
        let code = end_of(&mut first).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
        let said = disturbed.said();
        assert_eq!(code, Some(0), "{kind}: {said}");
        undisturbed.outputs().assert_same(&disturbed.outputs(), kind);
    }
}

#[test]
fn a_place_that_is_not_there_is_named_once() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed(), 1, 100, 300);
    for (sink, what, place) in [
        ("--to none/rows.jsonl", "checkpoint", "none/rows.jsonl.recovery"),
        ("--to sqlite:none/rows.db", "database", "none/rows.db"),
    ] {
        let job = Job {
            folder: folder.path().to_owned(),
            inputs: inputs.clone(),
            flags: Vec::new(),
            sinks: words(sink),
        };
        let output = job.command(&[]).stderr(Stdio::piped()).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("cannot open the {what} {place}")), "{said}");
        assert_eq!(said.matches(place).count(), 1, "{said}");
    }
}
