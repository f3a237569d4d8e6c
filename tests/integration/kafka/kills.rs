//! A job that is killed again and again, or asked to stop, or loses its broker for a moment, writes what an
//! undisturbed one writes, byte for byte, each row once; so do a file and databases beside the ledger.

use super::ledger::signal;
use super::rig::{self, Broker, Kafka, Live, Record, rows};
use super::{heartbeat, run, trade};
use crate::recovery::{outputs, postgres};
use std::path::Path;
use std::time::{Duration, Instant};

/// Numbers that look random, the same in every run.
pub(super) struct Lcg(pub(super) u64);

impl Lcg {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Two symbols in four partitions, out of order, with what is late, repeated, bad and of others.
pub(super) fn market(random: &mut Lcg, from_second: f64, count: u64) -> Vec<Record> {
    let mut ids = [from_second as u64 * 1_000; 2];
    let mut last = String::new();
    (0..count)
        .map(|n| {
            let now = from_second + n as f64 * 0.1;
            let partition = random.below(4) as i32;
            let symbol = random.below(2) as usize;
            let at = now - random.below(1_300) as f64 / 1_000.0;
            let value = match random.below(100) {
                0 => "{broken".to_owned(),
                1 => last.clone(),
                2 => heartbeat(now),
                3 => trade("ETHUSDT", n, at),
                _ => {
                    ids[symbol] += 1 + random.below(20) / 19;
                    trade(["XVGBTC", "BTCUSDT"][symbol], ids[symbol], at)
                }
            };
            last.clone_from(&value);
            Record::new(partition, value)
        })
        .collect()
}

/// Sinks beside the ledger, and what they have in the end.
fn beside(folder: &Path, name: &str) -> (String, impl Fn() -> Vec<Vec<String>>) {
    let (file, database) = (folder.join(format!("{name}.jsonl")), folder.join(format!("{name}.db")));
    let url = postgres::shared().database();
    let sinks = format!("--to {} --to sqlite:{} --to postgres:{url}", file.display(), database.display());
    let found = move || {
        let rows = outputs::text(&file).expect("rows");
        let mut found = vec![rows.lines().map(str::to_owned).collect()];
        found.extend(outputs::sqlite(&database).expect("tables").into_values());
        found.extend(postgres::tables(&url).into_values());
        // The jobs have names of their own.
        let name = name_of(&file);
        let in_bytes = format!("{:?}", name.as_bytes());
        let without = |line: &String| line.replace(&name, "").replace(&in_bytes, "");
        found.iter().map(|lines: &Vec<String>| lines.iter().map(without).collect()).collect()
    };
    (sinks, found)
}

fn name_of(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

fn killed(kills: usize, flags: &str, seed: u64) {
    rig::needed();
    // Its own, which may be restarted.
    let data = tempfile::tempdir().expect("a folder");
    let mut broker = Some(Broker::start(Some(data.path()), None));
    let brokers = broker.as_ref().expect("a broker").brokers.clone();
    let kafka = Kafka { brokers };
    let mut random = Lcg(seed);
    let topic = kafka.topic("killed", 4);
    // Enough for all kills to come in time, also where a commit is long in coming; ten trades a second.
    let trades = 2_400 * kills.max(12) as u64;
    kafka.produce(&topic, &market(&mut random, 10.0, trades));
    let folder = tempfile::tempdir().expect("a folder");
    let job = |name: &str, workers: &str, beside: &str| {
        let flags = format!(
            "-e {flags} {workers} --delay 1s --idle-timeout off --to stdout --to kafka:{name} {beside} --name {name} \
             --dead-letter kafka:{name}-letters --commit-interval 0s --batch-records 50"
        );
        let mut command = run(&kafka, &topic, &flags);
        command.arg("--summary").arg(folder.path().join(name));
        command
    };
    let letters = |name: &str| {
        let mut found = kafka.read(&format!("{name}-letters"));
        found.iter_mut().for_each(|letter| (letter.offset, letter.timestamp) = (0, 0));
        found.sort_by(|a, b| (&a.headers, &a.value).cmp(&(&b.headers, &b.value)));
        found
    };
    let summary = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a summary");

    // Revisions of a row have one key, and compaction would take the earlier ones away before they are
    // compared.
    let whole = [("retention.ms", "-1")];
    let undisturbed = kafka.topic_with("undisturbed", 1, &whole);
    let (sinks, held) = beside(folder.path(), &undisturbed);
    rows(job(&undisturbed, "-w 2", &sinks));
    let expected_beside = held();
    let expected = kafka.lines(&undisturbed);
    assert!(expected.lines().count() > 1_000 && !letters(&undisturbed).is_empty());

    let name = kafka.topic_with("disturbed", 1, &whole);
    let (sinks, held) = beside(folder.path(), &name);
    let mut done = 0;
    let mut more = Some(market(&mut random, 100.0 + trades as f64 / 10.0, 500));
    loop {
        if done == kills {
            let written = kafka.lines(&name).lines().count();
            assert!(written > expected.lines().count() / 10, "the kills came too early: {written} rows");
        }
        let workers = ["-w 1", "-w 2", "-w 3", "-n 2", "-w 4"][done % 5];
        if done < kills {
            // Rows that nobody reads hold the job up, so that it is not through before it is killed.
            let mut live = Live::held(job(&name, workers, &sinks));
            // Now and then before it can have written anything, else while it is writing.
            let early = random.below(4) == 0;
            let watch = broker.as_ref().map(|broker| Kafka { brokers: broker.brokers.clone() }.watch(&name));
            let until = Instant::now() + Duration::from_millis(random.below(400));
            let some = 1 + random.below(expected.lines().count() as u64 / (2 * kills as u64 + 10));
            let mut seen = if early { live.rows_before(until) } else { live.some_rows(some) };
            if let Some(watch) = watch.filter(|_| !early && done % 3 != 0) {
                // When a commit has just begun, so that it is killed in the middle of it.
                let begun = Instant::now();
                watch.moved(Duration::ZERO);
                while !watch.moved(Duration::from_millis(1)) && begun.elapsed() < rig::PATIENCE {
                    seen += live.rows_before(Instant::now());
                }
                seen += live.rows_before(Instant::now() + Duration::from_micros(random.below(15_000)));
            } else {
                // Rows are seen when a commit has just ended.
                seen += live.rows_before(Instant::now() + Duration::from_micros(random.below(60_000)));
            }
            if done % 6 == 5 {
                // Asked to stop, it does so in good order; before it hears that, it just ends.
                signal(&live, "TERM");
                let (code, _, stderr) = live.ends();
                assert!(matches!(code, 0 | 130 | -1), "after {done} kills it ended with {code}: {stderr}");
            } else {
                assert!(live.kill(), "it ended by itself after {done} kills, with {:?}", live.said());
            }
            if done % 12 == 7 {
                let port = broker.as_ref().expect("a broker").port().to_owned();
                broker.take().expect("a broker").stop();
                broker = Some(Broker::start(Some(data.path()), Some(&port)));
            }
            // What is written while it is away is beyond the end that it has kept.
            if let Some(more) = more.take_if(|_| seen > 0) {
                kafka.produce(&topic, &more);
            }
            done += 1;
            continue;
        }
        rows(job(&name, workers, &sinks));
        break;
    }
    assert!(more.is_none());
    let found = kafka.lines(&name);
    let first = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    assert_eq!(first, None, "{:?}", first.map(|at| (found.lines().nth(at), expected.lines().nth(at))));
    let last = |rows: &str| (rows.lines().count(), rows.lines().last().map(str::to_owned));
    assert_eq!(last(&found), last(&expected));
    assert_eq!(letters(&name), letters(&undisturbed));
    for (found, expected) in held().iter().zip(&expected_beside) {
        outputs::assert_same_lines("beside the ledger", expected, found);
    }
    assert_eq!(summary(&name), summary(&undisturbed));
}

/// So many, or as many as a long run asks for.
pub(super) fn kills(usual: usize) -> usize {
    std::env::var("CROSSRATE_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(usual)
}

#[test]
#[ignore = "needs Java and PostgreSQL"]
fn kills_leave_no_trace_in_final_rows() {
    killed(kills(14), "--window 2s", 1);
}

#[test]
#[ignore = "needs Java and PostgreSQL"]
fn kills_leave_no_trace_in_revisions_carried_legs_and_sliding_statistics() {
    killed(
        kills(8),
        "--window 4s --slide 2s --emit changes --grace 2s --tick 500ms --missing-leg carry --stats-last 20",
        2,
    );
}
