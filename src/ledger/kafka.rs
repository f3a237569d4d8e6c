//! Kafka as ledger: rows, dead letters and checkpoint in one transaction.
//!
//! The entries of a job's checkpoint are records of a compacted topic of its own beside the topic of rows,
//! `<topic>.<job>.recovery`, an entry under its key. The transactional id is made from the job's name, so
//! there is one writer: the producer that asks for the id last has it, and the broker fences the others.
//!
//! **What is known of a commit.** Each carries a [`Lease`]: who wrote it, and its number. When the answer to
//! a commit is lost, or anything else goes wrong, nothing is assumed: a new producer takes the id, which ends
//! whatever was under way, and the lease that is then there says whether the commit is. Only that makes a
//! repetition safe: retrying within the same producer could commit a later transaction in the place of the
//! one that was meant.

mod entries;
mod metadata;
mod opening;
mod trouble;

use super::checkpoint::{self, encode};
use super::protocol::{EndReason, Lease, Protocol, ProtocolStep, WriteOutcome};
use super::{Commit, Entries, EntryChanges, Ledger, StoredCheckpoint};
use crate::config::{KafkaClient, Verbosity};
use crate::exit::{Exit, Failure};
use crate::kafka::rows::{send_refusal, send_row};
use crate::kafka::writer::{self, Producer, WaitNotice};
use crate::kafka::{self, ErrorListener, ErrorMeaning, PATIENCE};
use crate::start;
use anyhow::Result;
use entries::Parts;
pub(crate) use entries::assemble;
use opening::{id, transactional};
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer as _;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use trouble::CommitFault;

/// The key of the lease among the entries.
const LEASE: &str = "lease";
/// How long a commit may take before its outcome counts as unknown.
const COMMIT: Duration = Duration::from_secs(30);
/// How long a run that was fenced waits for its successor to say who it is.
const SUCCESSION: Duration = Duration::from_secs(3);
/// Failures in a row that a commit survives although the broker answers.
const ATTEMPTS: usize = 5;

/// A job's place in Kafka.
pub struct Kafka {
    kafka: KafkaClient,
    verbosity: Verbosity,
    job: String,
    rows: Vec<String>,
    /// Where refused records go, and the topics that they come from.
    dead_letters: Option<(String, Vec<String>)>,
    topic: String,
    /// A producer that is finding its broker while the topics are looked at.
    early: Option<JoinHandle<Option<Producer>>>,
    /// The reader of the checkpoint, which reads meanwhile.
    seen: Option<JoinHandle<Option<Entries>>>,
    producer: Option<Producer>,
    protocol: Protocol,
    parts: Parts,
    /// How often another producer took the transactional id without taking the job.
    robbed: (u32, Option<Instant>),
}

/// A run that loses the transactional id twice within this time has a rival.
const AGAIN: Duration = Duration::from_secs(120);

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka")
            .field("job", &self.job)
            .field("held", &self.protocol.held())
            .finish_non_exhaustive()
    }
}

impl Kafka {
    /// Reads the job's entries without fencing its run.
    pub fn held(&self) -> Result<Option<StoredCheckpoint>> {
        let listener = ErrorListener::new(self.verbosity);
        let asker: Producer = kafka::client(&self.kafka, &listener, &[], &[])?;
        let serve = || {
            asker.poll(Duration::ZERO);
        };
        let there = kafka::partitions(&self.kafka, asker.client(), serve, &self.topic, Some(PATIENCE))?;
        if there.is_none() {
            return Ok(None);
        }
        let what = format!("cannot read topic {}", self.topic);
        let read = self.read(&listener);
        let (entries, _) = read.map_err(|error| kafka::failed(&self.kafka, &listener, &what, error))?;
        let (entries, lease) = split_lease(entries)?;
        Ok(StoredCheckpoint { entries, lease }.some())
    }

    /// Removes the job's checkpoint; its rows stay. A run that is under way is fenced by it.
    pub fn remove(&mut self) -> Result<()> {
        let (entries, lease) = self.take_id()?;
        self.protocol.acquire(lease);
        let Some(producer) = &self.producer else { return Ok(()) };
        let keys = entries.keys().map(String::as_str).chain([LEASE]);
        let removed = || -> Result<(), CommitFault> {
            producer.begin_transaction().map_err(CommitFault::of)?;
            for key in keys {
                self.parts.send(producer, &self.topic, key, None)?;
            }
            writer::drain(producer, &mut WaitNotice::new(&self.kafka, producer.context()))?;
            producer.commit_transaction(COMMIT).map_err(CommitFault::of)
        };
        removed().map_err(|trouble| {
            let listener = producer.context();
            match trouble {
                CommitFault::Refused(undelivered) => {
                    writer::refused(&self.kafka, listener, undelivered).into()
                }
                CommitFault::Fenced => {
                    let words = format!("job {:?} was taken over by another run meanwhile", self.job);
                    Failure::new(Exit::Failed, words).hint("end that run, then try again").into()
                }
                CommitFault::Unknown(error) => {
                    let what = format!("cannot write to topic {}", self.topic);
                    kafka::failed(&self.kafka, listener, &what, error).into()
                }
            }
        })
    }

