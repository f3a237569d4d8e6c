//! How an answer tells the bounds of windows.

use crate::serve::board::series::CachedRow;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::schema::{Field, FieldType, RowKind};
use crossrate_dataflows::market::value::Value;

/// How an answer tells times.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Times {
    /// In milliseconds since the epoch.
    Millis,
    /// As ISO 8601 has them too, in UTC: `start` and `end` beside `start_ms` and `end_ms`.
    Iso,
}

/// What stands beside `start_ms` and `end_ms`.
const ISO_FIELDS: [Field; 2] = [iso("start", ",\"start\":"), iso("end", ",\"end\":")];

const fn iso(name: &'static str, label: &'static str) -> Field {
    Field { name, label, ty: FieldType::Text, nullable: false, words: &[], meaning: "" }
}

impl Times {
    /// The bounds of a row's window as texts.
    fn texts(row: &CachedRow) -> [String; 2] {
        [row.start_ms, row.end_ms].map(|ms| EventTime::from_micros(ms.saturating_mul(1_000)).to_string())
    }

    /// The text of an object about a row's window.
    pub fn write(self, out: &mut Vec<u8>, row: &CachedRow, object: &str) {
        let last = "\"end_ms\":";
        // Names hold no quotes: the first place is that of the member.
        let end = object.find(last).map(|at| at + last.len()).filter(|_| self == Times::Iso);
        let Some(end) = end else { return out.extend_from_slice(object.as_bytes()) };
        let end = end + object[end..].bytes().take_while(u8::is_ascii_digit).count();
        out.extend_from_slice(&object.as_bytes()[..end]);
        for (field, text) in ISO_FIELDS.iter().zip(Times::texts(row)) {
            out.extend_from_slice(format!("{}\"{text}\"", field.label).as_bytes());
        }
        out.extend_from_slice(&object.as_bytes()[end..]);
    }

    /// The columns of a kind of rows.
    pub(super) fn columns(self, kind: RowKind) -> Vec<Field> {
        let mut columns = kind.schema().fields.to_vec();
        if let Some(at) = self.place(kind) {
            columns.splice(at..at, self.fields());
        }
        columns
    }

    /// What stands beside the bounds of a window.
    pub fn fields(self) -> Vec<Field> {
        if self == Times::Iso { ISO_FIELDS.to_vec() } else { Vec::new() }
    }

    /// The values of these fields.
    pub fn bounds(self, row: &CachedRow) -> Vec<Value> {
        match self {
            Times::Millis => Vec::new(),
            Times::Iso => Times::texts(row).map(|text| Value::Text(text.into())).into(),
        }
    }

    pub(super) fn values(self, row: &CachedRow) -> Vec<Value> {
        let mut values = row.columns();
        if let Some(at) = self.place(row.kind) {
            values.splice(at..at, self.bounds(row));
        }
        values
    }

    /// Which column the first of the texts is.
    fn place(self, kind: RowKind) -> Option<usize> {
        (self == Times::Iso).then(|| kind.schema().position("end_ms").map(|at| at + 1)).flatten()
    }
}
