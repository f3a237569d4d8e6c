//! What a run cannot have: a file that another one writes, a place that is not there. Both are named.

use super::input;
use super::kill_loop::{Job, end_of, signal, wait_until, words};
use std::process::Stdio;

#[test]
fn who_holds_a_file_is_named_although_it_is_frozen() {
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
    // It may have been in the middle of a commit, and hold the recovery point as well.
    let names = [
        format!("is being written by process {} on ", frozen.id()),
        format!("last held by process {} on ", frozen.id()),
    ];
    assert!(names.iter().any(|name| said.contains(name)), "{said}");
    signal(frozen.id(), "CONT");
    let code = end_of(&mut frozen).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    // Who failed had taken the job over, unless it found the recovery point locked.
    let taken_over = disturbed.said().contains(&format!("was taken over by process {} on ", next.id()));
    assert_eq!(code, Some(i32::from(taken_over)), "{}", disturbed.said());
    disturbed.run(&["-w", "2"]);
    undisturbed.outputs().assert_same(&disturbed.outputs(), "after all");
}

#[test]
fn a_place_that_is_not_there_is_named_once() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed(), 1, 100, 300);
    for (sink, place) in
        [("--to none/rows.jsonl", "none/rows.jsonl.recovery"), ("--to sqlite:none/rows.db", "none/rows.db")]
    {
        let job = Job {
            folder: folder.path().to_owned(),
            inputs: inputs.clone(),
            flags: Vec::new(),
            sinks: words(sink),
        };
        let output = job.command(&[]).stderr(Stdio::piped()).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("cannot open the database {place}")), "{said}");
        assert_eq!(said.matches(place).count(), 1, "{said}");
    }
}
