//! Where results go. A sink is told the news in order, each once; what it was told it has written when `write` returns,
//! or at the latest when `finish` does.
//!
//! One sink may be the ledger ([`crate::ledger`]): then nothing is told to anybody before its commit, but to files,
//! which are cut back to what was committed when a run is taken up. The ledger commits on a thread of its own; what a
//! commit is made of, and how far everything was then, is kept until it is there.

mod append_file;
mod behind;
mod copy;
mod days;
mod dead_letter;
pub mod kafka;
mod lines;
pub(crate) mod lock;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(test)]
mod tests;

use crate::config::{Config, DeadLetterTarget, SinkTarget, Verbosity};
use crate::ledger::Begun;
use crate::ledger::Ledger;
use crate::ledger::committer::Committer;
use crate::ledger::point::{Mark, Point};
use crate::start;
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::operators::closings::{Outbox, PartitionProgress, Refusal};
use std::collections::BTreeMap;

/// What is new.
#[derive(Debug, Copy, Clone)]
pub struct News<'a> {
    /// Rows in their order, complete.
    pub rows: &'a [Row],
    /// Refused records.
    pub refused: &'a [Refusal],
    /// The latest of each partition.
    pub partitions: &'a BTreeMap<u32, PartitionProgress>,
    /// Rows looked at before this time are all there; `None` when the input has ended.
    pub frontier: Option<EventTime>,
    /// Windows of symbols that were withheld so far.
    pub withheld: u64,
}

