//! The SHA-256 of a file, and the file beside it that tells it, as `sha256sum` and the exchange write it: the
//! sum in hexadecimal digits, then the name.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// The sum that a file's text tells, in lowercase; `None` where it holds none.
pub(crate) fn told(text: &str) -> Option<String> {
    let sum = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    (sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(sum)
}

/// The sum of a file, which is read.
pub(crate) fn of(path: &Path) -> io::Result<String> {
    let mut summed = HashingWriter::new(io::sink());
    io::copy(&mut File::open(path)?, &mut summed)?;
    Ok(summed.finish().1)
}

/// Hashes what is written.
pub(crate) struct HashingWriter<W> {
    to: W,
    hash: Sha256,
}

impl<W> HashingWriter<W> {
    pub(crate) fn new(to: W) -> Self {
        HashingWriter { to, hash: Sha256::new() }
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Where it was written to, and its sum in lowercase digits.
    pub(crate) fn finish(self) -> (W, String) {
        (self.to, self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beside_another_tells_its_sum() {
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, "abc").expect("written");
        assert_eq!(of(&path).expect("read"), sum);
        for text in [format!("{sum}  a\n"), sum.to_uppercase(), format!("{sum} *a")] {
            assert_eq!(told(&text).as_deref(), Some(sum), "{text}");
        }
        for text in ["", "abc", &sum[1..], &sum.replace('b', "x")] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
