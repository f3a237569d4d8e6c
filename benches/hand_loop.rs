//! The yardstick: what a careful programmer would write who needs none of the rest. One thread, hash maps, no
//! dataflow. It reads the same files as `crossrate run`, does the same work (full validation, acceptance by
//! watermark with exact removal of duplicates, digests, exact sums, missing ids, crosses, statistics) for
//! tumbling windows with `--emit final`, and prints the same bytes:
//!
//! ```sh
//! crossrate plain-loop --window 10s FILE..
//! ```
//!
//! Shared with the product, so that only what lies between can differ: the decoder, the sums of a window, and
//! the text of a row. Flags as `run` has them: `--window`, `--delay`, `--grace`, `--symbols`, `--cross`.

use crate::wire::chunk::Chunk;
use crate::wire::{Record, Scratch, decode_chunk};
use anyhow::{Context, Result, bail};
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::market::candle::Candle;
use crossrate_dataflows::market::cross::{CrossState, LegState};
use crossrate_dataflows::market::decimal::Decimals;
use crossrate_dataflows::market::definition::{Cross, Leg};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::moments::{Moments, trade_hash};
use crossrate_dataflows::market::row::{ClosedBy, Occasion, Row, Stage, cross_row, stats_row, symbol_row};
use crossrate_dataflows::market::series::SeriesMoments;
use crossrate_dataflows::market::trade::{Symbol, Trade, TradeKind};
use crossrate_dataflows::market::window::WindowState;
use crossrate_dataflows::market::windows::Windows;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::time::Instant;

/// Bytes read of a file before the others have their turn.
const BLOCK: usize = 256 << 10;

/// What is computed. Durations are microseconds.
struct Job {
    window: u64,
    delay: u64,
    grace: u64,
    /// Whether every symbol gets rows.
    all: bool,
    symbols: Vec<String>,
    crosses: Vec<Cross>,
}

/// Symbols by number.
#[derive(Default)]
struct Symbols {
    numbers: HashMap<Vec<u8>, u32>,
    names: Vec<Symbol>,
    wanted: Vec<bool>,
}

impl Symbols {
    fn number(&mut self, name: &[u8], wanted: bool) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        let text = String::from_utf8_lossy(name);
        self.names.push(Symbol::new(&text));
        self.wanted.push(wanted);
        number
    }
}

/// A symbol's trades of one window, of one file.
struct Open {
    moments: Moments,
    candle: Candle,
    ids: HashSet<u64>,
}

/// A file: its watermark, what became of its records, and its open windows.
struct Input<R> {
    from: R,
    watermark: EventTime,
    ended: bool,
    counts: Counts,
    kinds: Vec<Option<TradeKind>>,
    open: HashMap<(u64, u32), Open>,
    /// Whole lines, and what was read after them.
    chunk: Chunk,
    rest: Vec<u8>,
}

impl<R: Read> Input<R> {
    fn new(from: R) -> Self {
        Input {
            from,
            watermark: EventTime::MIN,
            ended: false,
            counts: Counts::default(),
            kinds: Vec::new(),
            open: HashMap::new(),
            chunk: Chunk::default(),
            rest: Vec::new(),
        }
    }

    /// Reads the next whole lines and takes them one by one.
    fn read(&mut self, job: &Job, symbols: &mut Symbols, scratch: &mut Scratch) -> io::Result<()> {
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.bytes.clear();
        chunk.bytes.append(&mut self.rest);
        loop {
            let before = chunk.bytes.len();
            let read = self.from.by_ref().take(BLOCK as u64).read_to_end(&mut chunk.bytes)?;
            self.ended = read == 0;
            match memchr::memrchr(b'\n', &chunk.bytes[before..]) {
                _ if self.ended => break,
                Some(end) => {
                    self.rest.extend(chunk.bytes.drain(before + end + 1..));
                    break;
                }
                // A line longer than a block: read on.
                None => {}
            }
        }
        decode_chunk(&chunk, scratch, |_, record| self.take(record, job, symbols));
        self.chunk = chunk;
        Ok(())
    }

