//! Which day's file is where in a folder of files by day: `TABLE/date=DAY/FILE`, or of a job with several
//! window definitions `TABLE/window=DEFINITION/date=DAY/FILE`. Readers of such folders take both names for
//! columns.

use crate::config::DayForm;
use crate::exit::{Exit, Failure};
use crate::sink::append_file::write_failed;
use anyhow::Result;
use crossrate_dataflows::market::row::RowKind;
use crossrate_dataflows::market::windows::{WindowDefinition, WindowName, Zone};
use jiff::civil::Date;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// One file. In order of days.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The day, counted from the epoch.
    pub(super) day: u64,
    /// The kind of its rows.
    pub(super) kind: RowKind,
    /// The definition of their windows, where each has a folder of its own.
    pub(super) window: Option<WindowName>,
}

pub(super) const ROWS_CSV: &str = "rows.csv";
pub(super) const ROWS_PARQUET: &str = "rows.parquet";
/// Readers of whole folders pass over names that begin so.
pub(super) const GATHERED: &str = "_rows.jsonl";

/// Which file is where.
pub(super) struct Layout {
    pub(super) name: String,
    /// The whole path of the folder.
    pub(super) root: PathBuf,
    /// The name of the files that grow.
    pub(super) growing: &'static str,
}

impl Layout {
    pub(super) fn open(form: DayForm, folder: &Path) -> Result<Self> {
        let name = folder.display().to_string();
        let made = match std::fs::create_dir(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            Ok(()) => synced(folder.parent()),
            failed => failed,
        };
        let root = made.and_then(|()| folder.canonicalize()).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write to the folder {name}"))
                .hint("name a folder that you may write to, or a new one in a folder that exists")
                .because(error)
        })?;
        let growing = if form == DayForm::Csv { ROWS_CSV } else { GATHERED };
        Ok(Layout { name, root, growing })
    }

    pub(super) fn failed(&self, error: std::io::Error) -> Failure {
        write_failed(&self.name, error)
    }

    pub(super) fn path(&self, place: &Place, file: &str) -> PathBuf {
        let mut path = self.root.join(place.kind.schema().table);
        if let Some(window) = &place.window {
            path.push(format!("{WINDOW}{}", escaped(window)));
        }
        path.push(format!("{DATE}{}", date(place.day)));
        path.push(file);
        path
    }

    /// Makes the folder of a day's file that is new.
    pub(super) fn make(&self, place: &Place) -> Result<PathBuf> {
        let path = self.path(place, self.growing);
        let is_below = |folder: &&Path| *folder != self.root;
        let folders: Vec<_> = path.ancestors().skip(1).take_while(is_below).collect();
        for folder in folders.into_iter().rev() {
            match std::fs::create_dir(folder) {
                Ok(()) => synced(folder.parent()).map_err(|error| self.failed(error))?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.failed(error).into()),
            }
        }
        Ok(path)
    }

    /// The days that have a file of that name, in either layout.
    pub(super) fn days(&self, file: &str) -> Result<Vec<Place>> {
        let mut found = Vec::new();
        for kind in RowKind::ALL {
            let table = self.root.join(kind.schema().table);
            let names = self.names(&table)?;
            let windows = names.iter().filter_map(|name| window(name)).map(Some);
            for window in windows.chain([None]).collect::<Vec<_>>() {
                let within =
                    window.as_ref().map(|w| self.names(&table.join(format!("{WINDOW}{}", escaped(w)))));
                let within = within.transpose()?;
                let dates = within.as_ref().unwrap_or(&names).iter();
                let places =
                    dates.filter_map(|name| Some(Place { day: day(name)?, kind, window: window.clone() }));
                found.extend(places.filter(|place| self.path(place, file).exists()));
            }
        }
        Ok(found)
    }

    /// The names in a folder; none where it is not there.
    fn names(&self, folder: &Path) -> Result<Vec<String>> {
        let entries = match std::fs::read_dir(folder) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            entries => entries.map_err(|error| self.failed(error))?,
        };
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.map(|entry| entry.file_name());
        let names = entries.map(name).collect::<Result<Vec<_>, _>>().map_err(|error| self.failed(error))?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// What the checkpoint knows the folder by.
    pub(super) fn key(&self) -> String {
        self.root.display().to_string()
    }

    /// Which folder and which day's file a whole path is of.
    pub(super) fn place(&self, key: &str) -> Option<(PathBuf, Place)> {
        let path = Path::new(key);
        let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let dated = path.parent().filter(|_| name(path).as_deref() == Some(self.growing))?;
        let day = day(&name(dated)?)?;
        let above = dated.parent()?;
        let window = window(&name(above)?);
        let table = if window.is_some() { above.parent()? } else { above };
        let of = name(table)?;
        let kind = RowKind::ALL.into_iter().find(|kind| kind.schema().table == of)?;
        Some((table.parent()?.to_owned(), Place { day, kind, window }))
    }
}

/// A name that is not on the disk would be gone after a power failure.
fn synced(folder: Option<&Path>) -> std::io::Result<()> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
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
fn window(folder: &str) -> Option<WindowName> {
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
fn day(folder: &str) -> Option<u64> {
    let text = folder.strip_prefix(DATE)?;
    let found: Date = text.parse().ok()?;
    let days = EPOCH.until(found).ok()?.get_days();
    u64::try_from(days).ok().filter(|_| found.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
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

    #[test]
    fn each_file_is_found_by_its_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::open(DayForm::Csv, folder.path()).expect("opened");
        let mut places = Vec::new();
        for kind in RowKind::ALL {
            for window in [None, Some("10s"), Some("anchored:1d@Europe/Berlin/1m")] {
                let place = Place { day: 17_650, kind, window: window.map(WindowName::from) };
                let path = layout.make(&place).expect("made");
                std::fs::write(&path, "").expect("written");
                let known = layout.place(path.to_str().expect("UTF-8"));
                assert_eq!(known, Some((layout.root.clone(), place.clone())));
                places.push(place);
            }
        }
        std::fs::write(layout.root.join("symbols").join("window=1m"), "no folder").expect("written");
        let mut found = layout.days(ROWS_CSV).expect("read");
        found.sort();
        places.sort();
        assert_eq!(found, places);
        for other in
            ["symbols/date=2018-04-29/rows.txt", "symbols/window=x/date=2018-04-29/rows.csv", "rows.csv"]
        {
            assert_eq!(layout.place(layout.root.join(other).to_str().expect("UTF-8")), None, "{other}");
        }
    }
}
