//! Rows as columns, for databases and tables: the fields of their schema under their own names. And rows as
//! they are read where somebody has written them: in a file, a topic, a database.

use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::{Content, Row, text_of};
#[cfg(any(feature = "parquet", feature = "arrow"))]
use crossrate_dataflows::market::schema::{Field, KEY};
use crossrate_dataflows::market::schema::{FieldType, RowKind};
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::value::{Decimal, Value};
use crossrate_dataflows::market::windows::WindowName;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Whether no row is without the field, in files and streams of columns: of other fields an older program may
/// have left out some.
#[cfg(any(feature = "parquet", feature = "arrow"))]
pub(crate) fn is_required(field: &Field) -> bool {
    KEY.contains(field)
}

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

/// A row that was written as JSON; none where that is no row. A field that an older program did not write is
/// null.
pub fn read(json: &str) -> Option<Row> {
    let fields: BTreeMap<&str, &RawValue> = serde_json::from_str(json).ok()?;
    let kind: String = serde_json::from_str(fields.get("kind")?.get()).ok()?;
    let kind = RowKind::parse(&kind)?;
    row(kind, values(kind, &fields), || json.to_owned())
}

/// A row of the values of all its fields, as a table has them.
pub fn row_of(kind: RowKind, columns: Vec<Value>) -> Option<Row> {
    let json = text_of(kind, &columns);
    row(kind, columns, || json)
}

fn row(kind: RowKind, columns: Vec<Value>, json: impl FnOnce() -> String) -> Option<Row> {
    let time = |value: &Value| match value {
        Value::Integer(ms) => u64::try_from(*ms).ok(),
        _ => None,
    };
    let [Value::Text(name), window, start_ms, end_ms, ..] = columns.as_slice() else { return None };
    // What an earlier release wrote does not name it.
    let window = WindowName::from(window.as_text().unwrap_or_default());
    let at = |ms: u64| EventTime::from_micros(ms.saturating_mul(1_000));
    let (name, start, end) = (Symbol::new(name), at(time(start_ms)?), at(time(end_ms)?));
    let content = Content::of_columns(kind, columns);
    let (place, is_back_filled) = (0, false);
    Some(Row { look: end, end, kind, name, window, place, start, is_back_filled, content, json: json() })
}

fn values(kind: RowKind, fields: &BTreeMap<&str, &RawValue>) -> Vec<Value> {
    let value = |name| fields.get(name).map_or("null", |text| text.get());
    kind.schema().fields.iter().map(|field| of_json(field.ty, value(field.name))).collect()
}

/// A value that stands in JSON.
fn of_json(ty: FieldType, json: &str) -> Value {
    match (json.as_bytes().first(), ty) {
        (None | Some(b'n' | b'{'), _) => Value::Null,
        (Some(b't' | b'f'), _) => Value::Boolean(json == "true"),
        (Some(b'"'), _) => {
            serde_json::from_str::<String>(json).map_or(Value::Null, |text| of_text(ty, &text))
        }
        (Some(b'['), FieldType::List(fields)) => {
            let items: Vec<BTreeMap<&str, &RawValue>> = serde_json::from_str(json).unwrap_or_default();
            let item = |item: &BTreeMap<&str, &RawValue>| {
                let value = |name| item.get(name).map_or("null", |text| text.get());
                fields.iter().map(|field| of_json(field.ty, value(field.name))).collect()
            };
            Value::List(items.iter().map(item).collect())
        }
        // The parser of JSON would give a double that is not always the nearest one.
        (_, FieldType::Real) => json.parse().map_or(Value::Null, Value::Real),
        _ => json.parse().map_or(Value::Null, Value::whole),
    }
}

/// A value that stands somewhere as a text.
pub fn of_text(ty: FieldType, text: &str) -> Value {
    match ty {
        FieldType::Decimal => Decimal::parse(text).map_or_else(|| text.into(), Value::Decimal),
        FieldType::List(_) => of_json(ty, text),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_row() {
        let doubles = ["6.091101897524803e-9", "3.353831229305556e-8", "0.0001831346834792786", "0", "1e300"];
        for double in doubles {
            let Value::Real(read) = of_json(FieldType::Real, double) else { panic!("{double}") };
            assert_eq!(read, double.parse::<f64>().unwrap());
        }
        let row = read(
            r#"{"kind":"cross","name":"A\u00e9\"","start_ms":1,"end_ms":9007199254740993,"vwap":null,"legs":[{"symbol":"A","inverse":false}],"missing_ids":-18446744073709551616}"#,
        )
        .unwrap();
        assert_eq!(row.name.as_str(), "A\u{e9}\"");
        assert_eq!(row.value("vwap"), Some(&Value::Null));
        assert_eq!(row.value("missing_ids"), Some(&Value::whole(-(1 << 64))));
        let leg: Box<[Value]> =
            Box::new(["A".into(), Value::Boolean(false), Value::Null, Value::Null, Value::Null]);
        assert_eq!(row.value("legs"), Some(&Value::List(Box::new([leg]))));
        assert!(row.is_final(), "what is not said is so");
    }

    #[test]
    fn what_is_no_row_is_none() {
        for json in [
            "",
            "[]",
            r#"{"kind":"cross"}"#,
            r#"{"kind":"cross","name":"A","start_ms":1}"#,
            r#"{"kind":"cross","name":"A","start_ms":-1,"end_ms":2}"#,
            r#"{"kind":"cross","name":1,"start_ms":1,"end_ms":2}"#,
            r#"{"kind":"crosses","name":"A","start_ms":1,"end_ms":2}"#,
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn rows_come_back_character_by_character() {
        for json in include_str!("../../tests/golden/spec-vector/rows.jsonl").lines() {
            let row = read(json).unwrap();
            assert_eq!(row_of(row.kind, row.columns()).unwrap().json, json);
        }
    }
}
