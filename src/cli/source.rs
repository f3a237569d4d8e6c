//! Where trades come from, as it was given: a topic, or files.

use super::file_identity::{inode_of_stdin, regular_inode};
use super::layers::SettingValues;
use super::settings::{self as s, SettingText};
use super::usage::{InvalidValue, UsageError};
use super::{formats, places};
use crate::config::{
    AtEnd, Config, FileSource, KafkaClient, KafkaSource, STDIN, Source, StartOffset, TopicFormat,
};
use crate::nearest::nearest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) fn source(
    given: &mut SettingValues,
    client: &KafkaClient,
    writes_to_kafka: bool,
) -> Result<Source, UsageError> {
    let texts = given.get(&s::FROM)?;
    let from = given.what(&s::FROM.about);
    if texts == ["kafka"] {
        let default = formats::given(given, formats::FormatInput::Topic)?;
        let mut topics = Vec::new();
        for (name, format) in given.get(&s::TOPIC)? {
            let format = match format {
                Some(format) => formats::of_topic(given, format)?,
                None => default.clone(),
            };
            topics.push(TopicFormat { name, format });
        }
        return Ok(Source::Kafka(KafkaSource {
            client: client.clone(),
            topics,
            start: given.find(&s::OFFSET)?.unwrap_or(StartOffset::Unset),
            exit_at_end: given.get(&s::EXIT_AT_END)?,
            registry: formats::registry(given)?,
        }));
    }
    for text in &texts {
        places::input(text).map_err(|wrong| wrong.at(&from))?;
    }
    let shown = texts.join(" ");
    for (place, text) in texts.iter().enumerate() {
        let expected = "kafka, or files, or - once for standard input";
        let wrong = InvalidValue::new(&shown, expected);
        match text.as_str() {
            "kafka" => return Err(wrong.hint("kafka stands alone; a file of that name is ./kafka").at(from)),
            "" => return Err(wrong.hint("one of the names is empty").at(from)),
            "-" if texts.iter().take(place).any(|earlier| earlier == "-") => {
                return Err(wrong.hint("- is there twice").at(from));
            }
            word if nearest(word, ["kafka"]).is_some() && !Path::new(word).exists() => {
                return Err(wrong.perhaps(Some("kafka")).at(from));
            }
            _ => {}
        }
    }
    only_of_kafka(given, writes_to_kafka)?;
    if let Some((path, other)) = repeated(&texts) {
        let got =
            if path == other { path.clone() } else { format!("{other} and {path}, which is the same file") };
        let expected = "each file once: all its trades would count twice";
        return Err(InvalidValue::told(format!("{got}, twice"), expected).at(from));
    }
    let paths = texts.into_iter().map(PathBuf::from).collect();
    Ok(Source::Files(FileSource {
        paths,
        symbol: given.find(&s::SYMBOL)?,
        format: formats::given(given, formats::FormatInput::Files)?,
        verify: given.get(&s::VERIFY)?,
    }))
}

/// The topic of trades beside results; a server replays one.
pub(super) fn only_topic(given: &SettingValues) -> Result<String, UsageError> {
    let what = given.what(&s::TOPIC.about);
    match given.get(&s::TOPIC)?.as_slice() {
        [(name, None)] => Ok(name.clone()),
        _ => Err(InvalidValue::told("several topics, or a format", "the name of one topic").at(what)),
    }
}

/// What a run has read it reads again when it is taken up, and standard input cannot be.
pub(super) fn can_be_read_again(given: &SettingValues, config: &Config) -> Result<(), UsageError> {
    let Source::Files(files) = &config.source else { return Ok(()) };
    if !config.has_ledger() || files.paths.iter().all(|path| path.as_os_str() != STDIN) {
        return Ok(());
    }
    // Where rows go may hold a password and is not repeated.
    Err(InvalidValue::told("- and rows that go elsewhere than to standard output", "files")
        .hint(
            "such a run keeps a checkpoint and reads its input again after a restart, which standard input cannot be; put it into a file first, or write rows to standard output",
        )
        .at(given.what(&s::FROM.about)))
}

/// What is to stay open at the end stays in a checkpoint, and there must be an end.
pub(super) fn keeps_what_is_open(given: &mut SettingValues, config: &Config) -> Result<(), UsageError> {
    if config.at_end == AtEnd::Close {
        return Ok(());
    }
    let what = given.what(&s::AT_END.about);
    if !config.has_ledger() {
        return Err(InvalidValue::told("keep without a checkpoint", "close, or rows that are committed")
            .hint("what is open stays in the checkpoint: write rows to a file, a folder, a database or Kafka")
            .at(what));
    }
    if matches!(&config.source, Source::Kafka(kafka) if !kafka.exit_at_end) {
        given.warnings.push(format!("{what}: nothing ends without -e"));
    }
    Ok(())
}

/// The same file twice, also by another name, through a link or as standard input. Of a pipe nothing is read
/// twice.
fn repeated(texts: &[String]) -> Option<(&String, &String)> {
    let mut seen = BTreeMap::new();
    texts.iter().find_map(|text| {
        let inode = if text == STDIN { inode_of_stdin() } else { regular_inode(Path::new(text)) };
        seen.insert(inode?, text).map(|other| (text, other))
    })
}

/// Flags of Kafka mean nothing for files. Where such a setting stands in a layer behind the one that chose
/// the files, it is a standing setting that is overruled; beside it or before it, somebody expects it to do
/// something.
fn only_of_kafka(given: &SettingValues, writes_to_kafka: bool) -> Result<(), UsageError> {
    let reading: [&SettingText; 5] = [
        &s::TOPIC.about,
        &s::OFFSET.about,
        &s::EXIT_AT_END.about,
        &s::REGISTRY.about,
        &s::REGISTRY_USER.about,
    ];
    let reaching: [&SettingText; 3] = [&s::BROKERS.about, &s::PROPERTY.about, &s::KAFKA_CONFIG.about];
    let chosen = given.origin(&s::FROM.about).rank();
    let off = |about: &SettingText| {
        about.name == s::EXIT_AT_END.about.name && matches!(given.get(&s::EXIT_AT_END), Ok(false))
    };
    let idle = reading.into_iter().chain(reaching.into_iter().filter(|_| !writes_to_kafka));
    for about in idle {
        if given.texts(about).is_some() && given.origin(about).rank() >= chosen && !off(about) {
            let shown = match about.name {
                // Properties may be secrets.
                name if name == s::PROPERTY.about.name => "a property".to_owned(),
                _ => format!("{:?}", given.texts(about).unwrap_or_default().join(" ")),
            };
            return Err(InvalidValue::told(
                format!("{shown}, and files to read"),
                "it with --from kafka only, where it means something",
            )
            .hint("files are read from their beginning to their end")
            .at(given.what(about)));
        }
    }
    Ok(())
}
