//! How soon after its start is a job that was killed where it was, and what did that take?

use crate::broker;
use crate::{Asked, crossrate, heard, median};
use anyhow::{Context, Result, bail};
use crossrate::kafka::writer::Producer;
use crossrate::source::simulated::Tape;
use std::collections::VecDeque;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

const PARTITIONS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
/// A job that says nothing for so long has read all there is.
const QUIET: Duration = Duration::from_secs(3);

pub(crate) struct Case {
    pub(crate) title: &'static str,
    pub(crate) topic: &'static str,
    symbols: u32,
    /// Seconds of event time before the first kill, between kills, and between closings.
    pub(crate) before: u64,
    between: u64,
    pub(crate) slide: u64,
    flags: &'static [&'static str],
}

pub(crate) const CASES: &[Case] = &[
    Case {
        title: "3,000 symbols, 1 m by 10 s",
        topic: "many",
        symbols: 3_000,
        before: 90,
        between: 20,
        slide: 10,
        flags: &["--symbols", "all", "--window", "1m", "--slide", "10s"],
    },
    Case {
        title: "2 symbols, 1,000 open windows (1000 s by 1 s)",
        topic: "open",
        symbols: 2,
        before: 1_020,
        between: 10,
        slide: 1,
        flags: &["--window", "1000s", "--slide", "1s"],
    },
];

pub(crate) fn run(asked: &Asked) -> Result<()> {
    let rounds: usize = asked.get("rounds", 5)?;
    let only: String = asked.get("case", String::new())?;
    let steps: bool = asked.get("steps", false)?;
    let per_second: u64 = asked.get("per-second", 1_000)?;
    println!(
        "| restart after kill -9, {per_second} trades/s in 4 partitions, -w 2; medians of {rounds} | first new row computed, ms | committed and \
         visible, ms | entries read back | bytes read back | commits | p50 ms | p99 ms | largest ms \
         | bytes a commit, median, largest |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for case in CASES.iter().filter(|case| only.is_empty() || case.topic == only) {
        measure(case, rounds, per_second, steps)?;
    }
    Ok(())
}

fn measure(case: &Case, rounds: usize, per_second: u64, steps: bool) -> Result<()> {
    let mut feed = Feed::new(case, case.before + case.between * rounds as u64, per_second)?;
    feed.load(case.before)?;
    let mut all = Figures::default();
    let mut job = Job::start(case)?;
    job.until_quiet(&mut all)?;
    let rows = broker::committed(&case.out(), false)?;
    let mut known = -1;
    for _ in 0..rounds {
        job.kill()?;
        while let Ok(seen) = rows.recv_timeout(Duration::from_millis(500)) {
            known = known.max(seen.offset);
        }
        feed.load(case.between)?;
        job = Job::start(case)?;
        let begun = job.begun;
        let first = job.until_quiet(&mut all)?.context("a restart gave no row")?;
        if steps {
            job.said.iter().for_each(|line| eprintln!("{line}"));
        }
        all.computed.push(first.duration_since(begun).as_secs_f64() * 1e3);
        let new = rows.recv_timeout(PATIENCE).context("no new row was committed")?;
        if new.offset <= known {
            bail!("a row came twice: offset {}", new.offset);
        }
        all.visible.push(new.at.duration_since(begun).as_secs_f64() * 1e3);
    }
    job.kill()?;
    all.print(case.title);
    Ok(())
}

/// The trades of a case, on their way into its topic.
pub(crate) struct Feed {
    topic: &'static str,
    per_second: u64,
    producer: Producer,
    /// Lines of each partition that are not there yet.
    rest: Vec<std::vec::IntoIter<Vec<u8>>>,
}

impl Feed {
    pub(crate) fn new(case: &Case, seconds: u64, per_second: u64) -> Result<Feed> {
        let mut partitions = vec![Vec::new(); PARTITIONS];
        let tape =
            Tape { trades: seconds * per_second, symbols: case.symbols, per_second, ..Tape::default() };
        tape.write(&mut partitions)?;
        broker::make_topic(case.topic, PARTITIONS as i32)?;
        let of = |lines: &Vec<u8>| {
            let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter()
        };
        let rest = partitions.iter().map(of).collect();
        Ok(Feed { topic: case.topic, per_second, producer: broker::producer(5, "lz4")?, rest })
    }

