//! One fate: when a worker or a process ends badly, all of them end, each with a message that names it.
//!
//! * **Inside a process** a surviving worker would wait for a dead sibling for ever, so a panic anywhere ends
//!   the process ([`abort_on_panic`]).
//! * **Between processes** there is a control link beside each of timely's data links. Every process says each
//!   second that it lives, says that its workers are through before their data links close, and says how it
//!   ended before it goes. A link that closes without a word, or is silent for [`SILENCE_S`] seconds (a stopped
//!   process, a cable), is a failure.
//! * **Under a parent** (`-n` without `-p`) a lifeline leads to it; when that breaks, the parent is gone.
//!
//! A process that has joined a cluster ends by [`end`], whatever its outcome: that is where the good ends meet
//! too, so that no process reports success while another one is still failing.
//!
//! The state is global because a process has one fate, and a panic hook can be handed nothing.

use super::control_frame::{Cause, ControlFrame};
use super::interrupt::{self, quit};
use super::link::PeerLink;
use super::parent_link;
use crate::logging;
use crate::signals::TIDY_UP;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// After so many seconds without a heartbeat a process is given up. Counted in waits of a second each, not by
/// the clock: who was itself stopped for a while must not blame the others.
pub const SILENCE_S: u32 = 8;

/// The exit code of a process that ends because another one did, under a parent: the parent looks for the one
/// that failed first. By hand it is 1.
pub(super) const VICTIM: u8 = 86;

/// The exit code of a process that ends by a panic, under a parent: that may start it again. By hand it is 1.
pub(super) const PANICKED: u8 = 101;

/// The exit codes of errors that a process reports and is whole itself: of what it was told to do or to read. The others
/// still write what is final, and the accounting.
pub(super) const REPORTED: RangeInclusive<u8> = 2..=4;

const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a failing process waits for the others to have heard it.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long a closed data link waits for the control link to say why.
const EXPLANATION: Duration = Duration::from_secs(3);

/// Takes the words on a loss.
pub(super) type LossListener = Box<dyn Fn(String) + Send>;

/// The links of this process to the others, and what is known of them.
pub(super) struct FailureDetector {
    /// How the others are called, by index.
    names: Vec<String>,
    state: Mutex<DetectorState>,
    changed: Condvar,
    links: Vec<Mutex<Option<PeerLink>>>,
}

struct DetectorState {
    /// Who hears of losses while the cluster is still being joined; afterwards they end the process.
    listener: Option<LossListener>,
    peers: Vec<Peer>,
    /// My workers are through.
    done: bool,
    /// An ending has begun, mine or one that was forced on me: no more is to be said about others.
    ending: bool,
    /// The others know of an interrupt, or I know it from them.
    interrupted: bool,
    /// My workers read and compute: there is something to stop in good order.
    working: bool,
    /// What another process has reported of an error of its own: this one stops in good order and then ends by that.
    reported: Option<String>,
}

#[derive(Clone, Default)]
struct Peer {
    /// Which of its control links counts, should it have had to make a second one.
    link: u64,
    done: bool,
    ended: Option<u8>,
    gone: bool,
}

impl std::fmt::Debug for FailureDetector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FailureDetector").field("names", &self.names).finish_non_exhaustive()
    }
}

static CURRENT: Mutex<Option<Arc<FailureDetector>>> = Mutex::new(None);

