//! The collector as a process, and what its log holds.

use super::Exchange;
use super::market::Market;
use crate::kafka::rig::Kafka;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where it writes.
pub(crate) enum Log {
    File(PathBuf),
    Topic(Kafka, String),
}

impl Log {
    fn target(&self) -> String {
        match self {
            Log::File(path) => path.to_str().expect("UTF-8").to_owned(),
            Log::Topic(_, topic) => format!("kafka:{topic}"),
        }
    }

    /// Whole records so far, by partition.
    pub(crate) fn partitions(&self) -> Vec<Vec<String>> {
        match self {
            Log::File(path) => {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
                vec![whole.lines().map(str::to_owned).collect()]
            }
            Log::Topic(kafka, topic) => {
                let mut partitions = Vec::new();
                for found in kafka.read(topic) {
                    let value = found.value.expect("a value");
                    let record: Value = serde_json::from_str(&value).expect("JSON");
                    assert_eq!(found.key.as_deref(), record["s"].as_str(), "{value}");
                    let mark = [("crossrate.filled".to_owned(), "rest".to_owned())];
                    let filled = record["e"] == "trade" && record.get("E").is_none();
                    assert_eq!(found.headers, if filled { &mark[..] } else { &[] }, "{value}");
                    let place = found.partition as usize;
                    partitions.resize_with(partitions.len().max(place + 1), Vec::<String>::new);
                    // No transactions, no compaction: a log without holes was read without holes.
                    assert_eq!(
                        found.offset as usize,
                        partitions[place].len(),
                        "partition {place} of {topic}"
                    );
                    partitions[place].push(value);
                }
                partitions
            }
        }
    }
}

/// The collector, running.
pub(crate) struct Collector {
    child: Child,
    pub(crate) log: Log,
    summary: PathBuf,
    said: PathBuf,
}

impl Collector {
    pub(crate) fn start(folder: &Path, exchange: &Exchange, log: Log, flags: &[&str]) -> Self {
        let (summary, said) = (folder.join("produced.json"), folder.join("said.txt"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        command.arg("produce").args(["--endpoint", &exchange.websocket, "--rest", &exchange.rest]);
        command.arg("--to").arg(log.target()).arg("--summary").arg(&summary).args(flags);
        if let Log::Topic(kafka, _) = &log {
            command.args(["-b", &kafka.brokers]);
        }
        crate::program::without_settings(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(&said).expect("a file"));
        Collector { child: command.spawn().expect("the program starts"), log, summary, said }
    }

    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("what it said")
    }

    pub(super) fn held(&self) -> Held {
        Held::of(&self.log.partitions())
    }

    /// Ends it as Ctrl-C would; what it counted.
    pub(crate) fn interrupt(&mut self) -> Value {
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

/// What a log holds.
#[derive(Default)]
pub(super) struct Held {
    /// By symbol.
    pub(super) ids: BTreeMap<String, BTreeSet<u64>>,
    pub(super) filled: u64,
    pub(super) heartbeats: u64,
    /// Trades that stand after a heartbeat that is newer: symbol, id, whether they came by REST.
    pub(super) overtaken: Vec<(String, u64, bool)>,
}

impl Held {
    fn of(partitions: &[Vec<String>]) -> Self {
        let mut held = Held::default();
        for lines in partitions {
            held.take(lines);
        }
        held
    }

    fn take(&mut self, lines: &[String]) {
        let mut promised = 0;
        for line in lines {
            let record: Value = serde_json::from_str(line).expect("JSON");
            let time = record["T"].as_u64().expect("a time");
            if record["e"] == "heartbeat" {
                assert!(time > promised, "{line}");
                promised = time;
                self.heartbeats += 1;
                continue;
            }
            let (symbol, id) =
                (record["s"].as_str().expect("a symbol"), record["t"].as_u64().expect("an id"));
            let filled = record.get("E").is_none();
            self.filled += u64::from(filled);
            if time < promised {
                self.overtaken.push((symbol.to_owned(), id, filled));
            }
            assert!(self.ids.entry(symbol.to_owned()).or_default().insert(id), "{line} twice");
        }
    }

    /// Trades that the exchange had since the first one here, and that are not here: symbol, id, whether REST
    /// has them.
    pub(super) fn absent(&self, market: &Market) -> Vec<(&'static str, u64, bool)> {
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
