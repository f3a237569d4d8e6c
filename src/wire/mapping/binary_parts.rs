//! What walks of binary records share, whatever they are written in: where they put what they find, and the
//! smallest parts of a record.

// A build of neither encoding has them for nothing.
#![cfg_attr(not(any(feature = "avro", feature = "protobuf")), allow(dead_code))]

use super::finds::{Finds, FoundValue};
use super::paths::{Paths, TargetCell};
use super::sheet::Sheet;
use crate::wire::numbers::load;

/// What is found at each target of a mapping's pointers.
pub(super) type TargetKinds = Vec<(TargetCell, ValueKind)>;

/// What a mapping's pointers find in a schema.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum ValueKind {
    /// A number that is exact, or an enumeration, a boolean or a text.
    Exact,
    /// A float.
    Float,
    /// Bytes, which are neither a number nor a text.
    Bytes,
    /// A record, an array or a map.
    Container,
}

/// Where a walk puts what it finds.
pub(super) struct WalkTarget<'a> {
    pub(super) paths: &'a Paths,
    pub(super) finds: &'a mut Finds,
    pub(super) sheet: &'a mut Sheet,
    pub(super) takes_floats: bool,
}

impl WalkTarget<'_> {
    /// Notes a value, where it is asked for.
    #[inline]
    pub(super) fn put(&mut self, cell: Option<TargetCell>, found: impl FnOnce(&mut Sheet) -> FoundValue) {
        if let Some(cell) = cell {
            let found = found(self.sheet);
            self.finds.put_in(cell, found);
        }
    }

    /// Notes a float, where it is asked for and taken.
    pub(super) fn put_float(&mut self, cell: Option<TargetCell>, value: impl std::fmt::LowerExp, at: usize) {
        let (takes_floats, refused) = (self.takes_floats, FoundValue::Float { at: at as u32 });
        self.put(cell, |sheet| if takes_floats { sheet.float(value, at) } else { refused });
    }
}

/// Whether bytes are UTF-8, fast where they are few and ASCII.
#[inline]
pub(super) fn is_utf8(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let is_ascii = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(begin), Some(end)) if bytes.len() <= 16 => {
            (u64::from_le_bytes(*begin) | u64::from_le_bytes(*end)) & HIGH == 0
        }
        (None, _) => bytes.is_ascii(),
        _ => false,
    };
    is_ascii || std::str::from_utf8(bytes).is_ok()
}

/// A signed number of variable length, and where it ends.
#[inline(always)]
pub(super) fn zigzag(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let (value, end) = varint(bytes, at)?;
    Some(((value >> 1) as i64 ^ -((value & 1) as i64), end))
}

/// A number of variable length, and where it ends: seven bits a byte, ten bytes at most, the least first.
#[inline(always)]
pub(super) fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 { Some((first.into(), at + 1)) } else { long_varint(bytes, at) }
}

#[inline]
fn long_varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    const MORE: u64 = 0x8080_8080_8080_8080;
    if let Some(word) = load(bytes, at)
        && word & MORE != MORE
    {
        let length = ((!word & MORE).trailing_zeros() + 1) / 8;
        let bits = word & !MORE & (u64::MAX >> (64 - 8 * length));
        // Groups of seven bits become such of fourteen, of twenty-eight, and one.
        let bits = bits & 0x007f_007f_007f_007f | (bits & 0x7f00_7f00_7f00_7f00) >> 1;
        let bits = bits & 0x0000_3fff_0000_3fff | (bits & 0x3fff_0000_3fff_0000) >> 2;
        let bits = bits & 0x0fff_ffff | (bits & 0x0fff_ffff_0000_0000) >> 4;
        return Some((bits, at + length as usize));
    }
    let mut value = 0;
    for (place, byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        // Of the tenth byte one bit is left.
        if place == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return Some((value, at + place + 1));
        }
    }
    None
}
