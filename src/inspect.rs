//! `crossrate inspect`: what is in files or a topic, and which command reads it.
//!
//! Each input is read once and judged as a run over all its symbols would judge it, one record after another
//! ([`survey`]). How its records are written is told by its first ones, on which every format is tried
//! ([`recognition`]). Nothing is written and nothing committed; memory depends on the symbols and on the
//! panes that are open, not on the length of the input.

mod command;
mod recognition;
mod report;
mod survey;
mod topic;

use crate::config::inspect::Inspect;
use crate::config::{FileSource, Source};
use crate::exit::{Exit, Failure};
use crate::source::files::{Input, Part, Reading};
use crate::wire::chunk::{Chunk, Framing};
use anyhow::{Result, bail};
use recognition::{Recognition, Sample, recognise};
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use survey::{Found, Survey};

/// What stands for the symbol of lines that have none, where nobody has told it.
const NO_SYMBOL: &str = "SYMBOL";

/// Looks, and tells what it has found.
pub fn run(inspect: &Inspect) -> Result<Exit> {
    let found: Vec<Found> = match &inspect.config.source {
        Source::Kafka(kafka) => {
            kafka.each().iter().map(|topic| topic::look(inspect, topic)).collect::<Result<Vec<_>>>()?
        }
        Source::Files(files) => {
            files.paths.iter().map(|path| look(inspect, files, path)).collect::<Result<Vec<_>>>()?
        }
        Source::Simulated(_) => bail!("a generated market is no input to look at"),
    };
    let text = if inspect.json { report::json(inspect, &found)? } else { report::text(inspect, &found) };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::PipeClosed, "standard output was closed").into())
        }
        other => Ok(other.map(|()| Exit::Done)?),
    }
}

/// Looks at a file, or at standard input.
fn look(inspect: &Inspect, files: &FileSource, path: &std::path::Path) -> Result<Found> {
    let reading = Reading { symbol: files.symbol.as_deref(), format: &files.format };
    let input = Input::find(path, &reading, false)?;
    let name = input.name().to_owned();
    let mut survey = Survey::new(&inspect.config.definition, inspect.limit);
    let mut recognition: Option<Recognition> = None;
    let (mut outcome, mut lines_of) = (Ok(()), None);
    input.parts(&mut |part, lines| {
        let taken = take(inspect, files, part, lines, (&mut recognition, &mut lines_of, &mut survey));
        match taken {
            Ok(flow) => flow,
            Err(failure) => {
                outcome = Err(failure);
                ControlFlow::Break(())
            }
        }
    })?;
    outcome.map_err(|failure| anyhow::Error::from(failure).context(format!("cannot read {name}")))?;
    Ok(survey.end(path.display().to_string(), recognition.unwrap_or_default()))
}

/// The format of a member's lines, told for its first ones.
type OfMember = Option<(usize, crate::wire::chunk::LineFormat)>;

fn take(
    inspect: &Inspect,
    files: &FileSource,
    part: &Part<'_>,
    lines: &[u8],
    (recognition, of_member, survey): (&mut Option<Recognition>, &mut OfMember, &mut Survey),
) -> Result<ControlFlow<()>, Failure> {
    let recognition = recognition.get_or_insert_with(|| {
        let shape = |format: &_| {
            part.line_format(format, None).or_else(|_| part.line_format(format, Some(NO_SYMBOL)))
        };
        let sample = Sample::Lines { bytes: lines, shape: &shape };
        let given = inspect.format.as_deref().map(|_| &files.format);
        recognise(given, &sample, inspect.config.definition.decimals())
    });
    let Some(format) = &recognition.format else { return Ok(ControlFlow::Break(())) };
    let line_format = match of_member {
        Some((member, known)) if *member == part.number() => known.clone(),
        _ => {
            let told = part.line_format(format, None).or_else(|failure| {
                recognition.needs_symbol = true;
                part.line_format(format, Some(NO_SYMBOL)).map_err(|_| failure)
            })?;
            *of_member = Some((part.number(), told.clone()));
            told
        }
    };
    let chunk = Chunk { bytes: lines.to_vec(), framing: Framing::Lines(line_format), ..Chunk::default() };
    Ok(survey.take(&chunk))
}
