//! Processes that find each other, work as one and end as one. Each process is this very test binary once
//! more, started on the test [`member`] alone with its task in the environment: `main`, in short, with a
//! small dataflow in the place of ours.

mod tap;

use crossrate::cluster::{self, ClusterError, Role, failure_detector};
use crossrate::config;
use crossrate::job_identity::Identity;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};
use timely::WorkerConfig;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Exchange, Input, Inspect, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

const TASK: &str = "CROSSRATE_TEST_MEMBER";

/// What a process is to be and to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Task {
    processes: usize,
    threads: usize,
    process: Option<usize>,
    hostfile: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    patience_ms: u64,
    version: String,
    job: Vec<(String, String)>,
    act: Act,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Act {
    /// A few rounds of exchange, a sum that all must agree on.
    Sum,
    /// Rounds without end.
    Endless,
    /// Endless, but worker 0 of process 1 fails with this exit code.
    Fail(u8),
    /// Endless, but a worker of process 1 panics.
    Panic,
    /// Endless, but process 0 has had enough, as with a closed pipe.
    Enough,
    /// A sum, but process 1 fails when all is summed.
    FailAtLast(u8),
}

impl Task {
    fn new(processes: usize, act: Act) -> Task {
        Task {
            processes,
            threads: 2,
            process: None,
            hostfile: None,
            secret_file: None,
            patience_ms: 20_000,
            version: "1.0.0".into(),
            job: vec![("window".into(), "10s".into()), ("delay".into(), "5s".into())],
            act,
        }
    }
}

/// Why a worker stopped, with the exit code.
#[derive(Debug)]
struct Stop(u8, String);

impl From<ClusterError> for Stop {
    fn from(error: ClusterError) -> Self {
        Stop(error.exit_code(), error.to_string())
    }
}

/// Not a test: the main function of the processes that the tests start.
#[test]
fn member() {
    let Ok(task) = std::env::var(TASK) else { return };
    crossrate::logging::begin(config::Logging::default(), None);
    failure_detector::abort_on_panic();
    let task: Task = serde_json::from_str(&task).expect("a task");
    match live(&task) {
        Ok(()) => failure_detector::end(0, ""),
        Err(Stop(code, words)) => {
            failure_detector::say(&words);
            failure_detector::end(code, &words);
        }
    }
}

fn live(task: &Task) -> Result<(), Stop> {
    let typed = config::Cluster {
        threads: task.threads,
        processes: task.processes,
        process: task.process,
        hostfile: task.hostfile.clone(),
        secret_file: task.secret_file.clone(),
        join_timeout: Duration::from_millis(task.patience_ms),
        ..config::Cluster::default()
    };
    let joining = match cluster::enter(&typed)? {
        Role::Supervisor => std::process::exit(cluster::supervise(task.processes, 0, 0)?.into()),
        Role::Member(joining) => joining,
    };
    let interrupted = failure_detector::interrupt_flag().expect("registered");
    let identity = Identity {
        version: task.version.clone(),
        processes: task.processes,
        threads: task.threads,
        run: String::new(),
        job: task.job.clone(),
    };
    let mesh = cluster::join(&joining, &identity, failure_detector::say)?;
    let (process, act, flag) = (mesh.process, task.act, Arc::clone(&interrupted));
    let stopped = Arc::new(AtomicBool::new(false));
    let stops = Arc::clone(&stopped);
    let work = move |worker: &mut Worker| work(worker, process, act, &flag, &stops);
    let sums =
        cluster::execute(mesh, WorkerConfig::default(), work, || stopped.store(true, Ordering::SeqCst))?;
    if interrupted.load(Ordering::SeqCst) {
        failure_detector::say(&format!("tidied up {process}"));
        return Err(Stop(130, "interrupted".into()));
    }
    match act {
        Act::FailAtLast(code) if process == 1 => Err(Stop(code, "the disk is full".into())),
        _ => {
            println!("sums {sums:?}");
            Ok(())
        }
    }
}

