//! SQLite over rows, for questions of strangers: it reads the tables of rows and nothing else, and stops in
//! time.

use super::AnswerReader;
use crate::exit::{Exit, Failure};
use crate::nearest::nearest;
use crate::rows::columns;
use crate::rows::sqlite::{self, bound};
use anyhow::{Context, Result};
use crossrate_dataflows::market::schema::{RowKind, RowKinds};
use crossrate_dataflows::market::value::Value;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, OpenFlags, Statement, Transaction};
use serde_json::Value as Json;
use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

/// Instructions of SQLite's machine between two looks at the clock.
const LOOK_EVERY: i32 = 2_000;
/// Tables that may be read besides those of rows.
const ALSO: [&str; 5] = ["dead_letters", "sqlite_master", "sqlite_schema", "json_each", "json_tree"];

/// How much an answer may cost.
#[derive(Debug, Clone, Default)]
pub struct QueryLimits {
    /// How long it may take.
    pub time: Option<Duration>,
    /// Rows of it, at most.
    pub rows: Option<usize>,
    /// Bytes of its texts, at most.
    pub bytes: Option<usize>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// In the engine's own words, with the place in the question where it knows one.
    #[error("{message}")]
    Engine {
        /// Its words.
        message: String,
        /// The byte of the question that they are about.
        offset: Option<usize>,
    },
    /// It would have taken too long.
    #[error("the query was stopped after {} s", .0.as_secs_f64())]
    Time(Duration),
    /// Whoever asked has gone.
    #[error("nobody reads the answer")]
    Reader(#[source] std::io::Error),
}

/// The tables.
#[derive(Debug)]
pub struct Engine {
    connection: Connection,
}

impl Engine {
    /// Empty tables.
    pub fn in_memory() -> Result<Engine> {
        let connection = Connection::open_in_memory()?;
        for kind in RowKind::ALL {
            let table = kind.schema();
            connection.execute_batch(&sqlite::schema(table, table.table))?;
        }
        connection.set_prepared_statement_cache_capacity(8);
        Ok(Engine { connection })
    }

    /// The tables of a ledger, to be read while a run may write it.
    pub fn of_ledger(path: &Path) -> Result<Engine> {
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(
                path,
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            connection.busy_timeout(Duration::from_secs(5))?;
            // Says now whether it is a database.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        };
        let connection = open().map_err(|error| {
            let error = error.into();
            Failure::new(Exit::Unreachable, format!("cannot read the database {}", path.display()))
                .hint(sqlite::hint(&error))
                .because(error)
        })?;
        Ok(Engine { connection })
    }

    /// Nothing that is asked from now on takes more memory than so many bytes, with what is there already. Of
    /// the whole process, so only for one that does nothing else; then what is sorted and gathered stays in
    /// memory too.
    pub fn limit_memory(&self, bytes: u64) -> Result<()> {
        self.connection.pragma_update(None, "temp_store", "MEMORY")?;
        self.connection.query_row(&format!("PRAGMA hard_heap_limit = {bytes}"), [], |_| Ok(()))?;
        Ok(())
    }

    /// Takes rows in, a JSON object a line. Of several of one window the last one stays.
    pub fn load(&mut self, lines: impl BufRead) -> Result<()> {
        let mut loading = self.loading()?;
        for line in lines.lines() {
            loading.line(&line?)?;
        }
        loading.finish()
    }

    /// Takes rows in, one after the other.
    pub fn loading(&mut self) -> Result<RowLoader<'_>> {
        Ok(RowLoader { transaction: self.connection.transaction()?, kinds: RowKinds::all(), lines: 0 })
    }

    /// Asks. The connection is used up: it is not to be trusted with anything else afterwards.
    pub fn ask(
        mut self,
        sql: &str,
        limits: &QueryLimits,
        reader: &mut dyn AnswerReader,
    ) -> Result<bool, QueryError> {
        self.guard(limits).map_err(refused)?;
        let outcome = answer(&self.connection, sql, limits, reader);
        match (outcome, limits.time) {
            (Err(QueryError::Engine { message, .. }), Some(time)) if message == "interrupted" => {
                Err(QueryError::Time(time))
            }
            (outcome, _) => outcome,
        }
    }

    /// The tables of rows that a question reads; found without having any rows.
    pub fn tables_of(mut self, sql: &str, limits: &QueryLimits) -> Result<Vec<&'static str>, QueryError> {
        let (tell, told) = std::sync::mpsc::channel();
        self.guard(limits).map_err(refused)?;
        self.connection
            .authorizer(Some(move |context: AuthContext<'_>| {
                if let AuthAction::Read { table_name, .. } = context.action {
                    let _ = tell.send(table_name.to_owned());
                }
                allowed(context)
            }))
            .map_err(refused)?;
        statement(&self.connection, sql)?;
        drop(self);
        let read: Vec<String> = told.into_iter().collect();
        let tables = RowKind::ALL.into_iter().map(|kind| kind.schema().table);
        Ok(tables.filter(|table| read.iter().any(|name| name.eq_ignore_ascii_case(table))).collect())
    }

    fn guard(&mut self, limits: &QueryLimits) -> rusqlite::Result<()> {
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, 1_000_000),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
            (Limit::SQLITE_LIMIT_COLUMN, 500),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
            (Limit::SQLITE_LIMIT_VDBE_OP, 1_000_000),
            (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 0),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 0),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            self.connection.set_limit(limit, value)?;
        }
        if let Some(time) = limits.time {
            let end = Instant::now() + time;
            self.connection.progress_handler(LOOK_EVERY, Some(move || Instant::now() >= end))?;
        }
        self.connection.authorizer(Some(allowed))
    }
}

