//! How far the job is: the frontier, each partition's watermark, and who holds the others back since when.

use super::partition_news::PartitionNews;
use super::refusals::Refusals;
use crate::config::topic_of;
use crate::sink::SinkBatch;
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::market::counts::RecordAccount;
use crossrate_dataflows::market::event_time::EventTime;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch, by this machine's clock.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Where what is known of a job's progress comes from.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Knowledge {
    /// The job itself.
    #[default]
    Job,
    /// The checkpoint of its last commit: whether partitions are idle is not in it.
    Commit,
    /// Rows alone: the frontier is where they say that it must have been at least, nothing is known of
    /// partitions.
    Rows,
}

/// A place that results are read from, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FollowedPlace {
    /// The place, as people name it.
    pub place: String,
    /// How it stands.
    pub state: FollowState,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
    /// Why nothing can be read, where that is so.
    pub reason: Option<String>,
    /// What was found there and is no row.
    pub foreign: u64,
}

/// How a place stands that results are read from.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowState {
    /// What was there at the start is being read.
    Reading,
    /// All that is there has been read.
    Following,
    /// It does not answer.
    Away,
}

/// How far the job says that it is.
#[derive(Debug, Clone)]
pub struct ProgressNews {
    /// How that is known.
    pub known_from: Knowledge,
    /// Its partitions.
    pub partitions: BTreeMap<u32, PartitionNews>,
    /// Rows looked at before this time are all there; `None` when the input has ended.
    pub frontier: Option<EventTime>,
    /// Whether the run is over.
    pub over: bool,
    /// When it said so.
    pub told_ms: u64,
}

impl ProgressNews {
    /// What a sink was told.
    pub fn of(batch: &SinkBatch<'_>, told_ms: u64, over: bool) -> Self {
        let partition = |p: &crossrate_dataflows::operators::closings::PartitionProgress| PartitionNews {
            name: p.name.clone(),
            watermark: p.watermark,
            counts: p.counts,
            idle: p.idle,
            ended: p.ended,
        };
        ProgressNews {
            known_from: Knowledge::Job,
            partitions: batch.partitions.iter().map(|(number, p)| (*number, partition(p))).collect(),
            frontier: batch.frontier,
            over,
            told_ms,
        }
    }
}

/// How far the job is, and since when.
#[derive(Debug, Clone, Default)]
pub struct JobProgress {
    /// How that is known.
    pub known_from: Knowledge,
    /// Where results are read from, where they are not the job's own.
    pub following: Option<FollowedPlace>,
    /// Its partitions.
    pub partitions: BTreeMap<u32, PartitionNews>,
    /// The frontier; `None` before the first news and after the end of the input.
    pub frontier: Option<EventTime>,
    /// Whether anything was told at all.
    pub has_begun: bool,
    /// Whether the input has ended.
    pub ended: bool,
    /// Whether the run is over.
    pub over: bool,
    /// When the frontier moved last.
    pub moved_ms: u64,
    /// When anything was told last.
    pub told_ms: u64,
    /// The partition that holds the frontier back, and since when it does.
    pub holder: Option<(u32, u64)>,
    /// Records that did not count.
    pub refusals: Refusals,
    /// Where the frontier stood last, in milliseconds.
    stood_ms: u64,
    /// All this as JSON, made when it is first asked for.
    text: OnceLock<Arc<str>>,
}

impl JobProgress {
    /// Takes news in.
    pub fn absorb(&mut self, news: ProgressNews) {
        let frontier = news.frontier.filter(|frontier| *frontier > EventTime::MIN);
        if frontier != self.frontier || !self.has_begun {
            self.moved_ms = news.told_ms;
        }
        self.frontier = frontier;
        self.stood_ms = frontier.map_or(self.stood_ms, EventTime::millis);
        self.refusals.absorb(&self.partitions, &news.partitions, (self.stood_ms, news.told_ms));
        self.known_from = news.known_from;
        self.ended = news.frontier.is_none();
        self.partitions = news.partitions;
        self.over |= news.over;
        self.has_begun = true;
        self.text = OnceLock::new();
        self.told_ms = news.told_ms;
        let holder = self.holding();
        if holder != self.holder.map(|(partition, _)| partition) {
            self.holder = holder.map(|partition| (partition, news.told_ms));
        }
    }

    /// How the place stands that results are read from.
    pub fn follow(&mut self, following: FollowedPlace) {
        self.following = Some(following);
        self.text = OnceLock::new();
    }

