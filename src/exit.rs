//! How a command ends: the exit codes of `docs/semantics.md#command-line`, and the error that carries one.

use std::error::Error;
use std::fmt;
use std::fs::File;

/// What the process says to its parent.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done,
    /// Whoever read our standard output went away (`| head -1`): we stop without a word.
    PipeClosed,
    /// Something failed that is none of the following.
    Failed,
    /// What was typed makes no sense.
    Usage,
    /// An input or a broker could not be reached or read.
    Unreachable,
    /// A bad record came, and `--strict` was given.
    Refused,
    /// Ctrl-C, or a request to terminate that something is lost by.
    Interrupted,
    /// What the processes that this one started have come to.
    Child(u8),
}

impl Exit {
    /// The code.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done | Exit::PipeClosed => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::Refused => 4,
            Exit::Interrupted => 130,
            Exit::Child(code) => code,
        }
    }
}

/// An error that decides the exit code, and says what to do about it. It may stand anywhere in the chain of
/// an [`anyhow::Error`]; the outermost one counts, and an error without any exits with [`Exit::Failed`].
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
    source: Option<anyhow::Error>,
}

impl Failure {
    /// A failure that says, in lowercase, what could not be done and names the place.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into(), hint: None, source: None }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What it came from.
    #[must_use]
    pub fn because(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The outermost failure in a chain.
    pub fn of(error: &anyhow::Error) -> Option<&Failure> {
        error.chain().find_map(|cause| cause.downcast_ref())
    }

    /// The code to end with.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What the user can do about it.
    pub fn what_to_do(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// What to do where the cause is that the process, or the system, has no file left to open; whatever else was
/// advised then is beside the point.
pub fn without_files(error: &anyhow::Error) -> Option<String> {
    let code = error.chain().find_map(system_code).filter(|code| [EMFILE, ENFILE].contains(code))?;
    Some(match code {
        EMFILE => format!(
            "this process may open {} files and connections; raise that before it starts: ulimit -n 65536",
            crate::start::files()
        ),
        _ => "the system has no file left to open; see /proc/sys/fs/file-max".to_owned(),
    })
}

/// The system's code of a cause. SQLite says only that it cannot open a file.
fn system_code(cause: &(dyn Error + 'static)) -> Option<i32> {
    if let Some(cause) = cause.downcast_ref::<std::io::Error>() {
        return cause.raw_os_error();
    }
    let cause = cause.downcast_ref::<rusqlite::Error>()?;
    let cannot_open = cause.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen);
    if cannot_open { lack_of_files()?.raw_os_error() } else { None }
}

/// Why as many files as a database has cannot be opened by this process, where they cannot.
pub fn lack_of_files() -> Option<std::io::Error> {
    (0..FILES_OF_A_DATABASE).map(|_| File::open("/")).collect::<std::io::Result<Vec<_>>>().err()
}

/// Why a run of so many processes cannot begin here, if it cannot. Each is linked with every other one, and a
/// lack of files in the middle of that names no cause.
pub fn too_few_files(processes: usize) -> Option<Failure> {
    short_of_files(processes, crate::start::files())
}

fn short_of_files(processes: usize, most: usize) -> Option<Failure> {
    let needed = FILES_OF_A_PROCESS + processes.saturating_mul(FILES_OF_A_LINK);
    (processes > 1 && most < needed).then(|| {
        let words = format!(
            "this process may open {most} files and connections, and one of -n {processes} needs {needed}"
        );
        Failure::new(Exit::Failed, words).hint("raise that before it starts: ulimit -n 65536")
    })
}

/// Standard streams, the ledger, a sink, an input or two, and some room.
const FILES_OF_A_PROCESS: usize = 20;
/// The links to another process: five were counted.
const FILES_OF_A_LINK: usize = 6;
/// The database, its log, the log's index, and a journal.
const FILES_OF_A_DATABASE: usize = 4;

/// The process has too many files open, the system has.
const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();
const ENFILE: i32 = rustix::io::Errno::NFILE.raw_os_error();

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// The error by which an interrupted worker ends.
pub fn stopped() -> anyhow::Error {
    Failure::new(Exit::Interrupted, "interrupted").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn without_files_the_advice_is_to_allow_more() {
        let failure = |code| {
            let cause = std::io::Error::from_raw_os_error(code);
            let failure = Failure::new(Exit::Unreachable, "cannot open a.jsonl").hint("check the path");
            anyhow::Error::from(failure.because(cause)).context("partition 0")
        };
        assert!(without_files(&failure(EMFILE)).is_some_and(|hint| hint.contains("ulimit -n")));
        assert_eq!(without_files(&failure(2)), None, "no such file");
    }

    #[test]
    fn processes_that_cannot_be_linked_are_told_so_before_they_begin() {
        assert!(short_of_files(1, 9).is_none(), "there is nobody to link");
        let failure = short_of_files(2, 31).expect("too few");
        assert_eq!(failure.exit().code(), 1);
        let words = failure.to_string();
        assert!(words.contains("may open 31 files") && words.contains("-n 2 needs 32"), "{words}");
        assert!(failure.what_to_do().is_some_and(|hint| hint.contains("ulimit -n")));
        assert!(short_of_files(2, 32).is_none() && short_of_files(16, 256).is_none());
    }

    #[test]
    fn a_failure_is_found_under_context_and_keeps_its_cause() {
        let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let failure =
            Failure::new(Exit::Unreachable, "cannot open a.jsonl").hint("check the path").because(cause);
        let error = Err::<(), _>(failure).context("partition 0").unwrap_err();
        let found = Failure::of(&error).expect("the failure is in the chain");
        assert_eq!((found.exit().code(), found.what_to_do()), (3, Some("check the path")));
        let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
        assert_eq!(chain, ["partition 0", "cannot open a.jsonl", "no such file"]);
    }
}
