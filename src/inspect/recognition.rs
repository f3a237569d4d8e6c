//! How records are written, told by the first of them: each format is tried on them.

use crate::exit::Failure;
use crate::wire::chunk::{Chunk, Framing, LineFormat};
use crate::wire::format::{BUILT_IN, Format, MappingFile};
use crate::wire::mapping::Mapping;
use crate::wire::{Raw, Record, Scratch, decode_chunk, why};
use crossrate_dataflows::market::decimal::Decimals;
use std::sync::Arc;

/// So many records are tried at most, and so many bytes.
const RECORDS: usize = 1_000;
const BYTES: usize = 4 << 20;

/// The first records of an input.
pub(super) enum Sample<'a> {
    /// Lines of a file, and how a format reads them.
    Lines { bytes: &'a [u8], shape: &'a dyn Fn(&Format) -> Result<LineFormat, Failure> },
    /// Messages of a topic.
    Messages(Chunk),
}

/// Which format reads an input, or which comes nearest and why it does not.
#[derive(Debug, Default)]
pub(super) struct Recognition {
    /// What its records are read by: of those that were tried the one that fits best; none where nothing was
    /// read.
    pub(super) format: Option<Format>,
    /// Whether it gives trades.
    pub(super) fits: bool,
    /// What each of the others comes to, the nearest first; of the best one too where it does not fit.
    pub(super) others: Vec<(String, String)>,
    /// Whether ids are numbered one after another.
    pub(super) is_numbered: bool,
    /// Whether the symbol must be told.
    pub(super) needs_symbol: bool,
}

/// What a format makes of the sample.
struct Trial {
    format: Format,
    trades: usize,
    heartbeats: usize,
    ignored: usize,
    bad: usize,
    /// Why the first record that is no trade is none.
    why: Option<String>,
    is_numbered: bool,
}

/// Tries the format that was given, or all, with so many decimals.
pub(super) fn recognise(given: Option<&Format>, sample: &Sample<'_>, decimals: Decimals) -> Recognition {
    let all = || {
        let mapped = BUILT_IN.iter().filter_map(|(name, _)| MappingFile::built_in(name).map(Format::Mapped));
        [Format::Binance].into_iter().chain(mapped).collect()
    };
    let formats = given.map_or_else(all, |format| vec![format.clone()]);
    let mut trials: Vec<Trial> = formats.into_iter().map(|format| try_on(sample, format, decimals)).collect();
    // Of equals the first one stays first.
    trials.sort_by_key(|trial| {
        let fitting = trial.trades + trial.heartbeats;
        (std::cmp::Reverse(fitting), if fitting > 0 { trial.bad } else { usize::MAX - trial.bad })
    });
    let fits = trials.first().is_some_and(|best| best.trades + best.heartbeats > 0);
    let told = |trial: &Trial| {
        let why = trial.why.clone().unwrap_or_else(|| "it would read them, too".into());
        (trial.format.name().to_owned(), why)
    };
    let others = trials.iter().skip(usize::from(fits)).map(told).collect();
    let best = trials.into_iter().next();
    Recognition {
        fits,
        others,
        is_numbered: best.as_ref().is_none_or(|best| best.is_numbered),
        format: best.map(|best| best.format),
        needs_symbol: false,
    }
}

fn try_on(sample: &Sample<'_>, format: Format, decimals: Decimals) -> Trial {
    let mut trial =
        Trial { format, trades: 0, heartbeats: 0, ignored: 0, bad: 0, why: None, is_numbered: true };
    let mut scratch = Scratch::of(decimals);
    match sample {
        Sample::Lines { bytes, shape } => {
            let bytes = &bytes[..bytes.len().min(BYTES)];
            let end = memchr::memchr_iter(b'\n', bytes).nth(RECORDS - 1).map(|end| end + 1);
            let end = end.or(memchr::memrchr(b'\n', bytes).map(|end| end + 1)).unwrap_or(bytes.len());
            match shape(&trial.format) {
                Err(failure) => trial.why = Some(failure.to_string()),
                Ok(lines) => {
                    let (bytes, framing) = (bytes[..end].to_vec(), Framing::Lines(lines));
                    trial.decode(&Chunk { bytes, framing, ..Chunk::default() }, &mut scratch);
                }
            }
        }
        // Where schemas were asked for, what knows them.
        Sample::Messages(chunk) => {
            match chunk.mapping.clone().map_or_else(|| mapping_of(&trial.format), |m| Ok(Some(m))) {
                Err(why) => trial.why = Some(why),
                Ok(mapping) => {
                    let Framing::Messages(messages) = &chunk.framing else { return trial };
                    let messages = messages.iter().take(RECORDS).copied().collect();
                    let framing = Framing::Messages(messages);
                    let chunk = Chunk { bytes: chunk.bytes.clone(), framing, mapping, ..Chunk::default() };
                    trial.decode(&chunk, &mut scratch);
                }
            }
        }
    }
    trial
}

/// How messages are read by a format.
pub(super) fn mapping_of(format: &Format) -> Result<Option<Arc<Mapping>>, String> {
    let mapping = format.mapping().map_err(|error| error.to_string())?;
    if mapping.as_ref().is_some_and(|mapping| mapping.needs_header()) {
        return Err("it names columns, and messages have no header".into());
    }
    Ok(mapping)
}

impl Trial {
    fn decode(&mut self, chunk: &Chunk, scratch: &mut Scratch) {
        let mapping = chunk.mapping();
        decode_chunk(chunk, scratch, |raw, record| match record {
            Record::Trade { trade, .. } => {
                self.trades += 1;
                self.is_numbered &= trade.is_numbered();
            }
            Record::Heartbeat(_) => self.heartbeats += 1,
            Record::Ignored => self.ignored(&raw, mapping),
            Record::Bad(bad) => self.bad(bad.to_string()),
        });
    }

    fn ignored(&mut self, raw: &Raw<'_>, mapping: Option<&Arc<Mapping>>) {
        self.ignored += 1;
        if self.why.is_none() {
            self.why = Some(why::ignored(raw.bytes(), mapping.map(|mapping| &**mapping)));
        }
    }

    /// What is bad says more than what is ignored.
    fn bad(&mut self, words: String) {
        self.bad += 1;
        if self.bad == 1 {
            self.why = Some(words);
        }
    }
}
