//! The keys of objects in the order in which the record before had them: most writers keep one.
//!
//! A key that stands where it stood before is known by comparing words, and its value begins at a place that
//! needs no look at the key. What does not fit is looked up, and then expected in the next record.

use super::Entry;
use crate::wire::numbers::load;
use std::ops::Range;

/// So many keys of an object are expected; those beyond it are looked up.
const MOST_EXPECTED: usize = 32;

/// Of each object of a mapping's record, its keys.
#[derive(Debug, Default)]
pub(super) struct Order {
    objects: Vec<Keys>,
}

/// The keys of an object.
pub(super) type Keys = Vec<Expected>;

/// A key with its quotes and its colon. The default is no key: eight zero bytes, which JSON never has.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Expected {
    words: [u64; 2],
    masks: [u64; 2],
    length: usize,
    entry: Entry,
}

impl Default for Expected {
    fn default() -> Self {
        Expected { words: [0; 2], masks: [u64::MAX; 2], length: 0, entry: Entry::default() }
    }
}

impl Order {
    /// Of so many objects.
    pub(super) fn of(objects: usize) -> Order {
        Order { objects: vec![Keys::new(); objects] }
    }

    /// The keys of an object, to be given back.
    #[inline]
    pub(super) fn take(&mut self, object: usize) -> Keys {
        self.objects.get_mut(object).map(std::mem::take).unwrap_or_default()
    }

    #[inline]
    pub(super) fn give_back(&mut self, object: usize, keys: Keys) {
        if let Some(known) = self.objects.get_mut(object) {
            *known = keys;
        }
    }
}

impl Expected {
    /// Where the key leads that begins at `at`, and what is behind its colon; nothing where another one is.
    #[inline(always)]
    pub(super) fn find(&self, bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
        let differs = |at, word: usize| Some((load(bytes, at)? ^ self.words[word]) & self.masks[word]);
        let is_here = differs(at, 0)? == 0 && (self.length <= 8 || differs(at + 8, 1)? == 0);
        is_here.then_some((self.entry, at + self.length))
    }

    /// Expects the key between two places, quotes and colon included, where it is short enough.
    pub(super) fn learn(keys: &mut Keys, place: usize, bytes: &[u8], key: Range<usize>, entry: Entry) {
        let (at, length) = (key.start, key.len());
        let (Some(first), Some(second)) = (load(bytes, at), load(bytes, at + 8)) else { return };
        if length > 16 || place >= MOST_EXPECTED {
            return;
        }
        let mask = |bytes: usize| if bytes >= 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 };
        let masks = [mask(length), mask(length.saturating_sub(8))];
        let words = [first & masks[0], second & masks[1]];
        // Keys before it may be too long to be expected.
        keys.resize(keys.len().max(place + 1), Expected::default());
        keys[place] = Expected { words, masks, length, entry };
    }
}
