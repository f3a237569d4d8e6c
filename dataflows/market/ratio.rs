//! Exact quotients, rounded once: to a decimal text of 18 places, or to the nearest IEEE double.

use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{ToPrimitive, Zero};

/// Fractional digits of a rate.
pub const RATE_PLACES: u32 = 18;

/// `numerator / denominator` rounded to a whole number, half to even. The denominator is positive.
pub fn round_half_even(numerator: &BigUint, denominator: &BigUint) -> BigUint {
    let (quotient, remainder) = numerator.div_rem(denominator);
    let up = match (remainder << 1u32).cmp(denominator) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient.is_odd(),
        std::cmp::Ordering::Greater => true,
    };
    if up { quotient + 1u32 } else { quotient }
}

/// The same in 128 bits.
pub fn round_half_even_u128(numerator: u128, denominator: u128) -> u128 {
    let (quotient, remainder) = (numerator / denominator, numerator % denominator);
    let rest = denominator - remainder;
    quotient + u128::from(remainder > rest || (remainder == rest && quotient & 1 == 1))
}

/// The same for a signed numerator: the sign is set aside, so a half goes to the even neighbour on either
/// side.
pub fn round_half_even_signed(numerator: &BigInt, denominator: &BigUint) -> BigInt {
    let magnitude = round_half_even(numerator.magnitude(), denominator);
    BigInt::from_biguint(numerator.sign(), magnitude)
}

/// 10^n.
pub fn power_of_ten(n: u32) -> BigUint {
    BigUint::from(10u32).pow(n)
}

/// The double nearest to `numerator / denominator`, ties to even. The denominator is positive.
/// `None` where that would be infinite.
pub fn nearest_double(numerator: &BigInt, denominator: &BigUint) -> Option<f64> {
    let magnitude = nearest_positive(numerator.magnitude(), denominator)?;
    Some(if numerator.sign() == Sign::Minus { -magnitude } else { magnitude })
}

fn nearest_positive(numerator: &BigUint, denominator: &BigUint) -> Option<f64> {
    if numerator.is_zero() {
        return Some(0.0);
    }
    // A quotient of 66 to 68 bits: more than a double holds, so the rest only breaks ties.
    let shift = 67 + denominator.bits() as i64 - numerator.bits() as i64;
    let (quotient, remainder) = if shift >= 0 {
        (numerator << shift as u64).div_rem(denominator)
    } else {
        numerator.div_rem(&(denominator << (-shift) as u64))
    };
    double_of(quotient.to_u128()?, !remainder.is_zero(), shift)
}

/// The double nearest to `(quotient + rest) / 2^shift`, ties to even, where `rest` is below 1 and, as
/// `beyond` says, not zero. The quotient has at least 62 bits. `None` where it would be infinite.
pub(super) fn double_of(quotient: u128, beyond: bool, shift: i64) -> Option<f64> {
    let width = 128 - i64::from(quotient.leading_zeros());
    let exponent = width - 1 - shift;
    if exponent > 1023 {
        return None;
    }
    // A normal number keeps 53 bits; below 2^-1022 each step down costs one.
    let kept = if exponent >= -1022 { 53 } else { 53 - (-1022 - exponent) };
    let dropped = width - kept;
    if dropped > 127 {
        return Some(0.0);
    }
    let mut mantissa = (quotient >> dropped) as u64;
    let rest = quotient & ((1u128 << dropped) - 1);
    let half = 1u128 << (dropped - 1);
    if rest > half || (rest == half && (beyond || mantissa & 1 == 1)) {
        mantissa += 1;
    }
    // The carry of a mantissa that rounds up to the next power of two lands in the exponent, as it should.
    let bits = if exponent >= -1022 { (((exponent + 1022) as u64) << 52) + mantissa } else { mantissa };
    let value = f64::from_bits(bits);
    value.is_finite().then_some(value)
}

/// Appends `value / 10^places` as decimal text with exactly so many fractional digits.
pub fn write_scaled(out: &mut String, value: u128, places: usize) {
    let mut digits = itoa::Buffer::new();
    // Half the work in 64 bits, which mostly suffice.
    let digits = match u64::try_from(value) {
        Ok(small) => digits.format(small),
        Err(_) => digits.format(value),
    };
    write_places(out, digits, places);
}

