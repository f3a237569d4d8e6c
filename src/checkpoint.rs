//! `crossrate checkpoint show|check|reset`: what a job's checkpoint holds, whether it is whole, and its end.
//!
//! Nobody is disturbed by looking; a run that is under way goes on. Removing ends it, as another run that
//! takes the job over would.

mod check;
mod open_windows;
mod show;

use crate::committed_files::CommittedFiles;
use crate::config::checkpoint::{Action, CheckpointCommand, CheckpointStore};
use crate::exit::{Exit, Failure};
use crate::ledger::StoredCheckpoint;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::entry_key::EntryKey;
use anyhow::Result;
use show::CheckpointSummary;
use std::io::{self, ErrorKind, Write};

/// Does it.
pub fn run(command: &CheckpointCommand) -> Result<Exit> {
    let CheckpointCommand { action, json, store } = command;
    let held = store.read()?.ok_or_else(|| nothing(store))?;
    match action {
        Action::Show => {
            let shown = CheckpointSummary::new(store, &held)?;
            print(&if *json { serde_json::to_string_pretty(&shown)? + "\n" } else { shown.text() })?;
            Ok(Exit::Done)
        }
        Action::Check => report(store, &held, *json),
        Action::Reset { yes: true } => {
            store.remove()?;
            let entries = held.entries.len();
            print(&if *json {
                format!("{}\n", serde_json::json!({ "job": store.job, "removed_entries": entries }))
            } else {
                let files = if has_files(store, &held) { FILES_STAY } else { "" };
                format!("removed the checkpoint of job {:?} from {}\n{files}", store.job, store.shown())
            })?;
            Ok(Exit::Done)
        }
        Action::Reset { yes: false } => {
            let words = format!(
                "this would remove the checkpoint of job {:?} from {}; got no --yes",
                store.job,
                store.shown()
            );
            let then = "its next run begins anew: rows in topics and tables stay and are written again; files of rows \
                        stay too, and are begun anew by a run with --fresh only; say --yes if that is meant";
            Err(Failure::new(Exit::Usage, words).hint(then).into())
        }
    }
}

const FILES_STAY: &str =
    "its files stay as they are: a run with --fresh begins them anew, any other is refused\n";

/// Whether the job writes files. What is not understood is removed all the same.
fn has_files(store: &CheckpointStore, held: &StoredCheckpoint) -> bool {
    let noted = Checkpoint::decode(&held.entries).map(|checkpoint| checkpoint.files);
    store.target.checkpoint_beside().is_some()
        || noted.is_ok_and(|files| files != CommittedFiles { until: files.until, ..Default::default() })
}

fn report(store: &CheckpointStore, held: &StoredCheckpoint, json: bool) -> Result<Exit> {
    let faults = check::faults(store, held);
    let bytes: usize = held.entries.values().map(Vec::len).sum();
    let entries = held.entries.len();
    if json {
        print(&format!(
            "{}\n",
            serde_json::json!({ "job": store.job, "entries": entries, "bytes": bytes, "faults": faults })
        ))?;
    } else if faults.is_empty() && !held.entries.contains_key(&String::from(EntryKey::Job)) {
        print(&format!("job {:?}: no checkpoint yet, since nothing was committed so far\n", store.job))?;
    } else if faults.is_empty() {
        print(&format!("job {:?}: {entries} entries, all whole\n", store.job))?;
    } else {
        print(&faults.iter().map(|fault| format!("{fault}\n")).collect::<String>())?;
    }
    if faults.is_empty() {
        return Ok(Exit::Done);
    }
    let words = format!("the checkpoint of job {:?} in {} is not whole", store.job, store.shown());
    Err(Failure::new(Exit::Failed, words)
        .hint("start the job anew with --fresh or under another --name; its rows so far stay as they are")
        .into())
}

fn nothing(store: &CheckpointStore) -> anyhow::Error {
    let words =
        format!("no checkpoint: {} holds no checkpoint of a job named {:?}", store.shown(), store.job);
    Failure::new(Exit::Failed, words)
        .hint("give --to and --name as the run has them; the first of kafka:, postgres:, sqlite: and files holds it")
        .into()
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::PipeClosed, "standard output was closed").into())
        }
        other => Ok(other?),
    }
}
