//! What symbols are missing, told once for all partitions of the job: a wanted name beside one that differs
//! by case alone; and of a run that has ended without a row what its rows needed.
//!
//! On the worker that writes, which hears of all partitions.

use super::diagnosis::{PATIENCE, shown};
use crate::accounting::total;
use crate::config::{Config, Verbosity};
use crossrate_dataflows::market::definition::Definition;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::operators::closings::Outbox;
use std::collections::BTreeSet;
use std::time::Instant;

/// So many symbols are named.
const MOST_NAMED: usize = 5;

/// What was heard of symbols that are missing.
#[derive(Debug, Default)]
pub(super) struct MissingSymbols {
    /// Since when there is a name that differs from a wanted one.
    since: Option<Instant>,
    reported: BTreeSet<Symbol>,
}

impl MissingSymbols {
    /// What is to be said while an unbounded input goes on.
    pub(super) fn look(&mut self, outbox: &mut Outbox, config: &Config) {
        if outbox.slips.is_empty() {
            return;
        }
        if self.since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
            self.say_slips(outbox, config);
        }
    }

    /// That a wanted symbol has no trade, and one has whose name differs by case alone.
    pub(super) fn say_slips(&mut self, outbox: &mut Outbox, config: &Config) {
        for (wanted, seen) in std::mem::take(&mut outbox.slips) {
            // An input of which nothing was accepted says so itself, and which symbols it has.
            let is_silent = total(&outbox.partitions).accepted == 0 || config.verbosity < Verbosity::Normal;
            if is_silent || outbox.traded.contains(&wanted) || !self.reported.insert(wanted.clone()) {
                continue;
            }
            let (meant, found) = (shown(wanted.as_str()), shown(seen.as_str()));
            tracing::warn!(
                symbol = %wanted,
                seen = %seen,
                "no trade of {meant}, but trades of {found}: names are told apart by case"
            );
        }
    }
}

/// That a run has accepted so many trades and ended without a row, and why.
pub(super) fn say_no_rows(accepted: u64, outbox: &Outbox, config: &Config) {
    // Windows that were withheld are told with the accounting.
    if accepted == 0 || outbox.withheld > 0 || config.verbosity < Verbosity::Normal {
        return;
    }
    let why = why_no_rows(outbox, &config.definition);
    tracing::warn!(accepted, "accepted {accepted} trades and gave no row: {why}");
}

fn why_no_rows(outbox: &Outbox, definition: &Definition) -> String {
    let closes = outbox.partitions.values().map(|partition| partition.closes).max();
    if let (Some(start), Some(closes)) = (definition.windows.first_start(), closes)
        && closes <= start.plus(definition.grace)
    {
        return format!("no window holds them, the first one begins at {start}");
    }
    let needs: BTreeSet<&Symbol> = definition.needs().collect();
    let mut never = needs.into_iter().filter(|symbol| !outbox.traded.contains(*symbol));
    let mut named: Vec<String> = never.by_ref().take(MOST_NAMED).map(|name| shown(name.as_str())).collect();
    let others = never.count();
    if others > 0 {
        named.push(format!("{others} more"));
    }
    match named.as_slice() {
        [] if definition.crosses.is_empty() && definition.quotes.is_none() => {
            "there is no cross, and --rows asks for no others".to_owned()
        }
        [] => "in no window all legs of a cross traded".to_owned(),
        [name] => format!("{name} never traded, which a cross needs"),
        [names @ .., last] => format!("{} and {last} never traded, which crosses need", names.join(", ")),
    }
}
