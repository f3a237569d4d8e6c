//! Rows as CSV (RFC 4180): the fields of a row, character by character, a text without its quotes, null as
//! nothing.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-` or `@` for a formula, quoted or not, and run it.
//! Such a text gets an apostrophe before it, which they take for "this is text"; numbers begin with `-` and
//! stay as they are.

use super::columns;
use crossrate_dataflows::market::schema::{Field, FieldType, RowKind};
use crossrate_dataflows::market::value::Value;
use std::borrow::Cow;

/// The names of the columns, and the end of the line.
pub(crate) fn header(out: &mut Vec<u8>, columns: &[Field], end: &str) {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    out.extend_from_slice(names.join(",").as_bytes());
    out.extend_from_slice(end.as_bytes());
}

/// A row, of the values of all its fields.
pub(crate) fn record(out: &mut Vec<u8>, columns: &[Field], values: &[Value], end: &str) {
    for (place, (column, value)) in columns.iter().zip(values).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        field(out, column.ty, value.text(column.ty).as_deref().unwrap_or_default());
    }
    out.extend_from_slice(end.as_bytes());
}

/// A value that is no field of a row, such as a cell of an answer in SQL. A text that is a decimal number is
/// one, and stays as it is.
pub(crate) fn cell(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let ty = if is_decimal(text) { FieldType::Decimal } else { FieldType::Text };
    field(&mut out, ty, text);
    out
}

fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    text.split_once('.').map_or(digits(text), |(whole, places)| digits(whole) && digits(places))
}

fn field(out: &mut Vec<u8>, ty: FieldType, text: &str) {
    let mut text = Cow::Borrowed(text);
    if ty == FieldType::Text && (text.starts_with(begins_formula) || is_escaped(&text)) {
        text.to_mut().insert(0, '\'');
    }
    if text.contains(|c: char| matches!(c, ',' | '"' | '\'') || c.is_control()) {
        out.push(b'"');
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Whether a text looks like one that got an apostrophe; it gets another, so that it is read as it was.
fn is_escaped(text: &str) -> bool {
    text.strip_prefix('\'').is_some_and(|rest| rest.starts_with(begins_formula) || is_escaped(rest))
}

/// The wide forms of the signs count as the signs, and white space before them is passed over.
fn begins_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') || c.is_control()
}

/// What reads the records of a file: which field each of its columns is.
#[derive(Debug)]
pub(crate) struct CsvRecords {
    kind: RowKind,
    places: Vec<usize>,
}

impl CsvRecords {
    /// By the header; none where that is not of rows of the kind.
    pub(crate) fn of(kind: RowKind, header: &str) -> Option<CsvRecords> {
        let names = header.trim_end_matches('\r').split(',');
        let places: Vec<usize> = names.map(|name| kind.schema().position(name)).collect::<Option<_>>()?;
        let is_there = |name: &str| kind.schema().position(name).is_some_and(|place| places.contains(&place));
        ["name", "start_ms", "end_ms"].into_iter().all(is_there).then_some(CsvRecords { kind, places })
    }

    /// The values of all fields of a record; none where it has other fields than the header, or values of
    /// another type. A field that the file does not have is null.
    pub(crate) fn values(&self, record: &str) -> Option<Vec<Value>> {
        let fields = self.kind.schema().fields;
        let mut values = vec![Value::Null; fields.len()];
        let mut places = self.places.iter();
        let mut rest = Some(record.trim_end_matches('\r'));
        while let Some(text) = rest {
            let (cell, after) = first_cell(text)?;
            let place = *places.next()?;
            values[place] = value(fields[place].ty, &cell)?;
            rest = after;
        }
        places.next().is_none().then_some(values)
    }
}

/// The first cell, and what follows its comma.
fn first_cell(text: &str) -> Option<(Cow<'_, str>, Option<&str>)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(match text.split_once(',') {
            Some((cell, rest)) => (cell.into(), Some(rest)),
            None => (text.into(), None),
        });
    };
    let mut at = 0;
    loop {
        at += quoted[at..].find('"')?;
        let after = &quoted[at + 1..];
        match after.as_bytes().first() {
            Some(b'"') => at += 2,
            Some(b',') => return Some((unquoted(&quoted[..at]), Some(&after[1..]))),
            None => return Some((unquoted(&quoted[..at]), None)),
            Some(_) => return None,
        }
    }
}

fn unquoted(text: &str) -> Cow<'_, str> {
    if text.contains('"') { text.replace("\"\"", "\"").into() } else { text.into() }
}

