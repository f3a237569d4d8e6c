//! How the workers of a run take a change of its definition: all of them stop reading, the first one dates
//! the change behind all that was read, and each takes it before its partitions' next records.

use super::partition::AssignedPartition;
use super::{ControlMessage, JobWorker};
use crate::changes::{self, ChangeAnswer, ChangeQueue, ChangeRefusal, ChangeRequest, DefinitionLog};
use crate::config::Verbosity;
use crate::config::log::LoggedChange;
use crate::exit::{Exit, Failure};
use crate::ledger::checkpoint::encode;
use crate::ledger::entry_key::EntryKey;
use anyhow::Result;
use crossrate_dataflows::market::changes::{Change, DatedChange};
use crossrate_dataflows::market::definition::Definition;
use crossrate_dataflows::market::event_time::EventTime;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{ActivateCapability, Input, Inspect, vec::Broadcast};
use timely::worker::Worker;
use tokio::sync::oneshot;

/// What workers tell each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum ChangeMessage {
    /// From the first worker: read no further.
    Stop,
    /// From each: it reads no further.
    Stopped(usize, WorkerPosition),
    /// From the first: that changes, if anything; read on.
    Change(Vec<DatedChange>),
    /// From each: where its partitions took changes, from that place in the log on.
    Took(usize, BTreeMap<u32, i64>),
}

/// Where a worker's partitions are.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct WorkerPosition {
    /// The greatest event time that any of them has reached.
    reached: EventTime,
    /// And of the trades that nobody wanted.
    unselected: EventTime,
    /// Those that have not ended.
    partitions: Vec<u32>,
}

/// A request, and what the workers have said.
struct Round {
    request: ChangeRequest,
    standings: Vec<Option<WorkerPosition>>,
}

/// A change that is not answered yet: not before the definition shows where all partitions took it, and its
/// commit is there.
struct OpenRequest {
    changes: Vec<DatedChange>,
    warnings: Vec<String>,
    /// The partitions of which the definition does not show where they took it, with its places in the log.
    untold: BTreeSet<(u32, u32)>,
    /// And those that have not committed it, where there is a checkpoint.
    uncommitted: BTreeSet<(u32, u32)>,
    is_kept: bool,
    answer: oneshot::Sender<ChangeAnswer>,
}

/// What a worker knows of changes.
pub(super) struct WorkerChanges {
    input: Option<InputHandle<u64, CapacityContainerBuilder<Vec<ChangeMessage>>>>,
    received: Rc<RefCell<VecDeque<ChangeMessage>>>,
    /// At the first worker: where requests are.
    change_queue: Option<ChangeQueue>,
    /// At the first worker: follows the frontier, to tell the dataflow.
    control: Option<ActivateCapability<EventTime>>,
    definition: DefinitionLog,
    round: Option<Round>,
    unanswered: Vec<OpenRequest>,
    /// At the first worker of a run that begins with a change: what becomes of it.
    evolving: Option<oneshot::Receiver<ChangeAnswer>>,
    /// Whether no partition is read.
    pub(super) has_stopped: bool,
    peers: usize,
}

impl WorkerChanges {
    /// Builds the small dataflow by which workers hear of each other. A run that begins with a change begins
    /// stopped.
    pub(super) fn new(
        worker: &mut Worker,
        definition: DefinitionLog,
        change_queue: Option<ChangeQueue>,
    ) -> WorkerChanges {
        let received = Rc::new(RefCell::new(VecDeque::new()));
        let (mut input, hears) = (InputHandle::new(), Rc::clone(&received));
        worker.dataflow_named::<u64, _, _>("Changes", |scope| {
            let control = scope.input_from(&mut input);
            control
                .broadcast()
                .inspect(move |message: &ChangeMessage| hears.borrow_mut().push_back(message.clone()));
        });
        if let Some(change_queue) = &change_queue {
            change_queue.is_here();
        }
        let changes = WorkerChanges {
            input: Some(input),
            received,
            change_queue,
            control: None,
            definition,
            round: None,
            unanswered: Vec::new(),
            evolving: None,
            has_stopped: false,
            peers: worker.peers(),
        };
        changes.publish();
        changes
    }

    /// The run begins with what makes its definition that one, before it reads.
    pub(super) fn evolve(&mut self, wanted: &Definition) {
        let wishes = changes::wishes_between(&self.definition.changing, wanted);
        if !wishes.is_empty() {
            self.has_stopped = true;
            self.evolving = self.change_queue.as_ref().map(|change_queue| change_queue.ask(wishes));
        }
    }

    /// Fails where what the run begins with is refused.
    fn has_evolved(&mut self) -> Result<()> {
        let Some(answer) = self.evolving.as_mut().and_then(|answer| answer.try_recv().ok()) else {
            return Ok(());
        };
        self.evolving = None;
        match answer {
            ChangeAnswer::Changed { .. } => Ok(()),
            ChangeAnswer::Refused(ChangeRefusal { detail, hint, .. }) => {
                Err(Failure::new(Exit::Usage, format!("--evolve: {detail}")).hint(hint).into())
            }
        }
    }

