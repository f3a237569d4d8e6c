//! JSON by the letter of RFC 8259, with the bounds of `docs/semantics.md#input`: what is valid, and what it
//! says.
//!
//! Numbers stay text and keys stay in order, because the rules ask for both: a library's value tree would
//! refuse `1e400`, which is valid, and stop one level too early.

/// The most levels of arrays and objects in each other.
const DEPTH: usize = 128;
/// The longest record.
const LONGEST: usize = 16 << 20;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    /// In order of appearance, repeated keys included.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The value of a key: of a repeated one, the last.
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => {
                members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// A number as it was written.
    pub(crate) fn number(&self) -> Option<&str> {
        if let Json::Number(digits) = self { Some(digits) } else { None }
    }

    /// A number without sign, fraction and exponent, of any size.
    pub(crate) fn plain_digits(&self) -> Option<&str> {
        self.number().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    }

    /// A number without sign, fraction and exponent.
    pub(crate) fn plain_integer(&self) -> Option<u128> {
        match self {
            Json::Number(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
            _ => None,
        }
    }
}

/// The one value that these bytes are; nothing where they are not valid.
pub(crate) fn parse(bytes: &[u8]) -> Option<Json> {
    if bytes.len() > LONGEST {
        return None;
    }
    let mut reader = Reader { rest: std::str::from_utf8(bytes).ok()? };
    reader.white_space();
    let value = reader.value(0)?;
    reader.white_space();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn white_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn next(&mut self) -> Option<char> {
        let first = self.peek()?;
        self.rest = &self.rest[first.len_utf8()..];
        Some(first)
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        match self.peek()? {
            'n' => self.take("null").map(|()| Json::Null),
            't' => self.take("true").map(|()| Json::Bool(true)),
            'f' => self.take("false").map(|()| Json::Bool(false)),
            '"' => self.string().map(Json::Text),
            '[' => self.array(depth + 1),
            '{' => self.object(depth + 1),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Json> {
        self.take("[")?;
        self.white_space();
        if depth > DEPTH {
            return None;
        }
        if self.take("]").is_some() {
            return Some(Json::Array(Vec::new()));
        }
        let mut elements = Vec::new();
        loop {
            self.white_space();
            elements.push(self.value(depth)?);
            self.white_space();
            if self.take("]").is_some() {
                return Some(Json::Array(elements));
            }
            self.take(",")?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.take("{")?;
        self.white_space();
        if depth > DEPTH {
            return None;
        }
        let mut members = Vec::new();
        if self.take("}").is_some() {
            return Some(Json::Object(members));
        }
        loop {
            self.white_space();
            let key = self.string()?;
            self.white_space();
            self.take(":")?;
            self.white_space();
            members.push((key, self.value(depth)?));
            self.white_space();
            if self.take("}").is_some() {
                return Some(Json::Object(members));
            }
            self.take(",")?;
        }
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escape()?),
                control if control < ' ' => return None,
                plain => text.push(plain),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.next()? {
            '"' => '"',
            '\\' => '\\',
            '/' => '/',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.four_digits()?;
                if !(0xd800..0xdc00).contains(&first) {
                    // The second half of a pair, alone, is no character either.
                    return char::from_u32(first);
                }
                self.take("\\u")?;
                let second = self.four_digits()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return None;
                }
                char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?
            }
            _ => return None,
        })
    }

    fn four_digits(&mut self) -> Option<u32> {
        let mut number = 0;
        for _ in 0..4 {
            number = number * 16 + self.next()?.to_digit(16)?;
        }
        Some(number)
    }

    /// `-`? (`0` | `1`-`9` digits) (`.` digits)? ((`e` | `E`) (`+` | `-`)? digits)?
    fn number(&mut self) -> Option<Json> {
        let all = self.rest;
        let _ = self.take("-");
        if self.take("0").is_none() {
            self.digits()?;
        }
        if self.take(".").is_some() {
            self.digits()?;
        }
        if self.take("e").or_else(|| self.take("E")).is_some() {
            let _ = self.take("+").or_else(|| self.take("-"));
            self.digits()?;
        }
        Some(Json::Number(all[..all.len() - self.rest.len()].to_owned()))
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let some = rest.len() < self.rest.len();
        self.rest = rest;
        some.then_some(())
    }
}

#[test]
fn what_is_valid_is_what_the_rfc_says() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for valid in [
        "{}",
        " [ ] ",
        "1e400",
        "-0.5E-7",
        "0",
        "\"\\ud83d\\ude00\"",
        "\"\u{7f}\"",
        "{\"a\":[true,null,{}]}\r",
        &nested(128),
    ] {
        assert!(parse(valid.as_bytes()).is_some(), "{valid}");
    }
    for wrong in [
        "",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "NaN",
        "Infinity",
        "nul",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83dx\"",
        "\"\\x41\"",
        "\"\t\"",
        "\"",
        "{\"a\":1,}",
        "[1 2]",
        "{a:1}",
        "{} {}",
        "'a'",
        "\u{feff}{}",
        &nested(129),
    ] {
        assert!(parse(wrong.as_bytes()).is_none(), "{wrong}");
    }
    assert!(parse(b"\"\xff\"").is_none());
}
