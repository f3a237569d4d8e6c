//! The weights of symbols at the moments at which paths are chosen.

use super::best::{Edge, EdgeUpdate, Graph};
use crate::market::assets::{Asset, LONGEST_PATH, Pair, Quotes};
use crate::market::candle::Candle;
use crate::market::changes::{Changing, DatedChange, Turn};
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::moments::Moments;
use crate::market::resume::{Lasting, Resume};
use crate::market::trade::Symbol;
use crate::market::trade_counts::{Counted, Steps, TradeCounts};
use crate::market::windows::next_multiple_from;
use crate::market::work::count;
use crate::operators::at_looks::LookLogic;
use crate::symbol_windows::Emission;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many trades a symbol has in a pane, as far as one update tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TradesOfPane {
    symbol: Symbol,
    pane_end: EventTime,
    trades: i64,
}

impl TradesOfPane {
    pub(super) fn of(
        ((symbol, (pane_end, _)), _, moments): ((Symbol, (EventTime, Candle)), EventTime, Moments),
    ) -> TradesOfPane {
        TradesOfPane { symbol, pane_end, trades: moments.n }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Input {
    Trades(TradesOfPane),
    Changed(DatedChange),
}

/// What is chosen at a moment, or known by then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Choice {
    /// The weight of a symbol, until it has another one.
    Weight(Symbol, u64),
    /// Of all assets that have had a path.
    OfAll,
    /// Of assets that have had none, in that currency.
    First(Vec<(Asset, Asset)>),
    /// Of those whose path holds a symbol that is dropped.
    Without(Symbol),
}

#[derive(Debug, Clone)]
pub(super) enum Told {
    Choice(EventTime, Choice),
    Lasting(EventTime, Lasting),
}

#[derive(Debug, Clone)]
pub(super) enum Output {
    Edge(EdgeUpdate),
    Told(Told),
}

impl Output {
    pub(super) fn edge_or_told(self) -> Result<EdgeUpdate, Told> {
        match self {
            Output::Edge(edge) => Ok(edge),
            Output::Told(told) => Err(told),
        }
    }
}

impl Told {
    pub(super) fn choice_or_lasting(self) -> Result<(EventTime, Choice), Emission> {
        match self {
            Told::Choice(date, choice) => Ok((date, choice)),
            Told::Lasting(look, lasting) => Err(Emission::Lasting(look, lasting)),
        }
    }
}

type Give<'a> = &'a mut dyn FnMut(EventTime, Output);

/// Counts trades, and tells weights at choices.
pub(super) struct SymbolWeights {
    quotes: Quotes,
    steps: Steps,
    changing: Changing,
    /// Looks until then are those of an earlier run.
    resumed_at: EventTime,
    numbers: HashMap<Symbol, usize, foldhash::fast::RandomState>,
    symbols: Vec<SymbolWeight>,
    /// The currencies, and the assets that trade in one symbol or another.
    assets: BTreeSet<Asset>,
    /// Trades by the end of their pane, which is not final.
    pending: BTreeMap<EventTime, HashMap<usize, u64, foldhash::fast::RandomState>>,
    /// The next choice, where anything has traded.
    choice: Option<EventTime>,
    /// Moments at which an asset may have its first path.
    first_choices: BTreeSet<EventTime>,
    /// Assets that have had a path, by asset and currency.
    priced: HashSet<(Asset, Asset)>,
    /// Symbols that are dropped then.
    drops: BTreeMap<EventTime, Vec<Symbol>>,
}

struct SymbolWeight {
    symbol: Symbol,
    pair: Option<Pair>,
    counts: TradeCounts,
    /// As it was told.
    weight: u64,
}

impl SymbolWeights {
    pub(super) fn new(definition: &Definition, resume: &Resume) -> SymbolWeights {
        let quotes = definition.quotes.clone().expect("currencies to price assets in");
        let steps = Steps {
            every: quotes.path_every,
            first_every: Quotes::first_every(&definition.windows),
            lookback: quotes.path_lookback,
            grace: definition.grace,
        };
        let mut weights = SymbolWeights {
            steps,
            changing: Changing::of(definition),
            resumed_at: resume.at,
            numbers: HashMap::default(),
            symbols: Vec::new(),
            assets: quotes.currencies.iter().cloned().collect(),
            quotes,
            pending: BTreeMap::new(),
            choice: None,
            first_choices: BTreeSet::new(),
            priced: HashSet::new(),
            drops: BTreeMap::new(),
        };
        weights.restore(resume);
        weights
    }

