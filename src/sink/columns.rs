//! Rows as columns, for databases and tables: the fields of SPEC section 9 under their own names.

use crossrate_dataflows::market::row::RowKind;

/// What a column holds.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// A double.
    Real,
    /// True or false.
    Boolean,
    /// A text.
    Text,
    /// An exact decimal, as text.
    Decimal,
    /// A JSON value, as text.
    Json,
}

/// A field of a row.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, in rows and in tables.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// The rows of one kind.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

/// The three tables: symbols, crosses, stats. Their key is name, start_ms, end_ms.
pub const TABLES: [Table; 3] = [
    Table {
        name: "symbols",
        columns: &[
            column("name", Kind::Text),
            column("start_ms", Kind::Integer),
            column("end_ms", Kind::Integer),
            column("trades", Kind::Integer),
            column("open", Kind::Decimal),
            column("high", Kind::Decimal),
            column("low", Kind::Decimal),
            column("close", Kind::Decimal),
            column("volume", Kind::Decimal),
            column("quote_volume", Kind::Decimal),
            column("vwap", Kind::Decimal),
            column("vw_variance", Kind::Real),
            column("vw_std", Kind::Real),
            column("missing_ids", Kind::Integer),
            column("digest", Kind::Text),
            column("revision", Kind::Integer),
            column("closed", Kind::Boolean),
            column("final", Kind::Boolean),
            column("closed_by", Kind::Text),
        ],
    },
    Table {
        name: "crosses",
        columns: &[
            column("name", Kind::Text),
            column("start_ms", Kind::Integer),
            column("end_ms", Kind::Integer),
            column("status", Kind::Text),
            column("vwap", Kind::Decimal),
            column("vw_variance", Kind::Real),
            column("vw_std", Kind::Real),
            column("trades", Kind::Integer),
            column("legs", Kind::Json),
            column("missing_ids", Kind::Integer),
            column("digest", Kind::Text),
            column("revision", Kind::Integer),
            column("closed", Kind::Boolean),
            column("final", Kind::Boolean),
            column("closed_by", Kind::Text),
        ],
    },
    Table {
        name: "stats",
        columns: &[
            column("name", Kind::Text),
            column("start_ms", Kind::Integer),
            column("end_ms", Kind::Integer),
            column("n", Kind::Integer),
            column("vwap", Kind::Decimal),
            column("sum", Kind::Decimal),
            column("mean", Kind::Decimal),
            column("variance", Kind::Real),
            column("std", Kind::Real),
        ],
    },
];

/// The table of a kind of rows.
pub fn table(kind: RowKind) -> &'static Table {
    match kind {
        RowKind::Symbol => &TABLES[0],
        RowKind::Cross => &TABLES[1],
        RowKind::Stats => &TABLES[2],
    }
}

/// A column's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null.
    Null,
    /// A whole number.
    Integer(i64),
    /// A double.
    Real(f64),
    /// True or false.
    Boolean(bool),
    /// A text, a decimal or JSON.
    Text(String),
}

/// The values of a row, in the order of its table's columns. A number beyond 64 bits reads as null.
pub fn values(table: &Table, json: &str) -> Vec<Value> {
    // Rows are ours: they are objects, with these fields.
    let row: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let value = |column: &Column| match (&row[column.name], column.kind) {
        (serde_json::Value::Bool(b), _) => Value::Boolean(*b),
        (serde_json::Value::Number(n), Kind::Real) => n.as_f64().map_or(Value::Null, Value::Real),
        (serde_json::Value::Number(n), _) => n.as_i64().map_or(Value::Null, Value::Integer),
        (serde_json::Value::String(text), _) => Value::Text(text.clone()),
        (other @ serde_json::Value::Array(_), _) => Value::Text(other.to_string()),
        _ => Value::Null,
    };
    table.columns.iter().map(value).collect()
}
