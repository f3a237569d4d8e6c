//! What the late trades of a partition have in common: a record whose clock was wrong, or a delay that is too
//! short.

use crate::config::{Config, Verbosity};
use crate::duration::{LONGEST, rounded_up, show, span};
use crossrate_dataflows::market::acceptance::PartitionState;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::looks::Looks;
use crossrate_dataflows::market::movers::Mover;
use std::time::{Duration, Instant};

/// Of a record that others bear out, or that was the first one, so many must be late behind it for one that
/// counts before its clock is said to be wrong: there may be a true gap, or files in another order.
const LATE_FOR_ONE: u64 = 10;

/// The late trades of one partition in this run.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    /// How many a longer delay would have taken, how far the last of them was behind, and what they needed.
    by_delay: u64,
    most_behind: u64,
    delay_needed: u64,
    /// The record that made trades late which its partition would have taken before it.
    suspect: Option<Suspect>,
    /// The suspect that was told.
    reported_offset: Option<i64>,
}

/// A record whose clock may have been wrong.
#[derive(Debug)]
struct Suspect {
    mover: Mover,
    /// How many it made late, and since when.
    late: u64,
    since: Instant,
    /// Whether the first of them came before any other record counted.
    is_alone: bool,
}

impl Suspect {
    fn accepted(&self, state: &PartitionState) -> u64 {
        state.counts().accepted - self.mover.accepted
    }

    /// Whether what it made late is so much more than what counted behind it that its clock was wrong, and it
    /// was no neighbour of those before it.
    fn is_wrong(&self, state: &PartitionState, config: &Config) -> bool {
        let Mover { from, to, .. } = self.mover;
        let is_first = from == EventTime::MIN;
        let looks = Looks::of(&config.definition);
        let reached = from.plus(config.definition.delay);
        let is_far = is_first || looks.final_at(looks.pane(reached).end) <= to;
        let accepted = self.accepted(state);
        let is_most = match self.is_alone && !is_first {
            true => self.late > accepted,
            false => self.late >= LATE_FOR_ONE * accepted,
        };
        is_far && is_most
    }
}

impl Lateness {
    /// Notes a late trade, whose pane was final at a time; of those that an entry made late no delay would
    /// have been long enough, and no record is to blame.
    #[cold]
    pub(super) fn note(&mut self, state: &PartitionState, time: EventTime, settled: EventTime) {
        self.suspect(state, settled);
        let reached = state.own_reached();
        if reached > settled {
            self.by_delay += 1;
            self.most_behind = self.most_behind.max(reached.micros() - time.micros());
            self.delay_needed = self.delay_needed.max(reached.micros() - settled.micros() + 1);
        }
    }

    fn suspect(&mut self, state: &PartitionState, settled: EventTime) {
        let Some(mover) = state.movers().made_final(settled) else { return };
        match &mut self.suspect {
            Some(suspect) if suspect.mover.offset == mover.offset => suspect.late += 1,
            // What comes behind a wrong clock is late whatever moves the watermark besides.
            Some(suspect) if suspect.late > suspect.accepted(state) => {}
            suspect => {
                let is_alone = state.counts().accepted == mover.accepted;
                *suspect = Some(Suspect { mover, late: 1, since: Instant::now(), is_alone });
            }
        }
    }

    /// Whether a record has made others late for so long.
    pub(super) fn lasts(&self, patience: Duration) -> bool {
        self.suspect.as_ref().is_some_and(|suspect| suspect.since.elapsed() >= patience)
    }

    /// That one record moved the watermark so far that what came after it was late; whether that is so.
    pub(super) fn say_jump(&mut self, name: &str, state: &PartitionState, config: &Config) -> bool {
        let Some(suspect) = self.suspect.as_ref().filter(|suspect| suspect.is_wrong(state, config)) else {
            return false;
        };
        let Suspect { mover: Mover { offset, from, to, .. }, late, is_alone, .. } = *suspect;
        if self.reported_offset == Some(offset) || config.verbosity < Verbosity::Normal {
            return true;
        }
        self.reported_offset = Some(offset);
        let delay = config.definition.delay;
        let (time, accepted) = (to.plus(delay), suspect.accepted(state));
        let what = match accepted {
            0 => format!("all records after number {offset}, whose time is {time}, were late ({late})"),
            _ => format!(
                "of the records after number {offset}, whose time is {time}, {late} were late and {accepted} \
                 counted"
            ),
        };
        let ahead = match from {
            EventTime::MIN => "it was the first one".to_owned(),
            _ => {
                format!("it was {} ahead of those before it", span(time.micros() - from.plus(delay).micros()))
            }
        };
        let hint = match (from, is_alone) {
            (EventTime::MIN, _) => "its clock was wrong, or --delay is too short",
            (_, true) => "with --max-jump such a record moves nothing",
            (_, false) => {
                "with --max-jump such a record moves nothing, but where the next one lies within that of it, \
                 both are taken for what follows a gap"
            }
        };
        tracing::warn!(
            partition = name,
            offset,
            time_ms = time.millis(),
            late,
            accepted,
            "{name}: {what}; {ahead}: {hint}"
        );
        true
    }

    /// How far late records were behind, and which delay would have taken them.
    pub(super) fn say_delay(&self, name: &str, config: &Config) {
        let Lateness { by_delay, most_behind, delay_needed, .. } = *self;
        if by_delay == 0 || config.verbosity < Verbosity::Normal {
            return;
        }
        let hint = match rounded_up(delay_needed) {
            delay if delay <= LONGEST => format!("; --delay {} would have taken them", show(delay)),
            _ => String::new(),
        };
        let behind = span(most_behind);
        tracing::warn!(
            partition = name,
            late = by_delay,
            behind_us = most_behind,
            delay_needed_us = delay_needed,
            "{name}: {by_delay} late, the latest {behind} behind{hint}"
        );
    }
}
