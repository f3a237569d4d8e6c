//! How a file is known again: by the length and the hash of what was read of it.
//!
//! Both are of the unpacked content. A file may have grown since, and may have been packed anew; what an
//! earlier run read must be there unchanged. Where it had ended within a line, that line counted as a record:
//! it may be ended now, but must not go on.

use crate::exit::{Exit, Failure};
use crate::wire::chunk::Prefix;
use xxhash_rust::xxh3::Xxh3;

/// What is read, while it is compared to what an earlier run read.
pub(super) struct PrefixMatch {
    hash: Xxh3,
    bytes: u64,
    /// What is still to be found again.
    known: Option<Prefix>,
    last: u8,
    /// Behind what was found again, within a line that counted as a record.
    within_line: bool,
}

impl PrefixMatch {
    pub(super) fn new(known: Option<Prefix>) -> Self {
        PrefixMatch { hash: Xxh3::new(), bytes: 0, known, last: b'\n', within_line: false }
    }

    /// Takes the bytes that come next.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut new = bytes;
        if let Some(known) = self.known {
            let left = usize::try_from(known.bytes - self.bytes).unwrap_or(usize::MAX);
            let (old, rest) = bytes.split_at(left.min(bytes.len()));
            self.add(old);
            if self.bytes == known.bytes {
                if self.hash.digest128() != known.hash {
                    return Err(changed(format!(
                        "its first {} bytes are not those that were read",
                        known.bytes
                    )));
                }
                self.known = None;
                self.within_line = self.last != b'\n';
            }
            new = rest;
        }
        if self.within_line && !new.is_empty() {
            let end = memchr::memchr(b'\n', new);
            if !new[..end.unwrap_or(new.len())].trim_ascii().is_empty() {
                return Err(changed(format!(
                    "its last line, which was unfinished at byte {} and counted so, goes on now",
                    self.bytes
                )));
            }
            self.within_line = end.is_none();
        }
        self.add(new);
        Ok(())
    }

    fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    /// What was taken so far.
    pub(super) fn so_far(&self) -> Prefix {
        Prefix { bytes: self.bytes, hash: self.hash.digest128() }
    }

    /// There is no more.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        // What was read may have been nothing.
        self.take(&[])?;
        match self.known {
            None => Ok(()),
            Some(known) => {
                Err(changed(format!("it has {} bytes, of which {} were read", self.bytes, known.bytes)))
            }
        }
    }
}

fn changed(how: String) -> Failure {
    Failure::new(Exit::Usage, format!("this is not the file that the job has read before: {how}")).hint(
        "give the job the file that it had, start it anew with --fresh, or read this one under another --name",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(known: Option<Prefix>, content: &str, step: usize) -> Result<Prefix, String> {
        let mut recognition = PrefixMatch::new(known);
        for bytes in content.as_bytes().chunks(step) {
            recognition.take(bytes).map_err(|failure| failure.to_string())?;
        }
        recognition.end().map_err(|failure| failure.to_string())?;
        Ok(recognition.so_far())
    }

    #[test]
    fn what_was_read_must_be_there_again() {
        let cases = [
            ("a\nb\n", "a\nb\n", true),
            ("a\nb\n", "a\nb\nc", true),
            ("a\nb\n", "a\nB\nc", false),
            ("a\nb\n", "a\nb", false),
            ("a\nb", "a\nb", true),
            ("a\nb", "a\nb\r\nc", true),
            ("a\nb", "a\nb \t", true),
            ("a\nb", "a\nbc", false),
            ("a\nb", "a\nb c\n", false),
            ("", "a", true),
            ("", "", true),
        ];
        for (before, now, same) in cases {
            for step in 1..6 {
                let known = read(None, before, step).expect("nothing is known");
                let outcome = read(Some(known), now, 6 - step);
                assert_eq!(outcome.is_ok(), same, "{before:?}, then {now:?}: {outcome:?}");
                if same {
                    assert_eq!(outcome, read(None, now, 1), "what was read is as if nothing had been known");
                }
            }
        }
    }
}
