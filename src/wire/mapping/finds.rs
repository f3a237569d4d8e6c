//! What a walk over a record has found: the values that pointers ask for, in tables with a row for each element.
//!
//! Of a repeated key the last counts: what an earlier one brought is forgotten when it comes again.

use super::paths::{Node, NodeNumber, Paths, PathsNumber, TargetCell};

/// A value that a pointer found. Positions are byte offsets in the record, which has 16 MiB at most.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub(super) enum FoundValue {
    #[default]
    Absent,
    /// A text, which begins at `at`: of JSON and CSV what stands between its quotes.
    Text {
        at: u32,
        from: u32,
        to: u32,
        escaped: bool,
    },
    /// A number, as it is written.
    Number {
        from: u32,
        to: u32,
    },
    Bool(bool),
    Null {
        at: u32,
    },
    /// An object or an array.
    Container {
        at: u32,
    },
    /// A whole number; this one and those below are of Avro and Protobuf alone.
    Integer {
        at: u32,
        value: i64,
    },
    /// A value times ten to the power of `-scale`.
    Decimal {
        at: u32,
        scale: u16,
        value: i64,
    },
    /// A number or a text that stands on the sheet.
    Written {
        at: u32,
        from: u32,
        to: u32,
        is_text: bool,
    },
    /// A float that is not taken.
    #[cfg_attr(not(any(feature = "avro", feature = "protobuf")), allow(dead_code))]
    Float {
        at: u32,
    },
}

impl FoundValue {
    /// A text of JSON or CSV.
    #[inline]
    pub(super) fn text(from: usize, to: usize, escaped: bool) -> FoundValue {
        FoundValue::Text { at: from as u32, from: from as u32, to: to as u32, escaped }
    }

    /// Where it stands.
    pub(super) fn at(&self) -> Option<usize> {
        match *self {
            FoundValue::Number { from: at, .. }
            | FoundValue::Text { at, .. }
            | FoundValue::Written { at, .. }
            | FoundValue::Integer { at, .. }
            | FoundValue::Decimal { at, .. }
            | FoundValue::Null { at }
            | FoundValue::Container { at }
            | FoundValue::Float { at } => Some(at as usize),
            FoundValue::Absent | FoundValue::Bool(_) => None,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, FoundValue::Text { .. } | FoundValue::Written { is_text: true, .. })
    }

    pub(super) fn is_number(&self) -> bool {
        let is_written = matches!(self, FoundValue::Written { is_text: false, .. });
        is_written
            || matches!(
                self,
                FoundValue::Number { .. } | FoundValue::Integer { .. } | FoundValue::Decimal { .. }
            )
    }
}

/// What a walk has found, kept for its allocations.
#[derive(Debug, Default)]
pub(super) struct Finds {
    /// Whose pointers the tables are made for.
    of: Option<PathsNumber>,
    tables: Vec<FoundTable>,
    levels: Vec<Level>,
    /// Of each node the container in which it was seen last, and what was there before it.
    seen: Vec<ContainerPath>,
    containers: u64,
    /// A key without its escapes.
    pub(super) key: String,
}

#[derive(Debug, Default)]
struct FoundTable {
    values: Vec<FoundValue>,
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
struct ContainerPath {
    container: u64,
    levels: Vec<Level>,
    lengths: Vec<usize>,
}

impl Finds {
    /// Forgets the record before.
    #[inline]
    pub(super) fn begin(&mut self, paths: &Paths) {
        if self.of != Some(paths.number) {
            self.make_room(paths);
        }
        let Some((whole, elements)) = self.tables.split_first_mut() else { return };
        whole.values.fill(FoundValue::Absent);
        for table in elements {
            table.values.clear();
            table.row = 0;
        }
        self.levels.fill(Level::default());
    }

    fn make_room(&mut self, paths: &Paths) {
        self.of = Some(paths.number);
        self.tables.resize_with(paths.columns.len(), FoundTable::default);
        for (table, columns) in self.tables.iter_mut().zip(&paths.columns) {
            (table.columns, table.row) = (*columns, 0);
        }
        self.tables[0].values.clear();
        self.tables[0].values.resize(paths.columns[0], FoundValue::Absent);
        self.levels.resize(paths.levels, Level::default());
        // Containers are numbered on, so that what is remembered of other pointers is of none that comes.
        self.seen.resize_with(paths.count(), ContainerPath::default);
    }

    /// The value in a cell; the row matters in tables of elements.
    #[inline]
    pub(super) fn get(&self, cell: TargetCell, row: usize) -> FoundValue {
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
    #[inline]
    pub(super) fn enter(&mut self) -> u64 {
        self.containers += 1;
        self.containers
    }

    /// Notes a value, where it is asked for.
    #[inline]
    pub(super) fn put(&mut self, node: Option<&Node>, found: FoundValue) {
        if let Some(cell) = node.and_then(|node| node.cell) {
            self.put_in(cell, found);
        }
    }

    /// Notes the value of a cell, in the row that is being filled.
    #[inline]
    pub(super) fn put_in(&mut self, cell: TargetCell, found: FoundValue) {
        if let Some(value) = self.value_mut(cell) {
            *value = found;
        }
    }

    /// The value of a cell, in the row that is being filled.
    #[inline]
    pub(super) fn value_mut(&mut self, cell: TargetCell) -> Option<&mut FoundValue> {
        let table = self.tables.get_mut(cell.table)?;
        table.values.get_mut(table.row + cell.column)
    }

    /// Whether nothing was noted for a cell in the row that is being filled.
    #[cfg(feature = "protobuf")]
    pub(super) fn is_absent(&self, cell: TargetCell) -> bool {
        let table = &self.tables[cell.table];
        matches!(table.values[table.row + cell.column], FoundValue::Absent)
    }

    /// Forgets what was found of a value, but for rows of lists in it.
    #[cfg(feature = "protobuf")]
    pub(super) fn forget(&mut self, node: &Node) {
        node.below.cells.iter().for_each(|cell| self.put_in(*cell, FoundValue::Absent));
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
            table.values.resize(table.row + table.columns, FoundValue::Absent);
        }
    }

    /// A value that is asked for begins. Where its key was there before, what that one brought is forgotten.
    #[inline]
    pub(super) fn meet(&mut self, node: &Node, number: NodeNumber, container: u64) {
        let is_again = std::mem::replace(&mut self.seen[number].container, container) == container;
        if is_again || node.below.has_arrays() {
            self.meet_arrays(node, number, is_again);
        }
    }

    #[inline(never)]
    fn meet_arrays(&mut self, node: &Node, number: NodeNumber, is_again: bool) {
        let seen = &mut self.seen[number];
        if !is_again {
            seen.levels.clear();
            seen.levels.extend(node.below.levels.iter().map(|level| self.levels[*level]));
            seen.lengths.clear();
            seen.lengths.extend(node.below.tables.iter().map(|table| self.tables[*table].values.len()));
            return;
        }
        for cell in &node.below.cells {
            let table = &mut self.tables[cell.table];
            table.values[table.row + cell.column] = FoundValue::Absent;
        }
        for (level, before) in node.below.levels.iter().zip(&seen.levels) {
            self.levels[*level] = *before;
        }
        for (table, before) in node.below.tables.iter().zip(&seen.lengths) {
            self.tables[*table].values.truncate(*before);
        }
    }
}
