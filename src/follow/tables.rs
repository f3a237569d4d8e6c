//! Tables of rows in a database, read again where something may have changed: windows that were not final when they
//! were last looked at, and newer ones. The key of a table begins with the name and the start, so that a look costs a
//! few steps of the index for each name, however long the history is.

use super::PollResult;
use super::checkpoint_progress::CheckpointProgress;
use crate::exit::{Exit, Failure};
use crate::serve::board::progress::now_ms;
use crate::serve::board::series::Kept;
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::schema::{FieldType, Schema};
use std::time::Duration;

/// Where to look next in a table.
#[derive(Debug)]
pub(super) struct ReadPosition {
    /// Milliseconds of event time that are served.
    history_ms: u64,
    /// The greatest end of any window.
    newest_ms: u64,
    /// How far the job was at the last look.
    at: EventTime,
    /// Windows that started before are final, and known.
    floor_ms: u64,
}

impl ReadPosition {
    pub(super) fn new(history: Duration) -> ReadPosition {
        let history_ms = history.as_millis() as u64;
        ReadPosition { history_ms, newest_ms: 0, at: EventTime::MIN, floor_ms: 0 }
    }

    /// Whether nothing has been read yet.
    pub(super) fn is_new(&self) -> bool {
        self.newest_ms == 0
    }

    /// Windows that start then or later are to be read; `newest_ms` is the greatest start of any window there.
    pub(super) fn look_from_ms(&self, newest_ms: u64) -> u64 {
        // Before anything is known, all that is served; the length of windows is not known then.
        match self.newest_ms {
            0 => newest_ms.saturating_sub(self.history_ms.saturating_mul(2)),
            _ => self.floor_ms,
        }
    }

    /// Takes in what a look has found: rows, and how far the job was in the same transaction.
    pub(super) fn found(
        &mut self,
        mut rows: Vec<Kept>,
        known: Option<&CheckpointProgress>,
        polled: &mut PollResult,
    ) {
        rows.sort_by(|a, b| a.place().cmp(&b.place()));
        self.newest_ms = self.newest_ms.max(rows.last().map_or(0, |row| row.end_ms));
        let open = known.and_then(|known| Some((known.at(), known.open_for()?)));
        self.floor_ms = match open {
            // A job that is begun anew writes its windows again.
            Some((at, _)) if at < self.at => self.newest_ms.saturating_sub(self.history_ms.saturating_mul(2)),
            Some((at, open_for)) => at.minus(open_for).millis(),
            None => self.newest_ms.saturating_sub(self.history_ms),
        };
        self.at = open.map_or(EventTime::MIN, |(at, _)| at);
        polled.rows.extend(rows);
        polled.progress = known.map(|known| known.progress(now_ms()));
        polled.whole = true;
    }
}

/// A job's name that is misspelled would show nothing, for ever.
pub(super) fn has_job(jobs: &[String], job: &str) -> Result<()> {
    if jobs.is_empty() || jobs.iter().any(|known| known == job) {
        return Ok(());
    }
    let words = format!("there is no job {job:?}, but {}", jobs.join(", "));
    Err(Failure::new(Exit::Usage, words).hint("say by --name whose rows are to be served").into())
}

/// The columns of a question, as both databases have them.
pub(super) fn select(table: &Schema, decimal: impl Fn(&str) -> String) -> String {
    let columns = table.fields.iter().map(|column| match column.ty {
        FieldType::Decimal | FieldType::List(_) => decimal(&format!("t.\"{}\"", column.name)),
        _ => format!("t.\"{}\"", column.name),
    });
    let columns: Vec<String> = columns.collect();
    let (name, names) = (table.table, names(table));
    format!(
        "{names}
        SELECT {} FROM names CROSS JOIN {name} AS t
        WHERE t.name = names.name AND t.start_ms >= $1 AND t.job = $2",
        columns.join(", ")
    )
}

/// The greatest start of a job's window of any name. Other jobs in the same database may be years ahead.
pub(super) fn newest(table: &Schema) -> String {
    let (name, names) = (table.table, names(table));
    format!(
        "{names}
        SELECT max((SELECT t.start_ms FROM {name} AS t
            WHERE t.name = names.name AND t.job = $1 ORDER BY t.start_ms DESC LIMIT 1)) FROM names"
    )
}

/// The names in a table, one after another, each a step of the index.
fn names(table: &Schema) -> String {
    let name = table.table;
    format!(
        "WITH RECURSIVE names(name) AS (
            SELECT * FROM (SELECT name FROM {name} ORDER BY name LIMIT 1) AS first
            UNION ALL
            SELECT (SELECT n.name FROM {name} AS n WHERE n.name > names.name ORDER BY n.name LIMIT 1)
            FROM names WHERE names.name IS NOT NULL
        )"
    )
}
