//! Decimal texts as venues write them, to integers of a scale: exact, in time bounded by their length.
//!
//! The grammar is digits, optionally a point and digits, optionally an exponent. It is JSON's for numbers
//! without a sign (JSON itself refuses a leading zero), and it is applied to texts as it stands. Nothing goes
//! through a float.

use super::fault::Fault;
use crate::wire::numbers::{digits, eight_digits, load};

/// What happens to digits beyond the scale.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Excess {
    /// They make the record bad, unless they are zeros.
    Refuse,
    /// The value is rounded half to even.
    Round,
    /// They are cut off.
    Cut,
}

/// A decimal text taken apart.
#[derive(Debug, Copy, Clone)]
pub(super) struct DecimalParts<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// A number of few digits: one integer, of whose digits so many stand behind the point.
#[derive(Debug, Copy, Clone)]
pub(super) struct ShortDecimal {
    pub(super) value: u64,
    pub(super) places: u32,
    pub(super) is_negative: bool,
}

/// Ten to the power of each place; 10^19 is the greatest that is below 2^64.
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = 10 * powers[power - 1];
        power += 1;
    }
    powers
};

impl ShortDecimal {
    /// Reads the text between two places of a record, eight bytes at a time. Nothing where it is not short,
    /// stands near the record's end, or is no number: [`DecimalParts`] decides of these.
    #[inline]
    pub(super) fn parse(bytes: &[u8], from: usize, to: usize) -> Option<Self> {
        let (short, end) = Self::read(bytes, from)?;
        (end == to).then_some(short)
    }

    /// Reads digits, with a sign and a point where they are there, and where they end.
    #[inline(always)]
    pub(super) fn read(bytes: &[u8], from: usize) -> Option<(Self, usize)> {
        let is_negative = *bytes.get(from)? == b'-';
        let from = from + usize::from(is_negative);
        let (whole, count) = digits_at(bytes, from)?;
        let point = from + count;
        if count == 0 {
            return None;
        }
        if *bytes.get(point)? != b'.' {
            return Some((ShortDecimal { value: whole, places: 0, is_negative }, point));
        }
        let (fraction, places) = digits_at(bytes, point + 1)?;
        if places == 0 || count + places >= POWERS.len() {
            return None;
        }
        // Below 10^19.
        let value = whole * POWERS[places] + fraction;
        Some((ShortDecimal { value, places: places as u32, is_negative }, point + 1 + places))
    }

    /// The magnitude times ten to the power of `places`; nothing where that is not below 2^63, or is not
    /// exact and not cut.
    #[inline(always)]
    pub(super) fn scaled(&self, places: i32, excess: Excess) -> Option<u64> {
        let shift = i64::from(places) - i64::from(self.places);
        if shift == 0 {
            return Some(self.value).filter(|value| *value < 1 << 63);
        }
        let power = *POWERS.get(usize::try_from(shift.unsigned_abs()).ok()?)?;
        let value = match shift {
            1.. => self.value.checked_mul(power)?,
            _ if excess == Excess::Cut || self.value.is_multiple_of(power) => self.value / power,
            _ => return None,
        };
        (value < 1 << 63).then_some(value)
    }
}

/// The number that at most sixteen digits make, and how many there are; nothing where the bytes end soon.
#[inline(always)]
fn digits_at(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let word = load(bytes, at)?;
    let count = digits(word) as usize;
    match count {
        0 => return Some((0, 0)),
        8 => {}
        _ => return Some((eight_digits(word << (64 - 8 * count)), count)),
    }
    let high = eight_digits(word);
    if !bytes.get(at + 8)?.is_ascii_digit() {
        return Some((high, 8));
    }
    let word = load(bytes, at + 8)?;
    let count = digits(word) as usize;
    Some((high * POWERS[count] + eight_digits(word << (64 - 8 * count)), 8 + count))
}

/// Exponents beyond this are as good as infinite: no record has so many digits.
const GREATEST_EXPONENT: i64 = 1 << 40;

impl<'a> DecimalParts<'a> {
    /// Takes a text apart; `None` where it is no decimal.
    #[inline]
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (whole, rest) = leading_digits(text)?;
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => leading_digits(rest)?,
            _ => (&[][..], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        Some(DecimalParts { whole, fraction, exponent })
    }

    /// The value times ten to the power of `places`.
    #[inline]
    pub(super) fn scaled(&self, places: i32, excess: Excess) -> Result<u64, Fault> {
        let shift = self.exponent - self.fraction.len() as i64 + i64::from(places);
        let digits = self.whole.len() + self.fraction.len();
        let kept = if shift >= 0 { digits } else { digits.saturating_sub(shift.unsigned_abs() as usize) };
        let mut value = self.number(kept)?;
        if shift > 0 && value > 0 {
            // 10^19 is more than any value that is accepted.
            let factor = 10u64.checked_pow(u32::try_from(shift).unwrap_or(u32::MAX));
            value = factor.and_then(|factor| value.checked_mul(factor)).ok_or(Fault::TooLarge)?;
        }
        if shift < 0 && excess != Excess::Cut {
            value += self.round_up(kept, shift, excess, value % 2 == 1)?;
        }
        if value < 1 << 63 { Ok(value) } else { Err(Fault::TooLarge) }
    }

