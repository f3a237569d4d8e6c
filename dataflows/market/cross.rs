//! The cross of one window: what its legs gave, and the rate that follows.

use super::decimal::{Decimals, Price};
use super::definition::{Cross, MissingLeg};
use super::moments::Moments;
use super::ratio::{nearest_double, power_of_ten, round_half_even};
use super::value::Decimal;
use super::window::{WindowState, unsigned, vwap};
use num_bigint::{BigInt, BigUint};
use num_traits::One;
use serde::{Deserialize, Serialize};

/// What one leg gives to a cross in one window: its own trades, or those of an earlier window that stand in.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegState {
    /// The sums of the window that it speaks of.
    pub moments: Moments,
    /// That window's missing ids; of no account where carried, and where ids are no sequence.
    pub missing_ids: i128,
    /// The price of its last trade; none where an earlier release kept the window to stand in.
    pub close: Option<Price>,
    /// How much earlier that window ends, in microseconds; 0 for the cross's own window.
    pub age: u64,
}

impl LegState {
    /// What a leg's own window gives.
    pub fn of(window: &WindowState) -> LegState {
        let close = window.candle.last.price;
        LegState { moments: window.moments, missing_ids: window.missing_ids, close: Some(close), age: 0 }
    }

    /// Whether the leg traded in the cross's own window.
    pub fn traded(&self) -> bool {
        self.age == 0
    }
}

/// A cross in one window: one entry a leg, in the order written; `None` is a missing leg.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CrossState {
    /// The legs.
    pub legs: Vec<Option<LegState>>,
}

/// Whether a cross has a rate in a window, and why (`docs/semantics.md#cross-rates`).
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Status {
    /// Every leg traded.
    Complete,
    /// A leg that did not trade is represented by an earlier window.
    Carried,
    /// A leg did not trade and nothing stands in: there is no rate.
    LegMissing,
}

impl Status {
    /// As printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Complete => "complete",
            Status::Carried => "carried",
            Status::LegMissing => "leg_missing",
        }
    }
}

impl CrossState {
    /// Whether the rate can be had.
    pub fn status(&self) -> Status {
        if self.legs.iter().any(Option::is_none) {
            Status::LegMissing
        } else if self.legs.iter().flatten().any(|leg| !leg.traded()) {
            Status::Carried
        } else {
            Status::Complete
        }
    }

    /// Whether any leg traded in the window: without that there is no row.
    pub fn any_traded(&self) -> bool {
        self.legs.iter().flatten().any(LegState::traded)
    }

    /// Whether a row leaves at all.
    pub fn shown(&self, missing_leg: MissingLeg) -> bool {
        self.any_traded() && (missing_leg != MissingLeg::Withhold || self.status() == Status::Complete)
    }

    /// The legs that traded in the window.
    pub fn traded(&self) -> impl Iterator<Item = &LegState> {
        self.legs.iter().flatten().filter(|leg| leg.traded())
    }

    /// How many ids are missing in the legs that traded in the window; `None` where some trade's ids are no
    /// sequence.
    pub fn missing_ids(&self) -> Option<i128> {
        self.traded().map(|leg| (leg.moments.unnumbered == 0).then_some(leg.missing_ids)).sum()
    }

    /// Whether both give the same row of a window. A trade more is seen in the digest, if it is the window's
    /// own; in a leg that stands in it may be seen in nothing. Of missing ids only the sum is seen.
    pub fn gives_the_row_of(&self, other: &CrossState, cross: &Cross, decimals: Decimals) -> bool {
        let shown = |a: &Option<LegState>, b: &Option<LegState>| match (a, b) {
            (Some(a), Some(b)) if a.traded() != b.traded() => false,
            (Some(a), Some(b)) if a.traded() => a.moments == b.moments,
            (Some(a), Some(b)) => a.age == b.age && vwap(&a.moments, decimals) == vwap(&b.moments, decimals),
            (a, b) => a == b,
        };
        self == other
            || self.missing_ids() == other.missing_ids()
                && self.legs.iter().zip(&other.legs).all(|(a, b)| shown(a, b))
                && self.rate(cross, decimals) == other.rate(cross, decimals)
                && self.close(cross, decimals) == other.close(cross, decimals)
                && self.variance(cross, decimals).map(f64::to_bits)
                    == other.variance(cross, decimals).map(f64::to_bits)
    }

    /// The rate in steps of 1e-18: the product of the legs' Σpq/Σq, inverse legs divided, rounded once, half
    /// to even. `None` when a leg is missing.
    pub fn rate(&self, cross: &Cross, decimals: Decimals) -> Option<BigInt> {
        let steps = 10u64.pow(decimals.price.into());
        let (mut numerator, mut denominator) = (power_of_ten(18), BigUint::one());
        for (leg, state) in cross.legs.iter().zip(&self.legs) {
            let moments = &state.as_ref()?.moments;
            // A leg's VWAP is Σpq/Σq in the steps of a price.
            let price = unsigned(moments.pq.to_bigint());
            let volume = BigUint::from(moments.q as u128) * steps;
            if leg.inverse {
                numerator *= volume;
                denominator *= price;
            } else {
                numerator *= price;
                denominator *= volume;
            }
        }
        Some(BigInt::from(round_half_even(&numerator, &denominator)))
    }

    /// The product of the legs' last prices, inverse legs divided, in steps of 1e-18, rounded once, half to
    /// even. `None` when a leg is missing, or its last price is not known.
    pub fn close(&self, cross: &Cross, decimals: Decimals) -> Option<BigInt> {
        let steps = 10u64.pow(decimals.price.into());
        let (mut numerator, mut denominator) = (power_of_ten(18), BigUint::one());
        for (leg, state) in cross.legs.iter().zip(&self.legs) {
            // A price is positive.
            let price = BigUint::from(state.as_ref()?.close?.scaled().unsigned_abs());
            let (over, under) = match leg.inverse {
                false => (&mut numerator, &mut denominator),
                true => (&mut denominator, &mut numerator),
            };
            *over *= price;
            *under *= steps;
        }
        Some(BigInt::from(round_half_even(&numerator, &denominator)))
    }

    /// Π E\[x²\] - Π E\[x\]², the legs taken as independent; the nearest double.
    /// `None` when a leg is missing or inverse, or where it is infinite.
    pub fn variance(&self, cross: &Cross, decimals: Decimals) -> Option<f64> {
        let (mut squares, mut means, mut denominator) = (BigInt::one(), BigInt::one(), BigUint::one());
        for (leg, state) in cross.legs.iter().zip(&self.legs) {
            if leg.inverse {
                return None;
            }
            let moments = &state.as_ref()?.moments;
            let q = BigInt::from(moments.q);
            let pq = moments.pq.to_bigint();
            squares *= moments.p2q.to_bigint() * &q;
            means *= &pq * &pq;
            denominator *= unsigned(&q * &q) * power_of_ten(2 * u32::from(decimals.price));
        }
        nearest_double(&(squares - means), &denominator)
    }

    /// A leg's own VWAP.
    pub fn leg_vwap(&self, leg: usize, decimals: Decimals) -> Option<Decimal> {
        self.legs[leg].as_ref().map(|state| vwap(&state.moments, decimals))
    }
}
