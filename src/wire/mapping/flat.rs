//! The fast way for records of JSON whose fields are values of one object, or of objects in it, as most
//! venues write them, and for those whose trades are such objects in an array: one pass, in which each key
//! leads to its field and each value is read where it stands.
//!
//! Eight bytes at a time. Whatever is not of that kind (an escape, a key that repeats, an object of which
//! nothing is asked, a value that a field does not take, a condition that does not hold, a fault of any
//! sort) is left to the walk over the whole record: this module accepts, it never refuses. So what it
//! accepts must be valid and mean the same there, which the tests compare.

use super::finds::FoundValue;
use super::paths::{PathsNumber, TargetCell};
use super::record::{RecordMapping, SymbolMapping};
use super::values::{Texts, Values};
use super::{BadRecord, Decimals, MappedRecord, MappedTrade, Taker, TradeIdWords};
use crate::wire::json::unescape;
use crossrate_dataflows::market::event_time::EventTime;
use order::RecordKeyOrder;
use reader::FlatReader;
use std::ops::Range;

mod compile;
mod order;
mod reader;

/// The fast ways of a mapping, of each of its records; nothing of those that have none.
#[derive(Debug)]
pub(super) struct FlatWays {
    of: PathsNumber,
    ways: Vec<Option<Flat>>,
}

/// Where the fields of a mapping's record stand.
#[derive(Debug)]
struct Flat {
    objects: Vec<ObjectKeys>,
    /// The arrays that are taken apart, from the outside in.
    arrays: Vec<Array>,
    /// A bit for each key that a record must have.
    needed: u32,
    /// The values that hold a condition, of each condition; none where any value does.
    conditions: Vec<Vec<Literal>>,
    /// The same of conditions of earlier records, which must not hold.
    barred: Vec<Vec<Literal>>,
    buy: Vec<Literal>,
    sell: Vec<Literal>,
    /// Whether sides are compared with numbers, of which each can be written in many ways.
    has_numbers: bool,
    /// Where trades are elements, what each has of the whole record. A side by a sign is a [`KeyTarget::Side`]
    /// too.
    of_whole: Vec<KeyTarget>,
    /// The symbol is a text as it stands.
    is_plain_symbol: bool,
    /// Where the quote asset stands, of a symbol of two parts.
    quote: Option<TargetCell>,
}

/// An array that is taken apart.
#[derive(Debug)]
struct Array {
    /// The keys of each element.
    object: usize,
    /// Those that an element must have.
    needed: u32,
    /// Whether its elements are trades.
    is_last: bool,
}

/// The keys of an object.
#[derive(Debug)]
struct ObjectKeys {
    /// Those of at most eight bytes, each in the first free place from its own on: a power of two of places.
    places: Vec<KeyEntry>,
    shift: u32,
    long: Vec<(Box<[u8]>, KeyEntry)>,
}

/// A key and where it leads.
#[derive(Debug, Copy, Clone, Default)]
struct KeyEntry {
    /// Its bytes, with zeros behind them: a zero byte itself needs an escape.
    key: u64,
    /// Its bit among those that were filled.
    bit: u32,
    slot: KeyTarget,
}

/// A value as JSON writes it, where there is but one way without escapes.
#[derive(Debug, PartialEq, Eq)]
struct Literal {
    text: Box<[u8]>,
    /// Its first eight bytes, and where they stand in a word.
    word: u64,
    mask: u64,
}

/// What a key leads to.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
enum KeyTarget {
    /// Nothing that is asked for.
    #[default]
    None,
    Object(u8),
    Array(u8),
    Condition(u8),
    /// A condition whose value was compared together with its key.
    Held,
    Barred(u8),
    Symbol,
    Quote,
    Id,
    Price,
    Quantity,
    Time,
    Side,
}

/// What was found in a record, or in an element of it.
#[derive(Debug, Clone)]
struct FlatFields {
    filled: u32,
    symbol: FoundValue,
    /// The second part of a symbol of two.
    quote: FoundValue,
    id: TradeIdWords,
    price: i64,
    quantity: i64,
    time: EventTime,
    taker: Option<Taker>,
}

impl FlatFields {
    const NONE: FlatFields = FlatFields {
        filled: 0,
        symbol: FoundValue::Absent,
        quote: FoundValue::Absent,
        id: TradeIdWords::NONE,
        price: 0,
        quantity: 0,
        time: EventTime::EARLIEST,
        taker: None,
    };
}

/// What the fast way keeps from one record to the next.
#[derive(Debug, Default)]
pub(super) struct FlatScratch {
    /// The mapping it belongs to.
    of: Option<PathsNumber>,
    /// The record of the mapping that the record before was.
    last: usize,
    orders: Vec<RecordKeyOrder>,
    elements: Vec<FlatFields>,
}

