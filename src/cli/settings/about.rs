//! What an entry of the table of settings holds.

use super::agreement::Agreement;
use crate::cli::usage::InvalidValue;

/// What a setting is called and what is said about it.
#[derive(Debug)]
pub struct SettingText {
    /// The flag without its dashes, which is the key in a file too.
    pub name: &'static str,
    /// The short flag.
    pub short: Option<char>,
    /// Another name for the flag that people may expect.
    pub alias: Option<&'static str>,
    /// Under which heading it is listed.
    pub heading: &'static str,
    /// How its value is given.
    pub shape: ValueShape,
    /// What holds where it is not given.
    pub default: &'static str,
    /// Whether the default is words for people and no value; `none` is not worth saying.
    pub optional: bool,
    /// What the demonstration takes instead.
    pub demo_default: Option<&'static str>,
    /// Whether the collector takes it, too.
    pub produce: Option<ProduceSetting>,
    /// What it means to `checkpoint`, where that takes it.
    pub checkpoint: Option<&'static str>,
    /// What it means, in one line.
    pub help: &'static str,
    /// Which commands take it.
    pub commands: CommandSet,
    /// Left out of the help.
    pub hidden: bool,
    /// Who must have the same value.
    pub agreement: Agreement,
}

/// What is different about a setting of the collector.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct ProduceSetting {
    /// What holds where it is not given.
    pub default: Option<&'static str>,
    /// What it means.
    pub help: Option<&'static str>,
}

/// The commands that settings are for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum CommandName {
    /// `run`, and `config`, which tells of it.
    Run,
    /// `demo`.
    Demo,
    /// `produce`.
    Produce,
    /// `checkpoint`.
    Checkpoint,
    /// `serve`.
    Serve,
    /// `replay`.
    Replay,
    /// `explain`.
    Explain,
    /// `inspect`.
    Inspect,
}

/// How a value is given.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ValueShape {
    /// Nothing to give: on, or off by the flag of this name.
    Switch(&'static str),
    /// One value, of this name in the help.
    One(&'static str),
    /// Values; the flag may be repeated.
    Many(&'static str),
    /// Values, several after one flag too.
    Several(&'static str),
}

impl ValueShape {
    /// How the help names the value; a switch has none.
    pub fn value_name(self) -> Option<&'static str> {
        match self {
            ValueShape::Switch(_) => None,
            ValueShape::One(value) | ValueShape::Many(value) | ValueShape::Several(value) => Some(value),
        }
    }
}

/// Which commands take a setting.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum CommandSet {
    /// `run` and `config`.
    Run,
    /// `demo`.
    Demo,
    /// `run`, `config` and `demo`.
    All,
    /// `produce`.
    Produce,
    /// `replay`.
    Replay,
}

/// How texts become a value.
#[derive(Debug)]
pub enum Parse<T> {
    /// The one text there is.
    One(fn(&str) -> Result<T, InvalidValue>),
    /// All texts together.
    Many(fn(&[String]) -> Result<T, InvalidValue>),
}

/// A setting with a default that is written like any value of it.
#[derive(Debug)]
pub struct Setting<T> {
    /// Its name and what is said about it.
    pub about: SettingText,
    /// How it is read.
    pub parse: Parse<T>,
}

/// A setting that need not be there: its default is words, or nothing.
#[derive(Debug)]
pub struct Optional<T> {
    /// Its name and what is said about it.
    pub about: SettingText,
    /// How it is read.
    pub parse: Parse<T>,
}

impl SettingText {
    pub(super) const fn new(
        name: &'static str,
        heading: &'static str,
        agreement: Agreement,
        shape: ValueShape,
        optional: bool,
        help: &'static str,
    ) -> SettingText {
        SettingText {
            name,
            short: None,
            alias: None,
            heading,
            shape,
            default: "",
            optional,
            demo_default: None,
            produce: None,
            checkpoint: None,
            help,
            commands: CommandSet::Run,
            hidden: false,
            agreement,
        }
    }

    /// What the variable of the environment is called.
    pub fn environment(&self) -> String {
        format!("CROSSRATE_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// What both kinds of settings can be told besides.
macro_rules! tellable {
    ($kind:ident, $optional:literal) => {
        impl<T> $kind<T> {
            pub(super) const fn one(
                name: &'static str,
                value: &'static str,
                heading: &'static str,
                agreement: Agreement,
                parse: fn(&str) -> Result<T, InvalidValue>,
                help: &'static str,
            ) -> Self {
                $kind {
                    about: SettingText::new(
                        name,
                        heading,
                        agreement,
                        ValueShape::One(value),
                        $optional,
                        help,
                    ),
                    parse: Parse::One(parse),
                }
            }

            pub(super) const fn many(
                name: &'static str,
                value: &'static str,
                heading: &'static str,
                agreement: Agreement,
                parse: fn(&[String]) -> Result<T, InvalidValue>,
                help: &'static str,
            ) -> Self {
                $kind {
                    about: SettingText::new(
                        name,
                        heading,
                        agreement,
                        ValueShape::Many(value),
                        $optional,
                        help,
                    ),
                    parse: Parse::Many(parse),
                }
            }

            pub(super) const fn default(mut self, default: &'static str) -> Self {
                self.about.default = default;
                self
            }

            pub(super) const fn alias(mut self, alias: &'static str) -> Self {
                self.about.alias = Some(alias);
                self
            }

            pub(super) const fn short(mut self, short: char) -> Self {
                self.about.short = Some(short);
                self
            }

            pub(super) const fn for_commands(
                mut self,
                commands: CommandSet,
                demo_default: Option<&'static str>,
            ) -> Self {
                self.about.commands = commands;
                self.about.demo_default = demo_default;
                self
            }

            pub(super) const fn in_demo_too(self) -> Self {
                self.for_commands(CommandSet::All, None)
            }

            pub(super) const fn in_checkpoint_too(mut self, help: &'static str) -> Self {
                self.about.checkpoint = Some(help);
                self
            }

            pub(super) const fn in_produce_too(
                mut self,
                default: Option<&'static str>,
                help: Option<&'static str>,
            ) -> Self {
                self.about.produce = Some(ProduceSetting { default, help });
                self
            }
        }
    };
}

tellable!(Setting, false);
tellable!(Optional, true);

impl<T> Setting<T> {
    pub(super) const fn hidden(mut self) -> Self {
        self.about.hidden = true;
        self
    }

    pub(super) const fn several(mut self) -> Self {
        if let ValueShape::Many(value) = self.about.shape {
            self.about.shape = ValueShape::Several(value);
        }
        self
    }
}
