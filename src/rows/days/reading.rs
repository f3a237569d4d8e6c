//! The rows of a file by day, as values of their table. A file that grows is read as far as its last whole
//! line.

use super::{DayFile, FileForm};
use crate::rows::columns;
use crate::rows::csv::CsvRecords;
use crate::rows::unreadable::Unreadable;
use crossrate_dataflows::market::row::RowKind;
use crossrate_dataflows::market::value::Value;
use crossrate_dataflows::market::windows::WindowName;
use std::fs::File;
use std::io::{BufRead, BufReader};

/// What reads the lines of a file that is text.
#[derive(Debug)]
pub(crate) struct LineReader {
    kind: RowKind,
    window: Option<WindowName>,
    is_csv: bool,
    /// Of CSV, once its header has been read.
    records: Option<CsvRecords>,
}

impl LineReader {
    pub(crate) fn new(file: &DayFile) -> LineReader {
        let is_csv = file.form == FileForm::Csv;
        LineReader { kind: file.place.kind, window: file.place.window.clone(), is_csv, records: None }
    }

    /// Whether the next line is the header.
    pub(crate) fn wants_header(&self) -> bool {
        self.is_csv && self.records.is_none()
    }

    /// Takes the header in.
    pub(crate) fn header(&mut self, line: &str) -> Result<(), Unreadable> {
        self.records = Some(CsvRecords::of(self.kind, line).ok_or(Unreadable::Columns)?);
        Ok(())
    }

    /// The values of a line; none where that is no row of the table.
    pub(crate) fn row(&self, line: &str) -> Option<Vec<Value>> {
        let mut values = match &self.records {
            Some(records) => records.values(line)?,
            None => columns::read(line).filter(|row| row.kind == self.kind)?.columns(),
        };
        complete(self.kind, self.window.as_ref(), &mut values);
        Some(values)
    }
}

/// Fills in the definition that the folder's name tells, where the file has no such column.
fn complete(kind: RowKind, window: Option<&WindowName>, values: &mut [Value]) {
    let (Some(window), Some(place)) = (window, kind.schema().position("window")) else { return };
    if values[place] == Value::Null {
        values[place] = window.as_str().into();
    }
}

/// Gives all rows of a file, each with how many bytes of the file have been read.
pub(crate) fn rows<E: From<Unreadable>>(
    file: &DayFile,
    mut take: impl FnMut(&[Value], u64) -> Result<(), E>,
) -> Result<(), E> {
    if file.form != FileForm::Parquet {
        return lines(file, take);
    }
    let (mut group, mut bytes) = (0, 0);
    loop {
        let read = rows_of_group(file, group)?;
        let of_row = read.bytes / (read.rows.len() as u64).max(1);
        for values in &read.rows {
            bytes += of_row;
            take(values, bytes)?;
        }
        group += 1;
        if group >= read.groups {
            return Ok(());
        }
    }
}

fn lines<E: From<Unreadable>>(
    file: &DayFile,
    mut take: impl FnMut(&[Value], u64) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = LineReader::new(file);
    let mut input = BufReader::with_capacity(1 << 20, File::open(&file.path).map_err(Unreadable::Io)?);
    let (mut line, mut number, mut bytes) = (String::new(), 0, 0);
    loop {
        line.clear();
        let count = input.read_line(&mut line).map_err(Unreadable::Io)?;
        (number, bytes) = (number + 1, bytes + count as u64);
        // Nothing more, or a line that is being written.
        let Some(text) = line.strip_suffix('\n') else { return Ok(()) };
        if reader.wants_header() {
            reader.header(text)?;
        } else if !text.trim().is_empty() {
            take(&reader.row(text).ok_or(Unreadable::Line(number))?, bytes)?;
        }
    }
}

/// A group of a Parquet file.
#[derive(Debug)]
pub(crate) struct RowGroup {
    /// Its rows: the values of all fields.
    pub(crate) rows: Vec<Vec<Value>>,
    /// Bytes of it.
    pub(crate) bytes: u64,
    /// Groups of the file.
    pub(crate) groups: usize,
    /// Rows of the file.
    pub(crate) of_file: u64,
}

/// The rows of a group of a Parquet file.
#[cfg(feature = "parquet")]
pub(crate) fn rows_of_group(file: &DayFile, group: usize) -> Result<RowGroup, Unreadable> {
    let (kind, window) = (file.place.kind, file.place.window.as_ref());
    let opened = crate::rows::parquet::Groups::open(&file.path, kind)?;
    let (groups, of_file) = (opened.count(), opened.row_count());
    if group >= groups {
        return Ok(RowGroup { rows: Vec::new(), bytes: 0, groups, of_file });
    }
    let mut rows = opened.rows(group)?;
    rows.iter_mut().for_each(|row| complete(kind, window, row));
    Ok(RowGroup { rows, bytes: opened.bytes(group), groups, of_file })
}

/// The rows of a group of a Parquet file.
#[cfg(not(feature = "parquet"))]
pub(crate) fn rows_of_group(_: &DayFile, _: usize) -> Result<RowGroup, Unreadable> {
    Err(Unreadable::NoParquet)
}
