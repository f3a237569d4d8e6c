//! Rates of assets against a plain search that is written from the text.

use crate::job::{ControlStreams, job};
use crate::market::assets::{Asset, Pair, Quotes};
use crate::market::candle::Candle;
use crate::market::decimal::{Price, Quantity};
use crate::market::definition::{Definition, Emit, Selection, Windows};
use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::moments::Moments;
use crate::market::resume::Resume;
use crate::market::row::RowKind;
use crate::market::sums::PaneItem;
use crate::market::trade::{Symbol, Trade};
use crate::market::windows::{Period, WindowDefinition};
use crate::market::work::steps_of;
use crate::operators::closings::PartitionReport;
use differential_dataflow::VecCollection;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::operators::core::{Inspect, Probe, ToStream, UnorderedInput};

fn at(micros: u64) -> EventTime {
    EventTime::from_micros(micros)
}

/// Symbols over few assets, two of them over the same ones.
const SYMBOLS: [(&str, &str, &str); 9] = [
    ("AB", "A", "B"),
    ("BA", "B", "A"),
    ("AB2", "A", "B"),
    ("BQ", "B", "Q"),
    ("CB", "C", "B"),
    ("QC", "Q", "C"),
    ("DC", "D", "C"),
    ("ED", "E", "D"),
    ("RQ", "R", "Q"),
];

fn quotes(currencies: &[&str], path_every: u64, lookback: u64) -> Quotes {
    let pair = |(name, base, quote): (&str, &str, &str)| {
        (Symbol::new(name), Pair { base: Symbol::new(base), quote: Symbol::new(quote) })
    };
    Quotes {
        currencies: currencies.iter().map(|currency| Symbol::new(currency)).collect(),
        path_every,
        path_lookback: lookback * path_every,
        quote_assets: Vec::new(),
        pairs: SYMBOLS.map(pair).into(),
    }
}

/// A trade of a symbol at a time, accepted at that watermark.
type Traded = (usize, u64, u64);

fn panes(trades: &[Traded], looks: &Looks) -> Vec<PaneItem> {
    let pane = |(id, (symbol, time, watermark)): (u64, &Traded)| {
        let end = looks.pane(at(*time)).end;
        let (price, quantity) = (Price::from_scaled(7).unwrap(), Quantity::from_scaled(3).unwrap());
        let trade = Trade::new(id, price, quantity, at(*time));
        let mut moments = Moments::default();
        moments.add_trade(&trade, id);
        let date = looks.first_look(end, at(*watermark)).minus(1);
        ((Symbol::new(SYMBOLS[*symbol].0), (end, Candle::of(&trade))), date, moments)
    };
    (1..).zip(trades).map(pane).collect()
}

/// The final rows of crosses: name, window, start, end, and the path.
type PricedWindow = (String, String, u64, u64, Vec<(String, bool)>);

fn rows(definition: &Arc<Definition>, trades: &[Traded]) -> Vec<PricedWindow> {
    let panes = panes(trades, &Looks::of(definition));
    let (definition, resume) = (Arc::clone(definition), Arc::new(Resume::default()));
    timely::execute_directly(move |worker| {
        let job = worker.dataflow::<EventTime, _, _>(|scope| {
            let notes = Vec::<PartitionReport>::new().to_stream(scope).container::<Vec<_>>();
            let control = ControlStreams::none(scope, notes);
            job(scope, VecCollection::new(panes.to_stream(scope)), control, &definition, &resume)
        });
        worker.step_while(|| !job.probe.done());
        let outbox = job.outbox.borrow();
        let crosses = outbox.rows.iter().filter(|row| row.kind == RowKind::Cross && row.is_final());
        let priced = crosses.map(|row| {
            let json: serde_json::Value = serde_json::from_str(&row.json).unwrap();
            let legs = json["legs"].as_array().unwrap().iter();
            let legs = legs.map(|leg| (leg["symbol"].as_str().unwrap().to_owned(), leg["inverse"] == true));
            let text = |field: &str| json[field].as_str().unwrap().to_owned();
            (text("name"), text("window"), row.start.micros(), row.end.micros(), legs.collect())
        });
        priced.collect()
    })
}

