//! What a trade is known by.

/// What a trade is known by.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum TradeId {
    /// The symbol's trades are numbered one after another.
    Sequence(u64),
    /// An integer that no other trade of the symbol has.
    Unique(u64),
    /// A text, or a greater integer, that no other trade of the symbol has: its XXH3-128.
    Hashed(u128),
    /// Nothing.
    None,
}

/// The same in words, each of which is read as it was written: sixteen bytes that were written in halves are
/// waited for when they are copied.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct TradeIdWords {
    kind: TradeIdRule,
    /// The integer, or the upper half of a hash.
    value: u64,
    /// The lower half of a hash.
    hash: u64,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum TradeIdRule {
    None,
    Sequence,
    Unique,
    Hashed,
}

impl TradeIdWords {
    /// No id.
    pub(super) const NONE: TradeIdWords = TradeIdWords { kind: TradeIdRule::None, value: 0, hash: 0 };

    /// An integer.
    #[inline(always)]
    pub(super) fn integer(value: u64, is_sequence: bool) -> Self {
        let kind = if is_sequence { TradeIdRule::Sequence } else { TradeIdRule::Unique };
        TradeIdWords { kind, value, hash: 0 }
    }

    /// A text by its hash.
    #[inline(always)]
    pub(super) fn hashed(hash: u128) -> Self {
        TradeIdWords { kind: TradeIdRule::Hashed, value: (hash >> 64) as u64, hash: hash as u64 }
    }

    /// The same, without looking at the hash of what has none: both words would be copied as one.
    #[inline(always)]
    pub(super) fn copied(&self) -> Self {
        match self.kind {
            TradeIdRule::Hashed => *self,
            kind => TradeIdWords { kind, value: self.value, hash: 0 },
        }
    }

    /// The id.
    #[inline(always)]
    pub fn get(self) -> TradeId {
        let TradeIdWords { kind, value, hash } = self;
        match kind {
            TradeIdRule::Sequence => TradeId::Sequence(value),
            TradeIdRule::Unique => TradeId::Unique(value),
            TradeIdRule::Hashed => TradeId::Hashed(u128::from(value) << 64 | u128::from(hash)),
            TradeIdRule::None => TradeId::None,
        }
    }
}
