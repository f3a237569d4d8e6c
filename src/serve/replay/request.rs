//! What is asked of a replay, as settings of `crossrate replay`. What the request leaves out is as the job of
//! the server computes it now, where that is known: of rows without a checkpoint it is not, and the defaults
//! hold.

use crate::duration;
use crossrate_dataflows::market::assets::Asset;
use crossrate_dataflows::market::definition::{Basis, Definition, Emit, Fill, MissingLeg, Selection};
use crossrate_dataflows::market::schema::RowKind;
use serde::Deserialize;
use toml::{Table, Value};

/// The body of a request: settings of `crossrate replay`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReplayRequest {
    since_ms: Option<u64>,
    until_ms: Option<u64>,
    from_offset: Option<u64>,
    cross: Option<Vec<String>>,
    symbols: Option<Vec<String>>,
    window: Option<OneOrMore>,
    slide: Option<String>,
    time_zone: Option<String>,
    delay: Option<String>,
    grace: Option<String>,
    tick: Option<String>,
    max_carry: Option<String>,
    fill: Option<String>,
    price_decimals: Option<u64>,
    quantity_decimals: Option<u64>,
    max_fill: Option<String>,
    max_ahead: Option<String>,
    max_jump: Option<String>,
    emit: Option<String>,
    provisional: Option<bool>,
    missing_leg: Option<String>,
    stats_last: Option<u64>,
    rows: Option<Vec<String>>,
    dedup: Option<String>,
    speed: Option<f64>,
}

/// A text, or a list of texts.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "window: expected a text such as \"1m\", or a list of such texts")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn texts(self) -> Vec<String> {
        match self {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        }
    }
}

impl ReplayRequest {
    /// As a file of settings: what is left out is as the job computes it, where that is known.
    pub(super) fn settings(self, trades: &Table, job: Option<&Definition>) -> Table {
        let mut settings = trades.clone();
        settings.extend(job.map(settings_of).unwrap_or_default());
        // Whose rows there are, and of which windows, is said as a whole.
        if self.cross.is_some() || self.symbols.is_some() {
            for name in ["cross", "symbols", "basis", "quote"] {
                settings.remove(name);
            }
        }
        let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        // Numbers are texts there, and are read as strictly.
        let number = |number: u64| Value::String(number.to_string());
        for (name, value) in [
            ("since", self.since_ms.map(number)),
            ("until", self.until_ms.map(number)),
            ("offset", self.from_offset.map(number)),
            ("cross", self.cross.map(texts)),
            ("symbols", self.symbols.map(texts)),
            ("window", self.window.map(|windows| texts(windows.texts()))),
            ("slide", self.slide.map(Value::String)),
            ("time-zone", self.time_zone.map(Value::String)),
            ("delay", self.delay.map(Value::String)),
            ("grace", self.grace.map(Value::String)),
            ("tick", self.tick.map(Value::String)),
            ("max-carry", self.max_carry.map(Value::String)),
            ("price-decimals", self.price_decimals.map(number)),
            ("quantity-decimals", self.quantity_decimals.map(number)),
            ("fill", self.fill.map(Value::String)),
            ("max-fill", self.max_fill.map(Value::String)),
            ("max-ahead", self.max_ahead.map(Value::String)),
            ("max-jump", self.max_jump.map(Value::String)),
            ("emit", self.emit.map(Value::String)),
            ("provisional", self.provisional.map(Value::Boolean)),
            ("missing-leg", self.missing_leg.map(Value::String)),
            ("stats-last", self.stats_last.map(number)),
            ("rows", self.rows.map(|rows| Value::String(rows.join(",")))),
            ("dedup", self.dedup.map(Value::String)),
            ("speed", self.speed.map(|speed| Value::String(speed.to_string()))),
        ] {
            if let Some(value) = value {
                settings.insert(name.into(), value);
            }
        }
        settings
    }
}

/// A definition as settings that give it.
fn settings_of(definition: &Definition) -> Table {
    let list = |texts: Vec<String>| Some(Value::Array(texts.into_iter().map(Value::String).collect()));
    let text = |text: &str| Some(Value::String(text.to_owned()));
    let length = |micros: u64| Some(Value::String(duration::show(micros)));
    let number = |number: u64| Some(Value::String(number.to_string()));
    let basis = |basis: &Basis| format!("{}={}", basis.cross, basis.direct);
    let quotes = definition.quotes.as_ref().filter(|quotes| quotes.pairs.is_empty());
    // Those of rates go with them.
    let names_rate = |basis: &Basis| definition.quotes.as_ref().is_some_and(|q| q.names(&basis.cross));
    let is_there = |basis: &&Basis| quotes.is_some() || !names_rate(basis);
    let assets = |assets: &[Asset]| list(assets.iter().map(ToString::to_string).collect());
    let rows: Vec<&str> =
        RowKind::ALL.into_iter().filter(|kind| definition.rows.has(*kind)).map(RowKind::as_str).collect();
    let settings = [
        ("cross", list(definition.crosses.iter().map(ToString::to_string).collect())),
        ("symbols", list(names(&definition.symbols))),
        ("basis", list(definition.basis.iter().filter(is_there).map(basis).collect())),
        ("window", list(definition.windows.each().iter().map(|window| window.name().to_owned()).collect())),
        ("delay", length(definition.delay)),
        ("grace", length(definition.grace)),
        ("tick", length(definition.tick)),
        ("emit", text(if definition.emit == Emit::Changes { "changes" } else { "final" })),
        ("provisional", Some(Value::Boolean(definition.provisional))),
        ("rows", text(&rows.join(","))),
        (
            "missing-leg",
            text(match definition.missing_leg {
                MissingLeg::Null => "null",
                MissingLeg::Carry => "carry",
                MissingLeg::Withhold => "withhold",
            }),
        ),
        // A table of pairs has no place among settings: without it rates would be other ones.
        ("quote", quotes.and_then(|quotes| assets(&quotes.currencies))),
        ("quote-assets", quotes.and_then(|quotes| assets(&quotes.quote_assets))),
        ("path-every", quotes.and_then(|quotes| length(quotes.path_every))),
        ("path-lookback", quotes.and_then(|quotes| length(quotes.path_lookback))),
        ("max-carry", definition.max_carry.and_then(length)),
        ("stats-last", definition.stats_last.and_then(number)),
        ("dedup", text(if definition.dedup { "partition" } else { "off" })),
        ("max-ahead", length(definition.max_ahead)),
        ("max-jump", definition.max_jump.and_then(length)),
        (
            "fill",
            text(match definition.fill {
                Fill::None => "none",
                Fill::Null => "null",
                Fill::Previous => "previous",
            }),
        ),
        ("max-fill", definition.max_fill.and_then(length)),
        ("price-decimals", number(definition.price_decimals.into())),
        ("quantity-decimals", number(definition.quantity_decimals.into())),
    ];
    // A setting that is an empty list would be one without a value.
    let is_given = |value: &Value| value.as_array().is_none_or(|list| !list.is_empty());
    settings
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.filter(is_given)?)))
        .collect()
}

fn names(symbols: &Selection) -> Vec<String> {
    match symbols {
        Selection::All => vec!["all".to_owned()],
        Selection::Only(symbols) => symbols.iter().map(ToString::to_string).collect(),
    }
}
