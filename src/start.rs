//! Process start: raises the limit of open files, and keeps the time of the start, from which `-v` counts.

use crate::config::Verbosity;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

static BEGUN: OnceLock<Instant> = OnceLock::new();

/// Marks the start of the process. Without this call, the first question for the time marks it.
pub fn begin() {
    BEGUN.get_or_init(Instant::now);
    // Most systems start a process with a limit of 1,024, and thousands of readers need more.
    let files = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
    // One that was started as `this_program` would be called `exe`.
    let _ = rustix::thread::set_name(c"crossrate");
}

/// The program file of this process, for its child processes. An upgrade may have replaced the file since the
/// start; the children run the old one.
pub fn this_program() -> io::Result<PathBuf> {
    let own = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if own.exists() { Ok(own) } else { std::env::current_exe() }
}

/// How many files and connections the process may have open.
pub fn files() -> usize {
    let files = getrlimit(Resource::Nofile).current;
    files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}

/// A process of this machine, for people.
pub(crate) fn owner_of(process: u32) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or("this machine".into(), |host| host.trim().to_owned());
    format!("process {process} on {host}")
}

/// With `-v`, says that a step is done, and the time since the start.
pub fn tell(verbosity: Verbosity, what: impl Display) {
    let begun = BEGUN.get_or_init(Instant::now);
    if verbosity >= Verbosity::Verbose {
        let begun_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(begun_ms, "{begun_ms} ms: {what}");
    }
}
