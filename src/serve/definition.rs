//! The definition of a job, and changes of it while it runs (`docs/semantics.md#changes`).

use super::problem::{Problem, RestResponse, expect_json};
use super::{App, AppState};
use crate::changes::{ChangeAnswer, ChangeQueue, ChangeRefusal, ChangeRefusalKind, DefinitionLog, Wish};
use crate::config::log::{LoggedChange, ToldChange};
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use crossrate_dataflows::market::changes::{Change, DatedChange, LivingCross};
use crossrate_dataflows::market::definition::Cross;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::formula::NAME_RULE;
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::trade::{Symbol, is_name};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Wishes of one request at most.
const MOST_WISHES: usize = 10_000;

/// The end of the path.
type Name = Result<Path<String>, PathRejection>;
/// What was sent.
type RequestBody = Result<Bytes, BytesRejection>;

/// The definition in force, and how it came to be so.
#[derive(Serialize)]
struct DefinitionView {
    crosses: Vec<ShownCross>,
    /// `"all"`, or the list.
    symbols: serde_json::Value,
    back_fill_ms: u64,
    log: Vec<ToldChange>,
}

#[derive(Serialize)]
struct ShownCross {
    name: String,
    formula: String,
    /// Windows that start then or later have rows; null where all have.
    since_ms: Option<u64>,
}

/// What became of a request.
#[derive(Serialize)]
struct DefinitionOutcome {
    changes: Vec<ToldChange>,
    /// Whether a checkpoint holds them.
    kept: bool,
    /// What is probably a slip.
    warnings: Vec<String>,
    /// Symbols that these need and that have had no row so far.
    waiting: Vec<String>,
}

/// What is put under the name of a cross.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Formula {
    formula: String,
}

/// A merge patch: `null` drops.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default)]
    crosses: BTreeMap<String, Option<String>>,
    #[serde(default)]
    symbols: BTreeMap<String, Option<bool>>,
}

impl ShownCross {
    fn of(living: &LivingCross) -> ShownCross {
        let since = living.life.since;
        ShownCross {
            name: living.cross.name.to_string(),
            formula: living.cross.formula(),
            since_ms: (since > EventTime::MIN).then(|| since.millis()),
        }
    }
}

/// The definition in force, and its log.
pub async fn show(State(app): AppState) -> RestResponse {
    let Some(DefinitionLog { changing, log }) = change_queue(&app)?.definition() else {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the job has not begun yet")
            .hint("ask again")
            .later(1));
    };
    let symbols = match changing.wanted() {
        None => "all".into(),
        Some(symbols) => symbols.iter().map(|symbol| symbol.as_str()).collect::<Vec<_>>().into(),
    };
    answer(&DefinitionView {
        crosses: changing.in_force().map(ShownCross::of).collect(),
        symbols,
        back_fill_ms: changing.back_fill() / 1_000,
        log: log.iter().map(ToldChange::of).collect(),
    })
}

/// A cross of that name and formula.
pub async fn put_cross(
    State(app): AppState,
    name: Name,
    headers: HeaderMap,
    body: RequestBody,
) -> RestResponse {
    let form = r#"PUT {"formula": "XVGBTC*BTCUSDT"} as application/json"#;
    let Formula { formula } = read(&headers, body, form)?;
    change(&app, vec![Wish::Cross(cross(&path(name)?, &formula)?)]).await
}

/// No cross of that name.
pub async fn drop_cross(State(app): AppState, name: Name) -> RestResponse {
    change(&app, vec![Wish::NoCross(named(&path(name)?)?)]).await
}

/// Rows of that symbol.
pub async fn put_symbol(State(app): AppState, name: Name) -> RestResponse {
    change(&app, vec![Wish::Symbol(named(&path(name)?)?)]).await
}

/// No rows of that symbol.
pub async fn drop_symbol(State(app): AppState, name: Name) -> RestResponse {
    change(&app, vec![Wish::NoSymbol(named(&path(name)?)?)]).await
}

