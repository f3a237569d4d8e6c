//! What Prometheus asks for: counters and gauges in its text format, with base units and the names that
//! operators expect. Partitions and classes of records are labels; names of symbols are not, since there may
//! be thousands.

mod rates;

use super::board;
use super::board::partition_news::PartitionNews;
use super::board::progress::{FollowState, Knowledge, now_ms};
use super::coding::Coding;
use super::histogram::{self, Histogram};
use super::problem::RestResponse;
use super::{App, AppState};
use crate::config::topic_of;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use crossrate_dataflows::market::event_time::EventTime;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the server counts of itself.
#[derive(Debug, Default)]
pub struct Metrics {
    answers: Mutex<BTreeMap<u16, u64>>,
    /// Connections that are open.
    pub connections: AtomicU64,
    /// Connections that were cut since the other side did not read.
    pub stalled: AtomicU64,
    /// Queries that were run, and those that were refused or failed.
    pub queries: [AtomicU64; 2],
    /// Replays that were begun, and those that were refused or failed.
    pub replays: [AtomicU64; 2],
    /// How long questions in SQL took.
    pub query_seconds: QuerySeconds,
}

/// How long questions took, from the request to the answer.
#[derive(Debug)]
pub struct QuerySeconds(pub Histogram);

impl Default for QuerySeconds {
    fn default() -> Self {
        QuerySeconds(Histogram::new(histogram::SHORT))
    }
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, status: StatusCode) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(status.as_u16()).or_default() += 1;
    }
}

