//! One fate: when a worker or a process ends badly, all of them end, each with a message that names it.
//!
//! * **Inside a process** a surviving worker would wait for a dead sibling for ever, so a panic anywhere ends
//!   the process ([`end_on_panic`]).
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

use super::lifeline;
use super::socket::Socket;
use signal_hook::consts::SIGINT;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// After so many seconds without a heartbeat a process is given up. Counted in waits of a second each, not by
/// the clock: who was itself stopped for a while must not blame the others.
pub const SILENCE_S: u32 = 8;

/// The exit code of a process that ends because another one did, under a parent: the parent looks for the one
/// that failed first. By hand it is 1.
pub(super) const VICTIM: u8 = 86;

const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a failing process waits for the others to have heard it.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long a closed data link waits for the control link to say why.
const EXPLANATION: Duration = Duration::from_secs(3);
/// How long after an interrupt a process may still tidy up.
const TIDY_UP: Duration = Duration::from_secs(10);

/// What travels on a control link: a byte of kind, two of length, words.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// I live.
    Heartbeat,
    /// My workers are through; the data links close now, and that is in order.
    Done,
    /// Somebody wants the whole run to stop.
    Interrupted,
    /// I end with this exit code, for this reason.
    Ended(u8, String),
    /// I end because another one has; the words name it.
    Fallen(String),
}

/// Takes the words on a loss.
pub(super) type Joining = Box<dyn Fn(String) + Send>;

/// The links of this process to the others, and what is known of them.
pub(super) struct Fate {
    /// How the others are called, by index.
    names: Vec<String>,
    state: Mutex<State>,
    changed: Condvar,
    links: Vec<Mutex<Option<Socket>>>,
}

struct State {
    /// Who hears of losses while the cluster is still being joined; afterwards they end the process.
    joining: Option<Joining>,
    peers: Vec<Peer>,
    /// My workers are through.
    done: bool,
    /// An ending has begun, mine or one that was forced on me: no more is to be said about others.
    ending: bool,
    /// The others know of an interrupt, or I know it from them.
    interrupted: bool,
}

#[derive(Clone, Default)]
struct Peer {
    /// Which of its control links counts, should it have had to make a second one.
    link: u64,
    done: bool,
    ended: Option<u8>,
    gone: bool,
}

impl std::fmt::Debug for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fate").field("names", &self.names).finish_non_exhaustive()
    }
}

static CURRENT: Mutex<Option<Arc<Fate>>> = Mutex::new(None);
/// Whether this process itself was sent an interrupt, in whatever way.
static INTERRUPTED: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);

fn current() -> Option<Arc<Fate>> {
    lock(&CURRENT).clone()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends this process. In a cluster the others are told first; with code 0 it waits until they are through as
/// well, and ends with 1 if one of them fails. `words` says why in a line, for the other processes; this one
/// has printed its error already.
pub fn end(code: u8, words: &str) -> ! {
    match current() {
        Some(fate) => fate.end(code, words),
        None => quit(code),
    }
}

/// Tells the other processes that this one was interrupted, so that the whole run stops in good order. Each
/// then sends itself SIGINT, has up to ten seconds to tidy up, and ends by [`end`] with 130. May be called
/// often; without a cluster it does nothing.
pub fn interrupted() {
    if let Some(fate) = current() {
        let first = !std::mem::replace(&mut fate.lock().interrupted, true);
        if first {
            fate.tell(&Word::Interrupted);
        }
    }
}

/// Makes a panic of any thread end the process with code 1, after the usual message and a line that names the
/// worker; the other processes are told. For the first lines of `main`.
pub fn end_on_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let words = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(words), _) => (*words).to_owned(),
            (_, Some(words)) => words.clone(),
            _ => "no message".to_owned(),
        };
        let fate = current();
        // timely's own panics say only that a socket is gone. The control link will know whose.
        if (words.starts_with("timely communication error") || words.starts_with("MergeQueue poisoned"))
            && let Some(fate) = &fate
        {
            fate.await_culprit();
        }
        usual(panic);
        let thread = thread::current();
        let who = match thread.name().and_then(|name| name.strip_prefix("timely:work-")) {
            Some(worker) => format!("worker {worker}"),
            None => format!("thread {}", thread.name().unwrap_or("unnamed")),
        };
        eprintln!("crossrate: {who} has panicked, so the run ends");
        match fate {
            Some(fate) => fate.end(1, &format!("{who} has panicked: {words}")),
            None => quit(1),
        }
    }));
}

/// Exits, and sees to it that this is not held up: an exit handler of a C library may wait for a thread that
/// waits for us.
pub(super) fn quit(code: u8) -> ! {
    let _ = thread::Builder::new().name("cluster:exit".into()).spawn(move || {
        thread::sleep(Duration::from_secs(2));
        signal_hook::low_level::exit(code.into());
    });
    process::exit(code.into())
}

