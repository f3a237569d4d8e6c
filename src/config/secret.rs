//! Secrets of a configuration: none of them is ever shown.

use sha2::{Digest, Sha256};
use std::fmt;

/// A secret that is compared and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl Token {
    /// Of its text.
    pub fn new(text: &str) -> Token {
        Token(Sha256::digest(text).into())
    }

    /// Whether that is the token; takes as long whatever it is.
    pub fn is(&self, text: &str) -> bool {
        let other = Token::new(text);
        self.0.iter().zip(other.0).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

/// The tokens of a server, and which of them may change the job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens(Vec<(Token, AccessRight)>);

/// What somebody with a token may do.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessRight {
    /// See everything.
    Read,
    /// And change the job.
    Change,
}

impl Tokens {
    /// Adds one.
    pub fn add(&mut self, token: Token, right: AccessRight) {
        self.0.push((token, right));
    }

    /// What that text gives the right to; nothing where it is no token. Takes as long whichever it is.
    pub fn right(&self, text: &str) -> Option<AccessRight> {
        self.0.iter().filter(|(token, _)| token.is(text)).map(|(_, right)| *right).max()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A secret that is sent, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    /// Of its text.
    pub fn new(text: String) -> Credential {
        Credential(text)
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_and_not_shown() {
        let token = Token::new("correct horse");
        assert!(token.is("correct horse"));
        assert!(!token.is("correct hors") && !token.is(""));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