/// Each worker sends 1 to 1000 each round; what has come to each goes to all; so all know all.
fn work(
    worker: &mut Worker,
    process: usize,
    act: Act,
    interrupted: &AtomicBool,
    stopped: &AtomicBool,
) -> Result<u64, Stop> {
    let sum = Arc::new(AtomicUsize::new(0));
    let total = Arc::clone(&sum);
    let mut input = InputHandle::new();
    let probe = ProbeHandle::new();
    worker.dataflow(|scope| {
        scope
            .input_from(&mut input)
            .container::<Vec<u64>>()
            .exchange(|number| *number)
            .broadcast()
            .inspect(move |number| {
                total.fetch_add(*number as usize, Ordering::Relaxed);
            })
            .probe_with(&probe);
    });
    let rounds = if matches!(act, Act::Sum | Act::FailAtLast(_)) { 3 } else { u64::MAX };
    for round in 1..=rounds {
        (1..=1_000).for_each(|number| input.send(number));
        input.advance_to(round);
        while probe.less_than(input.time()) {
            worker.step_or_park(Some(Duration::from_millis(10)));
            if stopped.load(Ordering::SeqCst) {
                return Err(Stop(1, "another worker has failed".into()));
            }
            if interrupted.load(Ordering::SeqCst) {
                failure_detector::interrupted();
                let installed = worker.installed_dataflows();
                installed.into_iter().for_each(|dataflow| worker.drop_dataflow(dataflow));
                return Ok(0);
            }
        }
        if round == 3 && worker.index().is_multiple_of(2) {
            failure_detector::say(&format!("ready {process} {}", std::process::id()));
        }
        match act {
            Act::Fail(code) if round == 5 && process == 1 => return Err(Stop(code, "no such file".into())),
            Act::Panic if round == 5 && process == 1 => panic!("out of luck"),
            Act::Enough if round == 5 && process == 0 => failure_detector::end(0, ""),
            _ => {}
        }
    }
    input.close();
    while probe.less_than(&u64::MAX) && worker.has_dataflows() {
        worker.step_or_park(None);
    }
    Ok(sum.load(Ordering::Relaxed) as u64)
}

/// What every worker gets to know of so many workers.
fn expected(workers: u64) -> u64 {
    3 * 500_500 * workers
}

/// A started process, with what it says.
struct Member {
    /// Its temporary files; must be empty in the end.
    temporary: tempfile::TempDir,
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

/// How a process ended, and all it said.
#[derive(Debug)]
struct End {
    code: Option<i32>,
    said: String,
}

impl Member {
    fn start(task: &Task) -> Member {
        let temporary = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["cluster::member", "--exact", "--nocapture", "--test-threads=1"])
            .env(TASK, serde_json::to_string(task).expect("JSON"))
            .env("TMPDIR", temporary.path())
            // As a shell does it: Ctrl-C goes to the whole group.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let (sender, lines) = mpsc::channel();
        let stdout: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("piped"));
        let stderr: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("piped"));
        for stream in [stdout, stderr] {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Member { temporary, child, lines, said: Vec::new() }
    }

    /// Waits for a line with these words in it.
    fn hear(&mut self, words: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(words) {
                        return line;
                    }
                }
                Err(error) => panic!("`{words}` was not said ({error}), but: {:#?}", self.said),
            }
        }
    }

    /// The process numbers of `count` processes, when all of them are at work.
    fn ready(&mut self, count: usize) -> Vec<u32> {
        let mut ids = vec![0; count];
        while ids.contains(&0) {
            let line = self.hear("ready ");
            let mut words = line.split_whitespace().skip(2);
            let index: usize = words.next().and_then(|word| word.parse().ok()).expect("an index");
            ids[index] = words.next().and_then(|word| word.parse().ok()).expect("a process number");
        }
        ids
    }

    /// Waits until it and all that it has started have ended: only then do the pipes.
    fn end(mut self, within: Duration) -> End {
        let deadline = Instant::now() + within;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("has not ended in time: {:#?}", self.said),
            }
        }
        let code = self.child.wait().expect("ended").code();
        let left: Vec<_> = fs::read_dir(self.temporary.path()).expect("read").flatten().collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        End { code, said: self.said.join("\n") }
    }

    fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl End {
    #[track_caller]
    fn with(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.said);
        for words in words {
            assert!(self.said.contains(words), "`{words}` is not in: {}", self.said);
        }
    }
}

