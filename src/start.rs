//! The beginning of the process: what it may have, and when it was, for with `-v` it says by when what was
//! done.

use crate::config::Verbosity;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

static BEGUN: OnceLock<Instant> = OnceLock::new();

/// The process begins. Without it, it begins when it is first asked.
pub fn begin() {
    BEGUN.get_or_init(Instant::now);
    // Most systems give 1,024 to begin with, for programs of old, and thousands of readers want more.
    let files = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
    // One that was started as `this_program` would be called `exe`.
    let _ = rustix::thread::set_name(c"crossrate");
}

/// This program, for a process that it starts: as it was when it began, whatever an upgrade has put in its
/// place since.
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

/// Says that something is done, and how long after the beginning, to those who want to know everything.
pub fn tell(verbosity: Verbosity, what: impl Display) {
    let begun = BEGUN.get_or_init(Instant::now);
    if verbosity >= Verbosity::Verbose {
        let begun_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(begun_ms, "{begun_ms} ms: {what}");
    }
}
