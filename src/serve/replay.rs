//! `POST /v1/replay`: past trades through the dataflow again, with the definition that is asked for; rows and
//! progress as they come. Each replay is a process of its own, which gives way to everything else on the
//! machine and ends with the answer: whoever goes away, or does not read, costs the job nothing.

mod request;

use super::helper::Helper;
use super::problem::{Problem, RestResponse, expect_json};
use super::{App, AppState};
use crate::config::STDIN;
use crate::config::{Config, KafkaClient, ServeConfig, Source};
use crate::wire::format::Format;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use request::ReplayRequest;
use serde::Deserialize;
use std::convert::Infallible;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use toml::{Table, Value};

/// Replays at a time.
const AT_A_TIME: usize = 2;
/// Bytes of a request at most.
pub const MOST_REQUEST_BYTES: usize = 128 << 10;
/// Bytes of what a replay has to complain about.
const COMPLAINT: u64 = 16 << 10;

/// The trades that replays are made of.
#[derive(Debug)]
pub struct Replays {
    /// Settings by which `crossrate replay` finds them; or why there are none.
    trades: Result<Table, &'static str>,
    turns: Arc<Semaphore>,
}

impl Replays {
    /// Those that a run reads.
    pub fn of_run(config: &Config) -> Replays {
        let trades = match &config.source {
            Source::Kafka(kafka) => {
                let topics = kafka.topics.iter().map(|topic| match &topic.format {
                    Format::Binance => topic.name.clone(),
                    format => format!("{}={}", topic.name, format.name()),
                });
                Ok(of_topics(topics.collect(), &kafka.client))
            }
            Source::Files(files) if files.paths.iter().any(|path| path.as_os_str() == STDIN) => {
                Err("its trades come through a pipe, which cannot be read again")
            }
            Source::Files(files) => {
                let paths = files.paths.iter().map(|path| Value::String(path.display().to_string()));
                let mut trades = Table::from_iter([("from".into(), Value::Array(paths.collect()))]);
                if let Some(symbol) = &files.symbol {
                    trades.insert("symbol".into(), Value::String(symbol.clone()));
                }
                with_format(&mut trades, &files.format);
                Ok(trades)
            }
            Source::Simulated(_) => Err("its market is generated"),
        };
        Replays::new(trades)
    }

    /// Those of the topic that was named beside results.
    pub fn of_results(config: &ServeConfig) -> Replays {
        let topic = config.trades.as_ref();
        Replays::new(
            topic
                .map(|topic| of_topics(vec![topic.clone()], &config.kafka))
                .ok_or("it serves rows and knows no trades: start it with -t"),
        )
    }

    fn new(trades: Result<Table, &'static str>) -> Replays {
        Replays { trades, turns: Arc::new(Semaphore::new(AT_A_TIME)) }
    }
}

/// A replay reads records as the run does.
fn with_format(trades: &mut Table, format: &Format) {
    if let Format::Mapped(file) = format {
        trades.insert("format".into(), Value::String(file.name.clone()));
    }
}

fn of_topics(topics: Vec<String>, client: &KafkaClient) -> Table {
    let properties = client.properties.iter().map(|(key, value)| Value::String(format!("{key}={value}")));
    let properties: Vec<Value> = properties.collect();
    let mut trades = Table::from_iter([
        ("from".into(), Value::Array(vec!["kafka".into()])),
        ("topic".into(), Value::Array(topics.into_iter().map(Value::String).collect())),
        ("brokers".into(), client.brokers.as_str().into()),
    ]);
    if !properties.is_empty() {
        trades.insert("property".into(), Value::Array(properties));
    }
    trades
}

