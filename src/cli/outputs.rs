//! No output may be another output, nor an input: it would be overwritten or read while it is written.

use super::file_identity::{Inode, inode, inode_of_stdin, inode_of_stream, regular_inode, same_file};
use super::layers::SettingValues;
use super::settings::{self as s, SettingText};
use super::usage::{InvalidValue, UsageError};
use super::{properties, values};
use crate::config::{DeadLetterTarget, STDIN, SinkTarget, Source};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Refuses an output that is another output, or an input.
pub(super) fn check_disjoint(
    given: &SettingValues,
    source: &Source,
    sinks: &[SinkTarget],
    dead_letter: Option<&DeadLetterTarget>,
) -> Result<(), UsageError> {
    let summary = given.find(&s::SUMMARY)?;
    let checkpoints: Vec<PathBuf> = sinks.iter().filter_map(SinkTarget::checkpoint_beside).collect();
    let mut named = NamedPlaces::of_input(given, source);
    let to = given.what(&s::TO.about);
    check_single(sinks, &to)?;
    if sinks.contains(&SinkTarget::Stdout) {
        named.check_stdout(&to)?;
    }
    named.files.extend(files_of_settings(given)?);
    for output in
        sinks.iter().filter_map(NamedOutput::of).chain(checkpoints.iter().map(|path| NamedOutput::File(path)))
    {
        named.add(to.clone(), output)?;
    }
    let dead_letter = dead_letter.map(|target| match target {
        DeadLetterTarget::File(path) => NamedOutput::File(path),
        DeadLetterTarget::Kafka(topic) => NamedOutput::Topic(topic),
    });
    if let Some(output) = dead_letter {
        named.add(given.what(&s::DEAD_LETTER.about), output)?;
    }
    if let Some(path) = &summary {
        named.add(given.what(&s::SUMMARY.about), NamedOutput::File(path))?;
    }
    Ok(())
}

/// The files that are read because settings name them, and the flag of each. The name of a setting's value
/// tells whether it is such a file, in the setting's one entry: `FILE`, a `FORMAT`, which may be a mapping
/// file, or a property of librdkafka.
fn files_of_settings(given: &SettingValues) -> Result<Vec<(String, PathBuf)>, UsageError> {
    let mut files = Vec::new();
    let is_read = |about: &&&SettingText| about.is_for(given.which()) && about.name != s::SUMMARY.about.name;
    for about in s::ALL.iter().filter(is_read) {
        let what = given.what(about);
        for text in given.texts(about).unwrap_or_default() {
            let named = match about.shape.value_name() {
                Some("FILE") => vec![PathBuf::from(text)],
                Some("FORMAT") => values::files_of_format(text),
                Some("TOPIC[=FORMAT]") => {
                    text.split_once('=').map_or_else(Vec::new, |(_, format)| values::files_of_format(format))
                }
                Some("KEY=VALUE") => file_of(&properties::property(text, &what)?).into_iter().collect(),
                _ => Vec::new(),
            };
            files.extend(named.into_iter().map(|path| (what.clone(), path)));
        }
    }
    if let Some(path) = given.find(&s::KAFKA_CONFIG)? {
        let lines = properties::file(&path, &given.what(&s::KAFKA_CONFIG.about))?;
        files.extend(lines.iter().filter_map(|line| Some((line.place.clone(), file_of(line)?))));
    }
    Ok(files)
}

/// The file that a property of librdkafka names, such as `ssl.ca.location`.
fn file_of(property: &properties::Property) -> Option<PathBuf> {
    property.key.ends_with(".location").then(|| PathBuf::from(&property.value))
}

/// Refuses standard output and databases that are named twice.
fn check_single(sinks: &[SinkTarget], to: &str) -> Result<(), UsageError> {
    let mut has_stdout = false;
    let mut databases = BTreeSet::new();
    for sink in sinks {
        let repeated = match sink {
            SinkTarget::Stdout => std::mem::replace(&mut has_stdout, true).then_some("stdout twice"),
            SinkTarget::Postgres(url) => (!databases.insert(url)).then_some("one database twice"),
            _ => None,
        };
        if let Some(repeated) = repeated {
            return Err(InvalidValue::told(repeated, "each place once").at(to.to_owned()));
        }
    }
    Ok(())
}

