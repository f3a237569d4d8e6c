//! What was wrong with what was typed: always what, got and expected, and the nearest valid word.

use std::fmt;

/// A usage error; the process ends with exit code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {wrong}")]
pub struct UsageError {
    /// The flag, the environment variable, or the line of the file.
    pub what: String,
    /// What is wrong with its value.
    pub wrong: InvalidValue,
}

/// A value that does not do, before anybody asks where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue {
    /// What was given, as it was given; never a secret.
    pub got: String,
    /// What would be right.
    pub expected: String,
    /// A word more: what was perhaps meant, or why.
    pub hint: Option<String>,
}

impl InvalidValue {
    /// Got a text, which is quoted; expected something else.
    pub fn new(got: &str, expected: impl Into<String>) -> Self {
        InvalidValue::told(format!("{got:?}"), expected)
    }

    /// Got what the words say.
    pub fn told(got: impl Into<String>, expected: impl Into<String>) -> Self {
        InvalidValue { got: got.into(), expected: expected.into(), hint: None }
    }

    /// With a word more.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what was perhaps meant.
    #[must_use]
    pub fn perhaps(self, meant: Option<&str>) -> Self {
        match meant {
            Some(meant) => self.hint(format!("did you mean {meant}?")),
            None => self,
        }
    }

    /// The error of the place that the value stood in.
    pub fn at(self, what: impl Into<String>) -> UsageError {
        UsageError { what: what.into(), wrong: self }
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "got {}, expected {}", self.got, self.expected)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// The number, from 1, of the line that a byte stands in.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
