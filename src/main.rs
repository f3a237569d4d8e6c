//! Parses the command line, runs the command, turns its outcome into an exit code.

use crossrate::cli::{self, ParseStop, ParsedCommand, Task};
use crossrate::cluster::{self, ClusterError, failure_detector};
use crossrate::config::Logging;
use crossrate::exit::{self, Exit, Failure};
use crossrate::{logging, signals};
use std::io::{ErrorKind, Write};

fn main() {
    crossrate::start::begin();
    failure_detector::abort_on_panic();
    let mut words = String::new();
    let outcome = match cli::parse(std::env::args_os(), &environment()) {
        Ok(parsed) => {
            logging::begin(parsed.logging, process_of(&parsed.task));
            let kept = KeptWork::by(&parsed.task);
            let outcome = perform(parsed).or_else(|error| kept.ended_in_order(error));
            outcome.map(|exit| (exit, kept.exit_of(exit)))
        }
        Err(stop) => {
            logging::begin(Logging::default(), None);
            refuse(stop).map(|exit| (exit, exit))
        }
    };
    // What the other processes of a run are told, and whoever has started this one.
    let (told, exit) = outcome.unwrap_or_else(|error| {
        let exit = exit_of(&error);
        if exit != Exit::PipeClosed && exit != Exit::Interrupted {
            tell(&error, exit);
        }
        words = error.to_string();
        (exit, exit)
    });
    failure_detector::end_with(told.code(), &words, exit.code())
}

/// What is left of a command that is asked to terminate.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum KeptWork {
    /// All of it: it goes on from its last commit.
    All,
    /// All of it where it has come to its end.
    AllAtTheEnd,
    /// Not all: windows that were open have given no rows.
    Less,
}

impl KeptWork {
    fn by(task: &Task) -> KeptWork {
        match task {
            // Who has started it is told that it was interrupted.
            Task::Run(_) if cluster::is_started_by_another() => KeptWork::Less,
            Task::Run(config) if config.has_ledger() => KeptWork::All,
            Task::Serve(_) | Task::Produce(_) => KeptWork::AllAtTheEnd,
            _ => KeptWork::Less,
        }
    }

    /// An interrupted run has ended in order: what it had to commit is committed, or it has not begun.
    fn ended_in_order(self, error: anyhow::Error) -> anyhow::Result<Exit> {
        match exit_of(&error) {
            Exit::Interrupted if self == KeptWork::All => Ok(Exit::Interrupted),
            exit if self == KeptWork::All && self.exit_of(exit) == Exit::Done => Ok(exit),
            _ => Err(error),
        }
    }

    /// A request to terminate is followed to the letter where nothing is lost by it.
    fn exit_of(self, exit: Exit) -> Exit {
        if self != KeptWork::Less && is_interrupted(exit) && signals::is_terminated() {
            Exit::Done
        } else {
            exit
        }
    }
}

/// Whether it was interrupted, or the processes were that it started.
fn is_interrupted(exit: Exit) -> bool {
    exit.code() == Exit::Interrupted.code()
}

/// What an error comes to.
fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(cluster) = error.downcast_ref::<ClusterError>() {
        return Exit::Child(cluster.exit_code());
    }
    Failure::of(error).map_or(Exit::Failed, Failure::exit)
}

/// Which process of its run this is, where there are several.
fn process_of(task: &Task) -> Option<usize> {
    match task {
        Task::Run(config) => cluster::number(&config.cluster),
        _ => None,
    }
}

fn perform(parsed: ParsedCommand) -> anyhow::Result<Exit> {
    // The processes that a run starts here have its flags, and it has spoken for them.
    let warnings = if cluster::is_started_by_another() { Vec::new() } else { parsed.warnings };
    for warning in warnings {
        logging::warning(&warning);
    }
    match parsed.task {
        Task::Run(config) => crossrate::run::run(*config),
        Task::Demo(config) => crossrate::demo::command::run(*config),
        Task::Query(query) => crossrate::query::run(&query),
        Task::Inspect(inspect) => crossrate::inspect::run(&inspect),
        Task::Replay(config) => crossrate::replay::run(*config),
        Task::Explain(explain) => crossrate::explain::run(&explain),
        Task::Serve(config) => crossrate::follow::run(&config),
        Task::Produce(config) => crossrate::collect::run(&config),
        Task::Checkpoint(command) => crossrate::checkpoint::run(&command),
        Task::Define(define) => crossrate::define::run(&define),
        Task::Pairs(rest) => print(&crossrate::collect::pairs(&rest)?),
        Task::Top(top) => crossrate::top::run(&top),
        Task::Bench(bench) => crossrate::bench::run(&bench),
        Task::PlainLoop(arguments) => crossrate::bench::plain_loop(arguments),
        Task::Print(text) => print(&text),
    }
}

fn refuse(stop: ParseStop) -> anyhow::Result<Exit> {
    match stop {
        ParseStop::Told(told) => {
            let exit = if told.use_stderr() { Exit::Usage } else { Exit::Done };
            printed(told.print()).map(|printed| if printed == Exit::Done { exit } else { printed })
        }
        ParseStop::Syntax(_) | ParseStop::Usage(_) => {
            logging::error(&stop.to_string(), None, Exit::Usage.code());
            Ok(Exit::Usage)
        }
    }
}

/// The variables that are ours. What is not UTF-8 cannot be a value of any setting and reads as such.
fn environment() -> Vec<(String, String)> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .filter(|(name, _)| name.starts_with("CROSSRATE_"))
        .collect()
}

fn print(text: &str) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// A reader of our standard output that went away ends us quietly.
fn printed(outcome: std::io::Result<()>) -> anyhow::Result<Exit> {
    match outcome {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::PipeClosed),
        Err(error) => Err(anyhow::Error::new(error).context("cannot write to standard output")),
    }
}

/// Prints an error once, with its causes and what to do about it.
fn tell(error: &anyhow::Error, exit: Exit) {
    let mut line = error.to_string();
    for cause in error.chain().skip(1) {
        line.push_str(&format!(": {cause}"));
    }
    let files = exit::without_files(error);
    let hint = files.as_deref().or_else(|| Failure::of(error)?.what_to_do());
    logging::error(&line, hint, exit.code());
}
