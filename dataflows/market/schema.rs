//! What rows are: their kinds, and the fields of each kind, once. Tables, CSV and Parquet columns, `--rows`,
//! filters of the server, its description and the tables of `docs/sql.md` all come from here.
//!
//! A new kind is a variant of [`RowKind`], its place in [`RowKind::ALL`] and a [`Schema`]. A new field is one
//! line: in [`KEY`] if every row has it, in [`STAGE`] if every row that can be corrected has it, else among
//! the kind's own. What else a kind touches: `docs/adding.md`.

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;

/// What a row speaks of, in the order in which rows of one window leave.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum RowKind {
    /// One symbol in one window.
    Symbol,
    /// One cross in one window.
    Cross,
    /// The statistics of a cross up to a window.
    Stats,
    /// A cross beside the pair that is traded directly, in one window.
    Basis,
}

impl RowKind {
    /// All of them, in their order.
    pub const ALL: [RowKind; 4] = [RowKind::Symbol, RowKind::Cross, RowKind::Stats, RowKind::Basis];

    /// What its rows hold.
    pub fn schema(self) -> &'static Schema {
        match self {
            RowKind::Symbol => &SYMBOL,
            RowKind::Cross => &CROSS,
            RowKind::Stats => &STATS,
            RowKind::Basis => &BASIS,
        }
    }

    /// As printed.
    pub fn as_str(self) -> &'static str {
        self.schema().name
    }

    /// The kind that is printed so.
    pub fn parse(text: &str) -> Option<RowKind> {
        RowKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The names of all kinds, for messages: `symbol, cross or stats` with `" or "`.
    pub fn names(before_last: &str) -> String {
        let names = RowKind::ALL.map(RowKind::as_str);
        match names.split_last() {
            Some((last, rest)) => format!("{}{before_last}{last}", rest.join(", ")),
            None => String::new(),
        }
    }
}

/// What a field holds.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum FieldType {
    /// A whole number.
    Integer,
    /// A double.
    Real,
    /// True or false.
    Boolean,
    /// A text.
    Text,
    /// An exact decimal, as text.
    Decimal,
    /// A list of objects that have these fields, as JSON.
    List(&'static [Field]),
}

/// A field of a row.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name, in rows and in tables.
    pub name: &'static str,
    /// What stands before its value in a row's text.
    pub label: &'static str,
    /// What it holds.
    pub ty: FieldType,
    /// Whether it may be null.
    pub nullable: bool,
    /// The texts that it may hold, where they are few.
    pub words: &'static [&'static str],
    /// What it says.
    pub meaning: &'static str,
}

impl Field {
    const fn or_null(self) -> Field {
        Field { nullable: true, ..self }
    }

    const fn one_of(self, words: &'static [&'static str]) -> Field {
        Field { words, ..self }
    }
}

/// A field of that name and type, and what it says.
macro_rules! field {
    ($name:literal, $ty:expr, $meaning:literal) => {
        Field {
            name: $name,
            label: concat!(",\"", $name, "\":"),
            ty: $ty,
            nullable: false,
            words: &[],
            meaning: $meaning,
        }
    };
}

/// The rows of one kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Schema {
    /// The kind.
    pub kind: RowKind,
    /// The kind's name in rows.
    pub name: &'static str,
    /// The name of their table.
    pub table: &'static str,
    /// All fields in their order, but for `kind`, which comes first.
    pub fields: &'static [Field],
    /// Whether a row may be followed by another one of its key, so that it says how far it is: [`STAGE`].
    pub corrected: bool,
    /// Whether there is no such row without a cross.
    pub of_crosses: bool,
}

impl Schema {
    /// The fields that are the kind's own: between those of [`KEY`] and those of [`STAGE`].
    pub fn own(&self) -> &'static [Field] {
        let stage = if self.corrected { STAGE.len() } else { 0 };
        &self.fields[KEY.len()..self.fields.len() - stage]
    }

    /// Where a field of that name stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}

use FieldType::{Boolean, Decimal, Integer, List, Real, Text};

