//! The values of a row's fields: exact, typed, and printed in one way.

use super::ratio::{write_double, write_scaled, write_scaled_big};
use super::schema::{Field, FieldType};
use num_bigint::{BigInt, Sign};
use num_traits::ToPrimitive;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A field's value. Three words: a row is a dozen of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Nothing can be said.
    Null,
    /// A whole number.
    Integer(i64),
    /// A whole number beyond 64 bits.
    Large(Box<BigInt>),
    /// A double; what is not finite is printed as null.
    Real(f64),
    /// True or false.
    Boolean(bool),
    /// A text.
    Text(Box<str>),
    /// A text of 16 hexadecimal digits.
    Digest(u64),
    /// An exact decimal.
    Decimal(Decimal),
    /// A list of objects: the values of each, in the order of its fields.
    List(Box<[Box<[Value]>]>),
}

/// An exact decimal: `scaled / 10^places`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decimal(Digits);

/// In halves, so that a decimal wants no more room than a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Digits {
    Small { places: u8, high: i64, low: u64 },
    Large(Box<(BigInt, u8)>),
}

impl Decimal {
    /// `scaled / 10^places`.
    #[inline]
    pub fn new(scaled: i128, places: u8) -> Decimal {
        Decimal(Digits::Small { places, high: (scaled >> 64) as i64, low: scaled as u64 })
    }

    /// The same of any size.
    pub fn of(scaled: &BigInt, places: u8) -> Decimal {
        match scaled.to_i128() {
            Some(small) => Decimal::new(small, places),
            None => Decimal(Digits::Large(Box::new((scaled.clone(), places)))),
        }
    }

    /// In steps of `10^-places`.
    pub fn scaled(&self) -> BigInt {
        match &self.0 {
            Digits::Small { high, low, .. } => BigInt::from(whole(*high, *low)),
            Digits::Large(large) => large.0.clone(),
        }
    }

    /// Fractional digits.
    pub fn places(&self) -> u8 {
        match &self.0 {
            Digits::Small { places, .. } => *places,
            Digits::Large(large) => large.1,
        }
    }

