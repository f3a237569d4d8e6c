//! The frontier F over the partitions that are not idle (`docs/semantics.md#acceptance`), shared among the
//! workers.
//!
//! Capabilities alone do not give F, because the capabilities of idle partitions follow F. So workers
//! exchange their least watermarks on a small dataflow of its own, whose timestamps have no meaning.

use crossrate_dataflows::market::event_time::EventTime;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Input, Inspect, vec::Broadcast};
use timely::worker::Worker;

/// A worker's report about its partitions that have not ended.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontierReport {
    /// The least watermark of those that are not idle.
    pub least: Option<EventTime>,
    /// The least watermark of those that are not idle and may have more.
    pub reading: Option<EventTime>,
    /// The greatest watermark of all of them.
    pub greatest: Option<EventTime>,
    /// The event time until which all rows are committed. Only the worker that writes knows it.
    pub committed: EventTime,
    /// The worker's phase in ending a run that closes nothing.
    pub ending: EndPhase,
}

/// The phases in which a worker ends a run that closes nothing. A phase begins when all workers have reached
/// the one before.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EndPhase {
    /// The worker reads, or may have to.
    Reading,
    /// All of its partitions are at their end.
    AtEnd,
    /// The worker that writes has written all there will be.
    Written,
}

/// This worker's knowledge of F. Never falls.
pub struct Frontier {
    input: Option<InputHandle<u64, CapacityContainerBuilder<Vec<(usize, FrontierReport)>>>>,
    reports: Rc<RefCell<Vec<FrontierReport>>>,
    last: Option<FrontierReport>,
    known: EventTime,
}

impl std::fmt::Debug for Frontier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frontier").field("known", &self.known).finish_non_exhaustive()
    }
}

impl Frontier {
    /// Builds the small dataflow. Every worker must, and in the same order among its dataflows.
    pub fn new(worker: &mut Worker) -> Self {
        // Until a worker reports, its partitions count as being at the minimum.
        let silent = FrontierReport {
            least: Some(EventTime::MIN),
            reading: Some(EventTime::MIN),
            greatest: None,
            committed: EventTime::MIN,
            ending: EndPhase::Reading,
        };
        let reports = Rc::new(RefCell::new(vec![silent; worker.peers()]));
        let heard = Rc::clone(&reports);
        let (mut input, index) = (InputHandle::new(), worker.index());
        worker.dataflow_named::<u64, _, _>("Frontier", |scope| {
            let told = scope.input_from(&mut input);
            told.broadcast().inspect(move |(from, report)| {
                // A report that comes back to its own worker may be older than the latest one.
                if *from != index {
                    heard.borrow_mut()[*from] = *report;
                }
            });
        });
        Frontier { input: Some(input), reports, last: None, known: EventTime::MIN }
    }

    /// Sends a changed report to the other workers. This worker applies it at once.
    pub fn report(&mut self, index: usize, report: FrontierReport) {
        if self.last == Some(report) {
            return;
        }
        self.last = Some(report);
        self.reports.borrow_mut()[index] = report;
        if self.reports.borrow().len() > 1
            && let Some(input) = &mut self.input
        {
            input.send((index, report));
            input.flush();
        }
    }

    /// F as far as this worker knows; [`EventTime::MAX`] when every partition has ended.
    pub fn least(&mut self) -> EventTime {
        let reports = self.reports.borrow();
        let active = reports.iter().filter_map(|r| r.least).min();
        let idle = reports.iter().filter_map(|r| r.greatest).max();
        self.known = self.known.max(active.or(idle).unwrap_or(EventTime::MAX));
        self.known
    }

    /// The least watermark of the partitions that may have more records; partitions far ahead of it wait. A
    /// partition at its end that keeps its windows open does not count, or it would hold the others for ever.
    pub fn reading(&mut self) -> EventTime {
        let reading = self.reports.borrow().iter().filter_map(|report| report.reading).min();
        self.least().max(reading.unwrap_or(EventTime::MAX))
    }

    /// The event time until which everything is committed.
    pub fn committed(&self) -> EventTime {
        self.reports.borrow().iter().map(|r| r.committed).max().unwrap_or(EventTime::MIN)
    }

    /// Whether every worker is at its end.
    pub fn is_at_end(&self) -> bool {
        self.reports.borrow().iter().all(|report| report.ending >= EndPhase::AtEnd)
    }

    /// Whether the worker that writes has written all there will be.
    pub fn is_written(&self) -> bool {
        self.reports.borrow().iter().any(|report| report.ending == EndPhase::Written)
    }

    /// Closes this worker's input: no report follows.
    pub fn close(&mut self) {
        self.input = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_falls_and_is_the_greatest_watermark_where_all_are_idle() {
        timely::execute_directly(|worker| {
            let mut frontier = Frontier::new(worker);
            let mut says = |least: Option<u64>, greatest: Option<u64>| {
                let at = |time: Option<u64>| time.map(EventTime::from_micros);
                let committed = EventTime::MIN;
                let report = FrontierReport {
                    least: at(least),
                    reading: None,
                    greatest: at(greatest),
                    committed,
                    ending: EndPhase::Reading,
                };
                frontier.report(0, report);
                frontier.least()
            };
            assert_eq!(says(Some(5), Some(9)), EventTime::from_micros(5));
            // Another one of them is idle, then all.
            assert_eq!(says(Some(9), Some(12)), EventTime::from_micros(9));
            assert_eq!(says(None, Some(12)), EventTime::from_micros(12));
            // One wakes below that, and does not take it back.
            assert_eq!(says(Some(7), Some(12)), EventTime::from_micros(12));
            assert_eq!(says(None, None), EventTime::MAX);
        });
    }
}