/// Replays, as long as the asker reads.
pub async fn replay(
    State(app): AppState,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> RestResponse {
    let outcome = match body {
        Ok(body) => answer(&app, &headers, &body).await,
        Err(wrong) => Err(Problem::new(wrong.status(), wrong.body_text())
            .hint(format!("a request has {} KiB at most", MOST_REQUEST_BYTES >> 10))),
    };
    app.metrics.replays[usize::from(outcome.is_err())].fetch_add(1, Ordering::Relaxed);
    outcome
}

async fn answer(app: &App, headers: &HeaderMap, body: &[u8]) -> RestResponse {
    let form = "send {\"since_ms\": .., \"until_ms\": .., \"cross\": [\"A=B*C\"], \"window\": [\"1m\", \"1d\"]} as \
                application/json; every member may be left out";
    expect_json(headers, form)?;
    let events = wants_events(headers)?;
    // A list would do for a structure whose members may all be left out.
    let request = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body)
        .and_then(|members| ReplayRequest::deserialize(serde_json::Value::Object(members)))
        .map_err(|error| Problem::bad_request(error.to_string()).hint(form))?;
    let trades = app.replays.trades.as_ref().map_err(|why| {
        Problem::new(StatusCode::CONFLICT, format!("this server cannot replay: {why}"))
            .hint("ask a server whose job reads a topic or files, or run crossrate replay yourself")
    })?;
    let turn = Arc::clone(&app.replays.turns).try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{AT_A_TIME} replays are under way"))
            .hint("ask again when one has ended")
            .later(10)
    })?;
    let definition = app.feed.board.read().definition.clone();
    let definition = definition.as_ref().map(|described| &described.definition);
    let wrong = |error: String| Problem::bad_request(error);
    let settings = request.settings(trades, definition).map_err(|error| wrong(error.to_string()))?;
    let settings = toml::to_string(&settings).map_err(|error| wrong(error.to_string()))?;
    let lost = |error: io::Error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the replay's process failed: {error}"))
            .hint("ask again; crossrate replay does the same on the command line")
    };
    let mut worker = ReplayProcess::start(&settings, turn).await.map_err(lost)?;
    // What makes no sense, and a broker that is away, are known before the first line.
    let Some(first) = worker.line().await.map_err(lost)? else { return Err(worker.complaint().await) };
    let lines = stream::unfold(Some((Some(first), worker)), move |state| async move {
        let (first, mut worker) = state?;
        let line = match first {
            Some(line) => Some(line),
            None => worker.line().await.ok().flatten(),
        };
        match line {
            Some(line) => {
                // The end is the last line; without one, something went wrong on the way.
                let over = line.starts_with("{\"type\":\"end\"");
                Some((Ok::<_, Infallible>(message(&line, events)), (!over).then_some((None, worker))))
            }
            None => {
                let error = worker.complaint().await;
                Some((Ok(message(&error.as_event(), events)), None))
            }
        }
    });
    let mut response = Response::new(Body::from_stream(lines));
    let kind = if events { "text/event-stream" } else { "application/x-ndjson" };
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Whether the asker wants server-sent events, and not lines.
fn wants_events(headers: &HeaderMap) -> Result<bool, Problem> {
    let accept: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let names = accept.iter().flat_map(|value| value.split(',')).filter_map(|range| range.split(';').next());
    let names: Vec<&str> = names.map(str::trim).collect();
    let takes = |wanted: &[&str]| names.iter().any(|name| wanted.contains(name));
    match (takes(&["text/event-stream", "text/*"]), takes(&["application/x-ndjson", "application/*", "*/*"]))
    {
        _ if names.is_empty() => Ok(false),
        (_, true) => Ok(false),
        (true, false) => Ok(true),
        (false, false) => {
            let detail = format!("nothing here is {}", accept.join(", "));
            Err(Problem::new(StatusCode::NOT_ACCEPTABLE, detail)
                .hint("accept application/x-ndjson or text/event-stream"))
        }
    }
}

/// A line of a replay: a row, or what its `type` says.
fn message(line: &str, events: bool) -> Bytes {
    if !events {
        return Bytes::from(format!("{line}\n"));
    }
    let kinds = ["progress", "end", "error"];
    let kind = kinds.into_iter().find(|kind| line.starts_with(&format!("{{\"type\":\"{kind}\"")));
    Bytes::from(format!("event: {}\ndata: {line}\n\n", kind.unwrap_or("row")))
}

/// The process. It ends with this.
struct ReplayProcess {
    output: BufReader<ChildStdout>,
    errors: ChildStderr,
    process: Helper,
    _turn: OwnedSemaphorePermit,
}

impl ReplayProcess {
    async fn start(settings: &str, turn: OwnedSemaphorePermit) -> io::Result<ReplayProcess> {
        let program = crate::start::this_program()?;
        let arguments = ["replay", "--events", "--quiet", "--config", "/dev/stdin"];
        let mut polite = Command::new("nice");
        polite.args(["-n", "10"]).arg(&program);
        let mut child = match spawn(polite.args(arguments)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                spawn(Command::new(&program).args(arguments))?
            }
            child => child?,
        };
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let input = child.stdin.take();
        let process = Helper::new(child);
        let pipes = output.zip(errors).zip(input).ok_or(io::ErrorKind::BrokenPipe)?;
        let ((output, errors), mut stdin) = pipes;
        stdin.write_all(settings.as_bytes()).await?;
        drop(stdin);
        Ok(ReplayProcess { output: BufReader::new(output), errors, process, _turn: turn })
    }

    /// The next line; none after the last one.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let count = self.output.read_line(&mut line).await?;
        line.truncate(line.trim_end().len());
        Ok((count > 0).then_some(line))
    }

    /// Why it has ended before its time.
    async fn complaint(mut self) -> Problem {
        let mut text = String::new();
        // What cannot be read is not told.
        let _ = (&mut self.errors).take(COMPLAINT).read_to_string(&mut text).await;
        let code = self.process.ended().await.and_then(|status| status.code());
        let line = |begin: &str| text.lines().find_map(|line| line.strip_prefix(begin));
        let detail = line("crossrate: error: ").unwrap_or("the replay ended without a word");
        let status = match code {
            Some(2) => StatusCode::BAD_REQUEST,
            Some(3) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        // The file of settings is ours: its lines mean nothing to the asker.
        let detail = match detail.strip_prefix("/dev/stdin:").and_then(|rest| rest.split_once(": ")) {
            Some((_, rest)) => rest,
            None => detail,
        };
        let problem = Problem::new(status, detail);
        match line("crossrate: hint: ") {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CROSSRATE_"))
    {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()
}
