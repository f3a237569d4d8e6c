//! The definition log, and what it makes of a job: which symbols and crosses are part of it, and from when
//! until when (section 13 of the specification: changing a job while it runs).
//!
//! A log says for each change the moment from which it holds, and where each partition took it. All else
//! follows from the job's settings and the log. Where the text leaves something open, this decides, and says
//! so:
//! * What comes again after it was dropped is another *stay*: it has none of the trades that the earlier one
//!   was given, also those whose time it holds (accepted before their partition took the change). Ids that
//!   repeat, the kind by which a partition counts a symbol, fills, carried windows, missing ids and
//!   statistics are those of one stay.
//! * What is added and dropped at one moment stays for no window that begins then or later, but a cross that
//!   is filled back has the rows of windows that end by then: it was as if defined before.
//! * The first tick at or after `from` shows an open window of what is added as it is then, whether or not
//!   it is another than at the tick before: nobody has seen that one.
//! * Of a window that ended before `from` and is final after it, a cross that is filled back leaves the
//!   looks at `from` and later, the first with revision 0; of windows that are final at `from` the final row
//!   alone, with revision 0.
//! * A window that begins before its symbol's `from` (one definition's boundary need not be another's) has
//!   no row, so it starts no fill and stands in for no later one.

use super::settings::{Cross, Settings};
use super::windows::{Definition, Window, pane};
use std::collections::{BTreeMap, BTreeSet};

/// The changes of a job, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    pub changes: Vec<LoggedChange>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedChange {
    pub change: Change,
    /// In microseconds.
    pub from: i64,
    /// By partition the offset of the first record after it; without one it came before the partition's
    /// first record.
    pub offsets: BTreeMap<usize, usize>,
}

/// Another formula under a known name is a drop and an addition. A symbol that a cross makes wanted has an
/// addition of its own, before the cross's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    AddCross(Cross),
    DropCross(String),
    AddSymbol(String),
    DropSymbol(String),
}

impl LoggedChange {
    fn offset(&self, partition: usize) -> usize {
        self.offsets.get(&partition).copied().unwrap_or(0)
    }
}

/// From when until when a symbol or a cross is part of the job.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stay {
    /// 0 from the start, else one more than the place of its addition in the log.
    pub number: usize,
    pub from: i64,
    pub to: i64,
}

impl Stay {
    const WHOLE: Stay = Stay { number: 0, from: i64::MIN, to: i64::MAX };

    fn has_ended(&self) -> bool {
        self.to != i64::MAX
    }
}

/// A symbol during one of its stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobSymbol {
    pub name: String,
    pub stay: Stay,
}

impl JobSymbol {
    /// Whether it may have a row of this window.
    pub fn has_window(&self, settings: &Settings, definition: &Definition, window: Window) -> bool {
        window.start >= settings.withheld_before && definition.begins_with(window, self.stay.from)
    }
}

/// A cross during one of its stays.
#[derive(Debug, Clone)]
pub struct JobCross {
    pub name: String,
    /// Each with whether it is divided by.
    pub legs: Vec<(JobSymbol, bool)>,
    pub stay: Stay,
    /// As if it had been defined then.
    pub defined_at: i64,
}

impl JobCross {
    pub fn formula(&self) -> String {
        let mut formula = String::new();
        for (leg, is_inverse) in &self.legs {
            if !formula.is_empty() {
                formula.push(if *is_inverse { '/' } else { '*' });
            }
            formula.push_str(&leg.name);
        }
        formula
    }

    pub fn has_window(&self, settings: &Settings, definition: &Definition, window: Window) -> bool {
        window.start >= settings.withheld_before && definition.begins_with(window, self.defined_at)
    }
}

/// All stays of a job's symbols and crosses.
#[derive(Debug)]
pub struct Course<'a> {
    log: &'a Log,
    /// In order; nothing where all symbols are wanted always.
    symbols: Option<BTreeMap<String, Vec<Stay>>>,
    pub crosses: Vec<JobCross>,
}

