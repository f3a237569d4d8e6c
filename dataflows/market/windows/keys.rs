//! What is known by the windows of a definition, and which window it is.

use super::EventTime;
use crate::market::trade::Symbol;
use compact_str::CompactString;

/// The canonical form of a definition.
pub type WindowName = CompactString;

/// A symbol or a cross, by its [key](crate::market::name_keys), in the windows of one definition, by its name. An
/// earlier release knew one definition, and gave it none.
pub type InWindows = (Symbol, WindowName);

/// The place of a definition among those of its job.
pub type WindowPlace = u8;

/// A window of a definition, by its end.
pub type WindowKey = (WindowPlace, EventTime);
