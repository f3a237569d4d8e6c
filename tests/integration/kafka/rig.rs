//! A broker of Apache Kafka, what tests do with it, and the program run against it.

use crate::needs;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A reader of what is not committed yet.
pub(super) struct Watch(BaseConsumer);

impl Watch {
    /// Whether anything has been written since the last call; waits so long for it.
    pub(super) fn moved(&self, patience: Duration) -> bool {
        let moved = self.0.poll(patience).is_some_and(|found| found.is_ok());
        while self.0.poll(Duration::ZERO).is_some() {}
        moved
    }
}

/// For what must come sooner or later; far longer than it takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

/// The broker that all tests share.
pub(crate) fn kafka() -> Kafka {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    needed();
    if let Ok(brokers) = std::env::var("CROSSRATE_TEST_KAFKA") {
        return Kafka { brokers };
    }
    Kafka { brokers: SHARED.get_or_init(|| Broker::start(None, None)).brokers.clone() }
}

/// For a test that starts a broker, or uses the shared one.
pub(super) fn needed() {
    needs::need("Java", || {
        let mut java = Command::new("java");
        java.arg("-version").stdout(Stdio::null()).stderr(Stdio::null());
        java.status().is_ok_and(|status| status.success())
    });
}

/// A broker of its own. It ends with the test, however that ends: it lives while its standard input does.
pub(super) struct Broker {
    pub(super) brokers: String,
    script: Child,
    _stdin: Option<ChildStdin>,
}

impl Broker {
    /// Starts one, on the data of an earlier one if there is one.
    pub(super) fn start(data: Option<&Path>, port: Option<&str>) -> Broker {
        Broker::start_with(data, port, &[])
    }

    /// The same, with more words for `scripts/kafka serve`.
    pub(super) fn start_with(data: Option<&Path>, port: Option<&str>, more: &[&str]) -> Broker {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka"));
        command.arg("serve").args(more);
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        if let Some(port) = port {
            command.args(["--port", port]);
        }
        Broker::of(command)
    }

    /// The broker that `scripts/kafka serve` starts by this command.
    pub(super) fn of(mut command: Command) -> Broker {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = command.spawn().expect("scripts/kafka starts");
        let stdin = script.stdin.take();
        let mut line = String::new();
        BufReader::new(script.stdout.take().expect("piped")).read_line(&mut line).expect("an address");
        let brokers = line.trim().to_owned();
        assert!(!brokers.is_empty(), "scripts/kafka serve said no address");
        Broker { brokers, script, _stdin: stdin }
    }

    pub(super) fn port(&self) -> &str {
        self.brokers.split_once(':').expect("host:port").1
    }

    /// The port so many places after it.
    pub(super) fn port_after(&self, places: u16) -> u16 {
        self.port().parse::<u16>().expect("a port") + places
    }

    /// Ends it, in order.
    pub(super) fn stop(mut self) {
        self._stdin = None;
        self.script.wait().expect("scripts/kafka ends");
    }
}

/// What tests do with a broker.
#[derive(Debug, Clone)]
pub(crate) struct Kafka {
    pub(crate) brokers: String,
}

/// A record to produce.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) partition: i32,
    pub(super) key: Option<Vec<u8>>,
    /// A tombstone without.
    pub(super) value: Option<Vec<u8>>,
    /// Milliseconds; now without.
    pub(super) timestamp: Option<i64>,
}

impl Record {
    pub(super) fn new(partition: i32, value: impl AsRef<[u8]>) -> Record {
        Record { partition, value: Some(value.as_ref().to_vec()), ..Record::default() }
    }
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(super) timestamp: i64,
    pub(crate) headers: Vec<(String, String)>,
}

