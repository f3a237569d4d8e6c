//! Numbers for symbols: dense, the same for all workers of a process, given in order of first sight.

mod slips;
mod turns;

use crossrate_dataflows::market::assets::Quotes;
use crossrate_dataflows::market::changes::DefinitionTurn;
use crossrate_dataflows::market::definition::{Definition, Selection};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::moments::HashInput;
use crossrate_dataflows::market::name_keys::name_of;
use crossrate_dataflows::market::prefetch::prefetch;
use crossrate_dataflows::market::trade::{ShortName, Symbol, SymbolNumber, Trade};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
pub use slips::Slip;
use slips::Slips;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
pub use turns::SymbolTurns;

/// One worker's view; looking up a known symbol takes no lock.
#[derive(Debug, Clone)]
pub struct Symbols {
    all: bool,
    /// The numbers, by the hash of their names.
    known: HashTable<SymbolNumber>,
    hasher: RandomState,
    /// The numbers of short names, each in the first free place from its own on, if that is near; at most a
    /// quarter of them taken. Found by the bytes themselves, without hashing. A power of two of places;
    /// [`FREE`] where there is none.
    places: Vec<u32>,
    /// The names by number, where they are short. Those that are seen first are mostly those that are traded
    /// most, and lie together.
    shorts: Vec<ShortName>,
    names: Vec<Symbol>,
    shared: Arc<Mutex<Vec<Symbol>>>,
    /// The names that are hashed, of symbols that came again under a key of their own.
    hashed: HashMap<u32, Symbol>,
    turns: Arc<SymbolTurns>,
    /// How many changes of the definition are known.
    changes: usize,
    /// What is wanted by its assets, whatever it is called.
    by_assets: Option<WantedAssets>,
    /// Short names that were looked up in vain, each in its place: what comes again and again costs no hash.
    /// Empty where all are wanted.
    passed_over: Vec<ShortName>,
    slips: Slips,
    /// How often a name was put into its place.
    #[cfg(test)]
    placed: usize,
}

/// Symbols that are wanted by the assets that they trade.
#[derive(Debug, Clone)]
struct WantedAssets {
    /// The rates of these assets, base first.
    rates: BTreeSet<Symbol>,
    quotes: Quotes,
    /// Names of symbols that trade others.
    others: HashSet<Box<[u8]>, RandomState>,
}

impl WantedAssets {
    /// Whether a symbol is one of them.
    fn has(&mut self, name: &[u8]) -> bool {
        if self.others.contains(name) {
            return false;
        }
        let symbol = std::str::from_utf8(name).ok().map(Symbol::new);
        let pair = symbol.and_then(|symbol| self.quotes.pair(&symbol));
        let rate = pair.map(|pair| Quotes::cross_name(&pair.base, &pair.quote));
        let is_wanted = rate.is_some_and(|rate| self.rates.contains(&rate));
        if !is_wanted && self.others.len() < MOST_OTHERS {
            self.others.insert(name.into());
        }
        is_wanted
    }
}

/// So many names that nobody wants are remembered.
const MOST_OTHERS: usize = 100_000;

/// So many places there are for names that nobody wants; a power of two.
const PASSED_OVER: usize = 1_024;

const FREE: u32 = u32::MAX;

