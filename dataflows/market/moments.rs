//! The sums of a window: a group, so that panes merge, enter a window and leave it without a trace.

use super::trade::{ShortName, Side, Symbol, Trade};
use super::wide::WideInteger;
use differential_dataflow::difference::{Abelian, IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// n, Σq, Σpq, Σp²q and the digest of a set of trades. Travels as the *difference* of a collection.
///
/// Headroom: p and q are below 2^63 and n is below 2^63, so Σq < 2^126 fits an `i128`, Σpq < 2^189 and Σp²q <
/// 2^252 fit 256 bits with their sign; an aggregate stands for fewer than 2^63 ids, and the sum of all is
/// below 2^126. Nothing can wrap but the digest, which is meant to.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moments {
    /// Number of trades.
    pub n: i64,
    /// Σq in the steps of quantities: 1e-8 where nothing is said.
    pub q: i128,
    /// Σpq in steps of 1e-16.
    pub pq: WideInteger,
    /// Σp²q in steps of 1e-24.
    pub p2q: WideInteger,
    /// Sum modulo 2^64 of the trades' hashes (`docs/semantics.md#rows`).
    pub digest: u64,
    /// Number of trade ids besides the trades themselves: those that aggregates stand for.
    pub more_ids: i128,
    /// Number of trades that do not tell their side.
    pub untold: i64,
    /// Σq of the trades whose taker bought.
    pub buy_q: i128,
    /// Σpq of the trades whose taker bought.
    pub buy_pq: WideInteger,
    /// Number of trades whose ids are no sequence.
    pub unnumbered: i64,
}

impl Moments {
    /// Adds a trade of a sequence, whose hash is taken as given (see [`trade_hash`]).
    #[inline]
    pub fn add_trade(&mut self, trade: &Trade, hash: u64) {
        let p = trade.price.scaled() as u64;
        let q = trade.quantity.scaled() as u64;
        let pq = u128::from(p) * u128::from(q);
        self.n += 1;
        self.q += i128::from(q);
        self.pq = self.pq.add(WideInteger::from_u128(pq));
        self.p2q = self.p2q.add(WideInteger::product(pq, p));
        self.digest = self.digest.wrapping_add(hash);
        self.more_ids += i128::from(trade.ids.more());
        self.untold += i64::from(trade.side == Side::Untold);
        // Sides follow each other at random: a branch would be guessed wrongly half the time.
        let buy = u128::from(trade.side == Side::Buy).wrapping_neg();
        self.buy_q += (u128::from(q) & buy) as i128;
        self.buy_pq = self.buy_pq.add(WideInteger::from_u128(pq & buy));
    }

    /// Adds a trade without a sequence.
    #[inline]
    pub fn add_unnumbered(&mut self, trade: &Trade, hash: u64) {
        self.add_trade(trade, hash);
        self.unnumbered += 1;
    }
}

impl IsZero for Moments {
    #[inline]
    fn is_zero(&self) -> bool {
        *self == Moments::default()
    }
}

impl Semigroup for Moments {
    #[inline]
    fn plus_equals(&mut self, other: &Self) {
        self.n += other.n;
        self.q += other.q;
        self.pq = self.pq.add(other.pq);
        self.p2q = self.p2q.add(other.p2q);
        self.digest = self.digest.wrapping_add(other.digest);
        self.more_ids += other.more_ids;
        self.untold += other.untold;
        self.buy_q += other.buy_q;
        self.buy_pq = self.buy_pq.add(other.buy_pq);
        self.unnumbered += other.unnumbered;
    }
}

impl Monoid for Moments {
    fn zero() -> Self {
        Moments::default()
    }
}

impl Abelian for Moments {
    #[inline]
    fn negate(&mut self) {
        self.n = -self.n;
        self.q = -self.q;
        self.pq = self.pq.negate();
        self.p2q = self.p2q.negate();
        self.digest = self.digest.wrapping_neg();
        self.more_ids = -self.more_ids;
        self.untold = -self.untold;
        self.buy_q = -self.buy_q;
        self.buy_pq = self.buy_pq.negate();
        self.unnumbered = -self.unnumbered;
    }
}

/// The hash of a trade: XXH3-64 of the symbol, a zero byte, then id, price, quantity and event time as
/// little-endian 64-bit integers.
#[inline]
pub fn trade_hash(symbol: &Symbol, trade: &Trade) -> u64 {
    let mut input = HashInput::default();
    input.write(symbol, trade);
    input.hash()
}

/// What is hashed of a trade. Written for several trades before the first is hashed: a processor that is to
/// read together what it has just written in pieces has to wait until that is through.
#[derive(Debug, Copy, Clone, Default)]
pub struct HashInput {
    bytes: [[u8; 32]; 2],
    length: usize,
    /// Longer names than any exchange has take a detour, and are hashed at once.
    of_long_name: Option<u64>,
}

