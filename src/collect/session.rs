//! The collector without I/O or clock: what came goes in, what is to be done comes out. Read
//! [`CollectorSession::event`] first: a trade that is the next one of its symbol goes to its partition's
//! [`ReorderBuffer`], a jump of ids opens a gap there. `gaps` looks for what is missing, `audit` finds out
//! what connections have missed without anybody noticing (the last trade before a cut, a symbol that is never
//! sent), `heartbeats` says up to when all is told.

mod audit;
mod counts;
mod gaps;
mod heartbeats;
mod note;
#[cfg(test)]
mod simulation;

pub use counts::CollectorCounts;
pub use note::CollectorNote;

use super::clock::{ExchangeClock, Moment};
use super::enquiry::{ExchangeAnswer, ExchangeLimits, ExchangeQuestion, Quota};
use super::event::{FrameEvent, TradeEvent};
use super::ids::{GapKey, IdArrival, Ids, MissingCause};
use super::reorder_buffer::{ReorderBuffer, WaitCause};
use super::shard::{Attempts, Coverage, Jitter, LinkCommand, LinkKey, LinkTimeouts, Shard, ShardContext};
use audit::Audit;
use crossrate_dataflows::market::event_time::EventTime;
use gaps::Gap;
use std::collections::{BTreeMap, HashMap};

/// What a session goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Of connections.
    pub patience: LinkTimeouts,
    /// How long a partition waits for what is missing, in milliseconds.
    pub fill_hold: u64,
    /// How often the last trades of all symbols are asked for, in milliseconds.
    pub audit_every: u64,
    /// What the exchange allows.
    pub limits: ExchangeLimits,
    /// Decides the jitter.
    pub seed: u64,
}

/// A symbol, and where its trades go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolPlacement {
    /// Its name.
    pub name: String,
    /// Its partition.
    pub partition: usize,
}

/// A record for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectedRecord {
    /// Where it goes.
    pub partition: usize,
    /// Whose trade it is.
    pub what: CollectedKind,
    /// Its event time.
    pub time: EventTime,
    /// Its bytes.
    pub value: Box<[u8]>,
    /// When it was received.
    pub received: Moment,
}

/// What a record is.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum CollectedKind {
    /// A trade as the websocket sent it.
    Trade {
        /// The symbol's number.
        symbol: usize,
        /// The trade's.
        id: u64,
    },
    /// A trade that was missing and that REST had.
    Filled {
        /// The symbol's number.
        symbol: usize,
        /// The trade's.
        id: u64,
    },
    /// A heartbeat.
    Heartbeat,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionAction {
    /// Append this to its partition.
    Publish(CollectedRecord),
    /// Something about a connection.
    Link(LinkCommand),
    /// Ask the exchange; the answer is to carry the number.
    Ask(u64, ExchangeQuestion),
    /// Tell people.
    Tell(CollectorNote),
}

#[derive(Debug)]
struct CollectedSymbol {
    name: String,
    partition: usize,
    shard: usize,
    ids: Ids,
    /// The greatest event time seen.
    newest: EventTime,
    /// When a trade newer than those before it came last.
    last_trade: Moment,
    /// None has come since its shard's outage: what is found missing next was missed then.
    in_doubt: bool,
}

#[derive(Debug, Default)]
struct CollectedPartition {
    hold: ReorderBuffer<CollectedRecord>,
    shards: Vec<usize>,
    heartbeat: Option<EventTime>,
    beaten: Moment,
}

/// What a question was asked for.
#[derive(Debug)]
enum QuestionPurpose {
    Time,
    Audit(usize),
    Gap(GapKey, ExchangeQuestion),
}

/// The state.
#[derive(Debug)]
pub struct CollectorSession {
    rules: Rules,
    symbols: Vec<CollectedSymbol>,
    by_name: HashMap<String, usize>,
    partitions: Vec<CollectedPartition>,
    shards: Vec<Shard>,
    audits: Vec<Audit>,
    gaps: BTreeMap<GapKey, Gap>,
    gaps_ever: u64,
    clock: ExchangeClock,
    attempts: Attempts,
    jitter: Jitter,
    quota: Quota,
    open_questions: BTreeMap<u64, (Moment, QuestionPurpose)>,
    questions: u64,
    counts: CollectorCounts,
    outputs: Vec<SessionAction>,
    stopping: bool,
}

