//! What was told, and what the keys did: which rows are shown, in which order, which one is chosen. Paints
//! nothing.

use super::source::{LatestRow, ServerPoll, ServerSnapshot};
use crossrate_dataflows::market::schema::RowKind;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// What rows are shown.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum View {
    Crosses,
    Symbols,
}

/// In which order, stars before the others.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    Rate,
    Spread,
    Trades,
    Newest,
}

impl Sort {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Sort::Name => "name",
            Sort::Rate => "rate",
            Sort::Spread => "spread, relative to the rate",
            Sort::Trades => "trades",
            Sort::Newest => "newest window",
        }
    }

    fn next(self) -> Sort {
        match self {
            Sort::Name => Sort::Rate,
            Sort::Rate => Sort::Spread,
            Sort::Spread => Sort::Trades,
            Sort::Trades => Sort::Newest,
            Sort::Newest => Sort::Name,
        }
    }
}

/// All of it.
#[derive(Debug)]
pub(super) struct TopState {
    pub(super) url: String,
    pub(super) answer: ServerSnapshot,
    /// Why there is no newer answer, and since when.
    pub(super) trouble: Option<(String, Instant)>,
    pub(super) view: View,
    pub(super) sort: Sort,
    pub(super) search: String,
    /// Letters go into the search.
    pub(super) typing: bool,
    pub(super) help: bool,
    pub(super) over: bool,
    starred: BTreeSet<String>,
    /// The chosen row, by name and definition: it stays chosen wherever it moves to.
    chosen: Option<(String, String)>,
}

impl TopState {
    pub(super) fn new(url: &str, answer: ServerSnapshot) -> Self {
        TopState {
            url: url.to_owned(),
            answer,
            trouble: None,
            view: View::Crosses,
            sort: Sort::Name,
            search: String::new(),
            typing: false,
            help: false,
            over: false,
            starred: BTreeSet::new(),
            chosen: None,
        }
    }

    /// News.
    pub(super) fn told(&mut self, told: ServerPoll) {
        match told {
            Ok(answer) => (self.answer, self.trouble) = (answer, None),
            Err(why) => {
                let since = self.trouble.take().map_or_else(Instant::now, |(_, since)| since);
                self.trouble = Some((why, since));
            }
        }
    }

    /// The statistics of crosses, by name and definition of windows.
    pub(super) fn statistics(&self) -> BTreeMap<(&str, &str), &LatestRow> {
        let stats = self.answer.rows.iter().filter(|row| row.kind == "stats");
        stats.map(|row| ((row.name.as_str(), row.window.as_str()), row)).collect()
    }

    /// Whether there are rows of more than one definition of windows.
    pub(super) fn has_several_windows(&self) -> bool {
        let mut windows = self.answer.rows.iter().map(|row| row.window.as_str());
        let first = windows.next();
        windows.any(|window| Some(window) != first)
    }

    /// Rows beside a row that have no columns here, a line each: the kind, and its fields as they are.
    pub(super) fn others(&self, of: &LatestRow) -> Vec<String> {
        let placed = ["cross", "symbol", "stats"];
        let beside = |row: &&LatestRow| row.name == of.name && row.window == of.window;
        let others = self.answer.rows.iter().filter(beside).filter(|row| !placed.contains(&&*row.kind));
        let line = |row: &LatestRow| {
            let fields = RowKind::parse(&row.kind)?.schema().own().iter();
            let known = |field: &str| match field {
                "status" => row.status.clone(),
                "vwap" => row.vwap.clone(),
                other => row.rest.get(other).map(|value| match value {
                    Value::String(text) => text.clone(),
                    Value::Null => "-".to_owned(),
                    other => other.to_string(),
                }),
            };
            let fields = fields.filter_map(|field| Some(format!("{} {}", field.name, known(field.name)?)));
            Some(format!("{}: {}", row.kind, fields.collect::<Vec<_>>().join(", ")))
        };
        others.filter_map(line).collect()
    }

