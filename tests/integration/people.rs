//! What people use beside the program: its documents' queries and recipes, run against the real things;
//! boards and alerts, held against what is exported; files by day, read by others.

#[cfg(feature = "arrow")]
mod arrow;
mod boards;
mod databases;
mod days;
pub(crate) mod packages;
mod python;
pub(crate) mod recipes;
#[cfg(feature = "top")]
mod top;

use crate::program::without_settings;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Half an hour of two markets, a trade every few seconds, with something of everything that goes wrong: a
/// leg that is silent for a minute, ids that never come, records that are late or bad, a price that jumps. It
/// ends with the day.
fn market() -> String {
    const END: u64 = 1_525_132_800_000;
    let begin = END - 30 * 60_000;
    let mut lines = String::new();
    let mut trade = |symbol: &str, id: u64, price: &str, quantity: &str, time: u64| {
        lines += &format!(
            "{{\"e\":\"trade\",\"s\":\"{symbol}\",\"t\":{id},\"p\":\"{price}\",\"q\":\"{quantity}\",\"T\":{time}}}\n"
        );
    };
    for step in 0..900 {
        let time = begin + step * 2_000;
        // Some ids never come.
        let id = 1_000 + step + if step > 300 { 3 } else { 0 };
        let price = if (700..703).contains(&step) { 9_900 } else { 8_880 + step % 17 };
        trade("BTCUSDT", id, &format!("{price}.25"), "0.01937446", time);
        if step % 2 == 0 && !(400..430).contains(&step) {
            trade("XVGBTC", 5_000 + step / 2, &format!("0.0000087{}", step % 7), "3134", time + 500);
        }
        if step == 500 {
            trade("BTCUSDT", 4, "8880", "1", begin);
            trade("BTCUSDT", 5, "nothing", "1", time);
        }
    }
    // The first window of the next day.
    trade("BTCUSDT", 2_000, "8881", "1", END + 1_000);
    trade("XVGBTC", 6_000, "0.00000874", "1", END + 1_500);
    lines
}

/// The program, without the environment's settings.
fn crossrate(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    without_settings(&mut command);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs it; it must succeed. What it printed.
fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    let (printed, said) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{printed}{said}");
    printed.into_owned()
}

/// A folder with [`market`] in `trades.jsonl`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("trades.jsonl"), market()).expect("written");
    folder
}

/// The programs of others that read what we write, which `scripts/test` installs.
fn readers() -> PathBuf {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/readers/bin");
    crate::needs::need("DuckDB, polars and pandas", || programs.join("duckdb").exists());
    programs
}
