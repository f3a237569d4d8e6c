//! Why nothing comes of a partition's records, told once (`docs/semantics.md`); and what late records have in
//! common.
//!
//! Takes notes of records that do not count, as they are judged; costs nothing for those that do. What is
//! told is told on standard error: the why of an input that gives nothing always, the rest to whoever did not
//! ask for silence.

mod bad_reasons;
mod lateness;

use crate::config::{Config, Source, Verbosity};
use crate::wire::chunk::{Chunk, Framing, LineFormat};
use crate::wire::mapping::Mapping;
use crate::wire::{BadRecord, why};
use bad_reasons::BadReasons;
use crossrate_dataflows::market::acceptance::{Counts, PartitionState};
use crossrate_dataflows::market::decimal::Decimals;
use crossrate_dataflows::market::definition::Selection;
use crossrate_dataflows::market::event_time::EventTime;
use lateness::Lateness;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After how long an unbounded input that gives nothing is told of.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Names of unselected symbols are kept of so many records, and so many of them at most.
const MOST_RECORDS: u64 = 100_000;
const MOST_NAMES: usize = 2_000;
/// So many of them are told.
const NAMES_TOLD: usize = 5;

/// Whether the input is known to end by itself; that of a pipe is not.
pub(super) fn has_end(config: &Config) -> bool {
    match &config.source {
        Source::Kafka(kafka) => kafka.exit_at_end,
        Source::Files(files) => files.paths.iter().all(|path| path.is_file()),
        Source::Simulated(_) => true,
    }
}

/// A class of records that do not count, of which an example is kept.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Class {
    Late,
    Future,
    Ignored,
}

/// The notes on one partition.
#[derive(Debug, Default)]
pub(super) struct PartitionDiagnosis {
    /// How the numbers of its trades are scaled.
    decimals: Decimals,
    /// What was counted before this run.
    before: Counts,
    /// When this run got the first records.
    since: Option<Instant>,
    /// The symbol of the latest ones, where it stands in none of them.
    symbol_of_lines: Option<Arc<str>>,
    /// How the latest ones are read, where that is a mapping.
    mapping: Option<Arc<Mapping>>,
    bad: BadReasons,
    late: Option<FirstRecord>,
    future: Option<FirstRecord>,
    ignored: Option<FirstRecord>,
    /// Symbols that nobody asked for.
    names: BTreeSet<String>,
    names_of: u64,
    lateness: Lateness,
    is_reported: bool,
}

/// The first record of a class.
#[derive(Debug)]
struct FirstRecord {
    offset: i64,
    detail: String,
}

impl PartitionDiagnosis {
    /// Of a partition of which nothing was read, in a job with those decimals.
    pub(super) fn of(decimals: Decimals) -> PartitionDiagnosis {
        PartitionDiagnosis { decimals, ..PartitionDiagnosis::default() }
    }

    /// The partition is taken up where an earlier run left it.
    pub(super) fn goes_on(&mut self, counts: &Counts) {
        self.before = *counts;
    }

    /// Records have come.
    pub(super) fn begin(&mut self, chunk: &Chunk) {
        self.symbol_of_lines = match &chunk.framing {
            Framing::Lines(LineFormat::Csv { symbol, .. }) => Some(Arc::clone(symbol)),
            _ => None,
        };
        self.mapping = chunk.mapping().cloned();
        if self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }

    /// Whether nothing was accepted so far, so that reasons are of interest.
    fn is_open(&self, counts: &Counts) -> bool {
        counts.accepted == self.before.accepted
    }

    /// Notes a record that does not count; `detail` is asked for the first of a class.
    #[cold]
    pub(super) fn note(&mut self, class: Class, offset: i64, detail: impl FnOnce() -> String) {
        let example = match class {
            Class::Late => &mut self.late,
            Class::Future => &mut self.future,
            Class::Ignored => &mut self.ignored,
        };
        if example.is_none() {
            *example = Some(FirstRecord { offset, detail: detail() });
        }
    }

    /// Notes a bad record of the partition of that name; the first for each reason is told at once.
    #[cold]
    pub(super) fn bad(&mut self, bad: BadRecord, offset: i64, name: &str, config: &Config) {
        self.bad.note(bad, offset, name, config);
    }

    /// Notes a record that is nothing that we count.
    #[inline]
    pub(super) fn ignored(&mut self, counts: &Counts, offset: i64, record: &[u8]) {
        if self.is_open(counts) {
            let mapping = self.mapping.clone();
            self.note(Class::Ignored, offset, || why::ignored(record, mapping.as_deref()));
        }
    }

    /// Notes a trade of a symbol that is counted by the other kind of event.
    #[inline]
    pub(super) fn other_kind(&mut self, counts: &Counts, offset: i64) {
        if self.is_open(counts) {
            let detail = "its symbol is counted by the other kind of event";
            self.note(Class::Ignored, offset, || detail.to_owned());
        }
    }

    /// Notes a trade of a symbol that nobody asked for.
    #[inline]
    pub(super) fn unselected(&mut self, counts: &Counts, record: &[u8]) {
        if self.is_open(counts) {
            self.note_symbol(record);
        }
    }

