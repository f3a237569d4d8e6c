//! A line of CSV to the fields that a mapping asks for, quoted as RFC 4180 has it.

use super::finds::FoundValue;
use super::paths::TargetCell;
use super::time::{self, LastDay, Unit};
use crate::wire::BadRecord;

/// The columns that a mapping asks for, by name or by number, and where they are.
#[derive(Debug)]
pub(super) struct CsvColumns {
    pub(super) delimiter: u8,
    pub(super) header: Header,
    /// What was asked for: the number of a cell's column is a place here.
    pub(super) wanted: Vec<CsvColumn>,
    /// Where each of them stands in a line, from 0; known from the start, or from the header.
    places: Vec<usize>,
    /// The header line, where there is one; it comes again where files are put together.
    header_line: Option<Vec<u8>>,
}

/// The mark that some programs begin UTF-8 with.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a file begins with names of columns.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Header {
    /// If columns are asked for by name, or if its first line has no time.
    Auto,
    Yes,
    No,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CsvColumn {
    Name(String),
    /// From 1.
    Number(usize),
}

/// The fields of a line, kept for their allocation.
#[derive(Debug, Default)]
pub(super) struct CsvFields {
    fields: Vec<FoundValue>,
}

impl CsvColumns {
    pub(super) fn new(delimiter: u8, header: Header) -> Self {
        CsvColumns { delimiter, header, wanted: Vec::new(), places: Vec::new(), header_line: None }
    }

    /// The cell of a column: its number where it is one, else its name.
    pub(super) fn cell(&mut self, text: &str) -> Option<TargetCell> {
        let column = match text.parse::<usize>() {
            Ok(0) => return None,
            Ok(number) => CsvColumn::Number(number),
            Err(_) if text.is_empty() => return None,
            Err(_) => CsvColumn::Name(text.to_owned()),
        };
        let known = self.wanted.iter().position(|wanted| *wanted == column);
        let place = known.unwrap_or_else(|| {
            self.places.push(if let CsvColumn::Number(number) = column { number - 1 } else { usize::MAX });
            self.wanted.push(column);
            self.wanted.len() - 1
        });
        Some(TargetCell { table: 0, column: place })
    }

    /// Whether a column is asked for by name, so that there must be a header.
    pub(super) fn has_names(&self) -> bool {
        self.wanted.iter().any(|column| matches!(column, CsvColumn::Name(_)))
    }

    /// Takes the first line of a file: whether it is the header. Fails where a name is missing in it.
    pub(super) fn take_header(&mut self, line: &[u8], times: &[(TargetCell, Unit)]) -> Result<bool, String> {
        let mut fields = CsvFields::default();
        let line = line.strip_prefix(MARK).unwrap_or(line);
        if self.split(line, &mut fields).is_err() && !self.has_names() {
            return Ok(false);
        }
        let is_header = match self.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto => self.has_names() || !times.iter().any(|time| self.has_time(line, &fields, *time)),
        };
        if is_header {
            let names: Vec<String> = fields.fields.iter().map(|field| text_of(line, *field)).collect();
            for (wanted, place) in self.wanted.iter().zip(&mut self.places) {
                let CsvColumn::Name(name) = wanted else { continue };
                *place = names.iter().position(|found| found == name).ok_or_else(|| {
                    format!("the header has no column {name:?}; it has {}", names.join(", "))
                })?;
            }
            self.header_line = Some(line.trim_ascii().to_owned());
        }
        Ok(is_header)
    }

    /// Whether a line is the header.
    pub(super) fn is_header(&self, line: &[u8]) -> bool {
        let Some(header) = &self.header_line else { return false };
        line.strip_prefix(MARK).unwrap_or(line).trim_ascii() == header
    }

    fn has_time(&self, line: &[u8], fields: &CsvFields, (cell, unit): (TargetCell, Unit)) -> bool {
        let text = text_of(line, self.get(cell, fields));
        time::read(text.as_bytes(), unit, &mut LastDay::default()).is_ok()
    }

    /// Finds the fields of a line.
    pub(super) fn split(&self, line: &[u8], into: &mut CsvFields) -> Result<(), BadRecord> {
        if let Err(error) = std::str::from_utf8(line) {
            return Err(BadRecord { reason: "not UTF-8", at: Some(error.valid_up_to()) });
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        into.fields.clear();
        let mut at = if line.starts_with(MARK) { MARK.len() } else { 0 };
        loop {
            let (field, end) =
                if line.get(at) == Some(&b'"') { quoted(line, at)? } else { self.plain(line, at) };
            into.fields.push(field);
            match line.get(end) {
                None => return Ok(()),
                Some(byte) if *byte == self.delimiter => at = end + 1,
                Some(_) => {
                    return Err(BadRecord { reason: "more after the end of a quoted field", at: Some(end) });
                }
            }
        }
    }

    fn plain(&self, line: &[u8], from: usize) -> (FoundValue, usize) {
        let to = memchr::memchr(self.delimiter, &line[from..]).map_or(line.len(), |length| from + length);
        (FoundValue::text(from, to, false), to)
    }

    /// The field in a cell; absent where the line has too few.
    #[inline]
    pub(super) fn get(&self, cell: TargetCell, fields: &CsvFields) -> FoundValue {
        fields.fields.get(self.places[cell.column]).copied().unwrap_or_default()
    }
}

fn quoted(line: &[u8], from: usize) -> Result<(FoundValue, usize), BadRecord> {
    let (mut at, mut escaped) = (from + 1, false);
    loop {
        let Some(length) = memchr::memchr(b'"', &line[at..]) else {
            return Err(BadRecord { reason: "a quoted field does not end", at: Some(from) });
        };
        at += length;
        if line.get(at + 1) != Some(&b'"') {
            return Ok((FoundValue::text(from + 1, at, escaped), at + 1));
        }
        escaped = true;
        at += 2;
    }
}

/// The text of a quoted field's inside.
pub(super) fn unquote(inside: &[u8], into: &mut String) {
    into.clear();
    // It was validated as UTF-8 with its line.
    into.push_str(&std::str::from_utf8(inside).unwrap_or_default().replace("\"\"", "\""));
}

fn text_of(line: &[u8], field: FoundValue) -> String {
    let FoundValue::Text { from, to, escaped, .. } = field else { return String::new() };
    let (inside, mut text) = (&line[from as usize..to as usize], String::new());
    match escaped {
        true => unquote(inside, &mut text),
        false => text.push_str(std::str::from_utf8(inside).unwrap_or_default()),
    }
    text
}
