//! When the process began: with `-v` it says by when what was done, so that a slow start shows where it waits.

use crate::config::Verbosity;
use std::fmt::Display;
use std::sync::OnceLock;
use std::time::Instant;

static BEGUN: OnceLock<Instant> = OnceLock::new();

/// The process begins. Without it, it begins when it is first asked.
pub fn begin() {
    BEGUN.get_or_init(Instant::now);
}

/// Says that something is done, and how long after the beginning, to those who want to know everything.
pub fn tell(verbosity: Verbosity, what: impl Display) {
    let begun = BEGUN.get_or_init(Instant::now);
    if verbosity >= Verbosity::Verbose {
        eprintln!("crossrate: {} ms: {what}", begun.elapsed().as_millis());
    }
}
