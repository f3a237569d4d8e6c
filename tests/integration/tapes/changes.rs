//! Cases of jobs that are changed while they run: the tapes and flags of the other generators, and a
//! definition log.

use super::{Case, Random, flags};
use oracle::windows::pane;
use oracle::{Change, Course, Cross, File, Log, LoggedChange, NOWHERE, Record, Settings, accept};
use std::collections::{BTreeMap, BTreeSet};

/// A run that is changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangedCase {
    pub(crate) case: Case,
    pub(crate) log: Log,
}

impl ChangedCase {
    /// Without some lines of a tape; its later records then have lesser offsets.
    pub(crate) fn without_lines(&self, tape: usize, from: usize, to: usize) -> ChangedCase {
        let mut smaller = self.clone();
        let decimals = Settings::read(&self.case.flags).decimals;
        let records_of_first = |lines: usize| {
            let mut tape = self.case.tapes[tape].clone();
            tape.lines.truncate(lines);
            tape.file().elements(decimals).last().map_or(0, |last| last.offset + 1)
        };
        let (first, last) = (records_of_first(from), records_of_first(to));
        smaller.case.tapes[tape].lines.drain(from..to);
        for logged in &mut smaller.log.changes {
            if let Some(offset) = logged.offsets.get_mut(&tape) {
                *offset = *offset - (*offset).min(last) + (*offset).min(first);
            }
        }
        smaller
    }
}

/// The case of a seed.
pub(crate) fn case(seed: u64) -> ChangedCase {
    let mut random = Random::new(seed ^ 0xc4a9_6ed0);
    let mut case = match random.below(5) {
        0 | 1 => super::case(seed),
        2 | 3 => super::case_of_windows(seed),
        _ => super::case_of_ids(seed),
    };
    // All symbols wanted is all that can be said of them.
    if random.chance(70)
        && let Some(place) = case.flags.windows(2).position(|pair| pair == ["--symbols", "all"])
    {
        case.flags[place + 1] = random.one_of(&["BTCUSDT", "XVGBTC", "BTCUSDT,ETHBTC"]).to_owned();
    }
    if random.chance(60) {
        let back_fill = random.one_of(&["0s", "1s", "3s", "7s", "10s", "1m", "1h", "40h", "1000h"]);
        case.flags.extend(["--back-fill", back_fill].map(str::to_owned));
    }
    let log = Changes::new(&mut random, &case).drawn();
    ChangedCase { case, log }
}

/// A log as it comes to be.
struct Changes<'a> {
    random: &'a mut Random,
    settings: Settings,
    files: Vec<File>,
    /// How many records each partition has, and the symbols that these are of.
    records: Vec<usize>,
    symbols: Vec<String>,
    log: Log,
}

/// When changes are taken.
#[derive(Debug, Clone)]
struct Moment {
    from: i64,
    offsets: BTreeMap<usize, usize>,
}

