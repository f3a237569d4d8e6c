//! Whether a packed file is whole, found out before anything is made of it: rows of a file that is damaged
//! cannot be taken back once they are final.
//!
//! By the SHA-256 of the `.CHECKSUM` file beside it where there is one, as the exchange publishes them; else,
//! where rows are committed, by unpacking it once for the CRC within it.

use super::format::Compression;
use super::lines::ReadStop;
use super::unpack::{self, ByteSource};
use super::{ArchiveNames, file_name};
use crate::checksum::{HashingWriter, told};
use crate::exit::{Exit, Failure};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// So much is read at a time.
const AT_ONCE: usize = 256 << 10;
/// More than a checksum has.
const LONGEST_CHECKSUM: u64 = 4 << 10;

/// Verifies a file; it is then at its beginning again. Without a checksum beside it, it is unpacked if
/// `is_committed`.
pub(super) fn verify(
    path: &Path,
    file: &mut File,
    is_committed: bool,
    interrupted: &AtomicBool,
) -> Result<(), ReadStop> {
    let mut rewound =
        || file.seek(SeekFrom::Start(0)).and_then(|_| file.try_clone()).map_err(|error| unreadable(&error));
    if unpack::packing(&mut rewound()?, &mut Vec::new())? == Compression::Plain {
        rewound()?;
        return Ok(());
    }
    let copy = rewound()?;
    match published(path)? {
        Some((beside, wanted)) => compare(copy, &beside, &wanted, interrupted)?,
        None if is_committed => unpack_once(copy, path, interrupted)?,
        None => {}
    }
    rewound()?;
    Ok(())
}

/// The SHA-256 that stands in the file beside it, in lowercase.
fn published(path: &Path) -> Result<Option<(PathBuf, String)>, Failure> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".CHECKSUM");
    let beside = PathBuf::from(beside);
    let shown = beside.display().to_string();
    // A pipe would wait for its writer.
    if std::fs::metadata(&beside).is_ok_and(|found| !found.is_file()) {
        return Err(Failure::new(Exit::Unreachable, format!("its checksum {shown} is no regular file"))
            .hint("take it away, or read without it: --no-verify"));
    }
    let mut text = String::new();
    match File::open(&beside).and_then(|file| file.take(LONGEST_CHECKSUM).read_to_string(&mut text)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::new(
                Exit::Unreachable,
                format!("its checksum {shown} cannot be read: {error}"),
            )
            .hint("mend that file, or read without it: --no-verify"));
        }
        Ok(_) => {}
    }
    let Some(sum) = told(&text) else {
        return Err(Failure::new(Exit::Unreachable, format!("its checksum {shown} holds no SHA-256"))
            .hint("get that file again, or read without it: --no-verify"));
    };
    Ok(Some((beside, sum)))
}

fn compare(mut file: File, beside: &Path, wanted: &str, interrupted: &AtomicBool) -> Result<(), ReadStop> {
    let mut summed = HashingWriter::new(io::sink());
    read_all(&mut file, interrupted, |bytes| summed.add(bytes))
        .map_err(|stop| stop.named(|error| unreadable(&error)))?;
    let (_, found) = summed.finish();
    if found == wanted {
        return Ok(());
    }
    let words = format!("its SHA-256 is {found}, and {} says {wanted}", beside.display());
    Err(Failure::new(Exit::Unreachable, words)
        .hint("get both again; nothing of it was read (--no-verify reads it all the same)")
        .into())
}

fn unpack_once(file: File, path: &Path, interrupted: &AtomicBool) -> Result<(), ReadStop> {
    let damaged = |error: io::Error| {
        Failure::new(Exit::Unreachable, format!("it is damaged or cut off: {error}"))
            .hint("get it again; nothing of it was read (--no-verify reads it as far as it goes)")
    };
    let name = file_name(path);
    let named = ArchiveNames { file: name.as_deref(), member: None, symbol: None, mapping: None };
    unpack::members(ByteSource::File(file), &named, &mut |bytes, _| {
        read_all(bytes.from, interrupted, |_| {}).map_err(|stop| stop.named(damaged))
    })
}

/// Why reading stopped.
enum ReadBreak {
    Interrupted,
    Failed(io::Error),
}

impl ReadBreak {
    fn named(self, failed: impl FnOnce(io::Error) -> Failure) -> ReadStop {
        match self {
            ReadBreak::Interrupted => ReadStop::Closed,
            ReadBreak::Failed(error) => ReadStop::Failed(failed(error)),
        }
    }
}

fn read_all(
    from: &mut dyn Read,
    interrupted: &AtomicBool,
    mut each: impl FnMut(&[u8]),
) -> Result<(), ReadBreak> {
    let mut buffer = vec![0; AT_ONCE];
    loop {
        if interrupted.load(Ordering::Relaxed) {
            return Err(ReadBreak::Interrupted);
        }
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => each(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadBreak::Failed(error)),
        }
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(Exit::Unreachable, format!("it cannot be read: {error}"))
}
