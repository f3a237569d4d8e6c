//! Paints: how far the job is, rows, partitions, keys.

use super::source::LatestRow as Rate;
use super::state::{TopState, View};
use crate::terminal::{clock, fine_clock, grouped, shortened};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Table, TableState};
use std::time::{SystemTime, UNIX_EPOCH};

const KEYS: &str = "/ search  s sort  * star  Tab crosses or symbols  ? help  q quit";

/// Partitions that are shown at most, those that matter first.
const PARTITIONS: usize = 8;

/// One frame.
pub(super) fn paint(frame: &mut Frame<'_>, state: &mut TopState) {
    let partitions = state.answer.progress.partitions.len().min(PARTITIONS) as u16;
    let [head, rows, below, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(4),
        Constraint::Length(if partitions == 0 { 0 } else { partitions + 2 }),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(vec![how_far(state), records(state)]), head);
    table(frame, state, rows);
    if partitions > 0 {
        lag(frame, state, below);
    }
    frame.render_widget(Paragraph::new(keys(state)), foot);
    if state.help {
        help(frame);
    }
}

/// Colors, where nobody asked for none (no-color.org).
fn colored(color: Color) -> Style {
    match std::env::var_os("NO_COLOR") {
        Some(value) if !value.is_empty() => Style::new(),
        _ => Style::new().fg(color),
    }
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn how_far(state: &TopState) -> Line<'static> {
    let progress = &state.answer.progress;
    let mut line = vec![Span::styled(format!("{}  ", state.url), bold())];
    match progress.frontier_ms {
        Some(ms) => line.push(Span::raw(format!("frontier {}  ", fine_clock(ms)))),
        None => line.push(Span::raw("no frontier  ")),
    }
    line.push(Span::styled(format!("{}  ", progress.state), colored(Color::Cyan)));
    if let Some(holder) = &progress.holder {
        let since = now_ms().saturating_sub(holder.since_ms) / 1_000;
        line.push(Span::styled(
            format!(
                "partition {} holds it, {} behind, for {since} s",
                holder.partition,
                lasting(holder.behind_ms)
            ),
            colored(Color::Yellow),
        ));
    } else if let Some(moved) = progress.moved_ms.filter(|_| progress.state == "running") {
        let ago = now_ms().saturating_sub(moved) / 1_000;
        line.push(Span::styled(format!("moved {ago} s ago"), dim()));
    }
    Line::from(line)
}

fn records(state: &TopState) -> Line<'static> {
    if let Some((why, since)) = &state.trouble {
        let words = format!("what follows is {} s old: {why}", since.elapsed().as_secs());
        return Line::styled(words, colored(Color::Red).add_modifier(Modifier::BOLD));
    }
    let records = &state.answer.progress.records;
    let mut line = vec![Span::raw(format!(
        "{} records read, {} accepted, {} duplicate",
        grouped(records.read),
        grouped(records.accepted),
        grouped(records.duplicate)
    ))];
    for (count, what) in [(records.late, "late"), (records.bad, "bad"), (records.future, "future")] {
        let style = if count > 0 { colored(Color::Red) } else { Style::new() };
        line.push(Span::styled(format!(", {} {what}", grouped(count)), style));
    }
    if let Some(seconds) = state.answer.cut_to {
        let words = format!("; rows of the last {} only are kept", lasting(seconds.saturating_mul(1_000)));
        line.push(Span::styled(words, colored(Color::Yellow)));
    }
    Line::from(line)
}

/// A column: its head, its width, and how soon it gives way where the terminal is narrow. A number that is
/// cut would be another number, so columns go whole.
type ScreenColumn = (&'static str, u16, u8);

/// The place of the column that is there where rows are of more than one definition of windows.
const WINDOW: usize = 2;

const CROSSES: [ScreenColumn; 11] = [
    ("", 1, 0),
    ("CROSS", 12, 0),
    ("WINDOW", 16, 0),
    ("RATE", 14, 0),
    ("SIGMA", 12, 1),
    ("N", 9, 3),
    ("MEAN", 14, 2),
    ("STD", 12, 2),
    ("TRADES", 9, 5),
    ("UNTIL", 8, 4),
    ("STATE", 11, 0),
];

const SYMBOLS: [ScreenColumn; 11] = [
    ("", 1, 0),
    ("SYMBOL", 12, 0),
    ("WINDOW", 16, 0),
    ("VWAP", 14, 0),
    ("SIGMA", 12, 1),
    ("LOW", 14, 2),
    ("HIGH", 14, 2),
    ("VOLUME", 14, 3),
    ("TRADES", 9, 5),
    ("UNTIL", 8, 4),
    ("STATE", 11, 0),
];

/// The columns that have room: blanks between them, and a border at each side.
fn with_room(columns: &[ScreenColumn], has_several_windows: bool, width: u16) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..columns.len()).filter(|at| *at != WINDOW || has_several_windows).collect();
    let needs = |kept: &[usize]| kept.iter().map(|at| columns[*at].1 + 1).sum::<u16>() + 1;
    for rank in (1..=5).rev() {
        if needs(&kept) > width {
            kept.retain(|at| columns[*at].2 != rank);
        }
    }
    kept
}

