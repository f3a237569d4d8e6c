//! The collector against a simulated exchange over real TCP: whatever faults a seed chooses, each trade is in the file
//! once or is said to be unfilled, heartbeats hold, and the exchange's limits are kept.

mod market;
mod rest;
mod websocket;

use market::{Faults, Market};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// A running exchange.
struct Exchange {
    market: Market,
    websocket: String,
    rest: String,
    // Dropped last: everything runs on it.
    _runtime: tokio::runtime::Runtime,
}

impl Exchange {
    fn start(seed: u64, faults: Faults) -> Self {
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

/// The collector, running.
struct Collector {
    child: Child,
    file: PathBuf,
    summary: PathBuf,
    said: PathBuf,
}

impl Collector {
    fn start(folder: &Path, exchange: &Exchange, flags: &[&str]) -> Self {
        let path = |name: &str| folder.join(name);
        let (file, summary, said) = (path("trades.jsonl"), path("summary.json"), path("said.txt"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        command.arg("produce").args(["--endpoint", &exchange.websocket, "--rest", &exchange.rest]);
        command.arg("--to").arg(&file).arg("--summary").arg(&summary).args(flags);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CROSSRATE_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(&said).expect("a file"));
        Collector { child: command.spawn().expect("the program starts"), file, summary, said }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("what it said")
    }

    /// Whole lines so far.
    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        whole.lines().map(str::to_owned).collect()
    }

    /// Ends it as Ctrl-C would; what it counted.
    fn interrupt(&mut self) -> Value {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &id]).status().expect("kill runs");
        assert!(killed.success());
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(130), "{}", self.said());
        serde_json::from_str(&std::fs::read_to_string(&self.summary).expect("a summary")).expect("JSON")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until it holds, or a deadline has passed.
fn until(most: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + most;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a file holds.
#[derive(Default)]
struct Held {
    /// By symbol.
    ids: BTreeMap<String, BTreeSet<u64>>,
    filled: u64,
    heartbeats: u64,
    /// Trades that stand after a heartbeat that is newer: symbol, id, whether they came by REST.
    overtaken: Vec<(String, u64, bool)>,
}

impl Held {
    fn of(lines: &[String]) -> Self {
        let mut held = Held::default();
        let mut promised = 0;
        for line in lines {
            let record: Value = serde_json::from_str(line).expect("JSON");
            let time = record["T"].as_u64().expect("a time");
            if record["e"] == "heartbeat" {
                assert!(time > promised, "{line}");
                promised = time;
                held.heartbeats += 1;
                continue;
            }
            let (symbol, id) =
                (record["s"].as_str().expect("a symbol"), record["t"].as_u64().expect("an id"));
            let filled = record.get("E").is_none();
            held.filled += u64::from(filled);
            if time < promised {
                held.overtaken.push((symbol.to_owned(), id, filled));
            }
            assert!(held.ids.entry(symbol.to_owned()).or_default().insert(id), "{line} twice");
        }
        held
    }

    /// Trades that the exchange had since the first one here, and that are not here: symbol, id, whether REST has them.
    fn absent(&self, market: &Market) -> Vec<(&'static str, u64, bool)> {
        let state = market.state();
        let mut absent = Vec::new();
        for symbol in &state.symbols {
            let Some(ids) = self.ids.get(symbol.name) else { continue };
            let first = ids.first().expect("not empty");
            let since = symbol.trades.iter().filter(|trade| trade.id >= *first && !ids.contains(&trade.id));
            absent.extend(since.map(|trade| (symbol.name, trade.id, trade.known)));
        }
        absent
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
fn storm(seed: u64) -> BTreeMap<&'static str, u64> {
    let folder = tempfile::tempdir().expect("a folder");
    let exchange = Exchange::start(seed, Faults::of(seed));
    let renew = ["--renew-after", if seed.is_multiple_of(2) { "2s" } else { "1h" }];
    let mut collector = Collector::start(folder.path(), &exchange, &[&QUICK[..], &renew[..]].concat());
    // The storm begins when all that trades has come, and its beginning is known.
    until(Duration::from_secs(30), "trades come", || Held::of(&collector.lines()).ids.len() == 4);
    exchange.storm();
    std::thread::sleep(Duration::from_millis(5_000));
    exchange.calm();
    std::thread::sleep(Duration::from_millis(300));
    exchange.close();
    // What REST does not have cannot come.
    let settled = || Held::of(&collector.lines()).absent(&exchange.market).iter().all(|(.., known)| !known);
    until(Duration::from_secs(40), &format!("seed {seed}: all is there"), settled);
    let counts = collector.interrupt();
    let held = Held::of(&collector.lines());
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
    state.ledger.faults.clone()
}

#[test]
fn whatever_the_exchange_does_each_trade_is_there_or_said_to_be_missing() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (first, seeds) = (number("CROSSRATE_SEED", 0), number("CROSSRATE_STORMS", 50));
    let next = AtomicU64::new(first);
    // Most of a storm is waiting.
    let at_once = 10;
    let run = || {
        let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return faults;
            }
            for (name, times) in storm(seed) {
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
