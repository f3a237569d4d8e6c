//! The clock of the benches that run on one thread.

use anyhow::{Context, Result};
use std::time::Duration;

/// How long a core has worked for this thread.
pub(crate) fn worked() -> Result<Duration> {
    let path = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(path).with_context(|| format!("{path}: this bench needs Linux"))?;
    let nanos = text.split_ascii_whitespace().next().context("schedstat is empty")?;
    Ok(Duration::from_nanos(nanos.parse().with_context(|| format!("{path}: {text}"))?))
}
