//! The collector: Binance's spot trades from its websocket to Kafka, a file or standard output.
//!
//! All that is decided is decided by the [`session`], which knows no socket and no clock: it is told what
//! came and when, and says what is to be published, connected, asked and closed. So its promises can be
//! tried over any number of imagined days (`simulation`). Around it stand the handles: websockets (`link`)
//! and the log that is written (`publish`). What is the exchange's own stands in [`binance`]: addresses,
//! messages, REST and limits. The others know none of it, but for those that join both (`drive`, `link`):
//! another exchange is another such folder.
//!
//! The promises, which `docs/semantics.md#input` leans on:
//! * every trade of the exchange from the first one seen on is published once, or counted as unfilled;
//! * a heartbeat T in a partition is followed there by no trade before T, but for those that were missing and
//!   came after their hold, or that the exchange itself swallowed: these are counted as overtaken.

pub mod binance;
pub mod clock;
mod drive;
pub mod enquiry;
pub mod event;
pub mod ids;
mod link;
pub mod names;
pub mod place;
mod publish;
pub mod reorder_buffer;
pub mod session;
pub mod shard;

pub use publish::FILLED_HEADER;

use crate::accounting;
use crate::config::{ProduceConfig, Verbosity};
use crate::exit::{Exit, Failure};
use crate::service_manager;
use anyhow::{Context, Result};
use binance::info::{self, ExchangeInfo};
use binance::rest::{Rest, RestFault};
use crossrate_dataflows::market::event_time::EventTime;
use publish::RecordLog;
use serde::Serialize;
use session::CollectorCounts;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What is told at the end.
#[derive(Serialize)]
struct CollectorSummary {
    #[serde(flatten)]
    counts: CollectorCounts,
    /// Records that the log has taken, heartbeats among them.
    written: u64,
}

/// The assets of an exchange's symbols, as `--pairs` reads them.
pub fn pairs(rest: &str) -> Result<String> {
    info::pairs(&Rest::new(rest)).map_err(|trouble| {
        Failure::new(Exit::Unreachable, format!("{rest} does not tell its symbols"))
            .because(trouble)
            .hint("name the exchange's REST by --rest, such as https://api.binance.com")
            .into()
    })
}

/// Collects trades until it is interrupted.
pub fn run(config: &ProduceConfig) -> Result<Exit> {
    if let Some(path) = &config.summary {
        accounting::can_summarize(path)?;
    }
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let collected = runtime.block_on(prepare_and_collect(config, begun));
    // What cannot be opened, asked or written is not waited for any more.
    runtime.shutdown_background();
    let (counts, written) = collected?;
    if config.verbosity >= Verbosity::Normal {
        tracing::info!("{counts}");
    }
    if let Some(path) = &config.summary {
        accounting::summarize(path, &CollectorSummary { counts, written })?;
    }
    Ok(Exit::Interrupted)
}

/// What a collector needs before it collects.
struct CollectorSetup {
    log: RecordLog,
    info: ExchangeInfo,
    symbols: Vec<String>,
}

/// Signals are heard from here on: a broker or a REST that does not answer holds up nobody who wants to end.
async fn prepare_and_collect(config: &ProduceConfig, begun: Instant) -> Result<(CollectorCounts, u64)> {
    let mut interrupts = drive::Interrupts::new().context("cannot listen for interrupts")?;
    let (own, begun_at) = (config.clone(), SystemTime::now() - begun.elapsed());
    let preparing = tokio::task::spawn_blocking(move || prepare(&own, begun_at));
    let prepared = tokio::select! {
        prepared = preparing => prepared.context("the preparation was not finished")??,
        () = interrupts.next() => return Ok((CollectorCounts::default(), 0)),
    };
    service_manager::ready("collecting");
    drive::collect(config, prepared, begun, interrupts).await
}

/// The moments of records count from `begun_at`.
fn prepare(config: &ProduceConfig, begun_at: SystemTime) -> Result<CollectorSetup> {
    let log = RecordLog::open(config, begun_at)?;
    let info = ask(config)?;
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    drive::compare_clocks(config, info.time, EventTime::from_micros(ours));
    let symbols = choose(config, &info)?;
    Ok(CollectorSetup { log, info, symbols })
}

/// Asks the exchange for what it trades. It may want us to wait.
fn ask(config: &ProduceConfig) -> Result<ExchangeInfo> {
    const ATTEMPTS: u32 = 3;
    const LONGEST: u64 = 600_000;
    let rest = Rest::new(&config.rest);
    let named = config.symbols.as_deref().unwrap_or_default();
    let mut failures = 0;
    loop {
        let trouble = match info::ask(&rest, named) {
            Ok(info) => return Ok(info),
            Err(trouble) => trouble,
        };
        match trouble {
            RestFault::Limited { wait, .. } if wait <= LONGEST => {
                if config.verbosity >= Verbosity::Normal {
                    tracing::warn!(%trouble, "{trouble}, waiting");
                }
                std::thread::sleep(Duration::from_millis(wait));
            }
            RestFault::Failed(_) if failures + 1 < ATTEMPTS => {
                failures += 1;
                std::thread::sleep(Duration::from_millis(250 << failures));
            }
            trouble => {
                let words = format!("the exchange's REST at {} does not say what trades", config.rest);
                return Err(Failure::new(Exit::Unreachable, words)
                    .hint("say by --rest where it is")
                    .because(trouble)
                    .into());
            }
        }
    }
}

/// The symbols to collect: those of the configuration that the exchange knows. A name that it does not know
/// it would accept without a word, and never send anything.
fn choose(config: &ProduceConfig, info: &ExchangeInfo) -> Result<Vec<String>> {
    let Some(wanted) = &config.symbols else {
        let trading = info.statuses.iter().filter(|(_, status)| *status == "TRADING");
        let mut symbols: Vec<String> = trading.map(|(symbol, _)| symbol.clone()).collect();
        symbols.sort();
        return if symbols.is_empty() {
            Err(Failure::new(Exit::Unreachable, "nothing trades at this exchange").into())
        } else {
            Ok(symbols)
        };
    };
    let mut chosen = Vec::new();
    for symbol in wanted {
        let words = match info.statuses.get(symbol).map(String::as_str) {
            Some("TRADING") => None,
            Some(status) => Some(format!("{symbol} does not trade at present: its status is {status}")),
            None if info.statuses.contains_key(&symbol.to_uppercase()) => Some(format!(
                "{symbol} is no symbol of this exchange; did you mean {}?",
                symbol.to_uppercase()
            )),
            None => Some(format!("{symbol} does not trade: this exchange does not know it (any more)")),
        };
        if let Some(words) = words.filter(|_| config.verbosity >= Verbosity::Normal) {
            tracing::warn!(word = "warning", symbol = %symbol, "{words}");
        }
        if info.statuses.contains_key(symbol) {
            chosen.push(symbol.clone());
        }
    }
    if chosen.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("this exchange knows none of {}", wanted.join(", ")))
            .hint("name symbols that it trades by --symbols, or legs that it trades by --cross")
            .into());
    }
    Ok(chosen)
}
