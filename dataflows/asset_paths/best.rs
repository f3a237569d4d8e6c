//! The best paths of all assets, of each length.

use super::AssetNumber;
use crate::market::assets::LONGEST_PATH;
use crate::market::definition::{Definition, Leg};
use crate::market::event_time::EventTime;
use crate::market::trade::Symbol;
use crate::market::work::count;
use differential_dataflow::VecCollection;
use differential_dataflow::operators::Iterate;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use timely::dataflow::StreamVec;

/// A symbol that leads from one asset to another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Edge {
    from: AssetNumber,
    to: AssetNumber,
    weight: u64,
    leg: Leg,
}

pub(super) type EdgeUpdate = (Edge, EventTime, isize);

impl Edge {
    /// A symbol in one direction.
    pub(super) fn new((from, to): (AssetNumber, AssetNumber), leg: Leg, weight: u64) -> Edge {
        Edge { from, to, weight, leg }
    }
}

/// Whose path: of an asset in a currency, of so many symbols.
pub(super) type PathKey = (AssetNumber, AssetNumber, u8);

/// A path by its first symbol: behind it comes the best path, one symbol shorter, of the asset that the
/// symbol leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Path {
    pub(super) weight: u64,
    pub(super) to: AssetNumber,
    pub(super) leg: Leg,
}

/// The first symbol of a path, and where it leads.
#[derive(Debug, Copy, Clone)]
pub(super) struct Hop<'a> {
    pub(super) weight: u64,
    pub(super) symbol: &'a Symbol,
    pub(super) is_inverse: bool,
    pub(super) to: AssetNumber,
}

impl Hop<'_> {
    /// Heavier, or with a name that comes first.
    pub(super) fn is_better_than(&self, other: &Hop<'_>) -> bool {
        (self.weight, Reverse(self.symbol)) > (other.weight, Reverse(other.symbol))
    }
}

impl Path {
    /// Its first symbol.
    pub(super) fn hop(&self) -> Hop<'_> {
        let Path { weight, to, leg: Leg { symbol, inverse } } = self;
        Hop { weight: *weight, symbol, is_inverse: *inverse, to: *to }
    }
}

/// The weight and the symbols of an asset's heaviest path, of equals the shortest; `hop` tells the first
/// symbol of the best path of an asset whose length is one more than that.
pub(super) fn heaviest_path<'a>(
    asset: AssetNumber,
    hop: impl Fn(AssetNumber, usize) -> Option<Hop<'a>>,
) -> Option<(u64, Vec<Leg>)> {
    let of_length = |length: usize| hop(asset, length).map(|hop| (hop.weight, length));
    let (weight, mut length) =
        (0..LONGEST_PATH).rev().filter_map(of_length).max_by_key(|(weight, _)| *weight)?;
    let (mut at, mut legs) = (asset, Vec::with_capacity(length + 1));
    loop {
        let Hop { symbol, is_inverse, to, .. } = hop(at, length)?;
        legs.push(Leg { symbol: symbol.clone(), inverse: is_inverse });
        if length == 0 {
            return Some((weight, legs));
        }
        (at, length) = (to, length - 1);
    }
}

/// The best path of each asset in each currency, of one symbol to four. Currencies have the first numbers.
pub(super) fn best_paths<'scope>(
    edges: StreamVec<'scope, EventTime, EdgeUpdate>,
    definition: &Definition,
) -> VecCollection<'scope, EventTime, (PathKey, Path), isize> {
    let currencies = definition.quotes.as_ref().map_or(0, |quotes| quotes.currencies.len());
    let edges = VecCollection::new(edges);
    let direct = edges.clone().filter(move |edge| (edge.to as usize) < currencies).map(direct_path);
    let edges_by_end = edges.map(|edge| (edge.to, edge));
    direct.clone().iterate(move |scope, best| {
        let edges = edges_by_end.enter(scope).arrange_by_key_named("EdgesByEnd");
        let shorter = best.filter(|((.., length), _)| usize::from(*length) < LONGEST_PATH).map(by_begin);
        let shorter = shorter.arrange_by_key_named("ShorterPaths");
        let longer = shorter.join_core(edges, |_, path, edge| longer_path(path, edge));
        direct.enter(scope).concat(longer).reduce_named("BestPaths", best_of)
    })
}

fn direct_path(Edge { from, to, weight, leg }: Edge) -> (PathKey, Path) {
    ((from, to, 1), Path { weight, to, leg })
}

/// Currency, length and weight of a path.
type PathBehind = (AssetNumber, u8, u64);

fn by_begin(((asset, currency, length), path): (PathKey, Path)) -> (AssetNumber, PathBehind) {
    (asset, (currency, length, path.weight))
}

/// The path that a symbol and the path behind it make; none that comes from the currency itself.
fn longer_path(&(currency, length, weight): &PathBehind, edge: &Edge) -> Option<(PathKey, Path)> {
    count(1);
    let path = || Path { weight: weight.min(edge.weight), to: edge.to, leg: edge.leg.clone() };
    (edge.from != currency).then(|| ((edge.from, currency, length + 1), path()))
}

/// The heaviest path; of equals the one whose first symbol's name comes first.
fn best_of(_: &PathKey, paths: &[(&Path, isize)], best: &mut Vec<(Path, isize)>) {
    count(paths.len());
    let first = paths.iter().map(|(path, _)| *path).max_by_key(|path| (path.weight, Reverse(&path.leg)));
    best.extend(first.map(|path| (path.clone(), 1)));
}
