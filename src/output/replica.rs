//! A database beside the ledger. It gets rows before the ledger's commit, and replaces an earlier row of the
//! same key: the rows that a restarted job writes again change nothing, so it agrees with the ledger after
//! any crash.

use crate::config::Config;
use crate::ledger::{self, Commit, EntryChanges, Ledger};
use crate::sink::{Sink, SinkBatch};
use anyhow::Result;

/// A database that has the rows, and no checkpoint that anybody reads.
pub(super) struct Replica {
    ledger: Box<dyn Ledger>,
}

impl Replica {
    /// Opens all databases of a run that are not its ledger, for the run of that term. A predecessor writes
    /// no more to them; if one of them cannot be opened, the others are released to it.
    pub(super) fn open_all(config: &Config, term: u64) -> Result<Vec<Replica>> {
        let ledger = config.ledger();
        let targets = config.sinks.iter().filter(|target| target.is_database() && ledger != Some(*target));
        let mut replicas: Vec<Replica> = Vec::new();
        for target in targets {
            let acquired = ledger::open_at(config, target).and_then(|mut ledger| {
                ledger.acquire(Some(term))?;
                Ok(ledger)
            });
            match acquired {
                Ok(ledger) => replicas.push(Replica { ledger }),
                Err(error) => {
                    replicas.iter_mut().for_each(|replica| replica.ledger.release());
                    return Err(error);
                }
            }
        }
        Ok(replicas)
    }
}

impl Sink for Replica {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        if batch.rows.is_empty() && batch.refused.is_empty() {
            return Ok(());
        }
        let commit = Commit {
            rows: batch.rows.to_vec(),
            refused: batch.refused.to_vec(),
            changes: EntryChanges::new(),
        };
        self.ledger.commit(&commit)
    }

    fn release(&mut self) {
        self.ledger.release();
    }

    fn finish(&mut self, _: &SinkBatch<'_>) -> Result<()> {
        Ok(())
    }
}
