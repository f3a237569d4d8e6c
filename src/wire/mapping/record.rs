//! One record by its mapping: the values that were found in it become a trade, or what is wrong with it.

use super::decimal::{Decimal, Excess};
use super::finds::Found;
use super::paths::{Cell, Elements};
use super::pattern::Pattern;
use super::time::{self, LastDay, Unit};
use super::{Decimals, Mapped, MappedTrade, Taker, TradeId};
use crate::wire::BadRecord;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::is_name;
use xxhash_rust::xxh3::xxh3_128;

/// Why a value is not what a field needs.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    Grammar,
    TooPrecise,
    TooLarge,
    OutOfRange,
}

/// How one shape of record is read.
#[derive(Debug)]
pub(super) struct RecordMapping {
    pub(super) conditions: Vec<Condition>,
    pub(super) elements: Option<Elements>,
    pub(super) is_heartbeat: bool,
    pub(super) symbol: SymbolMapping,
    /// What stands before each name, its colon included.
    pub(super) venue: String,
    pub(super) contracts: Vec<Pattern>,
    pub(super) id: IdMapping,
    pub(super) price: Cell,
    pub(super) quantity: Cell,
    /// The sign of the quantity is the side.
    pub(super) sign_is_side: bool,
    pub(super) excess: Excess,
    pub(super) time: Cell,
    pub(super) unit: Unit,
    pub(super) side: Option<SideMapping>,
}

#[derive(Debug)]
pub(super) struct Condition {
    /// As it was written.
    pub(super) pointer: String,
    pub(super) cell: Cell,
    pub(super) wanted: Wanted,
}

#[derive(Debug)]
pub(super) enum Wanted {
    Exists,
    OneOf(Vec<Scalar>),
}

/// A value that a condition or a side compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar {
    Text(String),
    /// Its digits, with a sign where it is negative.
    Integer(String),
    Bool(bool),
}

#[derive(Debug)]
pub(super) enum SymbolMapping {
    Fixed(String),
    At { cell: Cell, replace: Vec<(String, String)>, pattern: Option<Pattern> },
    Pair { base: Cell, quote: Cell, join: String },
}

#[derive(Debug)]
pub(super) enum IdMapping {
    Sequence(Cell),
    Unique(Cell),
    None,
}

#[derive(Debug)]
pub(super) struct SideMapping {
    pub(super) cell: Cell,
    pub(super) buy: Vec<Scalar>,
    pub(super) sell: Vec<Scalar>,
}

/// The values of one record, and how their texts are read.
pub(super) struct Values<'a, L, R> {
    pub(super) bytes: &'a [u8],
    pub(super) lookup: &'a L,
    pub(super) rows: &'a R,
    pub(super) unescape: fn(&[u8], &mut String),
}

/// Room for texts.
pub(super) struct Texts<'a> {
    pub(super) text: &'a mut String,
    pub(super) symbol: &'a mut String,
    pub(super) other: &'a mut String,
    pub(super) day: &'a mut LastDay,
}

impl<L: Fn(Cell, usize) -> Found, R> Values<'_, L, R> {
    /// The text that a value is, where it is one.
    #[inline]
    pub(super) fn text<'t>(&'t self, found: Found, room: &'t mut String) -> Option<&'t str> {
        let Found::Text { from, to, escaped } = found else { return None };
        let inside = &self.bytes[from..to];
        if !escaped {
            return std::str::from_utf8(inside).ok();
        }
        (self.unescape)(inside, room);
        Some(room)
    }

    /// The digits of a number, or of a text.
    #[inline]
    fn digits<'t>(&'t self, found: Found, room: &'t mut String) -> Option<&'t [u8]> {
        match found {
            Found::Number { from, to } => Some(&self.bytes[from..to]),
            _ => self.text(found, room).map(str::as_bytes),
        }
    }

    pub(super) fn holds(&self, condition: &Condition, room: &mut String) -> bool {
        let found = (self.lookup)(condition.cell, 0);
        match &condition.wanted {
            Wanted::Exists => found != Found::Absent,
            Wanted::OneOf(scalars) => scalars.iter().any(|scalar| self.equals(found, scalar, room)),
        }
    }

    fn equals(&self, found: Found, scalar: &Scalar, room: &mut String) -> bool {
        match (found, scalar) {
            (Found::Text { .. }, Scalar::Text(wanted)) => self.text(found, room) == Some(wanted),
            (Found::Bool(value), Scalar::Bool(wanted)) => value == *wanted,
            (Found::Number { from, to }, Scalar::Integer(wanted)) => {
                same_number(&self.bytes[from..to], wanted.as_bytes())
            }
            _ => false,
        }
    }
}

