//! Cases of several windows: definitions of all kinds, zones with every oddity, and times about their
//! boundaries.

use super::{Case, Market, Random, Taker, flags};
use oracle::calendar::Zone;
use oracle::windows::Definition;
use std::collections::HashSet;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Zones, each with moments (seconds since 1970) about which its calendar is odd.
const ZONES: &[(&str, &[i64])] = &[
    // The ends of years, of February and of centuries that have a leap day or not.
    ("UTC", &[1_546_300_800, 1_582_934_400, 1_230_768_000, 4_102_358_400, 1_709_164_800]),
    // Summer time begins, ends.
    ("Europe/Berlin", &[1_553_990_400, 1_572_138_000, 1_548_975_600]),
    ("America/New_York", &[1_552_201_200, 1_572_760_800]),
    // A day without midnight, and one whose last hour comes twice.
    ("America/Sao_Paulo", &[1_541_300_400, 1_518_922_800]),
    ("Asia/Beirut", &[1_553_983_200, 1_572_123_600]),
    // A date that was not.
    ("Pacific/Apia", &[1_325_239_200]),
    // Clocks that change by half an hour.
    ("Australia/Lord_Howe", &[1_570_289_400, 1_554_562_800]),
    // Clocks that change a minute past midnight.
    ("America/St_Johns", &[1_268_537_460, 1_289_097_060]),
    // Summer time that is left out in Ramadan.
    ("Africa/Casablanca", &[1_557_021_600, 1_560_045_600]),
    // Clocks that change by two hours.
    ("Antarctica/Troll", &[1_553_994_000, 1_572_138_000]),
    ("Asia/Kathmandu", &[1_546_280_100]),
    ("Pacific/Kiritimati", &[1_546_250_400]),
];

/// What the times of a tape are about.
#[derive(Debug)]
pub(super) struct Scene {
    definitions: Vec<Definition>,
    pub(super) start: i64,
    /// Of a hundred steps so many end at a boundary, and so many are months, weeks or days.
    hops: u64,
    leaps: u64,
    /// Of a hundred trades so many begin their symbol's ids anew.
    pub(super) anew: u64,
    pub(super) is_of_aggregates: bool,
    /// Of a hundred trades so many do not tell their taker's side.
    pub(super) untold: u64,
}

impl Scene {
    /// A later moment: where something of a definition begins or ends, or far away; else nothing.
    pub(super) fn later(&self, random: &mut Random, now: i64) -> Option<i64> {
        if random.chance(self.leaps) {
            let leap = random.one_of(&[DAY / 24, DAY, DAY, 7 * DAY, 31 * DAY, 70 * DAY]);
            return Some(now + random.between(0, leap as u64) as i64);
        }
        if !random.chance(self.hops) {
            return None;
        }
        let (_, boundary) = random.one_of(&self.definitions).boundaries_about(now);
        let about = [-1_000_000, -1_000, -1, 0, 0, 1, 1_000, 2_500_000];
        Some(boundary.max(now) + random.one_of(&about))
    }
}

impl Scene {
    /// The next trade's id, the trades that it stands for, and what its taker did.
    pub(super) fn id_trades_and_taker(
        &self,
        random: &mut Random,
        next: &mut u64,
    ) -> (u64, Option<(u64, u64)>, Taker) {
        if random.chance(self.anew) {
            let half = *next / 2;
            *next = random.one_of(&[0, 1, 499, 500, 999, 1_000, half.saturating_sub(1), half, half + 1]);
        }
        // Three trades in each aggregate, or a few fewer.
        let first = next.saturating_mul(3).min(i64::MAX as u64 - 5);
        let trades = self.is_of_aggregates.then(|| match random.below(20) {
            0 => (first + 2, first),
            1 => (first + 1, first + 1),
            2 => (first, first + 1),
            _ => (first, first + 2),
        });
        let taker = match random.chance(self.untold) {
            true => Taker::Untold,
            false => random.one_of(&[Taker::Buys, Taker::Sells]),
        };
        (*next, trades.filter(|_| !random.chance(3)), taker)
    }
}

