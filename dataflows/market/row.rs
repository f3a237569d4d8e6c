//! Rows as they leave (`docs/semantics.md#rows`): a key, typed values in the order of their schema, and one JSON object,
//! the same in every sink.
//!
//! A row carries its values and its text. The text is made where the row is, on all workers at once: made where it is
//! written, on the first worker, it would hold the others up.

use super::cross::{CrossState, Status};
use super::definition::Cross;
use super::event_time::EventTime;
use super::ratio::RATE_PLACES;
pub use super::schema::RowKind;
use super::schema::{Field, FieldType, KEY, STAGE};
use super::series::SeriesMoments;
use super::trade::Symbol;
use super::value::{Decimal, Value, fit, write_json_string};
use super::window::{WindowState, variance, vwap};
use num_bigint::BigInt;
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
    pub fn columns(&self, kind: RowKind, name: &str, start_ms: u64, end_ms: u64) -> Vec<Value> {
        let mut columns = Vec::with_capacity(kind.schema().fields.len());
        columns.extend([name.into(), Value::whole(start_ms.into()), Value::whole(end_ms.into())]);
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
    /// The window's start.
    pub start: EventTime,
    /// What it says.
    pub content: Content,
    /// All of it as a JSON object; without its end until it is known what closed the row.
    pub json: String,
}

impl Row {
    /// A row of one of the kind's names. The values are those of the kind's own fields, in their order.
    pub fn new(kind: RowKind, name: &Symbol, occasion: Occasion, values: Box<[Value]>) -> Row {
        let Occasion { look, start, end, stage } = occasion;
        debug_assert!(fit(&values, kind.schema().own()), "{values:?} are no values of a row of {kind:?}");
        let content = Content { values, stage, closed_by: None };
        let mut json = String::with_capacity(room_of(kind));
        write_unclosed(&mut json, kind, name.as_str(), start.millis(), end.millis(), &content);
        if !kind.schema().corrected {
            json.push('}');
        } else if !stage.is_closed() {
            json.push_str(",\"closed_by\":null}");
        }
        Row { look, end, kind, name: name.clone(), start, content, json }
    }

    /// The order in which rows leave.
    pub fn order(&self) -> (EventTime, EventTime, RowKind, &Symbol) {
        (self.look, self.end, self.kind, &self.name)
    }

    /// Whether no other row of its key follows.
    pub fn is_final(&self) -> bool {
        self.content.stage.is_final()
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

    /// The key by which sinks know the row: `kind|name|start_ms|end_ms`.
    pub fn key(&self) -> String {
        format!("{}|{}|{}|{}", self.kind.as_str(), self.name, self.start.millis(), self.end.millis())
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
        self.content.columns(self.kind, self.name.as_str(), self.start.millis(), self.end.millis())
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

/// What the text of a row mostly takes: of a field 28 bytes with its label, of a list a few objects. Rows wait for those
/// before them, and what they have too much of is memory and time.
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
fn write_unclosed(
    json: &mut String,
    kind: RowKind,
    name: &str,
    start_ms: u64,
    end_ms: u64,
    content: &Content,
) {
    write_kind(json, kind);
    let mut number = itoa::Buffer::new();
    json.push_str(KEY[0].label);
    write_json_string(json, name);
    json.push_str(KEY[1].label);
    json.push_str(number.format(start_ms));
    json.push_str(KEY[2].label);
    json.push_str(number.format(end_ms));
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
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Occasion {
    /// The event time of the look.
    pub look: EventTime,
    /// The window's start.
    pub start: EventTime,
    /// The window's end.
    pub end: EventTime,
    /// How far the window is.
    pub stage: Stage,
}

/// The row of a symbol.
pub fn symbol_row(name: &Symbol, state: &WindowState, occasion: Occasion) -> Row {
    let WindowState { moments, candle, missing_ids } = state;
    let price = |scaled: i64| Value::decimal(scaled.into(), 8);
    let variance = variance(moments);
    let quote_volume = match moments.pq.to_u128().map(i128::try_from) {
        Some(Ok(small)) => Decimal::new(small, 16),
        _ => Decimal::of(&moments.pq.to_bigint(), 16),
    };
    let values = Box::new([
        Value::Integer(moments.n),
        price(candle.first.price.scaled()),
        price(candle.high.scaled()),
        price(candle.low.scaled()),
        price(candle.last.price.scaled()),
        Value::decimal(moments.q, 8),
        Value::Decimal(quote_volume),
        Value::Decimal(vwap(moments)),
        Value::real(variance),
        Value::real(variance.map(f64::sqrt)),
        Value::Integer(*missing_ids),
        Value::Digest(moments.digest),
    ]);
    Row::new(RowKind::Symbol, name, occasion, values)
}

/// The row of a cross.
pub fn cross_row(cross: &Cross, state: &CrossState, rate: Option<&BigInt>, occasion: Occasion) -> Row {
    let status = state.status();
    let variance = if status == Status::LegMissing { None } else { state.variance(cross) };
    let legs = cross.legs.iter().enumerate().map(|(i, leg)| {
        let (trades, age) = match &state.legs[i] {
            Some(leg) if leg.traded() => (leg.moments.n, 0),
            Some(leg) => (0, leg.age / 1_000),
            None => (0, 0),
        };
        let values: Box<[Value]> = Box::new([
            leg.symbol.as_str().into(),
            Value::Boolean(leg.inverse),
            state.leg_vwap(i).map_or(Value::Null, Value::Decimal),
            Value::Integer(trades),
            Value::whole(age.into()),
        ]);
        values
    });
    let values = Box::new([
        status.as_str().into(),
        rate_value(rate),
        Value::real(variance),
        Value::real(variance.map(f64::sqrt)),
        Value::whole(state.traded().map(|leg| i128::from(leg.moments.n)).sum()),
        Value::List(legs.collect()),
        Value::whole(state.missing_ids()),
        Value::Digest(state.traded().fold(0u64, |sum, leg| sum.wrapping_add(leg.moments.digest))),
    ]);
    Row::new(RowKind::Cross, &cross.name, occasion, values)
}

/// The row of a cross's statistics.
pub fn stats_row(
    name: &Symbol,
    series: &SeriesMoments,
    look: EventTime,
    start: EventTime,
    end: EventTime,
) -> Row {
    let variance = series.variance();
    let values = Box::new([
        Value::Integer(series.n),
        rate_value(Some(&series.last)),
        rate_value(Some(&series.sum)),
        rate_value(Some(&series.mean())),
        Value::real(variance),
        Value::real(variance.map(f64::sqrt)),
    ]);
    Row::new(RowKind::Stats, name, Occasion { look, start, end, stage: Stage::FINAL }, values)
}

fn rate_value(rate: Option<&BigInt>) -> Value {
    rate.map_or(Value::Null, |rate| Value::Decimal(Decimal::of(rate, RATE_PLACES as u8)))
}
