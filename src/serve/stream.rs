//! Server-sent events: what is new, as it comes. The same messages as over the websocket.

use super::feed::{FeedReader, Subscription, Transport};
use super::problem::{Problem, RestResponse};
use super::query_params::QueryParams;
use super::rest;
use super::unknown::UnknownSeries;
use super::{App, AppState};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Readers at most; each costs some kilobytes and a connection.
const MOST_READERS: u64 = 50_000;
/// How soon a browser comes again by itself.
const COME_AGAIN_MS: u32 = 1_000;

/// What is new, until the reader goes away or the server ends.
pub async fn events(State(app): AppState, headers: HeaderMap, params: QueryParams) -> RestResponse {
    let mut subscription = subscription(&app, &params)?;
    if let Some(last) = headers.get("last-event-id").and_then(|value| value.to_str().ok()) {
        subscription.after = Some(last.to_owned());
    }
    let reader = FeedReader::new(&app.feed, subscription, Transport::Sse);
    // It stands in the first event: clients tell of an event that says nothing else as of an empty one.
    let first = format!("retry: {COME_AGAIN_MS}\n");
    let turn = Arc::new(Semaphore::new(1));
    let events = stream::unfold((first, reader), move |(first, mut reader)| {
        let (feed, turn) = (Arc::clone(&app.feed), Arc::clone(&turn));
        async move {
            // Only when all of a message has been taken is the next one made: of the newest there is then.
            let turn = turn.acquire_owned().await.ok()?;
            let message = reader.next().await?;
            let event = feed.backlog.charged(message.event(first), turn);
            Some((Ok::<_, Infallible>(event), (String::new(), reader)))
        }
    });
    let mut response = Response::new(Body::from_stream(events));
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would hold events back.
    set.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// What a reader subscribes to, by the parameters of its request.
pub fn subscription(app: &App, params: &QueryParams) -> Result<Subscription, Problem> {
    params.only(&["kind", "name", "window", "windows", "after", "progress"])?;
    let filter = params.filter()?;
    let unknown = UnknownSeries::of_stream(&app.feed.board.read(), &filter);
    let subscription = Subscription {
        filter,
        unknown: (!unknown.is_empty()).then(|| serde_json::to_string(&unknown).unwrap_or_default().into()),
        windows: params.number("windows", 0, 10_000)?.unwrap_or(1) as usize,
        after: params.text("after").map(str::to_owned),
        every: Duration::from_millis(params.number("progress", 100, 60_000)?.unwrap_or(1_000)),
    };
    if app.feed.count() >= MOST_READERS {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{MOST_READERS} readers are connected"),
        )
        .hint("come again later, or read /v1/latest")
        .later(10));
    }
    rest::at_once(&app.feed.board.read(), &subscription.filter, subscription.windows as u64)?;
    Ok(subscription)
}
