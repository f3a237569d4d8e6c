//! What the job is, as the catalogue tells it.

use crate::config::Config;
use crossrate_dataflows::market::definition::{Cross, Definition, Emit, MissingLeg, Selection};
use serde::Serialize;
use std::sync::Arc;

/// What the job is.
#[derive(Debug, Clone, Serialize)]
pub struct JobDescription {
    /// Its name.
    pub job: String,
    /// Where rows come from, in words.
    pub source: String,
    /// Whether its input is files, which end: then as many rows are kept as fit.
    #[serde(skip)]
    pub is_recording: bool,
    /// What is computed, where that is known from the start; a place that is followed may tell it later.
    #[serde(skip)]
    pub definition: Option<Arc<DefinitionDescription>>,
}

/// A definition, with the names and units of flags.
#[derive(Debug, Clone, Serialize)]
pub struct DefinitionDescription {
    /// The window definitions, in their order.
    pub windows: Vec<String>,
    window_ms: u64,
    slide_ms: u64,
    delay_ms: u64,
    grace_ms: u64,
    tick_ms: u64,
    emit: &'static str,
    provisional: bool,
    missing_leg: &'static str,
    stats_last: Option<u64>,
    crosses: Vec<DescribedCross>,
    /// `None` for all that trade.
    symbols: Option<Vec<String>>,
    /// All of it.
    #[serde(skip)]
    pub definition: Definition,
}

#[derive(Debug, Clone, Serialize)]
struct DescribedCross {
    name: String,
    product: String,
    legs: Vec<DescribedLeg>,
}

#[derive(Debug, Clone, Serialize)]
struct DescribedLeg {
    symbol: String,
    inverse: bool,
}

impl JobDescription {
    /// A run.
    pub fn of(config: &Config) -> JobDescription {
        JobDescription {
            job: config.name.clone(),
            source: "run".into(),
            is_recording: config.source.is_recording(),
            definition: Some(Arc::new(DefinitionDescription::of(&config.definition))),
        }
    }
}

impl DefinitionDescription {
    /// In words and milliseconds.
    pub fn of(definition: &Definition) -> DefinitionDescription {
        DefinitionDescription {
            windows: definition.windows.each().iter().map(|w| w.name().to_owned()).collect(),
            window_ms: definition.windows.at(0).span() / 1_000,
            slide_ms: definition.windows.at(0).slot_length() / 1_000,
            delay_ms: definition.delay / 1_000,
            grace_ms: definition.grace / 1_000,
            tick_ms: definition.tick / 1_000,
            emit: match definition.emit {
                Emit::Final => "final",
                Emit::Changes => "changes",
            },
            provisional: definition.provisional,
            missing_leg: match definition.missing_leg {
                MissingLeg::Null => "null",
                MissingLeg::Carry => "carry",
                MissingLeg::Withhold => "withhold",
            },
            stats_last: definition.stats_last,
            crosses: definition.crosses.iter().map(DescribedCross::of).collect(),
            symbols: match &definition.symbols {
                Selection::All => None,
                Selection::Only(symbols) => Some(symbols.iter().map(|s| s.as_str().to_owned()).collect()),
            },
            definition: definition.clone(),
        }
    }

    /// Whether a cross or a symbol has that name.
    pub fn names(&self, name: &str) -> bool {
        let is_symbol =
            self.symbols.as_ref().is_some_and(|symbols| symbols.iter().any(|known| known == name));
        is_symbol || self.crosses.iter().any(|cross| cross.name == name)
    }
}

impl DescribedCross {
    fn of(cross: &Cross) -> Self {
        let mut product = String::new();
        for (place, leg) in cross.legs.iter().enumerate() {
            match (place, leg.inverse) {
                (0, false) => {}
                (0, true) => product.push_str("1/"),
                (_, true) => product.push('/'),
                (_, false) => product.push('*'),
            }
            product.push_str(leg.symbol.as_str());
        }
        let leg = |leg: &crossrate_dataflows::market::definition::Leg| DescribedLeg {
            symbol: leg.symbol.as_str().to_owned(),
            inverse: leg.inverse,
        };
        DescribedCross {
            name: cross.name.as_str().to_owned(),
            product,
            legs: cross.legs.iter().map(leg).collect(),
        }
    }
}