impl FlatWays {
    /// Gives the trades of the record that stands at a place among others, and whether it could. What follows
    /// the record may be looked at, but counts for nothing.
    #[inline]
    pub(super) fn read(
        &self,
        records: &[RecordMapping],
        place: (&[u8], &Range<usize>),
        decimals: Decimals,
        (texts, scratch): (&mut Texts<'_>, &mut FlatScratch),
        each: &mut impl FnMut(&MappedRecord<'_>),
    ) -> bool {
        if scratch.of != Some(self.of) {
            let objects = |way: &Option<Flat>| way.as_ref().map_or(0, |flat| flat.objects.len());
            let orders = self.ways.iter().map(|way| RecordKeyOrder::of(objects(way))).collect();
            *scratch = FlatScratch { of: Some(self.of), orders, ..FlatScratch::default() };
        }
        let last = scratch.last;
        if self.read_as(last, records, place, decimals, (texts, scratch), each) {
            return true;
        }
        self.read_others(last, records, place, decimals, (texts, scratch), each)
    }

    /// The same of records of the mapping that the record before was not.
    #[inline(never)]
    fn read_others(
        &self,
        last: usize,
        records: &[RecordMapping],
        place: (&[u8], &Range<usize>),
        decimals: Decimals,
        (texts, scratch): (&mut Texts<'_>, &mut FlatScratch),
        each: &mut impl FnMut(&MappedRecord<'_>),
    ) -> bool {
        (0..self.ways.len()).filter(|number| *number != last).any(|number| {
            let is_read = self.read_as(number, records, place, decimals, (texts, scratch), each);
            scratch.last = if is_read { number } else { scratch.last };
            is_read
        })
    }

    #[inline]
    fn read_as(
        &self,
        number: usize,
        records: &[RecordMapping],
        (bytes, place): (&[u8], &Range<usize>),
        decimals: Decimals,
        (texts, scratch): (&mut Texts<'_>, &mut FlatScratch),
        each: &mut impl FnMut(&MappedRecord<'_>),
    ) -> bool {
        let (Some(Some(flat)), Some(record)) = (self.ways.get(number), records.get(number)) else {
            return false;
        };
        let FlatScratch { orders, elements, .. } = scratch;
        let order = &mut orders[number];
        let mut fields = FlatFields::NONE;
        let mut reader = FlatReader { flat, record, bytes, decimals, order, elements, fields: &mut fields };
        let Some(end) = reader.whole(place, texts) else { return false };
        debug_assert!(end <= place.end);
        if flat.arrays.is_empty() {
            let Ok(symbol) = flat.symbol(record, &fields, bytes, texts) else { return false };
            each(&MappedRecord::Trade(fields.trade(symbol)));
            return true;
        }
        flat.give(record, &fields, (bytes, place), (texts, elements), each)
    }
}

impl Flat {
    /// The trades of the elements; nothing where there is no element.
    #[inline(never)]
    fn give(
        &self,
        record: &RecordMapping,
        whole: &FlatFields,
        (bytes, place): (&[u8], &Range<usize>),
        (texts, elements): (&mut Texts<'_>, &mut [FlatFields]),
        each: &mut impl FnMut(&MappedRecord<'_>),
    ) -> bool {
        for element in &mut *elements {
            for slot in &self.of_whole {
                match slot {
                    KeyTarget::Symbol => element.symbol = whole.symbol,
                    KeyTarget::Quote => element.quote = whole.quote,
                    KeyTarget::Id => element.id = whole.id,
                    KeyTarget::Price => element.price = whole.price,
                    KeyTarget::Quantity => element.quantity = whole.quantity,
                    KeyTarget::Time => element.time = whole.time,
                    KeyTarget::Side => element.taker = whole.taker,
                    _ => {}
                }
            }
            match self.symbol(record, element, bytes, texts) {
                Ok(symbol) => each(&MappedRecord::Trade(element.trade(symbol))),
                // All else of it is as it must be, and so this is what is wrong with it.
                Err(BadRecord { reason, at }) => {
                    each(&MappedRecord::Bad(BadRecord { reason, at: at.map(|at| at - place.start) }));
                }
            }
        }
        !elements.is_empty()
    }

    /// The symbol, where it is a name.
    #[inline(always)]
    fn symbol<'t>(
        &self,
        record: &RecordMapping,
        fields: &FlatFields,
        bytes: &'t [u8],
        texts: &'t mut Texts<'_>,
    ) -> Result<&'t [u8], BadRecord> {
        let (symbol, quote) = (fields.symbol, fields.quote);
        if self.is_plain_symbol
            && let FoundValue::Text { from, to, .. } = symbol
            && let Some(name) = bytes.get(from as usize..to as usize)
            && crate::wire::scanning::is_usual_name(name)
        {
            return Ok(name);
        }
        let lookup = move |cell, _| if Some(cell) == self.quote { quote } else { symbol };
        let values = Values { bytes, sheet: &[], lookup, rows: (), unescape };
        record.symbol(&values, 0, texts)
    }
}

impl FlatFields {
    #[inline(always)]
    fn trade<'t>(&self, symbol: &'t [u8]) -> MappedTrade<'t> {
        let FlatFields { ref id, price, quantity, time, taker, .. } = *self;
        let id = id.copied();
        MappedTrade { symbol, id, price, quantity, time, taker }
    }
}

/// Whether a symbol is a text as it stands in the record.
fn is_plain_symbol(record: &RecordMapping) -> bool {
    let is_as_it_stands = matches!(&record.symbol, SymbolMapping::At { replace, pattern: None, .. }
        if replace.is_empty());
    is_as_it_stands && record.venue.is_empty() && record.contracts.is_empty()
}

/// The first eight bytes, with zeros behind fewer.
fn word_of(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn is_number(byte: u8) -> bool {
    byte == b'-' || byte.is_ascii_digit()
}

impl ObjectKeys {
    #[inline(always)]
    fn place(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }
}
