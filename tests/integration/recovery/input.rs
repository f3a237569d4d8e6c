//! Inputs with everything in them that a checkpoint must remember: trades in disorder, late ones, repeated
//! ones, quiet legs, heartbeats, aggregate trades, records that are bad or of no interest.

use crossrate::source::simulated::Tape;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A small generator of random numbers (SplitMix64), so that a seed replays a failure.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The seed of this run of the tests.
pub(crate) fn seed() -> u64 {
    std::env::var("CROSSRATE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// Writes `files` files of together about `trades` trades, so many a second of event time, and gives their
/// paths.
pub(crate) fn write(folder: &Path, seed: u64, files: usize, trades: u64, per_second: u64) -> Vec<PathBuf> {
    let tape = Tape { seed, trades, symbols: 4, per_second, ..Tape::default() };
    let within_seconds = 7 * per_second / files as u64;
    let mut tapes: Vec<Vec<u8>> = vec![Vec::new(); files];
    tape.write(&mut tapes).expect("memory takes everything");
    let mut random = Random::new(seed);
    let mut paths = Vec::new();
    for (number, tape) in tapes.iter().enumerate() {
        let path = folder.join(format!("trades-{number}.jsonl"));
        std::fs::write(&path, spoil(tape, within_seconds, &mut random)).expect("written");
        paths.push(path);
    }
    paths
}

/// Adds what makes a log real; what is late is late by so many lines at most.
fn spoil(tape: &[u8], late_by: u64, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::with_capacity(tape.len() + tape.len() / 8);
    // Lines that come later than they should, by the place after which they do.
    let mut held_back: BTreeMap<usize, Vec<&[u8]>> = BTreeMap::new();
    let lines: Vec<&[u8]> = tape.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    for (at, line) in lines.iter().enumerate() {
        let text = std::str::from_utf8(line).expect("the tape is text");
        let time = number_after(text, "\"T\":").expect("a trade has a time");
        for line in held_back.remove(&at).unwrap_or_default() {
            push(&mut out, line);
        }
        // Of ten seconds in forty a leg does not trade at all, so that others must stand in for it.
        if text.contains("XVGBTC") && time / 10_000 % 4 == 1 {
            continue;
        }
        if random.one_in(60) {
            held_back.entry(at + 1 + random.below(late_by) as usize).or_default().push(line);
            continue;
        }
        push(&mut out, line);
        match random.below(400) {
            // A trade that comes twice, at once or a little later.
            0..=7 => push(&mut out, lines[at - (random.below(60) as usize).min(at)]),
            8 => push(&mut out, b"{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":1,\"p\":\"-1\"}"),
            9 => push(&mut out, &[b'{', 0xff, b'}']),
            10 => push(&mut out, b"{\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\"}"),
            11 => push(&mut out, format!("{{\"e\":\"heartbeat\",\"T\":{}}}", time - 200).as_bytes()),
            // The other kind, which is ignored where trades came first.
            12 => push(
                &mut out,
                text.replace("\"trade\"", "\"aggTrade\"").replace("\"t\":", "\"a\":").as_bytes(),
            ),
            _ => {}
        }
    }
    out
}

/// Of some records, alone or a few in a row, the times are ahead: by seconds, which the others reach, or by
/// decades.
pub(crate) fn let_clocks_jump(path: &Path, random: &mut Random) {
    let lines = std::fs::read(path).expect("lines");
    let mut out = Vec::with_capacity(lines.len() + 1_000);
    let (mut ahead, mut left) = (0, 0);
    for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        if left == 0 && random.one_in(50) {
            left = [1, 1, 1, 2, 3][random.below(5) as usize];
            ahead = 1_000 + random.below(6_000);
            if random.one_in(10) {
                (ahead, left) = (50 * 31_536_000_000, 1);
            }
        }
        let text = std::str::from_utf8(line).ok().filter(|_| left > 0);
        left -= u64::from(left > 0);
        match text.and_then(|text| Some((text, number_after(text, "\"T\":")?))) {
            Some((text, time)) => {
                let key = |time: u64| format!("\"T\":{time}");
                push(&mut out, text.replace(&key(time), &key(time + ahead)).as_bytes());
            }
            None => push(&mut out, line),
        }
    }
    std::fs::write(path, out).expect("written");
}

/// Gives trades ids of any kind, and puts neighbours of one kind into one record: as
/// `tests/formats/any-ids.toml` reads them. A trade that comes twice has the same id again.
pub(crate) fn give_ids_of_any_kind(path: &Path) {
    let lines = std::fs::read(path).expect("lines");
    let mut out = Vec::with_capacity(lines.len() + 1_000);
    let mut waiting: (&str, Vec<String>) = ("", Vec::new());
    for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let (mut text, mut kind) = (String::from_utf8_lossy(line).into_owned(), "");
        if let Some(time) = number_after(&text, "\"T\":") {
            text = text.replace(&format!("\"T\":{time}"), &format!("\"T\":{time}000"));
        }
        if let Some(id) = number_after(&text, "\"t\":").filter(|_| text.contains("\"T\":")) {
            let of_text = format!("\"t\":\"id-{id}\"");
            match id % 5 {
                0 => kind = "none",
                1 => kind = "unique",
                2 | 3 => (kind, text) = ("unique", text.replace(&format!("\"t\":{id}"), &of_text)),
                _ => {}
            }
        }
        if waiting.0 != kind || waiting.1.len() == 3 {
            push_elements(&mut out, &mut waiting);
        }
        match kind {
            "" => push(&mut out, if text.contains('\u{fffd}') { line } else { text.as_bytes() }),
            _ => {
                waiting.0 = kind;
                waiting.1.push(text);
            }
        }
    }
    push_elements(&mut out, &mut waiting);
    std::fs::write(path, out).expect("written");
}

fn push_elements(out: &mut Vec<u8>, (kind, elements): &mut (&str, Vec<String>)) {
    if !elements.is_empty() {
        push(out, format!("{{\"e\":\"{kind}\",\"d\":[{}]}}", elements.join(",")).as_bytes());
        elements.clear();
    }
}

fn push(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.push(b'\n');
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let tail = &text[text.find(key)? + key.len()..];
    let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
    tail[..end].parse().ok()
}
