//! Patterns with stars, such as `live_trades_*` and `*-SWAP`: a star stands for any text, of any length.

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What stands between the stars; one part where there is no star.
    parts: Vec<String>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Pattern { parts: text.split('*').map(ToOwned::to_owned).collect() }
    }

    /// Whether there is a star.
    pub(super) fn has_star(&self) -> bool {
        self.parts.len() > 1
    }

    /// Whether a text is of this pattern.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self.parts.as_slice() {
            [whole] => text == whole,
            _ => self.star(text).is_some(),
        }
    }

    /// What the first star stands for: the shortest text that lets the rest match.
    pub(super) fn star<'a>(&self, text: &'a str) -> Option<&'a str> {
        let [first, rest @ ..] = self.parts.as_slice() else { return None };
        if rest.is_empty() {
            return None;
        }
        let inside = text.strip_prefix(first.as_str())?;
        let mut ends = (0..=inside.len()).filter(|end| inside.is_char_boundary(*end));
        let end = ends.find(|end| follows(rest, &inside[*end..]))?;
        Some(&inside[..end])
    }
}

/// Whether a text begins with the first part and goes on with the others, anything between them, to its end.
fn follows(parts: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = parts else {
        return parts.first().is_none_or(|only| text == only);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some(at) = rest.find(part.as_str()) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_star_takes_the_shortest_text() {
        let cases = [
            ("live_trades_*", "live_trades_btcusd", Some("btcusd")),
            ("market.*.trade.detail", "market.ethbtc.trade.detail", Some("ethbtc")),
            ("*-trades-*", "BTCUSDT-trades-2025-trades-01", Some("BTCUSDT")),
            ("*", "", Some("")),
            ("a*", "b", None),
            ("a*a", "a", None),
            ("ab", "ab", None),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Pattern::new(pattern).star(text), expected, "{pattern} {text}");
        }
        assert!(Pattern::new("ab").matches("ab") && !Pattern::new("ab").matches("abc"));
    }

    /// Whether a text is of a pattern, tried letter by letter.
    fn reference(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => {
                reference(rest, text) || (!text.is_empty() && reference(pattern, &text[1..]))
            }
            ([a, pattern @ ..], [b, text @ ..]) => a == b && reference(pattern, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_text_matches_exactly_if_some_choice_for_the_stars_gives_it(
            pattern in "[ab*]{0,6}", text in "[ab]{0,8}",
        ) {
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), reference(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
