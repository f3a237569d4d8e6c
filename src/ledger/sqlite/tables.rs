//! The tables of rows: made where they are missing, and given what an earlier release did not know.

use super::super::earlier_tables::{self, GROUPS};
use super::super::letters::Letter;
use super::{failed, read_entries};
use crate::exit::{Exit, Failure};
use crate::rows::sqlite::{columns, schema};
use anyhow::Result;
use crossrate_dataflows::market::schema::{RowKind, Schema};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::collections::BTreeSet;
use std::path::Path;

/// Makes the tables of rows that are missing, and copies those of an earlier release into ones of this
/// release.
pub(super) fn make(connection: &mut Connection, path: &Path) -> Result<()> {
    for table in RowKind::ALL.map(RowKind::schema) {
        let found = state(connection, table).map_err(|error| failed(path, error))?;
        match found {
            TableState::Missing => connection.execute_batch(&schema(table, table.table)),
            TableState::Current => Ok(()),
            TableState::Earlier => {
                let (name, path) = (table.table, path.display());
                tracing::info!(table = name, file = %path, "the table {name} of {path} is brought to this release");
                bring_up(connection, table)
            }
            TableState::Foreign(columns) => {
                let words = format!(
                    "the table {} of {} is not as this release writes it: {columns}",
                    table.table,
                    path.display()
                );
                return Err(Failure::new(Exit::Failed, words)
                    .hint("write to another database, or rename that table")
                    .into());
            }
        }
        .map_err(|error| failed(path, error))?;
    }
    Ok(())
}

const LETTERS: &str = "
    CREATE TABLE IF NOT EXISTS dead_letters (
        job TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, \"offset\" INTEGER NOT NULL,
        part INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (job, topic, partition, \"offset\", part)
    ) WITHOUT ROWID;";

/// Makes the table of refused records, or copies that of an earlier release, which has neither topic nor
/// part.
pub(super) fn make_letters(connection: &mut Connection) -> rusqlite::Result<()> {
    const EARLIER: &str = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('dead_letters') WHERE name = 'job')
        AND NOT EXISTS (SELECT 1 FROM pragma_table_info('dead_letters') WHERE name = 'part')";
    // Views that name the table stay as they are.
    connection.pragma_update(None, "legacy_alter_table", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if transaction.query_row(EARLIER, [], |row| row.get(0))? {
        transaction.execute_batch(&format!(
            "ALTER TABLE dead_letters RENAME TO dead_letters_before; {LETTERS}
             INSERT INTO dead_letters SELECT job, '', partition, \"offset\", 0, reason, detail, value
                 FROM dead_letters_before;
             DROP TABLE dead_letters_before"
        ))?;
    } else {
        transaction.execute_batch(LETTERS)?;
    }
    transaction.commit()?;
    connection.pragma_update(None, "legacy_alter_table", false)
}

/// Writes refused records.
pub(super) fn write_letters(
    transaction: &Transaction<'_>,
    job: &str,
    letters: &[Letter<'_>],
) -> rusqlite::Result<()> {
    let mut insert = transaction
        .prepare_cached("INSERT OR REPLACE INTO dead_letters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for Letter { topic, partition, part, refusal } in letters {
        let (reason, detail) = (refusal.reason.as_str(), &refusal.detail);
        let values = params![job, topic, partition, refusal.offset, part, reason, detail, refusal.value];
        insert.execute(values)?;
    }
    Ok(())
}

/// How a table stands to what this release writes.
enum TableState {
    Missing,
    Current,
    /// It lacks columns, and has none of its own.
    Earlier,
    /// It lacks columns, and is not ours alone: why.
    Foreign(String),
}

fn state(connection: &Connection, table: &Schema) -> rusqlite::Result<TableState> {
    let known = known_columns(connection, table)?;
    let lacks: Vec<&str> = columns(table).filter(|column| !known.contains(*column)).collect();
    if known.is_empty() {
        return Ok(TableState::Missing);
    }
    if lacks.is_empty() {
        return Ok(TableState::Current);
    }
    let own = |column: &&String| {
        let of_row = column.strip_suffix("_real").unwrap_or(column);
        !columns(table).any(|known| known == of_row || known == column.as_str())
    };
    let own: Vec<&str> = known.iter().filter(own).map(String::as_str).collect();
    let key = ["job", "name", "start_ms", "end_ms"];
    Ok(match own.is_empty() && key.iter().all(|column| known.contains(*column)) {
        true => TableState::Earlier,
        false if own.is_empty() => TableState::Foreign(format!("it has no {}", lacks.join(", "))),
        false => {
            TableState::Foreign(format!("it has no {}, and has {} besides", lacks.join(", "), own.join(", ")))
        }
    })
}

fn known_columns(connection: &Connection, table: &Schema) -> rusqlite::Result<BTreeSet<String>> {
    let mut select = connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?;
    select.query_map([table.table], |row| row.get(0))?.collect()
}

/// The key has changed, which SQLite can do by a copy only. All of it is one transaction.
fn bring_up(connection: &mut Connection, table: &Schema) -> rusqlite::Result<()> {
    // Views that name the table stay as they are, and are not looked at while it is away.
    connection.pragma_update(None, "legacy_alter_table", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another run may have been faster.
    if matches!(state(&transaction, table)?, TableState::Earlier) {
        copy(&transaction, table)?;
    }
    transaction.commit()?;
    connection.pragma_update(None, "legacy_alter_table", false)
}

fn copy(transaction: &Transaction<'_>, table: &Schema) -> rusqlite::Result<()> {
    let name = table.table;
    // Indexes and triggers go with the table, and are made again.
    let beside = "SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 AND type IN ('index', 'trigger') \
                  AND sql IS NOT NULL";
    let beside: Vec<String> =
        transaction.prepare(beside)?.query_map([name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let known = known_columns(transaction, table)?;
    let new = format!("{name}_of_this_release");
    transaction.execute_batch(&format!(
        "{} CREATE TEMP TABLE lengths (job TEXT, length INTEGER, definition TEXT, PRIMARY KEY (job, length))",
        schema(table, &new)
    ))?;
    let fields: Vec<&str> = columns(table).filter(|column| known.contains(*column)).collect();
    let (mut into, mut from) = (fields.join(", "), fields.join(", "));
    if !known.contains("window") {
        name_windows(transaction, name)?;
        into.push_str(", window");
        from.push_str(
            ", coalesce((SELECT l.definition FROM lengths AS l \
             WHERE l.job = t.job AND l.length = t.end_ms - t.start_ms), '')",
        );
    }
    transaction.execute_batch(&format!(
        "INSERT INTO {new} ({into}) SELECT {from} FROM {name} AS t;
         DROP TABLE {name};
         ALTER TABLE {new} RENAME TO {name};
         DROP TABLE lengths"
    ))?;
    beside.iter().try_for_each(|sql| transaction.execute_batch(sql))
}

/// Notes the definitions of a table's windows.
fn name_windows(transaction: &Transaction<'_>, table: &str) -> rusqlite::Result<()> {
    let groups: Vec<(String, i64, i64)> = transaction
        .prepare(&GROUPS.replace("TABLE_NAME", table))?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let names = earlier_tables::names(groups, |job| read_entries(transaction, job).ok());
    for ((job, length), name) in names {
        transaction.execute("INSERT INTO lengths VALUES (?1, ?2, ?3)", params![job, length, name])?;
    }
    Ok(())
}
