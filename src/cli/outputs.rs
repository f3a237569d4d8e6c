//! No output may be another output, nor an input: it would be overwritten or read while it is written.

use super::layers::Given;
use super::settings::{self as s, About};
use super::usage::{UsageError, Wrong};
use crate::config::{DeadLetterTarget, SinkTarget, Source, beside, can_be_cut};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// No output may be another output, nor an input.
pub(super) fn apart(
    given: &Given,
    source: &Source,
    sinks: &[SinkTarget],
    dead_letter: Option<&DeadLetterTarget>,
) -> Result<(), UsageError> {
    let mut files: Vec<(String, &Path)> = Vec::new();
    let mut topics: Vec<(String, &str)> = Vec::new();
    let from = given.what(&s::FROM.about);
    match source {
        Source::Simulated(_) => {}
        Source::Kafka(kafka) => {
            let what = given.what(&s::TOPIC.about);
            topics.extend(kafka.topics.iter().map(|topic| (what.clone(), topic.name.as_str())));
        }
        Source::Files(input) => {
            files.extend(
                input
                    .paths
                    .iter()
                    .filter(|path| path.as_os_str() != "-")
                    .map(|p| (from.clone(), p.as_path())),
            );
        }
    }
    let read: Vec<(&About, Option<PathBuf>)> = vec![
        (&s::CONFIG.about, given.find(&s::CONFIG)?),
        (&s::CROSSES_FILE.about, given.find(&s::CROSSES_FILE)?),
        (&s::KAFKA_CONFIG.about, given.find(&s::KAFKA_CONFIG)?),
        (&s::HOSTFILE.about, given.find(&s::HOSTFILE)?),
        (&s::CLUSTER_SECRET_FILE.about, given.find(&s::CLUSTER_SECRET_FILE)?),
    ];
    files.extend(read.iter().filter_map(|(about, path)| Some((given.what(about), path.as_deref()?))));
    let summary = given.find(&s::SUMMARY)?;
    // Their checkpoints are written too.
    let beside: Vec<PathBuf> = sinks
        .iter()
        .filter_map(|sink| match sink {
            SinkTarget::File(path) if !can_be_cut(path) => None,
            SinkTarget::File(path) | SinkTarget::Days(_, path) => Some(beside(path)),
            _ => None,
        })
        .collect();
    let to = given.what(&s::TO.about);
    let mut stdout = false;
    let mut databases = BTreeSet::new();
    let mut written: Vec<(String, Output<'_>)> = Vec::new();
    for sink in sinks {
        match sink {
            SinkTarget::Stdout if stdout => {
                return Err(Wrong::told("stdout twice", "each place once").at(to));
            }
            SinkTarget::Stdout => stdout = true,
            SinkTarget::File(path) | SinkTarget::Sqlite(path) | SinkTarget::Days(_, path) => {
                written.push((to.clone(), Output::File(path)))
            }
            SinkTarget::Kafka(topic) => written.push((to.clone(), Output::Topic(topic))),
            SinkTarget::Postgres(url) if !databases.insert(url) => {
                return Err(Wrong::told("one database twice", "each place once").at(to));
            }
            SinkTarget::Postgres(_) => {}
        }
    }
    written.extend(beside.iter().map(|path| (to.clone(), Output::File(path))));
    let dead = given.what(&s::DEAD_LETTER.about);
    match dead_letter {
        Some(DeadLetterTarget::File(path)) => written.push((dead, Output::File(path))),
        Some(DeadLetterTarget::Kafka(topic)) => written.push((dead, Output::Topic(topic))),
        None => {}
    }
    if let Some(path) = &summary {
        written.push((given.what(&s::SUMMARY.about), Output::File(path)));
    }
    for (what, output) in written {
        match output {
            Output::File(path) => {
                if let Some((other, _)) = files.iter().find(|(_, other)| same_file(path, other)) {
                    return Err(Wrong::new(
                        &path.display().to_string(),
                        format!("a file that {other} does not name too"),
                    )
                    .at(what));
                }
                files.push((what, path));
            }
            Output::Topic(topic) => {
                if let Some((other, _)) = topics.iter().find(|(_, other)| *other == topic) {
                    return Err(Wrong::new(
                        &format!("kafka:{topic}"),
                        format!("a topic that {other} does not name too"),
                    )
                    .at(what));
                }
                topics.push((what, topic));
            }
        }
    }
    Ok(())
}

enum Output<'a> {
    File(&'a Path),
    Topic(&'a str),
}

/// Whether two paths are one file, also by way of links and before it exists. Devices such as `/dev/null` may be
/// named as often as one likes.
fn same_file(a: &Path, b: &Path) -> bool {
    let special =
        |path: &Path| std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    (whole(a) == whole(b) || inode(a).is_some_and(|of_a| Some(of_a) == inode(b))) && !special(a)
}

/// By which the system knows a file, whatever its names are: a hard link is the file itself.
fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

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
