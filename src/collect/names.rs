//! The symbols that are collected, by number and by name.

use std::collections::HashMap;

/// The symbols by number and by name.
#[derive(Debug, Default)]
pub struct Names {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Names {
    /// Of these, in order.
    pub fn new(names: Vec<String>) -> Self {
        let numbers = names.iter().cloned().enumerate().map(|(number, name)| (name, number)).collect();
        Names { names, numbers }
    }

    /// The name of a number.
    pub fn name(&self, symbol: usize) -> &str {
        &self.names[symbol]
    }

    /// The number of a name.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }
}
