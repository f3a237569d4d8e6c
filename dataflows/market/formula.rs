//! The grammar of crosses: `A*B/C`, those symbols divided that are behind a `/`. The first one is divided in
//! `1/A*B`; a cross of one symbol is `1/A`.

use super::definition::{Cross, Leg};
use super::trade::{Symbol, is_name};

/// What a name is, for people (`docs/semantics.md#terms`).
pub const NAME_RULE: &str =
    "a name has 1 to 64 bytes, no white space, no control character and none of * / = , | \"";

/// More legs than any currency needs; it bounds the numbers that a rate is made of.
const MOST_LEGS: usize = 32;

/// What is wrong with a formula or a name, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WrongFormula(String);

impl Cross {
    /// The cross of that name and formula; blanks around names do not count.
    pub fn parse(name: &str, formula: &str) -> Result<Cross, WrongFormula> {
        let wrong = |words: &str| WrongFormula(words.to_owned());
        let name = name.trim();
        if name.is_empty() {
            return Err(wrong("the name is empty"));
        }
        if !is_name(name.as_bytes()) {
            return Err(wrong(NAME_RULE));
        }
        let mut cross = Cross { name: Symbol::new(name), legs: Vec::new() };
        let inverse_first =
            formula.trim_start().strip_prefix('1').and_then(|rest| rest.trim_start().strip_prefix('/'));
        let mut rest = inverse_first.unwrap_or(formula);
        let mut inverse = inverse_first.is_some();
        loop {
            let end = rest.find(['*', '/']).unwrap_or(rest.len());
            let (leg, tail) = rest.split_at(end);
            let leg = leg.trim();
            let number = cross.legs.len() + 1;
            if leg.is_empty() {
                return Err(WrongFormula(format!("leg {number} is empty")));
            }
            if leg.contains('=') {
                return Err(wrong("there is one = only"));
            }
            if !is_name(leg.as_bytes()) {
                return Err(WrongFormula(format!("leg {number}: {NAME_RULE}")));
            }
            cross.legs.push(Leg { symbol: Symbol::new(leg), inverse });
            inverse = tail.starts_with('/');
            match tail.get(1..) {
                Some(tail) => rest = tail,
                None => break,
            }
        }
        match cross.legs.len() {
            1 if !cross.legs[0].inverse => {
                Err(wrong("there is one leg only; --symbols gives the rows of a symbol"))
            }
            legs if legs > MOST_LEGS => Err(WrongFormula(format!("{legs} legs, at most {MOST_LEGS}"))),
            _ => Ok(cross),
        }
    }

    /// What is behind the `=` where it is typed.
    pub fn formula(&self) -> String {
        let text = self.to_string();
        text.split_once('=').map_or_else(String::new, |(_, formula)| formula.to_owned())
    }
}
