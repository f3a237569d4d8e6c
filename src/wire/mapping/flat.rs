//! The fast way for records of JSON whose fields are values of one object, or of objects in it, as most
//! venues write them: one pass, in which each key leads to its field and each value is read where it
//! stands.
//!
//! Eight bytes at a time. Whatever is not of that kind (an escape, a key that repeats, an object of which
//! nothing is asked, a value that a field does not take, a condition that does not hold, a fault of any
//! sort) gives `None`, and the walk over the whole record decides: this module accepts, it never refuses.
//! So what it accepts must be valid and mean the same there, which the tests compare.

use super::finds::Found;
use super::paths::{Cell, NodeNumber, Paths};
use super::record::{Condition, IdMapping, RecordMapping, Scalar, SymbolMapping, Wanted};
use super::values::{Texts, Values};
use super::{Decimals, MappedTrade, TradeId};
use crate::wire::json::unescape;
use crossrate_dataflows::market::event_time::EventTime;
use reader::{Fields, Reader};
use std::ops::Range;

mod reader;

/// Where the fields of a mapping's first record stand.
#[derive(Debug)]
pub(super) struct Flat {
    objects: Vec<Object>,
    /// A bit for each slot that a record must fill.
    needed: u32,
    /// The values that hold a condition, of each condition; none where any value does.
    conditions: Vec<Vec<Literal>>,
    buy: Vec<Literal>,
    sell: Vec<Literal>,
    /// Whether sides are compared with numbers, of which each can be written in many ways.
    has_numbers: bool,
}

/// The keys of an object.
#[derive(Debug)]
struct Object {
    /// Those of at most eight bytes, each in the first free place from its own on: a power of two of places.
    places: Vec<Entry>,
    shift: u32,
    long: Vec<(Box<[u8]>, Entry)>,
}

/// A key and where it leads.
#[derive(Debug, Copy, Clone, Default)]
struct Entry {
    /// Its bytes, with zeros behind them: a zero byte itself needs an escape.
    key: u64,
    /// Its bit among those that were filled.
    bit: u32,
    slot: Slot,
}

/// A value as JSON writes it, where there is but one way without escapes.
#[derive(Debug)]
struct Literal {
    text: Box<[u8]>,
    /// Its first eight bytes, and where they stand in a word.
    word: u64,
    mask: u64,
}

/// What a key leads to.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
enum Slot {
    /// Nothing that is asked for.
    #[default]
    None,
    Object(u8),
    Condition(u8),
    Symbol,
    Id,
    Price,
    Quantity,
    Time,
    Side,
}

/// So many keys at most.
const MOST_KEYS: usize = 32;

impl Flat {
    /// That of a mapping's first record; nothing where its fields are not of this kind.
    pub(super) fn of(record: &RecordMapping, paths: &Paths) -> Option<Flat> {
        if record.elements.is_some() || record.is_heartbeat {
            return None;
        }
        let mut slots = vec![(record.price, Slot::Price), (record.quantity, Slot::Quantity)];
        slots.push((record.time, Slot::Time));
        match record.symbol {
            SymbolMapping::At { cell, .. } => slots.push((cell, Slot::Symbol)),
            SymbolMapping::Fixed(_) => {}
            SymbolMapping::Pair { .. } => return None,
        }
        match record.id {
            IdMapping::Sequence(cell) | IdMapping::Unique(cell) => slots.push((cell, Slot::Id)),
            IdMapping::None => {}
        }
        let (mut buy, mut sell) = (Vec::new(), Vec::new());
        let optional = record.side.as_ref().map(|side| (side.cell, Slot::Side));
        if let Some(side) = &record.side {
            buy = side.buy.iter().map(Literal::of).collect::<Option<_>>()?;
            sell = side.sell.iter().map(Literal::of).collect::<Option<_>>()?;
        }
        let has_numbers = buy.iter().chain(&sell).any(|literal| is_number(literal.text[0]));
        let mut conditions = Vec::new();
        for Condition { cell, wanted, .. } in &record.conditions {
            let texts = match wanted {
                // A field that is there.
                Wanted::Exists if slots.iter().any(|(known, _)| known == cell) => continue,
                Wanted::Exists => Vec::new(),
                Wanted::OneOf(scalars) => scalars.iter().map(Literal::of).collect::<Option<_>>()?,
            };
            slots.push((*cell, Slot::Condition(u8::try_from(conditions.len()).ok()?)));
            conditions.push(texts);
        }
        let count = slots.len();
        slots.extend(optional);
        let is_repeated = |at: usize| slots[..at].iter().any(|(cell, _)| *cell == slots[at].0);
        if slots.len() > MOST_KEYS || (0..slots.len()).any(is_repeated) {
            return None;
        }
        let needed = ((1u64 << count) - 1) as u32;
        let mut flat = Flat { objects: Vec::new(), needed, conditions, buy, sell, has_numbers };
        let mut bits = u32::try_from(slots.len()).ok()?;
        flat.object(paths, Paths::ROOT, &slots, &mut bits)?;
        Some(flat)
    }

