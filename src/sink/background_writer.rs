//! Writes bytes in order to a file or standard output. A thread writes large pieces, so that the worker does
//! not wait for the copy into the page cache. The caller itself writes small pieces, for which a thread would
//! cost more than the write.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A smaller piece is written in less time than a thread takes it over.
const MUCH: usize = 1 << 16;

/// Pieces that may be under way.
const PIECES: usize = 2;

/// Writes behind its caller. Dropping it writes the pieces under way.
pub(super) struct BackgroundWriter<W: Write + Send + 'static> {
    out: Arc<Mutex<W>>,
    thread: Option<Thread>,
    under_way: usize,
    /// Emptied ones.
    spare: Vec<Vec<u8>>,
}

struct Thread {
    pieces: Sender<Vec<u8>>,
    written: Receiver<io::Result<Vec<u8>>>,
}

impl<W: Write + Send + 'static> BackgroundWriter<W> {
    pub(super) fn new(out: W) -> Self {
        BackgroundWriter { out: Arc::new(Mutex::new(out)), thread: None, under_way: 0, spare: Vec::new() }
    }

    /// Writes a piece, or sees to it that it will be written; gives an empty buffer to go on with. The error
    /// may be of an earlier piece; of what was under way behind that nothing is written, and nobody should
    /// write any more.
    pub(super) fn write(&mut self, mut piece: Vec<u8>) -> io::Result<Vec<u8>> {
        if self.under_way == 0 && (piece.len() < MUCH || !self.begin()) {
            write_whole(&self.out, &piece)?;
            piece.clear();
            return Ok(piece);
        }
        while self.under_way >= PIECES {
            self.take_back()?;
        }
        let sent = self.thread.as_ref().is_some_and(|thread| thread.pieces.send(piece).is_ok());
        self.under_way += 1;
        if !sent {
            self.take_back()?;
        }
        Ok(self.spare.pop().unwrap_or_default())
    }

    /// Waits until everything is written, and gives what it was written to.
    pub(super) fn settle(&mut self) -> io::Result<MutexGuard<'_, W>> {
        while self.under_way > 0 {
            self.take_back()?;
        }
        Ok(self.out.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is a thread, which there is where one can be had.
    fn begin(&mut self) -> bool {
        if self.thread.is_none() {
            let (pieces, to_write) = channel::<Vec<u8>>();
            let (done, written) = channel();
            let out = Arc::clone(&self.out);
            let work = move || {
                for mut piece in to_write {
                    let outcome = write_whole(&out, &piece);
                    let failed = outcome.is_err();
                    piece.clear();
                    if done.send(outcome.map(|()| piece)).is_err() || failed {
                        return;
                    }
                }
            };
            let begun = std::thread::Builder::new().name("rows".into()).spawn(work);
            self.thread = begun.ok().map(|_| Thread { pieces, written });
        }
        self.thread.is_some()
    }

    fn take_back(&mut self) -> io::Result<()> {
        let written = self.thread.as_ref().and_then(|thread| thread.written.recv().ok());
        let Some(outcome) = written else {
            self.under_way = 0;
            return Err(io::Error::other("the thread that writes has ended"));
        };
        self.under_way -= 1;
        self.spare.push(outcome?);
        Ok(())
    }
}

fn write_whole(out: &Mutex<impl Write>, piece: &[u8]) -> io::Result<()> {
    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
    out.write_all(piece)?;
    out.flush()
}

impl<W: Write + Send + 'static> Drop for BackgroundWriter<W> {
    fn drop(&mut self) {
        // A run that has failed has said why already.
        self.settle().map(drop).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, in morsels, and no more.
    struct Small {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let some = bytes.len().min(self.room - self.taken.len()).min(50_000);
            if some == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.taken.extend_from_slice(&bytes[..some]);
            Ok(some)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pieces() -> impl Iterator<Item = Vec<u8>> {
        (0u8..40).map(|n| vec![n; if n % 3 == 0 { 10 } else { MUCH + usize::from(n) }])
    }

    #[test]
    fn pieces_of_any_size_are_written_in_order() {
        let mut behind = BackgroundWriter::new(Small { taken: Vec::new(), room: usize::MAX });
        for piece in pieces() {
            assert!(behind.write(piece).unwrap().is_empty());
        }
        let expected: Vec<u8> = pieces().flatten().collect();
        assert!(behind.settle().unwrap().taken == expected);
        let out = Arc::clone(&behind.out);
        assert!(behind.write(vec![7; MUCH]).unwrap().is_empty());
        drop(behind);
        assert_eq!(out.lock().unwrap().taken.len(), expected.len() + MUCH);
    }

    #[test]
    fn the_first_error_is_told_and_nothing_follows_it() {
        let room = 5 * MUCH;
        let mut behind = BackgroundWriter::new(Small { taken: Vec::new(), room });
        let error = pieces().find_map(|piece| behind.write(piece).err()).or_else(|| behind.settle().err());
        assert_eq!(error.map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
        assert!(behind.write(vec![9; MUCH]).is_err() || behind.settle().is_err());
        let out = Arc::clone(&behind.out);
        drop(behind);
        let written: Vec<u8> = pieces().flatten().take(room).collect();
        assert!(out.lock().unwrap().taken == written);
    }
}
