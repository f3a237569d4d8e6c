//! Answers for people and programs.

use crate::config::query::Format;
use serde_json::Value;
use std::io::{self, Write};

/// Prints an answer.
#[derive(Debug)]
pub struct Printer<W> {
    format: Format,
    out: W,
    columns: Vec<String>,
    /// Of a table, all cells: how wide a column is, the last row may tell.
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
struct Cell {
    text: String,
    right: bool,
}

impl<W: Write> Printer<W> {
    /// Prints to `out`.
    pub fn new(format: Format, out: W) -> Self {
        Printer { format, out, columns: Vec::new(), rows: Vec::new() }
    }

    /// The names of the columns.
    pub fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.columns = names.to_vec();
        match self.format {
            Format::Csv => self.record(names.iter().map(|name| quoted(name)).collect()),
            Format::Table | Format::Json => Ok(()),
        }
    }

    /// A row.
    pub fn row(&mut self, row: &[Value]) -> io::Result<()> {
        match self.format {
            Format::Csv => self.record(row.iter().map(|cell| quoted(&plain(cell))).collect()),
            Format::Json => {
                let members = self.columns.iter().zip(row);
                let members: Vec<String> =
                    members.map(|(name, cell)| format!("{}:{cell}", Value::from(name.as_str()))).collect();
                writeln!(self.out, "{{{}}}", members.join(","))
            }
            Format::Table => {
                self.rows.push(row.iter().map(Cell::of).collect());
                Ok(())
            }
        }
    }

    /// That was all.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.format == Format::Table {
            self.table()?;
        }
        self.out.flush()
    }

    fn record(&mut self, fields: Vec<String>) -> io::Result<()> {
        write!(self.out, "{}\r\n", fields.join(","))
    }

    fn table(&mut self) -> io::Result<()> {
        let wide = |text: &str| text.chars().count();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|place| {
                let cells = self.rows.iter().map(|row| wide(&row[place].text));
                cells.chain([wide(&self.columns[place])]).max().unwrap_or(0)
            })
            .collect();
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        writeln!(self.out, "{}", self.line(&widths, &self.columns, |_| false))?;
        writeln!(self.out, "{}", rule.join("  "))?;
        for row in &self.rows {
            let texts: Vec<&str> = row.iter().map(|cell| cell.text.as_str()).collect();
            writeln!(self.out, "{}", self.line(&widths, &texts, |place| row[place].right))?;
        }
        Ok(())
    }

    fn line<T: AsRef<str>>(&self, widths: &[usize], texts: &[T], right: impl Fn(usize) -> bool) -> String {
        let cells = widths.iter().zip(texts).enumerate().map(|(place, (width, text))| match right(place) {
            true => format!("{:>width$}", text.as_ref()),
            false => format!("{:<width$}", text.as_ref()),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

impl Cell {
    fn of(value: &Value) -> Cell {
        let text: String = plain(value).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // Exact decimals are texts, and stand well under each other.
        let number = value.is_number() || text.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
        Cell { right: number && !text.is_empty(), text }
    }
}

/// A value without what JSON writes around it; nothing for null.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(format: Format) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(format, &mut out);
        printer.columns(&["name".into(), "vwap".into(), "n".into()]).unwrap();
        printer.row(&[json!("A"), json!("0.10"), json!(12)]).unwrap();
        printer.row(&[json!("B,\"b\""), Value::Null, json!(1.5)]).unwrap();
        printer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn forms() {
        assert_eq!(
            printed(Format::Table),
            "name   vwap  n\n-----  ----  ---\nA      0.10   12\nB,\"b\"        1.5\n"
        );
        assert_eq!(printed(Format::Csv), "name,vwap,n\r\nA,0.10,12\r\n\"B,\"\"b\"\"\",,1.5\r\n");
        assert_eq!(
            printed(Format::Json),
            "{\"name\":\"A\",\"vwap\":\"0.10\",\"n\":12}\n{\"name\":\"B,\\\"b\\\"\",\"vwap\":null,\"n\":1.5}\n"
        );
    }
}
