//! One execution, and the name of what was traded.

use super::decimal::{Price, Quantity};
use super::event_time::EventTime;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;

/// The exchange's name of a pair, such as `XVGBTC`, for which [`is_name`] holds. Ordered by its UTF-8 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Symbol(CompactString);

impl Symbol {
    /// A symbol of that name.
    pub fn new(name: &str) -> Self {
        Symbol(CompactString::new(name))
    }

    /// Its name.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of a symbol within a process: dense, given in order of first sight.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolNumber(pub u32);

/// The longest name of a symbol or a cross, in bytes.
pub const LONGEST_NAME: usize = 64;

/// Whether a text is the name of a symbol or a cross: UTF-8 of 1 to 64 bytes without white space, control
/// characters and what the grammars of crosses, lists and keys are made of.
pub fn is_name(text: &[u8]) -> bool {
    let has_name_length = (1..=LONGEST_NAME).contains(&text.len());
    has_name_length && std::str::from_utf8(text).is_ok_and(|text| !text.contains(is_barred))
}

fn is_barred(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '*' | '/' | '=' | ',' | '|' | '"')
}

/// A name of 4 to 16 bytes: its beginning and its end, which overlap. Compared and copied without a loop.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Default)]
pub struct ShortName {
    begin: u64,
    end: u64,
    /// 0 where there is none.
    length: u32,
}

impl ShortName {
    /// A name as one; `None` of others.
    #[inline]
    pub fn of(name: &[u8]) -> Option<ShortName> {
        let length = name.len() as u32;
        if let (Some(begin), Some(end)) = (name.first_chunk(), name.last_chunk()) {
            let (begin, end) = (u64::from_le_bytes(*begin), u64::from_le_bytes(*end));
            return (name.len() <= 16).then_some(ShortName { begin, end, length });
        }
        let (begin, end) = (name.first_chunk()?, name.last_chunk()?);
        let (begin, end) = (u32::from_le_bytes(*begin).into(), u32::from_le_bytes(*end).into());
        Some(ShortName { begin, end, length })
    }

    /// Whether there is one.
    #[inline]
    pub fn is_some(&self) -> bool {
        self.length > 0
    }

    /// Its length in bytes.
    #[inline]
    pub fn length(&self) -> usize {
        self.length as usize
    }

    /// Writes it to the beginning of a longer buffer.
    #[inline]
    pub fn write_to(&self, buffer: &mut [u8]) {
        let length = self.length();
        if length >= 8 {
            buffer[..8].copy_from_slice(&self.begin.to_le_bytes());
            buffer[length - 8..length].copy_from_slice(&self.end.to_le_bytes());
        } else if length >= 4 {
            buffer[..4].copy_from_slice(&(self.begin as u32).to_le_bytes());
            buffer[length - 4..length].copy_from_slice(&(self.end as u32).to_le_bytes());
        }
    }

    /// Where to look for it among `places`, a power of two.
    #[inline]
    pub fn place(&self, places: usize) -> usize {
        let mixed = (self.begin ^ self.end.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize & (places - 1)
    }
}

impl Borrow<str> for Symbol {
    #[inline]
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a symbol is counted by within a partition: the kind that came first (`docs/semantics.md#input`).
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TradeKind {
    /// `trade` events.
    Trade,
    /// `aggTrade` events, each of which counts as one trade.
    Aggregate,
}

/// What the taker of a trade did: who took the price that stood.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The record does not tell.
    #[default]
    Untold,
    /// The taker bought: the seller is the maker.
    Buy,
    /// The taker sold: the buyer is the maker.
    Sell,
}

impl Side {
    /// Of a trade of which it is known whether its buyer is the maker.
    #[inline]
    pub fn of_maker(buyer_is_maker: Option<bool>) -> Side {
        match buyer_is_maker {
            None => Side::Untold,
            Some(true) => Side::Sell,
            Some(false) => Side::Buy,
        }
    }
}

/// The ids of the trades that one record stands for: of an aggregate its first and its last one.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdRange {
    /// The least one.
    pub first: u64,
    /// The greatest one, below 2^63; not below the first.
    pub last: u64,
}

impl IdRange {
    /// Of one trade.
    #[inline]
    pub fn one(id: u64) -> IdRange {
        IdRange { first: id, last: id }
    }

