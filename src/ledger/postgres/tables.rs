//! The tables: what they are, and how a commit's rows get into them.
//!
//! Columns are those of [`columns`]: decimals as `numeric`, which keeps all their digits, JSON as `json`,
//! which keeps its bytes; and before them the job's name, so that several jobs can share a database. Rows
//! travel as an array for each column, so a commit is a handful of statements whatever its size.

use crate::ledger::entry_key::EntryKey;
use crate::ledger::letters;
use crate::rows::columns;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::market::schema::{Field, FieldType, KEY, RowKind, RowKinds, Schema};
use crossrate_dataflows::market::value::Value;
use crossrate_dataflows::operators::closings::RefusedRecord;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};

/// Rows of one statement.
const CHUNK: usize = 5_000;

/// The tables of a job's own state, and of refused records.
const OWN: [(&str, &str); 3] = [
    (
        "crossrate_lease",
        "CREATE TABLE crossrate_lease (
            job text PRIMARY KEY, run bytea NOT NULL, number bigint NOT NULL, owner text NOT NULL,
            taken_at timestamptz NOT NULL DEFAULT now())",
    ),
    (
        "crossrate_recovery",
        "CREATE TABLE crossrate_recovery (
            job text NOT NULL, key text NOT NULL, value bytea NOT NULL, PRIMARY KEY (job, key))",
    ),
    (
        "dead_letters",
        "CREATE TABLE dead_letters (
            job text NOT NULL, topic text NOT NULL, partition bigint NOT NULL, \"offset\" bigint NOT NULL,
            part bigint NOT NULL, reason text NOT NULL, detail text NOT NULL, value bytea NOT NULL,
            PRIMARY KEY (job, topic, partition, \"offset\", part))",
    ),
];

/// What a run writes.
#[derive(Debug)]
pub(crate) struct WrittenTables {
    /// The kinds of its rows.
    pub(crate) kinds: RowKinds,
    /// The topics that its refused records come from, where there are several.
    pub(crate) topics: Vec<String>,
}

/// Makes the tables that are missing, of rows those of such kinds. One run at a time does.
pub(super) async fn make(client: &Client, kinds: RowKinds) -> Result<(), Error> {
    let wanted = RowKind::ALL.into_iter().filter(|kind| kinds.has(*kind));
    let wanted = wanted.map(|kind| (kind.schema().table, definition(kind.schema())));
    let own = OWN.iter().map(|(name, definition)| (*name, (*definition).to_owned()));
    let mut missing = Vec::new();
    for (name, definition) in own.chain(wanted) {
        // Asked first: to make a table that is there needs a right that the user may rightly lack.
        let there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name]).await?;
        if !there.get::<_, bool>(0) {
            missing.push(definition.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"));
        }
    }
    if !missing.is_empty() {
        client.batch_execute(&format!("BEGIN; {ONE_AT_A_TIME}; {}; COMMIT", missing.join(";"))).await?;
    }
    Ok(())
}

/// The number is ours and means nothing.
pub(super) const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(7203516)";

/// The columns of the key, before the job.
pub(super) fn key() -> String {
    KEY.map(|field| format!("\"{}\"", field.name)).join(", ")
}

fn definition(schema: &Schema) -> String {
    let columns: Vec<String> = schema
        .fields
        .iter()
        .map(|column| format!("\"{}\" {}", column.name, columns::postgres_type(column.ty)))
        .collect();
    format!("CREATE TABLE {} (job text, {}, PRIMARY KEY ({}, job))", schema.table, columns.join(", "), key())
}

/// The statements of a connection, prepared.
#[derive(Clone)]
pub(super) struct Statements {
    rows: Vec<(RowKind, Statement)>,
    /// The topics that refused records come from, where there are several.
    topics: Vec<String>,
    refused: Statement,
    put: Statement,
    remove: Statement,
}

