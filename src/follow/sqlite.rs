//! An SQLite database of rows (`--to sqlite:PATH`), and the checkpoint beside a file of rows. Both are looked
//! at when another connection has committed, which SQLite tells without reading anything.

use super::checkpoint_progress::CheckpointProgress;
use super::tables::{self, Floor, ReadPosition};
use super::{PollResult, ResultStore, definition};
use crate::exit::{Exit, Failure};
use crate::ledger::Entries;
use crate::rows::columns;
use crate::rows::sqlite::hint;
use crate::serve::board::about::DefinitionDescription;
use crate::serve::board::progress::{ProgressNews, now_ms};
use crate::serve::board::series::CachedRow;
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::schema::{Field, FieldType, RowKind};
use crossrate_dataflows::market::value::Value;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Transaction};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a look waits for whoever writes.
const BUSY: Duration = Duration::from_secs(2);
/// How often the checkpoint beside a file is looked at where the file does not grow.
const EVERY: Duration = Duration::from_millis(500);

/// A database that is followed.
pub(super) struct SqliteFollower {
    path: PathBuf,
    job: String,
    history: Duration,
    place: ReadPosition,
    open: Option<OpenDatabase>,
    /// The file that was open last.
    identity: Option<(u64, u64)>,
    /// It is another one, which nobody was told of yet.
    anew: bool,
}

struct OpenDatabase {
    connection: Connection,
    version: Option<i64>,
}

impl SqliteFollower {
    pub(super) fn new(path: &Path, job: &str, history: Duration) -> SqliteFollower {
        let place = ReadPosition::new(history);
        SqliteFollower {
            path: path.to_owned(),
            job: job.to_owned(),
            history,
            place,
            open: None,
            identity: None,
            anew: false,
        }
    }

    fn unreadable(&self, error: impl Into<anyhow::Error>) -> anyhow::Error {
        let error = error.into();
        Failure::new(Exit::Unreachable, format!("cannot read the database {}", self.path.display()))
            .hint(hint(&error))
            .because(error)
            .into()
    }

    /// Opens the database that now has that name; whether it is another one than before.
    fn look(&mut self) -> Result<bool> {
        let found = std::fs::metadata(&self.path).map_err(|error| self.unreadable(error))?;
        let identity = (found.dev(), found.ino());
        if self.open.is_some() && self.identity == Some(identity) {
            return Ok(false);
        }
        let connection = connect(&self.path).map_err(|error| self.unreadable(error))?;
        let other = self.identity.is_some_and(|known| known != identity);
        if other {
            self.place = ReadPosition::new(self.history);
        }
        self.open = Some(OpenDatabase { connection, version: None });
        self.identity = Some(identity);
        Ok(other)
    }

    /// What has changed since the last look, if anything has.
    fn read(&mut self, polled: &mut PollResult) -> Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let version: i64 = open.connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
        if open.version == Some(version) {
            return Ok(false);
        }
        // One transaction: rows and checkpoint are of one commit.
        let transaction = open.connection.transaction()?;
        let entries = entries(&transaction, &self.job)?;
        // One that another version has written, or that is damaged, says nothing, and takes no rows with it.
        let known = CheckpointProgress::of(&entries).ok().flatten();
        polled.definition = definition(&entries);
        if self.place.is_new() {
            self_check(&transaction, &self.job)?;
        }
        // An older program made no tables of kinds that it did not know.
        let mut kinds = Vec::new();
        for kind in RowKind::ALL {
            let there = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
            if transaction.query_row(there, [kind.schema().table], |row| row.get::<_, i64>(0))? > 0 {
                has_windows(&transaction, kind, &self.path)?;
                kinds.push(kind);
            }
        }
        let (mut newest_ms, mut windows) = (0, Vec::new());
        for &kind in kinds.iter().filter(|_| self.place.needs_windows()) {
            let mut select = transaction.prepare(&tables::windows(kind.schema()))?;
            for found in select.query_map([&self.job], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))? {
                let (window, end_ms) = found?;
                newest_ms = newest_ms.max(end_ms as u64);
                windows.push(window);
            }
        }
        windows.sort_unstable();
        windows.dedup();
        let floors = self.place.floors(newest_ms, &windows, known.as_ref());
        let mut rows = Vec::new();
        for &kind in kinds.iter().filter(|_| !floors.is_empty()) {
            read_table(&transaction, kind, &floors, &self.job, &mut rows)?;
        }
        drop(transaction);
        open.version = Some(version);
        self.place.found(rows, known.as_ref(), polled);
        Ok(true)
    }
}

