//! Rows as CSV (RFC 4180): the fields of a row, character by character, a text without its quotes, null as
//! nothing.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-` or `@` for a formula, quoted or not, and run it.
//! Such a text gets an apostrophe before it, which they take for "this is text"; numbers begin with `-` and
//! stay as they are.

use crossrate_dataflows::market::schema::{Field, FieldType};
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

fn field(out: &mut Vec<u8>, ty: FieldType, text: &str) {
    let mut text = Cow::Borrowed(text);
    if ty == FieldType::Text && text.starts_with(begins_formula) {
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

/// The wide forms of the signs count as the signs, and white space before them is passed over.
fn begins_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
