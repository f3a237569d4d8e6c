//! Puts a worker together: its part of the dataflow, and its partitions where the checkpoint says.

use super::changing::WorkerChanges;
use super::partition::AssignedPartition;
use super::progress;
use super::reading::ReadingSide;
use super::writing::WritingSide;
use super::{Assignment, ControlMessage, DiscoveryCapability, JobWorker, RecoveredCheckpoint};
use crate::changes::DefinitionLog;
use crate::cluster::failure_detector;
use crate::config::log::LoggedChange;
use crate::config::{Config, Source, Verbosity};
use crate::frontier::Frontier;
use crate::job_identity;
use crate::ledger::checkpoint::{Checkpoint, PartitionCheckpoint};
use crate::ledger::share::share;
use crate::source::WorkerFeeds;
use crate::source::starts::{StartAt, Starts};
use crate::symbols::Symbols;
use crate::wire;
use anyhow::Result;
use crossrate_dataflows::job::{self, Job};
use crossrate_dataflows::market::changes::DefinitionTimeline;
use crossrate_dataflows::market::definition::Definition;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::resume::Resume;
use crossrate_dataflows::market::sums::Sums;
use differential_dataflow::VecCollection;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::ActivateCapability;
use timely::dataflow::operators::core::{OkErr, UnorderedInput};
use timely::dataflow::operators::vec::Map;
use timely::worker::Worker;

impl<'a> JobWorker<'a> {
    /// A worker that goes on where the checkpoint is.
    pub(super) fn restore(timely: &'a mut Worker, assignment: Assignment) -> Result<Self> {
        let Assignment {
            config, open, recovered, mut symbols, pool, change_queue, interrupted, failed, ..
        } = assignment;
        let (output, progress) = (assignment.output, assignment.progress);
        let checkpoint = shared(timely, recovered, &interrupted)?;
        if progress.is_some() || output.is_some() && config.verbosity >= Verbosity::Verbose {
            progress::tell_taken_up(&checkpoint);
        }
        let config = with_boundaries(config, &checkpoint);
        let WorkerFeeds { partitions, adopted } = open(&starts(&checkpoint))?;
        let frontier = Frontier::new(timely);
        let wanted = Arc::clone(&config);
        let config = as_begun(config, &checkpoint);
        let definition = definition_log(&config, &checkpoint, &mut symbols);
        let log = definition.changes().cloned().collect();
        let resume = Resume { log, is_last: !config.has_ledger(), ..checkpoint.resume.clone() };
        let taken = definition.clone();
        let mut changes = WorkerChanges::new(timely, definition, change_queue);
        if wanted.evolve {
            changes.evolve(&wanted.definition);
        }
        let (mut reading, control, job) = build(timely, &config, symbols, &Arc::new(resume));
        let at = checkpoint.resume.at;
        let mut owned: Vec<AssignedPartition> = Vec::new();
        for feed in partitions {
            pool.join(&feed.feed);
            let mut partition = AssignedPartition::new(feed, &config, control.clone());
            partition.taken = taken.taken(partition.feed.number);
            go_on(&mut reading, &mut partition, &checkpoint)?;
            owned.push(partition);
        }
        if let (Some(since), Some(partition)) = (config.since, owned.first_mut()) {
            reading.withhold(partition, since);
        }
        let mut follows = control.clone();
        if at > *follows.time() {
            follows.downgrade(&at);
        }
        changes.tells_with(follows);
        let spare = (!adopted.is_empty()).then(|| {
            let mut control = control;
            // Until then rows are out, whatever the others say by now.
            if at > *control.time() {
                control.downgrade(&at);
            }
            DiscoveryCapability { mailboxes: adopted, control }
        });
        let accepted_before = checkpoint.partitions.values().map(|partition| partition.head.counts.accepted);
        let writing = WritingSide::new(&config, output, job.outbox, (progress, accepted_before.sum()));
        let passed = VecDeque::new();
        let probe = job.probe;
        Ok(JobWorker {
            timely,
            config,
            probe,
            frontier,
            reading,
            owned,
            spare,
            pool,
            writing,
            changes,
            interrupted,
            failed,
            passed,
            turn: 0,
            looked: Instant::now(),
        })
    }
}

/// The checkpoint, which the first worker of several processes shares.
fn shared(
    timely: &mut Worker,
    recovered: RecoveredCheckpoint,
    interrupted: &AtomicBool,
) -> Result<Arc<Checkpoint>> {
    match recovered {
        RecoveredCheckpoint::Known(checkpoint) => Ok(checkpoint),
        RecoveredCheckpoint::ToShare(entries) => {
            // With the entries the other processes begin to read, and may meet what ends the run: the one
            // that writes still tells what was read.
            if entries.is_some() {
                failure_detector::working();
            }
            Ok(Arc::new(Checkpoint::decode(&share(timely, entries, interrupted)?)?))
        }
    }
}

