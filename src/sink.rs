//! Where results go. A sink is told the news in order, each once; what it was told it has written when `write` returns,
//! or at the latest when `finish` does.

mod dead_letter;
mod lines;

use crate::config::{Config, DeadLetterTarget, SinkTarget};
use anyhow::Result;
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::operators::closings::Outbox;

/// A place for results. Rows, refused records and progress all come through the [`Outbox`]; a sink takes what it is for.
pub trait Sink: Send {
    /// Writes what is new.
    fn write(&mut self, news: &Outbox) -> Result<()>;

    /// The run ends: everything must be where it belongs when this returns.
    fn finish(&mut self, news: &Outbox) -> Result<()>;
}

/// All the sinks of a run.
pub struct Sinks {
    sinks: Vec<Box<dyn Sink>>,
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sinks").field("count", &self.sinks.len()).finish()
    }
}

impl Sinks {
    /// Opens them.
    pub fn open(config: &Config) -> Result<Self> {
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        for target in &config.sinks {
            match target {
                SinkTarget::Stdout => sinks.push(Box::new(lines::Lines::stdout())),
                SinkTarget::File(path) => sinks.push(Box::new(lines::Lines::file(path)?)),
                SinkTarget::Kafka(_) | SinkTarget::Sqlite(_) | SinkTarget::Postgres(_) => {
                    anyhow::bail!("this sink is not there yet")
                }
            }
        }
        match &config.dead_letter {
            Some(DeadLetterTarget::File(path)) => sinks.push(Box::new(dead_letter::DeadLetters::file(path)?)),
            Some(DeadLetterTarget::Kafka(_)) => anyhow::bail!("this dead-letter sink is not there yet"),
            None => {}
        }
        Ok(Sinks { sinks })
    }

    /// One more.
    pub fn add(&mut self, sink: Box<dyn Sink>) {
        self.sinks.push(sink);
    }

    /// Writes what is in the outbox, and empties it.
    pub fn write(&mut self, outbox: &mut Outbox) -> Result<()> {
        if outbox.rows.is_empty() && outbox.refused.is_empty() && !outbox.progressed {
            return Ok(());
        }
        for sink in &mut self.sinks {
            sink.write(outbox)?;
        }
        outbox.rows.clear();
        outbox.refused.clear();
        outbox.progressed = false;
        Ok(())
    }

    /// Ends all sinks.
    pub fn finish(&mut self, outbox: &mut Outbox) -> Result<()> {
        self.write(outbox)?;
        for sink in &mut self.sinks {
            sink.finish(outbox)?;
        }
        Ok(())
    }
}

/// What became of all records, over all partitions.
pub fn total(outbox: &Outbox) -> Counts {
    let mut total = Counts::default();
    for partition in outbox.partitions.values() {
        total.add(&partition.counts);
    }
    total
}
