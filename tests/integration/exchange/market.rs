//! What the exchange knows to be true: symbols and their trades, and what it did wrong on purpose.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;

/// SplitMix64: a seed tells all but what depends on who comes first.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

/// How badly the exchange behaves, in chances of one in a thousand unless said otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Trades that no connection is sent.
    pub(crate) dropped: u64,
    /// Of those: REST does not know them either.
    pub(crate) unknown: u64,
    /// Trades sent as a text that breaks off, or in a binary frame.
    pub(crate) garbled: u64,
    pub(crate) repeated: u64,
    pub(crate) reordered: u64,
    /// Handshakes that are refused, or never answered.
    pub(crate) refused: u64,
    pub(crate) hanging: u64,
    /// Connections that come byte by byte.
    pub(crate) dripping: u64,
    /// Connections that fall silent, or are told of their end before it.
    pub(crate) half_open: u64,
    pub(crate) shutdown: u64,
    /// How long connections live, about, in milliseconds.
    pub(crate) life: u64,
    /// Answers of REST that are errors, nonsense, limits, or byte by byte.
    pub(crate) failing: u64,
    pub(crate) nonsense: u64,
    pub(crate) limited: u64,
    pub(crate) slow: u64,
    /// How far REST's database is behind, in milliseconds.
    pub(crate) behind: u64,
}

impl Faults {
    /// What a seed chooses.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let (life, behind) = (700 + dice.below(3_000), dice.below(500));
        // Each kind of fault is away in half of all seeds, so that each is seen without the others.
        let mut some = |most: u64| if dice.below(2) == 0 { 0 } else { dice.below(most) };
        Faults {
            dropped: some(30),
            unknown: some(500),
            garbled: some(20),
            repeated: some(60),
            reordered: some(60),
            refused: some(500),
            hanging: some(150),
            dripping: some(200),
            half_open: some(500),
            shutdown: some(500),
            life,
            failing: some(300),
            nonsense: some(200),
            limited: some(150),
            slow: some(200),
            behind,
        }
    }
}

/// A trade as it happened.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) id: u64,
    pub(crate) time: u64,
    pub(crate) price: String,
    pub(crate) quantity: String,
    pub(crate) maker: bool,
    /// No connection was sent it as it should be.
    pub(crate) swallowed: bool,
    /// REST has it.
    pub(crate) known: bool,
}

/// What connections are sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) symbol: usize,
    pub(crate) text: String,
    pub(crate) garbled: bool,
    pub(crate) repeated: bool,
    /// Milliseconds that it is held back, so that others pass it.
    pub(crate) later: u64,
}

#[derive(Debug)]
pub(crate) struct Symbol {
    pub(crate) name: &'static str,
    pub(crate) status: &'static str,
    /// Milliseconds from trade to trade, about.
    pub(crate) pace: u64,
    pub(crate) trades: Vec<Truth>,
}

/// What went wrong that is the collector's fault.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) violations: Vec<String>,
    pub(crate) connections: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) weight: u64,
    pub(crate) minute: u64,
    /// When REST may be asked again, and when it said so.
    pub(crate) keep_away: Option<(Instant, Instant)>,
    /// Questions that came since all the same.
    pub(crate) disobeyed: u32,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) dice: Dice,
    /// Nothing goes wrong on purpose.
    pub(crate) calm: bool,
    pub(crate) open: bool,
}

/// The exchange, shared by all that serve it.
#[derive(Debug, Clone)]
pub(crate) struct Market {
    state: Arc<Mutex<State>>,
    pub(crate) sent: broadcast::Sender<Sent>,
    /// How far its clock is ahead of this machine's, in milliseconds.
    pub(crate) ahead: i64,
}

/// Weight that may be asked for in a minute.
pub(crate) const LIMIT: u64 = 1_200;

impl Market {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        let symbol = |name, status, pace| Symbol { name, status, pace, trades: Vec::new() };
        let symbols = vec![
            symbol("BTCUSDT", "TRADING", 15),
            symbol("ETHUSDT", "TRADING", 90),
            symbol("XVGBTC", "TRADING", 1_200),
            symbol("币安BTC", "TRADING", 400),
            symbol("OLDBTC", "BREAK", 0),
        ];
        let mut dice = Dice(seed ^ 0xABCD);
        let ahead = dice.below(800) as i64 - 400;
        let state = State { symbols, ledger: Ledger::default(), faults, dice, calm: true, open: true };
        Market { state: Arc::new(Mutex::new(state)), sent: broadcast::channel(4_096).0, ahead }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the epoch by the exchange's clock.
    pub(crate) fn time(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after the epoch").as_millis();
        (now as i64 + self.ahead) as u64
    }

    /// Whether a fault of so many chances in a thousand happens now; it is counted under its name.
    pub(crate) fn fault(&self, name: &'static str, chances: fn(&Faults) -> u64) -> bool {
        let mut state = self.state();
        let chances = chances(&state.faults);
        let happens = !state.calm && state.dice.below(1_000) < chances;
        if happens {
            *state.ledger.faults.entry(name).or_default() += 1;
        }
        happens
    }

    pub(crate) fn dice(&self, bound: u64) -> u64 {
        self.state().dice.below(bound)
    }

    /// Trades a symbol until the market closes.
    pub(crate) async fn trade(self, symbol: usize) {
        loop {
            let pace = {
                let mut state = self.state();
                if !state.open {
                    return;
                }
                let pace = state.symbols[symbol].pace;
                if pace == 0 {
                    return;
                }
                1 + state.dice.below(pace * 2)
            };
            tokio::time::sleep(Duration::from_millis(pace)).await;
            self.execute(symbol);
        }
    }

    fn execute(&self, symbol: usize) {
        let dropped = self.fault("dropped", |f| f.dropped);
        let garbled = !dropped && self.fault("garbled", |f| f.garbled);
        let unknown = dropped && self.fault("unknown", |f| f.unknown);
        let repeated = self.fault("repeated", |f| f.repeated);
        let reordered = self.fault("reordered", |f| f.reordered);
        let time = self.time();
        let mut state = self.state();
        if !state.open {
            return;
        }
        let id = state.symbols[symbol].trades.last().map_or(1_000_000, |last| last.id + 1);
        let (a, b) = (state.dice.below(100_000_000), state.dice.below(100_000_000));
        let later = if reordered { 1 + state.dice.below(60) } else { 0 };
        let truth = Truth {
            id,
            time,
            price: format!("{}.{a:08}", 1 + a % 9),
            quantity: format!("0.{:08}", 1 + b % 99_999_999),
            maker: a % 2 == 0,
            swallowed: dropped || garbled,
            known: !unknown,
        };
        let name = state.symbols[symbol].name;
        let event = format!(
            r#"{{"e":"trade","E":{},"s":"{name}","t":{id},"p":"{}","q":"{}","T":{time},"m":{},"M":true}}"#,
            time + a % 3,
            truth.price,
            truth.quantity,
            truth.maker
        );
        let text = format!(r#"{{"stream":"{}@trade","data":{event}}}"#, name.to_lowercase());
        state.symbols[symbol].trades.push(truth);
        // Under the lock, so that a connection is sent ids in order.
        if !dropped {
            // Nobody listens at times.
            let _ = self.sent.send(Sent { symbol, text, garbled, repeated, later });
        }
    }
}
