//! One record by its mapping: the values that were found in it become a trade, or what is wrong with it.

use super::condition::{Condition, ScalarValue};
use super::decimal::{DecimalParts, Excess};
use super::fault::Fault;
use super::finds::FoundValue;
use super::paths::{Elements, TargetCell};
use super::pattern::Pattern;
use super::time::{self, Unit};
use super::values::{Texts, Values, integer};
use super::{Decimals, MappedRecord, MappedTrade, Taker, TradeIdWords};
use crate::wire::BadRecord;
use crate::wire::scanning::is_usual_name;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::is_name;
use xxhash_rust::xxh3::xxh3_128;

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
    pub(super) price: TargetCell,
    pub(super) quantity: TargetCell,
    /// The sign of the quantity is the side.
    pub(super) sign_is_side: bool,
    pub(super) excess: Excess,
    pub(super) time: TargetCell,
    pub(super) unit: Unit,
    pub(super) side: Option<SideMapping>,
}

#[derive(Debug)]
pub(super) enum SymbolMapping {
    Fixed(String),
    At { cell: TargetCell, replace: Vec<(String, String)>, pattern: Option<Pattern> },
    Pair { base: TargetCell, quote: TargetCell, join: String },
}

#[derive(Debug)]
pub(super) enum IdMapping {
    Sequence(TargetCell),
    Unique(TargetCell),
    None,
}

#[derive(Debug)]
pub(super) struct SideMapping {
    pub(super) cell: TargetCell,
    pub(super) buy: Vec<ScalarValue>,
    pub(super) sell: Vec<ScalarValue>,
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
    fn no_digits(&self, found: FoundValue) -> BadRecord {
        let is_float = matches!(found, FoundValue::Float { .. });
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
    /// Compiled into its callers: a trade given back through memory is read in other pieces than it is
    /// written in, and waits for them.
    #[inline(always)]
    pub(super) fn read<'t, L, R>(
        &self,
        values: &'t Values<'_, L, R>,
        row: usize,
        decimals: Decimals,
        texts: &'t mut Texts<'_>,
    ) -> Result<MappedRecord<'t>, BadRecord>
    where
        L: Fn(TargetCell, usize) -> FoundValue,
    {
        let time = self.time(values, row, texts)?;
        if self.is_heartbeat {
            return Ok(MappedRecord::Heartbeat(time));
        }
        let places = (decimals.price, false);
        let (price, _) = self.amount(values, (self.price, row), places, &PRICE, texts)?;
        let places = (decimals.quantity, self.sign_is_side);
        let (quantity, is_negative) = self.amount(values, (self.quantity, row), places, &QUANTITY, texts)?;
        let signed = self.sign_is_side.then_some(if is_negative { Taker::Sell } else { Taker::Buy });
        let side = self.side.as_ref().and_then(|side| {
            let found = (values.lookup)(side.cell, row);
            let mut is =
                |scalars: &[ScalarValue]| scalars.iter().any(|s| values.equals(&found, s, texts.text));
            if is(&side.buy) { Some(Taker::Buy) } else { is(&side.sell).then_some(Taker::Sell) }
        });
        let id = self.id(values, row, texts)?;
        let symbol = self.symbol(values, row, texts)?;
        let taker = signed.or(side);
        Ok(MappedRecord::Trade(MappedTrade { symbol, id, price, quantity, time, taker }))
    }

    /// A price or a quantity, and whether it is below zero, which is allowed where its sign says something.
    ///
    /// What was found is looked up again where it is not short: given on, it would be copied first.
    #[inline(always)]
    fn amount<L: Fn(TargetCell, usize) -> FoundValue, R>(
        &self,
        values: &Values<'_, L, R>,
        at: (TargetCell, usize),
        (places, has_sign): (u8, bool),
        reasons: &Reasons,
        texts: &mut Texts<'_>,
    ) -> Result<(i64, bool), BadRecord> {
        if let Some(short) = values.short((values.lookup)(at.0, at.1))
            && (has_sign || !short.is_negative)
            && let Some(value @ 1..) = short.scaled(places.into(), self.excess)
        {
            // Below 2^63.
            return Ok((value as i64, short.is_negative));
        }
        self.long_amount(values, at, (places, has_sign), reasons, texts)
    }

