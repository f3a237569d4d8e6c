//! Rows in SQLite: the tables that hold them, and their values.

use super::columns;
use crossrate_dataflows::market::schema::{FieldType, KEY, RowKind, Schema};
use crossrate_dataflows::market::value::Value;
use rusqlite::ErrorCode;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Whether a file is a database, by its first bytes. What is read of a pipe is gone, so none is opened.
pub(crate) fn is_database(path: &Path) -> bool {
    let mut first = [0; BEGINNING.len()];
    let read = |mut file: File| file.read_exact(&mut first);
    path.is_file() && File::open(path).and_then(read).is_ok() && &first == BEGINNING
}

/// How each database begins.
const BEGINNING: &[u8; 16] = b"SQLite format 3\0";

/// The values of a row as those of its table: the job's name before them.
pub(crate) fn bound<'a>(
    job: &'a Value,
    kind: RowKind,
    columns: &'a [Value],
) -> impl Iterator<Item = Bound<'a>> {
    let columns = columns.iter().zip(kind.schema().fields);
    std::iter::once(Bound(job, FieldType::Text)).chain(columns.map(|(value, field)| Bound(value, field.ty)))
}

/// A column's value as SQLite wants it. A whole number beyond 64 bits is null.
#[derive(Debug)]
pub(crate) struct Bound<'a>(&'a Value, FieldType);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null | Value::Large(_) => ValueRef::Null,
            Value::Integer(n) => ValueRef::Integer(*n),
            Value::Real(x) => ValueRef::Real(*x),
            Value::Boolean(b) => ValueRef::Integer(i64::from(*b)),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            other => {
                let text = other.text(self.1).map_or(Owned::Null, |text| Owned::Text(text.into_owned()));
                return Ok(ToSqlOutput::Owned(text));
            }
        }))
    }
}

/// The table that holds rows of a kind, under that name.
pub(crate) fn schema(schema: &Schema, table: &str) -> String {
    let columns: Vec<String> = schema
        .fields
        .iter()
        .map(|column| {
            let ty = columns::sqlite_type(column.ty);
            let real = if column.ty == FieldType::Decimal {
                format!(", {0}_real REAL GENERATED ALWAYS AS (CAST({0} AS REAL)) VIRTUAL", column.name)
            } else {
                String::new()
            };
            format!("{} {ty}{real}", column.name)
        })
        .collect();
    let key = KEY.map(|field| field.name).join(", ");
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (job TEXT, {}, PRIMARY KEY ({key}, job)) WITHOUT ROWID;",
        columns.join(", ")
    )
}

/// The columns that are written.
pub(crate) fn columns(schema: &Schema) -> impl Iterator<Item = &'static str> {
    std::iter::once("job").chain(schema.fields.iter().map(|column| column.name))
}

/// Puts a row of a job into it, in place of the one of the same window.
pub(crate) fn insert(schema: &Schema) -> String {
    let names: Vec<&str> = columns(schema).collect();
    let places: Vec<String> = (1..=names.len()).map(|i| format!("?{i}")).collect();
    format!("INSERT OR REPLACE INTO {} ({}) VALUES ({})", schema.table, names.join(", "), places.join(", "))
}

/// What a reader of a database can do about an error of opening it.
pub(crate) fn hint(error: &anyhow::Error) -> &'static str {
    match error.downcast_ref().and_then(rusqlite::Error::sqlite_error_code) {
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "who reads must be able to write to its folder, where SQLite keeps the index of its log; or read a copy"
        }
        _ => "name one that crossrate run --to sqlite:PATH writes",
    }
}