    /// Writes the trades of so many seconds more.
    pub(crate) fn load(&mut self, seconds: u64) -> Result<()> {
        let count = (seconds * self.per_second) as usize / PARTITIONS;
        for (partition, lines) in self.rest.iter_mut().enumerate() {
            for line in lines.by_ref().take(count) {
                broker::send(&self.producer, self.topic, Some(partition as i32), None, &line)?;
            }
        }
        broker::flush(&self.producer)
    }
}

/// A commit of a job, as it says it.
pub(crate) struct Commit {
    pub(crate) rows: usize,
    pub(crate) entries: usize,
    pub(crate) ms: f64,
}

impl Case {
    pub(crate) fn out(&self) -> String {
        format!("{}-rows", self.topic)
    }
}

/// What was seen, in the order of the rounds.
#[derive(Default)]
pub(crate) struct Figures {
    computed: Vec<f64>,
    visible: Vec<f64>,
    read_back: VecDeque<(f64, f64)>,
    commits: Vec<(f64, f64)>,
}

impl Figures {
    fn print(mut self, title: &str) {
        // The first start read back nothing.
        self.read_back.pop_front();
        let (entries, bytes): (Vec<f64>, Vec<f64>) = self.read_back.into_iter().unzip();
        let (mut times, sizes): (Vec<f64>, Vec<f64>) = self.commits.into_iter().unzip();
        times.sort_by(f64::total_cmp);
        let at =
            |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len() - 1)).copied();
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        println!(
            "| {title} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {:.1} | {:.1} | {:.1} | {:.0}, {largest:.0} |",
            median(self.computed),
            median(self.visible),
            median(entries),
            median(bytes),
            times.len(),
            at(0.5).unwrap_or(f64::NAN),
            at(0.99).unwrap_or(f64::NAN),
            at(1.0).unwrap_or(f64::NAN),
            median(sizes)
        );
    }
}

/// A run that is listened to: with `-v` it says what it does.
pub(crate) struct Job {
    begun: Instant,
    child: Child,
    lines: Receiver<(Instant, Vec<u8>)>,
    said: Vec<String>,
}

impl Job {
    pub(crate) fn start(case: &Case) -> Result<Job> {
        let mut command = crossrate()?;
        command.args(["run", "-v", "-t", case.topic, "-w", "2", "--name", case.topic]).args(case.flags);
        command.args(["--to", &format!("kafka:{}", case.out())]).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let lines = heard(child.stderr.take().context("piped")?);
        Ok(Job { begun, child, lines, said: Vec::new() })
    }

    /// Listens until the job has done all there is to do; when it had computed its first row.
    pub(crate) fn until_quiet(&mut self, figures: &mut Figures) -> Result<Option<Instant>> {
        let mut first = None;
        let mut last_commit = Instant::now();
        while last_commit.elapsed() < QUIET {
            let (at, line) = match self.lines.recv_timeout(QUIET) {
                Ok((at, line)) => (at, String::from_utf8_lossy(&line).into_owned()),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => bail!("the job has ended: {:?}", self.said),
            };
            let numbers = numbers(&line);
            if line.contains("the first rows are computed") {
                first.get_or_insert(at);
            } else if line.contains("checkpoint has") {
                figures.read_back.push_back((numbers[1], numbers[2]));
            } else if line.contains("crossrate: committed ") {
                last_commit = at;
                if numbers[0] > 0.0 {
                    figures.commits.push((numbers[3], numbers[2]));
                }
            }
            self.said.push(line);
        }
        Ok(first)
    }

    /// Waits for the next commit that has rows.
    pub(crate) fn next_commit(&mut self, patience: Duration) -> Result<Option<Commit>> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = match self.lines.recv_timeout(left) {
                Ok((_, line)) => String::from_utf8_lossy(&line).into_owned(),
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => bail!("the job has ended: {:?}", self.said),
            };
            if let Some(said) = line.strip_prefix("crossrate: committed ")
                && let [rows, entries, _, ms] = numbers(said)[..]
                && rows > 0.0
            {
                return Ok(Some(Commit { rows: rows as usize, entries: entries as usize, ms }));
            }
            self.said.push(line);
        }
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

fn numbers(line: &str) -> Vec<f64> {
    line.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|number| number.parse().ok()).collect()
}

impl Drop for Job {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.kill();
    }
}
