//! One pass over the bytes of a record: all of it is checked to be JSON, and what pointers ask for is noted.
//!
//! No tree is built. Of a repeated key the last counts: what an earlier one brought is forgotten when it comes again.

use super::finds::{Finds, FoundValue};
use super::paths::{Node, NodeNumber, Paths, PointerToken};
use crate::wire::BadRecord;
use crate::wire::json::{MOST_LEVELS, Scanner, bad, unescape};

/// Walks a record. It must be one object or one array.
pub(super) fn walk(bytes: &[u8], paths: &Paths, finds: &mut Finds) -> Result<(), BadRecord> {
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(bad("not UTF-8", error.valid_up_to()));
    }
    finds.begin(paths);
    let mut walker = JsonWalker { scanner: Scanner::new(bytes), paths, finds };
    walker.scanner.skip_space();
    let is_container = matches!(walker.scanner.peek(), Some(b'{' | b'['));
    walker.value(Some(paths.node(Paths::ROOT)), 0)?;
    walker.scanner.skip_space();
    if !walker.scanner.is_at_end() {
        return Err(bad("more after the end of the JSON value", walker.scanner.at()));
    }
    if is_container { Ok(()) } else { Err(bad("not a JSON object or array", 0)) }
}

struct JsonWalker<'a> {
    scanner: Scanner<'a>,
    paths: &'a Paths,
    finds: &'a mut Finds,
}

impl<'a> JsonWalker<'a> {
    /// One value and all that is in it.
    #[inline]
    fn value(&mut self, node: Option<&'a Node>, depth: usize) -> Result<(), BadRecord> {
        let from = self.scanner.at();
        let found = match self.scanner.peek() {
            Some(b'"') => {
                let (from, to, escaped) = self.scanner.string()?;
                FoundValue::text(from, to, escaped)
            }
            Some(b'-' | b'0'..=b'9') => {
                self.scanner.number()?;
                FoundValue::Number { from: from as u32, to: self.scanner.at() as u32 }
            }
            Some(b'{' | b'[') => return self.container(node, depth),
            Some(b't') => self.scanner.word(b"true").map(|_| FoundValue::Bool(true))?,
            Some(b'f') => self.scanner.word(b"false").map(|_| FoundValue::Bool(false))?,
            Some(b'n') => self.scanner.word(b"null").map(|_| FoundValue::Null { at: from as u32 })?,
            Some(_) => return Err(bad("not JSON: a value is missing", from)),
            None => return Err(bad("not JSON: it ends too early", from)),
        };
        self.finds.put(node, found);
        Ok(())
    }

    /// An object or an array. The depth is bounded, and so is the recursion.
    fn container(&mut self, node: Option<&'a Node>, depth: usize) -> Result<(), BadRecord> {
        let at = self.scanner.at();
        if depth == MOST_LEVELS {
            return Err(bad("nested more than 128 levels deep", at));
        }
        self.finds.put(node, FoundValue::Container { at: at as u32 });
        match self.scanner.peek() {
            Some(b'{') => self.object(node, depth),
            _ => self.array(node, depth),
        }
    }

    fn object(&mut self, node: Option<&'a Node>, depth: usize) -> Result<(), BadRecord> {
        let container = self.finds.enter();
        self.scanner.step();
        self.scanner.skip_space();
        if self.scanner.peek() == Some(b'}') {
            self.scanner.step();
            return Ok(());
        }
        loop {
            let paths = self.paths;
            let child = self.key(node)?.map(|number| (paths.node(number), number));
            if let Some((child, number)) = child {
                self.finds.meet(child, number, container);
            }
            let child = child.map(|(child, _)| child);
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
        let child = match node {
            None => None,
            Some(node) if escaped => {
                unescape(&self.scanner.bytes()[from..to], &mut self.finds.key);
                let key = self.finds.key.as_bytes();
                node.child_at(key, 0, key.len())
            }
            Some(node) => node.child_at(self.scanner.bytes(), from, to),
        };
        self.scanner.skip_space();
        if self.scanner.peek() != Some(b':') {
            return Err(bad("not JSON: a colon is missing", self.scanner.at()));
        }
        self.scanner.step();
        Ok(child)
    }

    fn array(&mut self, node: Option<&'a Node>, depth: usize) -> Result<(), BadRecord> {
        self.finds.begin_array(node);
        self.scanner.step();
        self.scanner.skip_space();
        if self.scanner.peek() == Some(b']') {
            self.scanner.step();
            return Ok(());
        }
        for place in 0.. {
            if let Some((_, child)) = node.and_then(|node| at_place(node, place)) {
                let from = self.scanner.at();
                self.value(Some(self.paths.node(*child)), depth + 1)?;
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
    fn element_value(&mut self, node: Option<&'a Node>, depth: usize) -> Result<(), BadRecord> {
        let Some((node, elements)) = node.and_then(|node| Some((node, node.elements?))) else {
            return self.value(None, depth + 1);
        };
        self.finds.begin_element(node);
        self.value(Some(self.paths.node(elements)), depth + 1)
    }

    fn no_end(&self, found: Option<u8>) -> BadRecord {
        match found {
            Some(_) => bad("not JSON: want a comma or the end of the container", self.scanner.at()),
            None => bad("not JSON: it ends too early", self.scanner.at()),
        }
    }
}

/// What is asked of the element at a place.
fn at_place(node: &Node, place: usize) -> Option<&(PointerToken, NodeNumber)> {
    node.children.iter().find(|(token, _)| token.place == Some(place))
}
