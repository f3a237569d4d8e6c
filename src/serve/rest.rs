//! REST, version 1: what there is, the latest rows, windows by range, series of rates, how far the job is.
//! Described by [`super::openapi`], which a test holds against the routes.

use super::AppState;
use super::board::about::{DefinitionDescription, JobDescription};
use super::board::latest::LatestFilter;
use super::board::range::Range;
use super::board::series::{CachedRow, Series};
use super::board::{self, SeriesName};
use super::filter::Filter;
use super::format::{self, FileName, ResponseFormat, Times};
use super::problem::{Problem, RestResponse};
use super::query_params::QueryParams;
use super::series_window::series_window;
use super::thinned;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::value::Value;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows of one answer at most.
const MOST_ROWS: u64 = 10_000;
/// Rows of one answer where nobody says how many.
const ROWS: u64 = 500;

#[derive(Serialize)]
struct Catalogue<'a> {
    program: &'static str,
    version: &'static str,
    instance: &'a str,
    began_ms: u64,
    /// Null where as many rows are kept as fit.
    history_ms: Option<u64>,
    /// From when on rows are kept, where they are too many to be kept for as long as that.
    held_from_ms: Option<u64>,
    rows: usize,
    most_rows: usize,
    #[serde(flatten)]
    about: &'a JobDescription,
    definition: Option<&'a DefinitionDescription>,
    names: Vec<CatalogueEntry<'a>>,
}

#[derive(Serialize)]
struct CatalogueEntry<'a> {
    kind: &'static str,
    name: &'a str,
    window: &'a str,
    windows: usize,
    first_start_ms: u64,
    last_end_ms: u64,
}

/// What there is.
pub async fn catalogue(State(app): AppState, headers: HeaderMap, params: QueryParams) -> RestResponse {
    params.only(&[])?;
    let board = &app.feed.board;
    let state = board.read();
    let entry = |((kind, name, window), series): (&'_ SeriesName, &'_ Series)| {
        let (first, last) = (series.rows().next()?.start_ms, series.rows().next_back()?.end_ms);
        Some((kind.as_str(), name.to_string(), window.to_string(), series.len(), first, last))
    };
    let entries: Vec<_> = state.series.iter().filter_map(entry).collect();
    let definition = state.definition.clone();
    let room = state.room;
    drop(state);
    let catalogue = Catalogue {
        program: "crossrate",
        version: env!("CARGO_PKG_VERSION"),
        instance: &board.instance,
        began_ms: board.began_ms,
        history_ms: board.history(),
        held_from_ms: room.held_from_ms(board.history()),
        rows: room.rows,
        most_rows: board::MOST_ROWS,
        about: &board.about,
        definition: definition.as_deref(),
        names: entries
            .iter()
            .map(|(kind, name, window, windows, first_start_ms, last_end_ms)| CatalogueEntry {
                kind,
                name,
                window,
                windows: *windows,
                first_start_ms: *first_start_ms,
                last_end_ms: *last_end_ms,
            })
            .collect(),
    };
    let body = serde_json::to_vec(&catalogue).unwrap_or_default();
    format::tagged(&app.answers, body, &FileName::new("catalog", ResponseFormat::Json), &headers)
}

/// The latest row of each name, or the latest final one.
pub async fn latest(State(app): AppState, headers: HeaderMap, params: QueryParams) -> RestResponse {
    params
        .only(&["kind", "name", "window", "windows", "ended_by", "or_first", "final", "format", "times"])?;
    let form = (ResponseFormat::wanted(params.text("format"), &headers)?, params.times()?);
    let windows = params.number("windows", 1, MOST_ROWS)?.unwrap_or(1);
    let wanted = LatestFilter {
        only_final: params.switch("final")?,
        ended_by: params.time("ended_by")?,
        or_first: params.switch("or_first")?,
    };
    let (rows, filter) = {
        let state = app.feed.board.read();
        let filter = params.known(&state)?;
        at_once(&state, &filter, windows)?;
        (state.latest(&filter, windows as usize, wanted), filter)
    };
    let file = FileName::of_rows("latest", &filter, form.0);
    format::tagged(&app.answers, format::rows(&rows, &filter, form, &[])?, &file, &headers)
}

/// Whether so many windows of each name may be had in one piece, be it an answer or the beginning of a
/// stream.
pub fn at_once(state: &board::BoardState, filter: &Filter, windows: u64) -> Result<(), Problem> {
    let names = state.matching(filter).count() as u64;
    if names * windows > 10 * MOST_ROWS {
        return Err(Problem::bad_request(format!("{windows} windows of {names} names are too many at once"))
            .hint("ask for fewer names, or page through /v1/windows"));
    }
    Ok(())
}

