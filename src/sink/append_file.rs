//! A file that grows, and that a run which is taken up cuts back to what was committed.
//!
//! Opening it changes nothing in it: it is made where it is not there, and locked. What the checkpoint knows
//! of it is then looked up, and a file that no run of this job has written is left alone. It is cut only when
//! the run has made sure that the job is still its own ([`AppendFile::restore`]): a successor waits for the
//! lock, and a run that stood still between the two has been refused by then.

use crate::committed_files::content::{FileContent, RunningHash};
use crate::committed_files::{CommittedFiles, FileChange};
use crate::config::{Config, SinkTarget, Verbosity, can_be_cut};
use crate::exit::{Exit, Failure};
use crate::file_lock::lock;
use anyhow::Result;
use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Removes a file, where it is there.
pub(super) fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A reader that went away ends the run quietly; anything else is a failure with a name.
pub(super) fn write_failed(name: &str, error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::new(Exit::PipeClosed, format!("{name} was closed")),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Failure::new(Exit::Failed, format!("cannot write to {name}"))
                .hint("make room on that disk; the last line there may be cut off")
                .because(error)
        }
        _ => Failure::new(Exit::Failed, format!("cannot write to {name}")).because(error),
    }
}

/// A file that grows.
pub(super) struct AppendFile {
    name: String,
    /// The whole path: what the checkpoint knows it by.
    key: String,
    file: File,
    /// What was committed of it.
    committed: FileContent,
    /// What is written by now.
    hash: RunningHash,
    /// A device or a pipe: it has no length, and takes what it is given.
    special: bool,
    /// What the checkpoint is to be told before the file is cut.
    claims: Vec<FileChange>,
}

/// What was committed of a file.
#[derive(Debug, Copy, Clone)]
pub(super) enum CommittedState {
    /// This.
    Content(FileContent),
    /// So many bytes: an earlier version knew nothing else, so they are read once.
    Length(u64),
}

/// What a file may hold of which the checkpoint knows nothing.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Strangers {
    /// Nothing: what others have made is not to be lost.
    Refuse,
    /// Anything: the user wants to begin anew.
    Replace,
}

impl AppendFile {
    /// Opens or makes a file of a run's own, by what the checkpoint says.
    pub(super) fn open(config: &Config, path: &Path, files: &CommittedFiles) -> Result<Self> {
        let strangers = if config.fresh { Strangers::Replace } else { Strangers::Refuse };
        let mut file = Self::opened(path)?;
        if !file.special {
            lock(&file.file, &file.name, files.predecessor.as_deref(), config.verbosity)?;
            let moved = match config.ledger() {
                Some(SinkTarget::File(ledger)) => MovedFile::of(files, &whole(ledger)),
                _ => None,
            };
            file.know(files, moved.as_ref(), strangers)?;
        }
        Ok(file)
    }

    /// Opens or makes one of which that was committed.
    pub(super) fn open_at(path: &Path, committed: CommittedState) -> Result<Self> {
        let mut file = Self::opened(path)?;
        lock(&file.file, &file.name, None, Verbosity::Quiet)?;
        let then = file.key.clone();
        file.holds(&then, committed)?;
        Ok(file)
    }

