//! The writing side of a run, as its first worker has it.

use super::diagnosis;
use super::no_rows::{self, MissingSymbols};
use super::progress::{Phase, ProgressLine};
use super::waiting::RowWait;
use crate::accounting;
use crate::config::{Config, Verbosity};
use crate::output::{JobEnd, Output};
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::market::value::Value;
use crossrate_dataflows::operators::closings::Outbox;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The writing side; does nothing but on the first worker.
pub(super) struct WritingSide {
    output: Option<Output>,
    outbox: Rc<RefCell<Outbox>>,
    config: Arc<Config>,
    waiting: RowWait,
    missing: MissingSymbols,
    /// Whether the input is known to end by itself.
    has_end: bool,
    /// How many trades earlier runs of the job have accepted.
    accepted_before: u64,
    progress: Option<ProgressLine>,
    is_surplus_told: bool,
    /// What was committed of changes with the last commit of all.
    last_changes: Vec<(u32, u32)>,
    /// Whether it has written all of a run that closes nothing.
    pub(super) has_kept: bool,
}

impl WritingSide {
    pub(super) fn new(
        config: &Arc<Config>,
        output: Option<Output>,
        outbox: Rc<RefCell<Outbox>>,
        (progress, accepted_before): (Option<ProgressLine>, u64),
    ) -> WritingSide {
        let config = Arc::clone(config);
        WritingSide {
            output,
            outbox,
            has_end: diagnosis::has_end(&config),
            config,
            waiting: RowWait::new(),
            missing: MissingSymbols::default(),
            accepted_before,
            progress,
            is_surplus_told: false,
            last_changes: Vec::new(),
            has_kept: false,
        }
    }

    /// Since the last lap this worker has done that.
    pub(super) fn lap(&mut self, phase: Phase) {
        if let Some(progress) = &mut self.progress {
            progress.lap(phase);
        }
    }

    /// Hands on what the dataflow has completed.
    pub(super) fn write(&mut self) -> Result<()> {
        let Some(output) = &mut self.output else { return Ok(()) };
        let mut outbox = self.outbox.borrow_mut();
        self.waiting.look(&outbox, &self.config);
        if !self.has_end {
            self.missing.look(&mut outbox, &self.config);
        }
        if let Some(progress) = &mut self.progress {
            progress.look(&outbox);
        }
        if !self.is_surplus_told && self.config.verbosity >= Verbosity::Normal {
            self.is_surplus_told = tell_of_surplus(&outbox);
        }
        accounting::tell_unpaired(&self.config, &mut outbox);
        output.write(&mut outbox)
    }

    /// Whether what changes the definition waits for its commit.
    pub(super) fn hurry(&mut self, is_awaited: bool) {
        if let Some(output) = &mut self.output {
            output.hurry(is_awaited);
        }
    }

    /// What partitions have taken of changes, as far as it was committed since the last time: place in the
    /// log, partition.
    pub(super) fn committed_changes(&mut self) -> Vec<(u32, u32)> {
        match &mut self.output {
            Some(output) => output.committed_changes(),
            None => std::mem::take(&mut self.last_changes),
        }
    }

    /// The user stops the run: says what it waited for, where it gave nothing.
    pub(super) fn tell_what_it_waited_for(&self) {
        if self.output.is_some() {
            self.waiting.interrupted(&self.outbox.borrow(), &self.config);
        }
    }

    /// Whether this is the worker that writes.
    pub(super) fn is_here(&self) -> bool {
        self.output.is_some()
    }

    /// Everything until then is committed.
    pub(super) fn committed(&self) -> EventTime {
        self.output.as_ref().map_or(EventTime::MIN, Output::committed)
    }

    /// When a commit is due next, if one is.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.output.as_ref().and_then(Output::due_in)
    }

    /// Writes the rest, and the accounting. Does nothing the second time.
    pub(super) fn finish(&mut self, end: JobEnd) -> Result<()> {
        let Some(mut output) = self.output.take() else { return Ok(()) };
        let mut outbox = self.outbox.borrow_mut();
        self.has_kept = end == JobEnd::Kept;
        let has_rows = self.waiting.has_rows() || !outbox.rows.is_empty();
        if let Some(progress) = &mut self.progress {
            progress.look(&outbox);
        }
        output.finish(&mut outbox, end)?;
        self.last_changes = output.committed_changes();
        if self.has_kept {
            accounting::tell_what_stays_open(&self.config, &outbox);
        }
        if let Some(progress) = &mut self.progress {
            progress.end(&outbox);
        }
        self.missing.say_slips(&mut outbox, &self.config);
        if end == JobEnd::Closed && !has_rows {
            let accepted = accounting::total(&outbox.partitions).accepted;
            let accepted = accepted.saturating_sub(self.accepted_before);
            no_rows::say_no_rows(accepted, &outbox, &self.config);
        }
        accounting::tell(&self.config, &outbox, || output.prove_lease())?;
        output.close();
        match end {
            JobEnd::Closed | JobEnd::Kept => accounting::refuse_nothing(&self.config, &outbox),
            JobEnd::Stopped => Ok(()),
        }
    }
}

/// Whether a window had more trades than ids, which is said.
fn tell_of_surplus(outbox: &Outbox) -> bool {
    let has_surplus = |row: &&Row| match row.content.value(row.kind, "missing_ids") {
        Some(Value::Integer(missing)) => *missing < 0,
        _ => false,
    };
    let Some(row) = outbox.rows.iter().find(has_surplus) else { return false };
    tracing::warn!(
        word = "warning",
        symbol = %row.name,
        window_end_ms = row.end.millis(),
        "missing_ids of {} is below zero in the window that ends at {}: the same trades in two inputs, perhaps, or \
         ids that run against event time, where the sum over windows still tells the truth",
        row.name,
        row.end
    );
    true
}
