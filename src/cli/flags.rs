//! The flags of a command, as clap wants them: those of the one table of settings that it takes.

use super::layers::FILES;
use super::settings::{self, ALL, CommandName, LOGGING, SettingText, ValueShape};
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

const fn which(command: u8) -> CommandName {
    match command {
        DEMO => CommandName::Demo,
        PRODUCE => CommandName::Produce,
        CHECKPOINT => CommandName::Checkpoint,
        SERVE => CommandName::Serve,
        REPLAY => CommandName::Replay,
        INSPECT => CommandName::Inspect,
        EXPLAIN => CommandName::Explain,
        _ => CommandName::Run,
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
                ValueShape::Switch(off) => command.arg(negative(about, off)),
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
        let reads = [
            CommandName::Run,
            CommandName::Replay,
            CommandName::Explain,
            CommandName::Serve,
            CommandName::Inspect,
        ];
        if !reads.contains(&which) {
            return command;
        }
        let help = match which {
            CommandName::Serve => "A file of rows: the same as --from FILE",
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

fn flag(about: &'static SettingText, which: CommandName) -> Arg {
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
        ValueShape::Switch(_) => arg.action(ArgAction::SetTrue).help(about.help_for(which)),
        ValueShape::One(value) => arg
            .value_name(value)
            .allow_negative_numbers(true)
            .allow_hyphen_values(value == "DURATION")
            .help(told),

        ValueShape::Many(value) => arg.value_name(value).action(ArgAction::Append).help(told),
        ValueShape::Several(value) => {
            arg.value_name(value).action(ArgAction::Append).num_args(1..).help(told)
        }
    }
}

fn told(about: &SettingText, which: CommandName) -> String {
    let (help, default) = (about.help_for(which), about.default_for(which));
    if default == "none" && (about.optional || about.default != default) {
        return help.to_owned();
    }
    format!("{help} [default: {default}]")
}

fn negative(about: &'static SettingText, off: &'static str) -> Arg {
    Arg::new(off).long(off).action(ArgAction::SetTrue).hide(true).overrides_with(about.name)
}
