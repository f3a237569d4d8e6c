//! Prices and quantities: decimal text read straight into integers scaled by 1e8, never through a float.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Decimal places of a price or a quantity.
pub const PLACES: u32 = 8;

/// Why a text is no price and no quantity (`docs/semantics.md#numbers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecimalError {
    /// Empty, a sign, an exponent, a bare point or anything else that the grammar has not.
    #[error("not a plain decimal number")]
    Grammar,
    /// A non-zero digit after the eighth decimal.
    #[error("more than eight decimals")]
    TooPrecise,
    /// Zero.
    #[error("zero")]
    Zero,
    /// The scaled value is 2^63 or more.
    #[error("too large")]
    TooLarge,
}

/// Reads a plain decimal: ASCII digits, then optionally a point and at least one digit.
/// The result is scaled by 1e8, in 1..2^63. A text with several faults is given any one of them.
pub fn parse_scaled(text: &[u8]) -> Result<i64, DecimalError> {
    let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |t: &[u8]| !t.is_empty() && t.iter().all(u8::is_ascii_digit);
    if !digits(whole) || !fraction.is_none_or(digits) {
        return Err(DecimalError::Grammar);
    }
    let fraction = fraction.unwrap_or_default();
    if fraction.iter().skip(PLACES as usize).any(|&b| b != b'0') {
        return Err(DecimalError::TooPrecise);
    }
    let mut scaled: i64 = 0;
    let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(PLACES as usize);
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
            /// From a value scaled by 1e8; `None` unless it is positive.
            pub const fn from_scaled(scaled: i64) -> Option<Self> {
                if scaled > 0 { Some($name(scaled)) } else { None }
            }

            /// Reads decimal text (`docs/semantics.md#numbers`).
            pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
                parse_scaled(text).map($name)
            }

            /// The value scaled by 1e8, in 1..2^63.
            pub const fn scaled(self) -> i64 {
                self.0
            }
        }
    };
}

scaled_newtype! {
    /// A price in the quote asset, in steps of 1e-8; always positive.
    Price
}
scaled_newtype! {
    /// A quantity of the base asset, in steps of 1e-8; always positive.
    Quantity
}

#[cfg(test)]
mod tests {
    use super::*;
    use DecimalError::*;

    #[test]
    fn grammar() {
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
            assert_eq!(parse_scaled(text.as_bytes()), expected, "{text:?}");
        }
    }
}
