//! What is wrong with the kind of a value, in words of TOML and with its key: the parser names types of this
//! program, and no key.

/// The words for an error of the parser, which is at that byte of the text.
pub(super) fn words(text: &str, at: usize, message: &str) -> String {
    let told = match message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected ")) {
        Some((got, expected)) => format!("got {}, want {}", kind(got), kind(expected)),
        None => message.to_owned(),
    };
    let is_of_value =
        told != message || ["missing field `at`", "want "].iter().any(|words| told.starts_with(words));
    match key(text, at).filter(|_| is_of_value) {
        Some(key) => format!("{key}: {told}"),
        None => told,
    }
}

/// A kind of value as TOML calls it.
fn kind(words: &str) -> String {
    let names = [
        ("a string", "a text"),
        ("string", "a text"),
        ("integer", "an integer"),
        ("floating point", "a number"),
        ("boolean", "a boolean"),
        ("a sequence", "a list"),
        ("sequence", "a list"),
        ("a map", "a table"),
        ("map", "a table"),
    ];
    let found = names.iter().find_map(|(theirs, ours)| {
        let value = words.strip_prefix(theirs)?;
        (value.is_empty() || value.starts_with(' ')).then(|| format!("{ours}{value}"))
    });
    found.unwrap_or_else(|| words.to_owned())
}

/// The key of the value at that byte: the last one at the beginning of a line before it.
fn key(text: &str, at: usize) -> Option<&str> {
    let line_end = text.get(at..)?.find('\n').map_or(text.len(), |length| at + length);
    text[..line_end].lines().rev().find_map(|line| {
        let (key, _) = line.split_once('=')?;
        let key = key.trim();
        let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let is_quoted = key.len() > 2 && key.starts_with('"') && key.ends_with('"') && !key.contains('{');
        (is_bare || is_quoted).then_some(key)
    })
}
