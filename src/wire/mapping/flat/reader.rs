//! One record on the fast way, from its first byte to its last.

use super::order::{KeyOrder, KeyPattern, RecordKeyOrder};
use super::{Array, Flat, FlatFields, KeyEntry, KeyTarget, Literal, ObjectKeys, is_number, word_of};
use crate::wire::mapping::decimal::{Excess, ShortDecimal};
use crate::wire::mapping::finds::FoundValue;
use crate::wire::mapping::record::{IdMapping, RecordMapping};
use crate::wire::mapping::time::{self, Unit};
use crate::wire::mapping::values::{Texts, integer};
use crate::wire::mapping::{Decimals, Taker, TradeIdWords};
use crate::wire::numbers::{self, load};
use crate::wire::scanning;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_128;

/// Walks a record.
pub(super) struct FlatReader<'r, 'f> {
    pub(super) flat: &'r Flat,
    pub(super) record: &'r RecordMapping,
    pub(super) bytes: &'r [u8],
    pub(super) decimals: Decimals,
    /// The keys that are expected.
    pub(super) order: &'f mut RecordKeyOrder,
    /// What the elements hold that are trades.
    pub(super) elements: &'f mut Vec<FlatFields>,
    pub(super) fields: &'f mut FlatFields,
}

impl FlatReader<'_, '_> {
    /// The record at a place; where it ends.
    #[inline(always)]
    pub(super) fn whole(&mut self, place: &Range<usize>, texts: &mut Texts<'_>) -> Option<usize> {
        self.elements.clear();
        let end = self.object(0, place.start, texts)?;
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        // One that ends behind its place does not end.
        let is_whole = end == place.end || self.bytes.get(end..place.end)?.iter().all(is_space);
        let needed = self.flat.needed;
        (is_whole && self.fields.filled & needed == needed).then_some(end)
    }

    /// An object that begins at `at` or behind white space; where it ends.
    fn object(&mut self, number: usize, at: usize, texts: &mut Texts<'_>) -> Option<usize> {
        let at = past_space(self.bytes, at);
        if *self.bytes.get(at)? != b'{' {
            return None;
        }
        let mut keys = self.order.take(number);
        let end = self.members(number, at + 1, &mut keys, texts);
        self.order.give_back(number, keys);
        end
    }

    /// Keys and values up to the end of their object; what is behind it.
    #[inline(always)]
    fn members(
        &mut self,
        number: usize,
        mut at: usize,
        keys: &mut KeyOrder,
        texts: &mut Texts<'_>,
    ) -> Option<usize> {
        let (bytes, mut filled) = (self.bytes, 0);
        for place in 0.. {
            let (entry, begin) = match keys.get(place).and_then(|expected| expected.find(bytes, at)) {
                Some(expected) => expected,
                None => {
                    let next = past_space(bytes, at);
                    if *bytes.get(next)? == b'}' {
                        at = next;
                        break;
                    }
                    self.key(number, place, at, keys)?
                }
            };
            // Of a repeated key the last counts: that is left to the walk.
            if filled & entry.bit != 0 {
                return None;
            }
            filled |= entry.bit;
            at = begin;
            at = loop {
                match self.value(entry.slot, at, texts) {
                    Some(end) => break end,
                    // Blanks that were not there before.
                    None => match past_space(bytes, at) {
                        same if same == at => return None,
                        behind => at = behind,
                    },
                }
            };
        }
        self.fields.filled |= filled;
        Some(at + 1)
    }

    /// Where the key leads that begins at `at`, or behind a comma there, and where its value begins. From
    /// then on it is expected; together with its value, where that is one that holds a condition.
    #[inline(never)]
    fn key(&self, number: usize, place: usize, at: usize, keys: &mut KeyOrder) -> Option<(KeyEntry, usize)> {
        let bytes = self.bytes;
        let mut quote = past_space(bytes, at);
        if place > 0 {
            if *bytes.get(quote)? != b',' {
                return None;
            }
            quote = past_space(bytes, quote + 1);
        }
        if *bytes.get(quote)? != b'"' {
            return None;
        }
        let (entry, end) = self.flat.objects.get(number)?.find(bytes, quote + 1)?;
        let colon = past_space(bytes, end);
        if *bytes.get(colon)? != b':' {
            return None;
        }
        let value = past_space(bytes, colon + 1);
        let (entry, end) = match entry.slot {
            KeyTarget::Condition(condition) => {
                let literals = self.flat.conditions.get(usize::from(condition))?;
                let held = |end| (KeyEntry { slot: KeyTarget::Held, ..entry }, end);
                end_of_one(literals, bytes, value).map_or((entry, value), held)
            }
            _ => (entry, value),
        };
        KeyPattern::learn(keys, place, bytes, at..end, entry);
        Some((entry, end))
    }