/// How the definition has changed; symbols stand for what that has made of their names.
fn definition_log(config: &Config, checkpoint: &Checkpoint, symbols: &mut Symbols) -> DefinitionLog {
    // A checkpoint knows its own; without one the run may be given that of another.
    let log = if config.changes.is_empty() { checkpoint.logged() } else { config.changes.clone() };
    symbols.want(&config.definition.symbols);
    symbols.want_assets(&config.definition);
    let mut changing = DefinitionTimeline::of(&config.definition);
    for LoggedChange { change, .. } in &log {
        symbols.change(changing.apply(change).as_ref(), change.from);
    }
    DefinitionLog { changing, log }
}

/// A partition goes on where the checkpoint has it.
fn go_on(
    reading: &mut ReadingSide,
    partition: &mut AssignedPartition,
    checkpoint: &Checkpoint,
) -> Result<()> {
    let (number, at) = (partition.feed.number, checkpoint.resume.at);
    match checkpoint.partitions.get(&number) {
        Some(earlier) => {
            partition.lets_go =
                checkpoint.at_end.contains(&number) && has_later_file(&reading.config, number);
            reading.take_up(partition, earlier, at)
        }
        // It has appeared while the job was not running.
        None if at > EventTime::MIN => reading.adopt(partition, at),
        // A later run begins where this one does, also if no record comes.
        None => reading.tell_progress(partition),
    }
}

/// The job with the boundaries that its open windows have, whatever a newer time zone database says of them.
fn with_boundaries(config: Arc<Config>, checkpoint: &Checkpoint) -> Arc<Config> {
    if checkpoint.boundaries.is_empty() {
        return config;
    }
    let mut config = Arc::unwrap_or_clone(config);
    config.definition.windows = config.definition.windows.going_on_from(&checkpoint.boundaries);
    Arc::new(config)
}

/// Builds the dataflow: what feeds it, a capability at the beginning of time for what partitions tell, and
/// its end.
fn build(
    timely: &mut Worker,
    config: &Arc<Config>,
    symbols: Symbols,
    resume: &Arc<Resume>,
) -> (ReadingSide, ActivateCapability<EventTime>, Job) {
    let definition = Arc::new(config.definition.clone());
    timely.dataflow_named::<EventTime, _, _>("Crossrate", |scope| {
        let ((panes, panes_from), pane_stream) = scope.new_unordered_input();
        let ((control, control_from), control_stream) = scope.new_unordered_input();
        let (notes, others): (_, StreamVec<'_, EventTime, ControlMessage>) =
            control_stream.ok_err(|control| match control {
                ControlMessage::Note(note) => Ok(note),
                other => Err(other),
            });
        let withhold_before = others.clone().flat_map(ControlMessage::withhold_before);
        let changes = others.flat_map(ControlMessage::change);
        let streams = job::ControlStreams { withhold_before, notes, changes };
        let job = job::job(scope, VecCollection::new(pane_stream), streams, &definition, resume);
        let reading = ReadingSide {
            config: Arc::clone(config),
            symbols,
            panes,
            panes_from: Some(panes_from),
            sums: Sums::default(),
            control,
            scratch: wire::Scratch::of(config.definition.decimals()),
            updates: Vec::new(),
            refused: Vec::new(),
            strict: None,
        };
        (reading, control_from, job)
    })
}

/// The run with the definition that its job began with: what has changed since is in the log.
fn as_begun(config: Arc<Config>, checkpoint: &Checkpoint) -> Arc<Config> {
    let begun = checkpoint.job.as_ref().and_then(|job| job_identity::definition_of(&job.definition));
    match begun {
        Some(begun)
            if (&begun.crosses, &begun.symbols)
                != (&config.definition.crosses, &config.definition.symbols) =>
        {
            let definition =
                Definition { crosses: begun.crosses, symbols: begun.symbols, ..config.definition.clone() };
            Arc::new(Config { definition, ..(*config).clone() })
        }
        _ => config,
    }
}

/// Whether the run knows a file behind that one.
fn has_later_file(config: &Config, number: u32) -> bool {
    matches!(&config.source, Source::Files(files) if number as usize + 1 < files.paths.len())
}

/// Where the source begins.
fn starts(checkpoint: &Checkpoint) -> Starts {
    let partitions = checkpoint.partitions.iter().map(|(number, partition)| (*number, start_at(partition)));
    Starts {
        partitions: partitions.collect(),
        ends: checkpoint.job.as_ref().map(|job| job.ends.clone()).unwrap_or_default(),
    }
}

fn start_at(PartitionCheckpoint { head, read, panes, .. }: &PartitionCheckpoint) -> StartAt {
    // All of it may have been judged without its open panes being sent: its end does that, and the dates of
    // nothing else lie behind its watermark.
    let has_ended = panes.keys().any(|(_, date)| *date >= head.watermark);
    StartAt {
        rebuild_from: head.rebuild_from,
        next: head.next,
        is_handed_over: has_ended || head.rebuild_from == head.next,
        read: *read,
    }
}
