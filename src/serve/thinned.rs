//! A long series, thinned out: windows of equal stretches of time as one bucket, with the first, least,
//! greatest and last value of its windows. These are values that rows have, as exact as there; nothing is
//! averaged, so nothing stands out that no row says and no peak is lost. What is missing is counted.

use super::App;
use super::board::series::{CachedRow, Series};
use super::format::{self, FileName, ResponseFormat, Times};
use super::problem::{Problem, RestResponse};
use super::query_params::QueryParams;
use super::series_window::series_window;
use axum::http::HeaderMap;
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::value::{Decimal, Value};
use num_bigint::BigInt;
use serde::Serialize;
use std::sync::Arc;

/// Buckets of one answer at most.
const MOST_BUCKETS: u64 = 2_000;
const DAY: u64 = 86_400_000;
/// Lengths that people read easily, in milliseconds; beyond them whole days.
const LENGTHS: [u64; 24] = [
    1, 10, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 14_400_000, 21_600_000, 28_800_000, 43_200_000,
];

#[derive(Serialize)]
struct ThinnedSeries<'a> {
    kind: &'static str,
    name: &'a str,
    window: &'a str,
    /// How long each bucket is.
    bucket_ms: u64,
    buckets: Vec<Bucket>,
}

/// The windows that end within one stretch of time, its end included.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Bucket {
    start_ms: u64,
    end_ms: u64,
    /// How many windows have a row.
    windows: u64,
    /// How many of these have no value.
    missing: u64,
    first: Option<DecimalText>,
    min: Option<DecimalText>,
    max: Option<DecimalText>,
    last: Option<DecimalText>,
    /// The greatest deviation of its windows.
    max_std: Option<f64>,
    /// Of a symbol: the first price, the extremes and the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    candle: Option<ThinnedCandle>,
    trades: i64,
    missing_ids: i64,
    /// Windows whose row was corrected.
    corrected: u64,
    /// Windows whose row may still change.
    open: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct ThinnedCandle {
    open: Option<DecimalText>,
    high: Option<DecimalText>,
    low: Option<DecimalText>,
    close: Option<DecimalText>,
    volume: DecimalText,
}

/// A decimal that is printed as rows print it.
#[derive(Debug, Clone, PartialEq)]
struct DecimalText(Decimal);

impl Serialize for DecimalText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A name's series in so many buckets at most.
pub(super) fn series(app: &App, headers: &HeaderMap, params: &QueryParams) -> RestResponse {
    let name = params.text("name").ok_or_else(|| {
        Problem::bad_request("name is missing").hint("name=XVGUSDT, say; /v1/catalog tells what there is")
    })?;
    if name.contains(',') || params.text("limit").is_some() {
        return Err(Problem::bad_request("buckets are of one name, and all of its range")
            .hint("ask for each name by itself, without limit"));
    }
    if params.times()? != Times::Millis {
        return Err(Problem::bad_request("buckets have their times in milliseconds").hint("leave times out"));
    }
    let most = params.number("buckets", 1, MOST_BUCKETS)?.unwrap_or(MOST_BUCKETS);
    let (from, until) = (params.time("from")?, params.time("until")?);
    if from.zip(until).is_some_and(|(from, until)| from > until) {
        return Err(Problem::bad_request("from is after until"));
    }
    let name: Arc<str> = Arc::from(name);
    let (kind, window, bucket_ms, rows) = {
        let state = app.feed.board.read();
        let filter = params.known(&state)?;
        let is_there =
            |kind: &RowKind| filter.admits_kind(*kind) && state.named(*kind, &name).next().is_some();
        let kind = [RowKind::Cross, RowKind::Symbol, RowKind::Basis].into_iter().find(is_there);
        let kind = kind.ok_or_else(|| Problem::bad_request("only cross, symbol and basis are series"))?;
        let window = series_window(&state, kind, &name, &filter)?;
        let series = state.series.get(&(kind, Arc::clone(&name), Arc::clone(&window)));
        let (bucket_ms, rows) = series.map_or((1, Vec::new()), |series| rows(series, most, (from, until)));
        (kind, window, bucket_ms, rows)
    };
    let buckets = thin(kind, &rows, bucket_ms);
    let answer = ThinnedSeries { kind: kind.as_str(), name: &name, window: &window, bucket_ms, buckets };
    let body = serde_json::to_vec(&answer).unwrap_or_default();
    format::tagged(&app.answers, body, &FileName::new("series", ResponseFormat::Json), headers)
}

/// How long buckets are, and the rows of those that a range touches: all of their windows, also at the edges.
fn rows(series: &Series, most: u64, (from, until): (Option<u64>, Option<u64>)) -> (u64, Vec<Arc<CachedRow>>) {
    let (mut ends, mut ends_again) = (series.rows(), series.rows());
    let first = from.or_else(|| ends.next().map(|row| row.end_ms - 1)).unwrap_or(0);
    let last = until.or_else(|| ends_again.next_back().map(|row| row.end_ms)).unwrap_or(first);
    let bucket_ms = bucket_length(last.saturating_sub(first), most);
    let after_ms = first / bucket_ms * bucket_ms;
    let by_ms = (bucket_of(last, bucket_ms) + 1).saturating_mul(bucket_ms);
    (bucket_ms, series.ended_within(after_ms, by_ms).cloned().collect())
}

