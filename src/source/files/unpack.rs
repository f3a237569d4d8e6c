//! From packed bytes to content, member by member.
//!
//! gzip is unpacked by flate2 on zlib-rs ([`super::gzip`]) and Zstandard by the reference library, both with
//! all their members and frames as one content; zip by the crate of that name, by its directory: the local
//! headers alone may tell of what was deleted, and need not tell lengths. The directory stands at the end, so
//! a zip that comes through a pipe is put into a temporary file first.

use super::ArchiveNames;
use super::format::{self, Compression};
use super::gzip::Gzip;
use super::lines::{Bytes, ReadStop};
use crate::exit::{Exit, Failure};
use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom};
use zip::ZipArchive;
use zip::result::ZipError;

/// Packed bytes are read so many at a time.
const PACKED: usize = 64 << 10;

/// Where bytes come from.
pub(super) enum ByteSource {
    /// A regular file, at its beginning.
    File(File),
    /// What can be read once: a pipe, a terminal, a device.
    Stream {
        /// Its bytes.
        from: Box<dyn Read>,
        /// Whether somebody may still be writing it.
        live: bool,
    },
}

/// Takes members one by one.
pub(super) type TakeMember<'a> = dyn FnMut(&mut Bytes<'_>, &ArchiveNames<'_>) -> Result<(), ReadStop> + 'a;

/// Gives the content of each member in turn; what is no zip has one.
pub(super) fn members(
    raw: ByteSource,
    named: &ArchiveNames<'_>,
    take: &mut TakeMember<'_>,
) -> Result<(), ReadStop> {
    let unreadable = |error: io::Error| unreadable(&error);
    let mut head = Vec::new();
    let (packing, mut content, live): (Compression, Box<dyn Read>, bool) = match raw {
        ByteSource::File(mut file) => {
            let packing = packing(&mut file, &mut head)?;
            file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
            if packing == Compression::Zip {
                return zip(file, named, take);
            }
            (packing, Box::new(file), false)
        }
        ByteSource::Stream { mut from, live } => {
            let packing = packing(&mut from, &mut head)?;
            let mut whole = Cursor::new(head).chain(from);
            if packing == Compression::Zip {
                return zip(spool(&mut whole)?, named, take);
            }
            (packing, Box::new(whole), live)
        }
    };
    match packing {
        Compression::Plain | Compression::Zip => {}
        Compression::Gzip => {
            content = Box::new(Gzip::new(BufReader::with_capacity(PACKED, content)));
        }
        Compression::Zstd => {
            let packed = BufReader::with_capacity(PACKED, content);
            content = Box::new(zstd::Decoder::with_buffer(packed).map_err(unreadable)?);
        }
    }
    take(&mut Bytes { from: &mut content, live }, named)
}

/// Reads as many bytes as it takes to tell how the rest is packed, and no more than are there.
pub(super) fn packing(from: &mut dyn Read, head: &mut Vec<u8>) -> Result<Compression, ReadStop> {
    let mut buffer = [0; 512];
    let mut complete = false;
    loop {
        if let Some(packing) = format::packing(head, complete)? {
            return Ok(packing);
        }
        match from.read(&mut buffer) {
            Ok(length) => {
                head.extend_from_slice(&buffer[..length]);
                complete = length == 0;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error).into()),
        }
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(Exit::Unreachable, format!("it cannot be read: {error}"))
}

/// Puts a stream into a file without a name.
fn spool(from: &mut dyn Read) -> Result<File, Failure> {
    let mut copy = || -> io::Result<File> {
        let mut file = tempfile::tempfile()?;
        io::copy(from, &mut file)?;
        Ok(file)
    };
    copy().map_err(|error| {
        let folder = std::env::temp_dir();
        let words = format!("this zip cannot be put into a file in {}: {error}", folder.display());
        Failure::new(Exit::Unreachable, words).hint("name the zip itself, or make room there")
    })
}

fn zip(file: File, named: &ArchiveNames<'_>, take: &mut TakeMember<'_>) -> Result<(), ReadStop> {
    let broken = |error: ZipError| {
        Failure::new(Exit::Unreachable, format!("this zip cannot be read: {error}"))
            .hint("get it again if it is damaged or cut off")
    };
    let mut archive = ZipArchive::new(BufReader::with_capacity(PACKED, file)).map_err(broken)?;
    if archive.index_for_name("[Content_Types].xml").is_some() {
        return Err(format::foreign::failure("a document of an office program (xlsx)").into());
    }
    let mut found = false;
    for number in 0..archive.len() {
        let member = archive.by_index_raw(number).map_err(broken)?;
        let name = member.name().map_err(broken)?.into_owned();
        let locked = member.encrypted();
        // What macOS adds to an archive is none of its owner's files.
        let other = member.is_dir() || name.starts_with("__MACOSX/");
        drop(member);
        if other {
            continue;
        }
        found = true;
        if locked {
            return Err(Failure::new(Exit::Unreachable, format!("its member {name} is encrypted"))
                .hint("unpack it with its password first")
                .into());
        }
        let mut member = archive.by_index(number).map_err(|error| {
            Failure::new(Exit::Unreachable, format!("its member {name} cannot be unpacked: {error}"))
                .hint("unpack it with the program that made it, or make it with plain deflate")
        })?;
        let named = ArchiveNames { member: Some(&name), ..*named };
        take(&mut Bytes { from: &mut member, live: false }, &named).map_err(|stop| match stop {
            ReadStop::Failed(failure) => ReadStop::Failed(of_member(&name, &failure)),
            ReadStop::Closed => ReadStop::Closed,
        })?;
    }
    if !found {
        return Err(Failure::new(Exit::Unreachable, "this zip has no members").into());
    }
    Ok(())
}

/// A failure of a member, with its name.
pub(super) fn of_member(name: &str, failure: &Failure) -> Failure {
    let told = Failure::new(failure.exit(), format!("of its member {name}: {failure}"));
    match failure.what_to_do() {
        Some(hint) => told.hint(hint),
        None => told,
    }
}
