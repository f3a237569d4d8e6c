//! What is a cross worth beside the pair that is traded directly?
//!
//! basis = cross - direct, of the final rate of a cross and the final VWAP of the pair in the same window,
//! both as printed, so exact; in basis points (cross / direct - 1) * 10^4, rounded half to even to six
//! digits.
//!
//! The direct pair of a cross that prices an asset is the symbol that trades its two assets, base first; of
//! several in a window the one whose name comes first.
//!
//! Missing: where only one of both is there, the row says which is not. Empty: a window without either has no
//! row. Late: only final rows are looked at, so a row leaves once and is never corrected.

use crate::market::assets::Quotes;
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::ratio::round_half_even_signed;
use crate::market::row::{Occasion, Row, RowKind, Stage};
use crate::market::trade::Symbol;
use crate::market::value::{Decimal, Value};
use crate::market::windows::{WindowPlace, Windows};
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::emission::Emission;
use differential_dataflow::hashable::Hashable;
use num_bigint::BigInt;
use num_traits::Zero;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::vec::Map;

/// Fractional digits of a basis in basis points.
const BPS_PLACES: u8 = 6;

/// A row for each final window in which the direct pair traded or the cross has a rate.
pub fn basis<'scope>(
    rows: StreamVec<'scope, EventTime, Emission>,
    definition: &Definition,
) -> StreamVec<'scope, EventTime, Emission> {
    let sides = rows.flat_map(sides(definition));
    let by_name = Exchange::new(|side: &BasisSide| side.basis.hashed());
    let rows = BasisRows { windows: definition.windows.clone(), pending: BTreeMap::new() };
    sides.at_looks(by_name, "Basis", rows).map(Emission::Row)
}

/// One side of a basis, as a row gives it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BasisSide {
    /// The basis's name, which is the cross's.
    basis: Symbol,
    look: EventTime,
    place: WindowPlace,
    end: EventTime,
    price: Price,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Price {
    /// The rate of the cross, and its status.
    Cross(Decimal, Value),
    /// The VWAP of the direct pair, and its symbol.
    Direct(Decimal, Symbol),
}

/// Whose final rows are sides of which bases.
struct Sources {
    by_name: HashMap<(RowKind, Symbol), Vec<Symbol>>,
    /// The bases whose direct pair assets tell.
    by_assets: HashSet<Symbol>,
    /// The bases of symbols that were asked for: by their assets.
    known: HashMap<Symbol, Option<Symbol>>,
    quotes: Option<Quotes>,
}

impl Sources {
    fn of(definition: &Definition) -> Sources {
        let mut by_name: HashMap<(RowKind, Symbol), Vec<Symbol>> = HashMap::new();
        let mut by_assets = HashSet::new();
        for basis in &definition.basis {
            let cross = (RowKind::Cross, basis.cross.clone());
            by_name.entry(cross).or_default().push(basis.cross.clone());
            if definition.is_by_assets(basis) {
                by_assets.insert(basis.cross.clone());
            } else {
                let direct = (RowKind::Symbol, basis.direct.clone());
                by_name.entry(direct).or_default().push(basis.cross.clone());
            }
        }
        Sources { by_name, by_assets, known: HashMap::new(), quotes: definition.quotes.clone() }
    }

    /// The bases that a row of that kind and name is a side of.
    fn bases_of(&mut self, kind: RowKind, name: &Symbol) -> Vec<Symbol> {
        let mut bases = self.by_name.get(&(kind, name.clone())).cloned().unwrap_or_default();
        if kind == RowKind::Symbol && !self.by_assets.is_empty() {
            let of_assets = |name: &Symbol| {
                let pair = self.quotes.as_ref()?.pair(name)?;
                let rate = Quotes::cross_name(&pair.base, &pair.quote);
                self.by_assets.contains(&rate).then_some(rate)
            };
            bases.extend(self.known.entry(name.clone()).or_insert_with(|| of_assets(name)).clone());
        }
        bases
    }
}

/// Takes the prices out of final rows.
fn sides(definition: &Definition) -> impl FnMut(Emission) -> Vec<BasisSide> + use<> {
    let mut sources = Sources::of(definition);
    move |emission| {
        let Emission::Row(row) = emission else { return Vec::new() };
        let Row { look, place, end, kind, ref name, .. } = row;
        let named = if row.is_final() { sources.bases_of(kind, name) } else { Vec::new() };
        if named.is_empty() {
            return Vec::new();
        }
        let Some(price) = row.value("vwap").and_then(Value::as_decimal) else { return Vec::new() };
        let price = match row.value("status") {
            Some(status) => Price::Cross(price.clone(), status.clone()),
            None => Price::Direct(price.clone(), name.clone()),
        };
        let side =
            |basis: &Symbol| BasisSide { basis: basis.clone(), look, place, end, price: price.clone() };
        named.iter().map(side).collect()
    }
}

