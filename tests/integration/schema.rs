//! What the schema of rows says stands in the documents too. `CROSSRATE_BLESS=1` writes it there.

use crossrate::rows::columns::{postgres_type, sqlite_type};
use crossrate::serve::openapi;
use crossrate_dataflows::market::schema::{Field, FieldType, RowKind};
use std::fmt::Write;
use std::path::Path;

/// Holds the text of a file to what it must be, or writes it.
fn held(file: &str, expected: impl Fn(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = expected(&found);
    if std::env::var_os("CROSSRATE_BLESS").is_some() {
        std::fs::write(&path, &expected).expect("the file can be written");
        return;
    }
    assert!(found == expected, "{file} is not as the schema says; CROSSRATE_BLESS=1 writes:\n{expected}");
}

/// What stands between two marks is replaced.
fn between(text: &str, begin: &str, end: &str, new: &str) -> String {
    let (before, rest) = text.split_once(begin).expect("the part begins");
    let (_, after) = rest.split_once(end).expect("the part ends");
    format!("{before}{begin}{new}{end}{after}")
}

#[test]
fn the_table_of_columns_in_docs_is_that_of_the_schema() {
    let mut lines: Vec<(Field, Vec<&str>)> = Vec::new();
    for schema in RowKind::ALL.map(RowKind::schema) {
        for field in schema.fields {
            match lines.iter_mut().find(|(known, _)| known == field) {
                Some((_, tables)) => tables.push(schema.table),
                None => lines.push((*field, vec![schema.table])),
            }
        }
    }
    // What many tables have comes first.
    lines.sort_by_key(|(_, tables)| std::cmp::Reverse(tables.len()));
    let all = RowKind::ALL.map(|kind| format!("`{}`", kind.schema().table)).join(", ");
    let mut table = format!("| {all} | `job` | TEXT | text | the `--name` of the job that wrote the row |\n");
    for (field, tables) in lines {
        let real = if field.ty == FieldType::Decimal { " and REAL" } else { "" };
        let words: Vec<String> = field.words.iter().map(|word| format!("`{word}`")).collect();
        let words = if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) };
        let names = tables.iter().map(|table| format!("`{table}`")).collect::<Vec<_>>().join(", ");
        let (name, meaning) = (field.name, field.meaning);
        let (sqlite, postgres) = (sqlite_type(field.ty), postgres_type(field.ty));
        writeln!(table, "| {names} | `{name}` | {sqlite}{real} | {postgres} | {meaning}{words} |").unwrap();
    }
    let (begin, end) = ("| --- | --- | --- | --- | --- |\n", "| `dead_letters` | `job`");
    held("docs/sql.md", |text| between(text, begin, end, &table));
}

#[test]
fn the_description_of_the_interface_is_that_of_the_schema() {
    serde_json::from_str::<serde_json::Value>(openapi::text()).expect("the description is JSON");
    held("tests/golden/openapi.json", |_| openapi::text().to_owned());
}
