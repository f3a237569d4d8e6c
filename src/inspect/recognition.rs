//! How records are written, told by them: every format reads them until one has given trades, and that one
//! reads on alone. What came before the first trade was judged by it too, so nothing is read twice: an input
//! may be a pipe, and begin with whatever it likes.

use super::NO_SYMBOL;
use super::survey::{Recognition, Survey, SurveyResult};
use crate::config::inspect::Inspect;
use crate::exit::{Exit, Failure};
use crate::source::files::ArchivePart;
use crate::wire::chunk::{Chunk, Framing, LineFormat};
use crate::wire::format::{BINANCE, BUILT_IN, Format, MappingFile};
use crate::wire::mapping::Mapping;
use crate::wire::why;
use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::sync::Arc;

/// So many records are read by every format before the one that reads most of them reads on alone.
const RECORDS: u64 = 1_000;

/// The mapping that has the keys of Binance's events.
const OF_BINANCE: &str = "binance-futures";

/// What the text of an input is, as far as any of it tells.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
enum TextKind {
    #[default]
    Neither,
    Csv,
    Json,
}

/// The formats that may read an input.
pub(super) struct Candidates {
    all: Vec<Candidate>,
    is_given: bool,
    kind: TextKind,
    /// Whether it is a table of other columns than those of an archive.
    has_other_columns: bool,
    /// What those come to that were left behind.
    passed_over: Vec<(String, String)>,
}

/// A format, and what it makes of an input.
struct Candidate {
    format: Format,
    /// What reads messages.
    mapping: Option<Arc<Mapping>>,
    /// One for each partition.
    surveys: Vec<Survey>,
    /// Why the input cannot be read by it.
    refusal: Option<Failure>,
    needs_symbol: bool,
    /// How the lines of a member are read, by its number.
    lines: Option<(usize, LineFormat)>,
}

impl Candidates {
    /// Those of a file; one where it was given.
    pub(super) fn of_file(inspect: &Inspect, given: Option<&Format>) -> Self {
        Self::new(given, |_| Ok(None), || vec![Survey::new(&inspect.config.definition, inspect.limit, None)])
    }

    /// Those of a topic with these partitions. Where schemas are asked for, `schemas` knows them.
    pub(super) fn of_topic(
        inspect: &Inspect,
        given: Option<&Format>,
        schemas: Option<&Arc<Mapping>>,
        partitions: &[u32],
    ) -> Self {
        let survey = |number: &u32| Survey::new(&inspect.config.definition, inspect.limit, Some(*number));
        let mapping = |format: &_| match schemas {
            Some(known) => Ok(Some(Arc::clone(known))),
            None => mapping_of(format),
        };
        Self::new(given, mapping, || partitions.iter().map(survey).collect())
    }

    fn new(
        given: Option<&Format>,
        mapping: impl Fn(&Format) -> Result<Option<Arc<Mapping>>, Failure>,
        surveys: impl Fn() -> Vec<Survey>,
    ) -> Self {
        let all = || {
            let mapped =
                BUILT_IN.iter().filter_map(|(name, _)| MappingFile::built_in(name).map(Format::Mapped));
            [Format::Binance].into_iter().chain(mapped).collect()
        };
        let formats = given.map_or_else(all, |format| vec![format.clone()]);
        let candidate = |format: Format| {
            let (mapping, refusal) = match mapping(&format) {
                Ok(mapping) => (mapping, None),
                Err(failure) => (None, Some(failure)),
            };
            Candidate { format, mapping, surveys: surveys(), refusal, needs_symbol: false, lines: None }
        };
        Candidates {
            all: formats.into_iter().map(candidate).collect(),
            is_given: given.is_some(),
            kind: TextKind::default(),
            has_other_columns: false,
            passed_over: Vec::new(),
        }
    }

    /// Judges lines of a file; whether there may be more of use.
    pub(super) fn take_lines(&mut self, part: &ArchivePart<'_>, lines: &[u8]) -> ControlFlow<()> {
        self.kind = self.kind.max(kind_of(part.head()));
        self.has_other_columns |= part.has_other_columns();
        let mut chunk = Chunk { bytes: lines.to_vec(), ..Chunk::default() };
        let mut flow = ControlFlow::Break(());
        for candidate in &mut self.all {
            if let Some(format) = candidate.lines_of(part) {
                chunk.framing = Framing::Lines(format);
                flow = later(flow, candidate.surveys[0].take(&chunk));
            }
        }
        self.narrow();
        flow
    }

