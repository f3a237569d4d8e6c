//! Sums of a series of rates: n, Σx and Σx², over the rates as printed, so that they stay exact.

use super::ratio::{nearest_double, round_half_even_signed};
use differential_dataflow::difference::{Abelian, IsZero, Monoid, Semigroup};
use num_bigint::{BigInt, BigUint};
use num_traits::Zero;
use serde::{Deserialize, Serialize};

/// The sums of a series, a group: the difference of the collection that `series_stats` counts.
///
/// `last` telescopes: each rate enters with its distance from the one before, so that the sum of them is the
/// latest rate.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesMoments {
    /// Number of rates that have come, those taken out again included: no rate leaves the sums unchanged.
    pub seen: i64,
    /// Number of rates.
    pub n: i64,
    /// Σx in steps of 1e-18.
    pub sum: BigInt,
    /// Σx² in steps of 1e-36.
    pub squares: BigInt,
    /// The latest rate in steps of 1e-18.
    pub last: BigInt,
}

impl SeriesMoments {
    /// What one rate adds; `before` is the rate before it in the series.
    pub fn of(rate: &BigInt, before: &BigInt) -> Self {
        SeriesMoments { seen: 1, n: 1, sum: rate.clone(), squares: rate * rate, last: rate - before }
    }

    /// What takes an old rate out of the sums again; the latest rate stays what it is.
    pub fn without(rate: &BigInt) -> Self {
        SeriesMoments { seen: 0, n: -1, sum: -rate, squares: -(rate * rate), last: BigInt::zero() }
    }

    /// Σx/n in steps of 1e-18, rounded half to even.
    pub fn mean(&self) -> BigInt {
        round_half_even_signed(&self.sum, &BigUint::from(self.n.unsigned_abs()))
    }

    /// Sample variance (nΣx² - (Σx)²) / (n(n-1)), the nearest double; `None` below two rates or where it is
    /// infinite.
    pub fn variance(&self) -> Option<f64> {
        if self.n < 2 {
            return None;
        }
        let n = BigInt::from(self.n);
        let numerator = &n * &self.squares - &self.sum * &self.sum;
        let scale = BigUint::from(10u32).pow(36);
        let pairs = BigUint::from(self.n.unsigned_abs()) * BigUint::from(self.n.unsigned_abs() - 1);
        nearest_double(&numerator, &(pairs * scale))
    }
}

impl IsZero for SeriesMoments {
    fn is_zero(&self) -> bool {
        self.seen == 0 && self.n == 0 && self.sum.is_zero() && self.squares.is_zero() && self.last.is_zero()
    }
}

impl Semigroup for SeriesMoments {
    fn plus_equals(&mut self, other: &Self) {
        self.seen += other.seen;
        self.n += other.n;
        self.sum += &other.sum;
        self.squares += &other.squares;
        self.last += &other.last;
    }
}

impl Monoid for SeriesMoments {
    fn zero() -> Self {
        SeriesMoments::default()
    }
}

impl Abelian for SeriesMoments {
    fn negate(&mut self) {
        self.seen = -self.seen;
        self.n = -self.n;
        self.sum = -std::mem::take(&mut self.sum);
        self.squares = -std::mem::take(&mut self.squares);
        self.last = -std::mem::take(&mut self.last);
    }
}
