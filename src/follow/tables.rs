//! Tables of rows in a database, read again where something may have changed: windows that were not final
//! when they were last looked at, and newer ones. The key of a table is name, definition, start and end of
//! the window, in whose order ends rise, so that a look costs a few steps of the index for each name and
//! definition, however long the history is.

use super::PollResult;
use super::checkpoint_progress::CheckpointProgress;
use crate::exit::{Exit, Failure};
use crate::serve::board::progress::now_ms;
use crate::serve::board::series::CachedRow;
use anyhow::Result;
use crossrate_dataflows::market::definition::Definition;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::schema::{FieldType, Schema};
use std::fmt::Write;
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
    /// Windows that ended then or before are final, and known.
    settled_ms: u64,
    /// What the job computed at the last look.
    definition: Option<Definition>,
}

/// From where on the windows of a definition are to be read: start and end of the first one, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Floor {
    pub(super) window: String,
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
}

impl ReadPosition {
    pub(super) fn new(history: Duration) -> ReadPosition {
        let history_ms = history.as_millis() as u64;
        ReadPosition { history_ms, newest_ms: 0, at: EventTime::MIN, settled_ms: 0, definition: None }
    }

    /// Whether nothing has been read yet.
    pub(super) fn is_new(&self) -> bool {
        self.newest_ms == 0
    }

    /// Whether the definitions of windows are those that the tables have, and not those that the job is known
    /// to have.
    pub(super) fn needs_windows(&self) -> bool {
        self.is_new() || self.definition.is_none()
    }

    /// From where on to read; `there` is what the tables have where that is needed: the greatest end of any
    /// window, and the definitions.
    pub(super) fn floors(
        &self,
        newest_ms: u64,
        there: &[String],
        known: Option<&CheckpointProgress>,
    ) -> Vec<Floor> {
        let definition = known.and_then(CheckpointProgress::definition);
        // Before anything is known, all that is served.
        let settled_ms = match self.newest_ms {
            0 => newest_ms.saturating_sub(self.history_ms.saturating_mul(2)),
            _ => self.settled_ms,
        };
        let mut floors = Vec::new();
        for window in definition.iter().flat_map(|definition| definition.windows.each()) {
            let end = window.next_end(EventTime::from_micros(settled_ms * 1_000));
            let start_ms = window.start_of(end).millis();
            floors.push(Floor { window: window.name().to_owned(), start_ms, end_ms: end.millis() });
        }
        // What an earlier job of that name has left: by its start, since nothing is known of its windows.
        let others =
            there.iter().filter(|window| definition.is_none_or(|d| d.windows.named(window).is_none()));
        floors.extend(others.map(|window| Floor {
            window: window.clone(),
            start_ms: settled_ms.saturating_sub(self.history_ms),
            end_ms: 0,
        }));
        floors
    }