    fn take(&mut self, record: Record<'_>, job: &Job, symbols: &mut Symbols) {
        match record {
            Record::Trade { symbol, kind, trade } => {
                let number = symbols.number(symbol, job.all);
                if symbols.wanted[number as usize] {
                    self.trade(number, kind, &trade, job, symbols);
                } else {
                    self.counts.unselected += 1;
                }
            }
            Record::Heartbeat(time) => {
                self.counts.heartbeat += 1;
                self.watermark = self.watermark.max(time.minus(job.delay));
            }
            Record::Ignored => self.counts.ignored += 1,
            Record::Bad(_) => self.counts.bad += 1,
        }
    }

    fn trade(&mut self, number: u32, kind: TradeKind, trade: &Trade, job: &Job, symbols: &mut Symbols) {
        let at = number as usize;
        if self.kinds.len() <= at {
            self.kinds.resize(at + 1, None);
        }
        if *self.kinds[at].get_or_insert(kind) != kind {
            self.counts.ignored += 1;
            return;
        }
        let start = trade.time.micros() - trade.time.micros() % job.window;
        if start + job.window + job.grace <= self.watermark.micros() {
            self.counts.late += 1;
            return;
        }
        let open = self.open.entry((start, number)).or_insert_with(|| Open {
            moments: Moments::default(),
            candle: Candle::of(trade),
            ids: HashSet::new(),
        });
        if !open.ids.insert(trade.id) {
            self.counts.duplicate += 1;
            return;
        }
        open.moments.add_trade(trade, trade_hash(&symbols.names[at], trade));
        open.candle.add_trade(trade);
        self.counts.accepted += 1;
        self.watermark = self.watermark.max(trade.time.minus(job.delay));
    }
}

/// What outlives a window.
struct Book {
    /// Everything before this is printed.
    closed_before: u64,
    greatest_ids: HashMap<u32, u64>,
    series: HashMap<Symbol, SeriesMoments>,
}

/// Prints the windows that can change no more: those that end, with grace, at `frontier` at the latest.
fn close<R>(
    job: &Job,
    inputs: &mut [Input<R>],
    symbols: &Symbols,
    book: &mut Book,
    out: &mut impl Write,
) -> io::Result<()> {
    let frontier = inputs.iter().map(|i| if i.ended { u64::MAX } else { i.watermark.micros() }).min();
    let frontier = frontier.unwrap_or(u64::MAX);
    let final_before = frontier.saturating_sub(job.grace);
    let final_before = final_before - final_before % job.window;
    if final_before <= book.closed_before {
        return Ok(());
    }
    book.closed_before = final_before;
    let mut windows: BTreeMap<u64, HashMap<u32, (Moments, Candle)>> = BTreeMap::new();
    for input in inputs.iter_mut() {
        for ((start, number), open) in input.open.extract_if(|(start, _), _| *start < final_before) {
            let window = windows.entry(start).or_default();
            window
                .entry(number)
                .and_modify(|(moments, candle)| {
                    moments.n += open.moments.n;
                    moments.q += open.moments.q;
                    moments.pq = moments.pq.add(open.moments.pq);
                    moments.p2q = moments.p2q.add(open.moments.p2q);
                    moments.digest = moments.digest.wrapping_add(open.moments.digest);
                    moments.more_ids += open.moments.more_ids;
                    moments.untold += open.moments.untold;
                    moments.buy_q += open.moments.buy_q;
                    moments.buy_pq = moments.buy_pq.add(open.moments.buy_pq);
                    candle.merge(&open.candle);
                })
                .or_insert((open.moments, open.candle));
        }
    }
    for (start, window) in windows {
        let look = EventTime::from_micros(start + job.window + job.grace);
        let by_records = inputs.iter().all(|i| i.watermark >= look);
        let closed_by = if by_records { ClosedBy::Event } else { ClosedBy::Eof };
        print_window(job, start, &window, closed_by, symbols, book, out)?;
    }
    Ok(())
}

