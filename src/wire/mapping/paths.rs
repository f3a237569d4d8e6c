//! JSON pointers (RFC 6901), compiled into one tree, so that a record is walked once whatever is asked of it.
//!
//! What pointers find stands in *tables* of values: table 0 has one row, of the whole record; each array whose elements
//! are trades has a table with one row an element. A [`TargetCell`] is a column of such a table.

use crate::wire::numbers::load;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which pointers they are, of all that were compiled.
pub(super) type PathsNumber = u64;

static COMPILED: AtomicU64 = AtomicU64::new(0);

/// A place in the tree.
pub(super) type NodeNumber = usize;

/// Where a value that a pointer asks for is put.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct TargetCell {
    /// The table: 0 for the record.
    pub(super) table: usize,
    /// The column.
    pub(super) column: usize,
}

/// What is asked of the values at one place of a record.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The values inside, by key of an object and by place in an array.
    pub(super) children: Vec<(PointerToken, NodeNumber)>,
    /// The keys of the children, found fast.
    keys: KeyTable,
    /// Where the value itself is put.
    pub(super) cell: Option<TargetCell>,
    /// Its elements, where it is an array that a mapping takes apart.
    pub(super) elements: Option<NodeNumber>,
    /// The levels of arrays that it is one of: counted, so that a value which is no array is noticed.
    pub(super) levels: Vec<usize>,
    /// The table that has a row for each of its elements.
    pub(super) rows: Option<usize>,
    /// What is forgotten when its key is repeated: cells of its own table, levels and tables below.
    pub(super) below: Subtree,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Subtree {
    pub(super) cells: Vec<TargetCell>,
    pub(super) levels: Vec<usize>,
    pub(super) tables: Vec<usize>,
}

impl Subtree {
    /// Whether there are arrays that are taken apart.
    #[inline]
    pub(super) fn has_arrays(&self) -> bool {
        !self.levels.is_empty() || !self.tables.is_empty()
    }
}

/// Keys by their first eight bytes, each in the first free place from its own on. A power of two of places,
/// at most a quarter of them taken; none before [`Paths::finish`], and where there are no keys.
#[derive(Debug, Default)]
struct KeyTable {
    places: Vec<Option<ChildKey>>,
    shift: u32,
}

#[derive(Debug, Clone)]
struct ChildKey {
    /// Its first eight bytes, with zeros behind a shorter one.
    word: u64,
    length: usize,
    /// What follows the first eight bytes.
    rest: Box<[u8]>,
    child: NodeNumber,
}

/// One step of a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PointerToken {
    /// As a key.
    pub(super) key: Box<[u8]>,
    /// As a place in an array, where it can be one.
    pub(super) place: Option<usize>,
}

/// An array whose elements are trades: the levels of arrays from the outside in, and its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elements {
    pub(super) table: usize,
    pub(super) levels: Vec<usize>,
    root: NodeNumber,
    path: Vec<Vec<PointerToken>>,
}

/// All pointers of a mapping.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) number: PathsNumber,
    nodes: Vec<Node>,
    /// How many columns each table has.
    pub(super) columns: Vec<usize>,
    /// How many levels of arrays there are.
    pub(super) levels: usize,
    arrays: Vec<Elements>,
}

/// Splits a pointer; `None` where it is none.
pub(super) fn parse(pointer: &str) -> Option<Vec<PointerToken>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    pointer.strip_prefix('/')?.split('/').map(token).collect()
}