type Path = Vec<(String, bool)>;

/// Section 14 of the contract, once more and in its own words.
struct Plain<'a> {
    definition: &'a Definition,
    quotes: &'a Quotes,
    trades: &'a [Traded],
}

impl Plain<'_> {
    /// "the number of its accepted trades with event time in [v - lookback, u)"
    fn weight(&self, symbol: usize, t: u64, step: u64) -> u64 {
        let u = t.saturating_sub(self.definition.grace) / step * step;
        let v = u / self.quotes.path_every * self.quotes.path_every;
        let from = v.saturating_sub(self.quotes.path_lookback);
        self.trades.iter().filter(|(s, time, _)| *s == symbol && (from..u).contains(time)).count() as u64
    }

    /// The best path of exactly so many symbols.
    fn best(&self, asset: &str, currency: &str, length: usize, weights: &[u64]) -> Option<(u64, Path)> {
        let mut best: Option<(u64, Path)> = None;
        for (symbol, (name, base, quote)) in SYMBOLS.iter().enumerate() {
            let (other, inverse) = match () {
                () if *base == asset => (*quote, false),
                () if *quote == asset => (*base, true),
                () => continue,
            };
            let rest = match length {
                1 if other == currency => Some((u64::MAX, Vec::new())),
                1 => None,
                _ => self.best(other, currency, length - 1, weights),
            };
            let Some((weight, hops)) = rest else { continue };
            let weight = weight.min(weights[symbol]);
            let hops: Path = [vec![((*name).to_owned(), inverse)], hops].concat();
            let is_better = best
                .as_ref()
                .is_none_or(|(known, path)| weight > *known || weight == *known && hops[0].0 < path[0].0);
            if is_better {
                best = Some((weight, hops));
            }
        }
        best
    }

    fn choice(&self, asset: &str, currency: &str, weights: &[u64]) -> Option<(u64, Path)> {
        let mut heaviest: Option<(u64, Path)> = None;
        for length in 1..=4 {
            let Some((weight, path)) = self.best(asset, currency, length, weights) else { continue };
            if weight > heaviest.as_ref().map_or(0, |(known, _)| *known) {
                heaviest = Some((weight, path));
            }
        }
        heaviest
    }

    /// The paths of an asset, from which moment on each.
    fn paths(&self, asset: &str, currency: &str, until: u64) -> BTreeMap<u64, Option<Path>> {
        let first_step = Quotes::first_every(&self.definition.windows);
        let (mut paths, mut in_force): (BTreeMap<u64, Option<Path>>, Option<Option<Path>>) =
            Default::default();
        for t in 1..until {
            let step = if in_force.is_none() { first_step } else { self.quotes.path_every };
            if !t.is_multiple_of(step) {
                continue;
            }
            let weights: Vec<u64> = (0..SYMBOLS.len()).map(|symbol| self.weight(symbol, t, step)).collect();
            let new = self.choice(asset, currency, &weights);
            let weight_of = |(name, _): &(String, bool)| {
                weights[SYMBOLS.iter().position(|(known, ..)| known == name).unwrap()]
            };
            let old = in_force.clone().flatten().map_or(0, |path| path.iter().map(weight_of).min().unwrap());
            let leaves = old == 0 || new.as_ref().is_some_and(|(weight, _)| *weight >= 2 * old);
            let new = new.map(|(_, path)| path);
            if leaves && Some(&new) != in_force.as_ref() && (new.is_some() || in_force.is_some()) {
                paths.insert(t, new.clone());
                in_force = Some(new);
            }
        }
        paths
    }

    /// The rows: a window of an asset has one where a symbol of the path in force at its start has traded in
    /// it.
    fn rows(&self) -> Vec<PricedWindow> {
        let last = self.trades.iter().map(|(_, time, _)| *time).max().unwrap_or(0);
        let traded: BTreeSet<Asset> = (self.trades.iter())
            .flat_map(|(symbol, ..)| [Symbol::new(SYMBOLS[*symbol].1), Symbol::new(SYMBOLS[*symbol].2)])
            .collect();
        let mut rows = Vec::new();
        for (asset, currency) in
            traded.iter().flat_map(|a| self.quotes.currencies.iter().map(move |c| (a, c)))
        {
            if asset == currency {
                continue;
            }
            let paths = self.paths(asset.as_str(), currency.as_str(), last + 500);
            for window in self.definition.windows.each() {
                let mut end = window.next_end(at(0));
                while end.micros() < last + 500 {
                    let start = window.start_of(end);
                    let moment = if window.is_endless() { end.micros() - 1 } else { start.micros() };
                    let path = paths.range(..=moment).next_back().and_then(|(_, path)| path.clone());
                    let trades = |name: &str| {
                        let is_in = |time: u64| (start.micros()..end.micros()).contains(&time);
                        self.trades.iter().any(|(symbol, time, _)| SYMBOLS[*symbol].0 == name && is_in(*time))
                    };
                    // Of windows that grow those have a row in whose last step something has traded.
                    let slot = window.slot(end.minus(1)).map_or(start, |slot| slot.start.max(start));
                    let in_step = |name: &str| {
                        let is_in = |time: u64| (slot.micros()..end.micros()).contains(&time);
                        self.trades.iter().any(|(symbol, time, _)| SYMBOLS[*symbol].0 == name && is_in(*time))
                    };
                    let has_row = |name: &str| if window.grows() { in_step(name) } else { trades(name) };
                    if let Some(path) = path.filter(|path| path.iter().any(|(name, _)| has_row(name))) {
                        let name = format!("{asset}-{currency}");
                        rows.push((name, window.name().to_owned(), start.micros(), end.micros(), path));
                    }
                    end = window.next_end(end);
                }
            }
        }
        rows
    }
}