impl CollectorSession {
    /// Over these shards of symbols, and so many partitions.
    pub fn new(rules: Rules, shards: Vec<Vec<SymbolPlacement>>, partitions: usize) -> Self {
        let mut jitter = Jitter(rules.seed);
        let audits: Vec<Audit> = shards.iter().map(|_| Audit::new(rules.audit_every, &mut jitter)).collect();
        let links = (0..shards.len()).map(Shard::new).collect();
        let placed = |shard: usize, placed: SymbolPlacement| CollectedSymbol {
            name: placed.name,
            partition: placed.partition,
            shard,
            ids: Ids::default(),
            newest: EventTime::MIN,
            last_trade: Moment::default(),
            in_doubt: false,
        };
        let symbols: Vec<CollectedSymbol> = shards
            .into_iter()
            .enumerate()
            .flat_map(|(shard, symbols)| symbols.into_iter().map(move |symbol| placed(shard, symbol)))
            .collect();
        let of_partition = |partition: usize| {
            let mut shards: Vec<usize> =
                symbols.iter().filter(|s| s.partition == partition).map(|s| s.shard).collect();
            shards.dedup();
            CollectedPartition { shards, ..CollectedPartition::default() }
        };
        CollectorSession {
            partitions: (0..partitions).map(of_partition).collect(),
            by_name: symbols.iter().enumerate().map(|(number, s)| (s.name.clone(), number)).collect(),
            symbols,
            shards: links,
            audits,
            gaps: BTreeMap::new(),
            gaps_ever: 0,
            clock: ExchangeClock::default(),
            attempts: Attempts::new(rules.limits.attempts, rules.limits.attempts_within),
            jitter,
            quota: Quota::new(rules.limits.weight),
            open_questions: BTreeMap::new(),
            questions: 0,
            counts: CollectorCounts::default(),
            outputs: Vec::new(),
            stopping: false,
            rules,
        }
    }

    /// The name of a symbol.
    pub fn name(&self, symbol: usize) -> &str {
        &self.symbols[symbol].name
    }

