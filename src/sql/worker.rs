//! A process that answers one question of a server's asker. It has a memory and a heap limit of its own, and
//! the server ends it when its time is over: what is asked there cannot hurt what runs here.
//!
//! The server writes a [`SqlQuestion`] on a line; this process answers with the tables that it needs, a
//! [`Needs`]; the server writes their rows, a line each, and closes; this process writes an [`SqlAnswer`].

use super::AnswerReader;
use super::engine::{Engine, QueryError, QueryLimits};
use crate::exit::Exit;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct SqlQuestion {
    /// In SQL.
    pub sql: String,
    /// How long it may take, in milliseconds.
    pub time_ms: u64,
    /// Rows of the answer at most.
    pub rows: usize,
    /// Bytes of the answer at most.
    pub bytes: usize,
    /// Bytes of memory for rows and question together.
    pub memory: u64,
}

/// What is needed to answer it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// Rows of these tables.
    Tables(Vec<String>),
    /// Nothing: it will not be answered.
    Refused(SqlError),
}

/// The answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlAnswer {
    /// What was asked for.
    Rows(SqlRows),
    /// Why there is none.
    Refused(SqlError),
}

/// Columns and rows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SqlRows {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// Whether there were more.
    pub truncated: bool,
}

/// Why there is no answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct SqlError {
    /// In the engine's words.
    pub message: String,
    /// The byte of the question that they are about.
    pub offset: Option<usize>,
    /// Whether it would have taken too long.
    pub time: bool,
}

impl AnswerReader for SqlRows {
    fn columns(&mut self, names: &[String]) -> std::io::Result<()> {
        self.columns = names.to_vec();
        Ok(())
    }

    fn row(&mut self, row: &[Value]) -> std::io::Result<()> {
        self.rows.push(row.to_vec());
        Ok(())
    }
}

impl From<QueryError> for SqlError {
    fn from(refused: QueryError) -> Self {
        let offset = match &refused {
            QueryError::Engine { offset, .. } => *offset,
            QueryError::Time(_) | QueryError::Reader(_) => None,
        };
        SqlError { message: refused.to_string(), offset, time: matches!(refused, QueryError::Time(_)) }
    }
}

/// Answers what standard input asks.
pub fn answer() -> Result<Exit> {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line)?;
    let question: SqlQuestion = serde_json::from_str(&line).context("no question on standard input")?;
    let limits = QueryLimits {
        time: Some(Duration::from_millis(question.time_ms)),
        rows: Some(question.rows),
        bytes: Some(question.bytes),
    };
    let mut engine = Engine::in_memory()?;
    engine.limit_memory(question.memory)?;
    let time = Duration::from_millis(question.time_ms);
    let over_time = move || SqlError::from(QueryError::Time(time));
    let deadline = Deadline::new(time, move || Needs::Refused(over_time()))?;
    let needs = match Engine::in_memory()?.tables_of(&question.sql, &limits) {
        Ok(tables) => Needs::Tables(tables.into_iter().map(str::to_owned).collect()),
        Err(refused) => Needs::Refused(refused.into()),
    };
    let over = matches!(needs, Needs::Refused(_));
    deadline.is_met();
    write(&needs)?;
    if over {
        return Ok(Exit::Done);
    }
    engine.load(input)?;
    let mut rows = SqlRows::default();
    let deadline = Deadline::new(time, move || SqlAnswer::Refused(over_time()))?;
    let answer = match engine.ask(&question.sql, &limits, &mut rows) {
        Ok(truncated) => SqlAnswer::Rows(SqlRows { truncated, ..rows }),
        Err(refused) => SqlAnswer::Refused(refused.into()),
    };
    deadline.is_met();
    write(&answer)?;
    Ok(Exit::Done)
}

/// How much later than the engine itself the process notices that the time is over.
const SLACK: Duration = Duration::from_millis(50);

/// Ends the process when the time is over. The engine looks at the clock between its instructions, and one of
/// them may take as long as it likes.
struct Deadline(Arc<Mutex<bool>>);

impl Deadline {
    /// In so much time the process says these words, and ends.
    fn new<M: Serialize>(time: Duration, words: impl FnOnce() -> M + Send + 'static) -> Result<Deadline> {
        let met = Arc::new(Mutex::new(false));
        let watched = Arc::clone(&met);
        std::thread::Builder::new().name("deadline".into()).spawn(move || {
            std::thread::sleep(time + SLACK);
            // Held to the end of the process: there is one answer.
            let met = watched.lock().unwrap_or_else(PoisonError::into_inner);
            if !*met {
                let code = if write(&words()).is_ok() { Exit::Done } else { Exit::Failed };
                std::process::exit(code.code().into());
            }
        })?;
        Ok(Deadline(met))
    }

    /// There is an answer.
    fn is_met(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

fn write(message: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    Ok(out.flush()?)
}
