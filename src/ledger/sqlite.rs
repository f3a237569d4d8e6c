//! An SQLite database as ledger: rows, dead letters and checkpoint in one transaction.

mod tables;

use super::entry_key::EntryKey;
use super::protocol::{Lease, Protocol, ProtocolStep, WriteOutcome};
use super::{Commit, Entries, Ledger, StoredCheckpoint, checkpoint, is_overtaken, letters};
use crate::exit::{Exit, Failure, lack_of_files};
use crate::rows::sqlite::{bound, insert};
use anyhow::Result;
use crossrate_dataflows::market::value::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a commit waits for another writer of the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// A job's place in a database. Several jobs may share one.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    job: String,
    connection: Connection,
    /// Whether rows go here too, or the checkpoint only.
    rows: bool,
    /// The topics that refused records come from, where there are several.
    topics: Vec<String>,
    protocol: Protocol,
    /// The lease before this run acquired the job.
    before: Option<Lease>,
}

/// Entries are in a table with row ids: in one without, looking for a key reads the whole value of each large
/// entry that it is compared with, and those of panes are hundreds of kilobytes. Databases of earlier
/// versions have theirs without.
const CHECKPOINT: &str = "
    CREATE TABLE IF NOT EXISTS crossrate_lease (
        job TEXT PRIMARY KEY, run BLOB NOT NULL, number INTEGER NOT NULL, owner TEXT NOT NULL, taken_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS crossrate_recovery (
        job TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (job, key)
    );";

impl Sqlite {
    /// Opens or makes the database of a sink.
    pub fn open(path: &Path, job: &str, topics: Vec<String>) -> Result<Self> {
        let mut ledger = Sqlite { topics, ..Self::connect(path, job, true)? };
        tables::make(&mut ledger.connection, path)?;
        tables::make_letters(&mut ledger.connection).map_err(|error| failed(&ledger.path, error))?;
        ledger.connection.set_prepared_statement_cache_capacity(32);
        Ok(ledger)
    }

    /// Opens or makes a database for a checkpoint alone, beside files of rows.
    pub fn beside(path: &Path, job: &str) -> Result<Self> {
        Self::connect(path, job, false)
    }

    /// Another job that has written files whose checkpoint is here.
    pub fn another(&self) -> Result<Option<String>> {
        let sql = "SELECT job FROM crossrate_recovery WHERE job <> ?1 AND \
                   (key LIKE 'length/%' OR key LIKE 'file/%' OR key LIKE 'whole/%' OR key LIKE 'folder/%') LIMIT 1";
        let found = self.connection.query_row(sql, params![self.job], |row| row.get(0)).optional();
        found.map_err(|error| failed(&self.path, error))
    }

    fn connect(path: &Path, job: &str, rows: bool) -> Result<Self> {
        let connection = Connection::open(path).map_err(|error| {
            let what = if rows { "database" } else { "checkpoint" };
            Failure::new(Exit::Failed, format!("cannot open the {what} {}", path.display()))
                .hint("name a file in a directory that exists and that you may write to")
                .because(cause(path, error))
        })?;
        let set_up = || -> rusqlite::Result<()> {
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(CHECKPOINT)
        };
        set_up().map_err(|error| failed(path, error))?;
        let protocol = Protocol::new(super::run_id()?, super::owner());
        let (path, job, topics) = (path.to_owned(), job.to_owned(), Vec::new());
        Ok(Sqlite { path, job, connection, rows, topics, protocol, before: None })
    }

    /// Reads a job's entries without fencing its run. A missing database is not made.
    pub fn look(path: &Path, job: &str) -> Result<Option<StoredCheckpoint>> {
        let Some(mut connection) = existing(path, OpenFlags::SQLITE_OPEN_READ_WRITE).or_else(|error| {
            // In a folder that may not be written to: as it is, which is whole where no rest of a commit is
            // beside it.
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let is_settled =
                std::fs::metadata(beside_named(path, "-wal")).map_or(true, |rest| rest.len() == 0);
            if is_settled { existing(&immutable(path), flags).map_err(|_| error) } else { Err(error) }
        })?
        else {
            return Ok(None);
        };
        let read = |connection: &mut Connection| -> rusqlite::Result<StoredCheckpoint> {
            // One state of both, whatever is committed meanwhile.
            let transaction = connection.transaction()?;
            Ok(StoredCheckpoint {
                entries: read_entries(&transaction, job)?,
                lease: read_lease(&transaction, job)?,
            })
        };
        Ok(read(&mut connection).map_err(|error| failed(path, error))?.some())
    }

    /// Removes a job's checkpoint; its rows stay. A run that is under way is fenced by it.
    pub fn remove(path: &Path, job: &str) -> Result<()> {
        let Some(mut connection) = existing(path, OpenFlags::SQLITE_OPEN_READ_WRITE)? else { return Ok(()) };
        let mut remove = || -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute("DELETE FROM crossrate_lease WHERE job = ?1", params![job])?;
            transaction.execute("DELETE FROM crossrate_recovery WHERE job = ?1", params![job])?;
            transaction.commit()
        };
        remove().map_err(|error| failed(path, error))
    }

    /// Writes a commit, unless another lease is there than the one held: then gives that.
    fn write(&mut self, commit: &Commit) -> rusqlite::Result<Option<Option<Lease>>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = read_lease(&transaction, &self.job)?;
        if found.as_ref() != self.protocol.held() {
            return Ok(Some(found));
        }
        if self.rows {
            let job = Value::from(self.job.as_str());
            for row in &commit.rows {
                let mut insert = transaction.prepare_cached(&insert(row.kind.schema()))?;
                insert.execute(rusqlite::params_from_iter(bound(&job, row.kind, &row.columns())))?;
            }
            tables::write_letters(&transaction, &self.job, &letters::of(&commit.refused, &self.topics))?;
        }
        let mut put =
            transaction.prepare_cached("INSERT OR REPLACE INTO crossrate_recovery VALUES (?1, ?2, ?3)")?;
        let mut remove =
            transaction.prepare_cached("DELETE FROM crossrate_recovery WHERE job = ?1 AND key = ?2")?;
        for (key, value) in &commit.changes {
            match value {
                Some(value) => put.execute(params![self.job, key, value])?,
                None => remove.execute(params![self.job, key])?,
            };
        }
        drop((put, remove));
        write_lease(&transaction, &self.job, self.protocol.next())?;
        transaction.commit()?;
        Ok(None)
    }
}

