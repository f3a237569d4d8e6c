//! What goes wrong in the demo's market, and when. The story begins anew every [`STORY_SECONDS`].

/// In microseconds.
pub(super) const SECOND: u64 = 1_000_000;

/// How long the story is.
pub const STORY_SECONDS: u64 = 240;

/// Something that goes wrong, and when: seconds of the story, partition.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Incident {
    /// From this second on.
    pub from: u64,
    /// To before this one.
    pub to: u64,
    /// In this partition.
    pub partition: usize,
    /// What happens.
    pub what: MarketFault,
}

/// What goes wrong in markets.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum MarketFault {
    /// A trade of the partition's first symbol is delivered twice.
    Duplicate,
    /// A record breaks off in the middle.
    Truncated,
    /// A price that is no plain decimal.
    BadPrice,
    /// So many trades of the partition's first symbol never come: their ids are missing.
    Gap(u64),
    /// The partition's first symbol does not trade.
    Silent,
    /// A writer whose clock is an hour ahead.
    Future,
    /// The log is out of reach; what belongs here comes at its end, all at once.
    Stalled,
    /// Trades of the partition's first symbol in the last second of a window come six seconds late: after the
    /// window's end, within its grace.
    HeldBack,
    /// One trade comes twenty seconds late: after the window's grace.
    Late,
    /// Eight times the usual number of trades.
    Burst,
}

/// The story. One place for each kind of trouble, in partitions as [`super::Market::symbols`] has them.
pub const STORY: [Incident; 10] = [
    Incident { from: 23, to: 24, partition: 0, what: MarketFault::Duplicate },
    Incident { from: 34, to: 35, partition: 1, what: MarketFault::Truncated },
    Incident { from: 48, to: 49, partition: 0, what: MarketFault::Gap(3) },
    Incident { from: 60, to: 80, partition: 3, what: MarketFault::Silent },
    Incident { from: 97, to: 98, partition: 2, what: MarketFault::Future },
    Incident { from: 105, to: 118, partition: 3, what: MarketFault::Stalled },
    Incident { from: 139, to: 140, partition: 1, what: MarketFault::HeldBack },
    Incident { from: 151, to: 152, partition: 0, what: MarketFault::Late },
    Incident { from: 185, to: 186, partition: 1, what: MarketFault::BadPrice },
    Incident { from: 203, to: 206, partition: 0, what: MarketFault::Burst },
];

/// What goes wrong in a partition in a second of the market.
pub(super) fn at(partition: usize, second: u64) -> impl Iterator<Item = MarketFault> {
    let second = second % STORY_SECONDS;
    STORY.iter().filter(move |i| i.partition == partition && (i.from..i.to).contains(&second)).map(|i| i.what)
}

/// Until when a partition's log is out of reach at a time, both in microseconds since the market began.
pub(super) fn stalled_until(partition: usize, since: u64) -> Option<u64> {
    let until = |i: &Incident| since - since % (STORY_SECONDS * SECOND) + i.to * SECOND;
    let stalls = |i: &&Incident| i.partition == partition && i.what == MarketFault::Stalled;
    let now = since / SECOND % STORY_SECONDS;
    STORY.iter().filter(stalls).find(|i| (i.from..i.to).contains(&now)).map(until)
}
