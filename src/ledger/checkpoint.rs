//! What the entries of a checkpoint are, and how they are written. Their keys: [`EntryKey`].
//!
//! A file and a folder are noted, with nothing committed yet, before the first byte is written or cut there:
//! so a run that is taken up knows its own from what others have made. Entries of files and folders, of the
//! term and of `--fresh` may be there without one of the job.
//!
//! An entry is a version byte, eight bytes of checksum, and the value in postcard's format.

mod earlier;
mod lasting;

pub use lasting::add_lasting;

use super::entry_key::EntryKey;
use super::{Entries, EntryChanges};
use crate::committed_files::content::FileContent;
use crate::committed_files::{CommittedFiles, FileChange};
use crate::config::log::LoggedChange;
use crate::exit::{Exit, Failure};
use crate::wire::chunk::Prefix;
use anyhow::Result;
use crossrate_dataflows::market::acceptance::Head;
use crossrate_dataflows::market::candle::Candle;
use crossrate_dataflows::market::changes::DatedChange;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::jumps;
use crossrate_dataflows::market::moments::Moments;
use crossrate_dataflows::market::resume::Resume;
use crossrate_dataflows::market::trade::{Symbol, TradeKind};
use crossrate_dataflows::market::windows::boundaries::KnownBoundaries;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};
use xxhash_rust::xxh3::xxh3_64;

/// The version of the entries that this program writes.
pub const VERSION: u8 = 4;

/// The oldest version that it reads. Earlier ones differ in what holds the sums of trades: see [`earlier`].
const OLDEST: u8 = 2;

/// The job as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEntry {
    /// The program that wrote it.
    pub program: String,
    /// What was computed, as pairs of a flag's name and its value.
    pub definition: Vec<(String, String)>,
    /// Rows looked at until then are out; of a job that has ended, that is `closes`.
    pub at: EventTime,
    /// When the last window that has trades so far is final.
    pub closes: EventTime,
    /// The input had ended, and every window was closed.
    pub ended: bool,
    /// Where each partition ends, of a run with `-e` that has not ended.
    pub ends: BTreeMap<u32, i64>,
}

/// One symbol in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolEntry {
    /// Which.
    pub symbol: Symbol,
    /// By which kind of event it is counted.
    pub kind: TradeKind,
    /// The greatest id in panes that no window needs any more.
    pub greatest_id: Option<u64>,
}

/// One symbol of a pane that was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaneEntry {
    /// Which.
    pub symbol: Symbol,
    /// Its sums.
    pub moments: Moments,
    /// Its candle.
    pub candle: Candle,
}

/// A partition as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionCheckpoint {
    /// Where it was.
    pub head: Head,
    /// Which records jumped.
    pub jumps: jumps::RefusedJumps,
    /// What was read of a file until there.
    pub read: Option<Prefix>,
    /// The offsets from which on records are judged after each change of the log; what it took before its
    /// first record has none.
    pub taken: BTreeMap<u32, i64>,
    /// The greatest event time of trades that nobody wanted, where that matters.
    pub unselected: EventTime,
    /// Its symbols.
    pub symbols: Vec<SymbolEntry>,
    /// The keys of the entries that they stand in.
    pub symbol_keys: Vec<String>,
    /// What it had handed over and windows still need, by pane end and date.
    pub panes: BTreeMap<(EventTime, EventTime), Vec<PaneEntry>>,
}

/// A checkpoint, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The job; `None` where nothing was ever committed.
    pub job: Option<JobEntry>,
    /// Its partitions.
    pub partitions: BTreeMap<u32, PartitionCheckpoint>,
    /// Those that an earlier run read to their end, where it kept open what was.
    pub at_end: BTreeSet<u32>,
    /// The boundaries of civil windows that the partitions' trades were judged by.
    pub boundaries: Vec<KnownBoundaries>,
    /// The dataflow's part.
    pub resume: Resume,
    /// The files that the job writes.
    pub files: CommittedFiles,
    /// How often the job was taken over, about: higher than in any earlier run.
    pub term: u64,
}

