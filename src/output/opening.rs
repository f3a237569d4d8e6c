//! How a run gets its ledger and its sinks, in an order that no other run of the job can upset.
//!
//! 1. It takes the job over, which ends what others commit, and reads the checkpoint.
//! 2. It opens and locks its files, and waits there for a predecessor to end. Nothing in them is changed.
//! 3. It commits what it is going to write to, or asks whether the job is still its own. A run that stood
//!    still since the first step, and has a successor by now, is refused here.
//! 4. It cuts and removes what was not committed. A successor that takes the job over from here on waits at
//!    the locks.

use super::Output;
use super::commit_thread::CommitThread;
use super::committer::Committer;
use super::replica::Replica;
use crate::config::Config;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::{self, AskForEnds, Entries, Ledger, RestoredJob};
use crate::sink::Sinks;
use anyhow::Result;

/// The writing side of a run, and what the run goes on from.
#[derive(Debug)]
pub struct OpenedOutput {
    /// The ledger, acquired, and the sinks.
    pub output: Output,
    /// The checkpoint, encoded.
    pub entries: Entries,
    /// The checkpoint, decoded.
    pub checkpoint: Checkpoint,
}

/// Opens the writing side, in the process that writes.
pub fn open(config: &Config, ask_for_ends: AskForEnds<'_>) -> Result<OpenedOutput> {
    if let Some(ledger) = ledger::open(config)? {
        return open_with_ledger(config, ledger, ask_for_ends);
    }
    let checkpoint = Checkpoint::default();
    let mut sinks = open_sinks(config, &checkpoint)?;
    // The job has no commit yet.
    restore_sinks(&mut sinks)?;
    let output = Output::new(sinks, None, config.verbosity);
    Ok(OpenedOutput { output, entries: Entries::new(), checkpoint })
}

fn open_with_ledger(
    config: &Config,
    mut ledger: Box<dyn Ledger>,
    ask_for_ends: AskForEnds<'_>,
) -> Result<OpenedOutput> {
    let restored = ledger::restore(config, &mut *ledger, ask_for_ends);
    let opened = restored.and_then(|restored| Ok((open_sinks(config, &restored.checkpoint)?, restored)));
    // A second copy that cannot begin, since the first one is frozen and has the files perhaps, must not end
    // that one.
    let (mut sinks, mut restored) = opened.map_err(|error| give_up(&mut *ledger, error))?;
    let claimed = claim(&mut sinks, &mut restored, &mut *ledger);
    if let Err(error) = claimed.and_then(|()| restore_sinks(&mut sinks)) {
        sinks.before_commit.iter_mut().for_each(|sink| sink.release());
        return Err(give_up(&mut *ledger, error));
    }
    let RestoredJob { entries, checkpoint, job, changes, .. } = restored;
    let committer = Committer::new(CommitThread::new(ledger)?, job, config, changes);
    Ok(OpenedOutput { output: Output::new(sinks, Some(committer), config.verbosity), entries, checkpoint })
}

/// Opens and locks all sinks but the ledger.
fn open_sinks(config: &Config, checkpoint: &Checkpoint) -> Result<Sinks> {
    let mut sinks = Sinks::open(config, &checkpoint.files)?;
    // Last, since nothing releases the databases where something else cannot be opened.
    for replica in Replica::open_all(config, checkpoint.term)? {
        sinks.before_commit.push(Box::new(replica));
    }
    Ok(sinks)
}

/// Commits what the sinks write to, which proves that this run still has the job.
fn claim(sinks: &mut Sinks, restored: &mut RestoredJob, ledger: &mut dyn Ledger) -> Result<()> {
    let mut claims = Vec::new();
    for sink in &mut sinks.before_commit {
        claims.extend(sink.claims()?);
    }
    restored.claim(ledger, &claims)
}

/// Cuts and removes what was not committed, when that is proven.
fn restore_sinks(sinks: &mut Sinks) -> Result<()> {
    sinks.before_commit.iter_mut().try_for_each(|sink| sink.restore())
}

