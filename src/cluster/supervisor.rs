//! `-n N` without `-p`: one process that starts all N on its own machine and treats them as one job.
//!
//! The children are this very program with the same arguments. What makes each of them process i is handed
//! over in the environment, with the private directory (mode 0700) in which they find the secret, made up for
//! this run, and make their sockets. Child 0 has this process's standard output, the child that reads
//! standard input has that, and all have its standard error.
//!
//! The parent does no work. It waits for the first bad end, gives the others a moment to end by themselves
//! (they notice), ends what is left, and exits as the first one did. When the parent itself is killed, the
//! lifelines break and the children end.
//!
//! Where the job has a ledger, an accident (a killed process, a panic, processes that have lost each other)
//! is not the end: all are started again, since a process cannot rejoin, and go on from the last commit. How
//! often, `restarts` decides. An error that a process has reported is no accident: it would come again, or,
//! where another run has taken the job over, take it back from that one.

mod lifelines;
mod private_directory;
mod restarts;

use super::{ClusterError, DIRECTORY_VARIABLE, JOB_VARIABLE, PROCESS_VARIABLE, failure_detector};
use super::{handshake, parent_link};
use crate::signals::note;
use lifelines::Lifelines;
use private_directory::PrivateDirectory;
use restarts::Restarts;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::env;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long the others may take to end by themselves after the first has failed.
const AFTER_FAILURE: Duration = Duration::from_millis(1_500);
/// And after an interrupt, which they may use to tidy up.
const AFTER_INTERRUPT: Duration = Duration::from_secs(10);

/// Runs this program's job in `processes` processes of this machine and returns the exit code of the whole.
/// Tells on standard error which process failed, and how. `reader` is the process that gets standard input.
/// After an accident all are started again, `restarts` times a minute at most.
pub fn supervise(processes: usize, reader: usize, restarts: usize) -> Result<u8, ClusterError> {
    let start = |source| ClusterError::Start { processes, source };
    let (events, inbox) = mpsc::channel();
    // Before the first child is there: its end must not be missed.
    watch_signals(events.clone()).map_err(start)?;
    let job = handshake::hex(&handshake::random::<16>().map_err(start)?);
    let mut bounds = Restarts::new(restarts);
    for attempt in 0.. {
        let plan =
            AttemptPlan { processes, reader, job: &job, attempt, restarts: bounds.allows(Instant::now()) };
        let outcome = {
            let directory = PrivateDirectory::make().map_err(start)?;
            run(&plan, &directory.path, &events, &inbox).map_err(start)?
        };
        let pause = match outcome {
            AttemptOutcome::Ended(code) => return Ok(code),
            AttemptOutcome::Accident => match bounds.take(Instant::now()) {
                Some(pause) => pause,
                None => return Ok(1),
            },
        };
        let (taken, most) = (bounds.taken.len(), bounds.most);
        failure_detector::say(&format!(
            "starting all {processes} processes again from the last commit in {} ms (restart {taken} of {most} within a \
             minute)",
            pause.as_millis()
        ));
        if interrupted_within(pause, &inbox) {
            return Ok(130);
        }
    }
    Ok(1)
}

