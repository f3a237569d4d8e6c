//! The flags of a command, as clap wants them: those of the one table of settings that it takes.

use super::layers::FILES;
use super::settings::{self, ALL, About, LOGGING, Shape, Which};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// Of which command flags are, as the types of clap's structures want it.
pub(super) const RUN: u8 = 0;
pub(super) const DEMO: u8 = 1;
pub(super) const PRODUCE: u8 = 2;
pub(super) const CHECKPOINT: u8 = 3;
pub(super) const SERVE: u8 = 4;
pub(super) const REPLAY: u8 = 5;
pub(super) const INSPECT: u8 = 6;
pub(super) const EXPLAIN: u8 = 7;

const fn which(command: u8) -> Which {
    match command {
        DEMO => Which::Demo,
        PRODUCE => Which::Produce,
        CHECKPOINT => Which::Checkpoint,
        SERVE => Which::Serve,
        REPLAY => Which::Replay,
        INSPECT => Which::Inspect,
        EXPLAIN => Which::Explain,
        _ => Which::Run,
    }
}

/// The flags of the table, for one command, as clap saw them.
#[derive(Debug)]
pub(super) struct Flags<const COMMAND: u8>(pub(super) ArgMatches);

impl<const COMMAND: u8> FromArgMatches for Flags<COMMAND> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Flags(matches.clone()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0 = matches.clone();
        Ok(())
    }
}

impl<const COMMAND: u8> Args for Flags<COMMAND> {
    fn augment_args(command: Command) -> Command {
        let which = which(COMMAND);
        let command = ALL.iter().filter(|about| about.is_for(which)).fold(command, |command, about| {
            let command = command.arg(flag(about, which));
            match about.shape {
                Shape::Switch(off) => command.arg(negative(about, off)),
                _ => command,
            }
        });
        let command = command.disable_help_flag(true).arg(
            Arg::new("help")
                .short('h')
                .long("help")
                .action(ArgAction::Help)
                .help_heading(LOGGING)
                .help("This help"),
        );
        let reads = [Which::Run, Which::Replay, Which::Explain, Which::Serve, Which::Inspect];
        if !reads.contains(&which) {
            return command;
        }
        let help = match which {
            Which::Serve => "A file of rows: the same as --from FILE",
            _ => "Files to read: the same as --from FILE..",
        };
        command.arg(
            Arg::new(FILES)
                .value_name("FILE")
                .num_args(0..)
                .action(ArgAction::Append)
                .help_heading(settings::FROM.about.heading)
                .help(help),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(about: &'static About, which: Which) -> Arg {
    let told = told(about, which);
    let arg = Arg::new(about.name).long(about.name).help_heading(about.heading).hide(about.hidden);
    let arg = match about.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    let arg = match about.alias {
        Some(alias) => arg.alias(alias),
        None => arg,
    };
    // Values that begin with a dash are read as values, so that the error can say what is wrong with them.
    match about.shape {
        Shape::Switch(_) => arg.action(ArgAction::SetTrue).help(about.help_for(which)),
        Shape::One(value) => arg
            .value_name(value)
            .allow_negative_numbers(true)
            .allow_hyphen_values(value == "DURATION")
            .help(told),

        Shape::Many(value) => arg.value_name(value).action(ArgAction::Append).help(told),
        Shape::Several(value) => arg.value_name(value).action(ArgAction::Append).num_args(1..).help(told),
    }
}

fn told(about: &About, which: Which) -> String {
    let (help, default) = (about.help_for(which), about.default_for(which));
    if default == "none" && (about.optional || about.default != default) {
        return help.to_owned();
    }
    format!("{help} [default: {default}]")
}

fn negative(about: &'static About, off: &'static str) -> Arg {
    Arg::new(off).long(off).action(ArgAction::SetTrue).hide(true).overrides_with(about.name)
}