/// Sends a signal to a process, or, with a minus before its number, to its group.
fn signal(name: &str, id: impl ToString) {
    let status = Command::new("kill").args(["-s", name, "--", &id.to_string()]).status().expect("kill");
    assert!(status.success());
}

/// Long enough for any orderly end on a busy machine, far too short for a hang.
const SOON: Duration = Duration::from_secs(60);
/// For a whole run, its start included.
const WHOLE: Duration = Duration::from_secs(120);

/// A directory with a hostfile for so many processes, at loopback addresses nobody else uses.
struct Hosts {
    directory: tempfile::TempDir,
    addresses: Vec<String>,
}

impl Hosts {
    fn new(count: usize) -> Hosts {
        static TESTS: AtomicUsize = AtomicUsize::new(1);
        let (id, test) = (std::process::id(), TESTS.fetch_add(1, Ordering::SeqCst));
        let addresses: Vec<String> = (0..count)
            .map(|index| format!("127.{}.{}.{test}:{}", 1 + id / 250 % 250, 1 + id % 250, 2101 + index))
            .collect();
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("hosts"), addresses.join("\n")).expect("written");
        Hosts { directory, addresses }
    }

    fn task(&self, process: usize, act: Act) -> Task {
        let hostfile = Some(self.directory.path().join("hosts"));
        Task { process: Some(process), hostfile, ..Task::new(self.addresses.len(), act) }
    }

    fn secret(&self, name: &str) -> Option<PathBuf> {
        let path = self.directory.path().join(name);
        fs::write(&path, format!("the secret is {name}\n")).expect("written");
        Some(path)
    }

    fn start(&self, act: Act) -> Vec<Member> {
        (0..self.addresses.len()).map(|process| Member::start(&self.task(process, act))).collect()
    }

    /// A connection to a process that has been started, as soon as it listens.
    fn connect(&self, process: usize) -> TcpStream {
        let deadline = Instant::now() + SOON;
        loop {
            match TcpStream::connect(&self.addresses[process]) {
                Ok(stream) => return stream,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            thread::yield_now();
        }
    }
}

#[test]
fn processes_exchange_data_and_agree() {
    for count in [1, 2, 3] {
        let hosts = Hosts::new(count);
        let members = hosts.start(Act::Sum);
        for member in members {
            let sum = expected(2 * count as u64);
            member.end(WHOLE).with(0, &[&format!("sums [{sum}, {sum}]")]);
        }
    }
}

#[test]
fn the_order_of_starting_does_not_matter_and_a_shared_secret_does_no_harm() {
    let hosts = Hosts::new(3);
    let secret_file = hosts.secret("good");
    let start =
        |process| Member::start(&Task { secret_file: secret_file.clone(), ..hosts.task(process, Act::Sum) });
    let mut last = start(2);
    last.hear("process 2 of 3: waiting for process 0");
    for member in [last, start(1), start(0)] {
        member.end(WHOLE).with(0, &["sums"]);
    }
}

/// Starts two processes that do not belong together; both must say why and end with 2.
fn mismatch(change: impl FnOnce(&mut Task), first: &[&str], second: &[&str]) {
    let hosts = Hosts::new(3);
    let mut tasks = [0, 1].map(|process| Task { processes: 2, ..hosts.task(process, Act::Sum) });
    change(&mut tasks[1]);
    let [one, other] = tasks.map(|task| Member::start(&task));
    let (one, other) = (one.end(SOON), other.end(SOON));
    assert!(!one.said.contains("sums") && !other.said.contains("sums"));
    one.with(2, first);
    other.with(2, second);
}

#[test]
fn another_job_is_told_with_the_flags_that_differ() {
    mismatch(
        |task| task.job[0].1 = "30s".into(),
        &["process 1", "runs another job: window is 30s there, 10s here"],
        &["process 0", "runs another job: window is 10s there, 30s here"],
    );
}

