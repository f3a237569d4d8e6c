//! A database beside the ledger. It is told before the ledger's commit, and puts a row in the place of an earlier one
//! of its key: what a run that is taken up tells again changes nothing, so it agrees with the ledger after any crash.

use super::{News, Sink};
use crate::config::{Config, SinkTarget};
use crate::ledger::{self, Changes, Commit, Ledger};
use anyhow::Result;

/// A database that has the rows, and no checkpoint that anybody reads.
pub(super) struct Copy {
    ledger: Box<dyn Ledger>,
}

impl Copy {
    /// Opens them all, for the run of that term. A predecessor writes no more to them from here on; where one of them cannot be had, it has them
    /// all again.
    pub(super) fn open<'a>(
        config: &Config,
        targets: impl Iterator<Item = &'a SinkTarget>,
        term: u64,
    ) -> Result<Vec<Copy>> {
        let mut copies: Vec<Copy> = Vec::new();
        for target in targets {
            let taken = ledger::open_at(config, target).and_then(|mut ledger| {
                ledger.take_over_beside(term)?;
                Ok(ledger)
            });
            match taken {
                Ok(ledger) => copies.push(Copy { ledger }),
                Err(error) => {
                    copies.iter_mut().for_each(|copy| copy.ledger.give_back());
                    return Err(error);
                }
            }
        }
        Ok(copies)
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

    fn give_back(&mut self) {
        self.ledger.give_back();
    }

    fn finish(&mut self, _: &News<'_>) -> Result<()> {
        Ok(())
    }
}
