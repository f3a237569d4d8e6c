//! Questions in SQL about rows: `crossrate query`.
//!
//! [`crate::sql`] answers; [`place`] is what is asked, [`progress`] tells how far it is, [`remote`] asks a
//! server.

mod place;
mod progress;
pub mod remote;

use crate::config::query::{AnswerFormat, Query};
use crate::exit::{Exit, Failure};
use crate::sql::engine::{self, QueryLimits};
use crate::sql::output::Printer;
use crate::sql::worker;
use anyhow::Result;
use place::is_place;
use progress::AnswerProgress;
use std::io::{BufWriter, ErrorKind};
use std::path::PathBuf;

/// Asks, and prints the answer.
pub fn run(query: &Query) -> Result<Exit> {
    if query.worker {
        return worker::answer();
    }
    let sql = query.sql.as_deref().unwrap_or_default();
    if let Some(server) = &query.server {
        let answer = remote::ask(server, query.token_file.as_deref(), sql)?;
        let mut printer = printer(query.format);
        let printed = printer.columns(&answer.columns).and_then(|()| {
            answer.rows.iter().try_for_each(|row| printer.row(row))?;
            printer.finish()
        });
        printed.map_err(broken)?;
        if answer.truncated {
            let rows = answer.rows.len();
            tracing::warn!(rows, "the server cut the answer after {rows} rows; ask for less");
        }
        return Ok(Exit::Done);
    }
    let (sql, files) = told_apart(sql, &query.files);
    let engine = place::open(&files, &sql)?;
    let mut printer = printer(query.format);
    let mut answering = AnswerProgress::new(&mut printer);
    let outcome = engine.ask(&sql, &QueryLimits::default(), &mut answering);
    drop(answering);
    match outcome {
        Ok(_) => {
            printer.finish().map_err(broken)?;
            Ok(Exit::Done)
        }
        Err(engine::QueryError::Reader(error)) => Err(broken(error)),
        Err(refused) => Err(Failure::new(Exit::Usage, refused.to_string()).into()),
    }
}

/// The question and the files: people type either first, and no question has the name of a file. Where
/// neither is a file, the question is the text with white space.
fn told_apart(sql: &str, files: &[PathBuf]) -> (String, Vec<PathBuf>) {
    let last = files.split_last().and_then(|(last, others)| Some((last.to_str()?, others)));
    match last {
        Some((last, others))
            if !is_place(last) && (is_place(sql) || !is_in_words(sql) && is_in_words(last)) =>
        {
            let files = std::iter::once(PathBuf::from(sql)).chain(others.iter().cloned());
            (last.to_owned(), files.collect())
        }
        _ => (sql.to_owned(), files.to_vec()),
    }
}

/// Whether a text has white space, as each question has, and does not begin as `csv:FOLDER` does.
fn is_in_words(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    text.contains(char::is_whitespace) && !scheme.is_some_and(is_scheme)
}

fn printer(format: AnswerFormat) -> Printer<BufWriter<std::io::StdoutLock<'static>>> {
    Printer::new(format, BufWriter::new(std::io::stdout().lock()))
}

fn broken(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::new(Exit::PipeClosed, "standard output was closed").into(),
        _ => anyhow::Error::new(error).context("cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_told_from_places_that_are_not_there() {
        const SQL: &str = "select 1";
        for places in [&["nofile.db"][..], &["csv:my rows"], &["sqlite:x"], &["a.jsonl", "b.jsonl"]] {
            let files: Vec<PathBuf> = places.iter().map(PathBuf::from).collect();
            assert_eq!(told_apart(SQL, &files), (SQL.to_owned(), files.clone()), "{places:?}");
            let (first, mut others) = (places[0], files[1..].to_vec());
            others.push(SQL.into());
            assert_eq!(told_apart(first, &others), (SQL.to_owned(), files), "{places:?}");
        }
        // Both are words: then the order is that of the usage.
        let file = [PathBuf::from("my rows.jsonl")];
        assert_eq!(told_apart(SQL, &file), (SQL.to_owned(), file.to_vec()));
    }
}