/// The case of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut random = Random::new(seed ^ 0x77d0_7735);
    let mut symbols = ["XVGBTC", "BTCUSDT", "ETHBTC", "ETHUSDT"].map(str::to_owned).to_vec();
    symbols.truncate(random.between(1, 4) as usize);
    let (named, moments) = random.one_of(ZONES);
    let moment = random.one_of(moments) * SECOND;
    let (mut flags, definitions) = definitions(&mut random, named, moment);
    let about = random.one_of(&[0, 60 * SECOND, DAY / 24, DAY / 4, DAY]);
    let scene = Scene {
        start: moment - random.between(0, about as u64) as i64,
        hops: random.one_of(&[0, 10, 40, 70]),
        leaps: random.one_of(&[0, 0, 2, 10]),
        anew: random.one_of(&[0, 0, 3]),
        is_of_aggregates: random.chance(25),
        untold: random.one_of(&[0, 0, 1, 50]),
        definitions,
    };
    let mut rest = flags::of_all_windows(&mut random, &symbols);
    // The one of many legs is for other cases: here it costs minutes.
    while let Some(place) = rest.iter().position(|value| value.starts_with("GREAT")) {
        rest.drain(place - 1..=place);
    }
    fills_and_decimals(&mut random, &mut flags, &scene.definitions);
    flags.extend(rest);
    if !flags.iter().any(|flag| flag == "--max-carry") && random.chance(20) {
        flags.extend(["--max-carry", random.one_of(&["25h", "800h"])].map(str::to_owned));
    }
    let looks = flags.iter().any(|flag| flag == "--provisional");
    let records = random.one_of(if looks { &[0, 3, 10, 20] } else { &[0, 10, 30, 60, 90] });
    let jumps = flags.iter().any(|flag| flag == "--max-jump");
    let decimals = decimals(&flags);
    let mut market = Market { jumps, decimals, ..Market::new(&mut random, symbols, records) };
    // The greatest time there can be is 2100.
    market.start = scene.start.clamp(1_230_768_000 * SECOND, 4_102_444_740 * SECOND);
    for next in &mut market.ids {
        *next = market.random.one_of(&[0, 990, 1_000, 2_100, *next]);
    }
    market.scene = Some(scene);
    let tapes = market.tapes();
    Case { flags, tapes }
}

/// One to six definitions, as they are written and as the oracle has them.
fn definitions(random: &mut Random, named: &str, moment: i64) -> (Vec<String>, Vec<Definition>) {
    let mut flags = Vec::new();
    let mut of_job = "UTC";
    if random.chance(50) {
        of_job = named;
        flags.extend(["--time-zone".to_owned(), named.to_owned()]);
    }
    let zone = Zone::named(of_job);
    let count = random.between(1, 6);
    let slide = (count == 1 && random.chance(20)).then(|| random.one_of(&[1_000, 2_000, 5_000]));
    let (mut found, mut forms) = (Vec::new(), HashSet::new());
    while (found.len() as u64) < count {
        let written = match slide {
            Some(slide) => format!("{}ms", slide * random.between(1, 6)),
            None => definition(random, named, moment),
        };
        let read = Definition::read(&written, &zone, slide.map(|slide| slide as i64 * 1_000));
        // The same definition twice is a mistake of usage.
        if forms.insert(read.canonical()) {
            flags.extend(["--window".to_owned(), written]);
            found.push(read);
        }
    }
    if let Some(slide) = slide {
        flags.extend(["--slide".to_owned(), format!("{slide}ms")]);
    }
    (flags, found)
}

fn definition(random: &mut Random, named: &str, moment: i64) -> String {
    let fixed = |random: &mut Random| {
        random
            .one_of(&["500ms", "1s", "3s", "10s", "10000ms", "30s", "60s", "7m", "1h", "24h", "36h"])
            .to_owned()
    };
    let civil = |random: &mut Random| {
        let unit = random.one_of(&["1d", "1d", "1w", "1mo"]);
        if random.chance(40) { format!("{unit}@{named}") } else { unit.to_owned() }
    };
    let step = |random: &mut Random| random.one_of(&["1s", "7s", "10s", "1m", "17m", "1h"]);
    match random.below(8) {
        0 | 1 => fixed(random),
        2 => {
            let slide = random.one_of(&[100, 1_000, 3_000, 10_000, 60_000]);
            format!("{}ms/{slide}ms", slide * random.between(2, 8))
        }
        3 | 4 => civil(random),
        5 => format!("anchored:{}/{}", civil(random), step(random)),
        6 => {
            let (size, most) = random.one_of(&[("10s", 10), ("1m", 60), ("1h", 3_600), ("24h", 86_400)]);
            let step = random.one_of(&[1, 3, 10, 60, 420, most]).min(most);
            format!("anchored:{size}/{step}s")
        }
        _ if random.chance(50) => format!("anchored:all/{}", step(random)),
        _ => {
            let offset = random.one_of(&[0, 1, 60, 3_600]) * SECOND;
            let text = jiff::Timestamp::from_microsecond(moment - offset).expect("a time").to_string();
            format!("anchored:{text}/{}", step(random))
        }
    }
}

