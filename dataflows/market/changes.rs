//! A definition that changes while the job runs (`docs/semantics.md#changes`): a log of changes, each dated
//! in event time.
//!
//! A name that is dropped and comes again is another symbol or cross, which prints the same. Inside the
//! program it has a [`key`] of its own, so that nothing of what it was is taken for what it is.

use super::definition::{Cross, Definition, Leg, Selection};
use super::event_time::EventTime;
use super::name_keys::{key, name_of};
use super::trade::Symbol;
use super::windows::{Window, Windows};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// One change of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A cross that there was not.
    AddCross(Cross),
    /// No rows of that cross any more.
    DropCross(Symbol),
    /// A symbol that was not wanted.
    AddSymbol(Symbol),
    /// No rows of that symbol any more.
    DropSymbol(Symbol),
    /// Windows that start then or later take that path; the dataflow's own, in no log.
    TakePath(Cross),
    /// Windows that start then or later have no path any more.
    LeavePath(Symbol),
}

/// A change and the moment from which it holds: a boundary of panes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatedChange {
    /// What changes.
    pub change: Change,
    /// From when on.
    pub from: EventTime,
}

/// In words.
impl fmt::Display for DatedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.change {
            Change::AddCross(cross) => write!(f, "cross {cross} is added")?,
            Change::DropCross(name) => write!(f, "cross {name} is dropped")?,
            Change::AddSymbol(name) => write!(f, "symbol {name} is added")?,
            Change::DropSymbol(name) => write!(f, "symbol {name} is dropped")?,
            Change::TakePath(cross) => write!(f, "the path of {cross} is taken")?,
            Change::LeavePath(name) => write!(f, "the path of {name} is left")?,
        }
        write!(f, " from {} on", self.from)
    }
}

/// Of which windows a symbol or a cross has rows.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Life {
    /// Windows that start then or later.
    pub since: EventTime,
    /// They leave at that firing at the earliest.
    pub from: EventTime,
    /// Windows that end then or earlier; of a path those that start before.
    pub until: EventTime,
    /// Whether it is that of a path.
    pub is_path: bool,
}

impl Life {
    /// Of what is there from the beginning.
    pub const ALWAYS: Life =
        Life { since: EventTime::MIN, from: EventTime::MIN, until: EventTime::MAX, is_path: false };

    /// Whether it is that of a path that was left.
    pub fn ends_as_path(&self) -> bool {
        self.is_path && self.until < EventTime::MAX
    }

    /// Whether what was added begins with that look: all windows that it reaches back to have their rows
    /// then.
    #[inline]
    pub fn begins_at(&self, look: EventTime) -> bool {
        self.from == look && look > EventTime::MIN
    }

    /// Whether a look at a window may give a row.
    #[inline]
    pub fn gives(&self, window: &Window, end: EventTime, look: EventTime) -> bool {
        if *self == Life::ALWAYS {
            return true;
        }
        let has_begun =
            if window.is_endless() { end > self.since } else { window.start_of(end) >= self.since };
        // A look sees the changes until then, whenever they were told.
        let is_in_time = look < self.until
            || match self.is_path && !window.is_endless() {
                true => window.start_of(end) < self.until,
                false => end <= self.until,
            };
        has_begun && look >= self.from && is_in_time
    }
}

/// A cross as long as it is in the definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivingCross {
    /// What it is.
    pub cross: Cross,
    /// Its [`key`].
    pub key: Symbol,
    /// Those of its legs.
    pub legs: Vec<Symbol>,
    /// Of which windows it has rows.
    pub life: Life,
    /// The cross whose statistics it goes on with: itself, or the first path of its name.
    pub series: CrossNumber,
}

/// Number of a cross: its place among all that there ever were, in the order of the definition and the log.
pub type CrossNumber = u32;

/// What a change begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefinitionTurn {
    /// A cross begins.
    CrossBegins(CrossNumber),
    /// A cross ends.
    CrossEnds(CrossNumber),
    /// The symbol of that key begins.
    SymbolBegins(Symbol),
    /// The symbol of that key ends.
    SymbolEnds(Symbol),
}

