//! What a job computes: everything that its rows depend on besides the input. Checked when it is made.

use super::assets::Quotes;
use super::decimal::Decimals;
use super::schema::RowKind;
pub use super::schema::RowKinds;
use super::trade::Symbol;
pub use super::windows::Windows;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Whose windows get rows, and how (`docs/semantics.md`). All durations are microseconds of event time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The cross rates, by name.
    pub crosses: Vec<Cross>,
    /// The symbols that get rows, legs included.
    pub symbols: Selection,
    /// The windows.
    pub windows: Windows,
    /// How far out of order a partition may be.
    pub delay: u64,
    /// How long after its end a window may still be corrected.
    pub grace: u64,
    /// When rows leave.
    pub emit: Emit,
    /// Rows of open windows too, at each tick.
    pub provisional: bool,
    /// The steps at which corrections and provisional rows are looked at; positive.
    pub tick: u64,
    /// Which kinds of rows leave.
    pub rows: RowKinds,
    /// What a cross gives for a window in which a leg did not trade.
    pub missing_leg: MissingLeg,
    /// How old a leg's earlier window may be to stand in for a missing one; where nothing is said, five
    /// minutes or the length of the window, whichever is more.
    pub max_carry: Option<u64>,
    /// Statistics of the last so many windows with a rate; all when `None`. Positive.
    pub stats_last: Option<u64>,
    /// Whether repeated trades are recognised (rule 5).
    pub dedup: bool,
    /// How far a trade may be ahead of its Kafka timestamp.
    pub max_ahead: u64,
    /// How far a record may be past what its partition has reached; any distance when `None`. Positive.
    #[serde(default)]
    pub max_jump: Option<u64>,
    /// Crosses that are held against a pair that is traded directly, by name.
    #[serde(default)]
    pub basis: Vec<Basis>,
    /// What windows without trades have.
    #[serde(default)]
    pub fill: Fill,
    /// How much later than the latest window with trades such a window may end; where nothing is said, an
    /// hour or the length of the window, whichever is more.
    #[serde(default)]
    pub max_fill: Option<u64>,
    /// How far a cross that is added while the job runs reaches back.
    #[serde(default)]
    pub back_fill: u64,
    /// The currencies in which every asset has a rate.
    #[serde(default)]
    pub quotes: Option<Quotes>,
    /// How many decimals prices have at most.
    #[serde(default = "eight")]
    pub price_decimals: u8,
    /// How many decimals quantities have at most.
    #[serde(default = "eight")]
    pub quantity_decimals: u8,
}

/// What earlier releases knew.
fn eight() -> u8 {
    8
}

impl Definition {
    /// The symbols that must be read, whatever else has rows of its own.
    pub fn needs(&self) -> impl Iterator<Item = &Symbol> {
        let legs = self.crosses.iter().flat_map(|cross| &cross.legs).map(|leg| &leg.symbol);
        let named = self.basis.iter().filter(|basis| !self.is_by_assets(basis));
        legs.chain(named.map(|basis| &basis.direct))
    }

    /// Whether the direct pair of a basis is whatever symbol trades the assets of its cross, which is one of
    /// those that price an asset.
    pub fn is_by_assets(&self, basis: &Basis) -> bool {
        basis.direct == basis.cross && self.quotes.as_ref().is_some_and(|quotes| quotes.names(&basis.cross))
    }

    /// The decimal places of prices and quantities.
    pub fn decimals(&self) -> Decimals {
        Decimals { price: self.price_decimals, quantity: self.quantity_decimals }
    }

    /// Whether windows without trades have rows.
    pub fn wants_fills(&self) -> bool {
        self.fill != Fill::None && self.rows.has(RowKind::Symbol)
    }

    /// How much earlier than a window of that reach another one of a leg may end and stand in for it.
    pub fn most_carry(&self, reach: u64) -> u64 {
        const FIVE_MINUTES: u64 = 300_000_000;
        self.max_carry.unwrap_or(reach.max(FIVE_MINUTES))
    }

