//! Which rows somebody wants: by kind and by name.

use crossrate_dataflows::market::row::RowKind;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Kinds and names; each is everything where it is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    kinds: Option<BTreeSet<RowKind>>,
    names: Option<BTreeSet<Arc<str>>>,
}

impl Filter {
    /// These kinds of these names.
    pub fn new(kinds: Option<BTreeSet<RowKind>>, names: Option<BTreeSet<Arc<str>>>) -> Self {
        Filter { kinds, names }
    }

    /// Whether rows of that kind and name are wanted.
    pub fn admits(&self, kind: RowKind, name: &str) -> bool {
        self.admits_kind(kind) && self.names.as_ref().is_none_or(|names| names.contains(name))
    }

    /// Whether rows of that kind are wanted.
    pub fn admits_kind(&self, kind: RowKind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// The names that are wanted, where not all are.
    pub fn names(&self) -> Option<&BTreeSet<Arc<str>>> {
        self.names.as_ref()
    }
}
