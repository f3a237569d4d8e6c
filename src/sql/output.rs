//! Answers for people and programs.

use crate::config::query::AnswerFormat;
use crate::rows::csv;
use serde_json::Value;
use std::io::{self, Write};

/// Prints an answer.
#[derive(Debug)]
pub struct Printer<W> {
    format: AnswerFormat,
    out: W,
    columns: Vec<String>,
    /// Of a table, all cells: how wide a column is, the last row may tell.
    rows: Vec<Vec<PrintedCell>>,
}

#[derive(Debug)]
struct PrintedCell {
    text: String,
    right: bool,
}

impl<W: Write> Printer<W> {
    /// Prints to `out`.
    pub fn new(format: AnswerFormat, out: W) -> Self {
        Printer { format, out, columns: Vec::new(), rows: Vec::new() }
    }

    /// The names of the columns.
    pub fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.columns = names.to_vec();
        match self.format {
            AnswerFormat::Csv => self.record(names.iter().map(|name| csv::cell(name))),
            AnswerFormat::Table | AnswerFormat::Json => Ok(()),
        }
    }

    /// A row.
    pub fn row(&mut self, row: &[Value]) -> io::Result<()> {
        match self.format {
            AnswerFormat::Csv => self.record(row.iter().map(csv_cell)),
            AnswerFormat::Json => {
                let members = self.columns.iter().zip(row);
                let members: Vec<String> =
                    members.map(|(name, cell)| format!("{}:{cell}", Value::from(name.as_str()))).collect();
                writeln!(self.out, "{{{}}}", members.join(","))
            }
            AnswerFormat::Table => {
                self.rows.push(row.iter().map(PrintedCell::of).collect());
                Ok(())
            }
        }
    }

    /// That was all.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.format == AnswerFormat::Table {
            self.table()?;
        }
        self.out.flush()
    }

    fn record(&mut self, cells: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
        let cells: Vec<Vec<u8>> = cells.collect();
        self.out.write_all(&cells.join(&b','))?;
        self.out.write_all(b"\r\n")
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

impl PrintedCell {
    fn of(value: &Value) -> PrintedCell {
        let text: String = plain(value).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // Exact decimals are texts, and stand well under each other.
        let number = value.is_number() || text.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
        PrintedCell { right: number && !text.is_empty(), text }
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

/// Only texts can be taken for formulas: numbers stay as they are.
fn csv_cell(value: &Value) -> Vec<u8> {
    if value.is_string() { csv::cell(&plain(value)) } else { plain(value).into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(format: AnswerFormat) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(format, &mut out);
        printer.columns(&["name".into(), "vwap".into(), "n".into()]).unwrap();
        printer.row(&[json!("A"), json!("0.10"), json!(12)]).unwrap();
        printer.row(&[json!("B,\"b\""), Value::Null, json!(1.5)]).unwrap();
        printer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_answer_is_printed_as_table_csv_and_json() {
        assert_eq!(
            printed(AnswerFormat::Table),
            "name   vwap  n\n-----  ----  ---\nA      0.10   12\nB,\"b\"        1.5\n"
        );
        assert_eq!(printed(AnswerFormat::Csv), "name,vwap,n\r\nA,0.10,12\r\n\"B,\"\"b\"\"\",,1.5\r\n");
        assert_eq!(
            printed(AnswerFormat::Json),
            "{\"name\":\"A\",\"vwap\":\"0.10\",\"n\":12}\n{\"name\":\"B,\\\"b\\\"\",\"vwap\":null,\"n\":1.5}\n"
        );
    }

    #[test]
    fn a_name_that_a_spreadsheet_would_take_for_a_formula_is_a_text_in_csv() {
        let mut out = Vec::new();
        let mut printer = Printer::new(AnswerFormat::Csv, &mut out);
        printer.columns(&["name".into(), "-vwap".into()]).unwrap();
        for (name, value) in [("+A", json!("-0.10")), ("-A", json!(-1.5e-9)), ("@A", json!(-3))] {
            printer.row(&[json!(name), value]).unwrap();
        }
        printer.finish().unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "name,\"'-vwap\"\r\n\"'+A\",-0.10\r\n\"'-A\",-1.5e-9\r\n\"'@A\",-3\r\n"
        );
    }
}
