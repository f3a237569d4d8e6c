//! One name for the two kinds of connection between processes: TCP between machines, Unix sockets between
//! the processes that one parent started. Knows nothing of what is said over them.

use super::handshake::Protection;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a process listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// `host:port`.
    Tcp(String),
    /// A socket in the private directory.
    Unix(PathBuf),
}

impl Address {
    /// How people are told of process `index`.
    pub(super) fn name(&self, index: usize) -> String {
        match self {
            Address::Tcp(address) => format!("process {index} ({address})"),
            Address::Unix(_) => format!("process {index}"),
        }
    }

    /// Whether a connection from there may be of this host.
    pub(super) fn is_of(&self, from: &str) -> bool {
        let (Address::Tcp(address), Ok(from)) = (self, from.parse::<SocketAddr>()) else { return false };
        address.to_socket_addrs().is_ok_and(|mut resolved| resolved.any(|host| host.ip() == from.ip()))
    }

    /// What is done about others that could read a connection to it.
    pub(super) fn protection(&self) -> Protection {
        match self {
            Address::Tcp(_) => Protection::Tls,
            Address::Unix(_) => Protection::Machine,
        }
    }

    /// Connects, giving each resolved address so long.
    pub(super) fn connect(&self, patience: Duration) -> io::Result<Socket> {
        match self {
            Address::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path)?)),
            Address::Tcp(address) => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                for resolved in address.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&resolved, patience) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            return Ok(Socket::Tcp(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    /// Listens on every address the name stands for: `localhost` is two, and a second process that got the
    /// one the first has left free would never be found. One that this machine lacks (no IPv6) is passed
    /// over.
    pub(super) fn listen(&self) -> io::Result<Vec<PeerListener>> {
        match self {
            Address::Unix(path) => Ok(vec![PeerListener::Unix(UnixListener::bind(path)?)]),
            Address::Tcp(address) => {
                let mut listeners = Vec::new();
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                let mut bound: Vec<SocketAddr> = Vec::new();
                for resolved in address.to_socket_addrs()? {
                    if bound.contains(&resolved) {
                        continue;
                    }
                    match TcpListener::bind(resolved) {
                        Ok(listener) => {
                            bound.push(resolved);
                            listeners.push(PeerListener::Tcp(listener));
                        }
                        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                        Err(error) => last = error,
                    }
                }
                if listeners.is_empty() { Err(last) } else { Ok(listeners) }
            }
        }
    }
}

/// What others connect to.
#[derive(Debug)]
pub(super) enum PeerListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl PeerListener {
    /// Waits for a connection; says from where.
    pub(super) fn accept(&self) -> io::Result<(Socket, String)> {
        match self {
            PeerListener::Tcp(listener) => {
                let (stream, from) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok((Socket::Tcp(stream), from.to_string()))
            }
            PeerListener::Unix(listener) => Ok((Socket::Unix(listener.accept()?.0), "this machine".into())),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn try_clone(&self) -> io::Result<Socket> {
        Ok(match self {
            Socket::Tcp(stream) => Socket::Tcp(stream.try_clone()?),
            Socket::Unix(stream) => Socket::Unix(stream.try_clone()?),
        })
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.shutdown(how),
            Socket::Unix(stream) => stream.shutdown(how),
        }
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Socket::Unix(stream) => stream.set_nonblocking(nonblocking),
        }
    }

    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.set_read_timeout(timeout),
            Socket::Unix(stream) => stream.set_read_timeout(timeout),
        }
    }

    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.set_write_timeout(timeout),
            Socket::Unix(stream) => stream.set_write_timeout(timeout),
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).read(buffer),
            Socket::Unix(stream) => (&mut &*stream).read(buffer),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).write(bytes),
            Socket::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket with a deadline for all that is read and written through it. A timeout for each read alone would
/// let a peer that sends a byte a second go on for ever.
#[derive(Debug)]
pub(super) struct TimedSocket<'a> {
    socket: &'a Socket,
    deadline: Instant,
}

impl<'a> TimedSocket<'a> {
    pub(super) fn new(socket: &'a Socket, patience: Duration) -> Self {
        TimedSocket { socket, deadline: Instant::now() + patience }
    }

    fn remaining(&self) -> io::Result<Option<Duration>> {
        match self.deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Takes the deadline off the socket again.
    pub(super) fn release(self) -> io::Result<()> {
        self.socket.set_read_timeout(None)?;
        self.socket.set_write_timeout(None)
    }
}

impl Read for TimedSocket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.remaining()?)?;
        (&mut &*self.socket).read(buffer)
    }
}

impl Write for TimedSocket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.remaining()?)?;
        (&mut &*self.socket).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
