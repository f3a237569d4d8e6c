//! Tables of rows that an earlier release made get what it did not know: columns, and the window in their
//! key.

use super::tables::{ONE_AT_A_TIME, key};
use super::{Error, read_entries};
use crate::ledger::earlier_tables::{self, GROUPS};
use crate::rows::columns::postgres_type;
use crossrate_dataflows::market::schema::{RowKind, RowKinds, Schema};
use std::collections::BTreeMap;
use tokio_postgres::Client;

/// Brings the tables of those kinds to what this release writes; all of one table is one transaction.
pub(super) async fn bring_up(client: &Client, kinds: RowKinds) -> Result<(), Error> {
    for table in RowKind::ALL.into_iter().filter(|kind| kinds.has(*kind)).map(RowKind::schema) {
        if !lacking(client, table).await?.is_empty() {
            tracing::info!(table = table.table, "the table {} is brought to this release", table.table);
            client.batch_execute(&format!("BEGIN; {ONE_AT_A_TIME}")).await?;
            // Another run may have been faster.
            let lacking = lacking(client, table).await?;
            if !lacking.is_empty() {
                add(client, table, &lacking).await?;
            }
            client.batch_execute("COMMIT").await?;
        }
    }
    letters(client).await
}

/// Gives the table of refused records their topic and their number in a record.
async fn letters(client: &Client) -> Result<(), Error> {
    const CHANGE: &str = "ALTER TABLE dead_letters ADD COLUMN topic text NOT NULL DEFAULT '',
        ADD COLUMN part bigint NOT NULL DEFAULT 0";
    // A table without a job is another's.
    let lacks = "SELECT coalesce(bool_or(attname = 'job') AND NOT bool_or(attname = 'part'), false) \
                 FROM pg_attribute WHERE attrelid = to_regclass('dead_letters') AND NOT attisdropped";
    if !client.query_one(lacks, &[]).await?.get::<_, bool>(0) {
        return Ok(());
    }
    tracing::info!(table = "dead_letters", "the table dead_letters is brought to this release");
    client.batch_execute(&format!("BEGIN; {ONE_AT_A_TIME}")).await?;
    // Another run may have been faster.
    if client.query_one(lacks, &[]).await?.get::<_, bool>(0) {
        let drop = drop_key(client, "dead_letters").await?;
        let key = "ADD PRIMARY KEY (job, topic, partition, \"offset\", part)";
        client.batch_execute(&format!("{CHANGE}; ALTER TABLE dead_letters {drop}{key}")).await?;
    }
    client.batch_execute("COMMIT").await
}

/// The change that drops a table's primary key, where it has one.
async fn drop_key(client: &Client, table: &str) -> Result<String, Error> {
    let sql =
        "SELECT quote_ident(conname) FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'p'";
    let drop = client.query_opt(sql, &[&table]).await?;
    Ok(drop.map(|row| format!("DROP CONSTRAINT {}, ", row.get::<_, String>(0))).unwrap_or_default())
}

/// The columns that a table of rows lacks. A table that has no job, name and times is another's: it lacks
/// nothing that would help.
async fn lacking(client: &Client, table: &Schema) -> Result<Vec<&'static str>, Error> {
    let sql = "SELECT attname FROM pg_attribute \
               WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let found = client.query(sql, &[&table.table]).await?;
    let known: Vec<String> = found.iter().map(|row| row.get(0)).collect();
    let has = |name: &str| known.iter().any(|known| known == name);
    if !["job", "name", "start_ms", "end_ms"].into_iter().all(has) {
        return Ok(Vec::new());
    }
    Ok(table.fields.iter().map(|field| field.name).filter(|name| !has(name)).collect())
}

async fn add(client: &Client, table: &Schema, lacking: &[&str]) -> Result<(), Error> {
    let name = table.table;
    let fields = table.fields.iter().filter(|field| lacking.contains(&field.name) && field.name != "window");
    let mut changes: Vec<String> =
        fields.map(|field| format!("ADD COLUMN \"{}\" {}", field.name, postgres_type(field.ty))).collect();
    if !lacking.contains(&"window") {
        return client.batch_execute(&format!("ALTER TABLE {name} {}", changes.join(", "))).await;
    }
    let names = window_names(client, name).await?;
    // Where all rows have one, it is given to them as a default, for which nothing is written anew.
    let mut distinct: Vec<&String> = names.values().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let by_default = if let [one] = distinct[..] { one.as_str() } else { "" };
    changes.push(format!("ADD COLUMN \"window\" text NOT NULL DEFAULT {}", quoted(by_default)));
    client.batch_execute(&format!("ALTER TABLE {name} {}", changes.join(", "))).await?;
    for ((job, length), window) in names.iter().filter(|(_, window)| *window != by_default) {
        let sql = format!("UPDATE {name} SET \"window\" = $1 WHERE job = $2 AND end_ms - start_ms = $3");
        client.execute(&sql, &[window, job, length]).await?;
    }
    let drop = drop_key(client, name).await?;
    client
        .batch_execute(&format!(
            "ALTER TABLE {name} ALTER COLUMN \"window\" DROP DEFAULT, {drop}ADD PRIMARY KEY ({}, job)",
            key()
        ))
        .await
}

/// The definitions of a table's windows, by job and length.
async fn window_names(client: &Client, table: &str) -> Result<BTreeMap<(String, i64), String>, Error> {
    let groups = client.query(&GROUPS.replace("TABLE_NAME", table), &[]).await?;
    let groups: Vec<(String, i64, i64)> =
        groups.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let mut entries = BTreeMap::new();
    for (job, ..) in &groups {
        if !entries.contains_key(job) {
            entries.insert(job.clone(), read_entries(client, job).await?);
        }
    }
    Ok(earlier_tables::names(groups, |job| entries.get(job).cloned()))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
