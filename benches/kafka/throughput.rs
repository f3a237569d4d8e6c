//! How much of two bare clients' speed is left when trades are also decoded, accepted, summed, and rows
//! committed?

use crate::broker::{self, Loading};
use crate::{Asked, crossrate, median};
use anyhow::{Context, Result, bail};
use crossrate::source::simulated::Tape;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

const PARTITIONS: i32 = 4;

/// One way to lay trades out over a topic.
struct Layout {
    title: &'static str,
    topic: &'static str,
    symbols: u32,
    keyed: bool,
    compression: &'static str,
    flags: &'static [&'static str],
}

const LAYOUTS: &[Layout] = &[
    Layout {
        title: "2 symbols, no keys, uncompressed",
        topic: "plain",
        symbols: 2,
        keyed: false,
        compression: "none",
        flags: &["--window", "10s"],
    },
    Layout {
        title: "2 symbols, no keys, lz4",
        topic: "packed",
        symbols: 2,
        keyed: false,
        compression: "lz4",
        flags: &["--window", "10s"],
    },
    Layout {
        title: "3,000 symbols by key, lz4",
        topic: "keyed",
        symbols: 3_000,
        keyed: true,
        compression: "lz4",
        flags: &["--window", "10s", "--symbols", "all"],
    },
];

pub(crate) fn run(asked: &Asked) -> Result<()> {
    let trades: u64 = asked.get("trades", 5_000_000)?;
    let rounds: usize = asked.get("rounds", 5)?;
    let only: String = asked.get("layout", String::new())?;
    let folder = tempfile::tempdir()?;
    println!(
        "| {trades} trades, 4 partitions, windows of 10 s; M records/s | two bare clients | -w 2, ledger | of them \
         | -w 2, no ledger | ledger of that | one bare client | -w 1, ledger | of it | CPU s of -w 2, of two clients |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for layout in LAYOUTS.iter().filter(|layout| only.is_empty() || layout.topic == only) {
        load(layout, trades)?;
        measure(layout, trades, rounds, folder.path())?;
    }
    Ok(())
}

/// What exactly-once costs: pairs of runs at `-w 2`, with the ledger and without, which of them first by
/// turns.
pub(crate) fn exactly_once(asked: &Asked) -> Result<()> {
    let trades: u64 = asked.get("trades", 20_000_000)?;
    let rounds: usize = asked.get("rounds", 10)?;
    let only: String = asked.get("layout", "packed".to_owned())?;
    let folder = tempfile::tempdir()?;
    println!(
        "| {trades} trades, 4 partitions, windows of 10 s; M records/s | -w 2, ledger | -w 2, no ledger \
         | ledger of that | least, most | CPU s with, without | without of with |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for layout in LAYOUTS.iter().filter(|layout| layout.topic == only) {
        load(layout, trades)?;
        let expected = folder.path().join("expected");
        plain_loop(layout, folder.path(), &expected)?;
        let mut pairs = Vec::new();
        // The first pair warms the page cache and does not count.
        for round in 0..=rounds {
            let with = || with_ledger(layout, 2, round, &expected);
            let without = || without_ledger(layout, 2, folder.path(), &expected);
            let pair = if round % 2 == 0 {
                let with = with()?;
                (with, without()?)
            } else {
                let without = without()?;
                (with()?, without)
            };
            if round > 0 {
                pairs.push(pair);
            }
        }
        let of = |figure: fn(&(Took, Took)) -> f64| pairs.iter().map(figure).collect::<Vec<f64>>();
        let ratios = of(|(with, without)| without.seconds / with.seconds);
        let speed = |seconds: Vec<f64>| trades as f64 / median(seconds) / 1e6;
        println!(
            "| {} | {:.2} | {:.2} | {:.3} | {:.2}, {:.2} | {:.2}, {:.2} | {:.3} |",
            layout.title,
            speed(of(|(with, _)| with.seconds)),
            speed(of(|(_, without)| without.seconds)),
            median(ratios.clone()),
            ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            median(of(|(with, _)| with.cpu_seconds)),
            median(of(|(_, without)| without.cpu_seconds)),
            median(of(|(with, without)| without.cpu_seconds / with.cpu_seconds)),
        );
    }
    Ok(())
}

fn load(layout: &Layout, trades: u64) -> Result<()> {
    broker::make_topic(layout.topic, PARTITIONS)?;
    let producer = Arc::new(broker::producer(20, layout.compression)?);
    let partitions = if layout.keyed { vec![None] } else { (0..PARTITIONS).map(Some).collect() };
    let mut outputs: Vec<Loading> = partitions
        .into_iter()
        .map(|partition| Loading {
            producer: Arc::clone(&producer),
            topic: layout.topic.to_owned(),
            partition,
        })
        .collect();
    Tape { trades, symbols: layout.symbols, ..Tape::default() }.write(&mut outputs)?;
    Ok(())
}

/// What a process took.
#[derive(Debug, Copy, Clone)]
struct Took {
    seconds: f64,
    cpu_seconds: f64,
}

