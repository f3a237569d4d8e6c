//! Writes a generated input for benches: `cargo run --release --example tape -- --trades 5000000 OUT..`.
//! With several files the trades are dealt out to them in turn.

use anyhow::{Context, Result, bail};
use crossrate::source::simulated::Tape;
use std::fs::File;

const USAGE: &str = "tape [--seed N] [--trades N] [--symbols N] [--assets N] [--per-second N] OUT..";

fn main() -> Result<()> {
    let mut tape = Tape::default();
    let mut paths = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if !argument.starts_with("--") {
            paths.push(argument);
            continue;
        }
        let value = arguments.next().with_context(|| format!("{argument} wants a number; {USAGE}"))?;
        let number: u64 =
            value.parse().with_context(|| format!("{argument} {value}: not a number; {USAGE}"))?;
        match argument.as_str() {
            "--seed" => tape.seed = number,
            "--trades" => tape.trades = number,
            "--symbols" => tape.symbols = u32::try_from(number).context("--symbols is too large")?,
            "--assets" => tape.assets = u32::try_from(number).context("--assets is too large")?,
            "--per-second" => tape.per_second = number,
            _ => bail!("{argument}: no such flag; {USAGE}"),
        }
    }
    if paths.is_empty() {
        bail!("{USAGE}");
    }
    let create = |path: &String| File::create(path).with_context(|| path.clone());
    let mut files: Vec<File> = paths.iter().map(create).collect::<Result<_>>()?;
    let bytes = tape.write(&mut files)?;
    eprintln!("{} trades of {} symbols, {bytes} bytes, in {} files", tape.trades, tape.symbols, paths.len());
    Ok(())
}
