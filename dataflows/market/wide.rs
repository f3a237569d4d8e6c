//! A signed 256-bit integer that can do what a sum needs: add, negate, compare with zero.
//!
//! Anything else (products of sums, division) happens once a row, in arbitrary precision.

use num_bigint::BigInt;
use serde::{Deserialize, Serialize};

/// A two's complement integer in [-2^255, 2^255).
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WideInteger {
    // High word first: the derived order is the numeric one.
    high: i128,
    low: u128,
}

impl WideInteger {
    /// Zero.
    pub const ZERO: WideInteger = WideInteger { high: 0, low: 0 };

    /// A value of 128 bits.
    #[inline]
    pub const fn from_u128(value: u128) -> Self {
        WideInteger { high: 0, low: value }
    }

    /// The product of a 128-bit and a 64-bit value; always fits, being below 2^192.
    #[inline]
    pub const fn product(a: u128, b: u64) -> Self {
        let low = (a as u64 as u128) * b as u128;
        let high = (a >> 64) * b as u128;
        let (sum, carry) = low.overflowing_add(high << 64);
        WideInteger { high: ((high >> 64) + carry as u128) as i128, low: sum }
    }

    /// Adds. The sums of this crate stay below 2^253 in magnitude (see `Moments`), so this never overflows.
    #[inline]
    pub const fn add(self, other: WideInteger) -> WideInteger {
        let (low, carry) = self.low.overflowing_add(other.low);
        WideInteger { high: self.high.wrapping_add(other.high).wrapping_add(carry as i128), low }
    }

    /// The additive inverse.
    #[inline]
    pub const fn negate(self) -> WideInteger {
        let (low, carry) = (!self.low).overflowing_add(1);
        WideInteger { high: (!self.high).wrapping_add(carry as i128), low }
    }

    /// Whether it is zero.
    #[inline]
    pub const fn is_zero(self) -> bool {
        self.high == 0 && self.low == 0
    }

    /// Its 256 bits, least word first.
    #[inline]
    pub const fn words(self) -> [u64; 4] {
        [self.low as u64, (self.low >> 64) as u64, self.high as u64, (self.high >> 64) as u64]
    }

    /// Of 256 bits, least word first.
    #[inline]
    pub const fn from_words([a, b, c, d]: [u64; 4]) -> Self {
        WideInteger { high: (c as u128 | (d as u128) << 64) as i128, low: a as u128 | (b as u128) << 64 }
    }

    /// The value, where it is not negative and fits 128 bits.
    #[inline]
    pub const fn to_u128(self) -> Option<u128> {
        if self.high == 0 { Some(self.low) } else { None }
    }

    /// The value in arbitrary precision.
    pub fn to_bigint(self) -> BigInt {
        (BigInt::from(self.high) << 128u32) + BigInt::from(self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_wide() -> impl Strategy<Value = WideInteger> {
        (any::<i64>(), any::<u128>()).prop_map(|(high, low)| WideInteger { high: i128::from(high), low })
    }

    proptest! {
        #[test]
        fn a_product_of_two_i128_is_exact(a: u128, b: u64) {
            prop_assert_eq!(WideInteger::product(a, b).to_bigint(), BigInt::from(a) * BigInt::from(b));
        }

        #[test]
        fn sums_and_order_agree_with_big_integers(a in any_wide(), b in any_wide()) {
            prop_assert_eq!(a.add(b).to_bigint(), a.to_bigint() + b.to_bigint());
            prop_assert_eq!(a.negate().to_bigint(), -a.to_bigint());
            prop_assert!(a.add(a.negate()).is_zero());
            prop_assert_eq!(a.cmp(&b), a.to_bigint().cmp(&b.to_bigint()));
        }
    }
}