    /// Takes in what a look has found: rows, and how far the job was in the same transaction.
    pub(super) fn found(
        &mut self,
        mut rows: Vec<CachedRow>,
        known: Option<&CheckpointProgress>,
        polled: &mut PollResult,
    ) {
        rows.sort_by(|a, b| a.place().cmp(&b.place()));
        self.newest_ms = self.newest_ms.max(rows.last().map_or(0, |row| row.end_ms));
        let open = known.and_then(|known| Some((known.at(), known.definition()?)));
        self.settled_ms = match open {
            // A job that is begun anew writes its windows again.
            Some((at, _)) if at < self.at => self.newest_ms.saturating_sub(self.history_ms.saturating_mul(2)),
            Some((at, definition)) => at.minus(definition.grace).millis(),
            None => self.newest_ms.saturating_sub(self.history_ms),
        };
        self.at = open.map_or(EventTime::MIN, |(at, _)| at);
        self.definition = open.map(|(_, definition)| definition.clone());
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

/// The columns of the rows from those places on, as both databases have them.
pub(super) fn select(table: &Schema, floors: &[Floor], decimal: impl Fn(&str) -> String) -> String {
    let columns = table.fields.iter().map(|column| match column.ty {
        FieldType::Decimal | FieldType::List(_) => decimal(&format!("t.\"{}\"", column.name)),
        _ => format!("t.\"{}\"", column.name),
    });
    let columns: Vec<String> = columns.collect();
    let mut values = String::new();
    for Floor { window, start_ms, end_ms } in floors {
        let window = window.replace('\'', "''");
        let _ = write!(
            values,
            "{}(CAST('{window}' AS text), CAST({start_ms} AS bigint), CAST({end_ms} AS bigint))",
            if values.is_empty() { "" } else { ", " },
        );
    }
    let (name, names, columns) = (table.table, names(table), columns.join(", "));
    // In two parts, for each of which both databases go through a piece of the index: windows since the
    // beginning have one start, however many they are.
    let part = |rest: &str| {
        format!(
            "SELECT {columns} FROM names CROSS JOIN floors CROSS JOIN {name} AS t
            WHERE t.name = names.name AND t.\"window\" = floors.\"window\" AND {rest} AND t.job = $1"
        )
    };
    let parts =
        ["t.start_ms = floors.start_ms AND t.end_ms >= floors.end_ms", "t.start_ms > floors.start_ms"];
    format!(
        "{names}, floors(\"window\", start_ms, end_ms) AS (VALUES {values})
        {}",
        parts.map(part).join(" UNION ALL ")
    )
}

/// The definitions of the windows that a job has in a table, each with the greatest end of a window. Other
/// jobs in the same database may be years ahead.
pub(super) fn windows(table: &Schema) -> String {
    let (name, names) = (table.table, names(table));
    format!(
        "{names}, series(name, \"window\") AS (
            SELECT names.name, (SELECT min(f.\"window\") FROM {name} AS f WHERE f.name = names.name)
            FROM names WHERE names.name IS NOT NULL
            UNION ALL
            SELECT series.name, (SELECT min(n.\"window\") FROM {name} AS n
                WHERE n.name = series.name AND n.\"window\" > series.\"window\")
            FROM series WHERE series.\"window\" IS NOT NULL
        ), newest(\"window\", end_ms) AS (
            SELECT series.\"window\", (SELECT t.end_ms FROM {name} AS t
                WHERE t.name = series.name AND t.\"window\" = series.\"window\" AND t.job = $1
                ORDER BY t.start_ms DESC, t.end_ms DESC LIMIT 1)
            FROM series
        )
        SELECT \"window\", max(end_ms) FROM newest WHERE end_ms IS NOT NULL GROUP BY \"window\""
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

/// A table that an earlier release made is served once a run of this release has polled it up.
pub(super) fn is_earlier(table: &Schema, place: &str) -> anyhow::Error {
    let words =
        format!("the table {} of {place} is of an earlier release: it has no column window", table.table);
    Failure::new(Exit::Failed, words)
        .hint("start its job with this release, which adds it; or serve it with the release that writes it")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossrate_dataflows::market::definition::Windows;
    use crossrate_dataflows::market::windows::{WindowDefinition, Zone};
    use std::collections::BTreeMap;

    #[test]
    fn a_look_begins_at_the_first_window_of_each_definition_that_is_not_final() {
        let texts = ["10s", "1m/10s", "anchored:1d/1h", "anchored:all/10s"];
        let windows = texts.map(|text| WindowDefinition::parse(text, &Zone::utc()).unwrap());
        let definition =
            Definition { windows: Windows::new(windows), grace: 20_000_000, ..Definition::default() };
        let day = 1_525_132_800_000;
        let at = EventTime::from_micros((day + 3_630_000) * 1_000);
        let known = CheckpointProgress::made_up(at, definition);
        let mut place = ReadPosition::new(Duration::from_secs(3_600));
        let mut polled = PollResult::default();
        place.found(Vec::new(), Some(&known), &mut polled);
        place.newest_ms = 1;
        let floors = place.floors(0, &["10s".into(), "5s".into()], Some(&known));
        let floors: BTreeMap<&str, (u64, u64)> =
            floors.iter().map(|floor| (floor.window.as_str(), (floor.start_ms, floor.end_ms))).collect();
        let settled = day + 3_610_000;
        let expected = BTreeMap::from([
            ("10s", (settled, settled + 10_000)),
            ("1m/10s", (settled - 50_000, settled + 10_000)),
            ("anchored:1d/1h", (day, day + 7_200_000)),
            ("anchored:all/10s", (0, settled + 10_000)),
            ("5s", (settled - 3_600_000, 0)),
        ]);
        assert_eq!(floors, expected);
    }
}
