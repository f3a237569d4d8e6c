//! Paints: how far the job is, rows, partitions, keys.

use super::source::Row as Rate;
use super::state::{State, View};
use crate::demo::text::{clock, deviation, fine_clock, grouped, rate, shortened};
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
pub(super) fn paint(frame: &mut Frame<'_>, state: &mut State) {
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

fn how_far(state: &State) -> Line<'static> {
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

fn records(state: &State) -> Line<'static> {
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
    Line::from(line)
}

fn table(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let stats = state.statistics();
    let rows = state.rows();
    let crosses = state.view == View::Crosses;
    let (names, widths): (&[&str], &[u16]) = match crosses {
        true => (
            &["", "CROSS", "RATE", "SIGMA", "N", "MEAN", "STD", "TRADES", "UNTIL", "WINDOW"],
            &[1, 12, 14, 12, 7, 14, 12, 8, 8, 11],
        ),
        false => (
            &["", "SYMBOL", "VWAP", "SIGMA", "LOW", "HIGH", "VOLUME", "TRADES", "UNTIL", "WINDOW"],
            &[1, 12, 14, 12, 14, 14, 14, 8, 8, 11],
        ),
    };
    let lines = rows.iter().map(|row| {
        let text = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), rate);
        let stats = stats.get(row.name.as_str());
        let middle = match crosses {
            true => [
                stats.and_then(|stats| stats.n).map_or("-".to_owned(), grouped),
                stats.map_or("-".to_owned(), |stats| text(&stats.mean)),
                stats.map_or("-".to_owned(), |stats| deviation(stats.std)),
            ],
            false => [
                text(&row.low),
                text(&row.high),
                row.volume.as_deref().map_or("-".into(), |v| shortened(v, 6)),
            ],
        };
        let (window, style) = window(row);
        let star = if state.is_starred(row) { "*" } else { "" };
        let mut cells = vec![
            Cell::from(star),
            Cell::from(row.name.clone()).style(bold()),
            right(text(&row.vwap)),
            right(deviation(row.vw_std)),
        ];
        cells.extend(middle.map(right));
        cells.push(right(row.trades.map_or("-".to_owned(), grouped)));
        cells.push(Cell::from(clock(row.end_ms)));
        cells.push(Cell::from(window).style(style));
        Row::new(cells)
    });
    let heads = names.iter().enumerate().map(|(place, name)| match place {
        2..=7 => right((*name).to_owned()),
        _ => Cell::from(*name),
    });
    let search = if state.search.is_empty() { String::new() } else { format!(", with {:?}", state.search) };
    let kind = if crosses { "crosses" } else { "symbols" };
    let title = format!(" {} {kind} by {}{search} ", rows.len(), state.sort.as_str());
    let table = Table::new(lines, widths.iter().map(|width| Constraint::Length(*width)))
        .header(Row::new(heads).style(dim()))
        .block(Block::bordered().title(title))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut chosen = TableState::new().with_selected(state.chosen(&rows));
    frame.render_stateful_widget(table, area, &mut chosen);
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).alignment(Alignment::Right))
}

/// How far a row's window is, and whether all of it is there.
fn window(row: &Rate) -> (&'static str, Style) {
    match (row.status.as_deref(), row.missing_ids) {
        (Some("leg_missing"), _) => ("no leg", colored(Color::Red)),
        (Some("carried"), _) => ("carried", colored(Color::Yellow)),
        (_, Some(missing)) if missing > 0 => ("missing ids", colored(Color::Yellow)),
        _ if row.last == Some(true) => ("final", colored(Color::Green)),
        _ if row.closed == Some(true) => ("closed", Style::new()),
        _ => ("open", dim()),
    }
}

fn lag(frame: &mut Frame<'_>, state: &State, area: Rect) {
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

fn keys(state: &State) -> Line<'static> {
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
        "WINDOW open, closed (may be corrected), final; what is missing",
    ];
    let area = frame.area();
    let (width, height) = (area.width.min(72), area.height.min(text.len() as u16 + 2));
    let place = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let lines: Vec<Line<'_>> = text.into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" help ")), place);
}
