//! The display into a pipe: a line for each final window of a cross, and one whenever something is worth a note.

use super::About;
use super::board::Told;
use super::text::{clock, deviation, rate};
use crate::config::Speed;
use crate::source::simulated::market::Market;
use std::io::{self, Write};

/// What is going on.
pub(super) fn begin(about: &About, out: &mut impl Write) -> io::Result<()> {
    for line in introduction(about) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "{:<17}  {:<9}  {:>14}  {:>4}  {:>14}  {:>12}",
        "window", "cross", "rate", "n", "mean", "std"
    )
}

/// What the demo is, in a few lines.
pub(super) fn introduction(about: &About) -> [String; 3] {
    let speed = match about.speed {
        Speed::Times(times) => format!("{times} times as fast as time passes"),
        Speed::Max => "as fast as this machine goes".to_owned(),
    };
    let Market { seed, seconds } = about.market;
    let workers =
        if about.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", about.workers) };
    [
        format!(
            "crossrate demo: a made-up market (seed {seed}), {seconds} s of it, {speed}, on {workers}, through the dataflow of `run`."
        ),
        "Two crosses that nobody trades: XVGUSDT = XVGBTC x BTCUSDT, and XRPETH = XRPBTC / ETHBTC; windows of 10 s."
            .to_owned(),
        "Much goes wrong in it on purpose. What is shown as a rate is final: event time has proven that nothing can change it."
            .to_owned(),
    ]
}

/// One thing that was told.
pub(super) fn write(told: &Told, out: &mut impl Write) -> io::Result<()> {
    match told {
        Told::Rate { start_ms, end_ms, name, rate: r, n, mean, std } => writeln!(
            out,
            "{}-{}  {name:<9}  {:>14}  {n:>4}  {:>14}  {:>12}",
            clock(*start_ms),
            clock(*end_ms),
            rate(r),
            rate(mean),
            deviation(*std)
        ),
        Told::Note(note) => writeln!(out, "  ! {:<9}  {}", note.what, note.text),
    }
}
