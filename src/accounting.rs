//! What became of every record, told at the end: to people on standard error, to programs by `--summary`.

use crate::config::{Config, Verbosity};
use crate::exit::{Exit, Failure};
use crate::sink::total;
use anyhow::Result;
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::operators::closings::Outbox;
use serde::Serialize;

#[derive(Serialize)]
struct Summary {
    read: u64,
    #[serde(flatten)]
    counts: Counts,
}

/// Tells it.
pub fn tell(config: &Config, outbox: &Outbox) -> Result<()> {
    let counts = total(&outbox.partitions);
    if config.verbosity >= Verbosity::Normal {
        eprintln!("crossrate: {}", in_words(&counts));
        if outbox.withheld > 0 {
            let before = if config.since.is_some() { "--since, or before" } else { "" };
            let before = format!("{before} the first record read");
            eprintln!(
                "crossrate: withheld {} windows of symbols that began before {}",
                outbox.withheld,
                before.trim_start()
            );
        }
    }
    let Some(path) = &config.summary else { return Ok(()) };
    let mut text = serde_json::to_string(&Summary { read: counts.read(), counts })?;
    text.push('\n');
    std::fs::write(path, text).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot write the summary to {}", path.display()))
            .because(error)
            .into()
    })
}

fn in_words(c: &Counts) -> String {
    format!(
        "read {} = {} accepted + {} duplicate + {} late + {} bad + {} future + {} ignored + {} unselected + {} heartbeat",
        c.read(),
        c.accepted,
        c.duplicate,
        c.late,
        c.bad,
        c.future,
        c.ignored,
        c.unselected,
        c.heartbeat
    )
}