/// The same for any size and sign.
pub fn write_scaled_big(out: &mut String, value: &BigInt, places: usize) {
    if value.sign() == Sign::Minus {
        out.push('-');
    }
    match value.magnitude().to_u128() {
        Some(small) => write_scaled(out, small, places),
        None => write_places(out, &value.magnitude().to_string(), places),
    }
}

fn write_places(out: &mut String, digits: &str, places: usize) {
    if places == 0 {
        out.push_str(digits);
    } else if digits.len() > places {
        let (whole, fraction) = digits.split_at(digits.len() - places);
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', places - digits.len()));
        out.push_str(digits);
    }
}

/// Appends a double as JSON (shortest digits that read back the same, as `serde_json` prints them), or
/// `null`.
pub fn write_double(out: &mut String, value: Option<f64>) {
    match value.filter(|value| value.is_finite()) {
        Some(number) => out.push_str(zmij::Buffer::new().format_finite(number)),
        None => out.push_str("null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_go_to_even() {
        for (n, d, expected) in [(1u32, 2u32, 0u32), (3, 2, 2), (5, 2, 2), (7, 3, 2), (8, 3, 3), (0, 7, 0)] {
            assert_eq!(round_half_even(&n.into(), &d.into()), expected.into(), "{n}/{d}");
            assert_eq!(round_half_even_u128(n.into(), d.into()), expected.into(), "{n}/{d}");
        }
    }

    #[test]
    fn least_and_greatest_ratios_round_to_the_nearest_double() {
        let one = BigInt::from(1);
        let double = |n: &BigInt, shift: u32| nearest_double(n, &(BigUint::from(1u32) << shift));
        assert_eq!(double(&one, 1074), Some(f64::from_bits(1)));
        assert_eq!(double(&one, 1075), Some(0.0));
        assert_eq!(double(&BigInt::from(3), 1076), Some(f64::from_bits(1)));
        assert_eq!(double(&one, 3000), Some(0.0));
        assert_eq!(double(&one, 1022), Some(f64::MIN_POSITIVE));
        let most = BigInt::from(f64::MAX as u128);
        assert!(most > one);
        assert_eq!(nearest_double(&(BigInt::from(1) << 1023u32), &1u32.into()), Some(2f64.powi(1023)));
        assert_eq!(nearest_double(&(BigInt::from(1) << 1024u32), &1u32.into()), None);
        assert_eq!(nearest_double(&((BigInt::from(1) << 1024u32) - 1), &1u32.into()), None);
        assert_eq!(nearest_double(&BigInt::from(-3), &2u32.into()), Some(-1.5));
    }

    proptest! {
        /// Rust's own conversion of decimal text to a double is correctly rounded.
        #[test]
        fn a_ratio_rounds_as_its_decimal_text_parses(digits in "[1-9][0-9]{0,40}", places in 0u32..360) {
            let text = format!("{digits}e-{places}");
            let expected: f64 = text.parse().unwrap();
            let numerator: BigInt = digits.parse().unwrap();
            prop_assert_eq!(nearest_double(&numerator, &power_of_ten(places)), Some(expected));
        }

        #[test]
        fn a_double_prints_as_serde_json_prints_it(bits: u64) {
            let mut text = String::new();
            write_double(&mut text, Some(f64::from_bits(bits)));
            prop_assert_eq!(text, serde_json::Value::from(f64::from_bits(bits)).to_string());
        }

        #[test]
        fn small_and_big_numbers_print_the_same_text(value: u128, places in 0usize..20) {
            let (mut small, mut big) = (String::new(), String::new());
            write_scaled(&mut small, value, places.max(1));
            write_scaled_big(&mut big, &BigInt::from(value), places.max(1));
            prop_assert_eq!(&small, &big);
            let mut digits = small.replace('.', "");
            digits = digits.trim_start_matches('0').to_string();
            prop_assert_eq!(digits.parse::<u128>().unwrap_or(0), value);
        }
    }
}
