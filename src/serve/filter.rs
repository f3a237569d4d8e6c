//! Which rows somebody wants: by kind, by name and by the definition of their window.

use crossrate_dataflows::market::row::RowKind;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Kinds, names and window definitions; each is everything where it is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    kinds: Option<BTreeSet<RowKind>>,
    names: Option<BTreeSet<Arc<str>>>,
    windows: Option<BTreeSet<Arc<str>>>,
}

impl Filter {
    /// These kinds of these names.
    pub fn new(kinds: Option<BTreeSet<RowKind>>, names: Option<BTreeSet<Arc<str>>>) -> Self {
        Filter { kinds, names, windows: None }
    }

    /// Of these, the windows of these definitions only.
    #[must_use]
    pub fn of_windows(self, windows: Option<BTreeSet<Arc<str>>>) -> Self {
        Filter { windows, ..self }
    }

    /// Whether the windows of that definition are wanted.
    pub fn admits_window(&self, window: &str) -> bool {
        self.windows.as_ref().is_none_or(|windows| windows.contains(window))
    }

    /// The definitions whose windows are wanted, where not all are.
    pub fn windows(&self) -> Option<&BTreeSet<Arc<str>>> {
        self.windows.as_ref()
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
