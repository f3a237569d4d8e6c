//! A partition as a file: what its lines are, what it is called, how it is packed.

use super::Random;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

/// As the exchange writes it above its archives.
pub(super) const HEADER: &str = "id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch";

/// The lines of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tape {
    pub(crate) lines: Vec<Vec<u8>>,
    /// The symbol of an archive, which is CSV; else the lines are JSON.
    pub(crate) archive_of: Option<String>,
    pub(crate) packing: Packing,
    /// Its JSON is read by `tests/formats/any-ids.toml`.
    pub(crate) is_mapped: bool,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    /// The last line has no end.
    Unended,
    /// Two members.
    Gzip,
    /// Two frames.
    Zstd,
    /// Two files.
    Zip,
}

impl Packing {
    pub(super) fn draw(random: &mut Random) -> Packing {
        if random.chance(80) {
            return Packing::Plain;
        }
        random.one_of(&[Packing::Unended, Packing::Gzip, Packing::Zstd, Packing::Zip])
    }
}

impl Tape {
    pub(crate) fn file(&self) -> oracle::File {
        let (archive_of, is_mapped) = (self.archive_of.clone(), self.is_mapped);
        oracle::File { bytes: joined(&self.lines), archive_of, is_mapped }
    }

    /// Writes the partition of this number into the folder.
    pub(crate) fn write(&self, folder: &Path, number: usize) -> PathBuf {
        let name = match &self.archive_of {
            Some(symbol) => format!("{symbol}-trades-{number}.csv"),
            None => format!("{number}.jsonl"),
        };
        let (first, second) = self.lines.split_at(self.lines.len() / 2);
        let members = [joined(first), joined(second)];
        let (end, bytes) = match self.packing {
            Packing::Plain => ("", members.concat()),
            Packing::Unended => ("", members.concat().strip_suffix(b"\n").unwrap_or_default().to_vec()),
            Packing::Gzip => (".gz", members.map(|member| gzipped(&member)).concat()),
            Packing::Zstd => {
                (".zst", members.map(|member| zstd::encode_all(&*member, 1).expect("packed")).concat())
            }
            Packing::Zip => (".zip", zipped(&members, &name)),
        };
        let path = folder.join(format!("{name}{end}"));
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).expect("packed");
    packer.finish().expect("packed")
}

fn zipped(members: &[Vec<u8>], name: &str) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (place, member) in members.iter().enumerate() {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(format!("{place}/{name}"), options).expect("a member");
        archive.write_all(member).expect("packed");
    }
    archive.finish().expect("an archive").into_inner()
}
