//! The keys of objects in the order in which the record before had them: most writers keep one.
//!
//! What stands between two values (a comma, a key, a colon, blanks) is compared as a whole with what stood
//! there before, by words, and its value begins at a place that needs no look at any of it. What does not
//! fit is looked up, and then expected in the next record.

use super::KeyEntry;
use crate::wire::numbers::load;
use std::ops::Range;

/// So many keys of an object are expected; those beyond it are looked up.
const MOST_EXPECTED: usize = 32;

/// What is longer is looked up.
const LONGEST: usize = 24;

/// Of each object of a mapping's record, its keys.
#[derive(Debug, Default)]
pub(super) struct RecordKeyOrder {
    objects: Vec<KeyOrder>,
}

/// The keys of an object.
pub(super) type KeyOrder = Vec<KeyPattern>;

/// A key with all that stands before its value. The default is none: eight zero bytes, which JSON never has.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct KeyPattern {
    /// Its first eight bytes; of a shorter one those there are, so many bits to the left.
    begin: u64,
    shift: u32,
    length: usize,
    /// Those behind the first eight, and the last eight, where it is so long.
    middle: u64,
    end: u64,
    entry: KeyEntry,
}

impl RecordKeyOrder {
    /// Of so many objects.
    pub(super) fn of(objects: usize) -> RecordKeyOrder {
        RecordKeyOrder { objects: vec![KeyOrder::new(); objects] }
    }

    /// The keys of an object, to be given back.
    #[inline]
    pub(super) fn take(&mut self, object: usize) -> KeyOrder {
        self.objects.get_mut(object).map(std::mem::take).unwrap_or_default()
    }

    #[inline]
    pub(super) fn give_back(&mut self, object: usize, keys: KeyOrder) {
        if let Some(known) = self.objects.get_mut(object) {
            *known = keys;
        }
    }
}

impl KeyPattern {
    /// Where the key leads that begins at `at`, or behind a comma there, and where its value begins; nothing
    /// where another one is.
    #[inline(always)]
    pub(super) fn find(&self, bytes: &[u8], at: usize) -> Option<(KeyEntry, usize)> {
        let (begin, length) = (load(bytes, at)? << self.shift, self.length);
        let is_here = begin == self.begin
            && (length <= 8 || load(bytes, at + length - 8)? == self.end)
            && (length <= 16 || load(bytes, at + 8)? == self.middle);
        is_here.then_some((self.entry, at + length))
    }

    /// Expects what stands between two places, where it is short enough.
    pub(super) fn learn(
        keys: &mut KeyOrder,
        place: usize,
        bytes: &[u8],
        range: Range<usize>,
        entry: KeyEntry,
    ) {
        let (at, length) = (range.start, range.len());
        if length > LONGEST || place >= MOST_EXPECTED {
            return;
        }
        // Bytes that are not there stand behind what is compared.
        let word = |at| load(bytes, at).unwrap_or_default();
        let shift = 64 - 8 * length.min(8) as u32;
        let (middle, end) = (word(at + 8), word(at + length.max(8) - 8));
        // Keys before it may be too long to be expected.
        keys.resize(keys.len().max(place + 1), KeyPattern::default());
        keys[place] = KeyPattern { begin: word(at) << shift, shift, length, middle, end, entry };
    }
}