fn definition(windows: Vec<WindowDefinition>, grace: u64, changes: bool, quotes: Quotes) -> Definition {
    Definition {
        crosses: Vec::new(),
        symbols: Selection::All,
        windows: quotes.panes_of(Windows::new(windows)),
        delay: 0,
        grace,
        emit: if changes { Emit::Changes } else { Emit::Final },
        tick: 7,
        quotes: Some(quotes),
        ..Definition::default()
    }
}

/// Trades in order, each as accepted.
fn accepted(trades: &[(usize, u64, u64)], looks: &Looks) -> Vec<Traded> {
    let mut watermark = 100;
    let mut accepted = Vec::new();
    for (symbol, ahead, step) in trades {
        watermark += step;
        let time = watermark + ahead - 12;
        if looks.final_at(looks.pane(at(time)).end) > at(watermark) {
            accepted.push((*symbol, time, watermark));
        }
    }
    accepted
}

fn window() -> impl Strategy<Value = WindowDefinition> {
    let period = prop_oneof![
        Just(Period::All),
        (20u64..90).prop_map(Period::Length),
        (90u64..200).prop_map(|moment| Period::From(at(moment))),
    ];
    prop_oneof![
        (1u64..20, 1u64..4)
            .prop_map(|(slide, count)| WindowDefinition::Sliding { size: slide * count, slide }),
        (period, 1u64..20).prop_map(|(period, step)| WindowDefinition::Anchored(period, step)),
    ]
}