    /// Takes the keys of an object that lead to fields, and those of the objects in it.
    fn object(
        &mut self,
        paths: &Paths,
        node: NodeNumber,
        slots: &[(Cell, Slot)],
        bits: &mut u32,
    ) -> Option<u8> {
        let number = self.objects.len();
        let children = &paths.node(node).children;
        let count = (4 * children.len()).next_power_of_two();
        let shift = u64::BITS - count.trailing_zeros();
        self.objects.push(Object { places: vec![Entry::default(); count], shift, long: Vec::new() });
        for (token, child) in children {
            let node = paths.node(*child);
            let place = slots.iter().position(|(cell, _)| Some(*cell) == node.cell);
            let (slot, bit) = match place {
                // A value is a field or holds fields.
                Some(place) if node.children.is_empty() => (slots[place].1, 1 << place),
                None if node.cell.is_none() && node.elements.is_none() && *bits < MOST_KEYS as u32 => {
                    let bit = 1 << *bits;
                    *bits += 1;
                    (Slot::Object(self.object(paths, *child, slots, bits)?), bit)
                }
                // What other records of the mapping ask for: it may be anything.
                None => continue,
                Some(_) => return None,
            };
            if !token.key.iter().all(is_plain) {
                return None;
            }
            let object = &mut self.objects[number];
            if token.key.len() > 8 {
                object.long.push((token.key.clone(), Entry { key: 0, bit, slot }));
                continue;
            }
            let key = word_of(&token.key);
            let mut at = object.place(key);
            while object.places[at].slot != Slot::None {
                at = (at + 1) & (count - 1);
            }
            object.places[at] = Entry { key, bit, slot };
        }
        u8::try_from(number).ok()
    }

    /// Reads the record that stands at a place among others. What follows it may be looked at, but counts
    /// for nothing.
    #[inline]
    pub(super) fn read<'t>(
        &self,
        record: &RecordMapping,
        (bytes, place): (&'t [u8], &Range<usize>),
        decimals: Decimals,
        texts: &'t mut Texts<'_>,
    ) -> Option<MappedTrade<'t>> {
        let mut fields = Fields {
            filled: 0,
            symbol: Found::Absent,
            id: TradeId::None,
            price: 0,
            quantity: 0,
            time: EventTime::EARLIEST,
            taker: None,
        };
        let mut reader = Reader { flat: self, record, bytes, decimals, fields: &mut fields };
        let end = reader.object(0, place.start, texts)?;
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        // One that ends behind its place does not end.
        let is_whole = end == place.end || bytes.get(end..place.end)?.iter().all(is_space);
        if !is_whole || fields.filled & self.needed != self.needed {
            return None;
        }
        let found = fields.symbol;
        let lookup = move |_, _| found;
        let values = Values { bytes, sheet: &[], lookup, rows: (), unescape };
        let symbol = record.symbol(&values, 0, texts).ok()?;
        let Fields { id, price, quantity, time, taker, .. } = fields;
        Some(MappedTrade { symbol, id, price, quantity, time, taker })
    }
}

impl Literal {
    fn of(scalar: &Scalar) -> Option<Literal> {
        let text = match scalar {
            Scalar::Bool(value) => value.to_string(),
            Scalar::Integer(digits) => digits.clone(),
            Scalar::Text(text) => text.as_bytes().iter().all(is_plain).then(|| format!("\"{text}\""))?,
        };
        let text = text.into_bytes();
        let bits = 8 * text.len().min(8);
        Some(Literal { word: word_of(&text), mask: u64::MAX >> (64 - bits), text: text.into() })
    }
}

/// Whether a byte stands for itself in a text of JSON, and in no other way that is read here.
fn is_plain(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')
}

/// The first eight bytes, with zeros behind fewer.
fn word_of(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn is_number(byte: u8) -> bool {
    byte == b'-' || byte.is_ascii_digit()
}

impl Object {
    #[inline(always)]
    fn place(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }
}
