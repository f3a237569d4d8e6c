//! What `crossrate checkpoint` takes.

use super::flags::{CHECKPOINT, Flags};
use super::settings::LOGGING;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum CheckpointCommands {
    /// Partitions, offsets, watermarks, open windows, statistics
    Show {
        /// As one JSON object
        #[arg(long, help_heading = LOGGING)]
        json: bool,
        #[command(flatten)]
        flags: Flags<CHECKPOINT>,
    },
    /// Every entry's version and checksum, and whether all of them fit together; exits with 1 if not
    Check {
        /// As one JSON object
        #[arg(long, help_heading = LOGGING)]
        json: bool,
        #[command(flatten)]
        flags: Flags<CHECKPOINT>,
    },
    /// Remove it: the job's next run begins anew
    Reset {
        /// That is meant
        #[arg(long)]
        yes: bool,
        /// As one JSON object
        #[arg(long, help_heading = LOGGING)]
        json: bool,
        #[command(flatten)]
        flags: Flags<CHECKPOINT>,
    },
}