fn table(frame: &mut Frame<'_>, state: &TopState, area: Rect) {
    let stats = state.statistics();
    let rows = state.rows();
    let crosses = state.view == View::Crosses;
    let columns = if crosses { &CROSSES } else { &SYMBOLS };
    let kept = with_room(columns, state.has_several_windows(), area.width);
    let lines = rows.iter().map(|row| {
        let rate = |text: &Option<String>, at: usize| {
            text.as_deref().map_or("-".to_owned(), |text| fitting(text, 9, columns[at].1))
        };
        let double = |double: Option<f64>, at: usize| {
            double.map_or("-".to_owned(), |double| fitting(&format!("{double:.18}"), 3, columns[at].1))
        };
        let stats = stats.get(&(row.name.as_str(), row.window.as_str()));
        let middle = match crosses {
            true => [
                stats.and_then(|stats| stats.n).map_or("-".to_owned(), grouped),
                stats.map_or("-".to_owned(), |stats| rate(&stats.mean, 6)),
                stats.map_or("-".to_owned(), |stats| double(stats.std, 7)),
            ],
            false => [rate(&row.low, 5), rate(&row.high, 6), rate(&row.volume, 7)],
        };
        let (stage, style) = stage(row);
        let star = if state.is_starred(row) { "*" } else { "" };
        let mut cells = vec![
            Cell::from(star),
            Cell::from(row.name.clone()).style(bold()),
            Cell::from(row.window.clone()),
            right(rate(&row.vwap, 3)),
            right(double(row.vw_std, 4)),
        ];
        cells.extend(middle.map(right));
        cells.push(right(row.trades.map_or("-".to_owned(), grouped)));
        cells.push(Cell::from(clock(row.end_ms)));
        cells.push(Cell::from(stage).style(style));
        Row::new(kept.iter().map(|at| std::mem::take(&mut cells[*at])).collect::<Vec<_>>())
    });
    let heads = kept.iter().map(|at| match at {
        3..=8 => right(columns[*at].0.to_owned()),
        _ => Cell::from(columns[*at].0),
    });
    let search = if state.search.is_empty() { String::new() } else { format!(", with {:?}", state.search) };
    let kind = if crosses { "crosses" } else { "symbols" };
    let title = format!(" {} {kind} by {}{search} ", rows.len(), state.sort.as_str());
    let chosen = state.chosen(&rows).and_then(|at| rows.get(at));
    let others = chosen.map(|row| state.others(row)).unwrap_or_default();
    let mut block = Block::bordered().title(title);
    if !others.is_empty() {
        block = block.title_bottom(format!(" {} ", others.join("; ")));
    }
    let table = Table::new(lines, kept.iter().map(|at| Constraint::Length(columns[*at].1)))
        .header(Row::new(heads).style(dim()))
        .block(block)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut chosen = TableState::new().with_selected(state.chosen(&rows));
    frame.render_stateful_widget(table, area, &mut chosen);
}

/// A decimal with so many significant digits, or as many as fit; with an exponent where not even three do.
fn fitting(decimal: &str, significant: usize, width: u16) -> String {
    let fits = |text: &String| text.len() <= usize::from(width);
    let short = (3..=significant).rev().map(|digits| shortened(decimal, digits)).find(fits);
    short.unwrap_or_else(|| decimal.parse::<f64>().map_or("-".to_owned(), |double| format!("{double:.2e}")))
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).alignment(Alignment::Right))
}

/// How far a row's window is, and whether all of it is there.
fn stage(row: &Rate) -> (&'static str, Style) {
    if row.closed == Some(false) {
        // Of an open window trades are still to come: nothing is missing yet.
        return ("open", dim());
    }
    match (row.status.as_deref(), row.missing_ids) {
        (Some("leg_missing"), _) => ("no leg", colored(Color::Red)),
        (Some("carried"), _) => ("carried", colored(Color::Yellow)),
        (_, Some(missing)) if missing > 0 => ("missing ids", colored(Color::Yellow)),
        // More trades than their ids allow: the exchange counts from anew.
        (_, Some(missing)) if missing < 0 => ("too many", colored(Color::Yellow)),
        _ if row.last == Some(true) => ("final", colored(Color::Green)),
        _ if row.closed == Some(true) => ("closed", Style::new()),
        _ => ("open", dim()),
    }
}