/// A run cannot begin. Where it stood still, and another one took the job over meanwhile, what it has found
/// tells of that one's work: then the reason is that one.
fn give_up(ledger: &mut dyn Ledger, error: anyhow::Error) -> anyhow::Error {
    let why = if ledger.is_acquired() { ledger.verify_lease().err().unwrap_or(error) } else { error };
    ledger.release();
    why
}

#[cfg(test)]
mod tests {
    use super::super::JobEnd;
    use super::*;
    use crate::cli::{self, Task};
    use crate::rows::columns;
    use crossrate_dataflows::market::event_time::EventTime;
    use crossrate_dataflows::operators::closings::Outbox;
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};

    /// How far a run is when it stands still.
    #[derive(Debug, Copy, Clone, PartialEq)]
    enum Stop {
        BeforeTakingOver,
        AfterTakingOver,
        AfterOpening,
        AfterClaiming,
    }

    fn config(folder: &Path, sinks: &str) -> Config {
        let input = folder.join("input.jsonl");
        std::fs::write(&input, "").expect("written");
        let sinks = sinks.replace("@", &format!("{}/", folder.display()));
        let words = format!("crossrate run {} {sinks} -q", input.display());
        let parsed = cli::parse(words.split_whitespace().map(OsString::from), &[]).expect("a run");
        let Task::Run(config) = parsed.task else { panic!("a run was asked for") };
        *config
    }

    /// News of a row of the window that ends then.
    fn news(end: u64) -> Outbox {
        let time = |ms: u64| EventTime::from_micros(1_525_022_000_000_000 + ms * 1_000);
        let json = format!(
            r#"{{"kind":"symbol","name":"A","start_ms":{},"end_ms":{},"trades":1,"vwap":"1.0"}}"#,
            time(end - 10).millis(),
            time(end).millis()
        );
        let row = columns::read(&json).expect("a row");
        Outbox { rows: vec![row], frontier: Some(time(end)), progressed: true, ..Outbox::default() }
    }

    /// Opens, writes these rows and ends.
    fn run_through(config: &Config, ends: std::ops::Range<u64>) -> Result<()> {
        let ledger = ledger::open(config)?.expect("a ledger");
        let mut output = open_with_ledger(config, ledger, &|| Ok(BTreeMap::new()))?.output;
        for end in ends {
            output.write(&mut news(end * 10))?;
        }
        output.finish(&mut Outbox::default(), JobEnd::Stopped)?;
        output.close();
        Ok(())
    }

    fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
        {
            let is_own =
                |name: &str| name.contains(".recovery") || name.contains(".db") || name.contains(".part");
            if entry.is_dir() {
                found.extend(files(&entry));
            } else if !entry.file_name().and_then(|name| name.to_str()).is_some_and(is_own) {
                let bytes = std::fs::read(&entry).expect("read");
                found.insert(entry, bytes);
            }
        }
        found
    }

    /// A run stands still somewhere while it opens; another one goes through and ends; then the first one
    /// goes on. `fresh` is what the first one begins with, `--fresh` or nothing.
    fn stands_still(sinks: &str, stop: Stop, fresh: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let first = config(folder.path(), &format!("{sinks} {fresh}"));
        let config = config(folder.path(), sinks);
        // There is something to be cut: what is written and not committed.
        run_through(&config, 1..4).expect("the run before");
        let mut ledger = ledger::open(&first).expect("opened").expect("a ledger");
        let mut opened = None;
        if stop != Stop::BeforeTakingOver {
            let restored =
                ledger::restore(&first, &mut *ledger, &|| Ok(BTreeMap::new())).expect("taken over");
            opened = Some((None, restored));
        }
        if matches!(stop, Stop::AfterOpening | Stop::AfterClaiming) {
            let (sinks, restored) = opened.as_mut().expect("restored");
            let mut open = open_sinks(&first, &restored.checkpoint).expect("opened");
            if stop == Stop::AfterClaiming {
                claim(&mut open, restored, &mut *ledger).expect("claimed");
            }
            *sinks = Some(open);
        }
        let other = run_through(&config, 4..9);
        let committed = files(folder.path());
        let went_on = match opened {
            None => open_with_ledger(&first, ledger, &|| Ok(BTreeMap::new())).map(drop),
            Some((sinks, mut restored)) => {
                let open =
                    |sinks: Option<Sinks>| sinks.map_or_else(|| open_sinks(&first, &restored.checkpoint), Ok);
                let mut sinks = open(sinks).expect("opened");
                let claimed = match stop {
                    Stop::AfterClaiming => Ok(()),
                    _ => claim(&mut sinks, &mut restored, &mut *ledger),
                };
                claimed.and_then(|()| restore_sinks(&mut sinks))
            }
        };
        let context = format!("{sinks} {fresh} {stop:?}: {other:?}, then {went_on:?}");
        let begins_anew = !fresh.is_empty() && went_on.is_ok();
        match stop {
            Stop::BeforeTakingOver => assert!(other.is_ok() && went_on.is_ok(), "{context}"),
            Stop::AfterTakingOver => {
                assert!(other.is_ok(), "{context}");
                let error = went_on.expect_err("it was superseded").to_string();
                assert!(error.contains("taken over by") && error.contains("commits nothing more"), "{error}");
            }
            // It has the files: the other one has found that out, and has given the job back.
            Stop::AfterOpening | Stop::AfterClaiming if other.is_err() => {
                assert!(went_on.is_ok(), "{context}");
            }
            // Where there are no files to lock.
            Stop::AfterOpening | Stop::AfterClaiming => assert!(went_on.is_err(), "{context}"),
        }
        // One that was told to begin anew, and that nobody has succeeded, has emptied what there was.
        if !begins_anew {
            assert_eq!(files(folder.path()), committed, "{context}");
        }
        run_through(&config, 9..12).expect("the run after");
        if matches!(stop, Stop::BeforeTakingOver | Stop::AfterTakingOver) && !begins_anew {
            let rows: Vec<u8> = files(folder.path()).into_values().flatten().collect();
            let text = String::from_utf8_lossy(&rows).into_owned();
            for end in 1..12 {
                let end_ms = (1_525_022_000_000_u64 + end * 10).to_string();
                assert!(
                    !sinks.contains("@rows.jsonl") || text.contains(&format!("\"end_ms\":{end_ms}")),
                    "{context}"
                );
            }
        }
    }

    #[test]
    fn a_run_that_stands_still_while_it_opens_changes_nothing_of_its_successor() {
        for sinks in [
            "--to @rows.jsonl",
            "--to @rows.jsonl --dead-letter @dead.jsonl",
            "--to csv:@csv",
            "--to sqlite:@rows.db --to @rows.jsonl --to csv:@csv",
            #[cfg(feature = "parquet")]
            "--to parquet:@parquet --to @rows.jsonl",
        ] {
            for stop in
                [Stop::BeforeTakingOver, Stop::AfterTakingOver, Stop::AfterOpening, Stop::AfterClaiming]
            {
                ["", "--fresh"].into_iter().for_each(|fresh| stands_still(sinks, stop, fresh));
            }
        }
    }

    #[test]
    fn a_run_of_an_earlier_term_does_not_take_a_database_beside_the_ledger() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path(), "--to sqlite:@rows.db --to sqlite:@copy.db");
        let mut ledger = ledger::open(&config).expect("opened").expect("a ledger");
        let restored = ledger::restore(&config, &mut *ledger, &|| Ok(BTreeMap::new())).expect("taken over");
        // Its successor goes on while the first one comes to the copy.
        let other = ledger::open(&config).expect("opened").expect("a ledger");
        let mut successor = open_with_ledger(&config, other, &|| Ok(BTreeMap::new())).expect("opened").output;
        let error = open_sinks(&config, &restored.checkpoint).expect_err("it is late").to_string();
        assert!(error.contains("copy.db") && error.contains("a later run"), "{error}");
        successor.write(&mut news(10)).expect("it has not been disturbed");
        successor.finish(&mut Outbox::default(), JobEnd::Stopped).expect("it ends");
    }
}
