//! The read side: results and how far the job is, for people and programs, over HTTP.
//!
//! The [`board`] is what is known; a sink fills it. [`feed`] tells readers what is new. [`rest`], [`stream`],
//! [`socket`], [`metrics`] and [`page`] are what is served, and [`guard`] stands before all of them. It runs
//! on threads of its own: the dataflow's thread does no more than put its news into the board's inbox.

mod answers;
pub mod board;
mod coding;
mod connection;
pub mod definition;
pub mod feed;
pub mod filter;
pub mod format;
pub mod guard;
mod helper;
pub mod histogram;
pub mod metrics;
pub mod openapi;
mod origins;
pub mod page;
pub mod problem;
mod query_params;
mod refusals;
pub mod replay;
mod reserve;
pub mod rest;
mod series_window;
pub mod socket;
pub mod sql;
pub mod stream;
mod thinned;
mod unknown;

use crate::changes::ChangeQueue;
use crate::config::ServingConfig;
use crate::config::secret::Tokens;
use crate::exit::{Exit, Failure};
use answers::Answers;
use anyhow::Result;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use board::Board;
use board::about::JobDescription;
use board::inbox::BoardSink;
use board::progress::{FollowState, FollowedPlace};
use feed::RowFeed;
use metrics::Metrics;
use origins::Origins;
use problem::Problem;
use replay::Replays;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

/// Threads that serve. They take turns with the workers, so there are few.
const THREADS: usize = 2;
/// Questions in SQL that are answered at a time.
const ASKING: usize = 1;
/// How long readers have to hear that the server ends.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a handler is given of the server.
type AppState = State<Arc<App>>;

/// What requests are answered from.
#[derive(Debug)]
pub struct App {
    /// The board and its readers.
    pub feed: Arc<RowFeed>,
    /// What an asker must have, if anything.
    pub token: Option<Tokens>,
    /// The pages of others that may read.
    origins: Origins,
    /// Of how many crosses rates are metrics.
    rate_metrics: usize,
    /// What the server counts of itself.
    pub metrics: Metrics,
    /// Room for answers that are under way.
    answers: Answers,
    /// Turns of questions in SQL.
    pub asking: Semaphore,
    /// What replays are made of.
    pub replays: Replays,
    /// Where changes of the definition are asked for; none where results are followed.
    pub change_queue: Option<ChangeQueue>,
}

/// A server that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    closing: watch::Sender<bool>,
    runtime: Option<Runtime>,
}

/// Takes the address; so that an address that is taken is told before anything else happens.
pub fn bind(serving: &ServingConfig) -> Result<TcpListener> {
    TcpListener::bind(&*serving.listen).map_err(|error| {
        let address = serving.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another program has it; --listen 127.0.0.1:0 takes any free port"
            }
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need privileges",
            _ => "give --listen an address of this machine, such as 127.0.0.1:8080",
        };
        Failure::new(Exit::Failed, format!("cannot listen on {address}")).hint(hint).because(error).into()
    })
}

