//! `crossrate inspect`: which inputs are looked at, and how they are reached.

use super::check::{kafka, leaves_nothing};
use super::computed::definition;
use super::layers::{Origin, SettingValues};
use super::settings as s;
use super::source::source;
use super::usage::UsageError;
use crate::config::inspect::Inspect;
use crate::config::{KafkaClient, Source, StartOffset};
use crossrate_dataflows::market::definition::Selection;

/// The look at an input; records are judged as a run over all symbols would judge them.
pub(super) fn inspect(
    given: &mut SettingValues,
    json: bool,
    limit: Option<u64>,
) -> Result<Inspect, UsageError> {
    let mut definition = definition(given)?;
    definition.symbols = Selection::All;
    definition.crosses.clear();
    let (client, properties) = kafka(given)?;
    let mut source = source(given, &client, false)?;
    if let Source::Kafka(source) = &mut source {
        source.exit_at_end = true;
        source.start = StartOffset::Beginning;
    }
    let format = given.texts(&s::FORMAT.about).map(|texts| texts.join(" "));
    let reached_by = match &source {
        Source::Kafka(_) => reached_by(given, &client, properties.iter().map(|p| p.key.as_str()))?,
        _ => Vec::new(),
    };
    let config = leaves_nothing(given, "inspect", (definition, source, client))?;
    Ok(Inspect { config, format, reached_by, limit, json })
}

/// The flags by which the brokers are reached. Values that may be secrets are not repeated.
fn reached_by<'a>(
    given: &SettingValues,
    client: &KafkaClient,
    keys: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, UsageError> {
    let mut flags = Vec::new();
    if *given.origin(&s::BROKERS.about) != Origin::Default {
        flags.extend(["-b".to_owned(), client.brokers.clone()]);
    }
    if let Some(path) = given.find(&s::KAFKA_CONFIG)? {
        flags.extend(["--kafka-config".to_owned(), path.display().to_string()]);
    }
    for about in [&s::REGISTRY.about, &s::REGISTRY_USER.about] {
        for text in given.texts(about).into_iter().flatten() {
            flags.extend([format!("--{}", about.name), text.clone()]);
        }
    }
    if given.texts(&s::PROPERTY.about).is_some() {
        let is_secret =
            |key: &str| ["password", "secret", "jaas", "pem", "key"].iter().any(|w| key.contains(w));
        for key in keys {
            let value = client.properties.get(key).map_or("", String::as_str);
            let value = if is_secret(key) { "SECRET" } else { value };
            flags.extend(["-X".to_owned(), format!("{key}={value}")]);
        }
    }
    Ok(flags)
}
