//! What is known of one symbol in one window, and the numbers that follow from it.

use super::candle::Candle;
use super::decimal::Decimals;
use super::moments::Moments;
use super::quotient::{self, U256};
use super::ratio::{RATE_PLACES, nearest_double, power_of_ten, round_half_even, round_half_even_u128};
use super::value::Decimal;
use num_bigint::{BigInt, BigUint, Sign};
use serde::{Deserialize, Serialize};

/// The state of a window that has trades.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowState {
    /// The sums of its trades; `n` is positive.
    pub moments: Moments,
    /// First, last, greatest, least.
    pub candle: Candle,
    /// How far ids rise in its panes, less the ids that came (`docs/semantics.md#missing-ids`); 0 where that
    /// is not known.
    pub missing_ids: i128,
}

impl WindowState {
    /// How many ids are missing; `None` where some trade's ids are no sequence.
    pub fn missing_ids(&self) -> Option<i128> {
        (self.moments.unnumbered == 0).then_some(self.missing_ids)
    }
}

/// Σpq/Σq in steps of 1e-18, rounded half to even.
pub fn vwap(moments: &Moments, decimals: Decimals) -> Decimal {
    // Σpq / Σq has the steps of a price; so many more places make 1e-18.
    let more_places = 10u128.pow(RATE_PLACES - u32::from(decimals.price));
    if let Some(scaled) = moments.pq.to_u128().and_then(|pq| pq.checked_mul(more_places)) {
        let rounded = round_half_even_u128(scaled, moments.q as u128);
        if let Ok(small) = i128::try_from(rounded) {
            return Decimal::new(small, RATE_PLACES as u8);
        }
    }
    let numerator = unsigned(moments.pq.to_bigint()) * more_places;
    let rounded = round_half_even(&numerator, &BigUint::from(moments.q as u128));
    Decimal::of(&BigInt::from(rounded), RATE_PLACES as u8)
}

/// Σp²q/Σq - (Σpq/Σq)², the exact value rounded to the nearest double.
pub fn variance(moments: &Moments, decimals: Decimals) -> Option<f64> {
    if let Some(small) = small_variance(moments, decimals) {
        return small;
    }
    let q = BigInt::from(moments.q);
    let pq = moments.pq.to_bigint();
    let numerator = moments.p2q.to_bigint() * &q - &pq * &pq;
    let denominator = unsigned(&q * &q) * power_of_ten(2 * u32::from(decimals.price));
    nearest_double(&numerator, &denominator)
}

/// The same where all of it fits 256 bits, as that of an everyday window does; `None` where it does not.
fn small_variance(moments: &Moments, decimals: Decimals) -> Option<Option<f64>> {
    let places = 10u64.checked_pow(2 * u32::from(decimals.price))?;
    let q = u64::try_from(moments.q).ok()?;
    let pq = moments.pq.to_u128()?;
    let [a, b, c, d] = moments.p2q.words().map(u128::from);
    let p2q = U256::new(c | d << 64, a | b << 64);
    let numerator = p2q.times(q)?.minus(U256::product(pq, pq))?;
    let denominator = U256::product(q.into(), q.into()).times(places)?;
    quotient::nearest_double(numerator, denominator)
}

/// A sum that cannot be negative, without its sign.
pub(super) fn unsigned(value: BigInt) -> BigUint {
    debug_assert_ne!(value.sign(), Sign::Minus);
    value.into_parts().1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::decimal::{Price, Quantity};
    use crate::market::event_time::EventTime;
    use crate::market::trade::Trade;
    use proptest::prelude::*;

    proptest! {
        /// Prices and quantities of every size: where the small way answers it says what the large one would.
        #[test]
        fn both_ways_to_a_variance_agree(
            trades in prop::collection::vec((1i64..i64::MAX, 0u32..60, 1i64..i64::MAX, 0u32..60), 1..30), near: bool,
            places in 0u8..19,
        ) {
            let mut moments = Moments::default();
            for (id, (price, p, quantity, q)) in (0..).zip(trades) {
                let price = if near { 6_512_345_000_000 + (price & 0xFFFF_FFFF) } else { 1 + (price >> p) };
                let time = EventTime::from_micros(1);
                let price = Price::from_scaled(price).unwrap();
                let quantity = Quantity::from_scaled(1 + (quantity >> q.max(1))).unwrap();
                moments.add_trade(&Trade::new(id, price, quantity, time), id);
            }
            let q = BigInt::from(moments.q);
            let pq = moments.pq.to_bigint();
            let numerator = moments.p2q.to_bigint() * &q - &pq * &pq;
            let expected = nearest_double(&numerator, &(unsigned(&q * &q) * power_of_ten(2 * u32::from(places))));
            let decimals = Decimals { price: places, quantity: 3 };
            prop_assert_eq!(variance(&moments, decimals).map(f64::to_bits), expected.map(f64::to_bits));
            if moments.q < 1 << 40 && near {
                prop_assert!(small_variance(&moments, Decimals::EIGHT).is_some());
            }
        }
    }
}
