//! The session among its handles: what comes from websockets, REST, the clock and the user goes in, and what
//! comes out is done.

use super::CollectorSetup;
use super::binance::addresses;
use super::binance::info::ExchangeInfo;
use super::binance::limits::{PING_EVERY, limits};
use super::binance::rest::{self, Rest};
use super::clock::Moment;
use super::enquiry::{NumberedAnswer, RestRequest};
use super::link::{self, LinkReport};
use super::names::Names;
use super::place;
use super::publish::RecordPublisher;
use super::session::{
    CollectedRecord, CollectorCounts, CollectorNote, CollectorSession, Rules, SessionAction,
};
use super::shard::{LinkCommand, LinkKey, LinkTimeouts};
use crate::config::{ProduceConfig, Verbosity};
use crate::exit::{Exit, Failure};
use crate::signals::{TIDY_UP, note};
use anyhow::{Context, Result};
use crossrate_dataflows::market::event_time::EventTime;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc as threads;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, channel, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval};

/// Frames that wait for the session: as many more wait in the sockets.
const FRAMES: usize = 4_096;
/// Records that wait for the log before no more frames are taken.
const RECORDS: usize = 16_384;
const TICK: Duration = Duration::from_millis(25);
/// Frames taken at once.
const AT_ONCE: usize = 512;
/// Two connections of a shard overlap so long, in milliseconds.
const OVERLAP: u64 = 1_000;
/// Of the time after an interrupt this is for writing alone: what is held until then waits no longer.
const LAST_WRITES: Duration = Duration::from_secs(2);
/// How often it is told how it goes, to those who asked for more.
const PROGRESS: Duration = Duration::from_secs(10);

/// The interrupts that end the collector.
pub(super) struct Interrupts {
    int: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
}

impl Interrupts {
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Interrupts { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())? })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.int.recv() => note(SIGINT),
            _ = self.term.recv() => note(SIGTERM),
        };
    }
}

/// What the session needs done.
struct IoHandles<'a> {
    config: &'a ProduceConfig,
    links: HashMap<LinkKey, Sender<u64>>,
    reports: Sender<(LinkKey, LinkReport)>,
    requests: threads::Sender<RestRequest>,
    pending: Vec<CollectedRecord>,
}

/// Collects until interrupted; what came of it, and how many records were written.
pub(super) async fn collect(
    config: &ProduceConfig,
    prepared: CollectorSetup,
    started: Instant,
    mut interrupts: Interrupts,
) -> Result<(CollectorCounts, u64)> {
    let CollectorSetup { log, info, symbols } = prepared;
    let partitions = log.partitions();
    let mut session = session(config, &symbols, &info, partitions)?;
    let names = Arc::new(Names::new((0..symbols.len()).map(|n| session.name(n).to_owned()).collect()));
    let publisher = log.start(Arc::clone(&names)).context("cannot start a thread")?;
    let (answers, mut answered) = unbounded_channel();
    let requests =
        rest::start(&Rest::new(&config.rest), &names, &answers).context("cannot start a thread")?;
    let (reports, mut reported) = channel(FRAMES);
    let mut handles = IoHandles { config, links: HashMap::new(), reports, requests, pending: Vec::new() };
    session.note_time(info.time, Moment::default(), now(started));
    let ran =
        run(&mut session, &mut handles, &publisher, &mut reported, &mut answered, &mut interrupts, started)
            .await;
    let mut last = std::mem::take(&mut handles.pending);
    drop(handles);
    let counts = session.finish();
    last.extend(session.outputs().filter_map(|output| match output {
        SessionAction::Publish(record) => Some(record),
        SessionAction::Tell(note) => {
            tell(config, &note);
            None
        }
        _ => None,
    }));
    let deadline = match ran {
        CollectorEnd::Twice => return Err(Failure::new(Exit::Interrupted, "interrupted").into()),
        CollectorEnd::Through { deadline } => Some(deadline),
        CollectorEnd::Closed => None,
    };
    let finishing = async {
        if deadline.is_some() && !last.is_empty() {
            // If the log is closed, `finish` says why.
            let _ = publisher.batches.send(last).await;
        }
        tokio::task::spawn_blocking(move || publisher.finish()).await
    };
    let given_up = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        written = finishing => Ok((counts, written.context("the log was not finished")??)),
        () = interrupts.next() => Err(Failure::new(Exit::Interrupted, "interrupted").into()),
        () = given_up => {
            let seconds = TIDY_UP.as_secs();
            tracing::info!("{counts}");
            tracing::warn!("interrupted {seconds} s ago, and the last records still cannot be written: ending without them");
            Err(Failure::new(Exit::Interrupted, "interrupted").into())
        }
    }
}

fn session(
    config: &ProduceConfig,
    symbols: &[String],
    info: &ExchangeInfo,
    partitions: usize,
) -> Result<CollectorSession> {
    let millis = |duration: Duration| duration.as_millis() as u64;
    let seed = getrandom::u64().context("no random numbers")?;
    let rules = Rules {
        patience: LinkTimeouts {
            stall: millis(config.stall_timeout),
            renew: millis(config.renew_after),
            overlap: OVERLAP,
            ping_every: PING_EVERY,
        },
        fill_hold: millis(config.fill_hold),
        audit_every: millis(config.audit_interval),
        limits: limits(info.weight_limit),
        seed,
    };
    let shards = place::shards(symbols, partitions, addresses::room(config.connection_symbols));
    Ok(CollectorSession::new(rules, shards, partitions))
}

