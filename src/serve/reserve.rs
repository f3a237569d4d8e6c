//! Places for a few connections more, when all others are taken: whoever looks after the process must hear
//! that it lives. Such a connection has one request, soon, and nothing is answered but whether the process
//! lives and is ready, and its metrics; of too many the oldest gives way.

use std::collections::VecDeque;
use std::future::Future;
use tokio::task::AbortHandle;

/// The connections in reserve.
#[derive(Debug)]
pub(super) struct Reserve {
    places: usize,
    taken: VecDeque<AbortHandle>,
}

impl Reserve {
    pub(super) fn new(places: usize) -> Reserve {
        Reserve { places: places.max(1), taken: VecDeque::new() }
    }

    /// Serves a connection; the oldest one ends for it where there are too many.
    pub(super) fn serve(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        self.taken.retain(|connection| !connection.is_finished());
        if self.taken.len() >= self.places
            && let Some(oldest) = self.taken.pop_front()
        {
            oldest.abort();
        }
        self.taken.push_back(tokio::spawn(connection).abort_handle());
    }
}
