//! Rows as they leave: one JSON object a line, the same text in every sink (`docs/semantics.md#rows`).

use super::cross::{CrossState, Status};
use super::definition::Cross;
use super::event_time::EventTime;
use super::ratio::{RATE_PLACES, write_double, write_scaled, write_scaled_big};
pub use super::schema::RowKind;
use super::series::SeriesMoments;
use super::trade::Symbol;
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
}

/// How far a row of a symbol or a cross is.
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

/// A row, ready but for `closed_by`, which is known only where all partitions are seen together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether `closed_by` is to be added: a closed row of a symbol or a cross.
    pub closed: bool,
    /// Whether no other row of its key follows.
    pub last: bool,
    /// The JSON object, without its end where `closed`.
    pub json: String,
}

impl Row {
    /// The order in which rows leave.
    pub fn order(&self) -> (EventTime, EventTime, RowKind, &Symbol) {
        (self.look, self.end, self.kind, &self.name)
    }

    /// Adds what closed the row, which completes it.
    pub fn complete(&mut self, closed_by: ClosedBy) {
        if self.closed {
            self.json.push_str(",\"closed_by\":\"");
            self.json.push_str(closed_by.as_str());
            self.json.push_str("\"}");
        }
    }

    /// The key by which sinks know the row: `kind|name|start_ms|end_ms`.
    pub fn key(&self) -> String {
        format!("{}|{}|{}|{}", self.kind.as_str(), self.name, self.start.millis(), self.end.millis())
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
    let mut json = String::with_capacity(520);
    head(&mut json, RowKind::Symbol, name, occasion.start, occasion.end);
    let candle = &state.candle;
    number(&mut json, ",\"trades\":", state.moments.n);
    for (field, price) in [
        (",\"open\":\"", candle.first.price),
        ("\",\"high\":\"", candle.high),
        ("\",\"low\":\"", candle.low),
        ("\",\"close\":\"", candle.last.price),
    ] {
        json.push_str(field);
        write_scaled(&mut json, price.scaled() as u128, 8);
    }
    json.push_str("\",\"volume\":\"");
    write_scaled(&mut json, state.moments.q as u128, 8);
    json.push_str("\",\"quote_volume\":\"");
    match state.moments.pq.to_u128() {
        Some(small) => write_scaled(&mut json, small, 16),
        None => write_scaled_big(&mut json, &state.moments.pq.to_bigint(), 16),
    }
    json.push('"');
    rate_field(&mut json, "vwap", Some(&vwap(&state.moments)));
    spread(&mut json, variance(&state.moments));
    number(&mut json, ",\"missing_ids\":", state.missing_ids);
    digest(&mut json, state.moments.digest);
    finish(json, RowKind::Symbol, name, occasion)
}

/// The row of a cross.
pub fn cross_row(cross: &Cross, state: &CrossState, rate: Option<&BigInt>, occasion: Occasion) -> Row {
    let mut json = String::with_capacity(640);
    head(&mut json, RowKind::Cross, &cross.name, occasion.start, occasion.end);
    let status = state.status();
    json.push_str(",\"status\":\"");
    json.push_str(status.as_str());
    json.push('"');
    rate_field(&mut json, "vwap", rate);
    spread(&mut json, if status == Status::LegMissing { None } else { state.variance(cross) });
    let trades: i128 = state.traded().map(|leg| i128::from(leg.moments.n)).sum();
    number(&mut json, ",\"trades\":", trades);
    json.push_str(",\"legs\":[");
    for (i, leg) in cross.legs.iter().enumerate() {
        json.push_str(if i == 0 { "{\"symbol\":" } else { ",{\"symbol\":" });
        json_string(&mut json, leg.symbol.as_str());
        json.push_str(if leg.inverse { ",\"inverse\":true" } else { ",\"inverse\":false" });
        rate_field(&mut json, "vwap", state.leg_vwap(i).as_ref());
        let (trades, age) = match &state.legs[i] {
            Some(leg) if leg.traded() => (leg.moments.n, 0),
            Some(leg) => (0, leg.age / 1_000),
            None => (0, 0),
        };
        number(&mut json, ",\"trades\":", trades);
        number(&mut json, ",\"age_ms\":", age);
        json.push('}');
    }
    number(&mut json, "],\"missing_ids\":", state.missing_ids());
    digest(&mut json, state.traded().fold(0u64, |sum, leg| sum.wrapping_add(leg.moments.digest)));
    finish(json, RowKind::Cross, &cross.name, occasion)
}

/// The row of a cross's statistics.
pub fn stats_row(
    name: &Symbol,
    series: &SeriesMoments,
    look: EventTime,
    start: EventTime,
    end: EventTime,
) -> Row {
    let mut json = String::with_capacity(320);
    head(&mut json, RowKind::Stats, name, start, end);
    number(&mut json, ",\"n\":", series.n);
    rate_field(&mut json, "vwap", Some(&series.last));
    rate_field(&mut json, "sum", Some(&series.sum));
    rate_field(&mut json, "mean", Some(&series.mean()));
    let variance = series.variance();
    json.push_str(",\"variance\":");
    write_double(&mut json, variance);
    json.push_str(",\"std\":");
    write_double(&mut json, variance.map(f64::sqrt));
    json.push('}');
    Row { look, end, kind: RowKind::Stats, name: name.clone(), start, closed: false, last: true, json }
}

fn head(json: &mut String, kind: RowKind, name: &Symbol, start: EventTime, end: EventTime) {
    json.push_str("{\"kind\":\"");
    json.push_str(kind.as_str());
    json.push_str("\",\"name\":");
    json_string(json, name.as_str());
    number(json, ",\"start_ms\":", start.millis());
    number(json, ",\"end_ms\":", end.millis());
}

/// A field whose value is a whole number; `field` is all that stands before it.
fn number(json: &mut String, field: &str, value: impl itoa::Integer) {
    json.push_str(field);
    json.push_str(itoa::Buffer::new().format(value));
}

fn digest(json: &mut String, digest: u64) {
    json.push_str(",\"digest\":\"");
    // The nibbles from the highest on.
    json.extend((0..16).rev().map(|at| char::from(b"0123456789abcdef"[(digest >> (4 * at) & 15) as usize])));
    json.push('"');
}

fn finish(mut json: String, kind: RowKind, name: &Symbol, occasion: Occasion) -> Row {
    let Occasion { look, start, end, stage } = occasion;
    let (closed, last) = match stage {
        Stage::Provisional => {
            json.push_str(",\"revision\":null,\"closed\":false,\"final\":false,\"closed_by\":null}");
            (false, false)
        }
        Stage::Closed { revision, last } => {
            number(&mut json, ",\"revision\":", revision);
            json.push_str(if last {
                ",\"closed\":true,\"final\":true"
            } else {
                ",\"closed\":true,\"final\":false"
            });
            (true, last)
        }
    };
    Row { look, end, kind, name: name.clone(), start, closed, last, json }
}

fn rate_field(json: &mut String, field: &str, rate: Option<&BigInt>) {
    json.push_str(",\"");
    json.push_str(field);
    json.push_str("\":");
    match rate {
        Some(rate) => {
            json.push('"');
            write_scaled_big(json, rate, RATE_PLACES as usize);
            json.push('"');
        }
        None => json.push_str("null"),
    }
}

fn spread(json: &mut String, variance: Option<f64>) {
    json.push_str(",\"vw_variance\":");
    write_double(json, variance);
    json.push_str(",\"vw_std\":");
    write_double(json, variance.map(f64::sqrt));
}

fn json_string(json: &mut String, text: &str) {
    let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
    if text.bytes().all(plain) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&serde_json::Value::from(text).to_string());
    }
}