    /// The rows that are shown, in order.
    pub(super) fn rows(&self) -> Vec<&LatestRow> {
        let kind = if self.view == View::Crosses { "cross" } else { "symbol" };
        let search = self.search.to_uppercase();
        let rows = self.answer.rows.iter().filter(|row| row.kind == kind);
        let mut rows: Vec<&LatestRow> =
            rows.filter(|row| row.name.to_uppercase().contains(&search)).collect();
        rows.sort_by(|a, b| {
            let stars = self.is_starred(b).cmp(&self.is_starred(a));
            stars.then_with(|| self.order(a, b)).then_with(|| a.name.cmp(&b.name))
        });
        rows
    }

    pub(super) fn is_starred(&self, row: &LatestRow) -> bool {
        self.starred.contains(&row.name)
    }

    /// Which row is chosen: the first one where that is gone.
    pub(super) fn chosen(&self, rows: &[&LatestRow]) -> Option<usize> {
        let is_chosen = |row: &&LatestRow| {
            self.chosen.as_ref().is_some_and(|(name, window)| *name == row.name && *window == row.window)
        };
        let found = rows.iter().position(is_chosen);
        found.or((!rows.is_empty()).then_some(0))
    }

    /// Greatest first, but for names. What has no number stands last.
    fn order(&self, a: &LatestRow, b: &LatestRow) -> Ordering {
        let rate = |row: &LatestRow| row.vwap.as_ref().and_then(|rate| rate.parse::<f64>().ok());
        let spread = |row: &LatestRow| Some(row.vw_std? / rate(row)?);
        let by = |of: &dyn Fn(&LatestRow) -> Option<f64>| {
            let least = f64::NEG_INFINITY;
            of(b).unwrap_or(least).total_cmp(&of(a).unwrap_or(least))
        };
        match self.sort {
            Sort::Name => Ordering::Equal,
            Sort::Rate => by(&rate),
            Sort::Spread => by(&spread),
            Sort::Trades => b.trades.cmp(&a.trades),
            Sort::Newest => b.end_ms.cmp(&a.end_ms),
        }
    }

