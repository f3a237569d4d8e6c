//! A Postgres database as ledger: rows, dead letters and checkpoint in one transaction.
//!
//! A commit locks the job's lease, looks whether it is the one that this run holds, writes, and leaves the
//! next lease. The lock is what makes an unknown outcome knowable: a look at the lease under the lock shows
//! the outcome of the transaction that was under way. A process that is frozen in the middle of a commit
//! keeps the lock for [`IDLE`] seconds at most, then the server ends its transaction.

mod answer;
mod earlier;
mod held;
mod password;
pub(crate) mod reading;
mod tables;
mod tls;
mod trouble;

use super::protocol::{EndReason, Lease, Protocol, ProtocolStep, WriteOutcome};
use super::{Commit, Entries, Ledger, StoredCheckpoint, checkpoint, is_overtaken};
use crate::config::Verbosity;
use crate::config::database::Database;
use crate::exit::{Exit, Failure};
use answer::{patiently, within};
use anyhow::Result;
use held::{lease, locked_lease, read_entries};
use std::time::{Duration, Instant};
use tables::Statements;
pub(crate) use tables::WrittenTables;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Error};
use trouble::{PostgresFault, refused};

/// How long the server lets a transaction be without a word from us.
const IDLE: Duration = Duration::from_secs(5);
/// How long a statement waits for a lock: longer than another one of ours may keep it.
const LOCK: Duration = Duration::from_secs(15);
/// How long one commit, or one look, may take before its outcome counts as unknown.
const ANSWER: Duration = Duration::from_secs(60);
/// Least time that a server has to greet a client.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may be away, at the start and in the middle.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_AT_START: Duration = Duration::from_secs(10);

/// A job's place in a database. Several jobs may share one.
pub struct Postgres {
    place: Database,
    shown: String,
    job: String,
    quiet: bool,
    /// The tables that the run writes; `None` for a connection that only reads.
    written: Option<WrittenTables>,
    runtime: Runtime,
    session: Option<PostgresSession>,
    protocol: Protocol,
    /// What was there when the job was taken over.
    before: Option<Lease>,
}

struct PostgresSession {
    client: Client,
    /// `None` for a connection that only reads.
    statements: Option<Statements>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("place", &self.shown).field("job", &self.job).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Connects, and makes the tables that are missing.
    pub(crate) fn open(url: &str, job: &str, quiet: bool, written: WrittenTables) -> Result<Self> {
        Self::begin(url, job, quiet, Some(written))
    }

    /// Connects to read only, and makes nothing.
    pub fn look_at(url: &str, job: &str, verbosity: Verbosity) -> Result<Self> {
        Self::begin(url, job, verbosity < Verbosity::Normal, None)
    }

    fn begin(url: &str, job: &str, quiet: bool, written: Option<WrittenTables>) -> Result<Self> {
        let mut place = Database::parse(url).map_err(|wrong| Failure::new(Exit::Usage, wrong))?;
        place.find_password()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let shown = place.shown();
        let protocol = Protocol::new(super::run_id()?, super::owner());
        let job = job.to_owned();
        let mut ledger =
            Postgres { place, shown, job, quiet, written, runtime, session: None, protocol, before: None };
        ledger.connect(PATIENCE_AT_START)?;
        Ok(ledger)
    }

    /// Reads the job's entries without fencing its run.
    pub fn held(&mut self) -> Result<Option<StoredCheckpoint>> {
        let job = self.job.clone();
        let held = self.persist(PATIENCE_AT_START, async |session: &PostgresSession| {
            let client = &session.client;
            let sql = "SELECT to_regclass('crossrate_lease') IS NOT NULL AND \
                       to_regclass('crossrate_recovery') IS NOT NULL";
            if !client.query_one(sql, &[]).await?.get::<_, bool>(0) {
                return Ok(StoredCheckpoint::default());
            }
            // One state of both, whatever is committed meanwhile.
            client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let sql = "SELECT run, number, owner FROM crossrate_lease WHERE job = $1";
            let lease = client.query_opt(sql, &[&job]).await?.map(|row| lease(&row));
            let entries = read_entries(client, &job).await?;
            client.batch_execute("ROLLBACK").await?;
            Ok(StoredCheckpoint { entries, lease })
        })?;
        Ok(held.some())
    }

    /// Removes the job's checkpoint; its rows stay. A run that is under way is fenced by it.
    pub fn remove(&mut self) -> Result<()> {
        let job = self.job.clone();
        self.persist(PATIENCE_AT_START, async |session: &PostgresSession| {
            let client = &session.client;
            begin(client).await?;
            client.execute("DELETE FROM crossrate_lease WHERE job = $1", &[&job]).await?;
            client.execute("DELETE FROM crossrate_recovery WHERE job = $1", &[&job]).await?;
            client.batch_execute("COMMIT").await
        })
    }

