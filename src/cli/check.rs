//! From single settings to a run that makes sense as a whole: everything that involves two settings is asked
//! here.

mod processes;
mod serving;

pub(super) use processes::warn_of_few_cores;

use super::computed::{definition, wanted};
use super::layers::{Origin, SettingValues};
use super::properties::{self, Property};
use super::settings::{self as s, SettingText};
use super::source::{can_be_read_again, keeps_what_is_open, only_topic, source};
use super::usage::{InvalidValue, UsageError};
use super::{outputs, places};
use crate::config::checkpoint::CheckpointStore;
use crate::config::{
    Cluster, Config, DeadLetterTarget, DemoConfig, FileSource, KafkaClient, Logging, ProduceConfig,
    ProduceTarget, ReplayConfig, ServeConfig, SinkTarget, Source, StartOffset, Verbosity, ledger_of,
};
use crate::duration;
use crate::wire::format::Format;
use crossrate_dataflows::market::definition::{Definition, Selection};
use processes::cluster;
use serving::{serving, serving_at};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Where the read side is, unless it is said otherwise.
const SERVE_PORT: u16 = 8080;

/// A run.
pub(super) fn run(given: &mut SettingValues) -> Result<Config, UsageError> {
    let definition = definition(given)?;
    let (kafka, _) = kafka(given)?;
    let sinks = given.get(&s::TO)?;
    let dead_letter = given.find(&s::DEAD_LETTER)?;
    let writes_to_kafka = sinks.iter().any(|sink| matches!(sink, SinkTarget::Kafka(_)))
        || matches!(dead_letter, Some(DeadLetterTarget::Kafka(_)));
    let source = source(given, &kafka, writes_to_kafka)?;
    outputs::check_disjoint(given, &source, &sinks, dead_letter.as_ref())?;
    let mut config = Config {
        keep_refused: false,
        max_drift: given.get(&s::MAX_DRIFT)?,
        definition,
        source,
        kafka,
        sinks,
        dead_letter,
        idle_timeout: given.get(&s::IDLE_TIMEOUT)?,
        name: given.get(&s::NAME)?,
        fresh: given.get(&s::FRESH)?,
        commit_interval: Duration::from_micros(given.get(&s::COMMIT_INTERVAL)?),
        summary: given.find(&s::SUMMARY)?,
        serving: serving(given)?,
        cluster: cluster(given)?,
        verbosity: verbosity(given)?,
        at_end: given.get(&s::AT_END)?,
        changes: given.find(&s::CHANGES)?.unwrap_or_default(),
        evolve: given.get(&s::EVOLVE)?,
        strict: given.get(&s::STRICT)?,
        progress: given.get(&s::PROGRESS)?,
        batch_records: given.get(&s::BATCH_RECORDS)?,
        since: None,
        agreed: Vec::new(),
    };
    config.agreed = s::agreed(&config);
    can_be_read_again(given, &config)?;
    if config.has_ledger() && !config.changes.is_empty() {
        return Err(InvalidValue::told(
            "rows with a checkpoint",
            "rows on standard output: what is changed is known before",
        )
        .hint("crossrate replay takes it, too; crossrate define changes a job that runs")
        .at(given.what(&s::CHANGES.about)));
    }
    keeps_what_is_open(given, &config)?;
    Ok(config)
}

/// Past trades again: a run to the end of each log, or of the range, that leaves nothing behind.
pub(super) fn replay(given: &mut SettingValues) -> Result<ReplayConfig, UsageError> {
    let definition = definition(given)?;
    let (kafka, _) = kafka(given)?;
    let (since, until) = (given.find(&s::SINCE)?, given.find(&s::UNTIL)?);
    if let (Some(since), Some(until)) = (since, until)
        && until.micros() < since.micros().saturating_add(definition.windows.longest())
    {
        let window = duration::show(definition.windows.longest());
        let expected = format!("a time that is later than --since by a window at least, which is {window}");
        let got = format!("{} ms, and --since {} ms", until.millis(), since.millis());
        return Err(InvalidValue::told(got, expected).at(given.what(&s::UNTIL.about)));
    }
    let mut source = source(given, &kafka, false)?;
    if let Source::Kafka(source) = &mut source {
        source.exit_at_end = true;
        if let (StartOffset::Unset, Some(since)) = (source.start, since) {
            // See the module `replay` for what this is made of.
            let early = definition.max_ahead + definition.delay + definition.windows.longest();
            source.start = StartOffset::Timestamp(since.minus(early).millis() as i64);
        }
    }
    let config = Config {
        max_drift: given.get(&s::MAX_DRIFT)?,
        summary: given.find(&s::SUMMARY)?,
        cluster: Cluster { threads: given.get(&s::THREADS)?, ..Cluster::default() },
        progress: given.get(&s::PROGRESS)?,
        since,
        ..leaves_nothing(given, "replay", (definition, source, kafka))?
    };
    outputs::check_disjoint(given, &config.source, &[SinkTarget::Stdout], None)?;
    Ok(ReplayConfig { config, since, until, speed: given.get(&s::SPEED)?, events: given.get(&s::EVENTS)? })
}

