//! `crossrate inspect`: what is in files or a topic, and which command reads it.
//!
//! Each input is read once and judged as a run over all its symbols would judge it, one record after another
//! ([`survey`]). How its records are written is told by them: every format is tried until one gives trades
//! ([`recognition`]). Nothing is written and nothing committed; memory depends on the symbols and on the
//! panes that are open, not on the length of the input.

mod clocks;
mod command;
mod recognition;
mod report;
mod survey;
mod topic;

use crate::config::inspect::Inspect;
use crate::config::{FileSource, Source};
use crate::exit::{Exit, Failure};
use crate::source::files::{FileDecoding, InputFile};
use anyhow::{Error, Result, bail};
use recognition::Candidates;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::AtomicBool;
use survey::SurveyResult;

/// What stands for the symbol of lines that have none, where nobody has told it.
const NO_SYMBOL: &str = "SYMBOL";

/// Looks, and tells what it has found; of an input that cannot be read to its end what comes before.
pub fn run(inspect: &Inspect) -> Result<Exit> {
    let mut found: Vec<SurveyResult> = match &inspect.config.source {
        Source::Kafka(kafka) => {
            kafka.each().iter().map(|topic| topic::look(inspect, topic)).collect::<Result<Vec<_>>>()?
        }
        Source::Files(files) => look(inspect, files)?,
        Source::Simulated(_) => bail!("a generated market is no input to look at"),
    };
    let text = if inspect.json { report::json(inspect, &found)? } else { report::text(inspect, &found) };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            return Err(Failure::new(Exit::PipeClosed, "standard output was closed").into());
        }
        other => other?,
    }
    match found.iter_mut().find_map(|found| found.failure.take()) {
        Some(failure) => Err(failure),
        None => Ok(Exit::Done),
    }
}

/// Looks at files, and at standard input. A slip in a name is found before the first is read.
fn look(inspect: &Inspect, files: &FileSource) -> Result<Vec<SurveyResult>> {
    let reading = FileDecoding { symbol: files.symbol.as_deref(), format: &files.format };
    let inputs: Vec<InputFile> =
        files.paths.iter().map(|path| InputFile::find(path, &reading, false)).collect::<Result<Vec<_>>>()?;
    let look_at = |(input, path): (InputFile, &std::path::PathBuf)| {
        look_at(inspect, files, input, path.display().to_string())
    };
    Ok(inputs.into_iter().zip(&files.paths).map(look_at).collect())
}

fn look_at(inspect: &Inspect, files: &FileSource, mut input: InputFile, name: String) -> SurveyResult {
    // A look leaves nothing behind: to interrupt it is to end the process.
    let verified = if files.verify { input.verify(false, &AtomicBool::new(false)) } else { Ok(()) };
    if let Err(error) = verified {
        return SurveyResult { name, failure: Some(error), ..SurveyResult::default() };
    }
    let called = input.name().to_owned();
    let mut candidates = Candidates::of_file(inspect, inspect.format.as_ref().map(|_| &files.format));
    let outcome = input.parts(&mut |part, lines| candidates.take_lines(part, lines));
    let (found, refusal) = candidates.end(name);
    // What a run would refuse by its first bytes is told first, wherever the rest is damaged.
    let refusal = refusal.map(|failure| Error::from(failure).context(format!("cannot read {called}")));
    SurveyResult { failure: refusal.or(outcome.err()), ..found }
}
