//! One partition's records on their way to its log: in order, and waiting where something older may still
//! come.
//!
//! A *wait* is a place in the queue that nothing passes until it is lifted or its time is up. Of a gap it
//! also keeps the trades that were found, which leave at that place: before all that stood behind it. Waits
//! that stand side by side are of one outage and leave together, what was found in order of time: else the
//! trades of a second symbol would be as late as the outage was long. Each of them asks for the same time
//! again, so all together have a bound: [`LONGEST`] times what one has. Without it, a symbol that trades now
//! and then could hold up all others for ever.

use super::clock::Moment;
use super::ids::GapKey;
use crossrate_dataflows::market::event_time::EventTime;
use std::collections::{BTreeMap, VecDeque};

/// How many times as long as one wait those of one outage last together, at most: the last symbol to show a
/// gap when the first one's time is up has its whole time still.
const LONGEST: u64 = 2;

/// What is waited for.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitCause {
    /// The trades of a gap.
    Gap(GapKey),
    /// Word of what a shard has missed.
    Outage(usize),
}

/// The queue of one partition.
#[derive(Debug)]
pub struct ReorderBuffer<R> {
    queue: VecDeque<BufferItem<R>>,
    waits: BTreeMap<WaitCause, BufferedWait<R>>,
}

#[derive(Debug)]
enum BufferItem<R> {
    Record(R),
    Wait(WaitCause),
}

#[derive(Debug)]
struct BufferedWait<R> {
    until: Moment,
    /// What more time cannot be given beyond.
    latest: Moment,
    lifted: bool,
    /// With the times and ids that order them.
    found: Vec<(EventTime, u64, R)>,
}

impl<R> Default for ReorderBuffer<R> {
    fn default() -> Self {
        ReorderBuffer { queue: VecDeque::new(), waits: BTreeMap::new() }
    }
}

impl<R> ReorderBuffer<R> {
    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Appends a record.
    pub fn push(&mut self, record: R) {
        self.queue.push_back(BufferItem::Record(record));
    }

    /// Blocks the queue from here on, for so many milliseconds. An existing block gets more time.
    pub fn wait(&mut self, wait: WaitCause, now: Moment, millis: u64) {
        if let Some(waiting) = self.waits.get_mut(&wait).filter(|waiting| !waiting.lifted) {
            waiting.until = waiting.until.max(now.plus(millis)).min(waiting.latest);
            return;
        }
        let latest = now.plus(millis.saturating_mul(LONGEST));
        self.waits
            .insert(wait, BufferedWait { until: now.plus(millis), latest, lifted: false, found: Vec::new() });
        self.queue.push_back(BufferItem::Wait(wait));
    }

    /// The same, but in the place of another wait where that is still there: what stands behind that one is
    /// newer than what the new one is for.
    pub fn wait_at(&mut self, place: WaitCause, wait: WaitCause, now: Moment, millis: u64) {
        let found =
            self.queue.iter().position(|item| matches!(item, BufferItem::Wait(there) if *there == place));
        let (Some(at), Some(beside)) = (found, self.waits.get(&place)) else {
            return self.wait(wait, now, millis);
        };
        let latest = beside.latest;
        let until = now.plus(millis).min(latest);
        self.waits.insert(wait, BufferedWait { until, latest, lifted: false, found: Vec::new() });
        self.queue.insert(at + 1, BufferItem::Wait(wait));
    }

    /// Whether this is still waited for.
    pub fn awaits(&self, wait: WaitCause) -> bool {
        self.waits.get(&wait).is_some_and(|waiting| !waiting.lifted)
    }

    /// A trade that was waited for; it is given back where nobody waits any more.
    pub fn found(&mut self, wait: WaitCause, time: EventTime, id: u64, record: R) -> Result<(), R> {
        match self.waits.get_mut(&wait) {
            Some(waiting) => {
                waiting.found.push((time, id, record));
                Ok(())
            }
            None => Err(record),
        }
    }

    /// Nothing more is waited for here.
    pub fn lift(&mut self, wait: WaitCause) {
        if let Some(waiting) = self.waits.get_mut(&wait) {
            waiting.lifted = true;
        }
    }

    /// Lifts the waits whose time is up, and says which.
    pub fn expire(&mut self, now: Moment) -> Vec<WaitCause> {
        if self.waits.is_empty() {
            return Vec::new();
        }
        let mut expired = Vec::new();
        for (wait, waiting) in self.waits.iter_mut().filter(|(_, waiting)| !waiting.lifted) {
            if now >= waiting.until {
                waiting.lifted = true;
                expired.push(*wait);
            }
        }
        expired
    }

