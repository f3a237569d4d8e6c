//! The columns of a CSV file that grows. One that an earlier release began has fewer: its day goes on with
//! those.

use crate::exit::{Exit, Failure};
use crate::rows::csv;
use crate::sink::append_file::write_failed;
use anyhow::Result;
use crossrate_dataflows::market::row::{Row, RowKind};
use crossrate_dataflows::market::schema::Field;
use crossrate_dataflows::market::value::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// No header is longer.
const LONGEST: u64 = 4_096;

/// The places of the fields that a file's header names, where they are not those of all fields.
pub(super) fn columns(path: &Path, kind: RowKind) -> Result<Option<Vec<usize>>> {
    let failed = |error| write_failed(&path.display().to_string(), error);
    let mut line = String::new();
    BufReader::new(File::open(path).map_err(failed)?).take(LONGEST).read_line(&mut line).map_err(failed)?;
    let schema = kind.schema();
    let places: Option<Vec<usize>> = line.trim_end().split(',').map(|name| schema.position(name)).collect();
    match places {
        _ if line.is_empty() => Ok(None),
        Some(places) if places.iter().copied().eq(0..schema.fields.len()) => Ok(None),
        Some(places) => Ok(Some(places)),
        None => {
            let words = format!("{} has columns that no rows of this release have", path.display());
            Err(Failure::new(Exit::Failed, words)
                .hint("run the release that began it, or start the job anew with --fresh")
                .into())
        }
    }
}

/// A row of those columns.
pub(super) fn record(out: &mut Vec<u8>, row: &Row, columns: &[usize]) {
    let values = row.columns();
    let fields: Vec<Field> = columns.iter().map(|at| row.kind.schema().fields[*at]).collect();
    let values: Vec<Value> = columns.iter().map(|at| values[*at].clone()).collect();
    csv::record(out, &fields, &values, "\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::columns::read;

    #[test]
    fn a_file_that_an_earlier_release_began_keeps_its_columns() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows.csv");
        let of = |header: &str| {
            std::fs::write(&path, header).expect("written");
            columns(&path, RowKind::Stats)
        };
        let mut now = Vec::new();
        csv::header(&mut now, RowKind::Stats.schema().fields, "\n");
        assert_eq!(of(std::str::from_utf8(&now).expect("UTF-8")).expect("known"), None);
        assert_eq!(of("").expect("known"), None);
        assert!(of("name,colour\n").is_err());
        let then = of("name,start_ms,end_ms,n,vwap\n1,2\n").expect("known").expect("fewer columns");
        let row =
            read(r#"{"kind":"stats","name":"A","window":"10s","start_ms":1,"end_ms":2,"n":3,"vwap":"4.5"}"#);
        let mut out = Vec::new();
        record(&mut out, &row.expect("a row"), &then);
        assert_eq!(out, b"A,1,2,3,4.5\n");
    }
}