/// A run that keeps nothing, and writes nothing itself.
pub(super) fn leaves_nothing(
    given: &SettingValues,
    name: &str,
    (definition, source, kafka): (Definition, Source, KafkaClient),
) -> Result<Config, UsageError> {
    Ok(Config {
        kafka,
        verbosity: verbosity(given)?,
        changes: given.find(&s::CHANGES)?.unwrap_or_default(),
        progress: given.get(&s::PROGRESS)?,
        batch_records: given.get(&s::BATCH_RECORDS)?,
        ..Config::that_leaves_nothing(name, definition, source)
    })
}

/// The read side over results that exist.
pub(super) fn serve(given: &SettingValues) -> Result<ServeConfig, UsageError> {
    let from = given.what(&s::FROM.about);
    let expected = "kafka:TOPIC, sqlite:PATH, postgres:URL, csv:FOLDER, parquet:FOLDER or a file of rows";
    let target = match given.texts(&s::FROM.about) {
        None => return Err(InvalidValue::told("nothing", expected).at(from)),
        Some([text]) => places::results(text, expected).map_err(|wrong| wrong.at(from.clone()))?,
        Some(texts) => return Err(InvalidValue::told(texts.join(" "), format!("one of {expected}")).at(from)),
    };
    let (kafka, _) = kafka(given)?;
    let trades = match given.texts(&s::TOPIC.about) {
        Some(_) => Some(only_topic(given)?),
        None => None,
    };
    if !matches!(target, SinkTarget::Kafka(_)) && trades.is_none() {
        of_kafka_is_nothing(given, &[&s::BROKERS.about, &s::PROPERTY.about, &s::KAFKA_CONFIG.about])?;
    }
    // There is an address to serve on, given or not.
    let serving = match serving(given)? {
        Some(serving) => serving,
        None => serving_at(given, vec![SocketAddr::from((Ipv4Addr::LOCALHOST, SERVE_PORT))])?,
    };
    Ok(ServeConfig {
        from: target,
        kafka,
        name: given.get(&s::NAME)?,
        trades,
        serving,
        verbosity: verbosity(given)?,
    })
}

/// Flags of Kafka mean nothing where no topic is read; in a layer behind the one that chose, they are
/// standing settings.
fn of_kafka_is_nothing(given: &SettingValues, abouts: &[&SettingText]) -> Result<(), UsageError> {
    let chosen = given.origin(&s::FROM.about).rank();
    match abouts.iter().find(|a| given.texts(a).is_some() && given.origin(a).rank() >= chosen) {
        None => Ok(()),
        Some(about) => Err(InvalidValue::told(
            "no topic to read",
            "it with --from kafka:TOPIC, or with -t, the topic of trades for replays",
        )
        .at(given.what(about))),
    }
}

/// A demonstration.
pub(super) fn demo(given: &mut SettingValues) -> Result<DemoConfig, UsageError> {
    Ok(DemoConfig {
        definition: definition(given)?,
        speed: given.get(&s::SPEED)?,
        seed: given.get(&s::SEED)?,
        duration: given.get(&s::DURATION)?,
        threads: given.get(&s::THREADS)?,
        serving: if given.get(&s::SERVE)? { serving(given)? } else { None },
        verbosity: verbosity(given)?,
        progress: given.get(&s::PROGRESS)?,
    })
}

/// The collector.
pub(super) fn produce(given: &SettingValues) -> Result<ProduceConfig, UsageError> {
    let (_, selection) = wanted(given)?;
    let (kafka, _) = kafka(given)?;
    let sinks = given.get(&s::TO)?;
    let to = produce_target(given, &sinks)?;
    // It reads no file but for the configuration's.
    let nothing = Source::Files(FileSource {
        paths: Vec::new(),
        symbol: None,
        format: Format::default(),
        verify: false,
    });
    outputs::check_disjoint(given, &nothing, &sinks, None)?;
    let capture = given.get(&s::CAPTURE)?;
    if capture && matches!(to, ProduceTarget::Kafka(_)) {
        return Err(InvalidValue::told("a topic to write to", "a file, or - for standard output, with it")
            .hint("a record in Kafka has its timestamp")
            .at(given.what(&s::CAPTURE.about)));
    }
    let span = |micros: u64| Duration::from_micros(micros);
    Ok(ProduceConfig {
        symbols: match selection {
            Selection::All => None,
            Selection::Only(symbols) => Some(symbols.iter().map(ToString::to_string).collect()),
        },
        endpoint: given.get(&s::ENDPOINT)?,
        rest: given.get(&s::REST)?,
        kafka,
        to,
        capture,
        fill_hold: span(given.get(&s::FILL_HOLD)?),
        stall_timeout: span(given.get(&s::STALL_TIMEOUT)?),
        renew_after: span(given.get(&s::RENEW_AFTER)?),
        audit_interval: span(given.get(&s::AUDIT_INTERVAL)?),
        connection_symbols: given.get(&s::CONNECTION_SYMBOLS)?,
        summary: given.find(&s::SUMMARY)?,
        verbosity: verbosity(given)?,
    })
}

