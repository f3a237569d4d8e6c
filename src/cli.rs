//! What was typed: the command line, the environment and the configuration file, made into a [`Config`] or an
//! error that says what would be right. Knows no Kafka and opens no input; it reads small configuration files
//! only.
//!
//! Read [`settings`] first: the one table that flags, variables, keys and help come from. Then `layers`
//! (which of the places that give a value holds), `values` and `crosses` (texts to values), `check` (values
//! that must fit).

mod check;
mod checkpoint;
mod completion;
mod computed;
mod crosses;
mod examples;
mod explain;
mod file_identity;
mod flags;
mod formats;
mod inspect;
mod layers;
mod manual;
mod outputs;
mod places;
mod properties;
mod quotes;
mod report;
mod settings;
mod source;
mod usage;
mod values;

pub use report::SettingsReport;
pub use usage::UsageError;

use crate::config::bench::Bench;
use crate::config::checkpoint::{Action, CheckpointCommand};
use crate::config::define::{Define, DefinitionPart};
use crate::config::explain::Explain;
use crate::config::inspect::Inspect;
use crate::config::query::Query;
use crate::config::top::Top;
use crate::config::{Config, DemoConfig, Logging, ProduceConfig, ReplayConfig, ServeConfig, Verbosity};
use checkpoint::CheckpointCommands;
use clap::{CommandFactory, Parser, Subcommand};
use examples::{
    CHECKPOINT_EXAMPLES, DEFINE_EXAMPLES, DEMO_EXAMPLES, EXPLAIN_EXAMPLES, INSPECT_EXAMPLES,
    PRODUCE_EXAMPLES, REPLAY_EXAMPLES, RUN_EXAMPLES, SERVE_EXAMPLES, query_examples,
};
use flags::{DEMO, EXPLAIN, Flags, INSPECT, PRODUCE, REPLAY, RUN, SERVE};
use layers::SettingValues;
use settings::{CommandName, LOGGING};
use std::ffi::OsString;

/// What is to be done.
#[derive(Debug)]
pub enum Task {
    /// Compute rows.
    Run(Box<Config>),
    /// Show what it is.
    Demo(Box<DemoConfig>),
    /// See what an input holds.
    Inspect(Box<Inspect>),
    /// Ask about rows in SQL.
    Query(Box<Query>),
    /// Collect trades.
    Produce(Box<ProduceConfig>),
    /// Look at a job's checkpoint, or remove it.
    Checkpoint(CheckpointCommand),
    /// Change a job that runs.
    Define(Define),
    /// Tell the assets of an exchange's symbols, by the address of its REST.
    Pairs(String),
    /// Watch a server.
    Top(Top),
    /// Serve results that exist.
    Serve(Box<ServeConfig>),
    /// Compute past rows.
    Replay(Box<ReplayConfig>),
    /// Say why a row is what it is.
    Explain(Box<Explain>),
    /// Measure this machine.
    Bench(Bench),
    /// Run the loop that this program is measured against, with these arguments.
    PlainLoop(Vec<String>),
    /// Print this: the settings that hold, completions for a shell, or a manual page.
    Print(String),
}

/// A command line that makes sense, and what should be said about it nevertheless.
#[derive(Debug)]
pub struct ParsedCommand {
    /// What is to be done.
    pub task: Task,
    /// What is probably a slip.
    pub warnings: Vec<String>,
    /// How much is told, and how.
    pub logging: Logging,
}

