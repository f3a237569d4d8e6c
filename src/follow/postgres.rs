//! A Postgres database of rows (`--to postgres:URL`). A commit of a job leaves a lease with a number of its
//! own, so one row tells whether there is anything new. Everything is read in read-only transactions:
//! nobody's commit waits for them.

use super::checkpoint_progress::CheckpointProgress;
use super::tables::{self, ReadPosition};
use super::{PollResult, ResultStore, definition};
use crate::config::database;
use crate::exit::{Exit, Failure};
use crate::ledger::postgres::reading;
use crate::rows::columns;
use crate::serve::board::about::DefinitionDescription;
use crate::serve::board::series::CachedRow;
use anyhow::Result;
use crossrate_dataflows::market::schema::{Field, FieldType, RowKind};
use crossrate_dataflows::market::value::Value;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Error, Row};

/// A database that is followed.
pub(super) struct PostgresFollower {
    url: String,
    job: String,
    place: ReadPosition,
    runtime: Runtime,
    client: Option<Client>,
    /// The lease at the last look.
    lease: Option<(Vec<u8>, i64)>,
}

impl PostgresFollower {
    pub(super) fn new(url: &str, job: &str, history: Duration) -> Result<PostgresFollower> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        Ok(PostgresFollower {
            url: url.to_owned(),
            job: job.to_owned(),
            place: ReadPosition::new(history),
            runtime,
            client: None,
            lease: None,
        })
    }
}

impl ResultStore for PostgresFollower {
    fn poll(&mut self, most: Duration) -> Result<PollResult> {
        let PostgresFollower { url, job, place, runtime, client, lease } = self;
        let outcome = runtime.block_on(async {
            if client.as_ref().is_none_or(Client::is_closed) {
                *client = Some(reading::connect(url).await?);
                // What was committed meanwhile is looked for.
                *lease = None;
            }
            let mut polled = PollResult { whole: true, ..PollResult::default() };
            let Some(client) = client else { return Ok(polled) };
            match reading::within(look(client, job, place, lease)).await {
                Ok(Some(found)) => {
                    tables::has_job(&found.jobs, job)?;
                    if let Some(kind) = found.earlier {
                        return Err(tables::is_earlier(kind.schema(), &database::shown(url)));
                    }
                    polled.definition = found.definition;
                    place.found(found.rows, found.known.as_ref(), &mut polled);
                }
                // The connection is kept busy while nothing is asked, so that its end is noticed.
                Ok(None) => tokio::time::sleep(most).await,
                Err(why) => {
                    let words = format!("cannot read the database {}: {why}", database::shown(url));
                    return Err(Failure::new(Exit::Unreachable, words)
                        .hint("name one that crossrate run --to postgres:URL writes")
                        .into());
                }
            }
            Ok(polled)
        });
        if outcome.is_err() {
            self.client = None;
        }
        outcome
    }
}

struct DatabaseRead {
    jobs: Vec<String>,
    rows: Vec<CachedRow>,
    known: Option<CheckpointProgress>,
    definition: Option<DefinitionDescription>,
    /// A kind of rows whose table an earlier release made.
    earlier: Option<RowKind>,
}

/// What has changed since the last look, if anything has.
async fn look(
    client: &Client,
    job: &str,
    place: &ReadPosition,
    lease: &mut Option<(Vec<u8>, i64)>,
) -> Result<Option<DatabaseRead>, Error> {
    let sql = "SELECT run, number FROM crossrate_lease WHERE job = $1";
    let now = client.query_opt(sql, &[&job]).await?.map(|row| (row.get(0), row.get(1)));
    if now == *lease && !(place.is_new() && lease.is_none()) {
        return Ok(None);
    }
    // Rows and checkpoint of one commit, which may be a later one than that of the lease.
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let outcome = read(client, job, place).await;
    client.batch_execute("ROLLBACK").await?;
    let found = outcome?;
    *lease = now;
    Ok(Some(found))
}

async fn read(client: &Client, job: &str, place: &ReadPosition) -> Result<DatabaseRead, Error> {
    let jobs = client.query("SELECT job FROM crossrate_lease ORDER BY job", &[]).await?;
    let jobs = jobs.iter().map(|row| row.get(0)).collect();
    let entries = reading::entries(client, job).await?;
    // One that another version has written, or that is damaged, says nothing, and takes no rows with it.
    let (known, definition) = (CheckpointProgress::of(&entries).ok().flatten(), definition(&entries));
    // An older program made no tables of kinds that it did not know.
    let (mut kinds, mut earlier) = (Vec::new(), None);
    for kind in RowKind::ALL {
        let there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&kind.schema().table]).await?;
        if there.get::<_, bool>(0) {
            let sql = "SELECT count(*) FROM pg_attribute \
                       WHERE attrelid = to_regclass($1) AND attname = 'window' AND NOT attisdropped";
            match client.query_one(sql, &[&kind.schema().table]).await?.get(0) {
                0i64 => earlier = Some(kind),
                _ => kinds.push(kind),
            }
        }
    }
    let (mut newest_ms, mut windows) = (0, Vec::new());
    for &kind in kinds.iter().filter(|_| place.needs_windows()) {
        for row in client.query(&tables::windows(kind.schema()), &[&job]).await? {
            newest_ms = newest_ms.max(row.get::<_, i64>(1) as u64);
            windows.push(row.get(0));
        }
    }
    windows.sort_unstable();
    windows.dedup();
    let floors = place.floors(newest_ms, &windows, known.as_ref());
    let mut rows = Vec::new();
    for &kind in kinds.iter().filter(|_| !floors.is_empty()) {
        let sql = tables::select(kind.schema(), &floors, |column| format!("{column}::text"));
        for row in client.query(&sql, &[&job]).await? {
            let values: Vec<Value> =
                kind.schema().fields.iter().enumerate().map(|(at, column)| value(&row, at, column)).collect();
            rows.extend(columns::row_of(kind, values).as_ref().map(CachedRow::of));
        }
    }
    Ok(DatabaseRead { jobs, rows, known, definition, earlier })
}

fn value(row: &Row, at: usize, column: &Field) -> Value {
    match column.ty {
        FieldType::Integer => row.get::<_, Option<i64>>(at).map_or(Value::Null, Value::Integer),
        FieldType::Real => row.get::<_, Option<f64>>(at).map_or(Value::Null, Value::Real),
        FieldType::Boolean => row.get::<_, Option<bool>>(at).map_or(Value::Null, Value::Boolean),
        FieldType::Text | FieldType::Decimal | FieldType::List(_) => {
            let text = row.get::<_, Option<String>>(at);
            text.map_or(Value::Null, |text| columns::of_text(column.ty, &text))
        }
    }
}
