//! The weights of symbols at the moments at which paths are chosen.
//!
//! Where the input ends, choices end with the last window that has a row. What would be chosen after that is
//! chosen by the run that goes on, which may have trades for it.

use super::AssetNumber;
use super::best::Edge;
use super::messages::{Choice, ChoiceOrEmission, TradesOfPane, WeightsInput, WeightsOutput, lasting};
use super::search::{BestInCurrency, WeighedPair};
use crate::market::assets::{Asset, Pair, Quotes};
use crate::market::changes::{DatedChange, DefinitionTimeline, DefinitionTurn};
use crate::market::definition::{Definition, Leg};
use crate::market::event_time::EventTime;
use crate::market::name_keys::name_of;
use crate::market::resume::{LastingChange, Resume};
use crate::market::trade::Symbol;
use crate::market::trade_counts::{CountedRange, Steps, TradeCounts};
use crate::market::windows::{Windows, next_multiple_from};
use crate::market::work::count;
use crate::operators::at_looks::LookLogic;
use crate::operators::emission::Emission;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

type EmitWeight<'a> = &'a mut dyn FnMut(EventTime, WeightsOutput);

/// Counts trades, and tells weights at choices.
pub(super) struct SymbolWeights {
    quotes: Quotes,
    steps: Steps,
    windows: Windows,
    changing: DefinitionTimeline,
    /// Choices until then are those of an earlier run.
    chosen_to: EventTime,
    /// The last pane with trades, and when the last window that has a row because of it is final.
    last_pane: EventTime,
    last_row: EventTime,
    /// Whether no trade comes any more.
    has_ended: bool,
    numbers: HashMap<Symbol, usize, foldhash::fast::RandomState>,
    symbols: Vec<SymbolWeight>,
    /// The currencies, and the assets that trade in one symbol or another, by number.
    assets: Vec<Asset>,
    asset_numbers: HashMap<Asset, AssetNumber>,
    /// So many of them are told.
    told_assets: usize,
    /// Trades by the end of their pane, which is not final.
    pending: BTreeMap<EventTime, HashMap<usize, u64, foldhash::fast::RandomState>>,
    /// The next choice, where anything has traded.
    choice: Option<EventTime>,
    /// Moments at which an asset may have its first path.
    first_choices: BTreeSet<EventTime>,
    /// Assets that have had a path, by asset and currency.
    priced: HashSet<(AssetNumber, AssetNumber)>,
    /// Symbols that are dropped then.
    drops: BTreeMap<EventTime, Vec<Symbol>>,
    /// Symbols whose assets nothing tells, until that is said.
    unpaired: Vec<Symbol>,
}