/// What every row begins with, after its kind: together they are its key.
pub const KEY: [Field; 4] = [
    field!("name", Text, "the symbol or the cross"),
    field!("window", Text, "the definition of the window, such as `10s`, `1m/10s`, `1d` or `anchored:1d/1m`"),
    field!("start_ms", Integer, "the window `[start, end)`"),
    field!("end_ms", Integer, "the window `[start, end)`"),
];

/// What rows end with that may be corrected.
pub const STAGE: [Field; 4] = [
    field!("revision", Integer, "counts corrections; null in a row of an open window").or_null(),
    field!("closed", Boolean, "whether the window has closed"),
    field!("final", Boolean, "a final row never changes"),
    field!("closed_by", Text, "what took the watermarks past the window")
        .one_of(&["event", "idle", "eof"])
        .or_null(),
];

const TRADES: Field = field!("trades", Integer, "of the window, of a cross those of its legs");
const VW_VARIANCE: Field = field!(
    "vw_variance",
    Real,
    "volume-weighted, around the VWAP; null where a leg divides: its moments say nothing of a quotient"
)
.or_null();
const VW_STD: Field = field!("vw_std", Real, "its square root").or_null();
const MISSING_IDS: Field =
    field!("missing_ids", Integer, "trade ids that never came; null where ids are no sequence").or_null();
const DIGEST: Field = field!("digest", Text, "equal digests, equal trades");

static SYMBOL: Schema = Schema {
    kind: RowKind::Symbol,
    name: "symbol",
    table: "symbols",
    fields: &joined::<22>(&[&KEY, &SYMBOL_FIELDS, &STAGE]),
    corrected: true,
    of_crosses: false,
};
const SYMBOL_FIELDS: [Field; 14] = [
    TRADES,
    field!(
        "open",
        Decimal,
        "the price of the first trade; of a window without trades null or the close before"
    )
    .or_null(),
    field!("high", Decimal, "the greatest price; of a window without trades null or the close before")
        .or_null(),
    field!("low", Decimal, "the least price; of a window without trades null or the close before").or_null(),
    field!(
        "close",
        Decimal,
        "the price of the last trade; of a window without trades null or the close before"
    )
    .or_null(),
    field!("volume", Decimal, "the sum of the quantities"),
    field!("quote_volume", Decimal, "the sum of price times quantity"),
    field!(
        "taker_buy_volume",
        Decimal,
        "the volume of the trades whose taker bought; null where some trade does not tell"
    )
    .or_null(),
    field!("taker_buy_quote_volume", Decimal, "the quote volume of these trades").or_null(),
    field!("vwap", Decimal, "quote volume divided by volume; null without trades").or_null(),
    VW_VARIANCE,
    VW_STD,
    MISSING_IDS,
    DIGEST,
];

static CROSS: Schema = Schema {
    kind: RowKind::Cross,
    name: "cross",
    table: "crosses",
    fields: &joined::<17>(&[&KEY, &CROSS_FIELDS, &STAGE]),
    corrected: true,
    of_crosses: true,
};
const CROSS_FIELDS: [Field; 9] = [
    field!("status", Text, "whether every leg traded").one_of(&["complete", "leg_missing", "carried"]),
    field!("vwap", Decimal, "the product of the legs' VWAPs; null where a leg is missing").or_null(),
    VW_VARIANCE,
    VW_STD,
    field!("close", Decimal, "the product of the legs' last prices; null where a leg is missing").or_null(),
    TRADES,
    field!("legs", List(&LEG), "the legs in the order written"),
    MISSING_IDS,
    DIGEST,
];

/// A leg of a cross.
const LEG: [Field; 5] = [
    field!("symbol", Text, "the traded pair"),
    field!("inverse", Boolean, "divided instead of multiplied"),
    field!("vwap", Decimal, "its own VWAP; null where it is missing").or_null(),
    field!("trades", Integer, "in the window"),
    field!("age_ms", Integer, "how much earlier the window is that stands in"),
];