impl Statements {
    /// Prepares them; fails where a table of that name is another's.
    pub(super) async fn prepare(client: &Client, written: &WrittenTables) -> Result<Self, Error> {
        let mut rows = Vec::new();
        for kind in RowKind::ALL.into_iter().filter(|kind| written.kinds.has(*kind)) {
            rows.push((kind, client.prepare(&insert(kind.schema())).await?));
        }
        let refused = "
            INSERT INTO dead_letters (job, topic, partition, \"offset\", part, reason, detail, value)
            SELECT $1, u.* FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[],
                $7::text[], $8::bytea[]) AS u
            ON CONFLICT (job, topic, partition, \"offset\", part) DO UPDATE
            SET reason = EXCLUDED.reason, detail = EXCLUDED.detail, value = EXCLUDED.value";
        let put = "INSERT INTO crossrate_recovery (job, key, value)
            SELECT $1, u.* FROM unnest($2::text[], $3::bytea[]) AS u
            ON CONFLICT (job, key) DO UPDATE SET value = EXCLUDED.value";
        let remove = "DELETE FROM crossrate_recovery WHERE job = $1 AND key = ANY($2::text[])";
        Ok(Statements {
            rows,
            topics: written.topics.clone(),
            refused: client.prepare(refused).await?,
            put: client.prepare(put).await?,
            remove: client.prepare(remove).await?,
        })
    }

    /// Writes rows; of several with one key the last stays.
    pub(super) async fn write_rows(&self, client: &Client, job: &str, rows: &[Row]) -> Result<(), Error> {
        for (kind, statement) in &self.rows {
            let values = latest(*kind, rows);
            for chunk in values.chunks(CHUNK) {
                let arrays: Vec<Box<dyn ToSql + Sync + Send>> = kind
                    .schema()
                    .fields
                    .iter()
                    .enumerate()
                    .map(|(at, column)| array(column, at, chunk))
                    .collect();
                let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&job];
                parameters.extend(arrays.iter().map(|array| array.as_ref() as &(dyn ToSql + Sync)));
                client.execute(statement, &parameters).await?;
            }
        }
        Ok(())
    }

    /// Writes refused records.
    pub(super) async fn write_refused(
        &self,
        client: &Client,
        job: &str,
        refused: &[RefusedRecord],
    ) -> Result<(), Error> {
        for chunk in letters::of(refused, &self.topics).chunks(CHUNK) {
            let topics: Vec<&str> = chunk.iter().map(|l| l.topic).collect();
            let partitions: Vec<i64> = chunk.iter().map(|l| i64::from(l.partition)).collect();
            let offsets: Vec<i64> = chunk.iter().map(|l| l.refusal.offset).collect();
            let parts: Vec<i64> = chunk.iter().map(|l| i64::from(l.part)).collect();
            let reasons: Vec<&str> = chunk.iter().map(|l| l.refusal.reason.as_str()).collect();
            let details: Vec<String> = chunk.iter().map(|l| text(&l.refusal.detail)).collect();
            let values: Vec<&[u8]> = chunk.iter().map(|l| l.refusal.value.as_slice()).collect();
            let columns: [&(dyn ToSql + Sync); 8] =
                [&job, &topics, &partitions, &offsets, &parts, &reasons, &details, &values];
            client.execute(&self.refused, &columns).await?;
        }
        Ok(())
    }

    /// Changes entries of the checkpoint.
    pub(super) async fn write_changes(
        &self,
        client: &Client,
        job: &str,
        changes: &super::super::EntryChanges,
    ) -> Result<(), Error> {
        let (mut keys, mut values, mut gone): (Vec<String>, Vec<&[u8]>, Vec<String>) = Default::default();
        for (key, value) in changes {
            match value {
                Some(value) => {
                    keys.push(key_to_sql(key));
                    values.push(value);
                }
                None => gone.push(key_to_sql(key)),
            }
        }
        if !keys.is_empty() {
            client.execute(&self.put, &[&job, &keys, &values]).await?;
        }
        if !gone.is_empty() {
            client.execute(&self.remove, &[&job, &gone]).await?;
        }
        Ok(())
    }
}

