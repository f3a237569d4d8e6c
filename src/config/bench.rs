//! What `crossrate bench` measures.

use std::path::PathBuf;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Bench {
    /// JSON lines, not packed, to read instead of generated ones; each file is a partition
    pub files: Vec<PathBuf>,
    /// Trades to generate, where no files are given
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub trades: u64,
    /// Symbols that trade in them; rows of all of them are computed
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub symbols: u32,
    /// Files, that is partitions, to generate
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub partitions: u16,
    /// Length of a window
    #[arg(long, default_value = "10s")]
    pub window: String,
    /// Most worker threads
    #[arg(short = 'w', long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub threads: u16,
    /// Rounds that count; figures are medians over them
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}
