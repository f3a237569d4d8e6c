//! A message of Protobuf, walked once: fields that the mapping does not ask for are passed over by how they are written.
//!
//! As the format has it: of a field that is repeated though it is no list the last counts, a message that is given twice is
//! merged, and a field without presence that is absent has its default (so zero, an empty text or `false`, which are never
//! written). A list that is absent is empty.

use super::binary_parts::{self, WalkTarget, is_utf8};
use super::finds::FoundValue;
use super::paths::TargetCell;
use super::sheet::integer;
use crate::wire::BadRecord;
use crate::wire::json::{MOST_LEVELS, bad};
use descriptor::{FieldPlan, FieldShape, MessageNumber, MessagePlan, MessageProgram, ScalarType};

pub(super) mod descriptor;

/// How a field is written.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const SIZED: u64 = 2;
const GROUP: u64 = 3;
const GROUP_END: u64 = 4;
const FOUR_BYTES: u64 = 5;

const EARLY: &str = "not Protobuf: it ends too early, or a number does not end";

/// Walks a message that begins at `from` and ends with the bytes.
pub(super) fn walk(
    program: &MessageProgram,
    bytes: &[u8],
    from: usize,
    target: &mut WalkTarget<'_>,
) -> Result<(), BadRecord> {
    if from > bytes.len() {
        return Err(bad(EARLY, bytes.len()));
    }
    MessageWalker { program, target }.message(program.root, bytes, from)
}

/// The bytes that it is given are always those of the record, up to the end of the message that is walked: a
/// place in them is one in the record, and nothing is read beyond the message.
struct MessageWalker<'a, 't> {
    program: &'a MessageProgram,
    target: &'a mut WalkTarget<'t>,
}

impl MessageWalker<'_, '_> {
    /// The fields of a message. Messages of which nothing is asked are passed over, so the recursion is as deep as the
    /// mapping's pointers.
    fn message(&mut self, number: MessageNumber, bytes: &[u8], from: usize) -> Result<(), BadRecord> {
        let message = self.program.message(number);
        for list in &message.lists {
            self.target.finds.begin_array(Some(self.target.paths.node(*list)));
        }
        let mut counts = ElementCounts::default();
        let (mut seen, mut at) = (0, from);
        while at < bytes.len() {
            let (field, written, begin) = tag(bytes, at)?;
            at = match message.place(field) {
                Some(place) if message.fields[place].is_plain_of(written) => {
                    seen |= message.fields[place].bit;
                    self.plain(&message.fields[place], bytes, begin)?
                }
                // The mark of a group's end, which was found when the group was passed over.
                _ if written == GROUP_END && begin == bytes.len() && number != self.program.root => break,
                Some(place) => {
                    let count = counts.next(place, message);
                    self.field(&message.fields[place], written, (bytes, begin), count)?
                }
                None => skip(written, field, (bytes, begin), 0)?,
            };
        }
        if seen & message.default_bits != message.default_bits {
            self.defaults(message, from);
        }
        Ok(())
    }

    /// Values that are not written.
    fn defaults(&mut self, message: &MessagePlan, at: usize) {
        for (cell, default) in &message.defaults {
            // A message that is given twice is merged.
            if self.target.finds.is_absent(*cell) {
                let found = match default {
                    ScalarType::Bool => FoundValue::Bool(false),
                    ScalarType::Text => FoundValue::text(at, at, false),
                    ScalarType::Bytes => FoundValue::Container { at: at as u32 },
                    ScalarType::Enum(names) => match names.iter().find(|(number, _)| *number == 0) {
                        Some((_, name)) => self.target.sheet.text(name, at),
                        None => integer(0, at),
                    },
                    ScalarType::Float | ScalarType::Double if !self.target.takes_floats => {
                        FoundValue::Float { at: at as u32 }
                    }
                    _ => integer(0, at),
                };
                self.target.finds.put_in(*cell, found);
            }
        }
    }

    /// A field that is asked for, its value at `at`; where it ends.
    fn field(
        &mut self,
        field: &FieldPlan,
        written: u64,
        (bytes, at): (&[u8], usize),
        count: usize,
    ) -> Result<usize, BadRecord> {
        for other in &field.others {
            self.target.finds.forget(self.target.paths.node(*other));
        }
        match (&field.shape, written) {
            (FieldShape::Scalar(scalar), SIZED) if field.is_list && scalar.is_packed() => {
                let (from, end) = sized(bytes, at)?;
                let (mut at, mut count) = (from, count);
                while at < end {
                    at = self.element(field, scalar, scalar.written(), (&bytes[..end], at), count)?;
                    count += 1;
                }
                Ok(end)
            }
            (FieldShape::Scalar(scalar), _) if scalar.written() == written => {
                self.element(field, scalar, written, (bytes, at), count)
            }
            (FieldShape::Message(_) | FieldShape::Map { .. } | FieldShape::Time, SIZED) => {
                let (from, end) = sized(bytes, at)?;
                self.inside(field, (&bytes[..end], from), count)?;
                Ok(end)
            }
            (FieldShape::Message(_), GROUP) => {
                let end = skip(GROUP, field.number, (bytes, at), 0)?;
                self.inside(field, (&bytes[..end], at), count)?;
                Ok(end)
            }
            _ => Err(bad("not Protobuf: a field is not written as its type is", at)),
        }
    }

