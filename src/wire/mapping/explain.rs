//! Why no condition of a mapping holds for a record, in words, and how near the record comes to it: the slow
//! second look.

use super::condition::{Condition, Requirement, ScalarValue};
use super::finds::FoundValue;
use super::record::{IdMapping, RecordMapping, SymbolMapping};
use super::values::Values;
use super::walk;
use super::{Encoding, Mapping, MappingScratch};
use crate::wire::mapping::{csv, paths::TargetCell};

/// So many reasons are told.
const REASONS_TOLD: usize = 3;
/// So many characters of a value are shown.
const SHOWN: usize = 32;

impl Mapping {
    /// Why a record is ignored.
    pub fn why_ignored(&self, bytes: &[u8]) -> String {
        let MappingScratch { mut finds, mut fields, mut text, mut sheet, mut schema, .. } =
            MappingScratch::default();
        match &self.encoding {
            Encoding::Json(paths, _) => {
                if walk::walk(bytes, paths, &mut finds).is_err() {
                    return "it cannot be read".into();
                }
                let lookup = |cell, row| finds.get(cell, row);
                self.reasons(
                    &Values {
                        bytes,
                        sheet: &[],
                        lookup: &lookup,
                        rows: (),
                        unescape: super::super::json::unescape,
                    },
                    &mut text,
                )
            }
            Encoding::Binary(binary) => {
                if binary.walk(bytes, &mut finds, &mut sheet, &mut schema).is_err() {
                    return "it cannot be read".into();
                }
                let lookup = |cell, row| finds.get(cell, row);
                let unescape = super::super::json::unescape;
                self.reasons(
                    &Values { bytes, sheet: sheet.bytes(), lookup: &lookup, rows: (), unescape },
                    &mut text,
                )
            }
            Encoding::Csv(columns) => {
                if columns.split(bytes, &mut fields).is_err() {
                    return "it cannot be read".into();
                }
                let lookup = |cell: TargetCell, _| columns.get(cell, &fields);
                let values = Values { bytes, sheet: &[], lookup: &lookup, rows: (), unescape: csv::unquote };
                self.reasons(&values, &mut text)
            }
        }
    }

    /// Of the values that one of its records asks for, how many are there and how many are asked for: of the
    /// record that comes nearest. A condition that holds counts twice. Nothing of what is no JSON.
    pub fn pointers_found(&self, bytes: &[u8]) -> (u64, u64) {
        let MappingScratch { mut finds, mut text, .. } = MappingScratch::default();
        let Encoding::Json(paths, _) = &self.encoding else { return (0, 0) };
        if walk::walk(bytes, paths, &mut finds).is_err() {
            return (0, 0);
        }
        let lookup = |cell, row| finds.get(cell, row);
        let unescape = super::super::json::unescape;
        let values = Values { bytes, sheet: &[], lookup: &lookup, rows: (), unescape };
        let of_record = |record: &RecordMapping| {
            let is_there = |cell: &TargetCell| u64::from((values.lookup)(*cell, 0) != FoundValue::Absent);
            let cells = record.cells();
            let conditions = record.conditions.iter();
            let holding = conditions.map(|c| is_there(&c.cell) + u64::from(values.holds(c, &mut text)));
            let found = cells.iter().map(is_there).sum::<u64>() + holding.sum::<u64>();
            (found, (cells.len() + 2 * record.conditions.len()) as u64)
        };
        let all = self.records.iter().map(of_record);
        all.max_by_key(|(found, asked)| 1_000 * found / asked.max(&1)).unwrap_or_default()
    }

    fn reasons<L: Fn(TargetCell, usize) -> FoundValue>(
        &self,
        values: &Values<'_, L, ()>,
        room: &mut String,
    ) -> String {
        let mut reasons: Vec<String> = Vec::new();
        for record in &self.records {
            let failing = record.conditions.iter().find(|condition| !values.holds(condition, room));
            let Some(condition) = failing else { return "its array has no element".into() };
            let reason = values.why_not(condition, room);
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons.truncate(REASONS_TOLD);
        format!("no `where` holds: {}", reasons.join("; "))
    }
}

impl RecordMapping {
    /// Where the values of a trade are.
    fn cells(&self) -> Vec<TargetCell> {
        if self.is_heartbeat {
            return vec![self.time];
        }
        let mut cells = vec![self.price, self.quantity, self.time];
        match &self.symbol {
            SymbolMapping::Fixed(_) => {}
            SymbolMapping::At { cell, .. } => cells.push(*cell),
            SymbolMapping::Pair { base, quote, .. } => cells.extend([*base, *quote]),
        }
        match self.id {
            IdMapping::Sequence(cell) | IdMapping::Unique(cell) => cells.push(cell),
            IdMapping::None => {}
        }
        cells
    }
}

impl<L: Fn(TargetCell, usize) -> FoundValue> Values<'_, L, ()> {
    fn why_not(&self, condition: &Condition, room: &mut String) -> String {
        let pointer = &condition.pointer;
        let is = match (self.lookup)(condition.cell, 0) {
            FoundValue::Absent => return format!("{pointer} is absent"),
            found if found.is_text() => {
                let text = String::from_utf8_lossy(self.text(found, room).unwrap_or_default());
                let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
                format!("\"{shown}\"")
            }
            found if found.is_number() => {
                let digits = self.digits(found, room).unwrap_or_default();
                String::from_utf8_lossy(digits).chars().take(SHOWN).collect()
            }
            FoundValue::Bool(value) => value.to_string(),
            _ => "no text, integer or boolean".to_owned(),
        };
        let Requirement::OneOf(scalars) = &condition.wanted else { return format!("{pointer} is {is}") };
        let wanted: Vec<String> = scalars.iter().map(ScalarValue::shown).collect();
        format!("{pointer} is {is} and not {}", wanted.join(" or "))
    }
}

impl ScalarValue {
    /// As a mapping writes it.
    pub(super) fn shown(&self) -> String {
        match self {
            ScalarValue::Text(text) => format!("{text:?}"),
            ScalarValue::Integer(digits) => digits.clone(),
            ScalarValue::Bool(value) => value.to_string(),
        }
    }
}