/// Many of these at one moment, or none.
pub async fn patch(State(app): AppState, headers: HeaderMap, body: RequestBody) -> RestResponse {
    let form = r#"PATCH {"crosses": {"NAME": "A*B"}, "symbols": {"C": null}} as application/json"#;
    let Patch { crosses, symbols } = read(&headers, body, form)?;
    if crosses.len() + symbols.len() > MOST_WISHES {
        return Err(Problem::bad_request(format!("more than {MOST_WISHES} wishes"))
            .hint("send them in several requests"));
    }
    let (mut dropped, mut wishes) = (Vec::new(), Vec::new());
    for (name, formula) in crosses {
        match formula {
            Some(formula) => wishes.push(Wish::Cross(cross(&name, &formula)?)),
            None => dropped.push(Wish::NoCross(named(&name)?)),
        }
    }
    for (name, wanted) in symbols {
        wishes.push(match wanted {
            Some(true) => Wish::Symbol(named(&name)?),
            Some(false) | None => Wish::NoSymbol(named(&name)?),
        });
    }
    // What is a leg of a cross that goes can go with it.
    dropped.append(&mut wishes);
    change(&app, dropped).await
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: RequestBody, form: &str) -> Result<T, Problem> {
    let body = body.map_err(|wrong| Problem::new(wrong.status(), wrong.body_text()).hint(form))?;
    expect_json(headers, form)?;
    serde_json::from_slice(&body).map_err(|error| Problem::bad_request(error.to_string()).hint(form))
}

fn path(name: Name) -> Result<String, Problem> {
    let wrong = |wrong: PathRejection| {
        Problem::bad_request(wrong.body_text()).hint("a name is UTF-8, percent-encoded")
    };
    name.map(|Path(name)| name).map_err(wrong)
}

fn cross(name: &str, formula: &str) -> Result<Cross, Problem> {
    Cross::parse(name, formula).map_err(|wrong| {
        let hint = r#"two legs or more, such as {"formula": "XVGBTC*BTCUSDT"}"#;
        Problem::bad_request(format!("{name}={formula}: {wrong}")).hint(hint)
    })
}

fn named(name: &str) -> Result<Symbol, Problem> {
    match is_name(name.as_bytes()) {
        true => Ok(Symbol::new(name)),
        false => Err(Problem::bad_request(format!("{name:?} is no name")).hint(NAME_RULE)),
    }
}

fn change_queue(app: &App) -> Result<&ChangeQueue, Problem> {
    app.change_queue.as_ref().ok_or_else(|| {
        Problem::new(StatusCode::CONFLICT, "this server follows results that exist, and has no job to change")
            .hint("ask the server of the run itself: crossrate run --listen")
    })
}

async fn change(app: &App, wishes: Vec<Wish>) -> RestResponse {
    match change_queue(app)?.ask(wishes).await {
        Ok(ChangeAnswer::Changed { changes, is_kept, warnings }) => {
            let told =
                |change: DatedChange| ToldChange::of(&LoggedChange { change, offsets: BTreeMap::new() });
            let waiting = waiting(app, &changes);
            let changes = changes.into_iter().map(told).collect();
            answer(&DefinitionOutcome { changes, kept: is_kept, warnings, waiting })
        }
        Ok(ChangeAnswer::Refused(refused)) => Err(problem(refused)),
        // The run went away with the request: perhaps it was taken, perhaps not.
        Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the run ended before it could answer")
            .hint("GET /v1/definition of the next run tells whether it has changed")),
    }
}

/// The symbols that changes need and that have had no row so far; none is told where symbols have no rows.
fn waiting(app: &App, changes: &[DatedChange]) -> Vec<String> {
    let state = app.feed.board.read();
    let described = state.definition.as_ref();
    if described.is_some_and(|described| !described.definition.rows.has(RowKind::Symbol)) {
        return Vec::new();
    }
    let symbols = changes.iter().flat_map(|DatedChange { change, .. }| match change {
        Change::AddCross(cross) => cross.legs.iter().map(|leg| leg.symbol.clone()).collect(),
        Change::AddSymbol(name) => vec![name.clone()],
        _ => Vec::new(),
    });
    let symbols: BTreeSet<Symbol> = symbols.collect();
    let has_row = |symbol: &&Symbol| state.named(RowKind::Symbol, &symbol.as_str().into()).next().is_some();
    symbols.iter().filter(|symbol| !has_row(symbol)).map(ToString::to_string).collect()
}

fn problem(ChangeRefusal { why, detail, hint }: ChangeRefusal) -> Problem {
    let status = match why {
        ChangeRefusalKind::Unknown => StatusCode::NOT_FOUND,
        ChangeRefusalKind::Conflict => StatusCode::CONFLICT,
    };
    Problem::new(status, detail).hint(hint)
}

fn answer(of: &impl Serialize) -> RestResponse {
    let mut response = Response::new(Body::from(serde_json::to_vec(of).unwrap_or_default()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