    /// The first worker tells the dataflow of changes.
    pub(super) fn tells_with(&mut self, control: ActivateCapability<EventTime>) {
        self.control = self.change_queue.is_some().then_some(control);
    }

    fn tell(&mut self, message: ChangeMessage) {
        if let Some(input) = &mut self.input {
            input.send(message);
            input.flush();
        }
    }

    /// What is passed is dated by no change any more.
    pub(super) fn follow(&mut self, least: EventTime) {
        if least == EventTime::MAX {
            self.close();
        } else if let Some(control) = self.control.as_mut().filter(|control| least > *control.time()) {
            control.downgrade(&least);
        }
    }

    /// Nothing changes any more.
    pub(super) fn close(&mut self) {
        (self.input, self.control) = (None, None);
        if let Some(change_queue) = &self.change_queue {
            change_queue.close();
        }
        // What was taken is answered when it is committed.
        if let Some(round) = self.round.take() {
            let _ = round.request.answer.send(ChangeAnswer::Refused(changes::ended()));
        }
    }

    /// At the first worker: begins with the next request.
    fn begin(&mut self) {
        if self.round.is_some() || self.input.is_none() {
            return;
        }
        let Some(request) = self.change_queue.as_ref().and_then(ChangeQueue::take) else { return };
        self.round = Some(Round { request, standings: vec![None; self.peers] });
        self.tell(ChangeMessage::Stop);
    }

    /// At the first worker: whether a commit is waited for.
    pub(super) fn awaits_commit(&self) -> bool {
        self.unanswered.iter().any(|unanswered| !unanswered.uncommitted.is_empty())
    }

    /// Notes where a worker's partitions took the latest changes.
    fn note(&mut self, first: usize, offsets: &BTreeMap<u32, i64>) {
        for logged in self.definition.log.iter_mut().skip(first) {
            logged.offsets.extend(offsets);
        }
        self.publish();
        let places = first as u32..self.definition.log.len() as u32;
        for unanswered in &mut self.unanswered {
            let told =
                places.clone().flat_map(|place| offsets.keys().map(move |partition| (place, *partition)));
            told.for_each(|entry| _ = unanswered.untold.remove(&entry));
        }
        self.answer();
    }

    fn publish(&self) {
        if let Some(change_queue) = &self.change_queue {
            change_queue.publish(self.definition.clone());
        }
    }

    /// At the first worker: what partitions have taken is committed.
    pub(super) fn committed(&mut self, taken: &[(u32, u32)]) {
        for unanswered in &mut self.unanswered {
            taken.iter().for_each(|entry| _ = unanswered.uncommitted.remove(entry));
        }
        self.answer();
    }

    /// At the first worker: the run has ended, and what was committed by then is all there will be.
    pub(super) fn finished(&mut self, taken: &[(u32, u32)]) {
        self.unanswered.iter_mut().for_each(|unanswered| unanswered.untold.clear());
        self.committed(taken);
    }

    /// At the first worker: answers for what is in the definition, and in the checkpoint where there is one.
    fn answer(&mut self) {
        let is_there = |u: &mut OpenRequest| u.untold.is_empty() && u.uncommitted.is_empty();
        for OpenRequest { changes, warnings, is_kept, answer, .. } in self.unanswered.extract_if(.., is_there)
        {
            let _ = answer.send(ChangeAnswer::Changed { changes, is_kept, warnings });
        }
    }
}

