//! Kafka as ledger: rows, dead letters and recovery point in one transaction.
//!
//! The entries of a job's recovery point are records of a compacted topic of its own beside the topic of rows,
//! `<topic>.<job>.recovery`, an entry under its key. The transactional id is made from the job's name, so there is one
//! writer: who asks for the id last has it, and what others still write is refused (fenced).
//!
//! **What is known of a commit.** Each carries a [`Lease`]: who wrote it, and its number. When the answer to a commit is
//! lost, or anything else goes wrong, nothing is assumed: a new producer takes the id, which ends whatever was under
//! way, and the lease that is then there says whether the commit is. Only that makes a repetition safe: retrying within
//! the same producer could commit a later transaction in the place of the one that was meant.

mod entries;

use super::point::{self, encode};
use super::{Commit, Entries, Ledger};
use crate::config::{Config, DeadLetterTarget, KafkaClient, SinkTarget, Verbosity};
use crate::exit::{Exit, Failure};
use crate::kafka::topics::{self, Purpose};
use crate::kafka::writer::{self, Producer, Undelivered, Waiting};
use crate::kafka::{self, Listener, Meaning, PATIENCE};
use crate::sink::kafka::{DEFAULTS, rows, send_refusal, send_row};
use anyhow::Result;
use entries::Parts;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The key of the lease among the entries.
const LEASE: &str = "lease";
/// How long a commit may take before its outcome counts as unknown.
const COMMIT: Duration = Duration::from_secs(30);
/// How long a run that was fenced waits for its successor to say who it is.
const SUCCESSION: Duration = Duration::from_secs(3);
/// How often something may go wrong in a row although the broker answers.
const ATTEMPTS: usize = 5;

/// A job's place in Kafka.
pub struct Kafka {
    kafka: KafkaClient,
    verbosity: Verbosity,
    job: String,
    rows: Vec<String>,
    dead_letters: Option<String>,
    recovery: String,
    /// Tells this run from all others.
    run: [u8; 16],
    producer: Option<Producer>,
    /// What is there, as far as we know.
    lease: Option<Lease>,
    parts: Parts,
}

/// Who wrote a commit, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    run: [u8; 16],
    number: u64,
    /// Who that is, for people.
    owner: String,
}

/// Why an attempt to commit did not end as it should.
#[derive(Debug)]
enum Trouble {
    /// The broker does not take a record, and never will.
    Refused(Undelivered),
    /// Another producer has the transactional id, or the broker thinks so.
    Fenced,
    /// It may be there or not.
    Unknown(KafkaError),
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka").field("job", &self.job).field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl Kafka {
    /// Looks at the topics of a run, and makes those that are missing.
    pub fn open(config: &Config) -> Result<Self> {
        let topics: Vec<&String> = config
            .sinks
            .iter()
            .filter_map(|target| if let SinkTarget::Kafka(topic) = target { Some(topic) } else { None })
            .collect();
        let first = topics.first().map_or("", |topic| topic.as_str());
        let recovery = format!("{first}.{}.recovery", config.name);
        let dead_letters = match &config.dead_letter {
            Some(DeadLetterTarget::Kafka(topic)) => Some(topic.clone()),
            _ => None,
        };
        let mut wanted: Vec<(&str, Purpose)> = topics.iter().map(|t| (t.as_str(), rows(config))).collect();
        wanted.push((&recovery, Purpose::Recovery));
        wanted.extend(dead_letters.as_deref().map(|topic| (topic, Purpose::DeadLetters)));
        let partitions = topics::prepare(&config.kafka, config.verbosity, &wanted)?;
        for (topic, partitions) in topics.iter().zip(partitions) {
            if partitions > 1 && config.verbosity >= Verbosity::Normal {
                eprintln!(
                    "crossrate: topic {topic} has {partitions} partitions: rows keep their order within each only"
                );
            }
        }
        let mut run = [0; 16];
        getrandom::fill(&mut run)
            .map_err(|error| anyhow::anyhow!("no random number for this run: {error}"))?;
        Ok(Kafka {
            kafka: config.kafka.clone(),
            verbosity: config.verbosity,
            job: config.name.clone(),
            rows: topics.into_iter().cloned().collect(),
            dead_letters,
            recovery,
            run,
            producer: None,
            lease: None,
            parts: Parts::default(),
        })
    }

