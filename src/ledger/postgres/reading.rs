//! A session that only reads: for those who follow what a job writes.

use super::{PostgresFault, tables};
use crate::config::database::{Database, words};
use crate::exit::{Exit, Failure};
use crate::ledger::Entries;
use anyhow::Result;
use std::time::Duration;
use tokio_postgres::{Client, Error};

/// How long the server may take to answer.
const ANSWER: Duration = Duration::from_secs(20);

/// Connects, for reading only.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let mut place = Database::parse(url).map_err(|wrong| Failure::new(Exit::Usage, wrong))?;
    place.find_password()?;
    let connector = place.tls.connector()?;
    let connecting = async {
        let (client, connection) = place.config.connect(connector).await?;
        // Ends with the client, and says nothing that the client does not say.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        client
            .batch_execute("SET client_min_messages = warning; SET default_transaction_read_only = on")
            .await?;
        Ok::<_, Error>(client)
    };
    within(connecting).await.map_err(|why| {
        Failure::new(Exit::Unreachable, format!("cannot read the database {}: {why}", place.shown()))
            .hint("start it, or correct the URL: it is that of crossrate run --to postgres:URL")
            .into()
    })
}

/// Waits for an answer, not for ever; the error in the server's words.
pub(crate) async fn within<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match super::answer::within(ANSWER, async { Ok(work.await?) }).await {
        Ok(done) => Ok(done),
        Err(PostgresFault::Away(why)) => Err(why),
        Err(PostgresFault::Refused(error)) => Err(words(&error)),
    }
}

/// The entries of a job's checkpoint that tell how far it is.
pub(crate) async fn entries(client: &Client, job: &str) -> Result<Entries, Error> {
    let sql =
        "SELECT key, value FROM crossrate_recovery WHERE job = $1 AND (key = 'job' OR key LIKE 'head/%')";
    let rows = client.query(sql, &[&job]).await?;
    Ok(rows.iter().map(|row| (tables::key_from_sql(row.get(0)), row.get(1))).collect())
}