fn token(text: &str) -> Option<PointerToken> {
    let mut key = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        key.push(match c {
            '~' => match rest.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    let is_place = key == "0" || (!key.starts_with('0') && key.bytes().all(|b| b.is_ascii_digit()));
    let place = if is_place { key.parse().ok() } else { None };
    Some(PointerToken { key: key.into_bytes().into(), place })
}

impl Node {
    /// The value under the key that stands between two places of a record.
    #[inline]
    pub(super) fn child_at(&self, bytes: &[u8], from: usize, to: usize) -> Option<NodeNumber> {
        self.keys.find(bytes, from, to)
    }
}

impl KeyTable {
    fn of(children: &[(PointerToken, NodeNumber)]) -> KeyTable {
        if children.is_empty() {
            return KeyTable::default();
        }
        let count = (4 * children.len()).next_power_of_two();
        let mut keys = KeyTable { places: vec![None; count], shift: u64::BITS - count.trailing_zeros() };
        for (token, child) in children {
            let (bytes, length) = (&token.key, token.key.len());
            let word = first_word(bytes, 0, length);
            let mut place = keys.place(word, length);
            while keys.places[place].is_some() {
                place = (place + 1) % count;
            }
            let rest = bytes.get(8..).unwrap_or_default().into();
            keys.places[place] = Some(ChildKey { word, length, rest, child: *child });
        }
        keys
    }

    #[inline]
    fn place(&self, word: u64, length: usize) -> usize {
        ((word ^ length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    #[inline]
    fn find(&self, bytes: &[u8], from: usize, to: usize) -> Option<NodeNumber> {
        if self.places.is_empty() {
            return None;
        }
        let length = to - from;
        let word = first_word(bytes, from, length);
        let mut place = self.place(word, length);
        // A free place comes, as most of them are.
        while let Some(key) = self.places.get(place)? {
            if key.word == word && key.length == length && (length <= 8 || *key.rest == bytes[from + 8..to]) {
                return Some(key.child);
            }
            place = (place + 1) & (self.places.len() - 1);
        }
        None
    }
}

/// The first eight bytes of a text, with zeros behind a shorter one.
#[inline]
fn first_word(bytes: &[u8], from: usize, length: usize) -> u64 {
    match load(bytes, from) {
        Some(word) if length >= 8 => word,
        Some(word) => word & ((1 << (8 * length)) - 1),
        None => {
            let text = &bytes[from..from + length];
            text.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
        }
    }
}

#[cfg(any(feature = "avro", feature = "protobuf"))]
impl Node {
    /// The value under a key.
    pub(super) fn child(&self, key: &[u8]) -> Option<NodeNumber> {
        self.children.iter().find(|(token, _)| *token.key == *key).map(|(_, child)| *child)
    }

    /// The values that are asked for by their places in an array.
    pub(super) fn places(&self) -> Vec<(usize, NodeNumber)> {
        self.children.iter().filter_map(|(token, child)| Some((token.place?, *child))).collect()
    }
}

impl Paths {
    pub(super) const ROOT: NodeNumber = 0;

    pub(super) fn new() -> Self {
        let number = COMPILED.fetch_add(1, Ordering::Relaxed);
        Paths { number, nodes: vec![Node::default()], columns: vec![0], levels: 0, arrays: Vec::new() }
    }

    #[inline]
    pub(super) fn node(&self, number: NodeNumber) -> &Node {
        &self.nodes[number]
    }

    /// The array of a level.
    pub(super) fn array(&self, level: usize) -> Option<NodeNumber> {
        self.nodes.iter().position(|node| node.levels.contains(&level))
    }

    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// The cell of a pointer into the whole record.
    pub(super) fn cell(&mut self, pointer: &[PointerToken]) -> TargetCell {
        self.cell_from(Self::ROOT, 0, pointer)
    }

    /// The cell of a pointer into an element.
    pub(super) fn cell_in(&mut self, elements: &Elements, pointer: &[PointerToken]) -> TargetCell {
        self.cell_from(elements.root, elements.table, pointer)
    }

    fn cell_from(&mut self, root: NodeNumber, table: usize, pointer: &[PointerToken]) -> TargetCell {
        let node = self.walk(root, pointer);
        let columns = &mut self.columns[table];
        *self.nodes[node].cell.get_or_insert_with(|| {
            *columns += 1;
            TargetCell { table, column: *columns - 1 }
        })
    }

    /// The elements of an array, or of arrays inside one another, each found from an element of the one before.
    pub(super) fn elements(&mut self, path: &[Vec<PointerToken>]) -> Elements {
        if let Some(known) = self.arrays.iter().find(|known| known.path == path) {
            return known.clone();
        }
        let (mut root, mut node, mut levels) = (Self::ROOT, Self::ROOT, Vec::new());
        for pointer in path {
            node = self.walk(root, pointer);
            levels.push(self.levels);
            self.nodes[node].levels.push(self.levels);
            self.levels += 1;
            root = match self.nodes[node].elements {
                Some(elements) => elements,
                None => {
                    let elements = self.nodes.len();
                    self.nodes.push(Node::default());
                    *self.nodes[node].elements.insert(elements)
                }
            };
        }
        let table = self.columns.len();
        self.columns.push(0);
        self.nodes[node].rows = Some(table);
        let elements = Elements { table, levels, root, path: path.to_vec() };
        self.arrays.push(elements.clone());
        elements
    }

    fn walk(&mut self, from: NodeNumber, pointer: &[PointerToken]) -> NodeNumber {
        pointer.iter().fold(from, |node, token| {
            let known = self.nodes[node].children.iter().find(|(known, _)| known == token);
            if let Some((_, child)) = known {
                return *child;
            }
            let child = self.nodes.len();
            self.nodes.push(Node::default());
            self.nodes[node].children.push((token.clone(), child));
            child
        })
    }

    /// Works out what a repeated key makes forgotten, and how keys are found; nothing is added after that.
    pub(super) fn finish(&mut self) {
        self.below(Self::ROOT);
        self.nodes.iter_mut().for_each(|node| node.keys = KeyTable::of(&node.children));
    }

    fn below(&mut self, number: NodeNumber) -> Subtree {
        let node = &self.nodes[number];
        let mut below = Subtree::default();
        below.cells.extend(node.cell);
        below.levels.extend(&node.levels);
        below.tables.extend(node.rows);
        let children: Vec<NodeNumber> = node.children.iter().map(|(_, child)| *child).collect();
        let elements = node.elements;
        for child in children {
            let inside = self.below(child);
            below.cells.extend(inside.cells);
            below.levels.extend(inside.levels);
            below.tables.extend(inside.tables);
        }
        if let Some(elements) = elements {
            // Cells of elements are in rows, which go with their tables.
            let inside = self.below(elements);
            below.levels.extend(inside.levels);
            below.tables.extend(inside.tables);
        }
        self.nodes[number].below = below.clone();
        below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_split_as_rfc_6901_says() {
        let keys = |pointer: &str| -> Option<Vec<String>> {
            parse(pointer).map(|tokens| {
                tokens.iter().map(|token| String::from_utf8_lossy(&token.key).into_owned()).collect()
            })
        };
        let cases: [(&str, Option<&[&str]>); 8] = [
            ("", Some(&[])),
            ("/", Some(&[""])),
            ("/a/b", Some(&["a", "b"])),
            ("/a~1b/m~0n", Some(&["a/b", "m~n"])),
            ("/~01", Some(&["~1"])),
            ("a", None),
            ("/~2", None),
            ("/~", None),
        ];
        for (pointer, expected) in cases {
            let expected = expected.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
            assert_eq!(keys(pointer), expected, "{pointer:?}");
        }
        let places = parse("/0/12/01/x").unwrap();
        assert_eq!(
            places.iter().map(|token| token.place).collect::<Vec<_>>(),
            [Some(0), Some(12), None, None]
        );
    }
}