    fn digit(&self, at: usize) -> u8 {
        let digit = match self.whole.get(at) {
            Some(digit) => *digit,
            None => self.fraction[at - self.whole.len()],
        };
        digit - b'0'
    }

    /// The number that the first digits make.
    #[inline]
    fn number(&self, count: usize) -> Result<u64, Fault> {
        let whole = &self.whole[..count.min(self.whole.len())];
        let fraction = &self.fraction[..count - whole.len()];
        let mut value = 0u64;
        if count <= 19 {
            for digit in whole.iter().chain(fraction) {
                value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            }
            return Ok(value);
        }
        for digit in whole.iter().chain(fraction) {
            let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0')));
            value = next.ok_or(Fault::TooLarge)?;
        }
        Ok(value)
    }

    /// What the digits behind the kept ones add to the value: nothing or one.
    fn round_up(&self, kept: usize, shift: i64, excess: Excess, odd: bool) -> Result<u64, Fault> {
        let digits = self.whole.len() + self.fraction.len();
        let some_left = |from: usize| (from..digits).any(|at| self.digit(at) != 0);
        if excess == Excess::Refuse {
            return if some_left(kept) { Err(Fault::TooPrecise) } else { Ok(0) };
        }
        // More places are dropped than there are digits: the value is below a tenth.
        if shift.unsigned_abs() as usize > digits {
            return Ok(0);
        }
        let first = self.digit(kept);
        Ok(u64::from(first > 5 || first == 5 && (odd || some_left(kept + 1))))
    }

    /// Whether it is zero.
    pub(super) fn is_zero(&self) -> bool {
        self.whole.iter().chain(self.fraction).all(|digit| *digit == b'0')
    }

    /// Whether two decimals are the same number.
    pub(super) fn same_value(&self, other: &DecimalParts<'_>) -> bool {
        let (a, b) = (self.normal(), other.normal());
        a.1 == b.1 && a.0.eq(b.0)
    }

    /// Its digits without zeros at either end, and the power of ten of the last one.
    fn normal(&self) -> (impl Iterator<Item = u8> + '_, i64) {
        let digits = self.whole.len() + self.fraction.len();
        let last = (0..digits).rev().find(|at| self.digit(*at) != 0);
        let first = (0..digits).find(|at| self.digit(*at) != 0).unwrap_or(0);
        let power = last.map_or(0, |last| self.exponent + self.whole.len() as i64 - 1 - last as i64);
        ((first..last.map_or(first, |last| last + 1)).map(|at| self.digit(at)), power)
    }
}