impl Sqlite {
    /// A locked database is most likely held by an earlier run that is stopped in the middle of a commit.
    fn locked(&self, error: rusqlite::Error) -> anyhow::Error {
        let busy =
            matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
        match read_lease(&self.connection, &self.job) {
            Ok(Some(lease)) if busy => {
                let words = format!("the database {} is locked", self.path.display());
                Failure::new(Exit::Failed, words)
                    .hint(format!("another program writes to it; this job was last held by {}", lease.owner))
                    .because(error)
                    .into()
            }
            _ => failed(&self.path, error),
        }
    }
}

impl Ledger for Sqlite {
    fn name(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn acquire(&mut self, beside: Option<u64>) -> Result<Entries> {
        self.protocol.acquire(None);
        self.protocol.begin();
        let lease = self.protocol.next().clone();
        let take = |connection: &mut Connection, job: &str| -> rusqlite::Result<(Entries, Option<Lease>)> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let before = read_lease(&transaction, job)?;
            let mut entries = read_entries(&transaction, job)?;
            if is_overtaken(beside, &entries) {
                return Ok((entries, None));
            }
            let term = checkpoint::put_term(&mut entries, beside);
            let put = "INSERT OR REPLACE INTO crossrate_recovery VALUES (?1, ?2, ?3)";
            transaction.execute(put, params![job, EntryKey::Term.to_string(), term])?;
            write_lease(&transaction, job, &lease)?;
            transaction.commit()?;
            Ok((entries, before))
        };
        let (entries, before) = take(&mut self.connection, &self.job).map_err(|error| self.locked(error))?;
        if is_overtaken(beside, &entries) {
            let owner = read_lease(&self.connection, &self.job).ok().flatten().map(|lease| lease.owner);
            return Err(super::overtaken(&self.job, &self.name(), owner));
        }
        self.before = before;
        self.protocol.acquire(Some(lease));
        Ok(entries)
    }

    fn is_acquired(&self) -> bool {
        self.protocol.is_held()
    }

    fn predecessor(&self) -> Option<String> {
        self.before.as_ref().map(|lease| lease.owner.clone())
    }

