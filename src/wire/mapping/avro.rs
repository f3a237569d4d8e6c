//! A record of Avro, walked once by its writer's schema: no tree is built, and what the mapping does not ask
//! for is passed over. Hostile bytes cost no more than their length: counts and lengths are held against what
//! is there.

use super::binary_parts::{WalkTarget, is_utf8, zigzag};
use super::finds::FoundValue;
use super::paths::TargetCell;
use super::sheet::integer;
use crate::wire::BadRecord;
use crate::wire::json::{MOST_LEVELS, bad};
use schema::{AvroProgram, AvroShape, StepNumber};

pub(super) mod schema;

/// Elements that take no bytes, such as nulls, may be so many more than the record has bytes.
const ELEMENTS_WITHOUT_BYTES: usize = 1_000;

/// Walks a record that begins at `from` and ends with the bytes.
pub(super) fn walk(
    program: &AvroProgram,
    bytes: &[u8],
    from: usize,
    target: &mut WalkTarget<'_>,
) -> Result<(), BadRecord> {
    let budget = bytes.len() + ELEMENTS_WITHOUT_BYTES;
    let mut walker = AvroWalker { program, bytes, at: from, budget, target };
    walker.value(program.root, 0)?;
    if walker.at == bytes.len() {
        Ok(())
    } else {
        Err(bad("more after the end of the Avro record", walker.at))
    }
}

struct AvroWalker<'a, 't> {
    program: &'a AvroProgram,
    bytes: &'a [u8],
    at: usize,
    /// So many elements may still come.
    budget: usize,
    target: &'a mut WalkTarget<'t>,
}

