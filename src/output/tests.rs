//! What is told when, while commits are under way.

use super::commit_thread::tests::slow;
use super::committer::Committer;
use super::{JobEnd, Output};
use crate::cli::{self, Task};
use crate::ledger::Changes;
use crate::ledger::checkpoint::JobEntry;
use crate::sink::{Sink, SinkBatch, Sinks};
use anyhow::{Result, anyhow};
use crossrate_dataflows::market::event_time::EventTime;
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

/// An output whose ledger commits what and when the test says.
fn output() -> (Sender<Result<()>>, Output, Told) {
    let words = ["crossrate", "run"].map(OsString::from);
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
    let committer = Committer::new(thread, job, &config, Changes::new());
    let told = Told::default();
    let mut output = Output::new(Sinks::default(), Some(committer), config.verbosity);
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
