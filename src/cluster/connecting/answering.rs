//! The side that is called: who comes proves to belong here and gets a slot, or is told why not.

use super::{ConnectEvent, ConnectState, HANDSHAKE, TOLD, UNPROVEN, lock, spawn};
use crate::cluster::ClusterError;
use crate::cluster::handshake::{self, Hello, LinkError};
use crate::cluster::link::PeerLink;
use crate::cluster::socket::{Address, PeerListener, Socket, TimedSocket};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

impl ConnectState {
    /// Accepts for as long as the process lives: whoever comes too late is told so.
    pub(super) fn receive(self: &Arc<Self>, listener: &PeerListener) {
        for number in 0u64.. {
            let Ok((socket, from)) = listener.accept() else {
                // Out of descriptors, or a connection that was gone before it was there.
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            self.admit_unproven(number, &socket);
            let shared = Arc::clone(self);
            let answering = move || {
                shared.answer(number, socket, &from);
                shared.proven(number);
            };
            // Without a thread the connection is closed, and a process calls again.
            if spawn("cluster:answer", answering).is_err() {
                self.proven(number);
            }
        }
    }

    /// Makes room for one more that has proven nothing.
    fn admit_unproven(&self, number: u64, socket: &Socket) {
        let mut unproven = lock(&self.unproven);
        if unproven.len() >= UNPROVEN
            && let Some((_, oldest)) = unproven.pop_front()
        {
            let _ = oldest.shutdown(Shutdown::Both);
        }
        if let Ok(clone) = socket.try_clone() {
            unproven.push_back((number, clone));
        }
    }

    fn proven(&self, number: u64) {
        lock(&self.unproven).retain(|(other, _)| *other != number);
    }

    /// One accepted connection, from greeting to slot.
    fn answer(&self, number: u64, socket: Socket, from: &str) {
        let timed = TimedSocket::new(&socket, HANDSHAKE);
        let hello = |purpose| self.plan.hello(&self.instance, purpose);
        let (secret, protection) = (&self.plan.secret, self.plan.addresses[self.plan.me].protection());
        let answered = handshake::answer(timed, secret, protection, hello, || self.proven(number));
        let (hello, mut secured) = match answered {
            Ok(answered) => answered,
            Err(refusal) => {
                return self.turned_away(match refusal {
                    LinkError::Stranger(words) => format!("a connection from {from} that {words}"),
                    LinkError::Myself => return,
                    LinkError::Protocol(_) => {
                        format!("a process from {} that is another version of crossrate", self.perhaps(from))
                    }
                    LinkError::Secret => {
                        format!("a process from {} that has another cluster secret", self.perhaps(from))
                    }
                    LinkError::Told(words) => format!("a connection from {from} that said: {words}"),
                });
            }
        };
        match self.admit(&hello, from) {
            Ok(()) => {
                let welcomed = handshake::welcome(&mut secured);
                let (timed, tls) = secured.into_parts();
                if welcomed.and_then(|()| timed.release()).is_err()
                    || self.fill_slot(hello.index, hello.purpose, PeerLink::new(socket, tls)).is_err()
                {
                    self.vacate(hello.index);
                }
            }
            Err(words) => {
                let _ = handshake::refuse(&mut secured, &words);
                self.turned_away(format!("a process from {from}: {words}"));
            }
        }
    }

    /// Tells of one that was turned away; of many, only the first.
    fn turned_away(&self, who: String) {
        let before = self.turned_away.fetch_add(1, Ordering::SeqCst);
        if before < TOLD {
            let more = if before + 1 == TOLD { " (more of them will not be told)" } else { "" };
            self.event(ConnectEvent::Note(format!("turned away {who}{more}")));
        }
    }

    /// Whether the process of this hello gets its slot; if not, the words are for both sides.
    fn admit(&self, hello: &Hello, from: &str) -> Result<(), String> {
        let (me, index) = (self.plan.me, hello.index);
        let difference =
            self.plan.identity.difference(&hello.identity, &format!("process {index}, from {from},"));
        if index == me {
            // No reason to fail: I was here first.
            return Err(format!(
                "two processes were started with -p {me}, and the other one is here already"
            ));
        }
        if let Some(words) = difference {
            self.told(index);
            if !self.closed() {
                self.event(ConnectEvent::Failed(ClusterError::Mismatch { words: words.clone() }));
            }
            return Err(words);
        }
        if let Some(failure) = lock(&self.failure).clone() {
            self.told(index);
            return Err(format!("the run cannot begin: {failure}"));
        }
        let mut slots = lock(&self.slots);
        let Some(slot) = slots.get_mut(index).filter(|_| index > me) else {
            return Err(format!("process {index} does not call process {me}"));
        };
        match &slot.instance {
            Some(instance) if *instance != hello.instance => Err(format!(
                "two processes were started with -p {index}, and the one from {} is here already",
                slot.from
            )),
            _ if self.closed() => Err("the run has begun without it".into()),
            _ => {
                slot.instance = Some(hello.instance.clone());
                slot.from = from.to_owned();
                Ok(())
            }
        }
    }

    /// Who somebody is that has not proven to belong here, as far as an address tells.
    fn perhaps(&self, from: &str) -> String {
        let addresses = self.plan.addresses.iter().enumerate().skip(self.plan.me + 1);
        let missing: Vec<(usize, &Address)> = {
            let slots = lock(&self.slots);
            addresses.filter(|(index, _)| !slots[*index].linked()).collect()
        };
        let there: Vec<&str> = missing
            .iter()
            .filter(|(_, address)| address.is_of(from))
            .map(|(index, _)| self.names[*index].as_str())
            .collect();
        match (there.as_slice(), missing.as_slice()) {
            ([], [(index, _)]) => format!("{from}, perhaps {},", self.names[*index]),
            ([], _) => from.to_owned(),
            (names, _) => format!("{from}, by its address {},", names.join(" or ")),
        }
    }
}