fn lag(frame: &mut Frame<'_>, state: &TopState, area: Rect) {
    let mut partitions: Vec<_> = state.answer.progress.partitions.iter().collect();
    // The ones that hold the others back, before those that have no part in it.
    partitions.sort_by_key(|p| (!p.holds, p.ended, p.idle, std::cmp::Reverse(p.behind_ms), p.partition));
    let all = partitions.len();
    partitions.truncate(PARTITIONS);
    let lines = partitions.iter().map(|p| {
        let (what, style) = match (p.holds, p.ended, p.idle) {
            (true, ..) => ("holds the frontier", colored(Color::Yellow)),
            (_, true, _) => ("ended", dim()),
            (_, _, true) => ("idle", dim()),
            _ => ("", Style::new()),
        };
        Row::new([
            Cell::from(p.name.clone()),
            right(p.watermark_ms.map_or("-".to_owned(), fine_clock)),
            right(lasting(p.behind_ms)),
            right(grouped(p.records.read)),
            right(grouped(p.records.late)),
            Cell::from(what).style(style),
        ])
    });
    let heads = ["PARTITION", "WATERMARK", "BEHIND", "RECORDS", "LATE"];
    let heads = heads.into_iter().enumerate().map(|(place, name)| match place {
        0 => Cell::from(name),
        _ => right(name.to_owned()),
    });
    let shown = if all > partitions.len() {
        format!(" {PARTITIONS} of {all} partitions ")
    } else {
        " partitions ".into()
    };
    let widths = [28, 11, 9, 12, 8, 18].map(Constraint::Length);
    let table = Table::new(lines, widths).header(Row::new(heads).style(dim()));
    frame.render_widget(table.block(Block::new().title(shown).title_style(bold())), area);
}

/// So many milliseconds, as people say it.
fn lasting(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1_000..=119_999 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min", ms / 60_000),
    }
}

fn keys(state: &TopState) -> Line<'static> {
    if state.typing {
        return Line::from(vec![
            Span::styled(format!("/{}", state.search), bold()),
            Span::styled("_   Enter keeps it, Esc ends it", dim()),
        ]);
    }
    Line::styled(KEYS, dim())
}

fn help(frame: &mut Frame<'_>) {
    let text = [
        "/      only names with these letters; Esc shows all again",
        "s      by name, rate, spread, trades, newest window",
        "*      star the chosen row: stars stand above",
        "Tab    crosses, or symbols",
        "j k    the row below, above; arrows, Page and Home, End too",
        "q      quit",
        "",
        "SIGMA  volume-weighted deviation within the window",
        "N MEAN STD  of all rates so far, or of the last ones (--stats-last)",
        "STATE  open, closed (may be corrected), final; what is missing",
        "WINDOW the definition, where rows are of more than one",
    ];
    let area = frame.area();
    let (width, height) = (area.width.min(72), area.height.min(text.len() as u16 + 2));
    let place = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let lines: Vec<Line<'_>> = text.into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" help ")), place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shortened_until_it_fits_and_never_cut() {
        for (decimal, significant, width, expected) in [
            ("0.077587937249875650", 9, 14, "0.0775879372"),
            ("0.000008112345678901", 9, 14, "0.000008112346"),
            ("0.000000000000123456", 9, 14, "1.23e-13"),
            ("12345678901234567.5", 9, 14, "1.23e16"),
            ("0.000000000000000000", 3, 12, "0"),
            ("540.98700000", 9, 14, "540.987000"),
        ] {
            assert_eq!(fitting(decimal, significant, width), expected);
        }
    }

    #[test]
    fn ids_that_do_not_add_up_are_shown_whichever_way() {
        for (missing, shown) in [("2", "missing ids"), ("-1", "too many"), ("0", "final"), ("null", "final")]
        {
            let row = format!(r#"{{"status":null,"final":true,"missing_ids":{missing}}}"#);
            assert_eq!(stage(&serde_json::from_str(&row).unwrap()).0, shown);
        }
    }

    #[test]
    fn of_an_open_window_nothing_is_missing_yet() {
        for (status, missing) in [("null", "2"), ("\"leg_missing\"", "0"), ("null", "-1")] {
            let row =
                format!(r#"{{"status":{status},"closed":false,"final":false,"missing_ids":{missing}}}"#);
            assert_eq!(stage(&serde_json::from_str(&row).unwrap()).0, "open");
        }
    }

    #[test]
    fn a_narrow_screen_drops_whole_columns() {
        assert_eq!(with_room(&CROSSES, false, 130).len(), 10);
        assert_eq!(with_room(&CROSSES, true, 150).len(), 11);
        for columns in [&CROSSES, &SYMBOLS] {
            for (several, least) in [(false, 45), (true, 62)] {
                for width in least..140 {
                    let kept = with_room(columns, several, width);
                    assert!(kept.iter().map(|at| columns[*at].1 + 1).sum::<u16>() < width, "{width}");
                }
            }
            let names = |several, width| {
                let kept = with_room(columns, several, width).into_iter();
                kept.skip(2).map(|at| columns[at].0).collect::<Vec<_>>()
            };
            assert_eq!(names(false, 45), [columns[3].0, "STATE"]);
            assert_eq!(names(true, 62), ["WINDOW", columns[3].0, "STATE"]);
        }
    }
}
