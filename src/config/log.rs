//! A definition log as it is told and read: by servers, by `checkpoint show --json`, and from a file.

use super::define::DefinitionPart;
use crossrate_dataflows::market::changes::{Change, DatedChange};
use crossrate_dataflows::market::definition::Cross;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::{Symbol, is_name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A change, and where each partition took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedChange {
    /// What changes, and from when on.
    pub change: DatedChange,
    /// By partition the offset of the first record that is judged after it; one without took it before its
    /// first record.
    pub offsets: BTreeMap<u32, i64>,
}

/// The same as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToldChange {
    /// What happens: `add` or `drop`.
    change: Verb,
    /// To what: `cross` or `symbol`.
    kind: DefinitionPart,
    name: String,
    /// Of a cross that is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    formula: Option<String>,
    from_ms: u64,
    #[serde(default)]
    offsets: BTreeMap<u32, i64>,
}

#[derive(Debug, Copy, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Add,
    Drop,
}

/// A definition log among what else there is.
#[derive(Debug, Deserialize)]
struct DefinitionListing {
    log: Vec<ToldChange>,
}

impl ToldChange {
    /// A change as it is told.
    pub fn of(LoggedChange { change: DatedChange { change, from }, offsets }: &LoggedChange) -> ToldChange {
        let (verb, kind, name, formula) = match change {
            Change::AddCross(cross) | Change::TakePath(cross) => {
                (Verb::Add, DefinitionPart::Cross, &cross.name, Some(cross.formula()))
            }
            Change::DropCross(name) | Change::LeavePath(name) => {
                (Verb::Drop, DefinitionPart::Cross, name, None)
            }
            Change::AddSymbol(name) => (Verb::Add, DefinitionPart::Symbol, name, None),
            Change::DropSymbol(name) => (Verb::Drop, DefinitionPart::Symbol, name, None),
        };
        let (name, from_ms) = (name.to_string(), from.millis());
        ToldChange { change: verb, kind, name, formula, from_ms, offsets: offsets.clone() }
    }

    fn read(self) -> Result<LoggedChange, String> {
        let ToldChange { change, kind, name, formula, from_ms, offsets } = self;
        if !is_name(name.as_bytes()) {
            return Err(format!("{name:?} is no name"));
        }
        let change = match (change, kind) {
            (Verb::Add, DefinitionPart::Cross) => {
                let formula = formula.ok_or_else(|| format!("cross {name} has no formula"))?;
                Change::AddCross(
                    Cross::parse(&name, &formula).map_err(|wrong| format!("cross {name}: {wrong}"))?,
                )
            }
            (Verb::Drop, DefinitionPart::Cross) => Change::DropCross(Symbol::new(&name)),
            (Verb::Add, DefinitionPart::Symbol) => Change::AddSymbol(Symbol::new(&name)),
            (Verb::Drop, DefinitionPart::Symbol) => Change::DropSymbol(Symbol::new(&name)),
        };
        Ok(LoggedChange { change: DatedChange { change, from: time(from_ms) }, offsets })
    }
}

/// As it is told on a line of its own.
impl fmt::Display for ToldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.change {
            Verb::Add => "add",
            Verb::Drop => "drop",
        };
        let kind = match self.kind {
            DefinitionPart::Cross => "cross",
            DefinitionPart::Symbol => "symbol",
        };
        write!(f, "{verb} {kind} {}", self.name)?;
        if let Some(formula) = &self.formula {
            write!(f, "={formula}")?;
        }
        write!(f, " from {}", time(self.from_ms))
    }
}

/// A moment that is told in milliseconds.
pub fn time(ms: u64) -> EventTime {
    EventTime::from_micros(ms.saturating_mul(1_000))
}

/// The log in what a server or `checkpoint show --json` tells; else what is wrong with it.
pub fn read(text: &str) -> Result<Vec<LoggedChange>, String> {
    let DefinitionListing { log } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    log.into_iter().map(ToldChange::read).collect()
}
