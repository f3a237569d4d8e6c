//! Escapes in the strings of JSON.

/// The text of a valid string's inside, its escapes undone.
pub(super) fn unescape(inside: &[u8], into: &mut String) {
    into.clear();
    // It was validated: what is no text here would be a defect of `scan`, and gives an empty text.
    let Ok(mut rest) = std::str::from_utf8(inside) else { return };
    while let Some(at) = rest.find('\\') {
        into.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        let mut length = 2;
        match escape {
            b'b' => into.push('\u{8}'),
            b'f' => into.push('\u{c}'),
            b'n' => into.push('\n'),
            b'r' => into.push('\r'),
            b't' => into.push('\t'),
            b'u' => {
                let unit = |at: usize| rest.get(at..at + 4).and_then(|h| u32::from_str_radix(h, 16).ok());
                let first = unit(at + 2).unwrap_or(0);
                length = 6;
                let mut code = first;
                if (0xD800..0xDC00).contains(&first) {
                    let second = unit(at + 8).unwrap_or(0xDC00);
                    code = 0x10000 + ((first - 0xD800) << 10) + second.wrapping_sub(0xDC00);
                    length = 12;
                }
                into.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => into.push(char::from(other)),
        }
        rest = rest.get(at + length..).unwrap_or("");
    }
    into.push_str(rest);
}
