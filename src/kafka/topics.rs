//! Topics that the program writes to: made where they are missing, and looked at before the first row where
//! they are there, since a topic's settings can lose rows or refuse them.

use super::writer::Producer;
use super::{ErrorListener, PATIENCE, client, failed, wait};
use crate::config::{KafkaClient, Verbosity};
use crate::exit::{Exit, Failure};
use anyhow::Result;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use std::time::{Duration, Instant};

/// What a topic is for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum TopicPurpose {
    /// Rows: the timestamp is the end of the window, the key that of the row; compaction keeps the latest
    /// revision.
    Rows {
        /// By how many milliseconds a row's timestamp may be ahead of the broker's clock, where that is
        /// known.
        ahead_ms: Option<u64>,
    },
    /// Entries of checkpoints, each under its key.
    Checkpoint,
    /// Refused records.
    DeadLetters,
    /// Trades, by symbol.
    Trades,
}

/// A record of the topic of checkpoints is at most this large, its key not counted.
pub const PART_BYTES: usize = 256 << 10;

/// The largest record that is worth a topic of dead letters: the largest that is decoded, and what goes with
/// it.
pub const DEAD_LETTER_BYTES: usize = (16 << 20) + (1 << 20);

/// How long a client looks for its broker before it is needed.
const SHORTLY: Duration = Duration::from_millis(500);

/// A setting of a topic that says "for ever" or "without bound".
const ENDLESS: &str = "-1";

/// Looks at topics, and makes those that are missing. How many partitions each has.
pub fn prepare(
    kafka: &KafkaClient,
    verbosity: Verbosity,
    topics: &[(&str, TopicPurpose)],
) -> Result<Vec<u32>> {
    let listener = ErrorListener::new(verbosity);
    let admin: AdminClient<ErrorListener> = client(kafka, &listener, &[], &[])?;
    let asker: Producer = client(kafka, &listener, &[], &[])?;
    let all = Topics { kafka, listener: &listener, admin: &admin, asker: &asker };
    let counts = std::thread::scope(|scope| {
        // While the one looks at the first topic, the other finds its broker; what it is told there does not
        // matter.
        let first = topics.first().map(|(topic, _)| *topic);
        let admin = &admin;
        scope.spawn(move || admin.inner().fetch_metadata(first, SHORTLY));
        topics.iter().map(|(topic, purpose)| all.prepare(topic, *purpose)).collect()
    });
    super::let_go((admin, asker));
    counts
}

struct Topics<'a> {
    kafka: &'a KafkaClient,
    listener: &'a ErrorListener,
    admin: &'a AdminClient<ErrorListener>,
    /// Says why a broker does not answer, which the other keeps to itself.
    asker: &'a Producer,
}