    #[cold]
    fn note_symbol(&mut self, record: &[u8]) {
        if self.names_of < MOST_RECORDS && self.names.len() < MOST_NAMES {
            self.names_of += 1;
            self.names.extend(match &self.symbol_of_lines {
                Some(symbol) => Some(symbol.to_string()),
                None => why::symbol(record, self.mapping.as_deref(), self.decimals),
            });
        }
    }

    /// Notes a late trade, whose pane was final at a time.
    pub(super) fn late(&mut self, state: &PartitionState, time: EventTime, settled: EventTime) {
        self.lateness.note(state, time, settled);
    }

    /// What is to be said while an unbounded input goes on.
    pub(super) fn meanwhile(&mut self, name: &str, state: &PartitionState, config: &Config) {
        if self.since.is_none_or(|since| since.elapsed() < PATIENCE) {
            return;
        }
        self.say_silence(name, state, config);
        if self.lateness.lasts(PATIENCE) {
            self.lateness.say_jump(name, state, config);
        }
    }

    /// What is to be said when the input has ended, or the run.
    pub(super) fn at_end(&mut self, name: &str, state: &PartitionState, config: &Config) {
        self.say_silence(name, state, config);
        if !self.lateness.say_jump(name, state, config) {
            self.lateness.say_delay(name, config);
        }
        // Of an input that gives nothing the one reason has been told.
        let gives_nothing = state.counts().accepted == self.before.accepted;
        if config.verbosity >= Verbosity::Normal && !(gives_nothing && self.bad.is_one()) {
            self.bad.say(name);
        }
    }

    /// That records came and none was accepted, and why: also to whoever asked for silence.
    fn say_silence(&mut self, name: &str, state: &PartitionState, config: &Config) {
        let counts = self.of_this_run(state.counts());
        if self.is_reported || counts.accepted > 0 || counts.read() == 0 {
            return;
        }
        self.is_reported = true;
        let classes: Vec<(&str, u64)> = counts.classes().into_iter().filter(|(_, n)| *n > 0).collect();
        let counted: Vec<String> = classes.iter().map(|(class, n)| format!("{n} {class}")).collect();
        let most = classes.iter().rev().max_by_key(|(_, n)| *n).map_or("", |(class, _)| class);
        let why = match most {
            "unselected" => self.symbols_seen(&config.definition.symbols),
            "bad" => self.bad.first(),
            "late" => self.late.as_ref().map(FirstRecord::text),
            "future" => self.future.as_ref().map(FirstRecord::text),
            "ignored" => self.ignored.as_ref().map(FirstRecord::text),
            _ => None,
        };
        let why = why.map_or_else(String::new, |why| format!("; {why}"));
        let (read, counted) = (counts.read(), counted.join(" + "));
        tracing::warn!(
            partition = name,
            read,
            late = counts.late,
            bad = counts.bad,
            "{name}: of {read} records none was accepted: {counted}{why}"
        );
    }

    fn of_this_run(&self, counts: &Counts) -> Counts {
        let (now, before) = (counts, &self.before);
        Counts {
            accepted: now.accepted - before.accepted,
            duplicate: now.duplicate - before.duplicate,
            late: now.late - before.late,
            bad: now.bad - before.bad,
            future: now.future - before.future,
            ignored: now.ignored - before.ignored,
            unselected: now.unselected - before.unselected,
            heartbeat: now.heartbeat - before.heartbeat,
        }
    }

    /// The symbols that nobody asked for, those first that are nearest to one that somebody did.
    fn symbols_seen(&self, wanted: &Selection) -> Option<String> {
        let Selection::Only(wanted) = wanted else { return None };
        let lower: Vec<(&str, String)> =
            wanted.iter().map(|w| (w.as_str(), w.as_str().to_lowercase())).collect();
        let distance = |name: &str| {
            let name = name.to_lowercase();
            lower.iter().map(|(_, wanted)| strsim::damerau_levenshtein(&name, wanted)).min()
        };
        let mut seen: Vec<(Option<usize>, &str)> =
            self.names.iter().map(|n| (distance(n), n.as_str())).collect();
        seen.sort_unstable();
        let mut names: Vec<String> = seen.iter().take(NAMES_TOLD).map(|(_, name)| shown(name)).collect();
        if seen.len() > NAMES_TOLD {
            names.push(format!("and {} more", seen.len() - NAMES_TOLD));
        }
        let slip = seen.first().filter(|(distance, _)| *distance == Some(0)).and_then(|(_, name)| {
            let meant = lower.iter().find(|(_, lower)| *lower == name.to_lowercase())?.0;
            Some(format!(" ({} is not {}: names are told apart by case)", shown(meant), shown(name)))
        });
        (!names.is_empty()).then(|| format!("symbols seen: {}{}", names.join(", "), slip.unwrap_or_default()))
    }
}

impl FirstRecord {
    fn text(&self) -> String {
        format!("the first, number {}: {}", self.offset, self.detail)
    }
}

/// A name of the input for people: nothing in it moves a terminal.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}
