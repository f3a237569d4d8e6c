//! The values that were found in a record, and how their texts and numbers are read, whatever the record is
//! written in.

use super::condition::{Condition, Requirement, ScalarValue};
use super::decimal::{DecimalParts, ShortDecimal};
use super::finds::FoundValue;
use super::paths::TargetCell;
use super::time::LastDay;
use std::fmt::Write;

/// The values of one record, and how their texts are read.
pub(super) struct Values<'a, L, R> {
    pub(super) bytes: &'a [u8],
    /// What was written out of a binary record.
    pub(super) sheet: &'a [u8],
    pub(super) lookup: L,
    pub(super) rows: R,
    pub(super) unescape: fn(&[u8], &mut String),
}

/// Room for texts.
pub(super) struct Texts<'a> {
    pub(super) text: &'a mut String,
    pub(super) symbol: &'a mut String,
    pub(super) other: &'a mut String,
    pub(super) day: &'a mut LastDay,
}

impl<'a, L: Fn(TargetCell, usize) -> FoundValue, R> Values<'a, L, R> {
    /// The text that a value is, where it is one: UTF-8, as the whole record is.
    #[inline]
    pub(super) fn text<'t>(&self, found: FoundValue, room: &'t mut String) -> Option<&'t [u8]>
    where
        'a: 't,
    {
        match found {
            FoundValue::Text { from, to, escaped: false, .. } => self.bytes.get(from as usize..to as usize),
            FoundValue::Text { from, to, .. } => {
                (self.unescape)(self.bytes.get(from as usize..to as usize)?, room);
                Some(room.as_bytes())
            }
            FoundValue::Written { from, to, is_text: true, .. } => self.sheet.get(from as usize..to as usize),
            _ => None,
        }
    }

    /// The digits of a number, or of a text.
    pub(super) fn digits<'t>(&self, found: FoundValue, room: &'t mut String) -> Option<&'t [u8]>
    where
        'a: 't,
    {
        room.clear();
        // A text takes everything.
        let _ = match found {
            FoundValue::Number { from, to } => return self.bytes.get(from as usize..to as usize),
            FoundValue::Written { from, to, is_text: false, .. } => {
                return self.sheet.get(from as usize..to as usize);
            }
            FoundValue::Integer { value, .. } | FoundValue::Decimal { value, scale: 0, .. } => {
                write!(room, "{value}")
            }
            FoundValue::Decimal { value, scale, .. } => write!(room, "{value}e-{scale}"),
            _ => return self.text(found, room),
        };
        Some(room.as_bytes())
    }

    /// A number, or a text of one, that has few digits.
    #[inline(always)]
    pub(super) fn short(&self, found: FoundValue) -> Option<ShortDecimal> {
        let (value, scale) = match found {
            FoundValue::Number { from, to } | FoundValue::Text { from, to, escaped: false, .. } => {
                return ShortDecimal::parse(self.bytes, from as usize, to as usize);
            }
            FoundValue::Integer { value, .. } => (value, 0),
            FoundValue::Decimal { value, scale, .. } => (value, scale),
            _ => return None,
        };
        Some(ShortDecimal { value: value.unsigned_abs(), places: scale.into(), is_negative: value < 0 })
    }

    /// A short text or number that is an id: without a leading zero, a sign or a point.
    #[inline(always)]
    pub(super) fn short_id(&self, found: FoundValue) -> Option<u64> {
        let has_leading_zero = match found {
            FoundValue::Number { from, to } | FoundValue::Text { from, to, .. } => {
                to - from > 1 && self.bytes.get(from as usize) == Some(&b'0')
            }
            _ => false,
        };
        let short = self.short(found).filter(|short| short.places == 0 && !short.is_negative)?;
        (short.value < 1 << 63 && !has_leading_zero).then_some(short.value)
    }

    pub(super) fn holds(&self, condition: &Condition, room: &mut String) -> bool {
        let found = (self.lookup)(condition.cell, 0);
        match &condition.wanted {
            Requirement::Exists => !matches!(found, FoundValue::Absent),
            Requirement::OneOf(scalars) => scalars.iter().any(|scalar| self.equals(&found, scalar, room)),
        }
    }

    #[inline]
    pub(super) fn equals(&self, found: &FoundValue, scalar: &ScalarValue, room: &mut String) -> bool {
        match scalar {
            ScalarValue::Text(wanted) => self.text(*found, room) == Some(wanted.as_bytes()),
            ScalarValue::Bool(wanted) => matches!(found, FoundValue::Bool(value) if value == wanted),
            ScalarValue::Integer(wanted) if found.is_number() => self
                .digits(*found, room)
                .is_some_and(|digits| digits == wanted.as_bytes() || same_number(digits, wanted.as_bytes())),
            ScalarValue::Integer(_) => false,
        }
    }
}

/// Whether two numbers with their signs have one value.
fn same_number(a: &[u8], b: &[u8]) -> bool {
    let (a_digits, b_digits) = (a.strip_prefix(b"-").unwrap_or(a), b.strip_prefix(b"-").unwrap_or(b));
    let (Some(a_value), Some(b_value)) = (DecimalParts::parse(a_digits), DecimalParts::parse(b_digits))
    else {
        return false;
    };
    let same_sign = a.starts_with(b"-") == b.starts_with(b"-");
    a_value.same_value(&b_value) && (same_sign || a_value.is_zero())
}

/// An id that is an integer: 1 to 19 digits without a leading zero, below 2^63.
#[inline]
pub(super) fn integer(text: &[u8]) -> Option<u64> {
    let is_plain = matches!(text, [b'0'] | [b'1'..=b'9', ..]) && text.len() <= 19;
    if !is_plain {
        return None;
    }
    let mut value = 0u64;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    (value < 1 << 63).then_some(value)
}
