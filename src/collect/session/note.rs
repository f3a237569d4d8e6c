//! What people are told on the way.

use std::fmt;

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Trades of a shard come.
    Connected {
        /// Which.
        shard: usize,
        /// For the first time.
        first: bool,
    },
    /// Trades of a shard come no more.
    Lost {
        /// Which.
        shard: usize,
    },
    /// A connection ended, or could not be opened.
    Closed {
        /// Whose.
        shard: usize,
        /// What it said.
        why: String,
    },
    /// A server is about to go.
    Shutdown {
        /// Whose connection it holds.
        shard: usize,
    },
    /// A frame could not be understood.
    Bad {
        /// Why.
        why: &'static str,
    },
    /// Trades are missing.
    Gap {
        /// Whose.
        symbol: String,
        /// The first id.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A partition goes on although something may be missing.
    Expired {
        /// Which.
        partition: usize,
    },
    /// A gap was closed.
    Filled {
        /// Whose.
        symbol: String,
        /// The first id.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Trades were given up.
    Unfilled {
        /// Whose.
        symbol: String,
        /// The gap's first id.
        first: u64,
        /// The gap's last id.
        last: u64,
        /// How many of them.
        lost: u64,
    },
    /// A symbol's ids count from anew.
    Restarted {
        /// Whose.
        symbol: String,
    },
    /// Nothing may be asked for a while.
    Limited {
        /// Milliseconds.
        wait: u64,
        /// It is a ban.
        banned: bool,
    },
    /// A question was not answered.
    Unanswered {
        /// What happened.
        why: String,
    },
}

impl Note {
    /// Whether it is worth telling to those who did not ask for more.
    pub fn matters(&self) -> bool {
        !matches!(
            self,
            Note::Gap { .. }
                | Note::Filled { .. }
                | Note::Expired { .. }
                | Note::Connected { first: true, .. }
        )
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Connected { shard, first: true } => write!(f, "connection {shard}: trades come"),
            Note::Connected { shard, first: false } => write!(f, "connection {shard}: trades come again"),
            Note::Lost { shard } => write!(f, "connection {shard}: lost"),
            Note::Closed { shard, why } => write!(f, "connection {shard}: {why}"),
            Note::Shutdown { shard } => write!(f, "connection {shard}: the server will go; connecting anew"),
            Note::Bad { why } => write!(f, "a frame was not understood: {why}"),
            Note::Gap { symbol, first, last } => write!(f, "{symbol}: trades {first} to {last} are missing"),
            Note::Filled { symbol, first, last } => write!(f, "{symbol}: trades {first} to {last} are there"),
            Note::Expired { partition } => {
                write!(f, "partition {partition}: waits no longer for what may be missing")
            }
            Note::Unfilled { symbol, first, last, lost } => {
                write!(f, "{symbol}: {lost} of the trades {first} to {last} cannot be filled")
            }
            Note::Restarted { symbol } => write!(f, "{symbol}: the exchange counts its trades from anew"),
            Note::Limited { wait, banned: false } => {
                write!(f, "the exchange wants no questions for {} s", wait.div_ceil(1_000))
            }
            Note::Limited { wait, banned: true } => {
                write!(f, "the exchange has banned this address for {} s", wait.div_ceil(1_000))
            }
            Note::Unanswered { why } => write!(f, "the exchange did not answer: {why}"),
        }
    }
}
