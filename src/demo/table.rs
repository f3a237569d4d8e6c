//! Tables that fit: columns that matter less go first when the terminal is narrow.

/// How a piece of text looks. What it means is the caller's.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub(super) enum Look {
    #[default]
    Plain,
    Bold,
    Dim,
    Good,
    Warn,
    Wrong,
}

impl Look {
    fn sgr(self) -> Option<&'static str> {
        match self {
            Look::Plain => None,
            Look::Bold => Some("\x1b[1m"),
            Look::Dim => Some("\x1b[2m"),
            Look::Good => Some("\x1b[32m"),
            Look::Warn => Some("\x1b[33m"),
            Look::Wrong => Some("\x1b[31m"),
        }
    }
}

/// A line of pieces. Every character takes one place: symbols and numbers only, and block elements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StyledLine(Vec<(Look, String)>);

impl StyledLine {
    pub(super) fn of(look: Look, text: impl Into<String>) -> Self {
        StyledLine(vec![(look, text.into())])
    }

    pub(super) fn then(mut self, look: Look, text: impl Into<String>) -> Self {
        self.0.push((look, text.into()));
        self
    }

    /// As many characters as there is room for. Control characters, which could come with a symbol's name or
    /// a record's text, would move the cursor: they are shown as question marks.
    pub(super) fn write(&self, width: usize, colour: bool, out: &mut String) {
        let mut room = width;
        for (look, text) in &self.0 {
            let sgr = look.sgr().filter(|_| colour);
            out.push_str(sgr.unwrap_or_default());
            out.extend(text.chars().take(room).map(|c| if c.is_control() { '?' } else { c }));
            room -= text.chars().count().min(room);
            if sgr.is_some() {
                out.push_str("\x1b[0m");
            }
        }
    }
}

/// A column's title, side, and how soon it goes when room is scarce: the greatest first, 0 never.
#[derive(Debug, Copy, Clone)]
pub(super) struct TableColumn {
    pub(super) title: &'static str,
    pub(super) right: bool,
    pub(super) expendable: u8,
}

/// A table, with two blanks between columns.
#[derive(Debug)]
pub(super) struct TextTable {
    columns: Vec<TableColumn>,
    rows: Vec<Vec<(Look, String)>>,
}

impl TextTable {
    pub(super) fn new(columns: &[TableColumn]) -> Self {
        TextTable { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// A row of as many cells as there are columns.
    pub(super) fn push(&mut self, row: Vec<(Look, String)>) {
        self.rows.push(row);
    }

    /// The title line and the rows, at most so wide where columns can be spared.
    pub(super) fn lines(&self, width: usize) -> Vec<StyledLine> {
        let widths: Vec<usize> = (0..self.columns.len()).map(|c| self.width_of(c)).collect();
        let mut kept: Vec<usize> = (0..self.columns.len()).collect();
        while kept.iter().map(|&c| widths[c] + 2).sum::<usize>() > width + 2 {
            let Some((at, _)) = kept
                .iter()
                .enumerate()
                .filter(|(_, c)| self.columns[**c].expendable > 0)
                .max_by_key(|(_, c)| self.columns[**c].expendable)
            else {
                break;
            };
            kept.remove(at);
        }
        let line = |cells: &dyn Fn(usize) -> (Look, String)| {
            let mut line = StyledLine::default();
            for (nth, &c) in kept.iter().enumerate() {
                let (look, text) = cells(c);
                let blanks = " ".repeat(widths[c] - text.chars().count().min(widths[c]));
                let gap = if nth > 0 { "  " } else { "" };
                line = if self.columns[c].right {
                    line.then(Look::Plain, format!("{gap}{blanks}")).then(look, text)
                } else {
                    line.then(Look::Plain, gap).then(look, text).then(Look::Plain, blanks)
                };
            }
            line
        };
        let titles = line(&|c| (Look::Dim, self.columns[c].title.to_owned()));
        let rows = self.rows.iter().map(|row| line(&|c| row.get(c).cloned().unwrap_or_default()));
        std::iter::once(titles).chain(rows).collect()
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|(_, text)| text.chars().count());
        cells.chain([self.columns[column].title.len()]).max().unwrap_or(0)
    }
}

/// Numbers as a curve of eight heights between the least and the greatest.
pub(super) fn curve(values: impl Iterator<Item = f64> + Clone, unicode: bool) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 8] = ['_', '_', '.', '-', '-', '=', '^', '^'];
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let greatest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    let heights = if unicode { BLOCKS } else { ASCII };
    // With one value, or equal ones, the quotient is none, and the cast makes it 0.
    values.map(|v| heights[(((v - least) / (greatest - least) * 8.0) as usize).min(7)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[StyledLine], width: usize) -> Vec<String> {
        let write = |line: &StyledLine| {
            let mut out = String::new();
            line.write(width, false, &mut out);
            out
        };
        lines.iter().map(write).collect()
    }

    #[test]
    fn columns_go_by_how_expendable_they_are() {
        let column = |title, expendable| TableColumn { title, right: expendable > 0, expendable };
        let mut table = TextTable::new(&[column("a", 0), column("bb", 2), column("c", 1)]);
        table.push(vec![(Look::Bold, "name".into()), (Look::Plain, "1".into()), (Look::Warn, "22".into())]);
        assert_eq!(text(&table.lines(12), 12), ["a     bb   c", "name   1  22"]);
        assert_eq!(text(&table.lines(11), 11), ["a      c", "name  22"]);
        assert_eq!(text(&table.lines(7), 7), ["a   ", "name"]);
        assert_eq!(text(&table.lines(3), 3), ["a  ", "nam"]);
    }

    #[test]
    fn colours_do_not_take_room_and_controls_do_not_act() {
        let line = StyledLine::of(Look::Good, "ab\x1b[2J").then(Look::Plain, "cd");
        let mut out = String::new();
        line.write(4, true, &mut out);
        assert_eq!(out, "\x1b[32mab?[\x1b[0m");
        out.clear();
        line.write(80, false, &mut out);
        assert_eq!(out, "ab?[2Jcd");
    }

    #[test]
    fn values_are_drawn_as_a_curve_of_blocks() {
        assert_eq!(curve([1.0, 2.0, 3.0].into_iter(), true), "▁▅█");
        assert_eq!(curve([1.0, 2.0, 3.0].into_iter(), false), "_-^");
        assert_eq!(curve([5.0, 5.0].into_iter(), true), "▁▁");
        assert_eq!(curve([].into_iter(), true), "");
    }
}
