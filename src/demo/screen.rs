//! The display on a terminal: one frame, painted over the last one. Plain ANSI: up, erase, colours.
//! The cursor is never hidden, so that however the process ends, the terminal is as it was.

use super::DemoDescription;
use super::board::DemoBoard;
use super::lines::{introduction, live};
use super::table::{Look, StyledLine, TableColumn, TextTable, curve};
use crate::terminal::{clock, deviation, fine_clock, grouped, per_second, rate};
use crossrate_dataflows::market::event_time::EventTime;
use std::io::{self, Write};
use std::time::Duration;

/// Paintings are so far apart at least: a tenth of a second looks live, and costs nothing.
const PAINTING: Duration = Duration::from_millis(100);

/// Terminals of fewer lines have no room for explanations.
const ROOMY: usize = 36;

#[derive(Debug)]
pub(super) struct Screen {
    size: fn() -> (usize, usize),
    colour: bool,
    unicode: bool,
    /// When it was painted last.
    painted: Option<Duration>,
    /// Lines of the last frame.
    height: usize,
}

impl Screen {
    pub(super) fn new(size: fn() -> (usize, usize), colour: bool, unicode: bool) -> Self {
        Screen { size, colour, unicode, painted: None, height: 0 }
    }

    pub(super) fn is_due(&self, elapsed: Duration) -> bool {
        self.painted.is_none_or(|painted| elapsed >= painted + PAINTING)
    }

    /// One frame, in one write, so that it appears at once.
    pub(super) fn paint(
        &mut self,
        about: &DemoDescription,
        board: &DemoBoard,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let (width, height) = (self.size)();
        // A line as wide as the terminal would wrap on some; the last line is the cursor's.
        let width = width.max(20) - 1;
        let lines = frame(about, board, width, height.max(8) - 1, self.unicode);
        let mut text = String::with_capacity(4 << 10);
        if self.height > 0 {
            // More lines than the terminal now has could not be reached: it was made smaller.
            text.push_str(&format!("\x1b[{}A\r", self.height.min(height.max(2) - 1)));
        }
        for line in &lines {
            line.write(width, self.colour, &mut text);
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J");
        out.write_all(text.as_bytes())?;
        out.flush()?;
        self.painted = Some(board.elapsed);
        self.height = lines.len();
        Ok(())
    }
}

/// What is worth seeing, the most important first, cut to the height.
fn frame(
    about: &DemoDescription,
    board: &DemoBoard,
    width: usize,
    height: usize,
    unicode: bool,
) -> Vec<StyledLine> {
    let mut lines: Vec<StyledLine> = Vec::new();
    let sentences = if height < ROOMY { 1 } else { 3 };
    for (nth, sentence) in introduction(about).iter().take(sentences).enumerate() {
        let look = if nth == 0 { Look::Bold } else { Look::Dim };
        lines.extend(wrapped(sentence, width).into_iter().map(|text| StyledLine::of(look, text)));
    }
    lines.extend(live(about).map(|page| StyledLine::of(Look::Good, page)));
    lines.push(now(board));
    lines.extend(others(board));
    lines.push(StyledLine::default());
    let rates = crosses(about, board, unicode).lines(width);
    match about.definition.quotes {
        Some(_) => {
            let room = height / 2;
            let more = rates.len().saturating_sub(room);
            lines.extend(rates.into_iter().take(room));
            let more =
                if more > 0 { format!("and {more} more rates; the page has all. ") } else { String::new() };
            lines.push(StyledLine::of(Look::Dim, more + &symbols_in_short(board)));
        }
        None => {
            lines.extend(rates);
            lines.push(StyledLine::default());
            lines.extend(symbols(board).lines(width));
        }
    }
    let partitions = partitions(board).lines(width);
    let accounting = wrapped(&accounting(board), width);
    // Notes are the story: at least four of them, before the partitions have their place.
    let need = partitions.len() + 1 + accounting.len() + 1 + 6;
    if lines.len() + need <= height {
        lines.push(StyledLine::default());
        lines.extend(partitions);
        lines.push(StyledLine::default());
        lines.extend(accounting.into_iter().map(|text| StyledLine::of(Look::Plain, text)));
    }
    let room = height.saturating_sub(lines.len() + 2);
    if room > 0 && !board.notes.is_empty() {
        lines.push(StyledLine::default());
        lines.push(StyledLine::of(Look::Dim, "what happened"));
        let skipped = board.notes.len().saturating_sub(room);
        for note in board.notes.iter().skip(skipped) {
            let look = match note.what {
                "bad" | "late" | "future" => Look::Wrong,
                "corrected" => Look::Good,
                _ => Look::Warn,
            };
            lines.push(
                StyledLine::of(look, format!("{:<9}", note.what))
                    .then(Look::Plain, format!("  {}", note.text)),
            );
        }
    }
    lines.truncate(height);
    lines
}

/// Words in lines of at most so many characters; a longer word stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn now(board: &DemoBoard) -> StyledLine {
    let counts = board.counts();
    let rate = per_second(counts.read(), board.elapsed);
    let proven = match board.frontier {
        EventTime::MIN => "nothing yet".to_owned(),
        EventTime::MAX => "all of it".to_owned(),
        frontier => fine_clock(frontier.millis()),
    };
    let holds = board.partitions.iter().position(|p| board.holds(p));
    StyledLine::of(Look::Plain, "proven up to ")
        .then(Look::Bold, proven)
        .then(Look::Dim, holds.map_or_else(String::new, |p| format!(", held by partition {p}")))
        .then(Look::Plain, format!("; {} records, {rate}/s; ", grouped(counts.read())))
        .then(Look::Dim, "~ provisional; Ctrl-C ends")
}

