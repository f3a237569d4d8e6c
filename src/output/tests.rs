//! What is told when, while commits are under way.

use super::commit_thread::tests::slow;
use super::committer::Committer;
use super::{JobEnd, Output};
use crate::cli::{self, Task};
use crate::config::Verbosity;
use crate::ledger::EntryChanges;
use crate::ledger::checkpoint::{JobEntry, decode};
use crate::sink::{Sink, SinkBatch, Sinks};
use anyhow::{Result, anyhow};
use crossrate_dataflows::market::base::Base;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::resume::LastingChange;
use crossrate_dataflows::market::row::{Content, Row, RowKind, Stage};
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::operators::closings::Outbox;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Ends of windows, milliseconds, and how far rows are, as they were told.
type Told = Arc<Mutex<Vec<(Vec<u64>, Option<u64>)>>>;

struct Listens(Told);

impl Sink for Listens {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        let ends = batch.rows.iter().map(|row| row.end.millis()).collect();
        self.0.lock().unwrap().push((ends, batch.frontier.map(EventTime::millis)));
        Ok(())
    }

    fn finish(&mut self, _: &SinkBatch<'_>) -> Result<()> {
        Ok(())
    }
}

/// A committer of a job with these flags, whose ledger commits what and when the test says.
fn committer(flags: &str) -> (Sender<Result<()>>, Committer, Verbosity) {
    let words = ["crossrate", "run"].into_iter().chain(flags.split_whitespace()).map(OsString::from);
    let Task::Run(mut config) = cli::parse(words, &[]).unwrap().task else { panic!("a run was asked for") };
    let (outcomes, thread) = slow();
    let job = JobEntry {
        program: String::new(),
        definition: Vec::new(),
        at: EventTime::MIN,
        closes: EventTime::MIN,
        ended: false,
        ends: BTreeMap::new(),
    };
    config.commit_interval = Duration::from_secs(3_600);
    (outcomes, Committer::new(thread, job, &config, EntryChanges::new()), config.verbosity)
}

/// An output whose ledger commits what and when the test says.
fn output() -> (Sender<Result<()>>, Output, Told) {
    let (outcomes, committer, verbosity) = committer("");
    let told = Told::default();
    let mut output = Output::new(Sinks::default(), Some(committer), verbosity);
    output.add(Box::new(Listens(Arc::clone(&told))));
    (outcomes, output, told)
}

fn millis(time: u64) -> EventTime {
    EventTime::from_micros(time * 1_000)
}

/// A row of the window that ends then, with so many bytes.
fn closing(end: u64, bytes: usize) -> Outbox {
    let row = Row {
        look: millis(end),
        end: millis(end),
        kind: RowKind::Symbol,
        name: Symbol::new("BTCUSDT"),
        window: "10ms".into(),
        is_back_filled: false,
        place: 0,
        start: millis(end - 10),
        content: Content { values: Box::default(), stage: Stage::FINAL, closed_by: None },
        json: "r".repeat(bytes),
    };
    Outbox { rows: vec![row], frontier: Some(millis(end)), ..Outbox::default() }
}

#[test]
fn rows_gather_while_a_commit_is_under_way_and_are_told_when_theirs_is_there() {
    let (outcomes, mut output, told) = output();
    output.write(&mut closing(10, 1)).unwrap();
    // Nobody has waited: the ledger has not even been told what to do.
    output.write(&mut closing(20, 1)).unwrap();
    assert!(told.lock().unwrap().is_empty());
    assert_eq!((output.committed(), output.due_in()), (EventTime::MIN, None));
    outcomes.send(Ok(())).unwrap();
    while told.lock().unwrap().is_empty() {
        std::thread::park_timeout(Duration::from_millis(100));
        output.write(&mut Outbox::default()).unwrap();
    }
    // What is certain is the first closing, though the second is computed.
    assert_eq!(*told.lock().unwrap(), [(vec![10], Some(10))]);
    assert_eq!(output.committed(), millis(10));
    outcomes.send(Ok(())).unwrap();
    output.finish(&mut Outbox { frontier: Some(millis(25)), ..Outbox::default() }, JobEnd::Stopped).unwrap();
    assert_eq!(*told.lock().unwrap(), [(vec![10], Some(10)), (vec![20], Some(25))]);
    assert_eq!(output.committed(), millis(25));
}

#[test]
fn what_gathers_behind_a_commit_is_bounded() {
    let (outcomes, mut output, told) = output();
    output.write(&mut closing(10, 1)).unwrap();
    outcomes.send(Ok(())).unwrap();
    output.write(&mut closing(20, 9 << 20)).unwrap();
    assert_eq!(*told.lock().unwrap(), [(vec![10], Some(10))]);
}

#[test]
fn a_commit_that_is_refused_ends_the_run_and_tells_nobody() {
    let (outcomes, mut output, told) = output();
    output.write(&mut closing(10, 1)).unwrap();
    outcomes.send(Err(anyhow!("job was taken over"))).unwrap();
    let error = output.finish(&mut closing(20, 1), JobEnd::Closed).unwrap_err();
    assert_eq!(error.to_string(), "job was taken over");
    assert!(told.lock().unwrap().is_empty());
}

/// What looks at these moments leave, of which each closes a pane of a symbol of windows that are long, and
/// what frontier proves that.
fn kept(looks: &[u64], frontier: u64) -> Outbox {
    let bases = |until: u64| {
        let bases = vec![("1d".into(), Base { until: millis(until), slots: Vec::new() })];
        (millis(until), LastingChange::Bases(Symbol::new("A"), bases))
    };
    let lasting = looks.iter().map(|look| bases(*look)).collect();
    Outbox { lasting, frontier: Some(millis(frontier)), ..Outbox::default() }
}

#[test]
fn a_commit_has_the_latest_sums_of_a_long_window() {
    let until = |committer: &mut Committer| {
        let commit = committer.next_commit().unwrap();
        let entry = commit.changes.get("base/A/1d")?.clone()?;
        Some(decode::<Base>("base/A/1d", &entry).unwrap().until)
    };
    let (_ledger, mut committer, _) = committer("");
    committer.gather(&mut kept(&[10, 20], 25)).unwrap();
    committer.gather(&mut kept(&[30], 30)).unwrap();
    assert!(committer.has_pending());
    assert_eq!(until(&mut committer), Some(millis(30)));
    assert!(!committer.has_pending());
    assert_eq!(until(&mut committer), None, "nothing new");
}

#[test]
fn where_ids_began_anew_waits_for_looks_that_a_later_run_repeats() {
    let (_ledger, mut committer, _) = committer("--emit changes --grace 15ms");
    let anew = (millis(20), LastingChange::IdsAnew(Symbol::new("A"), Some(7)));
    let outbox = |lasting, until| Outbox { lasting, frontier: Some(millis(until)), ..Outbox::default() };
    committer.gather(&mut outbox(vec![anew], 34)).unwrap();
    assert!(!committer.next_commit().unwrap().changes.contains_key("anew/A"));
    committer.gather(&mut outbox(Vec::new(), 35)).unwrap();
    assert!(committer.next_commit().unwrap().changes.contains_key("anew/A"));
}
