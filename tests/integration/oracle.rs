//! What a run over files must print, by the text of the specification alone.
//!
//! Sequential, slow and plain: exact rationals, everything kept, every state summed anew at each look. It shares no
//! code with the program and knows nothing of workers, batches or dataflows; where the two disagree, the
//! specification decides which of them is wrong.

mod acceptance;
pub(crate) mod calendar;
mod json;
mod market;
mod numbers;
mod record;
mod rows;
mod settings;
pub(crate) mod windows;

pub(crate) use acceptance::{Counts, Refused};
use market::Market;
use num_bigint::BigInt;
pub(crate) use record::File;
use rows::Look;
pub(crate) use settings::Settings;
use settings::{Cross, Fill};
use std::collections::{BTreeMap, BTreeSet};
use windows::{Definition, Window};

/// What a run leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// JSON lines, in order.
    pub(crate) rows: String,
    pub(crate) counts: Counts,
    /// In order of partition and offset.
    pub(crate) refused: Vec<Refused>,
}

/// Rows by the event time at which they are looked at, end, place of the definition, kind (in the order of `--rows`) and
/// name.
type Rows = BTreeMap<(i64, i64, usize, usize, String), String>;

/// A run over these files, each of them a partition.
pub(crate) fn run(settings: &Settings, files: &[File]) -> Outcome {
    let accepted = acceptance::accept(settings, files);
    let market = Market::new(&accepted.trades);
    let mut rows = Rows::new();
    for (place, definition) in settings.windows.iter().enumerate() {
        let watermarks = &accepted.watermarks;
        let mut emission = Emission { settings, watermarks, market: &market, place, definition, rows };
        for name in market.symbols() {
            emission.symbol(name);
            emission.fills(name);
        }
        for cross in &settings.crosses {
            emission.cross(cross);
        }
        for basis in &settings.bases {
            emission.basis(basis);
        }
        rows = emission.rows;
    }
    let printed = rows.iter().filter(|((_, _, _, kind, _), _)| settings.rows[*kind]);
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

impl<'a> Emission<'a> {
    fn look(&self, window: Window, at: i64) -> Look<'a> {
        Look { definition: self.definition, window, at }
    }

    fn last_look(&self, window: Window) -> Look<'a> {
        self.look(window, window.end + self.settings.grace)
    }

    fn symbol(&mut self, name: &str) {
        let (settings, market) = (self.settings, self.market);
        let (windows, ticks) = self.windows_and_ticks(&[name]);
        for window in windows {
            self.window(window, &ticks, 0, name, |look| rows::symbol(settings, market, name, look));
        }
    }

    /// Rows of windows without trades, each after one that has some.
    fn fills(&mut self, name: &str) {
        if self.definition.is_anchored() || self.settings.fill == Fill::None {
            return;
        }
        let mut windows = self.windows_and_ticks(&[name]).0.into_iter().peekable();
        while let Some(before) = windows.next() {
            let mut window = self.definition.next(before);
            while windows.peek() != Some(&window)
                && window.end - before.end <= self.settings.max_fill_of(self.definition, window)
                && self.closed_by(window.end + self.settings.grace) == "event"
            {
                let look = self.last_look(window);
                if let Some(values) = rows::fill(self.settings, self.market, name, look, before) {
                    self.closed((look.at, window.end, 0, name), &values, 0, true);
                }
                window = self.definition.next(window);
            }
        }
    }

    fn cross(&mut self, cross: &Cross) {
        let (settings, market) = (self.settings, self.market);
        let legs: Vec<&str> = cross.legs.iter().map(|leg| leg.symbol.as_str()).collect();
        let (windows, ticks) = self.windows_and_ticks(&legs);
        let mut rates: Vec<BigInt> = Vec::new();
        for window in windows {
            let row = |look| rows::cross(settings, market, cross, look);
            self.window(window, &ticks, 1, &cross.name, |look| row(look).map(|(values, _)| values));
            let look = self.last_look(window);
            if let Some((_, Some(rate))) = row(look) {
                rates.push(rate);
                let last = &rates[rates.len().saturating_sub(settings.stats_last)..];
                let text = rows::stats(&cross.name, look, last);
                self.rows.insert((look.at, window.end, self.place, 2, cross.name.clone()), text);
            }
        }
    }

    fn basis(&mut self, basis: &(String, String)) {
        let (settings, market) = (self.settings, self.market);
        let cross = settings.crosses.iter().find(|cross| cross.name == basis.0).expect("a cross");
        let symbols = cross.legs.iter().map(|leg| &leg.symbol).chain([&basis.1]);
        let symbols: Vec<&str> = symbols.map(String::as_str).collect();
        for window in self.windows_and_ticks(&symbols).0 {
            let look = self.last_look(window);
            let rate = rows::cross(settings, market, cross, look).and_then(|(values, rate)| {
                let status = if values.contains("\"status\":\"carried\"") { "carried" } else { "complete" };
                Some((rate?, status.to_owned()))
            });
            if let Some(text) = rows::basis(settings, market, basis, look, rate) {
                self.rows.insert((look.at, window.end, self.place, 3, basis.0.clone()), text);
            }
        }
    }

    /// The windows in which these symbols have rows, in order, and the ticks at which a state of theirs can differ from
    /// the one at the tick before.
    fn windows_and_ticks(&self, symbols: &[&str]) -> (BTreeSet<Window>, BTreeSet<i64>) {
        let (mut windows, mut ticks) = (BTreeSet::new(), BTreeSet::new());
        for trade in symbols.iter().flat_map(|symbol| self.market.trades(symbol)) {
            windows.extend(self.definition.windows_of(trade.time));
            // The first tick after the watermark that the trade met; one that met none shows at any tick.
            ticks.insert((trade.accepted_at.max(0) / self.settings.tick + 1) * self.settings.tick);
        }
        // A window that follows another begins to exist with the first tick after that one's end, or at it.
        let tick = self.settings.tick;
        let following = windows.iter().filter(|window| window.follows());
        ticks.extend(following.map(|window| (window.last_step + tick - 1).div_euclid(tick) * tick));
        (windows, ticks)
    }

    /// All rows of one window of a symbol or a cross, whose values `values` tells.
    fn window(
        &mut self,
        window: Window,
        ticks: &BTreeSet<i64>,
        kind: usize,
        name: &str,
        values: impl Fn(Look<'a>) -> Option<String>,
    ) {
        let end = window.end;
        let last_look = self.last_look(window);
        if self.settings.provisional {
            let open = if window.follows() { window.last_step } else { i64::MIN };
            let mut before = None;
            for at in ticks.range(open..end) {
                let now = values(self.look(window, *at));
                if now != before
                    && let Some(values) = &now
                {
                    let text = format!(
                        r#"{{{values},"revision":null,"closed":false,"final":false,"closed_by":null}}"#
                    );
                    self.rows.insert((*at, end, self.place, kind, name.to_owned()), text);
                }
                before = now;
            }
        }
        let mut revisions = 0;
        let mut before = None;
        if self.settings.changes && last_look.at > end {
            let closing = std::iter::once(end).chain(ticks.range(end + 1..last_look.at).copied());
            for at in closing {
                let now = values(self.look(window, at));
                if now != before
                    && let Some(values) = &now
                {
                    self.closed((at, end, kind, name), values, revisions, false);
                    revisions += 1;
                }
                before = now;
            }
        }
        if let Some(values) = values(last_look) {
            let unchanged = before.as_ref() == Some(&values);
            self.closed((last_look.at, end, kind, name), &values, revisions - u64::from(unchanged), true);
        }
    }

    fn closed(&mut self, key: (i64, i64, usize, &str), values: &str, revision: u64, is_final: bool) {
        let (at, end, kind, name) = key;
        let by = self.closed_by(if is_final { at } else { end });
        let text = format!(
            r#"{{{values},"revision":{revision},"closed":true,"final":{is_final},"closed_by":"{by}"}}"#
        );
        self.rows.insert((at, end, self.place, kind, name.to_owned()), text);
    }

    fn closed_by(&self, point: i64) -> &'static str {
        if self.watermarks.iter().all(|watermark| *watermark >= point) { "event" } else { "eof" }
    }
}

#[test]
fn the_vector_of_the_specification() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spec-vector");
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
