//! Decoding ahead: a worker that has nothing else to do decodes chunks that wait for another worker of its
//! process.
//!
//! Acceptance (`docs/semantics.md#acceptance`) must see a partition in order and stays with the worker that
//! owns it; decoding need not. So one large file or one hot partition does not pin one core.

use super::{Feed, Loan};
use crate::symbols::Symbols;
use crate::wire::Scratch;
use crate::wire::decoded::DecodedChunk;
use crate::workers::WorkerWaker;
use std::sync::{Arc, Mutex, PoisonError};

/// The feeds of a process's workers, as one of them sees them.
#[derive(Debug, Clone)]
pub struct Pool {
    local: usize,
    wakers: Vec<WorkerWaker>,
    /// With the worker that owns each.
    feeds: Arc<Mutex<Vec<(usize, Arc<Feed>)>>>,
}

impl Pool {
    /// As each worker of a process sees it.
    pub fn new(wakers: &[WorkerWaker]) -> Vec<Pool> {
        let feeds = Arc::default();
        let pool = |local| Pool { local, wakers: wakers.to_vec(), feeds: Arc::clone(&feeds) };
        (0..wakers.len()).map(pool).collect()
    }

    /// Lets the others help with a feed of this worker.
    pub fn join(&self, feed: &Arc<Feed>) {
        self.lock().push((self.local, Arc::clone(feed)));
    }

    /// Wakes the others if there is something for them to decode in a feed of this worker.
    pub fn call(&self, feed: &Feed) {
        if self.wakers.len() > 1 && feed.could_lend() {
            let others = self.wakers.iter().enumerate().filter(|(local, _)| *local != self.local);
            others.for_each(|(_, waker)| waker.wake());
        }
    }

    /// Decodes a chunk of whoever has one waiting; false if nobody has.
    pub fn help(&self, symbols: &mut Symbols, scratch: &mut Scratch) -> bool {
        if self.wakers.len() < 2 {
            return false;
        }
        let found =
            self.lock().iter().find_map(|(owner, feed)| Some((*owner, Arc::clone(feed), feed.lend()?)));
        let Some((owner, feed, Loan { place, chunk, used })) = found else { return false };
        feed.give_back(place, DecodedChunk::of(chunk, used, symbols, scratch));
        if owner != self.local {
            self.wakers[owner].wake();
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(usize, Arc<Feed>)>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
