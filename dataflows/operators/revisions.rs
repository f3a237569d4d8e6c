//! Which looks at a window give a row, and under which revision (`docs/semantics.md#windows`). Shared by
//! symbols and crosses.

use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::row::Stage;
use std::collections::BTreeMap;

/// What has left of a window that is not final.
#[derive(Debug, Clone, Default)]
pub struct EmittedValues<V> {
    /// The last provisional row's values.
    provisional: Option<V>,
    /// The last closed row's revision and values.
    closed: Option<(u32, V)>,
}

/// Decides whether a look at a window with these values gives a row, and remembers that it did. `look` is a
/// moment at which windows that end then are looked at; `same` says whether two values give the same row.
pub fn stage_of<V: Clone>(
    emitted: &mut BTreeMap<EventTime, EmittedValues<V>>,
    end: EventTime,
    look: EventTime,
    values: &V,
    looks: &Looks,
    same: impl Fn(&V, &V) -> bool,
) -> Option<Stage> {
    // A cross that was added reaches back to windows that were final before.
    if look >= looks.final_at(end) {
        let closed = emitted.remove(&end).and_then(|e| e.closed);
        let revision = match closed {
            Some((revision, before)) if same(&before, values) => revision,
            Some((revision, _)) => revision + 1,
            None => 0,
        };
        return Some(Stage::Closed { revision, last: true });
    }
    let emitted = emitted.entry(end).or_insert_with(|| EmittedValues { provisional: None, closed: None });
    if look < end {
        if emitted.provisional.as_ref().is_some_and(|before| same(before, values)) {
            return None;
        }
        emitted.provisional = Some(values.clone());
        return Some(Stage::Provisional);
    }
    let revision = match &emitted.closed {
        Some((_, before)) if same(before, values) => return None,
        Some((revision, _)) => revision + 1,
        None => 0,
    };
    emitted.closed = Some((revision, values.clone()));
    Some(Stage::Closed { revision, last: false })
}
