//! Whether a checkpoint is whole: every entry by itself, and all of them together.

use crate::checksum;
use crate::committed_files::content::FileContent;
use crate::config::checkpoint::CheckpointStore;
use crate::ledger::checkpoint::{self, Checkpoint};
use crate::ledger::entry_key::EntryKey;
use crate::ledger::{Entries, StoredCheckpoint};
use crate::rows::days::{self, GATHERED, PARQUET_SUM, ROWS_PARQUET};
use crossrate_dataflows::market::trade::Symbol;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// What is wrong with it, each in words.
pub(super) fn faults(store: &CheckpointStore, held: &StoredCheckpoint) -> Vec<String> {
    let mut faults = Vec::new();
    for (key, entry) in &held.entries {
        if let Err(error) = Checkpoint::decode(&Entries::from([(key.clone(), entry.clone())])) {
            faults.push(error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "));
        }
    }
    let sound = faults.is_empty();
    // A start that is refused leaves what it has noted before it asks for the lease.
    let precede = held.entries.iter().all(|(key, entry)| checkpoint::precedes(key, entry));
    if held.lease.is_none() && !precede {
        faults.push("there are entries, but nobody holds the job: expected a lease".into());
    }
    if !precede && !held.entries.contains_key(&String::from(EntryKey::Job)) {
        faults.push("there are entries, but none of the job itself".into());
    }
    // A partition's other entries mean nothing without the one that says where it is.
    for key in held.entries.keys() {
        if let Some(head) = checkpoint::head_of(key).filter(|head| !held.entries.contains_key(head)) {
            faults.push(format!("entry {key:?} is there, but no entry {head:?}"));
        }
    }
    if sound && let Ok(checkpoint) = Checkpoint::decode(&held.entries) {
        together(store, &checkpoint, &mut faults);
    }
    faults
}

/// What each entry may hold depends on the others.
fn together(store: &CheckpointStore, checkpoint: &Checkpoint, faults: &mut Vec<String>) {
    for (number, partition) in &checkpoint.partitions {
        let head = &partition.head;
        if head.rebuild_from > head.next || head.rebuild_from < 0 {
            faults.push(format!(
                "partition {number} is to be rebuilt from offset {}, but goes on at {}",
                head.rebuild_from, head.next
            ));
        }
        let known: HashSet<&Symbol> = partition.symbols.iter().map(|known| &known.symbol).collect();
        for pane in partition.panes.values().flatten() {
            if !known.contains(&pane.symbol) {
                faults
                    .push(format!("partition {number} has sums of {}, a symbol unknown there", pane.symbol));
            }
        }
    }
    for (of, rates) in &checkpoint.resume.rates {
        let counted = checkpoint.resume.series.get(of).map_or(0, |series| series.n);
        let (cross, window) = of;
        let cross = if window.is_empty() { cross.to_string() } else { format!("{cross} ({window})") };
        if rates.len() as i64 != counted {
            faults.push(format!(
                "the statistics of {cross} count {counted} rates, but {} are kept",
                rates.len()
            ));
        }
    }
    // Where the ledger is not on this machine the files need not be either.
    if store.target.checkpoint_file().is_none() {
        return;
    }
    for (path, length) in &checkpoint.files.lengths {
        match std::fs::metadata(Path::new(path)) {
            Ok(found) if found.len() < *length => faults.push(format!(
                "{path} has {} bytes, but the checkpoint says that {length} were written",
                found.len()
            )),
            Ok(_) => differs(path, checkpoint.files.contents.get(path), faults),
            // Noted before it was made, or gone again before anything was committed.
            Err(error) if error.kind() == ErrorKind::NotFound && *length == 0 => {}
            Err(error) => faults.push(format!("{path}, of which {length} bytes were written: {error}")),
        }
    }
    checkpoint.files.whole.iter().for_each(|(path, content)| differs(path, Some(content), faults));
    let of_parquet = checkpoint.files.folders.iter().filter(|(_, name)| *name == GATHERED);
    of_parquet.for_each(|(folder, _)| packed(Path::new(folder), faults));
}

/// Reads the Parquet files of a folder that have a checksum beside them.
fn packed(folder: &Path, faults: &mut Vec<String>) {
    let places = match days::places(folder, PARQUET_SUM) {
        Ok(places) => places,
        Err(error) => return faults.push(format!("{}: {error}", folder.display())),
    };
    for place in places {
        let (file, beside) = (place.path(folder, ROWS_PARQUET), place.path(folder, PARQUET_SUM));
        let read = || Ok::<_, io::Error>((std::fs::read_to_string(&beside)?, checksum::of(&file)?));
        match read() {
            Ok((text, found)) if checksum::told(&text).is_some_and(|sum| sum == found) => {}
            Ok(_) => faults.push(format!(
                "{} is damaged: {} tells another SHA-256",
                file.display(),
                beside.display()
            )),
            Err(error) => {
                faults.push(format!("{}, whose SHA-256 {} tells: {error}", file.display(), beside.display()))
            }
        }
    }
}

/// Reads what was committed of a file, where the checkpoint knows what that is.
fn differs(path: &str, content: Option<&FileContent>, faults: &mut Vec<String>) {
    let Some(content) = content else { return };
    let length = content.length;
    match File::open(path).and_then(|mut file| FileContent::of(&mut file, length)) {
        Ok(found) if found == *content => {}
        Ok(_) => faults
            .push(format!("{path} is damaged: its first {length} bytes are not those that were written")),
        Err(error) => faults.push(format!("{path}, of which {length} bytes were written: {error}")),
    }
}
