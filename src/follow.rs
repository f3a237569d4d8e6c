//! `crossrate serve`: results that exist, served by the very server of `run --listen`, and followed as they
//! grow.
//!
//! A place ([`ResultStore`]) is read by one thread, which tells the board what is new. It is there at the
//! start, or the command ends; when it goes away later, what is known is served on, `/readyz`, the page and
//! the metrics say so, and it is tried again until it is back. What is read again then is known already and
//! disturbs no reader.

mod checkpoint_progress;
mod days;
mod lines;
mod postgres;
mod sqlite;
mod tables;
mod tail;
mod topic;

use crate::cluster::failure_detector;
use crate::config::{DayForm, ServeConfig, ServingConfig, SinkTarget, Verbosity, beside};
use crate::exit::{Exit, Failure};
use crate::job_identity;
use crate::ledger::Entries;
use crate::ledger::checkpoint;
use crate::rows::columns;
use crate::rows::sqlite::is_database;
use crate::serve::board::Board;
use crate::serve::board::about::{DefinitionDescription, JobDescription};
use crate::serve::board::progress::{FollowState, FollowedPlace, Knowledge, ProgressNews, now_ms};
use crate::serve::board::series::CachedRow;
use crate::serve::replay::Replays;
use crate::serve::{self, Server};
use crate::service_manager;
use crate::signals::on_signal;
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a place is listened to before it is looked after otherwise.
const TICK: Duration = Duration::from_millis(50);
/// How long a place that is away is left alone, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A store of results.
trait ResultStore: Send {
    /// Brings what is new, waiting for it no longer than that. After an error it is called again, and goes on
    /// from where it was, or begins anew.
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
    definition: Option<DefinitionDescription>,
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

/// The definition in a checkpoint. If another version wrote the checkpoint and its definition does not parse,
/// there is none.
fn definition(entries: &Entries) -> Option<DefinitionDescription> {
    let job = checkpoint::job(entries).ok()??;
    job_identity::definition_of(&job.definition).as_ref().map(DefinitionDescription::of)
}

/// Serves until it is interrupted.
pub fn run(config: &ServeConfig) -> Result<Exit> {
    let config = &told_by_content(config.clone());
    let interrupted = Arc::new(AtomicBool::new(false));
    on_signal(&interrupted, &[], failure_detector::interrupted)?;
    let listener = serve::bind(&config.serving)?;
    let mut place = open(config)?;
    // What cannot be read now is more likely a slip than an outage.
    let first = place.poll(TICK)?;
    let shown = config.from.to_string();
    let is_recording = matches!(config.from, SinkTarget::File(_) | SinkTarget::Days(..));
    let about =
        JobDescription { job: config.name.clone(), source: shown.clone(), is_recording, definition: None };
    let server = Server::start(listener, &config.serving, (about, Replays::of_results(config)), None)?;
    let mut publisher = BoardPublisher::new(Arc::clone(server.board()), shown.clone(), config.verbosity);
    publisher.tell(first);
    if config.verbosity >= Verbosity::Normal {
        tracing::info!(page = server.page(), from = %shown, "serving {} from {shown}", server.page());
    }
    service_manager::ready("serving");
    let stop = Arc::clone(&interrupted);
    std::thread::Builder::new()
        .name("follow".into())
        .spawn(move || follow(&mut *place, &mut publisher, &stop))?;
    server.stay(&interrupted);
    Ok(Exit::Interrupted)
}

/// A database of `--to sqlite:PATH` is named as a file, too.
fn told_by_content(mut config: ServeConfig) -> ServeConfig {
    if let SinkTarget::File(path) = &config.from
        && is_database(path)
    {
        config.from = SinkTarget::Sqlite(path.clone());
    }
    config
}

fn open(config: &ServeConfig) -> Result<Box<dyn ResultStore>> {
    let history = config.serving.history.unwrap_or(ServingConfig::HISTORY);
    Ok(match &config.from {
        SinkTarget::File(path) if path.is_dir() => Box::new(folder(path, days_form(path)?, config)),
        SinkTarget::File(path) => Box::new(lines::LinesFollower::new(
            path,
            sqlite::CheckpointBeside::new(&beside(path), &config.name),
        )),
        SinkTarget::Sqlite(path) => Box::new(sqlite::SqliteFollower::new(path, &config.name, history)),
        SinkTarget::Postgres(url) => Box::new(postgres::PostgresFollower::new(url, &config.name, history)?),
        SinkTarget::Kafka(topic) => Box::new(topic::TopicFollower::new(config, topic)?),
        SinkTarget::Days(form, path) => Box::new(folder(path, *form, config)),
        other => {
            return Err(Failure::new(Exit::Usage, format!("--from: {other} cannot be followed")).into());
        }
    })
}

fn folder(path: &Path, form: DayForm, config: &ServeConfig) -> days::DaysFollower {
    days::DaysFollower::new(path, form, sqlite::CheckpointBeside::new(&beside(path), &config.name))
}

/// The form of the files of a folder that was named without.
fn days_form(folder: &Path) -> Result<DayForm> {
    match crate::rows::days::forms(folder).unwrap_or_default().as_slice() {
        [form] => Ok(*form),
        _ => Err(Failure::new(
            Exit::Unreachable,
            format!("cannot read {}: it is a folder", folder.display()),
        )
        .hint("a folder of --to csv:FOLDER or --to parquet:FOLDER is named csv:FOLDER or parquet:FOLDER")
        .into()),
    }
}

fn follow(place: &mut dyn ResultStore, publisher: &mut BoardPublisher, stop: &AtomicBool) {
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
struct BoardPublisher {
    board: Arc<Board>,
    following: FollowedPlace,
    verbosity: Verbosity,
    /// The greatest end of a window that has closed: the frontier has reached it.
    closed: EventTime,
    /// Whether something besides rows tells how far the job is.
    has_progress: bool,
    /// Whether it was said that rows are too many for the history that is wanted.
    is_cut_said: bool,
}

impl BoardPublisher {
    fn new(board: Arc<Board>, place: String, verbosity: Verbosity) -> BoardPublisher {
        let following = FollowedPlace {
            place,
            state: FollowState::Reading,
            since_ms: now_ms(),
            reason: None,
            foreign: 0,
        };
        BoardPublisher {
            board,
            following,
            verbosity,
            closed: EventTime::MIN,
            has_progress: false,
            is_cut_said: false,
        }
    }

    fn tell(&mut self, polled: PollResult) {
        let PollResult { anew, rows, progress, definition, foreign, whole } = polled;
        if foreign > 0 && self.following.foreign == 0 && self.verbosity >= Verbosity::Normal {
            let place = &self.following.place;
            tracing::warn!(word = "warning", %place, foreign, "{place} holds something that is no row; it is left out");
        }
        if anew {
            (self.closed, self.has_progress) = (EventTime::MIN, false);
        }
        let before = self.closed;
        for row in rows.iter().filter(|row| row.is_closed()) {
            self.closed = self.closed.max(EventTime::from_micros(row.end_ms.saturating_mul(1_000)));
        }
        self.has_progress |= progress.is_some();
        let progress = progress.or_else(|| {
            let news = ProgressNews {
                known_from: Knowledge::Rows,
                partitions: Default::default(),
                frontier: Some(self.closed),
                over: false,
                told_ms: now_ms(),
            };
            (!self.has_progress && self.closed > before).then_some(news)
        });
        let state = match self.following.state {
            FollowState::Reading if !whole => FollowState::Reading,
            _ => FollowState::Following,
        };
        if self.following.state == FollowState::Away && self.verbosity >= Verbosity::Normal {
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
        self.say_what_is_cut();
    }

    /// Says once that rows reach back less far than `--history`.
    fn say_what_is_cut(&mut self) {
        let is_heard = self.verbosity >= Verbosity::Normal && !self.is_cut_said;
        let Some(history_ms) = self.board.history().filter(|_| is_heard) else { return };
        let Some(from_ms) = self.board.read().room.held_from_ms(Some(history_ms)) else { return };
        self.is_cut_said = true;
        let from = EventTime::from_micros(from_ms.saturating_mul(1_000));
        let history_s = history_ms / 1_000;
        tracing::warn!(
            word = "warning",
            history_s,
            from_ms,
            "rows are too many to be kept for --history {history_s} s; those after {from} are"
        );
    }

    fn away(&mut self, error: &anyhow::Error) {
        let reason = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        if self.following.state != FollowState::Away && self.verbosity >= Verbosity::Normal {
            let place = &self.following.place;
            tracing::warn!(%place, reason, "{place} is away, trying again ({reason})");
        }
        if self.stands(FollowState::Away, Some(reason), 0) {
            self.board.tell(|inbox| inbox.following(self.following.clone()));
        }
    }

    /// Notes how the place stands; whether that is news.
    fn stands(&mut self, state: FollowState, reason: Option<String>, foreign: u64) -> bool {
        let news = self.following.state != state || self.following.reason != reason || foreign > 0;
        if self.following.state != state {
            self.following.since_ms = now_ms();
        }
        (self.following.state, self.following.reason) = (state, reason);
        self.following.foreign += foreign;
        news
    }
}
