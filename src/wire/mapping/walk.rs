//! One pass over the bytes of a record: all of it is checked to be JSON, and what pointers ask for is noted.
//!
//! No tree is built. Of a repeated key the last counts: what an earlier one brought is forgotten when it comes again.

use super::paths::{Cell, Node, NodeNumber, Paths, Token};
use crate::wire::BadRecord;
use crate::wire::json::{MOST_LEVELS, Scanner, bad, unescape};

/// A value that a pointer found. Positions are byte offsets in the record.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub(super) enum Found {
    #[default]
    Absent,
    /// A string: what stands between its quotes.
    Text {
        from: usize,
        to: usize,
        escaped: bool,
    },
    /// A number, as it is written.
    Number {
        from: usize,
        to: usize,
    },
    Bool(bool),
    Null {
        at: usize,
    },
    /// An object or an array.
    Container {
        at: usize,
    },
}

impl Found {
    /// Where it stands.
    pub(super) fn at(&self) -> Option<usize> {
        match self {
            Found::Text { from, .. } | Found::Number { from, .. } => Some(*from),
            Found::Null { at } | Found::Container { at } => Some(*at),
            Found::Absent | Found::Bool(_) => None,
        }
    }
}

/// What a walk has found, kept for its allocations.
#[derive(Debug, Default)]
pub(super) struct Finds {
    tables: Vec<Table>,
    levels: Vec<Level>,
    /// Of each node the container in which it was seen last, and what was there before it.
    seen: Vec<Seen>,
    containers: u64,
    key: String,
}

#[derive(Debug, Default)]
struct Table {
    values: Vec<Found>,
    columns: usize,
    /// The row that is being filled begins here.
    row: usize,
}

/// Of one level of arrays: how many arrays there were, and elements in them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Level {
    arrays: usize,
    elements: usize,
}

#[derive(Debug, Default)]
struct Seen {
    container: u64,
    levels: Vec<Level>,
    lengths: Vec<usize>,
}

impl Finds {
    fn begin(&mut self, paths: &Paths) {
        self.tables.resize_with(paths.columns.len(), Table::default);
        for (table, columns) in self.tables.iter_mut().zip(&paths.columns) {
            table.values.clear();
            (table.columns, table.row) = (*columns, 0);
        }
        self.tables[0].values.resize(paths.columns[0], Found::Absent);
        self.levels.clear();
        self.levels.resize(paths.levels, Level::default());
        self.seen.resize_with(paths.count(), Seen::default);
    }

    /// The value in a cell; the row matters in tables of elements.
    #[inline]
    pub(super) fn get(&self, cell: Cell, row: usize) -> Found {
        let table = &self.tables[cell.table];
        let row = if cell.table == 0 { 0 } else { row };
        table.values.get(row * table.columns + cell.column).copied().unwrap_or_default()
    }

    /// How many elements there were; `None` where some value that should hold them was absent or no array.
    pub(super) fn rows(&self, levels: &[usize]) -> Option<usize> {
        levels.iter().try_fold(1, |wanted, level| {
            let level = self.levels[*level];
            (level.arrays == wanted).then_some(level.elements)
        })
    }
}

/// Walks a record. It must be one object or one array.
pub(super) fn walk(bytes: &[u8], paths: &Paths, finds: &mut Finds) -> Result<(), BadRecord> {
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(bad("not UTF-8", error.valid_up_to()));
    }
    finds.begin(paths);
    let mut walker = Walker { scanner: Scanner::new(bytes), paths, finds };
    walker.scanner.skip_space();
    let is_container = matches!(walker.scanner.peek(), Some(b'{' | b'['));
    walker.value(Some(Paths::ROOT), 0)?;
    walker.scanner.skip_space();
    if !walker.scanner.is_at_end() {
        return Err(bad("more after the end of the JSON value", walker.scanner.at()));
    }
    if is_container { Ok(()) } else { Err(bad("not a JSON object or array", 0)) }
}

struct Walker<'a> {
    scanner: Scanner<'a>,
    paths: &'a Paths,
    finds: &'a mut Finds,
}

impl<'a> Walker<'a> {
    /// One value and all that is in it. The depth is bounded, and so is the recursion.
    fn value(&mut self, node: Option<NodeNumber>, depth: usize) -> Result<(), BadRecord> {
        let from = self.scanner.at();
        let found = match self.scanner.peek() {
            Some(b'"') => {
                let (from, to, escaped) = self.scanner.string()?;
                Found::Text { from, to, escaped }
            }
            Some(b'-' | b'0'..=b'9') => {
                self.scanner.number()?;
                Found::Number { from, to: self.scanner.at() }
            }
            Some(b'{' | b'[') => {
                if depth == MOST_LEVELS {
                    return Err(bad("nested more than 128 levels deep", from));
                }
                let node = node.map(|number| self.paths.node(number));
                self.put(node, Found::Container { at: from });
                return if self.scanner.peek() == Some(b'{') {
                    self.object(node, depth)
                } else {
                    self.array(node, depth)
                };
            }
            Some(b't') => self.scanner.word(b"true").map(|_| Found::Bool(true))?,
            Some(b'f') => self.scanner.word(b"false").map(|_| Found::Bool(false))?,
            Some(b'n') => self.scanner.word(b"null").map(|_| Found::Null { at: from })?,
            Some(_) => return Err(bad("not JSON: a value is missing", from)),
            None => return Err(bad("not JSON: it ends too early", from)),
        };
        self.put(node.map(|number| self.paths.node(number)), found);
        Ok(())
    }

