//! Rows as CSV (RFC 4180): the fields of a row, character by character, a text without its quotes, null as nothing.

use super::columns::fields;
use crossrate_dataflows::market::schema::Field;

/// The names of the columns, and the end of the line.
pub(crate) fn header(out: &mut Vec<u8>, columns: &[Field], end: &str) {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    out.extend_from_slice(names.join(",").as_bytes());
    out.extend_from_slice(end.as_bytes());
}

/// A row.
pub(crate) fn record(out: &mut Vec<u8>, columns: &[Field], json: &str, end: &str) {
    let fields = fields(json);
    for (place, column) in columns.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        field(out, fields.get(column.name).map_or("null", |value| value.get()));
    }
    out.extend_from_slice(end.as_bytes());
}

fn field(out: &mut Vec<u8>, json: &str) {
    let text = match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).unwrap_or_default(),
        _ if json == "null" => String::new(),
        _ => json.to_owned(),
    };
    if text.contains([',', '"', '\n', '\r']) {
        out.push(b'"');
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        for (json, expected) in [
            ("\"0.100\"", "0.100"),
            ("null", ""),
            ("-3", "-3"),
            ("1.5e-9", "1.5e-9"),
            ("true", "true"),
            (r#""a,\"b\"""#, r#""a,""b""""#),
            (r#"[{"x":1}]"#, r#""[{""x"":1}]""#),
        ] {
            let mut out = Vec::new();
            field(&mut out, json);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{json}");
        }
    }
}
