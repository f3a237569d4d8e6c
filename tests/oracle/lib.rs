//! What a run over files must print, by the text of the specification alone.
//!
//! Sequential, slow and plain: exact rationals, everything kept, every state summed anew at each look. It
//! shares no code with the program and knows nothing of workers, batches or dataflows; where the two
//! disagree, the specification decides which of them is wrong.

mod acceptance;
pub mod calendar;
mod json;
mod log;
mod market;
mod numbers;
mod record;
mod rows;
mod settings;
pub mod windows;

pub use acceptance::{Counts, NOWHERE, Refused, accept};
pub use log::{Change, Course, JobCross, Log, LoggedChange};
use log::{JobSymbol, Stay};
use market::Market;
use num_bigint::BigInt;
pub use record::{File, Record};
use rows::Look;
use settings::Fill;
pub use settings::{Cross, Settings};
use std::collections::{BTreeMap, BTreeSet};
use windows::{Definition, Window};

/// What a run leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// JSON lines, in order.
    pub rows: String,
    pub counts: Counts,
    /// In order of partition and offset.
    pub refused: Vec<Refused>,
}

/// Where a row stands among the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The event time at which it is looked at, or what it is of was added.
    firing: i64,
    /// Of what is filled back the windows that are final already come before the other rows of a firing.
    is_of_the_moment: bool,
    end: i64,
    /// The place of the definition.
    definition: usize,
    /// In the order of `--rows`.
    kind: usize,
    name: String,
}

type Rows = BTreeMap<Place, String>;

/// A run over these files, each of them a partition.
pub fn run(settings: &Settings, files: &[File]) -> Outcome {
    run_changed(settings, &Log::default(), files)
}

/// A run of a job that is changed meanwhile.
pub fn run_changed(settings: &Settings, log: &Log, files: &[File]) -> Outcome {
    let course = Course::new(settings, log);
    let accepted = acceptance::accept(settings, &course, files, &[]);
    let market = Market::new(&accepted.trades);
    let mut rows = Rows::new();
    for (place, definition) in settings.windows.iter().enumerate() {
        let watermarks = &accepted.watermarks;
        let mut emission = Emission { settings, watermarks, market: &market, place, definition, rows };
        for (name, stay) in market.symbols() {
            let symbol = course.symbol(name, *stay);
            emission.symbol(&symbol);
            emission.fills(&symbol);
        }
        for cross in &course.crosses {
            emission.cross(cross);
        }
        for (name, direct) in &settings.bases {
            let cross = course.crosses.iter().find(|cross| cross.name == *name);
            emission.basis(cross.expect("a cross"), &course.symbol(direct, 0));
        }
        rows = emission.rows;
    }
    let printed = rows.iter().filter(|(place, _)| settings.rows[place.kind]);
    Outcome {
        rows: printed.map(|(_, text)| format!("{text}\n")).collect(),
        counts: accepted.counts,
        refused: accepted.refused,
    }
}

/// The rows of one definition.
struct Emission<'a> {
    settings: &'a Settings,
    watermarks: &'a [i64],
    market: &'a Market,
    place: usize,
    definition: &'a Definition,
    rows: Rows,
}

/// What a row of a symbol or a cross is of.
#[derive(Debug, Copy, Clone)]
struct Subject<'a> {
    /// The place of the kind.
    kind: usize,
    name: &'a str,
    stay: Stay,
}