    /// The symbols of a shard, by number.
    pub fn symbols_of(&self, shard: usize) -> impl Iterator<Item = usize> + '_ {
        self.symbols.iter().enumerate().filter(move |(_, s)| s.shard == shard).map(|(number, _)| number)
    }

    /// The number of a symbol.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The accounting so far.
    pub fn counts(&self) -> CollectorCounts {
        let stalls = self.shards.iter().map(Shard::stalls).sum();
        CollectorCounts { stalls, pending: self.missing_now(), ..self.counts }
    }

    /// What is to be done since this was asked last, in order.
    pub fn outputs(&mut self) -> std::vec::Drain<'_, SessionAction> {
        self.outputs.drain(..)
    }

    /// The exchange's time is known from elsewhere.
    pub fn note_time(&mut self, time: EventTime, asked_at: Moment, now: Moment) {
        self.clock.note_time(time, asked_at, now);
    }

    /// A connection is open.
    pub fn opened(&mut self, link: LinkKey, now: Moment) {
        self.counts.connections += 1;
        let change = self.with_shard(link.shard, now, |shard, around| shard.opened(link, around));
        self.changed(link.shard, change, now);
    }

    /// A connection could not be opened, or ended. The exchange may have said how long to keep away.
    pub fn closed(&mut self, link: LinkKey, keep_away: Option<u64>, why: String, now: Moment) {
        if let Some(millis) = keep_away {
            self.attempts.pause(now.plus(millis));
        }
        if self.stopping {
            return;
        }
        self.outputs.push(SessionAction::Tell(CollectorNote::Closed { shard: link.shard, why }));
        let change = self.with_shard(link.shard, now, |shard, around| shard.closed(link, around));
        self.changed(link.shard, change, now);
    }

    /// The exchange sent a ping, which is answered elsewhere.
    pub fn pinged(&mut self, link: LinkKey, now: Moment) {
        self.shards[link.shard].note_message(link, now, None);
    }

    /// The exchange answered our ping of that number.
    pub fn ponged(&mut self, link: LinkKey, ping: u64, now: Moment) {
        self.shards[link.shard].answered(link, ping, now, &self.clock);
    }

    /// A frame came.
    pub fn event(&mut self, link: LinkKey, event: FrameEvent, now: Moment) {
        let mut proof = None;
        match event {
            FrameEvent::Trade(trade) => {
                if let Some(stamped) = trade.stamped {
                    self.clock.stamped(stamped, now);
                    proof = self.clock.at(now).map(|known| known.min(stamped));
                }
                self.trade(trade, now);
            }
            FrameEvent::Shutdown => {
                self.counts.ignored += 1;
                self.shards[link.shard].ending(link, now);
                self.outputs.push(SessionAction::Tell(CollectorNote::Shutdown { shard: link.shard }));
            }
            FrameEvent::Other => self.counts.ignored += 1,
            FrameEvent::Bad(why) => {
                self.counts.bad += 1;
                self.outputs.push(SessionAction::Tell(CollectorNote::Bad { why }));
            }
        }
        self.shards[link.shard].note_message(link, now, proof);
    }

    /// An answer came, and what the exchange says it has counted in this minute.
    pub fn answered(&mut self, question: u64, answer: ExchangeAnswer, used: Option<u64>, now: Moment) {
        let Some((asked_at, purpose)) = self.open_questions.remove(&question) else { return };
        self.quota.answered(&answer, used, now);
        match &answer {
            ExchangeAnswer::Limited { banned, .. } => {
                let wait = self.quota.paused_until().since(now);
                self.counts.limited += 1;
                self.outputs.push(SessionAction::Tell(CollectorNote::Limited { wait, banned: *banned }));
            }
            ExchangeAnswer::Failed(why) | ExchangeAnswer::Refused(why) => {
                self.outputs.push(SessionAction::Tell(CollectorNote::Unanswered { why: why.clone() }));
            }
            _ => {}
        }
        match (purpose, answer) {
            (QuestionPurpose::Time, ExchangeAnswer::Time(time)) => self.clock.note_time(time, asked_at, now),
            (QuestionPurpose::Time, _) => {}
            (QuestionPurpose::Audit(shard), answer) => self.audited(shard, asked_at, answer, now),
            (QuestionPurpose::Gap(gap, question), answer) => self.searched(gap, &question, answer, now),
        }
    }

    /// Time has passed. To be called every few tens of milliseconds.
    pub fn tick(&mut self, now: Moment) {
        if !self.stopping {
            for shard in 0..self.shards.len() {
                let change = self.with_shard(shard, now, |shard, around| shard.tick(around));
                self.changed(shard, change, now);
            }
            self.tick_audits(now);
        }
        self.expire(now);
        self.ask(now);
        self.release();
        self.beat(now);
    }

    /// Nothing new is collected from here on. What waits for fills goes on waiting until its time is up.
    pub fn stop(&mut self) {
        self.stopping = true;
        let mut commands = Vec::new();
        self.shards.iter_mut().for_each(|shard| shard.close(&mut commands));
        self.outputs.extend(commands.into_iter().map(SessionAction::Link));
        for (shard, _) in self.shards.iter().enumerate() {
            self.partitions.iter_mut().for_each(|partition| partition.hold.lift(WaitCause::Outage(shard)));
        }
        self.release();
    }

    /// After [`CollectorSession::stop`]: whether nothing waits any more.
    pub fn is_through(&self) -> bool {
        self.partitions.iter().all(|partition| partition.hold.is_empty())
    }

    /// The end: what is still missing stays so.
    pub fn finish(&mut self) -> CollectorCounts {
        for partition in &mut self.partitions {
            partition.hold.expire(Moment::from_millis(u64::MAX));
        }
        self.release();
        for gap in self.gaps.keys().copied().collect::<Vec<_>>() {
            self.give_up(gap, u64::MAX);
        }
        self.counts()
    }

    fn with_shard<T>(
        &mut self,
        shard: usize,
        now: Moment,
        act: impl FnOnce(&mut Shard, &mut ShardContext<'_>) -> T,
    ) -> T {
        let mut commands = Vec::new();
        let mut around = ShardContext {
            now,
            patience: &self.rules.patience,
            attempts: &mut self.attempts,
            jitter: &mut self.jitter,
            commands: &mut commands,
        };
        let result = act(&mut self.shards[shard], &mut around);
        self.outputs.extend(commands.into_iter().map(SessionAction::Link));
        result
    }

    /// A shard's trades come, or come no more: its partitions wait, since what is newer would be in the way of what
    /// was missed.
    fn changed(&mut self, shard: usize, change: Option<Coverage>, now: Moment) {
        let since = match change {
            None => return,
            Some(Coverage::Lost) => {
                self.counts.outages += 1;
                self.outputs.push(SessionAction::Tell(CollectorNote::Lost { shard }));
                self.audits[shard].lost();
                now
            }
            Some(Coverage::Anew(since)) => {
                let first =
                    self.audits[shard].covered(since, &self.rules.patience, now.plus(self.rules.fill_hold));
                self.outputs.push(SessionAction::Tell(CollectorNote::Connected { shard, first }));
                if first {
                    return;
                }
                since
            }
        };
        for symbol in self.symbols.iter_mut().filter(|symbol| symbol.shard == shard) {
            symbol.in_doubt |= symbol.last_trade <= since;
        }
        let millis = self.rules.fill_hold;
        for partition in self.partitions.iter_mut().filter(|partition| partition.shards.contains(&shard)) {
            partition.hold.wait(WaitCause::Outage(shard), now, millis);
        }
    }

    fn trade(&mut self, trade: TradeEvent, now: Moment) {
        let Some(&number) = self.by_name.get(&trade.symbol) else {
            self.counts.ignored += 1;
            return;
        };
        self.counts.received += 1;
        let symbol = &mut self.symbols[number];
        let mut arrival = symbol.ids.arrive(trade.id);
        // A repetition is as old as the trade, and what is from before the beginning is older than what came since.
        let restarted = trade.time > symbol.newest
            && match arrival {
                IdArrival::Duplicate => true,
                IdArrival::Found(MissingCause::Before) => symbol.last_trade > Moment::default(),
                _ => false,
            };
        if arrival == IdArrival::Duplicate && !restarted {
            self.counts.duplicates += 1;
            return;
        }
        if restarted {
            // This is newer than everything: the exchange counts from anew.
            let name = symbol.name.clone();
            self.outputs.push(SessionAction::Tell(CollectorNote::Restarted { symbol: name }));
            self.forget_gaps_of(number);
            let symbol = &mut self.symbols[number];
            symbol.ids = Ids::default();
            arrival = symbol.ids.arrive(trade.id);
        }
        let symbol = &mut self.symbols[number];
        symbol.newest = symbol.newest.max(trade.time);
        let record = CollectedRecord {
            partition: symbol.partition,
            what: CollectedKind::Trade { symbol: number, id: trade.id },
            time: trade.time,
            value: trade.value,
            received: now,
        };
        if matches!(arrival, IdArrival::Next | IdArrival::Jump { .. }) {
            symbol.last_trade = now;
            symbol.in_doubt &= arrival != IdArrival::Next;
        }
        match arrival {
            IdArrival::Next => self.partitions[record.partition].hold.push(record),
            IdArrival::Jump { first } => {
                self.miss(number, first, trade.id - 1, now);
                self.partitions[record.partition].hold.push(record);
            }
            IdArrival::Found(why) => self.found(record, trade.id, why),
            IdArrival::Duplicate => {}
        }
        self.release_partition(self.symbols[number].partition);
    }

    /// A trade that was missing is there.
    fn found(&mut self, record: CollectedRecord, id: u64, why: MissingCause) {
        let filled = matches!(record.what, CollectedKind::Filled { .. });
        match why {
            MissingCause::Before => {}
            MissingCause::Gap(_) if filled => self.counts.filled += 1,
            MissingCause::Gap(_) => self.counts.arrived += 1,
            MissingCause::Lost => {
                self.counts.unfilled -= 1;
                *(if filled { &mut self.counts.filled } else { &mut self.counts.arrived }) += 1;
            }
        }
        let partition = record.partition;
        match why {
            MissingCause::Gap(key) => {
                if let Err(late) =
                    self.partitions[partition].hold.found(WaitCause::Gap(key), record.time, id, record)
                {
                    self.publish(late);
                }
                self.close_if_complete(key);
            }
            MissingCause::Before => self.partitions[partition].hold.push(record),
            MissingCause::Lost => self.publish(record),
        }
    }

    fn release(&mut self) {
        (0..self.partitions.len()).for_each(|partition| self.release_partition(partition));
    }

    fn release_partition(&mut self, partition: usize) {
        let mut released = Vec::new();
        self.partitions[partition].hold.release(|record| released.push(record));
        // What was missed goes among what other connections brought meanwhile, not before all of it.
        released.sort_by_key(|record| record.time);
        released.into_iter().for_each(|record| self.publish(record));
    }

    fn publish(&mut self, record: CollectedRecord) {
        match record.what {
            CollectedKind::Heartbeat => self.counts.heartbeats += 1,
            CollectedKind::Trade { .. } | CollectedKind::Filled { .. } => {
                self.counts.published += 1;
                let promised = self.partitions[record.partition].heartbeat;
                self.counts.overtaken += u64::from(promised.is_some_and(|promised| record.time < promised));
            }
        }
        self.outputs.push(SessionAction::Publish(record));
    }
}
