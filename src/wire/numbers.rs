//! Numbers as JSON writes them, eight characters at a time, without a branch per character.
//!
//! [`integer`] and [`decimal`] become a part of whoever calls them: [`super::ordered`] reads a trade straight
//! on, where a call would cost more than the number.

/// The eight bytes from there on, where there are so many.
#[inline]
pub(super) fn load(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// How many of the eight characters are digits before the first that is none.
#[inline]
pub(super) fn digits(w: u64) -> u32 {
    const NIBBLES: u64 = 0xF0F0_F0F0_F0F0_F0F0;
    const DIGITS: u64 = 0x3030_3030_3030_3030;
    // A digit has 3 for its upper half, and still has after six are added. A carry comes out of non-digits
    // only.
    let others = ((w & NIBBLES) ^ DIGITS) | ((w.wrapping_add(0x0606_0606_0606_0606) & NIBBLES) ^ DIGITS);
    others.trailing_zeros() / 8
}

/// The number that eight digits make; a zero byte counts as the digit 0.
#[inline]
pub(super) fn eight_digits(w: u64) -> u64 {
    let w = w & 0x0F0F_0F0F_0F0F_0F0F;
    let w = w.wrapping_mul(2561) >> 8 & 0x00FF_00FF_00FF_00FF;
    let w = w.wrapping_mul(6_553_601) >> 16 & 0x0000_FFFF_0000_FFFF;
    w.wrapping_mul(42_949_672_960_001) >> 32
}

const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// A decimal with up to seven digits before the point and one to eight behind it, scaled by 1e8, up to its
/// quote.
#[inline(always)]
pub(super) fn decimal(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let w = load(bytes, at)?;
    let n = digits(w);
    if n == 0 || n == 8 {
        return None;
    }
    let whole = eight_digits(w << (64 - 8 * n));
    if (w >> (8 * n)) as u8 != b'.' {
        return None;
    }
    let at = at + n as usize + 1;
    let w = load(bytes, at)?;
    let n = digits(w);
    let kept = match n {
        0 => return None,
        8 => w,
        // The digits stand at the left; zero bytes fill up to eight.
        n => w & ((1 << (8 * n)) - 1),
    };
    // Below 10^15 + 10^8.
    Some(((whole * 100_000_000 + eight_digits(kept)) as i64, at + n as usize))
}

/// A plain JSON integer of at most sixteen digits, and what is behind it. The caller looks at what follows.
#[inline(always)]
pub(super) fn integer(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let w = load(bytes, at)?;
    let n = digits(w);
    // A leading zero is for the other way to judge, and so is no digit at all.
    if n == 0 || w as u8 == b'0' {
        return None;
    }
    if n < 8 {
        return Some((eight_digits(w << (64 - 8 * n)), at + n as usize));
    }
    let high = eight_digits(w);
    let w = load(bytes, at + 8)?;
    let n = digits(w);
    if n == 0 {
        return Some((high, at + 8));
    }
    let low = eight_digits(w << (64 - 8 * n));
    // With a seventeenth digit what follows is not what the caller looks for.
    Some((high * POWERS[n as usize] + low, at + 8 + n as usize))
}
