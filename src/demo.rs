//! What `crossrate demo` shows: on a terminal a live table, painted over in place; into a pipe plain lines.
//!
//! The display is told what the run produces (rows, refused records, progress) and knows nothing of how it is
//! computed, of threads or of clocks. [`board`] remembers what was told and finds what is worth a note;
//! [`screen`] paints it, [`lines`] prints it. The market is [`crate::source::simulated::market`].

use crate::config::Speed;
use crate::source::simulated::Market;
use crate::source::simulated::market::{DELAY, GRACE};
use board::{Announcement, DemoBoard};
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::market::definition::{Cross, Definition, Emit, Leg, Selection, Windows};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::windows::{Period, WindowDefinition};
use std::io::{self, Write};
use std::time::Duration;

mod board;
pub mod command;
mod ending;
mod lines;
mod screen;
mod table;

/// What the demo computes where nobody asks for anything else: corrections and provisional rows are on, so
/// that they can be seen. The command line's defaults say the same, in texts.
pub fn definition() -> Definition {
    let leg = |symbol: &str, inverse| Leg { symbol: Symbol::new(symbol), inverse };
    let cross = |name, legs| Cross { name: Symbol::new(name), legs };
    Definition {
        crosses: vec![
            cross("XRPETH", vec![leg("XRPBTC", false), leg("ETHBTC", true)]),
            cross("XVGUSDT", vec![leg("XVGBTC", false), leg("BTCUSDT", false)]),
        ],
        symbols: Selection::Only(
            (0..Market::PARTITIONS).flat_map(Market::symbols).map(Symbol::new).collect(),
        ),
        windows: Windows::new([
            WindowDefinition::Sliding { size: 10_000_000, slide: 10_000_000 },
            WindowDefinition::Anchored(Period::All, 10_000_000),
        ]),
        delay: DELAY,
        grace: GRACE,
        emit: Emit::Changes,
        provisional: true,
        tick: 250_000,
        ..Definition::default()
    }
}

/// What the demo says of itself.
#[derive(Debug, Clone)]
pub struct DemoDescription {
    /// How this program was called, for commands to try.
    pub program: String,
    /// The flags that decide what is computed, as a shell wants them, each after a blank.
    pub flags: String,
    /// How fast event time passes.
    pub speed: Speed,
    /// The market.
    pub market: Market,
    /// What is computed of it.
    pub definition: Definition,
    /// Worker threads.
    pub workers: usize,
    /// Where the live page is, if there is one.
    pub page: Option<String>,
}

/// Where the display appears.
#[derive(Debug, Copy, Clone)]
pub enum Surface {
    /// A terminal that obeys ANSI escapes.
    Terminal {
        /// Its width and height now; asked before each painting.
        size: fn() -> (usize, usize),
        /// Whether colours are wanted: not where `NO_COLOR` is set to anything.
        colour: bool,
        /// Whether it shows more than ASCII.
        unicode: bool,
    },
    /// Anything else: lines.
    Plain,
}

impl Surface {
    /// What standard output is.
    pub fn of_stdout() -> Self {
        use std::io::IsTerminal;
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if !io::stdout().is_terminal() || dumb {
            return Surface::Plain;
        }
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| {
            let value = std::env::var(name).ok()?;
            (!value.is_empty()).then(|| value.to_ascii_lowercase())
        });
        let unicode = locale.is_some_and(|l| l.contains("utf-8") || l.contains("utf8"));
        let size =
            || terminal_size::terminal_size().map_or((80, 24), |(w, h)| (usize::from(w.0), usize::from(h.0)));
        Surface::Terminal { size, colour: !set("NO_COLOR"), unicode }
    }
}

/// A record that was refused: a dead letter without its bytes.
#[derive(Debug, Copy, Clone)]
pub struct RefusalLine<'a> {
    /// Where it stood.
    pub partition: usize,
    /// Where it stood in its partition.
    pub offset: i64,
    /// `bad`, `late` or `future`.
    pub reason: &'a str,
    /// Why, in words.
    pub detail: &'a str,
}

/// How far a partition is.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub struct DemoPartition {
    /// What became of its records.
    pub counts: Counts,
    /// Its watermark.
    pub watermark: EventTime,
    /// Whether it has ended.
    pub ended: bool,
}

/// How far the run is.
#[derive(Debug, Copy, Clone)]
pub struct DemoProgress<'a> {
    /// By number.
    pub partitions: &'a [DemoPartition],
    /// What is proven: no row at or before it can still come.
    pub frontier: EventTime,
    /// Time on the wall since the run began.
    pub elapsed: Duration,
}

/// How the demo ended.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum DemoEnding {
    /// The market has closed.
    Complete,
    /// The user had seen enough.
    Interrupted,
}

/// Shows a run while it goes on. Told in the order in which things happen; every error is one of writing.
#[derive(Debug)]
pub struct Display<W> {
    about: DemoDescription,
    board: DemoBoard,
    face: Face,
    out: W,
}

#[derive(Debug)]
enum Face {
    Screen(screen::Screen),
    Lines,
}

impl<W: Write> Display<W> {
    /// Says at once what is going on.
    pub fn new(about: DemoDescription, surface: Surface, mut out: W) -> io::Result<Self> {
        let board = DemoBoard::of(about.definition.windows.at(0).name());
        let face = match surface {
            Surface::Terminal { size, colour, unicode } => {
                let mut screen = screen::Screen::new(size, colour, unicode);
                screen.paint(&about, &board, &mut out)?;
                Face::Screen(screen)
            }
            Surface::Plain => {
                lines::begin(&about, &mut out)?;
                Face::Lines
            }
        };
        out.flush()?;
        Ok(Display { about, board, face, out })
    }

    /// Rows that left, in their order.
    pub fn rows<'a>(&mut self, rows: impl IntoIterator<Item = &'a Row>) -> io::Result<()> {
        for row in rows {
            let told = self.board.row(row);
            self.tell(&told)?;
        }
        self.flush_lines()
    }

    /// A record that was refused.
    pub fn refused(&mut self, refused: &RefusalLine<'_>) -> io::Result<()> {
        let told = self.board.refused(refused);
        self.tell(&told)?;
        self.flush_lines()
    }

    /// How far the run is. Paints, where a terminal is there and the last painting is a tenth of a second
    /// ago.
    pub fn progress(&mut self, progress: &DemoProgress<'_>) -> io::Result<()> {
        let told = self.board.progress(progress);
        self.tell(&told)?;
        if let Face::Screen(screen) = &mut self.face
            && screen.is_due(progress.elapsed)
        {
            screen.paint(&self.about, &self.board, &mut self.out)?;
        }
        self.flush_lines()
    }

    /// The run has ended: the accounting, the digest, and what to try next.
    pub fn finish(mut self, progress: &DemoProgress<'_>, ending: DemoEnding) -> io::Result<()> {
        let told = self.board.progress(progress);
        self.tell(&told)?;
        if let Face::Screen(screen) = &mut self.face {
            screen.paint(&self.about, &self.board, &mut self.out)?;
        }
        ending::write(&self.about, &self.board, ending, &mut self.out)?;
        self.out.flush()
    }

    fn tell(&mut self, told: &[Announcement]) -> io::Result<()> {
        match self.face {
            // The screen shows what the board remembers.
            Face::Screen(_) => Ok(()),
            Face::Lines => told.iter().try_for_each(|told| lines::write(told, &mut self.out)),
        }
    }

    fn flush_lines(&mut self) -> io::Result<()> {
        match self.face {
            Face::Screen(_) => Ok(()),
            Face::Lines => self.out.flush(),
        }
    }
}
