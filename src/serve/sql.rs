//! `POST /v1/sql`: each question is answered by a process of its own ([`crate::sql::worker`]), a few at a
//! time.

use super::board::BoardState;
use super::board::latest::LatestFilter;
use super::filter::Filter;
use super::format::{self, FileName, ResponseFormat};
use super::helper::Helper;
use super::problem::{Problem, RestResponse, expect_json};
use super::{App, AppState};
use crate::config::query;
use crate::sql::output::Printer;
use crate::sql::worker::{Needs, SqlAnswer, SqlError, SqlQuestion, SqlRows};
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use crossrate_dataflows::market::schema::RowKind;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long the engine may take for an answer.
const TIME: Duration = Duration::from_secs(5);
/// How long all of it may take, rows handed over and answer read.
const ALL_TIME: Duration = Duration::from_secs(20);
/// How long a question waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// Rows of an answer.
const ROWS: usize = 10_000;
/// Bytes of an answer.
const BYTES: usize = 8 << 20;
/// Bytes of memory for a question, besides those of the rows.
const MEMORY: u64 = 256 << 20;
/// Bytes of memory that a byte of a row becomes in the engine, at most.
const ROW_FACTOR: u64 = 4;
/// Bytes of a question.
pub const QUESTION: usize = 128 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SqlRequest {
    query: String,
}

/// Answers a question.
pub async fn ask(
    State(app): AppState,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> RestResponse {
    let started = Instant::now();
    let outcome = match body {
        Ok(body) => answer(&app, &headers, &body).await,
        Err(wrong) => Err(Problem::new(wrong.status(), wrong.body_text())
            .hint(format!("a question has {} KiB at most", QUESTION >> 10))),
    };
    app.metrics.queries[usize::from(outcome.is_err())].fetch_add(1, Ordering::Relaxed);
    app.metrics.query_seconds.0.observe(started.elapsed());
    outcome
}

async fn answer(app: &App, headers: &HeaderMap, body: &[u8]) -> RestResponse {
    let format = ResponseFormat::wanted(None, headers)?;
    let form = "send {\"query\": \"select ..\"} as application/json";
    expect_json(headers, form)?;
    let SqlRequest { query } =
        serde_json::from_slice(body).map_err(|error| Problem::bad_request(error.to_string()).hint(form))?;
    let turn = timeout(TURN, app.asking.acquire()).await.map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "other questions are being answered")
            .hint("ask again")
            .later(5)
    })?;
    // The server lives, so its turns do.
    let _turn = turn.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server ends"))?;
    let rows = timeout(ALL_TIME, by_worker(app, query)).await.unwrap_or_else(|_| {
        Err(Problem::bad_request(format!("the query was stopped after {} s", ALL_TIME.as_secs())).hint(LESS))
    })?;
    response(app, &rows, format, headers)
}

const LESS: &str = "ask for less: fewer rows by WHERE, no joins of everything with everything";

async fn by_worker(app: &App, sql: String) -> Result<SqlRows, Problem> {
    let failed = |what: &str, error: io::Error, hint: &str| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the query's process {what}: {error}"))
            .hint(hint)
    };
    let unstarted = |error| {
        failed(
            "cannot be started",
            error,
            "the server needs /proc, /dev/null, and files that it may still open",
        )
    };
    let lost = |error| {
        failed("failed", error, "the query probably needed more memory than it may have; ask for less")
    };
    let held = app.feed.board.read().bytes as u64;
    let question = SqlQuestion {
        sql,
        time_ms: TIME.as_millis() as u64,
        rows: ROWS,
        bytes: BYTES,
        memory: MEMORY + held * ROW_FACTOR,
    };
    let mut worker = SqlProcess::start().map_err(unstarted)?;
    worker.send(&serde_json::to_vec(&question).unwrap_or_default()).await.map_err(lost)?;
    let tables = match worker.receive().await.map_err(lost)? {
        Needs::Tables(tables) => tables,
        Needs::Refused(complaint) => return Err(problem(complaint, &question.sql)),
    };
    let lines = lines(&app.feed.board.read(), &tables);
    match worker.finish(lines).await.map_err(lost)? {
        SqlAnswer::Rows(rows) => Ok(rows),
        SqlAnswer::Refused(complaint) => Err(problem(complaint, &question.sql)),
    }
}

