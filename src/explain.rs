//! `crossrate explain`: why a row is what it is.
//!
//! The input is read twice. The dataflow of `run` makes the rows of the window again, which are the same in
//! every run; then each record is judged once more, one after another, and what concerns the window is noted
//! ([`judged`]): the trades that entered it or were refused, and the records that took the watermarks of
//! partitions to the moments at which it was looked at. [`report`] tells both together. Nothing is written
//! and nothing committed.

mod judged;
mod report;

use crate::config::explain::Explain;
use crate::exit::{Exit, Failure};
use crate::run::{Observer, run_with};
use crate::sink::{Sink, SinkBatch};
use anyhow::Result;
use crossrate_dataflows::market::changes::Change;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::value::Value;
use judged::WindowQuestion;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes the rows again, and tells why they are what they are.
pub fn run(explain: &Explain) -> Result<Exit> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let rows = rows_of(explain, &interrupted)?;
    let question = WindowQuestion {
        symbols: symbols(explain, &rows),
        start: explain.start(),
        end: explain.end,
        firings: rows.iter().map(|row| row.look).chain([explain.final_at()]).collect(),
    };
    let partitions = judged::judge(&explain.config, &question, &interrupted)?;
    let report = report::ExplainReport::of(explain, &rows, &partitions);
    let text = if explain.json { report.json()? } else { report.text() };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::PipeClosed, "standard output was closed").into())
        }
        other => Ok(other.map(|()| Exit::Done)?),
    }
}

/// The rows of the window, in the order in which they leave.
fn rows_of(explain: &Explain, interrupted: &Arc<AtomicBool>) -> Result<Vec<Row>> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::new(AtomicBool::new(false));
    let sink = WindowRows {
        explain: explain.clone(),
        found: Arc::clone(&found),
        done: Arc::clone(&done),
        stop: Arc::clone(interrupted),
    };
    let observer: Observer = Box::new(move || Ok(Box::new(sink)));
    let outcome = run_with(explain.config.clone(), Some(observer), None, interrupted);
    if done.load(Ordering::Relaxed) {
        // The run was stopped because all rows of the window were there.
        interrupted.store(false, Ordering::Relaxed);
    } else {
        outcome?;
    }
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *found))
}

/// The symbols whose trades the window's rows are made of.
fn symbols(explain: &Explain, rows: &[Row]) -> BTreeSet<Symbol> {
    if explain.kind == RowKind::Symbol {
        return BTreeSet::from([explain.name.clone()]);
    }
    let definition = &explain.config.definition;
    let added = explain.config.changes.iter().filter_map(|logged| match &logged.change.change {
        Change::AddCross(cross) => Some(cross),
        _ => None,
    });
    let crosses = definition.crosses.iter().chain(added).filter(|cross| cross.name == explain.name);
    let defined = crosses.flat_map(|cross| &cross.legs).map(|leg| leg.symbol.clone());
    let legs = rows.iter().flat_map(|row| row.items("legs"));
    let seen = legs.filter_map(|leg| leg.value("symbol").and_then(Value::as_text).map(Symbol::new));
    defined.chain(seen).collect()
}

/// Keeps the rows of one window, and stops the run when no more can come.
struct WindowRows {
    explain: Explain,
    found: Arc<Mutex<Vec<Row>>>,
    done: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl Sink for WindowRows {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        let Explain { kind, name, end, .. } = &self.explain;
        let is_asked = |row: &&Row| (row.kind, row.place, row.end) == (*kind, 0, *end) && row.name == *name;
        let rows = batch.rows.iter().filter(is_asked).cloned();
        self.found.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
        let last = self.explain.final_at();
        if batch.frontier.is_some_and(|frontier: EventTime| frontier > last) {
            self.done.store(true, Ordering::Relaxed);
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn finish(&mut self, _: &SinkBatch<'_>) -> Result<()> {
        Ok(())
    }
}
