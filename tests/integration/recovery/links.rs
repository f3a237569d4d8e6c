//! A link to the database that breaks at any moment, and stays silent.

use super::input;
use super::kill_loop::{Job, end_of, wait_until, words};
use super::outputs::Outputs;
use super::postgres::{self, tables};
use crate::kafka::rig::until;
use crate::proxy::Proxy;
use std::time::Duration;

#[test]
fn answers_of_the_database_that_are_lost_cost_nothing() {
    let Some(server) = postgres::shared() else { return };
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 41, 2, 60_000, 300);
    let proxy = Proxy::to(server.port().parse().expect("a number"));
    let (whole, broken) = (server.database(), server.database());
    let through = broken.replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port));
    let job = |name: &str, url: &str| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).expect("made");
        Job {
            folder,
            inputs: inputs.clone(),
            // Each commit is waited for, or few would be there to be broken: the rest gathers behind a slow one.
            flags: words(
                "--delay 500ms --symbols all --window 2s --emit changes --grace 1s --commit-interval 0s",
            ),
            sinks: words(&format!("--to postgres:{url} --to rows.jsonl --dead-letter dead.jsonl -v")),
        }
    };
    let (undisturbed, disturbed) = (job("undisturbed", &whole), job("disturbed", &through));
    undisturbed.run(&[]);
    let size = std::fs::metadata(undisturbed.progress()).expect("refused records").len();
    let mut child = disturbed.command(&["-w", "2"]).spawn().expect("it starts");
    const BREAKS: u64 = 40;
    for number in 0..BREAKS {
        wait_until(&disturbed, &mut child, size * number / (BREAKS + 8));
        // Within the answers to one commit, so that each of them is the one that is not heard.
        proxy.break_after(number * 13 % 400);
        while proxy.is_to_break() && child.try_wait().expect("it can be waited for").is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    let code = end_of(&mut child).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    let said = disturbed.said();
    assert_eq!(code, Some(0), "{said}");
    let unknown = said.matches("the outcome of a commit is unknown").count();
    // How many hit a commit is chance, and most do not on some machines.
    assert!(unknown >= 3, "only {unknown} answers were lost: {said}");
    let expected = Outputs { tables: Some(tables(&whole)), ..undisturbed.outputs() };
    let found = Outputs { tables: Some(tables(&broken)), ..disturbed.outputs() };
    expected.assert_same(&found, "a link that breaks");
}

#[test]
fn a_database_that_falls_silent_is_said_and_waited_for() {
    let Some(server) = postgres::shared() else { return };
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 42, 2, 30_000, 300);
    let proxy = Proxy::to(server.port().parse().expect("a number"));
    let (whole, broken) = (server.database(), server.database());
    let through = broken.replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port));
    let job = |name: &str, url: &str| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).expect("made");
        Job {
            folder,
            inputs: inputs.clone(),
            flags: words("--delay 500ms --symbols all --window 2s"),
            sinks: words(&format!("--to postgres:{url} --to rows.jsonl --dead-letter dead.jsonl")),
        }
    };
    let (undisturbed, disturbed) = (job("undisturbed", &whole), job("disturbed", &through));
    undisturbed.run(&[]);
    let size = std::fs::metadata(undisturbed.progress()).expect("refused records").len();
    // From the start: the run ends within the time that it may take to begin.
    proxy.silence();
    let mut child = disturbed.command(&[]).spawn().expect("it starts");
    let code = end_of(&mut child).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    let said = disturbed.said();
    assert_eq!(code, Some(3), "{said}");
    let place = through.split_once('@').map_or("", |(_, place)| place);
    assert!(
        said.contains(&format!("cannot reach the database postgres://{place}: no answer for 5 s")),
        "{said}"
    );
    proxy.heal();
    // In the middle.
    let mut child = disturbed.command(&["-w", "2"]).spawn().expect("it starts");
    wait_until(&disturbed, &mut child, size / 3);
    proxy.silence();
    let words = format!("postgres://{place} does not answer, waiting for 60 s at most");
    until("it is said", || disturbed.said().contains(&words).then_some(()));
    assert_eq!(child.try_wait().expect("it can be waited for"), None, "{}", disturbed.said());
    proxy.heal();
    let code = end_of(&mut child).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    assert_eq!(code, Some(0), "{}", disturbed.said());
    let expected = Outputs { tables: Some(tables(&whole)), ..undisturbed.outputs() };
    let found = Outputs { tables: Some(tables(&broken)), ..disturbed.outputs() };
    expected.assert_same(&found, "a link that falls silent");
}