    /// Judges messages of the partition at that place; whether there may be more of use.
    pub(super) fn take_messages(&mut self, place: usize, chunk: &mut Chunk) -> ControlFlow<()> {
        self.kind = self.kind.max(kind_of(&chunk.bytes));
        let mut flow = ControlFlow::Break(());
        for candidate in self.all.iter_mut().filter(|candidate| candidate.refusal.is_none()) {
            chunk.mapping = candidate.mapping.clone();
            flow = later(flow, candidate.surveys[place].take(chunk));
        }
        self.narrow();
        flow
    }

    /// Leaves the others behind, where one format has given trades and enough was read.
    fn narrow(&mut self) {
        let is_enough = |c: &Candidate| c.trades() > 0 && c.records() >= RECORDS;
        if self.all.len() == 1 || !self.all.iter().any(is_enough) {
            return;
        }
        self.rank();
        self.passed_over = self.all[1..].iter().map(Candidate::in_words).collect();
        self.all.truncate(1);
    }

    /// Brings the one that reads most to the front; where none reads anything, the nearest.
    fn rank(&mut self) {
        let of_binance =
            self.all.iter().find(|c| c.format.name() == OF_BINANCE).map_or(0, Candidate::nearness);
        let kind = self.kind;
        // Of equals the first one stays first.
        self.all.sort_by_key(|candidate| {
            let (reads, nearness) = (candidate.reads(), candidate.nearness());
            let is_binance = matches!(candidate.format, Format::Binance);
            let nearness = if is_binance { nearness.max(of_binance) } else { nearness };
            let is_of_kind = kind == TextKind::Csv && candidate.is_csv() && !is_binance;
            (Reverse(reads), if reads > 0 { candidate.bad() } else { 0 }, !is_of_kind, Reverse(nearness))
        });
    }

    /// All was read: what was found, and what a run says that refuses the input.
    pub(super) fn end(mut self, name: String) -> (SurveyResult, Option<Failure>) {
        self.rank();
        let is_given = self.is_given;
        let fits = self.all.first().is_some_and(|best| best.reads() > 0);
        if !fits {
            return match self.refusal() {
                None => (self.unread(name), None),
                refusal => (SurveyResult { name, ..SurveyResult::default() }, refusal),
            };
        }
        let mut others = std::mem::take(&mut self.passed_over);
        others.extend(self.all[1..].iter().map(Candidate::in_words));
        let best = self.all.swap_remove(0);
        let recognition = Recognition {
            is_given,
            others,
            nearest: None,
            is_numbered: true,
            needs_symbol: best.needs_symbol,
            format: Some(best.format),
        };
        let found = SurveyResult::of(name, best.surveys, recognition);
        (found, None)
    }

    /// What a run with the format that was given, or with none, says of the input before it reads it. That a
    /// table has columns of its own is no such thing, where a mapping may be written for it.
    fn refusal(&mut self) -> Option<Failure> {
        let is_one = self.all.len() == 1;
        let of_run = |c: &&mut Candidate| is_one || matches!(c.format, Format::Binance);
        let refused = self.all.iter_mut().find(of_run)?;
        if self.has_other_columns && !is_one { None } else { refused.refusal.take() }
    }

    /// What no format reads: the nearest are told, with what the nearest of them makes of the records.
    fn unread(mut self, name: String) -> SurveyResult {
        let others = self.all.iter().filter_map(|c| Some((c.format.name().to_owned(), c.why()?))).collect();
        let is_mapping = |c: &&Candidate| !matches!(c.format, Format::Binance);
        let nearest = self.all.iter().find(is_mapping).filter(|c| match self.kind {
            TextKind::Csv => c.is_csv(),
            TextKind::Json => c.nearness() > 0,
            TextKind::Neither => false,
        });
        let nearest = nearest.filter(|_| !self.is_given).map(|c| c.format.name().to_owned());
        // By a format of another kind all lines are bad, which tells nothing.
        let is_shown = |c: &Candidate| c.refusal.is_none() && (self.kind != TextKind::Csv || c.is_csv());
        let shown = self.all.iter().position(is_shown).map(|place| self.all.swap_remove(place));
        let recognition = Recognition { is_given: self.is_given, others, nearest, ..Recognition::default() };
        SurveyResult::of(name, shown.map(|shown| shown.surveys).unwrap_or_default(), recognition)
    }
}

