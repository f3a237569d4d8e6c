//! `crossrate serve`: results that exist, served by the very server of `run --listen`, and followed as they grow.
//!
//! A place ([`ResultStore`]) is read by one thread, which tells the board what is new. It is there at the start, or the
//! command ends; when it goes away later, what is known is served on, `/readyz`, the page and the metrics say so, and
//! it is tried again until it is back. What is read again then is known already and disturbs no reader.

mod checkpoint_progress;
mod lines;
mod postgres;
mod sqlite;
mod tables;
mod topic;

use crate::cluster::failure_detector;
use crate::config::{ServeConfig, Serving, SinkTarget, Verbosity, beside, database};
use crate::exit::{Exit, Failure};
use crate::job_identity;
use crate::ledger::Entries;
use crate::ledger::checkpoint;
use crate::rows::columns;
use crate::serve::board::Board;
use crate::serve::board::about::{About, Described};
use crate::serve::board::progress::{Following, Knowledge, ProgressNews, Standing, now_ms};
use crate::serve::board::series::CachedRow;
use crate::serve::replay::Replays;
use crate::serve::{self, Server};
use crate::signals::on_signal;
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a place is listened to before it is looked after otherwise.
const TICK: Duration = Duration::from_millis(50);
/// How long a place that is away is left alone, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A store of results.
trait ResultStore: Send {
    /// Brings what is new, waiting for it no longer than that. After an error it is called again, and goes on from
    /// where it was, or begins anew.
    fn poll(&mut self, most: Duration) -> Result<PollResult>;
}

/// What a place brings.
#[derive(Debug, Default)]
struct PollResult {
    /// What was polled before is there no more.
    anew: bool,
    /// Rows, in the order in which they were written.
    rows: Vec<CachedRow>,
    /// How far the job is, where something besides rows tells.
    progress: Option<ProgressNews>,
    /// What is computed, where something besides rows tells.
    definition: Option<Described>,
    /// What was found that is no row.
    foreign: u64,
    /// All that is there has been polled.
    whole: bool,
}

impl PollResult {
    /// Takes a row in, if it is one.
    fn line(&mut self, line: &str) {
        match columns::read(line) {
            Some(row) => self.rows.push(CachedRow::of(&row)),
            None => self.foreign += 1,
        }
    }
}

/// What a checkpoint says that its job computes. One that another version of the program has written may say what
/// is not understood here: then nothing is said, as where there is none.
fn definition(entries: &Entries) -> Option<Described> {
    let job = checkpoint::job(entries).ok()??;
    job_identity::definition_of(&job.definition).as_ref().map(Described::of)
}

/// Serves until it is interrupted.
pub fn run(config: &ServeConfig) -> Result<Exit> {
    let listener = serve::bind(&config.serving)?;
    let mut place = open(config)?;
    // What cannot be read now is more likely a slip than an outage.
    let first = place.poll(TICK)?;
    let shown = shown(&config.from);
    let is_recording = matches!(config.from, SinkTarget::File(_));
    let about = About { job: config.name.clone(), source: shown.clone(), is_recording, definition: None };
    let server = Server::start(listener, &config.serving, (about, Replays::of_results(config)), None)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    on_signal(&interrupted, &[], failure_detector::interrupted)?;
    let mut publisher = Publisher::new(Arc::clone(server.board()), shown.clone(), config.verbosity);
    publisher.tell(first);
    if config.verbosity >= Verbosity::Normal {
        tracing::info!(page = server.page(), from = %shown, "serving {} from {shown}", server.page());
    }
    let stop = Arc::clone(&interrupted);
    std::thread::Builder::new()
        .name("follow".into())
        .spawn(move || follow(&mut *place, &mut publisher, &stop))?;
    server.stay(&interrupted);
    Ok(Exit::Interrupted)
}

fn open(config: &ServeConfig) -> Result<Box<dyn ResultStore>> {
    let history = config.serving.history.unwrap_or(Serving::HISTORY);
    Ok(match &config.from {
        SinkTarget::File(path) => {
            Box::new(lines::Lines::new(path, sqlite::CheckpointBeside::new(&beside(path), &config.name)))
        }
        SinkTarget::Sqlite(path) => Box::new(sqlite::Database::new(path, &config.name, history)),
        SinkTarget::Postgres(url) => Box::new(postgres::Database::new(url, &config.name, history)?),
        SinkTarget::Kafka(topic) => Box::new(topic::Topic::new(config, topic)?),
        SinkTarget::Stdout | SinkTarget::Days(..) => {
            return Err(Failure::new(
                Exit::Usage,
                format!("--from: {} cannot be followed", shown(&config.from)),
            )
            .into());
        }
    })
}

