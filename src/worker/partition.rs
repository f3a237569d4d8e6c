//! A partition of a worker: what is known of it between two batches.

use super::diagnosis::PartitionDiagnosis;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::ledger::partition_changes::PartitionChanges;
use crate::source::PartitionFeed;
use crate::symbols::Symbols;
use crate::wire::chunk::Prefix;
use anyhow::Result;
use crossrate_dataflows::market::acceptance::PartitionState;
use crossrate_dataflows::market::definition::{Definition, Selection};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::name_keys::name_of;
use crossrate_dataflows::market::sums::{PaneUpdate, Sums};
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::operators::closings::{PartitionProgress, WatermarkMove};
use std::collections::BTreeSet;
use timely::dataflow::operators::ActivateCapability;

/// A partition of this worker.
pub(super) struct AssignedPartition {
    pub(super) feed: PartitionFeed,
    pub(super) state: PartitionState,
    pub(super) control: Option<ActivateCapability<EventTime>>,
    /// Offset of the record that comes next.
    pub(super) records: i64,
    pub(super) idle: bool,
    pub(super) ended: bool,
    /// Whether it is at its end and keeps open what is.
    pub(super) is_kept: bool,
    /// Whether it does not hold the others up once it is at its end: an earlier run was there, and there is a
    /// later file.
    pub(super) lets_go: bool,
    /// When the last window that it has brought trades to is final.
    pub(super) closes: EventTime,
    /// Where something else than its records has taken its watermark since it last told of itself.
    pub(super) moved: Option<WatermarkMove>,
    /// Whether the windows to withhold are known (or there are none).
    pub(super) has_begun: bool,
    /// What a later run will need; only where there is a ledger.
    pub(super) unwritten: Option<PartitionChanges>,
    /// Its own sums, where there is a ledger: the checkpoint must know what each partition has handed over.
    pub(super) apart: Option<Sums>,
    pub(super) rebuilding: Option<PaneRebuild>,
    /// The offset from which on records are judged after each change of the definition.
    pub(super) taken: Vec<i64>,
    /// The greatest event time of trades that nobody wanted.
    pub(super) unselected: EventTime,
    /// How many of the symbols that have come to trade in it are told.
    pub(super) symbols_told: usize,
    /// Why nothing comes of its records, where nothing does.
    pub(super) diagnosis: PartitionDiagnosis,
}

/// A partition that is taken up reads what fills its open panes again.
pub(super) struct PaneRebuild {
    /// The first record that the earlier run did not judge.
    pub(super) until: i64,
    /// What the earlier run handed over.
    pub(super) handed_over: Vec<PaneUpdate>,
    /// The event time until which its rows are out.
    pub(super) at: EventTime,
}

impl AssignedPartition {
    pub(super) fn new(feed: PartitionFeed, config: &Config, control: ActivateCapability<EventTime>) -> Self {
        let records = feed.from;
        let mut state = PartitionState::new(&config.definition).numbered(feed.number);
        if feed.inside_log {
            state.begin_inside_log();
        }
        AssignedPartition {
            has_begun: !feed.inside_log,
            unwritten: config.has_ledger().then(|| PartitionChanges::new(feed.number, &config.definition)),
            apart: config.has_ledger().then(Sums::default),
            rebuilding: None,
            taken: Vec::new(),
            unselected: EventTime::MIN,
            symbols_told: 0,
            diagnosis: PartitionDiagnosis::of(config.definition.decimals()),
            feed,
            state,
            control: Some(control),
            records,
            idle: false,
            ended: false,
            is_kept: false,
            lets_go: false,
            closes: EventTime::MIN,
            moved: None,
        }
    }

    /// Whether nothing more comes of it in this run.
    pub(super) fn is_at_end(&self) -> bool {
        self.ended || self.is_kept
    }

    /// The offset of the first record that this run judges.
    pub(super) fn next(&self) -> i64 {
        self.rebuilding.as_ref().map_or(self.records, |again| again.until.max(self.records))
    }

    /// After how many changes of the definition the record at an offset is judged.
    pub(super) fn changes_before(&self, offset: i64) -> usize {
        self.taken.partition_point(|from| *from <= offset)
    }

    /// A trade that nobody wants was passed over.
    #[inline]
    pub(super) fn pass_over(&mut self, time: EventTime, is_future: bool) {
        if !is_future && time > self.unselected {
            self.unselected = time;
        }
    }

    /// The symbols that have come to trade in it since it was asked last, as far as they are wanted by their
    /// names.
    pub(super) fn new_symbols(&mut self, symbols: &Symbols, definition: &Definition) -> Vec<Symbol> {
        let known = self.state.known();
        if known.len() == self.symbols_told {
            return Vec::new();
        }
        let new = known[self.symbols_told..].iter();
        let names = new.map(|number| name_of(&symbols.names()[number.0 as usize]));
        self.symbols_told = known.len();
        match &definition.symbols {
            Selection::Only(_) => names.collect(),
            Selection::All => {
                let needs: BTreeSet<&Symbol> = definition.needs().collect();
                names.filter(|name| needs.contains(name)).collect()
            }
        }
    }

    pub(super) fn has_read(&mut self, read: Option<Prefix>) {
        if let Some(unwritten) = &mut self.unwritten {
            unwritten.has_read(read);
        }
    }

    /// How far it is.
    pub(super) fn progress(&self) -> PartitionProgress {
        PartitionProgress {
            partition: self.feed.number,
            name: self.feed.name.clone(),
            watermark: self.state.watermark(),
            closes: self.closes,
            open: self.state.open(),
            counts: *self.state.counts(),
            idle: self.idle,
            ended: self.ended,
        }
    }
}

/// What is to be rebuilt has been read, or there is no more of it.
pub(super) fn rebuilt(partition: &mut AssignedPartition) -> Result<()> {
    if let Some(again) = &partition.rebuilding {
        if partition.records < again.until {
            let (name, until, found) = (&partition.feed.name, again.until, partition.records);
            let words = format!("{name} ends at record {found}, but the checkpoint is at {until}");
            return Err(Failure::new(Exit::Failed, words)
                .hint("give the job the input that it had, or start it anew with --fresh")
                .into());
        }
        if let Some(apart) = &mut partition.apart {
            finish_rebuilding(&mut partition.state, &mut partition.rebuilding, apart);
        }
    }
    Ok(())
}

pub(super) fn finish_rebuilding(
    state: &mut PartitionState,
    rebuilding: &mut Option<PaneRebuild>,
    sums: &mut Sums,
) {
    if let Some(done) = rebuilding.take() {
        state.rebuilt(done.handed_over.iter().map(|u| (u.symbol, u.pane_end, &u.moments)), sums);
        // While the partition was ended, the frontier passed it. Windows that became final meanwhile stay
        // final.
        state.entry(done.at);
    }
}
