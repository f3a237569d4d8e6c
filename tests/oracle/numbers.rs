//! How exact numbers are printed (`docs/semantics.md#numbers`).

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{Signed, Zero};

/// Ten to this power.
pub(crate) fn ten_to(power: u32) -> BigInt {
    BigInt::from(10).pow(power)
}

/// An integer scaled by ten to `places`, as decimal text with so many fractional digits.
pub(crate) fn scaled(value: &BigInt, places: usize) -> String {
    assert!(!value.is_negative(), "nothing that is printed is negative");
    if places == 0 {
        return value.to_string();
    }
    let digits = format!("{value:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{whole}.{fraction}")
}

/// A rate as it is printed: scaled by 1e18, rounded half to even.
pub(crate) fn rate(exact: &BigRational) -> BigInt {
    half_to_even(&(exact * ten_to(18)))
}

/// The same of an integer that may be negative: a sign stands before what is not zero.
pub(crate) fn signed(value: &BigInt, places: usize) -> String {
    let sign = if value.is_negative() { "-" } else { "" };
    format!("{sign}{}", scaled(&value.abs(), places))
}

/// The nearest integer of what may be negative, of two equally near ones the even one.
pub(crate) fn half_to_even_signed(exact: &BigRational) -> BigInt {
    let nearest = half_to_even(&exact.abs());
    if exact.is_negative() { -nearest } else { nearest }
}

/// The nearest integer, of two equally near ones the even one; of what is not negative.
fn half_to_even(exact: &BigRational) -> BigInt {
    let (floor, rest) = exact.numer().div_mod_floor(exact.denom());
    let up = match (rest * 2u8).cmp(exact.denom()) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => floor.is_odd(),
        std::cmp::Ordering::Greater => true,
    };
    floor + u8::from(up)
}

/// The nearest double, of two equally near ones the even one; nothing where that is infinite. Of what is not
/// negative.
pub(crate) fn double(exact: &BigRational) -> Option<f64> {
    assert!(exact.numer().sign() != Sign::Minus, "no variance is negative");
    if exact.is_zero() {
        return Some(0.0);
    }
    // The value is m * 2^exponent with a whole m of 53 bits, or of fewer at the least exponent there is.
    let bits = |number: &BigInt| i64::try_from(number.bits()).expect("no number is so long");
    let mut exponent = (bits(exact.numer()) - bits(exact.denom()) - 54).max(-1074);
    let two_to_53 = BigInt::from(1u64 << 53);
    let mantissa = loop {
        let mantissa = half_to_even(&(exact * power_of_two(-exponent)));
        if mantissa < two_to_53 {
            break u64::try_from(&mantissa).expect("less than 2^53");
        }
        exponent += 1;
    };
    // Below 2^52 at the least exponent the number is subnormal, and its exponent field is zero.
    let bits = if mantissa >= 1 << 52 {
        let field = u64::try_from(exponent + 1075).expect("at least 1");
        if field >= 0x7ff {
            return None;
        }
        field << 52 | (mantissa & ((1 << 52) - 1))
    } else {
        assert_eq!(exponent, -1074, "only subnormal numbers have fewer bits");
        mantissa
    };
    Some(f64::from_bits(bits))
}

fn power_of_two(exponent: i64) -> BigRational {
    let size = BigInt::from(1) << exponent.unsigned_abs();
    if exponent < 0 { BigRational::new(1.into(), size) } else { BigRational::from(size) }
}

/// A variance and its square root, as JSON.
pub(crate) fn variance_and_std(exact: &BigRational) -> (String, String) {
    match double(exact) {
        Some(variance) => (json(variance), json(variance.sqrt())),
        None => ("null".into(), "null".into()),
    }
}

fn json(number: f64) -> String {
    serde_json::to_string(&number).expect("a finite number")
}

#[test]
fn doubles_are_the_nearest_ones() {
    // The standard library reads decimal text to the nearest double; so does this of the same fraction.
    let ratio = |numer: &str, power: u32| BigRational::new(numer.parse().expect("digits"), ten_to(power));
    for (numer, power) in [
        ("1", 1),
        ("1", 18),
        ("22258220002516160001", 18),
        ("9007199254740993", 0),
        ("9007199254740995", 0),
        ("99999999999999999999999999999999", 7),
        ("5", 324),
        ("24703282292062327208299439", 349),
        ("24703282292062327208299438", 349),
        ("22250738585072011", 324),
        ("22250738585072014", 324),
        ("179769313486231570", 0),
    ] {
        let text = format!("{numer}e-{power}");
        assert_eq!(double(&ratio(numer, power)), text.parse().ok(), "{text}");
    }
    let greatest = BigRational::from((BigInt::from(1u64 << 53) - 1) * (BigInt::from(1) << 971));
    assert_eq!(double(&greatest), Some(f64::MAX));
    assert_eq!(double(&BigRational::from(BigInt::from(1) << 1024)), None);
}

#[test]
fn rates_are_rounded_half_to_even() {
    let ratio = |numer: u64, denom: u64| BigRational::new(numer.into(), BigInt::from(denom) * ten_to(18));
    for (numer, denom, printed) in
        [(1, 2, 0u8), (3, 2, 2), (5, 2, 2), (1, 3, 0), (2, 3, 1), (51, 100, 1), (7, 1, 7)]
    {
        assert_eq!(rate(&ratio(numer, denom)), printed.into(), "{numer}/{denom}");
    }
    assert_eq!(scaled(&BigInt::from(12), 8), "0.00000012");
    assert_eq!(scaled(&ten_to(9), 8), "10.00000000");
}