fn shown(from: &SinkTarget) -> String {
    match from {
        SinkTarget::Stdout => "-".into(),
        SinkTarget::File(path) | SinkTarget::Days(_, path) => path.display().to_string(),
        SinkTarget::Kafka(topic) => format!("kafka:{topic}"),
        SinkTarget::Sqlite(path) => format!("sqlite:{}", path.display()),
        SinkTarget::Postgres(url) => database::shown(url),
    }
}

fn follow(place: &mut dyn ResultStore, publisher: &mut Publisher, stop: &AtomicBool) {
    let mut pause = PAUSES.0;
    while !stop.load(Ordering::Relaxed) {
        match place.poll(TICK) {
            Ok(polled) => {
                pause = PAUSES.0;
                publisher.tell(polled);
            }
            Err(error) => {
                publisher.away(&error);
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

/// Tells the board, and people on standard error.
struct Publisher {
    board: Arc<Board>,
    following: Following,
    verbosity: Verbosity,
    /// The greatest end of a window that has closed: the frontier has reached it.
    closed: EventTime,
    /// Whether something besides rows tells how far the job is.
    told: bool,
}

impl Publisher {
    fn new(board: Arc<Board>, place: String, verbosity: Verbosity) -> Publisher {
        let following =
            Following { place, state: Standing::Reading, since_ms: now_ms(), reason: None, foreign: 0 };
        Publisher { board, following, verbosity, closed: EventTime::MIN, told: false }
    }

    fn tell(&mut self, polled: PollResult) {
        let PollResult { anew, rows, progress, definition, foreign, whole } = polled;
        if foreign > 0 && self.following.foreign == 0 && self.verbosity >= Verbosity::Normal {
            let place = &self.following.place;
            tracing::warn!(word = "warning", %place, foreign, "{place} holds something that is no row; it is left out");
        }
        if anew {
            (self.closed, self.told) = (EventTime::MIN, false);
        }
        let before = self.closed;
        for row in rows.iter().filter(|row| row.is_closed()) {
            self.closed = self.closed.max(EventTime::from_micros(row.end_ms.saturating_mul(1_000)));
        }
        self.told |= progress.is_some();
        let progress = progress.or_else(|| {
            let news = ProgressNews {
                known_from: Knowledge::Rows,
                partitions: Default::default(),
                frontier: Some(self.closed),
                over: false,
                told_ms: now_ms(),
            };
            (!self.told && self.closed > before).then_some(news)
        });
        let state = match self.following.state {
            Standing::Reading if !whole => Standing::Reading,
            _ => Standing::Following,
        };
        if self.following.state == Standing::Away && self.verbosity >= Verbosity::Normal {
            tracing::info!(place = %self.following.place, "{} is back", self.following.place);
        }
        let stands = self.stands(state, None, foreign);
        if rows.is_empty() && progress.is_none() && !anew && !stands {
            return;
        }
        self.board.tell(|inbox| {
            if anew {
                inbox.clear();
            }
            rows.into_iter().for_each(|row| inbox.row(row));
            if let Some(progress) = progress {
                inbox.progress(progress);
            }
            if let Some(definition) = definition {
                inbox.definition(definition);
            }
            inbox.following(self.following.clone());
        });
    }

    fn away(&mut self, error: &anyhow::Error) {
        let reason = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        if self.following.state != Standing::Away && self.verbosity >= Verbosity::Normal {
            let place = &self.following.place;
            tracing::warn!(%place, reason, "{place} is away, trying again ({reason})");
        }
        if self.stands(Standing::Away, Some(reason), 0) {
            self.board.tell(|inbox| inbox.following(self.following.clone()));
        }
    }

    /// Notes how the place stands; whether that is news.
    fn stands(&mut self, state: Standing, reason: Option<String>, foreign: u64) -> bool {
        let news = self.following.state != state || self.following.reason != reason || foreign > 0;
        if self.following.state != state {
            self.following.since_ms = now_ms();
        }
        (self.following.state, self.following.reason) = (state, reason);
        self.following.foreign += foreign;
        news
    }
}
