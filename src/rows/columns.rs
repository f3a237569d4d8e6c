//! Rows as columns, for databases and tables: the fields of SPEC section 9 under their own names.

use crossrate_dataflows::market::row::RowKind;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write;

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

/// A row as it left the dataflow, of its values: character by character, since a double has one shortest form and
/// everything else is kept as it was written.
pub fn json(kind: RowKind, values: &[Value]) -> String {
    let mut json = format!("{{\"kind\":\"{}\"", kind.as_str());
    for (column, value) in table(kind).columns.iter().zip(values) {
        let _ = write!(json, ",\"{}\":", column.name);
        let _ = match value {
            Value::Null => write!(json, "null"),
            Value::Integer(number) => write!(json, "{number}"),
            Value::Real(number) => write!(json, "{}", serde_json::Value::from(*number)),
            Value::Boolean(is) => write!(json, "{is}"),
            Value::Text(text) if column.kind == Kind::Json => write!(json, "{text}"),
            Value::Text(text) => write!(json, "{}", serde_json::Value::from(text.as_str())),
        };
    }
    json.push('}');
    json
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

/// The fields of a row as they are written in it.
pub fn fields(json: &str) -> BTreeMap<&str, &RawValue> {
    // Rows are ours: objects whose names need no escapes.
    serde_json::from_str(json).unwrap_or_default()
}

/// The values of a row, in the order of its table's columns. A number beyond 64 bits reads as null.
pub fn values(table: &Table, json: &str) -> Vec<Value> {
    let fields = fields(json);
    let value = |column: &Column| {
        fields.get(column.name).map_or(Value::Null, |field| value(column.kind, field.get()))
    };
    table.columns.iter().map(value).collect()
}

fn value(kind: Kind, json: &str) -> Value {
    match (json.as_bytes().first(), kind) {
        (None | Some(b'n'), _) => Value::Null,
        (Some(b't' | b'f'), _) => Value::Boolean(json == "true"),
        (Some(b'"'), _) => serde_json::from_str(json).map_or(Value::Null, Value::Text),
        (Some(b'[' | b'{'), _) => Value::Text(json.to_owned()),
        // The parser of JSON would give a double that is not always the nearest one.
        (_, Kind::Real) => json.parse().map_or(Value::Null, Value::Real),
        _ => json.parse().map_or(Value::Null, Value::Integer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_row() {
        let doubles = ["6.091101897524803e-9", "3.353831229305556e-8", "0.0001831346834792786", "0", "1e300"];
        for double in doubles {
            let Value::Real(read) = value(Kind::Real, double) else { panic!("{double}") };
            assert_eq!(read, double.parse::<f64>().unwrap());
        }
        let legs = r#"[{"symbol":"A","inverse":false}]"#;
        let row = format!(
            r#"{{"kind":"cross","name":"A\u00e9\"","start_ms":1,"end_ms":18446744073709551615,"vwap":null,"legs":{legs},"final":true}}"#
        );
        let row: Vec<Value> = values(&TABLES[1], &row).into_iter().filter(|v| *v != Value::Null).collect();
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(row, [text("A\u{e9}\""), Value::Integer(1), text(legs), Value::Boolean(true)]);
    }

    #[test]
    fn rows_come_back_character_by_character() {
        let rows = include_str!("../../tests/golden/spec-vector/rows.jsonl");
        for (row, kind) in rows.lines().flat_map(|row| {
            let kinds = [RowKind::Symbol, RowKind::Cross, RowKind::Stats];
            kinds
                .into_iter()
                .filter(|k| row.contains(&format!("\"kind\":\"{}\"", k.as_str())))
                .map(move |k| (row, k))
        }) {
            assert_eq!(json(kind, &values(table(kind), row)), row);
        }
    }
}
