//! Which records count (`docs/semantics.md#acceptance`), partition by partition.

use super::log::Course;
use super::record::{Element, File, Id, Kind, Record};
use super::settings::Settings;
use super::windows::pane;
use std::collections::{HashMap, HashSet};

/// Before a partition's first accepted record its watermark is nowhere.
pub const NOWHERE: i64 = i64::MIN;

/// A trade that counts.
#[derive(Debug, Clone)]
pub struct Trade {
    pub symbol: String,
    /// The number of the symbol's stay that it is of.
    pub stay: usize,
    pub id: Id,
    /// The number of its record, its place in that, its partition.
    pub arrival: (usize, usize, usize),
    pub price: i64,
    pub quantity: i64,
    pub time: i64,
    /// The first and the last trade that it stands for, by id.
    pub first: u64,
    pub last: u64,
    pub taker_buys: Option<bool>,
    /// The start of its pane.
    pub pane: i64,
    /// Its partition's watermark when it was accepted, before it moved it.
    pub accepted_at: i64,
}

/// The accounting of `docs/semantics.md#input`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    pub read: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub late: u64,
    pub bad: u64,
    pub future: u64,
    pub ignored: u64,
    pub unselected: u64,
    pub heartbeat: u64,
}

impl Counts {
    /// As the summary has it.
    pub fn json(&self) -> String {
        let Counts { read, accepted, duplicate, late, bad, future, ignored, unselected, heartbeat } = self;
        format!(
            r#"{{"read":{read},"accepted":{accepted},"duplicate":{duplicate},"late":{late},"bad":{bad},"future":{future},"ignored":{ignored},"unselected":{unselected},"heartbeat":{heartbeat}}}"#
        )
    }
}

/// A record that went to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    pub partition: usize,
    pub offset: usize,
    pub reason: String,
    pub value: Vec<u8>,
}

/// What the partitions' own records brought.
#[derive(Debug, Default)]
pub struct Accepted {
    pub trades: Vec<Trade>,
    pub counts: Counts,
    pub refused: Vec<Refused>,
    /// How far each partition's own records took its watermark.
    pub watermarks: Vec<i64>,
}

/// Of each partition its records below the end that it is given, where it is.
pub fn accept(settings: &Settings, course: &Course<'_>, files: &[File], ends: &[usize]) -> Accepted {
    let mut all = Accepted::default();
    for (partition, file) in files.iter().enumerate() {
        let end = ends.get(partition).copied().unwrap_or(usize::MAX);
        let watermark = accept_partition((settings, course), partition, (file, end), &mut all);
        all.watermarks.push(watermark);
    }
    // Several elements of one record may be refused, each for its own reason.
    all.refused.sort();
    all
}

fn accept_partition(
    (settings, course): (&Settings, &Course<'_>),
    partition: usize,
    (file, end): (&File, usize),
    all: &mut Accepted,
) -> i64 {
    let mut watermark = NOWHERE;
    let mut kinds: HashMap<(String, usize), Kind> = HashMap::new();
    let mut ids: HashSet<(String, usize, i64, String)> = HashSet::new();
    // The time of the record judged just before by rules 2 to 6, where `--max-jump` refused it.
    let mut refused_before: Option<i64> = None;
    for Element { offset, part, line, record } in file.elements(settings.decimals) {
        if offset >= end {
            break;
        }
        all.counts.read += 1;
        let mut refuse = |reason: &str| {
            all.refused.push(Refused { partition, offset, reason: reason.to_owned(), value: line.to_vec() });
        };
        let event = match record {
            Record::Bad => {
                all.counts.bad += 1;
                refuse("bad");
                continue;
            }
            Record::Ignored => {
                all.counts.ignored += 1;
                continue;
            }
            Record::Heartbeat(time) => {
                if jumped(settings, watermark, time, &mut refused_before) {
                    all.counts.future += 1;
                    refuse("future");
                    continue;
                }
                all.counts.heartbeat += 1;
                watermark = watermark.max(time - settings.delay);
                continue;
            }
            Record::Trade(event) => event,
        };
        let Some(stay) = course.stay_of_record(&event.symbol, (partition, offset), event.time) else {
            all.counts.unselected += 1;
            continue;
        };
        if *kinds.entry((event.symbol.clone(), stay)).or_insert(event.kind) != event.kind {
            all.counts.ignored += 1;
            continue;
        }
        if jumped(settings, watermark, event.time, &mut refused_before) {
            all.counts.future += 1;
            refuse("future");
            continue;
        }
        let (pane, end_of_pane) = pane(&settings.windows, event.time);
        if end_of_pane + settings.grace <= watermark {
            all.counts.late += 1;
            refuse("late");
            continue;
        }
        // A text is never the digits of an integer that is one.
        let known_by = match &event.id {
            Id::Sequence(id) | Id::Unique(id) => Some(id.to_string()),
            Id::Text(text) => Some(text.clone()),
            Id::None => None,
        };
        let is_new = known_by.is_none_or(|id| ids.insert((event.symbol.clone(), stay, pane, id)));
        if !is_new && settings.dedup {
            all.counts.duplicate += 1;
            continue;
        }
        all.counts.accepted += 1;
        all.trades.push(Trade {
            symbol: event.symbol,
            stay,
            id: event.id,
            arrival: (offset, part, partition),
            price: event.price,
            quantity: event.quantity,
            time: event.time,
            first: event.first,
            last: event.last,
            taker_buys: event.taker_buys,
            pane,
            accepted_at: watermark,
        });
        watermark = watermark.max(event.time - settings.delay);
    }
    watermark
}

/// The second half of rule 2: more than `--max-jump` past the watermark and the delay, and not borne out by
/// the record before.
fn jumped(settings: &Settings, watermark: i64, time: i64, refused_before: &mut Option<i64>) -> bool {
    let before = refused_before.take();
    let Some(most) = settings.max_jump else { return false };
    let far = watermark != NOWHERE && time > watermark + settings.delay + most;
    let borne_out = before.is_some_and(|before| (before - time).abs() <= most);
    if far && !borne_out {
        *refused_before = Some(time);
        return true;
    }
    false
}
