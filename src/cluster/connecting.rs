//! How the processes of a run find each other: process i calls every process before it and is called by every
//! one after it, twice each, for control and for data. Whoever calls without belonging here is turned away
//! and holds nothing up.
//!
//! Every accepted connection has a thread and a deadline of its own. So that many connections that say nothing
//! cannot use up the threads or keep the others waiting, only [`UNPROVEN`] may be without proof of the secret
//! at a time; the one more closes the oldest of them. A process proves itself in a moment, and calls again if
//! it was closed by mistake.

use super::ClusterError;
use super::failure_detector::FailureDetector;
use super::handshake::{self, Hello, LinkError, Purpose, Secret};
use super::interrupt;
use super::socket::{Address, Listener, Socket, Timed};
use crate::job_identity::Identity;
use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process that does not fit, or has met one that does not, still answers: each host that is being started is
/// told why at once, and does not wait for a process that has ended. Longer than [`LONGEST_PAUSE`] and a handshake.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);
/// The wait before a second call; it doubles up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// When and how often it is told who is missing.
const FIRST_PROGRESS: Duration = Duration::from_secs(2);
const PROGRESS: Duration = Duration::from_secs(5);
/// So many connections at most may be open without having proven to know the secret.
const UNPROVEN: usize = 64;
/// So many connections that were turned away are told one by one; a port scan is not worth more lines.
const TOLD: u64 = 3;

/// What a process needs to know to find the others.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) me: usize,
    /// Of all processes, mine too.
    pub(super) addresses: Vec<Address>,
    pub(super) secret: Secret,
    pub(super) identity: Identity,
    /// How long it may take.
    pub(super) patience: Duration,
}

/// The links, when all are there: the control links belong to the failure detector, the data links stand by index.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) detector: Arc<FailureDetector>,
    pub(super) data: Vec<Option<Socket>>,
}

enum Event {
    Linked,
    Note(String),
    Failed(ClusterError),
}

/// What is shared by the threads that call and answer.
struct Shared {
    plan: Plan,
    names: Vec<String>,
    /// Tells this start of this process from any other that claims its index.
    instance: String,
    detector: Arc<FailureDetector>,
    slots: Mutex<Vec<PeerSlot>>,
    /// Why the run cannot begin, once that is known.
    failure: Mutex<Option<String>>,
    events: Sender<Event>,
    /// No more links are made; who calls is only told so.
    closed: AtomicBool,
    turned_away: AtomicU64,
    unproven: Mutex<VecDeque<(u64, Socket)>>,
}

/// One other process, as far as it is linked.
#[derive(Default)]
struct PeerSlot {
    instance: Option<String>,
    from: String,
    control: bool,
    data: Option<Socket>,
    /// Why the last call to it failed.
    trouble: Option<String>,
    /// It has been told why the run cannot begin, or has told so.
    is_told: bool,
}