static STATS: Schema = Schema {
    kind: RowKind::Stats,
    name: "stats",
    table: "stats",
    fields: &joined::<10>(&[&KEY, &STATS_FIELDS]),
    corrected: false,
    of_crosses: true,
};
const STATS_FIELDS: [Field; 6] = [
    field!("n", Integer, "rates so far, this one included"),
    field!("vwap", Decimal, "the rate of this window"),
    field!("sum", Decimal, "of all rates"),
    field!("mean", Decimal, "of all rates"),
    field!("variance", Real, "of all rates; null below two").or_null(),
    field!("std", Real, "of all rates; null below two").or_null(),
];

static BASIS: Schema = Schema {
    kind: RowKind::Basis,
    name: "basis",
    table: "basis",
    fields: &joined::<9>(&[&KEY, &BASIS_FIELDS]),
    corrected: false,
    of_crosses: true,
};
const BASIS_FIELDS: [Field; 5] = [
    field!("status", Text, "whether both sides are there; carried where the cross is").one_of(&[
        "complete",
        "carried",
        "cross_missing",
        "direct_missing",
    ]),
    field!("cross", Decimal, "the rate of the cross").or_null(),
    field!("direct", Decimal, "the VWAP of the pair that is traded directly").or_null(),
    field!("basis", Decimal, "cross less direct").or_null(),
    field!("basis_bps", Decimal, "the basis in basis points of the direct pair").or_null(),
];

/// The parts one after the other; `N` is their length together.
const fn joined<const N: usize>(parts: &[&[Field]]) -> [Field; N] {
    let mut fields = [KEY[0]; N];
    let (mut at, mut part) = (0, 0);
    while part < parts.len() {
        let mut place = 0;
        while place < parts[part].len() {
            fields[at] = parts[part][place];
            at += 1;
            place += 1;
        }
        part += 1;
    }
    assert!(at == N, "the parts have another length");
    fields
}

/// A set of kinds of rows.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub struct RowKinds(u32);

impl RowKinds {
    /// All kinds.
    pub fn all() -> RowKinds {
        RowKind::ALL.into_iter().collect()
    }

    /// Whether the kind is among them.
    #[inline]
    pub fn has(self, kind: RowKind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }
}

impl FromIterator<RowKind> for RowKinds {
    fn from_iter<I: IntoIterator<Item = RowKind>>(kinds: I) -> Self {
        RowKinds(kinds.into_iter().fold(0, |bits, kind| bits | 1 << kind as u32))
    }
}

/// As an object of names and whether the kind is among them: checkpoints hold it so.
impl Serialize for RowKinds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(RowKind::ALL.map(|kind| (kind.as_str(), self.has(kind))))
    }
}

/// A kind that is not named is not among them.
impl<'de> Deserialize<'de> for RowKinds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = BTreeMap::<String, bool>::deserialize(deserializer)?;
        Ok(RowKind::ALL.into_iter().filter(|kind| named.get(kind.as_str()) == Some(&true)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_place_its_schema_and_a_name_of_its_own() {
        for (place, kind) in RowKind::ALL.into_iter().enumerate() {
            assert_eq!((kind as usize, kind.schema().kind), (place, kind));
            assert_eq!(RowKind::parse(kind.as_str()), Some(kind));
            let tables = RowKind::ALL.into_iter().filter(|other| other.schema().table == kind.schema().table);
            assert_eq!(tables.count(), 1, "{}", kind.schema().table);
            let names: Vec<&str> = kind.schema().fields.iter().map(|field| field.name).collect();
            assert!(
                names.iter().all(|name| names.iter().filter(|other| *other == name).count() == 1),
                "{names:?}"
            );
        }
        assert_eq!(RowKind::parse("Symbol"), None);
    }

    #[test]
    fn sets_of_kinds_read_back() {
        for bits in 0..1 << RowKind::ALL.len() {
            let kinds = RowKinds(bits);
            let text = serde_json::to_string(&kinds).unwrap();
            assert_eq!(serde_json::from_str::<RowKinds>(&text).unwrap(), kinds, "{text}");
        }
        assert_eq!(serde_json::from_str::<RowKinds>("{\"cross\":true}").unwrap(), RowKinds(2));
    }
}