/// The number of the bucket in which a window ends, the bucket's end included.
fn bucket_of(end_ms: u64, bucket_ms: u64) -> u64 {
    end_ms.saturating_sub(1) / bucket_ms
}

/// The least length that is easily read and cuts a span into no more buckets than that.
fn bucket_length(span_ms: u64, most: u64) -> u64 {
    // One more may be touched at an edge.
    let least = span_ms.div_ceil((most - 1).max(1)).max(1);
    LENGTHS.into_iter().find(|length| *length >= least).unwrap_or_else(|| least.div_ceil(DAY) * DAY)
}

/// The buckets of some rows, which are in the order of their ends.
fn thin(kind: RowKind, rows: &[Arc<CachedRow>], bucket_ms: u64) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for row in rows {
        let start_ms = bucket_of(row.end_ms, bucket_ms) * bucket_ms;
        if buckets.last().is_none_or(|last| last.start_ms != start_ms) {
            buckets.push(Bucket { start_ms, end_ms: start_ms + bucket_ms, ..Bucket::default() });
        }
        if let Some(bucket) = buckets.last_mut() {
            bucket.add(kind, row);
        }
    }
    buckets
}

impl Bucket {
    fn add(&mut self, kind: RowKind, row: &CachedRow) {
        let value = |field: &str| row.content.value(kind, field);
        let decimal = |field: &str| value(field).and_then(Value::as_decimal);
        let whole = |field: &str| value(field).and_then(Value::as_integer).unwrap_or(0);
        self.windows += 1;
        match decimal(if kind == RowKind::Basis { "basis" } else { "vwap" }) {
            Some(rate) => {
                self.first.get_or_insert_with(|| DecimalText(rate.clone()));
                extreme(&mut self.min, rate, |rate, least| rate < least);
                extreme(&mut self.max, rate, |rate, greatest| rate > greatest);
                self.last = Some(DecimalText(rate.clone()));
            }
            None => self.missing += 1,
        }
        if let Some(Value::Real(std)) = value("vw_std") {
            self.max_std = Some(self.max_std.map_or(*std, |greatest| greatest.max(*std)));
        }
        if kind == RowKind::Symbol {
            self.candle.get_or_insert_with(ThinnedCandle::none).add(&decimal);
        }
        self.trades += whole("trades");
        self.missing_ids += whole("missing_ids");
        self.corrected += u64::from(row.content.stage.revision().is_some_and(|revision| revision > 0));
        self.open += u64::from(!row.is_final());
    }
}

impl ThinnedCandle {
    fn none() -> ThinnedCandle {
        ThinnedCandle {
            open: None,
            high: None,
            low: None,
            close: None,
            volume: DecimalText(Decimal::new(0, 0)),
        }
    }

    fn add<'a>(&mut self, decimal: &impl Fn(&str) -> Option<&'a Decimal>) {
        let volume = decimal("volume");
        // A window without trades may repeat the close before; that is no price of its own.
        if volume.is_none_or(|volume| volume.scaled() == BigInt::ZERO) {
            return;
        }
        if let Some(open) = decimal("open") {
            self.open.get_or_insert_with(|| DecimalText(open.clone()));
        }
        if let Some(high) = decimal("high") {
            extreme(&mut self.high, high, |high, greatest| high > greatest);
        }
        if let Some(low) = decimal("low") {
            extreme(&mut self.low, low, |low, least| low < least);
        }
        self.close = decimal("close").cloned().map(DecimalText).or(self.close.take());
        if let Some(volume) = volume {
            let (a, b) = aligned(&self.volume.0, volume);
            self.volume = DecimalText(Decimal::of(&(a + b), self.volume.0.places().max(volume.places())));
        }
    }
}

/// Keeps a value that is beyond the one that is there.
fn extreme(kept: &mut Option<DecimalText>, value: &Decimal, is_beyond: impl Fn(&BigInt, &BigInt) -> bool) {
    let replaces = kept.as_ref().is_none_or(|kept| {
        let (value, kept) = aligned(value, &kept.0);
        is_beyond(&value, &kept)
    });
    if replaces {
        *kept = Some(DecimalText(value.clone()));
    }
}