impl Server {
    /// Serves an empty board.
    pub fn start(
        listener: TcpListener,
        serving: &ServingConfig,
        (about, replays): (JobDescription, Replays),
        change_queue: Option<ChangeQueue>,
    ) -> Result<Server> {
        let history = serving.kept(about.is_recording);
        let failed = |error| Failure::new(Exit::Failed, "cannot serve").because(error);
        let board = Board::new(about, history.map(|history| history.as_millis() as u64));
        let feed = RowFeed::new(board);
        let app = Arc::new(App {
            feed,
            token: serving.token.clone(),
            origins: Origins::new(&serving.origins),
            rate_metrics: serving.rate_metrics,
            metrics: Metrics::default(),
            answers: Answers::default(),
            asking: Semaphore::new(ASKING),
            replays,
            change_queue,
        });
        let address = listener.local_addr().map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("serve")
            .enable_all()
            .build()
            .map_err(failed)?;
        let (closing, closed) = watch::channel(false);
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(failed)?
        };
        runtime.spawn(Arc::clone(&app.feed).keep());
        let routes = connection::Routes { all: routes(Arc::clone(&app)), vital: vital(Arc::clone(&app)) };
        runtime.spawn(connection::accept(listener, routes, Arc::clone(&app), closed));
        Ok(Server { app, address, closing, runtime: Some(runtime) })
    }

    /// What fills the board.
    pub fn sink(&self, delay: u64) -> BoardSink {
        BoardSink { board: Arc::clone(&self.app.feed.board), delay }
    }

    /// The board.
    pub fn board(&self) -> &Arc<Board> {
        &self.app.feed.board
    }

    /// Where changes of the definition are asked for.
    pub fn change_queue(&self) -> Option<ChangeQueue> {
        self.app.change_queue.clone()
    }

    /// Where the page is.
    pub fn page(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Serves on until it is interrupted.
    pub fn stay(&self, interrupted: &AtomicBool) {
        while !interrupted.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What was told last is still given to readers.
        self.app.feed.board.absorb();
        self.app.feed.close();
        // Nobody listens any more where the accepting task has ended.
        let _ = self.closing.send(true);
        if let Some(runtime) = self.runtime.take() {
            let app = Arc::clone(&self.app);
            let open = || app.metrics.connections.load(Ordering::Relaxed) > 0;
            runtime.block_on(async {
                let gone = async {
                    while open() {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                let _ = tokio::time::timeout(FAREWELL, gone).await;
            });
            runtime.shutdown_timeout(Duration::from_millis(100));
        }
    }
}

fn routes(app: Arc<App>) -> Router {
    let router = Router::new()
        .route("/v1/catalog", get(rest::catalogue))
        .route("/v1/latest", get(rest::latest))
        .route("/v1/windows", get(rest::windows))
        .route("/v1/series", get(rest::series))
        .route("/v1/frontier", get(rest::frontier))
        .route("/v1/refusals", get(refusals::show))
        .route("/v1/definition", get(definition::show).patch(definition::patch))
        .route("/v1/crosses/{name}", put(definition::put_cross).delete(definition::drop_cross))
        .route("/v1/symbols/{name}", put(definition::put_symbol).delete(definition::drop_symbol))
        .route("/v1/stream", get(stream::events))
        .route("/v1/ws", get(socket::upgrade))
        .route("/v1/sql", post(sql::ask).layer(DefaultBodyLimit::max(sql::QUESTION)))
        .route("/v1/replay", post(replay::replay).layer(DefaultBodyLimit::max(replay::MOST_REQUEST_BYTES)))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready));
    page::routes(router)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(connection::bodies_in_time))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}

/// What is answered when all connections are taken.
fn vital(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .fallback(crowded)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}

async fn crowded() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "all connections of this server are taken")
        .hint("come again later; a higher limit of open files (ulimit -n) allows more")
        .later(10)
}

/// The process lives.
async fn healthy() -> &'static str {
    "ok\n"
}

/// The job has said something, or the place that results are read from answers and has been read.
async fn ready(State(app): AppState) -> Response {
    let state = app.feed.board.read();
    if state.progress.is_current() {
        return "ready\n".into_response();
    }
    let detail = match &state.progress.following {
        None => "the job has not read anything yet".to_owned(),
        Some(FollowedPlace { place, state: FollowState::Away, reason, .. }) => {
            let reason = reason.as_deref().unwrap_or("it does not answer");
            format!("{place} is away ({reason}); what is served is as it was")
        }
        Some(FollowedPlace { place, .. }) => format!("{place} is still being read"),
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .hint("ask again; /v1/frontier tells what it waits for")
        .later(1)
        .into_response()
}

async fn unknown(request: Request) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", request.uri().path()))
        .hint("/docs lists what there is")
}

async fn wrong_method(request: Request) -> Response {
    let detail = format!("{} does not answer to {}", request.uri().path(), request.method());
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        .hint("/docs lists what there is")
        .into_response();
    response.headers_mut().remove(header::WWW_AUTHENTICATE);
    response
}