/// Waits; whether the run was interrupted meanwhile.
fn interrupted_within(pause: Duration, inbox: &Receiver<(u32, SupervisorEvent)>) -> bool {
    let until = Instant::now() + pause;
    loop {
        match inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((_, SupervisorEvent::Interrupt)) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// What the parent waits for.
enum SupervisorEvent {
    /// A child may have ended.
    Child,
    /// The run is to stop.
    Interrupt,
    /// A child has opened its lifeline.
    Line(UnixStream),
    /// A child ends because another one has, and says so.
    Words(String),
}

/// One start of all processes.
struct AttemptPlan<'a> {
    processes: usize,
    reader: usize,
    /// Tells this job from all others, over its restarts.
    job: &'a str,
    attempt: u32,
    /// Whether an accident leads to another one.
    restarts: bool,
}

/// What came of it.
enum AttemptOutcome {
    Ended(u8),
    /// Nothing that an error has reported: it may go better next time.
    Accident,
}

/// All processes from start to end. Lifelines belong to an attempt: what an earlier one's still say counts no
/// more.
fn run(
    plan: &AttemptPlan<'_>,
    directory: &Path,
    events: &Sender<(u32, SupervisorEvent)>,
    inbox: &Receiver<(u32, SupervisorEvent)>,
) -> io::Result<AttemptOutcome> {
    let _lifelines = Lifelines::listen(directory, plan.attempt, events.clone())?;
    let mut processes = ChildProcesses::default();
    processes.restarts = plan.restarts;
    for index in 0..plan.processes {
        // If this fails, those that have begun are ended when `ChildProcesses` is dropped.
        processes.children.push(Some(start(index, plan, directory)?));
    }
    while processes.children.iter().any(Option::is_some) {
        let event = match processes.deadline {
            Some(deadline) => inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok((_, SupervisorEvent::Child)) => processes.reap()?,
            Ok((_, SupervisorEvent::Interrupt)) => processes.interrupt(),
            Ok((attempt, _)) if attempt != plan.attempt => {}
            Ok((_, SupervisorEvent::Line(line))) => processes.add(line),
            Ok((_, SupervisorEvent::Words(words))) => processes.heard(words),
            Err(_) => processes.kill(),
        }
    }
    // The last words of a child may still be on their way.
    while processes.victims && processes.words.is_none() {
        match inbox.recv_timeout(Duration::from_millis(200)) {
            Ok((attempt, SupervisorEvent::Words(words))) if attempt == plan.attempt => {
                processes.words = Some(words)
            }
            Ok((_, SupervisorEvent::Interrupt)) => processes.interrupt(),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    let code = processes.verdict();
    Ok(if processes.accident(code) { AttemptOutcome::Accident } else { AttemptOutcome::Ended(code) })
}

/// The children and what is known of how they ended.
#[derive(Default)]
struct ChildProcesses {
    children: Vec<Option<Child>>,
    lines: Vec<UnixStream>,
    /// The exit code for the first failure that was a child's own.
    failure: Option<u8>,
    /// A child has ended because of another.
    victims: bool,
    /// What it said of that.
    words: Option<String>,
    /// That failure was an accident.
    accident: bool,
    /// An accident leads to a restart.
    restarts: bool,
    interrupted: bool,
    /// The children have been asked to stop.
    asked: bool,
    /// When those that are left are killed.
    deadline: Option<Instant>,
    /// Those that work stop in good order: the deadline has been put off for that, once.
    patient: bool,
    /// They have been: how they end from now on says nothing.
    killed: bool,
}

impl ChildProcesses {
    fn reap(&mut self) -> io::Result<()> {
        for index in 0..self.children.len() {
            let Some(child) = &mut self.children[index] else { continue };
            if let Some(status) = child.try_wait()? {
                self.children[index] = None;
                self.judge(index, status);
            }
        }
        Ok(())
    }

    /// Decides what the end of a child means for the others.
    fn judge(&mut self, index: usize, status: ExitStatus) {
        let panicked = status.code() == Some(failure_detector::PANICKED.into());
        let code = match (status.code(), status.signal()) {
            (Some(_), _) if panicked => 1,
            (Some(code), _) => u8::try_from(code).unwrap_or(1),
            (None, Some(SIGINT)) => 130,
            (None, _) => 1,
        };
        if code == 0 || self.killed {
            return;
        }
        if code == 130 {
            // The others may not know: it may have been interrupted before it was linked to them.
            self.ask_to_stop();
        } else if !self.stops_in_order(code) {
            self.end_within(AFTER_FAILURE);
        }
        if code == failure_detector::VICTIM {
            self.victims = true;
        } else if self.failure.is_none() {
            self.failure = Some(code);
            self.accident = (panicked || status.signal().is_some()) && code != 130;
            let so = self.then(self.accident);
            let who = format!("process {index} of {}", self.children.len());
            match status.signal() {
                _ if code == 130 => {}
                Some(signal) => {
                    let name = signal_hook::low_level::signal_name(signal).unwrap_or("unknown");
                    failure_detector::say(&format!("{who} was killed by signal {signal} ({name}), {so}"));
                }
                None => failure_detector::say(&format!("{who} has failed with exit code {code}, {so}")),
            }
        }
    }

    /// Whether a child has said that it ends because of another's error, of a kind at which those that work
    /// stop in good order: then all have time for that. It may say so before that other one is seen to have
    /// ended, or after.
    fn stops_in_order(&mut self, code: u8) -> bool {
        let reported = failure_detector::REPORTED.contains(&self.failure.unwrap_or(code));
        if reported && self.words.is_some() && !std::mem::replace(&mut self.patient, true) {
            self.deadline = Some(Instant::now() + AFTER_INTERRUPT);
        }
        self.patient
    }

    fn heard(&mut self, words: String) {
        self.words = self.words.take().or(Some(words));
        if let Some(code) = self.failure {
            self.stops_in_order(code);
        }
    }

    fn end_within(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.deadline = Some(self.deadline.map_or(deadline, |before| before.min(deadline)));
    }

    /// The first time all are asked to end in good order, the second time they are made to.
    fn interrupt(&mut self) {
        if std::mem::replace(&mut self.interrupted, true) {
            return self.kill();
        }
        self.ask_to_stop();
    }

    fn ask_to_stop(&mut self) {
        if !std::mem::replace(&mut self.asked, true) {
            for mut line in &self.lines {
                // Who does not hear it has ended.
                let _ = line.write_all(&[parent_link::INTERRUPT]);
            }
        }
        self.end_within(AFTER_INTERRUPT);
    }

    fn add(&mut self, mut line: UnixStream) {
        if self.asked {
            let _ = line.write_all(&[parent_link::INTERRUPT]);
        }
        self.lines.push(line);
    }

    fn kill(&mut self) {
        self.killed = true;
        self.deadline = None;
        for child in self.children.iter_mut().flatten() {
            // An error means that it has ended.
            let _ = child.kill();
        }
    }

    /// What follows from a failure, for people.
    fn then(&self, accident: bool) -> &'static str {
        if accident && self.restarts && !self.asked { "so all of them end" } else { "so the run ends" }
    }

    /// Whether the end, with this code, came by an accident and nobody wanted it.
    fn accident(&self, code: u8) -> bool {
        let unexplained = self.failure.is_none() && self.victims;
        code != 0 && !self.interrupted && !self.asked && (self.accident || unexplained)
    }

    fn verdict(&self) -> u8 {
        match self.failure {
            _ if self.interrupted => 130,
            Some(code) => code,
            None if self.victims => {
                let words = self.words.as_deref().unwrap_or("the processes have lost each other");
                failure_detector::say(&format!("{words}, {}", self.then(true)));
                1
            }
            None => 0,
        }
    }
}

impl Drop for ChildProcesses {
    /// No orphans, whatever happens.
    fn drop(&mut self) {
        self.kill();
        for child in self.children.iter_mut().flatten() {
            let _ = child.wait();
        }
    }
}

fn start(index: usize, plan: &AttemptPlan<'_>, directory: &Path) -> io::Result<Child> {
    let mut command = Command::new(crate::start::this_program()?);
    let mut words = env::args_os();
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    command
        .args(words)
        .env(DIRECTORY_VARIABLE, directory)
        .env(PROCESS_VARIABLE, index.to_string())
        .env(JOB_VARIABLE, format!("{}/{}", plan.job, plan.attempt));
    if index != plan.reader {
        command.stdin(Stdio::null());
    }
    if index > 0 {
        // One of them writes rows: those of all.
        command.stdout(Stdio::null());
    }
    command.spawn()
}

fn watch_signals(events: Sender<(u32, SupervisorEvent)>) -> io::Result<()> {
    // Not SIGHUP: who runs us under nohup has it ignored, and that is inherited.
    let mut signals = Signals::new([SIGCHLD, SIGINT, SIGTERM])?;
    let watching = move || {
        for signal in signals.forever() {
            let event =
                if note(signal) == SIGCHLD { SupervisorEvent::Child } else { SupervisorEvent::Interrupt };
            if events.send((0, event)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("cluster:signals".into()).spawn(watching).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn the_first_failure_that_is_ones_own_decides() {
        let cases: [(&[ExitStatus], u8); 7] = [
            (&[exit(0), exit(0)], 0),
            (&[exit(failure_detector::VICTIM.into()), exit(3), exit(4)], 3),
            (&[exit(0), exit(4), exit(1)], 4),
            (&[exit(130), exit(0)], 130),
            (&[ExitStatus::from_raw(SIGINT), exit(failure_detector::VICTIM.into())], 130),
            (&[ExitStatus::from_raw(9), exit(failure_detector::VICTIM.into())], 1),
            (&[exit(failure_detector::VICTIM.into())], 1),
        ];
        for (ends, code) in cases {
            let mut job = ChildProcesses::default();
            for (index, end) in ends.iter().enumerate() {
                job.judge(index, *end);
            }
            assert_eq!(job.verdict(), code, "{ends:?}");
        }
    }

    #[test]
    fn accidents_are_what_no_error_has_reported() {
        let killed = ExitStatus::from_raw(9);
        let cases: [(&[ExitStatus], bool); 8] = [
            (&[killed, exit(failure_detector::VICTIM.into())], true),
            (&[exit(failure_detector::PANICKED.into()), exit(failure_detector::VICTIM.into())], true),
            (&[exit(failure_detector::VICTIM.into())], true),
            (&[exit(0), exit(0)], false),
            (&[exit(failure_detector::VICTIM.into()), exit(1)], false),
            (&[exit(3), killed], false),
            (&[exit(130), exit(0)], false),
            (&[ExitStatus::from_raw(SIGINT)], false),
        ];
        for (ends, accident) in cases {
            let mut job = ChildProcesses::default();
            for (index, end) in ends.iter().enumerate() {
                job.judge(index, *end);
            }
            let code = job.verdict();
            assert_eq!(job.accident(code), accident, "{ends:?}");
            job.interrupt();
            assert!(!job.accident(code), "who is asked to stop does not begin again");
        }
    }

    #[test]
    fn only_who_says_so_gets_time_to_stop_in_order() {
        let left = |job: &ChildProcesses| {
            job.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
        };
        let says = |job: &mut ChildProcesses| job.heard("process 0 of 2 has failed".to_owned());
        for (code, patient) in [(3, true), (4, true), (1, false), (failure_detector::PANICKED.into(), false)]
        {
            let mut job = ChildProcesses::default();
            job.judge(0, exit(code));
            assert!(left(&job) <= Some(AFTER_FAILURE), "nobody has said anything: {code}");
            says(&mut job);
            assert_eq!(left(&job) > Some(AFTER_FAILURE), patient, "said later: {code}");
            let mut job = ChildProcesses::default();
            says(&mut job);
            job.judge(1, exit(failure_detector::VICTIM.into()));
            job.judge(0, exit(code));
            assert_eq!(left(&job) > Some(AFTER_FAILURE), patient, "said before: {code}");
            let before = job.deadline;
            job.judge(2, exit(failure_detector::VICTIM.into()));
            assert!(!patient || job.deadline == before, "who is through takes nothing off it: {code}");
        }
    }

    #[test]
    fn after_an_interrupt_nothing_else_counts() {
        let mut job = ChildProcesses::default();
        job.interrupt();
        job.judge(0, exit(1));
        assert_eq!(job.verdict(), 130);
        assert!(!job.killed);
        job.interrupt();
        assert!(job.killed);
    }
}
