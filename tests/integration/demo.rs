//! What `crossrate demo` shows of a small run, on every kind of surface: compared with `tests/golden/demo`,
//! which `CROSSRATE_BLESS=1` rewrites.

use crossrate::config::{Listing, Speed};
use crossrate::demo::{
    DemoDescription, DemoEnding, DemoPartition, DemoProgress, Display, RefusalLine, Surface, definition,
};
use crossrate::rows::columns;
use crossrate::source::simulated::Market;
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn golden(name: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/demo").join(name);
    if std::env::var_os("CROSSRATE_BLESS").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(got == expected, "{name} differs; got:\n{got}");
}

const ROWS: &str = include_str!("../golden/demo/rows.jsonl");

fn partition(w: u64, accepted: u64, heartbeat: u64) -> DemoPartition {
    let watermark = EventTime::from_micros(1_525_132_800_000_000 + w);
    DemoPartition { counts: Counts { accepted, heartbeat, ..Counts::default() }, watermark, ended: false }
}

/// A run in small: what the goldens show.
fn show(surface: Surface, ending: DemoEnding, out: &mut Vec<u8>) {
    let about = DemoDescription {
        program: "crossrate".to_owned(),
        flags: String::new(),
        speed: Speed::Times(20.0),
        market: Market { seed: 1, seconds: 240, listing: Listing::Story },
        definition: definition(),
        workers: 2,
        page: None,
    };
    let mut display = Display::new(about, surface, out).unwrap();
    let mut partitions =
        vec![DemoPartition::default(), partition(17_250_000, 1_204, 19), partition(13_125_000, 97, 19)];
    let at = |w: u64, ms| (EventTime::from_micros(1_525_132_800_000_000 + w), Duration::from_millis(ms));
    let (frontier, elapsed) = (EventTime::MIN, Duration::from_millis(20));
    display.progress(&DemoProgress { partitions: &partitions, frontier, elapsed }).unwrap();
    let rows: Vec<Row> = ROWS.lines().map(|row| columns::read(row).unwrap()).collect();
    let (early, late) = rows.split_at(rows.len() / 2);
    display.rows(early).unwrap();
    display
        .refused(&RefusalLine {
            partition: 1,
            offset: 8_841,
            reason: "bad",
            detail: "price: not a plain decimal number",
        })
        .unwrap();
    partitions[0] = partition(18_000_000, 2_411, 20);
    partitions[0].counts.duplicate = 1;
    partitions[1].counts.bad = 1;
    let (frontier, elapsed) = at(13_125_000, 900);
    display.progress(&DemoProgress { partitions: &partitions, frontier, elapsed }).unwrap();
    display.rows(late).unwrap();
    display
        .refused(&RefusalLine {
            partition: 0,
            offset: 12_345,
            reason: "late",
            detail: "its window is final since 00:00:45",
        })
        .unwrap();
    partitions[0].counts.late = 1;
    let (_, elapsed) = at(0, 2_000);
    if ending == DemoEnding::Complete {
        partitions.iter_mut().for_each(|p| (p.watermark, p.ended) = (EventTime::MAX, true));
    }
    let frontier = if ending == DemoEnding::Complete { EventTime::MAX } else { frontier };
    display.finish(&DemoProgress { partitions: &partitions, frontier, elapsed }, ending).unwrap();
}

/// What a terminal of that width shows after these bytes: all lines, also those that scrolled away.
fn emulate(bytes: &str, width: usize) -> String {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut chars = bytes.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' => {
                (row, column) = (row + 1, 0);
                if row == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\r' => column = 0,
            '\x1b' => {
                assert_eq!(chars.next(), Some('['));
                let sequence: String = chars.by_ref().take_while_inclusive_letter().collect();
                match sequence.as_bytes().last() {
                    Some(b'A') => row -= sequence[..sequence.len() - 1].parse::<usize>().unwrap(),
                    Some(b'K') => lines[row].truncate(column),
                    Some(b'J') => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    Some(b'm') => {}
                    other => panic!("{other:?}"),
                }
            }
            c => {
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
    }
    let text: Vec<String> =
        lines.iter().map(|l| l.iter().collect::<String>().trim_end().to_owned()).collect();
    let painted = text.iter().position(|l| l.contains("records read")).unwrap_or(text.len());
    assert!(text[..painted].iter().all(|l| l.chars().count() < width), "wider than {width}");
    text.join("\n")
}

trait TakeSequence: Iterator<Item = char> {
    /// Up to the first letter, and with it.
    fn take_while_inclusive_letter(self) -> impl Iterator<Item = char>;
}

impl<I: Iterator<Item = char>> TakeSequence for I {
    fn take_while_inclusive_letter(mut self) -> impl Iterator<Item = char> {
        let mut over = false;
        std::iter::from_fn(move || {
            if over {
                return None;
            }
            self.next().inspect(|c| over = c.is_ascii_alphabetic())
        })
    }
}

