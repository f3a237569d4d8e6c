//! The Kafka path, measured: `benches/run-kafka` runs this beside a broker; `benches/README.md` says what is
//! asked.

mod broker;
mod clients;
mod commits;
mod latency;
mod restart;
mod throughput;

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let asked = Asked::of(arguments)?;
    match what.as_str() {
        "count" => clients::count(&asked),
        "throughput" => throughput::run(&asked),
        "exactly-once" => throughput::exactly_once(&asked),
        "latency" => latency::run(&asked),
        "restart" => restart::run(&asked),
        "commits" => commits::run(&asked),
        _ => bail!(
            "kafka throughput|exactly-once|latency|restart|commits|count [--FLAG VALUE].., not {what:?}"
        ),
    }
}

/// Flags with a value each.
struct Asked(BTreeMap<String, String>);

impl Asked {
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Asked> {
        let mut asked = BTreeMap::new();
        while let Some(flag) = arguments.next() {
            let name = flag.strip_prefix("--").with_context(|| format!("{flag:?} is no flag"))?;
            let value = arguments.next().with_context(|| format!("{flag} wants a value"))?;
            asked.insert(name.to_owned(), value);
        }
        Ok(Asked(asked))
    }

    fn get<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        let Some(text) = self.0.get(name) else { return Ok(default) };
        text.parse().ok().with_context(|| format!("--{name} {text} will not do"))
    }
}

/// The program itself, built beside this one.
fn crossrate() -> Result<Command> {
    let here: PathBuf = std::env::current_exe()?;
    let folder = here.parent().and_then(|p| p.parent()).context("no folder of the build")?;
    Ok(Command::new(folder.join("crossrate")))
}

/// What is read there, line by line, and when each line was there; for as long as anybody listens.
fn heard(from: impl Read + Send + 'static) -> Receiver<(Instant, Vec<u8>)> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(from)
            .split(b'\n')
            .map_while(Result::ok)
            .map(|line| sender.send((Instant::now(), line)))
            .take_while(Result::is_ok)
            .count()
    });
    receiver
}

/// The middle one, the one that a hundredth is above, and the greatest.
fn quantiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    [0.5, 0.99, 1.0].map(|share| values.get((last as f64 * share) as usize).copied().unwrap_or(f64::NAN))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
