//! What `crossrate query` is asked.

use std::path::PathBuf;

/// What is asked, and of what.
#[derive(Debug, Clone, clap::Args)]
pub struct Query {
    /// The question: a SELECT in SQLite's SQL, over symbols, crosses, stats and basis
    #[arg(required_unless_present = "worker")]
    pub sql: Option<String>,
    /// Rows as JSON lines (- is standard input), a folder of --to csv:FOLDER or --to parquet:FOLDER, or an
    /// SQLite database of --to sqlite:PATH; several files and folders are taken together
    #[arg(value_name = "FILE", conflicts_with = "server")]
    pub files: Vec<PathBuf>,
    /// Ask a server instead, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The server's token
    #[arg(long, value_name = "FILE", requires = "server")]
    pub token_file: Option<PathBuf>,
    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t = AnswerFormat::Table)]
    pub format: AnswerFormat,
    /// Answer a server's question on standard input
    #[arg(long, hide = true)]
    pub worker: bool,
}

/// How an answer is printed.
#[derive(Debug, Copy, Clone, PartialEq, Eq, clap::ValueEnum)]
pub enum AnswerFormat {
    /// Columns side by side
    Table,
    /// A header and a record a line
    Csv,
    /// A JSON object a line
    Json,
}
