//! The bad records of a partition by their reasons: how many there are of each, and where the first one is.

use crate::config::{Config, Verbosity};
use crate::wire::BadRecord;

/// So many reasons are told apart; the records of others are counted together.
const MOST_REASONS: usize = 8;

/// The bad records of one partition in this run.
#[derive(Debug, Default)]
pub(super) struct BadReasons {
    each: Vec<BadReason>,
    others: u64,
}

/// The bad records of one reason.
#[derive(Debug)]
struct BadReason {
    bad: BadRecord,
    first: i64,
    count: u64,
}

impl BadReasons {
    /// Notes a bad record, and tells it where it is the first one of its reason.
    pub(super) fn note(&mut self, bad: BadRecord, offset: i64, name: &str, config: &Config) {
        if let Some(known) = self.each.iter_mut().find(|known| known.bad.reason == bad.reason) {
            known.count += 1;
        } else if self.each.len() == MOST_REASONS {
            self.others += 1;
        } else {
            self.each.push(BadReason { bad, first: offset, count: 1 });
            if config.verbosity >= Verbosity::Normal {
                let reason = bad.reason;
                tracing::warn!(
                    partition = name,
                    offset,
                    reason,
                    "{name}: the first bad record for this reason, number {offset}: {bad}"
                );
            }
        }
    }

    /// The first of them, in words.
    pub(super) fn first(&self) -> Option<String> {
        let BadReason { bad, first, .. } = self.each.first()?;
        Some(format!("the first, number {first}: {bad}"))
    }

    /// Whether all have one reason.
    pub(super) fn is_one(&self) -> bool {
        self.each.len() == 1
    }

    /// Tells how many there are of each reason.
    pub(super) fn say(&self, name: &str) {
        for BadReason { bad, first, count } in &self.each {
            let reason = bad.reason;
            tracing::warn!(
                partition = name,
                bad = count,
                offset = first,
                reason,
                "{name}: {count} bad, the first number {first}: {reason}"
            );
        }
        if self.others > 0 {
            let others = self.others;
            tracing::warn!(partition = name, bad = others, "{name}: {others} bad for other reasons");
        }
    }
}