impl Kafka {
    pub(super) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("topic.metadata.refresh.fast.interval.ms", "10");
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().expect("an admin client")
    }

    /// Makes a topic with a name of its own.
    pub(crate) fn topic(&self, name: &str, partitions: i32) -> String {
        self.topic_with(name, partitions, &[])
    }

    pub(super) fn topic_with(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        let name = unique(name);
        self.make(&name, partitions, settings);
        name
    }

    /// Makes a topic of this very name. A name that was deleted a moment ago may not be free yet.
    pub(super) fn make(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        if !settings.iter().any(|(key, _)| *key == "retention.ms") {
            // A record with a timestamp of years ago is old to the broker, which looks half a minute after its
            // start and every five minutes: a test that is under way then would lose it.
            topic = topic.set("retention.ms", "-1");
        }
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let admin = self.admin();
        until("the topic is made", || {
            let made = crossrate::kafka::wait(admin.create_topics([&topic], &AdminOptions::new()));
            made.expect("the broker answers")[0].is_ok().then_some(())
        });
        self.partitions_are(name, partitions as usize);
    }

    pub(super) fn add_partitions(&self, topic: &str, count: usize) {
        let more = NewPartitions::new(topic, count);
        let made = crossrate::kafka::wait(self.admin().create_partitions([&more], &AdminOptions::new()));
        made.expect("the broker answers")[0].as_ref().expect("partitions are made");
        self.partitions_are(topic, count);
    }

    fn partitions_are(&self, topic: &str, count: usize) {
        let client: BaseConsumer = self.config().create().expect("a client");
        until("all partitions have a leader", || {
            let found = client.fetch_metadata(Some(topic), Duration::from_secs(5)).ok()?;
            let partitions = found.topics().first()?.partitions();
            (partitions.len() == count && partitions.iter().all(|p| p.leader() >= 0)).then_some(())
        });
    }

    pub(super) fn delete_topic(&self, topic: &str) {
        let deleted = crossrate::kafka::wait(self.admin().delete_topics(&[topic], &AdminOptions::new()));
        deleted.expect("the broker answers")[0].as_ref().expect("the topic is deleted");
    }

    /// What retention does: the log begins at `before` from now on.
    pub(super) fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before)).expect("a place");
        crossrate::kafka::wait(self.admin().delete_records(&list, &AdminOptions::new())).expect("records go");
    }

    pub(super) fn producer(&self, properties: &[(&str, &str)]) -> BaseProducer {
        let mut config = self.config();
        for (key, value) in properties {
            config.set(*key, *value);
        }
        config.create().expect("a producer")
    }

    /// Produces, in order, and waits until all is there.
    pub(super) fn produce<'a>(&self, topic: &str, records: impl IntoIterator<Item = &'a Record>) {
        let producer = self.producer(&[("enable.idempotence", "true"), ("linger.ms", "1")]);
        send(&producer, topic, records);
        producer.flush(PATIENCE).expect("flushed");
    }

    /// All that is committed in a topic now, by partition and offset.
    pub(crate) fn read(&self, topic: &str) -> Vec<Found> {
        let mut found = self.read_as(topic, |message| Found {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(text),
            value: message.payload().map(text),
            timestamp: message.timestamp().to_millis().unwrap_or(-1),
            headers: message.headers().map_or(Vec::new(), |headers| {
                headers.iter().map(|h| (h.key.to_owned(), h.value.map_or(String::new(), text))).collect()
            }),
        });
        found.sort_by_key(|f| (f.partition, f.offset));
        found
    }

    /// Whether a transaction with records in a topic of one partition is open.
    pub(super) fn is_open(&self, topic: &str) -> bool {
        let end_for = |isolation: &str| {
            let client: BaseConsumer =
                self.config().set("isolation.level", isolation).create().expect("a client");
            client.fetch_watermarks(topic, 0, PATIENCE).expect("the ends of a log").1
        };
        // The last stable offset first: what is written in between makes a difference, too.
        end_for("read_committed") < end_for("read_uncommitted")
    }

    /// Sees what is written to a topic of one partition while its transaction is still open.
    pub(super) fn watch(&self, topic: &str) -> Watch {
        let mut config = self.config();
        config
            .set("isolation.level", "read_uncommitted")
            .set("fetch.wait.max.ms", "5")
            .set("group.id", "watch");
        let client: BaseConsumer = config.create().expect("a client");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::End).expect("a place");
        client.assign(&list).expect("it is there");
        Watch(client)
    }

    /// Whether a record of a topic has a key that ends so; its value may be anything.
    pub(super) fn has_key(&self, topic: &str, end: &str) -> bool {
        let ends =
            |message: &BorrowedMessage<'_>| message.key().is_some_and(|key| key.ends_with(end.as_bytes()));
        self.read_as(topic, ends).contains(&true)
    }

    pub(super) fn read_as<T>(&self, topic: &str, take: impl Fn(&BorrowedMessage<'_>) -> T) -> Vec<T> {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", "crossrate-tests")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .create()
            .expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("metadata");
        let count = metadata.topics()[0].partitions().len();
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, count as i32 - 1);
        list.set_all_offsets(Offset::Beginning).expect("offsets");
        consumer.assign(&list).expect("assigned");
        let mut found = Vec::new();
        let mut ended = HashSet::new();
        let deadline = Instant::now() + PATIENCE;
        while ended.len() < count {
            assert!(Instant::now() < deadline, "topic {topic} was not read to its end");
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
                Some(Err(error)) => panic!("reading {topic}: {error}"),
                Some(Ok(message)) => found.push(take(&message)),
            }
        }
        found
    }

    /// The values of a topic, a line each.
    pub(super) fn lines(&self, topic: &str) -> String {
        self.read(topic).into_iter().map(|found| found.value.expect("a value") + "\n").collect()
    }
}