/// A place for results; it takes of the news what it is for.
pub trait Sink: Send {
    /// Writes what is new.
    fn write(&mut self, news: &News<'_>) -> Result<()>;

    /// The run ends: everything must be where it belongs when this returns.
    fn finish(&mut self, news: &News<'_>) -> Result<()>;

    /// What the checkpoint must know before anything is changed outside. Until then a sink only opens, makes what is not
    /// there, and locks.
    fn claims(&mut self) -> Result<Vec<Mark>> {
        Ok(Vec::new())
    }

    /// Makes what is outside what it was at the last commit: cuts, removes. The job is this run's, and whatever the
    /// sink has locked has not been written since by any other run.
    fn restore(&mut self) -> Result<()> {
        Ok(())
    }

    /// The run cannot begin: leaves what it has taken from an earlier one to that.
    fn give_back(&mut self) {}

    /// Of files that a ledger cuts back: how long they are, everything written being on the disk.
    fn mark(&mut self) -> Result<Vec<Mark>> {
        Ok(Vec::new())
    }

    /// What was written and marked is committed.
    fn committed(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What the news of a commit says besides its rows.
#[derive(Debug, Default)]
struct Scene {
    partitions: BTreeMap<u32, PartitionProgress>,
    frontier: Option<EventTime>,
    withheld: u64,
}

/// All the sinks of a run.
pub struct Sinks {
    ledger: Option<Committer>,
    /// Those that a ledger cuts back, or that would rather be told twice than not at all: told before the commit.
    files: Vec<Box<dyn Sink>>,
    /// Those that are told what is certain.
    others: Vec<Box<dyn Sink>>,
    /// How far everything was when the commit under way began.
    scene: Scene,
    /// To be told of the first rows.
    first: Option<Verbosity>,
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sinks").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl Sinks {
    /// Opens and locks them, but for the ledger; `point` says where files of an earlier run end. Nothing is cut yet.
    pub fn open(config: &Config, point: &Point) -> Result<Self> {
        let (mut files, mut others): (Vec<Box<dyn Sink>>, Vec<Box<dyn Sink>>) = Default::default();
        let holds = config.ledger();
        for target in &config.sinks {
            match target {
                SinkTarget::Stdout => others.push(Box::new(lines::Lines::stdout())),
                SinkTarget::File(path) => files.push(Box::new(lines::Lines::file(config, path, point)?)),
                SinkTarget::Days(form, folder) => {
                    files.push(Box::new(days::Days::open(config, *form, folder, point)?));
                }
                // The ledger writes to all topics.
                SinkTarget::Kafka(_) => {}
                SinkTarget::Sqlite(_) | SinkTarget::Postgres(_) => {}
            }
        }
        match &config.dead_letter {
            Some(DeadLetterTarget::File(path)) => {
                files.push(Box::new(dead_letter::DeadLetters::file(config, path, point)?));
            }
            // The ledger writes them with its rows.
            Some(DeadLetterTarget::Kafka(_)) if matches!(config.ledger(), Some(SinkTarget::Kafka(_))) => {}
            Some(DeadLetterTarget::Kafka(topic)) => {
                files.push(Box::new(kafka::DeadLetters::open(config, topic)?));
            }
            None => {}
        }
        // Last, since nothing gives them back where something else cannot be opened.
        let databases = config.sinks.iter().filter(|target| {
            matches!(target, SinkTarget::Sqlite(_) | SinkTarget::Postgres(_)) && holds != Some(*target)
        });
        for copy in copy::Copy::open(config, databases, point.term)? {
            files.push(Box::new(copy));
        }
        Ok(Sinks { ledger: None, files, others, scene: Scene::default(), first: Some(config.verbosity) })
    }

    /// Notes in the checkpoint what they write to, which proves that the job is still this run's, and only then cuts and
    /// removes what was not committed.
    pub fn restore(&mut self, begun: &mut Begun, ledger: &mut dyn Ledger) -> Result<()> {
        let mut claims = Vec::new();
        for sink in &mut self.files {
            claims.extend(sink.claims()?);
        }
        begun.claim(ledger, &claims)?;
        self.files.iter_mut().try_for_each(|sink| sink.restore())
    }

    /// The run cannot begin: what it has taken from an earlier one is that one's again.
    pub fn give_back(&mut self) {
        self.files.iter_mut().for_each(|sink| sink.give_back());
    }

    /// The same for a run without a checkpoint: nothing was ever committed.
    pub fn begin_anew(&mut self) -> Result<()> {
        self.files.iter_mut().try_for_each(|sink| sink.restore())
    }

    /// From now on nothing is told that is not committed.
    pub fn commit_with(&mut self, ledger: Committer) {
        self.ledger = Some(ledger);
    }

    /// One more.
    pub fn add(&mut self, sink: Box<dyn Sink>) {
        self.others.push(sink);
    }

    /// Writes what is in the outbox, as far as it is time to, and takes it out.
    pub fn write(&mut self, outbox: &mut Outbox) -> Result<()> {
        self.pass_on(outbox, false)
    }

    /// Ends all sinks; `ended` says that the input has, and not only the run. The ledger stays until [`Sinks::close`].
    pub fn finish(&mut self, outbox: &mut Outbox, ended: bool) -> Result<()> {
        if let Some(ledger) = &mut self.ledger {
            ledger.end(ended);
        }
        self.pass_on(outbox, true)?;
        let news = news_of(outbox);
        self.files.iter_mut().chain(&mut self.others).try_for_each(|sink| sink.finish(&news))
    }

    /// Asks whether the job is still this run's, and waits for the answer; an error where it is not.
    pub fn prove_lease(&mut self) -> Result<()> {
        self.ledger.as_mut().map_or(Ok(()), Committer::prove_lease)
    }

    /// Lets the ledger go.
    pub fn close(&mut self) {
        self.ledger.iter_mut().for_each(Committer::close);
    }

    /// The event time until which everything is committed; what only earlier rows needed can be forgotten.
    pub fn committed(&self) -> EventTime {
        self.ledger.as_ref().map_or(EventTime::MIN, Committer::committed)
    }

    /// After how long something must be written although nothing new comes.
    pub fn due_in(&self) -> Option<std::time::Duration> {
        self.ledger.as_ref().and_then(Committer::due_in)
    }

    fn pass_on(&mut self, outbox: &mut Outbox, now: bool) -> Result<()> {
        if !outbox.rows.is_empty()
            && let Some(verbosity) = self.first.take()
        {
            start::tell(verbosity, "the first rows are computed");
        }
        if self.ledger.is_some() {
            return self.pass_to_ledger(outbox, now);
        }
        if outbox.rows.is_empty() && outbox.refused.is_empty() && !outbox.progressed {
            return Ok(());
        }
        let news = News { rows: &outbox.rows, refused: &outbox.refused, ..news_of(outbox) };
        self.files.iter_mut().chain(&mut self.others).try_for_each(|sink| sink.write(&news))?;
        outbox.clear();
        Ok(())
    }

    /// Gathers for the next commit, and begins it when it is due and the one before is there; `now` it ends too.
    fn pass_to_ledger(&mut self, outbox: &mut Outbox, now: bool) -> Result<()> {
        let Some(ledger) = &mut self.ledger else { return Ok(()) };
        ledger.take(outbox)?;
        // At the end nobody waits for the answer whether the job is still this run's, if there is nothing to commit.
        let wait = now && (ledger.has_news() || ledger.is_committing()) || ledger.is_full();
        self.tell_committed(wait)?;
        let Some(ledger) = &mut self.ledger else { return Ok(()) };
        if !ledger.has_news() || !(now || ledger.is_due()) {
            return if now { Ok(()) } else { ledger.still_ours() };
        }
        let commit = ledger.next_commit()?;
        let news = News { rows: &commit.rows, refused: &commit.refused, ..news_of(outbox) };
        let mut marks = Vec::new();
        for sink in &mut self.files {
            sink.write(&news)?;
            marks.extend(sink.mark()?);
        }
        let Outbox { partitions, frontier, withheld, .. } = outbox;
        self.scene = Scene { partitions: partitions.clone(), frontier: *frontier, withheld: *withheld };
        ledger.commit(commit, &marks)?;
        let wait = now || ledger.waits();
        self.tell_committed(wait)
    }

    /// Those who are told only what is certain hear of the commit that was under way, if it is there.
    fn tell_committed(&mut self, wait: bool) -> Result<()> {
        let Some(ledger) = &mut self.ledger else { return Ok(()) };
        let Some(commit) = ledger.committed_now(wait)? else { return Ok(()) };
        self.files.iter_mut().try_for_each(|sink| sink.committed())?;
        let Scene { partitions, frontier, withheld } = &self.scene;
        let (rows, refused) = (&commit.rows, &commit.refused);
        let news = News { rows, refused, partitions, frontier: *frontier, withheld: *withheld };
        self.others.iter_mut().try_for_each(|sink| sink.write(&news))
    }
}

fn news_of(outbox: &Outbox) -> News<'_> {
    News {
        rows: &[],
        refused: &[],
        partitions: &outbox.partitions,
        frontier: outbox.frontier,
        withheld: outbox.withheld,
    }
}