fn print_window(
    job: &Job,
    start: u64,
    window: &HashMap<u32, (Moments, Candle)>,
    closed_by: ClosedBy,
    symbols: &Symbols,
    book: &mut Book,
    out: &mut impl Write,
) -> io::Result<()> {
    let windows = Windows::sliding(job.window, job.window);
    let occasion = Occasion {
        look: EventTime::from_micros(start + job.window + job.grace),
        window: windows.at(0),
        place: 0,
        end: EventTime::from_micros(start + job.window),
        stage: Stage::Closed { revision: 0, last: true },
    };
    let mut states: BTreeMap<&Symbol, WindowState> = BTreeMap::new();
    for (number, (moments, candle)) in window {
        let before = book.greatest_ids.get(number).copied();
        let before_or_least = before.map_or(i128::from(candle.least_id) - 1, i128::from);
        let greatest = candle.greatest_id.max(before.unwrap_or(0));
        book.greatest_ids.insert(*number, greatest);
        let missing = i128::from(greatest) - before_or_least - i128::from(moments.n);
        let missing_ids = missing - moments.more_ids;
        states.insert(
            &symbols.names[*number as usize],
            WindowState { moments: *moments, candle: *candle, missing_ids },
        );
    }
    let mut print = |mut row: Row| {
        row.complete(closed_by);
        writeln!(out, "{}", row.json)
    };
    for (name, state) in &states {
        print(symbol_row(name, state, Decimals::EIGHT, occasion))?;
    }
    let mut stats = Vec::new();
    for cross in &job.crosses {
        let leg = |leg: &Leg| states.get(&leg.symbol).map(LegState::of);
        let state = CrossState { legs: cross.legs.iter().map(leg).collect() };
        if !state.any_traded() {
            continue;
        }
        let rate = state.rate(cross, Decimals::EIGHT);
        print(cross_row(cross, &state, rate.as_ref(), Decimals::EIGHT, occasion))?;
        let Some(rate) = rate else { continue };
        let series = book.series.entry(cross.name.clone()).or_default();
        series.n += 1;
        series.sum += &rate;
        series.squares += &rate * &rate;
        series.last = rate;
        stats.push(stats_row(&cross.name, series, occasion));
    }
    stats.into_iter().try_for_each(print)
}

/// Reads all inputs to their ends and prints every row.
fn run<R: Read>(job: &Job, readers: Vec<R>, out: &mut impl Write) -> io::Result<Counts> {
    let mut symbols = Symbols::default();
    for symbol in &job.symbols {
        symbols.number(symbol.as_bytes(), true);
    }
    for leg in job.crosses.iter().flat_map(|cross| &cross.legs) {
        symbols.number(leg.symbol.as_str().as_bytes(), true);
    }
    let mut inputs: Vec<Input<R>> = readers.into_iter().map(Input::new).collect();
    let mut book = Book { closed_before: 0, greatest_ids: HashMap::new(), series: HashMap::new() };
    let mut scratch = Scratch::default();
    // The file that is furthest behind holds everything up: it is read next.
    while let Some(behind) = inputs.iter_mut().filter(|i| !i.ended).min_by_key(|i| i.watermark) {
        behind.read(job, &mut symbols, &mut scratch)?;
        close(job, &mut inputs, &symbols, &mut book, out)?;
    }
    let mut counts = Counts::default();
    inputs.iter().for_each(|input| counts.add(&input.counts));
    out.flush()?;
    Ok(counts)
}

fn duration(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => bail!("{text}: want a duration such as 250ms, 30s, 5m or 1h"),
    };
    Ok(digits.parse::<u64>().with_context(|| format!("{text}: no duration"))? * unit)
}

fn cross(text: &str) -> Result<Cross> {
    let (name, product) = text.split_once('=').with_context(|| format!("{text}: want NAME=A*B/C"))?;
    let mut legs = Vec::new();
    let mut inverse = false;
    let mut rest = product;
    loop {
        let end = rest.find(['*', '/']).unwrap_or(rest.len());
        legs.push(Leg { symbol: Symbol::new(&rest[..end]), inverse });
        let Some(sign) = rest[end..].chars().next() else { break };
        inverse = sign == '/';
        rest = &rest[end + 1..];
    }
    Ok(Cross { name: Symbol::new(name), legs })
}

/// What the command line asks for, and the files.
fn parse(mut arguments: impl Iterator<Item = String>) -> Result<(Job, Vec<String>)> {
    let mut job = Job {
        window: 30_000_000,
        delay: 5_000_000,
        grace: 0,
        all: false,
        symbols: Vec::new(),
        crosses: Vec::new(),
    };
    let mut files = Vec::new();
    while let Some(argument) = arguments.next() {
        if !argument.starts_with("--") {
            files.push(argument);
            continue;
        }
        let value = arguments.next().with_context(|| format!("{argument} wants a value"))?;
        match argument.as_str() {
            "--window" => job.window = duration(&value)?,
            "--delay" => job.delay = duration(&value)?,
            "--grace" => job.grace = duration(&value)?,
            "--symbols" if value == "all" => job.all = true,
            "--symbols" => job.symbols.extend(value.split(',').map(str::to_owned)),
            "--cross" => job.crosses.push(cross(&value)?),
            _ => bail!("{argument}: no such flag"),
        }
    }
    if job.window == 0 {
        bail!("--window must be longer than nothing");
    }
    if job.crosses.is_empty() && job.symbols.is_empty() && !job.all {
        job.crosses.push(cross("XVGUSDT=XVGBTC*BTCUSDT")?);
    }
    job.crosses.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((job, files))
}

