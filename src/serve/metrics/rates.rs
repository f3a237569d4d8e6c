//! Rates as metrics, for alerts: of the first crosses by name the latest rate, how old it is, what it is held
//! against, and for how many windows there was none. Thousands of names would be too many series.

use super::MetricsText;
use crate::serve::board::progress::now_ms;
use crate::serve::board::series::{CachedRow, Series};
use crate::serve::board::{BoardState, SeriesName};
use crossrate_dataflows::market::row::RowKind;
use crossrate_dataflows::market::value::Value;
use std::sync::Arc;

/// Windows without a rate that are counted at most.
const MOST_MISSING: usize = 100;

/// What is told of a cross in windows of one definition.
struct RateMetrics<'a> {
    name: &'a str,
    window: &'a str,
    /// The latest rate, and the end of its window.
    rate: Option<(f64, u64)>,
    mean: Option<f64>,
    std: Option<f64>,
    missing: usize,
}

impl<'a> RateMetrics<'a> {
    fn of(state: &'a BoardState, (kind, name, window): &'a SeriesName, series: &Series) -> RateMetrics<'a> {
        debug_assert_eq!(*kind, RowKind::Cross);
        let rate = |row: &&Arc<CachedRow>| number(row, "vwap");
        let closed = || series.rows().rev().filter(|row| row.is_closed());
        let with_rate = closed().take(MOST_MISSING + 1).find(|row| rate(row).is_some());
        let stats = state.series.get(&(RowKind::Stats, Arc::clone(name), Arc::clone(window)));
        let stats = stats.and_then(|stats| stats.rows().rev().find(|row| row.is_closed()));
        RateMetrics {
            name,
            window,
            rate: with_rate.and_then(|row| Some((number(row, "vwap")?, row.end_ms))),
            mean: stats.and_then(|row| number(row, "mean")),
            std: stats.and_then(|row| number(row, "std")),
            missing: closed().take(MOST_MISSING).take_while(|row| rate(row).is_none()).count(),
        }
    }
}

/// A field of a row as a double.
fn number(row: &CachedRow, field: &str) -> Option<f64> {
    let at = row.kind.schema().position(field)?;
    match row.columns().get(at)? {
        Value::Real(real) => Some(*real),
        value => value.text(row.kind.schema().fields[at].ty)?.parse().ok(),
    }
}

/// The rates of so many names.
pub(super) fn write(text: &mut MetricsText, state: &BoardState, most: usize) {
    let crosses = || state.series.iter().filter(|((kind, ..), _)| *kind == RowKind::Cross);
    let mut names: Vec<&Arc<str>> = crosses().map(|((_, name, _), _)| name).collect();
    names.dedup();
    let left_out = names.len().saturating_sub(most);
    names.truncate(most);
    let is_told = |name: &Arc<str>| names.binary_search(&name).is_ok();
    let told: Vec<RateMetrics<'_>> = crosses()
        .filter(|((_, name, _), _)| is_told(name))
        .map(|(name, series)| RateMetrics::of(state, name, series))
        .collect();
    let now = now_ms();
    let mut family = |name, help, value: &dyn Fn(&RateMetrics<'_>) -> Option<f64>| {
        text.family(name, "gauge", help);
        for of in &told {
            if let Some(value) = value(of) {
                text.sample(&[("name", of.name), ("window", of.window)], value);
            }
        }
    };
    family("crossrate_rate", "The latest rate of a closed window of a cross.", &|of| Some(of.rate?.0));
    family(
        "crossrate_rate_age_seconds",
        "How long ago the window of that rate ended, by the clock.",
        &|of| Some((now as f64 - of.rate?.1 as f64) / 1e3),
    );
    family("crossrate_rate_mean", "The running mean of the rates of a cross.", &|of| of.mean);
    family("crossrate_rate_std", "The running standard deviation of the rates of a cross.", &|of| of.std);
    let missing =
        "How many closed windows of a cross have had no rate since the latest one, a hundred at most.";
    family("crossrate_rate_missing_windows", missing, &|of| Some(of.missing as f64));
    let help = "Names of crosses beyond --rate-metrics, of which no rate is told here.";
    text.family("crossrate_rate_names_left_out", "gauge", help);
    text.sample(&[], left_out as f64);
}
