//! How fast is the decoder alone, on one core, with full validation?
//!
//!     cargo run --release --example decode -- [--rounds N] FILE..
//!
//! Reads each file whole (`.gz` too), decodes it over and over, and prints the median.

use anyhow::{Context, Result};
use crossrate::source::{Chunk, Framing, LineFormat};
use crossrate::wire::{Record, Scratch, decode_chunk};
use std::io::Read;
use std::time::Instant;

/// What stays in the fast caches, as it does where chunks come from a reader.
const CHUNK: usize = 256 << 10;

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
    for _ in 0..=rounds {
        (records, trades) = (0, 0);
        let begun = Instant::now();
        for chunk in &chunks {
            decode_chunk(chunk, &mut scratch, |_, record| {
                records += 1;
                if let Record::Trade { symbol, trade, .. } = record {
                    trades += 1;
                    sum = sum.wrapping_add(trade.id ^ u64::from(symbol[0]) ^ trade.time.micros());
                    sum = sum.wrapping_add(trade.price.scaled() as u64 ^ trade.quantity.scaled() as u64);
                }
            });
        }
        seconds.push(begun.elapsed().as_secs_f64());
    }
    // The first round warms the caches and does not count.
    seconds.remove(0);
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    println!(
        "{path}: {records} records, {trades} trades: {:.2} M records/s, {:.2} GB/s (checksum {sum:x})",
        records as f64 / median / 1e6,
        bytes.len() as f64 / median / 1e9
    );
    Ok(())
}
