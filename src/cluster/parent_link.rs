//! The child's end of the line to the process that started it (`-n` without `-p`). When it breaks the parent
//! is gone, however it went, and the child ends. The parent's end is in `supervisor`.

use super::interrupt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

/// How the name of a private directory begins.
pub(super) const DIRECTORY: &str = "crossrate-";
/// The socket's name in the private directory.
pub(super) const SOCKET: &str = "parent";
/// What the parent sends when the run was interrupted.
pub(super) const INTERRUPT: u8 = b'I';

/// The line to the parent.
#[derive(Debug)]
pub(super) struct ParentLink(Mutex<UnixStream>);

static PARENT: OnceLock<ParentLink> = OnceLock::new();

/// The line to the parent, where there is one.
pub(super) fn parent() -> Option<&'static ParentLink> {
    PARENT.get()
}

/// Opens the line; once in a process. When the parent is gone, that is done which ends this process.
pub(super) fn open(directory: &Path, end: fn() -> !) -> io::Result<()> {
    if parent().is_some() {
        return Ok(());
    }
    let stream = UnixStream::connect(directory.join(SOCKET))?;
    let mut reading = stream.try_clone()?;
    let directory = directory.to_owned();
    if PARENT.set(ParentLink(Mutex::new(stream))).is_err() {
        return Ok(());
    }
    thread::Builder::new().name("cluster:lifeline".into()).spawn(move || {
        let mut byte = [0];
        loop {
            match reading.read(&mut byte) {
                Ok(1) if byte[0] == INTERRUPT => interrupt::myself(),
                Ok(1) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        // It cannot tidy up behind itself any more. Only what it has made is removed, whatever the
        // environment says.
        if directory.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DIRECTORY)) {
            let _ = fs::remove_dir_all(&directory);
        }
        end()
    })?;
    Ok(())
}

impl ParentLink {
    /// Tells the parent why this process ends.
    pub(super) fn tell(&self, words: &str) {
        let words = words.as_bytes();
        let words = words.get(..usize::from(u16::MAX)).unwrap_or(words);
        let mut bytes = (words.len() as u16).to_le_bytes().to_vec();
        bytes.extend(words);
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // If the parent does not hear it, it is gone, and nobody is left to hear.
        let _ = stream.write_all(&bytes);
    }
}
