//! Every setting there is, once: its name, where it is listed, its default, what it means and how it is read.
//!
//! From this table come the flags and their help, the names in the environment (`CROSSRATE_` and the name in
//! capitals, `-` as `_`), the keys of the configuration file (the name), and what `crossrate config` prints.
//! A test holds the table of `docs/flags.md` against it.

mod headings;
mod shared;

use self::headings::*;
pub(super) use self::headings::{INPUT, LOGGING};
use super::usage::Wrong;
use super::{computed, crosses, places, quotes, values};
use crate::config::log::LoggedChange;
use crate::config::{
    AtEnd, DeadLetterTarget, LogFormat, Progress, SinkTarget, Speed, StartOffset, Stay, sink_forms,
};
use crate::wire::format::Format;
use crossrate_dataflows::market::assets::{self, Asset};
use crossrate_dataflows::market::definition::{Basis, Cross, Emit, Fill, MissingLeg, RowKinds};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::windows::Zone;
use shared::Shared;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What a setting is called and what is said about it.
#[derive(Debug)]
pub struct About {
    /// The flag without its dashes, which is the key in a file too.
    pub name: &'static str,
    /// The short flag.
    pub short: Option<char>,
    /// Another name for the flag that people may expect.
    pub alias: Option<&'static str>,
    /// Under which heading it is listed.
    pub heading: &'static str,
    /// How its value is given.
    pub shape: Shape,
    /// What holds where it is not given.
    pub default: &'static str,
    /// Whether the default is words for people and no value; `none` is not worth saying.
    pub optional: bool,
    /// What the demonstration takes instead.
    pub demo_default: Option<&'static str>,
    /// Whether the collector takes it, too.
    pub produce: Option<InProduce>,
    /// What it means to `checkpoint`, where that takes it.
    pub checkpoint: Option<&'static str>,
    /// What it means, in one line.
    pub help: &'static str,
    /// Which commands take it.
    pub commands: Commands,
    /// Left out of the help.
    pub hidden: bool,
}

/// What is different about a setting of the collector.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct InProduce {
    /// What holds where it is not given.
    pub default: Option<&'static str>,
    /// What it means.
    pub help: Option<&'static str>,
}

