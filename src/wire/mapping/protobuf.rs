//! A message of Protobuf, walked once: fields that the mapping does not ask for are passed over by how they are written.
//!
//! As the format has it: of a field that is repeated though it is no list the last counts, a message that is given twice is
//! merged, and a field without presence that is absent has its default (so zero, an empty text or `false`, which are never
//! written). A list that is absent is empty.

use super::binary::{Target, is_utf8, varint};
use super::finds::Found;
use super::paths::Cell;
use super::sheet::integer;
use crate::wire::BadRecord;
use crate::wire::json::{MOST_LEVELS, bad};
use descriptor::{Field, Message, MessageNumber, Program, Scalar, Shape};

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
    program: &Program,
    bytes: &[u8],
    from: usize,
    target: &mut Target<'_>,
) -> Result<(), BadRecord> {
    if from > bytes.len() {
        return Err(bad(EARLY, bytes.len()));
    }
    Walker { program, bytes, target }.message(program.root, from, bytes.len())
}

struct Walker<'a, 't> {
    program: &'a Program,
    bytes: &'a [u8],
    target: &'a mut Target<'t>,
}

impl<'a> Walker<'a, '_> {
    /// The fields of a message. Messages of which nothing is asked are passed over, so the recursion is as deep as the
    /// mapping's pointers.
    fn message(&mut self, number: MessageNumber, from: usize, to: usize) -> Result<(), BadRecord> {
        let message = self.program.message(number);
        for list in &message.lists {
            self.target.finds.begin_array(Some(self.target.paths.node(*list)));
        }
        let mut counts = Counts::default();
        let mut at = from;
        while at < to {
            let (field, written) = self.tag(&mut at, to)?;
            if written == GROUP_END && at == to && number != self.program.root {
                // The mark of a group's end, which was found when the group was passed over.
                break;
            }
            match message.place(field) {
                Some(place) if message.fields[place].is_plain_of(written) => {
                    at = self.plain(&message.fields[place], (at, to))?;
                }
                Some(place) => {
                    let count = counts.next(place, message);
                    at = self.field(&message.fields[place], written, (at, to), count)?;
                }
                None => at = self.skip(written, field, (at, to), 0)?,
            }
        }
        self.defaults(message, from);
        Ok(())
    }

    /// Values that are not written.
    fn defaults(&mut self, message: &Message, at: usize) {
        for (cell, default) in &message.defaults {
            // A message that is given twice is merged.
            if self.target.finds.is_absent(*cell) {
                let found = match default {
                    Scalar::Bool => Found::Bool(false),
                    Scalar::Text => Found::text(at, at, false),
                    Scalar::Bytes => Found::Container { at: at as u32 },
                    Scalar::Enum(names) => match names.iter().find(|(number, _)| *number == 0) {
                        Some((_, name)) => self.target.sheet.text(name, at),
                        None => integer(0, at),
                    },
                    Scalar::Float | Scalar::Double if !self.target.takes_floats => {
                        Found::Float { at: at as u32 }
                    }
                    _ => integer(0, at),
                };
                self.target.finds.put_in(*cell, found);
            }
        }
    }

    #[inline]
    fn tag(&self, at: &mut usize, to: usize) -> Result<(u32, u64), BadRecord> {
        let start = *at;
        let tag = self.varint(at, to)?;
        match u32::try_from(tag >> 3) {
            Ok(field @ 1..=0x1fff_ffff) => Ok((field, tag & 7)),
            _ => Err(bad("not Protobuf: no field has that number", start)),
        }
    }

    /// A field that is asked for, its value at `at`; where it ends.
    fn field(
        &mut self,
        field: &Field,
        written: u64,
        (at, to): (usize, usize),
        count: usize,
    ) -> Result<usize, BadRecord> {
        for other in &field.others {
            self.target.finds.forget(self.target.paths.node(*other));
        }
        match (&field.shape, written) {
            (Shape::Scalar(scalar), SIZED) if field.is_list && scalar.is_packed() => {
                let (from, end) = self.sized(at, to)?;
                let (mut at, mut count) = (from, count);
                while at < end {
                    at = self.element(field, scalar, scalar.written(), (at, end), count)?;
                    count += 1;
                }
                Ok(end)
            }
            (Shape::Scalar(scalar), _) if scalar.written() == written => {
                self.element(field, scalar, written, (at, to), count)
            }
            (Shape::Message(_) | Shape::Map { .. } | Shape::Time, SIZED) => {
                let (from, end) = self.sized(at, to)?;
                self.inside(field, (from, end), count)?;
                Ok(end)
            }
            (Shape::Message(_), GROUP) => {
                let end = self.skip(GROUP, field.number, (at, to), 0)?;
                self.inside(field, (at, end), count)?;
                Ok(end)
            }
            _ => Err(bad("not Protobuf: a field is not written as its type is", at)),
        }
    }

    /// A message, or what is written as one.
    fn inside(&mut self, field: &Field, (from, to): (usize, usize), count: usize) -> Result<(), BadRecord> {
        match &field.shape {
            Shape::Message(list) => {
                self.target.put(field.cell, |_| Found::Container { at: from as u32 });
                if let Some((_, child)) = list.places.iter().find(|(place, _)| *place == count) {
                    self.message(*child, from, to)?;
                }
                if let Some((node, child)) = list.element {
                    self.target.finds.begin_element(self.target.paths.node(node));
                    self.message(child, from, to)?;
                }
                match list.itself {
                    Some(child) => self.message(child, from, to),
                    None => Ok(()),
                }
            }
            Shape::Map { entries } => {
                self.target.put(field.cell, |_| Found::Container { at: from as u32 });
                let key = self.key((from, to))?;
                match entries.iter().find(|(known, _)| **known == *key) {
                    Some((_, entry)) => self.message(*entry, from, to),
                    None => Ok(()),
                }
            }
            Shape::Time => self.time(field, (from, to)),
            Shape::Scalar(_) => Ok(()),
        }
    }

    /// The key of an entry of a map: its first field, empty where it is absent.
    fn key(&self, (from, to): (usize, usize)) -> Result<&'a [u8], BadRecord> {
        let (mut at, mut key) = (from, &[][..]);
        while at < to {
            match self.tag(&mut at, to)? {
                (1, SIZED) => {
                    let (from, end) = self.sized(at, to)?;
                    (key, at) = (&self.bytes[from..end], end);
                }
                (field, written) => at = self.skip(written, field, (at, to), 0)?,
            }
        }
        Ok(key)
    }

    /// A `google.protobuf.Timestamp`, as the format's own JSON writes it.
    fn time(&mut self, field: &Field, (from, to): (usize, usize)) -> Result<(), BadRecord> {
        let (mut at, mut seconds, mut nanos) = (from, 0, 0);
        while at < to {
            match self.tag(&mut at, to)? {
                (1, VARINT) => seconds = self.varint(&mut at, to)? as i64,
                (2, VARINT) => nanos = self.varint(&mut at, to)? as i32,
                (field, written) => at = self.skip(written, field, (at, to), 0)?,
            }
        }
        let time = jiff::Timestamp::new(seconds, nanos).ok().filter(|_| nanos >= 0);
        let time = time.ok_or(bad("not Protobuf: a Timestamp beyond all years", from))?;
        self.target.put(field.cell, |sheet| sheet.time(time, from));
        Ok(())
    }

    /// A scalar that is no list, nor one of which only one can be there; where it ends.
    #[inline]
    fn plain(&mut self, field: &Field, (at, to): (usize, usize)) -> Result<usize, BadRecord> {
        let Shape::Scalar(scalar) = &field.shape else { return Ok(at) };
        let value = self.found(field.written, (at, to))?;
        if let Some(cell) = field.cell {
            self.value(cell, scalar, value)?;
        }
        Ok(value.to)
    }

    /// A scalar as it is written.
    #[inline(always)]
    fn found(&self, written: u64, (at, to): (usize, usize)) -> Result<Value, BadRecord> {
        let mut value = Value { number: 0, from: at, to: at };
        match written {
            VARINT => value.number = self.varint(&mut value.to, to)?,
            SIZED => (value.from, value.to) = self.sized(at, to)?,
            FOUR_BYTES => {
                value.to = self.past(at, to, 4)?;
                let bytes = self.bytes[at..value.to].first_chunk().copied().unwrap_or_default();
                value.number = u32::from_le_bytes(bytes).into();
            }
            _ => {
                value.to = self.past(at, to, 8)?;
                let bytes = self.bytes[at..value.to].first_chunk().copied().unwrap_or_default();
                value.number = u64::from_le_bytes(bytes);
            }
        }
        Ok(value)
    }

    /// One scalar, of a list or by itself; where it ends.
    fn element(
        &mut self,
        field: &Field,
        scalar: &Scalar,
        written: u64,
        (at, to): (usize, usize),
        count: usize,
    ) -> Result<usize, BadRecord> {
        let value = self.found(written, (at, to))?;
        if !field.is_list {
            if let Some(cell) = field.cell {
                self.value(cell, scalar, value)?;
            }
            return Ok(value.to);
        }
        for (place, cell) in &field.places {
            if *place == count {
                self.value(*cell, scalar, value)?;
            }
        }
        if let Some((node, cell)) = field.element {
            self.target.finds.begin_element(self.target.paths.node(node));
            if let Some(cell) = cell {
                self.value(cell, scalar, value)?;
            }
        }
        self.target.put(field.cell, |_| Found::Container { at: value.from as u32 });
        Ok(value.to)
    }

    /// Notes a value that was found whole.
    #[inline]
    fn value(&mut self, cell: Cell, scalar: &Scalar, value: Value) -> Result<(), BadRecord> {
        let Value { number, from, to } = value;
        let found = match scalar {
            Scalar::Bool => Found::Bool(number != 0),
            Scalar::Int32 | Scalar::Sfixed32 => integer((number as i32).into(), from),
            Scalar::Int64 | Scalar::Sfixed64 => integer(number as i64, from),
            Scalar::Uint32 | Scalar::Fixed32 => integer((number as u32).into(), from),
            Scalar::Uint64 | Scalar::Fixed64 => self.target.sheet.unsigned(number, from),
            Scalar::Sint => integer((number >> 1) as i64 ^ -((number & 1) as i64), from),
            Scalar::Float => return self.float(cell, f32::from_bits(number as u32), from),
            Scalar::Double => return self.float(cell, f64::from_bits(number), from),
            Scalar::Text => {
                if !is_utf8(&self.bytes[from..to]) {
                    return Err(bad("not Protobuf: a text is not UTF-8", from));
                }
                Found::text(from, to, false)
            }
            Scalar::Bytes => Found::Container { at: from as u32 },
            Scalar::Enum(names) => match names.iter().find(|(known, _)| *known == number as i32) {
                Some((_, name)) => self.target.sheet.text(name, from),
                None => integer((number as i32).into(), from),
            },
        };
        self.target.finds.put_in(cell, found);
        Ok(())
    }

    fn float(&mut self, cell: Cell, value: impl std::fmt::LowerExp, at: usize) -> Result<(), BadRecord> {
        self.target.put_float(Some(cell), value, at);
        Ok(())
    }

    /// Passes over a value; where it ends.
    fn skip(
        &self,
        written: u64,
        field: u32,
        (mut at, to): (usize, usize),
        depth: usize,
    ) -> Result<usize, BadRecord> {
        match written {
            VARINT => {
                self.varint(&mut at, to)?;
                Ok(at)
            }
            EIGHT_BYTES => self.past(at, to, 8),
            SIZED => Ok(self.sized(at, to)?.1),
            FOUR_BYTES => self.past(at, to, 4),
            GROUP if depth < MOST_LEVELS => loop {
                match self.tag(&mut at, to)? {
                    (end, GROUP_END) if end == field => return Ok(at),
                    (_, GROUP_END) => return Err(bad("not Protobuf: a group ends that did not begin", at)),
                    (inner, written) => at = self.skip(written, inner, (at, to), depth + 1)?,
                }
            },
            GROUP => Err(bad("nested more than 128 levels deep", at)),
            _ => Err(bad("not Protobuf: a field is written in no known way", at)),
        }
    }

    #[inline]
    fn varint(&self, at: &mut usize, to: usize) -> Result<u64, BadRecord> {
        let start = *at;
        let value = varint(&self.bytes[..to], at);
        value.ok_or(bad(EARLY, start))
    }

    /// The bytes of a value whose size stands before it.
    #[inline]
    fn sized(&self, mut at: usize, to: usize) -> Result<(usize, usize), BadRecord> {
        let size = self.varint(&mut at, to)?;
        let size = usize::try_from(size).map_err(|_| bad(EARLY, at))?;
        Ok((at, self.past(at, to, size)?))
    }

    #[inline]
    fn past(&self, at: usize, to: usize, size: usize) -> Result<usize, BadRecord> {
        at.checked_add(size).filter(|end| *end <= to).ok_or(bad(EARLY, at))
    }
}

/// A scalar that was found.
#[derive(Clone, Copy)]
struct Value {
    /// What it is as a number; 0 of what has a size.
    number: u64,
    from: usize,
    to: usize,
}

/// How many elements each list of a message has had, of lists that are asked for by places.
#[derive(Default)]
struct Counts(Vec<usize>);

impl Counts {
    /// The place of the next element.
    #[inline]
    fn next(&mut self, field: usize, message: &Message) -> usize {
        if !message.fields[field].is_placed() {
            return 0;
        }
        self.0.resize(message.fields.len(), 0);
        let count = self.0[field];
        self.0[field] += 1;
        count
    }
}
