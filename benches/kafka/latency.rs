//! How long after the record that closes a window is the row there?
//!
//! The producer is an open loop: record i is due at a time of its own, and is late to itself where something
//! stalls. A delay counts from when the last of the closing records was due, so that a stall shows in every
//! row that it delays (no coordinated omission), and it holds all there is between: the producer's own
//! batching, the broker, the reader.

use crate::broker::{self, send};
use crate::{Asked, crossrate, heard};
use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use rdkafka::producer::Producer;
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PARTITIONS: u64 = 4;
/// What `--delay` is by default; and the seconds before the first closing that counts.
const DELAY_US: u64 = 5_000_000;
const BEFORE: u64 = 6;

/// A schedule of trades: event time is when they are due.
#[derive(Debug, Copy, Clone)]
struct Schedule {
    begun: Instant,
    begun_us: u64,
    per_second: u64,
}

impl Schedule {
    fn event_us(&self, nth: u64) -> u64 {
        self.begun_us + nth * 1_000_000 / self.per_second
    }

    fn due(&self, nth: u64) -> Instant {
        self.begun + Duration::from_micros(nth * 1_000_000 / self.per_second)
    }

    /// When the last partition's first record of that event time or a later one is due.
    fn closes(&self, event_us: u64) -> Instant {
        let after = event_us.saturating_sub(self.begun_us);
        self.due((after * self.per_second).div_ceil(1_000_000) + PARTITIONS - 1)
    }
}

pub(crate) fn run(asked: &Asked) -> Result<()> {
    let seconds: u64 = asked.get("seconds", 60)?;
    let per_second: u64 = asked.get("per-second", 100_000)?;
    let window_ms: u64 = asked.get("window-ms", 200)?;
    let linger: u32 = asked.get("linger-ms", 1)?;
    println!(
        "| {per_second} trades/s offered to 4 partitions for {seconds} s, windows of {window_ms} ms, linger.ms={linger} \
         | closings | p50 ms | p99 ms | p99.9 ms | longest ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (title, to) in [
        ("record to a bare client (no Crossrate)", None),
        ("record to row on standard output", Some("stdout")),
        ("record to row committed in Kafka, read_committed", Some("kafka:delays")),
    ] {
        let topic = format!("trades-{}", to.unwrap_or("bare").replace(':', "-"));
        broker::make_topic(&topic, PARTITIONS as i32)?;
        let mut job = to.map(|to| start(&topic, to, window_ms)).transpose()?;
        let arrivals = match (to, &mut job) {
            (Some("stdout"), Some(job)) => heard(job.stdout.take().context("piped")?),
            (Some(_), _) => in_topic("delays")?,
            _ => in_topic(&topic)?,
        };
        let schedule = produce(&topic, seconds + BEFORE, per_second, linger)?;
        // What is on its way arrives.
        std::thread::sleep(Duration::from_secs(1));
        if let Some(mut job) = job {
            job.kill()?;
            job.wait()?;
        }
        let delays = match to {
            Some(_) => of_rows(&arrivals, schedule, window_ms)?,
            None => of_records(&arrivals, schedule)?,
        };
        let at = |quantile| delays.value_at_quantile(quantile) as f64 / 1_000.0;
        println!(
            "| {title} | {} | {:.1} | {:.1} | {:.1} | {:.1} |",
            delays.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            delays.max() as f64 / 1_000.0
        );
    }
    Ok(())
}

/// `--delay` keeps its default: how far out of order trades may be has no part in how soon a closing is
/// noticed.
fn start(topic: &str, to: &str, window_ms: u64) -> Result<Child> {
    let mut command: Command = crossrate()?;
    command.args(["run", "-q", "-t", topic, "--window", &format!("{window_ms}ms"), "--to", to, "-w", "2"]);
    let child = command.stdout(Stdio::piped()).spawn()?;
    // Its topics are made and its partitions read before the first trade.
    std::thread::sleep(Duration::from_secs(3));
    Ok(child)
}

/// A line, and when it was there.
type Arrivals = Receiver<(Instant, Vec<u8>)>;

fn in_topic(topic: &str) -> Result<Arrivals> {
    let seen = broker::committed(topic, false)?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        seen.into_iter().map(|seen| sender.send((seen.at, seen.value))).take_while(Result::is_ok).count()
    });
    Ok(receiver)
}

fn produce(topic: &str, seconds: u64, per_second: u64, linger: u32) -> Result<Schedule> {
    let producer = broker::producer(linger, "none")?;
    producer.client().fetch_metadata(Some(topic), Duration::from_secs(10))?;
    let begun_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
    let schedule = Schedule { begun: Instant::now(), begun_us, per_second };
    let mut next = 0;
    while next < seconds * per_second {
        // All that is due by now, and no more; however late that is, it was due when it was due.
        while schedule.due(next) <= Instant::now() && next < seconds * per_second {
            let value = trade(next, schedule.event_us(next));
            send(&producer, topic, Some((next % PARTITIONS) as i32), None, value.as_bytes())?;
            next += 1;
        }
        producer.poll(Duration::ZERO);
        std::thread::sleep(Duration::from_micros(500));
    }
    broker::flush(&producer)?;
    Ok(schedule)
}

fn trade(nth: u64, event_us: u64) -> String {
    let (symbol, price) = if (nth / PARTITIONS).is_multiple_of(2) {
        ("BTCUSDT", "9245.01000000")
    } else {
        ("XVGBTC", "0.00000811")
    };
    let (id, said_us) = (1 + nth / (2 * PARTITIONS) * PARTITIONS + nth % PARTITIONS, event_us + 1_000);
    format!(
        r#"{{"e":"trade","E":{said_us},"s":"{symbol}","t":{id},"p":"{price}","q":"0.02500000","T":{event_us},"m":true,"M":true}}"#
    )
}

fn number(line: &[u8], key: &[u8]) -> Option<u64> {
    let at = line.windows(key.len()).position(|part| part == key)? + key.len();
    let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |number, digit| Some(number.unwrap_or(0) * 10 + u64::from(digit - b'0')))
}

/// A closing is there when the last of its rows is.
fn of_rows(arrivals: &Arrivals, schedule: Schedule, window_ms: u64) -> Result<Histogram<u64>> {
    let mut closings: BTreeMap<u64, (Instant, usize)> = BTreeMap::new();
    for (at, line) in arrivals.try_iter() {
        let end = number(&line, b"\"end_ms\":").context("a row has an end")?;
        let closing = closings.entry(end).or_insert((at, 0));
        *closing = (closing.0.max(at), closing.1 + 1);
    }
    let mut delays = Histogram::new(3)?;
    // The first windows are a start's, not a steady run's.
    let from = schedule.begun_us / 1_000 + 5 * window_ms;
    for (end, (at, rows)) in closings.range(from..) {
        if *rows != 4 {
            bail!(
                "the window that ends at {end} has {rows} rows, not two symbols, a cross and its statistics"
            );
        }
        let due = schedule.closes(end * 1_000 + DELAY_US);
        delays.record(at.saturating_duration_since(due).as_micros() as u64)?;
    }
    Ok(delays)
}

fn of_records(arrivals: &Arrivals, schedule: Schedule) -> Result<Histogram<u64>> {
    let mut delays = Histogram::new(3)?;
    for (at, line) in arrivals.try_iter() {
        let event_us = number(&line, b"\"T\":").context("a trade has a time")?;
        let due = schedule.begun + Duration::from_micros(event_us - schedule.begun_us);
        delays.record(at.saturating_duration_since(due).as_micros() as u64)?;
    }
    Ok(delays)
}
