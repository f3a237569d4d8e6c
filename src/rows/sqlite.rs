//! Rows in SQLite: the tables that hold them, and their values.

use super::columns;
use crossrate_dataflows::market::schema::{FieldType, Schema};
use rusqlite::ErrorCode;

/// A column's value as SQLite wants it.
#[derive(Debug)]
pub(crate) struct Bound<'a>(pub(crate) &'a columns::Value);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self.0 {
            columns::Value::Null => ValueRef::Null,
            columns::Value::Integer(n) => ValueRef::Integer(*n),
            columns::Value::Real(x) => ValueRef::Real(*x),
            columns::Value::Boolean(b) => ValueRef::Integer(i64::from(*b)),
            columns::Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// The table that holds rows of a kind.
pub(crate) fn schema(schema: &Schema) -> String {
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
    format!(
        "CREATE TABLE IF NOT EXISTS {} (job TEXT, {}, PRIMARY KEY (name, start_ms, end_ms, job)) WITHOUT ROWID;",
        schema.table,
        columns.join(", ")
    )
}

/// Puts a row of a job into it, in place of the one of the same window.
pub(crate) fn insert(schema: &Schema) -> String {
    let names: Vec<&str> = std::iter::once("job").chain(schema.fields.iter().map(|c| c.name)).collect();
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
