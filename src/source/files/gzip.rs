//! The members of a gzip file as one content. Zeros behind the last one are padding, as tapes and some
//! programs leave it; `gzip` passes them over with a warning.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, ErrorKind, Read};

/// Unpacks all members.
pub(super) struct Gzip<R: BufRead> {
    /// The one that is being unpacked; none behind the last.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(packed: R) -> Self {
        Gzip { member: Some(GzDecoder::new(packed)) }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else { return Ok(0) };
            let length = member.read(to)?;
            if length > 0 || to.is_empty() {
                return Ok(length);
            }
            if is_at_end(member.get_mut())? {
                self.member = None;
            } else {
                self.member = self.member.take().map(|member| GzDecoder::new(member.into_inner()));
            }
        }
    }
}

/// Whether no other member follows; padding is passed over.
fn is_at_end(packed: &mut impl BufRead) -> io::Result<bool> {
    let mut is_padded = false;
    loop {
        let bytes = match packed.fill_buf() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        };
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let (is_end, is_over) = (bytes.is_empty(), zeros < bytes.len());
        packed.consume(zeros);
        is_padded |= zeros > 0;
        match (is_end, is_over) {
            (true, _) => return Ok(true),
            (_, true) if is_padded => {
                return Err(io::Error::new(ErrorKind::InvalidData, "bytes behind the padding at its end"));
            }
            (_, true) => return Ok(false),
            _ => {}
        }
    }
}
