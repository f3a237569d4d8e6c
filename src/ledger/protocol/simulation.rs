//! The protocol against a model of a ledger, over seeded schedules of faults: answers and requests that are
//! lost or late, servers that crash, processes that die, freeze, wake, and copies that are started while
//! others run.
//!
//! Two models: a database, whose row lock makes transactions wait for each other, and a broker, which refuses
//! who does not have the latest epoch. `CROSSRATE_TEST_SCHEDULES` sets how many schedules (100,000 without),
//! a failure names its seed, and `CROSSRATE_TEST_SCHEDULE=SEED` replays it with a trace.

use super::{EndReason, Lease, Protocol, ProtocolStep, WriteOutcome};

/// What is to be committed in the end: the numbers below this, each once, in order.
const ITEMS: u64 = 12;
/// Schedules with faults are this long; then the faults stop and everything must come to its end.
const TROUBLED: usize = 60;
const CALM: usize = 400;

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Kind {
    Database,
    Broker,
}

/// A protocol that is wrong, to see that the model notices.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Fault {
    None,
    /// Writes again where the outcome is unknown, without looking.
    RepeatsBlindly,
    /// Takes an unknown outcome for a success.
    Hopes,
    /// The ledger takes a commit on top of any lease, and of any epoch.
    NoFence,
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// What a commit makes of the ledger.
#[derive(Debug, Clone)]
struct Write {
    writer: usize,
    epoch: u64,
    held: Option<Lease>,
    next: Lease,
    from: u64,
    to: u64,
    /// The request to commit has been sent, and arrives at some time or never; nobody can call it back.
    sealed: bool,
}

struct World {
    kind: Kind,
    fault: Fault,
    random: Random,
    trace: bool,
    // The ledger: what is committed, under which lease, and what is under way.
    point: u64,
    lease: Option<Lease>,
    epoch: u64,
    under_way: Vec<Write>,
    processes: Vec<Process>,
}

struct Process {
    protocol: Protocol,
    state: State,
    /// What it believes to be committed.
    point: u64,
    epoch: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Has yet to take the job over.
    New,
    /// Nothing is under way.
    Ready,
    /// Does what the protocol says, for numbers up to this one.
    Doing(ProtocolStep, u64),
    /// Has sent a commit up to this number, and waits.
    Waiting(u64),
    Gone,
}

impl World {
    fn new(kind: Kind, fault: Fault, seed: u64, trace: bool) -> Self {
        World {
            kind,
            fault,
            random: Random(seed),
            trace,
            point: 0,
            lease: None,
            epoch: 0,
            under_way: Vec::new(),
            processes: Vec::new(),
        }
    }

