//! Every setting there is, once: its name, where it is listed, its default, what it means, how it is read and
//! who must have the same value.
//!
//! From this table come the flags and their help, the names in the environment (`CROSSRATE_` and the name in
//! capitals, `-` as `_`), the keys of the configuration file (the name), and what `crossrate config` prints.
//! A test holds the table of `docs/flags.md` against it.

mod about;
mod agreement;
mod headings;
mod shared;

pub(super) use self::about::{CommandName, Optional, Parse, Setting, SettingText, ValueShape};
use self::agreement::Agreement::{AllProcesses, AllRuns, EachItsOwn};
use self::agreement::kafka;
pub(super) use self::agreement::{Agreement, agreed};
use self::headings::*;
pub(super) use self::headings::{INPUT, LOGGING};
use super::{crosses, places, values};
use crate::config::log::LoggedChange;
use crate::config::{
    AtEnd, DeadLetterTarget, KeepServing, LogFormat, ProgressDisplay, SinkTarget, Speed, StartOffset,
    sink_forms,
};
use crate::duration;
use crate::wire::format::Format;
use about::CommandSet;
use crossrate_dataflows::market::assets::{self, Asset};
use crossrate_dataflows::market::definition::{Basis, Cross, Emit, Fill, MissingLeg, RowKinds};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::windows::Zone;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