fn measure(layout: &Layout, trades: u64, rounds: usize, folder: &Path) -> Result<()> {
    let expected = folder.join("expected");
    plain_loop(layout, folder, &expected)?;
    let mut figures: Vec<Vec<f64>> = vec![Vec::new(); 10];
    let speed = |took: Took| trades as f64 / took.seconds / 1e6;
    // The first round warms the page cache and does not count.
    for round in 0..=rounds {
        let bare_two = bare(layout, 2, trades)?;
        let two = with_ledger(layout, 2, round, &expected)?;
        let two_free = without_ledger(layout, 2, folder, &expected)?;
        let bare_one = bare(layout, 1, trades)?;
        let one = with_ledger(layout, 1, round, &expected)?;
        if round > 0 {
            let of = |whole: Took, part: Took| whole.seconds / part.seconds;
            let row = [
                speed(bare_two),
                speed(two),
                of(bare_two, two),
                speed(two_free),
                of(two_free, two),
                speed(bare_one),
                speed(one),
                of(bare_one, one),
                two.cpu_seconds,
                bare_two.cpu_seconds,
            ];
            figures.iter_mut().zip(row).for_each(|(column, figure)| column.push(figure));
        }
    }
    let m: Vec<f64> = figures.into_iter().map(median).collect();
    println!(
        "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1}, {:.1} |",
        layout.title, m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9]
    );
    Ok(())
}

/// The better of both ways to read.
fn bare(layout: &Layout, clients: usize, trades: u64) -> Result<Took> {
    let mut best: Option<Took> = None;
    for how in ["poll", "batch"] {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["count", "--topic", layout.topic, "--how", how, "--clients", &clients.to_string()]);
        command.stdout(Stdio::piped());
        let (took, output) = timed(command)?;
        let counted = output.split(' ').next().unwrap_or_default();
        if counted != trades.to_string() {
            bail!("{clients} bare clients counted {counted} records of {trades}");
        }
        best = Some(best.map_or(took, |best| if took.seconds < best.seconds { took } else { best }));
    }
    best.context("no client ran")
}

fn with_ledger(layout: &Layout, workers: usize, round: usize, expected: &Path) -> Result<Took> {
    let out = format!("{}-rows-{workers}-{round}", layout.topic);
    let mut command = crossrate()?;
    command.args(["run", "-q", "-e", "-t", layout.topic, "-w", &workers.to_string(), "--name", &out]);
    command.args(["--to", &format!("kafka:{out}")]).args(layout.flags);
    let (took, _) = timed(command)?;
    same(&broker::lines(&out)?, expected)?;
    Ok(took)
}

fn without_ledger(layout: &Layout, workers: usize, folder: &Path, expected: &Path) -> Result<Took> {
    let out = folder.join("printed");
    let mut command = crossrate()?;
    command.args(["run", "-q", "-e", "-t", layout.topic, "-w", &workers.to_string()]).args(layout.flags);
    command.stdout(File::create(&out)?);
    let (took, _) = timed(command)?;
    same(&fs::read(&out)?, expected)?;
    Ok(took)
}

/// The rows of the plain loop, over the same partitions as files.
fn plain_loop(layout: &Layout, folder: &Path, expected: &Path) -> Result<()> {
    let paths: Vec<PathBuf> =
        (0..PARTITIONS).map(|p| folder.join(format!("{}-{p}.jsonl", layout.topic))).collect();
    let create = |path: &PathBuf| Ok(std::io::BufWriter::new(File::create(path)?));
    let mut files = paths.iter().map(create).collect::<Result<Vec<_>>>()?;
    for seen in broker::committed(layout.topic, true)? {
        let file = &mut files[seen.partition as usize];
        file.write_all(&seen.value)?;
        file.write_all(b"\n")?;
    }
    files.iter_mut().try_for_each(Write::flush)?;
    let mut command = crossrate()?;
    command.arg("plain-loop").args(layout.flags).args(&paths).stdout(File::create(expected)?);
    timed(command)?;
    paths.iter().try_for_each(fs::remove_file)?;
    Ok(())
}

fn same(rows: &[u8], expected: &Path) -> Result<()> {
    let expected = fs::read(expected)?;
    if rows.is_empty() || rows != expected {
        bail!("rows differ from the plain loop's: {} bytes, and {}", rows.len(), expected.len());
    }
    Ok(())
}

/// Runs a command to its end: the whole process counts, its start and its end too.
fn timed(mut command: Command) -> Result<(Took, String)> {
    let cpu_before = children_cpu()?;
    let begun = Instant::now();
    let output = command.stderr(Stdio::inherit()).spawn()?.wait_with_output()?;
    let seconds = begun.elapsed().as_secs_f64();
    if !output.status.success() {
        bail!("failed: {command:?}");
    }
    let took = Took { seconds, cpu_seconds: children_cpu()? - cpu_before };
    Ok((took, String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

/// Seconds of CPU that children which have ended took, as Linux counts them: in hundredths.
fn children_cpu() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(13) + ticks(14)) / 100.0)
}
