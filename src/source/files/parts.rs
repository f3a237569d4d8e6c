//! An input member by member, its lines undecoded: for a look at what it is, on the caller's thread.

use super::format::{self, MOST_HEAD};
use super::lines::{Bytes, LONGEST, ReadStop, failed};
use super::{ArchiveNames, InputFile, unpack};
use crate::exit::Failure;
use crate::wire::chunk::LineFormat;
use crate::wire::format::Format;
use anyhow::{Context, Result};
use std::ops::ControlFlow;

/// A member of an archive of files, or all of an input.
#[derive(Debug)]
pub struct ArchivePart<'a> {
    number: usize,
    named: ArchiveNames<'a>,
    /// Its first lines, or all of it.
    head: Vec<u8>,
    is_complete: bool,
}

impl ArchivePart<'_> {
    /// Its place among the members, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Its first lines.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether it is a table with a header that is none of an archive.
    pub fn has_other_columns(&self) -> bool {
        format::has_other_columns(&self.head)
    }

    /// How its lines are read by a format, and by this symbol where its name tells none.
    pub fn line_format(&self, format: &Format, symbol: Option<&str>) -> Result<LineFormat, Failure> {
        let mapping = match format {
            Format::Binance => None,
            Format::Mapped(mapping) => Some(mapping),
        };
        let named = ArchiveNames { mapping, symbol: symbol.or(self.named.symbol), ..self.named };
        // So much of a head tells it.
        let is_complete = self.is_complete || self.head.len() >= MOST_HEAD;
        let told = format::lines(&self.head, is_complete, &named).map_err(|failure| match named.member {
            Some(member) => unpack::of_member(member, &failure),
            None => failure,
        })?;
        Ok(told.unwrap_or(LineFormat::Json))
    }
}

impl InputFile {
    /// Gives its lines, many at a time, until it is told to stop.
    pub fn parts(self, take: &mut dyn FnMut(&ArchivePart<'_>, &[u8]) -> ControlFlow<()>) -> Result<()> {
        let name = self.name;
        let outcome = self.place.raw().map_err(ReadStop::from).and_then(|(raw, file)| {
            let symbol = self.symbol.as_deref();
            let named = ArchiveNames { file: file.as_deref(), member: None, symbol, mapping: None };
            let mut numbers = 0..;
            unpack::members(raw, &named, &mut |bytes, named| {
                member(bytes, named, numbers.next().unwrap_or_default(), take)
            })
        });
        match outcome {
            Ok(()) | Err(ReadStop::Closed) => Ok(()),
            Err(ReadStop::Failed(failure)) => Err(failure).with_context(|| format!("cannot read {name}")),
        }
    }
}

fn member(
    bytes: &mut Bytes<'_>,
    named: &ArchiveNames<'_>,
    number: usize,
    take: &mut dyn FnMut(&ArchivePart<'_>, &[u8]) -> ControlFlow<()>,
) -> Result<(), ReadStop> {
    let mut part: Option<ArchivePart<'_>> = None;
    let mut buffer = Vec::new();
    let (mut passed, mut is_cut) = (0, false);
    loop {
        let before = buffer.len();
        let outcome = bytes.read(&mut buffer);
        passed += (buffer.len() - before) as u64;
        let ended = matches!(outcome, Ok(0));
        if is_cut {
            let end = memchr::memchr(b'\n', &buffer).map(|end| end + 1);
            buffer.drain(..end.unwrap_or(buffer.len()));
            is_cut = end.is_none();
        }
        let whole = memchr::memrchr(b'\n', &buffer).map(|end| end + 1);
        let end = match whole {
            _ if ended => buffer.len(),
            Some(end) => end,
            None if buffer.len() > LONGEST => {
                // Too long for any record; what follows in this line is not looked at.
                buffer.truncate(LONGEST);
                is_cut = true;
                LONGEST
            }
            None => 0,
        };
        if end > 0 {
            let part = part.get_or_insert_with(|| {
                let head = buffer[..buffer.len().min(MOST_HEAD)].to_vec();
                ArchivePart { number, named: *named, head, is_complete: ended || outcome.is_err() }
            });
            if take(part, &buffer[..end]).is_break() {
                return Err(ReadStop::Closed);
            }
            buffer.drain(..end);
        }
        // What came before a failure is whole, but for its last line.
        outcome.map_err(|error| failed(&error, passed))?;
        if ended {
            return Ok(());
        }
    }
}
