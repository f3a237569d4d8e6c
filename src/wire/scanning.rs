//! Texts, names and plain values of compact JSON, eight bytes at a time, without a branch per character.
//! Whatever is not exactly of that kind gives `None`.

use super::numbers::{self, digits, load};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Past a value that does not matter. The caller looks at what follows.
#[inline]
pub(super) fn plain(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => Some(text(bytes, at + 1)?.1),
        b'[' => list(bytes, at, true),
        b't' => literal(bytes, at, b"true"),
        b'f' => literal(bytes, at, b"false"),
        b'n' => literal(bytes, at, b"null"),
        _ => Some(integer(bytes, at)?.1),
    }
}

/// Past a list of texts and integers, or of such lists: the sides of an order book.
fn list(bytes: &[u8], at: usize, of_lists: bool) -> Option<usize> {
    let mut at = at + 1;
    if *bytes.get(at)? == b']' {
        return Some(at + 1);
    }
    loop {
        at = match bytes.get(at)? {
            b'"' => text(bytes, at + 1)?.1,
            b'[' if of_lists => list(bytes, at, false)?,
            _ => integer(bytes, at)?.1,
        };
        match bytes.get(at)? {
            b',' => at += 1,
            b']' => return Some(at + 1),
            _ => return None,
        }
    }
}

#[inline]
pub(super) fn four(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Past a text that has to stand here.
#[inline]
pub(super) fn literal(bytes: &[u8], at: usize, text: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(text).then_some(at + text.len())
}

/// The highest bit of the first byte that is a quote, a backslash, a control character or not ASCII, and
/// maybe of others above it. A borrow can mark a byte falsely only above one that is marked rightly.
#[inline(always)]
pub(super) fn stops(w: u64) -> u64 {
    let quote = w ^ (ONES * b'"' as u64);
    let slash = w ^ (ONES * b'\\' as u64);
    (quote.wrapping_sub(ONES) | slash.wrapping_sub(ONES) | w.wrapping_sub(ONES * 0x20) | w) & HIGH
}

/// A string of plain ASCII from behind its opening quote; and what is behind its closing one.
#[inline]
pub(super) fn text(bytes: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let mut at = from;
    loop {
        let w = load(bytes, at)?;
        let stops = stops(w);
        if stops != 0 {
            let end = at + (stops.trailing_zeros() / 8) as usize;
            return if bytes[end] == b'"' { Some((&bytes[from..end], end + 1)) } else { None };
        }
        at += 8;
    }
}

/// Whether ASCII is a name of 4 to 16 characters for certain: letters, digits, `:`, `;`, `@` and what stands
/// between and after the letters, up to `z`, but no low line near the end, as contracts have it. Of others
/// [`is_name`](crossrate_dataflows::market::trade::is_name) is asked.
#[inline(always)]
pub(super) fn is_usual_name(text: &[u8]) -> bool {
    const FOUR_ZEROS: u64 = (ONES * b'0' as u64) << 32;
    let (begin, end) = match (text.first_chunk(), text.last_chunk()) {
        (Some(begin), Some(end)) if text.len() <= 16 => {
            (u64::from_le_bytes(*begin), u64::from_le_bytes(*end))
        }
        (None, _) => match (text.first_chunk(), text.last_chunk()) {
            (Some(begin), Some(end)) => {
                let widened = |four: &[u8; 4]| u64::from(u32::from_le_bytes(*four)) | FOUR_ZEROS;
                (widened(begin), widened(end))
            }
            _ => return false,
        },
        _ => return false,
    };
    // Below the digits, or above `z`; and from `<` to `?`, where four more bring a bit that was not there.
    let outside = |w: u64| (w.wrapping_sub(ONES * b'0' as u64) | w.wrapping_add(ONES * 5)) & HIGH;
    let between = |w: u64| w.wrapping_add(ONES * 4) & !w & (ONES * 0x40);
    let low_line = end ^ (ONES * b'_' as u64);
    let contracts = low_line.wrapping_sub(ONES) & !low_line & HIGH;
    (outside(begin) | outside(end) | between(begin) | between(end) | contracts) == 0
}

/// How many bytes are certainly inside a string: none of them is a quote, a backslash or a control
/// character. Of the last seven bytes of all nothing is said.
#[inline]
pub(super) fn unremarkable(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(w) = load(bytes, at) {
        let (quote, slash) = (w ^ (ONES * b'"' as u64), w ^ (ONES * b'\\' as u64));
        // A borrow can mark a byte falsely only above one that is marked rightly.
        let less = |w: u64, than: u64| w.wrapping_sub(ONES * than) & !w;
        let stops = (less(quote, 1) | less(slash, 1) | less(w, 0x20)) & HIGH;
        if stops != 0 {
            return at + (stops.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at
}

/// How many digits a line begins with.
#[inline]
pub(super) fn leading_digits(line: &[u8]) -> usize {
    let mut at = 0;
    while let Some(w) = load(line, at) {
        let n = digits(w) as usize;
        at += n;
        if n < 8 {
            return at;
        }
    }
    at + line[at..].iter().take_while(|b| b.is_ascii_digit()).count()
}

/// `true` or `false`.
#[inline]
pub(super) fn boolean(bytes: &[u8], at: usize) -> Option<(bool, usize)> {
    let value = four(bytes, at)?;
    if value == u32::from_le_bytes(*b"true") {
        Some((true, at + 4))
    } else if value == u32::from_le_bytes(*b"fals") {
        Some((false, literal(bytes, at + 4, b"e")?))
    } else {
        None
    }
}

/// A plain JSON integer of at most sixteen digits, and what is behind it.
#[inline]
pub(super) fn integer(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    numbers::integer(bytes, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossrate_dataflows::market::trade::is_name;

    #[test]
    fn what_is_taken_for_a_name_by_its_words_is_one() {
        for length in 1..=17 {
            for place in 0..length {
                for byte in 0..0x80 {
                    let mut text = vec![b'B'; length];
                    text[place] = byte;
                    let usual = is_usual_name(&text);
                    assert!(!usual || is_name(&text), "{text:?}");
                    let is_letter_or_digit = byte.is_ascii_alphanumeric() && (4..=16).contains(&length);
                    assert!(usual || !is_letter_or_digit, "{text:?} would be asked slowly");
                }
            }
        }
    }
}