fn value(ty: FieldType, cell: &str) -> Option<Value> {
    Some(match (cell, ty) {
        ("", _) => Value::Null,
        (_, FieldType::Integer) => Value::whole(cell.parse().ok()?),
        (_, FieldType::Real) => Value::Real(cell.parse().ok()?),
        (_, FieldType::Boolean) => Value::Boolean(cell.parse().ok()?),
        (_, FieldType::Text) if is_escaped(cell) => cell[1..].into(),
        (_, ty) => columns::of_text(ty, cell),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossrate_dataflows::market::row::Row;
    use proptest::prelude::*;

    fn golden_rows() -> Vec<Row> {
        let text = include_str!("../../tests/golden/spec-vector/rows.jsonl");
        text.lines().map(|line| columns::read(line).unwrap()).collect()
    }

    fn read_back(kind: RowKind, values: &[Value]) -> Option<Vec<Value>> {
        let (mut head, mut record) = (Vec::new(), Vec::new());
        header(&mut head, kind.schema().fields, "");
        super::record(&mut record, kind.schema().fields, values, "");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        CsvRecords::of(kind, &text(head)).unwrap().values(&text(record))
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let rows = golden_rows();
        assert!(rows.len() > 5);
        for row in rows {
            let read = read_back(row.kind, &row.columns()).unwrap();
            assert_eq!(columns::row_of(row.kind, read).unwrap().json, row.json);
        }
    }

    #[test]
    fn what_is_no_record_is_none() {
        let records = CsvRecords::of(RowKind::Stats, "name,end_ms,start_ms,n").unwrap();
        let read = records.values("\"a,\"\"b\",2,1,-3\r").unwrap();
        assert_eq!(
            read[..5],
            ["a,\"b".into(), Value::Null, Value::Integer(1), Value::Integer(2), Value::Integer(-3)]
        );
        for record in ["", "a", "a,2,1", "a,2,1,3,4", "a,x,1,3", "\"a,2,1,3", "\"a\"b,2,1,3", "a,2,1,1.5"] {
            assert_eq!(records.values(record), None, "{record}");
        }
        for header in ["", "name", "name,start_ms,end_ms,other", "kind,name,start_ms,end_ms"] {
            assert!(CsvRecords::of(RowKind::Stats, header).is_none(), "{header}");
        }
    }

    proptest! {
        #[test]
        fn names_are_read_as_they_were_written(name in "['=+@,\"\\-A-Z\u{20}-\u{7e}]{1,12}") {
            let row = golden_rows().into_iter().find(|row| row.kind == RowKind::Stats).unwrap();
            let mut values = row.columns();
            values[0] = name.as_str().into();
            prop_assert_eq!(read_back(RowKind::Stats, &values), Some(values));
        }
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        for (ty, text, expected) in [
            (FieldType::Decimal, "0.100", "0.100"),
            (FieldType::Decimal, "-0.100", "-0.100"),
            (FieldType::Decimal, "", ""),
            (FieldType::Integer, "-3", "-3"),
            (FieldType::Real, "1.5e-9", "1.5e-9"),
            (FieldType::Boolean, "true", "true"),
            (FieldType::Text, "BTC-USDT", "BTC-USDT"),
            (FieldType::Text, "-1", "\"'-1\""),
            (FieldType::Text, "+A", "\"'+A\""),
            (FieldType::Text, "@SUM(1)", "\"'@SUM(1)\""),
            // No name, but a file of an earlier version may hold them.
            (FieldType::Text, "=1+2", r#""'=1+2""#),
            (FieldType::Text, "\t=1", "\"'\t=1\""),
            (FieldType::Text, "A\u{1}", "\"A\u{1}\""),
            (FieldType::Text, "＝1", "\"'＝1\""),
            (FieldType::Text, "a,\"b\"", r#""a,""b""""#),
            (FieldType::List(&[]), r#"[{"x":1}]"#, r#""[{""x"":1}]""#),
        ] {
            let mut out = Vec::new();
            field(&mut out, ty, text);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{text}");
        }
    }
    #[test]
    fn a_cell_of_an_answer_is_a_number_where_its_text_is_one() {
        for (text, expected) in [
            ("", ""),
            ("-0.100", "-0.100"),
            ("-3", "-3"),
            ("BTC", "BTC"),
            ("-A", "\"'-A\""),
            ("-1.", "\"'-1.\""),
            ("-1-1", "\"'-1-1\""),
            ("+1", "\"'+1\""),
            ("@A", "\"'@A\""),
            ("=1", "\"'=1\""),
            ("a,b", "\"a,b\""),
        ] {
            assert_eq!(String::from_utf8(cell(text)).unwrap(), expected, "{text}");
        }
    }
}