impl<'a> AvroWalker<'a, '_> {
    /// One value and all that is in it. The depth is bounded, and so is the recursion.
    fn value(&mut self, step: StepNumber, depth: usize) -> Result<(), BadRecord> {
        let at = self.at;
        let step = self.program.step(step);
        let cell = step.cell;
        match &step.shape {
            AvroShape::Union(branches) => {
                let place = usize::try_from(self.long()?).ok();
                let branch = place.and_then(|place| branches.get(place));
                let branch = *branch.ok_or(bad("not Avro: a union has no such branch", at))?;
                self.value(branch, depth)?;
            }
            AvroShape::Record(fields) => {
                let depth = deeper(depth, at)?;
                self.target.put(cell, |_| FoundValue::Container { at: at as u32 });
                for field in fields {
                    let step = self.program.step(*field);
                    if step.shape.is_scalar() {
                        self.scalar(&step.shape, step.cell)?;
                    } else {
                        self.value(*field, depth)?;
                    }
                }
            }
            AvroShape::Array { .. } | AvroShape::Map { .. } => {
                let depth = deeper(depth, at)?;
                self.target.put(cell, |_| FoundValue::Container { at: at as u32 });
                self.blocks(&step.shape, depth)?;
            }
            scalar => self.scalar(scalar, cell)?,
        }
        Ok(())
    }

    /// A value that holds no others.
    #[inline(always)]
    fn scalar(&mut self, shape: &'a AvroShape, cell: Option<TargetCell>) -> Result<(), BadRecord> {
        let at = self.at;
        match shape {
            AvroShape::Null => self.target.put(cell, |_| FoundValue::Null { at: at as u32 }),
            AvroShape::Bool => {
                let value = match self.take(1)? {
                    [0] => false,
                    [1] => true,
                    _ => return Err(bad("not Avro: a boolean is neither 0 nor 1", at)),
                };
                self.target.put(cell, |_| FoundValue::Bool(value));
            }
            AvroShape::Int => {
                let value = self.long()?;
                if i32::try_from(value).is_err() {
                    return Err(bad("not Avro: an int is beyond 32 bits", at));
                }
                self.target.put(cell, |_| integer(value, at));
            }
            AvroShape::Long => {
                let value = self.long()?;
                self.target.put(cell, |_| integer(value, at));
            }
            AvroShape::Float => {
                let value = f32::from_le_bytes(*self.array()?);
                self.target.put_float(cell, value, at);
            }
            AvroShape::Double => {
                let value = f64::from_le_bytes(*self.array()?);
                self.target.put_float(cell, value, at);
            }
            AvroShape::Text => {
                let length = self.text()?.len();
                let (from, to) = ((self.at - length) as u32, self.at as u32);
                self.target.put(cell, |_| FoundValue::Text { at: at as u32, from, to, escaped: false });
            }
            AvroShape::Bytes { size } => {
                self.sized(*size)?;
                self.target.put(cell, |_| FoundValue::Container { at: at as u32 });
            }
            AvroShape::Decimal { scale, size } => {
                let digits = self.sized(*size)?;
                let WalkTarget { finds, sheet, .. } = &mut *self.target;
                if let Some(cell) = cell.and_then(|cell| finds.value_mut(cell)) {
                    sheet.decimal(digits, *scale, at, cell)?;
                }
            }
            AvroShape::Enum(symbols) => {
                let place = usize::try_from(self.long()?).ok();
                let symbol = place.and_then(|place| symbols.get(place));
                let symbol = symbol.ok_or(bad("not Avro: an enum has no such symbol", at))?;
                self.target.put(cell, |sheet| sheet.text(symbol, at));
            }
            // What holds others is walked elsewhere.
            AvroShape::Union(_) | AvroShape::Record(_) | AvroShape::Array { .. } | AvroShape::Map { .. } => {}
        }
        Ok(())
    }

    /// The elements of an array or of a map.
    fn blocks(&mut self, shape: &'a AvroShape, depth: usize) -> Result<(), BadRecord> {
        if let AvroShape::Array { node: Some(node), .. } = shape {
            self.target.finds.begin_array(Some(self.target.paths.node(*node)));
        }
        let mut place = 0;
        loop {
            let at = self.at;
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The size of the block, by which it could be passed over.
                self.long()?;
                count = count.checked_neg().ok_or(bad("not Avro: more elements than bytes", at))?;
            }
            for _ in 0..count {
                self.budget =
                    self.budget.checked_sub(1).ok_or(bad("not Avro: more elements than bytes", at))?;
                self.element(shape, place, depth)?;
                place += 1;
            }
        }
    }

    /// One of them, in that place.
    #[inline]
    fn element(&mut self, shape: &'a AvroShape, place: usize, depth: usize) -> Result<(), BadRecord> {
        match shape {
            AvroShape::Map { other, keys } => {
                let key = self.text()?;
                let known = keys.iter().find(|(known, _)| **known == *key);
                self.value(known.map_or(*other, |(_, step)| *step), depth)
            }
            AvroShape::Array { node, other, element, places } => {
                let from = self.at;
                let known = places.iter().find(|(known, _)| *known == place);
                if let Some((_, step)) = known {
                    self.value(*step, depth)?;
                }
                match (node, element) {
                    (Some(node), Some(element)) => {
                        // Walked once more as an element of which there is a row.
                        self.at = from;
                        self.target.finds.begin_element(self.target.paths.node(*node));
                        self.value(*element, depth)
                    }
                    _ if known.is_none() => self.value(*other, depth),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn long(&mut self) -> Result<i64, BadRecord> {
        let early = bad("not Avro: it ends too early, or a number does not end", self.at);
        let value;
        (value, self.at) = zigzag(self.bytes, self.at).ok_or(early)?;
        Ok(value)
    }

    #[inline]
    fn take(&mut self, count: usize) -> Result<&'a [u8], BadRecord> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(bad("not Avro: it ends too early", self.at))?;
        self.at += count;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], BadRecord> {
        let at = self.at;
        self.take(N)?.first_chunk().ok_or(bad("not Avro: it ends too early", at))
    }

    /// Bytes of a size that the schema says, or that stands before them.
    #[inline]
    fn sized(&mut self, size: Option<usize>) -> Result<&'a [u8], BadRecord> {
        let at = self.at;
        let size = match size {
            Some(size) => size,
            None => usize::try_from(self.long()?).map_err(|_| bad("not Avro: a length is below zero", at))?,
        };
        self.take(size)
    }

    #[inline]
    fn text(&mut self) -> Result<&'a [u8], BadRecord> {
        let at = self.at;
        let text = self.sized(None)?;
        if is_utf8(text) { Ok(text) } else { Err(bad("not Avro: a text is not UTF-8", at)) }
    }
}

fn deeper(depth: usize, at: usize) -> Result<usize, BadRecord> {
    if depth == MOST_LEVELS { Err(bad("nested more than 128 levels deep", at)) } else { Ok(depth + 1) }
}
