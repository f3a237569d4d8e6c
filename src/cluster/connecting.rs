//! How the processes of a run find each other: process i calls every process before it and is called by every
//! one after it, twice each, for control and for data. Whoever calls without belonging here is turned away
//! and holds nothing up.
//!
//! Every accepted connection has a thread and a deadline of its own. So that many connections that say
//! nothing cannot use up the threads or keep the others waiting, only [`UNPROVEN`] may be without proof of
//! the secret at a time; the one more closes the oldest of them. A process proves itself in a moment, and
//! calls again if it was closed by mistake.

mod answering;

use super::ClusterError;
use super::failure_detector::FailureDetector;
use super::handshake::{self, Hello, LinkError, LinkPurpose, Secret};
use super::interrupt;
use super::link::PeerLink;
use super::socket::{Address, PeerListener, Socket, TimedSocket};
use crate::job_identity::Identity;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process that does not fit, or has met one that does not, still answers: each host that is being
/// started is told why at once, and does not wait for a process that has ended. Longer than [`LONGEST_PAUSE`]
/// and a handshake.
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
pub(super) struct ConnectPlan {
    pub(super) me: usize,
    /// Of all processes, mine too.
    pub(super) addresses: Vec<Address>,
    pub(super) secret: Secret,
    pub(super) identity: Identity,
    /// How long it may take.
    pub(super) patience: Duration,
}

/// The links, when all are there: the control links belong to the failure detector, the data links stand by
/// index.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) detector: Arc<FailureDetector>,
    pub(super) data: Vec<Option<PeerLink>>,
}

enum ConnectEvent {
    Linked,
    Note(String),
    Failed(ClusterError),
}