    /// Whether windows are held for crosses that may be added.
    pub fn holds_windows(&self) -> bool {
        self.back_fill > 0
    }

    /// Whether rows of bases leave.
    pub fn wants_basis(&self) -> bool {
        self.rows.has(RowKind::Basis) && !self.basis.is_empty()
    }

    /// The kinds of rows that a database has tables for: a basis only where one is asked for, since who may
    /// make no tables made those of the others long ago.
    pub fn kept_kinds(&self) -> RowKinds {
        let is_kept = |kind: &RowKind| *kind != RowKind::Basis || self.wants_basis();
        RowKind::ALL.into_iter().filter(is_kept).collect()
    }

    /// Whether rows of that kind are made: because they leave, or because a basis that leaves is made of
    /// them.
    pub fn makes(&self, kind: RowKind) -> bool {
        let of_basis = matches!(kind, RowKind::Symbol | RowKind::Cross);
        self.rows.has(kind) || of_basis && self.wants_basis()
    }
}

/// What holds where nothing is said: no cross, no symbol, and the defaults of the command line.
impl Default for Definition {
    fn default() -> Self {
        const SECOND: u64 = 1_000_000;
        Definition {
            crosses: Vec::new(),
            symbols: Selection::Only(BTreeSet::new()),
            windows: Windows::sliding(30 * SECOND, 30 * SECOND),
            delay: 5 * SECOND,
            grace: 0,
            emit: Emit::Final,
            provisional: false,
            tick: SECOND / 4,
            rows: RowKinds::all(),
            missing_leg: MissingLeg::Null,
            max_carry: None,
            stats_last: None,
            dedup: true,
            max_ahead: 5 * SECOND,
            max_jump: None,
            basis: Vec::new(),
            fill: Fill::None,
            max_fill: None,
            back_fill: 0,
            quotes: None,
            price_decimals: Decimals::EIGHT.price,
            quantity_decimals: Decimals::EIGHT.quantity,
        }
    }
}

/// A pair that is not traded directly: a product of legs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cross {
    /// Its name, such as `XVGUSDT`.
    pub name: Symbol,
    /// Two or more legs, in the order written.
    pub legs: Vec<Leg>,
}

/// As it is typed: `XVGUSDT=XVGBTC*BTCUSDT`.
impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.cross, self.direct)
    }
}

impl fmt::Display for Cross {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.name)?;
        for (place, leg) in self.legs.iter().enumerate() {
            let sign = match (place, leg.inverse) {
                (0, false) => "",
                (0, true) => "1/",
                (_, true) => "/",
                (_, false) => "*",
            };
            write!(f, "{sign}{}", leg.symbol)?;
        }
        Ok(())
    }
}

/// One factor of a cross.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Leg {
    /// The traded pair.
    pub symbol: Symbol,
    /// Divided instead of multiplied.
    pub inverse: bool,
}

/// A cross that is held against a pair that is traded directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The cross.
    pub cross: Symbol,
    /// The traded pair; the name of the cross itself where assets tell it.
    pub direct: Symbol,
}

/// Which symbols get rows of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// Every symbol that trades.
    All,
    /// These (the legs among them), and no others.
    Only(BTreeSet<Symbol>),
}

/// When rows leave (`docs/semantics.md#windows`).
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Emit {
    /// Once, when nothing can change any more.
    Final,
    /// At the window's end, at each tick that changed it, and once more when final.
    Changes,
}

/// What a cross gives where a leg did not trade (`docs/semantics.md#cross-rates`).
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MissingLeg {
    /// A row that says which leg is missing, without a rate.
    Null,
    /// The leg's latest earlier window stands in, if it is young enough.
    Carry,
    /// No row.
    Withhold,
}

/// What a window of a symbol without trades has (`docs/semantics.md#windows`).
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fill {
    /// No row.
    #[default]
    None,
    /// A row without prices.
    Null,
    /// A row whose prices are the close of the latest earlier window with trades.
    Previous,
}