    #[inline]
    fn put(&mut self, node: Option<&Node>, found: Found) {
        if let Some(cell) = node.and_then(|node| node.cell) {
            let table = &mut self.finds.tables[cell.table];
            table.values[table.row + cell.column] = found;
        }
    }

    fn object(&mut self, node: Option<&'a Node>, depth: usize) -> Result<(), BadRecord> {
        self.finds.containers += 1;
        let container = self.finds.containers;
        self.scanner.step();
        self.scanner.skip_space();
        if self.scanner.peek() == Some(b'}') {
            self.scanner.step();
            return Ok(());
        }
        loop {
            let child = self.key(node)?;
            if let Some(child) = child {
                self.meet(child, container);
            }
            self.scanner.skip_space();
            self.value(child, depth + 1)?;
            self.scanner.skip_space();
            match self.scanner.peek() {
                Some(b',') => self.scanner.step(),
                Some(b'}') => {
                    self.scanner.step();
                    return Ok(());
                }
                other => return Err(self.no_end(other)),
            }
            self.scanner.skip_space();
        }
    }

    /// A key and its colon; the node under it, where something is asked of it.
    #[inline]
    fn key(&mut self, node: Option<&Node>) -> Result<Option<NodeNumber>, BadRecord> {
        if self.scanner.peek() != Some(b'"') {
            return Err(bad("not JSON: a key is missing", self.scanner.at()));
        }
        let (from, to, escaped) = self.scanner.string()?;
        let inside = &self.scanner.bytes()[from..to];
        let child = node.filter(|node| !node.children.is_empty()).and_then(|node| {
            let key = if escaped {
                unescape(inside, &mut self.finds.key);
                self.finds.key.as_bytes()
            } else {
                inside
            };
            node.children.iter().find(|(token, _)| *token.key == *key).map(|(_, child)| *child)
        });
        self.scanner.skip_space();
        if self.scanner.peek() != Some(b':') {
            return Err(bad("not JSON: a colon is missing", self.scanner.at()));
        }
        self.scanner.step();
        Ok(child)
    }

    fn array(&mut self, node: Option<&'a Node>, depth: usize) -> Result<(), BadRecord> {
        let levels = node.map_or(&[][..], |node| &node.levels);
        levels.iter().for_each(|level| self.finds.levels[*level].arrays += 1);
        self.scanner.step();
        self.scanner.skip_space();
        if self.scanner.peek() == Some(b']') {
            self.scanner.step();
            return Ok(());
        }
        for place in 0.. {
            if let Some((_, child)) = node.and_then(|node| at_place(node, place)) {
                let from = self.scanner.at();
                self.value(Some(*child), depth + 1)?;
                // Walked once more as an element of which there is a row.
                if node.is_some_and(|node| node.elements.is_some()) {
                    self.scanner.go_to(from);
                    self.element_value(node, depth)?;
                }
            } else {
                self.element_value(node, depth)?;
            }
            self.scanner.skip_space();
            match self.scanner.peek() {
                Some(b',') => self.scanner.step(),
                Some(b']') => {
                    self.scanner.step();
                    break;
                }
                other => return Err(self.no_end(other)),
            }
            self.scanner.skip_space();
        }
        Ok(())
    }

    /// An element that has a row, where its array is taken apart.
    fn element_value(&mut self, node: Option<&Node>, depth: usize) -> Result<(), BadRecord> {
        let Some((node, elements)) = node.and_then(|node| Some((node, node.elements?))) else {
            return self.value(None, depth + 1);
        };
        node.levels.iter().for_each(|level| self.finds.levels[*level].elements += 1);
        if let Some(table) = node.rows {
            let table = &mut self.finds.tables[table];
            table.row = table.values.len();
            table.values.resize(table.row + table.columns, Found::Absent);
        }
        self.value(Some(elements), depth + 1)
    }

    /// A value that is asked for begins. Where its key was there before, what that one brought is forgotten.
    fn meet(&mut self, number: NodeNumber, container: u64) {
        let node = self.paths.node(number);
        let seen = &mut self.finds.seen[number];
        let again = seen.container == container;
        seen.container = container;
        if !again {
            seen.levels.clear();
            seen.levels.extend(node.below.levels.iter().map(|level| self.finds.levels[*level]));
            seen.lengths.clear();
            seen.lengths.extend(node.below.tables.iter().map(|table| self.finds.tables[*table].values.len()));
            return;
        }
        for cell in &node.below.cells {
            let table = &mut self.finds.tables[cell.table];
            table.values[table.row + cell.column] = Found::Absent;
        }
        for (level, before) in node.below.levels.iter().zip(&seen.levels) {
            self.finds.levels[*level] = *before;
        }
        for (table, before) in node.below.tables.iter().zip(&seen.lengths) {
            self.finds.tables[*table].values.truncate(*before);
        }
    }

    fn no_end(&self, found: Option<u8>) -> BadRecord {
        match found {
            Some(_) => bad("not JSON: want a comma or the end of the container", self.scanner.at()),
            None => bad("not JSON: it ends too early", self.scanner.at()),
        }
    }
}

/// What is asked of the element at a place.
fn at_place(node: &Node, place: usize) -> Option<&(Token, NodeNumber)> {
    node.children.iter().find(|(token, _)| token.place == Some(place))
}
