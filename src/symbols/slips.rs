//! Symbols that nobody asked for and whose names differ by case alone from one that somebody did.
//!
//! A name is looked at when it is looked up in vain, and of the short ones that are many, once; so often and
//! no more often altogether.

use crossrate_dataflows::market::trade::Symbol;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// So many names are looked at, by each worker.
const MOST_LOOKS: u32 = 200_000;

/// A wanted name, and the one that is there.
pub type Slip = (Symbol, Symbol);

/// What one worker knows; what is found is known to all workers of a process.
#[derive(Debug, Clone, Default)]
pub(super) struct Slips {
    /// The wanted names, by what they are whatever their case.
    wanted: HashMap<String, Symbol>,
    looks: u32,
    found: Arc<FoundSlips>,
}

#[derive(Debug, Default)]
struct FoundSlips {
    has_new: AtomicBool,
    /// The names that are there, and of which of them nobody has heard.
    all: Mutex<(BTreeSet<Symbol>, Vec<Slip>)>,
}

impl Slips {
    /// Somebody asks for that name.
    pub(super) fn want(&mut self, name: &Symbol) {
        self.wanted.entry(name.as_str().to_lowercase()).or_insert_with(|| name.clone());
    }

    /// Looks at a name that nobody asked for.
    #[cold]
    pub(super) fn look(&mut self, name: &[u8]) {
        if self.looks == MOST_LOOKS || self.wanted.is_empty() {
            return;
        }
        self.looks += 1;
        let Ok(name) = std::str::from_utf8(name) else { return };
        let Some(wanted) = self.wanted.get(&name.to_lowercase()) else { return };
        let name = Symbol::new(name);
        let mut all = self.found.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.0.insert(name.clone()) {
            all.1.push((wanted.clone(), name));
            self.found.has_new.store(true, Ordering::Release);
        }
    }

    /// What was found since this was asked last, by whichever worker of the process.
    #[inline]
    pub(super) fn take(&self) -> Vec<Slip> {
        if !self.found.has_new.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut all = self.found.all.lock().unwrap_or_else(PoisonError::into_inner);
        self.found.has_new.store(false, Ordering::Relaxed);
        std::mem::take(&mut all.1)
    }
}