impl HashInput {
    /// Writes a trade.
    #[inline]
    pub fn write(&mut self, symbol: &Symbol, trade: &Trade) {
        let name = symbol.as_str().as_bytes();
        self.length = name.len() + 1 + FIELDS;
        self.of_long_name = None;
        let bytes = self.bytes.as_flattened_mut();
        if self.length <= bytes.len() {
            bytes[..name.len()].copy_from_slice(name);
            write_fields(&mut bytes[name.len()..], trade);
        } else {
            let mut bytes = name.to_vec();
            bytes.resize(self.length, 0);
            write_fields(&mut bytes[name.len()..], trade);
            self.of_long_name = Some(xxh3_64(&bytes));
        }
    }

    /// Writes a trade of a symbol with a short name.
    #[inline]
    pub fn write_short(&mut self, name: &ShortName, trade: &Trade) {
        self.length = name.length() + 1 + FIELDS;
        self.of_long_name = None;
        let bytes = self.bytes.as_flattened_mut();
        name.write_to(bytes);
        write_fields(&mut bytes[name.length()..], trade);
    }

    /// The hash of the trade that was written last.
    #[inline]
    pub fn hash(&self) -> u64 {
        match self.of_long_name {
            Some(hash) => hash,
            None => xxh3_64(&self.bytes.as_flattened()[..self.length]),
        }
    }
}

const FIELDS: usize = 32;

#[inline]
fn write_fields(bytes: &mut [u8], trade: &Trade) {
    let bytes = &mut bytes[..1 + FIELDS];
    bytes[0] = 0;
    bytes[1..9].copy_from_slice(&trade.id.to_le_bytes());
    bytes[9..17].copy_from_slice(&trade.price.scaled().to_le_bytes());
    bytes[17..25].copy_from_slice(&trade.quantity.scaled().to_le_bytes());
    bytes[25..33].copy_from_slice(&trade.time.micros().to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::decimal::{Price, Quantity};
    use crate::market::event_time::EventTime;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    fn trade(id: u64, p: i64, q: i64) -> Trade {
        let (price, quantity) = (Price::from_scaled(p).unwrap(), Quantity::from_scaled(q).unwrap());
        Trade::new(id, price, quantity, EventTime::from_micros(1_525_022_041_490_000))
    }

    #[test]
    fn digest_is_the_one_of_the_spec_vector() {
        // XVGBTC's only trade of the window that starts at 1525022040000.
        let trade = trade(15_101_872, 876, 20_000_000_000);
        assert_eq!(format!("{:016x}", trade_hash(&Symbol::new("XVGBTC"), &trade)), "28464577177f01a7");
    }

    #[test]
    fn digest_takes_names_of_any_length() {
        let trade = trade(7, 8, 9);
        let mut used_before = HashInput::default();
        for length in (1..=33).chain([62, 63, 64, 300]).chain(1..=9) {
            let name: String = ('A'..='Z').cycle().take(length).collect();
            let mut bytes = format!("{name}\0").into_bytes();
            for field in [7, 8, 9, trade.time.micros()] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
            assert_eq!(trade_hash(&Symbol::new(&name), &trade), xxh3_64(&bytes), "{length}");
            used_before.write(&Symbol::new(&name), &trade);
            assert_eq!(used_before.hash(), xxh3_64(&bytes), "{length}");
            let short = ShortName::of(name.as_bytes());
            assert_eq!(short.is_some(), (4..=16).contains(&length), "{length}");
            if let Some(short) = short {
                used_before.write_short(&short, &trade);
                assert_eq!(used_before.hash(), xxh3_64(&bytes), "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn sums_form_a_group(trades in prop::collection::vec((1..=i64::MAX, 1..=i64::MAX), 0..20), cut in 0usize..20) {
            let mut all = Moments::default();
            let (mut left, mut right) = (Moments::default(), Moments::default());
            let (mut pq, mut p2q) = (BigInt::ZERO, BigInt::ZERO);
            for (i, &(p, q)) in trades.iter().enumerate() {
                let t = trade(i as u64, p, q);
                all.add_trade(&t, i as u64);
                if i < cut { left.add_trade(&t, i as u64) } else { right.add_trade(&t, i as u64) }
                pq += BigInt::from(p) * q;
                p2q += BigInt::from(p) * p * q;
            }
            prop_assert_eq!(all.pq.to_bigint(), pq);
            prop_assert_eq!(all.p2q.to_bigint(), p2q);
            let mut sum = left;
            sum.plus_equals(&right);
            prop_assert_eq!(sum, all);
            right.negate();
            sum.plus_equals(&right);
            prop_assert_eq!(sum, left);
            left.negate();
            sum.plus_equals(&left);
            prop_assert!(sum.is_zero());
        }
    }
}