/// Windows by range, page by page.
pub async fn windows(
    State(app): AppState,
    headers: HeaderMap,
    uri: Uri,
    params: QueryParams,
) -> RestResponse {
    params.only(&[
        "kind", "name", "window", "from", "until", "limit", "cursor", "final", "format", "order", "times",
    ])?;
    let form = (ResponseFormat::wanted(params.text("format"), &headers)?, params.times()?);
    let limit = params.number("limit", 1, MOST_ROWS)?.unwrap_or(ROWS) as usize;
    let (from, until) = (params.time("from")?, params.time("until")?);
    if from.zip(until).is_some_and(|(from, until)| from > until) {
        return Err(Problem::bad_request("from is after until")
            .hint("windows start at from or later, and before until"));
    }
    let (after, only_final, order) = (params.cursor()?, params.switch("final")?, params.order()?);
    let range = Range { from, until, after, only_final, order };
    let (mut rows, filter) = {
        let state = app.feed.board.read();
        let filter = params.known(&state)?;
        (state.windows(&filter, &range, limit + 1), filter)
    };
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| cursor_of(row));
    let beside = [("next", serde_json::Value::from(next.clone()))];
    let body = format::rows(&rows, &filter, form, &beside)?;
    let file = FileName::of_rows("windows", &filter, form.0);
    let mut response = format::tagged(&app.answers, body, &file, &headers)?;
    let link = next.map(|cursor| format!("<{}>; rel=\"next\"", params.with(&uri, "cursor", &cursor)));
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Kinds that a series is made of.
const OF_POINTS: [RowKind; 3] = [RowKind::Symbol, RowKind::Cross, RowKind::Stats];

/// A name's series over time: of a cross its rate with the running statistics, of a symbol its VWAP.
pub async fn series(State(app): AppState, headers: HeaderMap, params: QueryParams) -> RestResponse {
    params.only(&["kind", "name", "window", "from", "until", "limit", "times", "buckets"])?;
    if params.text("buckets").is_some() {
        return thinned::series(&app, &headers, &params);
    }
    let times = params.times()?;
    let name = params.text("name").ok_or_else(|| {
        Problem::bad_request("name is missing").hint("name=XVGUSDT, say; /v1/catalog tells what there is")
    })?;
    let filter = params.filter()?;
    let has_points = |kind: &&str| OF_POINTS.iter().any(|known| known.as_str() == *kind);
    if let Some(kind) = params.text("kind").and_then(|kinds| kinds.split(',').find(|kind| !has_points(kind)))
    {
        return Err(Problem::bad_request(format!("there are no points of kind {kind}"))
            .hint(format!("buckets=500 gives it thinned out, /v1/windows?kind={kind} its rows")));
    }
    if name.contains(',') {
        return Err(Problem::bad_request("a series is of one name").hint("ask for each by itself"));
    }
    let limit = params.number("limit", 1, MOST_ROWS)?.unwrap_or(ROWS) as usize;
    let range = Range { from: params.time("from")?, until: params.time("until")?, ..Range::default() };
    let name: Arc<str> = Arc::from(name);
    let (kind, window, points): (RowKind, Arc<str>, Vec<Point>) = {
        let state = app.feed.board.read();
        params.known(&state)?;
        // A cross, unless a symbol is asked for, or only that has the name.
        let is_symbol = match params.text("kind") {
            Some(_) => filter.admits_kind(RowKind::Symbol),
            None => {
                let is_there = |kind| state.named(kind, &name).next().is_some();
                is_there(RowKind::Symbol) && !is_there(RowKind::Cross)
            }
        };
        let kind = if is_symbol { RowKind::Symbol } else { RowKind::Cross };
        let window = series_window(&state, kind, &name, &filter)?;
        let stats = state.series.get(&(RowKind::Stats, Arc::clone(&name), Arc::clone(&window)));
        let one = Filter::new(Some(BTreeSet::from([kind])), Some(BTreeSet::from([Arc::clone(&name)])));
        let one = one.of_windows(Some(BTreeSet::from([Arc::clone(&window)])));
        let rows = state.windows(&one, &range, usize::MAX);
        let rows = rows.into_iter().rev().take(limit);
        let with = |row: Arc<CachedRow>| {
            let of = stats.filter(|_| kind == RowKind::Cross).and_then(|s| s.get((row.end_ms, row.start_ms)));
            let of = of.cloned();
            (row, of)
        };
        let mut points: Vec<_> = rows.map(with).collect();
        points.reverse();
        (kind, window, points)
    };
    let one = Filter::new(Some(BTreeSet::from([kind])), Some(BTreeSet::from([Arc::clone(&name)])));
    let one = one.of_windows(Some(BTreeSet::from([Arc::clone(&window)])));
    // Whatever else is accepted is told in JSON.
    let format =
        ResponseFormat::wanted(None, &headers).ok().filter(|format| *format == ResponseFormat::Arrow);
    let body = match format {
        Some(_) => points_as_columns(kind, &points, times)?,
        None => points_as_json((kind, &name, &window), &points, times),
    };
    let file = FileName::of_rows("series", &one, format.unwrap_or(ResponseFormat::Json));
    format::tagged(&app.answers, body, &file, &headers)
}

