//! The flags that a result depends on (`docs/semantics.md#command-line`), read from a command line as the program reads it.

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) window: i64,
    pub(crate) slide: i64,
    pub(crate) delay: i64,
    pub(crate) grace: i64,
    pub(crate) tick: i64,
    pub(crate) changes: bool,
    pub(crate) provisional: bool,
    /// Whether `symbol`, `cross`, `stats` and `basis` rows are printed.
    pub(crate) rows: [bool; 4],
    /// Crosses and the pairs that they are held against.
    pub(crate) bases: Vec<(String, String)>,
    /// Symbols with rows of their own; nothing for `all`.
    pub(crate) symbols: Option<Vec<String>>,
    /// In order of their names.
    pub(crate) crosses: Vec<Cross>,
    pub(crate) missing_leg: MissingLeg,
    pub(crate) max_carry: i64,
    pub(crate) stats_last: usize,
    pub(crate) dedup: bool,
    pub(crate) max_jump: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Cross {
    pub(crate) name: String,
    pub(crate) legs: Vec<Leg>,
}

#[derive(Debug, Clone)]
pub(crate) struct Leg {
    pub(crate) symbol: String,
    pub(crate) inverse: bool,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum MissingLeg {
    Null,
    Carry,
    Withhold,
}

impl Settings {
    /// Flags the oracle does not know are a mistake of the test.
    pub(crate) fn read(flags: &[String]) -> Settings {
        let mut settings = Settings {
            window: duration("30s"),
            slide: 0,
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
            max_carry: duration("5m"),
            stats_last: usize::MAX,
            dedup: true,
            max_jump: None,
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
                "--window" => settings.window = duration(value),
                "--slide" => settings.slide = duration(value),
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
                "--cross" => settings.crosses.push(cross(value)),
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
                "--max-carry" => settings.max_carry = duration(value),
                "--stats-last" => settings.stats_last = value.parse().unwrap_or(usize::MAX),
                "--max-jump" => settings.max_jump = (value != "off").then(|| duration(value)),
                "--dedup" => settings.dedup = value != "off",
                _ => panic!("the oracle does not know {flag}"),
            }
        }
        if settings.slide == 0 {
            settings.slide = settings.window;
        }
        if settings.crosses.is_empty() && !symbols_given {
            settings.crosses.push(cross("XVGUSDT=XVGBTC*BTCUSDT"));
        }
        settings.crosses.sort_by(|a, b| a.name.cmp(&b.name));
        settings
    }

    /// Whether the symbol's trades are asked for: it has rows of its own, or is a leg, which has them too.
    pub(crate) fn wants(&self, symbol: &str) -> bool {
        let own = self.symbols.as_ref().is_none_or(|symbols| symbols.iter().any(|s| s == symbol));
        let direct = self.bases.iter().any(|(_, direct)| direct == symbol);
        own || direct || self.crosses.iter().flat_map(|cross| &cross.legs).any(|leg| leg.symbol == symbol)
    }
}

/// In microseconds.
fn duration(text: &str) -> i64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.parse().unwrap_or_else(|_| panic!("the duration {text}"));
    number
        * match &text[digits.len()..] {
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            _ => panic!("the duration {text}"),
        }
}

fn cross(text: &str) -> Cross {
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
