//! What changes in a partition's entries of the checkpoint, noted batch by batch.

use super::checkpoint::{PaneEntry, encode};
use super::entry_key::EntryKey;
use super::symbol_blocks::SymbolBlocks;
use crate::wire::chunk::Prefix;
use anyhow::Result;
use crossrate_dataflows::market::acceptance::{Head, PartitionState};
use crossrate_dataflows::market::definition::Definition;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::jumps::RefusedJumps;
use crossrate_dataflows::market::looks::Looks;
use crossrate_dataflows::market::sums::PaneUpdate;
use crossrate_dataflows::market::trade::{Symbol, SymbolNumber};
use crossrate_dataflows::market::windows::Windows;
use crossrate_dataflows::market::windows::boundaries::KnownBoundaries;
use std::collections::BTreeMap;

/// What a later run will need of one partition, as far as it is not in the partition itself.
#[derive(Debug)]
pub struct PartitionChanges {
    partition: u32,
    windows: Windows,
    /// How much later than the moment until which windows need a pane no look asks for it any more, nor any
    /// that a later run repeats.
    span: u64,
    /// Panes that were handed over and that windows still need: the dates of their entries, and their
    /// greatest ids.
    notes: BTreeMap<EventTime, PaneNotes>,
    symbols: SymbolBlocks,
    /// Rows until then are out.
    committed: EventTime,
    /// The sums of long windows are kept by value from then on.
    kept_from: EventTime,
    /// How far the partition may be out of order.
    delay: u64,
    /// The boundaries of windows, as they were written last.
    boundaries: Vec<KnownBoundaries>,
    /// The records that jumped, as they were written last.
    jumps: RefusedJumps,
    /// What was read of a file, where it is more than before.
    read: Option<Prefix>,
    /// The greatest event time of trades that nobody wanted, and that of them which was written last.
    unselected: (EventTime, EventTime),
    changes: Vec<(String, Option<Vec<u8>>)>,
}

const DAY: u64 = 86_400_000_000;

#[derive(Debug, Default)]
struct PaneNotes {
    dates: Vec<EventTime>,
    greatest_ids: BTreeMap<SymbolNumber, u64>,
}

impl PartitionChanges {
    /// Of a partition of which nothing is known.
    pub fn new(partition: u32, definition: &Definition) -> Self {
        PartitionChanges {
            partition,
            windows: definition.windows.clone(),
            span: definition.grace + Looks::of(definition).hindsight(),
            notes: BTreeMap::new(),
            symbols: SymbolBlocks::default(),
            committed: EventTime::MIN,
            kept_from: EventTime::MIN,
            delay: definition.delay,
            boundaries: Vec::new(),
            jumps: RefusedJumps::default(),
            read: None,
            unselected: (EventTime::MIN, EventTime::MIN),
            changes: Vec::new(),
        }
    }

    /// What an earlier run whose rows are out until then had noted of the symbols, under these keys, and of
    /// the records that jumped.
    pub fn know(
        &mut self,
        committed: EventTime,
        greatest_ids: impl Iterator<Item = (SymbolNumber, u64)>,
        keys: &[String],
        jumps: &RefusedJumps,
    ) {
        self.committed = committed;
        self.kept_from = committed.minus(self.span).plus(1);
        self.jumps = jumps.clone();
        self.symbols.know(greatest_ids);
        // All of them in one entry: those of a job that had ended.
        let whole = EntryKey::Symbols(self.partition).into();
        self.changes.extend(keys.iter().cloned().chain([whole]).map(|key| (key, None)));
    }

    /// What an earlier run had handed over: it is in the ledger, and stays there until windows need it no
    /// more.
    pub fn keep_known(&mut self, update: &PaneUpdate) {
        let notes = self.notes.entry(update.pane_end).or_default();
        if !notes.dates.contains(&update.date) {
            notes.dates.push(update.date);
        }
        note(&mut notes.greatest_ids, update);
    }

    /// What an earlier run had handed over, and this one will once more: until then it is not.
    pub fn take_back(&mut self, pane_end: EventTime, date: EventTime) {
        self.changes.push((EntryKey::Pane(self.partition, pane_end, date).into(), None));
    }

