//! A thread of its own for the ledger, so that the first worker goes on computing while a commit is under
//! way.
//!
//! At most one request is under way: rows that come meanwhile gather for the next commit
//! ([`super::committer`]). The ledger belongs to the thread, and with it all that a commit may need:
//! resolving an unknown outcome, finding a successor. The outcome reaches the worker as an answer, an error
//! as the error that it is; a commit without an answer counts as not done.

use crate::ledger::{Commit, Ledger};
use anyhow::{Result, anyhow};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// A request to the thread, and the thread to wake when it is done.
struct CommitRequest {
    kind: RequestKind,
    asker: Thread,
}

enum RequestKind {
    Commit(Commit),
    VerifyLease,
}

/// A commit that the ledger has.
#[derive(Debug)]
pub(super) struct FinishedCommit {
    /// What was committed.
    pub(super) commit: Commit,
    /// How long it took.
    pub(super) took: Duration,
}

/// The thread that has the ledger.
#[derive(Debug)]
pub(super) struct CommitThread {
    name: String,
    /// `None` when the thread has been let go.
    requests: Option<SyncSender<CommitRequest>>,
    answers: Receiver<Result<Option<FinishedCommit>>>,
    thread: Option<JoinHandle<()>>,
    busy: bool,
}

/// Whether a caller waits for an outcome.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum CommitWait {
    UntilDone,
    No,
}

impl CommitWait {
    pub(super) fn when(wait: bool) -> CommitWait {
        if wait { CommitWait::UntilDone } else { CommitWait::No }
    }
}

impl CommitThread {
    /// Gives the ledger to a thread, which ends with this value.
    pub(super) fn new(mut ledger: Box<dyn Ledger>) -> Result<Self> {
        let name = ledger.name();
        let (requests, asked) = mpsc::sync_channel::<CommitRequest>(1);
        let (answer, answers) = mpsc::sync_channel(1);
        let work = move || {
            for CommitRequest { kind, asker } in asked {
                let outcome = match kind {
                    RequestKind::VerifyLease => ledger.verify_lease().map(|()| None),
                    RequestKind::Commit(commit) => {
                        let start = Instant::now();
                        let outcome = ledger.commit(&commit);
                        outcome.map(|()| Some(FinishedCommit { commit, took: start.elapsed() }))
                    }
                };
                // A closed channel means that the worker has failed already.
                if answer.send(outcome).is_err() {
                    break;
                }
                asker.unpark();
            }
            ledger.close();
        };
        let thread = std::thread::Builder::new().name("commits".into()).spawn(work)?;
        Ok(CommitThread { name, requests: Some(requests), answers, thread: Some(thread), busy: false })
    }

    /// What people know the ledger by.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a request is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Begins a commit. Its end wakes the calling thread.
    pub(super) fn commit(&mut self, commit: Commit) -> Result<()> {
        self.request(RequestKind::Commit(commit))
    }

    /// Begins to ask whether this run still has the job; the answer has no commit, or is an error.
    pub(super) fn verify_lease(&mut self) -> Result<()> {
        self.request(RequestKind::VerifyLease)
    }

    fn request(&mut self, kind: RequestKind) -> Result<()> {
        debug_assert!(!self.busy, "one request at a time");
        let request = CommitRequest { kind, asker: std::thread::current() };
        let sent = self.requests.as_ref().is_some_and(|requests| requests.send(request).is_ok());
        self.busy = sent;
        if sent { Ok(()) } else { Err(thread_ended()) }
    }

    /// The commit that has finished, if one has.
    pub(super) fn outcome(&mut self, wait: CommitWait) -> Result<Option<FinishedCommit>> {
        if !self.busy {
            return Ok(None);
        }
        let answer = match wait {
            CommitWait::UntilDone => self.answers.recv().map_err(|_| thread_ended())?,
            CommitWait::No => match self.answers.try_recv() {
                Ok(answer) => answer,
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => return Err(thread_ended()),
            },
        };
        self.busy = false;
        answer
    }

    /// Lets the ledger go. If a request is still under way, this does not wait for the thread.
    pub(super) fn close(&mut self) {
        self.requests = None;
        // A panic has ended the process.
        self.thread.take().filter(|_| !self.busy).map(JoinHandle::join);
    }
}

fn thread_ended() -> anyhow::Error {
    anyhow!("the thread that commits has ended")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ledger::{Entries, EntryChanges};

    /// A ledger whose commits end when the test lets them, as it says.
    struct SlowLedger(Receiver<Result<()>>);

    impl Ledger for SlowLedger {
        fn name(&self) -> String {
            "slow".into()
        }

        fn acquire(&mut self, _: Option<u64>) -> Result<Entries> {
            Ok(Entries::new())
        }

        fn is_acquired(&self) -> bool {
            true
        }

        fn commit(&mut self, _: &Commit) -> Result<()> {
            self.0.recv()?
        }
    }

    /// A ledger whose outcomes the test sends.
    pub(in crate::output) fn slow() -> (mpsc::Sender<Result<()>>, CommitThread) {
        let (outcomes, ends) = mpsc::channel();
        (outcomes, CommitThread::new(Box::new(SlowLedger(ends))).unwrap())
    }

    fn commit() -> Commit {
        Commit { changes: EntryChanges::from([("head/0".into(), None)]), ..Commit::default() }
    }

    #[test]
    fn a_commit_under_way_is_waited_for_only_when_asked() {
        let (outcomes, mut thread) = slow();
        thread.commit(commit()).unwrap();
        assert!(thread.outcome(CommitWait::No).unwrap().is_none());
        assert!(thread.is_busy());
        outcomes.send(Ok(())).unwrap();
        let finished = thread.outcome(CommitWait::UntilDone).unwrap().unwrap();
        assert_eq!(finished.commit.changes, commit().changes);
        assert!(!thread.is_busy());
    }

    #[test]
    fn a_finished_commit_wakes_the_thread_that_began_it() {
        let (outcomes, mut thread) = slow();
        thread.commit(commit()).unwrap();
        outcomes.send(Ok(())).unwrap();
        while thread.outcome(CommitWait::No).unwrap().is_none() {
            std::thread::park();
        }
    }

    #[test]
    fn an_error_of_the_ledger_is_the_outcome() {
        let (outcomes, mut thread) = slow();
        thread.commit(commit()).unwrap();
        outcomes.send(Err(anyhow!("fenced"))).unwrap();
        assert_eq!(thread.outcome(CommitWait::UntilDone).unwrap_err().to_string(), "fenced");
        thread.close();
        assert!(thread.commit(commit()).is_err());
    }
}