    /// What was known is obsolete, but where results are read from.
    pub fn forget(&mut self) {
        *self = JobProgress { following: self.following.take(), ..JobProgress::default() };
    }

    /// Whether results can be had, and are those that there are.
    pub fn is_current(&self) -> bool {
        match &self.following {
            Some(following) => following.state == FollowState::Following,
            None => self.has_begun,
        }
    }

    /// The partition with the least watermark of those that hold the frontier, where another one is further.
    fn holding(&self) -> Option<u32> {
        // A commit does not tell who is idle; whoever is behind the frontier must be, or it could not have
        // come so far.
        let left_behind = |p: &PartitionNews| {
            self.known_from == Knowledge::Commit && self.frontier.is_some_and(|f| p.watermark < f)
        };
        let open = || self.partitions.iter().filter(|(_, p)| !p.ended && !p.idle && !left_behind(p));
        let (number, least) = open().min_by_key(|(number, p)| (p.watermark, **number))?;
        open().any(|(_, p)| p.watermark > least.watermark).then_some(*number)
    }

    /// The furthest watermark of partitions that have not ended.
    pub fn furthest(&self) -> Option<EventTime> {
        let open = self.partitions.values().filter(|p| !p.ended).map(|p| p.watermark);
        open.max().filter(|w| *w > EventTime::MIN)
    }

    /// How far, in milliseconds of event time, a partition is behind the furthest one.
    pub fn behind_ms(&self, partition: &PartitionNews) -> u64 {
        match self.furthest() {
            Some(furthest) if !partition.ended => {
                furthest.millis().saturating_sub(partition.watermark.millis())
            }
            _ => 0,
        }
    }

    /// What became of all records.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.partitions.values().for_each(|p| sum.add(&p.counts));
        sum
    }

    /// As a JSON object.
    pub fn json(&self) -> Arc<str> {
        Arc::clone(self.text.get_or_init(|| self.write().into()))
    }

    fn write(&self) -> String {
        let ms = |time: EventTime| (time > EventTime::MIN && time < EventTime::MAX).then(|| time.millis());
        let partition = |(number, p): (&u32, &PartitionNews)| PartitionView {
            partition: topic_of::<&str>(*number, &[]).1,
            topic: p.topic(*number),
            name: p.name.clone(),
            watermark_ms: ms(p.watermark),
            behind_ms: self.behind_ms(p),
            idle: (self.known_from == Knowledge::Job).then_some(p.idle),
            ended: p.ended,
            holds: self.holder.is_some_and(|(holder, _)| holder == *number),
            records: RecordAccount::from(p.counts),
        };
        let view = ProgressView {
            frontier_ms: self.frontier.and_then(ms),
            known_from: self.known_from,
            following: self.following.as_ref(),
            state: match (self.has_begun, self.ended, self.over) {
                (false, _, _) => "starting",
                (_, true, _) => "ended",
                (_, false, true) => "stopped",
                (_, false, false) => "running",
            },
            moved_ms: self.has_begun.then_some(self.moved_ms),
            told_ms: self.has_begun.then_some(self.told_ms),
            holder: self.holder.and_then(|(number, since_ms)| {
                let p = self.partitions.get(&number)?;
                let behind_ms = self.behind_ms(p);
                let partition = topic_of::<&str>(number, &[]).1;
                let (topic, name) = (p.topic(number), p.name.clone());
                Some(HolderView { partition, topic, name, since_ms, behind_ms })
            }),
            partitions: self.partitions.iter().map(partition).collect(),
            records: (self.known_from != Knowledge::Rows).then(|| RecordAccount::from(self.counts())),
        };
        serde_json::to_string(&view).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct ProgressView<'a> {
    known_from: Knowledge,
    following: Option<&'a FollowedPlace>,
    frontier_ms: Option<u64>,
    state: &'static str,
    moved_ms: Option<u64>,
    told_ms: Option<u64>,
    holder: Option<HolderView>,
    partitions: Vec<PartitionView>,
    records: Option<RecordAccount>,
}

#[derive(Serialize)]
struct HolderView {
    partition: u32,
    /// Where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    name: String,
    since_ms: u64,
    behind_ms: u64,
}

#[derive(Serialize)]
struct PartitionView {
    partition: u32,
    /// Where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    name: String,
    watermark_ms: Option<u64>,
    behind_ms: u64,
    idle: Option<bool>,
    ended: bool,
    holds: bool,
    records: RecordAccount,
}
