//! The connections of one shard of symbols: one that counts, and at times a second one that is to take over.
//! Pure: it is told what happened and when, and says what is to be done.
//!
//! A connection is *proven* up to a time of the exchange: whatever was sent before it has arrived. An event
//! proves its own stamp, since frames keep their order; the answer to a ping proves the moment at which the
//! ping was sent. When the second connection takes over, nothing was missed if the first one answered a ping
//! that was sent well after the second one was open. Else the shard had an outage, however short, and has to
//! find out what it missed.

use super::clock::{ExchangeClock, Moment};
use crossrate_dataflows::market::event_time::EventTime;
use std::collections::VecDeque;

/// Names a connection.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkKey {
    /// Whose it is.
    pub shard: usize,
    /// Counts the connections of the shard.
    pub number: u64,
}

/// What is to be done.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum LinkCommand {
    /// Connect.
    Connect(LinkKey),
    /// Send a ping of this number.
    Ping(LinkKey, u64),
    /// Close; nothing of it matters any more.
    Close(LinkKey),
}

/// What has changed for the shard.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// Nothing comes any more.
    Lost,
    /// Trades come again, or for the first time, since that moment; those just before may have been missed.
    Anew(Moment),
}

/// How patient a shard is, in milliseconds.
#[derive(Debug, Clone)]
pub struct LinkTimeouts {
    /// Silence after which a connection counts as dead.
    pub stall: u64,
    /// Age at which a connection is replaced; the exchange cuts it after a day.
    pub renew: u64,
    /// How long two connections overlap before the older one may go: what one server has passed on, another
    /// one may still be about to.
    pub overlap: u64,
    /// Between two pings.
    pub ping_every: u64,
}

/// Unanswered pings after which none is sent: after a pause on the way the exchange finds them all at once,
/// and then those that follow within the same second.
const MOST_PINGS: usize = 2;
/// How long a connection that answers no pings may hold up the one that takes over.
const HANDOVER: u64 = 10_000;
/// A connection that held so long was a good one: the next failure is the first one again.
const GOOD: u64 = 10_000;
const FIRST_RETRY: u64 = 250;
const LONGEST_RETRY: u64 = 10_000;

/// Attempts to connect, of all shards together.
#[derive(Debug)]
pub struct Attempts {
    /// So many at most.
    most: usize,
    /// Within so many milliseconds.
    within: u64,
    recent: VecDeque<Moment>,
    paused_until: Moment,
}

impl Attempts {
    /// None yet, of so many at most within so many milliseconds.
    pub fn new(most: usize, within: u64) -> Self {
        Attempts { most, within, recent: VecDeque::new(), paused_until: Moment::default() }
    }

    /// Whether one more may be made now; if so, it counts.
    fn take(&mut self, now: Moment) -> bool {
        while self.recent.front().is_some_and(|then| now.since(*then) >= self.within) {
            self.recent.pop_front();
        }
        let allowed = now >= self.paused_until && self.recent.len() < self.most;
        if allowed {
            self.recent.push_back(now);
        }
        allowed
    }

    /// The exchange wants no attempt before then.
    pub fn pause(&mut self, until: Moment) {
        self.paused_until = self.paused_until.max(until);
    }
}

/// Jitter: SplitMix64, so that a seed tells all.
#[derive(Debug, Clone)]
pub struct Jitter(pub u64);

impl Jitter {
    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

/// What is needed to act.
pub(super) struct ShardContext<'a> {
    pub now: Moment,
    pub patience: &'a LinkTimeouts,
    pub attempts: &'a mut Attempts,
    pub jitter: &'a mut Jitter,
    pub commands: &'a mut Vec<LinkCommand>,
}

#[derive(Debug)]
struct ShardLink {
    key: LinkKey,
    /// Since when it is open.
    open: Option<Moment>,
    /// When something came last.
    last_message: Moment,
    renew: Moment,
    proven: Option<EventTime>,
    /// When the latest answered ping was sent.
    confirmed: Option<Moment>,
    pings: VecDeque<(u64, Moment)>,
    pinged: Moment,
    ping: u64,
}

impl ShardLink {
    fn silent(&self, now: Moment, patience: &LinkTimeouts) -> bool {
        self.open.is_some() && now.since(self.last_message) >= patience.stall
    }
}

