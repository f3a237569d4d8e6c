//! Whether two names are one file, also by way of links, of standard input and output, and before it exists.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The device and the number by which the system knows a file: equal for all hard links to it.
pub(super) type Inode = (u64, u64);

/// Whether two paths are one file. Devices such as `/dev/null` may be named as often as one likes.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    let special =
        |path: &Path| std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    (whole(a) == whole(b) || inode(a).is_some_and(|of_a| Some(of_a) == inode(b))) && !special(a)
}

/// The inode of a file or a folder.
pub(super) fn inode(path: &Path) -> Option<Inode> {
    std::fs::metadata(path).ok().as_ref().map(inode_of)
}

/// The inode of a regular file.
pub(super) fn regular_inode(path: &Path) -> Option<Inode> {
    std::fs::metadata(path).ok().as_ref().and_then(inode_of_regular)
}

/// The inode of what standard input or output is, where that is a regular file.
pub(super) fn inode_of_stream(stream: impl AsFd) -> Option<Inode> {
    let metadata = stream.as_fd().try_clone_to_owned().and_then(|owned| File::from(owned).metadata());
    metadata.as_ref().ok().and_then(inode_of_regular)
}

/// The inode of standard input, where that is a regular file.
pub(super) fn inode_of_stdin() -> Option<Inode> {
    inode_of_stream(io::stdin())
}

fn inode_of(found: &Metadata) -> Inode {
    (found.dev(), found.ino())
}

fn inode_of_regular(found: &Metadata) -> Option<Inode> {
    found.is_file().then(|| inode_of(found))
}

/// The path without links and relative parts; of a file that does not exist yet, by its folder.
fn whole(path: &Path) -> PathBuf {
    if let Ok(whole) = path.canonicalize() {
        return whole;
    }
    let name: OsString = path.file_name().unwrap_or_default().to_owned();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    folder.canonicalize().map_or_else(|_| path.to_owned(), |folder| folder.join(name))
}
