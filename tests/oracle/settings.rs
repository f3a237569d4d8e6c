//! The flags that a result depends on (`docs/semantics.md#command-line`), read from a command line as the
//! program reads it.

use super::calendar::Zone;
use super::record::Decimals;
use super::windows::{Definition, Window, duration};
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
pub struct Settings {
    /// In the order of the command line.
    pub windows: Vec<Definition>,
    pub decimals: Decimals,
    pub fill: Fill,
    /// Nothing where it is not given; the same of the next.
    pub max_fill: Option<i64>,
    pub max_carry: Option<i64>,
    pub delay: i64,
    pub grace: i64,
    pub tick: i64,
    pub changes: bool,
    pub provisional: bool,
    /// Whether `symbol`, `cross`, `stats` and `basis` rows are printed.
    pub rows: [bool; 4],
    /// Crosses and the pairs that they are held against.
    pub bases: Vec<(String, String)>,
    /// Symbols with rows of their own; nothing for `all`.
    pub symbols: Option<Vec<String>>,
    /// In order of their names.
    pub crosses: Vec<Cross>,
    pub missing_leg: MissingLeg,
    pub stats_last: usize,
    pub dedup: bool,
    pub max_jump: Option<i64>,
    /// How long before its own moment a cross that is added may have rows.
    pub back_fill: i64,
    /// A run that begins inside a log gives no row of a window that starts before. No flag says it.
    pub withheld_before: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cross {
    pub name: String,
    pub legs: Vec<Leg>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    pub symbol: String,
    pub inverse: bool,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum MissingLeg {
    Null,
    Carry,
    Withhold,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Fill {
    None,
    Null,
    Previous,
}

impl Settings {
    /// What a run goes by. Flags the oracle does not know are a mistake of the test.
    pub fn read(flags: &[String]) -> Settings {
        let mut settings = Settings {
            windows: windows(flags),
            decimals: Decimals { price: 8, quantity: 8 },
            fill: Fill::None,
            max_fill: None,
            max_carry: None,
            delay: duration("5s"),
            grace: 0,
            tick: duration("250ms"),
            changes: false,
            provisional: false,
            rows: [true; 4],
            bases: Vec::new(),
            symbols: Some(Vec::new()),
            crosses: Vec::new(),
            missing_leg: MissingLeg::Null,
            stats_last: usize::MAX,
            dedup: true,
            max_jump: None,
            back_fill: 0,
            withheld_before: i64::MIN,
        };
        let mut symbols_given = false;
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            if flag == "--provisional" {
                settings.provisional = true;
                continue;
            }
            let value = flags.next().unwrap_or_else(|| panic!("{flag} has no value")).as_str();
            match flag.as_str() {
                "--window" | "--slide" | "--time-zone" | "--format" => {}
                "--price-decimals" => settings.decimals.price = value.parse().expect(value),
                "--quantity-decimals" => settings.decimals.quantity = value.parse().expect(value),
                "--fill" => {
                    settings.fill = match value {
                        "none" => Fill::None,
                        "null" => Fill::Null,
                        "previous" => Fill::Previous,
                        _ => panic!("--fill {value}"),
                    }
                }
                "--max-fill" => settings.max_fill = Some(duration(value)),
                "--delay" => settings.delay = duration(value),
                "--grace" => settings.grace = duration(value),
                "--tick" => settings.tick = duration(value),
                "--emit" => settings.changes = value == "changes",
                "--rows" => {
                    settings.rows =
                        ["symbol", "cross", "stats", "basis"].map(|kind| value.split(',').any(|v| v == kind));
                }
                "--symbols" => {
                    symbols_given = true;
                    match (value, &mut settings.symbols) {
                        ("all", all) => *all = None,
                        (_, Some(some)) => some.extend(value.split(',').map(str::to_owned)),
                        (_, None) => {}
                    }
                }
                "--cross" => settings.crosses.push(Cross::read(value)),
                "--basis" => {
                    let (name, symbol) = value.split_once('=').unwrap_or((value, value));
                    settings.bases.push((name.to_owned(), symbol.to_owned()));
                }
                "--missing-leg" => {
                    settings.missing_leg = match value {
                        "null" => MissingLeg::Null,
                        "carry" => MissingLeg::Carry,
                        "withhold" => MissingLeg::Withhold,
                        _ => panic!("--missing-leg {value}"),
                    }
                }
                "--max-carry" => settings.max_carry = Some(duration(value)),
                "--stats-last" => settings.stats_last = value.parse().unwrap_or(usize::MAX),
                "--max-jump" => settings.max_jump = (value != "off").then(|| duration(value)),
                "--back-fill" => settings.back_fill = duration(value),
                "--dedup" => settings.dedup = value != "off",
                _ => panic!("the oracle does not know {flag}"),
            }
        }
        if settings.crosses.is_empty() && !symbols_given {
            settings.crosses.push(Cross::read("XVGUSDT=XVGBTC*BTCUSDT"));
        }
        settings.crosses.sort_by(|a, b| a.name.cmp(&b.name));
        settings
    }

    /// How old a window may be that stands in for this one of the definition.
    pub fn max_carry_of(&self, definition: &Definition, window: Window) -> i64 {
        self.max_carry.unwrap_or(duration("5m").max(definition.own_length(window)))
    }

    /// How long after the last window with trades this one may be filled.
    pub fn max_fill_of(&self, definition: &Definition, window: Window) -> i64 {
        self.max_fill.unwrap_or(duration("1h").max(definition.own_length(window)))
    }

    /// The symbols whose trades are asked for at the start: those with rows of their own, and legs, which
    /// have them too. Nothing for all.
    pub fn wanted(&self) -> Option<BTreeSet<String>> {
        let legs = self.crosses.iter().flat_map(|cross| &cross.legs).map(|leg| &leg.symbol);
        let needed = legs.chain(self.bases.iter().map(|(_, direct)| direct));
        self.symbols.as_ref().map(|own| own.iter().chain(needed).cloned().collect())
    }
}

/// The definitions of these flags, wherever the zone and the slide stand.
fn windows(flags: &[String]) -> Vec<Definition> {
    let values = |flag: &str| {
        let pairs = flags.windows(2).filter(|pair| pair[0] == flag);
        pairs.map(|pair| pair[1].clone()).collect::<Vec<_>>()
    };
    let zone = Zone::named(values("--time-zone").last().map_or("UTC", String::as_str));
    let slide = values("--slide").last().map(|slide| duration(slide));
    let mut written = values("--window");
    if written.is_empty() {
        written.push("30s".to_owned());
    }
    written.iter().map(|text| Definition::read(text, &zone, slide)).collect()
}

impl Cross {
    /// As it is written.
    pub fn read(text: &str) -> Cross {
        let (name, legs) = text.split_once('=').unwrap_or_else(|| panic!("the cross {text}"));
        let mut cross = Cross { name: name.to_owned(), legs: Vec::new() };
        let mut inverse = false;
        for part in legs.split_inclusive(['*', '/']) {
            let symbol = part.trim_end_matches(['*', '/']).to_owned();
            cross.legs.push(Leg { symbol, inverse });
            inverse = part.ends_with('/');
        }
        cross
    }
}
