//! Rows as columns, for databases and tables: the fields of their schema under their own names.

use crossrate_dataflows::market::schema::{Field, FieldType, RowKind};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The type of a field in SQLite.
pub fn sqlite_type(ty: FieldType) -> &'static str {
    match ty {
        FieldType::Integer | FieldType::Boolean => "INTEGER",
        FieldType::Real => "REAL",
        FieldType::Text | FieldType::Decimal | FieldType::List(_) => "TEXT",
    }
}

/// The type of a field in Postgres.
pub fn postgres_type(ty: FieldType) -> &'static str {
    match ty {
        FieldType::Integer => "bigint",
        FieldType::Real => "double precision",
        FieldType::Boolean => "boolean",
        FieldType::Text => "text",
        FieldType::Decimal => "numeric",
        FieldType::List(_) => "json",
    }
}

/// A row as it left the dataflow, of its values: character by character, since a double has one shortest form and
/// everything else is kept as it was written.
pub fn json(kind: RowKind, values: &[Value]) -> String {
    let mut json = format!("{{\"kind\":\"{}\"", kind.as_str());
    for (column, value) in kind.schema().fields.iter().zip(values) {
        let _ = write!(json, ",\"{}\":", column.name);
        let _ = match value {
            Value::Null => write!(json, "null"),
            Value::Integer(number) => write!(json, "{number}"),
            Value::Real(number) => write!(json, "{}", serde_json::Value::from(*number)),
            Value::Boolean(is) => write!(json, "{is}"),
            Value::Text(text) if matches!(column.ty, FieldType::List(_)) => write!(json, "{text}"),
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

/// The values of a row, in the order of its fields. A number beyond 64 bits reads as null.
pub fn values(kind: RowKind, json: &str) -> Vec<Value> {
    let fields = fields(json);
    let value =
        |field: &Field| fields.get(field.name).map_or(Value::Null, |text| value(field.ty, text.get()));
    kind.schema().fields.iter().map(value).collect()
}

fn value(ty: FieldType, json: &str) -> Value {
    match (json.as_bytes().first(), ty) {
        (None | Some(b'n'), _) => Value::Null,
        (Some(b't' | b'f'), _) => Value::Boolean(json == "true"),
        (Some(b'"'), _) => serde_json::from_str(json).map_or(Value::Null, Value::Text),
        (Some(b'[' | b'{'), _) => Value::Text(json.to_owned()),
        // The parser of JSON would give a double that is not always the nearest one.
        (_, FieldType::Real) => json.parse().map_or(Value::Null, Value::Real),
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
            let Value::Real(read) = value(FieldType::Real, double) else { panic!("{double}") };
            assert_eq!(read, double.parse::<f64>().unwrap());
        }
        let legs = r#"[{"symbol":"A","inverse":false}]"#;
        let row = format!(
            r#"{{"kind":"cross","name":"A\u00e9\"","start_ms":1,"end_ms":18446744073709551615,"vwap":null,"legs":{legs},"final":true}}"#
        );
        let row: Vec<Value> =
            values(RowKind::Cross, &row).into_iter().filter(|v| *v != Value::Null).collect();
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(row, [text("A\u{e9}\""), Value::Integer(1), text(legs), Value::Boolean(true)]);
    }

    #[test]
    fn rows_come_back_character_by_character() {
        let rows = include_str!("../../tests/golden/spec-vector/rows.jsonl");
        for (row, kind) in rows.lines().flat_map(|row| {
            RowKind::ALL
                .into_iter()
                .filter(|k| row.contains(&format!("\"kind\":\"{}\"", k.as_str())))
                .map(move |k| (row, k))
        }) {
            assert_eq!(json(kind, &values(kind, row)), row);
        }
    }
}