    /// A message, or what is written as one.
    fn inside(
        &mut self,
        field: &FieldPlan,
        (bytes, from): (&[u8], usize),
        count: usize,
    ) -> Result<(), BadRecord> {
        match &field.shape {
            FieldShape::Message(list) => {
                self.target.put(field.cell, |_| FoundValue::Container { at: from as u32 });
                if let Some((_, child)) = list.places.iter().find(|(place, _)| *place == count) {
                    self.message(*child, bytes, from)?;
                }
                if let Some((node, child)) = list.element {
                    self.target.finds.begin_element(self.target.paths.node(node));
                    self.message(child, bytes, from)?;
                }
                match list.itself {
                    Some(child) => self.message(child, bytes, from),
                    None => Ok(()),
                }
            }
            FieldShape::Map { entries } => {
                self.target.put(field.cell, |_| FoundValue::Container { at: from as u32 });
                let key = key(bytes, from)?;
                match entries.iter().find(|(known, _)| **known == *key) {
                    Some((_, entry)) => self.message(*entry, bytes, from),
                    None => Ok(()),
                }
            }
            FieldShape::Time => self.time(field, bytes, from),
            FieldShape::Scalar(_) => Ok(()),
        }
    }

    /// A `google.protobuf.Timestamp`, as the format's own JSON writes it.
    fn time(&mut self, field: &FieldPlan, bytes: &[u8], from: usize) -> Result<(), BadRecord> {
        let (mut at, mut seconds, mut nanos) = (from, 0, 0);
        while at < bytes.len() {
            let (number, written, begin) = tag(bytes, at)?;
            at = match (number, written) {
                (1 | 2, VARINT) => {
                    let (value, end) = varint(bytes, begin)?;
                    match number {
                        1 => seconds = value as i64,
                        _ => nanos = value as i32,
                    }
                    end
                }
                _ => skip(written, number, (bytes, begin), 0)?,
            };
        }
        let time = jiff::Timestamp::new(seconds, nanos).ok().filter(|_| nanos >= 0);
        let time = time.ok_or(bad("not Protobuf: a Timestamp beyond all years", from))?;
        self.target.put(field.cell, |sheet| sheet.time(time, from));
        Ok(())
    }

    /// A scalar that is no list, nor one of which only one can be there; where it ends.
    #[inline(always)]
    fn plain(&mut self, field: &FieldPlan, bytes: &[u8], at: usize) -> Result<usize, BadRecord> {
        let FieldShape::Scalar(scalar) = &field.shape else { return Ok(at) };
        let value = value(field.written, bytes, at)?;
        if let Some(cell) = field.cell {
            self.note(cell, scalar, bytes, value)?;
        }
        Ok(value.to)
    }

    /// One scalar, of a list or by itself; where it ends.
    fn element(
        &mut self,
        field: &FieldPlan,
        scalar: &ScalarType,
        written: u64,
        (bytes, at): (&[u8], usize),
        count: usize,
    ) -> Result<usize, BadRecord> {
        let value = value(written, bytes, at)?;
        let place = field.places.iter().find(|(place, _)| *place == count);
        let cell = if field.is_list { place.map(|(_, cell)| *cell) } else { field.cell };
        if let Some(cell) = cell {
            self.note(cell, scalar, bytes, value)?;
        }
        if !field.is_list {
            return Ok(value.to);
        }
        if let Some((node, cell)) = field.element {
            self.target.finds.begin_element(self.target.paths.node(node));
            if let Some(cell) = cell {
                self.note(cell, scalar, bytes, value)?;
            }
        }
        self.target.put(field.cell, |_| FoundValue::Container { at: value.from as u32 });
        Ok(value.to)
    }

    /// Notes a value that was found whole: straight in its cell, since a copy would be read in other pieces
    /// than it was written in, and wait for them.
    #[inline(always)]
    fn note(
        &mut self,
        cell: TargetCell,
        scalar: &ScalarType,
        bytes: &[u8],
        value: ScalarBytes,
    ) -> Result<(), BadRecord> {
        let ScalarBytes { number, from, to } = value;
        let WalkTarget { finds, sheet, .. } = &mut *self.target;
        let Some(found) = finds.value_mut(cell) else { return Ok(()) };
        match scalar {
            ScalarType::Bool => *found = FoundValue::Bool(number != 0),
            ScalarType::Int32 | ScalarType::Sfixed32 => *found = integer((number as i32).into(), from),
            ScalarType::Int64 | ScalarType::Sfixed64 => *found = integer(number as i64, from),
            ScalarType::Uint32 | ScalarType::Fixed32 => *found = integer((number as u32).into(), from),
            ScalarType::Uint64 | ScalarType::Fixed64 => match i64::try_from(number) {
                Ok(number) => *found = integer(number, from),
                Err(_) => *found = sheet.unsigned(number, from),
            },
            ScalarType::Sint => *found = integer((number >> 1) as i64 ^ -((number & 1) as i64), from),
            ScalarType::Float => self.target.put_float(Some(cell), f32::from_bits(number as u32), from),
            ScalarType::Double => self.target.put_float(Some(cell), f64::from_bits(number), from),
            ScalarType::Text if is_utf8(&bytes[from..to]) => *found = FoundValue::text(from, to, false),
            ScalarType::Text => return Err(bad("not Protobuf: a text is not UTF-8", from)),
            ScalarType::Bytes => *found = FoundValue::Container { at: from as u32 },
            ScalarType::Enum(names) => match names.iter().find(|(known, _)| *known == number as i32) {
                Some((_, name)) => *found = sheet.text(name, from),
                None => *found = integer((number as i32).into(), from),
            },
        }
        Ok(())
    }
}