    /// Notes what is handed over.
    pub fn keep(&mut self, updates: &[PaneUpdate], names: &[Symbol]) -> Result<()> {
        let mut rest = updates;
        while let Some(first) = rest.first() {
            let same = |u: &PaneUpdate| (u.pane_end, u.date) == (first.pane_end, first.date);
            let length = rest.iter().take_while(|u| same(u)).count();
            let (group, others) = rest.split_at(length);
            let notes = self.notes.entry(first.pane_end).or_default();
            notes.dates.push(first.date);
            group.iter().for_each(|update| note(&mut notes.greatest_ids, update));
            let entries: Vec<PaneEntry> = group
                .iter()
                .map(|u| PaneEntry {
                    symbol: names[u.symbol.0 as usize].clone(),
                    moments: u.moments,
                    candle: u.candle,
                })
                .collect();
            let key = EntryKey::Pane(self.partition, first.pane_end, first.date);
            self.changes.push((key.into(), Some(encode(&entries)?)));
            rest = others;
        }
        Ok(())
    }

    /// Notes what was read of a file up to the record that comes next.
    pub fn has_read(&mut self, read: Option<Prefix>) {
        self.read = read.or(self.read);
    }

    /// Notes the greatest event time so far of trades that nobody wanted.
    pub fn has_passed_over(&mut self, until: EventTime) {
        self.unselected.0 = self.unselected.0.max(until);
    }

    /// Rows until `committed` are out and the checkpoint with them: what only they needed can go.
    pub fn forget(&mut self, committed: EventTime) {
        self.committed = self.committed.max(committed);
        let is_needed =
            |end: EventTime| self.windows.pane_needed_until(end, self.kept_from).plus(self.span) > committed;
        while let Some(entry) = self.notes.first_entry().filter(|e| !is_needed(*e.key())) {
            let (end, notes) = entry.remove_entry();
            for date in notes.dates {
                self.changes.push((EntryKey::Pane(self.partition, end, date).into(), None));
            }
            for (symbol, id) in notes.greatest_ids {
                self.symbols.note(symbol, id);
            }
        }
    }

    /// The boundaries that a later run goes on with: from those of the earliest window that some look asks
    /// for, of what the partition has brought, to the ends of the windows of its latest trades.
    fn boundaries_in_use(&self, head: &Head) -> Vec<KnownBoundaries> {
        let Some(first) = head.first else { return Vec::new() };
        // So far behind its first record a pane may end that is not late, and a pane is no longer than a day.
        let earliest = first.minus(self.delay + self.span + DAY);
        let from = self.committed.minus(self.span).max(earliest);
        self.windows.boundaries(from, head.own.plus(self.delay))
    }

    /// The changes since the last time, with the partition as it is before the record at offset `next`.
    pub fn changes(
        &mut self,
        state: &PartitionState,
        next: i64,
        names: &[Symbol],
    ) -> Result<Vec<(String, Option<Vec<u8>>)>> {
        let partition = self.partition;
        let head = state.head(next);
        self.changes.push((EntryKey::Head(partition).into(), Some(encode(&head)?)));
        let boundaries = self.boundaries_in_use(&head);
        if boundaries != self.boundaries {
            self.changes.push((EntryKey::Boundaries(partition).into(), Some(encode(&boundaries)?)));
            self.boundaries = boundaries;
        }
        let jumps = state.jumps();
        if jumps != self.jumps {
            let entry = if jumps == RefusedJumps::default() { None } else { Some(encode(&jumps)?) };
            self.changes.push((EntryKey::Jumps(partition).into(), entry));
            self.jumps = jumps;
        }
        if let Some(read) = self.read.take() {
            self.changes.push((EntryKey::Read(partition).into(), Some(encode(&read)?)));
        }
        // A symbol that is added later must not have windows of which trades were passed over.
        let (until, written) = self.unselected;
        if until > written && until > state.reached() {
            self.changes.push((EntryKey::Unselected(partition).into(), Some(encode(&until)?)));
            self.unselected.1 = until;
        }
        let blocks = self.symbols.entries(state, names)?.into_iter();
        let key = |block| EntryKey::SymbolBlock(partition, block).into();
        self.changes.extend(blocks.map(|(block, entry)| (key(block), Some(entry))));
        Ok(std::mem::take(&mut self.changes))
    }
}

fn note(greatest_ids: &mut BTreeMap<SymbolNumber, u64>, update: &PaneUpdate) {
    let Some((_, id)) = update.candle.ids() else { return };
    let greatest = greatest_ids.entry(update.symbol).or_insert(id);
    *greatest = id.max(*greatest);
}