/// A row with the statistics of its window, where it has some.
type Point = (Arc<CachedRow>, Option<Arc<CachedRow>>);

fn points_as_json((kind, name, window): (RowKind, &str, &str), points: &[Point], times: Times) -> Vec<u8> {
    let [name, window] = [name, window].map(serde_json::Value::from);
    let kind = kind.as_str();
    let mut body =
        format!("{{\"kind\":\"{kind}\",\"name\":{name},\"window\":{window},\"points\":[").into_bytes();
    for (place, (row, stats)) in points.iter().enumerate() {
        body.extend_from_slice(if place == 0 { b"\n" } else { b",\n" });
        times.write(&mut body, row, &point(row, stats.as_deref()));
    }
    body.extend_from_slice(b"]}\n");
    body
}

fn points_as_columns(kind: RowKind, points: &[Point], times: Times) -> Result<Vec<u8>, Problem> {
    let fields = point_fields(kind);
    let mut columns: Vec<_> = fields.iter().map(|(of, at)| of.schema().fields[*at]).collect();
    columns.extend(times.fields());
    let values = |(row, stats): &Point| {
        let (of_row, of_stats) = (row.columns(), stats.as_ref().map(|stats| stats.columns()));
        let source = |of: RowKind| if of == kind { Some(&of_row) } else { of_stats.as_ref() };
        let value = |(of, at): &(RowKind, usize)| source(*of).and_then(|values| values.get(*at).cloned());
        let mut values: Vec<Value> = fields.iter().map(|field| value(field).unwrap_or(Value::Null)).collect();
        values.extend(times.bounds(row));
        values
    };
    format::arrow_stream(&columns, points.iter().map(values).collect())
}

/// The fields of a point: members of the row, and of the statistics, each as its place in its kind's schema.
pub(super) fn point_fields(kind: RowKind) -> Vec<(RowKind, usize)> {
    const OWN: [&str; 11] = [
        "start_ms",
        "end_ms",
        "status",
        "vwap",
        "vw_variance",
        "vw_std",
        "trades",
        "missing_ids",
        "revision",
        "closed",
        "final",
    ];
    let running = RowKind::Stats.schema().own().iter().map(|field| field.name).filter(|name| *name != "vwap");
    let of = |kind: RowKind, name: &str| kind.schema().position(name).map(|at| (kind, at));
    let own = OWN.into_iter().filter_map(|name| of(kind, name));
    own.chain(running.filter_map(|name| of(RowKind::Stats, name))).collect()
}

/// One point; the members of statistics are null where there are none.
fn point(row: &CachedRow, stats: Option<&CachedRow>) -> String {
    let of_row = row.columns();
    let of_stats = stats.map(CachedRow::columns).unwrap_or_default();
    let mut members = String::new();
    for (of, at) in point_fields(row.kind) {
        let field = &of.schema().fields[at];
        let values = if of == row.kind { &of_row } else { &of_stats };
        members.push_str(field.label);
        values.get(at).unwrap_or(&Value::Null).write_json(field.ty, &mut members);
    }
    format!("{{{}}}", members.trim_start_matches(','))
}

/// How far the job is, and who holds it back.
pub async fn frontier(State(app): AppState, headers: HeaderMap, params: QueryParams) -> RestResponse {
    params.only(&[])?;
    let body = app.feed.board.read().progress.json();
    let file = FileName::new("frontier", ResponseFormat::Json);
    format::tagged(&app.answers, body.as_bytes().to_vec(), &file, &headers)
}

fn cursor_of(row: &CachedRow) -> String {
    super::board::range::WindowCursor {
        end_ms: row.end_ms,
        kind: row.kind,
        name: row.name.to_string(),
        start_ms: row.start_ms,
        window: row.window.to_string(),
    }
    .cursor()
}
