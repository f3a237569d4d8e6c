//! A day that is to be made into Parquet.

use crossrate_dataflows::market::row::RowKind;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// A day.
pub(super) struct Pack {
    /// The folder of its rows.
    pub(super) folder: PathBuf,
    /// Their kind.
    pub(super) kind: RowKind,
    /// They are of one window definition, which the folder's name tells.
    pub(super) of_window: bool,
    /// Nothing is added to it any more.
    pub(super) over: bool,
    /// Keeps the folder locked until it is done.
    pub(super) _lock: Arc<File>,
}
