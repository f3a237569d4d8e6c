//! Which symbol a name stands for where the definition changes while the job runs: by when a record was read,
//! and by its event time.

use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::SymbolNumber;
use std::collections::HashMap;

/// What changes have made of names.
#[derive(Debug, Clone, Default)]
pub struct SymbolTurns(HashMap<SymbolNumber, NameTurns>);

#[derive(Debug, Clone)]
struct NameTurns {
    /// What the name stood for at the start, if anybody wanted it.
    at_start: Option<SymbolNumber>,
    /// In the order of the log.
    turns: Vec<NameTurn>,
}

#[derive(Debug, Clone)]
struct NameTurn {
    /// The change's place in the log.
    change: usize,
    from: EventTime,
    number: Option<SymbolNumber>,
}

impl SymbolTurns {
    /// A change makes a name stand for another symbol, or for none. `before` is what it stood for without
    /// any.
    pub(super) fn turn(
        &mut self,
        name: SymbolNumber,
        before: Option<SymbolNumber>,
        (change, from): (usize, EventTime),
        number: Option<SymbolNumber>,
    ) {
        let known = self.0.entry(name).or_insert_with(|| NameTurns { at_start: before, turns: Vec::new() });
        known.turns.push(NameTurn { change, from, number });
    }

    /// Whether no name has changed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a name stands for in a record of that event time, which is judged after so many changes; none
    /// where nobody wants it.
    pub fn number(&self, name: SymbolNumber, changes: usize, time: EventTime) -> Option<SymbolNumber> {
        let Some(known) = self.0.get(&name) else { return Some(name) };
        let turn = known.turns.iter().rev().find(|turn| turn.change < changes && turn.from <= time);
        turn.map_or(known.at_start, |turn| turn.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_what_it_is_at_its_time_as_far_as_changes_were_taken() {
        let (at, number) = (EventTime::from_micros, SymbolNumber);
        let mut turns = SymbolTurns::default();
        turns.turn(number(7), None, (2, at(100)), Some(number(7)));
        turns.turn(number(7), None, (3, at(200)), None);
        turns.turn(number(7), None, (5, at(300)), Some(number(9)));
        turns.turn(number(1), Some(number(1)), (4, at(200)), None);
        for (name, changes, time, expected) in [
            (7, 2, 150, None),
            (7, 3, 99, None),
            (7, 3, 100, Some(7)),
            (7, 3, 250, Some(7)),
            (7, 4, 199, Some(7)),
            (7, 4, 200, None),
            (7, 6, 299, None),
            (7, 6, 300, Some(9)),
            (7, 5, 400, None),
            (1, 4, 400, Some(1)),
            (1, 5, 199, Some(1)),
            (1, 5, 200, None),
            (2, 6, 400, Some(2)),
        ] {
            assert_eq!(
                turns.number(number(name), changes, at(time)),
                expected.map(number),
                "{name} {changes} {time}"
            );
        }
    }
}
