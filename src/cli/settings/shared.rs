//! Settings of `run` that other commands take too, by their names, and what is different about them there.

use super::{Agreement, CommandName, CommandSet, SettingText};

/// What a command takes of another one's.
pub(super) fn taken_by(which: CommandName) -> &'static [SharedSetting] {
    match which {
        CommandName::Serve => SERVE_TAKES,
        CommandName::Replay => REPLAY_TAKES,
        CommandName::Explain => EXPLAIN_TAKES,
        CommandName::Inspect => INSPECT_TAKES,
        CommandName::Run | CommandName::Demo | CommandName::Produce | CommandName::Checkpoint => &[],
    }
}

/// A setting as another command takes it: what is listed, and of what decides which rows there are all that
/// makes a difference there.
pub(super) fn of(about: &SettingText, which: CommandName) -> Option<SharedSetting> {
    let decides_rows = matches!(about.agreement, Agreement::AllRuns);
    let is_taken = match which {
        CommandName::Replay => decides_rows,
        CommandName::Explain => decides_rows && !NOT_EXPLAINED.contains(&about.name),
        _ => false,
    };
    let listed = taken_by(which).iter().find(|shared| shared.name == about.name);
    listed.copied().or(is_taken.then(|| shared(about.name)))
}

impl SettingText {
    /// Whether a command takes it.
    pub fn is_for(&self, which: CommandName) -> bool {
        match (which, self.commands) {
            (CommandName::Run, CommandSet::Run | CommandSet::All) => true,
            (CommandName::Demo, CommandSet::Demo | CommandSet::All) => true,
            (CommandName::Produce, commands) => commands == CommandSet::Produce || self.produce.is_some(),
            (CommandName::Checkpoint, _) => self.checkpoint.is_some(),
            (CommandName::Replay, CommandSet::Replay) => true,
            _ => of(self, which).is_some(),
        }
    }

    /// What holds for a command where it is not given.
    pub fn default_for(&self, which: CommandName) -> &'static str {
        let own = match which {
            CommandName::Run | CommandName::Checkpoint => None,
            CommandName::Demo => self.demo_default,
            CommandName::Produce => self.produce.and_then(|produce| produce.default),
            CommandName::Serve | CommandName::Replay | CommandName::Explain | CommandName::Inspect => {
                of(self, which).and_then(|shared| shared.default)
            }
        };
        own.unwrap_or(self.default)
    }

    /// What it means for a command.
    pub fn help_for(&self, which: CommandName) -> &'static str {
        let own = match which {
            CommandName::Produce => self.produce.and_then(|produce| produce.help),
            CommandName::Checkpoint => self.checkpoint,
            _ => of(self, which).and_then(|shared| shared.help),
        };
        own.unwrap_or(self.help)
    }
}

/// A setting of `run` that another command takes too, and what is different about it there.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct SharedSetting {
    pub(super) name: &'static str,
    pub(super) default: Option<&'static str>,
    pub(super) help: Option<&'static str>,
}

const fn shared(name: &'static str) -> SharedSetting {
    SharedSetting { name, default: None, help: None }
}

impl SharedSetting {
    const fn default(self, default: &'static str) -> SharedSetting {
        SharedSetting { default: Some(default), ..self }
    }

    const fn help(self, help: &'static str) -> SharedSetting {
        SharedSetting { help: Some(help), ..self }
    }
}

/// What `serve` takes.
const SERVE_TAKES: &[SharedSetting] = &[
    shared("from")
        .default("none")
        .help("Where rows are: kafka:TOPIC, sqlite:PATH, postgres:URL or a file of rows"),
    shared("brokers"),
    shared("property"),
    shared("kafka-config"),
    shared("listen").default("127.0.0.1:8080"),
    shared("token-file"),
    shared("allow-origin"),
    shared("rate-metrics"),
    shared("history"),
    shared("topic").default("none").help("Topic of the trades that they were made of, for POST /v1/replay"),
    shared("name").help("The job whose rows are served, and whose checkpoint tells how far it is"),
    shared("config"),
    shared("quiet"),
    shared("verbose"),
    shared("log-format"),
];

/// What `inspect` takes.
const INSPECT_TAKES: &[SharedSetting] = &[
    shared("from"),
    shared("brokers"),
    shared("topic"),
    shared("property"),
    shared("kafka-config"),
    shared("format").default("recognised"),
    shared("registry"),
    shared("registry-user"),
    shared("symbol"),
    shared("verify"),
    shared("price-decimals"),
    shared("quantity-decimals"),
    shared("config"),
    shared("quiet"),
    shared("verbose"),
    shared("log-format"),
];

/// What `explain` takes besides what decides which rows there are.
const EXPLAIN_TAKES: &[SharedSetting] = &[
    shared("brokers"),
    shared("offset").default("beginning"),
    shared("property"),
    shared("kafka-config"),
    shared("registry"),
    shared("registry-user"),
    shared("verify"),
    shared("max-drift"),
    shared("window").help("Windows of the job: the first one is explained; repeatable"),
    shared("changes"),
    shared("config"),
    shared("quiet"),
    shared("verbose"),
];

/// What rows are made of that are not explained, and which rows leave.
const NOT_EXPLAINED: [&str; 5] = ["fill", "max-fill", "basis", "stats-last", "rows"];

/// What `replay` takes besides what decides which rows there are.
const REPLAY_TAKES: &[SharedSetting] = &[
    shared("brokers"),
    shared("offset").default("as --since needs it, else beginning"),
    shared("property"),
    shared("kafka-config"),
    shared("registry"),
    shared("registry-user"),
    shared("verify"),
    shared("max-drift"),
    shared("changes"),
    shared("summary"),
    shared("config"),
    shared("threads"),
    shared("speed").default("max").help("Rows at so many times the market's own speed, such as 10x, or max"),
    shared("quiet"),
    shared("verbose"),
    shared("log-format"),
    shared("progress"),
];
