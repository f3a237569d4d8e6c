//! Questions in SQL about rows, for `crossrate query` and `POST /v1/sql`.
//!
//! [`engine`] is SQLite with a table for each kind of rows ([`crate::rows::columns`]), which lets nothing be
//! written and nothing else be read. [`worker`] is a process of its own that answers one question of a
//! server's asker within limits, so that whatever is asked, the server and the job go on. [`output`] prints.

pub mod engine;
pub mod output;
pub mod worker;

use output::Printer;
use std::io::Write;

/// Whoever wants an answer, row by row.
pub trait AnswerReader {
    /// The names of the columns; once, before the rows.
    fn columns(&mut self, names: &[String]) -> std::io::Result<()>;

    /// A row.
    fn row(&mut self, row: &[serde_json::Value]) -> std::io::Result<()>;
}

impl<W: Write> AnswerReader for Printer<W> {
    fn columns(&mut self, names: &[String]) -> std::io::Result<()> {
        Printer::columns(self, names)
    }

    fn row(&mut self, row: &[serde_json::Value]) -> std::io::Result<()> {
        Printer::row(self, row)
    }
}
