//! A place where rows go, and all that is said of it besides how it is written: its text, and whether and
//! where it holds the checkpoint.

use super::{DayForm, database};
use std::fmt;
use std::path::{Path, PathBuf};

/// The forms in which a sink is typed.
macro_rules! sink_forms {
    () => {
        "stdout, a file, kafka:TOPIC, sqlite:PATH, postgres:URL, csv:FOLDER or parquet:FOLDER"
    };
}
pub(crate) use sink_forms;

/// Where rows go.
#[derive(Clone, PartialEq, Eq)]
pub enum SinkTarget {
    /// Standard output, JSON lines.
    Stdout,
    /// A file of JSON lines.
    File(PathBuf),
    /// A folder with a file for each kind of rows and each day.
    Days(DayForm, PathBuf),
    /// A topic, on the brokers of `-b`.
    Kafka(String),
    /// An SQLite database.
    Sqlite(PathBuf),
    /// A Postgres database, by its URL.
    Postgres(String),
}

/// As it is typed, but for user and password of a database.
impl fmt::Display for SinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SinkTarget::Stdout => f.write_str("stdout"),
            SinkTarget::File(path) => path.display().fmt(f),
            SinkTarget::Days(form, folder) => write!(f, "{}:{}", form.as_str(), folder.display()),
            SinkTarget::Kafka(topic) => write!(f, "kafka:{topic}"),
            SinkTarget::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            SinkTarget::Postgres(url) => f.write_str(&database::shown(url)),
        }
    }
}

impl fmt::Debug for SinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SinkTarget({self})")
    }
}

impl SinkTarget {
    /// The one of several that holds the checkpoint has the lowest rank: Kafka, else Postgres, else SQLite,
    /// else a file, else files by day. Standard output holds none, nor do devices and pipes, which cannot be
    /// cut back.
    fn rank(&self) -> Option<u8> {
        match self {
            SinkTarget::Kafka(_) => Some(0),
            SinkTarget::Postgres(_) => Some(1),
            SinkTarget::Sqlite(_) => Some(2),
            SinkTarget::File(path) => can_be_cut(path).then_some(3),
            SinkTarget::Days(..) => Some(4),
            SinkTarget::Stdout => None,
        }
    }

    /// The file or folder that is written.
    pub fn path(&self) -> Option<&Path> {
        match self {
            SinkTarget::File(path) | SinkTarget::Sqlite(path) | SinkTarget::Days(_, path) => Some(path),
            _ => None,
        }
    }

    /// Whether it is a database of rows, which keeps refused records by itself.
    pub fn is_database(&self) -> bool {
        matches!(self, SinkTarget::Sqlite(_) | SinkTarget::Postgres(_))
    }

    /// The SQLite file with the checkpoint: the database of the rows, or one beside their file or folder.
    pub fn checkpoint_file(&self) -> Option<PathBuf> {
        let path = self.path().filter(|_| self.rank().is_some())?;
        Some(if self.is_database() { path.to_owned() } else { beside(path) })
    }

    /// The file of a checkpoint that is no place of rows.
    pub fn checkpoint_beside(&self) -> Option<PathBuf> {
        self.checkpoint_file().filter(|_| !self.is_database())
    }
}

/// Which of several sinks holds the checkpoint.
pub fn ledger_of(sinks: &[SinkTarget]) -> Option<&SinkTarget> {
    let ranked = sinks.iter().filter_map(|target| Some((target.rank()?, target)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, target)| target)
}

/// Where the checkpoint of a file of rows is, or of a folder of them.
pub fn beside(path: &Path) -> PathBuf {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".recovery");
    beside.into()
}

/// Whether a path is that of a file, or of none yet.
pub fn can_be_cut(path: &Path) -> bool {
    !std::fs::metadata(path).is_ok_and(|found| !found.is_file())
}
