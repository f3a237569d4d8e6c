//! Recorded exchange data: input that nobody here made up, the program against the oracle.

use crate::oracle::{self, Settings};
use crate::program;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder of recordings, beside the repository. Without it the tests that need it are skipped, saying so;
/// where `CROSSRATE_REQUIRE_RECORDINGS` is set, its absence is a failure.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("CROSSRATE_REQUIRE_RECORDINGS").is_some_and(|value| value != "0");
    assert!(!required, "there are no recordings at {}", folder.display());
    eprintln!("skipped: there are no recordings at {}", folder.display());
    None
}

/// Captures of two symbols' trades among other events, a partition each, in several forms of question.
#[test]
fn captures_of_the_exchange() {
    let Some(recordings) = folder() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut paths = Vec::new();
    let mut files = Vec::new();
    for symbol in ["btcusdt", "ethusdt"] {
        let packed = std::fs::File::open(recordings.join(format!("binance-ws-{symbol}-2024-08-08.gz")));
        let mut bytes = Vec::new();
        flate2::read::MultiGzDecoder::new(packed.expect("a recording"))
            .read_to_end(&mut bytes)
            .expect("unpacked");
        paths.push(folder.path().join(symbol));
        std::fs::write(folder.path().join(symbol), &bytes).expect("written");
        files.push(oracle::File::of_json(bytes));
    }
    for flags in [
        "--cross ETHBTC=ETHUSDT/BTCUSDT",
        "--cross ETHBTC=ETHUSDT/BTCUSDT --window 1s --delay 0s --missing-leg carry --stats-last 10",
        "--cross BOTH=ETHUSDT*BTCUSDT --window 10s --slide 2s --delay 100ms --grace 1s --emit changes",
        "--symbols all --window 5s --delay 0s --provisional --tick 2500ms",
    ] {
        let flags: Vec<String> = flags.split(' ').map(str::to_owned).collect();
        let expected = oracle::run(&Settings::read(&flags), &files);
        // Only what the exchange sends every 100 ms is neither a trade nor meant to be one.
        assert_eq!(expected.counts.bad, 0);
        assert!(expected.counts.ignored > 1_000 && expected.counts.accepted > 1_000, "{:?}", expected.counts);
        for (manner, order) in [(&[][..], [0, 1]), (&["-w", "3", "--batch-records", "100"][..], [1, 0])] {
            let found = program::run_in_order(folder.path(), &paths, &order, &flags, manner);
            let same = found.and_then(|found| found.equals(&expected));
            assert!(same.is_ok(), "{flags:?} {manner:?}: {same:?}");
        }
    }
}