/// Adds what happened to a file to the changes of a commit.
pub fn add_file_change(changes: &mut EntryChanges, change: &FileChange) -> Result<()> {
    match change {
        FileChange::Grows(path, content) => {
            changes.insert(EntryKey::File(path.clone()).into(), Some(encode(content)?));
        }
        FileChange::Whole(path, content) => {
            changes.insert(EntryKey::File(path.clone()).into(), None);
            changes.insert(EntryKey::Whole(path.clone()).into(), Some(encode(content)?));
        }
        FileChange::Gone(path) => {
            let kinds = [EntryKey::File, EntryKey::Length, EntryKey::Whole, EntryKey::Folder];
            changes.extend(kinds.map(|kind| (kind(path.clone()).into(), None)));
        }
        FileChange::Folder(path, name) => {
            changes.insert(EntryKey::Folder(path.clone()).into(), Some(encode(name)?));
        }
    }
    Ok(())
}

/// The number of the run that takes a job over: higher than any before, also where the job was reset
/// meanwhile and nothing of it is there, for as long as the clock does not go back by then.
fn next_term(entries: &Entries) -> u64 {
    // The check of the checkpoint finds a damaged one.
    let before = term(entries).unwrap_or(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    before.saturating_add(1).max(u64::try_from(now).unwrap_or(0))
}

/// Puts the term of a run that takes the job over among the entries: its own, or the one that it has in the
/// ledger `beside` which a database is. Gives the encoded entry.
pub fn put_term(entries: &mut Entries, beside: Option<u64>) -> Vec<u8> {
    let term = beside.unwrap_or_else(|| next_term(entries));
    // A number can always be encoded.
    let term = encode(&term).unwrap_or_default();
    entries.insert(EntryKey::Term.into(), term.clone());
    term
}

/// The term among those entries; 0 where there is none.
pub fn term(entries: &Entries) -> Result<u64> {
    Ok(of_key(entries, &EntryKey::Term)?.unwrap_or(0))
}

/// Encodes an entry.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let body = postcard::to_stdvec(value)?;
    let mut entry = Vec::with_capacity(body.len() + 9);
    entry.push(VERSION);
    entry.extend_from_slice(&xxh3_64(&body).to_le_bytes());
    entry.extend_from_slice(&body);
    Ok(entry)
}

/// Decodes an entry, or says what is wrong with it.
pub(crate) fn decode<T: DeserializeOwned>(key: &str, entry: &[u8]) -> Result<T> {
    let broken = |what: &str| {
        Failure::new(Exit::Failed, format!("the checkpoint's entry {key:?} {what}"))
            .hint("start the job anew with --fresh or under another --name; its rows so far stay as they are")
    };
    let (version, rest) = entry.split_first().ok_or_else(|| broken("is empty"))?;
    if !(OLDEST..=VERSION).contains(version) {
        return Err(broken(&format!(
            "has version {version}; this program writes version {VERSION} and reads {OLDEST} to {VERSION}"
        ))
        .hint("run the version of crossrate that wrote it, or start the job anew with --fresh")
        .into());
    }
    let (checksum, body) = rest.split_at_checked(8).ok_or_else(|| broken("is cut short"))?;
    if checksum != xxh3_64(body).to_le_bytes() {
        return Err(broken("is damaged: its checksum does not fit").into());
    }
    postcard::from_bytes(body).map_err(|error| broken("cannot be understood").because(error).into())
}

/// The job's own entry among those; `None` where nothing was ever committed.
pub fn job(entries: &Entries) -> Result<Option<JobEntry>> {
    of_key(entries, &EntryKey::Job)
}

/// How the definition has changed since the job began.
pub fn log(entries: &Entries) -> Result<Vec<DatedChange>> {
    let log = (0..).map(|place| of_key(entries, &EntryKey::Change(place)).transpose());
    log.map_while(|change| change).collect()
}

/// The value of an entry among those; `None` where it is not there.
fn of_key<T: DeserializeOwned>(entries: &Entries, key: &EntryKey) -> Result<Option<T>> {
    let key = key.to_string();
    entries.get(&key).map(|entry| decode(&key, entry)).transpose()
}

/// The entry of a partition without which the one under this key means nothing.
pub fn head_of(key: &str) -> Option<String> {
    key.parse::<EntryKey>().ok()?.head().map(String::from)
}

