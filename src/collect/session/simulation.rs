//! The session against imagined exchanges, one for each seed: trades that are dropped, repeated and
//! reordered, connections that break, fall silent and refuse, a REST that lags, limits and fails. What the
//! session published and counted is then held against what the exchange knows to be true.

use super::*;
use crate::collect::binance::limits::{PING_EVERY, limits};
use crate::collect::enquiry::{FoundTrade, MOST_IN_FLIGHT};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// The exchange's time at our moment 0.
const EPOCH: u64 = 1_700_000_000_000;
const FIRST_ID: u64 = 1_000;
const TICK: u64 = 50;
const HOLD: u64 = 3_000;
const LIMIT: u64 = 1_200;

/// How a world behaves, in chances of one in a thousand unless said otherwise.
#[derive(Debug)]
struct Manners {
    dropped: u64,
    /// Of the dropped ones: REST does not know them either.
    unknown: u64,
    skipped: u64,
    repeated: u64,
    reordered: u64,
    refused: u64,
    hanging: u64,
    failing: u64,
    limited: u64,
    half_open: u64,
    shutdown: u64,
    /// Milliseconds that the database is behind.
    behind: u64,
    /// Milliseconds that connections live, about.
    life: u64,
}

impl Manners {
    fn new(seed: u64, dice: &mut Jitter) -> Self {
        // One world in four has breaking connections only: there nothing may ever be overtaken or lost.
        let kind = seed.is_multiple_of(4);
        let mut unless_kind = |most: u64| if kind { 0 } else { dice.below(most) };
        Manners {
            dropped: unless_kind(20),
            unknown: unless_kind(300),
            skipped: unless_kind(4),
            refused: unless_kind(400),
            hanging: unless_kind(60),
            failing: unless_kind(300),
            limited: unless_kind(60),
            half_open: unless_kind(400),
            behind: unless_kind(2_000).max(dice.below(300)),
            repeated: dice.below(40),
            reordered: dice.below(40),
            shutdown: dice.below(300),
            life: 3_000 + dice.below(20_000),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Truth {
    id: u64,
    at: u64,
    known: bool,
    dropped: bool,
    /// The database has it so much later than others.
    delayed: u64,
}

#[derive(Debug)]
enum Happening {
    Trade(usize),
    Opens(LinkKey),
    Fails(LinkKey, Option<u64>),
    Arrives(LinkKey, Frame),
    Repeats(LinkKey, Frame),
    Cut(LinkKey),
    Announces(LinkKey),
    Silent(LinkKey),
    Answers(u64, ExchangeAnswer),
    Tick,
}

#[derive(Debug, Clone, Copy)]
enum Frame {
    Trade(usize, Truth, u64),
    Shutdown,
    Pong(u64),
    End,
}

#[derive(Debug)]
struct Server {
    lag: u64,
    way: u64,
    last: u64,
    silent: bool,
    pings: Vec<u64>,
}

struct World {
    session: CollectorSession,
    manners: Manners,
    dice: Jitter,
    now: u64,
    calm: u64,
    end: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    scheduled: u64,
    truth: Vec<Vec<Truth>>,
    pace: Vec<u64>,
    servers: BTreeMap<LinkKey, Server>,
    log: Vec<Vec<CollectedRecord>>,
    /// The first id that each symbol must account for.
    duty: Vec<Option<u64>>,
    weights: BTreeMap<u64, u64>,
    paused_until: u64,
    in_flight: usize,
    /// Partitions that went on, and when.
    expired: Vec<(usize, Moment)>,
    /// Print what happens.
    is_printed: bool,
}

impl World {
    fn new(seed: u64, is_printed: bool) -> Self {
        let mut dice = Jitter(seed);
        let manners = Manners::new(seed, &mut dice);
        let partitions = 1 + dice.below(3) as usize;
        let shards = (0..1 + dice.below(2)).map(|shard| {
            let symbols = 1 + dice.below(2);
            let place = |dice: &mut Jitter, n| SymbolPlacement {
                name: format!("S{shard}{n}"),
                partition: dice.below(partitions as u64) as usize,
            };
            (0..symbols).map(|n| place(&mut dice, n)).collect::<Vec<_>>()
        });
        let shards: Vec<Vec<SymbolPlacement>> = shards.collect();
        let symbols: usize = shards.iter().map(Vec::len).sum();
        let rules = Rules {
            patience: LinkTimeouts {
                stall: 4_000,
                renew: 8_000 + dice.below(20_000),
                overlap: 1_000,
                ping_every: PING_EVERY,
            },
            fill_hold: HOLD,
            audit_every: 10_000,
            limits: limits(Some(LIMIT)),
            seed,
        };
        let calm = 8_000 + dice.below(20_000);
        let mut session = CollectorSession::new(rules, shards, partitions);
        session.note_time(EventTime::from_micros(EPOCH * 1_000), Moment::default(), Moment::default());
        let mut world = World {
            session,
            manners,
            now: 0,
            calm,
            end: calm + 34_000,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            scheduled: 0,
            truth: vec![Vec::new(); symbols],
            pace: (0..symbols).map(|_| [150, 900, 6_000][dice.below(3) as usize]).collect(),
            servers: BTreeMap::new(),
            log: vec![Vec::new(); partitions],
            duty: vec![None; symbols],
            weights: BTreeMap::new(),
            paused_until: 0,
            in_flight: 0,
            expired: Vec::new(),
            is_printed,
            dice,
        };
        for symbol in 0..symbols {
            world.at(0, Happening::Trade(symbol));
        }
        world.at(0, Happening::Tick);
        world
    }

    fn at(&mut self, time: u64, happening: Happening) {
        self.scheduled += 1;
        self.queue.push(Reverse((time, self.scheduled)));
        self.happenings.insert(self.scheduled, happening);
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.now < self.calm && self.dice.below(1_000) < per_mille
    }

    fn moment(&self) -> Moment {
        Moment::from_millis(self.now)
    }

    fn run(mut self) -> CollectorCounts {
        while let Some((time, happening)) = self.next_until(self.end) {
            self.now = time;
            self.happen(happening);
            self.perform();
        }
        self.session.stop();
        self.perform();
        for _ in 0..=(HOLD / TICK) {
            self.now += TICK;
            self.late_answers();
            self.session.tick(self.moment());
            self.perform();
        }
        assert!(self.session.is_through(), "nothing is held for longer than the hold");
        let counts = self.session.finish();
        self.perform();
        self.check(&counts);
        counts
    }

    /// What was asked before the end, and is asked until the hold is over, is answered still; nothing else
    /// happens.
    fn late_answers(&mut self) {
        while let Some((_, happening)) = self.next_until(self.now) {
            if matches!(happening, Happening::Answers(..)) {
                self.happen(happening);
                self.perform();
            }
        }
    }

    /// What happens next, unless that is later.
    fn next_until(&mut self, until: u64) -> Option<(u64, Happening)> {
        let Reverse((time, number)) = *self.queue.peek().filter(|Reverse((time, _))| *time <= until)?;
        self.queue.pop();
        Some((time, self.happenings.remove(&number).expect("each happens once")))
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.moment();
        match happening {
            Happening::Tick => {
                self.session.tick(now);
                self.at(self.now + TICK, Happening::Tick);
                if self.now > self.calm + 22_000 {
                    self.fresh();
                }
            }
            Happening::Trade(symbol) => self.trade(symbol),
            Happening::Opens(link) => {
                let server = Server {
                    lag: self.dice.below(100),
                    way: 1 + self.dice.below(80),
                    last: 0,
                    silent: false,
                    pings: Vec::new(),
                };
                self.servers.insert(link, server);
                self.session.opened(link, now);
                let life = self.manners.life / 2 + self.dice.below(self.manners.life);
                if self.now + life < self.calm {
                    let fate = if self.chance(self.manners.half_open) {
                        Happening::Silent(link)
                    } else if self.chance(self.manners.shutdown) {
                        Happening::Announces(link)
                    } else {
                        Happening::Cut(link)
                    };
                    self.at(self.now + life, fate);
                }
            }
            Happening::Fails(link, keep_away) => self.session.closed(link, keep_away, String::new(), now),
            Happening::Arrives(link, frame) => {
                if self.servers.contains_key(&link) {
                    self.arrive(link, frame);
                }
            }
            Happening::Repeats(link, frame) => self.send(link, frame),
            Happening::Cut(link) => self.cut(link),
            Happening::Announces(link) => {
                self.send(link, Frame::Shutdown);
                let soon = self.now + 500 + self.dice.below(8_000);
                let silent = self.chance(self.manners.half_open);
                self.at(soon, if silent { Happening::Silent(link) } else { Happening::Cut(link) });
            }
            Happening::Silent(link) => {
                if let Some(server) = self.servers.get_mut(&link) {
                    server.silent = true;
                }
            }
            Happening::Answers(question, answer) => {
                self.in_flight -= 1;
                if let ExchangeAnswer::Limited { wait, .. } = answer {
                    self.paused_until = self.paused_until.max(self.now + wait);
                }
                self.session.answered(question, answer, None, now);
            }
        }
        for (symbol, duty) in self.duty.iter_mut().enumerate() {
            *duty = duty.or(self.session.symbols[symbol].ids.next());
        }
    }

    fn arrive(&mut self, link: LinkKey, frame: Frame) {
        let now = self.moment();
        match frame {
            Frame::Trade(symbol, truth, stamped) => {
                let trade = TradeEvent {
                    symbol: self.session.name(symbol).to_owned(),
                    id: truth.id,
                    time: EventTime::from_micros((EPOCH + truth.at) * 1_000),
                    stamped: Some(EventTime::from_micros((EPOCH + stamped) * 1_000)),
                    value: Box::default(),
                };
                self.session.event(link, FrameEvent::Trade(trade), now);
            }
            Frame::Shutdown => self.session.event(link, FrameEvent::Shutdown, now),
            Frame::Pong(ping) => self.session.ponged(link, ping, now),
            Frame::End => {
                self.servers.remove(&link);
                self.session.closed(link, None, String::new(), now);
            }
        }
    }

    /// A trade happens, and is sent to all who listen.
    fn trade(&mut self, symbol: usize) {
        let mut id = self.truth[symbol].last().map_or(FIRST_ID, |last| last.id + 1);
        if self.chance(self.manners.skipped) {
            id += 1 + self.dice.below(3);
        }
        let dropped = self.chance(self.manners.dropped);
        let known = !(dropped && self.chance(self.manners.unknown));
        let delayed = if self.chance(50) { self.dice.below(600) } else { 0 };
        let truth = Truth { id, at: self.now, known, dropped, delayed };
        self.truth[symbol].push(truth);
        let shard = self.session.symbols[symbol].shard;
        let stamped = self.now + self.dice.below(10);
        let links: Vec<LinkKey> = self.servers.keys().copied().filter(|link| link.shard == shard).collect();
        for link in links.into_iter().filter(|_| !dropped) {
            let frame = Frame::Trade(symbol, truth, stamped);
            self.send(link, frame);
            if self.chance(self.manners.repeated) {
                let later = self.now + 200 + self.dice.below(3_000);
                self.at(later, Happening::Repeats(link, frame));
            }
        }
        let next = self.now + 1 + self.dice.below(self.pace[symbol] * 2);
        self.at(next, Happening::Trade(symbol));
    }

    /// A frame takes its way, after those before it.
    fn send(&mut self, link: LinkKey, frame: Frame) {
        let reordered = matches!(frame, Frame::Trade(..)) && self.chance(self.manners.reordered);
        let jitter = self.dice.below(if reordered { 100 } else { 20 });
        let Some(server) = self.servers.get_mut(&link).filter(|server| !server.silent) else { return };
        let lag = if matches!(frame, Frame::Trade(..)) { server.lag } else { 0 };
        let arrives = self.now + server.way + jitter + lag;
        let arrives = if reordered { arrives } else { arrives.max(server.last) };
        if !reordered {
            server.last = arrives;
        }
        self.at(arrives, Happening::Arrives(link, frame));
    }

    /// The exchange ends a connection: in order, so that what is under way still arrives, or not.
    fn cut(&mut self, link: LinkKey) {
        if self.dice.below(2) == 0 {
            self.send(link, Frame::End);
        } else if self.servers.get(&link).is_some_and(|server| !server.silent) {
            self.arrive(link, Frame::End);
        }
    }

    fn perform(&mut self) {
        let outputs: Vec<SessionAction> = self.session.outputs().collect();
        for output in outputs {
            if self.is_printed {
                eprintln!("{:>6} {output:?}", self.now);
            }
            match output {
                SessionAction::Publish(record) => self.log[record.partition].push(record),
                SessionAction::Tell(CollectorNote::Expired { partition }) => {
                    self.expired.push((partition, self.moment()))
                }
                SessionAction::Tell(_) => {}
                SessionAction::Link(LinkCommand::Connect(link)) => self.connect(link),
                SessionAction::Link(LinkCommand::Close(link)) => {
                    self.servers.remove(&link);
                }
                SessionAction::Link(LinkCommand::Ping(link, ping)) => {
                    let Some(server) = self.servers.get_mut(&link) else { continue };
                    server.pings.retain(|sent| self.now - sent < 1_000);
                    server.pings.push(self.now);
                    assert!(
                        server.pings.len() <= 3,
                        "five frames a second are allowed, some are answers to pings"
                    );
                    self.send(link, Frame::Pong(ping));
                }
                SessionAction::Ask(question, what) => self.asked(question, &what),
            }
        }
    }

    fn connect(&mut self, link: LinkKey) {
        if self.chance(self.manners.hanging) {
            self.at(self.now + 5_000, Happening::Fails(link, None));
        } else if self.chance(self.manners.refused) {
            let keep_away = (self.dice.below(10) == 0).then(|| 500 + self.dice.below(2_000));
            let soon = self.now + 5 + self.dice.below(200);
            self.at(soon, Happening::Fails(link, keep_away));
        } else {
            let soon = self.now + 20 + self.dice.below(300);
            self.at(soon, Happening::Opens(link));
        }
    }

    fn asked(&mut self, question: u64, what: &ExchangeQuestion) {
        assert!(self.now >= self.paused_until, "asked while the exchange wants no questions");
        let minute = (EPOCH + self.now) / 60_000;
        let used = self.weights.entry(minute).or_default();
        *used += (limits(None).weight_of)(what);
        assert!(*used <= LIMIT, "asked more than is allowed");
        self.in_flight += 1;
        assert!(self.in_flight <= MOST_IN_FLIGHT);
        let answer = if self.chance(self.manners.failing) {
            ExchangeAnswer::Failed(String::new())
        } else if self.chance(self.manners.limited) {
            ExchangeAnswer::Limited { wait: 1_000 + self.dice.below(3_000), banned: self.dice.below(4) == 0 }
        } else {
            self.answer(what)
        };
        let later = self.now + 10 + self.dice.below(200);
        self.at(later, Happening::Answers(question, answer));
    }

    fn answer(&self, what: &ExchangeQuestion) -> ExchangeAnswer {
        let (now, truth) = (self.now, &self.truth);
        let seen = |truth: &Truth, behind: u64| truth.at + behind <= now;
        let found = |truth: &Truth| FoundTrade {
            id: truth.id,
            time: EventTime::from_micros((EPOCH + truth.at) * 1_000),
            value: Box::default(),
        };
        let last = |symbol: usize| truth[symbol].iter().rev().find(|t| seen(t, 30)).map(|t| t.id);
        match what {
            ExchangeQuestion::Time => ExchangeAnswer::Time(EventTime::from_micros((EPOCH + now) * 1_000)),
            ExchangeQuestion::LastIds(symbols) => {
                ExchangeAnswer::LastIds(symbols.iter().map(|s| (*s, last(*s))).collect())
            }
            ExchangeQuestion::AllLastIds => {
                ExchangeAnswer::LastIds((0..truth.len()).map(|s| (s, last(s))).collect())
            }
            ExchangeQuestion::Trades { symbol, from, limit } => {
                let trades = truth[*symbol].iter().filter(|t| t.known && t.id >= *from);
                let trades =
                    trades.filter(|t| seen(t, self.manners.behind + t.delayed)).take(*limit as usize);
                ExchangeAnswer::Trades(trades.map(found).collect())
            }
            ExchangeQuestion::Recent { symbol } => {
                let trades = truth[*symbol].iter().rev().filter(|t| t.known && seen(t, 10));
                let mut latest: Vec<_> = trades.take(40).map(found).collect();
                latest.reverse();
                ExchangeAnswer::Trades(latest)
            }
        }
    }

    /// When all is calm, heartbeats are recent.
    fn fresh(&self) {
        for (number, partition) in self.session.partitions.iter().enumerate() {
            let heartbeat = partition.heartbeat.map_or(0, EventTime::millis);
            let age = EPOCH + self.now - heartbeat;
            assert!(age <= 2_000, "partition {number}: a heartbeat of {age} ms ago at {}", self.now);
        }
    }

    fn check(&self, counts: &CollectorCounts) {
        let absent = self.check_trades();
        assert_eq!(counts.unfilled, absent, "what is absent is counted as unfilled: {counts:?}");
        assert_eq!(counts.pending, 0);
        assert_eq!(counts.received, counts.published - counts.filled + counts.duplicates, "{counts:?}");
        assert_eq!(counts.missing, counts.filled + counts.arrived + counts.unfilled, "{counts:?}");
        let records: u64 = self.log.iter().map(|log| log.len() as u64).sum();
        assert_eq!(records, counts.published + counts.heartbeats);
        let overtaken = self.check_heartbeats(counts);
        assert_eq!(overtaken, counts.overtaken);
        let m = &self.manners;
        if m.refused + m.hanging + m.dropped + m.skipped + m.failing + m.limited + m.half_open == 0 {
            assert_eq!((counts.unfilled, counts.overtaken), (0, 0), "{counts:?}");
            // Connections that held for a while are replaced at once, and what they missed is there in time.
            if m.life >= 20_000 {
                assert_eq!(counts.expired, 0, "{counts:?}");
                self.check_order();
            }
        }
    }

    /// What was missing stands before what is newer: partitions are out of order by little, although
    /// connections were away for a while.
    fn check_order(&self) {
        for log in &self.log {
            let mut newest = EventTime::MIN;
            for record in log.iter().filter(|record| record.what != CollectedKind::Heartbeat) {
                newest = newest.max(record.time);
                let by = newest.millis() - record.time.millis();
                assert!(by <= 500, "{:?} stands behind what is {by} ms newer", record.what);
            }
        }
    }

    /// Each trade is published once, in its partition; how many are not there at all, of those that count.
    fn check_trades(&self) -> u64 {
        let mut published: Vec<BTreeSet<u64>> = vec![BTreeSet::new(); self.truth.len()];
        for (number, log) in self.log.iter().enumerate() {
            for record in log {
                let (CollectedKind::Trade { symbol, id } | CollectedKind::Filled { symbol, id }) =
                    record.what
                else {
                    continue;
                };
                assert_eq!(self.session.symbols[symbol].partition, number);
                let truth = self.truth[symbol].iter().find(|truth| truth.id == id).expect("it happened");
                assert_eq!(record.time.millis(), EPOCH + truth.at);
                assert!(published[symbol].insert(id), "trade {id} of {symbol} twice");
            }
        }
        let mut absent = 0;
        for (symbol, truth) in self.truth.iter().enumerate() {
            let next = self.session.symbols[symbol].ids.next().expect("it has traded");
            let last = truth.iter().rev().find(|t| t.at + 13_000 < self.end).expect("it traded before");
            assert!(last.id < next, "the last trades of {symbol} went unnoticed");
            let duty = self.duty[symbol].expect("it has traded");
            for id in (duty..next).filter(|id| !published[symbol].contains(id)) {
                let lost = truth.iter().any(|truth| truth.id == id && truth.known);
                assert!(!lost, "trade {id} of {symbol} could have been filled");
                absent += 1;
            }
        }
        absent
    }

    /// No trade is older than a heartbeat before it, but for those that the exchange had swallowed, or that
    /// came after the hold. How many there are.
    fn check_heartbeats(&self, counts: &CollectorCounts) -> u64 {
        let mut overtaken = 0;
        for log in &self.log {
            let mut promised = EventTime::MIN;
            for record in log {
                let (symbol, id) = match record.what {
                    CollectedKind::Heartbeat => {
                        assert!(record.time > promised);
                        promised = record.time;
                        continue;
                    }
                    CollectedKind::Trade { symbol, id } | CollectedKind::Filled { symbol, id } => {
                        (symbol, id)
                    }
                };
                if record.time < promised {
                    overtaken += 1;
                    let dropped = self.truth[symbol].iter().any(|truth| truth.id == id && truth.dropped);
                    let happened = record.time.millis() - EPOCH;
                    let gone_on = self.expired.iter().any(|(partition, at)| {
                        *partition == record.partition && at.millis() >= happened && *at <= record.received
                    });
                    assert!(dropped || gone_on, "trade {id} of {symbol} broke a promise: {counts:?}");
                }
            }
        }
        overtaken
    }
}

#[test]
fn ids_that_begin_anew_below_all_that_were_seen_are_noticed() {
    let rules = Rules {
        patience: LinkTimeouts { stall: 4_000, renew: 60_000, overlap: 1_000, ping_every: PING_EVERY },
        fill_hold: HOLD,
        audit_every: 10_000,
        limits: limits(Some(LIMIT)),
        seed: 1,
    };
    let mut session =
        CollectorSession::new(rules, vec![vec![SymbolPlacement { name: "A".into(), partition: 0 }]], 1);
    session.tick(Moment::from_millis(1));
    let link = session.outputs().find_map(|output| match output {
        SessionAction::Link(LinkCommand::Connect(link)) => Some(link),
        _ => None,
    });
    let link = link.expect("it connects");
    session.opened(link, Moment::from_millis(2));
    let trade = |session: &mut CollectorSession, id: u64, at: u64| {
        let time = EventTime::from_micros((EPOCH + at) * 1_000);
        let trade = TradeEvent { symbol: "A".into(), id, time, stamped: None, value: Box::default() };
        session.event(link, FrameEvent::Trade(trade), Moment::from_millis(at));
        let restarted = |output| matches!(output, SessionAction::Tell(CollectorNote::Restarted { .. }));
        session.outputs().any(restarted)
    };
    // What was on its way while the exchange was asked is from before the beginning, and in its order.
    session.symbols[0].ids.begin_after(Some(999));
    assert!(!trade(&mut session, 998, 10) && !trade(&mut session, 999, 11));
    assert!(!trade(&mut session, FIRST_ID, 12) && !trade(&mut session, 997, 9));
    assert!(trade(&mut session, 1, 20), "newer than all, and below all: from anew");
    assert!(!trade(&mut session, 2, 21));
    assert_eq!(session.counts().missing, 0);
    trade(&mut session, 5, 22);
    assert_eq!((session.counts().missing, session.counts().published), (2, 6), "3 and 4 are missed");
}

#[test]
fn every_trade_is_published_once_or_counted_and_heartbeats_hold() {
    let seeds: u64 = std::env::var("CROSSRATE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let first: u64 = std::env::var("CROSSRATE_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let sums: Vec<CollectorCounts> = std::thread::scope(|scope| {
        let run = |thread: u64| {
            let mut sum = CollectorCounts::default();
            for seed in (first + thread..first + seeds).step_by(threads as usize) {
                let ran = std::panic::catch_unwind(|| World::new(seed, seeds == 1).run());
                let counts =
                    ran.unwrap_or_else(|_| panic!("CROSSRATE_SEED={seed} CROSSRATE_SEEDS=1 shows it"));
                sum.published += counts.published;
                sum.filled += counts.filled;
                sum.arrived += counts.arrived;
                sum.unfilled += counts.unfilled;
                sum.overtaken += counts.overtaken;
                sum.stalls += counts.stalls;
                sum.outages += counts.outages;
                sum.limited += counts.limited;
                sum.duplicates += counts.duplicates;
            }
            sum
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        handles.into_iter().map(|handle| handle.join().expect("no seed failed")).collect()
    });
    eprintln!("{sums:?}");
    if seeds >= 1_000 {
        // The worlds are no paradise: all that can happen has happened.
        let any = |count: fn(&CollectorCounts) -> u64| sums.iter().any(|sum| count(sum) > 0);
        assert!(any(|c| c.filled) && any(|c| c.arrived) && any(|c| c.unfilled) && any(|c| c.overtaken));
        assert!(any(|c| c.stalls) && any(|c| c.outages) && any(|c| c.limited) && any(|c| c.duplicates));
    }
}
