//! What a shell offers after a flag: the words that it takes, files where it takes a file, else nothing.
//!
//! The flags themselves take texts, so that an error names the variable or the file that a value stood in;
//! the words are told to the generator of completions only.

use super::settings::{ALL, About, Shape};
use super::values;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, ValueHint};

/// The same commands, for completion.
pub(super) fn of(command: Command) -> Command {
    command.mut_args(completed).mut_subcommands(of)
}

fn completed(arg: Arg) -> Arg {
    let Some(about) = ALL.iter().find(|about| arg.get_id() == about.name) else { return arg };
    let words = values::words_of(about.name);
    if !words.is_empty() {
        return arg.value_parser(PossibleValuesParser::new(words));
    }
    match value_name(about) {
        None => arg,
        Some("FILE") => arg.value_hint(ValueHint::FilePath),
        // Most of them are files; `kafka:` and the like are words that a shell would break at the colon.
        Some("SOURCE" | "SINK") => arg.value_hint(ValueHint::AnyPath),
        Some(_) => arg.value_hint(ValueHint::Other),
    }
}

fn value_name(about: &About) -> Option<&'static str> {
    match about.shape {
        Shape::Switch(_) => None,
        Shape::One(value) | Shape::Many(value) | Shape::Several(value) => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Which, settings};
    use super::*;
    use clap_complete::Shell;

    fn script(shell: Shell) -> String {
        let mut script = Vec::new();
        let mut command = of(<super::super::Typed as clap::CommandFactory>::command());
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
        for file in ["--config", "--to", "--summary"] {
            assert!(after(file).contains("compgen -f"), "{}", after(file));
        }
        assert!(script(Shell::Zsh).contains("(final changes)"));
    }

    #[test]
    fn every_word_that_is_offered_is_taken() {
        for about in ALL {
            for word in values::words_of(about.name) {
                let typed =
                    ["crossrate".into(), "config".into(), format!("--{}", about.name), word.to_owned()];
                // `--stay` means nothing without an address, `--at-end keep` without a checkpoint.
                let beside = ["--listen", ":7", "--to", "rows.jsonl"].map(str::to_owned);
                let typed = typed.into_iter().chain(beside).map(std::ffi::OsString::from);
                assert!(super::super::parse(typed, &[]).is_ok(), "--{} {word}", about.name);
                assert!(about.is_for(Which::Run), "{} in {}", about.name, settings::LOGGING);
            }
        }
    }
}
