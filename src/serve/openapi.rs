//! The description of the interface: what is written in `page/openapi.template`, with what follows from the
//! schema of rows in its places.

use super::rest::point_fields;
use crossrate_dataflows::market::schema::{Field, FieldType, RowKind, Schema};
use std::fmt::Write;
use std::sync::LazyLock;

/// The whole document, JSON.
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| filled(include_str!("page/openapi.template")));
    &TEXT
}

fn filled(template: &str) -> String {
    let kinds = RowKind::ALL.map(RowKind::as_str);
    let tables = RowKind::ALL.map(|kind| kind.schema().table);
    let (last, others) = tables.split_last().unwrap_or((&"", &[]));
    template
        .replace("{kinds}", &quoted(&kinds))
        .replace("{kinds_listed}", &kinds.join(", "))
        .replace("{kinds_either}", &kinds.join("|"))
        .replace("{tables_listed}", &format!("{} and {last}", others.join(", ")))
        .replace("{row_schemas}", &row_schemas())
        .replace("{point_schema}", &point_schema())
        .replace("{iso_times}", ISO_TIMES)
}

/// What stands beside the bounds of a window where it is asked for.
const ISO_TIMES: &str = r#""start": {"type": "string", "description": "start_ms in UTC, with times=iso"},
     "end": {"type": "string", "description": "end_ms in UTC, with times=iso"}"#;

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// A schema for each kind of rows, and `Row`, which is any of them.
fn row_schemas() -> String {
    let mut text = String::new();
    let mut any = Vec::new();
    for schema in RowKind::ALL.map(RowKind::schema) {
        let name = object_name(schema);
        let kind = format!("\"kind\": {{\"const\": \"{}\"}},\n     {ISO_TIMES}", schema.name);
        // Writing to a String cannot fail.
        let required = std::iter::once("kind").chain(names(schema.fields)).collect();
        let _ = write!(text, "\"{name}\": {},\n   ", object(&kind, required, schema.fields, 3));
        any.push(format!("{{\"$ref\": \"#/components/schemas/{name}\"}}"));
    }
    let _ = write!(text, "\"Row\": {{\n    \"oneOf\": [\n     {}\n    ]\n   }}", any.join(",\n     "));
    text
}

/// `SymbolRow` of `symbol`.
fn object_name(schema: &Schema) -> String {
    let mut letters = schema.name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain("Row".chars()).collect()
}

/// A point of a series: of a cross, but for what those of symbols lack too; statistics may be missing.
fn point_schema() -> String {
    let field = |(of, at): (RowKind, usize)| {
        let field = of.schema().fields[at];
        Field { nullable: field.nullable || of == RowKind::Stats, ..field }
    };
    let [fields, of_all] = [RowKind::Cross, RowKind::Symbol]
        .map(|kind| point_fields(kind).into_iter().map(field).collect::<Vec<Field>>());
    object(ISO_TIMES, names(&of_all).collect(), &fields, 6)
}

fn names(fields: &[Field]) -> impl Iterator<Item = &'static str> {
    fields.iter().map(|field| field.name)
}

/// An object of these members, the first ones as given.
fn object(first: &str, required: Vec<&str>, fields: &[Field], depth: usize) -> String {
    let (outer, inner) = (" ".repeat(depth), " ".repeat(depth + 2));
    let mut members: Vec<String> = (!first.is_empty()).then(|| first.to_owned()).into_iter().collect();
    members.extend(fields.iter().map(|field| format!("\"{}\": {}", field.name, member(field, depth + 2))));
    format!(
        "{{\n{outer} \"type\": \"object\",\n{outer} \"properties\": {{\n{inner}{}\n{outer} }},\n{outer} \"required\": [{}]\n{outer}}}",
        members.join(&format!(",\n{inner}")),
        quoted(&required),
    )
}

fn member(field: &Field, depth: usize) -> String {
    let or_null = |ty: &str| match field.nullable {
        true => format!("\"type\": [\"{ty}\", \"null\"]"),
        false => format!("\"type\": \"{ty}\""),
    };
    let is = match field.ty {
        _ if !field.words.is_empty() => {
            let null = if field.nullable { ", null" } else { "" };
            format!("\"enum\": [{}{null}]", quoted(field.words))
        }
        FieldType::Integer => or_null("integer"),
        FieldType::Real => or_null("number"),
        FieldType::Boolean => or_null("boolean"),
        FieldType::Text => or_null("string"),
        FieldType::Decimal => format!("{}, \"pattern\": \"^-?[0-9]+(\\\\.[0-9]+)?$\"", or_null("string")),
        FieldType::List(of) => {
            format!("{}, \"items\": {}", or_null("array"), object("", names(of).collect(), of, depth))
        }
    };
    let exact = if field.ty == FieldType::Decimal { "; an exact decimal, as text" } else { "" };
    let meaning = serde_json::Value::from(format!("{}{exact}", field.meaning));
    format!("{{{is}, \"description\": {meaning}}}")
}