/// All of it.
pub async fn metrics(State(app): AppState, headers: HeaderMap) -> RestResponse {
    let text = write(&app).into_bytes();
    let (coding, text) = Coding::wanted(&headers, text.len()).packed(text);
    let mut response = Response::new(app.answers.vital(text)?);
    coding.tell(response.headers_mut());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn write(app: &App) -> String {
    let mut text = MetricsText::default();
    let load = |n: &AtomicU64| n.load(Ordering::Relaxed) as f64;
    text.family("crossrate_build_info", "gauge", "The version that runs.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    write_job(app, &mut text);
    rates::write(&mut text, &app.feed.board.read(), app.rate_metrics);
    text.family("crossrate_subscribers", "gauge", "Readers of /v1/stream and /v1/ws.");
    for (transport, readers) in ["sse", "websocket"].into_iter().zip(&app.feed.readers) {
        text.sample(&[("transport", transport)], load(readers));
    }
    text.family(
        "crossrate_subscriber_backlog_bytes",
        "gauge",
        "Bytes of messages that were made for readers and not taken by them.",
    );
    text.sample(&[], app.feed.backlog.bytes() as f64);
    for (name, help, value) in [
        (
            "crossrate_subscriber_rows_conflated_total",
            "Rows sent in place of versions never sent.",
            &app.feed.conflated,
        ),
        ("crossrate_subscriber_restarts_total", "Readers that needed everything anew.", &app.feed.restarted),
        (
            "crossrate_http_connections_stalled_total",
            "Connections cut since nobody read.",
            &app.metrics.stalled,
        ),
    ] {
        text.family(name, "counter", help);
        text.sample(&[], load(value));
    }
    text.family("crossrate_http_connections", "gauge", "Connections that are open.");
    text.sample(&[], load(&app.metrics.connections));
    text.family("crossrate_http_requests_total", "counter", "Requests by the status of their answer.");
    for (status, count) in app.metrics.answers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        text.sample(&[("code", &status.to_string())], *count as f64);
    }
    text.family("crossrate_sql_queries_total", "counter", "Queries by how they ended.");
    for (result, count) in ["done", "refused"].into_iter().zip(&app.metrics.queries) {
        text.sample(&[("result", result)], load(count));
    }
    text.family("crossrate_replays_total", "counter", "Replays by whether they were begun.");
    for (result, count) in ["begun", "refused"].into_iter().zip(&app.metrics.replays) {
        text.sample(&[("result", result)], load(count));
    }
    write_delays(app, &mut text);
    write_process(&mut text, app.feed.board.began_ms);
    text.0
}

/// How long things took.
fn write_delays(app: &App, text: &mut MetricsText) {
    let delays = &app.feed.board.delays;
    let help = "From a window's end to its row, by event time, and by the clock where that is of today.";
    text.family("crossrate_row_delay_seconds", "histogram", help);
    text.histogram(&[("by", "event_time")], &delays.by_event_time);
    text.histogram(&[("by", "clock")], &delays.by_clock);
    for (name, help, histogram) in [
        ("crossrate_commit_seconds", "How long commits took.", &delays.commit),
        ("crossrate_sql_query_seconds", "How long queries took.", &app.metrics.query_seconds.0),
        (
            "crossrate_delivery_seconds",
            "From the arrival of rows to when a reader has taken the message that holds them.",
            &app.feed.delivery,
        ),
    ] {
        text.family(name, "histogram", help);
        text.histogram(&[], histogram);
    }
}

/// A partition's number, and its topic where there are several.
fn of(number: u32, partition: &PartitionNews) -> (String, Option<String>) {
    (topic_of::<&str>(number, &[]).1.to_string(), partition.topic(number))
}

fn write_job(app: &App, text: &mut MetricsText) {
    let state = app.feed.board.read();
    let progress = &state.progress;
    let seconds = |time: EventTime| time.micros() as f64 / 1e6;
    text.family(
        "crossrate_records_total",
        "counter",
        "Records by what became of them; they add up to those read.",
    );
    for (number, partition) in &progress.partitions {
        for (result, count) in partition.counts.classes() {
            text.sample_of(&of(*number, partition), Some(("result", result)), count as f64);
        }
    }
    text.family("crossrate_watermark_seconds", "gauge", "Event time that a partition has come to.");
    for (number, partition) in
        progress.partitions.iter().filter(|(_, p)| !p.ended && p.watermark > EventTime::MIN)
    {
        text.sample_of(&of(*number, partition), None, seconds(partition.watermark));
    }
    text.family(
        "crossrate_partition_lag_seconds",
        "gauge",
        "How far a partition is behind the furthest, in event time.",
    );
    for (number, partition) in &progress.partitions {
        let behind = progress.behind_ms(partition) as f64 / 1e3;
        text.sample_of(&of(*number, partition), None, behind);
    }
    for (name, help, is) in [
        ("crossrate_partition_idle", "Whether a partition is idle.", 0),
        ("crossrate_partition_ended", "Whether a partition has ended.", 1),
        ("crossrate_partition_holds_frontier", "Whether a partition holds the frontier back.", 2),
    ] {
        if is == 0 && progress.known_from != Knowledge::Job {
            // Nobody knows.
            continue;
        }
        text.family(name, "gauge", help);
        for (number, partition) in &progress.partitions {
            let holds = progress.holder.is_some_and(|(holder, _)| holder == *number);
            let value = [partition.idle, partition.ended, holds][is];
            text.sample_of(&of(*number, partition), None, f64::from(u8::from(value)));
        }
    }
    if let Some(following) = &progress.following {
        text.family("crossrate_source_up", "gauge", "Whether the place answers that results are read from.");
        text.sample(&[], f64::from(u8::from(following.state != FollowState::Away)));
        let help = "When the place that results are read from began to stand as it does.";
        text.family("crossrate_source_since_timestamp_seconds", "gauge", help);
        text.sample(&[], following.since_ms as f64 / 1e3);
        text.family("crossrate_source_foreign_total", "counter", "What was found there and is no row.");
        text.sample(&[], following.foreign as f64);
    }
    if let Some(frontier) = progress.frontier {
        text.family("crossrate_frontier_seconds", "gauge", "Event time up to which rows are proven.");
        text.sample(&[], seconds(frontier));
    }
    if progress.has_begun {
        text.family("crossrate_frontier_moved_timestamp_seconds", "gauge", "When the frontier moved last.");
        text.sample(&[], progress.moved_ms as f64 / 1e3);
    }
    text.family("crossrate_rows_total", "counter", "Rows by kind and by how far their window was.");
    for ((kind, stage), count) in &state.arrived {
        text.sample(&[("kind", kind), ("state", stage)], *count as f64);
    }
    write_board(text, &state, app.feed.board.history());
}

/// The rows that are kept, and for how long that is.
fn write_board(text: &mut MetricsText, state: &board::BoardState, history_ms: Option<u64>) {
    text.family("crossrate_board_rows", "gauge", "Rows that are kept to be served.");
    text.sample(&[], state.room.rows as f64);
    text.family("crossrate_board_names", "gauge", "Names and kinds that have rows.");
    text.sample(&[], state.series.len() as f64);
    if let Some(history_ms) = history_ms {
        text.family("crossrate_board_history_seconds", "gauge", "Event time of rows that is to be kept.");
        text.sample(&[], history_ms as f64 / 1e3);
    }
    let held_from_ms = state.room.held_from_ms(history_ms);
    text.family("crossrate_board_cut", "gauge", "Whether rows are too many to be kept for so long.");
    text.sample(&[], f64::from(u8::from(held_from_ms.is_some())));
    let held_ms = held_from_ms.map(|from_ms| state.room.newest_ms.saturating_sub(from_ms));
    if let Some(held_ms) = held_ms.or(history_ms) {
        text.family("crossrate_board_held_seconds", "gauge", "Event time of rows that is kept, or less yet.");
        text.sample(&[], held_ms as f64 / 1e3);
    }
}

/// What the kernel says of this process; left out where there is no `/proc`.
fn write_process(text: &mut MetricsText, began_ms: u64) {
    text.family("crossrate_uptime_seconds", "gauge", "For how long results have been served.");
    text.sample(&[], now_ms().saturating_sub(began_ms) as f64 / 1e3);
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let stat = read("stat");
    // The name of the program may hold blanks; what follows its parenthesis does not.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok());
    // Ticks are hundredths of a second on every Linux that Rust supports.
    if let (Some(user), Some(system)) = (field(11), field(12)) {
        text.family("process_cpu_seconds_total", "counter", "Processor time used.");
        text.sample(&[], (user + system) / 100.0);
    }
    let up = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let up: Option<f64> = up.split(' ').next().and_then(|text| text.parse().ok());
    if let (Some(started), Some(up)) = (field(19), up) {
        text.family("process_start_time_seconds", "gauge", "When the process began, since the epoch.");
        text.sample(&[], (now_ms() as f64 / 1e3 - (up - started / 100.0)).round());
    }
    if let Some(threads) = field(17) {
        text.family("process_threads", "gauge", "Threads.");
        text.sample(&[], threads);
    }
    let status = read("status");
    for (line, name, help) in [
        ("VmSize:", "process_virtual_memory_bytes", "Address space."),
        ("VmRSS:", "process_resident_memory_bytes", "Memory in use."),
    ] {
        let found = status
            .lines()
            .find_map(|l| l.strip_prefix(line)?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        if let Some(kilobytes) = found {
            text.family(name, "gauge", help);
            text.sample(&[], kilobytes * 1024.0);
        }
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        text.family("process_open_fds", "gauge", "Open files and connections.");
        text.sample(&[], files.count() as f64);
    }
    let limits = read("limits");
    let most = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    if let Some(most) = most {
        text.family("process_max_fds", "gauge", "Open files at most.");
        text.sample(&[], most);
    }
}

/// The text, family by family.
#[derive(Debug, Default)]
struct MetricsText(String, &'static str);

impl MetricsText {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.1 = name;
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample of a partition, with another label.
    fn sample_of(
        &mut self,
        (number, topic): &(String, Option<String>),
        more: Option<(&str, &str)>,
        value: f64,
    ) {
        let topic = topic.as_deref().map(|topic| ("topic", topic));
        let labels: Vec<(&str, &str)> =
            topic.into_iter().chain([("partition", number.as_str())]).chain(more).collect();
        self.sample(&labels, value);
    }

    fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let counts = histogram.cumulative();
        for (bound, count) in &counts {
            let labels = [labels, &[("le", bound)]].concat();
            self.sample_as("_bucket", &labels, *count as f64);
        }
        self.sample_as("_sum", labels, histogram.sum());
        self.sample_as("_count", labels, counts.last().map_or(0, |(_, count)| *count) as f64);
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.sample_as("", labels, value);
    }

    fn sample_as(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(self.1);
        self.0.push_str(suffix);
        for (place, (name, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{name}=\"{value}\"", if place == 0 { '{' } else { ',' });
        }
        self.0.push_str(if labels.is_empty() { " " } else { "} " });
        let _ = writeln!(self.0, "{value}");
    }
}
