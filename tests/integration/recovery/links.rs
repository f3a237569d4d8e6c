//! A link to the database that breaks at any moment, and stays silent.

use super::input;
use super::kill_loop::{Job, end_of, wait_until};
use super::outputs::Outputs;
use super::postgres::{self, tables};
use crate::kafka::rig::until;
use crate::proxy::Proxy;
use std::time::Duration;

/// A job whose way to the database leads through a proxy, and one that has run undisturbed.
struct Scene {
    _folder: tempfile::TempDir,
    proxy: Proxy,
    undisturbed: Job,
    disturbed: Job,
    /// Databases of both, by the way that nothing disturbs.
    databases: [String; 2],
    /// Where the disturbed one believes the database to be.
    through: String,
    /// Bytes of progress of a whole run.
    size: u64,
}

fn scene(salt: u64, trades: u64, flags: &str) -> Scene {
    let server = postgres::shared();
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + salt, 2, trades, 300);
    let proxy = Proxy::to(server.port().parse().expect("a number"));
    let databases = [server.database(), server.database()];
    let through = databases[1].replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port));
    let job = |name: &str, url: &str| {
        let sinks = format!("--to postgres:{url} --to rows.jsonl --dead-letter dead.jsonl");
        Job::new(folder.path().join(name), &inputs, &format!("--delay 500ms --symbols all {flags}"), &sinks)
    };
    let (undisturbed, disturbed) = (job("undisturbed", &databases[0]), job("disturbed", &through));
    let size = undisturbed.run_whole();
    Scene { _folder: folder, proxy, undisturbed, disturbed, databases, through, size }
}

impl Scene {
    /// Both have left the same.
    fn assert_same(&self, what: &str) {
        let [expected, found] = self.databases.each_ref().map(|url| Some(tables(url)));
        let expected = Outputs { tables: expected, ..self.undisturbed.outputs() };
        let found = Outputs { tables: found, ..self.disturbed.outputs() };
        expected.assert_same(&found, what);
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn answers_of_the_database_that_are_lost_cost_nothing() {
    // Each commit is waited for, or few would be there to be broken: the rest gathers behind a slow one.
    let flags = "--window 2s --emit changes --grace 1s --commit-interval 0s -v";
    let scene = scene(41, 60_000, flags);
    let Scene { proxy, disturbed, size, .. } = &scene;
    let mut child = disturbed.command(&["-w", "2"]).spawn().expect("it starts");
    const BREAKS: u64 = 40;
    for number in 0..BREAKS {
        wait_until(disturbed, &mut child, size * number / (BREAKS + 8));
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
    scene.assert_same("a link that breaks");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_database_that_falls_silent_is_said_and_waited_for() {
    let scene = scene(42, 30_000, "--window 2s");
    let Scene { proxy, disturbed, through, size, .. } = &scene;
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
    wait_until(disturbed, &mut child, size / 3);
    proxy.silence();
    let words = format!("postgres://{place} does not answer, waiting for 60 s at most");
    until("it is said", || disturbed.said().contains(&words).then_some(()));
    assert_eq!(child.try_wait().expect("it can be waited for"), None, "{}", disturbed.said());
    proxy.heal();
    let code = end_of(&mut child).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    assert_eq!(code, Some(0), "{}", disturbed.said());
    scene.assert_same("a link that falls silent");
}