/// Brings both sides of a window together.
struct BasisRows {
    windows: Windows,
    pending: BTreeMap<EventTime, BTreeMap<(Symbol, WindowPlace, EventTime), Sides>>,
}

#[derive(Debug, Default)]
struct Sides {
    cross: Option<(Decimal, Value)>,
    direct: Option<(Symbol, Decimal)>,
}

impl LookLogic for BasisRows {
    type Input = BasisSide;
    type Output = Row;

    fn absorb(&mut self, side: BasisSide) {
        let windows = self.pending.entry(side.look).or_default();
        let sides = windows.entry((side.basis, side.place, side.end)).or_default();
        match side.price {
            Price::Cross(rate, status) => sides.cross = Some((rate, status)),
            Price::Direct(vwap, symbol) => {
                if sides.direct.as_ref().is_none_or(|(known, _)| symbol < *known) {
                    sides.direct = Some((symbol, vwap));
                }
            }
        }
    }

    fn next_look(&self) -> Option<EventTime> {
        self.pending.keys().next().copied()
    }

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Row)) {
        for ((name, place, end), sides) in self.pending.remove(&look).unwrap_or_default() {
            let window = self.windows.at(place);
            let occasion = Occasion { look, window, place, end, stage: Stage::FINAL };
            give(look.minus(1), Row::new(RowKind::Basis, &name, occasion, sides.values()));
        }
    }
}

impl Sides {
    /// In the order of the schema.
    fn values(self) -> Box<[Value]> {
        let (basis, bps) = match (&self.cross, &self.direct) {
            (Some((cross, _)), Some((_, direct))) => difference(cross, direct),
            _ => (Value::Null, Value::Null),
        };
        let status = match (&self.cross, &self.direct) {
            (None, _) => "cross_missing".into(),
            (_, None) => "direct_missing".into(),
            (Some((_, status)), Some(_)) => status.clone(),
        };
        let cross = self.cross.map_or(Value::Null, |(rate, _)| Value::Decimal(rate));
        let direct = self.direct.map_or(Value::Null, |(_, vwap)| Value::Decimal(vwap));
        Box::new([status, cross, direct, basis, bps])
    }
}

/// The difference, and what it is in basis points of the direct pair. Both have the same places.
fn difference(cross: &Decimal, direct: &Decimal) -> (Value, Value) {
    let (places, direct) = (cross.places(), direct.scaled());
    let difference = cross.scaled() - &direct;
    let basis = Value::Decimal(Decimal::of(&difference, places));
    if direct.is_zero() {
        return (basis, Value::Null);
    }
    let in_steps = difference * BigInt::from(10u32).pow(4 + u32::from(BPS_PLACES));
    let bps = round_half_even_signed(&in_steps, direct.magnitude());
    (basis, Value::Decimal(Decimal::of(&bps, BPS_PLACES)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::schema::FieldType;

    #[test]
    fn values_say_which_side_is_missing_and_how_far_both_are_apart() {
        let rate = |scaled: i128| Decimal::new(scaled, 18);
        let one = 1_000_000_000_000_000_000;
        let cross = |scaled, status: &str| Some((rate(scaled), status.into()));
        let null = || "null".to_owned();
        let text = |text: &str| text.to_owned();
        for (cross, direct, status, basis, bps) in [
            (
                cross(one + 1, "complete"),
                Some(one),
                "complete",
                text("0.000000000000000001"),
                text("0.000000"),
            ),
            (
                cross(one - one / 100, "carried"),
                Some(one),
                "carried",
                text("-0.010000000000000000"),
                text("-100.000000"),
            ),
            // Half of the last digit goes to the even neighbour; what rounds to zero has no sign.
            (
                cross(one + 50_000_000, "complete"),
                Some(one),
                "complete",
                text("0.000000000050000000"),
                text("0.000000"),
            ),
            (
                cross(one + 150_000_000, "complete"),
                Some(one),
                "complete",
                text("0.000000000150000000"),
                text("0.000002"),
            ),
            (
                cross(one - 50_000_000, "complete"),
                Some(one),
                "complete",
                text("-0.000000000050000000"),
                text("0.000000"),
            ),
            (None, Some(one), "cross_missing", null(), null()),
            (cross(one, "complete"), None, "direct_missing", null(), null()),
        ] {
            let values =
                Sides { cross, direct: direct.map(|scaled| (Symbol::new("D"), rate(scaled))) }.values();
            let shown: Vec<String> = values
                .iter()
                .map(|value| value.text(FieldType::Decimal).map_or_else(null, |text| text.into_owned()))
                .collect();
            assert_eq!((shown[0].as_str(), &shown[3], &shown[4]), (status, &basis, &bps), "{values:?}");
        }
    }
}