    fn say(&self, words: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{}", words());
        }
    }

    fn start(&mut self) {
        let number = self.processes.len();
        let mut run = [0; 16];
        run[..8].copy_from_slice(&(number as u64 + 1).to_le_bytes());
        let protocol = Protocol::new(run, format!("process {number}"));
        self.processes.push(Process { protocol, state: State::New, point: 0, epoch: 0 });
        self.say(|| format!("process {number} starts"));
    }

    /// Whether a transaction that is under way keeps others from the lease.
    fn locked(&self) -> bool {
        self.kind == Kind::Database && !self.under_way.is_empty()
    }

    /// The connection of a process is gone: what it had not sealed will not be.
    fn hang_up(&mut self, process: usize) {
        self.under_way.retain(|write| write.writer != process || write.sealed);
    }

    /// A broker's new epoch ends what older ones have under way.
    fn new_epoch(&mut self) -> u64 {
        self.epoch += 1;
        if self.fault != Fault::NoFence {
            self.under_way.clear();
        }
        self.epoch
    }

    fn apply(&mut self, write: &Write) -> Result<(), String> {
        self.say(|| format!("  committed {}..{} by process {}", write.from, write.to, write.writer));
        if write.from != self.point {
            return Err(format!("{}..{} was committed at {}", write.from, write.to, self.point));
        }
        self.point = write.to;
        self.lease = Some(write.next.clone());
        Ok(())
    }

    /// One of the commits under way arrives, if it is sealed.
    fn arrive(&mut self) -> Result<Option<Write>, String> {
        let sealed: Vec<usize> =
            self.under_way.iter().enumerate().filter(|(_, w)| w.sealed).map(|(at, _)| at).collect();
        if sealed.is_empty() {
            return Ok(None);
        }
        let write = self.under_way.remove(sealed[self.random.below(sealed.len())]);
        self.apply(&write)?;
        Ok(Some(write))
    }

    /// Lets a process do its next thing.
    fn act(&mut self, number: usize) -> Result<(), String> {
        match self.processes[number].state.clone() {
            State::Gone | State::Waiting(_) => Ok(()),
            State::New => self.acquire(number),
            State::Ready => {
                if self.processes[number].point < ITEMS {
                    let step = self.processes[number].protocol.begin();
                    let to = (self.processes[number].point + 1 + self.random.below(3) as u64).min(ITEMS);
                    self.go_on(number, step, to);
                }
                Ok(())
            }
            State::Doing(ProtocolStep::Write, to) => self.write(number, to),
            State::Doing(ProtocolStep::Look { gently }, to) => {
                self.look(number, gently, to);
                Ok(())
            }
            State::Doing(..) => Err("nothing else is ever to be done".into()),
        }
    }

    fn acquire(&mut self, number: usize) -> Result<(), String> {
        if self.locked() {
            return Ok(());
        }
        self.processes[number].point = self.point;
        let held = self.lease.clone();
        match self.kind {
            Kind::Database => {
                // Taking over is a commit that asks for nobody's leave.
                let process = &mut self.processes[number];
                process.protocol.acquire(None);
                process.protocol.begin();
                let lease = process.protocol.next().clone();
                process.protocol.acquire(Some(lease.clone()));
                process.state = State::Ready;
                self.lease = Some(lease);
            }
            Kind::Broker => {
                let epoch = self.new_epoch();
                let process = &mut self.processes[number];
                process.epoch = epoch;
                process.protocol.acquire(held);
                let step = process.protocol.begin();
                let to = process.point;
                self.go_on(number, step, to);
            }
        }
        self.say(|| format!("process {number} has taken over at {}", self.point));
        Ok(())
    }

    fn write(&mut self, number: usize, to: u64) -> Result<(), String> {
        if self.locked() {
            return Ok(());
        }
        let process = &self.processes[number];
        let write = Write {
            writer: number,
            epoch: process.epoch,
            held: process.protocol.held().cloned(),
            next: process.protocol.next().clone(),
            from: process.point,
            to,
            sealed: false,
        };
        let fenced = match self.kind {
            Kind::Database => write.held != self.lease,
            Kind::Broker => write.epoch != self.epoch,
        };
        if fenced && self.fault != Fault::NoFence {
            let found = self.lease.clone();
            let protocol = &mut self.processes[number].protocol;
            let step = match self.kind {
                Kind::Database => protocol.found(found.as_ref()),
                Kind::Broker => protocol.wrote(WriteOutcome::Fenced),
            };
            self.go_on(number, step, to);
            return Ok(());
        }
        self.say(|| format!("process {number} writes {}..{to}", write.from));
        self.under_way.push(write);
        self.processes[number].state = State::Waiting(to);
        Ok(())
    }

    fn look(&mut self, number: usize, gently: bool, to: u64) {
        if self.locked() {
            return;
        }
        let peeked = self.processes[number].protocol.clone().found(self.lease.as_ref());
        if self.kind == Kind::Broker && !(gently && peeked != ProtocolStep::Write) {
            let epoch = self.new_epoch();
            self.processes[number].epoch = epoch;
        }
        let step = self.processes[number].protocol.found(self.lease.as_ref());
        self.say(|| format!("process {number} looks: {step:?}"));
        self.go_on(number, step, to);
    }

    fn go_on(&mut self, number: usize, step: ProtocolStep, to: u64) {
        let state = match step {
            ProtocolStep::Done => {
                self.processes[number].point = to;
                State::Ready
            }
            ProtocolStep::End(why) => {
                self.say(|| format!("process {number} ends: {why:?}"));
                State::Gone
            }
            step => State::Doing(step, to),
        };
        self.processes[number].state = state;
    }

    /// A process that waits gives up waiting, or its connection breaks.
    fn lose_answer(&mut self, number: usize) {
        let State::Waiting(to) = self.processes[number].state else { return };
        self.say(|| format!("process {number} gets no answer"));
        let step = match self.fault {
            Fault::RepeatsBlindly => ProtocolStep::Write,
            Fault::Hopes => {
                self.processes[number].protocol.wrote(WriteOutcome::All);
                ProtocolStep::Done
            }
            _ => {
                self.hang_up(number);
                self.processes[number].protocol.wrote(WriteOutcome::Unknown)
            }
        };
        self.go_on(number, step, to);
    }

    fn seal(&mut self, number: usize) {
        if let Some(write) = self.under_way.iter_mut().find(|write| write.writer == number && !write.sealed) {
            write.sealed = true;
        }
    }

    /// The answer to a commit that has arrived reaches its writer, if that still waits.
    fn answer(&mut self, write: &Write) {
        if let State::Waiting(to) = self.processes[write.writer].state
            && self.processes[write.writer].protocol.next() == &write.next
        {
            let step = self.processes[write.writer].protocol.wrote(WriteOutcome::All);
            self.go_on(write.writer, step, to);
        }
    }

    /// Something happens.
    fn turn(&mut self, calm: bool) -> Result<(), String> {
        let alive: Vec<usize> =
            (0..self.processes.len()).filter(|n| self.processes[*n].state != State::Gone).collect();
        if alive.is_empty() {
            self.start();
            return Ok(());
        }
        let one = alive[self.random.below(alive.len())];
        match self.random.below(if calm { 8 } else { 16 }) {
            0..=3 => self.act(one),
            4 | 5 => {
                self.seal(one);
                Ok(())
            }
            6 | 7 => {
                if let Some(write) = self.arrive()? {
                    self.answer(&write);
                }
                Ok(())
            }
            8 => {
                // It arrives, and nobody hears of it.
                self.arrive().map(drop)
            }
            9 | 10 => {
                self.lose_answer(one);
                Ok(())
            }
            11 => {
                self.say(|| format!("process {one} is killed"));
                self.hang_up(one);
                self.processes[one].state = State::Gone;
                Ok(())
            }
            12 => {
                if alive.len() < 3 {
                    self.start();
                }
                Ok(())
            }
            13 | 14 => {
                // The server ends what is open: it crashes, or a frozen process has kept it open for too
                // long.
                self.say(|| "the server ends what is under way".into());
                let random = &mut self.random;
                self.under_way.retain(|write| write.sealed && random.below(2) == 0);
                Ok(())
            }
            // Nothing but time.
            _ => Ok(()),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        for _ in 0..TROUBLED {
            self.turn(false)?;
        }
        for turn in 0..CALM {
            self.turn(true)?;
            // A request that was lost in the troubled time ends by its timeout only.
            if turn % 40 == 39 {
                (0..self.processes.len()).for_each(|process| self.lose_answer(process));
            }
        }
        if self.point != ITEMS {
            return Err(format!("only {} of {ITEMS} were committed in the end", self.point));
        }
        Ok(())
    }
}

