//! How panes are arranged.

use crate::market::candle::Candle;
use crate::market::event_time::EventTime;
use crate::market::moments::Moments;
use crate::market::trade::Symbol;
use differential_dataflow::trace::implementations::ValSpine;

/// A pane's new trades in the trace of them.
pub(crate) type PaneValue = (EventTime, Candle);

/// The panes of symbols, as they are arranged.
pub(crate) type PaneTrace = ValSpine<Symbol, PaneValue, EventTime, Moments>;