    /// Takes the transactional id, which fences other producers, and then reads the entries.
    fn take_id(&mut self) -> Result<(Entries, Option<Lease>)> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let producer = match self.early.take().and_then(|early| early.join().ok().flatten()) {
                Some(producer) => producer,
                None => transactional(&self.kafka, self.verbosity, &self.job)?,
            };
            let listener = producer.context().clone();
            // A producer that knows a broker finds its coordinator at once; else it would look again after
            // 500 ms.
            let serve = || {
                producer.poll(Duration::ZERO);
            };
            let patience = self.protocol.held().is_none().then_some(PATIENCE);
            kafka::partitions(&self.kafka, producer.client(), serve, &self.topic, patience)?
                .ok_or_else(|| self.topic_is_gone())?;
            // The entries are complete once the id is taken; until then their reader reads ahead.
            let (taken, reader) = std::thread::scope(|scope| {
                let reader = scope.spawn(|| self.reader(&listener));
                (producer.init_transactions(PATIENCE), reader.join())
            });
            start::tell(self.verbosity, "the transactional id is taken");
            producer.poll(Duration::ZERO);
            let reader = reader.unwrap_or(Err(KafkaError::Canceled));
            let error = match taken {
                Ok(()) => match reader.and_then(|reader| entries::read(reader, &self.topic)) {
                    Ok((entries, parts)) => {
                        self.parts = parts;
                        self.producer = Some(producer);
                        return split_lease(entries);
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            kafka::let_go(producer);
            match ErrorMeaning::of_error(&error) {
                ErrorMeaning::Away | ErrorMeaning::Fenced | ErrorMeaning::Other if attempts < ATTEMPTS => {}
                _ => {
                    let what = format!("cannot take up job {:?} in Kafka", self.job);
                    return Err(kafka::failed(&self.kafka, &listener, &what, error).into());
                }
            }
        }
    }

    fn read(&self, listener: &ErrorListener) -> Result<(Entries, Parts), KafkaError> {
        self.reader(listener).and_then(|reader| entries::read(reader, &self.topic))
    }

    fn reader(&self, listener: &ErrorListener) -> Result<entries::EntryReader, KafkaError> {
        let group = format!("crossrate-{}", self.job);
        entries::EntryReader::new(&self.kafka, listener, &group, &self.topic)
    }

    /// Another producer has taken the transactional id, but not the job. Once, that may be a predecessor that
    /// is ending.
    fn robbed(&mut self) {
        // A transaction that was too long, since the machine slept, looks like that too.
        let (times, last) = &mut self.robbed;
        *times = if last.is_some_and(|last| last.elapsed() < AGAIN) { *times + 1 } else { 1 };
        *last = Some(Instant::now());
        if *times == 2 && self.verbosity >= Verbosity::Normal {
            tracing::warn!(
                transactional_id = id(&self.job),
                "another program takes the transactional id {} from this job again and again, and each commit \
                 waits for it; give each job its own --name",
                id(&self.job)
            );
        }
    }

    fn topic_is_gone(&self) -> Failure {
        Failure::new(Exit::Unreachable, format!("topic {} is not there any more", self.topic))
            .hint("it holds the checkpoint; without it the job can only begin anew")
    }

    /// Writes one transaction, and handles no failure.
    fn attempt(&self, commit: &Commit, lease: &Lease) -> Result<(), CommitFault> {
        let Some(producer) = &self.producer else {
            return Err(CommitFault::Unknown(KafkaError::Canceled));
        };
        self.transact(producer, commit, lease).map_err(|trouble| {
            // Later errors only repeat that there was a fatal one.
            match producer.client().fatal_error() {
                Some((code, _)) if ErrorMeaning::of(code) == ErrorMeaning::Fenced => CommitFault::Fenced,
                _ => trouble,
            }
        })
    }

    fn transact(&self, producer: &Producer, commit: &Commit, lease: &Lease) -> Result<(), CommitFault> {
        producer.begin_transaction().map_err(CommitFault::of)?;
        for row in &commit.rows {
            for topic in &self.rows {
                send_row(producer, topic, row)?;
            }
        }
        if let Some((topic, from)) = &self.dead_letters {
            commit.refused.iter().try_for_each(|refusal| send_refusal(producer, topic, refusal, from))?;
        }
        for (key, value) in &commit.changes {
            self.parts.send(producer, &self.topic, key, value.as_deref())?;
        }
        let lease = encode(lease).map_err(|_| CommitFault::Unknown(KafkaError::Canceled))?;
        self.parts.send(producer, &self.topic, LEASE, Some(&lease))?;
        let mut waiting = WaitNotice::new(&self.kafka, producer.context());
        writer::drain(producer, &mut waiting)?;
        writer::commit(producer, COMMIT, &mut waiting).map_err(CommitFault::of)
    }

    /// Finds out which lease is there; after that nothing is under way any more.
    fn look(&mut self, gently: bool) -> Result<Option<Lease>> {
        if let Some(producer) = self.producer.take() {
            kafka::let_go(producer);
        }
        // A successor must not be disturbed: look first, without taking the id from it.
        let patience = if gently { SUCCESSION } else { Duration::ZERO };
        let deadline = Instant::now() + patience;
        loop {
            if let Ok((entries, _)) = self.read(&ErrorListener::new(self.verbosity)) {
                let lease = split_lease(entries)?.1;
                if self.protocol.clone().found(lease.as_ref()) != ProtocolStep::Write {
                    // The transaction under way is a successor's, or it is committed.
                    return Ok(lease);
                }
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(self.take_id()?.1)
    }
}

impl Ledger for Kafka {
    fn name(&self) -> String {
        format!("kafka:{}", self.rows.join(","))
    }

    fn peek(&mut self) -> Option<Entries> {
        self.seen.take()?.join().ok().flatten()
    }

    fn acquire(&mut self, beside: Option<u64>) -> Result<Entries> {
        let (mut entries, lease) = self.take_id()?;
        self.protocol.acquire(lease);
        self.meet_topics();
        // Earlier runs of the job learn from this record which run has the job now.
        let term = checkpoint::put_term(&mut entries, beside);
        let changes = EntryChanges::from([(super::entry_key::EntryKey::Term.into(), Some(term))]);
        self.commit(&Commit { changes, ..Commit::default() })?;
        Ok(entries)
    }

    fn is_acquired(&self) -> bool {
        self.protocol.is_held()
    }

    /// Commits an empty transaction. The broker refuses it if this run is fenced, and keeps the id of an idle
    /// job alive.
    fn verify_lease(&mut self) -> Result<()> {
        self.commit(&Commit::default())
    }

    fn commit(&mut self, commit: &Commit) -> Result<()> {
        let mut step = self.protocol.begin();
        let mut last = KafkaError::Canceled;
        loop {
            step = match step {
                ProtocolStep::Write => match self.attempt(commit, self.protocol.next()) {
                    Ok(()) => self.protocol.wrote(WriteOutcome::All),
                    Err(CommitFault::Fenced) => self.protocol.wrote(WriteOutcome::Fenced),
                    Err(CommitFault::Unknown(error)) => {
                        if self.verbosity >= Verbosity::Verbose {
                            tracing::debug!(%error, "the outcome of a commit is unknown ({error}), looking");
                        }
                        last = error;
                        self.protocol.wrote(WriteOutcome::Unknown)
                    }
                    Err(CommitFault::Refused(undelivered)) => {
                        let listener = ErrorListener::new(self.verbosity);
                        return Err(writer::refused(&self.kafka, &listener, undelivered).into());
                    }
                },
                ProtocolStep::Look { gently } => {
                    let found = self.look(gently)?;
                    let step = self.protocol.found(found.as_ref());
                    if gently && step == ProtocolStep::Write {
                        self.robbed();
                    }
                    step
                }
                ProtocolStep::Done => break,
                ProtocolStep::End(EndReason::TooOften) => {
                    let what = format!("cannot commit to topic {}", self.rows.join(", "));
                    let listener = ErrorListener::new(self.verbosity);
                    return Err(kafka::failed(&self.kafka, &listener, &what, last).into());
                }
                ProtocolStep::End(why) => return Err(super::ended(&self.job, &self.name(), why)),
            };
        }
        commit.changes.iter().for_each(|(key, value)| self.parts.note(key, value.as_deref()));
        Ok(())
    }

    fn close(&mut self) {
        if let Some(producer) = self.producer.take() {
            kafka::let_go(producer);
        }
    }
}

/// The lease, apart from the job's own entries.
fn split_lease(mut entries: Entries) -> Result<(Entries, Option<Lease>)> {
    let lease = entries.remove(LEASE).map(|entry| checkpoint::decode(LEASE, &entry)).transpose()?;
    Ok((entries, lease))
}
