//! Which windows an answer has, and in which order.

use crossrate_dataflows::market::row::RowKind;

/// Which windows.
#[derive(Debug, Clone, Default)]
pub struct Range {
    /// Windows that start at this millisecond or later.
    pub from: Option<u64>,
    /// Windows that start before this millisecond.
    pub until: Option<u64>,
    /// Windows after this place, in their order.
    pub after: Option<WindowCursor>,
    /// Final ones only.
    pub only_final: bool,
    /// Which come first.
    pub order: RowOrder,
}

/// The order of an answer.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub enum RowOrder {
    /// The earliest windows first.
    #[default]
    Ascending,
    /// The latest windows first.
    Descending,
}

/// A place in the order of windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowCursor {
    /// The window's end.
    pub end_ms: u64,
    /// The kind of row.
    pub kind: RowKind,
    /// Whose.
    pub name: String,
    /// The window's start.
    pub start_ms: u64,
    /// The window's definition.
    pub window: String,
}

impl WindowCursor {
    /// To compare by.
    pub fn as_ref(&self) -> (u64, RowKind, &str, u64, &str) {
        (self.end_ms, self.kind, &self.name, self.start_ms, &self.window)
    }
}