/// Begins to notice interrupts of this process; from now on SIGINT does not end it by itself.
pub(super) fn notice_interrupts() -> io::Result<()> {
    let mut interrupted = lock(&INTERRUPTED);
    if interrupted.is_none() {
        let flag = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGINT, Arc::clone(&flag))?;
        *interrupted = Some(flag);
    }
    Ok(())
}

/// Whether this process was sent an interrupt since [`notice_interrupts`].
pub(super) fn was_interrupted() -> bool {
    lock(&INTERRUPTED).as_ref().is_some_and(|flag| flag.load(Ordering::SeqCst))
}

/// Interrupts this process as Ctrl-C would, unless Ctrl-C has: a terminal sends it to every process at once,
/// and a second one may mean "now". Whoever does not end within [`TIDY_UP`] is ended.
pub(super) fn interrupt_myself() {
    let _ = thread::Builder::new().name("cluster:interrupt".into()).spawn(|| {
        thread::sleep(Duration::from_millis(100));
        if !was_interrupted() {
            let _ = signal_hook::low_level::raise(SIGINT);
        }
        thread::sleep(TIDY_UP);
        quit(130);
    });
}

impl Fate {
    /// Of process `names.len()` in all; losses go to `joining` until [`Fate::run`]. Beats from now on.
    pub(super) fn begin(names: Vec<String>, joining: Joining) -> io::Result<Arc<Fate>> {
        let count = names.len();
        let state = State {
            joining: Some(joining),
            peers: vec![Peer::default(); count],
            done: false,
            ending: false,
            interrupted: false,
        };
        let links = (0..count).map(|_| Mutex::new(None)).collect();
        let fate = Arc::new(Fate { names, state: Mutex::new(state), changed: Condvar::new(), links });
        *lock(&CURRENT) = Some(Arc::clone(&fate));
        let beating = Arc::downgrade(&fate);
        thread::Builder::new().name("cluster:heartbeat".into()).spawn(move || {
            while let Some(fate) = beating.upgrade() {
                fate.tell(&Word::Heartbeat);
                drop(fate);
                thread::sleep(HEARTBEAT);
            }
        })?;
        Ok(fate)
    }

    /// Takes over a control link, its handshake done, and watches it.
    pub(super) fn attach(self: &Arc<Self>, peer: usize, socket: Socket) -> io::Result<()> {
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.set_write_timeout(Some(Duration::from_secs(1)))?;
        let reading = socket.try_clone()?;
        let link = {
            let mut state = self.lock();
            state.peers[peer].link += 1;
            state.peers[peer].link
        };
        *lock(&self.links[peer]) = Some(socket);
        let fate = Arc::clone(self);
        thread::Builder::new()
            .name(format!("cluster:watch-{peer}"))
            .spawn(move || fate.watch(peer, link, &reading))?;
        Ok(())
    }

    /// The cluster is joined: from now on a loss ends the process.
    pub(super) fn run(&self) {
        self.lock().joining = None;
    }

    /// All workers of this process are through.
    pub(super) fn done(&self) {
        self.lock().done = true;
        self.tell(&Word::Done);
    }

