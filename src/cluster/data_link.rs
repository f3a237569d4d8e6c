//! The connection that timely gets: one that never hands it an end that would make it panic.
//!
//! timely's threads panic when a connection breaks, naming a socket but no process. Here a broken connection
//! first asks the control link of the same peer what has become of it; if that was in order, timely is told
//! so, and otherwise the [`FailureDetector`] ends this process, with words that name the culprit, before
//! timely hears of it.

use super::failure_detector::FailureDetector;
use super::link::PeerLink;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use timely::communication::allocator::zero_copy::stream::Stream;

/// A data link to one peer.
#[derive(Debug)]
pub(super) struct DataLink {
    link: PeerLink,
    peer: usize,
    detector: Arc<FailureDetector>,
}

impl DataLink {
    pub(super) fn new(link: PeerLink, peer: usize, detector: Arc<FailureDetector>) -> DataLink {
        DataLink { link, peer, detector }
    }
}

impl Read for DataLink {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&mut &self.link).read(buffer) {
                Ok(0) if !buffer.is_empty() => self.detector.data_link_ended(self.peer, None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => self.detector.data_link_ended(self.peer, Some(&error)),
                read => return read,
            }
            return Ok(0);
        }
    }
}

impl Write for DataLink {
    /// What a peer whose workers are through does not take any more, nobody needs.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (&mut &self.link).write(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.detector.data_link_ended(self.peer, Some(&error));
                Ok(bytes.len())
            }
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for DataLink {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(DataLink { link: self.link.try_clone()?, peer: self.peer, detector: Arc::clone(&self.detector) })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.link.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self.link.shutdown(how) {
            // The other side was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            Err(error) => {
                self.detector.data_link_ended(self.peer, Some(&error));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}
