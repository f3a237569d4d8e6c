//! What the entries of a checkpoint are, and how they are written. Their keys: [`EntryKey`].
//!
//! A file and a folder are noted, with nothing committed yet, before the first byte is written or cut there: so a run that is
//! taken up knows its own from what others have made. Entries of files and folders, of the term and of `--fresh` may be there
//! without one of the job.
//!
//! An entry is a version byte, eight bytes of checksum, and the value in postcard's format.

mod earlier;
mod lasting;

pub use lasting::add_lasting;

use super::entry_key::EntryKey;
use super::{Changes, Entries};
use crate::committed_files::content::FileContent;
use crate::committed_files::{CommittedFiles, FileChange};
use crate::exit::{Exit, Failure};
use crate::wire::chunk::Prefix;
use anyhow::Result;
use crossrate_dataflows::market::acceptance::Head;
use crossrate_dataflows::market::candle::Candle;
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
const VERSION: u8 = 4;

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
    pub jumps: jumps::Refused,
    /// What was read of a file until there.
    pub read: Option<Prefix>,
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
pub fn add_file_change(changes: &mut Changes, change: &FileChange) -> Result<()> {
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

/// The number of the run that takes a job over: higher than any before, also where the job was reset meanwhile and nothing
/// of it is there, for as long as the clock does not go back by then.
fn next_term(entries: &Entries) -> u64 {
    // One that is damaged is found by those who check.
    let before = term(entries).unwrap_or(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    before.saturating_add(1).max(u64::try_from(now).unwrap_or(0))
}

/// Puts the term of a run that takes the job over among the entries: its own, or the one that it has in the ledger
/// `beside` which a database is. Gives the encoded entry.
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

/// The value of an entry among those; `None` where it is not there.
fn of_key<T: DeserializeOwned>(entries: &Entries, key: &EntryKey) -> Result<Option<T>> {
    let key = key.to_string();
    entries.get(&key).map(|entry| decode(&key, entry)).transpose()
}

/// The entry of a partition without which the one under this key means nothing.
pub fn head_of(key: &str) -> Option<String> {
    key.parse::<EntryKey>().ok()?.head().map(String::from)
}

/// Fails where an entry is not there without which the others mean nothing: who would go on all the same would begin
/// anew in part, and give again what is out.
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

    /// Decodes all entries. A run that had ended is taken up after its last closing: its windows are final.
    pub fn decode(entries: &Entries) -> Result<Self> {
        let mut checkpoint = Checkpoint::default();
        let mut heads: BTreeMap<u32, Head> = BTreeMap::new();
        let mut read: BTreeMap<u32, Prefix> = BTreeMap::new();
        let mut jumps: BTreeMap<u32, jumps::Refused> = BTreeMap::new();
        let mut symbols: BTreeMap<u32, (Vec<SymbolEntry>, Vec<String>)> = BTreeMap::new();
        let mut panes: BTreeMap<u32, BTreeMap<(EventTime, EventTime), Vec<PaneEntry>>> = BTreeMap::new();
        for (key, entry) in entries {
            let unknown = || {
                Failure::new(Exit::Failed, format!("the checkpoint has an unknown entry {key:?}"))
                    .hint("run the version of crossrate that wrote it, or start the job anew with --fresh")
            };
            match key.parse().map_err(|_| unknown())? {
                EntryKey::Job => checkpoint.job = Some(decode(key, entry)?),
                EntryKey::Head(partition) => _ = heads.insert(partition, decode(key, entry)?),
                EntryKey::Boundaries(_) => {
                    checkpoint.boundaries.extend(decode::<Vec<KnownBoundaries>>(key, entry)?);
                }
                EntryKey::End(partition) => _ = checkpoint.at_end.insert(partition),
                EntryKey::Read(partition) => _ = read.insert(partition, decode(key, entry)?),
                EntryKey::Jumps(partition) => _ = jumps.insert(partition, decode(key, entry)?),
                EntryKey::SymbolBlock(partition, _) | EntryKey::Symbols(partition) => {
                    let (known, keys) = symbols.entry(partition).or_default();
                    known.extend(decode::<Vec<SymbolEntry>>(key, entry)?);
                    keys.push(key.clone());
                }
                EntryKey::Pane(partition, end, date) => {
                    panes.entry(partition).or_default().insert((end, date), earlier::panes(key, entry)?);
                }
                EntryKey::Carried(of) => {
                    checkpoint.resume.carried.insert(of, earlier::carried(key, entry)?);
                }
                EntryKey::Base(of) => _ = checkpoint.resume.bases.insert(of, earlier::base(key, entry)?),
                EntryKey::Anew(symbol) => _ = checkpoint.resume.ids_anew.insert(symbol, decode(key, entry)?),
                EntryKey::Series(of) => _ = checkpoint.resume.series.insert(of, decode(key, entry)?),
                EntryKey::Close(of) => _ = checkpoint.resume.closes.insert(of, decode(key, entry)?),
                EntryKey::Rate(of, number) => {
                    checkpoint.resume.rates.entry(of).or_default().insert(number, decode(key, entry)?);
                }
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
        checkpoint.files.until = checkpoint.job.as_ref().map(|job| job.at);
        checkpoint.resume.at = checkpoint.files.until.unwrap_or(EventTime::MIN);
        let ended = checkpoint.job.as_ref().is_some_and(|job| job.ended);
        for (number, mut head) in heads {
            let (mut symbols, symbol_keys) = symbols.remove(&number).unwrap_or_default();
            let mut panes = panes.remove(&number).unwrap_or_default();
            if ended {
                head.watermark = head.watermark.max(checkpoint.resume.at);
                head.rebuild_from = head.next;
                note_greatest(&mut symbols, std::mem::take(&mut panes).values().flatten());
            }
            for (symbol, id) in symbols.iter().filter_map(|known| Some((&known.symbol, known.greatest_id?))) {
                let greatest = checkpoint.resume.greatest_ids.entry(symbol.clone()).or_insert(id);
                *greatest = id.max(*greatest);
            }
            let (read, jumps) = (read.remove(&number), jumps.remove(&number).unwrap_or_default());
            let partition = PartitionCheckpoint { head, jumps, read, symbols, symbol_keys, panes };
            checkpoint.partitions.insert(number, partition);
        }
        Ok(checkpoint)
    }
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