fn current() -> Option<Arc<FailureDetector>> {
    lock(&CURRENT).clone()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends this process. In a cluster the others are told first; with code 0 it waits until they are through as
/// well, and ends with 1 if one of them fails. `words` says why in a line, for the other processes; this one
/// has printed its error already.
pub fn end(code: u8, words: &str) -> ! {
    end_with(code, words, code)
}

/// The same, but it leaves another code than the others are told: a process that was asked to terminate and
/// has lost nothing leaves 0, and is an interrupted one to them all the same.
pub fn end_with(code: u8, words: &str, left: u8) -> ! {
    match current() {
        Some(detector) => detector.end(code, words, left),
        None => quit(left),
    }
}

/// The flag that SIGINT and SIGTERM set from now on, instead of ending the process: a run looks at it, stops in
/// good order and ends with 130. A second signal ends the process at once. May be called often; there is one flag.
/// [`super::join`] calls it for a process that is one of several.
pub fn interrupt_flag() -> io::Result<Arc<AtomicBool>> {
    interrupt::notice()
}

/// Tells why this process, or a whole run, ends.
pub fn say(words: &str) {
    tracing::warn!("{words}");
}

/// Tells the other processes that this one was interrupted, so that the whole run stops in good order. Each
/// then sends itself SIGINT, has up to ten seconds to tidy up, and ends by [`end`] with 130. May be called
/// often; without a cluster it does nothing.
pub fn interrupted() {
    if let Some(detector) = current() {
        let first = !std::mem::replace(&mut detector.lock().interrupted, true);
        if first {
            detector.tell(&ControlFrame::Interrupted);
        }
    }
}

/// Whether this process stops because another one has reported an error.
pub fn another_has_failed() -> bool {
    current().is_some_and(|detector| detector.lock().reported.is_some())
}

/// Says that the workers of this process are about to work: from now on it takes ten seconds to stop in good order where
/// another process reports an error. The process that writes says so before any other one can begin to read.
pub fn working() {
    if let Some(detector) = current() {
        detector.lock().working = true;
    }
}

/// Makes a panic of any thread end the process with code 1, after the usual message and a line that names the
/// worker; the other processes are told. For the first lines of `main`.
pub fn abort_on_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let words = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(words), _) => (*words).to_owned(),
            (_, Some(words)) => words.clone(),
            _ => "no message".to_owned(),
        };
        let detector = current();
        // timely's own panics say only that a socket is gone. The control link will know whose.
        if (words.starts_with("timely communication error") || words.starts_with("MergeQueue poisoned"))
            && let Some(detector) = &detector
        {
            detector.await_culprit();
        }
        logging::panicked(panic, &usual);
        let thread = thread::current();
        let who = match thread.name().and_then(|name| name.strip_prefix("timely:work-")) {
            Some(worker) => format!("worker {worker}"),
            None => format!("thread {}", thread.name().unwrap_or("unnamed")),
        };
        say(&format!("{who} has panicked, so the run ends"));
        let code = if parent_link::parent().is_some() { PANICKED } else { 1 };
        match detector {
            Some(detector) => detector.end(code, &format!("{who} has panicked: {words}"), code),
            None => quit(code),
        }
    }));
}

impl FailureDetector {
    /// Of process `names.len()` in all; losses go to `listener` until [`FailureDetector::run`]. Beats from
    /// now on.
    pub(super) fn begin(names: Vec<String>, listener: LossListener) -> io::Result<Arc<FailureDetector>> {
        let count = names.len();
        let state = DetectorState {
            listener: Some(listener),
            peers: vec![Peer::default(); count],
            done: false,
            ending: false,
            interrupted: false,
            working: false,
            reported: None,
        };
        let links = (0..count).map(|_| Mutex::new(None)).collect();
        let detector = Arc::new(Self { names, state: Mutex::new(state), changed: Condvar::new(), links });
        *lock(&CURRENT) = Some(Arc::clone(&detector));
        let beating = Arc::downgrade(&detector);
        thread::Builder::new().name("cluster:heartbeat".into()).spawn(move || {
            while let Some(detector) = beating.upgrade() {
                detector.tell(&ControlFrame::Heartbeat);
                drop(detector);
                thread::sleep(HEARTBEAT);
            }
        })?;
        Ok(detector)
    }

    /// Takes over a control link, its handshake done, and watches it.
    pub(super) fn attach(self: &Arc<Self>, peer: usize, socket: PeerLink) -> io::Result<()> {
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.set_write_timeout(Some(Duration::from_secs(1)))?;
        let reading = socket.try_clone()?;
        let link = {
            let mut state = self.lock();
            state.peers[peer].link += 1;
            state.peers[peer].link
        };
        *lock(&self.links[peer]) = Some(socket);
        let detector = Arc::clone(self);
        thread::Builder::new()
            .name(format!("cluster:watch-{peer}"))
            .spawn(move || detector.watch(peer, link, &reading))?;
        Ok(())
    }

    /// The cluster is joined: from now on a loss ends the process.
    pub(super) fn run(&self) {
        self.lock().listener = None;
    }

    /// All workers of this process are through.
    pub(super) fn done(&self) {
        let mut state = self.lock();
        (state.done, state.working) = (true, false);
        drop(state);
        self.tell(&ControlFrame::Done);
    }