/// One digit or more, and what follows them.
#[inline]
fn leading_digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| text.split_at(count))
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (digits, rest) = leading_digits(digits)?;
    if !rest.is_empty() {
        return None;
    }
    let value = digits
        .iter()
        .fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(GREATEST_EXPONENT));
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;
    use num_integer::Integer;
    use num_rational::BigRational;
    use num_traits::{Pow, Signed, Zero};
    use proptest::prelude::*;

    fn scaled(text: &str, places: i32, excess: Excess) -> Option<Result<u64, Fault>> {
        DecimalParts::parse(text.as_bytes()).map(|decimal| decimal.scaled(places, excess))
    }

    #[test]
    fn each_form_of_a_number_gives_its_exact_value() {
        use Excess::{Cut, Refuse, Round};
        let cases = [
            ("1", 8, Refuse, Some(Ok(100_000_000))),
            ("9.2E-7", 8, Refuse, Some(Ok(92))),
            ("0.02922270", 8, Refuse, Some(Ok(2_922_270))),
            ("716.0", 8, Refuse, Some(Ok(71_600_000_000))),
            ("1e3", 0, Refuse, Some(Ok(1_000))),
            ("1E+3", 0, Refuse, Some(Ok(1_000))),
            ("0e99999999999999999999", 8, Refuse, Some(Ok(0))),
            ("1e99999999999999999999", 8, Refuse, Some(Err(Fault::TooLarge))),
            ("1e-99999999999999999999", 8, Refuse, Some(Err(Fault::TooPrecise))),
            ("1e-99999999999999999999", 8, Round, Some(Ok(0))),
            ("0.000000005", 8, Round, Some(Ok(0))),
            ("0.000000015", 8, Round, Some(Ok(2))),
            ("0.0000000050001", 8, Round, Some(Ok(1))),
            ("0.30000000000000004", 8, Round, Some(Ok(30_000_000))),
            ("0.30000000000000004", 8, Refuse, Some(Err(Fault::TooPrecise))),
            ("1626992741.4215555", 6, Cut, Some(Ok(1_626_992_741_421_555))),
            ("9223372036854775807", 0, Refuse, Some(Ok(i64::MAX as u64))),
            ("9223372036854775808", 0, Refuse, Some(Err(Fault::TooLarge))),
            ("99999999999999999999999", 0, Refuse, Some(Err(Fault::TooLarge))),
            ("00000000000000000000000001", 0, Refuse, Some(Ok(1))),
            ("", 8, Refuse, None),
            (".5", 8, Refuse, None),
            ("5.", 8, Refuse, None),
            ("-1", 8, Refuse, None),
            ("+1", 8, Refuse, None),
            ("1e", 8, Refuse, None),
            ("1e+", 8, Refuse, None),
            ("1 ", 8, Refuse, None),
            ("0x1", 8, Refuse, None),
        ];
        for (text, places, excess, expected) in cases {
            assert_eq!(scaled(text, places, excess), expected, "{text:?} {excess:?}");
        }
    }

    /// The same in rational arithmetic.
    fn reference(text: &str, places: i32, excess: Excess) -> Result<u64, Fault> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: BigInt = format!("{whole}{fraction}").parse().unwrap();
        let power = exponent.parse::<i32>().unwrap() - fraction.len() as i32 + places;
        let ten = BigInt::from(10);
        let value = match power {
            0.. => BigRational::from(digits * ten.pow(power.unsigned_abs())),
            _ => BigRational::new(digits, ten.pow(power.unsigned_abs())),
        };
        let floor = value.floor().to_integer();
        let rest = &value - BigRational::from(floor.clone());
        let half = BigRational::new(1.into(), 2.into());
        let rounded = match excess {
            Excess::Refuse if !rest.is_zero() => None,
            Excess::Round if rest > half || rest == half && floor.is_odd() => Some(floor.clone() + 1),
            _ => Some(floor.clone()),
        };
        match rounded {
            Some(value) if value < BigInt::from(1u64 << 63) => Ok(value.abs().try_into().unwrap()),
            None if floor < BigInt::from(1u64 << 63) => Err(Fault::TooPrecise),
            _ => Err(Fault::TooLarge),
        }
    }

    proptest! {
        #[test]
        fn a_short_decimal_is_what_the_slow_way_reads(
            sign in prop::sample::select(vec!["", "-"]),
            text in "[0-9]{0,17}([.][0-9]{0,17})?([eE][+-]?[0-9]{1,2})?",
            before in "[0-9\",]{0,3}", after in "[0-9.\",}]{0,20}",
            places in -3i32..19,
            excess in prop::sample::select(vec![Excess::Refuse, Excess::Round, Excess::Cut]),
        ) {
            let record = format!("{before}{sign}{text}{after}");
            let (from, to) = (before.len(), before.len() + sign.len() + text.len());
            let Some(short) = ShortDecimal::parse(record.as_bytes(), from, to) else {
                let parts = DecimalParts::parse(text.as_bytes());
                let is_plain = parts.is_some_and(|decimal| decimal.exponent == 0);
                let goes_on = after.starts_with(|c: char| c.is_ascii_digit() || c == '.');
                let is_short = text.len() < 8 && after.len() >= 8 && !goes_on && !text.contains(['e', 'E']);
                prop_assert!(!is_plain || !is_short, "{text} is left to the slow way");
                return Ok(());
            };
            prop_assert_eq!(short.is_negative, !sign.is_empty());
            if let Some(value) = short.scaled(places, excess) {
                prop_assert_eq!(scaled(&text, places, excess), Some(Ok(value)));
            }
        }

        #[test]
        fn a_decimal_is_scaled_as_in_rational_arithmetic(
            text in "[0-9]{1,22}([.][0-9]{1,22})?([eE][+-]?[0-9]{1,2})?",
            places in -3i32..19,
            excess in prop::sample::select(vec![Excess::Refuse, Excess::Round, Excess::Cut]),
        ) {
            let got = scaled(&text, places, excess).unwrap();
            let expected = reference(&text, places, excess);
            // Of a number with both faults either may be named.
            prop_assert!(got == expected || got.is_err() && expected.is_err(), "{got:?} {expected:?}");
        }

        #[test]
        fn two_texts_are_the_same_number_exactly_if_their_values_are_equal(
            a in "[0-9]{1,3}([.][0-9]{1,3})?(e-?[0-3])?", b in "[0-9]{1,3}([.][0-9]{1,3})?(e-?[0-3])?",
        ) {
            let [a, b] = [&a, &b].map(|text| DecimalParts::parse(text.as_bytes()).unwrap());
            let value = |decimal: &DecimalParts<'_>| decimal.scaled(9, Excess::Refuse).unwrap();
            prop_assert_eq!(a.same_value(&b), value(&a) == value(&b));
        }
    }
}
