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
    kind: Kind,
    /// The integer, or the upper half of a hash.
    value: u64,
    /// The lower half of a hash.
    hash: u64,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Kind {
    None,
    Sequence,
    Unique,
    Hashed,
}

impl TradeIdWords {
    /// No id.
    pub(super) const NONE: TradeIdWords = TradeIdWords { kind: Kind::None, value: 0, hash: 0 };

    /// An integer.
    #[inline(always)]
    pub(super) fn integer(value: u64, is_sequence: bool) -> Self {
        let kind = if is_sequence { Kind::Sequence } else { Kind::Unique };
        TradeIdWords { kind, value, hash: 0 }
    }

    /// A text by its hash.
    #[inline(always)]
    pub(super) fn hashed(hash: u128) -> Self {
        TradeIdWords { kind: Kind::Hashed, value: (hash >> 64) as u64, hash: hash as u64 }
    }

    /// The same, without looking at the hash of what has none: both words would be copied as one.
    #[inline(always)]
    pub(super) fn copied(&self) -> Self {
        match self.kind {
            Kind::Hashed => *self,
            kind => TradeIdWords { kind, value: self.value, hash: 0 },
        }
    }

    /// The id.
    #[inline(always)]
    pub fn get(self) -> TradeId {
        let TradeIdWords { kind, value, hash } = self;
        match kind {
            Kind::Sequence => TradeId::Sequence(value),
            Kind::Unique => TradeId::Unique(value),
            Kind::Hashed => TradeId::Hashed(u128::from(value) << 64 | u128::from(hash)),
            Kind::None => TradeId::None,
        }
    }
}
