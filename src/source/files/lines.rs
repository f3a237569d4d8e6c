//! Cuts what is read into chunks of whole lines and hands them over.
//!
//! Bytes are read into the very chunk that the worker will get; only the beginning of a line that is not yet
//! whole is copied, into the next one. Where much is there, chunks are of [`CHUNK`] bytes; from a pipe what
//! is there goes at once.

use super::prefix::PrefixMatch;
use super::{ArchiveNames, format};
use crate::exit::{Exit, Failure};
use crate::source::{Delivery, Feed, FeedClosed};
use crate::wire::archive;
use crate::wire::chunk::{Chunk, Framing, LineFormat, Prefix};
use crate::workers::Waker;
use std::io::{self, ErrorKind, Read};

/// How much is read at a time where it is there.
const CHUNK: usize = 256 << 10;
/// And where it may not be: what a pipe holds.
const AT_ONCE: usize = 64 << 10;
/// Of a longer line so much is kept and the rest dropped: more than any record may have
/// (`docs/semantics.md#input`), also behind the receive time of a capture line, so that the decoder refuses
/// it.
pub(super) const LONGEST: usize = (16 << 20) + (64 << 10);

/// Why reading stops before the end.
#[derive(Debug)]
pub(super) enum ReadStop {
    /// The run is ending.
    Closed,
    /// The input cannot be read.
    Failed(Failure),
}

impl From<FeedClosed> for ReadStop {
    fn from(FeedClosed: FeedClosed) -> Self {
        ReadStop::Closed
    }
}

impl From<Failure> for ReadStop {
    fn from(failure: Failure) -> Self {
        ReadStop::Failed(failure)
    }
}

/// How lines are to be handed over.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The first record to hand over.
    pub record: u64,
    /// What an earlier run has read, to be found again.
    pub known: Option<Prefix>,
    /// Whether a later run may want to find again what this one reads.
    pub remember: bool,
    /// Lines a chunk at most.
    pub most_lines: usize,
}

/// Bytes, and whether reading them may have to wait for somebody who writes them.
pub(super) struct Bytes<'a> {
    pub(super) from: &'a mut dyn Read,
    pub(super) live: bool,
}

