//! Numbers and times as people read them. Shortened here, and only here: rows keep all their digits.

/// 1234567 as 1,234,567.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The time of day of milliseconds since the epoch: `00:02:40`.
pub(crate) fn clock(ms: u64) -> String {
    let seconds = ms / 1_000;
    format!("{:02}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

/// With tenths of a second.
pub(crate) fn fine_clock(ms: u64) -> String {
    format!("{}.{}", clock(ms), ms % 1_000 / 100)
}

/// Plain decimal text, rounded half up to so many significant digits; whole digits all stay.
pub(crate) fn shortened(decimal: &str, significant: usize) -> String {
    let Some((whole, fraction)) = decimal.split_once('.') else { return decimal.to_owned() };
    let is_digit = |c: char| ('1'..='9').contains(&c);
    let keep = match (whole.find(is_digit), fraction.find(is_digit)) {
        (Some(first), _) => significant.saturating_sub(whole.len() - first),
        (None, Some(first)) => first + significant,
        (None, None) => return "0".to_owned(),
    };
    let Some(&next) = fraction.as_bytes().get(keep) else { return decimal.to_owned() };
    let kept = if keep == 0 { whole.to_owned() } else { format!("{whole}.{}", &fraction[..keep]) };
    let mut digits = kept.into_bytes();
    if next >= b'5' {
        round_up(&mut digits);
    }
    String::from_utf8(digits).unwrap_or_else(|_| decimal.to_owned())
}

fn round_up(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        match *digit {
            b'.' => {}
            b'9' => *digit = b'0',
            _ => {
                *digit += 1;
                return;
            }
        }
    }
    digits.insert(0, b'1');
}

/// A rate.
pub(crate) fn rate(decimal: &str) -> String {
    shortened(decimal, 9)
}

/// A deviation, with three significant digits and no exponent.
pub(crate) fn deviation(std: Option<f64>) -> String {
    match std {
        None => "-".to_owned(),
        Some(0.0) => "0".to_owned(),
        // Eighteen decimals are what rates have.
        Some(std) => shortened(&format!("{std:.18}"), 3),
    }
}

/// Another's words, fit to be printed: no control characters, not endless.
pub(crate) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(1_000).collect()
}

/// How fast: so many in a time, as `8,012`.
pub(crate) fn per_second(n: u64, elapsed: std::time::Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { grouped((n as f64 / seconds) as u64) } else { "-".to_owned() }
}

/// `1 trade`, `2 trades`.
pub(crate) fn plural(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn large_numbers_are_printed_with_commas() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), text);
        }
        assert_eq!(per_second(1_000, Duration::from_millis(500)), "2,000");
        assert_eq!(per_second(1_000, Duration::ZERO), "-");
        assert_eq!((plural(1, "trade"), plural(2, "trade")), ("1 trade".into(), "2 trades".into()));
    }

    #[test]
    fn millis_are_printed_as_a_clock() {
        assert_eq!(clock(1_525_132_800_000), "00:00:00");
        assert_eq!(clock(1_525_132_800_000 + 86_399_999), "23:59:59");
        assert_eq!(fine_clock(1_525_132_812_345), "00:00:12.3");
    }

    #[test]
    fn shortening_rounds_and_never_loses_whole_digits() {
        for (given, significant, expected) in [
            ("0.077587937249875650", 9, "0.0775879372"),
            ("0.077587937950000000", 9, "0.0775879380"),
            ("8887.507130569948432510", 9, "8887.50713"),
            ("8887.507130569948432510", 4, "8888"),
            ("8887.5", 9, "8887.5"),
            ("0.999999999900000000", 9, "1.000000000"),
            ("99.99", 3, "100.0"),
            ("123456", 3, "123456"),
            ("123456.7", 3, "123457"),
            ("0.000000000000000000", 9, "0"),
        ] {
            assert_eq!(shortened(given, significant), expected, "{given} {significant}");
        }
    }

    #[test]
    fn a_deviation_is_printed_with_three_digits() {
        assert_eq!(deviation(None), "-");
        assert_eq!(deviation(Some(0.0)), "0");
        assert_eq!(deviation(Some(0.0002091712015743696)), "0.000209");
        assert_eq!(deviation(Some(4.71786180409263)), "4.72");
    }
}