    /// A data link to `peer` has ended. Returns if that is in order; otherwise this process ends, and by the
    /// control link's explanation where one comes.
    pub(super) fn data_link_ended(&self, peer: usize, error: Option<&io::Error>) {
        let in_order = |state: &State| state.peers[peer].done;
        let explained = |state: &State| in_order(state) || state.ending || state.peers[peer].ended.is_some();
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
        self.fall(peer, &format!("{} is lost: {why}", self.names[peer]));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits until `condition` holds, or so long.
    fn wait(&self, patience: Duration, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, patience, |state| !condition(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Says something to all others. A link that does not take it is dealt with by its watch.
    fn tell(&self, word: &Word) {
        let bytes = word.encode();
        for link in &self.links {
            if let Some(socket) = &*lock(link) {
                let _ = (&mut &*socket).write_all(&bytes);
            }
        }
    }

    /// The last words: said, the line closed, and the others given a moment to hear them. (Leaving at once with
    /// a heartbeat of theirs unread would reset the connection, and the words might be lost.)
    fn farewell(&self, word: &Word) {
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

    fn watch(self: Arc<Self>, peer: usize, link: u64, socket: &Socket) {
        let lost = |why: &str| self.lost(peer, link, why);
        let (mut silent, mut heard, mut chunk) = (0, Vec::new(), [0; 512]);
        loop {
            match (&mut &*socket).read(&mut chunk) {
                Ok(0) => return lost("has ended without a word"),
                Ok(read) => {
                    silent = 0;
                    heard.extend_from_slice(&chunk[..read]);
                    while let Some((word, length)) = Word::decode(&heard) {
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

    fn heard(&self, peer: usize, word: Word) {
        let name = &self.names[peer];
        match word {
            Word::Heartbeat => {}
            Word::Done => self.change(|state| state.peers[peer].done = true),
            Word::Interrupted => self.interrupt(name),
            Word::Fallen(words) => self.fall(peer, &words),
            Word::Ended(code, words) => {
                self.change(|state| state.peers[peer].ended = Some(code));
                match code {
                    // Its rows are not wanted any more (a closed pipe): nobody's are.
                    0 if !self.lock().peers[peer].done => self.end(0, ""),
                    0 => {}
                    130 => self.interrupt(name),
                    code if words.is_empty() => {
                        self.fall(peer, &format!("{name} has failed with exit code {code}"));
                    }
                    code => self.fall(peer, &format!("{name} has failed with exit code {code}: {words}")),
                }
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Another process was interrupted.
    fn interrupt(&self, name: &str) {
        let known = {
            let mut state = self.lock();
            std::mem::replace(&mut state.interrupted, true) || state.ending
        };
        if !known && !was_interrupted() {
            if lifeline::parent().is_none() {
                eprintln!("crossrate: {name} was interrupted, so this process ends, too");
            }
            interrupt_myself();
        }
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
            self.fall(peer, &format!("{} {why}", self.names[peer]));
        }
    }

    /// Ends this process because of `peer`, unless it is still being joined: then `join` fails with the words.
    fn fall(&self, peer: usize, words: &str) {
        let mut state = self.lock();
        if state.ending {
            return;
        }
        state.peers[peer].gone = true;
        if let Some(joining) = &state.joining {
            joining(words.to_owned());
            return;
        }
        state.ending = true;
        drop(state);
        self.changed.notify_all();
        match lifeline::parent() {
            // The parent says it once for all, if it does not know better.
            Some(parent) => parent.tell(words),
            None => eprintln!("crossrate: {words}; so this process ends, too"),
        }
        self.farewell(&Word::Fallen(words.to_owned()));
        quit(if lifeline::parent().is_some() { VICTIM } else { 1 })
    }

    fn end(&self, code: u8, words: &str) -> ! {
        let mut state = self.lock();
        // A good end is reached together; only then is an ending one's own.
        if code == 0 && state.done && !state.ending {
            drop(state);
            self.tell(&Word::Ended(0, String::new()));
            let together = |state: &State| {
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
                if !state.ending && (together || was_interrupted()) {
                    state.ending = true;
                    drop(state);
                    if together {
                        quit(0);
                    }
                    self.farewell(&Word::Ended(130, String::new()));
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
        self.farewell(&Word::Ended(code, words.to_owned()));
        quit(code)
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

impl Word {
    fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match self {
            Word::Heartbeat => (1, Vec::new()),
            Word::Done => (2, Vec::new()),
            Word::Interrupted => (3, Vec::new()),
            Word::Ended(code, words) => (4, [&[*code], words.as_bytes()].concat()),
            Word::Fallen(words) => (5, words.clone().into_bytes()),
        };
        let length = payload.len().min(LONGEST_WORDS);
        let mut bytes = vec![kind];
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(&payload[..length]);
        bytes
    }

    /// The first word in `bytes` and its length, if it is there whole; `None` in place of the word if it is none.
    fn decode(bytes: &[u8]) -> Option<(Option<Word>, usize)> {
        let (&[kind, low, high], rest) = bytes.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let payload = rest.get(..length)?;
        let word = match (kind, payload) {
            (1, _) => Some(Word::Heartbeat),
            (2, _) => Some(Word::Done),
            (3, _) => Some(Word::Interrupted),
            (4, [code, words @ ..]) => Some(Word::Ended(*code, super::handshake::printable(words))),
            (5, words) => Some(Word::Fallen(super::handshake::printable(words))),
            _ => None,
        };
        Some((word, 3 + length))
    }
}

/// Reasons longer than this are cut.
const LONGEST_WORDS: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_link_in_any_pieces() {
        let words = [
            Word::Heartbeat,
            Word::Done,
            Word::Interrupted,
            Word::Ended(3, "no such file".into()),
            Word::Ended(0, String::new()),
            Word::Fallen("process 2 is gone".into()),
        ];
        let bytes: Vec<u8> = words.iter().flat_map(Word::encode).collect();
        let (mut heard, mut buffer) = (Vec::new(), Vec::new());
        for byte in bytes {
            buffer.push(byte);
            while let Some((word, length)) = Word::decode(&buffer) {
                heard.push(word.expect("a word"));
                buffer.drain(..length);
            }
        }
        assert_eq!(heard, words);
        assert!(buffer.is_empty());
    }

    #[test]
    fn noise_is_no_word_and_long_reasons_are_cut() {
        assert_eq!(Word::decode(&[9, 0, 0]), Some((None, 3)));
        assert_eq!(Word::decode(&[4, 0, 0]), Some((None, 3)));
        let bytes = Word::Fallen("x".repeat(100_000)).encode();
        let Some((Some(Word::Fallen(words)), _)) = Word::decode(&bytes) else { panic!("no word") };
        assert!((1..=LONGEST_WORDS).contains(&words.len()));
    }
}