/// One shard's connections.
#[derive(Debug)]
pub(super) struct Shard {
    index: usize,
    links: u64,
    primary: Option<ShardLink>,
    spare: Option<ShardLink>,
    failures: u32,
    retry: Moment,
    stalls: u64,
}

impl Shard {
    pub(super) fn new(index: usize) -> Self {
        Shard {
            index,
            links: 0,
            primary: None,
            spare: None,
            failures: 0,
            retry: Moment::default(),
            stalls: 0,
        }
    }

    /// Up to when everything has arrived, by the connection that counts.
    pub(super) fn proven(&self) -> Option<EventTime> {
        self.primary.as_ref().filter(|link| link.open.is_some())?.proven
    }

    /// How often a connection fell silent.
    pub(super) fn stalls(&self) -> u64 {
        self.stalls
    }

    pub(super) fn opened(&mut self, key: LinkKey, around: &mut ShardContext<'_>) -> Option<Coverage> {
        let primary = self.primary.as_ref().is_some_and(|link| link.key == key);
        let link = self.link(key)?;
        link.open = Some(around.now);
        link.last_message = around.now;
        link.renew = around.now.plus(around.patience.renew);
        // Who replaces a silent connection does so before its first trade comes.
        if primary { Some(Coverage::Anew(around.now)) } else { self.hand_over(around) }
    }

    /// It failed to open, or was closed by the other side.
    pub(super) fn closed(&mut self, key: LinkKey, around: &mut ShardContext<'_>) -> Option<Coverage> {
        let now = around.now;
        let good = self.link(key)?.open.is_some_and(|since| now.since(since) >= GOOD);
        self.failures = if good { 0 } else { self.failures.saturating_add(1) };
        let most = (FIRST_RETRY << self.failures.min(7)).min(LONGEST_RETRY);
        self.retry =
            now.plus(if good { around.jitter.below(most) } else { most / 2 + around.jitter.below(most / 2) });
        if self.spare.as_ref().is_some_and(|link| link.key == key) {
            self.spare = None;
            return None;
        }
        let was_open = self.primary.as_ref().is_some_and(|link| link.open.is_some());
        self.primary = self.spare.take();
        match self.primary.as_ref().and_then(|link| link.open) {
            Some(since) => Some(Coverage::Anew(since)),
            None => was_open.then_some(Coverage::Lost),
        }
    }

    /// The exchange said that this connection will end.
    pub(super) fn ending(&mut self, key: LinkKey, now: Moment) {
        if let Some(link) = self.link(key) {
            link.renew = link.renew.min(now);
        }
    }

    /// Something came.
    pub(super) fn note_message(&mut self, key: LinkKey, now: Moment, proof: Option<EventTime>) {
        if let Some(link) = self.link(key) {
            link.last_message = now;
            link.proven = link.proven.max(proof);
        }
    }

    /// A ping was answered.
    pub(super) fn answered(&mut self, key: LinkKey, ping: u64, now: Moment, clock: &ExchangeClock) {
        let Some(link) = self.link(key) else { return };
        link.last_message = now;
        // An answer to none of ours proves nothing.
        let Some(sent) = link.pings.iter().find(|(number, _)| *number == ping).map(|(_, sent)| *sent) else {
            return;
        };
        link.pings.retain(|(number, _)| *number > ping);
        link.confirmed = link.confirmed.max(Some(sent));
        link.proven = link.proven.max(clock.at(sent));
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, around: &mut ShardContext<'_>) -> Option<Coverage> {
        let change = self.hand_over(around);
        self.connect(around);
        for link in self.primary.iter_mut().chain(&mut self.spare) {
            let due =
                around.now.since(link.pinged) >= around.patience.ping_every && link.pings.len() < MOST_PINGS;
            if link.open.is_some() && due {
                link.ping += 1;
                link.pinged = around.now;
                link.pings.push_back((link.ping, around.now));
                around.commands.push(LinkCommand::Ping(link.key, link.ping));
            }
        }
        change
    }

    /// Closes all that there is.
    pub(super) fn close(&mut self, commands: &mut Vec<LinkCommand>) {
        commands.extend(
            self.primary.take().into_iter().chain(self.spare.take()).map(|l| LinkCommand::Close(l.key)),
        );
    }