    fn opened(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let special = !can_be_cut(path);
        let new = !path.exists();
        let file = File::options().create(true).truncate(false).read(!special).write(true).open(path);
        let file = file.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot open {name} for writing"))
                .hint("name a file in a directory that exists and that you may write to")
                .because(error)
        })?;
        if new {
            // A file whose name is not on the disk would be gone after a power failure, however often it was
            // written.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let kept = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
            kept.map_err(|error| write_failed(&name, error))?;
        }
        let key = if special { name.clone() } else { whole(path) };
        let (committed, hash) = (FileContent::empty(), RunningHash::new());
        Ok(AppendFile { name, key, file, committed, hash, special, claims: Vec::new() })
    }

    /// What the checkpoint knows of it.
    fn know(
        &mut self,
        files: &CommittedFiles,
        moved: Option<&MovedFile>,
        strangers: Strangers,
    ) -> Result<()> {
        let Some(then) = known_as(files, &self.key, moved) else {
            self.is_nobodys(files, strangers)?;
            self.claims = vec![FileChange::Grows(self.key.clone(), FileContent::empty())];
            return Ok(());
        };
        let length = files.lengths.get(then).copied().unwrap_or(0);
        let committed = files.contents.get(then).copied();
        self.holds(then, committed.map_or(CommittedState::Length(length), CommittedState::Content))
    }

    /// Takes what was committed of it, under the name that it had then.
    fn holds(&mut self, then: &str, committed: CommittedState) -> Result<()> {
        let length = match committed {
            CommittedState::Content(content) => content.length,
            CommittedState::Length(length) => length,
        };
        self.is_as_long_as(length)?;
        let failed = |error| write_failed(&self.name, error);
        self.committed = match committed {
            CommittedState::Content(content) => content,
            CommittedState::Length(_) => FileContent::of(&mut self.file, length).map_err(failed)?,
        };
        let hash = RunningHash::go_on(&mut self.file, &self.committed).map_err(failed)?;
        self.hash = hash.ok_or_else(|| {
            let words =
                format!("{} is damaged: the last of its first {length} bytes are not as written", self.name);
            Failure::new(Exit::Failed, words).hint("put the file back, or start the job anew with --fresh")
        })?;
        if then != self.key || matches!(committed, CommittedState::Length(_)) {
            self.claims = vec![FileChange::Gone(then.to_owned())];
            self.claims.extend(self.noted());
        }
        Ok(())
    }

    /// Fails where the file holds what nobody has asked to lose.
    fn is_nobodys(&mut self, files: &CommittedFiles, strangers: Strangers) -> Result<()> {
        let failed = |error| write_failed(&self.name, error);
        let is_empty = self.file.metadata().map_err(failed)?.len() == 0;
        if is_empty || strangers == Strangers::Replace {
            return Ok(());
        }
        let name = &self.name;
        let (words, hint) = match files.until {
            None => (
                format!("{name} is not empty, and there is no checkpoint by which this job has written it"),
                "name another file; or say --fresh, which empties this one and begins the job anew",
            ),
            Some(_) => (
                format!("{name} is not empty, and the checkpoint of this job does not know it"),
                "name the file that the job has written to so far, or one that is new",
            ),
        };
        Err(Failure::new(Exit::Failed, words).hint(hint).into())
    }

    fn is_as_long_as(&self, length: u64) -> Result<()> {
        let name = &self.name;
        let found = self.file.metadata().map_err(|error| write_failed(name, error))?.len();
        if found >= length {
            return Ok(());
        }
        let lost = format!("{name} has {found} bytes, but the checkpoint says that {length} were written");
        Err(Failure::new(Exit::Failed, lost)
            .hint("put the file back, or start the job anew with --fresh")
            .into())
    }

    /// What the checkpoint is to know before anything of the file is changed.
    pub(super) fn claims(&self) -> Vec<FileChange> {
        self.claims.clone()
    }

    /// What the checkpoint says of it as it was committed, under the name that it has.
    pub(super) fn noted(&self) -> Vec<FileChange> {
        vec![FileChange::Grows(self.key.clone(), self.committed)]
    }

    /// Cuts it back to what was committed, and goes on from there. The job is this run's.
    pub(super) fn restore(&mut self) -> Result<()> {
        if self.special {
            return Ok(());
        }
        let length = self.committed.length;
        let cut = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::End(0)));
        cut.map(drop).map_err(|error| write_failed(&self.name, error).into())
    }

    /// Makes sure that what was written is on the disk; what that is.
    pub(super) fn sync(&mut self) -> Result<Vec<FileChange>> {
        if self.special {
            return Ok(Vec::new());
        }
        self.file.sync_data().map_err(|error| write_failed(&self.name, error))?;
        Ok(vec![FileChange::Grows(self.key.clone(), self.hash.content())])
    }
}

impl Write for AppendFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        if !self.special {
            self.hash.add(&bytes[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that holds the checkpoint was elsewhere when that was written: moved, or copied, with others beside
/// it.
struct MovedFile {
    from: PathBuf,
    to: PathBuf,
}

impl MovedFile {
    fn of(files: &CommittedFiles, ledger: &str) -> Option<MovedFile> {
        if files.lengths.contains_key(ledger) {
            return None;
        }
        let ledger = Path::new(ledger);
        let mut of_name =
            files.lengths.keys().map(Path::new).filter(|path| path.file_name() == ledger.file_name());
        let (Some(from), None) = (of_name.next(), of_name.next()) else { return None };
        Some(MovedFile { from: from.parent()?.to_owned(), to: ledger.parent()?.to_owned() })
    }

    /// Whether a file was there then, where another one is now.
    fn takes(&self, then: &str, now: &str) -> bool {
        let places = (Path::new(then).strip_prefix(&self.from), Path::new(now).strip_prefix(&self.to));
        matches!(places, (Ok(then), Ok(now)) if then == now)
    }
}

/// The whole path of a file that is there.
fn whole(path: &Path) -> String {
    path.canonicalize().as_deref().unwrap_or(path).display().to_string()
}

/// Under which path the checkpoint knows a file: its whole path, or, where it has been moved elsewhere, its
/// name, if that is one only. One that is still where it was has not been moved: then this is another file,
/// and not to be cut, unless the checkpoint has been moved from there too.
fn known_as<'a>(files: &'a CommittedFiles, key: &str, moved: Option<&MovedFile>) -> Option<&'a str> {
    let file_name = |path: &str| Path::new(path).file_name().map(ToOwned::to_owned);
    let gone = |path: &str| !Path::new(path).exists() || moved.is_some_and(|moved| moved.takes(path, key));
    if let Some((same, _)) = files.lengths.get_key_value(key) {
        return Some(same);
    }
    // One of which nothing was committed cannot be told from a stranger's by what it holds.
    let is_told =
        |path: &str| files.lengths.get(path) != Some(&0) || moved.is_some_and(|moved| moved.takes(path, key));
    let mut of_name =
        files.lengths.keys().filter(|path| file_name(path) == file_name(key) && gone(path) && is_told(path));
    match (of_name.next(), of_name.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}