/// Where a job's checkpoint is.
pub(super) fn checkpoint(given: &SettingValues) -> Result<CheckpointStore, UsageError> {
    let (kafka, _) = kafka(given)?;
    let sinks = given.get(&s::TO)?;
    let Some(target) = ledger_of(&sinks) else {
        let expected = "where the job's rows go: a file, kafka:TOPIC, sqlite:PATH or postgres:URL";
        return Err(
            InvalidValue::told("no place that holds a checkpoint", expected).at(given.what(&s::TO.about))
        );
    };
    let (job, verbosity) = (given.get(&s::NAME)?, verbosity(given)?);
    Ok(CheckpointStore { target: target.clone(), kafka, job, verbosity })
}

/// One place; what says how brokers are reached has a meaning for a topic only.
fn produce_target(given: &SettingValues, sinks: &[SinkTarget]) -> Result<ProduceTarget, UsageError> {
    let wrong = |got: &str| {
        InvalidValue::told(got, "one of kafka:TOPIC, a file, or - for standard output")
            .at(given.what(&s::TO.about))
    };
    let to = match sinks {
        [SinkTarget::Kafka(topic)] => return Ok(ProduceTarget::Kafka(topic.clone())),
        [SinkTarget::File(path)] => ProduceTarget::File(path.clone()),
        [SinkTarget::Stdout] => ProduceTarget::Stdout,
        [to] if to.is_database() => return Err(wrong("a database")),
        [to] => return Err(wrong(&format!("{to}, which is for rows"))),
        _ => return Err(wrong("several places")),
    };
    let chosen = given.origin(&s::TO.about).rank();
    let reaching: [&SettingText; 3] = [&s::BROKERS.about, &s::PROPERTY.about, &s::KAFKA_CONFIG.about];
    match reaching.into_iter().find(|a| given.texts(a).is_some() && given.origin(a).rank() >= chosen) {
        None => Ok(to),
        Some(about) => Err(InvalidValue::told(
            "no topic to write to",
            "it with --to kafka:TOPIC only, where it means something",
        )
        .at(given.what(about))),
    }
}

/// How brokers are reached, and the properties with their places.
pub(super) fn kafka(given: &SettingValues) -> Result<(KafkaClient, Vec<Property>), UsageError> {
    let mut all = Vec::new();
    let what = given.what(&s::PROPERTY.about);
    for text in given.find(&s::PROPERTY)?.unwrap_or_default().iter().rev() {
        all.push(properties::property(text, &what)?);
    }
    if let Some(path) = given.find(&s::KAFKA_CONFIG)? {
        all.extend(properties::file(&path, &given.what(&s::KAFKA_CONFIG.about))?.into_iter().rev());
    }
    let (merged, by_property) = properties::merge(all)?;
    let brokers = match by_property {
        Some(property) if *given.origin(&s::BROKERS.about) == Origin::Default => {
            places::brokers(&property.value).map_err(|wrong| wrong.at(property.place))?
        }
        _ => given.get(&s::BROKERS)?,
    };
    let properties = merged.iter().map(|p| (p.key.clone(), p.value.clone())).collect();
    Ok((KafkaClient { brokers, properties }, merged))
}

/// How much is told, and how.
pub(super) fn logging(given: &SettingValues) -> Result<Logging, UsageError> {
    Ok(Logging { verbosity: verbosity(given)?, format: given.get(&s::LOG_FORMAT)? })
}

/// Of `-q` and `-v` the one that was given nearer to the user.
fn verbosity(given: &SettingValues) -> Result<Verbosity, UsageError> {
    let rank = |about: &SettingText| given.origin(about).rank();
    let (quiet, verbose) = (rank(&s::QUIET.about), rank(&s::VERBOSE.about));
    match (given.get(&s::QUIET)?, given.get(&s::VERBOSE)?) {
        (true, true) if quiet == verbose => {
            Err(InvalidValue::told("-q and -v", "one of them").at(given.what(&s::VERBOSE.about)))
        }
        (true, true) if verbose > quiet => Ok(Verbosity::Verbose),
        (true, _) => Ok(Verbosity::Quiet),
        (false, true) => Ok(Verbosity::Verbose),
        (false, false) => Ok(Verbosity::Normal),
    }
}
