//! Keys of names that come again: a symbol or a cross that is dropped and added later is another one, under
//! the name that it had.

use super::trade::Symbol;

/// What tells a name that came again from what it was: no name holds it.
const AGAIN: char = '|';

/// The key of a name that comes for the nth time, counted from 0.
pub(crate) fn key(name: &Symbol, nth: u32) -> Symbol {
    if nth == 0 { name.clone() } else { Symbol::new(&format!("{name}{AGAIN}{nth}")) }
}

/// The name that a key stands for, as rows have it.
pub fn name_of(key: &Symbol) -> Symbol {
    match key.as_str().split_once(AGAIN) {
        Some((name, _)) => Symbol::new(name),
        None => key.clone(),
    }
}
