//! `-n N` without `-p`: one process that starts all N on its own machine and treats them as one job.
//!
//! The children are this very program with the same arguments. What makes each of them process i is handed over
//! in the environment, with the private directory (mode 0700) in which they find the secret, made up for this
//! run, and make their sockets. Child 0 has this process's standard output, the child that reads standard input
//! has that, and all have its standard error.
//!
//! The parent does no work. It waits for the first bad end, gives the others a moment to end by themselves (they
//! notice), ends what is left, and exits as the first one did. When the parent itself is killed, the lifelines
//! break and the children end. A restart of the whole job (all of them, since a process cannot rejoin) would be
//! a loop around [`run`], with a new directory each time.

use super::handshake;
use super::lifeline;
use super::places::SECRET;
use super::{ClusterError, DIRECTORY_VARIABLE, PROCESS_VARIABLE, fate};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long the others may take to end by themselves after the first has failed.
const AFTER_FAILURE: Duration = Duration::from_millis(1_500);
/// And after an interrupt, which they may use to tidy up.
const AFTER_INTERRUPT: Duration = Duration::from_secs(10);

/// The longest path of a Unix socket on all systems, with some room.
const LONGEST_SOCKET_PATH: usize = 90;

/// Runs this program's job in `processes` processes of this machine and returns the exit code of the whole. Tells
/// on standard error which process failed, and how. `reader` is the process that gets standard input.
pub fn supervise(processes: usize, reader: usize) -> Result<u8, ClusterError> {
    let start = |source| ClusterError::Start { processes, source };
    let directory = PrivateDirectory::make().map_err(start)?;
    run(processes, reader, &directory.path).map_err(start)
}

/// What the parent waits for.
enum Event {
    /// A child may have ended.
    Child,
    /// The run is to stop.
    Interrupt,
    /// A child has opened its lifeline.
    Line(UnixStream),
    /// A child ends because another one has, and says so.
    Words(String),
}

/// One job from start to end.
fn run(processes: usize, reader: usize, directory: &Path) -> io::Result<u8> {
    let (events, inbox) = mpsc::channel();
    // Before the first child is there: its end must not be missed.
    watch_signals(events.clone())?;
    listen(directory, events)?;
    let mut job = Job::default();
    for index in 0..processes {
        // If this fails, those that have begun are ended by the job's drop.
        job.children.push(Some(start(index, index == reader, directory)?));
    }
    while job.children.iter().any(Option::is_some) {
        let event = match job.deadline {
            Some(deadline) => inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Child) => job.reap()?,
            Ok(Event::Interrupt) => job.interrupt(),
            Ok(Event::Line(line)) => job.add(line),
            Ok(Event::Words(words)) => job.words = job.words.take().or(Some(words)),
            Err(_) => job.kill(),
        }
    }
    // The last words of a child may still be on their way.
    while job.victims && job.words.is_none() {
        match inbox.recv_timeout(Duration::from_millis(200)) {
            Ok(Event::Words(words)) => job.words = Some(words),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Ok(job.verdict())
}

/// The children and what is known of how they ended.
#[derive(Default)]
struct Job {
    children: Vec<Option<Child>>,
    lines: Vec<UnixStream>,
    /// The exit code for the first failure that was a child's own.
    failure: Option<u8>,
    /// A child has ended because of another.
    victims: bool,
    /// What it said of that.
    words: Option<String>,
    interrupted: bool,
    /// The children have been asked to stop.
    asked: bool,
    /// When those that are left are killed.
    deadline: Option<Instant>,
    /// They have been: how they end from now on says nothing.
    killed: bool,
}

impl Job {
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
        let code = match (status.code(), status.signal()) {
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
        } else {
            self.end_within(AFTER_FAILURE);
        }
        if code == fate::VICTIM {
            self.victims = true;
        } else if self.failure.is_none() {
            self.failure = Some(code);
            let who = format!("process {index} of {}", self.children.len());
            match status.signal() {
                _ if code == 130 => {}
                Some(signal) => {
                    let name = signal_hook::low_level::signal_name(signal).unwrap_or("unknown");
                    fate::say(&format!("{who} was killed by signal {signal} ({name}), so the run ends"));
                }
                None => fate::say(&format!("{who} has failed with exit code {code}, so the run ends")),
            }
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
                let _ = line.write_all(&[lifeline::INTERRUPT]);
            }
        }
        self.end_within(AFTER_INTERRUPT);
    }

    fn add(&mut self, mut line: UnixStream) {
        if self.asked {
            let _ = line.write_all(&[lifeline::INTERRUPT]);
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

    fn verdict(&self) -> u8 {
        match self.failure {
            _ if self.interrupted => 130,
            Some(code) => code,
            None if self.victims => {
                let words = self.words.as_deref().unwrap_or("the processes have lost each other");
                fate::say(&format!("{words}, so the run ends"));
                1
            }
            None => 0,
        }
    }
}

impl Drop for Job {
    /// No orphans, whatever happens.
    fn drop(&mut self) {
        self.kill();
        for child in self.children.iter_mut().flatten() {
            let _ = child.wait();
        }
    }
}

fn start(index: usize, reads: bool, directory: &Path) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(env::args_os().skip(1))
        .env(DIRECTORY_VARIABLE, directory)
        .env(PROCESS_VARIABLE, index.to_string());
    if !reads {
        command.stdin(Stdio::null());
    }
    if index > 0 {
        // One of them writes rows: those of all.
        command.stdout(Stdio::null());
    }
    command.spawn()
}

fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    // Not SIGHUP: who runs us under nohup has it ignored, and that is inherited.
    let mut signals = Signals::new([SIGCHLD, SIGINT, SIGTERM])?;
    let watching = move || {
        for signal in signals.forever() {
            let event = if signal == SIGCHLD { Event::Child } else { Event::Interrupt };
            if events.send(event).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("cluster:signals".into()).spawn(watching).map(drop)
}

/// Accepts the children's lifelines. Only who may enter the private directory can connect.
fn listen(directory: &Path, events: Sender<Event>) -> io::Result<()> {
    let listener = UnixListener::bind(directory.join(lifeline::SOCKET))?;
    let listening = move || {
        for line in listener.incoming().flatten() {
            let events = events.clone();
            // A child without its line is only worse informed.
            let _ = thread::Builder::new().name("cluster:line".into()).spawn(move || hear(line, &events));
        }
    };
    thread::Builder::new().name("cluster:lines".into()).spawn(listening).map(drop)
}

/// One child's lifeline: it says why it ends, if it does because of another.
fn hear(mut line: UnixStream, events: &Sender<Event>) -> Option<()> {
    events.send(Event::Line(line.try_clone().ok()?)).ok()?;
    loop {
        let mut length = [0; 2];
        line.read_exact(&mut length).ok()?;
        let mut words = vec![0; u16::from_le_bytes(length).into()];
        line.read_exact(&mut words).ok()?;
        events.send(Event::Words(handshake::printable(&words))).ok()?;
    }
}

/// A fresh directory that only this user can enter, with a fresh secret in it; gone when dropped.
struct PrivateDirectory {
    path: PathBuf,
}

impl PrivateDirectory {
    fn make() -> io::Result<PrivateDirectory> {
        let name = format!("{}{}", lifeline::DIRECTORY, handshake::hex(&handshake::random::<8>()?));
        let mut path = env::temp_dir().join(&name);
        if path.as_os_str().len() > LONGEST_SOCKET_PATH {
            path = Path::new("/tmp").join(&name);
        }
        // Fails if it is there, so nobody can have prepared it.
        DirBuilder::new().mode(0o700).create(&path)?;
        let directory = PrivateDirectory { path };
        let secret = handshake::hex(&handshake::random::<32>()?);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.path.join(SECRET))?;
        file.write_all(secret.as_bytes())?;
        Ok(directory)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // What cannot be removed is empty of anything that is still worth hiding.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_private_directory_is_private_and_goes() {
        let directory = PrivateDirectory::make().expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&directory.path), 0o700);
        assert_eq!(mode(&directory.path.join(SECRET)), 0o600);
        assert_eq!(fs::read(directory.path.join(SECRET)).expect("read").len(), 64);
        let path = directory.path.clone();
        drop(directory);
        assert!(!path.exists());
    }

    fn exit(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn the_first_failure_that_is_ones_own_decides() {
        let cases: [(&[ExitStatus], u8); 7] = [
            (&[exit(0), exit(0)], 0),
            (&[exit(fate::VICTIM.into()), exit(3), exit(4)], 3),
            (&[exit(0), exit(4), exit(1)], 4),
            (&[exit(130), exit(0)], 130),
            (&[ExitStatus::from_raw(SIGINT), exit(fate::VICTIM.into())], 130),
            (&[ExitStatus::from_raw(9), exit(fate::VICTIM.into())], 1),
            (&[exit(fate::VICTIM.into())], 1),
        ];
        for (ends, code) in cases {
            let mut job = Job::default();
            for (index, end) in ends.iter().enumerate() {
                job.judge(index, *end);
            }
            assert_eq!(job.verdict(), code, "{ends:?}");
        }
    }

    #[test]
    fn after_an_interrupt_nothing_else_counts() {
        let mut job = Job::default();
        job.interrupt();
        job.judge(0, exit(1));
        assert_eq!(job.verdict(), 130);
        assert!(!job.killed);
        job.interrupt();
        assert!(job.killed);
    }
}