fn fills_and_decimals(random: &mut Random, flags: &mut Vec<String>, definitions: &[Definition]) {
    let mut give = |flag: &str, value: &str| flags.extend([flag.to_owned(), value.to_owned()]);
    if random.chance(40) {
        give("--fill", random.one_of(&["null", "previous", "previous", "none"]));
        // An hour is many small windows.
        let is_fine = |definition: &Definition| {
            let (before, after) = definition.boundaries_about(0);
            !definition.is_anchored() && before.is_some_and(|before| after - before < 10 * SECOND)
        };
        if definitions.iter().any(is_fine) || random.chance(50) {
            give("--max-fill", random.one_of(&["0s", "3s", "1m", "1m"]));
        } else if random.chance(30) {
            give("--max-fill", random.one_of(&["50h", "1600h"]));
        }
    }
    if random.chance(15) {
        give("--price-decimals", random.one_of(&["0", "2", "8", "10", "18"]));
    }
    if random.chance(15) {
        give("--quantity-decimals", random.one_of(&["0", "3", "8", "18"]));
    }
}

fn decimals(flags: &[String]) -> (usize, usize) {
    let of = |flag: &str| {
        let given = flags.windows(2).find(|pair| pair[0] == flag);
        given.map_or(8, |pair| pair[1].parse().expect("a number"))
    };
    (of("--price-decimals"), of("--quantity-decimals"))
}

/// The generator is worth what it reaches, and the oracle's windows agree.
#[test]
fn tapes_of_windows_reach_what_they_are_for() {
    use oracle::Settings;
    let mut missing = vec![
        r#""window":"10s""#,
        r#""window":"24h""#,
        r#""window":"1d""#,
        r#""window":"1w@"#,
        r#""window":"1mo"#,
        r#""window":"anchored:1d/"#,
        r#""window":"anchored:1mo@"#,
        r#""window":"anchored:10s/3s""#,
        r#""window":"anchored:all/"#,
        r#""window":"anchored:20"#,
        r#"Z/1m","#,
        r#""status":"carried""#,
        r#""status":"leg_missing""#,
        r#""status":"direct_missing""#,
        r#""closed_by":"event""#,
        r#""closed_by":"eof""#,
        r#""closed_by":null"#,
        r#""revision":2,"closed":true,"final":true"#,
        r#""missing_ids":-"#,
        r#""trades":0,"open":null"#,
        r#""trades":0,"open":""#,
        r#""taker_buy_volume":null"#,
        r#""taker_buy_volume":"0.00000000","taker_buy_quote_volume":"0.0000000000000000","vwap":""#,
        r#","close":null,"trades":"#,
        "a day of 23 hours",
        "a day of 25 hours",
        "months apart",
        "late",
        "duplicate",
    ];
    for seed in 0..600 {
        let case = case(seed);
        let outcome = oracle::run(&Settings::read(&case.flags), &case.files());
        let lengths = |form: &str, hours: i64| {
            outcome.rows.lines().any(|row| {
                let row: serde_json::Value = serde_json::from_str(row).expect("a row");
                let of_form = row["window"].as_str().is_some_and(|window| window.starts_with(form));
                of_form
                    && row["end_ms"]
                        .as_i64()
                        .zip(row["start_ms"].as_i64())
                        .is_some_and(|(e, s)| e - s == hours * 3_600_000)
            })
        };
        missing.retain(|what| match *what {
            "late" => outcome.counts.late < 3,
            "duplicate" => outcome.counts.duplicate < 3,
            "a day of 23 hours" => !lengths("1d", 23),
            "a day of 25 hours" => !lengths("1d", 25),
            "months apart" => !lengths("1mo", 31 * 24) || !lengths("1mo", 30 * 24),
            text => !outcome.rows.contains(text),
        });
        if missing.is_empty() {
            return;
        }
    }
    panic!("no tape reaches {missing:?}");
}
