//! The display into a pipe: a line for each final window of a cross, and one whenever something is worth a
//! note.

use super::DemoDescription;
use super::board::Announcement;
use crate::config::Speed;
use crate::source::simulated::Market;
use crate::terminal::{clock, deviation, rate};
use crossrate_dataflows::market::definition::Cross;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::windows::Window;
use std::io::{self, Write};

/// What is going on.
pub(super) fn begin(about: &DemoDescription, out: &mut impl Write) -> io::Result<()> {
    for line in introduction(about).into_iter().chain(live(about)) {
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
pub(super) fn introduction(about: &DemoDescription) -> [String; 3] {
    let speed = match about.speed {
        Speed::Times(times) => format!("{times} times as fast as time passes"),
        Speed::Max => "as fast as this machine goes".to_owned(),
    };
    let Market { seed, seconds, .. } = about.market;
    let workers =
        if about.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", about.workers) };
    let mut crosses: Vec<String> = about.definition.crosses.iter().map(product).collect();
    if let Some(quotes) = &about.definition.quotes {
        let currencies: Vec<&str> = quotes.currencies.iter().map(Symbol::as_str).collect();
        crosses.push(format!("every asset in {}", currencies.join(" and in ")));
    }
    let windows: Vec<&str> = about.definition.windows.each().iter().map(Window::name).collect();
    let windows = match windows.split_first() {
        Some((first, others)) if !others.is_empty() => format!("{first} (shown) and {}", others.join(", ")),
        _ => windows.join(", "),
    };
    let grace = match about.definition.grace {
        0 => "no correction after their end".to_owned(),
        grace => format!("corrections up to {} after their end", seconds_of(grace)),
    };
    [
        format!(
            "crossrate demo: a made-up market (seed {seed}), {seconds} s of it, {speed}, on {workers}, through the dataflow of `run`."
        ),
        format!("{}; windows {windows}; {grace}.", crosses.join(", ")),
        "Much goes wrong in it on purpose. What is shown as a rate is final: event time has proven that nothing can change it."
            .to_owned(),
    ]
}

/// Where the live page is.
pub(super) fn live(about: &DemoDescription) -> Option<String> {
    about.page.as_ref().map(|page| format!("Live page: {page}"))
}

/// `XRPETH = XRPBTC / ETHBTC`
fn product(cross: &Cross) -> String {
    let mut text = format!("{} =", cross.name);
    for (nth, leg) in cross.legs.iter().enumerate() {
        let sign = match (nth, leg.inverse) {
            (0, false) => "",
            (0, true) => " 1 /",
            (_, false) => " x",
            (_, true) => " /",
        };
        text.push_str(&format!("{sign} {}", leg.symbol));
    }
    text
}

fn seconds_of(micros: u64) -> String {
    format!("{} s", micros as f64 / 1e6)
}

/// One thing that was told.
pub(super) fn write(told: &Announcement, out: &mut impl Write) -> io::Result<()> {
    match told {
        Announcement::Rate { start_ms, end_ms, name, rate: r, n, mean, std } => writeln!(
            out,
            "{}-{}  {name:<9}  {:>14}  {n:>4}  {:>14}  {:>12}",
            clock(*start_ms),
            clock(*end_ms),
            rate(r),
            rate(mean),
            deviation(*std)
        ),
        Announcement::Note(note) => writeln!(out, "  ! {:<9}  {}", note.what, note.text),
    }
}
