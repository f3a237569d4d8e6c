//! No output may be another output, nor an input: it would be overwritten or read while it is written.

use super::layers::Given;
use super::settings::{self as s, About};
use super::usage::{UsageError, Wrong};
use crate::config::{DeadLetterTarget, SinkTarget, Source, beside, can_be_cut};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Refuses an output that is another output, or an input.
pub(super) fn check_disjoint(
    given: &Given,
    source: &Source,
    sinks: &[SinkTarget],
    dead_letter: Option<&DeadLetterTarget>,
) -> Result<(), UsageError> {
    let read: [(&About, Option<PathBuf>); 5] = [
        (&s::CONFIG.about, given.find(&s::CONFIG)?),
        (&s::CROSSES_FILE.about, given.find(&s::CROSSES_FILE)?),
        (&s::KAFKA_CONFIG.about, given.find(&s::KAFKA_CONFIG)?),
        (&s::HOSTFILE.about, given.find(&s::HOSTFILE)?),
        (&s::CLUSTER_SECRET_FILE.about, given.find(&s::CLUSTER_SECRET_FILE)?),
    ];
    let summary = given.find(&s::SUMMARY)?;
    let checkpoints: Vec<PathBuf> = sinks.iter().filter_map(checkpoint_of).collect();
    let mut named = NamedPlaces::of_input(given, source);
    named.files.extend(read.iter().filter_map(|(about, path)| Some((given.what(about), path.as_deref()?))));
    let to = given.what(&s::TO.about);
    check_single(sinks, &to)?;
    for output in sinks.iter().filter_map(Output::of).chain(checkpoints.iter().map(|path| Output::File(path)))
    {
        named.add(to.clone(), output)?;
    }
    let dead_letter = dead_letter.map(|target| match target {
        DeadLetterTarget::File(path) => Output::File(path),
        DeadLetterTarget::Kafka(topic) => Output::Topic(topic),
    });
    if let Some(output) = dead_letter {
        named.add(given.what(&s::DEAD_LETTER.about), output)?;
    }
    if let Some(path) = &summary {
        named.add(given.what(&s::SUMMARY.about), Output::File(path))?;
    }
    Ok(())
}

/// The file of the checkpoint that is written beside a file or a folder of rows.
fn checkpoint_of(sink: &SinkTarget) -> Option<PathBuf> {
    match sink {
        SinkTarget::File(path) if !can_be_cut(path) => None,
        SinkTarget::File(path) | SinkTarget::Days(_, path) => Some(beside(path)),
        _ => None,
    }
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
            return Err(Wrong::told(repeated, "each place once").at(to.to_owned()));
        }
    }
    Ok(())
}

/// A file or a topic that the run writes.
enum Output<'a> {
    File(&'a Path),
    Topic(&'a str),
}

impl<'a> Output<'a> {
    fn of(sink: &'a SinkTarget) -> Option<Output<'a>> {
        match sink {
            SinkTarget::File(path) | SinkTarget::Sqlite(path) | SinkTarget::Days(_, path) => {
                Some(Output::File(path))
            }
            SinkTarget::Kafka(topic) => Some(Output::Topic(topic)),
            SinkTarget::Stdout | SinkTarget::Postgres(_) => None,
        }
    }
}

/// Files and topics, each with the flag that names it.
#[derive(Default)]
struct NamedPlaces<'a> {
    files: Vec<(String, &'a Path)>,
    topics: Vec<(String, &'a str)>,
}

impl<'a> NamedPlaces<'a> {
    fn of_input(given: &Given, source: &'a Source) -> Self {
        let mut named = NamedPlaces::default();
        match source {
            Source::Simulated(_) => {}
            Source::Kafka(kafka) => {
                let flag = given.what(&s::TOPIC.about);
                named.topics.extend(kafka.topics.iter().map(|topic| (flag.clone(), topic.name.as_str())));
            }
            Source::Files(input) => {
                let flag = given.what(&s::FROM.about);
                let paths = input.paths.iter().filter(|path| path.as_os_str() != "-");
                named.files.extend(paths.map(|path| (flag.clone(), path.as_path())));
            }
        }
        named
    }

    /// Adds an output, unless its file or topic is named already.
    fn add(&mut self, flag: String, output: Output<'a>) -> Result<(), UsageError> {
        let (got, kind, other) = match output {
            Output::File(path) => {
                let other = self.files.iter().find(|(_, other)| same_file(path, other));
                (path.display().to_string(), "file", other.map(|(other, _)| other))
            }
            Output::Topic(topic) => {
                let other = self.topics.iter().find(|(_, other)| *other == topic);
                (format!("kafka:{topic}"), "topic", other.map(|(other, _)| other))
            }
        };
        if let Some(other) = other {
            return Err(Wrong::new(&got, format!("a {kind} that {other} does not name too")).at(flag));
        }
        match output {
            Output::File(path) => self.files.push((flag, path)),
            Output::Topic(topic) => self.topics.push((flag, topic)),
        }
        Ok(())
    }
}

/// Whether two paths are one file, also by way of links and before it exists. Devices such as `/dev/null` may
/// be named as often as one likes.
fn same_file(a: &Path, b: &Path) -> bool {
    let special =
        |path: &Path| std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    (whole(a) == whole(b) || inode(a).is_some_and(|of_a| Some(of_a) == inode(b))) && !special(a)
}

/// The device and the number by which the system knows a file: equal for all hard links to it.
fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// The path without links and relative parts; of a file that does not exist yet, by its folder.
fn whole(path: &Path) -> PathBuf {
    if let Ok(whole) = path.canonicalize() {
        return whole;
    }
    let name: OsString = path.file_name().unwrap_or_default().to_owned();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    folder.canonicalize().map_or_else(|_| path.to_owned(), |folder| folder.join(name))
}
