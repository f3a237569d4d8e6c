//! What a walk over a record has found: the values that pointers ask for, in tables with a row for each element.
//!
//! Of a repeated key the last counts: what an earlier one brought is forgotten when it comes again.

use super::paths::{Cell, Node, NodeNumber, Paths};

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
    /// A float that is not taken; of Avro and Protobuf alone.
    #[cfg_attr(not(any(feature = "avro", feature = "protobuf")), allow(dead_code))]
    Float {
        at: usize,
    },
}

impl Found {
    /// Where it stands.
    pub(super) fn at(&self) -> Option<usize> {
        match self {
            Found::Text { from, .. } | Found::Number { from, .. } => Some(*from),
            Found::Null { at } | Found::Container { at } | Found::Float { at } => Some(*at),
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
    /// A key without its escapes.
    pub(super) key: String,
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
    /// Forgets the record before.
    pub(super) fn begin(&mut self, paths: &Paths) {
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

    /// A number for an object that begins.
    pub(super) fn enter(&mut self) -> u64 {
        self.containers += 1;
        self.containers
    }

    /// Notes a value, where it is asked for.
    #[inline]
    pub(super) fn put(&mut self, node: Option<&Node>, found: Found) {
        if let Some(cell) = node.and_then(|node| node.cell) {
            self.put_in(cell, found);
        }
    }

    /// Notes the value of a cell, in the row that is being filled.
    #[inline]
    pub(super) fn put_in(&mut self, cell: Cell, found: Found) {
        let table = &mut self.tables[cell.table];
        table.values[table.row + cell.column] = found;
    }

    /// Whether nothing was noted for a cell in the row that is being filled.
    #[cfg(feature = "protobuf")]
    pub(super) fn is_absent(&self, cell: Cell) -> bool {
        let table = &self.tables[cell.table];
        table.values[table.row + cell.column] == Found::Absent
    }

    /// Forgets what was found of a value, but for rows of lists in it.
    #[cfg(feature = "protobuf")]
    pub(super) fn forget(&mut self, node: &Node) {
        node.below.cells.iter().for_each(|cell| self.put_in(*cell, Found::Absent));
    }

    /// An array begins.
    pub(super) fn begin_array(&mut self, node: Option<&Node>) {
        let levels = node.map_or(&[][..], |node| &node.levels);
        levels.iter().for_each(|level| self.levels[*level].arrays += 1);
    }

    /// An element begins of an array that is taken apart: it has a row, where its elements are the trades.
    pub(super) fn begin_element(&mut self, node: &Node) {
        node.levels.iter().for_each(|level| self.levels[*level].elements += 1);
        if let Some(table) = node.rows {
            let table = &mut self.tables[table];
            table.row = table.values.len();
            table.values.resize(table.row + table.columns, Found::Absent);
        }
    }

    /// A value that is asked for begins. Where its key was there before, what that one brought is forgotten.
    pub(super) fn meet(&mut self, paths: &Paths, number: NodeNumber, container: u64) {
        let node = paths.node(number);
        let seen = &mut self.seen[number];
        let again = seen.container == container;
        seen.container = container;
        if !again {
            seen.levels.clear();
            seen.levels.extend(node.below.levels.iter().map(|level| self.levels[*level]));
            seen.lengths.clear();
            seen.lengths.extend(node.below.tables.iter().map(|table| self.tables[*table].values.len()));
            return;
        }
        for cell in &node.below.cells {
            let table = &mut self.tables[cell.table];
            table.values[table.row + cell.column] = Found::Absent;
        }
        for (level, before) in node.below.levels.iter().zip(&seen.levels) {
            self.levels[*level] = *before;
        }
        for (table, before) in node.below.tables.iter().zip(&seen.lengths) {
            self.tables[*table].values.truncate(*before);
        }
    }
}
