//! What is asked of a tape: flags that a result depends on, each drawn from values that matter.

use super::Random;

pub(super) fn flags(random: &mut Random, symbols: &[String]) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    let mut give = |flag: &str, value: String| flags.extend([flag.to_owned(), value]);
    let window = random.one_of(&[500, 1_000, 2_000, 6_000, 10_000, 30_000u64]);
    give("--window", format!("{window}ms"));
    if random.chance(40) {
        let panes = random.one_of(&[1, 2, 4, 5, 10]);
        give("--slide", format!("{}ms", window / panes));
    }
    flags.extend(of_all_windows(random, symbols));
    flags
}

/// What is the same for all windows of a job.
pub(super) fn of_all_windows(random: &mut Random, symbols: &[String]) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    let mut give = |flag: &str, value: String| flags.extend([flag.to_owned(), value]);
    if random.chance(40) {
        give("--emit", "changes".to_owned());
        // Revisions are of what comes between a window's end and the end of its grace.
        give("--delay", random.one_of(&["0s", "0s", "1ms", "1s", "7s"]).to_owned());
        give("--grace", random.one_of(&["0s", "1ms", "500ms", "3s", "12s", "12s"]).to_owned());
    } else {
        if random.chance(80) {
            give("--delay", random.one_of(&["0s", "1ms", "1s", "2s", "7s", "20s"]).to_owned());
        }
        if random.chance(50) {
            give("--grace", random.one_of(&["0ms", "1ms", "500ms", "1s", "3s", "12s"]).to_owned());
        }
    }
    if random.chance(40) {
        give("--tick", random.one_of(&["1ms", "100ms", "333ms", "1s", "5s"]).to_owned());
    }
    let rows = random.chance(20);
    if rows {
        give(
            "--rows",
            random.one_of(&["symbol", "cross", "stats", "stats,symbol", "cross,stats", "basis"]).to_owned(),
        );
    }
    match random.below(4) {
        0 => give("--symbols", "all".to_owned()),
        1 => {
            let some: Vec<&str> = symbols.iter().filter(|_| random.chance(40)).map(String::as_str).collect();
            // A name with a comma or a blank at its border would be read as another one.
            if !some.is_empty() && some.iter().all(|name| name.bytes().all(|b| b.is_ascii_alphanumeric())) {
                give("--symbols", some.join(","));
            }
        }
        _ => {}
    }
    // Without a cross there might be no rows to leave, which is warned of.
    if random.chance(75) || rows {
        for cross in crosses(random) {
            let name = cross.split('=').next().unwrap_or_default().to_owned();
            give("--cross", cross);
            if random.chance(30) {
                let direct = random.one_of(&["", "=BTCUSDT", "=ETHUSDT", "=NOBODY"]);
                give("--basis", format!("{name}{direct}"));
            }
        }
    }
    if random.chance(60) {
        give("--missing-leg", random.one_of(&["carry", "carry", "withhold", "null"]).to_owned());
    }
    if random.chance(40) {
        give("--max-carry", random.one_of(&["0s", "2s", "11s", "1m"]).to_owned());
    }
    if random.chance(40) {
        give("--stats-last", random.one_of(&["1", "2", "3", "10", "all"]).to_owned());
    }
    if random.chance(10) {
        give("--dedup", "off".to_owned());
    }
    if random.chance(30) {
        give("--max-jump", random.one_of(&["1ms", "700ms", "2s", "10s", "1m", "off"]).to_owned());
    }
    if random.chance(30) {
        flags.push("--provisional".to_owned());
    }
    flags
}

pub(super) const CROSSES: [&str; 10] = [
    "XVGUSDT=XVGBTC*BTCUSDT",
    "XVGETH=XVGBTC/ETHBTC",
    "Xvgeth=XVGBTC*BTCUSDT/ETHUSDT",
    "SQUARE=BTCUSDT*BTCUSDT",
    "ONE=ETHBTC/ETHBTC",
    "CUBE=BTCUSDT*BTCUSDT*BTCUSDT",
    "INVERSE=XVGBTC/BTCUSDT/ETHUSDT",
    "LONG=BTCUSDT*BTCUSDT*BTCUSDT*BTCUSDT*BTCUSDT*BTCUSDT*BTCUSDT*BTCUSDT",
    "BTCUSDT=ETHUSDT/ETHBTC",
    "NEVER=XVGBTC*NOBODY",
];

fn crosses(random: &mut Random) -> Vec<String> {
    let mut all = CROSSES.to_vec();
    random.shuffle(&mut all);
    all.truncate(random.between(1, 3) as usize);
    let mut all: Vec<String> = all.into_iter().map(str::to_owned).collect();
    if random.chance(4) {
        // So many legs that a variance can be greater than a double can.
        all.push(format!("GREAT=BTCUSDT{}", "*BTCUSDT".repeat(17)));
    }
    all
}
