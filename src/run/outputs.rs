//! How a run gets its ledger and its sinks, in an order that no other run of the job can upset.
//!
//! 1. It takes the job over, which ends what others commit, and reads the checkpoint.
//! 2. It opens and locks its files, and waits there for a predecessor to end. Nothing in them is changed.
//! 3. It commits what it is going to write to, or asks whether the job is still its own. A run that stood still since
//!    the first step, and has a successor by now, is refused here.
//! 4. It cuts and removes what was not committed. A successor that takes the job over from here on waits at the locks.

use crate::config::Config;
use crate::ledger::point::Point;
use crate::ledger::{self, Entries, Ledger};
use crate::sink::{Sink, Sinks};
use crate::worker::Recovered;
use anyhow::Result;
use std::sync::Arc;

/// The ledger, taken over, and the sinks: of the process that writes.
pub(super) fn open(
    config: &Config,
    observers: impl Iterator<Item = Box<dyn Sink>>,
) -> Result<(Recovered, Sinks)> {
    let (entries, point, mut sinks) = match ledger::open(config)? {
        Some(ledger) => open_with_ledger(config, ledger)?,
        None => {
            let mut sinks = Sinks::open(config, &Point::default())?;
            sinks.begin_anew()?;
            (Entries::new(), Point::default(), sinks)
        }
    };
    observers.for_each(|observer| sinks.add(observer));
    let several = config.cluster.processes > 1;
    let recovered =
        if several { Recovered::ToShare(Some(entries)) } else { Recovered::Known(Arc::new(point)) };
    Ok((recovered, sinks))
}

fn open_with_ledger(config: &Config, mut ledger: Box<dyn Ledger>) -> Result<(Entries, Point, Sinks)> {
    let begun = ledger::begin(config, &mut *ledger);
    let opened = begun.and_then(|begun| Ok((Sinks::open(config, &begun.point)?, begun)));
    // A second copy that cannot begin, since the first one is frozen and has the files perhaps, must not end that one.
    let (mut sinks, mut begun) = opened.map_err(|error| gives_up(&mut *ledger, error))?;
    if let Err(error) = sinks.restore(&mut begun, &mut *ledger) {
        sinks.give_back();
        return Err(gives_up(&mut *ledger, error));
    }
    sinks.commit_with(begun.committer(config, ledger)?);
    Ok((begun.entries, begun.point, sinks))
}

/// A run cannot begin. Where it stood still, and another one took the job over meanwhile, what it has found tells of that
/// one's work: then the reason is that one.
fn gives_up(ledger: &mut dyn Ledger, error: anyhow::Error) -> anyhow::Error {
    let why = if ledger.has_taken_over() { ledger.still_ours().err().unwrap_or(error) } else { error };
    ledger.give_back();
    why
}

#[cfg(test)]
mod tests {
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
        let (_, _, mut sinks) = open_with_ledger(config, ledger)?;
        for end in ends {
            sinks.write(&mut news(end * 10))?;
        }
        sinks.finish(&mut Outbox::default(), false)?;
        sinks.close();
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

    /// A run stands still somewhere while it opens; another one goes through and ends; then the first one goes on.
    fn stands_still(sinks: &str, stop: Stop) {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path(), sinks);
        // There is something to be cut: what is written and not committed.
        run_through(&config, 1..4).expect("the run before");
        let mut ledger = ledger::open(&config).expect("opened").expect("a ledger");
        let mut opened = None;
        if stop != Stop::BeforeTakingOver {
            let begun = ledger::begin(&config, &mut *ledger).expect("taken over");
            opened = Some((None, begun));
        }
        if stop == Stop::AfterOpening {
            let (sinks, begun) = opened.as_mut().expect("begun");
            *sinks = Some(Sinks::open(&config, &begun.point).expect("opened"));
        }
        let other = run_through(&config, 4..9);
        let committed = files(folder.path());
        let went_on = match opened {
            None => open_with_ledger(&config, ledger).map(drop),
            Some((sinks, mut begun)) => {
                let open =
                    |sinks: Option<Sinks>| sinks.map_or_else(|| Sinks::open(&config, &begun.point), Ok);
                let mut sinks = open(sinks).expect("opened");
                sinks.restore(&mut begun, &mut *ledger)
            }
        };
        let context = format!("{sinks} {stop:?}: {other:?}, then {went_on:?}");
        match stop {
            Stop::BeforeTakingOver => assert!(other.is_ok() && went_on.is_ok(), "{context}"),
            Stop::AfterTakingOver => {
                assert!(other.is_ok(), "{context}");
                let error = went_on.expect_err("it was superseded").to_string();
                assert!(error.contains("taken over by") && error.contains("commits nothing more"), "{error}");
            }
            // It has the files: the other one has found that out, and has given the job back.
            Stop::AfterOpening if other.is_err() => assert!(went_on.is_ok(), "{context}"),
            // Where there are no files to lock.
            Stop::AfterOpening => assert!(went_on.is_err(), "{context}"),
        }
        assert_eq!(files(folder.path()), committed, "{context}");
        run_through(&config, 9..12).expect("the run after");
        if stop != Stop::AfterOpening {
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
            for stop in [Stop::BeforeTakingOver, Stop::AfterTakingOver, Stop::AfterOpening] {
                stands_still(sinks, stop);
            }
        }
    }

    #[test]
    fn a_run_of_an_earlier_term_does_not_take_a_database_beside_the_ledger() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path(), "--to sqlite:@rows.db --to sqlite:@copy.db");
        let mut ledger = ledger::open(&config).expect("opened").expect("a ledger");
        let begun = ledger::begin(&config, &mut *ledger).expect("taken over");
        // Its successor goes on while the first one comes to the copy.
        let (_, _, mut successor) =
            open_with_ledger(&config, ledger::open(&config).expect("opened").expect("a ledger"))
                .expect("opened");
        let error = Sinks::open(&config, &begun.point).expect_err("it is late").to_string();
        assert!(error.contains("copy.db") && error.contains("a later run"), "{error}");
        successor.write(&mut news(10)).expect("it has not been disturbed");
        successor.finish(&mut Outbox::default(), false).expect("it ends");
    }
}
