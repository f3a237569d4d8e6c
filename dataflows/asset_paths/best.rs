//! The best paths of all assets, of each length.

use crate::market::assets::{Asset, LONGEST_PATH, Pair};
use crate::market::definition::{Definition, Leg};
use crate::market::event_time::EventTime;
use crate::market::trade::Symbol;
use crate::market::work::count;
use differential_dataflow::VecCollection;
use differential_dataflow::operators::Iterate;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use timely::dataflow::StreamVec;

/// Which weights a path is chosen by.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Graph {
    /// Those of the last choice.
    Regular,
    /// Those of the choice of first paths that is made now.
    First,
}

/// A symbol that leads from one asset to another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Edge {
    from: Asset,
    to: Asset,
    leg: Leg,
    weight: u64,
}

pub(super) type EdgeUpdate = ((Graph, Edge), EventTime, isize);

impl Edge {
    /// A symbol in both directions; none where it has no weight.
    pub(super) fn both(symbol: &Symbol, pair: &Pair, weight: u64) -> impl Iterator<Item = Edge> {
        let edge = |from: &Asset, to: &Asset, inverse: bool| Edge {
            from: from.clone(),
            to: to.clone(),
            leg: Leg { symbol: symbol.clone(), inverse },
            weight,
        };
        let both = [edge(&pair.base, &pair.quote, false), edge(&pair.quote, &pair.base, true)];
        both.into_iter().filter(move |_| weight > 0)
    }

    pub(super) fn update(self, graph: Graph, date: EventTime, diff: isize) -> EdgeUpdate {
        ((graph, self), date, diff)
    }
}

/// Whose paths: of an asset in a currency, of so many symbols.
pub(super) type PathKey = (Graph, Asset, Asset, u8);

/// Symbols from an asset to a currency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Path {
    pub(super) weight: u64,
    pub(super) legs: Vec<Leg>,
}

/// The best path of each asset in each currency, of one symbol to four.
pub(super) fn best_paths<'scope>(
    edges: StreamVec<'scope, EventTime, EdgeUpdate>,
    definition: &Definition,
) -> VecCollection<'scope, EventTime, (PathKey, Path), isize> {
    let currencies = definition.quotes.as_ref().map(|quotes| quotes.currencies.clone()).unwrap_or_default();
    let edges = VecCollection::new(edges);
    let direct = edges.clone().filter(move |(_, edge)| currencies.contains(&edge.to)).map(direct_path);
    let edges_by_end = edges.map(|(graph, edge)| ((graph, edge.to.clone()), edge));
    direct.clone().iterate(move |scope, best| {
        let edges = edges_by_end.enter(scope).arrange_by_key_named("EdgesByEnd");
        let shorter = best.filter(|((.., length), _)| usize::from(*length) < LONGEST_PATH).map(by_begin);
        let shorter = shorter.arrange_by_key_named("ShorterPaths");
        let longer = shorter.join_core(edges, |(graph, _), path, edge| longer_path(*graph, path, edge));
        direct.enter(scope).concat(longer).reduce_named("BestPaths", best_of)
    })
}

fn direct_path((graph, edge): (Graph, Edge)) -> (PathKey, Path) {
    ((graph, edge.from, edge.to, 1), Path { weight: edge.weight, legs: vec![edge.leg] })
}

type PathOfCurrency = (Asset, u8, Path);

fn by_begin(((graph, asset, currency, length), path): (PathKey, Path)) -> ((Graph, Asset), PathOfCurrency) {
    ((graph, asset), (currency, length, path))
}

/// The path that a symbol and the path behind it make; none that comes from the currency itself.
fn longer_path(
    graph: Graph,
    (currency, length, path): &PathOfCurrency,
    edge: &Edge,
) -> Option<(PathKey, Path)> {
    count(1);
    if edge.from == *currency {
        return None;
    }
    let legs = std::iter::once(&edge.leg).chain(&path.legs).cloned().collect();
    let path = Path { weight: path.weight.min(edge.weight), legs };
    Some(((graph, edge.from.clone(), currency.clone(), length + 1), path))
}

/// The heaviest path; of equals the one whose first symbol's name comes first.
fn best_of(_: &PathKey, paths: &[(&Path, isize)], best: &mut Vec<(Path, isize)>) {
    count(paths.len());
    let first = paths.iter().map(|(path, _)| *path).max_by_key(|path| (path.weight, Reverse(&path.legs)));
    best.extend(first.map(|path| (path.clone(), 1)));
}
