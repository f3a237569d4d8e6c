//! Rows as they leave (`docs/semantics.md#rows`): a key, typed values in the order of their schema, and one
//! JSON object, the same in every sink.
//!
//! A row carries its values and its text. The text is made where the row is, on all workers at once: made
//! where it is written, on the first worker, it would hold the others up.

mod made;

use super::event_time::EventTime;
pub use super::schema::RowKind;
use super::schema::{Field, FieldType, KEY, STAGE};
use super::trade::Symbol;
use super::value::{Value, fit, write_json_string};
use super::windows::{Window, WindowPlace};
use compact_str::CompactString;
pub use made::{cross_row, fill_row, stats_row, symbol_row};
use serde::{Deserialize, Serialize};

/// What took the watermarks to a row's closing.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClosedBy {
    /// Every partition's own records.
    Event,
    /// Some partition was idle or adopted.
    Idle,
    /// The end of the input.
    Eof,
}

impl ClosedBy {
    /// As printed.
    pub fn as_str(self) -> &'static str {
        match self {
            ClosedBy::Event => "event",
            ClosedBy::Idle => "idle",
            ClosedBy::Eof => "eof",
        }
    }

    /// What is printed so.
    pub fn parse(text: &str) -> Option<ClosedBy> {
        [ClosedBy::Event, ClosedBy::Idle, ClosedBy::Eof].into_iter().find(|by| by.as_str() == text)
    }
}

/// How far a row is. One that is never corrected leaves when it is final.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// The window is open.
    Provisional,
    /// The window has closed.
    Closed {
        /// Counts what left before of this window.
        revision: u32,
        /// Nothing can change any more.
        last: bool,
    },
}

impl Stage {
    /// Of rows that leave once, when nothing can change any more.
    pub const FINAL: Stage = Stage::Closed { revision: 0, last: true };

    /// Whether the window has closed.
    pub fn is_closed(self) -> bool {
        matches!(self, Stage::Closed { .. })
    }

    /// Whether no other row of its key follows.
    pub fn is_final(self) -> bool {
        matches!(self, Stage::Closed { last: true, .. })
    }

    /// Counts what left before of this window; none in a row of an open one.
    pub fn revision(self) -> Option<u32> {
        if let Stage::Closed { revision, .. } = self { Some(revision) } else { None }
    }
}

/// What a row says, besides its kind, its name and its window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The values of its kind's own fields.
    pub values: Box<[Value]>,
    /// How far it is.
    pub stage: Stage,
    /// What closed it; known only where all partitions are seen together.
    pub closed_by: Option<ClosedBy>,
}

impl Content {
    /// The value of one of the kind's own fields.
    pub fn value(&self, kind: RowKind, field: &str) -> Option<&Value> {
        self.values.get(kind.schema().position(field)?.checked_sub(KEY.len())?)
    }

    /// The values of all fields of a row.
    pub fn columns(&self, kind: RowKind, key: &RowKey<'_>) -> Vec<Value> {
        let mut columns = Vec::with_capacity(kind.schema().fields.len());
        let RowKey { name, window, start_ms, end_ms } = *key;
        let times = [start_ms, end_ms].map(|ms| Value::whole(ms.into()));
        columns.extend([name.into(), window.into()].into_iter().chain(times));
        columns.extend(self.values.iter().cloned());
        if kind.schema().corrected {
            let revision = self.stage.revision();
            columns.extend([
                revision.map_or(Value::Null, |revision| Value::Integer(revision.into())),
                Value::Boolean(self.stage.is_closed()),
                Value::Boolean(self.stage.is_final()),
                self.closed_by.map_or(Value::Null, |by| by.as_str().into()),
            ]);
        }
        columns
    }