impl ResultStore for SqliteFollower {
    fn poll(&mut self, most: Duration) -> Result<PollResult> {
        self.anew |= self.look()?;
        let mut polled = PollResult { anew: self.anew, whole: true, ..PollResult::default() };
        let read = self.read(&mut polled);
        // An error tells nobody of it.
        self.anew &= read.is_err();
        match read {
            Ok(true) => {}
            Ok(false) => std::thread::sleep(most),
            Err(error) => {
                self.open = None;
                return Err(match Failure::of(&error) {
                    Some(_) => error,
                    None => self.unreadable(error),
                });
            }
        }
        Ok(polled)
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // Says now whether it is a database.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// A name that is misspelled would show nothing, for ever.
fn self_check(transaction: &Transaction<'_>, job: &str) -> Result<()> {
    let mut select = transaction.prepare("SELECT job FROM crossrate_lease ORDER BY job")?;
    let jobs: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    tables::has_job(&jobs, job)
}

/// A table of an earlier release does not say what windows its rows are of.
fn has_windows(transaction: &Transaction<'_>, kind: RowKind, path: &Path) -> Result<()> {
    let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = 'window'";
    let there: i64 = transaction.query_row(sql, [kind.schema().table], |row| row.get(0))?;
    if there > 0 { Ok(()) } else { Err(tables::is_earlier(kind.schema(), &path.display().to_string())) }
}

/// The entries of a job's checkpoint that tell how far it is.
fn entries(connection: &Connection, job: &str) -> rusqlite::Result<Entries> {
    let sql = "SELECT key, value FROM crossrate_recovery
        WHERE job = ?1 AND (key = 'job' OR key BETWEEN 'head/' AND 'head0')";
    let mut select = connection.prepare(sql)?;
    let rows = select.query_map([job], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn read_table(
    transaction: &Transaction<'_>,
    kind: RowKind,
    floors: &[Floor],
    job: &str,
    into: &mut Vec<CachedRow>,
) -> rusqlite::Result<()> {
    let mut select = transaction.prepare(&tables::select(kind.schema(), floors, str::to_owned))?;
    let mut rows = select.query([job])?;
    while let Some(row) = rows.next()? {
        let fields = kind.schema().fields.iter().enumerate();
        let values: rusqlite::Result<Vec<Value>> =
            fields.map(|(place, field)| Ok(value(field, row.get_ref(place)?))).collect();
        into.extend(columns::row_of(kind, values?).as_ref().map(CachedRow::of));
    }
    Ok(())
}

fn value(column: &Field, value: ValueRef<'_>) -> Value {
    match (value, column.ty) {
        (ValueRef::Integer(number), FieldType::Boolean) => Value::Boolean(number != 0),
        (ValueRef::Integer(number), FieldType::Real) => Value::Real(number as f64),
        (ValueRef::Integer(number), _) => Value::Integer(number),
        (ValueRef::Real(number), _) => Value::Real(number),
        (ValueRef::Text(text), _) => columns::of_text(column.ty, &String::from_utf8_lossy(text)),
        (ValueRef::Null | ValueRef::Blob(_), _) => Value::Null,
    }
}

/// The checkpoint beside a file of rows, as far as there is one.
pub(super) struct CheckpointBeside {
    path: PathBuf,
    job: String,
    looked: Option<Instant>,
    /// The frontier and the records read that were told last.
    latest: Option<(Option<EventTime>, u64)>,
}

impl CheckpointBeside {
    pub(super) fn new(path: &Path, job: &str) -> CheckpointBeside {
        CheckpointBeside { path: path.to_owned(), job: job.to_owned(), looked: None, latest: None }
    }

    /// How far the job is and what it computes, where that is news. A file without a checkpoint is no fault:
    /// rows say enough.
    pub(super) fn look(&mut self, grown: bool) -> Option<(ProgressNews, Option<DefinitionDescription>)> {
        if !grown && self.looked.is_some_and(|looked| looked.elapsed() < EVERY) {
            return None;
        }
        self.looked = Some(Instant::now());
        let entries = connect(&self.path).and_then(|connection| entries(&connection, &self.job)).ok()?;
        let news = CheckpointProgress::of(&entries).ok()??.progress(now_ms());
        let read = news.partitions.values().map(|partition| partition.counts.read()).sum();
        let latest = self.latest.replace((news.frontier, read));
        (latest != self.latest || grown).then(|| (news, definition(&entries)))
    }
}