/// Fails where an entry is not there without which the others mean nothing: a run that went on would begin
/// anew in part, and write rows again.
pub fn whole(entries: &Entries) -> Result<()> {
    let mut needed = entries
        .iter()
        .filter(|(key, entry)| !precedes(key, entry))
        .flat_map(|(key, _)| [Some(EntryKey::Job.into()), head_of(key)])
        .flatten();
    match needed.find(|key| !entries.contains_key(key)) {
        None => Ok(()),
        Some(lost) => Err(Failure::new(Exit::Failed, format!("the checkpoint has lost its entry {lost:?}"))
            .hint("start the job anew with --fresh or under another --name; its rows so far stay as they are")
            .into()),
    }
}

/// Whether an entry may be there before anything was committed.
pub fn precedes(key: &str, entry: &[u8]) -> bool {
    let is_empty = || decode::<FileContent>(key, entry).is_ok_and(|content| content == FileContent::empty());
    match key.parse() {
        Ok(EntryKey::Fresh | EntryKey::Term | EntryKey::Folder(_)) => true,
        Ok(EntryKey::File(_)) => is_empty(),
        _ => false,
    }
}

impl Checkpoint {
    fn take_file(&mut self, path: String, content: FileContent) {
        self.files.lengths.insert(path.clone(), content.length);
        self.files.contents.insert(path, content);
    }

    /// The greatest ids of symbols over all partitions.
    fn note_ids(&mut self, symbols: &[SymbolEntry]) {
        for (symbol, id) in symbols.iter().filter_map(|known| Some((&known.symbol, known.greatest_id?))) {
            let greatest = self.resume.greatest_ids.entry(symbol.clone()).or_insert(id);
            *greatest = id.max(*greatest);
        }
    }

    /// How the definition has changed since the job began, and where each partition took that.
    pub fn logged(&self) -> Vec<LoggedChange> {
        let offsets = |place: u32| {
            let taken = |(number, partition): (&u32, &PartitionCheckpoint)| {
                Some((*number, *partition.taken.get(&place)?))
            };
            self.partitions.iter().filter_map(taken).collect()
        };
        let logged = |(place, change): (u32, &DatedChange)| LoggedChange {
            change: change.clone(),
            offsets: offsets(place),
        };
        (0..).zip(&self.resume.log).map(logged).collect()
    }

