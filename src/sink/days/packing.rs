//! Days that are to be made into Parquet: one after the other, beside the run.

use crate::exit::{Exit, Failure};
use crate::sink::pack::Pack;
use anyhow::Result;
use std::collections::VecDeque;
use std::thread::JoinHandle;

/// Days that wait, and the one under way.
#[derive(Default)]
pub(in crate::sink) struct PackQueue {
    pub(in crate::sink) waiting: VecDeque<Pack>,
    under_way: Option<JoinHandle<Result<()>>>,
}

impl PackQueue {
    /// Takes the outcome of the one that is done, and begins the next. With `all`, returns when none is left.
    pub(in crate::sink) fn go_on(&mut self, all: bool) -> Result<()> {
        loop {
            match self.under_way.take() {
                Some(thread) if all || thread.is_finished() => {
                    // A panic ends the process before anybody gets here.
                    thread
                        .join()
                        .unwrap_or_else(|_| Err(Failure::new(Exit::Failed, "a thread is gone").into()))?;
                }
                under_way @ Some(_) => {
                    self.under_way = under_way;
                    return Ok(());
                }
                None => {}
            }
            let Some(next) = self.waiting.pop_front() else { return Ok(()) };
            let thread = std::thread::Builder::new().name("parquet".into()).spawn(move || pack(&next));
            self.under_way = Some(thread.map_err(|error| {
                Failure::new(Exit::Failed, "cannot start a thread that writes Parquet").because(error)
            })?);
        }
    }
}

#[cfg(feature = "parquet")]
use crate::sink::parquet::pack;

/// No command line leads here.
#[cfg(not(feature = "parquet"))]
fn pack(day: &Pack) -> Result<()> {
    let Pack { kind, of_window, over, .. } = day;
    let words = format!("cannot make {} ({kind:?}, {of_window}, {over}) into Parquet", day.folder.display());
    Err(Failure::new(Exit::Failed, words).hint("build it with --features parquet").into())
}