/// Hands records to a producer.
pub(super) fn send<'a>(producer: &BaseProducer, topic: &str, records: impl IntoIterator<Item = &'a Record>) {
    for record in records {
        let mut message: BaseRecord<'_, Vec<u8>, Vec<u8>> = BaseRecord::to(topic).partition(record.partition);
        message.key = record.key.as_ref();
        message.payload = record.value.as_ref();
        message.timestamp = record.timestamp;
        while let Err((error, same)) = producer.send(message) {
            let full = rdkafka::error::RDKafkaErrorCode::QueueFull;
            assert_eq!(error.rdkafka_error_code(), Some(full), "{error}");
            producer.poll(Duration::from_millis(10));
            message = same;
        }
        producer.poll(Duration::ZERO);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A name that no other test and no other run has.
pub(super) fn unique(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    static BEGUN: OnceLock<u128> = OnceLock::new();
    let begun =
        BEGUN.get_or_init(|| std::time::UNIX_EPOCH.elapsed().expect("the clock is past 1970").as_millis());
    format!("{name}-{begun:x}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Asks until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The program, with nothing of the environment of the tests.
pub(crate) fn crossrate<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    crate::program::without_settings(&mut command);
    command
}

/// Runs it to its end: exit code, standard output, standard error.
pub(super) fn end(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    (status.code().unwrap_or(-1), text(&stdout), text(&stderr))
}

/// What it prints when all goes well.
pub(crate) fn rows(command: Command) -> String {
    let (code, stdout, stderr) = end(command);
    assert_eq!(code, 0, "{stderr}");
    stdout
}

/// A run that is watched while it goes on. It is killed when this goes.
pub(super) struct Live {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Live {
    pub(super) fn start(command: Command) -> Live {
        Live::reading(command, false)
    }

    /// The same, but it can write only little more than is read.
    pub(super) fn held(command: Command) -> Live {
        Live::reading(command, true)
    }

    fn reading(mut command: Command, held: bool) -> Live {
        let mut child = command.spawn().expect("the program starts");
        let stdout = lines(child.stdout.take().expect("piped"), held);
        let stderr = lines(child.stderr.take().expect("piped"), false);
        Live { child, stdout, stderr }
    }

    /// The next row.
    pub(super) fn row(&mut self) -> serde_json::Value {
        match self.stdout.recv_timeout(PATIENCE) {
            Ok(line) => serde_json::from_str(&line).expect("a row"),
            Err(error) => panic!("no row: {error}; it said {:?}", self.said()),
        }
    }

    /// Waits for so many lines of rows, or the end of the program; how many came.
    pub(super) fn some_rows(&mut self, count: u64) -> u64 {
        (0..count).take_while(|_| self.stdout.recv_timeout(PATIENCE).is_ok()).count() as u64
    }

    /// How many lines of rows come before a certain time.
    pub(super) fn rows_before(&mut self, until: Instant) -> u64 {
        let mut count = 0;
        while self.stdout.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {
            count += 1;
        }
        count
    }

    /// The first line on standard error that holds this text.
    pub(super) fn hears(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.stderr.recv_timeout(left) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => heard.push(line),
                Err(error) => panic!("{part:?} was not said ({error}), but {heard:?}"),
            }
        }
    }

    /// What it has said on standard error and nobody has heard.
    pub(super) fn said(&mut self) -> Vec<String> {
        self.stderr.try_iter().collect()
    }

    /// Whether it was still there to be killed.
    pub(super) fn kill(&mut self) -> bool {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().expect("it ends").code().is_none()
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for it to end by itself: the exit code, and what else it said.
    pub(super) fn ends(mut self) -> (i32, String, String) {
        let rest = |receiver: &Receiver<String>| {
            let mut all = String::new();
            loop {
                match receiver.recv_timeout(PATIENCE) {
                    Ok(line) => all.push_str(&(line + "\n")),
                    Err(RecvTimeoutError::Disconnected) => return all,
                    Err(RecvTimeoutError::Timeout) => panic!("the program goes on"),
                }
            }
        };
        let (stdout, stderr) = (rest(&self.stdout), rest(&self.stderr));
        let status = until("the program ends", || self.child.try_wait().expect("a child"));
        (status.code().unwrap_or(-1), stdout, stderr)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The lines of a pipe; read as they come, or one ahead of whoever takes them.
fn lines(pipe: impl Read + Send + 'static, held: bool) -> Receiver<String> {
    let lines = BufReader::with_capacity(256, pipe).lines().map_while(Result::ok);
    let many = if held { 1 } else { 1 << 14 };
    let (sender, receiver) = mpsc::sync_channel(many);
    std::thread::spawn(move || lines.map(|line| sender.send(line)).take_while(Result::is_ok).count());
    receiver
}

/// The small input that the specification gives, a record each, and the rows that it has with `--window 10s`.
pub(super) fn spec_vector() -> (Vec<&'static str>, &'static str) {
    let input = include_str!("../../golden/spec-vector/input.jsonl");
    (input.lines().collect(), include_str!("../../golden/spec-vector/rows.jsonl"))
}