impl Changes<'_> {
    fn new<'a>(random: &'a mut Random, case: &Case) -> Changes<'a> {
        let (settings, files) = (Settings::read(&case.flags), case.files());
        let (mut records, mut symbols) = (Vec::new(), BTreeSet::from(["NOBODY".to_owned()]));
        for file in &files {
            let elements = file.elements(settings.decimals);
            records.push(elements.last().map_or(0, |last| last.offset + 1));
            symbols.extend(elements.into_iter().filter_map(|element| match element.record {
                Record::Trade(event) => Some(event.symbol),
                _ => None,
            }));
        }
        let symbols = symbols.into_iter().collect();
        Changes { random, settings, files, records, symbols, log: Log::default() }
    }

    fn drawn(mut self) -> Log {
        let count = self.random.between(1, 5) as usize;
        // Where each partition takes each of them: they come in order.
        let mut cuts: Vec<Vec<usize>> = self.records.iter().map(|_| Vec::new()).collect();
        for (cuts, records) in cuts.iter_mut().zip(&self.records) {
            cuts.extend((0..count).map(|_| self.random.between(0, *records as u64) as usize));
            cuts.sort_unstable();
        }
        let mut before = vec![0; cuts.len()];
        for place in 0..count {
            let ends: Vec<usize> = cuts.iter().map(|cuts| cuts[place]).collect();
            // Readers may have read on since the moment was chosen.
            let tardy = self.random.chance(25);
            let from = self.first_boundary(if tardy { &before } else { &ends });
            let offsets = ends.iter().copied().enumerate().filter(|(_, end)| *end > 0).collect();
            let moment = Moment { from, offsets };
            for _ in 0..self.random.one_of(&[1, 1, 2, 3]) {
                self.change(&moment);
            }
            before = ends;
        }
        self.log
    }

    /// The first pane boundary after all that these prefixes of the partitions hold, or that of the change
    /// before.
    fn first_boundary(&self, ends: &[usize]) -> i64 {
        let course = Course::new(&self.settings, &self.log);
        let watermarks = accept(&self.settings, &course, &self.files, ends).watermarks;
        let greatest = watermarks.into_iter().filter(|watermark| *watermark != NOWHERE).max();
        let windows = &self.settings.windows;
        let first = match greatest {
            Some(watermark) => pane(windows, watermark + self.settings.delay).1,
            None => pane(windows, 0).0,
        };
        self.log.changes.last().map_or(first, |last| last.from.max(first))
    }

    /// One wish, which may be several changes, or none where it cannot be fulfilled.
    fn change(&mut self, moment: &Moment) {
        match self.random.below(10) {
            0..4 => self.define_cross(moment),
            4 | 5 => self.drop_cross(moment),
            6 | 7 => {
                let symbol = self.random.one_of(&self.symbols);
                self.take(moment, Change::AddSymbol(symbol));
            }
            _ => {
                let symbol = self.drop_symbol(moment);
                // It comes again at once.
                if let Some(symbol) = symbol.filter(|_| self.random.chance(50)) {
                    self.take(moment, Change::AddSymbol(symbol));
                }
            }
        }
    }

    fn define_cross(&mut self, moment: &Moment) {
        let mut cross = Cross::read(self.random.one_of(&flags::CROSSES));
        if self.random.chance(40) {
            cross.legs = Cross::read(self.random.one_of(&flags::CROSSES)).legs;
        }
        let is_there = |log: &Log, settings: &Settings| {
            let course = Course::new(settings, log);
            let there = course.in_force().1.into_iter().find(|there| there.name == cross.name);
            there.map(|there| there.legs.iter().map(|(leg, inverse)| (leg.name.clone(), *inverse)).collect())
        };
        let there: Option<Vec<(String, bool)>> = is_there(&self.log, &self.settings);
        let legs: Vec<_> = cross.legs.iter().map(|leg| (leg.symbol.clone(), leg.inverse)).collect();
        // The same in the same form is no change; what a basis stands on stays.
        let is_of_basis = self.settings.bases.iter().any(|(name, _)| *name == cross.name);
        if there.as_ref() == Some(&legs) || is_of_basis {
            return;
        }
        if there.is_some() {
            self.take(moment, Change::DropCross(cross.name.clone()));
        }
        for (leg, _) in legs {
            self.take(moment, Change::AddSymbol(leg));
        }
        self.take(moment, Change::AddCross(cross));
    }

    fn drop_cross(&mut self, moment: &Moment) {
        let course = Course::new(&self.settings, &self.log);
        let crosses = course.in_force().1.into_iter();
        let crosses: Vec<_> = crosses.map(|cross| (cross.name.clone(), cross.legs.clone())).collect();
        if crosses.is_empty() {
            return;
        }
        let (name, legs) = self.random.one_of(&crosses);
        let with_legs = self.random.chance(50);
        if self.take(moment, Change::DropCross(name)) && with_legs {
            for (leg, _) in legs {
                self.take(moment, Change::DropSymbol(leg.name));
            }
        }
    }

    /// One that no cross needs, if there is any.
    fn drop_symbol(&mut self, moment: &Moment) -> Option<String> {
        let course = Course::new(&self.settings, &self.log);
        let wanted = course.in_force().0.into_iter();
        let mut wanted: Vec<String> = wanted.map(str::to_owned).collect();
        self.random.shuffle(&mut wanted);
        wanted.into_iter().find(|name| self.take(moment, Change::DropSymbol(name.clone())))
    }

    /// Logs the change, where the job can take it.
    fn take(&mut self, moment: &Moment, change: Change) -> bool {
        let Moment { from, offsets } = moment.clone();
        self.log.changes.push(LoggedChange { change, from, offsets });
        let is_taken = Course::read(&self.settings, &self.log).is_ok();
        if !is_taken {
            self.log.changes.pop();
        }
        is_taken
    }
}

