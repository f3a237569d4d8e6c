//! The paths in force: kept until another one is clearly better.

use super::AssetNumber;
use super::best::{Path, PathKey, heaviest_path};
use super::messages::Choice;
use crate::market::assets::{Asset, LONGEST_PATH, Quotes};
use crate::market::changes::{Change, DatedChange};
use crate::market::definition::{Cross, Definition, Leg};
use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::resume::{LastingChange, Resume};
use crate::market::trade::{Symbol, is_name};
use crate::market::work::count;
use crate::operators::at_looks::LookLogic;
use crate::operators::emission::Emission;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A path in force is left for one that weighs so many times as much.
const CLEARLY_BETTER: u64 = 2;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum PathsInput {
    Best(((PathKey, Path), EventTime, isize)),
    Choice((EventTime, Choice)),
}

#[derive(Debug, Clone)]
pub(super) enum PathsOutput {
    Change(DatedChange),
    Lasting(EventTime, LastingChange),
}

impl PathsOutput {
    pub(super) fn change_or_lasting(self) -> Result<DatedChange, Emission> {
        match self {
            PathsOutput::Change(change) => Ok(change),
            PathsOutput::Lasting(look, lasting) => Err(Emission::Lasting(look, lasting)),
        }
    }
}

type EmitPath<'a> = &'a mut dyn FnMut(EventTime, PathsOutput);
type PathsByLength = [Option<Path>; LONGEST_PATH];

/// Chooses.
pub(super) struct PathsInForce {
    looks: Looks,
    pending: BTreeMap<EventTime, PendingPaths>,
    best: HashMap<(AssetNumber, AssetNumber), PathsByLength>,
    numbers: HashMap<Asset, AssetNumber>,
    weights: HashMap<Symbol, u64>,
    /// Of each asset that has had a path, by asset and currency.
    in_force: BTreeMap<(Asset, Asset), PathInForce>,
    /// When the last window of a path is final: name and beginning.
    gone: BTreeMap<EventTime, Vec<(Symbol, EventTime)>>,
}

#[derive(Default)]
struct PendingPaths {
    best: Vec<((PathKey, Path), isize)>,
    choices: Vec<Choice>,
}

struct PathInForce {
    since: EventTime,
    legs: Option<Vec<Leg>>,
}

impl PathsInForce {
    pub(super) fn new(definition: &Definition, resume: &Resume) -> PathsInForce {
        let mut paths = PathsInForce {
            looks: Looks::of(definition),
            pending: BTreeMap::new(),
            best: HashMap::new(),
            numbers: HashMap::new(),
            weights: HashMap::new(),
            in_force: BTreeMap::new(),
            gone: BTreeMap::new(),
        };
        for ((name, from), legs) in &resume.paths {
            let Some(of) = definition.quotes.as_ref().and_then(|quotes| quotes.rate_of(name)) else {
                continue;
            };
            let in_force = PathInForce { since: *from, legs: legs.clone() };
            if let Some(left) = paths.in_force.insert(of, in_force) {
                paths.note_end(name, &left, *from);
            }
        }
        paths
    }

    /// Notes when a path that is left at a moment may be forgotten.
    fn note_end(&mut self, name: &Symbol, left: &PathInForce, until: EventTime) {
        // That there was no path is known for as long as the path before that.
        let end = if left.legs.is_some() { until } else { left.since };
        let gone = self.looks.final_at(self.looks.windows.last_end_of_start_before(end));
        self.gone.entry(gone.max(until)).or_default().push((name.clone(), left.since));
    }

    fn note(&mut self, ((asset, currency, length), path): (PathKey, Path), diff: isize) {
        let of = self.best.entry((asset, currency)).or_default();
        let known = &mut of[usize::from(length) - 1];
        match diff > 0 {
            true => *known = Some(path),
            false if known.as_ref() == Some(&path) => *known = None,
            false => {}
        }
    }

    /// The weight and the symbols of the heaviest path, of equals the shortest.
    fn heaviest(&self, (asset, currency): &(Asset, Asset)) -> Option<(u64, Vec<Leg>)> {
        let (asset, currency) = (*self.numbers.get(asset)?, *self.numbers.get(currency)?);
        let path = |at, length: usize| self.best.get(&(at, currency))?[length].as_ref();
        heaviest_path(asset, |at, length| path(at, length).map(Path::hop))
    }

