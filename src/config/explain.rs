//! What `crossrate explain` explains.

use super::Config;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::windows::Window;

/// A window of a cross or of a symbol, and the run that makes its rows again.
#[derive(Debug, Clone)]
pub struct Explain {
    /// The bounded run over the same input, which leaves nothing behind.
    pub config: Config,
    /// Whether it is that of a symbol or of a cross.
    pub kind: RowKind,
    /// Of which.
    pub name: Symbol,
    /// The window's end; its definition is the first of the run.
    pub end: EventTime,
    /// As one JSON object.
    pub json: bool,
}

impl Explain {
    /// The definition of the window.
    pub fn window(&self) -> &Window {
        self.config.definition.windows.at(0)
    }

    /// The window's start.
    pub fn start(&self) -> EventTime {
        self.window().start_of(self.end)
    }

    /// When no row of the window can come any more.
    pub fn final_at(&self) -> EventTime {
        self.end.plus(self.config.definition.grace)
    }
}