/// Prints the rows of the files to standard output, and how fast that was to standard error.
pub(crate) fn main(arguments: impl Iterator<Item = String>) -> Result<()> {
    let (job, files) = parse(arguments)?;
    let open = |path: &String| File::open(path).with_context(|| path.clone());
    let readers = files.iter().map(open).collect::<Result<Vec<_>>>()?;
    let begun = Instant::now();
    let counts = run(&job, readers, &mut BufWriter::new(io::stdout().lock()))?;
    let seconds = begun.elapsed().as_secs_f64();
    // The result, and no event of a log.
    let (read, rate) = (counts.read(), counts.read() as f64 / seconds / 1e6);
    let _ = writeln!(io::stderr(), "{read} records in {seconds:.3} s: {rate:.3} M/s");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(arguments: &[&str], files: &[&str]) -> (String, Counts) {
        let (job, _) = parse(arguments.iter().map(|a| (*a).to_owned())).unwrap();
        let mut out = Vec::new();
        let counts = run(&job, files.iter().map(|f| f.as_bytes()).collect(), &mut out).unwrap();
        (String::from_utf8(out).unwrap(), counts)
    }

    fn trade(symbol: &str, id: u64, ms: u64) -> String {
        let time = 1_525_022_020_000 + ms;
        format!("{{\"e\":\"trade\",\"s\":\"{symbol}\",\"t\":{id},\"p\":\"2.5\",\"q\":\"4\",\"T\":{time}}}\n")
    }

    #[test]
    fn the_spec_vector() {
        let input = include_str!("../tests/golden/spec-vector/input.jsonl");
        let expected = include_str!("../tests/golden/spec-vector/rows.jsonl");
        let (got, counts) = rows(
            &["--window", "10s", "--symbols", "BTCUSDT,XVGBTC", "--cross", "XVGUSDT=XVGBTC*BTCUSDT"],
            &[input],
        );
        assert!(got == expected, "{got}");
        assert_eq!((counts.accepted, counts.heartbeat), (7, 1));
    }

    #[test]
    fn late_and_repeated_trades_do_not_count_and_files_wait_for_each_other() {
        let one = [
            trade("A", 1, 0),
            trade("A", 2, 9_000),
            trade("A", 2, 9_000),
            trade("A", 5, 16_000),
            trade("A", 3, 9_500),
        ];
        let two = [trade("A", 4, 9_900), "nonsense\n".to_owned(), trade("B", 1, 12_000), " \r\n".to_owned()];
        let (got, counts) = rows(&["--window", "10s", "--symbols", "A"], &[&one.concat(), &two.concat()]);
        assert_eq!((counts.accepted, counts.duplicate, counts.late), (4, 1, 1));
        assert_eq!((counts.bad, counts.unselected, counts.read()), (1, 1, 8));
        let lines: Vec<serde_json::Value> = got.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let seen: Vec<_> = lines
            .iter()
            .map(|l| {
                (
                    l["trades"].as_u64().unwrap(),
                    l["missing_ids"].as_i64().unwrap(),
                    l["closed_by"].as_str().unwrap(),
                )
            })
            .collect();
        // The second file ends at 9.9 s: only its end closes the windows.
        assert_eq!(seen, [(3, 1, "eof"), (1, 0, "eof")]);
    }

    #[test]
    fn lines_longer_than_a_block_and_without_an_end() {
        let long = format!("{}{}", " ".repeat(2 * BLOCK), trade("A", 1, 0));
        let last = trade("A", 2, 1);
        let (_, counts) = rows(&["--symbols", "A"], &[&(long + last.trim_end())]);
        assert_eq!((counts.accepted, counts.read()), (2, 2));
    }
}
