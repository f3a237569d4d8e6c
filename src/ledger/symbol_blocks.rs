//! The symbols of a partition among the entries of the checkpoint: in blocks, so that a commit writes what
//! has changed and not all symbols that are known.

use super::checkpoint::{SymbolEntry, encode};
use anyhow::Result;
use crossrate_dataflows::market::acceptance::PartitionState;
use crossrate_dataflows::market::trade::{Symbol, SymbolNumber};
use std::collections::{BTreeMap, BTreeSet};

/// Symbols of a block. Larger ones are fewer entries, smaller ones are less to write for a symbol that has
/// changed.
const BLOCK: u32 = 64;

/// What the checkpoint says of a partition's symbols.
#[derive(Debug, Default)]
pub(super) struct SymbolBlocks {
    /// The greatest id of each symbol in panes that no window needs any more.
    greatest_ids: BTreeMap<SymbolNumber, u64>,
    /// How many of the symbols that the partition knows are in blocks.
    placed: usize,
    /// The blocks that have changed since they were written.
    changed: BTreeSet<u32>,
}

impl SymbolBlocks {
    /// Takes the greatest ids that an earlier run noted. The numbers of symbols are of this run: all blocks
    /// are written anew.
    pub(super) fn know(&mut self, greatest_ids: impl Iterator<Item = (SymbolNumber, u64)>) {
        self.greatest_ids.extend(greatest_ids);
    }

    /// A pane of the symbol with that greatest id is needed no more.
    pub(super) fn note(&mut self, symbol: SymbolNumber, id: u64) {
        let greatest = self.greatest_ids.entry(symbol).or_insert(id);
        *greatest = id.max(*greatest);
        self.changed.insert(symbol.0 / BLOCK);
    }

    /// The entries of the blocks that have changed, by the number of the block.
    pub(super) fn entries(
        &mut self,
        state: &PartitionState,
        names: &[Symbol],
    ) -> Result<Vec<(u32, Vec<u8>)>> {
        self.changed.extend(state.known()[self.placed..].iter().map(|symbol| symbol.0 / BLOCK));
        self.placed = state.known().len();
        let entry = |block: u32| {
            let numbers = (block * BLOCK..(block + 1) * BLOCK).map(SymbolNumber);
            let known = numbers.filter_map(|number| {
                let symbol = names.get(number.0 as usize)?.clone();
                let greatest_id = self.greatest_ids.get(&number).copied();
                Some(SymbolEntry { symbol, kind: state.kind(number)?, greatest_id })
            });
            Ok((block, encode(&known.collect::<Vec<_>>())?))
        };
        std::mem::take(&mut self.changed).into_iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::decode;
    use super::*;
    use crossrate_dataflows::market::acceptance::Counts;
    use crossrate_dataflows::market::acceptance::Head;
    use crossrate_dataflows::market::definition::Definition;
    use crossrate_dataflows::market::event_time::EventTime;
    use crossrate_dataflows::market::jumps::RefusedJumps;
    use crossrate_dataflows::market::trade::TradeKind;

    fn partition(symbols: u32) -> PartitionState {
        let time = EventTime::MIN;
        let head = Head {
            next: 0,
            rebuild_from: 0,
            watermark: time,
            own: time,
            first: None,
            inside_log: false,
            counts: Counts::default(),
        };
        let kinds: Vec<_> = (0..symbols).map(|n| (SymbolNumber(n), TradeKind::Trade)).collect();
        PartitionState::resume(&Definition::default(), &head, &RefusedJumps::default(), &kinds)
    }

    #[test]
    fn a_block_is_written_when_it_has_changed_and_holds_all_its_symbols() {
        let names: Vec<Symbol> = (0..1_000).map(|n| Symbol::new(&format!("S{n}"))).collect();
        let mut blocks = SymbolBlocks::default();
        let few = partition(100);
        let numbers =
            |entries: &[(u32, Vec<u8>)]| entries.iter().map(|(block, _)| *block).collect::<Vec<_>>();
        assert_eq!(numbers(&blocks.entries(&few, &names).unwrap()), [0, 1]);
        assert!(blocks.entries(&few, &names).unwrap().is_empty(), "nothing has changed");
        blocks.note(SymbolNumber(70), 9);
        blocks.note(SymbolNumber(70), 7);
        let entries = blocks.entries(&few, &names).unwrap();
        assert_eq!(numbers(&entries), [1]);
        let held: Vec<SymbolEntry> = decode("symbols/0/1", &entries[0].1).unwrap();
        assert_eq!(held.len(), 36);
        let known =
            |symbol: &str| held.iter().find(|entry| entry.symbol.as_str() == symbol).unwrap().greatest_id;
        assert_eq!((known("S70"), known("S71")), (Some(9), None));
        assert_eq!(numbers(&blocks.entries(&partition(1_000), &names).unwrap()), (1..16).collect::<Vec<_>>());
    }
}
