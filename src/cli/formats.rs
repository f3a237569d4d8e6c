//! `crossrate formats`: the formats of records, and their mappings.

use super::usage::{UsageError, Wrong, nearest};
use crate::wire::format::{BINANCE, BUILT_IN};

/// The formats, a line each; or the mapping of one, which is the beginning of one's own.
pub(super) fn list(name: Option<&str>) -> Result<String, UsageError> {
    let names = || BUILT_IN.iter().map(|(name, _)| *name);
    match name {
        None => {
            let about =
                |text: &str| text.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned();
            let lines = BUILT_IN.iter().map(|(name, text)| format!("{name:<16} {}\n", about(text)));
            let first =
                format!("{BINANCE:<16} Binance: trade and aggTrade events, and archives of spot trades.\n");
            Ok([first].into_iter().chain(lines).collect())
        }
        Some(BINANCE) => {
            Ok("# Binance's own events and archives need no mapping: docs/semantics.md, \"Input\".\n".into())
        }
        Some(name) => {
            BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()).ok_or_else(
                || {
                    Wrong::new(name, "the name of a format: crossrate formats")
                        .perhaps(nearest(name, names()))
                        .at("NAME")
                },
            )
        }
    }
}