    fn choose(&mut self, step: isize) {
        let rows = self.rows();
        let now = self.chosen(&rows).unwrap_or(0);
        let then = now.saturating_add_signed(step).min(rows.len().saturating_sub(1));
        self.chosen = rows.get(then).map(|row| (row.name.clone(), row.window.clone()));
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: KeyEvent) {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            self.over |= key.code == KeyCode::Char('c');
            return;
        }
        if self.typing {
            match key.code {
                KeyCode::Enter => self.typing = false,
                KeyCode::Esc => (self.typing, self.search) = (false, String::new()),
                KeyCode::Backspace => drop(self.search.pop()),
                KeyCode::Char(c) => self.search.push(c),
                _ => {}
            }
            return;
        }
        if std::mem::take(&mut self.help) && key.code != KeyCode::Char('q') {
            return;
        }
        match key.code {
            KeyCode::Char('q') => self.over = true,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('/') => (self.typing, self.search) = (true, String::new()),
            KeyCode::Esc => self.search.clear(),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Tab => {
                self.view = if self.view == View::Crosses { View::Symbols } else { View::Crosses };
            }
            KeyCode::Char('*' | ' ') => {
                let rows = self.rows();
                if let Some(row) = self.chosen(&rows).map(|at| rows[at]) {
                    let (name, window) = (row.name.clone(), row.window.clone());
                    if !self.starred.remove(&name) {
                        self.starred.insert(name.clone());
                    }
                    self.chosen = Some((name, window));
                }
            }
            KeyCode::Down | KeyCode::Char('j') => self.choose(1),
            KeyCode::Up | KeyCode::Char('k') => self.choose(-1),
            KeyCode::PageDown => self.choose(10),
            KeyCode::PageUp => self.choose(-10),
            KeyCode::Home => self.choose(isize::MIN),
            KeyCode::End => self.choose(isize::MAX),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> TopState {
        let row = |name: &str, vwap: Option<&str>, vw_std, trades| LatestRow {
            kind: "cross".into(),
            name: name.into(),
            vwap: vwap.map(str::to_owned),
            vw_std,
            trades: Some(trades),
            ..LatestRow::default()
        };
        let rows = vec![
            row("XVGUSDT", Some("0.07"), Some(0.007), 5),
            row("EURBTC", None, None, 9),
            row("XRPETH", Some("0.0009"), Some(0.000001), 7),
        ];
        TopState::new("http://localhost", ServerSnapshot { rows, ..ServerSnapshot::default() })
    }

    fn names(state: &TopState) -> Vec<&str> {
        state.rows().into_iter().map(|row| row.name.as_str()).collect()
    }

    fn press(state: &mut TopState, keys: &str) {
        for c in keys.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\x1b' => KeyCode::Esc,
                c => KeyCode::Char(c),
            };
            state.key(KeyEvent::new(code, KeyModifiers::NONE));
        }
    }

    #[test]
    fn sorting_searching_and_stars() {
        let mut state = state();
        assert_eq!(names(&state), ["EURBTC", "XRPETH", "XVGUSDT"]);
        for order in [
            ["XVGUSDT", "XRPETH", "EURBTC"],
            ["XVGUSDT", "XRPETH", "EURBTC"],
            ["EURBTC", "XRPETH", "XVGUSDT"],
            ["EURBTC", "XRPETH", "XVGUSDT"],
            ["EURBTC", "XRPETH", "XVGUSDT"],
        ] {
            press(&mut state, "s");
            assert_eq!(names(&state), order, "{:?}", state.sort);
        }
        press(&mut state, "jj*");
        assert_eq!(names(&state), ["XVGUSDT", "EURBTC", "XRPETH"]);
        press(&mut state, "/xs*q\n");
        assert!(names(&state).is_empty() && !state.over);
        press(&mut state, "/btc\n");
        assert_eq!(names(&state), ["EURBTC"]);
        press(&mut state, "\x1b*");
        assert_eq!(
            names(&state),
            ["EURBTC", "XRPETH", "XVGUSDT"],
            "the chosen row was starred, and is no more"
        );
    }

    #[test]
    fn of_a_name_with_several_windows_one_row_is_chosen() {
        let mut state = state();
        assert!(!state.has_several_windows());
        let row = |kind: &str, window: &str, n| LatestRow {
            kind: kind.into(),
            name: "XVGUSDT".into(),
            window: window.into(),
            n,
            ..LatestRow::default()
        };
        state.answer.rows = vec![
            row("cross", "10s", None),
            row("cross", "anchored:all/10s", None),
            row("stats", "10s", Some(3)),
            row("stats", "anchored:all/10s", Some(4)),
        ];
        assert!(state.has_several_windows());
        press(&mut state, "j");
        assert_eq!(state.chosen(&state.rows()), Some(1));
        assert_eq!(state.statistics()[&("XVGUSDT", "anchored:all/10s")].n, Some(4));
    }

    #[test]
    fn help_goes_by_any_key_and_q_ends() {
        let mut state = state();
        press(&mut state, "?");
        assert!(state.help);
        press(&mut state, "s");
        assert!(!state.help && state.sort == Sort::Name);
        press(&mut state, "?q");
        assert!(state.over);
    }

    #[test]
    fn trouble_has_a_beginning_and_an_end() {
        let mut state = state();
        state.told(Err("refused".into()));
        let since = state.trouble.as_ref().unwrap().1;
        state.told(Err("reset".into()));
        assert_eq!(state.trouble.as_ref().map(|(why, at)| (why.as_str(), *at)), Some(("reset", since)));
        assert_eq!(state.rows().len(), 3);
        state.told(Ok(ServerSnapshot::default()));
        assert!(state.trouble.is_none());
    }
}
