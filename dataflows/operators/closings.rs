//! Brings rows together in their one order, complete, once the frontier proves that none is missing.

use crate::market::acceptance::Counts;
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::resume::{LastingChange, Resume};
use crate::market::row::{ClosedBy, Row};
use crate::market::trade::Symbol;
use crate::operators::emission::Emission;
use crate::operators::moves::Moves;
pub use crate::operators::moves::WatermarkMove;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::progress::frontier::MutableAntichain;

/// What a partition tells the worker that writes, besides trades: all that a batch has brought, in one piece,
/// so that no commit ever holds a part of it (refused records without the offset after them would be given
/// again).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartitionReport {
    /// How far the partition is.
    pub progress: PartitionProgress,
    /// Where something else than its own records took its watermark.
    pub moved: Option<WatermarkMove>,
    /// The records that it has refused.
    pub refused: Vec<RefusedRecord>,
    /// What has changed in its part of the checkpoint: encoded entries, `None` where one goes.
    pub changes: Vec<(String, Option<Vec<u8>>)>,
    /// Wanted symbols that have come to trade in it.
    pub traded: Vec<Symbol>,
    /// Wanted symbols, each with one that nobody asked for and that differs from it by case alone.
    pub slips: Vec<(Symbol, Symbol)>,
}

/// A record that does not count although somebody might have wanted it to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefusedRecord {
    /// Where it was.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// Why: `bad`, `late` or `future`.
    pub reason: Reason,
    /// In words.
    pub detail: String,
    /// Its bytes as they came.
    pub value: Vec<u8>,
    /// Its key, where it had one.
    pub key: Option<Vec<u8>>,
}

/// Why a record was refused.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Not what it should be.
    Bad,
    /// Its pane was final.
    Late,
    /// Too far ahead of its Kafka timestamp.
    Future,
}

impl Reason {
    /// As printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Bad => "bad",
            Reason::Late => "late",
            Reason::Future => "future",
        }
    }
}

/// How far a partition is, by its own account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartitionProgress {
    /// Which.
    pub partition: u32,
    /// What people know it by: a file's name, a topic's partition.
    pub name: String,
    /// Its watermark.
    pub watermark: EventTime,
    /// When the last window that it has brought trades to is final.
    pub closes: EventTime,
    /// The end of the earliest pane that has trades and is not final in it.
    pub open: Option<EventTime>,
    /// What became of its records.
    pub counts: Counts,
    /// Whether it is idle.
    pub idle: bool,
    /// Whether it has ended.
    pub ended: bool,
}

/// What the writing worker has to hand on; emptied by whoever writes.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Rows in their order, complete.
    pub rows: Vec<Row>,
    /// What has changed in the partitions' parts of the checkpoint.
    pub changes: Vec<(String, Option<Vec<u8>>)>,
    /// What outlives its windows, as it changed, in order of the looks.
    pub lasting: Vec<(EventTime, LastingChange)>,
    /// Refused records, in the order in which their partitions refused them.
    pub refused: Vec<RefusedRecord>,
    /// The latest news of each partition.
    pub partitions: BTreeMap<u32, PartitionProgress>,
    /// Rows looked at before this time are all there: the frontier. `None` when the input has ended.
    pub frontier: Option<EventTime>,
    /// Where idleness or adoption took watermarks, as far as rows may still ask; `None` where that has not
    /// changed.
    pub idle: Option<Vec<(EventTime, EventTime)>>,
    /// Windows of symbols that were withheld.
    pub withheld: u64,
    /// Symbols whose assets nothing tells, where that matters; emptied by whoever says so.
    pub unpaired: Vec<Symbol>,
    /// Wanted symbols that have traded.
    pub traded: BTreeSet<Symbol>,
    /// Symbols that nobody asked for, by the wanted one from which each differs by case alone; emptied by
    /// whoever says so.
    pub slips: BTreeMap<Symbol, Symbol>,
    /// Whether the frontier or a partition has moved since this was last cleared.
    pub progressed: bool,
}

impl Outbox {
    /// Everything that was new has been passed on.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.refused.clear();
        self.lasting.clear();
        self.changes.clear();
        self.idle = None;
        self.progressed = false;
    }
}