impl PeerSlot {
    fn linked(&self) -> bool {
        self.control && self.data.is_some()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes all links, or says why it cannot. `tell` gets lines on what is waited for and who was turned away; it
/// may be called later, too, when somebody calls a run that has begun.
pub(super) fn connect(plan: Plan, tell: impl Fn(&str) + Send + 'static) -> Result<Links, ClusterError> {
    let count = plan.addresses.len();
    let me = plan.me;
    let names: Vec<String> =
        plan.addresses.iter().enumerate().map(|(index, address)| address.name(index)).collect();
    let instance = handshake::hex(&handshake::random::<16>().map_err(ClusterError::Links)?);
    let listeners = listen(&plan, &names[me], &instance)?;

    let (events, inbox) = mpsc::channel();
    let losses = events.clone();
    let joining = Box::new(move |words| {
        let _ = losses.send(Event::Failed(ClusterError::Lost { words }));
    });
    let detector = FailureDetector::begin(names.clone(), joining).map_err(ClusterError::Links)?;
    let shared = Arc::new(Shared {
        plan,
        names,
        instance,
        detector,
        slots: Mutex::new((0..count).map(|_| PeerSlot::default()).collect()),
        failure: Mutex::default(),
        events,
        closed: AtomicBool::new(false),
        turned_away: AtomicU64::new(0),
        unproven: Mutex::default(),
    });
    for listener in listeners {
        let shared = Arc::clone(&shared);
        spawn("cluster:listen", move || shared.receive(&listener))?;
    }
    for index in 0..me {
        let shared = Arc::clone(&shared);
        spawn(&format!("cluster:call-{index}"), move || shared.call(index))?;
    }

    let begun = Instant::now();
    let mut next_progress = begun + FIRST_PROGRESS;
    let outcome = loop {
        if shared.missing().is_empty() {
            break Ok(());
        }
        match inbox.recv_timeout(Duration::from_millis(100)) {
            Ok(Event::Linked) => {}
            Ok(Event::Note(words)) => tell(&words),
            Ok(Event::Failed(error)) => {
                shared.tell_others(&error);
                break Err(error);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if interrupt::noticed() {
            break Err(ClusterError::Interrupted);
        }
        let now = Instant::now();
        if now - begun >= shared.plan.patience {
            let missing = shared.missing().join(", ");
            break Err(ClusterError::Missing { waited: shared.plan.patience, missing });
        }
        if now >= next_progress {
            next_progress = now + PROGRESS;
            tell(&format!("process {me} of {count}: waiting for {}", shared.missing().join(", ")));
        }
    };
    shared.closed.store(true, Ordering::SeqCst);
    outcome?;
    shared.detector.run();
    // A loss before `run` went into the inbox.
    let left = std::iter::from_fn(|| inbox.try_recv().ok()).find_map(|event| match event {
        Event::Failed(error) => Some(error),
        Event::Linked => None,
        Event::Note(words) => {
            tell(&words);
            None
        }
    });
    if let Some(error) = left {
        return Err(error);
    }
    spawn("cluster:notes", move || {
        for event in inbox {
            if let Event::Note(words) = event {
                tell(&words);
            }
        }
    })?;
    let data = lock(&shared.slots).iter_mut().map(|slot| slot.data.take()).collect();
    Ok(Links { detector: Arc::clone(&shared.detector), data })
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), ClusterError> {
    thread::Builder::new().name(name.into()).spawn(body).map(drop).map_err(ClusterError::Links)
}

/// Opens my own address. If it is taken, by whom is asked there: most likely it is another process that was
/// started with the same index.
fn listen(plan: &Plan, name: &str, instance: &str) -> Result<Vec<Listener>, ClusterError> {
    let address = &plan.addresses[plan.me];
    address.listen().map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse
            && let Some(words) = ask_who_listens(plan, instance)
        {
            return ClusterError::Taken { name: name.to_owned(), words };
        }
        ClusterError::Listen { name: name.to_owned(), index: plan.me, source }
    })
}

fn ask_who_listens(plan: &Plan, instance: &str) -> Option<String> {
    let socket = plan.addresses[plan.me].connect(CONNECT).ok()?;
    let mut timed = Timed::new(&socket, HANDSHAKE);
    match handshake::dial(&mut timed, &plan.secret, &plan.hello(instance, Purpose::Control)) {
        Ok(hello) => match plan.identity.difference(&hello.identity, "the one that has it") {
            Some(words) => Some(words),
            None => match handshake::verdict(&mut timed) {
                Err(LinkError::Told(words)) => Some(words),
                _ => None,
            },
        },
        Err(LinkError::Secret) => Some("by a run with another cluster secret".into()),
        Err(_) => None,
    }
}

impl Plan {
    fn hello(&self, instance: &str, purpose: Purpose) -> Hello {
        Hello { index: self.me, instance: instance.to_owned(), purpose, identity: self.identity.clone() }
    }
}

/// What becomes of one call.
enum Outcome {
    /// Worth another try.
    Again(String),
    /// Not.
    Fatal(ClusterError),
}

impl Shared {
    /// Who is not linked yet, and why not.
    fn missing(&self) -> Vec<String> {
        let slots = lock(&self.slots);
        let others =
            slots.iter().enumerate().filter(|(index, slot)| *index != self.plan.me && !slot.linked());
        others
            .map(|(index, slot)| match &slot.trouble {
                Some(trouble) => format!("{}: {trouble}", self.names[index]),
                None => self.names[index].clone(),
            })
            .collect()
    }

    /// Of a run that can never begin the processes that are linked hear by their links; the others when they call, or
    /// are called.
    fn tell_others(&self, error: &ClusterError) {
        use ClusterError::{Mismatch, Protocol, Refused, Secret};
        if !matches!(error, Mismatch { .. } | Refused { .. } | Secret { .. } | Protocol { .. }) {
            return;
        }
        *lock(&self.failure) = Some(error.to_string());
        let is_left =
            |(index, slot): (usize, &PeerSlot)| index != self.plan.me && !slot.linked() && !slot.is_told;
        let deadline = Instant::now() + FAREWELL;
        while lock(&self.slots).iter().enumerate().any(is_left)
            && Instant::now() < deadline
            && !interrupt::noticed()
        {
            thread::sleep(SHORTEST_PAUSE);
        }
    }

    fn told(&self, index: usize) {
        if let Some(slot) = lock(&self.slots).get_mut(index) {
            slot.is_told = true;
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

    fn closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Nobody listens when the joining has failed already; then there is nothing to be told.
    fn event(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Calls an earlier process until both links stand.
    fn call(&self, index: usize) {
        for purpose in [Purpose::Control, Purpose::Data] {
            let mut pause = SHORTEST_PAUSE;
            while !self.closed() {
                match self.call_once(index, purpose) {
                    Ok(()) => break,
                    Err(Outcome::Fatal(error)) => {
                        self.told(index);
                        return self.event(Event::Failed(error));
                    }
                    Err(Outcome::Again(trouble)) => lock(&self.slots)[index].trouble = Some(trouble),
                }
                thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    fn call_once(&self, index: usize, purpose: Purpose) -> Result<(), Outcome> {
        let again = |error: io::Error| Outcome::Again(error.to_string());
        let name = &self.names[index];
        let socket = self.plan.addresses[index].connect(CONNECT).map_err(again)?;
        let mut timed = Timed::new(&socket, HANDSHAKE);
        let refused = |refusal| match refusal {
            LinkError::Stranger(words) => Outcome::Again(format!("whoever answers there {words}")),
            LinkError::Myself => Outcome::Again("nobody listens there".into()),
            LinkError::Protocol(_) => Outcome::Fatal(ClusterError::Protocol { name: name.clone() }),
            LinkError::Secret => Outcome::Fatal(ClusterError::Secret { name: name.clone() }),
            LinkError::Told(words) => Outcome::Fatal(ClusterError::Refused { name: name.clone(), words }),
        };
        let hello = handshake::dial(&mut timed, &self.plan.secret, &self.plan.hello(&self.instance, purpose))
            .map_err(refused)?;
        if let Some(words) = self.plan.identity.difference(&hello.identity, name) {
            return Err(Outcome::Fatal(ClusterError::Mismatch { words }));
        }
        if hello.index != index {
            let words = format!("{name} was started with -p {}: have all the same hostfile?", hello.index);
            return Err(Outcome::Fatal(ClusterError::Mismatch { words }));
        }
        handshake::verdict(&mut timed).map_err(refused)?;
        timed.release().map_err(again)?;
        self.fill_slot(index, purpose, socket).map_err(again)
    }

    /// Accepts for as long as the process lives: whoever comes too late is told so.
    fn receive(self: &Arc<Self>, listener: &Listener) {
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
        let mut timed = Timed::new(&socket, HANDSHAKE);
        let hello = |purpose| self.plan.hello(&self.instance, purpose);
        let hello = match handshake::answer(&mut timed, &self.plan.secret, hello, || self.proven(number)) {
            Ok(hello) => hello,
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
                if handshake::welcome(&mut timed).and_then(|()| timed.release()).is_err()
                    || self.fill_slot(hello.index, hello.purpose, socket).is_err()
                {
                    self.vacate(hello.index);
                }
            }
            Err(words) => {
                let _ = handshake::refuse(&mut timed, &words);
                self.turned_away(format!("a process from {from}: {words}"));
            }
        }
    }

    /// Tells of one that was turned away; of many, only the first.
    fn turned_away(&self, who: String) {
        let before = self.turned_away.fetch_add(1, Ordering::SeqCst);
        if before < TOLD {
            let more = if before + 1 == TOLD { " (more of them will not be told)" } else { "" };
            self.event(Event::Note(format!("turned away {who}{more}")));
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
                self.event(Event::Failed(ClusterError::Mismatch { words: words.clone() }));
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

    /// A link stands.
    fn fill_slot(&self, index: usize, purpose: Purpose, socket: Socket) -> io::Result<()> {
        match purpose {
            Purpose::Control => {
                self.detector.attach(index, socket)?;
                lock(&self.slots)[index].control = true;
            }
            Purpose::Data => lock(&self.slots)[index].data = Some(socket),
        }
        self.event(Event::Linked);
        Ok(())
    }

    /// Frees a slot that no process came for.
    fn vacate(&self, index: usize) {
        let mut slots = lock(&self.slots);
        if !slots[index].control && slots[index].data.is_none() {
            slots[index].instance = None;
        }
    }
}
