//! What is wrong with a mapping file, by its line.

use std::fmt;

/// Why a mapping file cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) words: String,
    pub(super) needs_file: bool,
}

impl MappingError {
    /// Whether it could work for a file: the symbol stands in its name.
    pub fn needs_file(&self) -> bool {
        self.needs_file
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.name, self.line, self.words)
    }
}

impl std::error::Error for MappingError {}