/// Whichever process it is, nobody is left to wait for one that has ended.
#[test]
fn a_process_of_another_job_is_told_by_name_on_every_host() {
    for other in 0..3 {
        let hosts = Hosts::new(3);
        let mut members: Vec<(usize, Member)> = (0..3)
            .filter(|process| *process != other)
            .map(|process| (process, Member::start(&hosts.task(process, Act::Sum))))
            .collect();
        for (_, member) in &mut members {
            member.hear(&format!("waiting for process {other}"));
        }
        let mut task = hosts.task(other, Act::Sum);
        task.job[0].1 = "30s".into();
        members.push((other, Member::start(&task)));
        for (process, member) in members {
            let end = member.end(SOON);
            let case = format!("process {process}, where {other} is another one: {}", end.said);
            assert!(end.said.contains("window is"), "{case}");
            assert!(process == other || end.said.contains(&format!("process {other}")), "{case}");
        }
    }
}

#[test]
fn another_secret_of_one_host_is_told_on_those_that_it_calls_or_that_call_it() {
    let hosts = Hosts::new(3);
    let (good, bad) = (hosts.secret("good"), hosts.secret("bad"));
    let start = |process: usize, secret_file: &Option<PathBuf>| {
        Member::start(&Task { secret_file: secret_file.clone(), ..hosts.task(process, Act::Sum) })
    };
    let (mut zero, mut two) = (start(0, &good), start(2, &good));
    zero.hear("waiting for process 1");
    two.hear("waiting for process 1");
    let one = start(1, &bad);
    zero.hear("perhaps process 1");
    for member in [one, two] {
        member.end(SOON).with(2, &["has another cluster secret"]);
    }
    let end = zero.end(SOON);
    assert!(
        end.said.contains("process 1") && end.said.contains("has another cluster secret"),
        "{}",
        end.said
    );
}

#[test]
fn processes_of_two_versions_name_both() {
    mismatch(
        |task| task.version = "2.0.0".into(),
        &["is crossrate 2.0.0, this one 1.0.0"],
        &["is crossrate 1.0.0, this one 2.0.0"],
    );
}

#[test]
fn another_number_of_workers_or_processes_is_told() {
    mismatch(|task| task.threads = 3, &["-w 3, this one with -w 2"], &["-w 2, this one with -w 3"]);
    mismatch(|task| task.processes = 3, &["-n 3, this one with -n 2"], &["-n 2, this one with -n 3"]);
}

#[test]
fn another_secret_is_told_to_both_but_ends_only_the_caller() {
    let hosts = Hosts::new(2);
    let (good, bad) = (hosts.secret("good"), hosts.secret("bad"));
    let mut first = Member::start(&Task { secret_file: good.clone(), ..hosts.task(0, Act::Sum) });
    let stranger = Member::start(&Task { secret_file: bad, ..hosts.task(1, Act::Sum) });
    stranger.end(SOON).with(2, &["process 0", "has another cluster secret"]);
    first.hear("has another cluster secret");
    let second = Member::start(&Task { secret_file: good, ..hosts.task(1, Act::Sum) });
    first.end(SOON).with(0, &["sums"]);
    second.end(SOON).with(0, &["sums"]);
}

#[test]
fn the_same_index_twice_is_told_to_the_second() {
    let hosts = Hosts::new(3);
    let mut first = Member::start(&hosts.task(1, Act::Endless));
    let mut zero = Member::start(&hosts.task(0, Act::Endless));
    zero.hear("waiting for process 2");
    // On the same machine the address is taken.
    let twin = Member::start(&hosts.task(1, Act::Endless));
    twin.end(SOON).with(2, &["process 1", "it is taken: two processes were started with -p 1"]);
    first.hear("turned away a process from");
    // On another one it is not.
    let other_hosts = Hosts::new(3);
    let lines = [&hosts.addresses[0], &other_hosts.addresses[1], &hosts.addresses[2]].map(String::as_str);
    fs::write(other_hosts.directory.path().join("hosts"), lines.join("\n")).expect("written");
    let twin = Member::start(&other_hosts.task(1, Act::Endless));
    twin.end(SOON).with(2, &["process 0", "two processes were started with -p 1, and the one from"]);
    zero.hear("turned away a process from");
}

