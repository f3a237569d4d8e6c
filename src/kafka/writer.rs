//! Writing: records handed to librdkafka, and what became of them.

use super::{ErrorListener, ErrorMeaning, failed};
use crate::config::{KafkaClient, Verbosity};
use crate::exit::{Exit, Failure};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A client that writes.
pub type Producer = BaseProducer<ErrorListener>;

/// How long a wait may last before the user is told what for.
const TELL_AFTER: Duration = Duration::from_secs(2);
/// A look at what was delivered takes this long at most.
const LOOK: Duration = Duration::from_micros(500);

/// A record to write.
#[derive(Debug, Default)]
pub struct OutgoingRecord<'a> {
    /// Where to.
    pub topic: &'a str,
    /// Which partition of it; as its key says without.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; a tombstone without.
    pub value: Option<&'a [u8]>,
    /// Milliseconds; the clock's without.
    pub timestamp: Option<i64>,
    /// Its headers.
    pub headers: Option<OwnedHeaders>,
}

/// A record that the broker did not take.
#[derive(Debug, Clone)]
pub struct UndeliveredRecord {
    /// Where it was to go.
    pub topic: String,
    /// Its key.
    pub key: String,
    /// How large it was, key and value.
    pub bytes: usize,
    /// Why not.
    pub error: KafkaError,
}

impl ProducerContext for ErrorListener {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let key = message.key().unwrap_or_default();
            self.undelivered(UndeliveredRecord {
                topic: message.topic().to_owned(),
                key: String::from_utf8_lossy(key).into_owned(),
                bytes: key.len() + message.payload().map_or(0, <[u8]>::len),
                error: error.clone(),
            });
        }
    }
}

/// Hands a record over, waiting for room.
pub fn send(producer: &Producer, outgoing: OutgoingRecord<'_>) -> Result<(), UndeliveredRecord> {
    let OutgoingRecord { topic, partition, key, value, timestamp, headers } = outgoing;
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
    (record.key, record.payload) = (key, value);
    (record.partition, record.timestamp, record.headers) = (partition, timestamp, headers);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((error, same)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                record = same;
                producer.poll(Duration::from_millis(1));
            }
            Err((error, record)) => {
                let key = record.key.unwrap_or_default();
                return Err(UndeliveredRecord {
                    topic: record.topic.to_owned(),
                    key: String::from_utf8_lossy(key).into_owned(),
                    bytes: key.len() + record.payload.map_or(0, <[u8]>::len),
                    error,
                });
            }
        }
    }
}

/// Waits until everything is delivered, or the first record is not. librdkafka's own flush looks every 100 ms
/// only.
pub fn drain(producer: &Producer, waiting: &mut WaitNotice<'_>) -> Result<(), UndeliveredRecord> {
    while producer.in_flight_count() > 0 {
        producer.poll(LOOK);
        waiting.look();
    }
    match producer.context().take_undelivered() {
        Some(undelivered) => Err(undelivered),
        None => Ok(()),
    }
}

/// Commits what was delivered. librdkafka does so without a word, and asking it to wait for shorter could let
/// it go on with a commit that has been given up; so somebody else watches the clock.
pub fn commit(producer: &Producer, most: Duration, waiting: &mut WaitNotice<'_>) -> Result<(), KafkaError> {
    let (under_way, end) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while end.recv_timeout(TELL_AFTER) == Err(RecvTimeoutError::Timeout) {
                waiting.look();
            }
        });
        let committed = producer.commit_transaction(most);
        drop(under_way);
        committed
    })
}

/// Tells the user once what a long wait is for, and when it is over.
#[derive(Debug)]
pub struct WaitNotice<'a> {
    kafka: &'a KafkaClient,
    listener: &'a ErrorListener,
    since: Instant,
    is_reported: bool,
}

impl<'a> WaitNotice<'a> {
    /// Begins now.
    pub fn new(kafka: &'a KafkaClient, listener: &'a ErrorListener) -> Self {
        WaitNotice {
            kafka,
            listener,
            since: Instant::now(),
            is_reported: listener.verbosity() < Verbosity::Normal,
        }
    }

    /// It still lasts.
    pub fn look(&mut self) {
        if !self.is_reported && self.since.elapsed() >= TELL_AFTER {
            self.is_reported = true;
            let brokers = &self.kafka.brokers;
            let reason = self.listener.reason().unwrap_or_else(|| "no reason was given".into());
            tracing::warn!(
                brokers,
                reason,
                "Kafka at {brokers} does not take what is written, waiting ({reason})"
            );
        }
    }
}

/// The failure of a record that the broker did not take.
pub fn refused(kafka: &KafkaClient, listener: &ErrorListener, undelivered: UndeliveredRecord) -> Failure {
    let UndeliveredRecord { topic, key, bytes, error } = undelivered;
    let what = format!("topic {topic} does not take the record {key:?} of {bytes} bytes");
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => Failure::new(Exit::Failed, what)
            .hint(format!("raise max.message.bytes of topic {topic}, and message.max.bytes by -X"))
            .because(error),
        Some(RDKafkaErrorCode::InvalidTimestamp) => Failure::new(Exit::Failed, what)
            .hint(format!(
                "a row's timestamp is the end of its window: set message.timestamp.after.max.ms and \
                 message.timestamp.before.max.ms of topic {topic} to 9223372036854775807"
            ))
            .because(error),
        Some(code)
            if matches!(
                ErrorMeaning::of(code),
                ErrorMeaning::Away | ErrorMeaning::Denied | ErrorMeaning::Absent
            ) =>
        {
            failed(kafka, listener, &what, error)
        }
        _ => Failure::new(Exit::Failed, what).because(error),
    }
}
