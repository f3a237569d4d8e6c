//! A database beside the ledger. It is told before the ledger's commit, and puts a row in the place of an earlier one
//! of its key: what a run that is taken up tells again changes nothing, so it agrees with the ledger after any crash.

use super::{News, Sink};
use crate::config::{Config, SinkTarget};
use crate::ledger::{self, Changes, Commit, Ledger};
use anyhow::Result;

/// A database that has the rows, and no recovery point that anybody reads.
pub(super) struct Copy {
    ledger: Box<dyn Ledger>,
}

impl Copy {
    /// Opens it. A predecessor writes no more to it from here on.
    pub(super) fn open(config: &Config, target: &SinkTarget) -> Result<Self> {
        let mut ledger = ledger::open_at(config, target)?;
        ledger.take_over()?;
        Ok(Copy { ledger })
    }
}

impl Sink for Copy {
    fn write(&mut self, news: &News<'_>) -> Result<()> {
        if news.rows.is_empty() && news.refused.is_empty() {
            return Ok(());
        }
        let commit =
            Commit { rows: news.rows.to_vec(), refused: news.refused.to_vec(), changes: Changes::new() };
        self.ledger.commit(&commit)
    }

    fn finish(&mut self, _: &News<'_>) -> Result<()> {
        Ok(())
    }
}