    fn restore(&mut self, resume: &Resume) {
        resume.log.iter().for_each(|change| self.change(change));
        let mut known: Vec<_> = resume.counts.iter().collect();
        known.sort_by(|a, b| a.0.cmp(b.0));
        for (symbol, steps) in known {
            let number = self.number(symbol);
            self.symbols[number].counts = TradeCounts::restored(steps);
        }
        self.priced = resume.paths.keys().filter_map(|(name, _)| self.quotes.rate_of(name)).collect();
        let cells = self.symbols.iter().flat_map(|symbol| symbol.counts.cells());
        let first = cells.map(|cell| self.steps.first_choice_with(cell));
        self.first_choices = first.filter(|moment| *moment > resume.at).collect();
        let after = next_multiple_from(resume.at.plus(1), self.steps.every);
        self.choice = (!self.symbols.is_empty()).then_some(after);
    }

    /// Whether each asset has had a path in each currency but itself.
    fn are_all_priced(&self) -> bool {
        self.priced.len() == self.quotes.currencies.len() * (self.assets.len() - 1)
    }

    fn change(&mut self, change: &DatedChange) {
        if let Some(Turn::SymbolEnds(key)) = self.changing.apply(change)
            && change.from > self.resumed_at
        {
            self.drops.entry(change.from).or_default().push(key);
        }
    }

    fn number(&mut self, symbol: &Symbol) -> usize {
        if let Some(&number) = self.numbers.get(symbol) {
            return number;
        }
        let pair = self.quotes.pair(symbol);
        if let Some(Pair { base, quote }) = &pair {
            self.assets.extend([base.clone(), quote.clone()]);
        }
        self.symbols.push(SymbolWeight {
            symbol: symbol.clone(),
            pair,
            counts: TradeCounts::default(),
            weight: 0,
        });
        self.numbers.insert(symbol.clone(), self.symbols.len() - 1);
        self.symbols.len() - 1
    }

    /// Counts the trades of panes that are final.
    fn settle(&mut self, look: EventTime, give: Give<'_>) {
        while let Some(entry) = self.pending.first_entry().filter(|e| e.key().plus(self.steps.grace) <= look)
        {
            let (pane_end, trades) = entry.remove_entry();
            let cell = self.steps.cell(pane_end);
            let mut is_new = false;
            for (number, n) in trades {
                count(1);
                let SymbolWeight { symbol, counts, .. } = &mut self.symbols[number];
                if self.changing.life_of(symbol).until <= look {
                    continue;
                }
                is_new |= counts.add(pane_end, n, &self.steps).is_some();
                let (step, of_step) = counts.of_step(cell, &self.steps);
                let lasting = Lasting::Counts(symbol.clone(), step, of_step);
                give(look.minus(1), Output::Told(Told::Lasting(look, lasting)));
            }
            if is_new {
                self.first_choices.insert(self.steps.first_choice_with(cell).max(look));
            }
            let choice = next_multiple_from(look, self.steps.every);
            self.choice.get_or_insert(choice);
        }
    }

    /// The weights of all symbols at a choice, as changes of the graph that all choices but the first ones of
    /// assets are made in.
    fn weigh(&mut self, counted: Counted, look: EventTime, give: Give<'_>) {
        for SymbolWeight { symbol, pair, counts, weight } in &mut self.symbols {
            count(1);
            let Some(pair) = pair else { continue };
            let new = counts.weight(counted);
            if new == *weight {
                continue;
            }
            let date = look.minus(1);
            for (weight, diff) in [(*weight, -1), (new, 1)] {
                for edge in Edge::both(symbol, pair, weight) {
                    give(date, Output::Edge(edge.update(Graph::Regular, date, diff)));
                }
            }
            *weight = new;
            give(date, Output::Told(Told::Choice(date, Choice::Weight(symbol.clone(), new))));
        }
    }

    fn choose(&mut self, look: EventTime, give: Give<'_>) {
        self.weigh(self.steps.counted(look), look, give);
        let date = look.minus(1);
        give(date, Output::Told(Told::Choice(date, Choice::OfAll)));
        let from = self.steps.counted(look).from.min(self.steps.counted_first(look).from);
        let mut is_empty = self.pending.is_empty();
        for SymbolWeight { symbol, counts, weight, .. } in &mut self.symbols {
            for step in counts.forget_until(from, &self.steps) {
                let lasting = Lasting::CountsGone(symbol.clone(), step);
                give(date, Output::Told(Told::Lasting(look, lasting)));
            }
            is_empty &= counts.is_empty() && *weight == 0;
        }
        self.choice = (!is_empty).then(|| look.plus(self.steps.every));
    }

