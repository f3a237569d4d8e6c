//! Chunks for a merge batcher that keep the order in which updates come.

use differential_dataflow::consolidation::consolidate_updates;
use differential_dataflow::difference::Semigroup;
use std::collections::VecDeque;
use timely::container::{ContainerBuilder, PushInto};

/// Makes a chunk of each run of sorted updates, however long it is.
///
/// Differential's own chunker cuts what comes into pieces of a few kilobytes, which its batcher then merges,
/// moving every update as often as the number of pieces has binary digits. Where updates come sorted by the
/// thousand there is nothing to merge.
///
/// ```
/// use crossrate_dataflows::operators::sorted_runs::SortedRuns;
/// use timely::container::{ContainerBuilder, PushInto};
///
/// let mut runs = SortedRuns::default();
/// for (from, to) in [(0, 5_000), (5_000, 9_000), (100, 200)] {
///     let mut sorted: Vec<(u64, u64, i64)> = (from..to).map(|key| (key, 0, 1)).collect();
///     runs.push_into(&mut sorted);
/// }
/// assert_eq!(runs.extract().map(|chunk| chunk.len()), Some(9_000));
/// assert_eq!(runs.extract(), None);
/// assert_eq!(runs.finish().map(|chunk| chunk.len()), Some(100));
/// assert_eq!(runs.finish(), None);
/// ```
#[derive(Debug)]
pub struct SortedRuns<D, T, R> {
    /// What the next updates may continue.
    run: Vec<(D, T, R)>,
    ready: VecDeque<Vec<(D, T, R)>>,
    /// Lent to who extracts it.
    lent: Vec<(D, T, R)>,
}

impl<D, T, R> Default for SortedRuns<D, T, R> {
    fn default() -> Self {
        SortedRuns { run: Vec::new(), ready: VecDeque::new(), lent: Vec::new() }
    }
}

impl<D: Ord, T: Ord, R: Semigroup> PushInto<&mut Vec<(D, T, R)>> for SortedRuns<D, T, R> {
    fn push_into(&mut self, updates: &mut Vec<(D, T, R)>) {
        let before = |a: &(D, T, R), b: &(D, T, R)| (&a.0, &a.1) < (&b.0, &b.1);
        if !updates.is_sorted_by(before) || updates.iter().any(|update| update.2.is_zero()) {
            consolidate_updates(updates);
        }
        let Some(first) = updates.first() else { return };
        match self.run.last() {
            Some(last) if before(last, first) => self.run.append(updates),
            Some(_) => self.ready.push_back(std::mem::replace(&mut self.run, std::mem::take(updates))),
            None => self.run = std::mem::take(updates),
        }
    }
}

impl<D, T, R> ContainerBuilder for SortedRuns<D, T, R>
where
    Vec<(D, T, R)>: timely::Container,
    D: 'static,
    T: 'static,
    R: 'static,
{
    type Container = Vec<(D, T, R)>;

    fn extract(&mut self) -> Option<&mut Self::Container> {
        self.lent = self.ready.pop_front()?;
        Some(&mut self.lent)
    }

    fn finish(&mut self) -> Option<&mut Self::Container> {
        if self.ready.is_empty() && !self.run.is_empty() {
            self.ready.push_back(std::mem::take(&mut self.run));
        }
        self.extract()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever comes in whatever order: chunks are sorted and consolidated, and nothing is lost.
        #[test]
        fn chunks_are_sorted_and_whole(containers in prop::collection::vec(
            prop::collection::vec((0u8..20, 0u8..4, -1i64..3), 0..12), 0..12), sorted: bool)
        {
            let mut runs = SortedRuns::default();
            let mut got = Vec::new();
            let mut expected = Vec::new();
            for mut updates in containers {
                if sorted {
                    consolidate_updates(&mut updates);
                }
                expected.extend_from_slice(&updates);
                runs.push_into(&mut updates);
                while let Some(chunk) = runs.extract() {
                    got.push(std::mem::take(chunk));
                }
            }
            while let Some(chunk) = runs.finish() {
                got.push(std::mem::take(chunk));
            }
            for chunk in &got {
                prop_assert!(!chunk.is_empty() && chunk.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
                prop_assert!(chunk.iter().all(|update| update.2 != 0));
            }
            let mut got = got.concat();
            consolidate_updates(&mut got);
            consolidate_updates(&mut expected);
            prop_assert_eq!(got, expected);
        }
    }
}