/// A command line that ends before it begins.
#[derive(Debug, thiserror::Error)]
pub enum ParseStop {
    /// Help or the version: asked for, or because nothing was typed.
    #[error("{0}")]
    Told(clap::Error),
    /// What was typed is no command line.
    #[error("{0}")]
    Syntax(String),
    /// What was typed makes no sense.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// Exact cross rates of trades, window by window, as soon as they are proven final.
#[derive(Debug, Parser)]
#[command(name = "crossrate", version, long_version = crate::version::long(), arg_required_else_help = true)]
#[command(after_help = "crossrate COMMAND -h lists the flags of a command.")]
struct CommandLine {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Read trades, compute windows, write rows
    #[command(after_help = RUN_EXAMPLES)]
    Run(Flags<RUN>),
    /// Show it at work on a generated market: no service, no network
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Flags<DEMO>),
    /// Collect trades from the exchange's websocket
    #[command(after_help = PRODUCE_EXAMPLES)]
    Produce(Flags<PRODUCE>),
    /// Print what holds for a run with these flags, and where each value came from
    Config {
        /// As one JSON object
        #[arg(long, help_heading = LOGGING)]
        json: bool,
        #[command(flatten)]
        flags: Flags<RUN>,
    },
    /// Past trades through the dataflow again, with any definition: rows to standard output
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Flags<REPLAY>),
    /// Say why a row is what it is: its firings, watermarks, trades and refusals
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain {
        /// Of a cross or of a symbol
        kind: DefinitionPart,
        /// The first window of the first --window that ends then or later
        #[arg(value_name = "NAME@MOMENT")]
        row: String,
        /// As one JSON object
        #[arg(long, help_heading = LOGGING)]
        json: bool,
        #[command(flatten)]
        flags: Flags<EXPLAIN>,
    },
    /// Change the crosses and symbols of a job that runs
    #[command(after_help = DEFINE_EXAMPLES)]
    Define(Define),
    /// Serve results that exist, and follow them: the page, REST, streams, SQL, metrics
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Flags<SERVE>),
    /// Ask about rows in SQL: files, folders and databases of rows, or a server
    #[command(after_help = query_examples())]
    Query(Box<Query>),
    /// Look at the checkpoint of a job, see whether it is whole, remove it
    #[command(subcommand, alias = "recovery", after_help = CHECKPOINT_EXAMPLES)]
    Checkpoint(CheckpointCommands),
    /// Print which assets each symbol of the exchange trades, for --pairs
    Pairs {
        /// The exchange's REST
        #[arg(long, value_name = "URL", default_value = "https://api.binance.com")]
        rest: String,
    },
    /// Watch a server on a terminal: crosses, statistics, partitions
    Top(Top),
    /// See what is in files or a topic, and which command reads it
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect {
        /// As one JSON object
        #[arg(long, help_heading = LOGGING)]
        json: bool,
        /// Records of each file or partition at most
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = settings::INPUT)]
        limit: Option<u64>,
        #[command(flatten)]
        flags: Flags<INSPECT>,
    },
    /// Measure this machine: `run` beside a plain loop that does the same work
    Bench(Bench),
    /// The plain loop that `bench` measures against
    #[command(hide = true)]
    PlainLoop {
        /// `--window`, `--delay`, `--grace`, `--symbols`, `--cross`, and files
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// List the formats of records that are read, or print the mapping of one
    Formats {
        /// Which one
        name: Option<String>,
    },
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or that of a command
    Man {
        /// Which command
        command: Option<String>,
    },
}

/// What is to be done, and what is said before, unless only errors are to be said.
fn parsed(task: Task, given: SettingValues) -> Result<ParsedCommand, ParseStop> {
    let logging = check::logging(&given)?;
    let quiet = logging.verbosity < Verbosity::Normal;
    Ok(ParsedCommand { task, warnings: if quiet { Vec::new() } else { given.warnings }, logging })
}

/// A task that nothing is to be warned of.
fn plain(task: Task) -> ParsedCommand {
    ParsedCommand { task, warnings: Vec::new(), logging: Logging::default() }
}

fn pairs(rest: &str) -> Result<Task, ParseStop> {
    Ok(Task::Pairs(places::rest(rest).map_err(|wrong| wrong.at("--rest"))?))
}

/// A task that is done by printing.
fn printed(text: String) -> Result<ParsedCommand, ParseStop> {
    Ok(plain(Task::Print(text)))
}