#[test]
fn strangers_neither_crash_nor_stall_the_start() {
    let hosts = Hosts::new(2);
    let mut first = Member::start(&hosts.task(0, Act::Sum));
    drop(hosts.connect(0));
    let mut garbage = hosts.connect(0);
    garbage.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    // A reset is as good as an end.
    let _ = garbage.read_to_end(&mut answer);
    assert!(answer.is_empty(), "told a stranger {answer:?}");
    first.hear("turned away a connection from");
    let hanging: Vec<TcpStream> = (0..100).map(|_| hosts.connect(0)).collect();
    for half in hanging.iter().take(10) {
        // The scanner may have been closed already.
        let _ = (&mut &*half).write_all(b"crossrate-li");
        let _ = half.shutdown(Shutdown::Write);
    }
    let begun = Instant::now();
    let second = Member::start(&hosts.task(1, Act::Sum));
    first.end(SOON).with(0, &["sums"]);
    second.end(SOON).with(0, &["sums"]);
    // Well below the deadline of those that hang.
    assert!(begun.elapsed() < Duration::from_secs(4), "stalled for {:?}", begun.elapsed());
    drop(hanging);
}

#[test]
fn a_missing_process_is_named_after_the_patience() {
    let hosts = Hosts::new(3);
    let start = |process| Member::start(&Task { patience_ms: 3_000, ..hosts.task(process, Act::Sum) });
    let (zero, two) = (start(0), start(2));
    zero.end(SOON).with(1, &["still missing", &format!("process 1 ({})", hosts.addresses[1])]);
    two.end(SOON).with(1, &[&format!("process 1 ({})", hosts.addresses[1])]);
}

#[test]
fn bad_places_are_refused_with_the_reason() {
    let hosts = Hosts::new(2);
    let write = |text: &str| fs::write(hosts.directory.path().join("hosts"), text).expect("written");
    let start = || Member::start(&hosts.task(0, Act::Sum)).end(SOON);
    write("127.0.0.1:1\n127.0.0.1\n");
    start().with(2, &["line 2: `127.0.0.1` has no port"]);
    write("# one\n127.0.0.1:1\n");
    start().with(2, &["has 1 addresses, but -n 2"]);
    write("0.0.0.0:2101\n127.0.0.1:2102\n");
    start().with(2, &["0.0.0.0:2101 can be reached from other machines", "--cluster-secret-file"]);
    let task = Task { process: Some(2), ..hosts.task(0, Act::Sum) };
    Member::start(&task).end(SOON).with(2, &["-p must be below -n"]);
}

#[test]
fn a_killed_process_ends_all_and_is_named() {
    let hosts = Hosts::new(3);
    let mut members = hosts.start(Act::Endless);
    for (index, member) in members.iter_mut().enumerate() {
        member.hear(&format!("ready {index}"));
    }
    signal("KILL", members[1].id());
    let name = format!("process 1 ({}) has ended without a word", hosts.addresses[1]);
    for index in [2, 0] {
        let end = members.remove(index).end(SOON);
        assert!(!end.said.contains("panicked"), "{}", end.said);
        end.with(1, &[&name]);
    }
}

#[test]
fn a_stopped_process_is_noticed() {
    let hosts = Hosts::new(2);
    let mut members = hosts.start(Act::Endless);
    for (index, member) in members.iter_mut().enumerate() {
        member.hear(&format!("ready {index}"));
    }
    signal("STOP", members[1].id());
    let begun = Instant::now();
    members.remove(0).end(WHOLE).with(1, &[&format!("process 1 ({}) has gone silent", hosts.addresses[1])]);
    assert!(begun.elapsed() < WHOLE, "{:?}", begun.elapsed());
    // Woken up, it learns that it was given up.
    let stopped = members.remove(0);
    signal("CONT", stopped.id());
    stopped.end(SOON).with(1, &["has gone silent"]);
}

#[test]
fn a_failure_is_passed_on_with_its_reason() {
    let hosts = Hosts::new(2);
    let mut members = hosts.start(Act::Fail(3));
    let other = members.remove(1);
    members.remove(0).end(WHOLE).with(1, &["has failed with exit code 3: no such file"]);
    other.end(SOON).with(3, &["no such file"]);
}

#[test]
fn a_panic_ends_all_and_names_the_worker() {
    let hosts = Hosts::new(2);
    let mut members = hosts.start(Act::Panic);
    let other = members.remove(1);
    members.remove(0).end(WHOLE).with(1, &["process 1", "has panicked: out of luck"]);
    other.end(SOON).with(1, &["worker", "has panicked, so the run ends", "out of luck"]);
    let alone = Task { processes: 1, ..hosts.task(0, Act::Sum) };
    Member::start(&alone).end(SOON).with(0, &["sums"]);
}