/// The rows of some tables.
fn lines(state: &BoardState, tables: &[String]) -> Vec<Arc<super::board::series::CachedRow>> {
    let kinds: BTreeSet<_> = RowKind::ALL
        .into_iter()
        .filter(|kind| tables.iter().any(|name| name == kind.schema().table))
        .collect();
    if kinds.is_empty() {
        return Vec::new();
    }
    state.latest(&Filter::new(Some(kinds), None), usize::MAX, LatestFilter::default())
}

fn problem(complaint: SqlError, sql: &str) -> Problem {
    let SqlError { message, offset, time } = complaint;
    let near = offset.and_then(|offset| sql.get(offset..)).filter(|rest| !rest.is_empty()).map(|rest| {
        let rest: String = rest.chars().take(30).collect();
        format!("it is about {rest:?}")
    });
    let hint = match near {
        _ if time || message.contains("out of memory") || message.contains("too big") => LESS.to_owned(),
        Some(near) => near,
        None if message.contains("not authorized") || message.contains("prohibited") => {
            format!("the tables {} can be read; nothing can be written", tables())
        }
        None => format!("the tables are {}; their columns are the fields of the rows", tables()),
    };
    Problem::bad_request(message).hint(hint)
}

fn tables() -> String {
    RowKind::ALL.map(|kind| kind.schema().table).join(", ")
}

fn response(app: &App, rows: &SqlRows, format: ResponseFormat, headers: &HeaderMap) -> RestResponse {
    let body = match format {
        ResponseFormat::Json => serde_json::to_vec(rows).unwrap_or_default(),
        ResponseFormat::Lines => printed(rows, query::AnswerFormat::Json),
        ResponseFormat::Csv => printed(rows, query::AnswerFormat::Csv),
        ResponseFormat::Arrow => format::arrow_answer(&rows.columns, &rows.rows)?,
    };
    let mut response = format::packed(&app.answers, body, headers)?;
    let headers = response.headers_mut();
    FileName::new("sql", format).tell(headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let truncated = if rows.truncated { "true" } else { "false" };
    headers.insert("crossrate-truncated", HeaderValue::from_static(truncated));
    Ok(response)
}

fn printed(rows: &SqlRows, format: query::AnswerFormat) -> Vec<u8> {
    let mut out = Vec::new();
    let mut printer = Printer::new(format, &mut out);
    // Writing to memory does not fail.
    let _ = printer.columns(&rows.columns);
    let _ = rows.rows.iter().try_for_each(|row| printer.row(row));
    let _ = printer.finish();
    drop(printer);
    out
}

/// A process that answers one question. It ends with this.
struct SqlProcess {
    /// There until all is told.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _process: Helper,
}

impl SqlProcess {
    fn start() -> io::Result<SqlProcess> {
        let mut command = Command::new(crate::start::this_program()?);
        command
            .args(["query", "--worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let process = Helper::new(child);
        let output = output.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(SqlProcess { input, output: BufReader::new(output), _process: process })
    }

    async fn send(&mut self, line: &[u8]) -> io::Result<()> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        input.write_all(line).await?;
        input.write_all(b"\n").await?;
        input.flush().await
    }

    async fn receive(&mut self) -> io::Result<Needs> {
        let mut line = String::new();
        self.output.read_line(&mut line).await?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Hands rows over, and waits for the answer.
    async fn finish(mut self, rows: Vec<Arc<super::board::series::CachedRow>>) -> io::Result<SqlAnswer> {
        for chunk in rows.chunks(256) {
            let lines: Vec<&str> = chunk.iter().map(|row| &*row.json).collect();
            self.send(lines.join("\n").as_bytes()).await?;
        }
        drop(self.input.take());
        let mut answer = Vec::new();
        self.output.read_to_end(&mut answer).await?;
        Ok(serde_json::from_slice(&answer)?)
    }
}