    /// And back, of a row that was written somewhere. What is not said is so: the row is final.
    pub fn of_columns(kind: RowKind, mut columns: Vec<Value>) -> Content {
        let mut stage = Vec::new();
        if kind.schema().corrected {
            stage = columns.split_off(columns.len().saturating_sub(STAGE.len()));
        }
        let revision = match stage.first() {
            Some(Value::Integer(revision)) => u32::try_from(*revision).unwrap_or(0),
            _ => 0,
        };
        let says = |place: usize| stage.get(place) != Some(&Value::Boolean(false));
        let (closed, last) = (says(1), says(2));
        Content {
            values: columns.split_off(KEY.len().min(columns.len())).into(),
            stage: if closed || last { Stage::Closed { revision, last } } else { Stage::Provisional },
            closed_by: stage.get(3).and_then(Value::as_text).and_then(ClosedBy::parse),
        }
    }
}

/// Of which name and window a row is.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct RowKey<'a> {
    /// The symbol or the cross.
    pub name: &'a str,
    /// The window's definition.
    pub window: &'a str,
    /// The window's start.
    pub start_ms: u64,
    /// The window's end.
    pub end_ms: u64,
}

/// A row, ready but for `closed_by`, which is known only where all partitions are seen together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The event time at which it was looked at.
    pub look: EventTime,
    /// The window's end.
    pub end: EventTime,
    /// What it speaks of.
    pub kind: RowKind,
    /// Of which symbol or cross.
    pub name: Symbol,
    /// The window's definition, in its canonical form.
    pub window: CompactString,
    /// The place of that definition in the job.
    pub place: WindowPlace,
    /// The window's start.
    pub start: EventTime,
    /// Whether its window was final when its cross began: it leaves before the other rows of its look.
    pub is_back_filled: bool,
    /// What it says.
    pub content: Content,
    /// All of it as a JSON object; without its end until it is known what closed the row.
    pub json: String,
}

impl Row {
    /// A row of one of the kind's names. The values are those of the kind's own fields, in their order.
    pub fn new(kind: RowKind, name: &Symbol, occasion: Occasion<'_>, values: Box<[Value]>) -> Row {
        let Occasion { look, window, place, end, stage } = occasion;
        let start = window.start_of(end);
        debug_assert!(fit(&values, kind.schema().own()), "{values:?} are no values of a row of {kind:?}");
        let content = Content { values, stage, closed_by: None };
        let mut json = String::with_capacity(room_of(kind));
        let key = RowKey {
            name: name.as_str(),
            window: window.name(),
            start_ms: start.millis(),
            end_ms: end.millis(),
        };
        write_unclosed(&mut json, kind, &key, &content);
        if !kind.schema().corrected {
            json.push('}');
        } else if !stage.is_closed() {
            json.push_str(",\"closed_by\":null}");
        }
        let window = window.name_owned();
        let (name, is_back_filled) = (name.clone(), false);
        Row { look, end, kind, name, window, place, start, is_back_filled, content, json }
    }

    /// The order in which rows leave.
    pub fn order(&self) -> (EventTime, bool, EventTime, WindowPlace, RowKind, Symbol) {
        (self.look, !self.is_back_filled, self.end, self.place, self.kind, self.name.clone())
    }

    /// Whether no other row of its key follows.
    pub fn is_final(&self) -> bool {
        self.content.stage.is_final()
    }

    /// Whether it is that of a window without trades.
    pub fn is_fill(&self) -> bool {
        self.kind == RowKind::Symbol && self.content.values.first() == Some(&Value::Integer(0))
    }

    /// Adds what closed the row, which completes it.
    pub fn complete(&mut self, closed_by: ClosedBy) {
        if self.kind.schema().corrected && self.content.stage.is_closed() {
            self.content.closed_by = Some(closed_by);
            self.json.push_str(",\"closed_by\":\"");
            self.json.push_str(closed_by.as_str());
            self.json.push_str("\"}");
        }
    }

