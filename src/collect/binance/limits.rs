//! What the exchange allows from one address, and how it counts.

use crate::collect::enquiry::{ExchangeLimits, ExchangeQuestion};

/// Most trades in one answer.
pub(super) const MOST_TRADES: u64 = 1_000;
/// Where the exchange does not say, and it is the least that it ever allowed.
const DEFAULT_LIMIT: u64 = 1_200;
/// Five frames a second are allowed in, the answers to the exchange's own pings among them.
pub const PING_EVERY: u64 = 750;

/// What is allowed, with the request weight that the exchange says.
pub fn limits(weight: Option<u64>) -> ExchangeLimits {
    ExchangeLimits {
        weight: weight.unwrap_or(DEFAULT_LIMIT),
        weight_of,
        trades: MOST_TRADES,
        // 300 in five minutes; some are left to others.
        attempts: 250,
        attempts_within: 300_000,
    }
}

/// What a question is counted as.
fn weight_of(question: &ExchangeQuestion) -> u64 {
    match question {
        ExchangeQuestion::Time => 1,
        ExchangeQuestion::LastIds(symbols) => match symbols.len() {
            0..=20 => 2,
            21..=100 => 40,
            _ => 80,
        },
        ExchangeQuestion::AllLastIds => 80,
        ExchangeQuestion::Trades { .. } | ExchangeQuestion::Recent { .. } => 25,
    }
}