    /// Finds assets that can have their first path, and tells the weights that it is chosen by.
    fn choose_first(&mut self, look: EventTime, give: Give<'_>) {
        if self.are_all_priced() {
            return;
        }
        let counted = self.steps.counted_first(look);
        let weights: Vec<u64> = self.symbols.iter().map(|symbol| symbol.counts.weight(counted)).collect();
        count(weights.len());
        let first: Vec<(Asset, Asset)> = self.reached(&weights).into_iter().collect();
        if first.is_empty() {
            return;
        }
        for (SymbolWeight { symbol, pair, .. }, weight) in self.symbols.iter().zip(weights) {
            let Some(pair) = pair.as_ref().filter(|_| weight > 0) else { continue };
            for edge in Edge::both(symbol, pair, weight) {
                for (date, diff) in [(look.minus(1), 1), (look, -1)] {
                    give(date, Output::Edge(edge.clone().update(Graph::First, date, diff)));
                }
            }
        }
        self.priced.extend(first.iter().cloned());
        let date = look.minus(1);
        give(date, Output::Told(Told::Choice(date, Choice::First(first))));
    }

    /// Assets without a path so far that have one now: those that so many symbols lead to from a currency.
    fn reached(&self, weights: &[u64]) -> BTreeSet<(Asset, Asset)> {
        let mut reached = BTreeSet::new();
        let mut neighbours: HashMap<&Asset, Vec<&Asset>> = HashMap::new();
        for (SymbolWeight { pair, .. }, weight) in self.symbols.iter().zip(weights) {
            let Some(Pair { base, quote }) = pair.as_ref().filter(|_| *weight > 0) else { continue };
            neighbours.entry(base).or_default().push(quote);
            neighbours.entry(quote).or_default().push(base);
        }
        for currency in &self.quotes.currencies {
            let (mut known, mut last) = (HashSet::from([currency]), vec![currency]);
            for _ in 0..LONGEST_PATH {
                let next = last.iter().filter_map(|asset| neighbours.get(asset)).flatten().copied();
                last = next.filter(|asset| known.insert(asset)).collect();
                let rates = last.iter().map(|asset| ((*asset).clone(), currency.clone()));
                reached.extend(rates.filter(|rate| !self.priced.contains(rate)));
            }
        }
        reached
    }

    /// A symbol that is dropped has no weight from then on.
    fn drop_symbols(&mut self, look: EventTime, give: Give<'_>) {
        let Some(dropped) = self.drops.remove(&look) else { return };
        for key in &dropped {
            let Some(&number) = self.numbers.get(key) else { continue };
            for pending in self.pending.values_mut() {
                pending.remove(&number);
            }
            for step in self.symbols[number].counts.forget_until(EventTime::MAX, &self.steps) {
                let lasting = Lasting::CountsGone(key.clone(), step);
                give(look.minus(1), Output::Told(Told::Lasting(look, lasting)));
            }
        }
        self.weigh(self.steps.counted(look), look, give);
        for key in dropped {
            let date = look.minus(1);
            give(date, Output::Told(Told::Choice(date, Choice::Without(key))));
        }
    }
}

impl LookLogic for SymbolWeights {
    type Input = Input;
    type Output = Output;

    fn absorb(&mut self, input: Input) {
        match input {
            Input::Changed(change) => self.change(&change),
            Input::Trades(TradesOfPane { symbol, pane_end, trades }) => {
                let number = self.number(&symbol);
                // A run that was taken up is told again of panes that an earlier one has counted.
                if pane_end.plus(self.steps.grace) > self.resumed_at {
                    *self.pending.entry(pane_end).or_default().entry(number).or_default() += trades as u64;
                }
            }
        }
    }

    fn next_look(&self) -> Option<EventTime> {
        let settled = self.pending.keys().next().map(|end| end.plus(self.steps.grace));
        let first = self.first_choices.first().copied();
        let dropped = self.drops.keys().next().copied();
        [settled, first, self.choice, dropped].into_iter().flatten().min()
    }

    fn look(&mut self, look: EventTime, give: Give<'_>) {
        self.settle(look, give);
        self.drop_symbols(look, give);
        if self.choice == Some(look) {
            self.choose(look, give);
        }
        if self.first_choices.remove(&look) {
            self.choose_first(look, give);
        }
    }
}