impl<'a> Emission<'a> {
    fn look(&self, window: Window, at: i64) -> Look<'a> {
        Look { definition: self.definition, window, at }
    }

    fn last_look(&self, window: Window) -> Look<'a> {
        self.look(window, window.end + self.settings.grace)
    }

    fn symbol(&mut self, symbol: &JobSymbol) {
        let (settings, market) = (self.settings, self.market);
        let (windows, ticks) = self.windows_and_ticks([symbol], symbol.stay.from);
        let subject = Subject { kind: 0, name: &symbol.name, stay: symbol.stay };
        for window in windows.into_iter().filter(|w| symbol.has_window(settings, self.definition, *w)) {
            self.window(window, &ticks, subject, |look| rows::symbol(settings, market, symbol, look));
        }
    }

    /// Rows of windows without trades, each after one that has some.
    fn fills(&mut self, symbol: &JobSymbol) {
        let (settings, stay) = (self.settings, symbol.stay);
        if self.definition.is_anchored() || settings.fill == Fill::None {
            return;
        }
        let subject = Subject { kind: 0, name: &symbol.name, stay };
        let windows = self.windows_and_ticks([symbol], stay.from).0.into_iter();
        let with_rows = windows.filter(|window| symbol.has_window(settings, self.definition, *window));
        let mut windows = with_rows.collect::<Vec<_>>().into_iter().peekable();
        while let Some(before) = windows.next() {
            let mut window = self.definition.next(before);
            while windows.peek() != Some(&window)
                && window.end - before.end <= settings.max_fill_of(self.definition, window)
                && window.end <= stay.to
                && self.closed_by(window.end + settings.grace) == "event"
            {
                let look = self.last_look(window);
                if let Some(values) = rows::fill(settings, self.market, symbol, look, before) {
                    self.last(window, subject, &values, 0);
                }
                window = self.definition.next(window);
            }
        }
    }

    fn cross(&mut self, cross: &JobCross) {
        let (settings, market) = (self.settings, self.market);
        let subject = Subject { kind: 1, name: &cross.name, stay: cross.stay };
        let legs = cross.legs.iter().map(|(leg, _)| leg);
        let (windows, ticks) = self.windows_and_ticks(legs, cross.stay.from);
        let mut rates: Vec<BigInt> = Vec::new();
        for window in windows.into_iter().filter(|w| cross.has_window(settings, self.definition, *w)) {
            let row = |look| rows::cross(settings, market, cross, look);
            self.window(window, &ticks, subject, |look| row(look).map(|(values, _)| values));
            let look = self.last_look(window);
            if window.end <= cross.stay.to
                && let Some((_, Some(rate))) = row(look)
            {
                rates.push(rate);
                let last = &rates[rates.len().saturating_sub(settings.stats_last)..];
                let text = rows::stats(&cross.name, look, last);
                self.insert(look.at, window, Subject { kind: 2, ..subject }, text);
            }
        }
    }

    fn basis(&mut self, cross: &JobCross, direct: &JobSymbol) {
        let (settings, market) = (self.settings, self.market);
        let subject = Subject { kind: 3, name: &cross.name, stay: cross.stay };
        let symbols = cross.legs.iter().map(|(leg, _)| leg).chain([direct]);
        let (windows, _) = self.windows_and_ticks(symbols, cross.stay.from);
        for window in windows.into_iter().filter(|w| cross.has_window(settings, self.definition, *w)) {
            let look = self.last_look(window);
            let rate = rows::cross(settings, market, cross, look).and_then(|(values, rate)| {
                let status = if values.contains("\"status\":\"carried\"") { "carried" } else { "complete" };
                Some((rate?, status.to_owned()))
            });
            if let Some(text) = rows::basis(settings, market, (&cross.name, direct), look, rate) {
                self.insert(look.at, window, subject, text);
            }
        }
    }

    /// The windows in which these symbols have trades, in order, and the ticks at which a state of theirs can
    /// differ from the one that was seen before.
    fn windows_and_ticks<'s>(
        &self,
        symbols: impl IntoIterator<Item = &'s JobSymbol>,
        from: i64,
    ) -> (BTreeSet<Window>, BTreeSet<i64>) {
        let (mut windows, mut ticks) = (BTreeSet::new(), BTreeSet::new());
        let tick = self.settings.tick;
        let at_or_after = |time: i64| (time - 1).div_euclid(tick) * tick + tick;
        for trade in symbols.into_iter().flat_map(|symbol| self.market.trades(symbol)) {
            windows.extend(self.definition.windows_of(trade.time));
            // The first tick after the watermark that the trade met; one that met none shows at any tick.
            ticks.insert((trade.accepted_at.max(0) / tick + 1) * tick);
        }
        // A window that follows another begins to exist with the first tick after that one's end, or at it.
        let following = windows.iter().filter(|window| window.follows());
        ticks.extend(following.map(|window| at_or_after(window.last_step)));
        // What is added is seen for the first time; there is no tick before all time.
        if from != i64::MIN {
            ticks.insert(at_or_after(from.max(1)));
        }
        (windows, ticks)
    }

    /// All rows of one window of a symbol or a cross, whose values `values` tells.
    fn window(
        &mut self,
        window: Window,
        ticks: &BTreeSet<i64>,
        subject: Subject<'_>,
        values: impl Fn(Look<'a>) -> Option<String>,
    ) {
        let (end, stay) = (window.end, subject.stay);
        let last_look = self.last_look(window);
        if self.settings.provisional {
            let open = if window.follows() { window.last_step } else { i64::MIN };
            let until = end.min(stay.to);
            let mut before = None;
            for at in ticks.range(open.max(stay.from)..).take_while(|at| **at < until) {
                let now = values(self.look(window, *at));
                if now != before
                    && let Some(values) = &now
                {
                    let text = format!(
                        r#"{{{values},"revision":null,"closed":false,"final":false,"closed_by":null}}"#
                    );
                    self.insert(*at, window, subject, text);
                }
                before = now;
            }
        }
        if end > stay.to {
            return;
        }
        let mut revisions = 0;
        let mut before = None;
        if self.settings.changes && last_look.at > end {
            let closing = std::iter::once(end).chain(ticks.range(end + 1..last_look.at).copied());
            for at in closing.filter(|at| *at >= stay.from) {
                let now = values(self.look(window, at));
                if now != before
                    && let Some(values) = &now
                {
                    let text = self.closed(values, revisions, false, end);
                    self.insert(at, window, subject, text);
                    revisions += 1;
                }
                before = now;
            }
        }
        if let Some(values) = values(last_look) {
            let unchanged = before.as_ref() == Some(&values);
            self.last(window, subject, &values, revisions - u64::from(unchanged));
        }
    }

    /// The final row of a window.
    fn last(&mut self, window: Window, subject: Subject<'_>, values: &str, revision: u64) {
        let at = window.end + self.settings.grace;
        let text = self.closed(values, revision, true, at);
        self.insert(at, window, subject, text);
    }

    fn closed(&self, values: &str, revision: u64, is_final: bool, closed_at: i64) -> String {
        let by = self.closed_by(closed_at);
        format!(r#"{{{values},"revision":{revision},"closed":true,"final":{is_final},"closed_by":"{by}"}}"#)
    }

    /// Nothing leaves before what it is of was added.
    fn insert(&mut self, at: i64, window: Window, subject: Subject<'_>, text: String) {
        let Subject { kind, name, stay } = subject;
        let place = Place {
            firing: at.max(stay.from),
            is_of_the_moment: window.end + self.settings.grace > stay.from,
            end: window.end,
            definition: self.place,
            kind,
            name: name.to_owned(),
        };
        let other = self.rows.insert(place, text);
        assert_eq!(other, None, "two rows of {name} for {window:?} at {at}");
    }

    fn closed_by(&self, point: i64) -> &'static str {
        if self.watermarks.iter().all(|watermark| *watermark >= point) { "event" } else { "eof" }
    }
}

#[test]
fn the_vector_of_the_specification() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/spec-vector");
    let read = |name: &str| std::fs::read(folder.join(name)).expect(name);
    let settings = Settings::read(&["--window", "10s"].map(str::to_owned));
    let outcome = run(&settings, &[File::of_json(read("input.jsonl"))]);
    assert_eq!(outcome.rows, String::from_utf8(read("rows.jsonl")).expect("UTF-8"));
    assert_eq!(
        outcome.counts.json(),
        Counts { read: 8, accepted: 7, heartbeat: 1, ..Counts::default() }.json()
    );
    assert_eq!(outcome.refused, []);
}