    /// Of which name and window it is.
    pub fn row_key(&self) -> RowKey<'_> {
        RowKey {
            name: self.name.as_str(),
            window: &self.window,
            start_ms: self.start.millis(),
            end_ms: self.end.millis(),
        }
    }

    /// The key by which sinks know the row: `kind|name|window|start_ms|end_ms`.
    pub fn key(&self) -> String {
        let RowKey { name, window, start_ms, end_ms } = self.row_key();
        format!("{}|{name}|{window}|{start_ms}|{end_ms}", self.kind.as_str())
    }

    /// The value of one of the kind's own fields.
    pub fn value(&self, field: &str) -> Option<&Value> {
        self.content.value(self.kind, field)
    }

    /// The objects of a field that is a list of them.
    pub fn items(&self, field: &str) -> impl Iterator<Item = Item<'_>> {
        let place = self.kind.schema().position(field);
        let (fields, items) = match (place.map(|at| self.kind.schema().fields[at].ty), self.value(field)) {
            (Some(FieldType::List(fields)), Some(Value::List(items))) => (fields, items.as_ref()),
            _ => (&[][..], &[][..]),
        };
        items.iter().map(move |values| Item { fields, values })
    }

    /// The values of all fields, in their order.
    pub fn columns(&self) -> Vec<Value> {
        self.content.columns(self.kind, &self.row_key())
    }
}

/// An object within a row, such as a leg.
#[derive(Debug, Copy, Clone)]
pub struct Item<'a> {
    fields: &'static [Field],
    values: &'a [Value],
}

impl<'a> Item<'a> {
    /// The value of one of its fields.
    pub fn value(&self, field: &str) -> Option<&'a Value> {
        self.values.get(self.fields.iter().position(|known| known.name == field)?)
    }
}

/// A row as one JSON object, of the values of all its fields.
pub fn text_of(kind: RowKind, columns: &[Value]) -> String {
    let mut json = String::new();
    write_kind(&mut json, kind);
    for (field, value) in kind.schema().fields.iter().zip(columns) {
        json.push_str(field.label);
        value.write_json(field.ty, &mut json);
    }
    json.push('}');
    json
}

/// What the text of a row mostly takes: of a field 28 bytes with its label, of a list a few objects. Rows
/// wait for those before them, and what they have too much of is memory and time.
fn room_of(kind: RowKind) -> usize {
    let fields = kind.schema().fields;
    let lists = fields.iter().filter(|field| matches!(field.ty, FieldType::List(_))).count();
    24 + 28 * fields.len() + 240 * lists
}

fn write_kind(json: &mut String, kind: RowKind) {
    json.push_str("{\"kind\":\"");
    json.push_str(kind.as_str());
    json.push('"');
}

/// All but what closed the row.
fn write_unclosed(json: &mut String, kind: RowKind, key: &RowKey<'_>, content: &Content) {
    write_kind(json, kind);
    let mut number = itoa::Buffer::new();
    json.push_str(KEY[0].label);
    write_json_string(json, key.name);
    json.push_str(KEY[1].label);
    write_json_string(json, key.window);
    json.push_str(KEY[2].label);
    json.push_str(number.format(key.start_ms));
    json.push_str(KEY[3].label);
    json.push_str(number.format(key.end_ms));
    for (field, value) in kind.schema().own().iter().zip(&content.values) {
        json.push_str(field.label);
        value.write_json(field.ty, json);
    }
    if kind.schema().corrected {
        json.push_str(STAGE[0].label);
        match content.stage.revision() {
            Some(revision) => json.push_str(number.format(revision)),
            None => json.push_str("null"),
        }
        for (field, is) in STAGE[1..].iter().zip([content.stage.is_closed(), content.stage.is_final()]) {
            json.push_str(field.label);
            Value::Boolean(is).write_json(FieldType::Boolean, json);
        }
    }
}

/// Which window, and when it was looked at.
#[derive(Debug, Copy, Clone)]
pub struct Occasion<'a> {
    /// The event time of the look.
    pub look: EventTime,
    /// The window's definition.
    pub window: &'a Window,
    /// The place of that definition in the job.
    pub place: WindowPlace,
    /// The window's end.
    pub end: EventTime,
    /// How far the window is.
    pub stage: Stage,
}