    /// How many there are besides the first.
    #[inline]
    pub fn more(self) -> u64 {
        self.last - self.first
    }
}

/// What the id of a trade is.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// An integer, one more for each trade of the symbol.
    #[default]
    Sequence,
    /// An integer that no other trade of the symbol has.
    Unique,
    /// A text that no other trade of the symbol has, by 128 bits of hash: the high half is the trade's `id`,
    /// the low half stands in `ids`.
    Hashed,
    /// There is none: `id` is 0, and a repetition is not recognised.
    None,
}

/// One execution of a symbol that is known from the context.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Trade {
    /// The exchange's number of the trade, below 2^63, or what stands for it in the digest: see [`IdKind`].
    pub id: u64,
    /// The trades that it stands for: itself, unless it is an aggregate of others. Where ids are no sequence
    /// they tell of one trade, and no more.
    pub ids: IdRange,
    /// What its id is.
    pub id_kind: IdKind,
    /// What the taker did.
    pub side: Side,
    /// Quote asset for one unit of the base asset.
    pub price: Price,
    /// Units of the base asset.
    pub quantity: Quantity,
    /// When the exchange executed it.
    pub time: EventTime,
}

impl Trade {
    /// One trade that stands for itself and does not tell its side.
    pub fn new(id: u64, price: Price, quantity: Quantity, time: EventTime) -> Trade {
        let (ids, id_kind) = (IdRange::one(id), IdKind::Sequence);
        Trade { id, ids, id_kind, side: Side::Untold, price, quantity, time }
    }

    /// The same with an integer that no other trade of the symbol has.
    #[must_use]
    pub fn with_unique_id(self, id: u64) -> Trade {
        Trade { id, ids: IdRange::one(0), id_kind: IdKind::Unique, ..self }
    }

    /// The same with a text that no other trade of the symbol has, by its hash.
    #[must_use]
    pub fn with_hashed_id(self, hash: u128) -> Trade {
        let ids = IdRange::one(hash as u64);
        Trade { id: (hash >> 64) as u64, ids, id_kind: IdKind::Hashed, ..self }
    }

    /// The hash of an id that is known by it: what [`Trade::with_hashed_id`] was given.
    pub fn hash_of_id(&self) -> u128 {
        u128::from(self.id) << 64 | u128::from(self.ids.first)
    }

    /// The same without an id.
    #[must_use]
    pub fn without_id(self) -> Trade {
        Trade { id: 0, ids: IdRange::one(0), id_kind: IdKind::None, ..self }
    }

    /// Whether its id is one more than that of the symbol's trade before it.
    #[inline]
    pub fn is_numbered(&self) -> bool {
        self.id_kind == IdKind::Sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trades wait in batches, and are copied there.
    #[test]
    fn a_trade_takes_seven_words() {
        assert_eq!(size_of::<Trade>(), 56);
    }

    #[test]
    fn the_hash_of_an_id_is_the_one_that_was_given() {
        let one = (Price::from_scaled(1).unwrap(), Quantity::from_scaled(1).unwrap());
        for hash in [0, 1, u128::from(u64::MAX), 7 << 64, u128::MAX] {
            let trade = Trade::new(3, one.0, one.1, EventTime::MIN).with_hashed_id(hash);
            assert_eq!(trade.hash_of_id(), hash);
        }
    }

    #[test]
    fn names_hold_what_no_grammar_needs() {
        let longest = "B".repeat(LONGEST_NAME);
        for name in
            ["A", "XVGBTC", "coinbase:BTC-USD", "-x", "+x", "@x", "币安人生USDT", "a'b;c\\d", &longest]
        {
            assert!(is_name(name.as_bytes()), "{name:?}");
        }
        let longer = format!("{longest}B");
        let barred = [
            "a*b", "a/b", "=a", "a,b", "a|b", "a\"b", "a b", "a\tb", "a\u{1}", "a\u{7f}", "\u{85}",
            "\u{3000}",
        ];
        for text in barred.into_iter().chain(["", &longer]) {
            assert!(!is_name(text.as_bytes()), "{text:?}");
        }
        assert!(!is_name(b"a\xff"));
    }
}
