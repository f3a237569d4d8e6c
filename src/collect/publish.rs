//! The log that the collector writes: a topic, a file or standard output, on a thread of its own.
//!
//! Batches come through a short queue, so that a broker that is away stops the reading of websockets and not
//! the machine. Within a partition the order of records is kept: a heartbeat means what it says only where it
//! stands.

use super::clock::Moment;
use super::names::Names;
use super::session::{CollectedKind, CollectedRecord};
use crate::config::{KafkaClient, ProduceConfig, ProduceTarget, Verbosity};
use crate::exit::{Exit, Failure};
use crate::kafka::topics::{self, TopicPurpose};
use crate::kafka::writer::{self, OutgoingRecord, Producer};
use crate::kafka::{self, ErrorListener};
use anyhow::Result;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::Producer as _;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TryRecvError};

/// The header of a trade that was missing and came by REST.
pub const FILLED_HEADER: &str = "crossrate.filled";

/// Batches that wait to be written.
const BATCHES: usize = 4;
/// librdkafka is looked after so often while nothing else is to be done.
const LOOK: Duration = Duration::from_millis(5);
/// How long the last records may take.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often the topic is looked at for new partitions.
const WATCH: Duration = Duration::from_secs(30);

/// Where records are written, open.
#[derive(Debug)]
pub(super) struct RecordLog {
    out: RecordOutput,
    partitions: usize,
}

#[derive(Debug)]
enum RecordOutput {
    Topic(Box<TopicWriter>),
    Lines(LinesWriter),
}

/// The other side of the queue.
#[derive(Debug)]
pub(super) struct RecordPublisher {
    pub(super) batches: Sender<Vec<CollectedRecord>>,
    thread: JoinHandle<Result<u64>>,
}

impl RecordLog {
    /// Opens what the configuration names. The moments of records count from `begun`.
    pub(super) fn open(config: &ProduceConfig, started: SystemTime) -> Result<RecordLog> {
        match &config.to {
            ProduceTarget::Kafka(topic) => TopicWriter::open(&config.kafka, topic, config.verbosity),
            ProduceTarget::File(path) => {
                let lines = LinesWriter::file(path, config.capture.then_some(started))?;
                Ok(RecordLog { out: RecordOutput::Lines(lines), partitions: 1 })
            }
            ProduceTarget::Stdout => {
                let lines = LinesWriter::new(
                    "standard output".into(),
                    LinesTarget::Stdout(io::stdout()),
                    config.capture.then_some(started),
                );
                Ok(RecordLog { out: RecordOutput::Lines(lines), partitions: 1 })
            }
        }
    }

    /// How many partitions it has.
    pub(super) fn partitions(&self) -> usize {
        self.partitions
    }

    /// Writes from now on what comes.
    pub(super) fn start(self, names: Arc<Names>) -> io::Result<RecordPublisher> {
        let (batches, queue) = channel(BATCHES);
        let thread = std::thread::Builder::new().name("publish".into()).spawn(move || match self.out {
            RecordOutput::Topic(topic) => topic.run(queue, &names),
            RecordOutput::Lines(lines) => lines.run(queue),
        })?;
        Ok(RecordPublisher { batches, thread })
    }
}

impl RecordPublisher {
    /// Waits until all is written; how many records were.
    pub(super) fn finish(self) -> Result<u64> {
        drop(self.batches);
        self.thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that writes has panicked")))
    }
}

/// A topic.
#[derive(Debug)]
struct TopicWriter {
    kafka: KafkaClient,
    name: String,
    listener: ErrorListener,
    producer: Box<Unprintable<Producer>>,
    /// Partitions that have appeared since: no trade goes there, but heartbeats do, or they would hold up
    /// everybody.
    partitions: usize,
    later: usize,
    watched: Instant,
    written: u64,
}

/// A client of librdkafka has nothing to print.
struct Unprintable<T>(T);

impl<T> std::fmt::Debug for Unprintable<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl TopicWriter {
    fn open(kafka: &KafkaClient, topic: &str, verbosity: Verbosity) -> Result<RecordLog> {
        let counts = topics::prepare(kafka, verbosity, &[(topic, TopicPurpose::Trades)])?;
        let partitions = counts.first().map_or(1, |count| *count as usize);
        let listener = ErrorListener::new(verbosity);
        let defaults = [
            ("compression.type", "lz4"),
            ("linger.ms", "5"),
            ("queue.buffering.max.kbytes", "65536"),
            // A broker that is away is waited for; the exchange's trades meanwhile are filled later.
            ("message.timeout.ms", "0"),
        ];
        let own = [("enable.idempotence", "true"), ("acks", "all")];
        let producer = kafka::client(kafka, &listener, &defaults, &own)?;
        let topic = TopicWriter {
            kafka: kafka.clone(),
            name: topic.to_owned(),
            listener,
            producer: Box::new(Unprintable(producer)),
            partitions,
            later: 0,
            watched: Instant::now(),
            written: 0,
        };
        Ok(RecordLog { out: RecordOutput::Topic(Box::new(topic)), partitions })
    }

    fn run(mut self, mut queue: Receiver<Vec<CollectedRecord>>, names: &Names) -> Result<u64> {
        loop {
            match queue.try_recv() {
                Ok(batch) => batch.iter().try_for_each(|record| self.write(record, names))?,
                Err(TryRecvError::Empty) => {
                    self.producer.0.poll(LOOK);
                    self.watch();
                }
                Err(TryRecvError::Disconnected) => break,
            }
            self.check()?;
        }
        let deadline = Instant::now() + FAREWELL;
        while self.producer.0.in_flight_count() > 0 && Instant::now() < deadline {
            self.producer.0.poll(LOOK);
            self.check()?;
        }
        match self.producer.0.in_flight_count() {
            0 => Ok(self.written),
            left => Err(kafka::unreachable(&self.kafka, &self.listener)
                .hint(format!("the last {left} records may not have been written"))
                .into()),
        }
    }