/// Whether two numbers with their signs have one value.
fn same_number(a: &[u8], b: &[u8]) -> bool {
    let (a_digits, b_digits) = (a.strip_prefix(b"-").unwrap_or(a), b.strip_prefix(b"-").unwrap_or(b));
    let (Some(a_value), Some(b_value)) = (Decimal::parse(a_digits), Decimal::parse(b_digits)) else {
        return false;
    };
    let same_sign = a.starts_with(b"-") == b.starts_with(b"-");
    a_value.same_value(&b_value) && (same_sign || a_value.is_zero())
}

/// What may be wrong with a field, by its name.
struct Reasons {
    absent: &'static str,
    float: &'static str,
    grammar: &'static str,
    too_precise: &'static str,
    too_large: &'static str,
    zero: &'static str,
}

impl Reasons {
    fn no_digits(&self, found: Found) -> BadRecord {
        let is_float = matches!(found, Found::Float { .. });
        bad(if is_float { self.float } else { self.absent }, found)
    }
}

const PRICE: Reasons = Reasons {
    absent: "price: absent, or neither a number nor a text",
    float: "price: a float, and the mapping does not say floats = \"shortest\"",
    grammar: "price: not a plain decimal number",
    too_precise: "price: more decimals than --price-decimals",
    too_large: "price: too large",
    zero: "price: zero",
};

const QUANTITY: Reasons = Reasons {
    absent: "quantity: absent, or neither a number nor a text",
    float: "quantity: a float, and the mapping does not say floats = \"shortest\"",
    grammar: "quantity: not a plain decimal number",
    too_precise: "quantity: more decimals than --quantity-decimals",
    too_large: "quantity: too large",
    zero: "quantity: zero",
};

