//! What `crossrate inspect` looks at.

use super::Config;

/// A look at an input.
#[derive(Debug, Clone)]
pub struct Inspect {
    /// The bounded run over the same input that would judge its records.
    pub config: Config,
    /// The format as it was typed; recognised where it was not.
    pub format: Option<String>,
    /// The flags that reach the brokers, for the command that is told.
    pub reached_by: Vec<String>,
    /// Records of each file or partition at most.
    pub limit: Option<u64>,
    /// As one JSON object.
    pub json: bool,
}
