//! What a run waits for that has read trades and gives no row: the watermark, the window, who holds the
//! frontier.
//!
//! On the worker that writes, which knows of all partitions. Told once before the first row, and later
//! whenever the frontier stands still, at growing distances, so that a quiet night is no page of lines.

use crate::config::{Config, Source, Verbosity};
use crate::duration::{show, span};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::looks::Looks;
use crossrate_dataflows::operators::closings::{Outbox, PartitionProgress};
use std::time::{Duration, Instant};

/// After how long without a row it is told.
const PATIENCE: Duration = Duration::from_secs(10);
/// And again, ever later, up to this.
const MOST_PATIENCE: Duration = Duration::from_secs(3_600);

/// How long nothing has come.
#[derive(Debug)]
pub(super) struct RowWait {
    /// Since when there was no row.
    since: Instant,
    /// Whether this run has given one.
    rows: bool,
    /// Where the frontier is, and since when.
    frontier: (Option<EventTime>, Instant),
    patience: Duration,
    reported_at: Option<Instant>,
}

impl RowWait {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        RowWait { since: now, rows: false, frontier: (None, now), patience: PATIENCE, reported_at: None }
    }

    /// Looks at what is to be written, and says what nothing comes of.
    pub(super) fn look(&mut self, outbox: &Outbox, config: &Config) {
        let now = Instant::now();
        if !outbox.rows.is_empty() {
            (self.since, self.rows) = (now, true);
        }
        if outbox.frontier != self.frontier.0 {
            self.frontier = (outbox.frontier, now);
        }
        let silent = now.duration_since(self.since) >= PATIENCE;
        let due = match self.reported_at {
            None if !self.rows => silent,
            reported_at => {
                let still = now.duration_since(self.frontier.1) >= PATIENCE;
                silent
                    && still
                    && reported_at.is_none_or(|reported_at| now.duration_since(reported_at) >= self.patience)
            }
        };
        if due && self.say("no row for 10 s", outbox, config) {
            if self.reported_at.is_some() {
                self.patience = (self.patience * 3).min(MOST_PATIENCE);
            }
            self.reported_at = Some(now);
        }
    }

    /// Whether this run has given a row.
    pub(super) fn has_rows(&self) -> bool {
        self.rows
    }

    /// The run is interrupted: where it had given nothing for a while, or at all, it says why.
    pub(super) fn interrupted(&self, outbox: &Outbox, config: &Config) {
        if outbox.rows.is_empty() && (!self.rows || self.since.elapsed() >= PATIENCE) {
            self.say(if self.rows { "no row for a while" } else { "no row yet" }, outbox, config);
        }
    }

    /// Whether there was something to say.
    fn say(&self, what: &str, outbox: &Outbox, config: &Config) -> bool {
        // A generated market never waits.
        if config.verbosity < Verbosity::Normal || matches!(config.source, Source::Simulated(_)) {
            return false;
        }
        let words = waits_for(outbox, config);
        if let Some(words) = &words {
            let frontier_ms = outbox.frontier.map(EventTime::millis);
            tracing::warn!(frontier_ms, "{what}: {words}");
        }
        words.is_some()
    }
}

/// The window that comes next, how far the frontier is, and who holds it.
fn waits_for(outbox: &Outbox, config: &Config) -> Option<String> {
    let frontier = outbox.frontier?;
    let parts = || outbox.partitions.values();
    if parts().all(|p| p.counts.accepted == 0) {
        return None;
    }
    let definition = &config.definition;
    let looks = Looks::of(definition);
    // Of a partition that is ahead panes may be in the dataflow already: its first window is the next one
    // there is.
    let boundary = || looks.windows.next_end(frontier.minus(definition.grace));
    let open = parts().filter_map(|p| p.open).min();
    let ahead = parts().any(|p| p.counts.accepted > 0 && p.closes > frontier);
    let end = if ahead { open.into_iter().chain([boundary()]).min() } else { open }?;
    let at = looks.final_at(end);
    let held = held_by(parts(), frontier, definition.delay);
    let at = if at == end { String::new() } else { format!(", final at {at},") };
    Some(format!("the next window ends at {end}{at} and the frontier is at {frontier}{held}"))
}

fn held_by<'a>(
    parts: impl Iterator<Item = &'a PartitionProgress> + Clone,
    frontier: EventTime,
    delay: u64,
) -> String {
    let active = parts.filter(|p| !p.ended && !p.idle);
    let Some(least) = active.clone().min_by_key(|p| p.watermark) else {
        return "; all partitions are idle: the next trade moves it".to_owned();
    };
    let others = active.filter(|p| p.watermark <= least.watermark).count() - 1;
    let others = if others > 0 { format!(" and {others} more") } else { String::new() };
    let name = &least.name;
    if least.watermark == EventTime::MIN {
        return format!(", held by {name}{others}, which has given no trade and no heartbeat");
    }
    let ahead = span(least.watermark.micros().saturating_sub(frontier.micros()));
    let ahead = if least.watermark > frontier { format!("{ahead} further") } else { "no further".to_owned() };
    format!(
        ", held by {name}{others}: its watermark, the latest event time less --delay {}, is {ahead}",
        show(delay)
    )
}