fn now(started: Instant) -> Moment {
    Moment::from_millis(started.elapsed().as_millis() as u64)
}

/// How the collecting ended.
#[derive(Debug, PartialEq, Eq)]
enum CollectorEnd {
    /// After an interrupt, when nothing was held any more, or when what is held has had its time. What is
    /// left is to be written by the deadline.
    Through { deadline: Instant },
    /// By a second interrupt, which means at once.
    Twice,
    /// The log cannot be written any more.
    Closed,
}

async fn run(
    session: &mut CollectorSession,
    handles: &mut IoHandles<'_>,
    publisher: &RecordPublisher,
    reported: &mut Receiver<(LinkKey, LinkReport)>,
    answered: &mut UnboundedReceiver<NumberedAnswer>,
    interrupts: &mut Interrupts,
    started: Instant,
) -> CollectorEnd {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut frames = Vec::with_capacity(AT_ONCE);
    let mut stopping: Option<Instant> = None;
    let mut reported_at = Instant::now();
    loop {
        if let Some(since) = stopping {
            let is_through = session.is_through() && handles.pending.is_empty();
            if is_through || since.elapsed() >= TIDY_UP - LAST_WRITES {
                return CollectorEnd::Through { deadline: since + TIDY_UP };
            }
        }
        let room = handles.pending.len() < RECORDS;
        tokio::select! {
            biased;
            () = interrupts.next() => {
                if stopping.replace(Instant::now()).is_some() {
                    return CollectorEnd::Twice;
                }
                session.stop();
            }
            permit = publisher.batches.reserve(), if !handles.pending.is_empty() => match permit {
                Ok(permit) => permit.send(std::mem::take(&mut handles.pending)),
                Err(_) => return CollectorEnd::Closed,
            },
            _ = ticks.tick() => {
                session.tick(now(started));
                if handles.config.verbosity >= Verbosity::Verbose && reported_at.elapsed() >= PROGRESS {
                    reported_at = Instant::now();
                    tracing::debug!("{}", session.counts());
                }
            }
            Some(replied) = answered.recv() => {
                session.answered(replied.number, replied.answer, replied.used, now(started));
            }
            // What still comes from connections that are being closed is not collected any more.
            _ = reported.recv_many(&mut frames, AT_ONCE), if room && stopping.is_none() => {
                for (link, report) in frames.drain(..) {
                    hear(session, link, report, now(started));
                }
            }
        }
        perform(session, handles);
    }
}

fn hear(session: &mut CollectorSession, link: LinkKey, report: LinkReport, now: Moment) {
    match report {
        LinkReport::Opened => session.opened(link, now),
        LinkReport::Event(event) => session.event(link, event, now),
        LinkReport::Pinged => session.pinged(link, now),
        LinkReport::Ponged(number) => session.ponged(link, number, now),
        LinkReport::Closed { keep_away, why } => session.closed(link, keep_away, why, now),
    }
}

fn perform(session: &mut CollectorSession, handles: &mut IoHandles<'_>) {
    let outputs: Vec<SessionAction> = session.outputs().collect();
    for output in outputs {
        match output {
            SessionAction::Publish(record) => handles.pending.push(record),
            SessionAction::Ask(number, question) => {
                // The threads that ask end after this sender only.
                let _ = handles.requests.send(RestRequest { number, question });
            }
            SessionAction::Tell(note) => tell(handles.config, &note),
            SessionAction::Link(LinkCommand::Connect(key)) => {
                let symbols: Vec<usize> = session.symbols_of(key.shard).collect();
                let address =
                    addresses::address(&handles.config.endpoint, symbols.iter().map(|s| session.name(*s)));
                let (pings, received) = channel(8);
                handles.links.retain(|_, pings| !pings.is_closed());
                handles.links.insert(key, pings);
                tokio::spawn(link::run(key, address, handles.reports.clone(), received));
            }
            SessionAction::Link(LinkCommand::Ping(key, number)) => {
                // A connection that is not there any more has said so; one that is stuck needs no more pings.
                let _ = handles.links.get(&key).map(|pings| pings.try_send(number));
            }
            SessionAction::Link(LinkCommand::Close(key)) => {
                // Without its sender a connection closes, whatever it is doing.
                handles.links.remove(&key);
            }
        }
    }
}

fn tell(config: &ProduceConfig, note: &CollectorNote) {
    let least = if note.matters() { Verbosity::Normal } else { Verbosity::Verbose };
    if config.verbosity >= least {
        match note.matters() {
            true => tracing::warn!("{note}"),
            false => tracing::debug!("{note}"),
        }
    }
}

/// The exchange's clock beside ours, as far as that matters: a trade that is ahead of its Kafka timestamp is
/// refused where it is read.
pub(super) fn compare_clocks(config: &ProduceConfig, time: EventTime, ours: EventTime) {
    const WORTH_TELLING: u64 = 1_000_000;
    let (ahead, word) = match time > ours {
        true => (time.micros() - ours.micros(), "behind"),
        false => (ours.micros() - time.micros(), "ahead of"),
    };
    if ahead >= WORTH_TELLING && config.verbosity >= Verbosity::Normal {
        let ahead_s = ahead as f64 / 1e6;
        tracing::warn!(
            word = "warning",
            ahead_s,
            "this machine's clock is {ahead_s:.1} s {word} the exchange's; records bear this machine's time"
        );
    }
}
