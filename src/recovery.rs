//! `crossrate recovery show|check|reset`: what a job's checkpoint holds, whether it is whole, and its end.
//!
//! Nobody is disturbed by looking; a run that is under way goes on. Removing ends it, as another run that takes the
//! job over would.

mod check;
mod show;

use crate::config::recovery::{Action, Place, Recovery};
use crate::exit::{Exit, Failure};
use crate::ledger::held::Held;
use crate::ledger::point;
use anyhow::Result;
use show::Shown;
use std::io::{self, ErrorKind, Write};

/// Does it.
pub fn run(recovery: &Recovery) -> Result<Exit> {
    let Recovery { action, json, place } = recovery;
    let held = place.read()?.ok_or_else(|| nothing(place))?;
    match action {
        Action::Show => {
            let shown = Shown::new(place, &held)?;
            print(&if *json { serde_json::to_string_pretty(&shown)? + "\n" } else { shown.text() })?;
            Ok(Exit::Done)
        }
        Action::Check => report(place, &held, *json),
        Action::Reset { yes: true } => {
            place.remove()?;
            let entries = held.entries.len();
            print(&if *json {
                format!("{}\n", serde_json::json!({ "job": place.job, "removed_entries": entries }))
            } else {
                format!("removed the checkpoint of job {:?} from {}\n", place.job, place.shown())
            })?;
            Ok(Exit::Done)
        }
        Action::Reset { yes: false } => {
            let words = format!(
                "this would remove the checkpoint of job {:?} from {}; got no --yes",
                place.job,
                place.shown()
            );
            let then = "its next run begins anew: rows in topics and tables stay and are written again; files of rows \
                        stay too, and are begun anew by a run with --fresh only; say --yes if that is meant";
            Err(Failure::new(Exit::Usage, words).hint(then).into())
        }
    }
}

fn report(place: &Place, held: &Held, json: bool) -> Result<Exit> {
    let faults = check::faults(place, held);
    let bytes: usize = held.entries.values().map(Vec::len).sum();
    let entries = held.entries.len();
    if json {
        print(&format!(
            "{}\n",
            serde_json::json!({ "job": place.job, "entries": entries, "bytes": bytes, "faults": faults })
        ))?;
    } else if faults.is_empty() && !held.entries.contains_key(point::JOB) {
        print(&format!("job {:?}: no checkpoint yet, since nothing was committed so far\n", place.job))?;
    } else if faults.is_empty() {
        print(&format!("job {:?}: {entries} entries, all whole\n", place.job))?;
    } else {
        print(&faults.iter().map(|fault| format!("{fault}\n")).collect::<String>())?;
    }
    if faults.is_empty() {
        return Ok(Exit::Done);
    }
    let words = format!("the checkpoint of job {:?} in {} is not whole", place.job, place.shown());
    Err(Failure::new(Exit::Failed, words)
        .hint("start the job anew with --fresh or under another --name; its rows so far stay as they are")
        .into())
}

fn nothing(place: &Place) -> anyhow::Error {
    let words =
        format!("no checkpoint: {} holds no checkpoint of a job named {:?}", place.shown(), place.job);
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
