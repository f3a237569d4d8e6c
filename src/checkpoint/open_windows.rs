//! The windows of a checkpoint that are not final.

use crate::job_identity;
use crate::ledger::checkpoint::Checkpoint;
use crossrate_dataflows::market::base::each_base;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::windows::{Window, WindowPlace, Windows};
use serde::Serialize;
use std::collections::BTreeMap;

/// A window, and what the checkpoint holds of it.
#[derive(Debug, Serialize)]
pub(super) struct OpenWindow {
    pub(super) window: String,
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    pub(super) symbols: usize,
    /// Of sums that are held by value and of panes that partitions have handed over; what they still fold
    /// is read again.
    pub(super) trades: i64,
}

/// How many trades a symbol has in the slots of a definition, by their ends.
type SlotCounts = BTreeMap<EventTime, i64>;

/// The windows that are not final and that have trades, in order of their ends. Of windows that grow from
/// one start those that have a row by now: not yet begun is what ends later.
pub(super) fn of(checkpoint: &Checkpoint) -> Vec<OpenWindow> {
    let Some(job) = checkpoint.job.as_ref().filter(|job| !job.ended) else { return Vec::new() };
    let Some(definition) = job_identity::definition_of(&job.definition) else { return Vec::new() };
    let windows = definition.windows.going_on_from(&checkpoint.boundaries);
    let is_open = |end: EventTime| end.plus(definition.grace) > checkpoint.resume.at;
    let mut found: BTreeMap<(EventTime, WindowPlace), (usize, i64)> = BTreeMap::new();
    for ((place, _), slots) in slots(checkpoint, &windows) {
        for (end, trades) in ends(windows.at(place), &slots, is_open) {
            let (symbols, sum) = found.entry((end, place)).or_default();
            (*symbols, *sum) = (*symbols + 1, *sum + trades);
        }
    }
    let window = |((end, place), (symbols, trades)): ((EventTime, WindowPlace), (usize, i64))| {
        let window = windows.at(place);
        OpenWindow {
            window: window.name().to_owned(),
            start_ms: window.start_of(end).millis(),
            end_ms: end.millis(),
            symbols,
            trades,
        }
    };
    found.into_iter().map(window).collect()
}

/// The slots of each symbol in each definition, where they have trades.
fn slots<'a>(
    checkpoint: &'a Checkpoint,
    windows: &Windows,
) -> BTreeMap<(WindowPlace, &'a Symbol), SlotCounts> {
    let mut found: BTreeMap<(WindowPlace, &Symbol), SlotCounts> = BTreeMap::new();
    let mut held: BTreeMap<(WindowPlace, &Symbol), EventTime> = BTreeMap::new();
    for (symbol, place, base) in each_base(&checkpoint.resume.bases, windows) {
        held.insert((place, symbol), base.until);
        let slots = found.entry((place, symbol)).or_default();
        slots.extend(base.slots.iter().map(|slot| (slot.end, slot.moments.n)));
    }
    let panes = checkpoint.partitions.values().flat_map(|partition| &partition.panes);
    for ((pane_end, _), entries) in panes {
        for (place, window) in (0..).zip(windows.each()) {
            let Some(slot) = window.slot(pane_end.minus(1)) else { continue };
            for entry in entries {
                let of = (place, &entry.symbol);
                if held.get(&of).is_none_or(|until| pane_end > until) {
                    *found.entry(of).or_default().entry(slot.end).or_default() += entry.moments.n;
                }
            }
        }
    }
    found
}

/// The ends of the open windows that hold a symbol's slots, and their trades.
fn ends(window: &Window, slots: &SlotCounts, is_open: impl Fn(EventTime) -> bool) -> SlotCounts {
    let mut found = SlotCounts::new();
    for (slot_end, trades) in slots {
        if window.grows() {
            // Only where the symbol traded since the end before.
            if is_open(*slot_end) {
                let start = window.start_of(*slot_end);
                let before = slots.range(..=slot_end).filter(|(end, _)| window.start_of(**end) == start);
                found.insert(*slot_end, before.map(|(_, trades)| trades).sum());
            }
            continue;
        }
        let (mut end, last) = (*slot_end, window.last_end_over(*slot_end));
        while end <= last {
            if is_open(end) {
                *found.entry(end).or_default() += trades;
            }
            end = window.next_end(end);
        }
    }
    found
}