impl RecordMapping {
    pub(super) fn read<'t, L, R>(
        &self,
        values: &'t Values<'_, L, R>,
        row: usize,
        decimals: Decimals,
        texts: &'t mut Texts<'_>,
    ) -> Result<Mapped<'t>, BadRecord>
    where
        L: Fn(Cell, usize) -> Found,
    {
        let get = |cell| (values.lookup)(cell, row);
        let time = self.time(values, get(self.time), texts)?;
        if self.is_heartbeat {
            return Ok(Mapped::Heartbeat(time));
        }
        let found = get(self.price);
        let digits = values.digits(found, texts.text).ok_or(PRICE.no_digits(found))?;
        let price = decimal(digits, decimals.price, self.excess, &PRICE, found)?;
        let found = get(self.quantity);
        let digits = values.digits(found, texts.text).ok_or(QUANTITY.no_digits(found))?;
        let (digits, signed) = match digits {
            [b'-', rest @ ..] if self.sign_is_side => (rest, Some(Taker::Sell)),
            _ if self.sign_is_side => (digits, Some(Taker::Buy)),
            _ => (digits, None),
        };
        let quantity = decimal(digits, decimals.quantity, self.excess, &QUANTITY, found)?;
        let side = self.side.as_ref().and_then(|side| {
            let found = get(side.cell);
            let mut is = |scalars: &[Scalar]| scalars.iter().any(|s| values.equals(found, s, texts.text));
            if is(&side.buy) { Some(Taker::Buy) } else { is(&side.sell).then_some(Taker::Sell) }
        });
        let id = self.id(values, row, texts)?;
        let symbol = self.symbol(values, row, texts)?;
        let taker = signed.or(side);
        Ok(Mapped::Trade(MappedTrade { symbol, id, price, quantity, time, taker }))
    }

    fn time<L: Fn(Cell, usize) -> Found, R>(
        &self,
        values: &Values<'_, L, R>,
        found: Found,
        texts: &mut Texts<'_>,
    ) -> Result<EventTime, BadRecord> {
        let digits = match (self.unit, found) {
            (Unit::Rfc3339(_), Found::Number { .. }) => None,
            _ => values.digits(found, texts.text),
        };
        let digits = digits.ok_or_else(|| match found {
            Found::Float { .. } => {
                bad("time: a float, and the mapping does not say floats = \"shortest\"", found)
            }
            _ => bad("time: absent, or not as its unit says", found),
        })?;
        time::read(digits, self.unit, texts.day).map_err(|fault| match fault {
            Fault::OutOfRange | Fault::TooLarge => bad("time: outside 2009 to 2099", found),
            Fault::Grammar | Fault::TooPrecise => bad("time: not as its unit says", found),
        })
    }

    fn id<L: Fn(Cell, usize) -> Found, R>(
        &self,
        values: &Values<'_, L, R>,
        row: usize,
        texts: &mut Texts<'_>,
    ) -> Result<TradeId, BadRecord> {
        let (cell, is_sequence) = match &self.id {
            IdMapping::None => return Ok(TradeId::None),
            IdMapping::Sequence(cell) => (*cell, true),
            IdMapping::Unique(cell) => (*cell, false),
        };
        let found = (values.lookup)(cell, row);
        let text = values.digits(found, texts.text).unwrap_or_default();
        let integer = integer(text);
        match (integer, is_sequence) {
            (Some(id), true) => Ok(TradeId::Sequence(id)),
            (Some(id), false) => Ok(TradeId::Unique(id)),
            (None, true) => Err(bad("id: not an integer below 2^63", found)),
            (None, false) => {
                let digits = text.iter().all(u8::is_ascii_digit);
                let is_id = matches!(found, Found::Text { .. }) && text.len() <= 255
                    || matches!(found, Found::Number { .. }) && digits;
                if text.is_empty() || !is_id {
                    return Err(bad("id: neither a text of 1 to 255 bytes nor an integer", found));
                }
                Ok(TradeId::Hashed(xxh3_128(text)))
            }
        }
    }

    fn symbol<'t, L: Fn(Cell, usize) -> Found, R>(
        &self,
        values: &Values<'_, L, R>,
        row: usize,
        texts: &'t mut Texts<'_>,
    ) -> Result<&'t str, BadRecord> {
        let Texts { text, symbol, other, .. } = texts;
        let get = |cell: &Cell| (values.lookup)(*cell, row);
        symbol.clear();
        symbol.push_str(&self.venue);
        let found = match &self.symbol {
            SymbolMapping::Fixed(name) => {
                symbol.push_str(name);
                Found::Absent
            }
            SymbolMapping::At { cell, replace, pattern } => {
                let found = get(cell);
                let name = values.text(found, text).ok_or(bad("symbol: absent, or no text", found))?;
                let name = match pattern {
                    Some(pattern) => pattern.star(name).ok_or(bad("symbol: not of its pattern", found))?,
                    None => name,
                };
                match replace.as_slice() {
                    [] => symbol.push_str(name),
                    replace => {
                        other.clear();
                        other.push_str(name);
                        for (from, to) in replace {
                            text.clear();
                            for (part, piece) in other.split(from.as_str()).enumerate() {
                                text.push_str(if part > 0 { to } else { "" });
                                text.push_str(piece);
                            }
                            std::mem::swap(*text, *other);
                        }
                        symbol.push_str(other);
                    }
                }
                found
            }
            SymbolMapping::Pair { base, quote, join } => {
                let (first, second) = (get(base), get(quote));
                symbol.push_str(values.text(first, text).ok_or(bad("symbol: base is no text", first))?);
                symbol.push_str(join);
                symbol.push_str(values.text(second, text).ok_or(bad("symbol: quote is no text", second))?);
                first
            }
        };
        let name = &symbol[self.venue.len()..];
        if name.is_empty() {
            return Err(bad("symbol: empty", found));
        }
        if self.contracts.iter().any(|pattern| pattern.matches(name)) {
            return Err(bad("contracts: its quantities are no coins", found));
        }
        if !is_name(symbol.as_bytes()) {
            return Err(bad("symbol: no name (1 to 64 bytes, no blank and none of * / = , | \")", found));
        }
        Ok(symbol)
    }
}

fn bad(reason: &'static str, found: Found) -> BadRecord {
    BadRecord { reason, at: found.at() }
}

#[inline]
fn decimal(
    digits: &[u8],
    places: u8,
    excess: Excess,
    reasons: &Reasons,
    found: Found,
) -> Result<i64, BadRecord> {
    let decimal = Decimal::parse(digits).ok_or(bad(reasons.grammar, found))?;
    match decimal.scaled(places.into(), excess) {
        Ok(0) => Err(bad(reasons.zero, found)),
        // Below 2^63.
        Ok(value) => Ok(value as i64),
        Err(Fault::TooPrecise) => Err(bad(reasons.too_precise, found)),
        Err(_) => Err(bad(reasons.too_large, found)),
    }
}

/// An id that is an integer: 1 to 19 digits without a leading zero, below 2^63.
#[inline]
pub(super) fn integer(text: &[u8]) -> Option<u64> {
    let is_plain = matches!(text, [b'0'] | [b'1'..=b'9', ..]) && text.len() <= 19;
    if !is_plain {
        return None;
    }
    let mut value = 0u64;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    (value < 1 << 63).then_some(value)
}
