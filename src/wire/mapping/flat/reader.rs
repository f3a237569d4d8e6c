//! One record on the fast way, from its first byte to its last.

use super::{Entry, Flat, Literal, Object, Slot, is_number, word_of};
use crate::wire::mapping::decimal::{Excess, ShortDecimal};
use crate::wire::mapping::finds::Found;
use crate::wire::mapping::record::{IdMapping, RecordMapping};
use crate::wire::mapping::time::{self, Unit};
use crate::wire::mapping::values::{Texts, integer};
use crate::wire::mapping::{Decimals, Taker, TradeId};
use crate::wire::swift::{self, load};
use crossrate_dataflows::market::event_time::EventTime;
use xxhash_rust::xxh3::xxh3_128;

/// What was found in a record.
pub(super) struct Fields {
    pub(super) filled: u32,
    pub(super) symbol: Found,
    pub(super) id: TradeId,
    pub(super) price: i64,
    pub(super) quantity: i64,
    pub(super) time: EventTime,
    pub(super) taker: Option<Taker>,
}

/// Walks a record.
pub(super) struct Reader<'r, 'f> {
    pub(super) flat: &'r Flat,
    pub(super) record: &'r RecordMapping,
    pub(super) bytes: &'r [u8],
    pub(super) decimals: Decimals,
    pub(super) fields: &'f mut Fields,
}

impl Reader<'_, '_> {
    /// An object that begins at `at` or behind white space; where it ends.
    pub(super) fn object(&mut self, number: usize, at: usize, texts: &mut Texts<'_>) -> Option<usize> {
        let bytes = self.bytes;
        let at = past_space(bytes, at);
        if *bytes.get(at)? != b'{' {
            return None;
        }
        let (flat, mut filled) = (self.flat, 0);
        let object = flat.objects.get(number)?;
        let mut at = past_space(bytes, at + 1);
        loop {
            if *bytes.get(at)? != b'"' {
                return None;
            }
            let (entry, end) = object.find(bytes, at + 1)?;
            at = past_space(bytes, end);
            if *bytes.get(at)? != b':' {
                return None;
            }
            at = past_space(bytes, at + 1);
            // Of a repeated key the last counts: that is left to the walk.
            if filled & entry.bit != 0 {
                return None;
            }
            filled |= entry.bit;
            at = past_space(bytes, self.value(entry.slot, at, texts)?);
            match bytes.get(at)? {
                b',' => at = past_space(bytes, at + 1),
                b'}' => {
                    self.fields.filled |= filled;
                    return Some(at + 1);
                }
                _ => return None,
            }
        }
    }

    /// A value; where it ends.
    #[inline(always)]
    fn value(&mut self, slot: Slot, at: usize, texts: &mut Texts<'_>) -> Option<usize> {
        let (bytes, record) = (self.bytes, self.record);
        match slot {
            Slot::None => past_value(bytes, at),
            Slot::Price => {
                let (short, end) = number(bytes, at)?;
                self.fields.price = amount(short, self.decimals.price, record.excess, false)?;
                Some(end)
            }
            Slot::Quantity => {
                let (short, end) = number(bytes, at)?;
                let has_sign = record.sign_is_side;
                self.fields.quantity = amount(short, self.decimals.quantity, record.excess, has_sign)?;
                if has_sign {
                    self.fields.taker = Some(if short.is_negative { Taker::Sell } else { Taker::Buy });
                }
                Some(end)
            }
            Slot::Time => match record.unit {
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
            Slot::Id => self.id(at),
            Slot::Symbol => {
                let (text, end) = quoted(bytes, at)?;
                self.fields.symbol = Found::text(end - 1 - text.len(), end - 1, false);
                Some(end)
            }
            Slot::Side => {
                if let Some(end) = end_of_one(&self.flat.buy, bytes, at) {
                    self.fields.taker = Some(Taker::Buy);
                    return Some(end);
                }
                if let Some(end) = end_of_one(&self.flat.sell, bytes, at) {
                    self.fields.taker = Some(Taker::Sell);
                    return Some(end);
                }
                // Another way to write a number may be one of them.
                let may_be_one = self.flat.has_numbers && is_number(*bytes.get(at)?);
                if may_be_one { None } else { past_value(bytes, at) }
            }
            Slot::Condition(number) => match self.flat.conditions.get(usize::from(number))?.as_slice() {
                [] => past_value(bytes, at),
                literals => end_of_one(literals, bytes, at),
            },
            Slot::Object(number) => self.object(number.into(), at, texts),
        }
    }

    #[inline]
    fn id(&mut self, at: usize) -> Option<usize> {
        let is_sequence = matches!(self.record.id, IdMapping::Sequence(_));
        let of_integer = if is_sequence { TradeId::Sequence } else { TradeId::Unique };
        let (id, end) = if self.bytes[at..].first()? == &b'"' {
            let (text, end) = quoted(self.bytes, at)?;
            let id = match integer(text) {
                Some(id) => of_integer(id),
                None if !is_sequence && (1..=255).contains(&text.len()) => TradeId::Hashed(xxh3_128(text)),
                None => return None,
            };
            (id, end)
        } else {
            let (id, end) = swift::integer(self.bytes, at)?;
            (of_integer(id), end)
        };
        self.fields.id = id;
        Some(end)
    }
}

/// A price or a quantity; a sign is allowed where it says something.
#[inline(always)]
fn amount(short: ShortDecimal, places: u8, excess: Excess, has_sign: bool) -> Option<i64> {
    let value = short.scaled(places.into(), excess).filter(|value| *value > 0)?;
    // Below 2^63.
    (has_sign || !short.is_negative).then_some(value as i64)
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

/// A text of plain ASCII, and what is behind it.
#[inline]
fn quoted(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    if *bytes.get(at)? == b'"' { swift::text(bytes, at + 1) } else { None }
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

/// Past a value that is no object. The caller looks at what follows.
#[inline]
fn past_value(bytes: &[u8], at: usize) -> Option<usize> {
    match *bytes.get(at)? {
        b'"' => Some(swift::text(bytes, at + 1)?.1),
        b'-' | b'0'..=b'9' => Some(number(bytes, at)?.1),
        _ => swift::plain(bytes, at),
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

impl Object {
    /// Where a key leads that begins behind its quote at `at`, and what is behind its closing one.
    #[inline(always)]
    fn find(&self, bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
        let word = load(bytes, at)?;
        let stops = swift::stops(word);
        if stops == 0 {
            return self.find_long(bytes, at);
        }
        let end = at + (stops.trailing_zeros() / 8) as usize;
        let before = ((stops & stops.wrapping_neg()) >> 7).wrapping_sub(1);
        (bytes[end] == b'"').then_some((self.find_word(word & before)?, end + 1))
    }

    #[inline(always)]
    fn find_word(&self, key: u64) -> Option<Entry> {
        let mut place = self.place(key);
        loop {
            // A free place comes, as most of them are.
            let entry = self.places.get(place)?;
            if entry.key == key || entry.slot == Slot::None {
                return Some(*entry);
            }
            place = (place + 1) & (self.places.len() - 1);
        }
    }

    /// The same of a key of eight bytes and more.
    fn find_long(&self, bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
        let (key, end) = swift::text(bytes, at)?;
        let entry = match key.len() {
            8 => self.find_word(word_of(key))?,
            _ => self.long.iter().find(|(known, _)| **known == *key).map_or(Entry::default(), |(_, it)| *it),
        };
        Some((entry, end))
    }
}
