//! Whose essentials `crossrate top` shows.

use std::path::PathBuf;

/// Whose essentials.
#[derive(Debug, Clone, clap::Args)]
pub struct Top {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub server: String,
    /// The server's token
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}
