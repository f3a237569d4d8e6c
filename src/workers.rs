//! The workers of this process among all of a run: which partitions they own, and how they are woken.

use crate::config::Cluster;
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

/// Wakes the worker that a reader's deliveries are for.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The workers of this process among all.
#[derive(Debug, Clone)]
pub struct Workers {
    /// The index of the first one here.
    pub first: usize,
    /// How many there are in all processes.
    pub peers: usize,
    /// One for each worker here.
    pub wakers: Vec<WorkerWaker>,
}

impl Workers {
    pub fn of(cluster: &Cluster) -> Self {
        Workers {
            first: cluster.process.unwrap_or(0) * cluster.threads,
            peers: cluster.processes * cluster.threads,
            wakers: (0..cluster.threads).map(|_| WorkerWaker::default()).collect(),
        }
    }

    /// Which worker of this process owns a partition; `None` if one of another process does.
    pub fn local(&self, partition: usize) -> Option<usize> {
        let local = (partition % self.peers).checked_sub(self.first)?;
        (local < self.wakers.len()).then_some(local)
    }
}

/// Wakes a worker, or a reader, once it is there.
#[derive(Debug, Clone, Default)]
pub struct WorkerWaker(Arc<OnceLock<Thread>>);

impl WorkerWaker {
    /// The calling thread is the one to wake.
    pub fn arrived(&self) {
        // A worker arrives once; if it did twice, the first thread is the one to wake.
        let _ = self.0.set(std::thread::current());
    }

    /// Wakes the worker; one that has not arrived looks around when it does.
    pub fn wake(&self) {
        // A timely worker parks its thread, and looks around when it is unparked.
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }

    /// As readers want it.
    pub fn waker(&self) -> Waker {
        let waker = self.clone();
        Arc::new(move || waker.wake())
    }
}