macro_rules! switch {
    ($name:literal, $heading:expr, $agreement:expr, $help:literal) => {
        Setting {
            about: SettingText::new(
                $name,
                $heading,
                $agreement,
                ValueShape::Switch(concat!("no-", $name)),
                false,
                $help,
            ),
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
        pub(super) static ALL: &[&SettingText] = &[$(&$id.about),*];
    };
}

settings! {
    FROM: Setting<Vec<String>> = Setting::many("from", "SOURCE", INPUT, AllRuns, values::texts,
        "kafka, files (each is one partition), or - for standard input").several().default("kafka");
    BROKERS: Setting<String> = Setting::one("brokers", "HOST:PORT,..", INPUT, EachItsOwn, places::brokers,
        "Kafka brokers").short('b').alias("bootstrap-server").in_produce_too(None, None)
        .in_checkpoint_too("Kafka brokers").default("localhost:9092");
    TOPIC: Setting<Vec<(String, Option<Format>)>> = Setting::many("topic", "TOPIC[=FORMAT]", INPUT, AllRuns,
        places::topics,
        "Topic of trades, with its own format where it has one; repeatable").short('t').default("trades");
    OFFSET: Optional<StartOffset> =
        Optional::one("offset", "START", INPUT, AllProcesses(|run| Some(kafka(run)?.start.to_string())),
        places::start,
        "Where to begin: beginning, end, an offset, or @EPOCH_MS").short('o')
        .alias("from-offset").default("the checkpoint, else beginning");
    EXIT_AT_END: Setting<bool> =
        switch!("exit-at-end", INPUT, AllProcesses(|run| Some(kafka(run)?.exit_at_end.to_string())),
        "Exit at the end of each log, as it was at the start").short('e');
    EVOLVE: Setting<bool> = switch!("evolve", OUTPUT, EachItsOwn,
        "Change the crosses and symbols of the job that goes on to those of this command");
    AT_END: Setting<AtEnd> =
        Setting::one("at-end", "WHAT", INPUT, AllProcesses(|run| Some(format!("{:?}", run.at_end).to_lowercase())),
        values::at_end,
        "Windows that are open at the end of the input: close them, or keep them in the checkpoint for more input: close or keep")
        .default("close");
    PROPERTY: Optional<Vec<String>> = Optional::many("property", "KEY=VALUE", INPUT, EachItsOwn,
        values::texts,
        "Property of librdkafka, over those of --kafka-config; repeatable").short('X').in_produce_too(None, None)
        .in_checkpoint_too("Property of librdkafka, over those of --kafka-config; repeatable")
        .default("none");
    KAFKA_CONFIG: Optional<PathBuf> = Optional::one("kafka-config", "FILE", INPUT, EachItsOwn, places::path,
        "Properties of librdkafka, a line of key=value each").in_produce_too(None, None)
        .in_checkpoint_too("Properties of librdkafka, a line of key=value each").default("none");
    FORMAT: Setting<Format> = Setting::one("format", "FORMAT", INPUT, AllRuns, values::format,
        "How records are written: binance, a name of `crossrate formats`, or a mapping file").default("binance");
    REGISTRY: Optional<String> = Optional::one("registry", "URL", INPUT, EachItsOwn, places::registry,
        "Schema registry of mappings in Avro and Protobuf, which has Confluent's interface").default("none");
    REGISTRY_USER: Optional<PathBuf> = Optional::one("registry-user", "FILE", INPUT, EachItsOwn, places::path,
        "What the registry wants to know of who asks: USER:PASSWORD, alone in a file").default("none");
    SYMBOL: Optional<String> = Optional::one("symbol", "SYMBOL", INPUT, AllRuns, values::symbol,
        "Symbol of CSV input, over that of the file's name").default("from the file's name");
    VERIFY: Setting<bool> = switch!("verify", INPUT, EachItsOwn,
        "Verify packed files before they are read: by .CHECKSUM beside them, else, beside a checkpoint, by their CRC (off by --no-verify)")
        .default("true");
    PRICE_DECIMALS: Setting<u8> = Setting::one("price-decimals", "P", INPUT, AllRuns, values::decimals,
        "Decimals that prices have at most, 0 to 18; numbers of more are bad").default("8");
    QUANTITY_DECIMALS: Setting<u8> = Setting::one("quantity-decimals", "Q", INPUT, AllRuns, values::decimals,
        "Decimals that quantities have at most, 0 to 18").default("8");
    DEDUP: Setting<bool> = Setting::one("dedup", "HOW", INPUT, AllRuns, values::dedup,
        "Recognise repeated trades within a partition, or take them all: partition or off").default("partition");
    MAX_AHEAD: Setting<u64> = Setting::one("max-ahead", "DURATION", INPUT, AllRuns, values::duration,
        "How far a trade's event time may be past its Kafka timestamp").default("5s");
    MAX_JUMP: Setting<Option<u64>> = Setting::one("max-jump", "DURATION", INPUT, AllRuns,
        values::event_span_or_off,
        "How far past its partition a record's event time may be before the next one bears it out, or off").default("off");
    IDLE_TIMEOUT: Setting<Option<Duration>> =
        Setting::one("idle-timeout", "DURATION", INPUT, AllProcesses(agreement::idle_timeout),
        values::span_or_off,
        "Silence at a log's end after which it holds nobody back, or off").default("30s");
    MAX_DRIFT: Setting<u64> =
        Setting::one("max-drift", "DURATION", INPUT, AllProcesses(|run| Some(duration::show(run.max_drift))),
        values::duration,
        "How far a partition is read ahead of the others; two windows at least").default("1m");
    STRICT: Setting<bool> = switch!("strict", INPUT, AllProcesses(|run| Some(run.strict.to_string())),
        "Refuse the first bad record, and an input without an accepted trade: exit with code 4");
    WINDOW: Setting<Vec<String>> = Setting::many("window", "WINDOW", WINDOWS, AllRuns, values::windows,
        "Windows: 10s, 1m/10s (sliding), 1d, 1w, 1mo, anchored:1d/1m or anchored:all/1m; repeatable")
        .for_commands(CommandSet::All, Some("10s anchored:all/10s")).default("30s");
    SLIDE: Optional<u64> = Optional::one("slide", "DURATION", WINDOWS, AllRuns, values::span,
        "Distance from window to window of the only --window; divides it").in_demo_too().default("the window");
    TIME_ZONE: Setting<Zone> = Setting::one("time-zone", "ZONE", WINDOWS, AllRuns, values::zone,
        "Where days, weeks and months begin: an IANA name").in_demo_too().default("UTC");
    DELAY: Setting<u64> = Setting::one("delay", "DURATION", WINDOWS, AllRuns, values::duration,
        "How far out of order a partition may be").for_commands(CommandSet::All, Some("2s")).default("5s");
    GRACE: Setting<u64> = Setting::one("grace", "DURATION", WINDOWS, AllRuns, values::duration,
        "How long after its end a window may still be corrected").for_commands(CommandSet::All, Some("5s")).default("0s");
    EMIT: Setting<Emit> = Setting::one("emit", "WHEN", WINDOWS, AllRuns, values::emit,
        "Rows when nothing can change them any more, or each change too: final or changes")
        .for_commands(CommandSet::All, Some("changes")).default("final");
    PROVISIONAL: Setting<bool> = switch!("provisional", WINDOWS, AllRuns,
        "Rows of open windows too, at each tick that changed them").for_commands(CommandSet::All, Some("true"));
    TICK: Setting<u64> = Setting::one("tick", "DURATION", WINDOWS, AllRuns, values::span,
        "Steps of event time at which changes are looked at").in_demo_too().default("250ms");
    FILL: Setting<Fill> = Setting::one("fill", "WITH", WINDOWS, AllRuns, values::fill,
        "Windows without trades: no row, a row without prices, or one with the close before: none, null or previous")
        .in_demo_too().default("none");
    MAX_FILL: Optional<u64> = Optional::one("max-fill", "DURATION", WINDOWS, AllRuns, values::duration,
        "How long after its last trades a symbol has such rows").in_demo_too()
        .default("1h, or the window's length if that is more");
    SYMBOLS: Optional<Option<Vec<Symbol>>> = Optional::many("symbols", "A,B|all", CROSSES, AllRuns,
        values::symbols,
        "Symbols with rows of their own besides the legs, or all")
        .for_commands(CommandSet::All, Some("BTCUSDT,ETHUSDT,ETHBTC,XRPUSDT,XRPBTC,XVGBTC"))
        .in_produce_too(None, Some("Symbols to collect besides the legs, or all that trade")).default("none");
    CROSS: Optional<Vec<Cross>> = Optional::many("cross", "NAME=A*B/C", CROSSES, AllRuns, crosses::crosses,
        "Cross rate: the product of its legs, / divides; repeatable")
        .for_commands(CommandSet::All, Some("XVGUSDT=XVGBTC*BTCUSDT XRPETH=XRPBTC/ETHBTC"))
        .in_produce_too(None, Some("Cross rate whose legs are collected; repeatable"))
        .default("XVGUSDT=XVGBTC*BTCUSDT without --crosses and --symbols");
    CROSSES_FILE: Optional<PathBuf> = Optional::one("crosses", "FILE", CROSSES, AllRuns, places::path,
        "More of them: TOML, a table [crosses] of lines NAME = \"A*B/C\"").in_demo_too().in_produce_too(None, None)
        .default("none");
    CHANGES: Optional<Vec<LoggedChange>> =
        Optional::one("changes", "FILE", CROSSES, AllProcesses(agreement::changes), crosses::changes,
        "How the job was changed while it ran: the log that crossrate define list --json tells").default("none");
    QUOTE: Optional<Vec<Asset>> = Optional::many("quote", "ASSET", CROSSES, AllRuns, crosses::assets,
        "A rate of every asset in this currency, by what trades most; repeatable").in_demo_too().default("none");
    QUOTE_ASSETS: Setting<Vec<Asset>> = Setting::many("quote-assets", "A,B", CROSSES, AllRuns,
        crosses::assets, "Assets that end the name of a symbol such as BTCUSDT")
        .for_commands(CommandSet::All, Some(assets::QUOTE_ASSETS_OF_DEMO)).default(assets::QUOTE_ASSETS);
    PAIRS: Optional<PathBuf> = Optional::one("pairs", "FILE", CROSSES, AllRuns, places::path,
        "The assets of symbols: lines symbol,base,quote, as of crossrate pairs").default("as names tell");
    PATH_EVERY: Setting<u64> = Setting::one("path-every", "DURATION", CROSSES, AllRuns, values::span,
        "How often the symbols of a rate are chosen").for_commands(CommandSet::All, Some("30s")).default("1h");
    PATH_LOOKBACK: Setting<u64> = Setting::one("path-lookback", "DURATION", CROSSES, AllRuns, values::span,
        "How far back a symbol's trades count for that").for_commands(CommandSet::All, Some("1m")).default("24h");
    BASIS: Optional<Vec<Basis>> = Optional::many("basis", "NAME[=SYMBOL]", CROSSES, AllRuns, crosses::bases,
        "The cross beside the pair that is traded directly, which has its name unless another is given; repeatable")
        .default("none");
    MISSING_LEG: Setting<MissingLeg> = Setting::one("missing-leg", "WHAT", CROSSES, AllRuns,
        values::missing_leg,
        "Where a leg did not trade: a row without a rate, the leg's earlier window, or no row: null, carry or withhold")
        .in_demo_too().default("null");
    MAX_CARRY: Optional<u64> = Optional::one("max-carry", "DURATION", CROSSES, AllRuns, values::duration,
        "How much earlier that window may be").in_demo_too().default("5m, or the window's length if that is more");
    BACK_FILL: Setting<u64> = Setting::one("back-fill", "DURATION", CROSSES, AllRuns, values::duration,
        "How far a cross that is added while the job runs reaches back").in_demo_too().default("0s");
    STATS_LAST: Setting<Option<u64>> = Setting::one("stats-last", "K", CROSSES, AllRuns, values::stats_last,
        "Statistics over the last K windows with a rate, or all").in_demo_too().default("all");
    TO: Setting<Vec<SinkTarget>> = Setting::many("to", "SINK", OUTPUT, AllProcesses(agreement::sinks),
        places::sinks,
        concat!(sink_forms!(), "; repeatable"))
        .in_checkpoint_too("Where the job's rows go: a file, kafka:TOPIC, sqlite:PATH, postgres:URL, csv:FOLDER or parquet:FOLDER; repeatable")
        .in_produce_too(Some("kafka:trades"), Some("kafka:TOPIC, a file, or - for standard output")).default("stdout");
    ROWS: Setting<RowKinds> = Setting::one("rows", "KINDS", OUTPUT, AllRuns, values::rows,
        "Which rows leave").default("symbol,cross,stats,basis");
    DEAD_LETTER: Optional<DeadLetterTarget> =
        Optional::one("dead-letter", "SINK", OUTPUT, AllProcesses(|run| run.dead_letter.as_ref().map(ToString::to_string)),
        places::dead_letter,
        "Where bad, late and future records go: a file, or kafka:TOPIC").default("counted only");
    SUMMARY: Optional<PathBuf> = Optional::one("summary", "FILE", OUTPUT, EachItsOwn, places::path,
        "At exit, the accounting as one JSON object").in_produce_too(None, None).default("none");
    LISTEN: Optional<Vec<SocketAddr>> = Optional::one("listen", "ADDRESS", SERVING, EachItsOwn,
        places::listen,
        "Serve the page, REST, streams and metrics there, such as 127.0.0.1:8080")
        .for_commands(CommandSet::All, Some("127.0.0.1:8080")).default("none");
    TOKEN_FILE: Optional<PathBuf> = Optional::one("token-file", "FILE", SERVING, EachItsOwn, places::path,
        "The token that whoever asks must send; needed where other machines can ask").in_demo_too().default("none");
    ALLOW_ORIGIN: Optional<Vec<String>> = Optional::many("allow-origin", "ORIGIN", SERVING, EachItsOwn,
        places::origins,
        "Pages of that origin may read here, such as https://desk.example; repeatable").in_demo_too()
        .default("none");
    RATE_METRICS: Setting<usize> = Setting::one("rate-metrics", "N", SERVING, EachItsOwn,
        values::rate_metrics,
        "Of how many crosses, by name, /metrics tells the rates").in_demo_too().default("100");
    HISTORY: Optional<u64> = Optional::one("history", "DURATION", SERVING, EachItsOwn, values::span,
        "How much event time of rows is kept to be served").in_demo_too().default("1h; of files what fits");
    STAY: Setting<KeepServing> = Setting::one("stay", "WHEN", SERVING, EachItsOwn, values::stay,
        "Serve on after the end of the input: auto (on a terminal), always or never").in_demo_too().default("auto");
    SERVE: Setting<bool> = switch!("serve", SERVING, EachItsOwn, "Serve the live page (off by --no-serve)")
        .for_commands(CommandSet::Demo, Some("true"));
    NAME: Setting<String> = Setting::one("name", "NAME", JOB, AllProcesses(|run| Some(run.name.clone())),
        places::job_name,
        "The job: its checkpoint and its transactional id").in_checkpoint_too("The job").default("crossrate");
    FRESH: Setting<bool> = switch!("fresh", JOB, AllProcesses(|run| Some(run.fresh.to_string())),
        "Start anew, ignoring the checkpoint");
    COMMIT_INTERVAL: Setting<u64> = Setting::one("commit-interval", "DURATION", JOB, EachItsOwn,
        values::duration,
        "How long rows may wait to be committed together; 0s commits every closing").default("100ms");
    CONFIG: Optional<PathBuf> = Optional::one("config", "FILE", JOB, EachItsOwn, places::path,
        "Settings in TOML, keys named as these flags").in_demo_too()
        .in_checkpoint_too("Settings in TOML, such as the run's").in_produce_too(None, None).default("none");
    THREADS: Setting<usize> =
        Setting::one("threads", "N", CLUSTER, AllProcesses(|run| Some(run.cluster.threads.to_string())),
        values::threads,
        "Worker threads a process").in_demo_too().short('w').alias("workers").default("1");
    PROCESSES: Setting<usize> =
        Setting::one("processes", "N", CLUSTER, AllProcesses(|run| Some(run.cluster.processes.to_string())),
        values::processes,
        "Processes; all start here unless -p is given").short('n').default("1");
    PROCESS: Optional<usize> = Optional::one("process", "I", CLUSTER, EachItsOwn, values::process,
        "Index of this process, from 0").short('p').default("all of them");
    HOSTFILE: Optional<PathBuf> = Optional::one("hostfile", "FILE", CLUSTER, EachItsOwn, places::path,
        "Addresses of the processes, a line of host:port each").default("localhost:2101 and up");
    CLUSTER_SECRET_FILE: Optional<PathBuf> = Optional::one("cluster-secret-file", "FILE", CLUSTER, EachItsOwn,
        places::path,
        "A secret that the processes share; needed where other machines reach them").default("made up where all start here");
    JOIN_TIMEOUT: Setting<u64> = Setting::one("join-timeout", "DURATION", CLUSTER, EachItsOwn, values::span,
        "How long the processes wait for each other at the start").default("1m");
    RESTARTS: Setting<usize> = Setting::one("restarts", "N", CLUSTER, EachItsOwn, values::restarts,
        "How often a minute all processes start again from the last commit after one was killed").default("3");
    SPEED: Setting<Speed> = Setting::one("speed", "N|max", DEMO, EachItsOwn, values::speed,
        "Seconds of event time per second, or max").for_commands(CommandSet::Demo, None).default("6");
    SEED: Setting<u64> = Setting::one("seed", "N", DEMO, EachItsOwn, values::seed,
        "Seed of the generated market; the same seed gives the same rows")
        .for_commands(CommandSet::Demo, None).default("1");
    DURATION: Setting<u64> = Setting::one("duration", "DURATION", DEMO, EachItsOwn, values::span,
        "How much event time is generated").for_commands(CommandSet::Demo, None).default("4m");
    QUIET: Setting<bool> = switch!("quiet", LOGGING, EachItsOwn,
        "Errors only").in_demo_too().in_checkpoint_too("Errors only")
        .in_produce_too(None, None).short('q');
    SINCE: Optional<EventTime> = Optional::one("since", "TIME", REPLAY, EachItsOwn, places::time,
        "Windows from then on: milliseconds since the epoch, or 2018-04-29T17:13:40Z")
        .for_commands(CommandSet::Replay, None).default("none");
    UNTIL: Optional<EventTime> = Optional::one("until", "TIME", REPLAY, EachItsOwn, places::time,
        "Windows that end by then").for_commands(CommandSet::Replay, None)
        .default("the end of each log, as it is at the start");
    EVENTS: Setting<bool> = switch!("events", REPLAY, EachItsOwn, "Progress in lines among the rows")
        .for_commands(CommandSet::Replay, None).hidden();
    VERBOSE: Setting<bool> = switch!("verbose", LOGGING, EachItsOwn,
        "What happens on the way, too").in_demo_too()
        .in_checkpoint_too("What happens on the way, too")
        .in_produce_too(None, None).short('v');
    LOG_FORMAT: Setting<LogFormat> = Setting::one("log-format", "FORMAT", LOGGING, EachItsOwn,
        values::log_format,
        "How that is written: text, or json, an object a line").in_demo_too()
        .in_checkpoint_too("How that is written: text or json").in_produce_too(None, None).default("text");
    PROGRESS: Setting<ProgressDisplay> = Setting::one("progress", "WHEN", LOGGING, EachItsOwn, values::progress,
        "Show progress on standard error: auto, always or never").in_demo_too().default("auto");
    BATCH_RECORDS: Setting<usize> = Setting::one("batch-records", "N", LOGGING, EachItsOwn,
        values::batch_records,
        "Records a batch at most; no row depends on it").hidden().default("65536");
    ENDPOINT: Setting<String> = Setting::one("endpoint", "URL", COLLECTING, EachItsOwn, places::websocket,
        "The exchange's websocket").for_commands(CommandSet::Produce, None).default("wss://data-stream.binance.vision");
    REST: Setting<String> = Setting::one("rest", "URL", COLLECTING, EachItsOwn, places::rest,
        "The exchange's REST, which knows what trades and fills gaps").for_commands(CommandSet::Produce, None)
        .default("https://data-api.binance.vision");
    FILL_HOLD: Setting<u64> = Setting::one("fill-hold", "DURATION", COLLECTING, EachItsOwn, values::duration,
        "How long newer trades of a partition wait for missing ones")
        .for_commands(CommandSet::Produce, None).default("3s");
    STALL_TIMEOUT: Setting<u64> = Setting::one("stall-timeout", "DURATION", COLLECTING, EachItsOwn,
        values::span,
        "Silence after which a connection is replaced").for_commands(CommandSet::Produce, None).default("10s");
    RENEW_AFTER: Setting<u64> = Setting::one("renew-after", "DURATION", COLLECTING, EachItsOwn, values::span,
        "Age at which a connection is replaced; the exchange cuts it after a day")
        .for_commands(CommandSet::Produce, None).default("23h");
    CAPTURE: Setting<bool> = switch!("capture", COLLECTING, EachItsOwn,
        "Write the time of receipt, in ns, and a blank before each record of a file")
        .for_commands(CommandSet::Produce, None);
    AUDIT_INTERVAL: Setting<u64> = Setting::one("audit-interval", "DURATION", COLLECTING, EachItsOwn,
        values::span,
        "How often the exchange is asked for the last trade of each symbol").for_commands(CommandSet::Produce, None)
        .default("1m");
    CONNECTION_SYMBOLS: Setting<usize> = Setting::one("connection-symbols", "N", COLLECTING, EachItsOwn,
        values::connection_symbols,
        "Symbols a connection at most").for_commands(CommandSet::Produce, None).hidden().default("200");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_commands_share_there_is() {
        for shared in [CommandName::Serve, CommandName::Replay, CommandName::Explain, CommandName::Inspect]
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
