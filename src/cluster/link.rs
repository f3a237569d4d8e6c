//! A link whose handshake is done: its bytes are encrypted where they leave the machine.
//!
//! One thread reads while another one writes, and both directions share one state of TLS. So it is locked
//! only while bytes are encrypted or decrypted, never while the socket is waited for: a link that does not
//! take what is written could else not be read, and two processes that both write would wait for each other
//! for ever.

use super::socket::Socket;
use super::tls::unreadable;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_rustls::rustls::Connection;

/// As much as is read at once: four records.
const CHUNK: usize = 64 << 10;

/// A connection to another process. Its clones share it.
#[derive(Debug)]
pub(super) struct PeerLink {
    socket: Socket,
    tls: Option<Arc<Encryption>>,
}

#[derive(Debug)]
struct Encryption {
    connection: Mutex<Connection>,
    incoming: Mutex<ReceiveBuffer>,
    outgoing: Mutex<SendBuffer>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PeerLink {
    /// Of a socket, and what encrypts it, if anything does.
    pub(super) fn new(socket: Socket, tls: Option<Box<Connection>>) -> PeerLink {
        let tls = tls.map(|connection| {
            Arc::new(Encryption {
                connection: Mutex::new(*connection),
                incoming: Mutex::new(ReceiveBuffer { buffer: vec![0; CHUNK].into(), begin: 0, end: 0 }),
                outgoing: Mutex::default(),
            })
        });
        PeerLink { socket, tls }
    }

    pub(super) fn try_clone(&self) -> io::Result<PeerLink> {
        Ok(PeerLink { socket: self.socket.try_clone()?, tls: self.tls.clone() })
    }

    /// Closes it for reading, writing or both. What was written goes first, and says that it is the end.
    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if let (Some(tls), Shutdown::Write | Shutdown::Both) = (&self.tls, how) {
            let mut outgoing = lock(&tls.outgoing);
            {
                let mut connection = lock(&tls.connection);
                connection.send_close_notify();
                outgoing.take_from(&mut connection)?;
            }
            // A peer that is gone needs no last word.
            let _ = outgoing.send(&self.socket);
        }
        self.socket.shutdown(how)
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(timeout)
    }
}

impl Read for &PeerLink {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return (&mut &self.socket).read(buffer) };
        let mut incoming = lock(&tls.incoming);
        loop {
            if let Some(read) = incoming.decrypt(&mut lock(&tls.connection), buffer)? {
                return Ok(read);
            }
            // An end without TLS's own last word is an end all the same: the control link says whether it is
            // in order, and that one is encrypted, too.
            if incoming.fill(&self.socket)? == 0 {
                return Ok(0);
            }
        }
    }
}

impl Write for &PeerLink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return (&mut &self.socket).write(bytes) };
        let mut outgoing = lock(&tls.outgoing);
        // What a timeout has left behind goes first; until it is gone, nothing more is taken.
        outgoing.send(&self.socket)?;
        let taken = {
            let mut connection = lock(&tls.connection);
            let taken = connection.writer().write(bytes)?;
            outgoing.take_from(&mut connection)?;
            taken
        };
        match outgoing.send(&self.socket) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(error)
            }
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What has come and is not decrypted yet: `buffer[begin..end]`.
#[derive(Debug)]
struct ReceiveBuffer {
    buffer: Box<[u8]>,
    begin: usize,
    end: usize,
}

impl ReceiveBuffer {
    /// Decrypts what is there, as far as it fits: how much that is, 0 at the end of the link, `None` where
    /// more must come first.
    fn decrypt(&mut self, connection: &mut Connection, into: &mut [u8]) -> io::Result<Option<usize>> {
        let mut filled = 0;
        loop {
            match connection.reader().read(&mut into[filled..]) {
                // Either there is no more room, or the peer has said its last word.
                Ok(0) => return Ok(Some(filled)),
                Ok(read) => {
                    filled += read;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if self.begin == self.end {
                return Ok((filled > 0).then_some(filled));
            }
            self.begin += connection.read_tls(&mut &self.buffer[self.begin..self.end])?;
            connection.process_new_packets().map_err(unreadable)?;
        }
    }

    fn fill(&mut self, mut socket: &Socket) -> io::Result<usize> {
        (self.begin, self.end) = (0, socket.read(&mut self.buffer)?);
        Ok(self.end)
    }
}

/// What is encrypted and not sent yet: `buffer[sent..]`.
#[derive(Debug, Default)]
struct SendBuffer {
    buffer: Vec<u8>,
    sent: usize,
}

impl SendBuffer {
    fn take_from(&mut self, connection: &mut Connection) -> io::Result<()> {
        while connection.wants_write() {
            connection.write_tls(&mut self.buffer)?;
        }
        Ok(())
    }

    fn send(&mut self, mut socket: &Socket) -> io::Result<()> {
        while self.sent < self.buffer.len() {
            match socket.write(&self.buffer[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.clear();
        self.sent = 0;
        Ok(())
    }
}
