//! The commit protocol over all failures: a state machine without I/O and without a clock.
//!
//! Each commit carries a [`Lease`]: who wrote it, and its number. A ledger takes a commit only on top of the
//! lease that its writer holds; a run that acquires a job writes a lease of its own first. When the answer to
//! a commit is lost, nothing is assumed and nothing repeated: the writer makes sure that what it has left
//! under way has ended, one way or the other, and looks at the lease that is then there.
//!
//! | found | meaning | next |
//! | --- | --- | --- |
//! | the commit's own | it is there | done |
//! | the one before | it is not there, and will not be | write it again |
//! | an older one of ours | the ledger has lost what it had confirmed | end |
//! | another run's | the job was taken over | end, and say by whom |
//! | none | the checkpoint was removed | end |
//!
//! The ledgers do what a [`ProtocolStep`] says and report what came of it. `simulation` drives the same machine
//! against a model of a broker that loses, delays and repeats.

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod simulation;

/// How often in a row the outcome of one commit may be unknown although the ledger can be read.
const ATTEMPTS: u32 = 5;

/// The writer of a commit, and the commit's number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Tells the run from all others.
    pub run: [u8; 16],
    /// Counts its commits, from 0: that is the taking over.
    pub number: u64,
    /// The writer, for people.
    pub owner: String,
}

/// The next step of the writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolStep {
    /// Write the commit with the lease of [`Protocol::next`], on top of [`Protocol::held`] only.
    Write,
    /// Find out which lease is there, after what was under way has ended. `gently`: somebody may have taken
    /// over, who must not be disturbed by that.
    Look {
        /// Look first, before anything is done that another writer would feel.
        gently: bool,
    },
    /// The commit is there.
    Done,
    /// This run commits nothing more.
    End(EndReason),
}

/// Why a run commits nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// Another one has the job: its owner.
    TakenOver(String),
    /// What was confirmed is gone: a failover or a restored backup.
    WentBack,
    /// There is no checkpoint any more.
    Vanished,
    /// Commits get lost again and again.
    TooOften,
}

/// The outcome of writing.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The commit is there.
    All,
    /// It may be there or not.
    Unknown,
    /// The ledger says that another run writes now, or may write.
    Fenced,
}

/// One run's side of it.
#[derive(Debug, Clone)]
pub struct Protocol {
    run: [u8; 16],
    owner: String,
    held: Option<Lease>,
    next: Lease,
    attempts: u32,
}

impl Protocol {
    /// Of a run that holds nothing yet.
    pub fn new(run: [u8; 16], owner: String) -> Self {
        let next = Lease { run, number: 0, owner: owner.clone() };
        Protocol { run, owner, held: None, next, attempts: 0 }
    }

    /// The lease that the ledger must have for the next commit to be taken; `None`: none at all.
    pub fn held(&self) -> Option<&Lease> {
        self.held.as_ref()
    }

    /// Whether this run has taken the job over, as far as it knows.
    pub fn is_held(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.run == self.run)
    }

    /// The lease of the commit that is being written.
    pub fn next(&self) -> &Lease {
        &self.next
    }

    /// Whether this run has taken the job over and changed nothing yet, so that the earlier run can go on
    /// from its last commit.
    pub fn can_give_back(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.run == self.run && held.number == 0)
    }

    /// The lease at the time of acquiring the job; the first commit goes on top of it.
    pub fn acquire(&mut self, found: Option<Lease>) {
        self.held = found;
    }

    /// Begins a commit.
    pub fn begin(&mut self) -> ProtocolStep {
        let number = self.held.as_ref().filter(|held| held.run == self.run).map_or(0, |held| held.number + 1);
        self.next = Lease { run: self.run, number, owner: self.owner.clone() };
        self.attempts = 0;
        ProtocolStep::Write
    }

    /// After writing.
    pub fn wrote(&mut self, outcome: WriteOutcome) -> ProtocolStep {
        self.attempts += 1;
        match outcome {
            WriteOutcome::All => self.done(),
            _ if self.attempts >= ATTEMPTS => ProtocolStep::End(EndReason::TooOften),
            WriteOutcome::Fenced => ProtocolStep::Look { gently: true },
            WriteOutcome::Unknown => ProtocolStep::Look { gently: false },
        }
    }

    /// After looking.
    pub fn found(&mut self, lease: Option<&Lease>) -> ProtocolStep {
        match lease {
            Some(found) if *found == self.next => self.done(),
            found => self.still(found).map_or(ProtocolStep::Write, ProtocolStep::End),
        }
    }

    /// Between commits: why this run has nothing to commit any more, if so.
    pub fn still(&self, lease: Option<&Lease>) -> Option<EndReason> {
        match lease {
            found if found == self.held.as_ref() => None,
            Some(found) if found.run == self.run => Some(EndReason::WentBack),
            Some(found) => Some(EndReason::TakenOver(found.owner.clone())),
            None => Some(EndReason::Vanished),
        }
    }

    fn done(&mut self) -> ProtocolStep {
        self.held = Some(self.next.clone());
        ProtocolStep::Done
    }
}
