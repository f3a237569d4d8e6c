//! Durations by how long they were, as Prometheus counts them: counters alone, so that whoever observes one
//! waits for nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Of what happens within a machine: a quarter of a millisecond to ten seconds.
pub const SHORT: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Of what waits for event time: ten milliseconds to an hour.
pub const LONG: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0,
    3_600.0,
];

/// How many durations were at most so many seconds, and how long all were together.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// Of each bound those that no smaller one takes; the last one is of those beyond all.
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

impl Histogram {
    /// An empty one with these bounds, in seconds, the least first.
    pub fn new(bounds: &'static [f64]) -> Histogram {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds, counts, sum_us: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// How many there are up to each bound, and in all, as labels and counts.
    pub(super) fn cumulative(&self) -> Vec<(String, u64)> {
        let bounds = self.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let mut all = 0;
        let counts = self.counts.iter().map(|count| {
            all += count.load(Ordering::Relaxed);
            all
        });
        bounds.zip(counts.collect::<Vec<_>>()).collect()
    }

    /// How long all were together, in seconds.
    pub(super) fn sum(&self) -> f64 {
        self.sum_us.load(Ordering::Relaxed) as f64 / 1e6
    }
}

/// How late rows are, and what it takes to commit them.
#[derive(Debug)]
pub struct Delays {
    /// From a window's end to its row: how far event time was by then.
    pub by_event_time: Histogram,
    /// The same by this machine's clock.
    pub by_clock: Histogram,
    /// From the beginning of a commit to its end.
    pub commit: Histogram,
}

impl Default for Delays {
    fn default() -> Self {
        Delays {
            by_event_time: Histogram::new(LONG),
            by_clock: Histogram::new(LONG),
            commit: Histogram::new(SHORT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_up_to_each_bound_that_it_does_not_pass() {
        let histogram = Histogram::new(&[0.5, 1.0, 2.0]);
        for ms in [0, 500, 501, 1_000, 2_000, 60_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let counts: Vec<(String, u64)> = histogram.cumulative();
        let of = |bound: &str| counts.iter().find(|(label, _)| label == bound).map(|(_, count)| *count);
        assert_eq!([of("0.5"), of("1"), of("2"), of("+Inf")], [Some(2), Some(4), Some(5), Some(6)]);
        assert!((histogram.sum() - 64.001).abs() < 1e-9);
        assert!(SHORT.is_sorted() && LONG.is_sorted());
    }
}
