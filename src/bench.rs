//! `crossrate bench`: how fast is this machine, on these data? Whole processes, one after the other: a plain
//! loop that does the same work, `run -w 1` and `run -w N`, in rounds, so that an hour's moods of the machine
//! hit all alike. A difference in a single byte of the rows is a failure.

use crate::cluster::failure_detector;
use crate::config::bench::Bench;
use crate::exit::{Exit, Failure, stopped};
use crate::source::files::{FileDecoding, InputFile};
use crate::source::simulated::Tape;
use crate::wire::format::Format;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::Xxh3;

#[path = "../benches/hand_loop.rs"]
mod hand_loop;

/// The plain loop alone: prints its rows.
pub fn plain_loop(arguments: Vec<String>) -> Result<Exit> {
    hand_loop::main(arguments.into_iter())?;
    Ok(Exit::Done)
}

/// Measures and prints a table.
pub fn run(bench: &Bench) -> Result<Exit> {
    bench.files.iter().try_for_each(|file| has_json_lines(file))?;
    let interrupted = failure_detector::interrupt_flag()?;
    let folder =
        tempfile::Builder::new().prefix("crossrate-bench-").tempdir().context("no temporary folder")?;
    let files = match bench.files.as_slice() {
        [] => bench.generate(folder.path(), &interrupted)?,
        files => files.to_vec(),
    };
    let program = crate::start::this_program().context("this program's own path is unknown")?;
    let contenders = bench.contenders(&program, &files);
    let mut seconds: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    let mut rows: Option<u64> = None;
    // The first round warms the page cache and does not count.
    for round in 0..=bench.rounds {
        for (contender, seconds) in contenders.iter().zip(&mut seconds) {
            let (took, hash) = contender.measure(folder.path(), &interrupted)?;
            if *rows.get_or_insert(hash) != hash {
                let words = format!("{} printed other rows than {}", contender.name, contenders[0].name);
                return Err(Failure::new(Exit::Failed, words).into());
            }
            if round > 0 {
                seconds.push(took.as_secs_f64());
            }
        }
    }
    let records = count_lines(&files)?;
    let bytes = files.iter().map(|f| Ok(f.metadata()?.len())).sum::<Result<u64>>()?;
    let figures: Vec<Figures> =
        contenders.iter().zip(&seconds).map(|(c, s)| Figures::of(&c.name, s, &seconds[0], records)).collect();
    if bench.json {
        println!("{}", report_json(bench, records, bytes, &figures));
    } else {
        print_table(bench, records, bytes, files.len(), &figures);
    }
    Ok(Exit::Done)
}

/// The plain loop reads nothing else, and says nothing of what it cannot read.
fn has_json_lines(path: &Path) -> Result<()> {
    InputFile::open(path, &FileDecoding { symbol: None, format: &Format::default() }, true)?;
    let mut head = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(64).read_to_end(&mut head));
    opened.with_context(|| path.display().to_string())?;
    if head.trim_ascii_start().first().is_none_or(|byte| *byte == b'{') {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("{} holds no JSON lines that are not packed", path.display()))
        .hint("the plain loop reads nothing else; unpack the file first (gzip -dk, zstd -dk)")
        .into())
}

/// A file that takes nothing any more once the user wants to stop.
struct Interruptible(File, Arc<AtomicBool>);

