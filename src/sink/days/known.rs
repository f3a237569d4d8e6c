//! What the checkpoint knows of a folder of files by day.

use super::layout::DaysLayout;
use crate::committed_files::{CommittedFiles, FileChange};
use crate::rows::days::DayFileKey;
use crate::sink::append_file::CommittedState;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the checkpoint knows of a folder.
#[derive(Default)]
pub(super) struct KnownDays {
    /// A run of this job has written here.
    pub(super) is_ours: bool,
    /// Days that are not over.
    pub(super) growing: BTreeMap<DayFileKey, CommittedState>,
    /// Days that are over, as far as they are noted.
    pub(super) whole: BTreeSet<DayFileKey>,
    /// All was in another folder when the checkpoint was written.
    pub(super) is_moved: bool,
    /// Names that are no more, and those that days which are over have now, where all was moved here.
    pub(super) renamed: Vec<FileChange>,
}

impl KnownDays {
    /// What the checkpoint knows of the files here; or, where all was moved here, of those in the one other
    /// folder that it knows. A folder that is still where it was has not been moved, unless the checkpoint is
    /// found beside this one.
    pub(super) fn of(layout: &DaysLayout, files: &CommittedFiles, holds_checkpoint: bool) -> KnownDays {
        let keys = files.lengths.keys().chain(files.whole.keys());
        let of_days = keys.filter_map(|key| layout.place(key).map(|(root, _)| root));
        let roots: BTreeSet<PathBuf> = of_days.chain(folders(layout, files).map(PathBuf::from)).collect();
        if roots.contains(&layout.root) {
            return KnownDays { is_ours: true, ..KnownDays::in_folder(layout, files, &layout.root) };
        }
        let mut roots = roots.into_iter();
        let (Some(root), None) = (roots.next(), roots.next()) else { return KnownDays::default() };
        if root.exists() && !holds_checkpoint {
            return KnownDays::default();
        }
        let mut known = KnownDays { is_moved: true, ..KnownDays::in_folder(layout, files, &root) };
        // A folder that has nothing of what was committed may be anybody's.
        known.is_ours = holds_checkpoint || !(known.growing.is_empty() && known.whole.is_empty());
        known.renamed = renamed(layout, files);
        known
    }

    fn in_folder(layout: &DaysLayout, files: &CommittedFiles, root: &Path) -> KnownDays {
        let place = |key: &String| layout.place(key).filter(|(of, _)| of == root).map(|(_, place)| place);
        let committed = |key: &String, length: u64| {
            files.contents.get(key).copied().map_or(CommittedState::Length(length), CommittedState::Content)
        };
        let growing =
            files.lengths.iter().filter_map(|(key, length)| Some((place(key)?, committed(key, *length))));
        let whole = files.whole.keys().filter_map(place).collect();
        KnownDays { growing: growing.collect(), whole, ..KnownDays::default() }
    }
}

/// What is to be noted where all was moved here; days that grow are noted when they are opened.
fn renamed(layout: &DaysLayout, files: &CommittedFiles) -> Vec<FileChange> {
    let keys = files.lengths.keys().chain(files.whole.keys()).filter(|key| layout.place(key).is_some());
    let gone = keys.chain(folders(layout, files)).cloned().map(FileChange::Gone);
    let whole = files.whole.iter().filter_map(|(key, content)| {
        let (_, place) = layout.place(key)?;
        Some(FileChange::Whole(layout.path(&place, layout.growing).display().to_string(), *content))
    });
    gone.chain(whole).collect()
}

/// The folders of such files that the checkpoint knows.
fn folders<'a>(layout: &DaysLayout, files: &'a CommittedFiles) -> impl Iterator<Item = &'a String> {
    let growing = layout.growing;
    files.folders.iter().filter(move |(_, name)| *name == growing).map(|(folder, _)| folder)
}