    fn link(&mut self, key: LinkKey) -> Option<&mut ShardLink> {
        self.primary.iter_mut().chain(&mut self.spare).find(|link| link.key == key)
    }

    fn hand_over(&mut self, around: &mut ShardContext<'_>) -> Option<Coverage> {
        let (now, patience) = (around.now, around.patience);
        if let Some(spare) = self.spare.take_if(|spare| spare.silent(now, patience)) {
            self.stalls += 1;
            self.retry = now.plus(around.jitter.below(FIRST_RETRY));
            around.commands.push(LinkCommand::Close(spare.key));
        }
        let (Some(primary), Some(spare)) = (&self.primary, &self.spare) else { return None };
        let since = spare.open?;
        let seamless = primary.confirmed.is_some_and(|sent| sent >= since.plus(patience.overlap));
        let silent = primary.silent(now, patience);
        if !seamless && !silent && now.since(since) < HANDOVER {
            return None;
        }
        self.stalls += u64::from(silent);
        around.commands.push(LinkCommand::Close(primary.key));
        self.failures = 0;
        self.primary = self.spare.take();
        (!seamless).then_some(Coverage::Anew(since))
    }

    fn connect(&mut self, around: &mut ShardContext<'_>) {
        let (now, patience) = (around.now, around.patience);
        let wanted = match &self.primary {
            None => true,
            Some(link) => link.open.is_some() && (now >= link.renew || link.silent(now, patience)),
        };
        if !wanted || self.spare.is_some() || now < self.retry || !around.attempts.take(now) {
            return;
        }
        self.links += 1;
        let key = LinkKey { shard: self.index, number: self.links };
        let link = ShardLink {
            key,
            open: None,
            last_message: now,
            renew: now,
            proven: None,
            confirmed: None,
            pings: VecDeque::new(),
            pinged: now,
            ping: 0,
        };
        around.commands.push(LinkCommand::Connect(key));
        match self.primary {
            None => self.primary = Some(link),
            Some(_) => self.spare = Some(link),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LinkCommand::{Close, Connect};

    /// A shard with its surroundings, and the moment.
    struct Bench {
        shard: Shard,
        attempts: Attempts,
        jitter: Jitter,
        now: u64,
        clock: ExchangeClock,
    }

    const PATIENCE: LinkTimeouts =
        LinkTimeouts { stall: 5_000, renew: 60_000, overlap: 1_000, ping_every: 750 };
    const MOST_ATTEMPTS: usize = 250;
    const ATTEMPTS_WITHIN: u64 = 300_000;

    impl Bench {
        fn new() -> Self {
            let mut clock = ExchangeClock::default();
            clock.stamped(EventTime::EARLIEST, Moment::default());
            Bench {
                shard: Shard::new(0),
                attempts: Attempts::new(MOST_ATTEMPTS, ATTEMPTS_WITHIN),
                jitter: Jitter(1),
                now: 0,
                clock,
            }
        }

        fn with<T>(
            &mut self,
            act: impl FnOnce(&mut Shard, &mut ShardContext<'_>) -> T,
        ) -> (T, Vec<LinkCommand>) {
            let mut commands = Vec::new();
            let mut around = ShardContext {
                now: Moment::from_millis(self.now),
                patience: &PATIENCE,
                attempts: &mut self.attempts,
                jitter: &mut self.jitter,
                commands: &mut commands,
            };
            let result = act(&mut self.shard, &mut around);
            (result, commands)
        }

        /// Ticks and answers pings (of those links that are said to) until something else is to be done.
        fn run(&mut self, most: u64, answering: &[u64]) -> (Option<Coverage>, Vec<LinkCommand>) {
            let end = self.now + most;
            while self.now < end {
                self.now += 50;
                let (change, commands) = self.with(|shard, around| shard.tick(around));
                let mut rest = Vec::new();
                for command in commands {
                    match command {
                        LinkCommand::Ping(key, ping) if answering.contains(&key.number) => {
                            self.shard.answered(key, ping, Moment::from_millis(self.now), &self.clock);
                        }
                        LinkCommand::Ping(..) => {}
                        other => rest.push(other),
                    }
                }
                if change.is_some() || !rest.is_empty() {
                    return (change, rest);
                }
            }
            (None, Vec::new())
        }

        fn open(&mut self, number: u64) -> Option<Coverage> {
            self.with(|shard, around| shard.opened(key(number), around)).0
        }
    }

    fn key(number: u64) -> LinkKey {
        LinkKey { shard: 0, number }
    }

    #[test]
    fn a_connection_is_replaced_before_its_end_without_an_outage() {
        let mut bench = Bench::new();
        assert_eq!(bench.run(1_000, &[]), (None, vec![Connect(key(1))]));
        assert_eq!(bench.open(1), Some(Coverage::Anew(Moment::from_millis(bench.now))));
        let opened = bench.now;
        assert_eq!(bench.run(70_000, &[1]), (None, vec![Connect(key(2))]));
        assert_eq!(bench.now - opened, PATIENCE.renew);
        assert_eq!(bench.open(2), None, "the first one still counts");
        let overlaps = bench.now;
        assert_eq!(bench.run(70_000, &[1, 2]), (None, vec![Close(key(1))]));
        assert!(bench.now - overlaps >= PATIENCE.overlap);
        assert!(bench.shard.proven().is_some());
    }

    #[test]
    fn a_silent_connection_is_replaced_and_what_it_missed_is_in_doubt() {
        let mut bench = Bench::new();
        bench.run(1_000, &[]);
        bench.open(1);
        bench.run(3_000, &[1]);
        assert_eq!(bench.run(10_000, &[]), (None, vec![Connect(key(2))]));
        let opened = Moment::from_millis(bench.now);
        let (change, commands) = bench.with(|shard, around| shard.opened(key(2), around));
        assert_eq!((change, commands), (Some(Coverage::Anew(opened)), vec![Close(key(1))]));
        assert_eq!(bench.shard.stalls(), 1);
    }

    #[test]
    fn the_spare_takes_over_when_the_first_one_is_lost() {
        let mut bench = Bench::new();
        bench.run(1_000, &[]);
        bench.open(1);
        bench.shard.ending(key(1), Moment::from_millis(bench.now));
        assert_eq!(bench.run(1_000, &[1]).1, [Connect(key(2))]);
        bench.open(2);
        let since = Moment::from_millis(bench.now);
        assert_eq!(bench.with(|shard, around| shard.closed(key(1), around)).0, Some(Coverage::Anew(since)));
        assert_eq!(bench.with(|shard, around| shard.closed(key(2), around)).0, Some(Coverage::Lost));
        assert_eq!(bench.with(|shard, around| shard.closed(key(2), around)).0, None);
    }

    #[test]
    fn failures_wait_longer_and_attempts_are_limited() {
        let mut bench = Bench::new();
        let mut waits = Vec::new();
        for number in 1..=12 {
            let before = bench.now;
            assert_eq!(bench.run(60_000, &[]).1, [Connect(key(number))]);
            waits.push(bench.now - before);
            bench.with(|shard, around| shard.closed(key(number), around));
        }
        assert!(waits[1] <= 550 && waits[11] >= LONGEST_RETRY / 2, "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST_RETRY + 50), "{waits:?}");
        let mut attempts = Attempts::new(MOST_ATTEMPTS, ATTEMPTS_WITHIN);
        let allowed = |attempts: &mut Attempts, now| {
            (0..400).filter(|_| attempts.take(Moment::from_millis(now))).count()
        };
        assert_eq!(allowed(&mut attempts, 0), MOST_ATTEMPTS);
        assert_eq!(allowed(&mut attempts, ATTEMPTS_WITHIN - 1), 0);
        assert_eq!(allowed(&mut attempts, ATTEMPTS_WITHIN), MOST_ATTEMPTS);
        attempts.pause(Moment::from_millis(3 * ATTEMPTS_WITHIN));
        assert_eq!(allowed(&mut attempts, 2 * ATTEMPTS_WITHIN), 0);
    }

    #[test]
    fn a_connection_that_answers_nothing_is_not_flooded() {
        let mut bench = Bench::new();
        bench.run(1_000, &[]);
        bench.open(1);
        let mut pings = 0;
        for _ in 0..80 {
            bench.now += 50;
            let commands = bench.with(|shard, around| shard.tick(around)).1;
            pings += commands.iter().filter(|command| matches!(command, LinkCommand::Ping(..))).count();
        }
        assert_eq!(pings, MOST_PINGS);
    }
}