    fn write(&mut self, record: &CollectedRecord, names: &Names) -> Result<()> {
        let (key, headers) = match record.what {
            CollectedKind::Trade { symbol, .. } => (Some(names.name(symbol).as_bytes()), None),
            CollectedKind::Filled { symbol, .. } => {
                let header = Header { key: FILLED_HEADER, value: Some("rest") };
                (Some(names.name(symbol).as_bytes()), Some(OwnedHeaders::new().insert(header)))
            }
            CollectedKind::Heartbeat => (None, None),
        };
        self.send(record.partition, key, &record.value, headers)?;
        if record.what == CollectedKind::Heartbeat && record.partition == 0 {
            for partition in self.partitions..self.partitions + self.later {
                self.send(partition, None, &record.value, None)?;
            }
        }
        Ok(())
    }

    fn send(
        &mut self,
        partition: usize,
        key: Option<&[u8]>,
        value: &[u8],
        headers: Option<OwnedHeaders>,
    ) -> Result<()> {
        let outgoing = OutgoingRecord {
            topic: &self.name,
            partition: i32::try_from(partition).ok(),
            key,
            value: Some(value),
            headers,
            timestamp: None,
        };
        writer::send(&self.producer.0, outgoing)
            .map_err(|undelivered| writer::refused(&self.kafka, &self.listener, undelivered))?;
        self.written += 1;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        match self.listener.take_undelivered() {
            Some(undelivered) => Err(writer::refused(&self.kafka, &self.listener, undelivered).into()),
            None => Ok(()),
        }
    }

    fn watch(&mut self) {
        if self.watched.elapsed() < WATCH {
            return;
        }
        self.watched = Instant::now();
        // A broker that does not answer now is asked again; what it is waited for is told elsewhere.
        if let Ok(found) = self.producer.0.client().fetch_metadata(Some(&self.name), Duration::from_secs(1)) {
            let count = found.topics().first().map_or(0, |topic| topic.partitions().len());
            self.later = count.saturating_sub(self.partitions).max(self.later);
        }
    }
}

/// Lines of a file or of standard output.
#[derive(Debug)]
struct LinesWriter {
    name: String,
    target: LinesTarget,
    buffer: Vec<u8>,
    /// Where each line begins with the time of its receipt: what moments count from, in nanoseconds.
    started: Option<u128>,
    written: u64,
}

#[derive(Debug)]
enum LinesTarget {
    Stdout(io::Stdout),
    File(File),
}

/// Bytes that are worth a system call.
const ENOUGH: usize = 1 << 18;

impl LinesWriter {
    fn new(name: String, target: LinesTarget, started: Option<SystemTime>) -> Self {
        let nanos = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        LinesWriter { name, target, buffer: Vec::new(), started: started.map(nanos), written: 0 }
    }

    /// Appends to a file. A line that an earlier end has torn is ended, so that it spoils no other.
    fn file(path: &Path, started: Option<SystemTime>) -> Result<Self> {
        let name = path.display().to_string();
        let open = || -> io::Result<(File, bool)> {
            let mut file = File::options().create(true).append(true).read(true).open(path);
            if file.is_err() {
                // A pipe or a device may be written only.
                file = File::options().append(true).open(path);
            }
            let mut file = file?;
            let torn = file.metadata()?.is_file() && file.seek(SeekFrom::End(0))? > 0 && {
                let mut last = [0];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                last != *b"\n"
            };
            Ok((file, torn))
        };
        let (file, torn) = open().map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot open {name} for writing"))
                .hint("name a file in a directory that exists and that you may write to")
                .because(error)
        })?;
        let mut lines = LinesWriter::new(name, LinesTarget::File(file), started);
        if torn {
            lines.buffer.push(b'\n');
        }
        Ok(lines)
    }

    fn run(mut self, mut queue: Receiver<Vec<CollectedRecord>>) -> Result<u64> {
        while let Some(batch) = queue.blocking_recv() {
            for record in &batch {
                self.write(record);
                if self.buffer.len() >= ENOUGH {
                    self.flush()?;
                }
            }
            self.flush()?;
        }
        self.flush()?;
        Ok(self.written)
    }

    fn write(&mut self, record: &CollectedRecord) {
        if let Some(started) = self.started {
            let at = |moment: Moment| started + u128::from(moment.millis()) * 1_000_000;
            self.buffer.extend_from_slice(format!("{} ", at(record.received)).as_bytes());
        }
        self.buffer.extend_from_slice(&record.value);
        self.buffer.push(b'\n');
        self.written += 1;
    }

    fn flush(&mut self) -> Result<()> {
        let written = match &mut self.target {
            LinesTarget::Stdout(out) => out.write_all(&self.buffer).and_then(|()| out.flush()),
            LinesTarget::File(file) => file.write_all(&self.buffer),
        };
        self.buffer.clear();
        written.map_err(|error| {
            let name = &self.name;
            match error.kind() {
                ErrorKind::BrokenPipe => Failure::new(Exit::PipeClosed, format!("{name} was closed")),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    Failure::new(Exit::Failed, format!("cannot write to {name}"))
                        .hint("make room on that disk; the last line may be torn")
                        .because(error)
                }
                _ => Failure::new(Exit::Failed, format!("cannot write to {name}")).because(error),
            }
            .into()
        })
    }
}