#[test]
fn a_failure_after_the_last_row_is_a_failure_of_all() {
    let hosts = Hosts::new(2);
    let mut members = hosts.start(Act::FailAtLast(1));
    let other = members.remove(1);
    members.remove(0).end(WHOLE).with(1, &["has failed with exit code 1: the disk is full"]);
    other.end(SOON).with(1, &["the disk is full"]);
}

#[test]
fn an_interrupt_of_one_stops_all_in_good_order() {
    let hosts = Hosts::new(2);
    let mut members = hosts.start(Act::Endless);
    for (index, member) in members.iter_mut().enumerate() {
        member.hear(&format!("ready {index}"));
    }
    signal("INT", members[1].id());
    for (index, member) in members.into_iter().enumerate() {
        member.end(SOON).with(130, &[&format!("tidied up {index}")]);
    }
}

#[test]
fn who_waits_for_the_others_can_be_interrupted() {
    let hosts = Hosts::new(2);
    let mut member = Member::start(&hosts.task(0, Act::Sum));
    member.hear("waiting for process 1");
    signal("INT", member.id());
    member.end(SOON).with(130, &["interrupted while waiting"]);
}

#[test]
fn one_command_starts_all() {
    for count in [2, 3] {
        let end = Member::start(&Task::new(count, Act::Sum)).end(WHOLE);
        // Only the first process has standard output.
        assert_eq!(end.said.matches("sums").count(), 1, "{}", end.said);
        let sum = expected(2 * count as u64);
        end.with(0, &[&format!("sums [{sum}, {sum}]")]);
    }
}

/// In the middle of linking each lack of a file ended otherwise: without a word, after a minute, by a panic.
#[test]
fn processes_that_may_open_too_few_files_are_told_so_before_they_begin() {
    for files in [16, 24, 31] {
        let mut shell = Command::new("sh");
        let line = format!("ulimit -n {files}; exec \"$0\" run -n 2 none.jsonl");
        crate::program::without_settings(shell.args(["-c", &line, env!("CARGO_BIN_EXE_crossrate")]));
        let output = shell.stdin(Stdio::null()).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("one of -n 2 needs 32") && said.contains("ulimit -n 65536"), "{said}");
        assert!(!said.contains("without a word") && !said.contains("panicked"), "{said}");
    }
}

#[test]
fn the_first_failure_is_the_failure_of_all() {
    for code in [3, 4] {
        let end = Member::start(&Task::new(3, Act::Fail(code))).end(WHOLE);
        end.with(code.into(), &[&format!("process 1 of 3 has failed with exit code {code}")]);
    }
    Member::start(&Task::new(2, Act::Panic))
        .end(WHOLE)
        .with(1, &["out of luck", "process 1 of 2 has failed"]);
    Member::start(&Task::new(2, Act::FailAtLast(3))).end(WHOLE).with(3, &["the disk is full"]);
}

#[test]
fn one_that_has_had_enough_ends_all_quietly() {
    let end = Member::start(&Task::new(3, Act::Enough)).end(WHOLE);
    assert!(!end.said.contains("ends"), "{}", end.said);
    end.with(0, &[]);
}