#[test]
fn a_demo_into_a_pipe_prints_no_escapes() {
    let mut out = Vec::new();
    show(Surface::Plain, DemoEnding::Complete, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains('\x1b'));
    golden("plain.txt", &text);
}

#[test]
fn on_terminals_wide_and_narrow_and_low() {
    type Size = fn() -> (usize, usize);
    let sizes: [(&str, usize, Size); 3] =
        [("wide.txt", 120, || (120, 50)), ("narrow.txt", 46, || (46, 60)), ("low.txt", 80, || (80, 20))];
    for (name, width, size) in sizes {
        let mut shown = Vec::new();
        show(
            Surface::Terminal { size, colour: true, unicode: name == "wide.txt" },
            DemoEnding::Complete,
            &mut shown,
        );
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains("\x1b[1m"), "colours are wanted");
        let coloured = emulate(&shown, width);
        golden(name, &coloured);
        let mut plain = Vec::new();
        show(
            Surface::Terminal { size, colour: false, unicode: name == "wide.txt" },
            DemoEnding::Complete,
            &mut plain,
        );
        let plain = String::from_utf8(plain).unwrap();
        assert!(
            !plain
                .split("\x1b[")
                .skip(1)
                .any(|s| s.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('m'))
        );
        assert!(emulate(&plain, width) == coloured);
    }
}

#[test]
fn an_interrupted_demo_says_so() {
    let mut out = Vec::new();
    show(
        Surface::Terminal { size: || (120, 50), colour: false, unicode: true },
        DemoEnding::Interrupted,
        &mut out,
    );
    golden("interrupted.txt", &emulate(&String::from_utf8(out).unwrap(), 120));
}

#[test]
fn something_is_said_before_anything_has_happened() {
    for surface in [Surface::Plain, Surface::Terminal { size: || (80, 24), colour: false, unicode: false }] {
        let mut out = Vec::new();
        let about = DemoDescription {
            program: "crossrate".to_owned(),
            flags: String::new(),
            speed: Speed::Max,
            market: Market { seed: 9, seconds: 60, listing: Listing::Story },
            definition: definition(),
            workers: 1,
            page: None,
        };
        let display = Display::new(about, surface, &mut out).unwrap();
        drop(display);
        assert!(String::from_utf8(out).unwrap().starts_with("crossrate demo: a made-up market"));
    }
}

fn demo(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    command.arg("demo").args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The line that begins so.
fn line<'a>(text: &'a str, begins: &str) -> &'a str {
    text.lines()
        .find(|l| l.starts_with(begins))
        .unwrap_or_else(|| panic!("no line begins {begins:?} in:\n{text}"))
}

#[test]
fn the_whole_story_is_told_and_any_number_of_workers_tells_the_same() {
    let run = |flags: &[&str]| {
        let output = demo(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout).unwrap()
    };
    let one = run(&["--speed", "max"]);
    for what in ["bad", "duplicate", "future", "gap", "no rate", "corrected", "late"] {
        line(&one, &format!("  ! {what}"));
    }
    let accounting = line(&one, "104,593 records read = ");
    assert!(!accounting.contains(" 0 "), "{accounting}");
    for flags in [["--speed", "max", "-w", "2"], ["--speed", "max", "-w", "4"], ["--speed", "100", "-w", "3"]]
    {
        let other = run(&flags);
        assert_eq!(line(&other, "digest of"), line(&one, "digest of"), "{flags:?}");
        assert_eq!(line(&other, "104,593 records read = "), accounting, "{flags:?}");
        let rates =
            |text: &str| text.lines().filter(|l| l.starts_with("00:")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(rates(&other), rates(&one), "{flags:?}");
    }
    assert_ne!(line(&run(&["--speed", "max", "--seed", "2"]), "digest of"), line(&one, "digest of"));
}

#[test]
fn every_asset_has_a_rate_and_a_path_in_the_larger_market() {
    let market = ["--quote", "usdt", "--speed", "max", "--duration", "195s", "--path-lookback", "30s"];
    let output = demo(&[&market[..], &["--no-provisional", "-w", "2"]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("every asset in USDT; windows"), "{text}");
    for asset in ["BTC", "XVG", "TRY", "STORM", "RLC", "EUR"] {
        assert!(text.lines().any(|line| line.contains(&format!("  {asset}-USDT  "))), "{asset}: {text}");
    }
    let change = line(&text, "  ! path       TRX-USDT");
    assert!(change.contains("TRXBTC*BTCUSDT, which trades more by now than TRXETH*ETHUSDT"), "{change}");
    assert!(!text.contains("XRPETH"), "crosses that nobody asked for");
}

#[test]
fn an_interrupted_demo_ends_at_once() {
    let begun = Instant::now();
    let mut child = demo(&["--speed", "0.1"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    // A second is what people get; a busy machine may take longer.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let interrupted = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    out.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(interrupted.elapsed() < Duration::from_secs(5), "{:?}", interrupted.elapsed());
    line(&text, "Interrupted");
    line(&text, "Try next:");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = demo(&["--speed", "1000"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