    /// A text as [`Decimal`]s are printed; `None` of any other text.
    pub fn parse(text: &str) -> Option<Decimal> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let canonical = (whole == "0" || !whole.starts_with('0')) && !whole.is_empty();
        let point = fraction.is_empty() != digits.contains('.');
        if !canonical
            || !point
            || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            || whole.contains('.')
        {
            return None;
        }
        let places = u8::try_from(fraction.len()).ok().filter(|_| !fraction.contains('.'))?;
        let scaled: BigInt = format!("{whole}{fraction}").parse().ok()?;
        match (text.starts_with('-'), scaled.sign()) {
            (true, Sign::NoSign) => None,
            (true, _) => Some(Decimal::of(&-scaled, places)),
            (false, _) => Some(Decimal::of(&scaled, places)),
        }
    }

    fn write(&self, out: &mut String) {
        match &self.0 {
            Digits::Small { places, high, low } => {
                let scaled = whole(*high, *low);
                if scaled < 0 {
                    out.push('-');
                }
                write_scaled(out, scaled.unsigned_abs(), usize::from(*places));
            }
            Digits::Large(large) => write_scaled_big(out, &large.0, usize::from(large.1)),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

fn whole(high: i64, low: u64) -> i128 {
    i128::from(high) << 64 | i128::from(low)
}

impl Value {
    /// A whole number.
    pub fn whole(number: i128) -> Value {
        match i64::try_from(number) {
            Ok(small) => Value::Integer(small),
            Err(_) => Value::Large(Box::new(BigInt::from(number))),
        }
    }

    /// A double, or null.
    pub fn real(number: Option<f64>) -> Value {
        number.filter(|number| number.is_finite()).map_or(Value::Null, Value::Real)
    }

    /// `scaled / 10^places`.
    #[inline]
    pub fn decimal(scaled: i128, places: u8) -> Value {
        Value::Decimal(Decimal::new(scaled, places))
    }

    /// The decimal, where it is one.
    pub fn as_decimal(&self) -> Option<&Decimal> {
        if let Value::Decimal(decimal) = self { Some(decimal) } else { None }
    }

    /// The number, where it is a whole one of 64 bits.
    pub fn as_integer(&self) -> Option<i64> {
        if let Value::Integer(number) = self { Some(*number) } else { None }
    }

    /// The text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// Whether a field may hold it.
    pub fn fits(&self, field: &Field) -> bool {
        match (self, field.ty) {
            (Value::Null, _) => field.nullable,
            (Value::Integer(_) | Value::Large(_), FieldType::Integer)
            | (Value::Real(_), FieldType::Real)
            | (Value::Boolean(_), FieldType::Boolean)
            | (Value::Digest(_), FieldType::Text)
            | (Value::Decimal(_), FieldType::Decimal) => true,
            (Value::Text(text), FieldType::Text) => {
                field.words.is_empty() || field.words.contains(&text.as_ref())
            }
            (Value::List(list), FieldType::List(fields)) => list.iter().all(|item| fit(item, fields)),
            _ => false,
        }
    }

    /// Appends it as JSON.
    pub fn write_json(&self, ty: FieldType, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Integer(number) => out.push_str(itoa::Buffer::new().format(*number)),
            Value::Large(number) => out.push_str(&number.to_string()),
            Value::Real(number) => write_double(out, Some(*number)),
            Value::Boolean(is) => out.push_str(if *is { "true" } else { "false" }),
            Value::Text(text) => write_json_string(out, text),
            Value::Digest(digest) => {
                out.push('"');
                write_digest(out, *digest);
                out.push('"');
            }
            Value::Decimal(decimal) => {
                out.push('"');
                decimal.write(out);
                out.push('"');
            }
            Value::List(list) => {
                let FieldType::List(fields) = ty else { return out.push_str("null") };
                for (place, item) in list.iter().enumerate() {
                    out.push_str(if place == 0 { "[{" } else { ",{" });
                    for (place, (field, value)) in fields.iter().zip(item).enumerate() {
                        out.push_str(if place == 0 { &field.label[1..] } else { field.label });
                        value.write_json(field.ty, out);
                    }
                    out.push('}');
                }
                out.push_str(if list.is_empty() { "[]" } else { "]" });
            }
        }
    }

    /// As a text: what JSON has, but a text without its quotes; `None` of null.
    pub fn text(&self, ty: FieldType) -> Option<Cow<'_, str>> {
        let mut text = String::new();
        match self {
            Value::Null => return None,
            Value::Text(text) => return Some(Cow::Borrowed(text)),
            Value::Digest(digest) => write_digest(&mut text, *digest),
            Value::Decimal(decimal) => decimal.write(&mut text),
            other => other.write_json(ty, &mut text),
        }
        Some(Cow::Owned(text))
    }
}

/// Whether values are those of these fields, one after the other.
pub fn fit(values: &[Value], fields: &[Field]) -> bool {
    values.len() == fields.len() && values.iter().zip(fields).all(|(value, field)| value.fits(field))
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

fn write_digest(out: &mut String, digest: u64) {
    // The nibbles from the highest on, and all of them at once: character by character each would ask for
    // room.
    let digit = |at: usize| b"0123456789abcdef"[(digest >> (60 - 4 * at) & 15) as usize];
    let digits: [u8; 16] = std::array::from_fn(digit);
    out.push_str(std::str::from_utf8(&digits).unwrap_or_default());
}

/// Appends a text as JSON.
pub fn write_json_string(out: &mut String, text: &str) {
    let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_row_stays_small() {
        assert_eq!(size_of::<Value>(), 24);
    }

    proptest! {
        #[test]
        fn a_printed_decimal_reads_back(scaled: i128, shift in 0u32..127, places in 0u8..40, large: bool) {
            let mut scaled = BigInt::from(scaled >> shift);
            if large {
                scaled = &scaled * &scaled * &scaled;
            }
            let decimal = Decimal::of(&scaled, places);
            let text = Value::Decimal(decimal.clone()).text(FieldType::Decimal).unwrap().into_owned();
            prop_assert_eq!((decimal.scaled(), decimal.places()), (scaled, places));
            prop_assert_eq!(Decimal::parse(&text), Some(decimal), "{}", text);
        }

        /// Whatever else is read is printed as it was written.
        #[test]
        fn what_reads_prints_the_same(text in "-?[0-9.]{0,6}") {
            if let Some(decimal) = Decimal::parse(&text) {
                let value = Value::Decimal(decimal);
                prop_assert_eq!(value.text(FieldType::Decimal).unwrap(), text);
            }
        }
    }
}