impl Topics<'_> {
    fn prepare(&self, topic: &str, purpose: TopicPurpose) -> Result<u32> {
        let count = match self.partitions(topic)? {
            Some(count) => count,
            None => {
                self.create(topic, purpose)?;
                if self.listener.verbosity() >= Verbosity::Normal {
                    tracing::info!(topic, "made topic {topic}");
                }
                self.partitions_made(topic)?
            }
        };
        let settings = self.settings(topic)?;
        let wrong = complaints(purpose, |name| settings.get(name).and_then(|entry| entry.value.clone()));
        if wrong.is_empty() {
            return Ok(count);
        }
        let words: Vec<&str> = wrong.iter().map(|wrong| wrong.why.as_str()).collect();
        let mut instead: Vec<&str> = wrong.iter().map(|wrong| wrong.instead).collect();
        instead.dedup();
        let brokers = &self.kafka.brokers;
        Err(Failure::new(Exit::Failed, format!("topic {topic} will not do: {}", words.join("; ")))
            .hint(format!(
                "kafka-configs.sh --bootstrap-server {brokers} --alter --topic {topic} --add-config {}",
                instead.join(",")
            ))
            .into())
    }

    /// How many a topic has that was made a moment ago.
    fn partitions_made(&self, topic: &str) -> Result<u32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.partitions(topic)? {
                Some(count) => return Ok(count),
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
                None => {
                    let words = format!("topic {topic} was made, but the broker does not know it");
                    return Err(Failure::new(Exit::Unreachable, words).into());
                }
            }
        }
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, Failure> {
        let serve = || {
            self.asker.poll(Duration::ZERO);
        };
        super::partitions(self.kafka, self.asker.client(), serve, topic, Some(PATIENCE))
    }

    fn create(&self, topic: &str, purpose: TopicPurpose) -> Result<()> {
        // As many replicas as the broker gives by default.
        // And of partitions, where their order among each other does not matter.
        let partitions = if purpose == TopicPurpose::Trades { -1 } else { 1 };
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        let most = i64::MAX.to_string();
        let letter = DEAD_LETTER_BYTES.to_string();
        let settings: &[(&str, &str)] = match purpose {
            TopicPurpose::Rows { .. } => {
                &[("cleanup.policy", "compact"), ("message.timestamp.after.max.ms", most.as_str())]
            }
            // What is read at a restart stays little: small segments, compacted soon.
            TopicPurpose::Checkpoint => &[
                ("cleanup.policy", "compact"),
                ("segment.bytes", "8388608"),
                ("min.cleanable.dirty.ratio", "0.1"),
            ],
            TopicPurpose::DeadLetters => &[("max.message.bytes", letter.as_str())],
            TopicPurpose::Trades => &[],
        };
        for (name, value) in settings {
            new = new.set(name, value);
        }
        let what = format!("cannot make topic {topic}");
        let made = wait(self.admin.create_topics([&new], &AdminOptions::new()))
            .map_err(|error| failed(self.kafka, self.listener, &what, error))?;
        match made.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) | Some(Ok(_)) => Ok(()),
            // A broker of before 3.6 has one setting for both directions, and by default no bound.
            Some(Err((_, RDKafkaErrorCode::InvalidConfig)))
                if matches!(purpose, TopicPurpose::Rows { .. }) =>
            {
                let old =
                    NewTopic::new(topic, 1, TopicReplication::Fixed(-1)).set("cleanup.policy", "compact");
                let made = wait(self.admin.create_topics([&old], &AdminOptions::new()))
                    .map_err(|error| failed(self.kafka, self.listener, &what, error))?;
                match made.into_iter().next() {
                    Some(Err((_, code))) => Err(self.not_made(topic, code)),
                    _ => Ok(()),
                }
            }
            Some(Err((_, code))) => Err(self.not_made(topic, code)),
            None => Err(self.not_made(topic, RDKafkaErrorCode::Unknown)),
        }
    }

    fn not_made(&self, topic: &str, code: RDKafkaErrorCode) -> anyhow::Error {
        let error = KafkaError::AdminOp(code);
        failed(self.kafka, self.listener, &format!("cannot make topic {topic}"), error)
            .hint("make it yourself, or let the user of the broker make topics (an ACL)")
            .into()
    }

    fn settings(&self, topic: &str) -> Result<ConfigResource> {
        let what = format!("cannot read the settings of topic {topic}");
        let asked = [ResourceSpecifier::Topic(topic)];
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let told = wait(self.admin.describe_configs(&asked, &options))
            .map_err(|error| failed(self.kafka, self.listener, &what, error))?;
        match told.into_iter().next() {
            Some(Ok(settings)) => Ok(settings),
            Some(Err(code)) => {
                Err(failed(self.kafka, self.listener, &what, KafkaError::AdminOp(code)).into())
            }
            None => Err(Failure::new(Exit::Unreachable, what).into()),
        }
    }
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TopicComplaint {
    why: String,
    /// What to set instead.
    instead: &'static str,
}

