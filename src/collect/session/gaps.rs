//! Gaps in trade ids: their partition waits for a while, they themselves are looked for longer.

use super::{
    CollectedKind, CollectedRecord, CollectorNote, CollectorSession, QuestionPurpose, SessionAction,
};
use crate::collect::clock::Moment;
use crate::collect::enquiry::{ExchangeAnswer, ExchangeQuestion, FoundTrade};
use crate::collect::ids::{GapKey, MissingCause};
use crate::collect::reorder_buffer::WaitCause;

/// Ids that one symbol misses.
#[derive(Debug)]
pub(super) struct Gap {
    symbol: usize,
    first: u64,
    last: u64,
    found: Moment,
    /// When to ask next; `None` while an answer is awaited.
    ask: Option<Moment>,
    /// Answers in a row that brought nothing.
    fruitless: u32,
    /// Those of them that should have had what is missing.
    denials: u32,
}

/// Frames may change places on their way: what seems missing is asked for after so many milliseconds.
const PATIENCE: u64 = 150;
const FIRST_RETRY: u64 = 200;
const LONGEST_RETRY: u64 = 10_000;
/// Answers that cover an id without having it, after which it does not exist.
const DENIALS: u32 = 3;
/// By so much at most the exchange's database is behind its memory.
const DATABASE_BEHIND: u64 = 30_000;
/// Whether found or not, after an hour a gap is given up.
const GIVE_UP: u64 = 3_600_000;
/// No connection misses so many: the exchange's ids have jumped.
const MOST_MISSING: u64 = 1_000_000;

impl CollectorSession {
    /// These ids are missing: the partition waits at the place where they belong.
    pub(super) fn miss(&mut self, symbol: usize, first: u64, last: u64, now: Moment) {
        self.gaps_ever += 1;
        let key = GapKey(self.gaps_ever);
        let (shard, partition) = (self.symbols[symbol].shard, self.symbols[symbol].partition);
        self.symbols[symbol].ids.miss(first, last, key);
        self.counts.gaps += 1;
        self.counts.missing += last - first + 1;
        let name = self.symbols[symbol].name.clone();
        self.outputs.push(SessionAction::Tell(CollectorNote::Gap { symbol: name, first, last }));
        let gap =
            Gap { symbol, first, last, found: now, ask: Some(now.plus(PATIENCE)), fruitless: 0, denials: 0 };
        self.gaps.insert(key, gap);
        if last - first >= MOST_MISSING {
            self.give_up(key, u64::MAX);
            return;
        }
        let millis = self.rules.fill_hold;
        let hold = &mut self.partitions[partition].hold;
        // Once trades have come again, what is missing is newer than they are and stands behind them.
        match std::mem::take(&mut self.symbols[symbol].in_doubt) {
            true => hold.wait_at(WaitCause::Outage(shard), WaitCause::Gap(key), now, millis),
            false => hold.wait(WaitCause::Gap(key), now, millis),
        }
    }

    /// Trades that are looked for at present.
    pub(super) fn missing_now(&self) -> u64 {
        let missing = |(key, gap): (&GapKey, &Gap)| {
            self.symbols[gap.symbol].ids.of_gap(gap.first, gap.last, *key).map_or(0, |(_, count)| count)
        };
        self.gaps.iter().map(missing).sum()
    }

    /// Asks what may be asked: first what partitions wait for, then what was missed unnoticed, then the rest.
    pub(super) fn ask(&mut self, now: Moment) {
        let due = |gap: &Gap| gap.ask.is_some_and(|at| now >= at);
        let awaited = |session: &CollectorSession, key: &GapKey, gap: &Gap| {
            session.partitions[session.symbols[gap.symbol].partition].hold.awaits(WaitCause::Gap(*key))
        };
        let due: Vec<(GapKey, bool)> = self
            .gaps
            .iter()
            .filter(|(_, gap)| due(gap))
            .map(|(key, gap)| (*key, awaited(self, key, gap)))
            .collect();
        for (key, _) in due.iter().filter(|(_, awaited)| *awaited) {
            if !self.ask_for(*key, now) {
                return;
            }
        }
        if !self.stopping {
            if self.clock.wants_asking(now, 30_000)
                && !self.open_questions.values().any(|(_, purpose)| matches!(purpose, QuestionPurpose::Time))
            {
                self.pose(ExchangeQuestion::Time, QuestionPurpose::Time, now);
            }
            self.ask_audits(now);
            for (key, _) in due.iter().filter(|(_, awaited)| !*awaited) {
                if !self.ask_for(*key, now) {
                    return;
                }
            }
        }
    }

    /// Asks, if that may be done now.
    pub(super) fn pose(&mut self, question: ExchangeQuestion, purpose: QuestionPurpose, now: Moment) -> bool {
        let weight = (self.rules.limits.weight_of)(&question);
        if !self.quota.take(weight, now, self.clock.at(now)) {
            return false;
        }
        self.questions += 1;
        self.open_questions.insert(self.questions, (now, purpose));
        self.outputs.push(SessionAction::Ask(self.questions, question));
        true
    }