    /// The same of any number, or what is wrong with it.
    #[inline(never)]
    fn long_amount<L: Fn(TargetCell, usize) -> FoundValue, R>(
        &self,
        values: &Values<'_, L, R>,
        (cell, row): (TargetCell, usize),
        (places, has_sign): (u8, bool),
        reasons: &Reasons,
        texts: &mut Texts<'_>,
    ) -> Result<(i64, bool), BadRecord> {
        let found = (values.lookup)(cell, row);
        let digits = values.digits(found, texts.text).ok_or(reasons.no_digits(found))?;
        let (digits, is_negative) = match digits {
            [b'-', rest @ ..] if has_sign => (rest, true),
            _ => (digits, false),
        };
        Ok((decimal(digits, places, self.excess, reasons, found)?, is_negative))
    }

    #[inline(always)]
    fn time<L: Fn(TargetCell, usize) -> FoundValue, R>(
        &self,
        values: &Values<'_, L, R>,
        row: usize,
        texts: &mut Texts<'_>,
    ) -> Result<EventTime, BadRecord> {
        if let Unit::Epoch(places) = self.unit
            && let Some(short) =
                values.short((values.lookup)(self.time, row)).filter(|short| !short.is_negative)
            && let Some(time) = short.scaled(places, Excess::Cut).and_then(time::of_micros)
        {
            return Ok(time);
        }
        self.long_time(values, row, texts)
    }

    /// A time of any form, or what is wrong with it.
    #[inline(never)]
    fn long_time<L: Fn(TargetCell, usize) -> FoundValue, R>(
        &self,
        values: &Values<'_, L, R>,
        row: usize,
        texts: &mut Texts<'_>,
    ) -> Result<EventTime, BadRecord> {
        let found = (values.lookup)(self.time, row);
        let digits = match self.unit {
            Unit::Rfc3339(_) => values.text(found, texts.text),
            Unit::Epoch(_) => values.digits(found, texts.text),
        };
        let digits = digits.ok_or_else(|| match found {
            FoundValue::Float { .. } => {
                bad("time: a float, and the mapping does not say floats = \"shortest\"", found)
            }
            _ => bad("time: absent, or not as its unit says", found),
        })?;
        time::read(digits, self.unit, texts.day).map_err(|fault| match fault {
            Fault::OutOfRange | Fault::TooLarge => bad("time: outside 2009 to 2099", found),
            Fault::Grammar | Fault::TooPrecise => bad("time: not as its unit says", found),
        })
    }

    fn id<L: Fn(TargetCell, usize) -> FoundValue, R>(
        &self,
        values: &Values<'_, L, R>,
        row: usize,
        texts: &mut Texts<'_>,
    ) -> Result<TradeIdWords, BadRecord> {
        let (cell, is_sequence) = match &self.id {
            IdMapping::None => return Ok(TradeIdWords::NONE),
            IdMapping::Sequence(cell) => (*cell, true),
            IdMapping::Unique(cell) => (*cell, false),
        };
        let found = (values.lookup)(cell, row);
        if let Some(id) = values.short_id(found) {
            return Ok(TradeIdWords::integer(id, is_sequence));
        }
        let text = values.digits(found, texts.text).unwrap_or_default();
        match (integer(text), is_sequence) {
            (Some(id), _) => Ok(TradeIdWords::integer(id, is_sequence)),
            (None, true) => Err(bad("id: not an integer below 2^63", found)),
            (None, false) => {
                let digits = text.iter().all(u8::is_ascii_digit);
                let is_id = found.is_text() && text.len() <= 255 || found.is_number() && digits;
                if text.is_empty() || !is_id {
                    return Err(bad("id: neither a text of 1 to 255 bytes nor an integer", found));
                }
                Ok(TradeIdWords::hashed(xxh3_128(text)))
            }
        }
    }

