//! A mapping's records, and the tree of their pointers, compiled into the keys that lead to fields.

use super::{
    Array, Flat, FlatWays, KeyEntry, KeyTarget, Literal, ObjectKeys, is_number, is_plain_symbol, word_of,
};
use crate::wire::mapping::condition::{Condition, Requirement, ScalarValue};
use crate::wire::mapping::paths::{NodeNumber, Paths, TargetCell};
use crate::wire::mapping::record::{IdMapping, RecordMapping, SideMapping, SymbolMapping};

/// So many keys at most.
const MOST_KEYS: usize = 32;

impl FlatWays {
    /// Those of a mapping's records; nothing where none has one.
    pub(in super::super) fn of(records: &[RecordMapping], paths: &Paths) -> Option<FlatWays> {
        let way = |(number, record)| flat(record, &records[..number], paths);
        let ways: Vec<Option<Flat>> = records.iter().enumerate().map(way).collect();
        ways.iter().any(Option::is_some).then_some(FlatWays { of: paths.number, ways })
    }
}

/// A key that leads to a field.
struct RequestedKey {
    cell: TargetCell,
    slot: KeyTarget,
    is_needed: bool,
}

/// The fast way of a record that others stand before; nothing where its fields are not of this kind.
fn flat(record: &RecordMapping, before: &[RecordMapping], paths: &Paths) -> Option<Flat> {
    if record.is_heartbeat {
        return None;
    }
    let mut asked = fields(record)?;
    let levels = record.elements.as_ref().map_or(&[][..], |elements| &elements.levels);
    let path: Vec<NodeNumber> = levels.iter().map(|level| paths.array(*level)).collect::<Option<_>>()?;
    let mut conditions = Vec::new();
    for Condition { cell, wanted, .. } in &record.conditions {
        let is_array = path.iter().any(|node| paths.node(*node).cell == Some(*cell));
        let is_field = |asked: &RequestedKey| asked.cell == *cell && asked.is_needed;
        let texts = match wanted {
            // An array that is taken apart, or a field, is there.
            Requirement::Exists if is_array || asked.iter().any(is_field) => continue,
            Requirement::Exists => Vec::new(),
            Requirement::OneOf(scalars) => literals(scalars)?,
        };
        let slot = KeyTarget::Condition(u8::try_from(conditions.len()).ok()?);
        asked.push(RequestedKey { cell: *cell, slot, is_needed: true });
        conditions.push(texts);
    }
    let mut barred = Vec::new();
    for earlier in before {
        bar(earlier, record, &mut asked, &mut barred)?;
    }
    let is_repeated = |at: usize| asked[..at].iter().any(|other| other.cell == asked[at].cell);
    if asked.len() > MOST_KEYS || (0..asked.len()).any(is_repeated) {
        return None;
    }
    let (buy, sell) = match &record.side {
        Some(SideMapping { buy, sell, .. }) => (literals(buy)?, literals(sell)?),
        None => (Vec::new(), Vec::new()),
    };
    let has_numbers = buy.iter().chain(&sell).any(|literal| is_number(literal.text[0]));
    let quote = match record.symbol {
        SymbolMapping::Pair { quote, .. } => Some(quote),
        _ => None,
    };
    let mut flat = Flat {
        objects: Vec::new(),
        arrays: Vec::new(),
        needed: 0,
        conditions,
        barred,
        buy,
        sell,
        has_numbers,
        of_whole: of_whole(record, &asked),
        is_plain_symbol: is_plain_symbol(record),
        quote,
    };
    let bits = asked.len();
    let mut compiler = FlatCompiler { paths, asked: &asked, path: &path, bits, placed: 0, flat: &mut flat };
    compiler.object(Paths::ROOT, 0)?;
    let is_whole = compiler.placed == asked.len() + path.len();
    is_whole.then_some(flat)
}

/// Where a record's fields stand.
fn fields(record: &RecordMapping) -> Option<Vec<RequestedKey>> {
    let needed = |cell, slot| RequestedKey { cell, slot, is_needed: true };
    let mut asked =
        vec![needed(record.price, KeyTarget::Price), needed(record.quantity, KeyTarget::Quantity)];
    asked.push(needed(record.time, KeyTarget::Time));
    match record.symbol {
        SymbolMapping::At { cell, .. } => asked.push(needed(cell, KeyTarget::Symbol)),
        SymbolMapping::Pair { base, quote, .. } => {
            asked.extend([needed(base, KeyTarget::Symbol), needed(quote, KeyTarget::Quote)]);
        }
        SymbolMapping::Fixed(_) => {}
    }
    match record.id {
        IdMapping::Sequence(cell) | IdMapping::Unique(cell) => asked.push(needed(cell, KeyTarget::Id)),
        IdMapping::None => {}
    }
    let side = record.side.as_ref().map(|side| side.cell);
    asked.extend(side.map(|cell| RequestedKey { cell, slot: KeyTarget::Side, is_needed: false }));
    Some(asked)
}

/// What each element has of the whole record.
fn of_whole(record: &RecordMapping, asked: &[RequestedKey]) -> Vec<KeyTarget> {
    let mut slots = Vec::new();
    for RequestedKey { slot, .. } in asked.iter().filter(|asked| asked.cell.table == 0) {
        slots.push(*slot);
        if *slot == KeyTarget::Quantity && record.sign_is_side {
            slots.push(KeyTarget::Side);
        }
    }
    slots
}