proptest! {
    /// Whatever trades, each asset's windows have the path that the text chooses.
    #[test]
    fn paths_are_those_of_a_plain_search(
        windows in prop::collection::vec(window(), 1..4),
        (grace, changes) in (0u64..15, any::<bool>()),
        (path_every, lookback) in (1u64..50, 1u64..4),
        two in any::<bool>(),
        trades in prop::collection::vec((0usize..SYMBOLS.len(), 0u64..40, 0u64..25), 1..80),
    ) {
        let mut known = std::collections::HashSet::new();
        let windows: Vec<_> = windows.into_iter().filter(|window| known.insert(window.clone())).collect();
        let quotes = quotes(if two { &["Q", "B"] } else { &["Q"] }, path_every, lookback);
        let definition = Arc::new(definition(windows, grace, changes, quotes));
        let trades = accepted(&trades, &Looks::of(&definition));
        let mut given = rows(&definition, &trades);
        let quotes = definition.quotes.as_ref().unwrap();
        let plain = Plain { definition: &definition, quotes, trades: &trades };
        let mut expected = plain.rows();
        given.sort();
        expected.sort();
        prop_assert_eq!(given, expected);
    }
}

const EVERY: u64 = 100;

/// The trades of a choice over two hundred assets, each traded in the currency and in another asset; of one
/// of them fewer in the currency.
fn of_choice(choice: u64, fewer: bool) -> Vec<PaneItem> {
    let mut trades = Vec::new();
    for asset in 0..200u64 {
        let direct = if fewer && asset == 7 { 1 } else { 3 };
        trades.extend((0..direct).map(|_| format!("A{asset}-Q")));
        trades.extend((0..2).map(|_| format!("A{asset}-B")));
    }
    trades.extend((0..500).map(|_| "B-Q".to_owned()));
    let (time, end) = (at(1_000 + choice * EVERY), at(1_000 + (choice + 1) * EVERY));
    let item = |symbol: String| {
        let (price, quantity) = (Price::from_scaled(7).unwrap(), Quantity::from_scaled(3).unwrap());
        let trade = Trade::new(1, price, quantity, time);
        let mut moments = Moments::default();
        moments.add_trade(&trade, 1);
        ((Symbol::new(&symbol), (end, Candle::of(&trade))), end.minus(1), moments)
    };
    trades.into_iter().map(item).collect()
}

#[test]
fn a_choice_that_changes_one_path_costs_a_tenth_of_the_first_at_most() {
    let quotes = Quotes { pairs: BTreeMap::new(), ..quotes(&["Q"], EVERY, 1) };
    let windows = vec![WindowDefinition::Sliding { size: EVERY, slide: EVERY }];
    let definition = Arc::new(definition(windows, 0, false, quotes));
    let (steps, changes) = timely::execute_directly(move |worker| {
        let (mut panes, probe, changes) = worker.dataflow::<EventTime, _, _>(|scope| {
            let (panes, stream) = scope.new_unordered_input();
            let control = ControlStreams::none(
                scope,
                Vec::<PartitionReport>::new().to_stream(scope).container::<Vec<_>>(),
            );
            let resume = Arc::new(Resume::default());
            let (chosen, _) =
                super::asset_paths(VecCollection::new(stream), control.changes, &definition, &resume);
            let changes = Rc::new(RefCell::new(Vec::new()));
            let kept = Rc::clone(&changes);
            (
                panes,
                chosen.inspect(move |change| kept.borrow_mut().push(change.to_string())).probe().0,
                changes,
            )
        });
        let mut steps = Vec::new();
        for choice in 0..4 {
            let moment = at(1_000 + (choice + 1) * EVERY);
            panes.0.activate().session(&panes.1).give_container(&mut of_choice(choice, choice == 3));
            panes.1.downgrade(&moment);
            // The choice is made at the moment itself.
            steps.push(steps_of(|| worker.step_while(|| probe.less_than(&moment))));
        }
        drop(panes);
        let changes = changes.borrow().clone();
        (steps, changes)
    });
    assert_eq!(changes.len(), 201 + 2, "a path of each asset, and another one of one: {changes:?}");
    assert!(changes.last().unwrap().contains("A7-Q=A7-B*B-Q"), "{changes:?}");
    // Every symbol is weighed at each choice; that is no work on paths.
    let (first, quiet, changed) = (steps[0], steps[2], steps[3]);
    assert!((changed - quiet) * 10 <= first && changed * 2 <= first, "{steps:?}");
}