/// What is not shown of the windows that are computed.
fn others(board: &DemoBoard) -> Option<StyledLine> {
    let rows = |(window, rows): (&String, &u64)| format!("{} of {window}", grouped(*rows));
    let others: Vec<String> = board.others.iter().map(rows).collect();
    let shown = format!("windows {}; besides, final rows: {}", board.window, others.join(", "));
    (!others.is_empty()).then(|| StyledLine::of(Look::Dim, shown))
}

const fn left(title: &'static str, expendable: u8) -> TableColumn {
    TableColumn { title, right: false, expendable }
}

const fn right(title: &'static str, expendable: u8) -> TableColumn {
    TableColumn { title, right: true, expendable }
}

fn provisional(rate: Option<String>) -> (Look, String) {
    (Look::Dim, rate.map_or_else(String::new, |rate| format!("~{rate}")))
}

/// The symbols where there are too many for a table.
fn symbols_in_short(board: &DemoBoard) -> String {
    let missing: i64 = board.symbols.values().map(|symbol| symbol.missing_ids).sum();
    format!("{} symbols trade; {missing} of their ids are missing", board.symbols.len())
}

fn crosses(about: &DemoDescription, board: &DemoBoard, unicode: bool) -> TextTable {
    let has_paths = about.definition.quotes.is_some();
    let mut columns = vec![
        left("cross", 0),
        right("rate", 0),
        left("status", 2),
        left("window", 5),
        right("open", 4),
        right("n", 3),
        right("mean", 1),
        right("std", 3),
        left("curve", 6),
    ];
    if has_paths {
        columns.insert(2, left("path", 1));
    }
    let mut table = TextTable::new(&columns);
    for (name, cross) in &board.crosses {
        let (start, status, last) = match &cross.last {
            Some((start, status, rate)) => (clock(*start), status.replace('_', " "), rate.as_deref()),
            None => (String::new(), "no window yet".to_owned(), None),
        };
        let look = match status.as_str() {
            "complete" => Look::Good,
            "no window yet" => Look::Dim,
            _ => Look::Warn,
        };
        let open = cross.open.as_ref().and_then(|(_, rate)| rate.clone());
        let mut cells = vec![
            (Look::Bold, name.clone()),
            (Look::Bold, last.map_or_else(|| "-".to_owned(), rate)),
            (look, status),
            (Look::Plain, start),
            provisional(open.map(|r| rate(&r))),
            (Look::Plain, cross.n.to_string()),
            (Look::Plain, cross.mean.as_deref().map_or_else(|| "-".to_owned(), rate)),
            (Look::Plain, deviation(cross.std)),
            (Look::Good, curve(cross.curve.iter().copied(), unicode)),
        ];
        if has_paths {
            cells.insert(2, (Look::Plain, cross.path.clone()));
        }
        table.push(cells);
    }
    table
}

