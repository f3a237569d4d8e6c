//! What is known of one symbol in one window, and the numbers that follow from it.

use super::candle::Candle;
use super::moments::Moments;
use super::ratio::{nearest_double, power_of_ten, round_half_even, round_half_even_u128};
use num_bigint::{BigInt, BigUint, Sign};
use serde::{Deserialize, Serialize};

/// The state of a window that has trades.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowState {
    /// The sums of its trades; `n` is positive.
    pub moments: Moments,
    /// First, last, greatest, least.
    pub candle: Candle,
    /// H(end) - H(start) - trades (SPEC section 8).
    pub missing_ids: i64,
}

/// Σpq/Σq in steps of 1e-18, rounded half to even.
pub fn vwap(moments: &Moments) -> BigInt {
    // Σpq / Σq has steps of 1e-16 / 1e-8; ten more places make 1e-18.
    const TEN_PLACES: u128 = 10_000_000_000;
    if let Some(scaled) = moments.pq.to_u128().and_then(|pq| pq.checked_mul(TEN_PLACES)) {
        return BigInt::from(round_half_even_u128(scaled, moments.q as u128));
    }
    let numerator = unsigned(moments.pq.to_bigint()) * TEN_PLACES;
    BigInt::from(round_half_even(&numerator, &BigUint::from(moments.q as u128)))
}

/// Σp²q/Σq - (Σpq/Σq)², the exact value rounded to the nearest double.
pub fn variance(moments: &Moments) -> Option<f64> {
    let q = BigInt::from(moments.q);
    let pq = moments.pq.to_bigint();
    let numerator = moments.p2q.to_bigint() * &q - &pq * &pq;
    let denominator = unsigned(&q * &q) * power_of_ten(16);
    nearest_double(&numerator, &denominator)
}

/// A sum that cannot be negative, without its sign.
pub(super) fn unsigned(value: BigInt) -> BigUint {
    debug_assert_ne!(value.sign(), Sign::Minus);
    value.into_parts().1
}
