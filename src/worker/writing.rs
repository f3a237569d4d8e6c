//! The writing side of a run, as its first worker has it.

use crate::accounting;
use crate::config::Config;
use crate::sink::Sinks;
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
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
}

impl Writing {
    pub(super) fn new(config: &Arc<Config>, sinks: Option<Sinks>, outbox: Rc<RefCell<Outbox>>) -> Writing {
        Writing { sinks, outbox, config: Arc::clone(config) }
    }

    /// Hands on what the dataflow has completed.
    pub(super) fn write(&mut self) -> Result<()> {
        let Some(sinks) = &mut self.sinks else { return Ok(()) };
        sinks.write(&mut self.outbox.borrow_mut())
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
        accounting::tell(&self.config, &outbox)
    }
}