    /// Takes the transactional id, which ends what others are doing under it, and reads what is there then.
    fn take_id(&mut self) -> Result<(Entries, Option<Lease>)> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let listener = Listener::new(self.verbosity);
            let id = format!("crossrate-{}", self.job);
            let own = [("transactional.id", id.as_str()), ("enable.idempotence", "true")];
            let producer: Producer = kafka::client(&self.kafka, &listener, DEFAULTS, &own)?;
            // A producer that knows a broker finds its coordinator at once; else it would look again after 500 ms.
            let serve = || {
                producer.poll(Duration::ZERO);
            };
            let patience = self.lease.is_none().then_some(PATIENCE);
            kafka::partitions(&self.kafka, producer.client(), serve, &self.recovery, patience)?
                .ok_or_else(|| self.recovery_is_gone())?;
            let taken = producer.init_transactions(PATIENCE);
            producer.poll(Duration::ZERO);
            let error = match taken {
                Ok(()) => match self.read(&listener) {
                    Ok((entries, parts)) => {
                        self.parts = parts;
                        self.producer = Some(producer);
                        return split_lease(entries);
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            abandon(producer);
            match Meaning::of_error(&error) {
                Meaning::Away | Meaning::Fenced | Meaning::Other if attempts < ATTEMPTS => {}
                _ => {
                    let what = format!("cannot take up job {:?} in Kafka", self.job);
                    return Err(kafka::failed(&self.kafka, &listener, &what, error).into());
                }
            }
        }
    }

    fn read(&self, listener: &Listener) -> Result<(Entries, Parts), KafkaError> {
        let group = format!("crossrate-{}", self.job);
        entries::read(&self.kafka, listener, &group, &self.recovery)
    }

    fn recovery_is_gone(&self) -> Failure {
        Failure::new(Exit::Unreachable, format!("topic {} is not there any more", self.recovery))
            .hint("it holds the recovery point; without it the job can only begin anew")
    }

    /// One transaction, in the hope that nothing goes wrong.
    fn attempt(&self, commit: &Commit, lease: &Lease) -> Result<(), Trouble> {
        let Some(producer) = &self.producer else {
            return Err(Trouble::Unknown(KafkaError::Canceled));
        };
        self.transact(producer, commit, lease).map_err(|trouble| {
            // What comes after it only says that there was a fatal error.
            match producer.client().fatal_error() {
                Some((code, _)) if Meaning::of(code) == Meaning::Fenced => Trouble::Fenced,
                _ => trouble,
            }
        })
    }

    fn transact(&self, producer: &Producer, commit: &Commit, lease: &Lease) -> Result<(), Trouble> {
        producer.begin_transaction().map_err(Trouble::of)?;
        for row in &commit.rows {
            for topic in &self.rows {
                send_row(producer, topic, row)?;
            }
        }
        if let Some(topic) = &self.dead_letters {
            commit.refused.iter().try_for_each(|refusal| send_refusal(producer, topic, refusal))?;
        }
        for (key, value) in &commit.changes {
            self.parts.send(producer, &self.recovery, key, value.as_deref())?;
        }
        let lease = encode(lease).map_err(|_| Trouble::Unknown(KafkaError::Canceled))?;
        self.parts.send(producer, &self.recovery, LEASE, Some(&lease))?;
        writer::drain(producer, &mut Waiting::new(&self.kafka, producer.context()))?;
        producer.commit_transaction(COMMIT).map_err(Trouble::of)
    }

    /// Finds out whether the commit with this lease is there. `fenced` says that somebody may have taken over.
    fn is_there(&mut self, lease: &Lease, fenced: bool) -> Result<bool> {
        if let Some(producer) = self.producer.take() {
            abandon(producer);
        }
        // A successor must not be disturbed: look first, without taking the id from it.
        let patience = if fenced { SUCCESSION } else { Duration::ZERO };
        let deadline = Instant::now() + patience;
        loop {
            if let Ok((entries, _)) = self.read(&Listener::new(self.verbosity)) {
                self.is_ours(split_lease(entries)?.1.as_ref(), lease)?;
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let (_, found) = self.take_id()?;
        self.is_ours(found.as_ref(), lease)
    }

    /// Whether what is there is the new lease; it may also be the old one. Any other is a successor's.
    fn is_ours(&self, found: Option<&Lease>, new: &Lease) -> Result<bool> {
        match found {
            Some(found) if found == new => Ok(true),
            found if found == self.lease.as_ref() => Ok(false),
            Some(found) => Err(super::fenced(&self.job, &found.owner)),
            None => Err(self.recovery_is_gone().into()),
        }
    }
}

impl Ledger for Kafka {
    fn name(&self) -> String {
        format!("kafka:{}", self.rows.join(","))
    }

    fn take_over(&mut self) -> Result<Entries> {
        let (entries, lease) = self.take_id()?;
        self.lease = lease;
        // Those who had the job before learn from it who has it now.
        self.commit(&Commit::default())?;
        Ok(entries)
    }

    fn commit(&mut self, commit: &Commit) -> Result<()> {
        let number =
            self.lease.as_ref().filter(|lease| lease.run == self.run).map_or(0, |lease| lease.number + 1);
        let lease = Lease { run: self.run, number, owner: super::owner() };
        let mut attempts = 0;
        loop {
            let fenced = match self.attempt(commit, &lease) {
                Ok(()) => break,
                Err(Trouble::Refused(undelivered)) => {
                    let listener = Listener::new(self.verbosity);
                    return Err(writer::refused(&self.kafka, &listener, undelivered).into());
                }
                Err(Trouble::Fenced) => true,
                Err(Trouble::Unknown(error)) => {
                    attempts += 1;
                    if attempts >= ATTEMPTS {
                        let what = format!("cannot commit to topic {}", self.rows.join(", "));
                        let listener = Listener::new(self.verbosity);
                        return Err(kafka::failed(&self.kafka, &listener, &what, error).into());
                    }
                    if self.verbosity >= Verbosity::Verbose {
                        eprintln!("crossrate: the outcome of a commit is unknown ({error}), looking");
                    }
                    false
                }
            };
            if self.is_there(&lease, fenced)? {
                break;
            }
        }
        self.lease = Some(lease);
        commit.changes.iter().for_each(|(key, value)| self.parts.note(key, value.as_deref()));
        Ok(())
    }
}

impl Trouble {
    fn of(error: KafkaError) -> Self {
        if Meaning::of_error(&error) == Meaning::Fenced { Trouble::Fenced } else { Trouble::Unknown(error) }
    }
}

impl From<Undelivered> for Trouble {
    fn from(undelivered: Undelivered) -> Self {
        let code = undelivered.error.rdkafka_error_code();
        match code.map(Meaning::of) {
            Some(Meaning::Fenced) => Trouble::Fenced,
            Some(Meaning::Denied | Meaning::Absent) => Trouble::Refused(undelivered),
            _ if matches!(
                code,
                Some(
                    RDKafkaErrorCode::MessageSizeTooLarge
                        | RDKafkaErrorCode::InvalidTimestamp
                        | RDKafkaErrorCode::InvalidRecord
                        | RDKafkaErrorCode::PolicyViolation
                )
            ) =>
            {
                Trouble::Refused(undelivered)
            }
            _ => Trouble::Unknown(undelivered.error),
        }
    }
}

/// The lease, apart from the job's own entries.
fn split_lease(mut entries: Entries) -> Result<(Entries, Option<Lease>)> {
    let lease = entries.remove(LEASE).map(|entry| point::decode(LEASE, &entry)).transpose()?;
    Ok((entries, lease))
}

/// Lets go of a producer without waiting for what it still wants to do.
fn abandon(producer: Producer) {
    std::thread::spawn(move || drop(producer));
}
