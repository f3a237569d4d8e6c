//! What a run over files must print, by the text of the specification alone.
//!
//! Sequential, slow and plain: exact rationals, everything kept, every state summed anew at each look. It shares no
//! code with the program and knows nothing of workers, batches or dataflows; where the two disagree, the
//! specification decides which of them is wrong.

mod acceptance;
mod json;
mod market;
mod numbers;
mod record;
mod rows;
mod settings;

pub(crate) use acceptance::{Counts, Refused};
use market::Market;
use num_bigint::BigInt;
pub(crate) use record::File;
use rows::Look;
pub(crate) use settings::Settings;
use std::collections::{BTreeMap, BTreeSet};

/// What a run leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// JSON lines, in order.
    pub(crate) rows: String,
    pub(crate) counts: Counts,
    /// In order of partition and offset.
    pub(crate) refused: Vec<Refused>,
}

/// Rows by the event time at which they are looked at, end, kind (in the order of `--rows`) and name.
type Rows = BTreeMap<(i64, i64, usize, String), String>;

/// A run over these files, each of them a partition.
pub(crate) fn run(settings: &Settings, files: &[File]) -> Outcome {
    let accepted = acceptance::accept(settings, files);
    let market = Market::new(&accepted.trades);
    let mut emission = Emission { settings, watermarks: &accepted.watermarks, rows: Rows::new() };
    for name in market.symbols() {
        let (starts, ticks) = windows_and_ticks(settings, &market, &[name]);
        for start in starts {
            let look = |at| Look { start, end: start + settings.window, at };
            emission.window(start, &ticks, 0, name, |at| rows::symbol(&market, name, look(at)));
        }
    }
    for cross in &settings.crosses {
        let legs: Vec<&str> = cross.legs.iter().map(|leg| leg.symbol.as_str()).collect();
        let (starts, ticks) = windows_and_ticks(settings, &market, &legs);
        let mut rates: Vec<BigInt> = Vec::new();
        for start in starts {
            let end = start + settings.window;
            let row = |at| rows::cross(settings, &market, cross, Look { start, end, at });
            emission.window(start, &ticks, 1, &cross.name, |at| row(at).map(|(values, _)| values));
            let at = end + settings.grace;
            if let Some((_, Some(rate))) = row(at) {
                rates.push(rate);
                let last = &rates[rates.len().saturating_sub(settings.stats_last)..];
                let text = rows::stats(&cross.name, Look { start, end, at }, last);
                emission.rows.insert((at, end, 2, cross.name.clone()), text);
            }
        }
    }
    for basis in &settings.bases {
        let cross = settings.crosses.iter().find(|cross| cross.name == basis.0).expect("a cross");
        let symbols = cross.legs.iter().map(|leg| &leg.symbol).chain([&basis.1]);
        let symbols: Vec<&str> = symbols.map(String::as_str).collect();
        for start in windows_and_ticks(settings, &market, &symbols).0 {
            let end = start + settings.window;
            let look = Look { start, end, at: end + settings.grace };
            let rate = rows::cross(settings, &market, cross, look).and_then(|(values, rate)| {
                let status = if values.contains("\"status\":\"carried\"") { "carried" } else { "complete" };
                Some((rate?, status.to_owned()))
            });
            if let Some(text) = rows::basis(&market, basis, look, rate) {
                emission.rows.insert((look.at, end, 3, basis.0.clone()), text);
            }
        }
    }
    let printed = emission.rows.iter().filter(|((_, _, kind, _), _)| settings.rows[*kind]);
    Outcome {
        rows: printed.map(|(_, text)| format!("{text}\n")).collect(),
        counts: accepted.counts,
        refused: accepted.refused,
    }
}

/// The windows that these symbols traded in, by their starts, and the ticks at which a state of theirs can differ
/// from the one at the tick before.
fn windows_and_ticks(
    settings: &Settings,
    market: &Market,
    symbols: &[&str],
) -> (BTreeSet<i64>, BTreeSet<i64>) {
    let (mut starts, mut ticks) = (BTreeSet::new(), BTreeSet::new());
    for trade in symbols.iter().flat_map(|symbol| market.trades(symbol)) {
        let last = trade.time.div_euclid(settings.slide) * settings.slide;
        starts.extend((0..settings.window / settings.slide).map(|pane| last - pane * settings.slide));
        // The first tick after the watermark that the trade met; one that met none shows at any tick.
        ticks.insert((trade.accepted_at.max(0) / settings.tick + 1) * settings.tick);
    }
    (starts, ticks)
}

struct Emission<'a> {
    settings: &'a Settings,
    watermarks: &'a [i64],
    rows: Rows,
}

impl Emission<'_> {
    /// All rows of one window of a symbol or a cross, whose values at an event time `values` tells.
    fn window(
        &mut self,
        start: i64,
        ticks: &BTreeSet<i64>,
        kind: usize,
        name: &str,
        values: impl Fn(i64) -> Option<String>,
    ) {
        let end = start + self.settings.window;
        let last_look = end + self.settings.grace;
        if self.settings.provisional {
            let mut before = None;
            for at in ticks.range(..end) {
                let now = values(*at);
                if now != before
                    && let Some(values) = &now
                {
                    let text = format!(
                        r#"{{{values},"revision":null,"closed":false,"final":false,"closed_by":null}}"#
                    );
                    self.rows.insert((*at, end, kind, name.to_owned()), text);
                }
                before = now;
            }
        }
        let mut revisions = 0;
        let mut before = None;
        if self.settings.changes && last_look > end {
            let closing = std::iter::once(end).chain(ticks.range(end + 1..last_look).copied());
            for at in closing {
                let now = values(at);
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
            self.closed((last_look, end, kind, name), &values, revisions - u64::from(unchanged), true);
        }
    }

    fn closed(&mut self, key: (i64, i64, usize, &str), values: &str, revision: u64, is_final: bool) {
        let (at, end, kind, name) = key;
        let point = if is_final { at } else { end };
        let by = if self.watermarks.iter().all(|watermark| *watermark >= point) { "event" } else { "eof" };
        let text = format!(
            r#"{{{values},"revision":{revision},"closed":true,"final":{is_final},"closed_by":"{by}"}}"#
        );
        self.rows.insert((at, end, kind, name.to_owned()), text);
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