/// The definition's crosses and symbols over event time: those at the start, and what the log makes of them.
#[derive(Debug, Clone)]
pub struct DefinitionTimeline {
    windows: Windows,
    back_fill: u64,
    crosses: Vec<LivingCross>,
    /// Those in force after the last change, by name.
    by_name: BTreeMap<Symbol, CrossNumber>,
    /// When a name was last no cross, or another one.
    ended: HashMap<Symbol, EventTime>,
    /// How often a cross of that name was added.
    times: HashMap<Symbol, u32>,
    /// The first path of each name.
    paths: HashMap<Symbol, CrossNumber>,
    /// The lives of symbols that were added or dropped, by name; the key of each is that of its place.
    symbols: HashMap<Symbol, Vec<SymbolLife>>,
    /// The symbols that are wanted after the last change; `None` for all that trade.
    wanted: Option<BTreeSet<Symbol>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SymbolLife {
    key: Symbol,
    life: Life,
}

impl DefinitionTimeline {
    /// A definition at the start of its job.
    pub fn of(definition: &Definition) -> DefinitionTimeline {
        let begun = |(cross, number): (&Cross, CrossNumber)| LivingCross {
            key: cross.name.clone(),
            legs: cross.legs.iter().map(|leg| leg.symbol.clone()).collect(),
            cross: cross.clone(),
            life: Life::ALWAYS,
            series: number,
        };
        let names = definition.crosses.iter().map(|cross| cross.name.clone());
        DefinitionTimeline {
            windows: definition.windows.clone(),
            back_fill: definition.back_fill,
            crosses: definition.crosses.iter().zip(0..).map(begun).collect(),
            by_name: names.clone().zip(0..).collect(),
            ended: HashMap::new(),
            times: names.map(|name| (name, 1)).collect(),
            paths: HashMap::new(),
            symbols: HashMap::new(),
            wanted: match &definition.symbols {
                Selection::All => None,
                Selection::Only(symbols) => Some(symbols.clone()),
            },
        }
    }

    /// The same after changes.
    #[must_use]
    pub fn after<'a>(mut self, log: impl IntoIterator<Item = &'a DatedChange>) -> DefinitionTimeline {
        log.into_iter().for_each(|change| _ = self.apply(change));
        self
    }

    /// Takes a change, and tells what that begins or ends; nothing where it changes nothing.
    pub fn apply(&mut self, DatedChange { change, from }: &DatedChange) -> Option<DefinitionTurn> {
        match change {
            Change::AddCross(cross) => self.begin_cross(cross, *from),
            Change::TakePath(cross) => Some(self.begin_path(cross, *from)),
            Change::DropCross(name) | Change::LeavePath(name) => {
                let number = self.by_name.remove(name)?;
                self.crosses[number as usize].life.until = *from;
                self.ended.insert(name.clone(), *from);
                Some(DefinitionTurn::CrossEnds(number))
            }
            Change::AddSymbol(name) => {
                let wanted = self.wanted.as_mut()?;
                if !wanted.insert(name.clone()) {
                    return None;
                }
                let lives = self.symbols.entry(name.clone()).or_default();
                let key = key(name, lives.len() as u32);
                let life = Life { since: *from, from: *from, ..Life::ALWAYS };
                lives.push(SymbolLife { key: key.clone(), life });
                Some(DefinitionTurn::SymbolBegins(key))
            }
            Change::DropSymbol(name) => {
                if !self.wanted.as_mut()?.remove(name) {
                    return None;
                }
                let lives = self.symbols.entry(name.clone()).or_default();
                if lives.is_empty() {
                    lives.push(SymbolLife { key: name.clone(), life: Life::ALWAYS });
                }
                let last = lives.last_mut()?;
                last.life.until = *from;
                Some(DefinitionTurn::SymbolEnds(last.key.clone()))
            }
        }
    }