    /// Lets go what nothing holds up.
    pub fn release(&mut self, mut each: impl FnMut(R)) {
        loop {
            let records = self.queue.iter().take_while(|item| matches!(item, BufferItem::Record(_))).count();
            for item in self.queue.drain(..records) {
                if let BufferItem::Record(record) = item {
                    each(record);
                }
            }
            let beside = self.queue.iter().map_while(|item| match item {
                BufferItem::Wait(wait) => Some(*wait),
                BufferItem::Record(_) => None,
            });
            let waits: Vec<WaitCause> = beside.collect();
            if waits.is_empty() || waits.iter().any(|wait| self.awaits(*wait)) {
                return;
            }
            self.queue.drain(..waits.len());
            let waited = waits.iter().filter_map(|wait| self.waits.remove(wait));
            let mut found: Vec<_> = waited.flat_map(|waiting| waiting.found).collect();
            found.sort_by_key(|(time, id, _)| (*time, *id));
            found.into_iter().for_each(|(.., record)| each(record));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: WaitCause = WaitCause::Gap(GapKey(1));
    const B: WaitCause = WaitCause::Gap(GapKey(2));
    const OUT: WaitCause = WaitCause::Outage(0);
    const START: Moment = Moment::from_millis(0);

    fn at(millis: u64) -> EventTime {
        EventTime::from_micros(millis * 1_000)
    }

    fn released(hold: &mut ReorderBuffer<&'static str>) -> Vec<&'static str> {
        let mut records = Vec::new();
        hold.release(|record| records.push(record));
        records
    }

    #[test]
    fn what_was_found_leaves_before_what_waited_for_it() {
        let mut hold = ReorderBuffer::default();
        hold.push("1");
        hold.wait(A, START, 10);
        hold.push("5");
        hold.wait(B, START, 20);
        hold.push("9");
        assert_eq!(released(&mut hold), ["1"]);
        assert_eq!(hold.found(A, at(3), 3, "3"), Ok(()));
        assert_eq!(hold.found(A, at(2), 2, "2"), Ok(()));
        hold.lift(B);
        assert!(released(&mut hold).is_empty(), "A stands before B");
        hold.lift(A);
        assert_eq!(released(&mut hold), ["2", "3", "5", "9"]);
        assert_eq!(hold.found(A, at(4), 4, "4"), Err("4"));
        assert!(hold.is_empty());
    }

    #[test]
    fn what_one_outage_missed_of_several_symbols_leaves_in_order_of_time() {
        let mut hold = ReorderBuffer::default();
        hold.wait(OUT, START, 10);
        hold.wait_at(OUT, A, START, 20);
        hold.push("7");
        hold.wait_at(OUT, B, START, 20);
        for (wait, time, id, record) in [(A, 2, 90, "2"), (A, 4, 91, "4"), (B, 3, 5, "3"), (B, 1, 4, "1")] {
            assert_eq!(hold.found(wait, at(time), id, record), Ok(()));
        }
        hold.lift(OUT);
        hold.lift(A);
        assert!(released(&mut hold).is_empty(), "what B misses may be older than what A had");
        hold.lift(B);
        assert_eq!(released(&mut hold), ["1", "2", "3", "4", "7"]);
        assert!(hold.is_empty());
    }

    #[test]
    fn an_expired_wait_releases_its_records() {
        let mut hold = ReorderBuffer::default();
        hold.wait(A, START, 10);
        hold.push("5");
        assert!(hold.expire(Moment::from_millis(9)).is_empty());
        assert_eq!(hold.found(A, at(3), 3, "3"), Ok(()));
        assert_eq!(hold.expire(Moment::from_millis(10)), [A]);
        assert!(!hold.awaits(A));
        assert_eq!(released(&mut hold), ["3", "5"]);
    }

    #[test]
    fn gaps_and_outages_that_go_on_and_on_hold_nothing_up_beyond_the_bound() {
        let at_ms = Moment::from_millis;
        let mut hold = ReorderBuffer::default();
        hold.wait(OUT, START, 10);
        hold.push("7");
        for (number, now) in (2..30).step_by(2).enumerate() {
            // The connection comes and goes, and one symbol after the other shows what it misses.
            hold.wait(OUT, at_ms(now), 10);
            hold.wait_at(OUT, WaitCause::Gap(GapKey(number as u64)), at_ms(now), 10);
            hold.expire(at_ms(now));
            let is_over = now >= 10 * LONGEST;
            assert_eq!(released(&mut hold), if is_over { vec!["7"] } else { vec![] }, "at {now}");
            if is_over {
                return;
            }
        }
        panic!("it waits on");
    }

    #[test]
    fn a_gap_of_an_outage_stands_where_the_outage_does() {
        let mut hold = ReorderBuffer::default();
        hold.wait(OUT, START, 10);
        hold.push("7");
        hold.wait_at(OUT, A, START, 20);
        hold.lift(OUT);
        assert!(released(&mut hold).is_empty());
        assert_eq!(hold.found(A, at(3), 3, "3"), Ok(()));
        hold.lift(A);
        assert_eq!(released(&mut hold), ["3", "7"]);
        // Without the outage it stands at the end.
        hold.wait_at(OUT, B, START, 20);
        hold.push("8");
        assert!(released(&mut hold).is_empty());
        hold.wait(B, START, 30);
        assert!(hold.expire(Moment::from_millis(29)).is_empty(), "it was given more time");
    }
}
