//! A link between the program and a server, which a test breaks or silences.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// Hands bytes on, until it is told otherwise. Nothing of it ends before the tests do.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    /// The server's port.
    server: Arc<AtomicU16>,
    /// Bytes from the server that are still handed on before every link breaks; none breaks at the greatest
    /// number.
    left: Arc<AtomicU64>,
    silence: Arc<Silence>,
}

/// Nothing is handed on, either way, and nothing is closed.
#[derive(Default)]
struct Silence {
    on: Mutex<bool>,
    over: Condvar,
}

impl Silence {
    fn wait(&self) {
        let on = self.on.lock().expect("nobody panics");
        drop(self.over.wait_while(on, |on| *on).expect("nobody panics"));
    }
}

impl Proxy {
    pub(crate) fn to(port: u16) -> Proxy {
        let proxy = Proxy::open();
        proxy.lead_to(port);
        proxy
    }

    /// One that leads nowhere yet.
    pub(crate) fn open() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Proxy {
            port: listener.local_addr().expect("an address").port(),
            server: Arc::default(),
            left: Arc::new(AtomicU64::new(u64::MAX)),
            silence: Arc::default(),
        };
        let (server, left) = (Arc::clone(&proxy.server), Arc::clone(&proxy.left));
        let silence = Arc::clone(&proxy.silence);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let port = server.load(Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let clone = |stream: &TcpStream| stream.try_clone().expect("a clone");
                for (from, to, limited) in
                    [(clone(&client), clone(&server), false), (clone(&server), clone(&client), true)]
                {
                    let (left, silence) = (Arc::clone(&left), Arc::clone(&silence));
                    std::thread::spawn(move || hand_on(from, to, limited.then_some(left), &silence));
                }
            }
        });
        proxy
    }

    /// From now on it leads there.
    pub(crate) fn lead_to(&self, port: u16) {
        self.server.store(port, Ordering::SeqCst);
    }

    /// Breaks all links when the server has said so many bytes more: what it had to say then is not heard.
    pub(crate) fn break_after(&self, bytes: u64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Whether they have not broken yet.
    pub(crate) fn is_to_break(&self) -> bool {
        self.left.load(Ordering::SeqCst) != u64::MAX
    }

    /// From now on nobody hears anything, on new links neither, until it heals. What was said meanwhile comes
    /// then, as it does where a network was divided.
    pub(crate) fn silence(&self) {
        *self.silence.on.lock().expect("nobody panics") = true;
    }

    pub(crate) fn heal(&self) {
        *self.silence.on.lock().expect("nobody panics") = false;
        self.silence.over.notify_all();
    }
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, left: Option<Arc<AtomicU64>>, silence: &Silence) {
    let mut buffer = [0; 4_096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        silence.wait();
        if let Some(left) = &left {
            let before = left.load(Ordering::SeqCst);
            if before != u64::MAX && before < count as u64 {
                left.store(u64::MAX, Ordering::SeqCst);
                break;
            }
            if before != u64::MAX {
                left.store(before - count as u64, Ordering::SeqCst);
            }
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    silence.wait();
    for stream in [from, to] {
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