/// The commands that settings are for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Which {
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
pub enum Shape {
    /// Nothing to give: on, or off by the flag of this name.
    Switch(&'static str),
    /// One value, of this name in the help.
    One(&'static str),
    /// Values; the flag may be repeated.
    Many(&'static str),
    /// Values, several after one flag too.
    Several(&'static str),
}

/// Which commands take a setting.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Commands {
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
    One(fn(&str) -> Result<T, Wrong>),
    /// All texts together.
    Many(fn(&[String]) -> Result<T, Wrong>),
}

/// A setting with a default that is written like any value of it.
#[derive(Debug)]
pub struct Setting<T> {
    /// Its name and what is said about it.
    pub about: About,
    /// How it is read.
    pub parse: Parse<T>,
}

/// A setting that need not be there: its default is words, or nothing.
#[derive(Debug)]
pub struct Optional<T> {
    /// Its name and what is said about it.
    pub about: About,
    /// How it is read.
    pub parse: Parse<T>,
}

impl About {
    const fn new(
        name: &'static str,
        heading: &'static str,
        shape: Shape,
        optional: bool,
        help: &'static str,
    ) -> About {
        About {
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
            commands: Commands::Run,
            hidden: false,
        }
    }

    /// What the variable of the environment is called.
    pub fn environment(&self) -> String {
        format!("CROSSRATE_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// Whether a command takes it.
    pub fn is_for(&self, which: Which) -> bool {
        match (which, self.commands) {
            (Which::Run, Commands::Run | Commands::All) => true,
            (Which::Demo, Commands::Demo | Commands::All) => true,
            (Which::Produce, commands) => commands == Commands::Produce || self.produce.is_some(),
            (Which::Checkpoint, _) => self.checkpoint.is_some(),
            (Which::Replay, Commands::Replay) => true,
            _ => self.shared_with(which).is_some(),
        }
    }

    fn shared_with(&self, which: Which) -> Option<&'static Shared> {
        shared::taken_by(which).iter().find(|shared| shared.name == self.name)
    }

    /// What holds for a command where it is not given.
    pub fn default_for(&self, which: Which) -> &'static str {
        let own = match which {
            Which::Run | Which::Checkpoint => None,
            Which::Demo => self.demo_default,
            Which::Produce => self.produce.and_then(|produce| produce.default),
            Which::Serve | Which::Replay | Which::Explain | Which::Inspect => {
                self.shared_with(which).and_then(|shared| shared.default)
            }
        };
        own.unwrap_or(self.default)
    }

    /// What it means for a command.
    pub fn help_for(&self, which: Which) -> &'static str {
        let own = match which {
            Which::Produce => self.produce.and_then(|produce| produce.help),
            Which::Checkpoint => self.checkpoint,
            _ => self.shared_with(which).and_then(|shared| shared.help),
        };
        own.unwrap_or(self.help)
    }
}

/// What both kinds of settings can be told besides.
macro_rules! tellable {
    ($kind:ident, $optional:literal) => {
        impl<T> $kind<T> {
            const fn one(
                name: &'static str,
                value: &'static str,
                heading: &'static str,
                parse: fn(&str) -> Result<T, Wrong>,
                help: &'static str,
            ) -> Self {
                $kind {
                    about: About::new(name, heading, Shape::One(value), $optional, help),
                    parse: Parse::One(parse),
                }
            }

            const fn many(
                name: &'static str,
                value: &'static str,
                heading: &'static str,
                parse: fn(&[String]) -> Result<T, Wrong>,
                help: &'static str,
            ) -> Self {
                $kind {
                    about: About::new(name, heading, Shape::Many(value), $optional, help),
                    parse: Parse::Many(parse),
                }
            }

            const fn default(mut self, default: &'static str) -> Self {
                self.about.default = default;
                self
            }

            const fn alias(mut self, alias: &'static str) -> Self {
                self.about.alias = Some(alias);
                self
            }

            const fn short(mut self, short: char) -> Self {
                self.about.short = Some(short);
                self
            }

            const fn for_commands(mut self, commands: Commands, demo_default: Option<&'static str>) -> Self {
                self.about.commands = commands;
                self.about.demo_default = demo_default;
                self
            }

            const fn in_demo_too(self) -> Self {
                self.for_commands(Commands::All, None)
            }

            const fn in_checkpoint_too(mut self, help: &'static str) -> Self {
                self.about.checkpoint = Some(help);
                self
            }

            const fn in_produce_too(
                mut self,
                default: Option<&'static str>,
                help: Option<&'static str>,
            ) -> Self {
                self.about.produce = Some(InProduce { default, help });
                self
            }
        }
    };
}

tellable!(Setting, false);
tellable!(Optional, true);

impl<T> Setting<T> {
    const fn hidden(mut self) -> Self {
        self.about.hidden = true;
        self
    }

    const fn several(mut self) -> Self {
        if let Shape::Many(value) = self.about.shape {
            self.about.shape = Shape::Several(value);
        }
        self
    }
}

macro_rules! switch {
    ($name:literal, $heading:expr, $help:literal) => {
        Setting {
            about: About::new($name, $heading, Shape::Switch(concat!("no-", $name)), false, $help),
            parse: Parse::One(values::switch),
        }
        .default("false")
    };
}

/// Declares the settings and the list of them, so that none can be left out of the list.
macro_rules! settings {
    ($($id:ident: $type:ty = $setting:expr;)*) => {
        $(pub(super) static $id: $type = $setting;)*
        /// All settings, in the order of the help.
        pub(super) static ALL: &[&About] = &[$(&$id.about),*];
    };
}

settings! {
    FROM: Setting<Vec<String>> = Setting::many("from", "SOURCE", INPUT, values::texts,
        "kafka, files (each is one partition), or - for standard input").several().default("kafka");
    BROKERS: Setting<String> = Setting::one("brokers", "HOST:PORT,..", INPUT, places::brokers,
        "Kafka brokers").short('b').alias("bootstrap-server").in_produce_too(None, None)
        .in_checkpoint_too("Kafka brokers").default("localhost:9092");
    TOPIC: Setting<Vec<(String, Option<Format>)>> = Setting::many("topic", "TOPIC[=FORMAT]", INPUT, places::topics,
        "Topic of trades, with its own format where it has one; repeatable").short('t').default("trades");
    OFFSET: Optional<StartOffset> = Optional::one("offset", "START", INPUT, places::start,
        "Where to begin: beginning, end, an offset, or @EPOCH_MS").short('o')
        .alias("from-offset").default("the checkpoint, else beginning");
    EXIT_AT_END: Setting<bool> = switch!("exit-at-end", INPUT,
        "Exit at the end of each log, as it was at the start").short('e');
    EVOLVE: Setting<bool> = switch!("evolve", OUTPUT,
        "Change the crosses and symbols of the job that goes on to those of this command");
    AT_END: Setting<AtEnd> = Setting::one("at-end", "WHAT", INPUT, values::at_end,
        "Windows that are open at the end of the input: close them, or keep them in the checkpoint for more input: close or keep")
        .default("close");
    PROPERTY: Optional<Vec<String>> = Optional::many("property", "KEY=VALUE", INPUT, values::texts,
        "Property of librdkafka, over those of --kafka-config; repeatable").short('X').in_produce_too(None, None)
        .in_checkpoint_too("Property of librdkafka, over those of --kafka-config; repeatable")
        .default("none");
    KAFKA_CONFIG: Optional<PathBuf> = Optional::one("kafka-config", "FILE", INPUT, places::path,
        "Properties of librdkafka, a line of key=value each").in_produce_too(None, None)
        .in_checkpoint_too("Properties of librdkafka, a line of key=value each").default("none");
    FORMAT: Setting<Format> = Setting::one("format", "FORMAT", INPUT, values::format,
        "How records are written: binance, a name of `crossrate formats`, or a mapping file").default("binance");
    REGISTRY: Optional<String> = Optional::one("registry", "URL", INPUT, places::registry,
        "Schema registry of mappings in Avro and Protobuf, which has Confluent's interface").default("none");
    REGISTRY_USER: Optional<PathBuf> = Optional::one("registry-user", "FILE", INPUT, places::path,
        "What the registry wants to know of who asks: USER:PASSWORD, alone in a file").default("none");
    SYMBOL: Optional<String> = Optional::one("symbol", "SYMBOL", INPUT, values::symbol,
        "Symbol of CSV input, over that of the file's name").default("from the file's name");
    VERIFY: Setting<bool> = switch!("verify", INPUT,
        "Verify packed files before they are read: by .CHECKSUM beside them, else, beside a checkpoint, by their CRC (off by --no-verify)")
        .default("true");
    PRICE_DECIMALS: Setting<u8> = Setting::one("price-decimals", "P", INPUT, values::decimals,
        "Decimals that prices have at most, 0 to 18; numbers of more are bad").default("8");
    QUANTITY_DECIMALS: Setting<u8> = Setting::one("quantity-decimals", "Q", INPUT, values::decimals,
        "Decimals that quantities have at most, 0 to 18").default("8");
    DEDUP: Setting<bool> = Setting::one("dedup", "HOW", INPUT, values::dedup,
        "Recognise repeated trades within a partition, or take them all: partition or off").default("partition");
    MAX_AHEAD: Setting<u64> = Setting::one("max-ahead", "DURATION", INPUT, values::duration,
        "How far a trade's event time may be past its Kafka timestamp").default("5s");
    MAX_JUMP: Setting<Option<u64>> = Setting::one("max-jump", "DURATION", INPUT, values::event_span_or_off,
        "How far past its partition a record's event time may be before the next one bears it out, or off").default("off");
    IDLE_TIMEOUT: Setting<Option<Duration>> = Setting::one("idle-timeout", "DURATION", INPUT, values::span_or_off,
        "Silence at a log's end after which it holds nobody back, or off").default("30s");
    MAX_DRIFT: Setting<u64> = Setting::one("max-drift", "DURATION", INPUT, values::duration,
        "How far a partition is read ahead of the others; two windows at least").default("1m");
    STRICT: Setting<bool> = switch!("strict", INPUT,
        "Refuse the first bad record, and an input without an accepted trade: exit with code 4");

    WINDOW: Setting<Vec<String>> = Setting::many("window", "WINDOW", WINDOWS, values::windows,
        "Windows: 10s, 1m/10s (sliding), 1d, 1w, 1mo, anchored:1d/1m or anchored:all/1m; repeatable")
        .for_commands(Commands::All, Some("10s anchored:all/10s")).default("30s");
    SLIDE: Optional<u64> = Optional::one("slide", "DURATION", WINDOWS, values::span,
        "Distance from window to window of the only --window; divides it").in_demo_too().default("the window");
    TIME_ZONE: Setting<Zone> = Setting::one("time-zone", "ZONE", WINDOWS, values::zone,
        "Where days, weeks and months begin: an IANA name").in_demo_too().default("UTC");
    DELAY: Setting<u64> = Setting::one("delay", "DURATION", WINDOWS, values::duration,
        "How far out of order a partition may be").for_commands(Commands::All, Some("2s")).default("5s");
    GRACE: Setting<u64> = Setting::one("grace", "DURATION", WINDOWS, values::duration,
        "How long after its end a window may still be corrected").for_commands(Commands::All, Some("5s")).default("0s");
    EMIT: Setting<Emit> = Setting::one("emit", "WHEN", WINDOWS, values::emit,
        "Rows when nothing can change them any more, or each change too: final or changes")
        .for_commands(Commands::All, Some("changes")).default("final");
    PROVISIONAL: Setting<bool> = switch!("provisional", WINDOWS,
        "Rows of open windows too, at each tick that changed them").for_commands(Commands::All, Some("true"));
    TICK: Setting<u64> = Setting::one("tick", "DURATION", WINDOWS, values::span,
        "Steps of event time at which changes are looked at").in_demo_too().default("250ms");
    FILL: Setting<Fill> = Setting::one("fill", "WITH", WINDOWS, values::fill,
        "Windows without trades: no row, a row without prices, or one with the close before: none, null or previous")
        .in_demo_too().default("none");
    MAX_FILL: Optional<u64> = Optional::one("max-fill", "DURATION", WINDOWS, values::duration,
        "How long after its last trades a symbol has such rows").in_demo_too()
        .default("1h, or the window's length if that is more");

    SYMBOLS: Optional<Option<Vec<Symbol>>> = Optional::many("symbols", "A,B|all", CROSSES, values::symbols,
        "Symbols with rows of their own besides the legs, or all")
        .for_commands(Commands::All, Some("BTCUSDT,ETHUSDT,ETHBTC,XRPUSDT,XRPBTC,XVGBTC"))
        .in_produce_too(None, Some("Symbols to collect besides the legs, or all that trade")).default("none");
    CROSS: Optional<Vec<Cross>> = Optional::many("cross", "NAME=A*B/C", CROSSES, crosses::crosses,
        "Cross rate: the product of its legs, / divides; repeatable")
        .for_commands(Commands::All, Some("XVGUSDT=XVGBTC*BTCUSDT XRPETH=XRPBTC/ETHBTC"))
        .in_produce_too(None, Some("Cross rate whose legs are collected; repeatable"))
        .default("XVGUSDT=XVGBTC*BTCUSDT without --crosses and --symbols");
    CROSSES_FILE: Optional<PathBuf> = Optional::one("crosses", "FILE", CROSSES, places::path,
        "More of them: TOML, a table [crosses] of lines NAME = \"A*B/C\"").in_demo_too().in_produce_too(None, None)
        .default("none");
    CHANGES: Optional<Vec<LoggedChange>> = Optional::one("changes", "FILE", CROSSES, computed::changes,
        "How the job was changed while it ran: the log that crossrate define list --json tells").default("none");
    QUOTE: Optional<Vec<Asset>> = Optional::many("quote", "ASSET", CROSSES, quotes::assets,
        "A rate of every asset in this currency, by what trades most; repeatable").in_demo_too().default("none");
    QUOTE_ASSETS: Setting<Vec<Asset>> = Setting::many("quote-assets", "A,B", CROSSES, quotes::assets,
        "Assets that end the name of a symbol such as BTCUSDT")
        .for_commands(Commands::All, Some(assets::QUOTE_ASSETS_OF_DEMO)).default(assets::QUOTE_ASSETS);
    PAIRS: Optional<PathBuf> = Optional::one("pairs", "FILE", CROSSES, places::path,
        "The assets of symbols: lines symbol,base,quote, as of crossrate pairs").default("as names tell");
    PATH_EVERY: Setting<u64> = Setting::one("path-every", "DURATION", CROSSES, values::span,
        "How often the symbols of a rate are chosen").for_commands(Commands::All, Some("30s")).default("1h");
    PATH_LOOKBACK: Setting<u64> = Setting::one("path-lookback", "DURATION", CROSSES, values::span,
        "How far back a symbol's trades count for that").for_commands(Commands::All, Some("1m")).default("24h");
    BASIS: Optional<Vec<Basis>> = Optional::many("basis", "NAME[=SYMBOL]", CROSSES, computed::bases,
        "The cross beside the pair that is traded directly, which has its name unless another is given; repeatable")
        .default("none");
    MISSING_LEG: Setting<MissingLeg> = Setting::one("missing-leg", "WHAT", CROSSES, values::missing_leg,
        "Where a leg did not trade: a row without a rate, the leg's earlier window, or no row: null, carry or withhold")
        .in_demo_too().default("null");
    MAX_CARRY: Optional<u64> = Optional::one("max-carry", "DURATION", CROSSES, values::duration,
        "How much earlier that window may be").in_demo_too().default("5m, or the window's length if that is more");
    BACK_FILL: Setting<u64> = Setting::one("back-fill", "DURATION", CROSSES, values::duration,
        "How far a cross that is added while the job runs reaches back").in_demo_too().default("0s");
    STATS_LAST: Setting<Option<u64>> = Setting::one("stats-last", "K", CROSSES, values::stats_last,
        "Statistics over the last K windows with a rate, or all").in_demo_too().default("all");

    TO: Setting<Vec<SinkTarget>> = Setting::many("to", "SINK", OUTPUT, places::sinks,
        concat!(sink_forms!(), "; repeatable"))
        .in_checkpoint_too("Where the job's rows go: a file, kafka:TOPIC, sqlite:PATH, postgres:URL, csv:FOLDER or parquet:FOLDER; repeatable")
        .in_produce_too(Some("kafka:trades"), Some("kafka:TOPIC, a file, or - for standard output")).default("stdout");
    ROWS: Setting<RowKinds> = Setting::one("rows", "KINDS", OUTPUT, values::rows,
        "Which rows leave").default("symbol,cross,stats,basis");
    DEAD_LETTER: Optional<DeadLetterTarget> = Optional::one("dead-letter", "SINK", OUTPUT, places::dead_letter,
        "Where bad, late and future records go: a file, or kafka:TOPIC").default("counted only");
    SUMMARY: Optional<PathBuf> = Optional::one("summary", "FILE", OUTPUT, places::path,
        "At exit, the accounting as one JSON object").in_produce_too(None, None).default("none");

    LISTEN: Optional<Vec<SocketAddr>> = Optional::one("listen", "ADDRESS", SERVING, places::listen,
        "Serve the page, REST, streams and metrics there, such as 127.0.0.1:8080")
        .for_commands(Commands::All, Some("127.0.0.1:8080")).default("none");
    TOKEN_FILE: Optional<PathBuf> = Optional::one("token-file", "FILE", SERVING, places::path,
        "The token that whoever asks must send; needed where other machines can ask").in_demo_too().default("none");
    ALLOW_ORIGIN: Optional<Vec<String>> = Optional::many("allow-origin", "ORIGIN", SERVING, places::origins,
        "Pages of that origin may read here, such as https://desk.example; repeatable").in_demo_too()
        .default("none");
    RATE_METRICS: Setting<usize> = Setting::one("rate-metrics", "N", SERVING, values::rate_metrics,
        "Of how many crosses, by name, /metrics tells the rates").in_demo_too().default("100");
    HISTORY: Optional<u64> = Optional::one("history", "DURATION", SERVING, values::span,
        "How much event time of rows is kept to be served").in_demo_too().default("1h; of files what fits");
    STAY: Setting<Stay> = Setting::one("stay", "WHEN", SERVING, values::stay,
        "Serve on after the end of the input: auto (on a terminal), always or never").in_demo_too().default("auto");
    SERVE: Setting<bool> = switch!("serve", SERVING, "Serve the live page (off by --no-serve)")
        .for_commands(Commands::Demo, Some("true"));

    NAME: Setting<String> = Setting::one("name", "NAME", JOB, places::job_name,
        "The job: its checkpoint and its transactional id").in_checkpoint_too("The job").default("crossrate");
    FRESH: Setting<bool> = switch!("fresh", JOB,
        "Start anew, ignoring the checkpoint");
    COMMIT_INTERVAL: Setting<u64> = Setting::one("commit-interval", "DURATION", JOB, values::duration,
        "How long rows may wait to be committed together; 0s commits every closing").default("100ms");
    CONFIG: Optional<PathBuf> = Optional::one("config", "FILE", JOB, places::path,
        "Settings in TOML, keys named as these flags").in_demo_too()
        .in_checkpoint_too("Settings in TOML, such as the run's").in_produce_too(None, None).default("none");

    THREADS: Setting<usize> = Setting::one("threads", "N", CLUSTER, values::threads,
        "Worker threads a process").in_demo_too().short('w').alias("workers").default("1");
    PROCESSES: Setting<usize> = Setting::one("processes", "N", CLUSTER, values::processes,
        "Processes; all start here unless -p is given").short('n').default("1");
    PROCESS: Optional<usize> = Optional::one("process", "I", CLUSTER, values::process,
        "Index of this process, from 0").short('p').default("all of them");
    HOSTFILE: Optional<PathBuf> = Optional::one("hostfile", "FILE", CLUSTER, places::path,
        "Addresses of the processes, a line of host:port each").default("localhost:2101 and up");
    CLUSTER_SECRET_FILE: Optional<PathBuf> = Optional::one("cluster-secret-file", "FILE", CLUSTER, places::path,
        "A secret that the processes share; needed where other machines reach them").default("made up where all start here");
    JOIN_TIMEOUT: Setting<u64> = Setting::one("join-timeout", "DURATION", CLUSTER, values::span,
        "How long the processes wait for each other at the start").default("1m");
    RESTARTS: Setting<usize> = Setting::one("restarts", "N", CLUSTER, values::restarts,
        "How often a minute all processes start again from the last commit after one was killed").default("3");

    SPEED: Setting<Speed> = Setting::one("speed", "N|max", DEMO, values::speed,
        "Seconds of event time per second, or max").for_commands(Commands::Demo, None).default("6");
    SEED: Setting<u64> = Setting::one("seed", "N", DEMO, values::seed,
        "Seed of the generated market; the same seed gives the same rows").for_commands(Commands::Demo, None).default("1");
    DURATION: Setting<u64> = Setting::one("duration", "DURATION", DEMO, values::span,
        "How much event time is generated").for_commands(Commands::Demo, None).default("4m");

    QUIET: Setting<bool> = switch!("quiet", LOGGING, "Errors only").in_demo_too().in_checkpoint_too("Errors only")
        .in_produce_too(None, None).short('q');
    SINCE: Optional<EventTime> = Optional::one("since", "TIME", REPLAY, places::time,
        "Windows from then on: milliseconds since the epoch, or 2018-04-29T17:13:40Z")
        .for_commands(Commands::Replay, None).default("none");
    UNTIL: Optional<EventTime> = Optional::one("until", "TIME", REPLAY, places::time,
        "Windows that end by then").for_commands(Commands::Replay, None).default("the end of each log, as it is at the start");
    EVENTS: Setting<bool> = switch!("events", REPLAY, "Progress in lines among the rows")
        .for_commands(Commands::Replay, None).hidden();

    VERBOSE: Setting<bool> = switch!("verbose", LOGGING, "What happens on the way, too").in_demo_too()
        .in_checkpoint_too("What happens on the way, too")
        .in_produce_too(None, None).short('v');
    LOG_FORMAT: Setting<LogFormat> = Setting::one("log-format", "FORMAT", LOGGING, values::log_format,
        "How that is written: text, or json, an object a line").in_demo_too()
        .in_checkpoint_too("How that is written: text or json").in_produce_too(None, None).default("text");
    PROGRESS: Setting<Progress> = Setting::one("progress", "WHEN", LOGGING, values::progress,
        "Show progress on standard error: auto, always or never").in_demo_too().default("auto");
    BATCH_RECORDS: Setting<usize> = Setting::one("batch-records", "N", LOGGING, values::batch_records,
        "Records a batch at most; no row depends on it").hidden().default("65536");

    ENDPOINT: Setting<String> = Setting::one("endpoint", "URL", COLLECTING, places::websocket,
        "The exchange's websocket").for_commands(Commands::Produce, None).default("wss://data-stream.binance.vision");
    REST: Setting<String> = Setting::one("rest", "URL", COLLECTING, places::rest,
        "The exchange's REST, which knows what trades and fills gaps").for_commands(Commands::Produce, None)
        .default("https://data-api.binance.vision");
    FILL_HOLD: Setting<u64> = Setting::one("fill-hold", "DURATION", COLLECTING, values::duration,
        "How long newer trades of a partition wait for missing ones").for_commands(Commands::Produce, None).default("3s");
    STALL_TIMEOUT: Setting<u64> = Setting::one("stall-timeout", "DURATION", COLLECTING, values::span,
        "Silence after which a connection is replaced").for_commands(Commands::Produce, None).default("10s");
    RENEW_AFTER: Setting<u64> = Setting::one("renew-after", "DURATION", COLLECTING, values::span,
        "Age at which a connection is replaced; the exchange cuts it after a day")
        .for_commands(Commands::Produce, None).default("23h");
    CAPTURE: Setting<bool> = switch!("capture", COLLECTING,
        "Write the time of receipt, in ns, and a blank before each record of a file")
        .for_commands(Commands::Produce, None);
    AUDIT_INTERVAL: Setting<u64> = Setting::one("audit-interval", "DURATION", COLLECTING, values::span,
        "How often the exchange is asked for the last trade of each symbol").for_commands(Commands::Produce, None)
        .default("1m");
    CONNECTION_SYMBOLS: Setting<usize> = Setting::one("connection-symbols", "N", COLLECTING, values::connection_symbols,
        "Symbols a connection at most").for_commands(Commands::Produce, None).hidden().default("200");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_commands_share_there_is() {
        for shared in [Which::Serve, Which::Replay, Which::Explain, Which::Inspect]
            .into_iter()
            .flat_map(shared::taken_by)
        {
            assert!(ALL.iter().any(|about| about.name == shared.name), "{}", shared.name);
        }
    }

    #[test]
    fn names_are_unique_and_fit_flags_variables_and_keys() {
        let mut names = BTreeSet::new();
        let mut shorts = BTreeSet::from(['h', 'V']);
        for about in ALL {
            let right = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(about.name.chars().all(right), "{}", about.name);
            assert!(names.insert(about.name), "{} twice", about.name);
            assert!(!about.default.is_empty(), "{} has no default", about.name);
            assert!(!about.help.ends_with('.'), "{}: {}", about.name, about.help);
            if let Some(short) = about.short {
                assert!(shorts.insert(short), "-{short} twice");
            }
        }
    }
}