    /// Decodes all entries. A run that had ended is taken up after its last closing: its windows are final.
    pub fn decode(entries: &Entries) -> Result<Self> {
        let mut checkpoint = Checkpoint::default();
        let mut heads: BTreeMap<u32, Head> = BTreeMap::new();
        let mut others: BTreeMap<u32, PartitionEntries> = BTreeMap::new();
        let mut log: BTreeMap<u32, DatedChange> = BTreeMap::new();
        for (key, entry) in entries {
            match key.parse().map_err(|_| unknown(key))? {
                EntryKey::Job => checkpoint.job = Some(decode(key, entry)?),
                EntryKey::Head(partition) => _ = heads.insert(partition, decode(key, entry)?),
                EntryKey::Boundaries(_) => {
                    checkpoint.boundaries.extend(decode::<Vec<KnownBoundaries>>(key, entry)?);
                }
                EntryKey::End(partition) => _ = checkpoint.at_end.insert(partition),
                kind @ (EntryKey::Read(partition)
                | EntryKey::Jumps(partition)
                | EntryKey::SymbolBlock(partition, _)
                | EntryKey::Symbols(partition)
                | EntryKey::Pane(partition, ..)
                | EntryKey::Taken(_, partition)
                | EntryKey::Unselected(partition)) => {
                    others.entry(partition).or_default().take(kind, key, entry)?;
                }
                kind @ (EntryKey::Carried(_)
                | EntryKey::Base(_)
                | EntryKey::Anew(_)
                | EntryKey::Series(_)
                | EntryKey::Close(_)
                | EntryKey::Held(..)
                | EntryKey::Path(..)
                | EntryKey::Counts(..)
                | EntryKey::Rate(..)) => lasting::take(&mut checkpoint.resume, kind, key, entry)?,
                EntryKey::Change(place) => _ = log.insert(place, decode(key, entry)?),
                EntryKey::Idle => checkpoint.resume.idle = decode(key, entry)?,
                EntryKey::Fresh => drop(decode::<String>(key, entry)?),
                EntryKey::Term => checkpoint.term = decode(key, entry)?,
                EntryKey::File(path) => checkpoint.take_file(path, decode(key, entry)?),
                EntryKey::Whole(path) => _ = checkpoint.files.whole.insert(path, decode(key, entry)?),
                EntryKey::Folder(path) => _ = checkpoint.files.folders.insert(path, decode(key, entry)?),
                EntryKey::Length(path) => _ = checkpoint.files.lengths.insert(path, decode(key, entry)?),
            }
        }
        lasting::join_earlier(&mut checkpoint.resume);
        checkpoint.resume.log = log.into_values().collect();
        checkpoint.files.until = checkpoint.job.as_ref().map(|job| job.at);
        checkpoint.resume.at = checkpoint.files.until.unwrap_or(EventTime::MIN);
        let closes = checkpoint.job.as_ref().map_or(EventTime::MIN, |job| job.closes);
        checkpoint.resume.chosen_to = checkpoint.resume.at.min(closes);
        let ended = checkpoint.job.as_ref().is_some_and(|job| job.ended);
        for (number, mut head) in heads {
            let PartitionEntries { read, jumps, taken, unselected, mut symbols, symbol_keys, mut panes } =
                others.remove(&number).unwrap_or_default();
            if ended {
                head.watermark = head.watermark.max(checkpoint.resume.at);
                head.rebuild_from = head.next;
                note_greatest(&mut symbols, std::mem::take(&mut panes).values().flatten());
            }
            checkpoint.note_ids(&symbols);
            let partition =
                PartitionCheckpoint { head, jumps, read, taken, unselected, symbols, symbol_keys, panes };
            checkpoint.partitions.insert(number, partition);
        }
        Ok(checkpoint)
    }
}

/// The entries of a partition beside its head.
#[derive(Default)]
struct PartitionEntries {
    jumps: jumps::RefusedJumps,
    read: Option<Prefix>,
    taken: BTreeMap<u32, i64>,
    unselected: EventTime,
    symbols: Vec<SymbolEntry>,
    symbol_keys: Vec<String>,
    panes: BTreeMap<(EventTime, EventTime), Vec<PaneEntry>>,
}

impl PartitionEntries {
    /// Takes an entry of the partition; others are left alone.
    fn take(&mut self, kind: EntryKey, key: &str, entry: &[u8]) -> Result<()> {
        match kind {
            EntryKey::Read(_) => self.read = Some(decode(key, entry)?),
            EntryKey::Jumps(_) => self.jumps = decode(key, entry)?,
            EntryKey::SymbolBlock(..) | EntryKey::Symbols(_) => {
                self.symbols.extend(decode::<Vec<SymbolEntry>>(key, entry)?);
                self.symbol_keys.push(key.to_owned());
            }
            EntryKey::Pane(_, end, date) => _ = self.panes.insert((end, date), earlier::panes(key, entry)?),
            EntryKey::Taken(place, _) => _ = self.taken.insert(place, decode(key, entry)?),
            EntryKey::Unselected(_) => self.unselected = decode(key, entry)?,
            _ => {}
        }
        Ok(())
    }
}

fn unknown(key: &str) -> Failure {
    Failure::new(Exit::Failed, format!("the checkpoint has an unknown entry {key:?}"))
        .hint("run the version of crossrate that wrote it, or start the job anew with --fresh")
}

/// The panes are needed no more: their symbols keep the greatest ids.
fn note_greatest<'a>(symbols: &mut [SymbolEntry], panes: impl Iterator<Item = &'a PaneEntry>) {
    let mut ids: HashMap<&Symbol, u64> = HashMap::new();
    for entry in panes {
        let Some((_, of_pane)) = entry.candle.ids() else { continue };
        let greatest = ids.entry(&entry.symbol).or_default();
        *greatest = of_pane.max(*greatest);
    }
    for known in symbols {
        known.greatest_id = known.greatest_id.max(ids.get(&known.symbol).copied());
    }
}
