//! Numbers for symbols: dense, the same for all workers of a process, given in order of first sight.

use crossrate_dataflows::market::acceptance::SymbolNumber;
use crossrate_dataflows::market::definition::Selection;
use crossrate_dataflows::market::trade::Symbol;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One worker's view; looking up a known symbol takes no lock.
#[derive(Debug, Clone)]
pub struct Symbols {
    all: bool,
    known: HashMap<Symbol, SymbolNumber, RandomState>,
    names: Vec<Symbol>,
    shared: Arc<Mutex<Vec<Symbol>>>,
}

impl Symbols {
    /// Numbers for the symbols that a job wants.
    pub fn new(selection: &Selection) -> Self {
        let names: Vec<Symbol> = match selection {
            Selection::All => Vec::new(),
            Selection::Only(wanted) => wanted.iter().cloned().collect(),
        };
        let mut symbols = Symbols {
            all: *selection == Selection::All,
            known: HashMap::default(),
            names: Vec::new(),
            shared: Arc::new(Mutex::new(names)),
        };
        symbols.catch_up();
        symbols
    }

    /// The number of a symbol; `None` if nobody asked for it.
    #[inline]
    pub fn number(&mut self, name: &str) -> Option<SymbolNumber> {
        if let Some(number) = self.known.get(name) {
            return Some(*number);
        }
        if self.all { Some(self.introduce(name)) } else { None }
    }

    /// Their names, by number.
    pub fn names(&self) -> &[Symbol] {
        &self.names
    }

    #[cold]
    fn introduce(&mut self, name: &str) -> SymbolNumber {
        self.catch_up();
        if let Some(number) = self.known.get(name) {
            return *number;
        }
        {
            // Another worker may have introduced it since: look again under the lock.
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            if !shared[self.names.len()..].iter().any(|s| s.as_str() == name) {
                shared.push(Symbol::new(name));
            }
        }
        self.catch_up();
        self.known[name]
    }

    /// Learns what other workers have introduced.
    pub fn catch_up(&mut self) {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &shared[self.names.len()..] {
            self.known.insert(name.clone(), SymbolNumber(self.names.len() as u32));
            self.names.push(name.clone());
        }
    }
}
