//! The command: a generated market through the very dataflow of `run`, shown by a [`Display`].

use super::{DemoDescription, DemoEnding, DemoPartition, DemoProgress, Display, RefusalLine, Surface};
use crate::changes::ChangeQueue;
use crate::config::{Cluster, Config, DemoConfig, Listing, SimulatedSource, Source, Verbosity};
use crate::exit::{Exit, Failure};
use crate::run::Observer;
use crate::serve::replay::Replays;
use crate::serve::{self, Server};
use crate::sink::{Sink, SinkBatch};
use crate::source::simulated::Market;
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use std::io::{self, ErrorKind, Stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Shows the demonstration on standard output.
pub fn run(demo: DemoConfig) -> Result<Exit> {
    let listing = if demo.definition.quotes.is_some() { Listing::Many } else { Listing::Story };
    let market = Market { seed: demo.seed, seconds: demo.duration / 1_000_000, listing };
    let (program, flags) = called(std::env::args());
    let server = match &demo.serving {
        Some(serving) => {
            let config = configuration(&demo, market);
            let (about, replays) =
                (serve::board::about::JobDescription::of(&config), Replays::of_run(&config));
            Some(Server::start(
                serve::bind(serving)?,
                serving,
                (about, replays),
                Some(ChangeQueue::default()),
            )?)
        }
        None => None,
    };
    let about = DemoDescription {
        page: server.as_ref().map(Server::page),
        program,
        flags,
        speed: demo.speed,
        market,
        definition: demo.definition.clone(),
        workers: demo.threads,
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let configuration = configuration(&demo, market);
    let stop = Arc::clone(&interrupted);
    let show: Observer = Box::new(move || {
        let display = Display::new(about, Surface::of_stdout(), io::stdout()).map_err(closed)?;
        Ok(Box::new(DisplaySink { display: Some(display), begun: Instant::now(), interrupted: stop }))
    });
    crate::run::run_with(configuration, Some(show), server, &interrupted)
}

fn configuration(demo: &DemoConfig, market: Market) -> Config {
    let source = Source::Simulated(SimulatedSource {
        seed: market.seed,
        seconds: market.seconds,
        speed: demo.speed,
        listing: market.listing,
    });
    Config {
        max_drift: 60_000_000,
        serving: demo.serving.clone(),
        cluster: Cluster { threads: demo.threads, ..Cluster::default() },
        // The display tells everything itself.
        verbosity: Verbosity::Quiet,
        progress: demo.progress,
        keep_refused: true,
        ..Config::that_leaves_nothing("demo", demo.definition.clone(), source)
    }
}

/// How this program was called, and the flags that decide what is computed: not how fast, and on how many
/// workers.
fn called(mut arguments: impl Iterator<Item = String>) -> (String, String) {
    let program = arguments.next().unwrap_or_else(|| "crossrate".into());
    let mut flags = String::new();
    // The first argument is the command's name.
    let mut rest = arguments.skip(1);
    while let Some(argument) = rest.next() {
        let name = argument.split('=').next().unwrap_or_default();
        match name {
            "--speed" | "--threads" | "--workers" | "-w" => {
                if name == argument {
                    rest.next();
                }
            }
            _ if name.starts_with("-w") => {}
            _ => flags.push_str(&format!(" {}", quoted(&argument))),
        }
    }
    (program, flags)
}

/// As a shell wants it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// The display as a sink.
struct DisplaySink {
    display: Option<Display<Stdout>>,
    begun: Instant,
    interrupted: Arc<AtomicBool>,
}

impl DisplaySink {
    fn partitions(batch: &SinkBatch<'_>) -> Vec<DemoPartition> {
        batch
            .partitions
            .values()
            .map(|p| DemoPartition { counts: p.counts, watermark: p.watermark, ended: p.ended })
            .collect()
    }
}

impl Sink for DisplaySink {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        let Some(display) = &mut self.display else { return Ok(()) };
        display.rows(batch.rows).map_err(closed)?;
        for refusal in batch.refused {
            let refused = RefusalLine {
                partition: refusal.partition as usize,
                offset: refusal.offset,
                reason: refusal.reason.as_str(),
                detail: &refusal.detail,
            };
            display.refused(&refused).map_err(closed)?;
        }
        let progress = DemoProgress {
            partitions: &Self::partitions(batch),
            frontier: batch.frontier.unwrap_or(EventTime::MAX),
            elapsed: self.begun.elapsed(),
        };
        display.progress(&progress).map_err(closed)
    }

    fn finish(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        let Some(display) = self.display.take() else { return Ok(()) };
        let ending = if self.interrupted.load(Ordering::Relaxed) {
            DemoEnding::Interrupted
        } else {
            DemoEnding::Complete
        };
        let progress = DemoProgress {
            partitions: &Self::partitions(batch),
            frontier: batch.frontier.unwrap_or(EventTime::MAX),
            elapsed: self.begun.elapsed(),
        };
        display.finish(&progress, ending).map_err(closed)
    }
}

fn closed(error: io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::new(Exit::PipeClosed, "standard output was closed").into(),
        _ => Failure::new(Exit::Failed, "cannot write to standard output").because(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_repeats_the_flags_that_change_the_job() {
        let flags = |text: &str| called(text.split(' ').map(str::to_owned)).1;
        assert_eq!(flags("crossrate demo"), "");
        assert_eq!(flags("crossrate demo --speed max -w 4 --seed 3"), " --seed 3");
        assert_eq!(flags("crossrate demo --speed=2 -w4 --threads=2 --cross A=B*C"), " --cross 'A=B*C'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
