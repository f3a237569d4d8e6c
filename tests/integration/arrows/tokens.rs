//! Words and signs of a source: no comment, and of a text that it is one.

/// A part of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or a number.
    Word(String),
    /// What stands between quotes.
    Text(String),
    Sign(char),
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Token::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The tokens of a source.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        rest = if rest.starts_with("//") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if rest.starts_with("/*") {
            after_comment(rest)
        } else if c == '"' {
            let (text, after) = text_at(after);
            found.push(Token::Text(text.to_owned()));
            after
        } else if let Some((text, after)) = raw_text_at(rest) {
            found.push(Token::Text(text.to_owned()));
            after
        } else if c == '\'' {
            after_character(after)
        } else if is_name(c) {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            found.push(Token::Word(rest[..end].to_owned()));
            &rest[end..]
        } else {
            // Of `$crate::name` the word `crate` is left.
            if !c.is_whitespace() && c != '$' {
                found.push(Token::Sign(c));
            }
            after
        };
    }
    found
}

fn after_comment(source: &str) -> &str {
    let (mut depth, mut rest) = (0, source);
    loop {
        if let Some(after) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, after);
        } else if let Some(after) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, after);
        } else {
            let mut characters = rest.chars();
            characters.next();
            rest = characters.as_str();
        }
        if depth == 0 || rest.is_empty() {
            return rest;
        }
    }
}

/// A text until its closing quote.
fn text_at(source: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = source.find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    let end = end.expect("a closing quote");
    (&source[..end], &source[end + 1..])
}

fn raw_text_at(source: &str) -> Option<(&str, &str)> {
    let rest = source.strip_prefix("br").or_else(|| source.strip_prefix('r'))?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let rest = rest[hashes..].strip_prefix('"')?;
    rest.split_once(&format!("\"{}", "#".repeat(hashes)))
}

/// What comes after a character or the name of a lifetime, whose quote is gone.
fn after_character(source: &str) -> &str {
    let mut characters = source.chars();
    let first = characters.next();
    if first == Some('\\') {
        let escaped = characters.next().map_or(0, char::len_utf8);
        return source[1 + escaped..].split_once('\'').map_or("", |(_, after)| after);
    }
    characters.as_str().strip_prefix('\'').unwrap_or(source)
}

/// The code without what is compiled for unit tests alone.
pub(super) fn without_tests(code: &[Token]) -> Vec<Token> {
    let marks = ["#[cfg(test)]", "#[cfg(all(test,"].map(tokens);
    let mut kept = Vec::with_capacity(code.len());
    let mut rest = code;
    while let Some(token) = rest.first() {
        if marks.iter().any(|mark| rest.starts_with(mark)) {
            rest = after_item(after_attributes(rest));
        } else {
            kept.push(token.clone());
            rest = &rest[1..];
        }
    }
    kept
}

fn after_attributes(mut code: &[Token]) -> &[Token] {
    while let [Token::Sign('#'), Token::Sign('['), ..] = code {
        let end = code.iter().position(|token| *token == Token::Sign(']')).expect("an end");
        code = &code[end + 1..];
    }
    code
}

/// What comes after an item, a statement or a field.
fn after_item(code: &[Token]) -> &[Token] {
    let is_use = code.iter().take(5).any(|token| token.word() == Some("use"));
    let is_field = code.iter().take(6).position(|token| *token == Token::Sign(':')).is_some_and(|colon| {
        code.get(colon + 1) != Some(&Token::Sign(':')) && !code[..colon].contains(&Token::Sign('{'))
    });
    let is_field = is_field && !code.iter().take(3).any(|token| token.word() == Some("fn"));
    let mut depth = 0;
    for (at, token) in code.iter().enumerate() {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') if depth == 0 => return &code[at..],
            Token::Sign(')' | ']') => depth -= 1,
            Token::Sign('}') => {
                depth -= 1;
                if depth == 0 && !is_use {
                    return &code[at + 1..];
                }
            }
            Token::Sign(';') if depth == 0 => return &code[at + 1..],
            Token::Sign(',') if depth == 0 && is_field => return &code[at + 1..],
            _ => {}
        }
    }
    &[]
}
