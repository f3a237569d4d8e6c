//! Folders of files by day: `TABLE/date=DAY/FILE`, or of a job with several window definitions
//! `TABLE/window=DEFINITION/date=DAY/FILE`. A sink writes them; here is which file is where, and which files
//! hold the rows of a folder. [`reading`] reads them.

pub(crate) mod reading;

use crate::config::DayForm;
use crossrate_dataflows::market::row::RowKind;
use crossrate_dataflows::market::windows::{WindowDefinition, WindowName, Zone};
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) const ROWS_CSV: &str = "rows.csv";
pub(crate) const ROWS_PARQUET: &str = "rows.parquet";
/// The SHA-256 of `rows.parquet` beside it, as `sha256sum` writes and checks it.
pub(crate) const PARQUET_SUM: &str = "_rows.parquet.sha256";
/// Rows that become Parquet when their day is over. Readers of whole folders pass over names that begin so.
pub(crate) const GATHERED: &str = "_rows.jsonl";

/// One file. In order of days.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DayFileKey {
    /// The day, counted from the epoch.
    pub(crate) day: u64,
    /// The kind of its rows.
    pub(crate) kind: RowKind,
    /// The definition of their windows, where each has a folder of its own.
    pub(crate) window: Option<WindowName>,
}

impl DayFileKey {
    /// The path of a file of it.
    pub(crate) fn path(&self, root: &Path, file: &str) -> PathBuf {
        let mut path = root.join(self.kind.schema().table);
        if let Some(window) = &self.window {
            path.push(format!("{WINDOW}{}", escaped(window)));
        }
        path.push(format!("{DATE}{}", date(self.day)));
        path.push(file);
        path
    }
}

/// The days that have a file of that name, in either layout.
pub(crate) fn places(root: &Path, file: &str) -> io::Result<Vec<DayFileKey>> {
    let mut found = Vec::new();
    for kind in RowKind::ALL {
        let table = root.join(kind.schema().table);
        let there = names(&table)?;
        let windows = there.iter().filter_map(|name| window(name)).map(Some);
        for window in windows.chain([None]).collect::<Vec<_>>() {
            let within = window.as_ref().map(|w| names(&table.join(format!("{WINDOW}{}", escaped(w)))));
            let within = within.transpose()?;
            let dates = within.as_ref().unwrap_or(&there).iter();
            let places =
                dates.filter_map(|name| Some(DayFileKey { day: day(name)?, kind, window: window.clone() }));
            found.extend(places.filter(|place| place.path(root, file).exists()));
        }
    }
    Ok(found)
}

/// The names in a folder; none where it is not there.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let name = |entry: io::Result<std::fs::DirEntry>| entry.map(|entry| entry.file_name());
    let names = entries.map(name).collect::<Result<Vec<_>, _>>()?;
    Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// How the rows of a file are written.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum FileForm {
    /// Records, a header before them.
    Csv,
    /// JSON objects, a line each.
    Lines,
    /// Parquet.
    Parquet,
}

/// A file that holds the rows of its day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DayFile {
    /// Whose rows.
    pub(crate) place: DayFileKey,
    /// Its path.
    pub(crate) path: PathBuf,
    /// How they are written.
    pub(crate) form: FileForm,
}

impl DayFile {
    /// The Parquet file that what is gathered becomes.
    pub(crate) fn packed(&self) -> Option<DayFile> {
        let path = self.path.with_file_name(ROWS_PARQUET);
        let packed = DayFile { path, form: FileForm::Parquet, place: self.place.clone() };
        (self.form == FileForm::Lines).then_some(packed)
    }
}