    fn begin_cross(&mut self, cross: &Cross, from: EventTime) -> Option<DefinitionTurn> {
        if self.by_name.contains_key(&cross.name) {
            return None;
        }
        let legs: Vec<Symbol> = cross.legs.iter().map(|leg| self.key_of(&leg.symbol)).collect();
        let ended = self.ended.get(&cross.name).copied().unwrap_or(EventTime::MIN);
        let legs_since = legs.iter().map(|leg| self.life_of(leg).since);
        let latest = legs_since.chain([ended, from.minus(self.back_fill)]).max().unwrap_or(from);
        let times = self.times.entry(cross.name.clone()).or_default();
        let key = key(&cross.name, *times);
        *times += 1;
        let life = Life { since: self.boundary_from(latest), from, ..Life::ALWAYS };
        let number = self.crosses.len() as CrossNumber;
        self.crosses.push(LivingCross { cross: cross.clone(), key, legs, life, series: number });
        self.by_name.insert(cross.name.clone(), number);
        Some(DefinitionTurn::CrossBegins(number))
    }

    /// A path has the keys of its symbols for names.
    fn begin_path(&mut self, path: &Cross, from: EventTime) -> DefinitionTurn {
        let number = self.crosses.len() as CrossNumber;
        let series = *self.paths.entry(path.name.clone()).or_insert(number);
        let legs: Vec<Symbol> = path.legs.iter().map(|leg| leg.symbol.clone()).collect();
        let named = path.legs.iter().map(|leg| Leg { symbol: name_of(&leg.symbol), inverse: leg.inverse });
        let cross = Cross { name: path.name.clone(), legs: named.collect() };
        let life = Life { since: from, from, is_path: true, ..Life::ALWAYS };
        self.crosses.push(LivingCross { cross, key: path.name.clone(), legs, life, series });
        self.by_name.insert(path.name.clone(), number);
        DefinitionTurn::CrossBegins(number)
    }

    /// The first boundary of panes that is not before a time.
    fn boundary_from(&self, time: EventTime) -> EventTime {
        let pane = self.windows.pane(time);
        if pane.start == time { time } else { pane.end }
    }

    /// How far a cross that is added reaches back, in microseconds.
    pub fn back_fill(&self) -> u64 {
        self.back_fill
    }

    /// All crosses that there ever were, by number.
    pub fn crosses(&self) -> &[LivingCross] {
        &self.crosses
    }

    /// The cross of that number.
    pub fn cross(&self, number: CrossNumber) -> &LivingCross {
        &self.crosses[number as usize]
    }

    /// The crosses in force after the last change, in order of their names.
    pub fn in_force(&self) -> impl Iterator<Item = &LivingCross> {
        self.by_name.values().map(|number| self.cross(*number))
    }

    /// A definition with the crosses and symbols that are in force after the last change.
    pub fn in_force_of(&self, definition: &Definition) -> Definition {
        Definition {
            crosses: self.in_force().map(|living| living.cross.clone()).collect(),
            symbols: self.wanted.clone().map_or(Selection::All, Selection::Only),
            ..definition.clone()
        }
    }

    /// The cross of that name that is in force after the last change.
    pub fn named(&self, name: &Symbol) -> Option<&LivingCross> {
        self.by_name.get(name).map(|number| self.cross(*number))
    }

    /// The symbols that are wanted after the last change; `None` for all that trade.
    pub fn wanted(&self) -> Option<&BTreeSet<Symbol>> {
        self.wanted.as_ref()
    }

    /// The key of a symbol as it is after the last change.
    fn key_of(&self, name: &Symbol) -> Symbol {
        let last = self.symbols.get(name).and_then(|lives| lives.last());
        last.map_or_else(|| name.clone(), |last| last.key.clone())
    }

    /// Of which windows the symbol of a key has rows.
    pub fn life_of(&self, key: &Symbol) -> Life {
        if self.symbols.is_empty() {
            return Life::ALWAYS;
        }
        let lives = self.symbols.get(&name_of(key));
        lives
            .and_then(|lives| lives.iter().find(|life| life.key == *key))
            .map_or(Life::ALWAYS, |life| life.life)
    }

    /// Whether that is the key of a symbol that was added or dropped.
    #[cfg(test)]
    pub(crate) fn knows(&self, key: &Symbol) -> bool {
        self.symbols.values().flatten().any(|life| life.key == *key)
    }

    /// Whether two ends are those of windows that a symbol of that name has in one life.
    pub fn live_together(&self, name: &Symbol, earlier: EventTime, later: EventTime) -> bool {
        let Some(lives) = self.symbols.get(name) else { return true };
        lives.iter().any(|SymbolLife { life, .. }| life.since < earlier && later <= life.until)
    }
}
