//! The children's lifelines, as their parent holds them.

use super::SupervisorEvent;
use crate::cluster::parent_link;
use std::io::{self, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};

/// Accepts the children's lifelines, for as long as it lives. Only who may enter the private directory can connect.
pub(super) struct Lifelines {
    socket: PathBuf,
    over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Lifelines {
    pub(super) fn listen(
        directory: &Path,
        attempt: u32,
        events: Sender<(u32, SupervisorEvent)>,
    ) -> io::Result<Lifelines> {
        let socket = directory.join(parent_link::SOCKET);
        let listener = UnixListener::bind(&socket)?;
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let listening = move || {
            for line in listener.incoming().flatten() {
                if is_over.load(Ordering::Acquire) {
                    return;
                }
                let events = events.clone();
                // A child without its line is only worse informed.
                let _ = thread::Builder::new()
                    .name("cluster:line".into())
                    .spawn(move || hear(line, attempt, &events));
            }
        };
        let listening = thread::Builder::new().name("cluster:lines".into()).spawn(listening)?;
        Ok(Lifelines { socket, over, listening: Some(listening) })
    }
}

impl Drop for Lifelines {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // It waits for somebody to come.
        if UnixStream::connect(&self.socket).is_ok() {
            self.listening.take().map(JoinHandle::join);
        }
    }
}

/// One child's lifeline: it says why it ends, if it does because of another.
fn hear(mut line: UnixStream, attempt: u32, events: &Sender<(u32, SupervisorEvent)>) -> Option<()> {
    events.send((attempt, SupervisorEvent::Line(line.try_clone().ok()?))).ok()?;
    loop {
        let mut length = [0; 2];
        line.read_exact(&mut length).ok()?;
        let mut words = vec![0; u16::from_le_bytes(length).into()];
        line.read_exact(&mut words).ok()?;
        events.send((attempt, SupervisorEvent::Words(crate::terminal::printable(&words)))).ok()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::supervisor::private_directory::PrivateDirectory;

    #[test]
    fn nobody_listens_for_lifelines_when_an_attempt_is_over() {
        let directory = PrivateDirectory::make().expect("made");
        let (events, inbox) = std::sync::mpsc::channel();
        let lifelines = Lifelines::listen(&directory.path, 3, events).expect("listening");
        let socket = directory.path.join(parent_link::SOCKET);
        let line = UnixStream::connect(&socket).expect("somebody listens");
        assert!(matches!(inbox.recv(), Ok((3, SupervisorEvent::Line(_)))));
        drop(lifelines);
        assert!(UnixStream::connect(&socket).is_err());
        // And the thread of the line ends with it.
        drop(line);
        assert!(inbox.recv().is_err());
    }
}