    fn ask_for(&mut self, key: GapKey, now: Moment) -> bool {
        let Some(gap) = self.gaps.get(&key) else { return true };
        let symbol = gap.symbol;
        let Some((from, _)) = self.symbols[symbol].ids.of_gap(gap.first, gap.last, key) else { return true };
        // The database may be behind: every other time the exchange's memory is asked, which has the newest
        // only. What has been missing for long is in the database, if it is anywhere.
        let question = if gap.fruitless % 2 == 1 && now.since(gap.found) < DATABASE_BEHIND {
            ExchangeQuestion::Recent { symbol }
        } else {
            ExchangeQuestion::Trades {
                symbol,
                from,
                limit: (gap.last - from + 1).min(self.rules.limits.trades),
            }
        };
        let asked = self.pose(question.clone(), QuestionPurpose::Gap(key, question), now);
        if let Some(gap) = self.gaps.get_mut(&key).filter(|_| asked) {
            gap.ask = None;
        }
        asked
    }

    /// An answer to a question that was asked for a gap, which may have been closed since.
    pub(super) fn searched(
        &mut self,
        key: GapKey,
        question: &ExchangeQuestion,
        answer: ExchangeAnswer,
        now: Moment,
    ) {
        let (ExchangeQuestion::Trades { symbol, .. } | ExchangeQuestion::Recent { symbol }) = *question
        else {
            return;
        };
        let (mut covered, mut fruitful) = (None, false);
        if let ExchangeAnswer::Trades(trades) = answer {
            let ids = trades.iter().map(|trade| trade.id);
            if let (Some(least), Some(greatest)) = (ids.clone().min(), ids.max()) {
                let from = if let ExchangeQuestion::Trades { from, .. } = question {
                    least.min(*from)
                } else {
                    least
                };
                covered = Some((from, greatest));
            }
            for trade in trades {
                fruitful |= self.take(symbol, trade, now);
            }
        }
        let Some(gap) = self.gaps.get_mut(&key) else { return };
        let Some((least, _)) = self.symbols[symbol].ids.of_gap(gap.first, gap.last, key) else { return };
        let denied = covered.filter(|(from, greatest)| (*from..=*greatest).contains(&least));
        (gap.fruitless, gap.denials) = match (fruitful, denied) {
            (true, _) => (0, 0),
            (false, Some(_)) => (gap.fruitless + 1, gap.denials + 1),
            (false, None) => (gap.fruitless + 1, gap.denials),
        };
        let wait = if fruitful { 0 } else { (FIRST_RETRY << gap.fruitless.min(7)).min(LONGEST_RETRY) };
        gap.ask = Some(now.plus(wait));
        let old = now.since(gap.found) >= GIVE_UP;
        match denied {
            _ if old => self.give_up(key, u64::MAX),
            Some((_, greatest)) if gap.denials >= DENIALS => self.give_up(key, greatest),
            _ => {}
        }
        self.release_partition(self.symbols[symbol].partition);
    }

    /// A trade that REST had; whether it was missing.
    fn take(&mut self, number: usize, trade: FoundTrade, now: Moment) -> bool {
        let symbol = &mut self.symbols[number];
        // What is newer than all that is known will come by itself, or show as missing.
        if symbol.ids.next().is_none_or(|next| trade.id >= next) {
            return false;
        }
        let Some(why @ (MissingCause::Gap(_) | MissingCause::Lost)) = symbol.ids.why(trade.id) else {
            return false;
        };
        symbol.ids.arrive(trade.id);
        symbol.newest = symbol.newest.max(trade.time);
        let record = CollectedRecord {
            partition: symbol.partition,
            what: CollectedKind::Filled { symbol: number, id: trade.id },
            time: trade.time,
            value: trade.value,
            received: now,
        };
        self.found(record, trade.id, why);
        true
    }

    pub(super) fn close_if_complete(&mut self, key: GapKey) {
        let Some(gap) = self.gaps.get(&key) else { return };
        let symbol = &self.symbols[gap.symbol];
        if symbol.ids.of_gap(gap.first, gap.last, key).is_some() {
            return;
        }
        let note = CollectorNote::Filled { symbol: symbol.name.clone(), first: gap.first, last: gap.last };
        self.outputs.push(SessionAction::Tell(note));
        self.partitions[symbol.partition].hold.lift(WaitCause::Gap(key));
        self.gaps.remove(&key);
    }

    /// What is missing of a gap up to an id will not come.
    pub(super) fn give_up(&mut self, key: GapKey, up_to: u64) {
        let Some(gap) = self.gaps.get_mut(&key) else { return };
        (gap.fruitless, gap.denials) = (0, 0);
        let symbol = &mut self.symbols[gap.symbol];
        let lost = symbol.ids.lose(gap.first, gap.last, key, up_to);
        self.counts.unfilled += lost;
        let note =
            CollectorNote::Unfilled { symbol: symbol.name.clone(), first: gap.first, last: gap.last, lost };
        if lost > 0 {
            self.outputs.push(SessionAction::Tell(note));
        }
        if symbol.ids.of_gap(gap.first, gap.last, key).is_none() {
            self.partitions[symbol.partition].hold.lift(WaitCause::Gap(key));
            self.gaps.remove(&key);
        }
    }

    /// A symbol's ids begin anew: what was missing of the old ones stays so.
    pub(super) fn forget_gaps_of(&mut self, symbol: usize) {
        let gaps = self.gaps.iter().filter(|(_, gap)| gap.symbol == symbol);
        for key in gaps.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.give_up(key, u64::MAX);
        }
    }

    /// Partitions whose time is up go on.
    pub(super) fn expire(&mut self, now: Moment) {
        for (number, partition) in self.partitions.iter_mut().enumerate() {
            for _ in partition.hold.expire(now) {
                self.counts.expired += 1;
                self.outputs.push(SessionAction::Tell(CollectorNote::Expired { partition: number }));
            }
        }
    }
}