/// What would lose or refuse records of this purpose.
fn complaints(purpose: TopicPurpose, setting: impl Fn(&str) -> Option<String>) -> Vec<TopicComplaint> {
    let mut complaints = Vec::new();
    let mut complain = |why: String, instead| complaints.push(TopicComplaint { why, instead });
    let number = |name: &str| setting(name).and_then(|value| value.trim().parse::<i64>().ok());
    let policy = setting("cleanup.policy").unwrap_or_default();
    let deletes = policy.split(',').any(|policy| policy.trim() == "delete");
    let kept = |name: &str| setting(name).is_none_or(|value| value.trim() == ENDLESS);
    match purpose {
        TopicPurpose::Rows { ahead_ms } => {
            for name in ["retention.ms", "retention.bytes"] {
                if deletes && !kept(name) {
                    let value = setting(name).unwrap_or_default();
                    complain(
                        format!("rows of old windows fall to {name}={value} (cleanup.policy={policy})"),
                        "cleanup.policy=compact",
                    );
                }
            }
            // The older name of before and after together.
            for (name, instead) in [
                ("message.timestamp.before.max.ms", "message.timestamp.before.max.ms=9223372036854775807"),
                (
                    "message.timestamp.difference.max.ms",
                    "message.timestamp.difference.max.ms=9223372036854775807",
                ),
            ] {
                if let Some(value) = number(name).filter(|value| *value < i64::MAX) {
                    complain(format!("rows of old windows are refused by {name}={value}"), instead);
                }
            }
            let after = "message.timestamp.after.max.ms";
            if let (Some(value), Some(ahead)) = (number(after), ahead_ms)
                && value.unsigned_abs() < ahead
            {
                complain(
                    format!("rows may be {ahead} ms ahead of the clock and are refused by {after}={value}"),
                    "message.timestamp.after.max.ms=9223372036854775807",
                );
            }
        }
        TopicPurpose::Checkpoint => {
            if deletes {
                complain(format!("checkpoints fall to cleanup.policy={policy}"), "cleanup.policy=compact");
            }
            let least = 2 * PART_BYTES as i64;
            if let Some(value) = number("max.message.bytes").filter(|value| *value < least) {
                complain(
                    format!("entries of checkpoints are refused by max.message.bytes={value}"),
                    "max.message.bytes=1048588",
                );
            }
        }
        TopicPurpose::DeadLetters | TopicPurpose::Trades => {
            if policy.split(',').any(|policy| policy.trim() == "compact") {
                complain(
                    format!(
                        "of records with the same key one is kept, and those without are refused, by \
                             cleanup.policy={policy}"
                    ),
                    "cleanup.policy=delete",
                );
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is complained of, by the names of the settings that help.
    fn of(purpose: TopicPurpose, settings: &[(&str, &str)]) -> Vec<&'static str> {
        let setting =
            |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        complaints(purpose, setting).into_iter().map(|c| c.instead.split('=').next().unwrap_or("")).collect()
    }

    #[test]
    fn settings_that_lose_or_refuse_records() {
        let rows = TopicPurpose::Rows { ahead_ms: Some(5_000) };
        let most = "9223372036854775807";
        let week = ("retention.ms", "604800000");
        type Case<'a> = (TopicPurpose, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            (rows, &[("cleanup.policy", "compact"), week], &[]),
            (rows, &[("cleanup.policy", "delete"), week], &["cleanup.policy"]),
            (rows, &[("cleanup.policy", "compact,delete"), week], &["cleanup.policy"]),
            (rows, &[("cleanup.policy", "delete"), ("retention.ms", "-1")], &[]),
            (
                rows,
                &[("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "1")],
                &["cleanup.policy"],
            ),
            (rows, &[("message.timestamp.before.max.ms", most)], &[]),
            (rows, &[("message.timestamp.before.max.ms", "1")], &["message.timestamp.before.max.ms"]),
            (rows, &[("message.timestamp.difference.max.ms", "1")], &["message.timestamp.difference.max.ms"]),
            (rows, &[("message.timestamp.after.max.ms", "5000")], &[]),
            (rows, &[("message.timestamp.after.max.ms", "4999")], &["message.timestamp.after.max.ms"]),
            (TopicPurpose::Rows { ahead_ms: None }, &[("message.timestamp.after.max.ms", "1")], &[]),
            (
                TopicPurpose::Checkpoint,
                &[("cleanup.policy", "compact"), ("max.message.bytes", "1048588")],
                &[],
            ),
            (
                TopicPurpose::Checkpoint,
                &[("cleanup.policy", "delete"), ("max.message.bytes", "1000")],
                &["cleanup.policy", "max.message.bytes"],
            ),
            (TopicPurpose::DeadLetters, &[("cleanup.policy", "delete"), week], &[]),
            (TopicPurpose::DeadLetters, &[("cleanup.policy", "compact")], &["cleanup.policy"]),
            (TopicPurpose::Trades, &[("cleanup.policy", "compact")], &["cleanup.policy"]),
            (TopicPurpose::Trades, &[("cleanup.policy", "delete"), week], &[]),
        ];
        for (purpose, settings, expected) in cases {
            assert_eq!(of(*purpose, settings), *expected, "{settings:?}");
        }
    }
}
