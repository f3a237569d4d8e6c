//! Which records a mapping is for: what is at some places of them.

use super::paths::Cell;

#[derive(Debug)]
pub(super) struct Condition {
    /// As it was written.
    pub(super) pointer: String,
    pub(super) cell: Cell,
    pub(super) wanted: Wanted,
}

#[derive(Debug)]
pub(super) enum Wanted {
    Exists,
    OneOf(Vec<Scalar>),
}

/// A value that a condition or a side compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar {
    Text(String),
    /// Its digits, with a sign where it is negative.
    Integer(String),
    Bool(bool),
}
