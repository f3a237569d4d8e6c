//! The collector against a simulated exchange over real TCP: whatever faults a seed chooses, each trade is in
//! the topic or the file once or is said to be unfilled, heartbeats hold, and the exchange's limits are kept.
//! What the dataflow makes of it is what the oracle does.

pub(crate) mod collector;
mod ending;
pub(crate) mod market;
mod rest;
mod websocket;

use crate::kafka::rig::{self, Kafka};
use crate::program;
use collector::{Collector, Log};
use market::{Faults, Market};
use oracle::{File, Settings};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// A running exchange.
pub(crate) struct Exchange {
    pub(crate) market: Market,
    pub(crate) websocket: String,
    pub(crate) rest: String,
    // Dropped last: everything runs on it.
    _runtime: tokio::runtime::Runtime,
}

impl Exchange {
    pub(crate) fn start(seed: u64, faults: Faults) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let market = Market::new(seed, faults);
        let bind = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let (websocket, rest) = (bind(), bind());
        let address = |listener: &TcpListener| listener.local_addr().expect("an address");
        let exchange = Exchange {
            websocket: format!("ws://{}", address(&websocket)),
            rest: format!("http://{}", address(&rest)),
            market: market.clone(),
            _runtime: runtime,
        };
        let spawn = &exchange._runtime;
        spawn.spawn(websocket::serve(market.clone(), websocket));
        spawn.spawn(rest::serve(market.clone(), rest));
        for symbol in 0..market.state().symbols.len() {
            spawn.spawn(market.clone().trade(symbol));
        }
        exchange
    }

    fn storm(&self) {
        self.market.state().calm = false;
    }

    fn calm(&self) {
        self.market.state().calm = true;
    }

    fn close(&self) {
        self.market.state().open = false;
    }
}

/// A query's value without its percents.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// Polls until it holds, or a deadline has passed.
fn until(most: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + most;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const QUICK: [&str; 10] = [
    "--symbols",
    "BTCUSDT,ETHUSDT,XVGBTC,币安BTC",
    "--stall-timeout",
    "1500ms",
    "--fill-hold",
    "1s",
    "--audit-interval",
    "1s",
    "--connection-symbols",
    "2",
];

/// One seed's storm; what the exchange had done wrong.
fn storm(seed: u64, broker: Option<&Kafka>) -> BTreeMap<&'static str, u64> {
    let folder = tempfile::tempdir().expect("a folder");
    let exchange = Exchange::start(seed, Faults::of(seed));
    let log = match broker {
        Some(kafka) => Log::Topic(kafka.clone(), kafka.topic("storm", 3)),
        None => Log::File(folder.path().join("trades.jsonl")),
    };
    let renew = ["--renew-after", if seed.is_multiple_of(2) { "2s" } else { "1h" }];
    let mut collector = Collector::start(folder.path(), &exchange, log, &[&QUICK[..], &renew[..]].concat());
    // The storm begins when all that trades has come, and its beginning is known.
    until(Duration::from_secs(120), "trades come", || collector.held().ids.len() == 4);
    exchange.storm();
    std::thread::sleep(Duration::from_millis(5_000));
    exchange.calm();
    // A trade that the exchange has swallowed is missed by the next one.
    let newest = || -> Vec<Option<u64>> {
        let state = exchange.market.state();
        let trading = state.symbols.iter().filter(|symbol| symbol.status == "TRADING");
        trading.map(|symbol| symbol.trades.last().map(|trade| trade.id)).collect()
    };
    let of_storm = newest();
    let all_trade = || newest().iter().zip(&of_storm).all(|(now, before)| now > before);
    until(Duration::from_secs(120), &format!("seed {seed}: all trade in the calm"), all_trade);
    exchange.close();
    // What REST does not have cannot come.
    let settled = || collector.held().absent(&exchange.market).iter().all(|(.., known)| !known);
    // Who has asked as much as is allowed in a minute asks on in the next.
    until(Duration::from_secs(150), &format!("seed {seed}: all is there"), settled);
    let counts = collector.interrupt();
    let held = collector.held();
    let said = collector.said();
    let explain = || format!("seed {seed}: {counts}\n{said}");
    let count = |name: &str| counts[name].as_u64().unwrap_or_else(|| panic!("no {name}"));
    let absent = held.absent(&exchange.market);
    assert_eq!(count("unfilled"), absent.len() as u64, "{absent:?} {}", explain());
    assert_eq!(count("filled"), held.filled, "{}", explain());
    assert_eq!(count("heartbeats"), held.heartbeats, "{}", explain());
    assert_eq!(
        count("published"),
        held.ids.values().map(|ids| ids.len() as u64).sum::<u64>(),
        "{}",
        explain()
    );
    assert_eq!(
        count("received") + count("filled"),
        count("published") + count("duplicates"),
        "{}",
        explain()
    );
    assert_eq!(count("overtaken"), held.overtaken.len() as u64, "{}", explain());
    let state = exchange.market.state();
    for (symbol, id, filled) in &held.overtaken {
        let truths = state.symbols.iter().filter(|s| s.name == symbol).flat_map(|s| &s.trades);
        let swallowed = truths.clone().any(|trade| trade.id == *id && trade.swallowed);
        assert!(
            swallowed || (*filled && count("expired") > 0),
            "trade {id} of {symbol} broke a promise, {}",
            explain()
        );
    }
    assert!(state.ledger.violations.is_empty(), "{:?} {}", state.ledger.violations, explain());
    dataflow_equals_oracle(seed, folder.path(), &collector.log);
    state.ledger.faults.clone()
}