/// What is shared by the threads that call and answer.
struct ConnectState {
    plan: ConnectPlan,
    names: Vec<String>,
    /// Tells this start of this process from any other that claims its index.
    instance: String,
    detector: Arc<FailureDetector>,
    slots: Mutex<Vec<PeerSlot>>,
    /// Why the run cannot begin, once that is known.
    failure: Mutex<Option<String>>,
    events: Sender<ConnectEvent>,
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
    data: Option<PeerLink>,
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

/// Makes all links, or says why it cannot. `tell` gets lines on what is waited for and who was turned away;
/// it may be called later, too, when somebody calls a run that has begun.
pub(super) fn connect(
    plan: ConnectPlan,
    tell: impl Fn(&str) + Send + 'static,
) -> Result<Links, ClusterError> {
    let count = plan.addresses.len();
    let me = plan.me;
    let names: Vec<String> =
        plan.addresses.iter().enumerate().map(|(index, address)| address.name(index)).collect();
    let instance = handshake::hex(&handshake::random::<16>().map_err(ClusterError::Links)?);
    let listeners = listen(&plan, &names[me], &instance)?;

    let (events, inbox) = mpsc::channel();
    let losses = events.clone();
    let joining = Box::new(move |words| {
        let _ = losses.send(ConnectEvent::Failed(ClusterError::Lost { words }));
    });
    let detector = FailureDetector::begin(names.clone(), joining).map_err(ClusterError::Links)?;
    let shared = Arc::new(ConnectState {
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

    let outcome = shared.await_all(&inbox, &tell);
    shared.closed.store(true, Ordering::SeqCst);
    outcome?;
    shared.detector.run();
    // A loss before `run` went into the inbox.
    let left = std::iter::from_fn(|| inbox.try_recv().ok()).find_map(|event| match event {
        ConnectEvent::Failed(error) => Some(error),
        ConnectEvent::Linked => None,
        ConnectEvent::Note(words) => {
            tell(&words);
            None
        }
    });
    if let Some(error) = left {
        return Err(error);
    }
    spawn("cluster:notes", move || {
        for event in inbox {
            if let ConnectEvent::Note(words) = event {
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
fn listen(plan: &ConnectPlan, name: &str, instance: &str) -> Result<Vec<PeerListener>, ClusterError> {
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

fn ask_who_listens(plan: &ConnectPlan, instance: &str) -> Option<String> {
    let address = &plan.addresses[plan.me];
    let socket = address.connect(CONNECT).ok()?;
    let (timed, hello) = (TimedSocket::new(&socket, HANDSHAKE), plan.hello(instance, LinkPurpose::Control));
    match handshake::dial(timed, &plan.secret, address.protection(), &hello) {
        Ok((hello, mut secured)) => match plan.identity.difference(&hello.identity, "the one that has it") {
            Some(words) => Some(words),
            None => match handshake::verdict(&mut secured) {
                Err(LinkError::Told(words)) => Some(words),
                _ => None,
            },
        },
        Err(LinkError::Secret) => Some("by a run with another cluster secret".into()),
        Err(_) => None,
    }
}

impl ConnectPlan {
    fn hello(&self, instance: &str, purpose: LinkPurpose) -> Hello {
        Hello { index: self.me, instance: instance.to_owned(), purpose, identity: self.identity.clone() }
    }
}

/// What becomes of one call.
enum CallOutcome {
    /// Worth another try.
    Again(String),
    /// Not.
    Fatal(ClusterError),
}

impl ConnectState {
    /// Waits until all processes are linked; tells who is missing.
    fn await_all(&self, inbox: &Receiver<ConnectEvent>, tell: &impl Fn(&str)) -> Result<(), ClusterError> {
        let (me, count) = (self.plan.me, self.names.len());
        let begun = Instant::now();
        let mut next_progress = begun + FIRST_PROGRESS;
        loop {
            if self.missing().is_empty() {
                return Ok(());
            }
            match inbox.recv_timeout(Duration::from_millis(100)) {
                Ok(ConnectEvent::Linked) => {}
                Ok(ConnectEvent::Note(words)) => tell(&words),
                Ok(ConnectEvent::Failed(error)) => {
                    self.tell_others(&error);
                    return Err(error);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if interrupt::noticed() {
                interrupt::note_signal();
                return Err(ClusterError::Interrupted);
            }
            let now = Instant::now();
            if now - begun >= self.plan.patience {
                let missing = self.missing().join(", ");
                return Err(ClusterError::Missing { waited: self.plan.patience, missing });
            }
            if now >= next_progress {
                next_progress = now + PROGRESS;
                tell(&format!("process {me} of {count}: waiting for {}", self.missing().join(", ")));
            }
        }
    }

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

    /// Of a run that can never begin the processes that are linked hear by their links; the others when they
    /// call, or are called.
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

    fn closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Nobody listens when the joining has failed already; then there is nothing to be told.
    fn event(&self, event: ConnectEvent) {
        let _ = self.events.send(event);
    }

    /// Calls an earlier process until both links stand.
    fn call(&self, index: usize) {
        for purpose in [LinkPurpose::Control, LinkPurpose::Data] {
            let mut pause = SHORTEST_PAUSE;
            while !self.closed() {
                match self.call_once(index, purpose) {
                    Ok(()) => break,
                    Err(CallOutcome::Fatal(error)) => {
                        self.told(index);
                        return self.event(ConnectEvent::Failed(error));
                    }
                    Err(CallOutcome::Again(trouble)) => lock(&self.slots)[index].trouble = Some(trouble),
                }
                thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    fn call_once(&self, index: usize, purpose: LinkPurpose) -> Result<(), CallOutcome> {
        let again = |error: io::Error| CallOutcome::Again(error.to_string());
        let name = &self.names[index];
        let address = &self.plan.addresses[index];
        let socket = address.connect(CONNECT).map_err(again)?;
        let timed = TimedSocket::new(&socket, HANDSHAKE);
        let refused = |refusal| match refusal {
            LinkError::Stranger(words) => CallOutcome::Again(format!("whoever answers there {words}")),
            LinkError::Myself => CallOutcome::Again("nobody listens there".into()),
            LinkError::Protocol(_) => CallOutcome::Fatal(ClusterError::Protocol { name: name.clone() }),
            LinkError::Secret => CallOutcome::Fatal(ClusterError::Secret { name: name.clone() }),
            LinkError::Told(words) => CallOutcome::Fatal(ClusterError::Refused { name: name.clone(), words }),
        };
        let hello = self.plan.hello(&self.instance, purpose);
        let (hello, mut secured) =
            handshake::dial(timed, &self.plan.secret, address.protection(), &hello).map_err(refused)?;
        if let Some(words) = self.plan.identity.difference(&hello.identity, name) {
            return Err(CallOutcome::Fatal(ClusterError::Mismatch { words }));
        }
        if hello.index != index {
            let words = format!("{name} was started with -p {}: have all the same hostfile?", hello.index);
            return Err(CallOutcome::Fatal(ClusterError::Mismatch { words }));
        }
        handshake::verdict(&mut secured).map_err(refused)?;
        let (timed, tls) = secured.into_parts();
        timed.release().map_err(again)?;
        self.fill_slot(index, purpose, PeerLink::new(socket, tls)).map_err(again)
    }

    /// A link stands.
    fn fill_slot(&self, index: usize, purpose: LinkPurpose, link: PeerLink) -> io::Result<()> {
        match purpose {
            LinkPurpose::Control => {
                self.detector.attach(index, link)?;
                lock(&self.slots)[index].control = true;
            }
            LinkPurpose::Data => lock(&self.slots)[index].data = Some(link),
        }
        self.event(ConnectEvent::Linked);
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
