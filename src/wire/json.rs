//! What is JSON (RFC 8259), and the few fields of a record that matter: one pass over the bytes, no tree.
//!
//! The whole record is validated, whatever stands in it. Fields are collected from the outermost object and
//! from the object under its key `data`. This module knows keys and kinds of values; what they mean,
//! [`super::binance`].

mod fields;

pub(super) use super::escape::unescape;
pub(super) use fields::JsonFields;

use super::{BadRecord, scanning};
use fields::JsonKey;

/// The deepest nesting that is accepted (`docs/semantics.md#input`).
pub(super) const MOST_LEVELS: usize = 128;

/// A value as far as it matters. Positions are byte offsets in the record.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub(super) enum JsonValue {
    #[default]
    Absent,
    /// A string: what stands between its quotes.
    Text { from: usize, to: usize, escaped: bool },
    /// A number without sign, fraction and exponent.
    Integer { from: usize, to: usize },
    /// Anything else.
    Other { from: usize },
}

/// What stands under `data`.
#[derive(Debug, Copy, Clone, Default)]
pub(super) enum Data {
    #[default]
    Absent,
    Object(JsonFields),
    Other,
}

/// A record that is an object.
#[derive(Debug, Copy, Clone, Default)]
pub(super) struct JsonObject {
    pub(super) fields: JsonFields,
    pub(super) stream: bool,
    pub(super) data: Data,
}

/// Validates a record; what it is if it is an object.
pub(super) fn scan(bytes: &[u8]) -> Result<JsonObject, BadRecord> {
    // Strings are looked through for quotes, escapes and control characters only.
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(bad("not UTF-8", error.valid_up_to()));
    }
    let mut scanner = Scanner { bytes, at: 0 };
    scanner.skip_space();
    let is_object = scanner.peek() == Some(b'{');
    let mut object = JsonObject::default();
    scanner.value(&mut object)?;
    scanner.skip_space();
    if scanner.at < bytes.len() {
        return Err(bad("more after the end of the JSON value", scanner.at));
    }
    if is_object { Ok(object) } else { Err(bad("not a JSON object", 0)) }
}

pub(super) fn bad(reason: &'static str, at: usize) -> BadRecord {
    BadRecord { reason, at: Some(at) }
}