/// What `run` makes of the log is what the oracle makes of it: as final rows, and of what comes late as well.
fn dataflow_equals_oracle(seed: u64, folder: &Path, log: &Log) {
    let flags = match seed % 3 {
        0 => "--symbols all --cross XVGUSDT=XVGBTC*BTCUSDT --window 1s --delay 100ms",
        1 => "--cross XVGUSDT=XVGBTC*BTCUSDT --window 2s --slide 500ms --delay 1s --missing-leg carry",
        _ => "--cross ETHBTC=ETHUSDT/BTCUSDT --window 1s --delay 0s --grace 500ms --emit changes",
    };
    let flags: Vec<String> = flags.split(' ').map(str::to_owned).collect();
    let partitions: Vec<String> = log.partitions().iter().map(|lines| lines.join("\n") + "\n").collect();
    let files: Vec<File> = partitions.iter().map(|text| File::of_json(text.as_bytes().to_vec())).collect();
    let expected = oracle::run(&Settings::read(&flags), &files);
    assert_eq!(expected.counts.bad, 0, "seed {seed}");
    match log {
        Log::File(path) => {
            let found = program::run_in_order(folder, std::slice::from_ref(path), &[0], &flags, &["-w", "2"]);
            let same = found.and_then(|found| found.equals(&expected));
            assert!(same.is_ok(), "seed {seed}: {flags:?}: {same:?}");
        }
        Log::Topic(kafka, topic) => {
            let mut command =
                rig::crossrate(["run", "-e", "-q", "-w", "2", "-b", &kafka.brokers, "-t", topic]);
            command.args(&flags);
            let same = program::same("rows", &expected.rows, &rig::rows(command));
            assert!(same.is_ok(), "seed {seed}: {flags:?}: {same:?}");
        }
    }
}

#[test]
#[ignore = "needs Java"]
fn whatever_the_exchange_does_each_trade_is_there_or_said_to_be_missing() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (first, seeds) = (number("CROSSRATE_SEED", 0), number("CROSSRATE_STORMS", 50));
    let next = AtomicU64::new(first);
    let broker = rig::kafka();
    // Most of a storm is waiting.
    let at_once = 10;
    let run = || {
        let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return faults;
            }
            // One in five writes to a broker.
            for (name, times) in storm(seed, (seed % 5 == 4).then_some(&broker)) {
                *faults.entry(name).or_default() += times;
            }
        }
    };
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(run)).collect();
        for thread in threads {
            for (name, times) in thread.join().expect("no storm broke it") {
                *faults.entry(name).or_default() += times;
            }
        }
    });
    eprintln!("{faults:?}");
    if seeds >= 50 {
        for name in [
            "dropped",
            "unknown",
            "garbled",
            "repeated",
            "reordered",
            "refused",
            "hanging",
            "dripping",
            "half-open",
            "shutdown",
            "REST cut",
            "REST fails",
            "REST nonsense",
            "REST limits",
            "REST drips",
        ] {
            assert!(faults.contains_key(name), "no storm had: {name}; {faults:?}");
        }
    }
}
