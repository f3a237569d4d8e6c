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
    /// The numbers of short names, each in the first free place from its own on, at most a quarter of them taken:
    /// found by the bytes themselves, without hashing. A power of two of places; [`FREE`] where there is none.
    places: Vec<u32>,
    /// Short names by number. Those that are seen first are mostly those that are traded most, and lie together.
    shorts: Vec<Short>,
    names: Vec<Symbol>,
    shared: Arc<Mutex<Vec<Symbol>>>,
}

/// A name of 4 to 16 bytes: its beginning and its end, which overlap.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Default)]
struct Short {
    begin: u64,
    end: u64,
    /// 0 of a name that is not short.
    length: u32,
}

const FREE: u32 = u32::MAX;

impl Short {
    #[inline]
    fn of(name: &[u8]) -> Option<Short> {
        let length = name.len() as u32;
        if let (Some(begin), Some(end)) = (name.first_chunk(), name.last_chunk()) {
            let (begin, end) = (u64::from_le_bytes(*begin), u64::from_le_bytes(*end));
            return (name.len() <= 16).then_some(Short { begin, end, length });
        }
        let (begin, end) = (name.first_chunk()?, name.last_chunk()?);
        let (begin, end) = (u32::from_le_bytes(*begin).into(), u32::from_le_bytes(*end).into());
        Some(Short { begin, end, length })
    }

    /// Its place among so many, a power of two.
    #[inline]
    fn place(self, places: usize) -> usize {
        let mixed = (self.begin ^ self.end.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize & (places - 1)
    }
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
            places: vec![FREE; 64],
            shorts: Vec::new(),
            names: Vec::new(),
            shared: Arc::new(Mutex::new(names)),
        };
        symbols.catch_up();
        symbols
    }

    /// The number of a symbol, whose name is UTF-8; `None` if nobody asked for it.
    #[inline]
    pub fn number(&mut self, name: &[u8]) -> Option<SymbolNumber> {
        let Some(short) = Short::of(name) else { return self.look_up(name) };
        let mut place = short.place(self.places.len());
        loop {
            match self.places[place] {
                FREE => return self.look_up(name),
                number if self.shorts[number as usize] == short => return Some(SymbolNumber(number)),
                _ => place = (place + 1) & (self.places.len() - 1),
            }
        }
    }

    fn look_up(&mut self, name: &[u8]) -> Option<SymbolNumber> {
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
        let Symbols { known, hasher, names, shared, places, shorts, .. } = self;
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &shared[names.len()..] {
            let number = SymbolNumber(names.len() as u32);
            names.push(name.clone());
            let hash = |number: &SymbolNumber| hasher.hash_one(names[number.0 as usize].as_str().as_bytes());
            known.insert_unique(hasher.hash_one(name.as_str().as_bytes()), number, hash);
        }
        let mut from = shorts.len();
        if places.len() < 4 * names.len() {
            from = 0;
            *places = vec![FREE; (4 * names.len()).next_power_of_two()];
        }
        shorts.extend(
            names[shorts.len()..].iter().map(|n| Short::of(n.as_str().as_bytes()).unwrap_or_default()),
        );
        let short = |(_, short): &(u32, &Short)| short.length > 0;
        for (number, short) in (0..).zip(shorts.iter()).skip(from).filter(short) {
            let mut place = short.place(places.len());
            while places[place] != FREE {
                place = (place + 1) & (places.len() - 1);
            }
            places[place] = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_keep_their_numbers() {
        let mut symbols = Symbols::new(&Selection::All);
        let mut other = symbols.clone();
        let names: Vec<String> = (0..400).map(|n| format!("{n}{}", "A".repeat(n % 21))).collect();
        let numbers: Vec<_> = names.iter().map(|name| symbols.number(name.as_bytes())).collect();
        assert!((0..).zip(&numbers).all(|(n, number)| *number == Some(SymbolNumber(n))));
        for _ in 0..2 {
            for (name, number) in names.iter().zip(&numbers).rev() {
                assert_eq!(symbols.number(name.as_bytes()), *number, "{name}");
                assert_eq!(other.number(name.as_bytes()), *number, "{name}");
            }
        }
    }

    #[test]
    fn nobody_asked_for_the_others() {
        let wanted = ["ABC", "ABCDEFGH", "ABCDEFGHABCDEFGH", "ABCDEFGHABCDEFGHI"].map(Symbol::new);
        let mut symbols = Symbols::new(&Selection::Only(wanted.iter().cloned().collect()));
        for other in ["", "ABD", "ABCD", "ABCDABCD", "ABCDEFGHDEFGH", "ABCDEFGHABCDEFGHABCDEFGH"] {
            assert_eq!(symbols.number(other.as_bytes()), None, "{other}");
        }
        for name in wanted {
            let found =
                symbols.number(name.as_str().as_bytes()).map(|n| symbols.names()[n.0 as usize].clone());
            assert_eq!(found, Some(name));
        }
    }
}