    /// Chooses anew for an asset that has had a path.
    fn choose(&mut self, of: &(Asset, Asset), look: EventTime, give: EmitPath<'_>) {
        count(1);
        let Some(in_force) = self.in_force.get(of) else { return };
        let weight = |leg: &Leg| self.weights.get(&leg.symbol).copied().unwrap_or(0);
        let old = in_force.legs.as_ref().and_then(|legs| legs.iter().map(weight).min()).unwrap_or(0);
        let new = self.heaviest(of);
        let is_better = new.as_ref().is_some_and(|(new, _)| *new >= old.saturating_mul(CLEARLY_BETTER));
        let legs = new.map(|(_, legs)| legs);
        if (old == 0 || is_better) && legs != in_force.legs {
            self.take(of, legs, look, give);
        }
    }

    fn take(&mut self, of: &(Asset, Asset), legs: Option<Vec<Leg>>, look: EventTime, give: EmitPath<'_>) {
        let name = Quotes::cross_name(&of.0, &of.1);
        if !is_name(name.as_str().as_bytes()) {
            return;
        }
        let date = look.minus(1);
        let mut change = |change: Change| give(date, PathsOutput::Change(DatedChange { change, from: look }));
        let left = self.in_force.insert(of.clone(), PathInForce { since: look, legs: legs.clone() });
        if left.as_ref().is_some_and(|left| left.legs.is_some()) {
            change(Change::LeavePath(name.clone()));
        }
        if let Some(legs) = legs.clone() {
            change(Change::TakePath(Cross { name: name.clone(), legs }));
        }
        if let Some(left) = left {
            self.note_end(&name, &left, look);
        }
        give(date, PathsOutput::Lasting(look, LastingChange::Path(name, look, legs)));
    }

    fn act(&mut self, choice: Choice, look: EventTime, give: EmitPath<'_>) {
        match choice {
            Choice::Asset(number, asset) => {
                self.numbers.insert(asset, number);
            }
            Choice::Weight(symbol, weight) => {
                self.weights.insert(symbol, weight);
            }
            Choice::OfAll => {
                let all: BTreeSet<_> = self.in_force.keys().cloned().collect();
                all.iter().for_each(|of| self.choose(of, look, give));
            }
            Choice::Without(symbol) => {
                let holds = |legs: &Vec<Leg>| legs.iter().any(|leg| leg.symbol == symbol);
                let held = self.in_force.iter().filter(|(_, path)| path.legs.as_ref().is_some_and(holds));
                let held: Vec<_> = held.map(|(of, _)| of.clone()).collect();
                held.iter().for_each(|of| self.choose(of, look, give));
            }
            Choice::First(paths) => {
                for (of, legs) in paths {
                    count(1);
                    self.take(&of, Some(legs), look, give);
                }
            }
        }
    }
}

impl LookLogic for PathsInForce {
    type Input = PathsInput;
    type Output = PathsOutput;

    fn absorb(&mut self, input: PathsInput) {
        match input {
            PathsInput::Best((best, date, diff)) => {
                self.pending.entry(date).or_default().best.push((best, diff))
            }
            PathsInput::Choice((date, choice)) => self.pending.entry(date).or_default().choices.push(choice),
        }
    }

    fn next_look(&self) -> Option<EventTime> {
        let due = self.pending.keys().next().map(|date| date.plus(1));
        let gone = self.gone.keys().next().copied();
        due.into_iter().chain(gone).min()
    }

    fn look(&mut self, look: EventTime, give: EmitPath<'_>) {
        while let Some(entry) = self.pending.first_entry().filter(|entry| *entry.key() < look) {
            let moment = entry.key().plus(1);
            let PendingPaths { mut best, choices } = entry.remove();
            // What is left is told after what takes its place.
            best.sort_by_key(|(_, diff)| *diff);
            best.into_iter().for_each(|(best, diff)| self.note(best, diff));
            choices.into_iter().for_each(|choice| self.act(choice, moment, give));
        }
        while let Some(entry) = self.gone.first_entry().filter(|entry| *entry.key() <= look) {
            for (name, since) in entry.remove() {
                give(look.minus(1), PathsOutput::Lasting(look, LastingChange::PathGone(name, since)));
            }
        }
    }
}
