//! Recorded exchange data: input that nobody here made up, the program against the oracle.

use crate::needs;
use crate::program;
use oracle::Settings;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// The folder of recordings, beside the repository. A test that needs it has "recording" in its name, by
/// which `scripts/test` leaves it out where the folder is not there.
pub(crate) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    needs::need("recordings", || folder.is_dir());
    folder
}

/// Recorded partitions, a record each as the exchange's stream has it, and a question to ask about them.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) partitions: Vec<Vec<String>>,
    pub(crate) flags: &'static str,
}

impl Case {
    fn file(&self, partition: usize) -> Vec<u8> {
        self.partitions[partition].iter().flat_map(|record| [record.as_bytes(), b"\n"].concat()).collect()
    }

    pub(crate) fn flags(&self) -> Vec<String> {
        self.flags.split(' ').map(str::to_owned).collect()
    }

    /// What the oracle makes of it: computed once for all tests, since the oracle takes longer than the
    /// program.
    pub(crate) fn expected(&self) -> Arc<oracle::Outcome> {
        static KNOWN: Mutex<BTreeMap<&str, Arc<OnceLock<Arc<oracle::Outcome>>>>> =
            Mutex::new(BTreeMap::new());
        let known = Arc::clone(KNOWN.lock().expect("no panic").entry(self.name).or_default());
        let compute = || {
            let numbers = 0..self.partitions.len();
            let files: Vec<_> = numbers.map(|number| oracle::File::of_json(self.file(number))).collect();
            Arc::new(oracle::run(&Settings::read(&self.flags()), &files))
        };
        Arc::clone(known.get_or_init(compute))
    }
}

/// All recordings, each in the form of the stream's events: the captures as they are but for the receive time
/// (of a file it may be there, of a topic not), the others with their columns under the stream's keys.
pub(crate) fn cases(folder: &Path) -> Vec<Case> {
    let capture = |symbol: &str| -> Vec<String> {
        let text = text(&folder.join(format!("binance-ws-{symbol}-2024-08-08.gz")));
        text.lines().map(|line| line.split_once(' ').map_or(line, |(_, json)| json).to_owned()).collect()
    };
    let captures = || vec![capture("btcusdt"), capture("ethusdt")];
    let event = |symbol: &str, id: &str, price: &str, quantity: &str, time: &str| {
        format!(r#"{{"e":"trade","s":"{symbol}","t":{id},"p":"{price}","q":"{quantity}","T":{time}}}"#)
    };
    let rest = text(&folder.join("binance-rest-ethbtc-trades-2023-03-20.json"));
    let rest: Vec<Value> = serde_json::from_str(&rest).expect("JSON");
    let of_rest = |trade: &Value| {
        let text = |key: &str| trade[key].as_str().expect("a text").to_owned();
        let number = |key: &str| trade[key].to_string();
        event("ETHBTC", &number("id"), &text("price"), &text("qty"), &number("time"))
    };
    let lines = |name: &str| -> Vec<Vec<String>> {
        let text = text(&folder.join(name));
        text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let micros = lines("binance-ws-trxusdt-micros-2025-03-04.csv.gz");
    let of_micros = |c: &Vec<String>| event(&c[5], &c[6], &c[7], &c[8], &c[4]);
    let pair = lines("xvgbtc-btcusdt-sample-2018-04-29.csv");
    // A spreadsheet wrote small prices with an exponent; the exchange had not.
    let plain = |price: &str| match price.strip_suffix("E-6") {
        Some(digits) => format!("0.00000{}", digits.replace('.', "")),
        None => price.to_owned(),
    };
    let of_pair = |c: &Vec<String>| event(&c[1], &c[2], &plain(&c[3]), &c[4], &c[0]);
    vec![
        Case { name: "captures", partitions: captures(), flags: "--cross ETHBTC=ETHUSDT/BTCUSDT" },
        Case {
            name: "captures, carried",
            partitions: captures(),
            flags: "--cross ETHBTC=ETHUSDT/BTCUSDT --window 1s --delay 0s --missing-leg carry --stats-last 10",
        },
        Case {
            name: "captures, corrected",
            partitions: captures(),
            flags: "--cross BOTH=ETHUSDT*BTCUSDT --window 10s --slide 2s --delay 100ms --grace 1s --emit changes",
        },
        Case {
            name: "captures, provisional",
            partitions: captures(),
            flags: "--symbols all --window 5s --delay 0s --provisional --tick 2500ms",
        },
        Case {
            name: "trades from REST",
            partitions: vec![rest.iter().map(of_rest).collect()],
            flags: "--symbols all --window 1m --slide 10s",
        },
        Case {
            name: "microseconds",
            partitions: vec![micros.iter().map(of_micros).collect()],
            flags: "--symbols TRXUSDT --window 250ms --delay 0s",
        },
        Case {
            name: "the default pair",
            partitions: vec![pair.iter().map(of_pair).collect()],
            flags: "--window 10s --missing-leg carry",
        },
    ]
}

fn text(path: &Path) -> String {
    let file = std::fs::File::open(path).expect("a recording");
    let mut content: Box<dyn Read> = match path.extension() {
        Some(packed) if packed == "gz" => Box::new(flate2::read::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let mut text = String::new();
    content.read_to_string(&mut text).expect("text");
    text
}

#[test]
#[ignore = "needs recordings"]
fn recordings_give_what_the_oracle_gives() {
    let recordings = folder();
    let folder = tempfile::tempdir().expect("a folder");
    for case in cases(&recordings) {
        let expected = case.expected();
        assert!(expected.rows.lines().count() >= 3, "{}: {}", case.name, expected.rows);
        // What the exchange sends every 100 ms is neither a trade nor meant to be one.
        assert_eq!(expected.counts.bad, 0, "{}", case.name);
        let mut paths = Vec::new();
        for number in 0..case.partitions.len() {
            paths.push(folder.path().join(format!("{number}.jsonl")));
            std::fs::write(&paths[number], case.file(number)).expect("written");
        }
        let long = case.partitions.iter().map(Vec::len).sum::<usize>() > 20_000;
        let mut order: Vec<usize> = (0..paths.len()).collect();
        let manners: &[&[&str]] = &[
            &[],
            &["-w", "2", "--batch-records", "100"],
            &["-w", "4"],
            &["-n", "2", "--batch-records", "9"],
        ];
        for manner in &manners[..if long { 2 } else { 4 }] {
            let found = program::run_in_order(folder.path(), &paths, &order, &case.flags(), manner);
            let same = found.and_then(|found| found.equals(&expected));
            assert!(same.is_ok(), "{} {manner:?}: {same:?}", case.name);
            order.rotate_left(1);
        }
    }
}