impl JobWorker<'_> {
    /// Takes changes of the definition, if anybody asks for one.
    pub(super) fn change_definition(&mut self) -> Result<()> {
        self.changes.begin();
        if let Err(error) = self.changes.has_evolved() {
            return self.stop(error);
        }
        loop {
            let message = self.changes.received.borrow_mut().pop_front();
            match message {
                None => return Ok(()),
                Some(ChangeMessage::Stop) => {
                    self.changes.has_stopped = true;
                    let message = ChangeMessage::Stopped(self.timely.index(), self.standing());
                    self.changes.tell(message);
                }
                Some(ChangeMessage::Stopped(worker, standing)) => self.decide(worker, standing),
                Some(ChangeMessage::Change(changes)) => {
                    self.take_changes(changes)?;
                    self.changes.has_stopped = false;
                }
                Some(ChangeMessage::Took(first, offsets)) => self.changes.note(first, &offsets),
            }
        }
    }

    fn standing(&self) -> WorkerPosition {
        let open = || self.owned.iter().filter(|p| !p.ended);
        // Of a partition that nothing has moved the watermark says nothing.
        let reached = |p: &AssignedPartition| match p.state.watermark() {
            EventTime::MIN => EventTime::MIN,
            _ => p.state.reached(),
        };
        WorkerPosition {
            reached: open().map(reached).max().unwrap_or(EventTime::MIN),
            unselected: open().map(|p| p.unselected).max().unwrap_or(EventTime::MIN),
            partitions: open().map(|p| p.feed.number).collect(),
        }
    }

    /// At the first worker, when all have stopped: decides what changes from when on.
    fn decide(&mut self, worker: usize, standing: WorkerPosition) {
        let Some(round) = &mut self.changes.round else { return };
        round.standings[worker] = Some(standing);
        if round.standings.iter().any(Option::is_none) {
            return;
        }
        let Some(Round { request, standings }) = self.changes.round.take() else { return };
        let standings: Vec<WorkerPosition> = standings.into_iter().flatten().collect();
        let partitions: Vec<u32> = standings.iter().flat_map(|s| &s.partitions).copied().collect();
        let answer =
            if partitions.is_empty() { Err(changes::ended()) } else { self.dated(&request, &standings) };
        let changed = answer.as_ref().map_or_else(|_| Vec::new(), Vec::clone);
        let warnings = changes::warnings_of(&changed, self.changes.definition.changing.clone());
        if self.config.verbosity >= Verbosity::Normal {
            changed.iter().for_each(|change| tracing::info!(change = %change, "{change}"));
            // What a run begins with was warned of when it was read.
            let new = warnings.iter().filter(|_| self.changes.evolving.is_none());
            new.for_each(|warning| tracing::warn!(word = "warning", "{warning}"));
        }
        let first = self.changes.definition.log.len() as u32;
        self.changes.tell(ChangeMessage::Change(changed.clone()));
        let is_kept = self.config.has_ledger();
        match answer {
            Err(refused) => _ = request.answer.send(ChangeAnswer::Refused(refused)),
            Ok(changes) if changes.is_empty() => {
                let _ = request.answer.send(ChangeAnswer::Changed { changes, is_kept, warnings });
            }
            Ok(changes) => {
                let places = first..first + changes.len() as u32;
                let untold: BTreeSet<(u32, u32)> =
                    places.flat_map(|place| partitions.iter().map(move |p| (place, *p))).collect();
                let uncommitted = if is_kept { untold.clone() } else { BTreeSet::new() };
                let answer = request.answer;
                let unanswered = OpenRequest { changes, warnings, untold, uncommitted, is_kept, answer };
                self.changes.unanswered.push(unanswered);
            }
        }
    }

    /// The changes, from the first boundary of panes on that no trade has come to: of a symbol that was not
    /// wanted, also none that was passed over.
    fn dated(
        &self,
        request: &ChangeRequest,
        standings: &[WorkerPosition],
    ) -> Result<Vec<DatedChange>, ChangeRefusal> {
        let (definition, changing) = (&self.config.definition, &self.changes.definition.changing);
        let from = |reached: EventTime| definition.windows.pane(reached).end;
        let reached = standings.iter().map(|s| s.reached).max().unwrap_or(EventTime::MIN);
        let dated = |from| changes::changes_for(&request.wishes, definition, changing.clone(), from);
        let changes = dated(from(reached))?;
        let unselected = standings.iter().map(|s| s.unselected).max().unwrap_or(EventTime::MIN);
        let adds_symbol = |change: &DatedChange| matches!(change.change, Change::AddSymbol(_));
        match changes.iter().any(adds_symbol) && unselected > reached {
            true => dated(from(unselected)),
            false => Ok(changes),
        }
    }

    /// Takes what was decided on at one moment.
    fn take_changes(&mut self, changes: Vec<DatedChange>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let first = self.changes.definition.log.len();
        let mut entries = Vec::new();
        for (place, change) in (first as u32..).zip(changes) {
            entries.push((place, encode(&change)?));
            let turn = self.changes.definition.changing.apply(&change);
            self.reading.symbols.change(turn.as_ref(), change.from);
            if let Some(control) = &self.changes.control {
                self.reading.control.activate().session(control).give(ControlMessage::Change(change.clone()));
            }
            self.changes.definition.log.push(LoggedChange { change, offsets: BTreeMap::new() });
        }
        let mut offsets = BTreeMap::new();
        for partition in &mut self.owned {
            let (number, offset) = (partition.feed.number, partition.next());
            partition.taken.extend(entries.iter().map(|_| offset));
            offsets.insert(number, offset);
            if self.config.has_ledger() && !partition.ended {
                let taken = encode(&offset)?;
                let of_change = |(place, change): &(u32, Vec<u8>)| {
                    [
                        (EntryKey::Change(*place).into(), Some(change.clone())),
                        (EntryKey::Taken(*place, number).into(), Some(taken.clone())),
                    ]
                };
                self.reading.tell(partition, entries.iter().flat_map(of_change).collect());
            }
        }
        self.changes.tell(ChangeMessage::Took(first, offsets));
        self.changes.publish();
        Ok(())
    }
}