impl Bytes<'_> {
    /// Appends what is there, waiting only where nothing is; 0 at the end.
    pub(super) fn read(&mut self, to: &mut Vec<u8>) -> io::Result<usize> {
        let before = to.len();
        if !self.live {
            let most = CHUNK.saturating_sub(before).max(AT_ONCE);
            to.reserve(most);
            return (&mut *self.from).take(most as u64).read_to_end(to);
        }
        to.resize(before + AT_ONCE, 0);
        let outcome = loop {
            match self.from.read(&mut to[before..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        to.truncate(before + outcome.as_ref().map_or(0, |n| *n));
        outcome
    }
}

/// Cuts and hands over the lines of one partition.
pub(super) struct LineCutter<'a> {
    feed: &'a Feed,
    waker: &'a Waker,
    most_lines: usize,
    /// Records still to be passed over.
    skip: u64,
    recognition: Option<PrefixMatch>,
    /// What was read and not yet handed over.
    chunk: Chunk,
    /// Bytes of all members before the chunk.
    passed: u64,
}

impl<'a> LineCutter<'a> {
    pub(super) fn new(start: &Start, feed: &'a Feed, waker: &'a Waker) -> Self {
        let recognition = (start.remember || start.known.is_some()).then(|| PrefixMatch::new(start.known));
        LineCutter {
            feed,
            waker,
            most_lines: start.most_lines.max(1),
            skip: start.record,
            recognition,
            chunk: Chunk::default(),
            passed: 0,
        }
    }

    /// Hands over the lines of a member, which is all there is but in a zip. There the end of a member ends
    /// its last line.
    pub(super) fn member(&mut self, bytes: &mut Bytes<'_>, named: &ArchiveNames<'_>) -> Result<(), ReadStop> {
        let mut format = None;
        // Where the chunk may hold the end of a line.
        let mut unseen = 0;
        self.chunk = self.fresh();
        loop {
            let outcome = bytes.read(&mut self.chunk.bytes);
            let ended = matches!(outcome, Ok(0));
            if format.is_none() {
                format = format::lines(&self.chunk.bytes, ended || outcome.is_err(), named)?;
            }
            if let Some(format) = &format {
                if outcome.is_ok() && self.is_too_long(unseen) {
                    self.cut_short(bytes, format)?;
                    unseen = 0;
                }
                if let Some(place) = memchr::memrchr(b'\n', &self.chunk.bytes[unseen..]) {
                    let mut rest = self.fresh();
                    rest.bytes.extend_from_slice(&self.chunk.bytes[unseen + place + 1..]);
                    self.chunk.bytes.truncate(unseen + place + 1);
                    let whole = std::mem::replace(&mut self.chunk, rest);
                    self.cut(whole, format)?;
                }
                unseen = self.chunk.bytes.len();
            }
            // What came before a failure is whole, but for its last line.
            outcome.map_err(|error| self.failed(&error))?;
            if ended {
                break;
            }
        }
        let mut rest = std::mem::take(&mut self.chunk);
        if named.member.is_some() && rest.bytes.last().is_some_and(|b| *b != b'\n') {
            rest.bytes.push(b'\n');
        }
        self.cut(rest, &format.unwrap_or(LineFormat::Json))
    }

    /// There is no more.
    pub(super) fn end(mut self) -> Result<(), ReadStop> {
        match &mut self.recognition {
            Some(recognition) => Ok(recognition.end()?),
            None => Ok(()),
        }
    }

    /// A chunk to fill. One that a long line has blown up is let go.
    fn fresh(&self) -> Chunk {
        let chunk = self.feed.spare();
        if chunk.bytes.capacity() > 4 * CHUNK { Chunk::default() } else { chunk }
    }

    /// Hands whole lines over, so many at a time at most.
    fn cut(&mut self, mut chunk: Chunk, format: &LineFormat) -> Result<(), ReadStop> {
        let mut begun = 0;
        while let Some(length) = length_of(&chunk.bytes[begun..], self.most_lines) {
            let mut part = self.fresh();
            part.bytes.extend_from_slice(&chunk.bytes[begun..begun + length]);
            begun += length;
            self.take(&part.bytes)?;
            self.hand_over(part, format)?;
        }
        chunk.bytes.drain(..begun);
        self.take(&chunk.bytes)?;
        self.hand_over(chunk, format)
    }

    /// Notes bytes that were read.
    fn take(&mut self, bytes: &[u8]) -> Result<(), ReadStop> {
        self.passed += bytes.len() as u64;
        match &mut self.recognition {
            Some(recognition) => Ok(recognition.take(bytes)?),
            None => Ok(()),
        }
    }

    /// Hands a chunk over, but for the records that are to be passed over.
    fn hand_over(&mut self, mut chunk: Chunk, format: &LineFormat) -> Result<(), ReadStop> {
        if self.skip > 0 {
            let length = pass_over(&chunk.bytes, &mut self.skip, format);
            chunk.bytes.drain(..length);
        }
        if chunk.bytes.is_empty() {
            self.feed.recycle(chunk);
            return Ok(());
        }
        chunk.framing = Framing::Lines(format.clone());
        chunk.read = self.recognition.as_ref().map(PrefixMatch::so_far);
        self.feed.push(Delivery::Chunk(chunk))?;
        (self.waker)();
        Ok(())
    }

    /// Whether the first line of the chunk is too long; only that one can be.
    fn is_too_long(&self, unseen: usize) -> bool {
        let bytes = &self.chunk.bytes;
        bytes.len() > LONGEST
            && memchr::memchr(b'\n', &bytes[unseen..]).is_none_or(|length| unseen + length > LONGEST)
    }

    /// Hands over the head of the chunk's first line, which is too long for any record. The rest of the line
    /// is not kept, however long it is; what follows it is the next chunk.
    fn cut_short(&mut self, bytes: &mut Bytes<'_>, format: &LineFormat) -> Result<(), ReadStop> {
        let mut head = std::mem::take(&mut self.chunk);
        let mut rest = head.bytes.split_off(LONGEST);
        self.take(&head.bytes)?;
        // A head of white space would be no record: the first byte that is none makes it one.
        let black = |bytes: &[u8]| bytes.iter().copied().find(|b| !b.is_ascii_whitespace());
        let mut missing = black(&head.bytes).is_none();
        let next = loop {
            let line_end = memchr::memchr(b'\n', &rest);
            let part = &rest[..line_end.map_or(rest.len(), |end| end + 1)];
            if let Some(byte) = black(part).filter(|_| missing) {
                head.bytes.push(byte);
                missing = false;
            }
            self.take(part)?;
            if let Some(end) = line_end {
                break end + 1;
            }
            rest.clear();
            if bytes.read(&mut rest).map_err(|error| self.failed(&error))? == 0 {
                break 0;
            }
        };
        head.bytes.push(b'\n');
        self.chunk.bytes.extend_from_slice(&rest[next..]);
        self.hand_over(head, format)
    }

    fn failed(&self, error: &io::Error) -> Failure {
        failed(error, self.passed + self.chunk.bytes.len() as u64)
    }
}

/// What is wrong with an input, and where in its content.
pub(super) fn failed(error: &io::Error, at: u64) -> Failure {
    // The cause is told in the same line: an `io::Error` of a decoder has no other use.
    match error.kind() {
        ErrorKind::UnexpectedEof => {
            Failure::new(Exit::Unreachable, format!("it is cut off behind byte {at} of its content: {error}"))
                .hint("get the whole of it again; what comes before was read")
        }
        _ => Failure::new(
            Exit::Unreachable,
            format!("it cannot be read behind byte {at} of its content: {error}"),
        )
        .hint("get it again if it is damaged; what comes before was read"),
    }
}

/// The length of so many lines, if there are more.
fn length_of(bytes: &[u8], lines: usize) -> Option<usize> {
    // Counting is several times as fast as going from line to line, which is mostly not needed.
    if bytes.len() <= lines || memchr::memchr_iter(b'\n', bytes).count() < lines {
        return None;
    }
    let end = memchr::memchr_iter(b'\n', bytes).nth(lines - 1)? + 1;
    (end < bytes.len()).then_some(end)
}

/// The length of so many records, and of what is none beside them. They are counted as the decoder counts
/// them.
fn pass_over(bytes: &[u8], records: &mut u64, format: &LineFormat) -> usize {
    let mut at = 0;
    while *records > 0 && at < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        let line = &bytes[at..end];
        let is_record = match format {
            LineFormat::Json => !line.trim_ascii().is_empty(),
            LineFormat::Csv { .. } => !line.trim_ascii().is_empty() && !archive::is_header(line),
            LineFormat::Mapped(mapping) => mapping.is_record(line),
        };
        *records -= u64::from(is_record);
        at = (end + 1).min(bytes.len());
    }
    at
}

/// Reads of a member only as much as tells what its lines are.
pub(super) fn look(bytes: &mut Bytes<'_>, named: &ArchiveNames<'_>) -> Result<(), ReadStop> {
    let mut head = Vec::new();
    let mut buffer = [0; 4 << 10];
    loop {
        let length = match bytes.from.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // The reader will say so, behind what comes before it.
            Err(_) if !head.is_empty() => 0,
            outcome => outcome.map_err(|error| failed(&error, 0))?,
        };
        head.extend_from_slice(&buffer[..length]);
        if format::lines(&head, length == 0, named)?.is_some() {
            return Ok(());
        }
    }
}
