//! Numbers for symbols: dense, the same for all workers of a process, given in order of first sight.

use crossrate_dataflows::market::acceptance::SymbolNumber;
use crossrate_dataflows::market::definition::Selection;
use crossrate_dataflows::market::trade::Symbol;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

/// One worker's view; looking up a known symbol takes no lock.
#[derive(Debug, Clone)]
pub struct Symbols {
    all: bool,
    /// The numbers, by the hash of their names.
    known: HashTable<SymbolNumber>,
    hasher: RandomState,
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
            known: HashTable::new(),
            hasher: RandomState::default(),
            names: Vec::new(),
            shared: Arc::new(Mutex::new(names)),
        };
        symbols.catch_up();
        symbols
    }

    /// The number of a symbol, whose name is UTF-8; `None` if nobody asked for it.
    #[inline]
    pub fn number(&mut self, name: &[u8]) -> Option<SymbolNumber> {
        if let Some(number) = self.find(name) {
            return Some(number);
        }
        if self.all { self.introduce(name) } else { None }
    }

    #[inline]
    fn find(&self, name: &[u8]) -> Option<SymbolNumber> {
        let is_it = |number: &SymbolNumber| self.names[number.0 as usize].as_str().as_bytes() == name;
        self.known.find(self.hasher.hash_one(name), is_it).copied()
    }

    /// Their names, by number.
    pub fn names(&self) -> &[Symbol] {
        &self.names
    }

    #[cold]
    fn introduce(&mut self, name: &[u8]) -> Option<SymbolNumber> {
        let text = std::str::from_utf8(name).ok()?;
        self.catch_up();
        if self.find(name).is_none() {
            {
                // Another worker may have introduced it since: look again under the lock.
                let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
                if !shared[self.names.len()..].iter().any(|s| s.as_str() == text) {
                    shared.push(Symbol::new(text));
                }
            }
            self.catch_up();
        }
        self.find(name)
    }

    /// Learns what other workers have introduced.
    pub fn catch_up(&mut self) {
        let Symbols { known, hasher, names, shared, .. } = self;
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &shared[names.len()..] {
            let number = SymbolNumber(names.len() as u32);
            names.push(name.clone());
            let hash = |number: &SymbolNumber| hasher.hash_one(names[number.0 as usize].as_str().as_bytes());
            known.insert_unique(hasher.hash_one(name.as_str().as_bytes()), number, hash);
        }
    }
}
