//! Audits: the exchange is asked for the last trade id of each symbol, to find what no jump of ids has shown.
//!
//! After an outage, what a quiet symbol traded meanwhile shows only with its next trade, a minute or a day
//! later. So a shard is *in doubt* from an outage on until an audit, asked well after trades came again,
//! finds nothing missing or has made gaps of what is; its partitions wait for that, as long as they would for
//! a gap. At the beginning an audit tells where a symbol stands that does not trade at once. And each minute
//! one tells whether trades come at all: the exchange accepts a name that it does not know without a word,
//! and says nothing ever after.

use super::{CollectorSession, QuestionPurpose};
use crate::collect::clock::Moment;
use crate::collect::enquiry::{ExchangeAnswer, ExchangeQuestion};
use crate::collect::reorder_buffer::WaitCause;
use crate::collect::shard::{Jitter, LinkTimeouts};

/// The audits of one shard.
#[derive(Debug)]
pub(super) struct Audit {
    /// When to ask next; `None` while there is no connection or an answer is awaited.
    ask: Option<Moment>,
    /// Since when the shard has an outage behind it that no audit has looked into.
    doubt: Option<SuspectRange>,
    covered: bool,
    /// Symbols that have traded up to an id of which nothing came yet, and until when it may.
    suspects: Vec<(usize, u64, Moment)>,
    /// One of the symbols was refused: ask for all there are.
    ask_all: bool,
    jitter: u64,
}

#[derive(Debug)]
struct SuspectRange {
    /// An answer to a question before this does not settle it.
    asked_after: Moment,
    /// Heartbeats wait no longer than this.
    until: Moment,
    answered: bool,
}

const RETRY: u64 = 1_000;
/// What the exchange's REST knows already may still be on its way to us.
const PATIENCE: u64 = 250;

impl Audit {
    pub(super) fn new(every: u64, jitter: &mut Jitter) -> Self {
        Audit {
            ask: None,
            doubt: None,
            covered: false,
            suspects: Vec::new(),
            ask_all: false,
            jitter: jitter.below(every / 10),
        }
    }

    /// The shard has lost its connection.
    pub(super) fn lost(&mut self) {
        self.ask = None;
    }

    /// Trades come since a moment; whether for the first time.
    pub(super) fn covered(&mut self, since: Moment, patience: &LinkTimeouts, until: Moment) -> bool {
        let first = !std::mem::replace(&mut self.covered, true);
        let asked_after = since.plus(patience.overlap);
        self.ask = Some(asked_after);
        if !first {
            self.doubt = Some(SuspectRange { asked_after, until, answered: false });
        }
        first
    }

    /// Whether something may be missing that is still being looked for.
    pub(super) fn in_doubt(&self) -> bool {
        self.doubt.is_some()
    }
}

impl CollectorSession {
    /// Makes gaps of what did not come, and settles doubts.
    pub(super) fn tick_audits(&mut self, now: Moment) {
        for shard in 0..self.audits.len() {
            let suspects = std::mem::take(&mut self.audits[shard].suspects);
            for (symbol, last, until) in suspects {
                match self.symbols[symbol].ids.next() {
                    Some(next) if next <= last && now >= until => self.miss(symbol, next, last, now),
                    Some(next) if next <= last => self.audits[shard].suspects.push((symbol, last, until)),
                    _ => {}
                }
            }
            let audit = &mut self.audits[shard];
            let settled = audit.doubt.as_ref().is_some_and(|d| d.answered) && audit.suspects.is_empty();
            let expired = audit.doubt.as_ref().is_some_and(|d| now >= d.until);
            if settled || expired {
                audit.doubt = None;
            }
            if settled {
                self.partitions
                    .iter_mut()
                    .for_each(|partition| partition.hold.lift(WaitCause::Outage(shard)));
            }
        }
    }

    pub(super) fn ask_audits(&mut self, now: Moment) {
        // Doubts first: partitions wait for them.
        for doubtful in [true, false] {
            for shard in 0..self.audits.len() {
                let audit = &self.audits[shard];
                if audit.in_doubt() != doubtful || audit.ask.is_none_or(|at| now < at) {
                    continue;
                }
                let question = match audit.ask_all {
                    true => ExchangeQuestion::AllLastIds,
                    false => ExchangeQuestion::LastIds(self.symbols_of(shard).collect()),
                };
                if !self.pose(question, QuestionPurpose::Audit(shard), now) {
                    return;
                }
                self.audits[shard].ask = None;
            }
        }
    }

    pub(super) fn audited(&mut self, shard: usize, asked: Moment, answer: ExchangeAnswer, now: Moment) {
        let audit = &mut self.audits[shard];
        if !matches!(answer, ExchangeAnswer::LastIds(_)) {
            audit.ask_all |= matches!(answer, ExchangeAnswer::Refused(_));
            audit.ask = audit.ask.or(Some(now.plus(RETRY)));
        } else {
            audit.ask = audit.ask.or(Some(now.plus(self.rules.audit_every + audit.jitter)));
        }
        let ExchangeAnswer::LastIds(last_ids) = answer else { return };
        let until = now.plus(PATIENCE);
        for (number, last) in last_ids {
            let Some(symbol) = self.symbols.get_mut(number).filter(|symbol| symbol.shard == shard) else {
                continue;
            };
            match (symbol.ids.next(), last) {
                (None, Some(last)) => symbol.ids.begin_after(Some(last)),
                (Some(next), Some(last)) if last >= next => {
                    self.audits[shard].suspects.push((number, last, until))
                }
                _ => {}
            }
        }
        if let Some(doubt) = self.audits[shard].doubt.as_mut().filter(|doubt| asked >= doubt.asked_after) {
            doubt.answered = true;
        }
        self.tick_audits(now);
    }
}
