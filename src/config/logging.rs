//! How the program tells of itself.

use super::Verbosity;

/// How what is told is written.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum LogFormat {
    /// Sentences for people.
    Text,
    /// A JSON object a line, for programs.
    Json,
}

/// What is told on standard error, and how.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Logging {
    /// How much.
    pub verbosity: Verbosity,
    /// In which form.
    pub format: LogFormat,
}

impl Default for Logging {
    fn default() -> Self {
        Logging { verbosity: Verbosity::Normal, format: LogFormat::Text }
    }
}