impl<'a> Course<'a> {
    /// A log that no job can have is a mistake of the test.
    pub fn new(settings: &Settings, log: &'a Log) -> Course<'a> {
        Course::read(settings, log).unwrap_or_else(|what| panic!("{what}: {log:?}"))
    }

    /// Else why no job can have this log.
    pub fn read(settings: &Settings, log: &'a Log) -> Result<Course<'a>, String> {
        let wanted = settings.wanted();
        let symbols = wanted.map(|names| names.into_iter().map(|name| (name, vec![Stay::WHOLE])).collect());
        let mut course = Course { log, symbols, crosses: Vec::new() };
        for cross in &settings.crosses {
            course.add_cross(settings, cross, Stay::WHOLE)?;
        }
        for (place, logged) in log.changes.iter().enumerate() {
            let from = logged.from;
            ensure(pane(&settings.windows, from).0 == from, || format!("{from} is no boundary"))?;
            if let Some(before) = place.checked_sub(1).map(|place| &log.changes[place]) {
                let mut partitions = before.offsets.keys().chain(logged.offsets.keys());
                let is_in_order = partitions.all(|p| before.offset(*p) <= logged.offset(*p));
                ensure(is_in_order && before.from <= from, || format!("change {place} is not in order"))?;
            }
            course.take(settings, &logged.change, Stay { number: place + 1, from, to: i64::MAX })?;
        }
        Ok(course)
    }

    fn take(&mut self, settings: &Settings, change: &Change, stay: Stay) -> Result<(), String> {
        match change {
            Change::AddCross(cross) => self.add_cross(settings, cross, stay)?,
            Change::DropCross(name) => {
                let is_of_basis = settings.bases.iter().any(|(cross, _)| cross == name);
                ensure(!is_of_basis, || format!("{name} is of a basis"))?;
                let cross = self.crosses.iter_mut().find(|c| c.name == *name && !c.stay.has_ended());
                cross.ok_or_else(|| format!("there is no cross {name}"))?.stay.to = stay.from;
            }
            Change::AddSymbol(name) => {
                let symbols = self.symbols.as_mut().ok_or("all symbols are wanted")?;
                let stays = symbols.entry(name.clone()).or_default();
                ensure(stays.last().is_none_or(Stay::has_ended), || format!("{name} is wanted already"))?;
                stays.push(stay);
            }
            Change::DropSymbol(name) => {
                let here = self.crosses.iter().filter(|cross| !cross.stay.has_ended());
                let mut legs = here.flat_map(|cross| &cross.legs).map(|(leg, _)| &leg.name);
                let mut directs = settings.bases.iter().map(|(_, direct)| direct);
                let is_needed = legs.any(|leg| leg == name) || directs.any(|direct| direct == name);
                ensure(!is_needed, || format!("{name} is needed"))?;
                let symbols = self.symbols.as_mut().ok_or("all symbols are wanted")?;
                let stay_now = symbols.get_mut(name).and_then(|stays| stays.last_mut());
                let stay_now = stay_now.filter(|stay| !stay.has_ended());
                stay_now.ok_or_else(|| format!("{name} is not wanted"))?.to = stay.from;
            }
        }
        Ok(())
    }

    fn add_cross(&mut self, settings: &Settings, cross: &Cross, stay: Stay) -> Result<(), String> {
        let mut namesakes = self.crosses.iter().filter(|other| other.name == cross.name);
        let is_free = namesakes.clone().all(|other| other.stay.has_ended());
        ensure(is_free, || format!("{} is there already", cross.name))?;
        let legs = cross.legs.iter().map(|leg| {
            let stay = self.stays(&leg.symbol).last().copied().filter(|stay| !stay.has_ended());
            let stay = stay.ok_or_else(|| format!("{} of {} is not wanted", leg.symbol, cross.name))?;
            Ok((JobSymbol { name: leg.symbol.clone(), stay }, leg.inverse))
        });
        let legs = legs.collect::<Result<Vec<_>, String>>()?;
        let mut defined_at = stay.from;
        if stay.number > 0 {
            let of_legs = legs.iter().map(|(leg, _)| leg.stay.from).max().expect("a leg");
            let last_drop = namesakes.next_back().map_or(i64::MIN, |other| other.stay.to);
            let latest = (stay.from - settings.back_fill).max(of_legs).max(last_drop);
            let (begins, ends) = pane(&settings.windows, latest);
            defined_at = if begins == latest { begins } else { ends };
        }
        self.crosses.push(JobCross { name: cross.name.clone(), legs, stay, defined_at });
        Ok(())
    }

    fn stays(&self, symbol: &str) -> &[Stay] {
        match &self.symbols {
            None => &[Stay::WHOLE],
            Some(symbols) => symbols.get(symbol).map_or(&[], Vec::as_slice),
        }
    }

    /// The symbol during the stay of this number, which has come to pass.
    pub fn symbol(&self, name: &str, number: usize) -> JobSymbol {
        let stay = self.stays(name).iter().find(|stay| stay.number == number);
        JobSymbol { name: name.to_owned(), stay: *stay.expect("a stay") }
    }

    /// The number of the stay for which a record asks that has this symbol and time; nothing where the
    /// symbol is not wanted.
    pub fn stay_of_record(
        &self,
        symbol: &str,
        (partition, offset): (usize, usize),
        time: i64,
    ) -> Option<usize> {
        let taken = |logged: &LoggedChange| logged.offset(partition) <= offset && logged.from <= time;
        let in_force = self.log.changes.iter().enumerate().filter(|(_, logged)| taken(logged));
        let mut deciding = in_force.filter_map(|(place, logged)| match &logged.change {
            Change::AddSymbol(name) if name == symbol => Some(Some(place + 1)),
            Change::DropSymbol(name) if name == symbol => Some(None),
            _ => None,
        });
        let at_start = self.stays(symbol).first().filter(|stay| stay.number == 0).map(|_| 0);
        deciding.next_back().unwrap_or(at_start)
    }

    /// The symbols and crosses after all changes; no symbols where all are wanted.
    pub fn in_force(&self) -> (BTreeSet<&str>, Vec<&JobCross>) {
        let symbols = self.symbols.iter().flatten();
        let wanted = symbols.filter(|(_, stays)| stays.last().is_some_and(|stay| !stay.has_ended()));
        let crosses = self.crosses.iter().filter(|cross| !cross.stay.has_ended());
        (wanted.map(|(name, _)| name.as_str()).collect(), crosses.collect())
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
