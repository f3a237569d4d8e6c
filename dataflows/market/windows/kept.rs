//! Of which windows a checkpoint keeps the sums by value, and from when on it needs the panes before no more.
//!
//! Sums are kept at the end of each pane, of the symbols that have traded in it: these have a row there, too.
//! A commit writes the last of them, however many panes it closes.

use super::next_multiple_from;
use super::{DAY, EventTime, Grid, Period, Window, WindowDefinition, WindowPlace, Windows};

/// Windows that are made of more panes than this are long: a checkpoint holds less of one by value than by
/// panes, of which a symbol has a few, as it does not trade in all of them.
const FEW_PANES: u64 = 8;

impl Windows {
    /// The step of event time at which the sums of long windows are kept by value; none where no window is
    /// long.
    pub fn base_step(&self) -> Option<u64> {
        let length = self.pane_length();
        self.each().iter().any(|window| window.is_long(length)).then_some(length)
    }

    /// About how long panes are, where boundaries do not lie between each other.
    fn pane_length(&self) -> u64 {
        self.finest().min(DAY)
    }

    /// Whether the windows of that definition are made of so many panes that their sums are kept by value.
    pub fn is_long(&self, place: WindowPlace) -> bool {
        self.at(place).is_long(self.pane_length())
    }

    /// Until when the sums of a pane are needed, but for what corrections add: until the end of the last
    /// window that holds it, or where such a window is long until its sums are kept by value, which is not
    /// before that other moment.
    pub fn pane_needed_until(&self, pane_end: EventTime, kept_from: EventTime) -> EventTime {
        let length = self.pane_length();
        let needed = self.each().iter().map(|window| match window.slot(pane_end.minus(1)) {
            None => pane_end,
            Some(_) if window.is_long(length) => next_multiple_from(pane_end.max(kept_from), length),
            Some(slot) => window.last_end_over(slot.end),
        });
        needed.max().unwrap_or(pane_end)
    }

    /// The definition whose kept sums are those of this one, too: its windows grow from where those of this
    /// one begin, and end with them.
    pub fn kept_with(&self, place: WindowPlace) -> Option<WindowPlace> {
        let period = self.at(place).as_period()?;
        let grows = |(_, window): &(WindowPlace, &Window)| match window.definition() {
            WindowDefinition::Anchored(other, _) => *other == period,
            _ => false,
        };
        (0..).zip(self.each()).find(grows).map(|(place, _)| place)
    }
}

impl Window {
    /// Whether a window is made of more than a few panes of that length, none of which has another sum
    /// beside it.
    fn is_long(&self, pane_length: u64) -> bool {
        let few = pane_length.saturating_mul(FEW_PANES);
        match &self.grid {
            Grid::Sliding { size, slide } => size == slide && *size > few,
            Grid::Periods(periods) | Grid::Anchored { periods, .. } => periods.longest() > few,
            Grid::From { .. } | Grid::All { .. } => true,
        }
    }

    /// The period that each window of the definition is.
    fn as_period(&self) -> Option<Period> {
        match self.definition() {
            WindowDefinition::Sliding { size, slide } if size == slide => Some(Period::Length(*size)),
            WindowDefinition::Civil(unit, zone) => Some(Period::Civil(*unit, zone.clone())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Zone;
    use super::*;

    fn windows(texts: &str) -> Windows {
        let parse = |text: &str| WindowDefinition::parse(text, &Zone::utc()).expect("a definition");
        Windows::new(texts.split_whitespace().map(parse))
    }

    #[test]
    fn sums_of_whole_periods_are_kept_with_those_that_grow_in_them() {
        let windows = windows(
            "10s 1h 1d@Europe/Berlin 1mo anchored:1mo/1h anchored:1h/1m 1w anchored:1d/1m 1m/10s \
             anchored:all/1h 24h",
        );
        let kept_with: Vec<_> = (0..windows.count()).map(|place| windows.kept_with(place)).collect();
        // A day of Berlin is none of UTC, and 24 hours are no civil day.
        let expected = [None, Some(5), None, Some(4), None, None, None, None, None, None, None];
        assert_eq!(kept_with, expected);
    }

    #[test]
    fn a_pane_is_needed_until_the_next_sums_or_by_the_windows_that_hold_it() {
        let at = |seconds: u64| EventTime::from_micros(seconds * 1_000_000);
        for (texts, pane_end, until) in [
            ("10s", 20, 20),
            ("10s 1m", 20, 60),
            ("10s 5m", 20, 20),
            ("10s 1m/10s 1mo", 20, 70),
            ("10s 1mo anchored:1mo/1h", 50, 50),
            // Panes of five seconds.
            ("10s anchored:1970-01-01T00:00:05Z/10s", 25, 30),
            // A pane is no longer than a day.
            ("1mo", 3 * 86_400, 3 * 86_400),
            ("1w", 86_400, 4 * 86_400),
        ] {
            let windows = windows(texts);
            assert_eq!(windows.pane_needed_until(at(pane_end), EventTime::MIN), at(until), "{texts}");
        }
        let step = |texts: &str| windows(texts).base_step();
        assert_eq!(step("10s 1m 1m/10s"), None);
        assert_eq!(step("10s 1h"), Some(10_000_000));
        assert_eq!(step("1mo"), Some(DAY));
    }
}