/// Collects rows and notes on the first worker.
///
/// The probe is behind it: what the probe has passed is in the outbox.
pub fn closings<'scope>(
    rows: StreamVec<'scope, EventTime, Emission>,
    notes: StreamVec<'scope, EventTime, PartitionReport>,
    definition: &Definition,
    resume: &Arc<Resume>,
) -> (Rc<RefCell<Outbox>>, Handle<EventTime>) {
    let outbox = Rc::new(RefCell::new(Outbox { frontier: Some(EventTime::MIN), ..Outbox::default() }));
    let (shared, mut in_order) = (Rc::clone(&outbox), RowQueue::new(definition, resume));
    let (probe, _) = rows
        .binary_frontier::<_, timely::container::CapacityContainerBuilder<Vec<()>>, _, _, _, _>(
            notes,
            Exchange::new(|_| 0),
            Exchange::new(|_| 0),
            "Closings",
            move |_, _| {
                move |(emissions, row_frontier), (notes, note_frontier), _| {
                    let outbox = &mut *shared.borrow_mut();
                    // Keep what came.
                    emissions.for_each(|_, all| all.drain(..).for_each(|one| in_order.absorb(one, outbox)));
                    notes
                        .for_each(|_, all| all.drain(..).for_each(|note| in_order.absorb_note(note, outbox)));
                    // Hand on the looks that nothing can be added to.
                    let frontier = least([row_frontier, note_frontier]);
                    in_order.release(frontier, outbox);
                    // Tell how far that is.
                    in_order.advance(frontier, outbox);
                }
            },
        )
        .probe();
    (outbox, probe)
}

/// The least time of the frontiers; `None` where all inputs have ended.
fn least(frontiers: [&MutableAntichain<EventTime>; 2]) -> Option<EventTime> {
    frontiers.iter().filter_map(|frontier| frontier.frontier().first().copied()).min()
}

/// What waits until nothing can be added to its look.
struct RowQueue {
    grace: u64,
    /// How long after a moment a row may ask what took watermarks there.
    reach: u64,
    rows: BTreeMap<EventTime, Vec<Row>>,
    lasting: BTreeMap<EventTime, Vec<LastingChange>>,
    moves: Moves,
    /// Whether intervals of idleness have changed since the outbox was told.
    idle_changed: bool,
}

impl RowQueue {
    fn new(definition: &Definition, resume: &Resume) -> RowQueue {
        RowQueue {
            grace: definition.grace,
            reach: definition.grace + definition.back_fill,
            rows: BTreeMap::new(),
            lasting: BTreeMap::new(),
            moves: Moves::after(&resume.idle),
            idle_changed: false,
        }
    }

    fn absorb(&mut self, emission: Emission, outbox: &mut Outbox) {
        match emission {
            Emission::Row(row) => self.rows.entry(row.look).or_default().push(row),
            Emission::Withheld => outbox.withheld += 1,
            Emission::Unpaired(symbol) => outbox.unpaired.push(symbol),
            Emission::Lasting(look, change) => self.lasting.entry(look).or_default().push(change),
        }
    }

    fn absorb_note(&mut self, mut note: PartitionReport, outbox: &mut Outbox) {
        if let Some(moved) = note.moved {
            self.moves.add(moved);
            self.idle_changed |= moved.by == ClosedBy::Idle;
        }
        outbox.refused.append(&mut note.refused);
        outbox.changes.append(&mut note.changes);
        outbox.traded.extend(note.traded);
        outbox.slips.extend(note.slips);
        outbox.progressed = true;
        outbox.partitions.insert(note.progress.partition, note.progress);
    }

    /// Puts the looks that the frontier has reached into the outbox, in order.
    fn release(&mut self, frontier: Option<EventTime>, outbox: &mut Outbox) {
        let passed = |look: &EventTime| frontier.is_none_or(|frontier| *look <= frontier);
        while let Some(entry) = self.rows.first_entry().filter(|e| passed(e.key())) {
            let mut rows = entry.remove();
            // A row is larger than its key, and moves once.
            rows.sort_by_cached_key(Row::order);
            for mut row in rows {
                let point = if row.is_final() { row.end.plus(self.grace) } else { row.end };
                row.complete(self.moves.closed_by(point));
                outbox.rows.push(row);
            }
        }
        while let Some(entry) = self.lasting.first_entry().filter(|e| passed(e.key())) {
            let (look, changes) = entry.remove_entry();
            outbox.lasting.extend(changes.into_iter().map(|change| (look, change)));
        }
    }

    /// Tells the outbox how far everything is.
    fn advance(&mut self, frontier: Option<EventTime>, outbox: &mut Outbox) {
        outbox.progressed |= outbox.frontier != frontier;
        outbox.frontier = frontier;
        if let Some(frontier) = frontier {
            self.idle_changed |= self.moves.forget(frontier.minus(self.reach));
        }
        if std::mem::take(&mut self.idle_changed) {
            outbox.idle = Some(self.moves.idle());
        }
    }
}
