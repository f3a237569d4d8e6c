//! Where the processes of one machine find their secret and each other.

use crate::cluster::places::SECRET;
use crate::cluster::{handshake, parent_link};
use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The longest path of a Unix socket on all systems, with some room.
const LONGEST_SOCKET_PATH: usize = 90;

/// A fresh directory that only this user can enter, with a fresh secret in it; gone when dropped.
pub(super) struct PrivateDirectory {
    pub(super) path: PathBuf,
}

impl PrivateDirectory {
    pub(super) fn make() -> io::Result<PrivateDirectory> {
        let name = format!("{}{}", parent_link::DIRECTORY, handshake::hex(&handshake::random::<8>()?));
        let mut path = env::temp_dir().join(&name);
        if path.as_os_str().len() > LONGEST_SOCKET_PATH {
            path = Path::new("/tmp").join(&name);
        }
        // Fails if it is there, so nobody can have prepared it.
        DirBuilder::new().mode(0o700).create(&path)?;
        let directory = PrivateDirectory { path };
        let secret = handshake::hex(&handshake::random::<32>()?);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.path.join(SECRET))?;
        file.write_all(secret.as_bytes())?;
        Ok(directory)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // What cannot be removed is empty of anything that is still worth hiding.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_private_directory_is_private_and_goes() {
        let directory = PrivateDirectory::make().expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&directory.path), 0o700);
        assert_eq!(mode(&directory.path.join(SECRET)), 0o600);
        assert_eq!(fs::read(directory.path.join(SECRET)).expect("read").len(), 64);
        let path = directory.path.clone();
        drop(directory);
        assert!(!path.exists());
    }
}