    #[inline]
    pub(super) fn symbol<'a: 't, 't, L: Fn(TargetCell, usize) -> FoundValue, R>(
        &self,
        values: &Values<'a, L, R>,
        row: usize,
        texts: &'t mut Texts<'_>,
    ) -> Result<&'t [u8], BadRecord> {
        if let SymbolMapping::At { cell, replace, pattern: None } = &self.symbol
            && replace.is_empty()
            && self.venue.is_empty()
            && self.contracts.is_empty()
        {
            let found = (values.lookup)(*cell, row);
            let name = values.text(found, texts.text).ok_or(bad(NO_SYMBOL, found))?;
            return named(name, name, found);
        }
        self.made_symbol(values, row, texts)
    }

    /// A symbol that is put together.
    fn made_symbol<'t, L: Fn(TargetCell, usize) -> FoundValue, R>(
        &self,
        values: &Values<'_, L, R>,
        row: usize,
        texts: &'t mut Texts<'_>,
    ) -> Result<&'t [u8], BadRecord> {
        let Texts { text, symbol, other, .. } = texts;
        let get = |cell: &TargetCell| (values.lookup)(*cell, row);
        symbol.clear();
        symbol.push_str(&self.venue);
        let found = match &self.symbol {
            SymbolMapping::Fixed(name) => {
                symbol.push_str(name);
                FoundValue::Absent
            }
            SymbolMapping::At { cell, replace, pattern } => {
                let found = get(cell);
                let name = str_of(values.text(found, text).ok_or(bad(NO_SYMBOL, found))?);
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
                            push_replaced(text, other, from, to);
                            std::mem::swap(*text, *other);
                        }
                        symbol.push_str(other);
                    }
                }
                found
            }
            SymbolMapping::Pair { base, quote, join } => {
                let (first, second) = (get(base), get(quote));
                let no_text = bad("symbol: base is no text", first);
                symbol.push_str(str_of(values.text(first, text).ok_or(no_text)?));
                symbol.push_str(join);
                let no_text = bad("symbol: quote is no text", second);
                symbol.push_str(str_of(values.text(second, text).ok_or(no_text)?));
                first
            }
        };
        let name = &symbol[self.venue.len()..];
        if !name.is_empty() && self.contracts.iter().any(|pattern| pattern.matches(name)) {
            return Err(bad("contracts: its quantities are no coins", found));
        }
        named(symbol.as_bytes(), name.as_bytes(), found)
    }
}

/// A text of a record, which is UTF-8.
fn str_of(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

const NO_SYMBOL: &str = "symbol: absent, or no text";

/// A symbol that is to be a name; the name is what stands behind the venue.
#[inline]
fn named<'t>(symbol: &'t [u8], name: &[u8], found: FoundValue) -> Result<&'t [u8], BadRecord> {
    if name.is_empty() {
        return Err(bad("symbol: empty", found));
    }
    if !is_usual_name(symbol) && !is_plain_name(symbol) && !is_name(symbol) {
        return Err(bad("symbol: no name (1 to 64 bytes, no blank and none of * / = , | \")", found));
    }
    Ok(symbol)
}

/// Whether a text is a name for certain: of other than ASCII [`is_name`] is asked.
fn is_plain_name(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"*/=,|\"".contains(byte);
    text.len() <= 64 && text.iter().all(is_plain)
}

fn bad(reason: &'static str, found: FoundValue) -> BadRecord {
    BadRecord { reason, at: found.at() }
}

#[inline]
fn decimal(
    digits: &[u8],
    places: u8,
    excess: Excess,
    reasons: &Reasons,
    found: FoundValue,
) -> Result<i64, BadRecord> {
    let decimal = DecimalParts::parse(digits).ok_or(bad(reasons.grammar, found))?;
    match decimal.scaled(places.into(), excess) {
        Ok(0) => Err(bad(reasons.zero, found)),
        // Below 2^63.
        Ok(value) => Ok(value as i64),
        Err(Fault::TooPrecise) => Err(bad(reasons.too_precise, found)),
        Err(_) => Err(bad(reasons.too_large, found)),
    }
}

/// A text with one part of it replaced wherever it stands.
fn push_replaced(target: &mut String, text: &str, from: &str, to: &str) {
    for (part, piece) in text.split(from).enumerate() {
        target.push_str(if part > 0 { to } else { "" });
        target.push_str(piece);
    }
}