/// A name is looked for in so many places from its own on, then by its hash, which nobody can foresee.
const PLACES_EACH: usize = 8;

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
            hashed: HashMap::new(),
            turns: Arc::default(),
            changes: 0,
            by_assets: None,
            passed_over: match selection {
                Selection::All => Vec::new(),
                Selection::Only(_) => vec![ShortName::default(); PASSED_OVER],
            },
            slips: Slips::default(),
            #[cfg(test)]
            placed: 0,
        };
        symbols.catch_up();
        symbols
    }

    /// The number of a symbol, whose name is UTF-8; `None` if nobody asked for it.
    #[inline]
    pub fn number(&mut self, name: &[u8]) -> Option<SymbolNumber> {
        match ShortName::of(name) {
            Some(short) => self.number_of_short(&short),
            None => self.look_up(name),
        }
    }

    /// The number of a symbol with a short name; `None` if nobody asked for it.
    ///
    /// Inlined: a name that is handed over in memory is read in other pieces than it was written in, and
    /// waits for them.
    #[inline(always)]
    pub fn number_of_short(&mut self, name: &ShortName) -> Option<SymbolNumber> {
        let mut place = name.place(self.places.len());
        for _ in 0..PLACES_EACH {
            match self.places[place] {
                FREE => break,
                number if self.shorts[number as usize] == *name => return Some(SymbolNumber(number)),
                _ => place = (place + 1) & (self.places.len() - 1),
            }
        }
        self.look_up_short(name)
    }

    #[inline(never)]
    fn look_up_short(&mut self, name: &ShortName) -> Option<SymbolNumber> {
        // There are no places where all are wanted.
        let place = name.place(PASSED_OVER);
        if self.passed_over.get(place) == Some(name) {
            return None;
        }
        let mut bytes = [0; 16];
        name.write_to(&mut bytes);
        let number = self.look_up(&bytes[..name.length()]);
        if let (None, Some(passed_over)) = (number, self.passed_over.get_mut(place)) {
            *passed_over = *name;
        }
        number
    }

    /// Names that differ by case alone from wanted ones, of which nobody has heard.
    #[inline]
    pub fn new_slips(&self) -> Vec<Slip> {
        self.slips.take()
    }

    /// Fetches where [`Symbols::number_of_short`] begins to look.
    #[inline]
    pub fn prefetch(&self, name: &ShortName) {
        prefetch(&self.places[name.place(self.places.len())]);
    }

    /// Fetches what [`Symbols::prefetch`] could not, since what it fetched tells where that is.
    #[inline]
    pub fn prefetch_more(&self, name: &ShortName) {
        let number = self.places[name.place(self.places.len())];
        if let Some(short) = self.shorts.get(number as usize) {
            prefetch(short);
        }
    }

    /// Writes what is hashed of a trade of a symbol.
    #[inline]
    pub fn write_hashed(&self, input: &mut HashInput, number: SymbolNumber, trade: &Trade) {
        let number = number.0 as usize;
        match &self.shorts[number] {
            short if short.is_some() => input.write_short(short, trade),
            _ => input.write(self.hashed.get(&(number as u32)).unwrap_or(&self.names[number]), trade),
        }
    }

    fn look_up(&mut self, name: &[u8]) -> Option<SymbolNumber> {
        if let Some(number) = self.find(name) {
            return Some(number);
        }
        let is_wanted = self.all || self.by_assets.as_mut().is_some_and(|wanted| wanted.has(name));
        if is_wanted {
            return self.introduce(name);
        }
        self.slips.look(name);
        None
    }

    #[inline]
    fn find(&self, name: &[u8]) -> Option<SymbolNumber> {
        let is_it = |number: &SymbolNumber| self.names[number.0 as usize].as_str().as_bytes() == name;
        self.known.find(self.hasher.hash_one(name), is_it).copied()
    }

    /// What changes of the definition have made of names, where any has changed.
    pub fn turns(&self) -> Option<Arc<SymbolTurns>> {
        (!self.turns.is_empty()).then(|| Arc::clone(&self.turns))
    }

    /// How many changes of the definition are known: what was looked up before another one may be looked up
    /// in vain.
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// Takes the next change of the definition, which may begin or end a symbol.
    pub fn change(&mut self, turn: Option<&DefinitionTurn>, from: EventTime) {
        let at = (self.changes, from);
        self.changes += 1;
        match turn {
            Some(DefinitionTurn::SymbolBegins(key)) => {
                let (Some(name), Some(number)) = (self.named(&name_of(key)), self.named(key)) else { return };
                Arc::make_mut(&mut self.turns).turn(name, None, at, Some(number));
            }
            Some(DefinitionTurn::SymbolEnds(key)) => {
                let Some(name) = self.named(&name_of(key)) else { return };
                Arc::make_mut(&mut self.turns).turn(name, Some(name), at, None);
            }
            Some(DefinitionTurn::CrossBegins(_) | DefinitionTurn::CrossEnds(_)) | None => {}
        }
    }

    /// Somebody asks for these.
    pub fn want(&mut self, selection: &Selection) {
        if let Selection::Only(wanted) = selection {
            wanted.iter().for_each(|name| _ = self.named(name));
        }
    }

    /// And for the symbols that trade the assets of a basis, where no name tells them.
    pub fn want_assets(&mut self, definition: &Definition) {
        let bases = definition.basis.iter().filter(|basis| definition.is_by_assets(basis));
        let rates: BTreeSet<Symbol> = bases.map(|basis| basis.cross.clone()).collect();
        if let Some(quotes) = definition.quotes.clone().filter(|_| !self.all && !rates.is_empty()) {
            self.by_assets = Some(WantedAssets { rates, quotes, others: HashSet::default() });
        }
    }

    /// The number of a symbol, whether anybody has asked for it or not.
    fn named(&mut self, key: &Symbol) -> Option<SymbolNumber> {
        self.introduce(key.as_str().as_bytes())
    }

    /// Their names, by number: of those that came again their keys.
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
        let Symbols { known, hasher, names, shared, places, shorts, hashed, passed_over, slips, .. } = self;
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.len() > names.len() {
            passed_over.fill(ShortName::default());
        }
        for name in &shared[names.len()..] {
            let number = SymbolNumber(names.len() as u32);
            let hashed_as = name_of(name);
            if hashed_as != *name {
                hashed.insert(number.0, hashed_as);
            }
            if !self.all {
                slips.want(&name_of(name));
            }
            names.push(name.clone());
            let hash = |number: &SymbolNumber| hasher.hash_one(names[number.0 as usize].as_str().as_bytes());
            known.insert_unique(hasher.hash_one(name.as_str().as_bytes()), number, hash);
        }
        let mut from = shorts.len();
        if places.len() < 4 * names.len() {
            from = 0;
            *places = vec![FREE; (4 * names.len()).next_power_of_two()];
        }
        // Those that came again are hashed under their names, and are not looked for.
        let short_of = |number: usize| match hashed.contains_key(&(number as u32)) {
            true => ShortName::default(),
            false => ShortName::of(names[number].as_str().as_bytes()).unwrap_or_default(),
        };
        shorts.extend((shorts.len()..names.len()).map(short_of));
        let short = |(_, short): &(u32, &ShortName)| short.is_some();
        #[cfg(test)]
        {
            self.placed += shorts.len() - from;
        }
        for (number, short) in (from as u32..).zip(&shorts[from..]).filter(short) {
            let first = short.place(places.len());
            let mut near = (first..first + PLACES_EACH).map(|place| place & (places.len() - 1));
            if let Some(place) = near.find(|place| places[*place] == FREE) {
                places[place] = number;
            }
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
    fn each_new_name_is_put_into_its_place_a_bounded_number_of_times() {
        let mut symbols = Symbols::new(&Selection::All);
        for n in 0..20_000 {
            symbols.number(format!("S{n:06}USDT").as_bytes());
        }
        assert_eq!(symbols.names().len(), 20_000);
        assert!(symbols.placed <= 3 * 20_000, "{} times", symbols.placed);
    }

    #[test]
    fn names_that_differ_by_case_alone_are_found_once_by_whichever_worker() {
        let wanted = ["btcusdt", "ETHUSDT", "a-name-that-is-long:BTC"].map(Symbol::new);
        let mut symbols = Symbols::new(&Selection::Only(wanted.into_iter().collect()));
        let mut other = symbols.clone();
        for _ in 0..3 {
            for name in ["BTCUSDT", "XVGUSDT", "A-name-that-is-long:BTC"] {
                assert_eq!(symbols.number(name.as_bytes()), None);
                assert_eq!(other.number(name.as_bytes()), None);
            }
        }
        let slip = |wanted, found| (Symbol::new(wanted), Symbol::new(found));
        let long = slip("a-name-that-is-long:BTC", "A-name-that-is-long:BTC");
        assert_eq!(other.new_slips(), [slip("btcusdt", "BTCUSDT"), long]);
        assert_eq!(symbols.new_slips(), []);
    }

    #[test]
    fn a_name_that_was_looked_up_in_vain_is_found_when_somebody_asks_for_it() {
        let mut symbols = Symbols::new(&Selection::Only(BTreeSet::from([Symbol::new("BTCUSDT")])));
        let mut other = symbols.clone();
        for symbols in [&mut symbols, &mut other] {
            assert_eq!((symbols.number(b"ETHUSDT"), symbols.number(b"ETHUSDT")), (None, None));
        }
        symbols.want(&Selection::Only(BTreeSet::from([Symbol::new("ETHUSDT")])));
        other.catch_up();
        for symbols in [&mut symbols, &mut other] {
            assert_eq!(symbols.number(b"ETHUSDT"), Some(SymbolNumber(1)));
        }
    }

    /// More names with one place of their own than are looked for from there on.
    #[test]
    fn names_that_share_a_place_keep_their_numbers() {
        let mut symbols = Symbols::new(&Selection::All);
        let candidates = (0..u32::MAX).map(|n| format!("{n:08}"));
        let place = |name: &String| ShortName::of(name.as_bytes()).map(|short| short.place(1024));
        let crowd: Vec<String> = candidates.filter(|name| place(name) == Some(1020)).take(200).collect();
        let numbers: Vec<_> = crowd.iter().map(|name| symbols.number(name.as_bytes())).collect();
        assert!((0..).zip(&numbers).all(|(n, number)| *number == Some(SymbolNumber(n))));
        for (name, number) in crowd.iter().zip(&numbers).rev() {
            assert_eq!(symbols.number(name.as_bytes()), *number, "{name}");
        }
    }

    #[test]
    fn symbols_that_are_not_selected_get_no_number() {
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