fn insert(schema: &Schema) -> String {
    let names: Vec<String> = schema.fields.iter().map(|c| format!("\"{}\"", c.name)).collect();
    let numbered = || schema.fields.iter().enumerate();
    let arrays: Vec<String> = numbered()
        .map(|(at, column)| {
            let ty = match column.ty {
                FieldType::Decimal | FieldType::List(_) => "text",
                ty => columns::postgres_type(ty),
            };
            format!("${}::{ty}[]", at + 2)
        })
        .collect();
    let aliases: Vec<String> = numbered().map(|(at, _)| format!("c{at}")).collect();
    let taken: Vec<String> = numbered()
        .map(|(at, column)| match column.ty {
            FieldType::Decimal => format!("c{at}::numeric"),
            FieldType::List(_) => format!("c{at}::json"),
            _ => format!("c{at}"),
        })
        .collect();
    let set: Vec<String> =
        names.iter().skip(KEY.len()).map(|name| format!("{name} = EXCLUDED.{name}")).collect();
    format!(
        "INSERT INTO {} (job, {}) SELECT $1, {} FROM unnest({}) AS u({})
        ON CONFLICT ({}, job) DO UPDATE SET {}",
        schema.table,
        names.join(", "),
        taken.join(", "),
        arrays.join(", "),
        aliases.join(", "),
        key(),
        set.join(", ")
    )
}

/// The rows of a table, the last of each key: one statement must not touch a row twice.
fn latest(kind: RowKind, rows: &[Row]) -> Vec<Vec<Value>> {
    // As the key of the table, where a name has no zero byte.
    type Key<'a> = (String, &'a str, EventTime, EventTime);
    let mut places: HashMap<Key<'_>, usize> = HashMap::new();
    let mut latest: Vec<&Row> = Vec::new();
    for row in rows.iter().filter(|row| row.kind == kind) {
        match places.entry((text(row.name.as_str()), row.window.as_str(), row.start, row.end)) {
            Entry::Occupied(place) => latest[*place.get()] = row,
            Entry::Vacant(place) => {
                place.insert(latest.len());
                latest.push(row);
            }
        }
    }
    latest.into_iter().map(Row::columns).collect()
}

fn array(column: &Field, at: usize, rows: &[Vec<Value>]) -> Box<dyn ToSql + Sync + Send> {
    let values = rows.iter().map(|row| &row[at]);
    match column.ty {
        FieldType::Integer => Box::new(
            values
                .map(|v| if let Value::Integer(n) = v { Some(*n) } else { None })
                .collect::<Vec<Option<i64>>>(),
        ),
        FieldType::Real => Box::new(
            values
                .map(|v| if let Value::Real(x) = v { Some(*x) } else { None })
                .collect::<Vec<Option<f64>>>(),
        ),
        FieldType::Boolean => Box::new(
            values
                .map(|v| if let Value::Boolean(b) = v { Some(*b) } else { None })
                .collect::<Vec<Option<bool>>>(),
        ),
        FieldType::Text | FieldType::Decimal | FieldType::List(_) => Box::new(
            values
                .map(|value| value.text(column.ty).map(|words| text(&words)))
                .collect::<Vec<Option<String>>>(),
        ),
    }
}

/// A text as Postgres can hold it: it has no zero byte, so its picture stands in.
fn text(words: &str) -> String {
    words.replace('\0', "\u{2400}")
}

/// The key of the term as it stands in the table.
pub(super) fn term_key() -> String {
    key_to_sql(&EntryKey::Term.to_string())
}

/// A key as Postgres can hold it, without making two of them one.
pub(super) fn key_to_sql(key: &str) -> String {
    key.replace('%', "%25").replace('\0', "%00")
}

/// And back.
pub(super) fn key_from_sql(key: &str) -> String {
    key.replace("%00", "\0").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_zero_bytes_comes_back_from_sql() {
        for key in ["head/0", "carried/A\0B", "carried/%00", "carried/%2500%\0%%", "rate/A%25/7"] {
            let stored = key_to_sql(key);
            assert!(!stored.contains('\0'));
            assert_eq!(key_from_sql(&stored), key);
        }
    }
}
