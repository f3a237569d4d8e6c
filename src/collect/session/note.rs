//! What people are told on the way.

use std::fmt;

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CollectorNote {
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

impl CollectorNote {
    /// Whether it is worth telling to those who did not ask for more.
    pub fn matters(&self) -> bool {
        !matches!(
            self,
            CollectorNote::Gap { .. }
                | CollectorNote::Filled { .. }
                | CollectorNote::Expired { .. }
                | CollectorNote::Connected { first: true, .. }
        )
    }
}

impl fmt::Display for CollectorNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CollectorNote::Connected { shard, first: true } => write!(f, "connection {shard}: trades come"),
            CollectorNote::Connected { shard, first: false } => {
                write!(f, "connection {shard}: trades come again")
            }
            CollectorNote::Lost { shard } => write!(f, "connection {shard}: lost"),
            CollectorNote::Closed { shard, why } => write!(f, "connection {shard}: {why}"),
            CollectorNote::Shutdown { shard } => {
                write!(f, "connection {shard}: the server will go; connecting anew")
            }
            CollectorNote::Bad { why } => write!(f, "a frame was not understood: {why}"),
            CollectorNote::Gap { symbol, first, last } => {
                write!(f, "{symbol}: trades {first} to {last} are missing")
            }
            CollectorNote::Filled { symbol, first, last } => {
                write!(f, "{symbol}: trades {first} to {last} are there")
            }
            CollectorNote::Expired { partition } => {
                write!(f, "partition {partition}: waits no longer for what may be missing")
            }
            CollectorNote::Unfilled { symbol, first, last, lost } => {
                write!(f, "{symbol}: {lost} of the trades {first} to {last} cannot be filled")
            }
            CollectorNote::Restarted { symbol } => {
                write!(f, "{symbol}: the exchange counts its trades from anew")
            }
            CollectorNote::Limited { wait, banned: false } => {
                write!(f, "the exchange wants no questions for {} s", wait.div_ceil(1_000))
            }
            CollectorNote::Limited { wait, banned: true } => {
                write!(f, "the exchange has banned this address for {} s", wait.div_ceil(1_000))
            }
            CollectorNote::Unanswered { why } => write!(f, "the exchange did not answer: {why}"),
        }
    }
}
