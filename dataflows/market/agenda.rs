//! Which symbols have a window that ends then: each symbol stands at its next window only, so that a turn
//! visits no symbol and no window without trades.

use super::event_time::EventTime;
use std::collections::BTreeMap;

/// The next windows of symbols, which have numbers from 0 on.
#[derive(Debug, Default)]
pub struct Agenda {
    /// What stands here beside `next` is out of date.
    by_end: BTreeMap<EventTime, Vec<usize>>,
    next: Vec<Option<EventTime>>,
}

impl Agenda {
    /// Notes that the next window of a symbol ends then, or that it has none.
    pub fn set(&mut self, symbol: usize, end: Option<EventTime>) {
        if self.next.len() <= symbol {
            self.next.resize(symbol + 1, None);
        }
        self.next[symbol] = end;
        if let Some(end) = end {
            self.by_end.entry(end).or_default().push(symbol);
        }
    }

    /// Notes a window of a symbol that may be before the one that was its next.
    pub fn add(&mut self, symbol: usize, end: EventTime) {
        if self.next.get(symbol).copied().flatten().is_none_or(|next| end < next) {
            self.set(symbol, Some(end));
        }
    }

    /// The end of the first window.
    pub fn first(&self) -> Option<EventTime> {
        self.by_end.keys().next().copied()
    }

    /// Takes out the symbols whose next window ends then, each once: its next one is to be set.
    pub fn take(&mut self, end: EventTime) -> Vec<usize> {
        let mut symbols = self.by_end.remove(&end).unwrap_or_default();
        symbols.retain(|symbol| self.next[*symbol].take_if(|next| *next == end).is_some());
        symbols
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_taken_once_at_its_next_window() {
        let at = EventTime::from_micros;
        let mut agenda = Agenda::default();
        agenda.add(0, at(20));
        agenda.add(1, at(20));
        agenda.add(0, at(30));
        agenda.add(0, at(10));
        assert_eq!((agenda.first(), agenda.take(at(10))), (Some(at(10)), vec![0]));
        agenda.set(0, Some(at(20)));
        assert_eq!((agenda.first(), agenda.take(at(20))), (Some(at(20)), vec![0, 1]));
        agenda.set(0, None);
        assert_eq!((agenda.first(), agenda.take(at(20))), (None, vec![]));
    }
}
