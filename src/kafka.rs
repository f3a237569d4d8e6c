//! How brokers are reached: what every client of the program has in common, and what its errors mean.
//!
//! librdkafka answers for connections, retries and order. What it tells on the side, by its callbacks, is
//! kept here so that an error can say why. See [`crate::source::kafka`] for reading and [`crate::ledger`] for
//! writing.

mod client;
mod link_fault;
pub mod queue;
pub mod rows;
pub mod topics;
pub mod writer;

pub use client::client;

use crate::config::{KafkaClient, Verbosity};
use crate::exit::{Exit, Failure};
use link_fault::{LinkDiagnosis, LinkFault};
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};
use writer::UndeliveredRecord;

/// How long a broker may take to answer at the start, before it counts as unreachable. The whole command is
/// to end within ten seconds then, and closing its clients takes a part of the last one.
pub const PATIENCE: Duration = Duration::from_secs(9);

/// Whether a client that asks for a topic which is not there makes it.
const MAKES_TOPICS: &str = "allow.auto.create.topics";

/// What librdkafka tells on the side.
#[derive(Debug, Clone)]
pub struct ErrorListener {
    verbosity: Verbosity,
    heard: Arc<Mutex<ClientErrors>>,
}

#[derive(Debug, Default)]
struct ClientErrors {
    /// The latest reason of each kind; the first that the user can do something about is told.
    denied: Option<String>,
    unreachable: Option<String>,
    other: Option<String>,
    /// What is wrong with the latest link that failed, and librdkafka's words.
    fault: Option<(LinkFault, String)>,
    /// The first record that was not delivered.
    undelivered: Option<UndeliveredRecord>,
}

impl ErrorListener {
    /// Tells the user what librdkafka logs, where everything is to be told.
    pub fn new(verbosity: Verbosity) -> Self {
        ErrorListener { verbosity, heard: Arc::default() }
    }

    /// Why nothing works, in librdkafka's words, as far as it has said so.
    pub fn reason(&self) -> Option<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.denied.as_ref().or(heard.unreachable.as_ref()).or(heard.other.as_ref()).cloned()
    }

    /// Why the broker did not let us in, if it did not.
    pub fn denied(&self) -> Option<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).denied.clone()
    }

    /// What is wrong with the link, where that can be told. Asks the listener, once for each time that a link
    /// fails.
    fn diagnosis(&self, kafka: &KafkaClient) -> Option<LinkDiagnosis> {
        let (fault, reason) = self.heard.lock().unwrap_or_else(PoisonError::into_inner).fault.clone()?;
        let diagnosis = fault.diagnosed(kafka, &reason);
        if diagnosis.is_none() {
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).fault = None;
        }
        diagnosis
    }

    /// How much the user wants to be told.
    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// The first record since the last call that the broker did not take.
    pub fn take_undelivered(&self) -> Option<UndeliveredRecord> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).undelivered.take()
    }

    /// Notes one.
    fn undelivered(&self, undelivered: UndeliveredRecord) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.undelivered.get_or_insert(undelivered);
    }

    /// What was heard so far is over.
    pub fn forget(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = ClientErrors::default();
    }
}

impl ClientContext for ErrorListener {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        // It takes a property of ours for one of readers only, says so, and heeds it all the same.
        let known = facility == "CONFWARN" && message.contains(MAKES_TOPICS);
        if facility == "FAIL" {
            // Of another protocol it warns, and makes no error of it.
            let fault = LinkFault::of(message).map(|fault| (fault, message.to_owned()));
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).fault = fault;
        }
        if self.verbosity >= Verbosity::Verbose && !known {
            tracing::debug!(facility, "librdkafka: {facility} {message}");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match error.rdkafka_error_code().map(ErrorMeaning::of) {
            Some(ErrorMeaning::Denied) => heard.denied = Some(reason.to_owned()),
            // That all brokers are down says less than why the last one is.
            Some(ErrorMeaning::Away)
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) =>
            {
                heard.unreachable.get_or_insert_with(|| reason.to_owned());
            }
            Some(ErrorMeaning::Away) => heard.unreachable = Some(reason.to_owned()),
            _ => heard.other = Some(reason.to_owned()),
        }
    }
}

impl ConsumerContext for ErrorListener {}

/// What an error means for a run.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ErrorMeaning {
    /// The broker does not answer, or not now; librdkafka goes on trying.
    Away,
    /// The broker does not let us in, or not there.
    Denied,
    /// The topic, or the partition, is not there.
    Absent,
    /// The log does not have that offset (any more).
    OutOfRange,
    /// Records are there that cannot be read: damaged, or compressed as this build does not know. librdkafka
    /// would pass over them.
    Unreadable,
    /// Another producer of the same transactional id has taken over.
    Fenced,
    /// Nothing that concerns a run: of consumer groups, which we are not in.
    Nothing,
    /// Anything else.
    Other,
}