    /// An array that is taken apart; where it ends.
    #[inline(never)]
    fn array(&mut self, number: usize, at: usize, texts: &mut Texts<'_>) -> Option<usize> {
        let bytes = self.bytes;
        let array = self.flat.arrays.get(number)?;
        if *bytes.get(at)? != b'[' {
            return None;
        }
        let mut at = past_space(bytes, at + 1);
        loop {
            at = past_space(bytes, self.element(array, at, texts)?);
            match bytes.get(at)? {
                b',' => at = past_space(bytes, at + 1),
                b']' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// An element, of which all that is needed must be there; where it ends.
    fn element(&mut self, array: &Array, at: usize, texts: &mut Texts<'_>) -> Option<usize> {
        if array.is_last {
            let whole = std::mem::replace(self.fields, FlatFields::NONE);
            let end = self.object(array.object, at, texts);
            let element = std::mem::replace(self.fields, whole);
            let has_all = element.filled & array.needed == array.needed;
            self.elements.push(element);
            return end.filter(|_| has_all);
        }
        let filled = std::mem::replace(&mut self.fields.filled, 0);
        let end = self.object(array.object, at, texts);
        let inner = std::mem::replace(&mut self.fields.filled, filled);
        end.filter(|_| inner & array.needed == array.needed)
    }

    /// A value; where it ends.
    #[inline(always)]
    fn value(&mut self, slot: KeyTarget, at: usize, texts: &mut Texts<'_>) -> Option<usize> {
        let (bytes, record) = (self.bytes, self.record);
        match slot {
            KeyTarget::None => past_value(bytes, at),
            KeyTarget::Held => Some(at),
            KeyTarget::Price => {
                let (price, is_negative, end) = amount(bytes, at, self.decimals.price, record.excess)?;
                self.fields.price = price;
                (!is_negative).then_some(end)
            }
            KeyTarget::Quantity => {
                let (quantity, is_negative, end) = amount(bytes, at, self.decimals.quantity, record.excess)?;
                self.fields.quantity = quantity;
                if record.sign_is_side {
                    self.fields.taker = Some(if is_negative { Taker::Sell } else { Taker::Buy });
                }
                (record.sign_is_side || !is_negative).then_some(end)
            }
            KeyTarget::Time => match record.unit {
                Unit::Epoch(places) => {
                    let (short, end) = number(bytes, at)?;
                    let micros = short.scaled(places, Excess::Cut).filter(|_| !short.is_negative)?;
                    self.fields.time = time::of_micros(micros)?;
                    Some(end)
                }
                unit @ Unit::Rfc3339(_) => {
                    let (text, end) = quoted(bytes, at)?;
                    self.fields.time = time::read(text, unit, texts.day).ok()?;
                    Some(end)
                }
            },
            KeyTarget::Id => self.id(at),
            KeyTarget::Symbol => {
                let end;
                (self.fields.symbol, end) = text(bytes, at)?;
                Some(end)
            }
            KeyTarget::Quote => {
                let end;
                (self.fields.quote, end) = text(bytes, at)?;
                Some(end)
            }
            KeyTarget::Side => self.side(at),
            KeyTarget::Condition(number) => match self.flat.conditions.get(usize::from(number))?.as_slice() {
                [] => past_any(bytes, at),
                literals => end_of_one(literals, bytes, at),
            },
            KeyTarget::Barred(number) => {
                let literals = self.flat.barred.get(usize::from(number))?;
                // Another way to write a number may be one of them.
                let may_hold = literals.is_empty() || is_number(*bytes.get(at)?);
                let holds = may_hold || end_of_one(literals, bytes, at).is_some();
                if holds { None } else { past_any(bytes, at) }
            }
            KeyTarget::Object(number) => self.object(number.into(), at, texts),
            KeyTarget::Array(number) => self.array(number.into(), at, texts),
        }
    }

    #[inline(always)]
    fn side(&mut self, at: usize) -> Option<usize> {
        let (flat, bytes) = (self.flat, self.bytes);
        if let Some(end) = end_of_one(&flat.buy, bytes, at) {
            self.fields.taker = Some(Taker::Buy);
            return Some(end);
        }
        if let Some(end) = end_of_one(&flat.sell, bytes, at) {
            self.fields.taker = Some(Taker::Sell);
            return Some(end);
        }
        // Another way to write a number may be one of them.
        let may_be_one = flat.has_numbers && is_number(*bytes.get(at)?);
        if may_be_one { None } else { past_any(bytes, at) }
    }

    #[inline]
    fn id(&mut self, at: usize) -> Option<usize> {
        let is_sequence = matches!(self.record.id, IdMapping::Sequence(_));
        let end;
        self.fields.id = if *self.bytes.get(at)? == b'"' {
            let text;
            (text, end) = quoted(self.bytes, at)?;
            match integer(text) {
                Some(id) => TradeIdWords::integer(id, is_sequence),
                None if !is_sequence && (1..=255).contains(&text.len()) => {
                    TradeIdWords::hashed(xxh3_128(text))
                }
                None => return None,
            }
        } else {
            let id;
            (id, end) = scanning::integer(self.bytes, at)?;
            TradeIdWords::integer(id, is_sequence)
        };
        Some(end)
    }
}

/// A price or a quantity, whether it is below zero, and what is behind it.
#[inline(always)]
fn amount(bytes: &[u8], at: usize, places: u8, excess: Excess) -> Option<(i64, bool, usize)> {
    // As most write it.
    if places == Decimals::EIGHT.price
        && *bytes.get(at)? == b'"'
        && let Some((value @ 1.., end)) = numbers::decimal(bytes, at + 1)
        && *bytes.get(end)? == b'"'
    {
        return Some((value, false, end + 1));
    }
    any_amount(bytes, at, places, excess)
}

#[inline(never)]
fn any_amount(bytes: &[u8], at: usize, places: u8, excess: Excess) -> Option<(i64, bool, usize)> {
    let (short, end) = number(bytes, at)?;
    let value = short.scaled(places.into(), excess).filter(|value| *value > 0)?;
    // Below 2^63.
    Some((value as i64, short.is_negative, end))
}

#[inline(always)]
fn past_space(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(..=b' ') => past_blanks(bytes, at),
        _ => at,
    }
}

fn past_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// A text of plain ASCII as it is noted, and what is behind it.
#[inline(always)]
fn text(bytes: &[u8], at: usize) -> Option<(FoundValue, usize)> {
    let (text, end) = quoted(bytes, at)?;
    Some((FoundValue::text(end - 1 - text.len(), end - 1, false), end))
}

/// A text of plain ASCII, and what is behind it.
#[inline]
fn quoted(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    if *bytes.get(at)? == b'"' { scanning::text(bytes, at + 1) } else { None }
}

/// A number, or a text of one, and what is behind it.
#[inline(always)]
fn number(bytes: &[u8], at: usize) -> Option<(ShortDecimal, usize)> {
    let is_text = *bytes.get(at)? == b'"';
    let from = at + usize::from(is_text);
    let (short, end) = ShortDecimal::read(bytes, from)?;
    if is_text {
        return (*bytes.get(end)? == b'"').then_some((short, end + 1));
    }
    let whole = from + usize::from(short.is_negative);
    let has_leading_zero = bytes[whole] == b'0' && bytes.get(whole + 1).is_some_and(u8::is_ascii_digit);
    // An exponent is no end of a value, and so the caller stops there.
    (!has_leading_zero).then_some((short, end))
}

#[inline(never)]
fn past_any(bytes: &[u8], at: usize) -> Option<usize> {
    past_value(bytes, at)
}

/// Past a value that is no object. The caller looks at what follows.
#[inline(always)]
fn past_value(bytes: &[u8], at: usize) -> Option<usize> {
    match *bytes.get(at)? {
        b'"' => Some(scanning::text(bytes, at + 1)?.1),
        b'-' | b'0'..=b'9' => Some(number(bytes, at)?.1),
        _ => scanning::plain(bytes, at),
    }
}

impl Literal {
    /// Where it ends, if it stands here. The caller looks at what follows.
    #[inline(always)]
    fn end(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let is_here = match load(bytes, at) {
            Some(word) if self.text.len() <= 8 => word & self.mask == self.word,
            _ => bytes.get(at..)?.starts_with(&self.text),
        };
        is_here.then_some(at + self.text.len())
    }
}

#[inline(always)]
fn end_of_one(literals: &[Literal], bytes: &[u8], at: usize) -> Option<usize> {
    literals.iter().find_map(|literal| literal.end(bytes, at))
}

impl ObjectKeys {
    /// Where a key leads that begins behind its quote at `at`, and what is behind its closing one.
    #[inline(always)]
    fn find(&self, bytes: &[u8], at: usize) -> Option<(KeyEntry, usize)> {
        let word = load(bytes, at)?;
        let stops = scanning::stops(word);
        if stops == 0 {
            return self.find_long(bytes, at);
        }
        let end = at + (stops.trailing_zeros() / 8) as usize;
        let before = ((stops & stops.wrapping_neg()) >> 7).wrapping_sub(1);
        (bytes[end] == b'"').then_some((self.find_word(word & before)?, end + 1))
    }

    #[inline(always)]
    fn find_word(&self, key: u64) -> Option<KeyEntry> {
        let mut place = self.place(key);
        loop {
            // A free place comes, as most of them are.
            let entry = self.places.get(place)?;
            if entry.key == key || entry.slot == KeyTarget::None {
                return Some(*entry);
            }
            place = (place + 1) & (self.places.len() - 1);
        }
    }

    /// The same of a key of eight bytes and more.
    fn find_long(&self, bytes: &[u8], at: usize) -> Option<(KeyEntry, usize)> {
        let (key, end) = scanning::text(bytes, at)?;
        let entry = match key.len() {
            8 => self.find_word(word_of(key))?,
            _ => self.long.iter().find(|(known, _)| **known == *key).map(|(_, it)| *it).unwrap_or_default(),
        };
        Some((entry, end))
    }
}
