//! `--restarts`: a killed child costs a moment and nothing else.

use super::input;
use super::kill_loop::{Job, children_of, end_of, signal, wait_until};
use std::process::Child;
use std::time::{Duration, Instant};

struct Scene {
    _folder: tempfile::TempDir,
    undisturbed: Job,
    disturbed: Job,
    /// Bytes of progress of a whole run.
    whole: u64,
}

fn scene(salt: u64) -> Scene {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + salt, 3, 120_000, 400);
    let flags = "--delay 500ms --symbols all --window 2s --emit changes --grace 3s";
    let sinks = "--to sqlite:rows.db --to rows.jsonl --dead-letter dead.jsonl";
    let job = |name: &str| Job::new(folder.path().join(name), &inputs, flags, sinks);
    let (undisturbed, disturbed) = (job("undisturbed"), job("disturbed"));
    let whole = undisturbed.run_whole();
    Scene { _folder: folder, undisturbed, disturbed, whole }
}

/// Waits until all children are there, and no one of those that were.
fn children(job: &Job, parent: &mut Child, count: usize, earlier: &[u32]) -> Vec<u32> {
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        let found = children_of(parent.id());
        if found.len() == count && found.iter().all(|id| !earlier.contains(id)) {
            return found;
        }
        assert!(Instant::now() < deadline, "they are not there: {}", job.said());
        assert_eq!(parent.try_wait().expect("it can be waited for"), None, "{}", job.said());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_killed_child_costs_a_moment_and_nothing_else() {
    let Scene { undisturbed, disturbed, whole, _folder } = scene(31);
    // Something is there already, which a fresh start ignores, and a restart of that must not begin anew.
    let mut earlier = disturbed.command(&[]).spawn().expect("it starts");
    wait_until(&disturbed, &mut earlier, whole / 8);
    earlier.kill().expect("killed");
    earlier.wait().expect("it ends");
    let mut parent = disturbed.command(&["-n", "3", "--fresh"]).spawn().expect("it starts");
    let mut earlier = Vec::new();
    for (victim, part) in [(0, 4), (2, 2), (1, 0)] {
        let found = children(&disturbed, &mut parent, 3, &earlier);
        // The last one is killed while it starts.
        if let Some(bytes) = whole.checked_div(part) {
            wait_until(&disturbed, &mut parent, bytes);
        }
        signal(found[victim], "KILL");
        earlier.extend(found);
    }
    let code = end_of(&mut parent).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    let said = disturbed.said();
    assert_eq!(code, Some(0), "{said}");
    for number in 1..=3 {
        let told = format!(
            "starting all 3 processes again from the last commit in {} ms (restart {number} of 3",
            125 << number
        );
        assert_eq!(said.matches(&told).count(), 1, "{told}: {said}");
    }
    assert_eq!(said.matches("was killed by signal 9 (SIGKILL), so all of them end").count(), 3, "{said}");
    undisturbed.outputs().assert_same(&disturbed.outputs(), "after restarts");
}

#[test]
fn restarts_have_a_bound_and_errors_are_not_repeated() {
    let Scene { undisturbed, disturbed, whole, _folder } = scene(32);
    let mut parent = disturbed.command(&["-n", "2", "--restarts", "1"]).spawn().expect("it starts");
    let first = children(&disturbed, &mut parent, 2, &[]);
    wait_until(&disturbed, &mut parent, whole / 4);
    signal(first[1], "KILL");
    let second = children(&disturbed, &mut parent, 2, &first);
    signal(second[0], "KILL");
    let code = end_of(&mut parent).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    assert_eq!(code, Some(1), "{}", disturbed.said());
    assert!(disturbed.said().contains("so the run ends"), "{}", disturbed.said());
    // Another definition would be refused as often as it is tried.
    let mut other = disturbed.command(&["-n", "2", "--max-ahead", "7s"]).spawn().expect("it starts");
    let code = end_of(&mut other).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    assert_eq!(code, Some(2), "{}", disturbed.said());
    assert_eq!(disturbed.said().matches("starting all").count(), 1, "{}", disturbed.said());
    disturbed.run(&["-w", "2"]);
    undisturbed.outputs().assert_same(&disturbed.outputs(), "after all");
}