impl ErrorMeaning {
    /// Of librdkafka's code.
    pub fn of(code: RDKafkaErrorCode) -> Self {
        use RDKafkaErrorCode as Code;
        match code {
            Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut
            | Code::NodeUpdate
            | Code::BrokerNotAvailable
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::ReplicaNotAvailable
            | Code::NetworkException
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator => ErrorMeaning::Away,
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::SSL
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed => ErrorMeaning::Denied,
            Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
                ErrorMeaning::Absent
            }
            Code::OffsetOutOfRange | Code::AutoOffsetReset => ErrorMeaning::OutOfRange,
            Code::BadMessage | Code::BadCompression | Code::NotImplemented => ErrorMeaning::Unreadable,
            Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => ErrorMeaning::Fenced,
            Code::GroupAuthorizationFailed | Code::WaitingForCoordinator => ErrorMeaning::Nothing,
            _ => ErrorMeaning::Other,
        }
    }

    /// Of an error of any operation.
    pub fn of_error(error: &KafkaError) -> Self {
        match error {
            KafkaError::Transaction(error) => ErrorMeaning::of(error.code()),
            KafkaError::AdminOp(code) => ErrorMeaning::of(*code),
            _ => error.rdkafka_error_code().map_or(ErrorMeaning::Other, ErrorMeaning::of),
        }
    }
}

/// Waits for what the admin client does on a thread of its own.
pub fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Lets go of a client without waiting for it: it has threads to end and perhaps a word for its broker.
pub fn let_go<T: Send + 'static>(client: T) {
    std::thread::spawn(move || drop(client));
}

/// What every client that reads sets, besides a `group.id`: without a group's name librdkafka assigns
/// nothing.
pub const READING: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
];

/// After how long a broker that has not answered is said to be away.
const SLOW: Duration = Duration::from_secs(2);

/// How many partitions a topic has; `None` where there is none of that name. Waits for a broker that does not
/// answer, for so long or for ever. `serve` lets the client say what it has to say.
pub fn partitions(
    kafka: &KafkaClient,
    client: &Client<ErrorListener>,
    serve: impl Fn(),
    topic: &str,
    patience: Option<Duration>,
) -> Result<Option<u32>, Failure> {
    let listener = client.context();
    let begun = Instant::now();
    let mut told = listener.verbosity < Verbosity::Normal;
    loop {
        let found = client.fetch_metadata(Some(topic), Duration::from_millis(500));
        serve();
        let error = match &found {
            Ok(metadata) => match metadata.topics().iter().find(|found| found.name() == topic) {
                Some(found) if found.error().is_none() && !found.partitions().is_empty() => {
                    return Ok(u32::try_from(found.partitions().len()).ok());
                }
                Some(found) => {
                    let code = found.error().map_or(RDKafkaErrorCode::UnknownTopicOrPartition, Into::into);
                    KafkaError::MetadataFetch(code)
                }
                None => return Ok(None),
            },
            Err(error) => error.clone(),
        };
        match ErrorMeaning::of_error(&error) {
            ErrorMeaning::Absent => return Ok(None),
            _ if listener.denied().is_some() => return Err(unreachable(kafka, listener)),
            ErrorMeaning::Away if patience.is_none_or(|patience| begun.elapsed() < patience) => {
                let diagnosis = listener.diagnosis(kafka);
                if let Some(diagnosis) = diagnosis.as_ref().filter(|diagnosis| diagnosis.is_certain) {
                    return Err(diagnosis.clone().failure());
                }
                // One answer may be slow, of a machine that is busy.
                if begun.elapsed() >= SLOW && !std::mem::replace(&mut told, true) {
                    let limit =
                        patience.map_or(String::new(), |patience| format!(" up to {} s", patience.as_secs()));
                    let words = diagnosis.map_or_else(
                        || format!("no Kafka broker answers at {}", kafka.brokers),
                        |diagnosis| diagnosis.words,
                    );
                    tracing::warn!(brokers = kafka.brokers, "{words}, waiting{limit}");
                }
                // A refusal comes at once; another one need not.
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => return Err(failed(kafka, listener, &format!("cannot look at topic {topic}"), error)),
        }
    }
}

/// The failure of a broker that does not answer, or does not let us in.
pub fn unreachable(kafka: &KafkaClient, listener: &ErrorListener) -> Failure {
    let brokers = &kafka.brokers;
    if let Some(diagnosis) = listener.diagnosis(kafka) {
        return diagnosis.failure();
    }
    if let Some(reason) = listener.denied() {
        let hint = match client::mechanism(kafka).as_deref() {
            Some("OAUTHBEARER") => {
                "check sasl.oauthbearer.client.id, .client.secret, .scope and .token.endpoint.url, given by -X or \
                 --kafka-config, and what the broker expects of a token"
            }
            _ => "check security.protocol, sasl.username and sasl.password, given by -X or --kafka-config",
        };
        return Failure::new(Exit::Unreachable, format!("the broker at {brokers} does not let us in"))
            .hint(hint)
            .because(anyhow::Error::msg(reason));
    }
    let failure = Failure::new(Exit::Unreachable, format!("no Kafka broker answers at {brokers}"))
        .hint("start one there, or say by -b/--brokers where it is");
    match listener.reason() {
        Some(reason) => failure.because(anyhow::Error::msg(reason)),
        None => failure,
    }
}

/// The failure of an operation on something that the broker knows, such as a topic.
pub fn failed(kafka: &KafkaClient, listener: &ErrorListener, what: &str, error: KafkaError) -> Failure {
    match ErrorMeaning::of_error(&error) {
        ErrorMeaning::Away => unreachable(kafka, listener),
        ErrorMeaning::Denied => {
            Failure::new(Exit::Unreachable, format!("{what}: the broker does not permit it"))
                .hint("the user of the broker needs that right (an ACL)")
                .because(error)
        }
        _ => Failure::new(Exit::Unreachable, what.to_owned()).because(error),
    }
}