/// Both in steps of the finer one.
fn aligned(a: &Decimal, b: &Decimal) -> (BigInt, BigInt) {
    let places = a.places().max(b.places());
    let scaled = |d: &Decimal| d.scaled() * BigInt::from(10).pow(u32::from(places - d.places()));
    (scaled(a), scaled(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::board::series::History;
    use crossrate_dataflows::market::row::{Content, Stage};
    use proptest::prelude::*;

    /// Rows of ten milliseconds each; a price, or no trade.
    fn rows_of(prices: &[Option<i64>]) -> Vec<Arc<CachedRow>> {
        let row = |(place, price): (usize, &Option<i64>)| {
            let fields = RowKind::Symbol.schema().own();
            let price = price.map(|price| Value::decimal(price.into(), 2));
            let value = |name: &str| match name {
                "open" | "high" | "low" | "close" | "vwap" => price.clone().unwrap_or(Value::Null),
                "volume" => Value::decimal(i128::from(price.is_some()) * 150, 2),
                "trades" => Value::Integer(price.is_some().into()),
                _ => Value::Null,
            };
            let values = fields.iter().map(|field| value(field.name)).collect();
            let content = Content { values, stage: Stage::FINAL, closed_by: None };
            let (start_ms, end_ms) = (place as u64 * 10, place as u64 * 10 + 10);
            let (kind, json) = (RowKind::Symbol, "".into());
            Arc::new(CachedRow {
                kind,
                name: "A".into(),
                window: "10ms".into(),
                start_ms,
                end_ms,
                content,
                json,
            })
        };
        prices.iter().enumerate().map(row).collect()
    }

    fn text(price: i64) -> Option<DecimalText> {
        Some(DecimalText(Decimal::new(price.into(), 2)))
    }

    #[test]
    fn lengths_are_round_and_give_no_more_buckets_than_asked() {
        assert_eq!(bucket_length(3_600_000, 361), 10_000);
        assert_eq!(bucket_length(3_600_000, 360), 15_000);
        assert_eq!(bucket_length(40 * DAY, 11), 4 * DAY);
        assert_eq!(bucket_length(0, 1), 1);
    }

    #[test]
    fn a_bucket_at_the_edge_of_a_range_is_whole() {
        let mut series = Series::default();
        let all = rows_of(&[Some(1), Some(2), Some(9), Some(3), Some(4), None]);
        for (number, row) in (1..).zip(all) {
            series.add(row, number, History { ms: u64::MAX, floor_ms: 0 });
        }
        let (bucket_ms, within) = super::rows(&series, 1, (Some(35), Some(40)));
        assert_eq!((bucket_ms, within.len()), (10, 1));
        let (bucket_ms, within) = super::rows(&series, 2, (Some(15), Some(85)));
        assert_eq!((bucket_ms, within.len()), (100, 6));
        assert_eq!(super::rows(&series, 1, (None, None)).1.len(), 6);
        let buckets = thin(RowKind::Symbol, &rows_of(&[None, None, None, Some(3), Some(4), None]), 30);
        let buckets = &buckets[1..];
        assert_eq!(buckets.len(), 1);
        let bucket = &buckets[0];
        assert_eq!((bucket.start_ms, bucket.end_ms, bucket.windows, bucket.missing), (30, 60, 3, 1));
        assert_eq!(
            (&bucket.first, &bucket.min, &bucket.max, &bucket.last),
            (&text(3), &text(3), &text(4), &text(4))
        );
        assert_eq!(bucket.candle.as_ref().map(|candle| candle.volume.0.to_string()).as_deref(), Some("3.00"));
    }

    proptest! {
        /// Each value of a bucket is one that a row has, nothing is beyond its extremes, and all is counted.
        #[test]
        fn buckets_say_what_their_rows_say(
            prices in prop::collection::vec(prop::option::weighted(0.9, -50_i64..5_000), 1..200),
            length in 1_u64..300,
        ) {
            let rows = rows_of(&prices);
            let buckets = thin(RowKind::Symbol, &rows, length);
            prop_assert_eq!(buckets.iter().map(|b| b.windows).sum::<u64>(), prices.len() as u64);
            for bucket in &buckets {
                let within =
                    |row: &&Arc<CachedRow>| row.end_ms > bucket.start_ms && row.end_ms <= bucket.end_ms;
                let price = |row: &Arc<CachedRow>| prices[row.start_ms as usize / 10];
                let of: Vec<_> = rows.iter().filter(within).map(price).collect();
                let there: Vec<i64> = of.iter().flatten().copied().collect();
                prop_assert_eq!(bucket.missing as usize, of.len() - there.len());
                prop_assert_eq!(&bucket.first, &there.first().and_then(|price| text(*price)));
                prop_assert_eq!(&bucket.last, &there.last().and_then(|price| text(*price)));
                prop_assert_eq!(&bucket.min, &there.iter().min().and_then(|price| text(*price)));
                prop_assert_eq!(&bucket.max, &there.iter().max().and_then(|price| text(*price)));
                let candle = bucket.candle.as_ref().unwrap();
                prop_assert_eq!((&candle.high, &candle.low), (&bucket.max, &bucket.min));
                prop_assert_eq!(candle.volume.0.scaled(), BigInt::from(150 * there.len()));
            }
        }
    }
}
