//! What every worker knows when it is built, as a stream: given once, by the first worker.

use crate::market::event_time::EventTime;
use timely::dataflow::operators::core::ToStream;
use timely::dataflow::{Scope, StreamVec};

/// The items, at the least time. The other workers give none, and never go through theirs.
pub(crate) fn given_once<'scope, D: Clone + 'static>(
    scope: Scope<'scope, EventTime>,
    items: impl IntoIterator<Item = D>,
) -> StreamVec<'scope, EventTime, D> {
    let mine: Vec<D> = if scope.index() == 0 { items.into_iter().collect() } else { Vec::new() };
    mine.to_stream(scope)
}