/// The number of a field, how it is written, and where its value begins.
#[inline(always)]
fn tag(bytes: &[u8], at: usize) -> Result<(u32, u64, usize), BadRecord> {
    let (tag, begin) = varint(bytes, at)?;
    match u32::try_from(tag >> 3) {
        Ok(field @ 1..=0x1fff_ffff) => Ok((field, tag & 7, begin)),
        _ => Err(bad("not Protobuf: no field has that number", at)),
    }
}

/// A scalar as it is written.
#[inline(always)]
fn value(written: u64, bytes: &[u8], at: usize) -> Result<ScalarBytes, BadRecord> {
    let mut value = ScalarBytes { number: 0, from: at, to: at };
    match written {
        VARINT => (value.number, value.to) = varint(bytes, at)?,
        SIZED => (value.from, value.to) = sized(bytes, at)?,
        FOUR_BYTES => {
            value.to = past(bytes, at, 4)?;
            let four = bytes[at..value.to].first_chunk().copied().unwrap_or_default();
            value.number = u32::from_le_bytes(four).into();
        }
        _ => {
            value.to = past(bytes, at, 8)?;
            let eight = bytes[at..value.to].first_chunk().copied().unwrap_or_default();
            value.number = u64::from_le_bytes(eight);
        }
    }
    Ok(value)
}

/// The key of an entry of a map: its first field, empty where it is absent.
fn key(bytes: &[u8], from: usize) -> Result<&[u8], BadRecord> {
    let (mut at, mut key) = (from, &[][..]);
    while at < bytes.len() {
        let (field, written, begin) = tag(bytes, at)?;
        at = match (field, written) {
            (1, SIZED) => {
                let (from, end) = sized(bytes, begin)?;
                key = &bytes[from..end];
                end
            }
            _ => skip(written, field, (bytes, begin), 0)?,
        };
    }
    Ok(key)
}

/// Passes over a value; where it ends.
fn skip(written: u64, field: u32, (bytes, mut at): (&[u8], usize), depth: usize) -> Result<usize, BadRecord> {
    match written {
        VARINT => Ok(varint(bytes, at)?.1),
        EIGHT_BYTES => past(bytes, at, 8),
        SIZED => Ok(sized(bytes, at)?.1),
        FOUR_BYTES => past(bytes, at, 4),
        GROUP if depth < MOST_LEVELS => loop {
            let (inner, written, begin) = tag(bytes, at)?;
            at = match (inner, written) {
                (end, GROUP_END) if end == field => return Ok(begin),
                (_, GROUP_END) => return Err(bad("not Protobuf: a group ends that did not begin", begin)),
                _ => skip(written, inner, (bytes, begin), depth + 1)?,
            };
        },
        GROUP => Err(bad("nested more than 128 levels deep", at)),
        _ => Err(bad("not Protobuf: a field is written in no known way", at)),
    }
}

#[inline(always)]
fn varint(bytes: &[u8], at: usize) -> Result<(u64, usize), BadRecord> {
    binary_parts::varint(bytes, at).ok_or(bad(EARLY, at))
}

/// The bytes of a value whose size stands before it.
#[inline(always)]
fn sized(bytes: &[u8], at: usize) -> Result<(usize, usize), BadRecord> {
    let (size, from) = varint(bytes, at)?;
    let size = usize::try_from(size).map_err(|_| bad(EARLY, from))?;
    Ok((from, past(bytes, from, size)?))
}

#[inline(always)]
fn past(bytes: &[u8], at: usize, size: usize) -> Result<usize, BadRecord> {
    at.checked_add(size).filter(|end| *end <= bytes.len()).ok_or(bad(EARLY, at))
}

/// A scalar that was found.
#[derive(Clone, Copy)]
struct ScalarBytes {
    /// What it is as a number; 0 of what has a size.
    number: u64,
    from: usize,
    to: usize,
}

/// How many elements each list of a message has had, of lists that are asked for by places.
#[derive(Default)]
struct ElementCounts(Vec<usize>);

impl ElementCounts {
    /// The place of the next element.
    #[inline]
    fn next(&mut self, field: usize, message: &MessagePlan) -> usize {
        if !message.fields[field].is_placed() {
            return 0;
        }
        self.0.resize(message.fields.len(), 0);
        let count = self.0[field];
        self.0[field] += 1;
        count
    }
}