impl Candidate {
    /// How the lines of a member are read; nothing where they are not.
    fn lines_of(&mut self, part: &ArchivePart<'_>) -> Option<LineFormat> {
        if self.refusal.is_some() {
            return None;
        }
        if let Some((_, known)) = self.lines.as_ref().filter(|(number, _)| *number == part.number()) {
            return Some(known.clone());
        }
        let told = part.line_format(&self.format, None).or_else(|failure| {
            let told = part.line_format(&self.format, Some(NO_SYMBOL)).map_err(|_| failure);
            self.needs_symbol |= told.is_ok();
            told
        });
        match told {
            Ok(format) => {
                self.lines = Some((part.number(), format.clone()));
                Some(format)
            }
            Err(failure) => {
                self.refusal = Some(failure);
                None
            }
        }
    }

    fn sum(&self, count: impl Fn(&Survey) -> u64) -> u64 {
        self.surveys.iter().map(count).sum()
    }

    fn records(&self) -> u64 {
        self.sum(|survey| survey.counts().read())
    }

    fn trades(&self) -> u64 {
        if self.refusal.is_some() { 0 } else { self.sum(Survey::trades) }
    }

    /// Trades and heartbeats.
    fn reads(&self) -> u64 {
        if self.refusal.is_some() {
            0
        } else {
            self.sum(|survey| survey.trades() + survey.counts().heartbeat)
        }
    }

    fn bad(&self) -> u64 {
        self.sum(|survey| survey.counts().bad)
    }

    fn is_csv(&self) -> bool {
        match &self.format {
            Format::Binance => true,
            Format::Mapped(file) => file.is_csv(),
        }
    }

    /// Of a thousand values that its pointers ask for, how many are there.
    fn nearness(&self) -> u64 {
        let (found, asked) = (self.sum(|s| s.pointers().0), self.sum(|s| s.pointers().1));
        (1_000 * found).checked_div(asked).unwrap_or_default()
    }

    fn why(&self) -> Option<String> {
        let refused = self.refusal.as_ref().map(ToString::to_string);
        refused.or_else(|| self.surveys.iter().find_map(Survey::why_not))
    }

    fn in_words(&self) -> (String, String) {
        (self.format.name().to_owned(), self.why().unwrap_or_else(|| "it would read them, too".into()))
    }
}

/// That of two which does not end.
fn later(one: ControlFlow<()>, other: ControlFlow<()>) -> ControlFlow<()> {
    if one.is_continue() { one } else { other }
}

/// What a text is, by its first line.
fn kind_of(text: &[u8]) -> TextKind {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    let line = &text[..memchr::memchr(b'\n', text).unwrap_or(text.len()).min(1 << 10)];
    let json = &line[why::capture(line)..];
    let separates = |by: &u8| line.iter().filter(|byte| *byte == by).count() >= 2;
    match json.first() {
        Some(b'{' | b'[') => TextKind::Json,
        Some(_) if b",;\t|".iter().any(separates) => TextKind::Csv,
        _ => TextKind::Neither,
    }
}

/// How messages are read by a format.
fn mapping_of(format: &Format) -> Result<Option<Arc<Mapping>>, Failure> {
    let unusable = |words: String| Failure::new(Exit::Usage, words);
    let mapping = format.mapping().map_err(|error| unusable(error.to_string()))?;
    match mapping {
        Some(mapping) if mapping.needs_header() => {
            Err(unusable("it names columns, and messages have no header".into()))
        }
        mapping => Ok(mapping),
    }
}

impl SurveyResult {
    /// Whether nothing of it was found out, since it is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.read() == 0 && self.recognition.others.is_empty() && !self.recognition.fits()
    }

    /// What reads it, by its name.
    pub(super) fn format_name(&self) -> &str {
        self.recognition.format.as_ref().map_or(BINANCE, Format::name)
    }
}
