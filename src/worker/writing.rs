//! The writing side of a run, as its first worker has it.

use super::waiting::Waiting;
use crate::accounting;
use crate::config::{Config, Verbosity};
use crate::sink::Sinks;
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::market::value::Value;
use crossrate_dataflows::operators::closings::Outbox;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How a run ends.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// All input was read.
    Complete,
    /// It was stopped, or failed.
    Stopped,
}

/// The writing side; does nothing but on the first worker.
pub(super) struct Writing {
    sinks: Option<Sinks>,
    outbox: Rc<RefCell<Outbox>>,
    config: Arc<Config>,
    waiting: Waiting,
    is_surplus_told: bool,
}

impl Writing {
    pub(super) fn new(config: &Arc<Config>, sinks: Option<Sinks>, outbox: Rc<RefCell<Outbox>>) -> Writing {
        let config = Arc::clone(config);
        Writing { sinks, outbox, config, waiting: Waiting::new(), is_surplus_told: false }
    }

    /// Hands on what the dataflow has completed.
    pub(super) fn write(&mut self) -> Result<()> {
        let Some(sinks) = &mut self.sinks else { return Ok(()) };
        let mut outbox = self.outbox.borrow_mut();
        self.waiting.look(&outbox, &self.config);
        if !self.is_surplus_told && self.config.verbosity >= Verbosity::Normal {
            self.is_surplus_told = tell_of_surplus(&outbox);
        }
        sinks.write(&mut outbox)
    }

    /// The user stops the run: says what it waited for, where it gave nothing.
    pub(super) fn tell_what_it_waited_for(&self) {
        if self.sinks.is_some() {
            self.waiting.interrupted(&self.outbox.borrow(), &self.config);
        }
    }

    /// Everything until then is committed.
    pub(super) fn committed(&self) -> EventTime {
        self.sinks.as_ref().map_or(EventTime::MIN, Sinks::committed)
    }

    /// When a commit is due next, if one is.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.sinks.as_ref().and_then(Sinks::due_in)
    }

    /// Writes the rest, and the accounting. Does nothing the second time.
    pub(super) fn finish(&mut self, ending: Ending) -> Result<()> {
        let Some(mut sinks) = self.sinks.take() else { return Ok(()) };
        let mut outbox = self.outbox.borrow_mut();
        sinks.finish(&mut outbox, ending == Ending::Complete)?;
        accounting::tell(&self.config, &outbox, || sinks.prove_lease())?;
        sinks.close();
        match ending {
            Ending::Complete => accounting::refuse_nothing(&self.config, &outbox),
            Ending::Stopped => Ok(()),
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
    say!(
        "crossrate: warning: missing_ids of {} is below zero in the window that ends at {}: the same trades in two \
         inputs, perhaps, or ids that run against event time, where the sum over windows still tells the truth",
        row.name,
        row.end
    );
    true
}