#[test]
fn a_killed_child_is_named_with_its_signal() {
    let mut parent = Member::start(&Task::new(3, Act::Endless));
    let ids = parent.ready(3);
    signal("KILL", ids[2]);
    let begun = Instant::now();
    let end = parent.end(SOON);
    assert_eq!(end.said.matches("so the run ends").count(), 1, "one message is enough: {}", end.said);
    end.with(1, &["process 2 of 3 was killed by signal 9 (SIGKILL)"]);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn a_stopped_child_is_named_and_does_not_survive() {
    let mut parent = Member::start(&Task::new(2, Act::Endless));
    let ids = parent.ready(2);
    signal("STOP", ids[1]);
    let begun = Instant::now();
    parent.end(WHOLE).with(1, &["process 1 has gone silent"]);
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}

#[test]
fn an_interrupt_of_the_parent_reaches_all() {
    for name in ["INT", "TERM"] {
        let mut parent = Member::start(&Task::new(3, Act::Endless));
        parent.ready(3);
        signal(name, parent.id());
        let end = parent.end(SOON);
        assert_eq!(end.said.matches("tidied up").count(), 3, "{}", end.said);
        end.with(130, &[]);
    }
}

#[test]
fn control_c_in_a_terminal_is_one_interrupt_for_each() {
    let mut parent = Member::start(&Task::new(3, Act::Endless));
    parent.ready(3);
    signal("INT", format!("-{}", parent.id()));
    let end = parent.end(SOON);
    assert_eq!(end.said.matches("tidied up").count(), 3, "{}", end.said);
    end.with(130, &[]);
}

#[test]
fn an_interrupt_of_one_child_stops_all() {
    let mut parent = Member::start(&Task::new(3, Act::Endless));
    let ids = parent.ready(3);
    signal("INT", ids[1]);
    let end = parent.end(SOON);
    assert_eq!(end.said.matches("tidied up").count(), 3, "{}", end.said);
    end.with(130, &[]);
}

#[test]
fn a_killed_parent_leaves_nobody_behind() {
    let mut parent = Member::start(&Task::new(3, Act::Endless));
    parent.ready(3);
    signal("KILL", parent.id());
    // The pipes end only when the last child does.
    let end = parent.end(SOON);
    assert_eq!(end.code, None);
    assert!(end.said.contains("the process that started this one is gone"), "{}", end.said);
}

// The program itself.

/// The small input that the specification gives, and its rows.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/spec-vector");

fn crossrate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn spec_vector(arguments: &[&str]) -> Command {
    let mut command = crossrate(&["run", "--window", "10s", "--from", &format!("{DATA}/input.jsonl")]);
    command.args(arguments);
    command
}

fn rows() -> String {
    fs::read_to_string(format!("{DATA}/rows.jsonl")).expect("the rows of the spec")
}

#[track_caller]
fn printed(child: Child, code: i32) -> (String, String) {
    let output = child.wait_with_output().expect("ended");
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
    assert_eq!(output.status.code(), Some(code), "{err}");
    (out, err)
}

#[test]
fn the_rows_are_the_same_in_any_number_of_processes() {
    for arguments in [&["-n", "2"] as &[&str], &["-n", "3", "-w", "2"]] {
        let (out, err) = printed(spec_vector(arguments).spawn().expect("started"), 0);
        assert_eq!(out, rows());
        assert_eq!(err.matches("crossrate: read 8 = 7 accepted").count(), 1, "{err}");
    }
    let hosts = Hosts::new(2);
    let hostfile = hosts.directory.path().join("hosts");
    let hostfile = hostfile.to_str().expect("text");
    let [zero, one] = ["0", "1"].map(|process| {
        spec_vector(&["-n", "2", "-p", process, "--hostfile", hostfile]).spawn().expect("started")
    });
    assert_eq!(printed(zero, 0).0, rows());
    assert_eq!(printed(one, 0).0, "");
}

#[test]
fn another_window_is_named_on_both_sides() {
    let hosts = Hosts::new(2);
    let hostfile = hosts.directory.path().join("hosts");
    let hostfile = hostfile.to_str().expect("text");
    let from = format!("{DATA}/input.jsonl");
    let [zero, one] = [("0", "10s"), ("1", "20s")].map(|(process, window)| {
        let job =
            ["run", "--from", &from, "--window", window, "-n", "2", "-p", process, "--hostfile", hostfile];
        crossrate(&job).spawn().expect("started")
    });
    let ((out, err), (other_out, other_err)) = (printed(zero, 2), printed(one, 2));
    assert_eq!((out.as_str(), other_out.as_str()), ("", ""));
    assert!(err.contains("window is 20s there, 10s here"), "{err}");
    assert!(other_err.contains("window is 10s there, 20s here"), "{other_err}");
}

#[test]
fn a_reader_that_goes_away_ends_all_processes_quietly() {
    let mut child = spec_vector(&["-n", "2", "-q"]).spawn().expect("started");
    drop(child.stdout.take());
    let (_, err) = printed(child, 0);
    assert_eq!(err, "");
}
