//! Questions in SQL about rows: `crossrate query`.
//!
//! [`crate::sql`] answers; [`remote`] asks a server.

pub mod remote;

use crate::config::query::{Format, Query};
use crate::exit::{Exit, Failure};
use crate::sql::engine::{self, Engine, Limits};
use crate::sql::output::Printer;
use crate::sql::worker;
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read};
use std::path::{Path, PathBuf};

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
    let engine = open(&files)?;
    let mut printer = printer(query.format);
    let outcome = engine.ask(&sql, &Limits::default(), &mut printer);
    match outcome {
        Ok(_) => {
            printer.finish().map_err(broken)?;
            Ok(Exit::Done)
        }
        Err(engine::Refused::Reader(error)) => Err(broken(error)),
        Err(refused) => Err(Failure::new(Exit::Usage, refused.to_string()).into()),
    }
}

/// The question and the files: people type either first, and no question has the name of a file.
fn told_apart(sql: &str, files: &[PathBuf]) -> (String, Vec<PathBuf>) {
    let is_place = |text: &str| text == "-" || path_of(Path::new(text)).exists();
    match files.split_last() {
        Some((last, others)) if is_place(sql) => match last.to_str().filter(|last| !is_place(last)) {
            Some(question) => {
                let files = std::iter::once(PathBuf::from(sql)).chain(others.iter().cloned());
                (question.to_owned(), files.collect())
            }
            None => (sql.to_owned(), files.to_vec()),
        },
        _ => (sql.to_owned(), files.to_vec()),
    }
}

fn printer(format: Format) -> Printer<BufWriter<std::io::StdoutLock<'static>>> {
    Printer::new(format, BufWriter::new(std::io::stdout().lock()))
}

fn broken(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::new(Exit::PipeClosed, "standard output was closed").into(),
        _ => anyhow::Error::new(error).context("cannot write to standard output"),
    }
}

/// The tables of what is in the files.
fn open(files: &[PathBuf]) -> Result<Engine> {
    match files {
        [] => Err(Failure::new(Exit::Usage, "nothing to ask: no file of rows, and no --server")
            .hint("crossrate query \"select ..\" rows.jsonl, or --server http://127.0.0.1:8080")
            .into()),
        [one] if is_database(one)? => Ok(Engine::of_ledger(&path_of(one))?),
        files => {
            let mut engine = Engine::in_memory()?;
            for file in files {
                if is_database(file)? {
                    return Err(Failure::new(Exit::Usage, format!("{} is a database", file.display()))
                        .hint("ask it alone; only files of rows are taken together")
                        .into());
                }
                load(&mut engine, file)?;
            }
            Ok(engine)
        }
    }
}

fn path_of(file: &Path) -> PathBuf {
    match file.to_str().and_then(|text| text.strip_prefix("sqlite:")) {
        Some(path) => PathBuf::from(path),
        None => file.to_owned(),
    }
}

/// Whether a file is an SQLite database, by its name or its first bytes.
fn is_database(file: &Path) -> Result<bool> {
    if file.as_os_str() == "-" {
        return Ok(false);
    }
    let path = path_of(file);
    let by_day = file.to_str().is_some_and(|text| text.starts_with("csv:") || text.starts_with("parquet:"));
    let found = match std::fs::metadata(&path) {
        Err(_) if by_day => return Err(folder(file)),
        found => found.map_err(|error| unreadable(&path, error))?,
    };
    if found.is_dir() {
        return Err(folder(&path));
    }
    // What is read of a pipe is gone, and who writes to it too where it is opened and left.
    if !found.is_file() {
        return Ok(path != file);
    }
    let mut first = [0; 16];
    let mut opened = std::fs::File::open(&path).map_err(|error| unreadable(&path, error))?;
    let begins = match opened.read_exact(&mut first) {
        Ok(()) => &first == b"SQLite format 3\0",
        Err(_) => false,
    };
    Ok(begins || path != file)
}

/// Files by day are read by programs that know their layout.
fn folder(path: &Path) -> anyhow::Error {
    let words = format!("cannot read {}: it is a folder, and crossrate query reads files", path.display());
    Failure::new(Exit::Unreachable, words)
        .hint(
            "name a file that --to FILE or --to sqlite:PATH has written; DuckDB, polars and pandas read folders of CSV or \
             Parquet (docs/recipes.md)",
        )
        .into()
}

fn unreadable(path: &Path, error: std::io::Error) -> anyhow::Error {
    Failure::new(Exit::Unreachable, format!("cannot read {}", path.display()))
        .hint("name a file that --to FILE or --to sqlite:PATH has written")
        .because(error)
        .into()
}

fn load(engine: &mut Engine, file: &Path) -> Result<()> {
    let lines: Box<dyn BufRead> = match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => {
            Box::new(BufReader::new(std::fs::File::open(file).map_err(|error| unreadable(file, error))?))
        }
    };
    engine.load(lines).with_context(|| format!("while reading {}", file.display()))
}
