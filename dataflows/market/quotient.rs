//! The quotient of two 256-bit numbers as the nearest double, without arbitrary precision: what a variance
//! mostly is.

use super::ratio::double_of;

/// An unsigned integer below 2^256.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct U256 {
    // High half first: the derived order is the numeric one.
    high: u128,
    low: u128,
}

impl U256 {
    /// `high * 2^128 + low`.
    pub(super) const fn new(high: u128, low: u128) -> Self {
        U256 { high, low }
    }

    /// The product, which always fits.
    pub(super) const fn product(a: u128, b: u128) -> Self {
        const HALF: u128 = (1 << 64) - 1;
        let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
        let low = a0 * b0;
        // Each of the three is below 2^64 * (2^64 - 1) together with what is carried into it.
        let middle = a1 * b0 + (low >> 64);
        let other = a0 * b1 + (middle & HALF);
        let high = a1 * b1 + (middle >> 64) + (other >> 64);
        U256 { high, low: (low & HALF) | (other << 64) }
    }

    /// The product; `None` where it does not fit.
    pub(super) const fn times(self, factor: u64) -> Option<Self> {
        let low = U256::product(self.low, factor as u128);
        match self.high.checked_mul(factor as u128) {
            Some(high) => match high.checked_add(low.high) {
                Some(high) => Some(U256 { high, low: low.low }),
                None => None,
            },
            None => None,
        }
    }

    /// The difference; `None` where it would be negative.
    pub(super) const fn minus(self, other: U256) -> Option<Self> {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let (high, a) = self.high.overflowing_sub(other.high);
        let (high, b) = high.overflowing_sub(borrow as u128);
        if a || b { None } else { Some(U256 { high, low }) }
    }

    const fn is_zero(self) -> bool {
        self.high == 0 && self.low == 0
    }

    /// How many bits it takes to write it.
    const fn bits(self) -> u32 {
        256 - if self.high == 0 { 128 + self.low.leading_zeros() } else { self.high.leading_zeros() }
    }

    /// Times 2^n; `n` is below 256, and what leaves at the top is lost.
    const fn shifted_up(self, n: u32) -> Self {
        match n {
            0 => self,
            1..128 => U256 { high: (self.high << n) | (self.low >> (128 - n)), low: self.low << n },
            _ => U256 { high: self.low << (n - 128), low: 0 },
        }
    }

    /// Divided by 2^n, rounded down; `n` is below 256.
    const fn shifted_down(self, n: u32) -> Self {
        match n {
            0 => self,
            1..128 => U256 { high: self.high >> n, low: (self.low >> n) | (self.high << (128 - n)) },
            _ => U256 { high: 0, low: self.high >> (n - 128) },
        }
    }
}

/// The double nearest to `numerator / denominator`, ties to even; the outer `None` says that this is for
/// somebody else to work out, since a number on the way would not fit. The denominator is positive.
pub(super) fn nearest_double(numerator: U256, denominator: U256) -> Option<Option<f64>> {
    /// So many bits the quotient has, or one more: enough for a double and its rounding, and they fit 64.
    const WIDTH: u32 = 62;
    if numerator.is_zero() {
        return Some(Some(0.0));
    }
    // The denominator gets at least 64 bits, the numerator so many more; where it has more, the denominator
    // grows.
    let at_least = numerator.bits().saturating_sub(WIDTH).max(64);
    let grown = at_least.saturating_sub(denominator.bits());
    let denominator = denominator.shifted_up(grown);
    let wanted = denominator.bits() + WIDTH;
    if wanted > 256 {
        return None;
    }
    let raised = wanted - numerator.bits();
    let numerator = numerator.shifted_up(raised);
    // Both without the lowest bits: d has 64 bits, its highest set, and n at most 126. With N < (n + 1)·2^k
    // and d·2^k <= D the quotient is below n/d + 1; with n·2^k <= N, D < (d + 1)·2^k and n/d < 2^63 it is
    // above n/d - 1. So what n/d says is at most 2 too much, and 1 too little.
    let dropped = denominator.bits() - 64;
    let n = numerator.shifted_down(dropped).low;
    let d = denominator.shifted_down(dropped).low;
    let mut quotient = (n / d) as u64;
    let mut taken = denominator.times(quotient)?;
    while taken > numerator {
        quotient -= 1;
        taken = taken.minus(denominator)?;
    }
    let mut rest = numerator.minus(taken)?;
    while rest >= denominator {
        quotient += 1;
        rest = rest.minus(denominator)?;
    }
    Some(double_of(u128::from(quotient), !rest.is_zero(), i64::from(raised) - i64::from(grown)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::ratio;
    use num_bigint::{BigInt, BigUint};
    use proptest::prelude::*;

    fn big(value: U256) -> BigUint {
        (BigUint::from(value.high) << 128u32) + value.low
    }

    /// Of any size, not mostly of the greatest.
    fn any_u256() -> impl Strategy<Value = U256> {
        (any::<u128>(), any::<u128>(), 0u32..256)
            .prop_map(|(high, low, down)| U256 { high, low }.shifted_down(down))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn u256_arithmetic_is_exact(a in any_u256(), b in any_u256(), factor: u64, by in 0u32..256) {
            prop_assert_eq!(big(U256::product(a.low, b.low)), BigUint::from(a.low) * b.low);
            let whole = BigUint::from(1u32) << 256u32;
            let fits = |value: BigUint| (value < whole).then_some(value);
            prop_assert_eq!(a.times(factor).map(big), fits(big(a) * factor));
            prop_assert_eq!(a.minus(b).map(big), (a >= b).then(|| big(a) - big(b)));
            prop_assert_eq!(a.cmp(&b), big(a).cmp(&big(b)));
            prop_assert_eq!(u64::from(a.bits()), big(a).bits());
            prop_assert_eq!(big(a.shifted_up(by)), (big(a) << by) % &whole);
            prop_assert_eq!(big(a.shifted_down(by)), big(a) >> by);
        }

        /// The other way, in arbitrary precision, is the reference.
        #[test]
        fn agrees_with_arbitrary_precision(n in any_u256(), d in any_u256(), times in 0u64..3, near in 0u64..2) {
            prop_assume!(!d.is_zero());
            // Multiples, and what is next to them, are where a wrong remainder would show.
            let close = d.times(n.low as u64).and_then(|m| m.times(times)).and_then(|m| m.minus(U256::new(0, near.into())));
            for n in [Some(n), close].into_iter().flatten() {
                if let Some(got) = nearest_double(n, d) {
                    let expected = ratio::nearest_double(&BigInt::from(big(n)), &big(d));
                    prop_assert_eq!(got.map(f64::to_bits), expected.map(f64::to_bits), "{:?} / {:?}", n, d);
                }
                // What fits half comes this way for certain.
                prop_assert!(nearest_double(n, d).is_some() || n.bits().max(d.bits() + 62) > 190);
            }
        }

        /// Halves between two doubles go to the even one.
        #[test]
        fn ties_go_to_even(mantissa in 1u64 << 52..1 << 53, down in 0u32..150, odd in 0u64..2, d in 1u64..1 << 40) {
            let n = U256::new(0, u128::from(2 * mantissa + odd)).times(d).unwrap();
            let d = U256::new(0, d.into()).shifted_up(down.min(120));
            let expected = ratio::nearest_double(&BigInt::from(big(n)), &big(d));
            prop_assert_eq!(nearest_double(n, d), Some(expected));
        }
    }
}