struct SymbolWeight {
    symbol: Symbol,
    /// Base and quote.
    pair: Option<(AssetNumber, AssetNumber)>,
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
            windows: definition.windows.clone(),
            changing: DefinitionTimeline::of(definition),
            chosen_to: resume.chosen_to,
            last_pane: EventTime::MIN,
            last_row: EventTime::MIN,
            has_ended: false,
            numbers: HashMap::default(),
            symbols: Vec::new(),
            assets: Vec::new(),
            asset_numbers: HashMap::new(),
            told_assets: 0,
            quotes,
            pending: BTreeMap::new(),
            choice: None,
            first_choices: BTreeSet::new(),
            priced: HashSet::new(),
            drops: BTreeMap::new(),
            unpaired: Vec::new(),
        };
        for currency in weights.quotes.currencies.clone() {
            weights.asset_number(&currency);
        }
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
        let rates: Vec<_> = resume.paths.keys().filter_map(|(name, _)| self.quotes.rate_of(name)).collect();
        for (asset, currency) in rates {
            let rate = (self.asset_number(&asset), self.asset_number(&currency));
            self.priced.insert(rate);
        }
        let cells = self.symbols.iter().flat_map(|symbol| symbol.counts.cells());
        let first = cells.map(|cell| self.steps.first_choice_with(cell));
        self.first_choices = first.filter(|moment| *moment > self.chosen_to).collect();
        let after = next_multiple_from(self.chosen_to.plus(1), self.steps.every);
        self.choice = (!self.symbols.is_empty()).then_some(after);
    }

    /// Whether each asset has had a path in each currency but itself.
    fn are_all_priced(&self) -> bool {
        self.priced.len() == self.quotes.currencies.len() * (self.assets.len() - 1)
    }

    fn change(&mut self, change: &DatedChange) {
        if let Some(DefinitionTurn::SymbolEnds(key)) = self.changing.apply(change)
            && change.from > self.chosen_to
        {
            self.drops.entry(change.from).or_default().push(key);
        }
    }

    fn asset_number(&mut self, asset: &Asset) -> AssetNumber {
        if let Some(&number) = self.asset_numbers.get(asset) {
            return number;
        }
        let number = self.assets.len() as AssetNumber;
        self.assets.push(asset.clone());
        self.asset_numbers.insert(asset.clone(), number);
        number
    }

    fn number(&mut self, symbol: &Symbol) -> usize {
        if let Some(&number) = self.numbers.get(symbol) {
            return number;
        }
        let pair = self.quotes.pair(symbol);
        let pair = pair.map(|Pair { base, quote }| (self.asset_number(&base), self.asset_number(&quote)));
        if pair.is_none() {
            self.unpaired.push(name_of(symbol));
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
    fn settle(&mut self, look: EventTime, give: EmitWeight<'_>) {
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
                give(look.minus(1), lasting(look, LastingChange::Counts(symbol.clone(), step, of_step)));
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
    fn weigh(&mut self, counted: CountedRange, look: EventTime, give: EmitWeight<'_>) {
        for SymbolWeight { symbol, pair, counts, weight } in &mut self.symbols {
            count(1);
            let Some(pair) = pair else { continue };
            let new = counts.weight(counted);
            if new == *weight {
                continue;
            }
            let date = look.minus(1);
            for (weight, diff) in [(*weight, -1), (new, 1)].into_iter().filter(|(weight, _)| *weight > 0) {
                let (base, quote) = *pair;
                for (ends, inverse) in [((base, quote), false), ((quote, base), true)] {
                    let edge = Edge::new(ends, Leg { symbol: symbol.clone(), inverse }, weight);
                    give(date, WeightsOutput::Edge((edge, date, diff)));
                }
            }
            *weight = new;
            give(
                date,
                WeightsOutput::Told(ChoiceOrEmission::Choice(date, Choice::Weight(symbol.clone(), new))),
            );
        }
    }

    fn choose(&mut self, look: EventTime, give: EmitWeight<'_>) {
        self.weigh(self.steps.counted(look), look, give);
        let date = look.minus(1);
        give(date, WeightsOutput::Told(ChoiceOrEmission::Choice(date, Choice::OfAll)));
        let from = self.steps.counted(look).from.min(self.steps.counted_first(look).from);
        let mut is_empty = self.pending.is_empty();
        for SymbolWeight { symbol, counts, weight, .. } in &mut self.symbols {
            for step in counts.forget_until(from, &self.steps) {
                give(date, lasting(look, LastingChange::CountsGone(symbol.clone(), step)));
            }
            is_empty &= counts.is_empty() && *weight == 0;
        }
        self.choice = (!is_empty).then(|| look.plus(self.steps.every));
    }

    /// Finds assets that can have their first path, and tells the weights that it is chosen by.
    fn choose_first(&mut self, look: EventTime, give: EmitWeight<'_>) {
        if self.are_all_priced() {
            return;
        }
        let counted = self.steps.counted_first(look);
        count(self.symbols.len());
        let weighed = self.symbols.iter().filter_map(|SymbolWeight { symbol, pair, counts, .. }| {
            let ((base, quote), weight) = ((*pair)?, counts.weight(counted));
            (weight > 0).then_some(WeighedPair { symbol, base, quote, weight })
        });
        let pairs: Vec<WeighedPair<'_>> = weighed.collect();
        let mut first = BTreeMap::new();
        for currency in 0..self.quotes.currencies.len() as AssetNumber {
            let best = BestInCurrency::search(&pairs, currency, self.assets.len());
            let assets = 0..self.assets.len() as AssetNumber;
            for asset in assets.filter(|asset| !self.priced.contains(&(*asset, currency))) {
                if let Some(path) = best.path(asset).filter(|_| asset != currency) {
                    let [asset, currency] =
                        [asset, currency].map(|number| self.assets[number as usize].clone());
                    first.insert((asset, currency), path);
                }
            }
        }
        if first.is_empty() {
            return;
        }
        let number = |asset: &Asset| self.asset_numbers[asset];
        self.priced.extend(first.keys().map(|(asset, currency)| (number(asset), number(currency))));
        let date = look.minus(1);
        give(
            date,
            WeightsOutput::Told(ChoiceOrEmission::Choice(date, Choice::First(first.into_iter().collect()))),
        );
    }

    /// A symbol that is dropped has no weight from then on.
    fn drop_symbols(&mut self, look: EventTime, give: EmitWeight<'_>) {
        let Some(dropped) = self.drops.remove(&look) else { return };
        for key in &dropped {
            let Some(&number) = self.numbers.get(key) else { continue };
            for pending in self.pending.values_mut() {
                pending.remove(&number);
            }
            for step in self.symbols[number].counts.forget_until(EventTime::MAX, &self.steps) {
                give(look.minus(1), lasting(look, LastingChange::CountsGone(key.clone(), step)));
            }
        }
        self.weigh(self.steps.counted(look), look, give);
        for key in dropped {
            let date = look.minus(1);
            give(date, WeightsOutput::Told(ChoiceOrEmission::Choice(date, Choice::Without(key))));
        }
    }
}

impl LookLogic for SymbolWeights {
    type Input = WeightsInput;
    type Output = WeightsOutput;

    fn absorb(&mut self, input: WeightsInput) {
        match input {
            WeightsInput::Changed(change) => self.change(&change),
            WeightsInput::Trades(TradesOfPane { symbol, pane_end, trades }) => {
                let number = self.number(&symbol);
                if pane_end > self.last_pane {
                    let pane = self.windows.pane(pane_end.minus(1));
                    self.last_pane = pane_end;
                    self.last_row = self.windows.last_row_end(pane).plus(self.steps.grace);
                }
                // A run that was taken up is told again of panes that an earlier one has counted.
                if pane_end.plus(self.steps.grace) > self.chosen_to {
                    *self.pending.entry(pane_end).or_default().entry(number).or_default() += trades as u64;
                }
            }
        }
    }

    fn next_look(&self) -> Option<EventTime> {
        let settled = self.pending.keys().next().map(|end| end.plus(self.steps.grace));
        let first = self.first_choices.first().copied();
        let dropped = self.drops.keys().next().copied();
        let next = [settled, first, self.choice, dropped].into_iter().flatten().min();
        next.filter(|next| !self.has_ended || *next <= self.last_row)
    }

    fn input_has_ended(&mut self) {
        self.has_ended = true;
    }

    fn look(&mut self, look: EventTime, give: EmitWeight<'_>) {
        let date = look.minus(1);
        for symbol in self.unpaired.drain(..) {
            give(date, WeightsOutput::Told(ChoiceOrEmission::Other(Emission::Unpaired(symbol))));
        }
        for (number, asset) in (0..).zip(&self.assets).skip(self.told_assets) {
            give(
                date,
                WeightsOutput::Told(ChoiceOrEmission::Choice(date, Choice::Asset(number, asset.clone()))),
            );
        }
        self.told_assets = self.assets.len();
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
