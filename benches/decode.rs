//! How fast is the decoder alone, on one core, with full validation?
//!
//!     cargo run --release --example decode -- [--rounds N] FILE..
//!
//! Reads each file whole (`.gz` too), decodes it over and over, and prints the median. What counts is the
//! time that the core has worked for this thread, which other programs do not touch.

mod cpu_time;

use anyhow::{Context, Result};
use cpu_time::worked;
use crossrate::wire::chunk::{Chunk, Framing, LineFormat};
use crossrate::wire::{Record, Scratch, decode_chunk};
use std::io::Read;

/// What stays in the fast caches, as it does where chunks come from a reader.
const CHUNK: usize = 256 << 10;
/// A round decodes so many bytes at least: the clock of a thread ticks slowly.
const ROUND: usize = 300 << 20;

fn main() -> Result<()> {
    let mut rounds = 7;
    let mut paths = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            rounds = arguments.next().context("--rounds wants a number")?.parse()?;
        } else {
            paths.push(argument);
        }
    }
    println!("| decoder alone, one core | records | trades | M records/s | GB/s |");
    println!("| --- | --- | --- | --- | --- |");
    for path in paths {
        measure(&path, rounds)?;
    }
    Ok(())
}

fn measure(path: &str, rounds: usize) -> Result<()> {
    let mut bytes = std::fs::read(path).with_context(|| path.to_owned())?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(&*bytes).read_to_end(&mut plain)?;
        bytes = plain;
    }
    let mut chunks = Vec::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let end = rest.len().min(CHUNK);
        let end = memchr::memrchr(b'\n', &rest[..end]).map_or(rest.len(), |at| at + 1);
        chunks.push(Chunk {
            bytes: rest[..end].to_vec(),
            framing: Framing::Lines(LineFormat::Json),
            ..Chunk::default()
        });
        rest = &rest[end..];
    }
    let mut scratch = Scratch::default();
    let (mut records, mut trades, mut sum) = (0u64, 0u64, 0u64);
    let mut seconds: Vec<f64> = Vec::new();
    let times = ROUND.div_ceil(bytes.len().max(1));
    for _ in 0..=rounds {
        (records, trades) = (0, 0);
        let begun = worked()?;
        for chunk in (0..times).flat_map(|_| &chunks) {
            decode_chunk(chunk, &mut scratch, |_, record| {
                records += 1;
                if let Record::Trade { symbol, trade, .. } = record {
                    trades += 1;
                    sum = sum.wrapping_add(trade.id ^ u64::from(symbol[0]) ^ trade.time.micros());
                    sum = sum.wrapping_add(trade.price.scaled() as u64 ^ trade.quantity.scaled() as u64);
                }
            });
        }
        seconds.push(worked()?.saturating_sub(begun).as_secs_f64());
    }
    // The first round warms the caches and does not count.
    seconds.remove(0);
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let name = path.rsplit('/').next().unwrap_or(path);
    println!(
        "| {name} | {} | {} | {:.2} | {:.2} |",
        records / times as u64,
        trades / times as u64,
        records as f64 / median / 1e6,
        (bytes.len() * times) as f64 / median / 1e9
    );
    // Nobody may leave the decoding out because nothing asks for what it gives.
    std::hint::black_box(sum);
    Ok(())
}