/// Reads a command line, program name first, with the variables of an environment.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &[(String, String)],
) -> Result<ParsedCommand, ParseStop> {
    let typed = CommandLine::try_parse_from(arguments).map_err(stop)?;
    match typed.command {
        CliCommand::Run(flags) => {
            let mut given = SettingValues::collect(&flags.0, environment, CommandName::Run)?;
            let config = check::run(&mut given)?;
            check::warn_of_few_cores(&mut given, &config.cluster);
            parsed(Task::Run(Box::new(config)), given)
        }
        CliCommand::Demo(flags) => {
            let mut given = SettingValues::collect(&flags.0, environment, CommandName::Demo)?;
            let task = Task::Demo(Box::new(check::demo(&mut given)?));
            parsed(task, given)
        }
        CliCommand::Produce(flags) => {
            let given = SettingValues::collect(&flags.0, environment, CommandName::Produce)?;
            let task = Task::Produce(Box::new(check::produce(&given)?));
            parsed(task, given)
        }
        CliCommand::Replay(flags) => {
            let mut given = SettingValues::collect(&flags.0, environment, CommandName::Replay)?;
            let replay = check::replay(&mut given)?;
            check::warn_of_few_cores(&mut given, &replay.config.cluster);
            parsed(Task::Replay(Box::new(replay)), given)
        }
        CliCommand::Explain { kind, row, json, flags } => {
            let mut given = SettingValues::collect(&flags.0, environment, CommandName::Explain)?;
            let task = Task::Explain(Box::new(explain::explain(&mut given, kind, &row, json)?));
            parsed(task, given)
        }
        CliCommand::Serve(flags) => {
            let given = SettingValues::collect(&flags.0, environment, CommandName::Serve)?;
            let task = Task::Serve(Box::new(check::serve(&given)?));
            parsed(task, given)
        }
        CliCommand::Config { json, flags } => config_report(json, &flags, environment),
        CliCommand::Checkpoint(command) => of_checkpoint(command, environment),
        CliCommand::Query(query) => {
            places::asked(&query).map_err(|wrong| wrong.at("FILE"))?;
            Ok(plain(Task::Query(query)))
        }
        CliCommand::Define(define) => Ok(plain(Task::Define(define))),
        CliCommand::Pairs { rest } => Ok(plain(pairs(&rest)?)),
        CliCommand::Top(top) => Ok(plain(Task::Top(top))),
        CliCommand::Bench(bench) => Ok(plain(Task::Bench(bench))),
        CliCommand::PlainLoop { arguments } => Ok(plain(Task::PlainLoop(arguments))),
        CliCommand::Inspect { json, limit, flags } => {
            let mut given = SettingValues::collect(&flags.0, environment, CommandName::Inspect)?;
            let task = Task::Inspect(Box::new(inspect::inspect(&mut given, json, limit)?));
            parsed(task, given)
        }
        CliCommand::Formats { name } => printed(formats::list(name.as_deref())?),
        CliCommand::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(
                shell,
                &mut completion::of(CommandLine::command()),
                "crossrate",
                &mut script,
            );
            let text = String::from_utf8_lossy(&script).into_owned();
            printed(text)
        }
        CliCommand::Man { command } => printed(manual::page(command.as_deref())?),
    }
}

/// What is to be done with a job's checkpoint.
fn of_checkpoint(
    command: CheckpointCommands,
    environment: &[(String, String)],
) -> Result<ParsedCommand, ParseStop> {
    let (action, json, flags) = match command {
        CheckpointCommands::Show { json, flags } => (Action::Show, json, flags),
        CheckpointCommands::Check { json, flags } => (Action::Check, json, flags),
        CheckpointCommands::Reset { yes, json, flags } => (Action::Reset { yes }, json, flags),
    };
    let given = SettingValues::collect(&flags.0, environment, CommandName::Checkpoint)?;
    let store = check::checkpoint(&given)?;
    parsed(Task::Checkpoint(CheckpointCommand { action, json, store }), given)
}

/// What holds for a run with these flags, and where each value came from.
fn config_report(
    json: bool,
    flags: &Flags<RUN>,
    environment: &[(String, String)],
) -> Result<ParsedCommand, ParseStop> {
    let mut given = SettingValues::collect(&flags.0, environment, CommandName::Run)?;
    let config = check::run(&mut given)?;
    let report = SettingsReport::new(&given, &config)?;
    let text = if json { report.json().unwrap_or_default() + "\n" } else { report.text() };
    parsed(Task::Print(text), given)
}

