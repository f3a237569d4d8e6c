//! Which records a mapping is for: what is at some places of them.

use super::paths::TargetCell;

#[derive(Debug)]
pub(super) struct Condition {
    /// As it was written.
    pub(super) pointer: String,
    pub(super) cell: TargetCell,
    pub(super) wanted: Requirement,
}

#[derive(Debug)]
pub(super) enum Requirement {
    Exists,
    OneOf(Vec<ScalarValue>),
}

/// A value that a condition or a side compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScalarValue {
    Text(String),
    /// Its digits, with a sign where it is negative.
    Integer(String),
    Bool(bool),
}