/// A file or a topic that the run writes.
enum NamedOutput<'a> {
    File(&'a Path),
    Topic(&'a str),
}

impl<'a> NamedOutput<'a> {
    fn of(sink: &'a SinkTarget) -> Option<NamedOutput<'a>> {
        match sink {
            SinkTarget::Kafka(topic) => Some(NamedOutput::Topic(topic)),
            other => other.path().map(NamedOutput::File),
        }
    }
}

/// Files and topics, each with the flag that names it.
#[derive(Default)]
struct NamedPlaces<'a> {
    files: Vec<(String, PathBuf)>,
    topics: Vec<(String, &'a str)>,
    /// The file that is standard input, where that is read.
    stdin: Option<Inode>,
}

impl<'a> NamedPlaces<'a> {
    fn of_input(given: &SettingValues, source: &'a Source) -> Self {
        let mut named = NamedPlaces::default();
        match source {
            Source::Simulated(_) => {}
            Source::Kafka(kafka) => {
                let flag = given.what(&s::TOPIC.about);
                named.topics.extend(kafka.topics.iter().map(|topic| (flag.clone(), topic.name.as_str())));
            }
            Source::Files(input) => {
                let flag = given.what(&s::FROM.about);
                for path in &input.paths {
                    if path.as_os_str() == STDIN {
                        named.stdin = inode_of_stdin();
                        continue;
                    }
                    named.files.push((flag.clone(), path.clone()));
                    if input.verify {
                        named.files.push((flag.clone(), checksum_beside(path)));
                    }
                }
            }
        }
        named
    }

    /// Refuses rows that go to the end of an input: they would be read as records.
    fn check_stdout(&self, to: &str) -> Result<(), UsageError> {
        let Some(stdout) = inode_of_stream(io::stdout()) else { return Ok(()) };
        let mut inputs = self.files.iter().filter_map(|(_, path)| regular_inode(path)).chain(self.stdin);
        if inputs.any(|input| input == stdout) {
            return Err(InvalidValue::told("standard output, which is a file of the input", "another file")
                .hint("the rows would be read as records")
                .at(to.to_owned()));
        }
        Ok(())
    }

    /// Adds an output, unless its file or topic is named already.
    fn add(&mut self, flag: String, output: NamedOutput<'a>) -> Result<(), UsageError> {
        let (got, kind, other) = match output {
            NamedOutput::File(path) => {
                let other = self.files.iter().find(|(_, other)| same_file(path, other));
                let is_stdin = self.stdin.is_some() && inode(path) == self.stdin;
                let other = other.map(|(other, _)| other.as_str()).or(is_stdin.then_some("standard input"));
                (path.display().to_string(), "file", other)
            }
            NamedOutput::Topic(topic) => {
                let other = self.topics.iter().find(|(_, other)| *other == topic);
                (format!("kafka:{topic}"), "topic", other.map(|(other, _)| other.as_str()))
            }
        };
        if let Some(other) = other {
            let expected = match other {
                "standard input" => format!("a {kind} that is not {other} too"),
                _ => format!("a {kind} that {other} does not name too"),
            };
            return Err(InvalidValue::new(&got, expected).at(flag));
        }
        match output {
            NamedOutput::File(path) => self.files.push((flag, path.to_owned())),
            NamedOutput::Topic(topic) => self.topics.push((flag, topic)),
        }
        Ok(())
    }
}

/// The file that tells the SHA-256 of a packed input, where there is one.
fn checksum_beside(path: &Path) -> PathBuf {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".CHECKSUM");
    beside.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is read is known by the name of the value, so a setting that takes a path has that name,
    /// or one of those below: of what is written, or of a place that is checked as such.
    #[test]
    fn a_setting_that_takes_a_path_says_so_by_the_name_of_its_value() {
        let checked = ["FILE", "FORMAT", "TOPIC[=FORMAT]", "KEY=VALUE", "SOURCE", "SINK"];
        for about in s::ALL {
            let says_file = about.help.contains(" file") || about.name.ends_with("file");
            let is_known = about.shape.value_name().is_none_or(|value| checked.contains(&value));
            let only_tells_of_names = about.name == "symbol";
            assert!(!says_file || is_known || only_tells_of_names, "{}: {}", about.name, about.help);
        }
    }
}