    fn release(&mut self) {
        let give = |connection: &mut Connection, job: &str| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            match &self.before {
                _ if read_lease(&transaction, job)?.as_ref() != self.protocol.held() => return Ok(()),
                Some(lease) => write_lease(&transaction, job, lease)?,
                None => transaction
                    .execute("DELETE FROM crossrate_lease WHERE job = ?1", params![job])
                    .map(drop)?,
            }
            transaction.commit()
        };
        if self.protocol.can_give_back() {
            let _ = give(&mut self.connection, &self.job);
        }
    }

    fn commit(&mut self, commit: &Commit) -> Result<()> {
        let mut step = self.protocol.begin();
        loop {
            step = match step {
                // A failure here ends the run. The next run restores the last commit.
                ProtocolStep::Write | ProtocolStep::Look { .. } => {
                    match self.write(commit).map_err(|e| self.locked(e))? {
                        None => self.protocol.wrote(WriteOutcome::All),
                        Some(found) => self.protocol.found(found.as_ref()),
                    }
                }
                ProtocolStep::Done => return Ok(()),
                ProtocolStep::End(why) => return Err(super::ended(&self.job, &self.name(), why)),
            };
        }
    }

    fn verify_lease(&mut self) -> Result<()> {
        let found = read_lease(&self.connection, &self.job).map_err(|error| failed(&self.path, error))?;
        match self.protocol.still(found.as_ref()) {
            None => Ok(()),
            Some(why) => Err(super::ended(&self.job, &self.name(), why)),
        }
    }
}

/// A database in which checkpoints may be; `None` where there is none.
fn existing(path: &Path, flags: OpenFlags) -> Result<Option<Connection>> {
    if !flags.contains(OpenFlags::SQLITE_OPEN_URI) && !path.exists() {
        return Ok(None);
    }
    let open = || -> rusqlite::Result<Option<Connection>> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        let sql =
            "SELECT count(*) FROM sqlite_master WHERE name IN ('crossrate_lease', 'crossrate_recovery')";
        let tables: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok((tables == 2).then_some(connection))
    };
    open().map_err(|error| failed(path, error))
}

/// A database as a URI that says that nobody writes it meanwhile.
fn immutable(path: &Path) -> PathBuf {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    PathBuf::from(uri + "?immutable=1")
}

/// A file beside the database, which has its name and more.
fn beside_named(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

fn read_lease(connection: &Connection, job: &str) -> rusqlite::Result<Option<Lease>> {
    let sql = "SELECT run, number, owner FROM crossrate_lease WHERE job = ?1";
    let lease = |row: &rusqlite::Row<'_>| {
        let run: Vec<u8> = row.get(0)?;
        // What is not 16 bytes is no run of ours.
        Ok(Lease {
            run: run.try_into().unwrap_or_default(),
            number: row.get::<_, i64>(1)? as u64,
            owner: row.get(2)?,
        })
    };
    connection.query_row(sql, params![job], lease).optional()
}

fn write_lease(connection: &Connection, job: &str, lease: &Lease) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO crossrate_lease VALUES (?1, ?2, ?3, ?4, datetime('now'))";
    connection.execute(sql, params![job, lease.run.as_slice(), lease.number as i64, lease.owner]).map(drop)
}

fn read_entries(connection: &Connection, job: &str) -> rusqlite::Result<Entries> {
    let mut select = connection.prepare("SELECT key, value FROM crossrate_recovery WHERE job = ?1")?;
    let rows = select.query_map(params![job], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn failed(path: &Path, error: rusqlite::Error) -> anyhow::Error {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "make room on that disk; the last commit is whole",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program has kept the database locked"
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "that file is no SQLite database, or damaged; put it aside, and the job begins anew without it"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "the file and its directory must be writable"
        }
        _ => "the last commit is whole; start the job again when the cause is gone",
    };
    Failure::new(Exit::Failed, format!("the database {} refused", path.display()))
        .hint(hint)
        .because(cause(path, error))
        .into()
}

/// The reason without the path, because the caller's message names the path.
fn cause(path: &Path, error: rusqlite::Error) -> anyhow::Error {
    if error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
        && let Some(lack) = lack_of_files()
    {
        return lack.into();
    }
    match error.to_string().strip_suffix(&format!(": {}", path.display())) {
        Some(words) => anyhow::Error::msg(words.to_owned()),
        None => error.into(),
    }
}