    /// A data link to `peer` has ended. Returns if that is in order; otherwise this process ends, and by the
    /// control link's explanation where one comes.
    pub(super) fn data_link_ended(&self, peer: usize, error: Option<&io::Error>) {
        let in_order = |state: &DetectorState| state.peers[peer].done;
        let explained = |state: &DetectorState| {
            in_order(state) || state.ending || state.reported.is_some() || state.peers[peer].ended.is_some()
        };
        let state = self.wait(EXPLANATION, explained);
        if in_order(&state) {
            return;
        }
        if explained(&state) {
            drop(state);
            wait_for_the_end();
        }
        drop(state);
        let why = error.map_or("the connection was closed".to_owned(), ToString::to_string);
        self.fall(peer, Cause::Loss, &format!("{} is lost: {why}", self.names[peer]));
    }

    fn lock(&self) -> MutexGuard<'_, DetectorState> {
        lock(&self.state)
    }

    /// Waits until `condition` holds, or so long.
    fn wait(
        &self,
        patience: Duration,
        condition: impl Fn(&DetectorState) -> bool,
    ) -> MutexGuard<'_, DetectorState> {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, patience, |state| !condition(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Says something to all others. A link that does not take it is dealt with by its watch.
    fn tell(&self, word: &ControlFrame) {
        let bytes = word.encode();
        for link in &self.links {
            if let Some(socket) = &*lock(link) {
                let _ = (&mut &*socket).write_all(&bytes);
            }
        }
    }

    /// The last words: said, the line closed, and the others given a moment to hear them. (Leaving at once with
    /// a heartbeat of theirs unread would reset the connection, and the words might be lost.)
    fn announce(&self, word: &ControlFrame) {
        self.tell(word);
        for link in &self.links {
            if let Some(socket) = &*lock(link) {
                let _ = socket.shutdown(Shutdown::Write);
            }
        }
        let linked: Vec<bool> = self.links.iter().map(|link| lock(link).is_some()).collect();
        drop(self.wait(FAREWELL, |state| {
            state.peers.iter().zip(&linked).all(|(peer, linked)| !linked || peer.gone || peer.ended.is_some())
        }));
    }

    fn watch(self: Arc<Self>, peer: usize, link: u64, socket: &PeerLink) {
        let lost = |why: &str| self.lost(peer, link, why);
        let (mut silent, mut heard, mut chunk) = (0, Vec::new(), [0; 512]);
        loop {
            match (&mut &*socket).read(&mut chunk) {
                Ok(0) => return lost("has ended without a word"),
                Ok(read) => {
                    silent = 0;
                    heard.extend_from_slice(&chunk[..read]);
                    while let Some((word, length)) = ControlFrame::decode(&heard) {
                        heard.drain(..length);
                        match word {
                            Some(word) => self.heard(peer, word),
                            None => return lost("has sent something unreadable"),
                        }
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        silent += 1;
                        if silent >= SILENCE_S {
                            return lost(&format!("has gone silent: nothing heard for {SILENCE_S} s"));
                        }
                    }
                    _ => return lost(&format!("has ended without a word ({error})")),
                },
            }
        }
    }

    fn heard(&self, peer: usize, word: ControlFrame) {
        let name = &self.names[peer];
        match word {
            ControlFrame::Heartbeat => {}
            ControlFrame::Done => self.change(|state| state.peers[peer].done = true),
            ControlFrame::Interrupted => self.interrupt(name),
            ControlFrame::Fallen(Cause::Loss, words) => self.fall(peer, Cause::Loss, &words),
            ControlFrame::Fallen(Cause::Report, words) => self.stop(peer, words),
            ControlFrame::Ended(code, words) => {
                self.change(|state| state.peers[peer].ended = Some(code));
                match code {
                    // Its rows are not wanted any more (a closed pipe): nobody's are.
                    0 if !self.lock().peers[peer].done => self.end(0, "", 0),
                    0 => {}
                    130 => self.interrupt(name),
                    code => {
                        let so = if words.is_empty() { "" } else { ": " };
                        let words = format!("{name} has failed with exit code {code}{so}{words}");
                        if REPORTED.contains(&code) {
                            self.stop(peer, words)
                        } else {
                            self.fall(peer, Cause::Loss, &words)
                        }
                    }
                }
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut DetectorState)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Another process was interrupted.
    fn interrupt(&self, name: &str) {
        let known = {
            let mut state = self.lock();
            std::mem::replace(&mut state.interrupted, true) || state.ending
        };
        if !known && !interrupt::noticed() {
            if parent_link::parent().is_none() {
                say(&format!("{name} was interrupted, so this process ends, too"));
            }
            interrupt::myself();
        }
    }

    /// Another process has met something that ends the run: this one stops as at an interrupt.
    fn stop(&self, peer: usize, words: String) {
        let mut state = self.lock();
        if !state.working {
            drop(state);
            return self.fall(peer, Cause::Report, &words);
        }
        // An interrupt has come first: then that is why all end.
        if state.ending || std::mem::replace(&mut state.interrupted, true) {
            return;
        }
        (state.reported, state.peers[peer].gone) = (Some(words.clone()), true);
        drop(state);
        self.changed.notify_all();
        if let Some(parent) = parent_link::parent() {
            // Who has heard it waits for this process.
            parent.tell(&words);
        }
        interrupt::myself();
    }

    fn lost(&self, peer: usize, link: u64, why: &str) {
        let mut state = self.lock();
        if state.peers[peer].link != link {
            return;
        }
        state.peers[peer].gone = true;
        let expected = state.ending || state.peers[peer].ended.is_some();
        drop(state);
        self.changed.notify_all();
        if !expected {
            self.fall(peer, Cause::Loss, &format!("{} {why}", self.names[peer]));
        }
    }

    /// Ends this process because of `peer`, unless it is still being joined: then `join` fails with the words.
    fn fall(&self, peer: usize, cause: Cause, words: &str) {
        let mut state = self.lock();
        if state.ending {
            return;
        }
        state.peers[peer].gone = true;
        if state.reported.is_some() {
            // This one is stopping already, and may take longer than that one did.
            return;
        }
        if let Some(tell) = &state.listener {
            tell(words.to_owned());
            return;
        }
        state.ending = true;
        drop(state);
        self.end_because_of_another(cause, words)
    }

    /// The last step of a process that ends because of another.
    fn end_because_of_another(&self, cause: Cause, words: &str) -> ! {
        self.changed.notify_all();
        match parent_link::parent() {
            // The parent says it once for all, if it does not know better.
            Some(parent) => parent.tell(words),
            None => say(&format!("{words}; so this process ends, too")),
        }
        self.announce(&ControlFrame::Fallen(cause, words.to_owned()));
        quit(if parent_link::parent().is_some() { VICTIM } else { 1 })
    }

    fn end(&self, code: u8, words: &str, left: u8) -> ! {
        let mut state = self.lock();
        // Another one's error is why this one ends, whether it has stopped for it or was just through.
        if !state.ending
            && matches!(code, 0 | 130)
            && let Some(words) = state.reported.take()
        {
            state.ending = true;
            drop(state);
            self.end_because_of_another(Cause::Report, &words);
        }
        // A good end is reached together; only then is an ending one's own.
        if code == 0 && state.done && !state.ending {
            drop(state);
            self.tell(&ControlFrame::Ended(0, String::new()));
            let together = |state: &DetectorState| {
                state.ending
                    || state
                        .peers
                        .iter()
                        .enumerate()
                        .all(|(index, peer)| lock(&self.links[index]).is_none() || peer.ended == Some(0))
            };
            loop {
                let mut state = self.wait(Duration::from_millis(100), together);
                let together = together(&state);
                if !state.ending && (together || interrupt::noticed()) {
                    state.ending = true;
                    drop(state);
                    if together {
                        quit(0);
                    }
                    self.announce(&ControlFrame::Ended(130, String::new()));
                    quit(130);
                }
                if state.ending {
                    drop(state);
                    wait_for_the_end();
                }
            }
        }
        if std::mem::replace(&mut state.ending, true) {
            drop(state);
            wait_for_the_end();
        }
        drop(state);
        self.changed.notify_all();
        self.announce(&ControlFrame::Ended(code, words.to_owned()));
        quit(left)
    }

    /// Gives the control links time to find out who is to blame, and whoever ends this process for it.
    fn await_culprit(&self) {
        let ending = self.wait(EXPLANATION, |state| state.ending).ending;
        if ending {
            wait_for_the_end();
        }
    }
}

/// For threads that have nothing left to say: another one is ending the process.
fn wait_for_the_end() -> ! {
    let begun = Instant::now();
    loop {
        thread::park_timeout(Duration::from_secs(1));
        // Whoever is ending the process must not be able to hang it.
        if begun.elapsed() > TIDY_UP + TIDY_UP {
            quit(1);
        }
    }
}
