//! What `crossrate define` asks a server.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which job, and what is to become of it.
#[derive(Debug, Clone, clap::Args)]
pub struct Define {
    #[command(subcommand)]
    /// What to do
    pub what: DefinitionEdit,
}

/// What is to become of a job's definition.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum DefinitionEdit {
    /// Add crosses, or give those of the same names other formulas
    Cross {
        /// Such as XVGUSDT=XVGBTC*BTCUSDT
        #[arg(value_name = "NAME=A*B/C", required = true)]
        crosses: Vec<String>,
        #[command(flatten)]
        server: AskedServer,
    },
    /// Add symbols with rows of their own
    Symbol {
        /// Such as BTCUSDT
        #[arg(value_name = "SYMBOL", required = true)]
        symbols: Vec<String>,
        #[command(flatten)]
        server: AskedServer,
    },
    /// Drop crosses or symbols
    Drop {
        /// Which of both
        kind: DefinitionPart,
        /// Their names
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        #[command(flatten)]
        server: AskedServer,
    },
    /// What holds, and since when
    List {
        /// As one JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: AskedServer,
    },
}

/// What has a name in a definition.
#[derive(Debug, Copy, Clone, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefinitionPart {
    /// A cross
    Cross,
    /// A symbol
    Symbol,
}

/// The server of the run.
#[derive(Debug, Clone, clap::Args)]
pub struct AskedServer {
    /// The server of the run
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub server: String,
    /// A token that may change the job
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}