/// The generator is worth what it reaches.
#[test]
fn cases_of_changes_reach_what_they_are_for() {
    use oracle::run_changed;
    let mut missing = vec![
        "a cross over symbols that were wanted",
        "a cross that makes symbols wanted",
        "a cross that is filled back",
        "another formula",
        "a cross that comes again",
        "a symbol that comes again",
        "a symbol dropped, with a fill before",
        "several at one moment",
        "a reader that has read on",
        "other counts than without",
        "revisions of what is filled back",
        "anchored windows of an added symbol",
    ];
    for seed in 0..400 {
        let ChangedCase { case, log } = case(seed);
        let settings = Settings::read(&case.flags);
        let files = case.files();
        let changed = run_changed(&settings, &log, &files);
        let without = Log::default();
        let unchanged = accept(&settings, &Course::new(&settings, &without), &files, &[]);
        let course = Course::new(&settings, &log);
        let added: Vec<_> = course.crosses.iter().filter(|cross| cross.stay.number > 0).collect();
        let filled_back = |cross: &str| {
            changed.rows.lines().any(|row| row.contains(&format!(r#""kind":"cross","name":"{cross}""#)))
                && added.iter().any(|added| added.name == cross && added.defined_at < added.stay.from)
        };
        let dropped = log.changes.iter().filter_map(|l| match &l.change {
            Change::DropSymbol(name) => Some(name),
            _ => None,
        });
        let dropped: Vec<&String> = dropped.collect();
        let symbols_added = log.changes.iter().filter_map(|l| match &l.change {
            Change::AddSymbol(name) => Some(name),
            _ => None,
        });
        let symbols_added: Vec<&String> = symbols_added.collect();
        let has_row = |name: &String, what: &str| {
            let head =
                format!(r#"{{"kind":"symbol","name":{},"#, serde_json::to_string(name).expect("a text"));
            changed.rows.lines().any(|row| row.starts_with(&head) && row.contains(what))
        };
        missing.retain(|what| !match *what {
            "a cross over symbols that were wanted" => {
                added.iter().any(|cross| cross.legs.iter().all(|(leg, _)| leg.stay.number == 0))
            }
            "a cross that makes symbols wanted" => {
                added.iter().any(|cross| cross.legs.iter().any(|(leg, _)| leg.stay.from == cross.stay.from))
            }
            "a cross that is filled back" => added.iter().any(|cross| filled_back(&cross.name)),
            "another formula" => {
                log.changes.windows(2).any(|pair| match (&pair[0].change, &pair[1].change) {
                    (Change::DropCross(name), Change::AddCross(cross)) => cross.name == *name,
                    _ => false,
                })
            }
            "a cross that comes again" => course.crosses.iter().any(|cross| {
                let before = |other: &&oracle::JobCross| other.name == cross.name;
                course.crosses.iter().filter(before).any(|other| other.stay.to < cross.stay.from)
            }),
            "a symbol that comes again" => {
                symbols_added.iter().any(|name| dropped.contains(name) && has_row(name, ""))
            }
            "a symbol dropped, with a fill before" => {
                dropped.iter().any(|name| has_row(name, r#""trades":0"#))
            }
            "several at one moment" => log.changes.windows(3).any(|three| three[0].from == three[2].from),
            "a reader that has read on" => log.changes.iter().any(|logged| {
                let ends: Vec<_> =
                    (0..files.len()).map(|p| logged.offsets.get(&p).copied().unwrap_or(0)).collect();
                let watermarks =
                    accept(&settings, &Course::new(&settings, &without), &files, &ends).watermarks;
                watermarks.iter().any(|w| *w != NOWHERE && w + settings.delay >= logged.from)
            }),
            "other counts than without" => changed.counts != unchanged.counts,
            "revisions of what is filled back" => {
                settings.changes && settings.grace > 0 && added.iter().any(|cross| filled_back(&cross.name))
            }
            "anchored windows of an added symbol" => {
                symbols_added.iter().any(|name| has_row(name, r#""window":"anchored:all"#))
            }
            _ => unreachable!("{what}"),
        });
        if missing.is_empty() {
            return;
        }
    }
    panic!("no case reaches {missing:?}");
}