/// Sees to it that an earlier record of the mapping is not taken: by a condition of it that does not hold for
/// certain.
fn bar(
    earlier: &RecordMapping,
    record: &RecordMapping,
    asked: &mut Vec<RequestedKey>,
    barred: &mut Vec<Vec<Literal>>,
) -> Option<()> {
    let excluded = |other: &Condition| match &other.wanted {
        Requirement::OneOf(others) => record.conditions.iter().any(|condition| {
            let is_apart = |scalars: &[ScalarValue]| scalars.iter().all(|scalar| !others.contains(scalar));
            condition.cell == other.cell
                && matches!(&condition.wanted, Requirement::OneOf(all) if is_apart(all))
        }),
        Requirement::Exists => false,
    };
    if earlier.conditions.iter().any(excluded) {
        return Some(());
    }
    let is_free = |condition: &&Condition| asked.iter().all(|asked| asked.cell != condition.cell);
    let condition = earlier.conditions.iter().find(is_free)?;
    barred.push(match &condition.wanted {
        Requirement::Exists => Vec::new(),
        Requirement::OneOf(scalars) => literals(scalars)?,
    });
    let slot = KeyTarget::Barred(u8::try_from(barred.len() - 1).ok()?);
    asked.push(RequestedKey { cell: condition.cell, slot, is_needed: false });
    Some(())
}

fn literals(scalars: &[ScalarValue]) -> Option<Vec<Literal>> {
    scalars.iter().map(Literal::of).collect()
}

struct FlatCompiler<'c> {
    paths: &'c Paths,
    asked: &'c [RequestedKey],
    /// The arrays that are taken apart, from the outside in.
    path: &'c [NodeNumber],
    bits: usize,
    /// How many of the fields and arrays have their key.
    placed: usize,
    flat: &'c mut Flat,
}

impl FlatCompiler<'_> {
    /// Takes the keys of an object inside so many arrays, and those of the objects in it.
    fn object(&mut self, node: NodeNumber, depth: usize) -> Option<usize> {
        let number = self.flat.objects.len();
        let children = &self.paths.node(node).children;
        let count = (4 * children.len()).next_power_of_two().max(2);
        let shift = u64::BITS - count.trailing_zeros();
        self.flat.objects.push(ObjectKeys {
            places: vec![KeyEntry::default(); count],
            shift,
            long: Vec::new(),
        });
        for (token, child) in children {
            let Some((slot, bit)) = self.slot(*child, depth)? else { continue };
            if !token.key.iter().all(is_plain) {
                return None;
            }
            self.flat.objects[number].put(&token.key, bit, slot);
        }
        Some(number)
    }

    /// What a key leads to, and its bit; nothing where only other records of the mapping ask for it.
    fn slot(&mut self, child: NodeNumber, depth: usize) -> Option<Option<(KeyTarget, u32)>> {
        let node = self.paths.node(child);
        if let Some(place) = self.asked.iter().position(|asked| Some(asked.cell) == node.cell) {
            // A value is a field or holds fields.
            if !node.children.is_empty() || node.elements.is_some() {
                return None;
            }
            let RequestedKey { cell, slot, is_needed } = self.asked[place];
            self.placed += 1;
            let bit = 1 << place;
            if is_needed {
                *self.needed(if cell.table == 0 { 0 } else { depth }) |= bit;
            }
            return Some(Some((slot, bit)));
        }
        let is_array = self.path.get(depth) == Some(&child);
        if !is_array && !self.leads(child, depth) {
            return Some(None);
        }
        if self.bits >= MOST_KEYS {
            return None;
        }
        let bit = 1 << self.bits;
        self.bits += 1;
        if !is_array {
            return Some(Some((KeyTarget::Object(u8::try_from(self.object(child, depth)?).ok()?), bit)));
        }
        self.placed += 1;
        *self.needed(depth) |= bit;
        let is_last = depth + 1 == self.path.len();
        self.flat.arrays.push(Array { object: 0, needed: 0, is_last });
        self.flat.arrays[depth].object = self.object(node.elements?, depth + 1)?;
        Some(Some((KeyTarget::Array(u8::try_from(depth).ok()?), bit)))
    }

    /// The keys that the record must have, or an element inside so many arrays.
    fn needed(&mut self, depth: usize) -> &mut u32 {
        match depth.checked_sub(1) {
            None => &mut self.flat.needed,
            Some(array) => &mut self.flat.arrays[array].needed,
        }
    }

    /// Whether a field or an array stands in a value.
    fn leads(&self, node: NodeNumber, depth: usize) -> bool {
        self.paths.node(node).children.iter().any(|(_, child)| {
            let cell = self.paths.node(*child).cell;
            let is_asked = self.asked.iter().any(|asked| Some(asked.cell) == cell);
            is_asked || self.path.get(depth) == Some(child) || self.leads(*child, depth)
        })
    }
}

impl ObjectKeys {
    fn put(&mut self, key: &[u8], bit: u32, slot: KeyTarget) {
        if key.len() > 8 {
            self.long.push((key.into(), KeyEntry { key: 0, bit, slot }));
            return;
        }
        let word = word_of(key);
        let mut at = self.place(word);
        while self.places[at].slot != KeyTarget::None {
            at = (at + 1) & (self.places.len() - 1);
        }
        self.places[at] = KeyEntry { key: word, bit, slot };
    }
}

impl Literal {
    fn of(scalar: &ScalarValue) -> Option<Literal> {
        let text = match scalar {
            ScalarValue::Bool(value) => value.to_string(),
            ScalarValue::Integer(digits) => digits.clone(),
            ScalarValue::Text(text) => text.as_bytes().iter().all(is_plain).then(|| format!("\"{text}\""))?,
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