impl Write for Interruptible {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1.load(Ordering::Relaxed) {
            Err(io::Error::other("interrupted"))
        } else {
            self.0.write(bytes)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Bench {
    fn generate(&self, folder: &Path, interrupted: &Arc<AtomicBool>) -> Result<Vec<PathBuf>> {
        let paths: Vec<PathBuf> =
            (0..self.partitions).map(|n| folder.join(format!("trades-{n}.jsonl"))).collect();
        let mut files = Vec::new();
        for path in &paths {
            let file = File::create(path).with_context(|| path.display().to_string())?;
            files.push(Interruptible(file, Arc::clone(interrupted)));
        }
        let tape = Tape { trades: self.trades, symbols: self.symbols, ..Tape::default() };
        match tape.write(&mut files) {
            Err(_) if interrupted.load(Ordering::Relaxed) => return Err(stopped()),
            written => written.context("cannot write the input to the temporary folder")?,
        };
        Ok(paths)
    }

    fn contenders(&self, program: &Path, files: &[PathBuf]) -> Vec<Contender> {
        let mut contenders = vec![self.contender(
            program,
            "plain loop",
            &["plain-loop", "--symbols", "all", "--cross", CROSS],
            files,
        )];
        let mut counts = vec![1];
        if self.threads > 1 {
            counts.push(self.threads);
        }
        for count in counts {
            let threads = count.to_string();
            let arguments = ["run", "-q", "--symbols", "all", "--cross", CROSS, "-w", &threads];
            contenders.push(self.contender(program, &format!("run -w {threads}"), &arguments, files));
        }
        contenders
    }

    fn contender(&self, program: &Path, name: &str, arguments: &[&str], files: &[PathBuf]) -> Contender {
        let mut line: Vec<std::ffi::OsString> = arguments.iter().map(Into::into).collect();
        line.extend(["--window".into(), self.window.clone().into()]);
        line.extend(files.iter().map(|f| f.as_os_str().to_owned()));
        Contender { name: name.to_owned(), program: program.to_owned(), arguments: line }
    }
}

/// The cross that all compute; without trades of its legs it gives no rows.
const CROSS: &str = "XVGUSDT=XVGBTC*BTCUSDT";

/// A command to time.
struct Contender {
    name: String,
    program: PathBuf,
    arguments: Vec<std::ffi::OsString>,
}

impl Contender {
    /// How long it takes, start and end included, and what its rows hash to.
    fn measure(&self, folder: &Path, interrupted: &AtomicBool) -> Result<(Duration, u64)> {
        let (rows, words) = (folder.join("rows"), folder.join("words"));
        let create = |path: &Path| File::create(path).with_context(|| path.display().to_string());
        let (out, said) = (create(&rows)?, create(&words)?);
        let begun = Instant::now();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            // What the environment sets for `run` would change what is compared.
            .env_clear()
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(said)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let Some(status) = end_of(&mut child, interrupted)? else { return Err(stopped()) };
        let took = begun.elapsed();
        if !status.success() {
            bail!("{} failed: {}", self.name, std::fs::read_to_string(&words)?.trim());
        }
        let mut hash = Xxh3::new();
        io::copy(&mut File::open(rows)?, &mut Hashing(&mut hash))?;
        Ok((took, hash.digest()))
    }
}

/// Waits for the end of a process; `None` where the user wants to stop, and it was ended for that.
fn end_of(child: &mut Child, interrupted: &AtomicBool) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            // A Ctrl-C ends the child too, perhaps before this one has heard of it.
            return Ok((status.code() != Some(Exit::Interrupted.code().into())).then_some(status));
        }
        if interrupted.load(Ordering::Relaxed) {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        // A thousandth of what is measured, or less.
        std::thread::sleep(Duration::from_micros(500));
    }
}

struct Hashing<'a>(&'a mut Xxh3);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is said of a contender.
struct Figures {
    name: String,
    /// Median.
    seconds: f64,
    /// Millions of records a second, by the median.
    rate: f64,
    /// Median of the rounds' own ratios to the plain loop's speed.
    ratio: f64,
}

impl Figures {
    fn of(name: &str, seconds: &[f64], loops: &[f64], records: u64) -> Figures {
        let middle = median(seconds.to_vec());
        Figures {
            name: name.to_owned(),
            seconds: middle,
            rate: records as f64 / middle / 1e6,
            ratio: median(loops.iter().zip(seconds).map(|(l, s)| l / s).collect()),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn count_lines(files: &[PathBuf]) -> Result<u64> {
    let mut lines = 0;
    for file in files {
        let mut file = File::open(file).with_context(|| file.display().to_string())?;
        let mut block = vec![0; 1 << 20];
        loop {
            let bytes = match file.read(&mut block)? {
                0 => break,
                length => &block[..length],
            };
            lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        }
    }
    Ok(lines)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
}

/// What the figures depend on besides this program, as it was built.
const MADE_OF: [(&str, &str); 3] = [
    ("timely", env!("BUILT_WITH_TIMELY")),
    ("differential-dataflow", env!("BUILT_WITH_DIFFERENTIAL_DATAFLOW")),
    ("rustc", env!("BUILT_WITH_RUSTC")),
];

fn machine() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|l| l.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    format!("{}, {} cores", model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()), cores())
}

fn print_table(bench: &Bench, records: u64, bytes: u64, files: usize, figures: &[Figures]) {
    println!("crossrate {} on {}", env!("CARGO_PKG_VERSION"), machine());
    println!("{}", MADE_OF.map(|(name, version)| format!("{name} {version}")).join(", "));
    println!(
        "{records} records, {:.0} MB in {files} files; windows of {}; medians of {} rounds, same rows from all",
        bytes as f64 / 1e6,
        bench.window,
        bench.rounds
    );
    println!();
    println!("{:<12} {:>9} {:>12} {:>15}", "", "seconds", "M records/s", "x plain loop");
    for f in figures {
        println!("{:<12} {:>9.3} {:>12.2} {:>15.2}", f.name, f.seconds, f.rate, f.ratio);
    }
}

fn report_json(bench: &Bench, records: u64, bytes: u64, figures: &[Figures]) -> serde_json::Value {
    let figures: Vec<_> = figures
        .iter()
        .map(|f| json!({"name": f.name, "seconds": f.seconds, "m_records_per_s": f.rate, "ratio_to_loop": f.ratio}))
        .collect();
    let made_of: serde_json::Map<_, _> =
        MADE_OF.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"), "made_of": made_of, "machine": machine(), "cores": cores(),
        "records": records, "bytes": bytes,
        "window": bench.window, "rounds": bench.rounds, "figures": figures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians_of_the_rounds() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        let figures = Figures::of("a", &[2.0, 4.0, 3.0], &[1.0, 1.0, 6.0], 3_000_000);
        assert_eq!((figures.seconds, figures.rate, figures.ratio), (3.0, 1.0, 0.5));
    }
}
