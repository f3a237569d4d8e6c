//! The values of a binary record, written out: digits of its numbers and its texts, one after another, so that they are
//! read as those of JSON are. A number is exactly what it was: a decimal keeps its scale as an exponent.

// A build without both encodings has a part of it for nothing.
#![cfg_attr(not(all(feature = "avro", feature = "protobuf")), allow(dead_code))]

use super::finds::Found;
use crate::wire::BadRecord;
use num_bigint::BigInt;
use std::io::Write;

/// A decimal has so many bytes at most: 154 digits.
const MOST_DECIMAL_BYTES: usize = 64;

/// What was written out of one record, kept for its allocations.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    text: Vec<u8>,
    /// Where each value stands here, and where in the record.
    origins: Vec<(usize, usize)>,
}

/// The digits of each number below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

impl Sheet {
    /// Forgets the record before.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.origins.clear();
    }

    /// All that was written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// Where in the record the value stands that was written there.
    pub(super) fn origin(&self, at: usize) -> Option<usize> {
        let after = self.origins.partition_point(|(here, _)| *here <= at);
        Some(self.origins.get(after.checked_sub(1)?)?.1)
    }

    fn begin(&mut self, at: usize) -> usize {
        let from = self.text.len();
        self.origins.push((from, at));
        from
    }

    /// A text that stands at `at` in the record.
    #[inline]
    pub(super) fn text(&mut self, text: &str, at: usize) -> Found {
        let from = self.begin(at);
        self.text.extend_from_slice(text.as_bytes());
        Found::Text { from, to: self.text.len(), escaped: false }
    }

    /// A whole number.
    #[inline]
    pub(super) fn integer(&mut self, value: i64, at: usize) -> Found {
        let from = self.begin(at);
        if value < 0 {
            self.text.push(b'-');
        }
        self.digits(value.unsigned_abs());
        Found::Number { from, to: self.text.len() }
    }

    /// A whole number that has no sign.
    #[inline]
    pub(super) fn unsigned(&mut self, value: u64, at: usize) -> Found {
        let from = self.begin(at);
        self.digits(value);
        Found::Number { from, to: self.text.len() }
    }

    #[inline]
    fn digits(&mut self, mut value: u64) {
        // 2^64 has twenty digits.
        let mut digits = [0u8; 20];
        let mut from = digits.len();
        while value >= 10 {
            from -= 2;
            digits[from..from + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
            value /= 100;
        }
        if value > 0 || from == digits.len() {
            from -= 1;
            digits[from] = b'0' + value as u8;
        }
        self.text.extend_from_slice(&digits[from..]);
    }

    /// A number in two's complement, its greatest byte first, times ten to the power of `-scale`.
    pub(super) fn decimal(&mut self, bytes: &[u8], scale: u32, at: usize) -> Result<Found, BadRecord> {
        let from = self.begin(at);
        let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
        match bytes.len() {
            0..=8 => {
                let fill = if is_negative { u64::MAX } else { 0 };
                let value = bytes.iter().fold(fill, |value, byte| value << 8 | u64::from(*byte)) as i64;
                if value < 0 {
                    self.text.push(b'-');
                }
                self.digits(value.unsigned_abs());
            }
            9..=MOST_DECIMAL_BYTES => {
                let value = BigInt::from_signed_bytes_be(bytes);
                self.text.extend_from_slice(value.to_string().as_bytes());
            }
            _ => return Err(BadRecord { reason: "a decimal of more than 64 bytes", at: Some(at) }),
        }
        if scale > 0 {
            self.text.extend_from_slice(b"e-");
            self.digits(scale.into());
        }
        Ok(Found::Number { from, to: self.text.len() })
    }

    /// A float as the shortest decimal that reads back as it. What is not finite is written as no number.
    pub(super) fn float(&mut self, value: impl std::fmt::LowerExp, at: usize) -> Found {
        let from = self.begin(at);
        // A vector takes everything.
        let _ = write!(self.text, "{value:e}");
        Found::Number { from, to: self.text.len() }
    }

    /// A time as RFC 3339 has it.
    pub(super) fn time(&mut self, time: jiff::Timestamp, at: usize) -> Found {
        let from = self.begin(at);
        let _ = write!(self.text, "{time}");
        Found::Text { from, to: self.text.len(), escaped: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(sheet: &Sheet, found: Found) -> &str {
        let (Found::Number { from, to } | Found::Text { from, to, .. }) = found else { return "none" };
        std::str::from_utf8(&sheet.bytes()[from..to]).unwrap()
    }

    #[test]
    fn decimals_keep_their_scale_and_floats_their_shortest_digits() {
        let mut sheet = Sheet::default();
        let cases: [(&[u8], u32, &str); 7] = [
            (&[], 2, "0e-2"),
            (&[0x01, 0x00], 0, "256"),
            (&[0xff], 3, "-1e-3"),
            (&[0x80, 0, 0, 0, 0, 0, 0, 0], 0, "-9223372036854775808"),
            (&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 8, "18446744073709551615e-8"),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 7], 12, "7e-12"),
            (&[0xff, 0, 0, 0, 0, 0, 0, 0, 0], 0, "-18446744073709551616"),
        ];
        for (bytes, scale, expected) in cases {
            let found = sheet.decimal(bytes, scale, 0).unwrap();
            assert_eq!(written(&sheet, found), expected);
        }
        assert!(sheet.decimal(&[1; 65], 0, 3).is_err());
        for (float, expected) in [(0.1, "1e-1"), (8_900.25, "8.90025e3"), (f64::NAN, "NaN"), (-2.0, "-2e0")] {
            let found = sheet.float(float, 9);
            assert_eq!(written(&sheet, found), expected);
        }
        let found = sheet.float(0.1f32, 9);
        assert_eq!(written(&sheet, found), "1e-1");
    }

    proptest! {
        #[test]
        fn integers_are_written_as_rust_writes_them(values in prop::collection::vec(any::<i64>(), 1..9), shift in 0u32..64) {
            let mut sheet = Sheet::default();
            for (at, value) in values.iter().map(|value| value >> shift).enumerate() {
                let found = sheet.integer(value, 3 * at);
                prop_assert_eq!(written(&sheet, found), value.to_string());
                prop_assert_eq!(found.at().and_then(|from| sheet.origin(from)), Some(3 * at));
                let found = sheet.unsigned(value as u64, at);
                prop_assert_eq!(written(&sheet, found), (value as u64).to_string());
            }
        }
    }
}
