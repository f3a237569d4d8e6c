//! What the demo says last: the accounting, how fast it was, a digest to compare, and what to try next.

use super::board::DemoBoard;
use super::{DemoDescription, DemoEnding};
use crate::config::Speed;
use crate::terminal::{grouped, per_second};
use std::io::{self, Write};

pub(super) fn write(
    about: &DemoDescription,
    board: &DemoBoard,
    ending: DemoEnding,
    out: &mut impl Write,
) -> io::Result<()> {
    let counts = board.counts();
    let shown: Vec<String> =
        counts.classes().into_iter().map(|(class, n)| format!("{} {class}", grouped(n))).collect();
    writeln!(out)?;
    if ending == DemoEnding::Interrupted {
        writeln!(out, "Interrupted: windows that were still open have given no final rows.")?;
    }
    writeln!(out, "{} records read = {}", grouped(counts.read()), shown.join(" + "))?;
    let pace = match about.speed {
        Speed::Times(times) => format!("held to {times} times real time; --speed max lets go"),
        Speed::Max => "generated, decoded and computed in one process".to_owned(),
    };
    let seconds = board.elapsed.as_secs_f64();
    writeln!(
        out,
        "{} records a second over {seconds:.2} s ({pace})",
        per_second(counts.read(), board.elapsed)
    )?;
    write!(out, "digest of the {} final rows: {:016x}", grouped(board.final_rows), board.digest)?;
    match ending {
        DemoEnding::Complete => writeln!(out, " (the same on any number of workers, at any speed)")?,
        DemoEnding::Interrupted => writeln!(out, " (of as much as there was)")?,
    }
    let DemoDescription { program, flags, .. } = about;
    let other = if about.workers == 4 { 1 } else { 4 };
    writeln!(out)?;
    writeln!(out, "Try next:")?;
    writeln!(out, "  {program} demo{flags} --speed max -w {other}    # the same digest")?;
    writeln!(
        out,
        r#"  echo '{{"e":"trade","s":"BTCUSDT","t":1,"p":"9245.10","q":"0.5","T":1525132800000}}' | {program} run --from - --symbols BTCUSDT"#
    )?;
    writeln!(out, "  {program} run -b localhost:9092 -t trades    # your own trades, from Kafka")
}
