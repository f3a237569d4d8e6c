//! How often all processes are started again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Restarts are counted over so long.
const WITHIN: Duration = Duration::from_secs(60);
/// The pause before the first of them; before each further one it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Restarts of the last minute, and how many there may be.
pub(super) struct Restarts {
    pub(super) most: usize,
    pub(super) taken: VecDeque<Instant>,
}

impl Restarts {
    pub(super) fn new(most: usize) -> Self {
        Restarts { most, taken: VecDeque::new() }
    }

    pub(super) fn allows(&mut self, now: Instant) -> bool {
        while self.taken.front().is_some_and(|taken| now.duration_since(*taken) >= WITHIN) {
            self.taken.pop_front();
        }
        self.taken.len() < self.most
    }

    /// Takes one, where there is one left: how long to wait before it.
    pub(super) fn take(&mut self, now: Instant) -> Option<Duration> {
        self.allows(now).then(|| {
            let pause = FIRST_PAUSE * 2_u32.pow(self.taken.len().min(5) as u32);
            self.taken.push_back(now);
            pause
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_bounded_within_a_minute_and_come_ever_later() {
        let begun = Instant::now();
        let at = |second: u64| begun + Duration::from_secs(second);
        let mut restarts = Restarts::new(3);
        let pauses: Vec<_> = [0, 10, 20, 30, 61, 62, 71].map(|second| restarts.take(at(second))).into();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(pauses, [ms(250), ms(500), ms(1_000), None, ms(1_000), None, ms(1_000)]);
        assert_eq!(Restarts::new(0).take(begun), None);
    }
}