fn outcome(kind: Kind, fault: Fault, seed: u64, trace: bool) -> Result<(), String> {
    World::new(kind, fault, seed, trace).run()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_number_is_committed_once_and_in_order() {
    let seeds = match number("CROSSRATE_TEST_SCHEDULE") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CROSSRATE_TEST_SCHEDULES").unwrap_or(40_000),
    };
    let trace = seeds.end - seeds.start == 1;
    for seed in seeds {
        // A schedule of each kind in turn.
        let kind = if seed % 2 == 0 { Kind::Database } else { Kind::Broker };
        if let Err(wrong) = outcome(kind, Fault::None, seed, trace) {
            panic!("seed {seed}, {kind:?}: {wrong}");
        }
    }
}

#[test]
fn the_model_notices_what_is_wrong() {
    for (kind, fault) in [
        (Kind::Broker, Fault::RepeatsBlindly),
        (Kind::Broker, Fault::Hopes),
        (Kind::Broker, Fault::NoFence),
        (Kind::Database, Fault::NoFence),
    ] {
        let noticed = (0..5_000).any(|seed| outcome(kind, fault, seed, false).is_err());
        assert!(noticed, "{kind:?} with {fault:?} passes");
    }
}

#[test]
fn who_is_fenced_names_its_successor() {
    let mut first = Protocol::new([1; 16], "the first".into());
    first.acquire(None);
    first.begin();
    first.wrote(WriteOutcome::All);
    let held = first.next().clone();
    first.begin();
    let other = Lease { run: [2; 16], number: 0, owner: "the second".into() };
    assert_eq!(first.found(Some(&other)), ProtocolStep::End(EndReason::TakenOver("the second".into())));
    assert_eq!(first.found(None), ProtocolStep::End(EndReason::Vanished));
    assert_eq!(first.found(Some(&held)), ProtocolStep::Write);
    let older = Lease { number: 7, ..held };
    assert_eq!(first.found(Some(&older)), ProtocolStep::End(EndReason::WentBack));
    for _ in 1..super::ATTEMPTS {
        assert_eq!(first.wrote(WriteOutcome::Unknown), ProtocolStep::Look { gently: false });
    }
    assert_eq!(first.wrote(WriteOutcome::Unknown), ProtocolStep::End(EndReason::TooOften));
}
