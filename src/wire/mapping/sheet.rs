//! The values of a binary record that are neither in it as they are read nor small numbers: written out one
//! after another, so that they are read as those of JSON are. A number is exactly what it was: a decimal
//! keeps its scale as an exponent.

// A build without both encodings has a part of it for nothing.
#![cfg_attr(not(all(feature = "avro", feature = "protobuf")), allow(dead_code))]

use super::finds::FoundValue;
use crate::wire::BadRecord;
use num_bigint::BigInt;
use std::io::Write;

/// A decimal has so many bytes at most: 154 digits.
const MOST_DECIMAL_BYTES: usize = 64;

/// What was written out of one record, kept for its allocations.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    text: Vec<u8>,
}

impl Sheet {
    /// Forgets the record before.
    pub(super) fn clear(&mut self) {
        self.text.clear();
    }

    /// All that was written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// What was written from a place on, of a value that stands at `at` in the record.
    fn written(&self, from: usize, at: usize, is_text: bool) -> FoundValue {
        // Beyond 4 GiB stands an empty text, which is no value.
        let place = |place| u32::try_from(place).unwrap_or(u32::MAX);
        FoundValue::Written { at: at as u32, from: place(from), to: place(self.text.len()), is_text }
    }

    /// A text that does not stand in the record.
    #[inline]
    pub(super) fn text(&mut self, text: &str, at: usize) -> FoundValue {
        let from = self.text.len();
        self.text.extend_from_slice(text.as_bytes());
        self.written(from, at, true)
    }

    /// A whole number that has no sign.
    #[inline]
    pub(super) fn unsigned(&mut self, value: u64, at: usize) -> FoundValue {
        if let Ok(value) = i64::try_from(value) {
            return integer(value, at);
        }
        let from = self.text.len();
        // A vector takes everything.
        let _ = write!(self.text, "{value}");
        self.written(from, at, false)
    }

    /// A number in two's complement, its greatest byte first, times ten to the power of `-scale`. It is put
    /// straight into its cell: a copy would be read in other pieces than it was written in.
    #[inline]
    pub(super) fn decimal(
        &mut self,
        bytes: &[u8],
        scale: u32,
        at: usize,
        cell: &mut FoundValue,
    ) -> Result<(), BadRecord> {
        if bytes.len() <= 8
            && let Ok(scale) = u16::try_from(scale)
        {
            let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
            let fill = if is_negative { u64::MAX } else { 0 };
            let value = bytes.iter().fold(fill, |value, byte| value << 8 | u64::from(*byte)) as i64;
            *cell = FoundValue::Decimal { at: at as u32, scale, value };
            return Ok(());
        }
        if bytes.len() > MOST_DECIMAL_BYTES {
            return Err(BadRecord { reason: "a decimal of more than 64 bytes", at: Some(at) });
        }
        let from = self.text.len();
        let value = BigInt::from_signed_bytes_be(bytes);
        let _ = write!(self.text, "{value}");
        if scale > 0 {
            let _ = write!(self.text, "e-{scale}");
        }
        *cell = self.written(from, at, false);
        Ok(())
    }

    /// A float as the shortest decimal that reads back as it. What is not finite is written as no number.
    pub(super) fn float(&mut self, value: impl std::fmt::LowerExp, at: usize) -> FoundValue {
        let from = self.text.len();
        let _ = write!(self.text, "{value:e}");
        self.written(from, at, false)
    }

    /// A time as RFC 3339 has it.
    pub(super) fn time(&mut self, time: jiff::Timestamp, at: usize) -> FoundValue {
        let from = self.text.len();
        let _ = write!(self.text, "{time}");
        self.written(from, at, true)
    }
}

/// A whole number.
#[inline]
pub(super) fn integer(value: i64, at: usize) -> FoundValue {
    FoundValue::Integer { at: at as u32, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mapping::values::Values;

    fn written(sheet: &Sheet, found: FoundValue) -> String {
        let values = Values {
            bytes: &[],
            sheet: sheet.bytes(),
            lookup: |_, _| FoundValue::Absent,
            rows: (),
            unescape: |_, _| {},
        };
        let mut room = String::new();
        let digits = values.digits(found, &mut room).unwrap();
        String::from_utf8(digits.to_vec()).unwrap()
    }

    #[test]
    fn decimals_keep_their_scale_and_floats_their_shortest_digits() {
        let mut sheet = Sheet::default();
        let cases: [(&[u8], u32, &str); 8] = [
            (&[1], 70_000, "1e-70000"),
            (&[], 2, "0e-2"),
            (&[0x01, 0x00], 0, "256"),
            (&[0xff], 3, "-1e-3"),
            (&[0x80, 0, 0, 0, 0, 0, 0, 0], 0, "-9223372036854775808"),
            (&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 8, "18446744073709551615e-8"),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 7], 12, "7e-12"),
            (&[0xff, 0, 0, 0, 0, 0, 0, 0, 0], 0, "-18446744073709551616"),
        ];
        for (bytes, scale, expected) in cases {
            let mut found = FoundValue::Absent;
            sheet.decimal(bytes, scale, 0, &mut found).unwrap();
            assert_eq!(written(&sheet, found), expected);
        }
        assert!(sheet.decimal(&[1; 65], 0, 3, &mut FoundValue::Absent).is_err());
        for (float, expected) in [(0.1, "1e-1"), (8_900.25, "8.90025e3"), (f64::NAN, "NaN"), (-2.0, "-2e0")] {
            let found = sheet.float(float, 9);
            assert_eq!(written(&sheet, found), expected);
        }
        let found = sheet.float(0.1f32, 9);
        assert_eq!(written(&sheet, found), "1e-1");
    }

    #[test]
    fn a_number_beyond_63_bits_is_written_as_rust_writes_it() {
        let mut sheet = Sheet::default();
        for value in [0, 7, i64::MAX as u64, 1 << 63, u64::MAX] {
            let found = sheet.unsigned(value, 3);
            assert_eq!(written(&sheet, found), value.to_string());
            assert_eq!(found.at(), Some(3));
        }
    }
}
