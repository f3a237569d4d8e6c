//! The formats of records and their mappings: which is given, and `crossrate formats`.

use super::layers::{Origin, SettingValues};
use super::settings::{self as s, CommandName, SettingText};
use super::usage::{InvalidValue, UsageError};
use super::values;
use crate::config::RegistryAddress;
use crate::config::secret::Credential;
use crate::nearest::nearest;
use crate::wire::format::{BINANCE, BUILT_IN, Format};
use crate::wire::mapping::{Mapping, SchemaKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

/// The formats, a line each; or the mapping of one, which is the beginning of one's own.
pub(super) fn list(name: Option<&str>) -> Result<String, UsageError> {
    let names = || BUILT_IN.iter().map(|(name, _)| *name);
    match name {
        None => {
            let lines = BUILT_IN.iter().map(|(name, text)| format!("{name:<16} {}\n", about(text)));
            let first = format!(
                "{BINANCE:<16} Binance: trade and aggTrade events, and archives of trades and aggTrades, of spot \
                 and futures.\n"
            );
            Ok([first].into_iter().chain(lines).collect())
        }
        Some(BINANCE) => {
            Ok("# Binance's own events and archives need no mapping: docs/semantics.md, \"Input\".\n".into())
        }
        Some(name) => {
            BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()).ok_or_else(
                || {
                    InvalidValue::new(name, "the name of a format: crossrate formats")
                        .perhaps(nearest(name, names()))
                        .at("NAME")
                },
            )
        }
    }
}

/// What a mapping says of itself first, up to the line that ends a sentence.
fn about(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
    let end = lines.iter().position(|line| line.ends_with('.')).map_or(lines.len(), |last| last + 1);
    lines[..end].join(" ")
}

/// What records are read from.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum FormatInput {
    Topic,
    Files,
}

/// How records are written. A mapping that cannot work is told before anything is read.
pub(super) fn given(given: &SettingValues, input: FormatInput) -> Result<Format, UsageError> {
    if given.which() == CommandName::Inspect && given.texts(&s::FORMAT.about).is_none() {
        return Ok(Format::default());
    }
    checked(given, given.get(&s::FORMAT)?, input, &s::FORMAT.about)
}

/// How the records of one topic are written.
pub(super) fn of_topic(given: &SettingValues, format: Format) -> Result<Format, UsageError> {
    checked(given, format, FormatInput::Topic, &s::TOPIC.about)
}

fn checked(
    given: &SettingValues,
    format: Format,
    input: FormatInput,
    about: &SettingText,
) -> Result<Format, UsageError> {
    let Format::Mapped(file) = &format else { return Ok(format) };
    let wrong = |got: String, expected: &str| InvalidValue::told(got, expected).at(given.what(about));
    // What stands in the names of files is seen when they are opened.
    let mapping = match (file.compile(None), input) {
        (Ok(mapping), _) => mapping,
        (Err(error), FormatInput::Files) if error.needs_file() => return Ok(format),
        (Err(error), _) => {
            return Err(wrong(error.to_string(), "a mapping that can work: crossrate formats"));
        }
    };
    if input == FormatInput::Topic && mapping.needs_header() {
        let got = format!("{}, which names columns", file.name);
        return Err(wrong(got, "columns by their numbers: records of a topic have no header"));
    }
    schemas(given, &file.name, &mapping, input).map_err(|wrong| wrong.at(given.what(about)))?;
    Ok(format)
}

/// Records that are written by schemas come from topics, and schemas from where the user says.
fn schemas(
    given: &SettingValues,
    name: &str,
    mapping: &Mapping,
    input: FormatInput,
) -> Result<(), InvalidValue> {
    let Some(kind) = mapping.schema_kind() else { return Ok(()) };
    if input == FormatInput::Files {
        let kind = if kind == SchemaKind::Avro { "Avro" } else { "Protobuf" };
        return Err(InvalidValue::told(
            format!("{name}, whose records are {kind}, and files to read"),
            "a topic: -t TOPIC",
        )
        .hint("nothing in a file tells where such a record ends"));
    }
    if mapping.needs_registry() && given.texts(&s::REGISTRY.about).is_none() {
        let key = if kind == SchemaKind::Avro { "schema" } else { "descriptors" };
        return Err(InvalidValue::told(
            format!("{name}, which names no schema, and no --registry"),
            "--registry URL",
        )
        .hint(format!("records without a registry have their schema in the mapping: {key} = \"FILE\"")));
    }
    Ok(())
}

/// The schema registry, where there is one.
pub(super) fn registry(given: &SettingValues) -> Result<Option<RegistryAddress>, UsageError> {
    let Some(url) = given.find(&s::REGISTRY)? else {
        let about = &s::REGISTRY_USER.about;
        return match given.origin(about) {
            Origin::Flag => {
                Err(InvalidValue::told("no --registry", "--registry URL with it").at(given.what(about)))
            }
            _ => Ok(None),
        };
    };
    let authorization = match given.find(&s::REGISTRY_USER)? {
        None => None,
        Some(path) => Some(user(&path).map_err(|wrong| wrong.at(given.what(&s::REGISTRY_USER.about)))?),
    };
    Ok(Some(RegistryAddress { url, authorization }))
}

/// The user and the password in a file.
fn user(path: &Path) -> Result<Credential, InvalidValue> {
    let shown = format!("{:?}", path.display().to_string());
    let text = values::text_of(path)?;
    let text = text.trim();
    if !text.contains(':') || text.contains(char::is_control) {
        // What stands in it may be a password, and is not repeated.
        return Err(InvalidValue::told(
            format!("{shown}: no line USER:PASSWORD"),
            "USER:PASSWORD, alone in the file",
        ));
    }
    Ok(Credential::new(format!("Basic {}", STANDARD.encode(text))))
}