/// The grammar of single values, from one place in the bytes to the next.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Scanner { bytes, at: 0 }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Back to a place that was passed.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Past one byte.
    #[inline]
    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// One value, and all that is in it, without recursion. Fields go into `object`.
    fn value(&mut self, object: &mut JsonObject) -> Result<(), BadRecord> {
        // The containers that are open: a bit each, set for an object.
        let mut kinds = 0u128;
        let mut depth = 0;
        // Whether the object at depth 2 is the one under `data`.
        let mut in_data = false;
        let mut key = JsonKey::Other;
        'value: loop {
            self.skip_space();
            let from = self.at;
            let value = match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    self.at += 1;
                    if depth == MOST_LEVELS {
                        return Err(bad("nested more than 128 levels deep", from));
                    }
                    let is_object = open == b'{';
                    // What a key stands for is an object until another value of that key comes.
                    if depth == 1 && kinds & 1 == 1 {
                        in_data = key == JsonKey::Data && is_object;
                        note(object, depth, in_data, key, JsonValue::Other { from }, is_object);
                    } else if depth == 2 && in_data {
                        note(object, depth, in_data, key, JsonValue::Other { from }, is_object);
                    }
                    kinds = (kinds & !(1 << depth)) | (u128::from(is_object) << depth);
                    depth += 1;
                    self.skip_space();
                    let close = if is_object { b'}' } else { b']' };
                    if self.peek() != Some(close) {
                        if is_object {
                            key = self.key()?;
                        }
                        continue 'value;
                    }
                    None
                }
                Some(b'"') => {
                    let (from, to, escaped) = self.string()?;
                    Some(JsonValue::Text { from, to, escaped })
                }
                Some(b'-' | b'0'..=b'9') => Some(self.number()?),
                Some(b't') => Some(self.word(b"true")?),
                Some(b'f') => Some(self.word(b"false")?),
                Some(b'n') => Some(self.word(b"null")?),
                Some(_) => return Err(bad("not JSON: a value is missing", from)),
                None => return Err(bad("not JSON: it ends too early", from)),
            };
            if let Some(value) = value
                && depth > 0
                && (kinds >> (depth - 1)) & 1 == 1
            {
                note(object, depth, in_data, key, value, false);
            }
            // What follows a value, or closes containers.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                self.skip_space();
                let is_object = (kinds >> (depth - 1)) & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if is_object {
                            self.skip_space();
                            key = self.key()?;
                        }
                        continue 'value;
                    }
                    Some(b'}') if is_object => self.at += 1,
                    Some(b']') if !is_object => self.at += 1,
                    Some(_) => {
                        return Err(bad("not JSON: want a comma or the end of the container", self.at));
                    }
                    None => return Err(bad("not JSON: it ends too early", self.at)),
                }
                depth -= 1;
                if depth == 1 {
                    in_data = false;
                }
            }
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<JsonKey, BadRecord> {
        if self.peek() != Some(b'"') {
            return Err(bad("not JSON: a key is missing", self.at));
        }
        let (from, to, escaped) = self.string()?;
        let inside = &self.bytes[from..to];
        let key = if escaped {
            let mut text = String::new();
            unescape(inside, &mut text);
            JsonKey::of(text.as_bytes())
        } else {
            JsonKey::of(inside)
        };
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(bad("not JSON: a colon is missing", self.at));
        }
        self.at += 1;
        Ok(key)
    }

    /// A string, from its opening quote; where its inside is, and whether it has escapes.
    #[inline]
    pub(super) fn string(&mut self) -> Result<(usize, usize, bool), BadRecord> {
        self.at += 1;
        let from = self.at;
        let mut escaped = false;
        loop {
            self.at += scanning::unremarkable(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    let to = self.at;
                    self.at += 1;
                    return Ok((from, to, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0..=0x1f) => return Err(bad("not JSON: a control character in a text", self.at)),
                Some(_) => self.at += 1,
                None => return Err(bad("not JSON: a text does not end", from)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), BadRecord> {
        let from = self.at;
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let first = self.unit(from)?;
                if (0xDC00..0xE000).contains(&first) {
                    return Err(bad("an escape of half a surrogate pair", from));
                }
                if (0xD800..0xDC00).contains(&first) {
                    let second =
                        if self.bytes[self.at..].starts_with(b"\\u") { self.unit(self.at)? } else { 0 };
                    if !(0xDC00..0xE000).contains(&second) {
                        return Err(bad("an escape of half a surrogate pair", from));
                    }
                }
            }
            _ => return Err(bad("not JSON: no such escape", from)),
        }
        Ok(())
    }

    /// The four hexadecimal digits of the escape that begins at `from`; moves past them.
    fn unit(&mut self, from: usize) -> Result<u32, BadRecord> {
        let mut unit = 0;
        for at in from + 2..from + 6 {
            let digit = self.bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
            unit = unit * 16 + digit.ok_or_else(|| bad("not JSON: no such escape", from))?;
        }
        self.at = from + 6;
        Ok(unit)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<JsonValue, BadRecord> {
        let from = self.at;
        let mut plain = true;
        if self.peek() == Some(b'-') {
            plain = false;
            self.at += 1;
        }
        let whole = self.at;
        self.digits(from)?;
        if self.at > whole + 1 && self.bytes[whole] == b'0' {
            return Err(bad("not JSON: a number with a leading zero", from));
        }
        if self.peek() == Some(b'.') {
            plain = false;
            self.at += 1;
            self.digits(from)?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            plain = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits(from)?;
        }
        Ok(if plain { JsonValue::Integer { from, to: self.at } } else { JsonValue::Other { from } })
    }

    #[inline]
    fn digits(&mut self, number: usize) -> Result<(), BadRecord> {
        let from = self.at;
        self.at += scanning::leading_digits(&self.bytes[from..]);
        if self.at == from { Err(bad("not JSON: no such number", number)) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn word(&mut self, word: &[u8]) -> Result<JsonValue, BadRecord> {
        let from = self.at;
        if !self.bytes[from..].starts_with(word) {
            return Err(bad("not JSON: no such word", from));
        }
        self.at += word.len();
        Ok(JsonValue::Other { from })
    }
}

/// Keeps what an object holds under a key, if it matters.
fn note(
    object: &mut JsonObject,
    depth: usize,
    in_data: bool,
    key: JsonKey,
    value: JsonValue,
    opens_object: bool,
) {
    match (depth, key) {
        (1, JsonKey::Stream) => object.stream = true,
        (1, JsonKey::Data) => {
            object.data = if opens_object { Data::Object(JsonFields::default()) } else { Data::Other };
        }
        (1, key) => object.fields.set(key, value),
        (2, key) if in_data => {
            if let Data::Object(fields) = &mut object.data {
                fields.set(key, value);
            }
        }
        _ => {}
    }
}