fn stop(error: clap::Error) -> ParseStop {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => ParseStop::Told(error),
        _ => {
            let text = error.render().to_string();
            ParseStop::Syntax(text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::settings::{ALL, Agreement, SettingText, ValueShape};
    use super::*;
    use crate::job_identity::{self, Identity};
    use crossrate_dataflows::market::definition::RowKinds;

    /// What a command line makes, as far as `Debug` tells it.
    fn outcome(line: &str) -> String {
        let arguments = std::iter::once("crossrate").chain(line.split_whitespace()).map(OsString::from);
        match parse(arguments, &[]) {
            Ok(parsed) => format!("{:?} {:?}", parsed.task, parsed.logging),
            Err(stop) => panic!("{line}: {stop}"),
        }
    }

    /// Two processes refuse each other by a setting, and a job goes on from its checkpoint without it, where
    /// its entry says so.
    fn agree(about: &SettingText, lines: [&str; 2]) {
        let [ours, theirs] = lines.map(|line| {
            let arguments = std::iter::once("crossrate").chain(line.split_whitespace()).map(OsString::from);
            match parse(arguments, &[]).expect("it is right").task {
                Task::Run(config) => config,
                other => panic!("{line}: {other:?}"),
            }
        });
        let difference = Identity::of(&ours).difference(&Identity::of(&theirs), "it");
        let is_one_job = job_identity::definition(&ours) == job_identity::definition(&theirs);
        match (about.agreement, difference) {
            // It holds other settings.
            (Agreement::EachItsOwn, _) if about.name == "config" => {}
            (Agreement::EachItsOwn, difference) => assert_eq!(difference, None, "{}", about.name),
            (Agreement::AllRuns, difference) => {
                assert!(!is_one_job && difference.is_some(), "{} is not in the definition", about.name);
                let pairs = job_identity::definition(&theirs);
                let pair = pairs.iter().find(|(name, _)| *name == about.name);
                if let (ValueShape::One("DURATION"), Some((name, value))) = (about.shape, pair) {
                    assert!(crate::duration::parse(value).is_some(), "{name} is no duration: {value}");
                }
            }
            (Agreement::AllProcesses(_), difference) => {
                let words = difference.unwrap_or_else(|| panic!("{} has one value always", about.name));
                let short = about.short.map(|short| format!("-{short} "));
                let is_named = words.contains(&format!(": {} is ", about.name))
                    || short.is_some_and(|short| words.contains(&short));
                assert!(is_one_job && is_named, "{}: {words}", about.name);
            }
        }
    }

    #[test]
    fn no_setting_is_read_and_then_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.to_str().expect("a path in UTF-8").to_owned()
        };
        let toml = file("job.toml", "window = \"7s\"\nfill-hold = \"7s\"");
        let serve_toml = file("serve.toml", "history = \"7s\"");
        let properties = file("kafka.properties", "debug=msg");
        let crosses = file("crosses.toml", "[crosses]\nA = \"B*C\"");
        let pairs = file("pairs.csv", "symbol,base,quote\nX,A,B\n");
        let user = file("user", "me:secret");
        let token = file("token", "correct-horse-battery-staple");
        let log = file("log.json", r#"{"log":[{"change":"drop","kind":"cross","name":"A","from_ms":1}]}"#);
        // What must stand beside a setting so that it has an effect or is allowed, and another value of it.
        let examples = |name: &str| match name {
            "from" => ("", "a.jsonl"),
            "brokers" => ("", "a:1"),
            "topic" | "name" | "symbols" => ("", "A"),
            "offset" => ("", "7"),
            "property" => ("", "client.id=a"),
            "kafka-config" => ("", properties.as_str()),
            "symbol" => ("a.csv", "A"),
            "dedup" | "idle-timeout" => ("", "off"),
            "max-ahead" | "max-jump" | "window" | "delay" | "grace" | "tick" | "max-carry" | "max-fill"
            | "back-fill" | "duration" | "commit-interval" => ("", "7s"),
            "slide" => ("--window 10s", "5s"),
            "time-zone" => ("--window 1d", "Europe/Berlin"),
            "max-drift" | "join-timeout" => ("", "7m"),
            "emit" => ("", "changes"),
            "cross" => ("", "A=B*C"),
            "basis" => ("--cross A=B*C", "A"),
            "quote" => ("", "USDT"),
            "quote-assets" => ("--quote USDT", "A"),
            "pairs" => ("--quote USDT", pairs.as_str()),
            "path-every" => ("--quote USDT --path-lookback 4h", "2h"),
            "path-lookback" => ("--quote USDT", "2h"),
            "crosses" => ("", crosses.as_str()),
            "changes" => ("", log.as_str()),
            "missing-leg" => ("", "carry"),
            "fill" => ("", "previous"),
            "price-decimals" | "quantity-decimals" => ("", "10"),
            "stats-last" | "seed" | "batch-records" | "restarts" => ("", "7"),
            "at-end" => ("-e --to rows.jsonl", "keep"),
            "to" | "dead-letter" | "summary" => ("", "out"),
            "rows" => ("", "cross"),
            "format" => ("", "coinbase"),
            "registry" => ("", "http://a"),
            "registry-user" => ("--registry http://a", user.as_str()),
            "config" => ("", toml.as_str()),
            "threads" | "processes" => ("", "2"),
            "process" => ("-n 2", "1"),
            "hostfile" | "cluster-secret-file" => ("-n 2 -p 1", "file"),
            "listen" => ("", "127.0.0.1:7"),
            "token-file" => ("--listen :7", token.as_str()),
            "allow-origin" => ("--listen :7", "https://a.example"),
            "rate-metrics" => ("--listen :7", "7"),
            "history" => ("--listen :7", "7m"),
            "stay" => ("--listen :7", "never"),
            "speed" => ("", "7"),
            "since" | "until" => ("", "2018-04-29T17:13:40Z"),
            "progress" => ("", "never"),
            "log-format" => ("", "json"),
            "endpoint" => ("", "ws://a"),
            "rest" => ("", "http://a"),
            "fill-hold" | "stall-timeout" | "renew-after" | "audit-interval" => ("", "7s"),
            "connection-symbols" => ("", "7"),
            other => panic!("an example of --{other} is missing"),
        };
        for about in ALL {
            for (command, which) in [
                ("run", CommandName::Run),
                ("demo", CommandName::Demo),
                ("produce", CommandName::Produce),
                ("serve --from kafka:rows", CommandName::Serve),
                ("replay", CommandName::Replay),
            ] {
                let demo = which == CommandName::Demo;
                // What `serve` cannot do without stands beside every other setting.
                if !about.is_for(which) || (about.name, which) == ("from", CommandName::Serve) {
                    continue;
                }
                let (beside, with) = match about.shape {
                    ValueShape::Switch(off) => {
                        let beside = match about.name {
                            "capture" => "--to -",
                            "verify" => "a.csv",
                            _ => "",
                        };
                        for (first, last) in [(about.name, off), (off, about.name)] {
                            let both = outcome(&format!("{command} {beside} --{first} --{last}"));
                            let only = outcome(&format!("{command} {beside} --{last}"));
                            assert_eq!(both, only, "the last one holds");
                        }
                        let given = if about.default_for(which) == "true" { off } else { about.name };
                        (beside, format!("--{given}"))
                    }
                    _ if about.name == "emit" && demo => ("", "--emit final".to_owned()),
                    _ if about.name == "config" && which == CommandName::Serve => {
                        ("", format!("--config {serve_toml}"))
                    }
                    _ => {
                        let (beside, value) = examples(about.name);
                        let beside = if which == CommandName::Serve { "" } else { beside };
                        (beside, format!("--{} {value}", about.name))
                    }
                };
                let lines = [format!("{command} {beside}"), format!("{command} {with} {beside}")];
                let [without, with] = lines.each_ref().map(|line| outcome(line));
                assert_ne!(without, with, "{command} --{} has no effect", about.name);
                if which == CommandName::Run {
                    agree(about, lines.each_ref().map(String::as_str));
                }
            }
        }
    }

    #[test]
    fn no_password_of_a_database_is_printed() {
        let words = ["crossrate", "config", "--to", "postgres://me:hunter2@db/rates"].map(OsString::from);
        let Task::Print(text) = parse(words, &[]).expect("it is right").task else { panic!("a text") };
        assert!(text.contains("postgres://db/rates") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn the_demonstration_computes_what_it_was_made_for() {
        let parsed = parse(["crossrate", "demo"].map(OsString::from), &[]).expect("no flag is needed");
        let Task::Demo(config) = parsed.task else { panic!("a demonstration was asked for") };
        assert_eq!(config.definition, crate::demo::definition());
    }

    #[test]
    fn a_run_is_one_process_and_gives_rows_of_all_kinds() {
        let parsed = parse(["crossrate", "run"].map(OsString::from), &[]).expect("no flag is needed");
        let Task::Run(config) = parsed.task else { panic!("a run was asked for") };
        assert_eq!(config.cluster, crate::config::Cluster::default());
        assert_eq!(config.definition.rows, RowKinds::all());
    }

    #[test]
    fn files_are_partitions_in_the_order_of_the_command_line() {
        let task = outcome("run a --window 10s --from b c --delay 1s d");
        assert!(task.contains(r#"paths: ["a", "b", "c", "d"]"#), "{task}");
    }

    #[test]
    fn clap_finds_no_contradiction_in_the_table() {
        CommandLine::command().debug_assert();
    }
}