/// Rows on their way into the tables. Of several of one window the last one stays.
#[derive(Debug)]
pub struct RowLoader<'e> {
    transaction: Transaction<'e>,
    kinds: RowKinds,
    lines: u64,
}

impl RowLoader<'_> {
    /// Passes over rows of other kinds.
    pub fn only(&mut self, kinds: RowKinds) {
        self.kinds = kinds;
    }

    /// The next line begins another file.
    pub fn begin_file(&mut self) {
        self.lines = 0;
    }

    /// A row as a JSON object, or a line of white space.
    pub fn line(&mut self, line: &str) -> Result<()> {
        self.lines += 1;
        if line.trim().is_empty() {
            return Ok(());
        }
        let row = columns::read(line).ok_or_else(|| {
            let words = format!("line {} is no row: it has no kind, name, start_ms and end_ms", self.lines);
            Failure::new(Exit::Failed, words).hint("rows are what crossrate run --to FILE writes")
        })?;
        self.row(row.kind, &row.columns()).with_context(|| format!("in line {}", self.lines))
    }

    /// A row as the values of all its fields.
    pub fn row(&mut self, kind: RowKind, values: &[Value]) -> Result<()> {
        if self.kinds.has(kind) {
            let mut insert = self.transaction.prepare_cached(&sqlite::insert(kind.schema()))?;
            insert.execute(rusqlite::params_from_iter(bound(&"".into(), kind, values)))?;
        }
        Ok(())
    }

    /// That was all.
    pub fn finish(self) -> Result<()> {
        Ok(self.transaction.commit()?)
    }
}

/// Reading tables of rows, and computing. Everything else is refused by name, whatever it might be one day.
fn allowed(context: AuthContext<'_>) -> Authorization {
    let known = |name: &str| {
        let tables = RowKind::ALL.into_iter().map(|kind| kind.schema().table);
        tables.chain(ALSO).any(|table| name.eq_ignore_ascii_case(table))
    };
    // A table of which no column is read may be one that the question itself has made, by WITH.
    let own = |name: &str, column: &str| {
        let name = name.to_ascii_lowercase();
        let internal = ["crossrate_", "sqlite_", "pragma_", "dbstat"];
        column.is_empty() && !internal.iter().any(|prefix| name.starts_with(prefix))
    };
    match context.action {
        AuthAction::Select | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Read { table_name, column_name } if known(table_name) || own(table_name, column_name) => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// The one statement that a question is.
fn statement<'c>(connection: &'c Connection, sql: &'c str) -> Result<Statement<'c>, QueryError> {
    let told = |message: &str| QueryError::Engine { message: message.to_owned(), offset: None };
    let mut batch = Batch::new(connection, sql);
    let statement = batch.next().map_err(refused)?.ok_or_else(|| told("there is no statement"))?;
    if batch.next().map_err(refused)?.is_some() {
        return Err(told("one statement at a time"));
    }
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(told("only questions are answered: SELECT, WITH, VALUES or EXPLAIN"));
    }
    Ok(statement)
}

/// Gives the answer to a reader; whether it was cut short.
fn answer(
    connection: &Connection,
    sql: &str,
    limits: &QueryLimits,
    reader: &mut dyn AnswerReader,
) -> Result<bool, QueryError> {
    let mut statement = statement(connection, sql)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = names.len();
    reader.columns(&names).map_err(QueryError::Reader)?;
    let mut rows = statement.query([]).map_err(refused)?;
    let (mut count, mut bytes) = (0, 0);
    let mut cells = Vec::with_capacity(width);
    while let Some(row) = rows.next().map_err(refused)? {
        cells.clear();
        for place in 0..width {
            let cell = cell(row.get_ref(place).map_err(refused)?);
            bytes += 16 + cell.as_str().map_or(0, str::len);
            cells.push(cell);
        }
        count += 1;
        if limits.rows.is_some_and(|most| count > most) || limits.bytes.is_some_and(|most| bytes > most) {
            return Ok(true);
        }
        reader.row(&cells).map_err(QueryError::Reader)?;
    }
    Ok(false)
}

/// A value as JSON has it: infinities are null, bytes a literal of SQL's.
fn cell(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Null => Json::Null,
        ValueRef::Integer(number) => Json::from(number),
        ValueRef::Real(number) => Json::from(number),
        ValueRef::Text(text) => Json::from(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Json::from(format!("x'{digits}'"))
        }
    }
}

fn refused(error: rusqlite::Error) -> QueryError {
    let (message, offset) = match error {
        rusqlite::Error::SqlInputError { msg, offset, .. } => (msg, usize::try_from(offset).ok()),
        rusqlite::Error::SqliteFailure(_, Some(message)) => (message, None),
        other => (other.to_string(), None),
    };
    QueryError::Engine { message: with_tables(message), offset }
}

/// The engine's words, and which tables there are where it knows none of that name.
fn with_tables(message: String) -> String {
    let Some(name) = message.strip_prefix("no such table: ") else { return message };
    let tables = RowKind::ALL.map(|kind| kind.schema().table);
    match nearest(name, tables) {
        Some(meant) => format!("{message} (did you mean {meant}?)"),
        None => format!("{message}; rows are in {}", tables.join(", ")),
    }
}

#[cfg(test)]
mod tests;
