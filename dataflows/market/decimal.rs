//! Prices and quantities: decimal text read straight into integers, scaled by 1e8 or as the job says, never
//! through a float.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The decimal places of a job's prices and quantities.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Decimals {
    /// Of prices, 0 to 18.
    pub price: u8,
    /// Of quantities, 0 to 18.
    pub quantity: u8,
}

impl Decimals {
    /// Where nothing is said.
    pub const EIGHT: Decimals = Decimals { price: 8, quantity: 8 };

    /// The most of either.
    pub const MOST: u8 = 18;
}

impl Default for Decimals {
    fn default() -> Self {
        Decimals::EIGHT
    }
}

/// Why a text is no price and no quantity (`docs/semantics.md#numbers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecimalError {
    /// Empty, a sign, an exponent, a bare point or anything else that the grammar has not.
    #[error("not a plain decimal number")]
    Grammar,
    /// A non-zero digit after the last decimal that the scale has.
    #[error("more decimals than the scale has")]
    TooPrecise,
    /// Zero.
    #[error("zero")]
    Zero,
    /// The scaled value is 2^63 or more.
    #[error("too large")]
    TooLarge,
}

/// Reads a plain decimal: ASCII digits, then optionally a point and at least one digit.
/// The result is scaled by `10^places`, in 1..2^63. A text with several faults is given any one of them.
#[inline]
pub fn parse_scaled(text: &[u8], places: u8) -> Result<i64, DecimalError> {
    let places = usize::from(places);
    let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |t: &[u8]| !t.is_empty() && t.iter().all(u8::is_ascii_digit);
    if !digits(whole) || !fraction.is_none_or(digits) {
        return Err(DecimalError::Grammar);
    }
    let fraction = fraction.unwrap_or_default();
    if fraction.iter().skip(places).any(|&b| b != b'0') {
        return Err(DecimalError::TooPrecise);
    }
    let mut scaled: i64 = 0;
    let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(places);
    for digit in whole.iter().copied().chain(padded) {
        scaled = scaled
            .checked_mul(10)
            .and_then(|v| v.checked_add(i64::from(digit - b'0')))
            .ok_or(DecimalError::TooLarge)?;
    }
    if scaled == 0 { Err(DecimalError::Zero) } else { Ok(scaled) }
}

macro_rules! scaled_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// The least one.
            pub const LEAST: $name = $name(1);

            /// The greatest one.
            pub const GREATEST: $name = $name(i64::MAX);

            /// From a scaled value; `None` unless it is positive.
            pub const fn from_scaled(scaled: i64) -> Option<Self> {
                if scaled > 0 { Some($name(scaled)) } else { None }
            }

            /// The scaled value, in 1..2^63.
            pub const fn scaled(self) -> i64 {
                self.0
            }
        }
    };
}

scaled_newtype! {
    /// A price in the quote asset, in steps of the job's scale (1e-8 where nothing is said); always positive.
    Price
}
scaled_newtype! {
    /// A quantity of the base asset, in steps of the job's scale (1e-8 where nothing is said); always
    /// positive.
    Quantity
}

#[cfg(test)]
mod tests {
    use super::*;
    use DecimalError::*;

    #[test]
    fn a_decimal_text_parses_exactly_or_names_the_fault() {
        let cases: [(&str, Result<i64, DecimalError>); 22] = [
            ("1", Ok(100_000_000)),
            ("8888.15120000", Ok(888_815_120_000)),
            ("0.00000873", Ok(873)),
            ("0.000008730000", Ok(873)),
            ("00001.5", Ok(150_000_000)),
            ("92233720368.54775807", Ok(i64::MAX)),
            ("92233720368.54775808", Err(TooLarge)),
            ("99999999999999999999999999", Err(TooLarge)),
            ("0.000000001", Err(TooPrecise)),
            ("0", Err(Zero)),
            ("0.00000000", Err(Zero)),
            ("000.000000000000", Err(Zero)),
            ("", Err(Grammar)),
            (".", Err(Grammar)),
            (".5", Err(Grammar)),
            ("5.", Err(Grammar)),
            ("1.2.3", Err(Grammar)),
            ("-1", Err(Grammar)),
            ("+1", Err(Grammar)),
            ("1e5", Err(Grammar)),
            (" 1", Err(Grammar)),
            ("\u{0661}", Err(Grammar)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_scaled(text.as_bytes(), 8), expected, "{text:?}");
        }
    }

    #[test]
    fn a_decimal_with_too_many_digits_for_the_scale_is_refused() {
        let cases: [(&str, u8, Result<i64, DecimalError>); 9] = [
            ("12", 0, Ok(12)),
            ("12.000", 0, Ok(12)),
            ("12.5", 0, Err(TooPrecise)),
            ("0.4", 0, Err(TooPrecise)),
            ("9223372036854775807", 0, Ok(i64::MAX)),
            ("0.0000000001", 10, Ok(1)),
            ("0.000000000000000001", 18, Ok(1)),
            ("9.223372036854775807", 18, Ok(i64::MAX)),
            ("10", 18, Err(TooLarge)),
        ];
        for (text, places, expected) in cases {
            assert_eq!(parse_scaled(text.as_bytes(), places), expected, "{text:?} to {places} places");
        }
    }
}
