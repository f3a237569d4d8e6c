//! A thread of its own for the ledger, so that the first worker goes on computing while a commit goes on.
//!
//! At most one thing is under way: what comes meanwhile is gathered for the next commit ([`super::committer`]). The
//! ledger belongs to the thread, and with it all that a commit may need: looking after an unknown outcome, learning of a
//! successor. What came of it reaches the worker as an answer, an error as the error that it is; until a commit is
//! answered it counts as not there.

use super::{Commit, Ledger};
use anyhow::{Result, anyhow};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// What the thread is asked for, and whom to wake when it is done.
struct Request {
    what: What,
    asker: Thread,
}

enum What {
    Commit(Commit),
    StillOurs,
}

/// A commit that is there.
#[derive(Debug)]
pub struct Done {
    /// What it was made of.
    pub commit: Commit,
    /// How long it took.
    pub took: Duration,
}

/// Who has the ledger.
#[derive(Debug)]
pub struct Clerk {
    name: String,
    /// `None` when it has been let go.
    requests: Option<SyncSender<Request>>,
    answers: Receiver<Result<Option<Done>>>,
    thread: Option<JoinHandle<()>>,
    busy: bool,
}

impl Clerk {
    /// Gives the ledger to a thread, which ends with its `Clerk`.
    pub fn new(mut ledger: Box<dyn Ledger>) -> Result<Self> {
        let name = ledger.name();
        let (requests, asked) = mpsc::sync_channel::<Request>(1);
        let (answer, answers) = mpsc::sync_channel(1);
        let work = move || {
            for Request { what, asker } in asked {
                let came_of_it = match what {
                    What::StillOurs => ledger.still_ours().map(|()| None),
                    What::Commit(commit) => {
                        let begun = Instant::now();
                        ledger.commit(&commit).map(|()| Some(Done { commit, took: begun.elapsed() }))
                    }
                };
                // Who does not wait for the answer has ended, for a reason of its own.
                if answer.send(came_of_it).is_err() {
                    break;
                }
                asker.unpark();
            }
            ledger.close();
        };
        let thread = std::thread::Builder::new().name("commits".into()).spawn(work)?;
        Ok(Clerk { name, requests: Some(requests), answers, thread: Some(thread), busy: false })
    }

    /// What people know the ledger by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether something is under way.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Begins a commit. The thread that calls it is woken when it is there.
    pub fn commit(&mut self, commit: Commit) -> Result<()> {
        self.ask(What::Commit(commit))
    }

    /// Begins to ask whether the job is still this run's; the answer is none, or an error.
    pub fn ask_still_ours(&mut self) -> Result<()> {
        self.ask(What::StillOurs)
    }

    fn ask(&mut self, what: What) -> Result<()> {
        debug_assert!(!self.busy, "one thing at a time");
        let request = Request { what, asker: std::thread::current() };
        let sent = self.requests.as_ref().is_some_and(|requests| requests.send(request).is_ok());
        self.busy = sent;
        if sent { Ok(()) } else { Err(gone()) }
    }

    /// What came of it, as far as that is known; `wait`s for it where that is asked. Gives a commit that is there.
    pub fn answer(&mut self, wait: bool) -> Result<Option<Done>> {
        if !self.busy {
            return Ok(None);
        }
        let answer = if wait {
            self.answers.recv().map_err(|_| gone())?
        } else {
            match self.answers.try_recv() {
                Ok(answer) => answer,
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => return Err(gone()),
            }
        };
        self.busy = false;
        answer
    }

    /// Lets the ledger go. Who does not wait for an answer that is still to come does not wait for that either.
    pub fn close(&mut self) {
        self.requests = None;
        // A panic has ended the process.
        self.thread.take().filter(|_| !self.busy).map(JoinHandle::join);
    }
}

fn gone() -> anyhow::Error {
    anyhow!("the thread that commits has ended")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::Entries;
    use super::*;
    use crate::ledger::Changes;

    /// A ledger whose commits end when the test lets them, as it says.
    struct Slow(Receiver<Result<()>>);

    impl Ledger for Slow {
        fn name(&self) -> String {
            "slow".into()
        }

        fn take_over(&mut self) -> Result<Entries> {
            Ok(Entries::new())
        }

        fn has_taken_over(&self) -> bool {
            true
        }

        fn commit(&mut self, _: &Commit) -> Result<()> {
            self.0.recv()?
        }
    }

    /// What its commits come to is sent to it.
    pub(crate) fn slow() -> (mpsc::Sender<Result<()>>, Clerk) {
        let (outcomes, ends) = mpsc::channel();
        (outcomes, Clerk::new(Box::new(Slow(ends))).unwrap())
    }

    fn commit() -> Commit {
        Commit { changes: Changes::from([("head/0".into(), None)]), ..Commit::default() }
    }

    #[test]
    fn nobody_waits_for_a_commit_that_goes_on() {
        let (outcomes, mut clerk) = slow();
        clerk.commit(commit()).unwrap();
        assert!(clerk.answer(false).unwrap().is_none());
        assert!(clerk.is_busy());
        outcomes.send(Ok(())).unwrap();
        let done = clerk.answer(true).unwrap().unwrap();
        assert_eq!(done.commit.changes, commit().changes);
        assert!(!clerk.is_busy());
    }

    #[test]
    fn who_began_a_commit_is_woken() {
        let (outcomes, mut clerk) = slow();
        clerk.commit(commit()).unwrap();
        outcomes.send(Ok(())).unwrap();
        while clerk.answer(false).unwrap().is_none() {
            std::thread::park();
        }
    }

    #[test]
    fn an_error_is_the_answer() {
        let (outcomes, mut clerk) = slow();
        clerk.commit(commit()).unwrap();
        outcomes.send(Err(anyhow!("fenced"))).unwrap();
        assert_eq!(clerk.answer(true).unwrap_err().to_string(), "fenced");
        clerk.close();
        assert!(clerk.commit(commit()).is_err());
    }
}
