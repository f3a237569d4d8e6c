//! What a database holds of a job.

use super::tables;
use crate::ledger::Entries;
use crate::ledger::protocol::Lease;
use tokio_postgres::{Client, Error, Row};

/// The lease of a job, which no other transaction changes before this one ends.
pub(super) async fn locked_lease(client: &Client, job: &str) -> Result<Option<Lease>, Error> {
    let sql = "SELECT run, number, owner FROM crossrate_lease WHERE job = $1 FOR UPDATE";
    Ok(client.query_opt(sql, &[&job]).await?.map(|row| lease(&row)))
}

/// A lease as it is stored.
pub(super) fn lease(row: &Row) -> Lease {
    let run: Vec<u8> = row.get(0);
    // What is not 16 bytes is no run of ours.
    Lease { run: run.try_into().unwrap_or_default(), number: row.get::<_, i64>(1) as u64, owner: row.get(2) }
}

/// The entries of a job's checkpoint.
pub(super) async fn read_entries(client: &Client, job: &str) -> Result<Entries, Error> {
    let rows = client.query("SELECT key, value FROM crossrate_recovery WHERE job = $1", &[&job]).await?;
    Ok(rows.iter().map(|row| (tables::key_from_sql(row.get(0)), row.get(1))).collect())
}