/// The files that hold the rows of a folder, in order of days. What a day gathers for Parquet is all that the
/// day has; the Parquet file beside it, of a run that has ended, may be older.
pub(crate) fn files(root: &Path, form: DayForm) -> io::Result<Vec<DayFile>> {
    let names: &[(&str, FileForm)] = match form {
        DayForm::Csv => &[(ROWS_CSV, FileForm::Csv)],
        // In this order: what a day has gathered goes once its Parquet file is there.
        DayForm::Parquet => &[(GATHERED, FileForm::Lines), (ROWS_PARQUET, FileForm::Parquet)],
    };
    let mut found = BTreeMap::new();
    for (name, form) in names {
        for place in places(root, name)? {
            let path = place.path(root, name);
            found.entry(place.clone()).or_insert(DayFile { place, path, form: *form });
        }
    }
    Ok(found.into_values().collect())
}

/// In which forms a folder has files by day.
pub(crate) fn forms(root: &Path) -> io::Result<Vec<DayForm>> {
    let mut found = Vec::new();
    for form in [DayForm::Csv, DayForm::Parquet] {
        if !files(root, form)?.is_empty() {
            found.push(form);
        }
    }
    Ok(found)
}

/// How the name of a day's folder begins.
const DATE: &str = "date=";
/// How the name of the folder of a window definition begins.
const WINDOW: &str = "window=";

/// A definition as part of a folder's name, as Hive escapes it: of what definitions are written with,
/// slashes and colons.
fn escaped(window: &str) -> String {
    window.replace('%', "%25").replace('/', "%2F").replace(':', "%3A")
}

/// The definition whose rows are in a folder of that name.
pub(crate) fn window(folder: &str) -> Option<WindowName> {
    let found = folder.strip_prefix(WINDOW)?;
    let text = found.replace("%2F", "/").replace("%3A", ":").replace("%25", "%");
    let definition = WindowDefinition::parse(&text, &Zone::utc()).ok()?;
    (definition.to_string() == text && escaped(&text) == found).then(|| text.into())
}

/// The first day.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// The date of a day since the epoch.
fn date(day: u64) -> String {
    let days = i64::try_from(day).map_or(i64::MAX, |days| days);
    let date = jiff::Span::new().try_days(days).and_then(|span| EPOCH.checked_add(span));
    date.unwrap_or(Date::MAX).to_string()
}

/// The day whose folder has that name; `None` where it is none's.
pub(crate) fn day(folder: &str) -> Option<u64> {
    let text = folder.strip_prefix(DATE)?;
    let found: Date = text.parse().ok()?;
    let days = EPOCH.until(found).ok()?.get_days();
    u64::try_from(days).ok().filter(|_| found.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_since_the_epoch_are_printed_as_dates() {
        for (day_number, text) in
            [(0, "1970-01-01"), (11_016, "2000-02-29"), (17_650, "2018-04-29"), (47_541, "2100-03-01")]
        {
            assert_eq!(date(day_number), text);
            assert_eq!(day(&format!("date={text}")), Some(day_number));
        }
        for number in 0..60_000 {
            assert_eq!(day(&format!("date={}", date(number))), Some(number));
        }
        for text in ["2018-02-29", "2018-4-29", "2018-04-29-1", "1969-12-31", "", "2018-13-01", "+2018-04-29"]
        {
            assert_eq!(day(&format!("date={text}")), None, "{text}");
        }
        assert_eq!(day("2018-04-29"), None);
    }

    #[test]
    fn definitions_are_names_of_folders() {
        for (definition, folder) in [
            ("10s", "window=10s"),
            ("1m/10s", "window=1m%2F10s"),
            ("anchored:1d/1m", "window=anchored%3A1d%2F1m"),
            ("1d@Europe/Berlin", "window=1d@Europe%2FBerlin"),
            ("anchored:2026-01-02T14:30:00.5Z/1m", "window=anchored%3A2026-01-02T14%3A30%3A00.5Z%2F1m"),
        ] {
            assert_eq!(format!("window={}", escaped(definition)), folder);
            assert_eq!(window(folder).as_deref(), Some(definition));
        }
        // What is escaped otherwise, or written otherwise than the program does, is somebody else's.
        for folder in ["window=60s", "window=1m%2f10s", "window=%31m", "window=", "10s", "window=%252F"] {
            assert_eq!(window(folder), None, "{folder}");
        }
    }
}