    /// Connects, trying again for as long as the server may be away.
    fn connect(&mut self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let (mut pause, mut told) = (Duration::from_millis(50), self.quiet);
        loop {
            let connecting = connect(&self.place, self.written.as_ref());
            let trouble = match self.runtime.block_on(within(ANSWER, connecting)) {
                Ok(Ok(session)) => {
                    self.session = Some(session);
                    return Ok(());
                }
                Ok(Err(error)) => return Err(error),
                Err(trouble) => trouble,
            };
            let why = match trouble {
                PostgresFault::Refused(error) => return Err(refused(&self.shown, &error)),
                PostgresFault::Away(why) => why,
            };
            if Instant::now() + pause > deadline {
                let words = format!("cannot reach the database {}: {why}", self.shown);
                return Err(Failure::new(Exit::Unreachable, words)
                    .hint("start it, or correct the URL; the last commit is whole")
                    .into());
            }
            if !std::mem::replace(&mut told, true) {
                let (at, most) = (&self.shown, deadline.saturating_duration_since(Instant::now()).as_secs());
                tracing::warn!(place = %at, %why, "{at} is away ({why}), waiting for {most} s at most");
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Does something that may be repeated until it is done, or the server has been away for too long.
    fn persist<T>(
        &mut self,
        patience: Duration,
        work: impl AsyncFn(&PostgresSession) -> Result<T, Error>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            if self.session.as_ref().is_none_or(|session| session.client.is_closed()) {
                self.session = None;
                self.connect(deadline.saturating_duration_since(Instant::now()))?;
            }
            let Some(session) = &self.session else { continue };
            let work = async { Ok(work(session).await?) };
            let trouble = match self.runtime.block_on(patiently(&self.shown, self.quiet, ANSWER, work)) {
                Ok(done) => return Ok(done),
                Err(trouble) => trouble,
            };
            self.session = None;
            match trouble {
                PostgresFault::Refused(error) => return Err(refused(&self.shown, &error)),
                PostgresFault::Away(why) if Instant::now() > deadline => {
                    let words = format!("cannot reach the database {}: {why}", self.shown);
                    return Err(Failure::new(Exit::Unreachable, words).into());
                }
                PostgresFault::Away(_) => {}
            }
        }
    }

    /// Writes one transaction, and handles no failure. `Some`: another lease was there than the one held.
    fn attempt(&mut self, commit: &Commit) -> Result<(WriteOutcome, Option<Option<Lease>>)> {
        let Some(session) = &self.session else { return Ok((WriteOutcome::Unknown, None)) };
        let writing = write(session, &self.job, commit, &self.protocol);
        match self.runtime.block_on(patiently(&self.shown, self.quiet, ANSWER, writing)) {
            Ok(None) => Ok((WriteOutcome::All, None)),
            Ok(Some(found)) => Ok((WriteOutcome::Fenced, Some(found))),
            Err(trouble) => {
                // Closing the connection ends its transaction.
                self.session = None;
                match trouble {
                    PostgresFault::Refused(error) => Err(refused(&self.shown, &error)),
                    PostgresFault::Away(why) => {
                        if !self.quiet {
                            tracing::warn!(%why, "the outcome of a commit is unknown ({why}), looking");
                        }
                        Ok((WriteOutcome::Unknown, None))
                    }
                }
            }
        }
    }

    /// The lease that is there, once no transaction has it locked.
    fn look(&mut self) -> Result<Option<Lease>> {
        let job = self.job.clone();
        self.persist(PATIENCE, async |session: &PostgresSession| {
            begin(&session.client).await?;
            let found = locked_lease(&session.client, &job).await?;
            session.client.batch_execute("ROLLBACK").await?;
            Ok(found)
        })
    }

    fn ended(&self, ended: EndReason) -> anyhow::Error {
        super::ended(&self.job, &self.shown, ended)
    }
}

impl Ledger for Postgres {
    fn name(&self) -> String {
        self.shown.clone()
    }

    fn acquire(&mut self, beside: Option<u64>) -> Result<Entries> {
        // Taking over is itself a commit, number 0. It depends on no earlier lease, so repeating it does no
        // harm.
        self.protocol.acquire(None);
        self.protocol.begin();
        let (job, lease) = (self.job.clone(), self.protocol.next().clone());
        let (before, entries) =
            self.persist(PATIENCE_AT_START + LOCK, async |session: &PostgresSession| {
                let client = &session.client;
                begin(client).await?;
                let before = locked_lease(client, &job).await?;
                let mut entries = read_entries(client, &job).await?;
                if is_overtaken(beside, &entries) {
                    client.batch_execute("ROLLBACK").await?;
                    return Ok((before, entries));
                }
                let term = checkpoint::put_term(&mut entries, beside);
                let sql = "INSERT INTO crossrate_recovery (job, key, value) VALUES ($1, $2, $3)
                ON CONFLICT (job, key) DO UPDATE SET value = $3";
                client.execute(sql, &[&job, &tables::term_key(), &term]).await?;
                let sql = "INSERT INTO crossrate_lease (job, run, number, owner) VALUES ($1, $2, $3, $4)
                ON CONFLICT (job) DO UPDATE SET run = $2, number = $3, owner = $4, taken_at = now()";
                let run = lease.run.as_slice();
                client.execute(sql, &[&job, &run, &(lease.number as i64), &lease.owner]).await?;
                client.batch_execute("COMMIT").await?;
                Ok((before, entries))
            })?;
        if is_overtaken(beside, &entries) {
            return Err(super::overtaken(&self.job, &self.shown, before.map(|lease| lease.owner)));
        }
        // After a repetition, the earlier owner is this run itself, and there is nothing to return.
        self.before = before.filter(|lease| lease.run != self.protocol.next().run);
        self.protocol.acquire(Some(self.protocol.next().clone()));
        Ok(entries)
    }

    fn is_acquired(&self) -> bool {
        self.protocol.is_held()
    }

    fn predecessor(&self) -> Option<String> {
        self.before.as_ref().map(|lease| lease.owner.clone())
    }

    fn release(&mut self) {
        let (Some(before), true) = (self.before.clone(), self.protocol.can_give_back()) else { return };
        let (job, run) = (self.job.clone(), self.protocol.next().run);
        let _ = self.persist(Duration::ZERO, async |session: &PostgresSession| {
            let sql = "UPDATE crossrate_lease SET run = $3, number = $4, owner = $5
                WHERE job = $1 AND run = $2 AND number = 0";
            let (to, number) = (before.run.as_slice(), before.number as i64);
            session.client.execute(sql, &[&job, &run.as_slice(), &to, &number, &before.owner]).await
        });
    }

    fn commit(&mut self, commit: &Commit) -> Result<()> {
        let mut step = self.protocol.begin();
        loop {
            step = match step {
                ProtocolStep::Write => match self.attempt(commit)? {
                    (_, Some(found)) => self.protocol.found(found.as_ref()),
                    (wrote, None) => self.protocol.wrote(wrote),
                },
                ProtocolStep::Look { .. } => {
                    let found = self.look()?;
                    self.protocol.found(found.as_ref())
                }
                ProtocolStep::Done => return Ok(()),
                ProtocolStep::End(ended) => return Err(self.ended(ended)),
            };
        }
    }

    fn verify_lease(&mut self) -> Result<()> {
        let found = self.look()?;
        match self.protocol.still(found.as_ref()) {
            None => Ok(()),
            Some(ended) => Err(self.ended(ended)),
        }
    }
}

/// Connects once, sets the session up and prepares the statements.
async fn connect(
    place: &Database,
    written: Option<&WrittenTables>,
) -> Result<Result<PostgresSession>, PostgresFault> {
    let connector = match place.tls.connector() {
        Ok(connector) => connector,
        Err(error) => return Ok(Err(error)),
    };
    // The limit that the library has is for each address alone, and over once there is a connection: who
    // accepts one and says nothing would hold us for as long as an answer may take.
    let most = place.config.get_connect_timeout().map_or(CONNECT, |most| CONNECT.max(*most));
    let connecting = async { Ok(place.config.connect(connector).await?) };
    let (client, connection) = within(most, connecting).await?;
    // Ends with the client, and says nothing that the client does not say.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let encoding: String = client.query_one("SHOW server_encoding", &[]).await?.get(0);
    if encoding != "UTF8" {
        let words = format!("the database {} has the encoding {encoding}", place.shown());
        return Ok(Err(Failure::new(Exit::Failed, words).hint("make one with ENCODING 'UTF8'").into()));
    }
    // A commit that is confirmed shall be on the disk, whatever the server's habits are.
    client
        .batch_execute(
            "SET client_min_messages = warning;
             SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') = 'off'",
        )
        .await?;
    let Some(written) = written else { return Ok(Ok(PostgresSession { client, statements: None })) };
    tables::make(&client, written.kinds).await?;
    earlier::bring_up(&client, written.kinds).await?;
    let statements = Some(Statements::prepare(&client, written).await?);
    Ok(Ok(PostgresSession { client, statements }))
}

/// Begins a transaction that can wait neither for others nor for us for long.
async fn begin(client: &Client) -> Result<(), Error> {
    let (idle, lock) = (IDLE.as_millis(), LOCK.as_millis());
    client
        .batch_execute(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
             SET LOCAL idle_in_transaction_session_timeout = {idle}; SET LOCAL lock_timeout = {lock}"
        ))
        .await
}

/// Writes a commit, unless another lease is there than the one held: then gives that.
async fn write(
    session: &PostgresSession,
    job: &str,
    commit: &Commit,
    protocol: &Protocol,
) -> Result<Option<Option<Lease>>, PostgresFault> {
    let PostgresSession { client, statements } = session;
    let Some(statements) = statements else {
        return Err(PostgresFault::Away("it is here for a look only".into()));
    };
    begin(client).await?;
    let found = locked_lease(client, job).await?;
    if found.as_ref() != protocol.held() {
        client.batch_execute("ROLLBACK").await?;
        return Ok(Some(found));
    }
    statements.write_rows(client, job, &commit.rows).await?;
    statements.write_refused(client, job, &commit.refused).await?;
    statements.write_changes(client, job, &commit.changes).await?;
    let number = protocol.next().number as i64;
    client.execute("UPDATE crossrate_lease SET number = $2 WHERE job = $1", &[&job, &number]).await?;
    client.batch_execute("COMMIT").await?;
    Ok(None)
}