fn symbols(board: &DemoBoard) -> TextTable {
    let mut table = TextTable::new(&[
        left("symbol", 0),
        right("vwap", 0),
        left("window", 3),
        right("open", 4),
        right("trades", 1),
        right("missing ids", 2),
    ]);
    for (name, symbol) in &board.symbols {
        let (start, last) = match &symbol.last {
            Some((start, vwap)) => (clock(*start), rate(vwap)),
            None => (String::new(), "-".to_owned()),
        };
        let look = if symbol.missing_ids == 0 { Look::Plain } else { Look::Warn };
        table.push(vec![
            (Look::Bold, name.clone()),
            (Look::Plain, last),
            (Look::Plain, start),
            provisional(symbol.open.as_ref().map(|(_, vwap)| rate(vwap))),
            (Look::Plain, grouped(symbol.trades)),
            (look, symbol.missing_ids.to_string()),
        ]);
    }
    table
}

fn partitions(board: &DemoBoard) -> TextTable {
    let mut table = TextTable::new(&[
        right("partition", 0),
        left("watermark", 0),
        left("", 1),
        right("read", 2),
        right("late", 4),
        right("duplicate", 5),
        right("bad", 3),
        right("future", 6),
    ]);
    for (number, partition) in board.partitions.iter().enumerate() {
        let holds = board.holds(partition);
        let behind = board.furthest().map_or(0, |f| f.millis().saturating_sub(partition.watermark.millis()));
        let (watermark, state) = match partition.watermark {
            _ if partition.ended => ("ended".to_owned(), String::new()),
            EventTime::MIN => ("-".to_owned(), "nothing came yet".to_owned()),
            w if holds => (
                fine_clock(w.millis()),
                format!("holds the frontier, {}.{} s behind", behind / 1_000, behind % 1_000 / 100),
            ),
            w => (fine_clock(w.millis()), String::new()),
        };
        let counts = &partition.counts;
        let count = |n: u64| (if n > 0 { Look::Warn } else { Look::Dim }, grouped(n));
        table.push(vec![
            (Look::Bold, number.to_string()),
            (Look::Plain, watermark),
            (if behind > 3_000 { Look::Warn } else { Look::Dim }, state),
            (Look::Plain, grouped(counts.read())),
            count(counts.late),
            count(counts.duplicate),
            count(counts.bad),
            count(counts.future),
        ]);
    }
    table
}

fn accounting(board: &DemoBoard) -> String {
    let counts = board.counts();
    let classes = counts.classes().map(|(class, n)| format!("{} {class}", grouped(n)));
    format!("{} read = {}", grouped(counts.read()), classes.join(" + "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_wrap_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 80), ["one two three"]);
        assert_eq!(wrapped("incomprehensible", 4), ["incomprehensible"]);
    }

    #[test]
    fn paintings_are_a_tenth_of_a_second_apart() {
        let mut screen = Screen::new(|| (80, 24), false, false);
        assert!(screen.is_due(Duration::ZERO));
        screen.painted = Some(Duration::from_millis(50));
        assert!(!screen.is_due(Duration::from_millis(149)));
        assert!(screen.is_due(Duration::from_millis(150)));
    }
}
