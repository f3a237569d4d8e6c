//! Which day's file is where in a folder of files by day.

use crate::config::DayForm;
use crate::exit::{Exit, Failure};
use crate::sink::append_file::write_failed;
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::RowKind;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// One file: of which day, counted from the epoch, and of which kind of rows.
pub(super) type Place = (u64, RowKind);

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

    pub(super) fn path(&self, (day, kind): Place, file: &str) -> PathBuf {
        self.root.join(kind.schema().table).join(format!("date={}", date(day))).join(file)
    }

    /// Makes the folder of a day's file that is new.
    pub(super) fn make(&self, place: Place) -> Result<PathBuf> {
        let path = self.path(place, self.growing);
        for folder in path.ancestors().skip(1).take(2).collect::<Vec<_>>().into_iter().rev() {
            match std::fs::create_dir(folder) {
                Ok(()) => synced(folder.parent()).map_err(|error| self.failed(error))?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.failed(error).into()),
            }
        }
        Ok(path)
    }

    /// The days that have a file of that name.
    pub(super) fn days(&self, file: &str) -> Result<Vec<Place>> {
        let mut found = Vec::new();
        for kind in RowKind::ALL {
            let folder = match std::fs::read_dir(self.root.join(kind.schema().table)) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                folder => folder.map_err(|error| self.failed(error))?,
            };
            for entry in folder {
                let name = entry.map_err(|error| self.failed(error))?.file_name();
                let day = name.to_str().and_then(|name| day(name.strip_prefix("date=")?));
                found.extend(day.map(|day| (day, kind)).filter(|place| self.path(*place, file).exists()));
            }
        }
        Ok(found)
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
        let table = dated.parent()?;
        let day = day(name(dated)?.strip_prefix("date=")?)?;
        let of = name(table)?;
        let kind = RowKind::ALL.into_iter().find(|kind| kind.schema().table == of)?;
        Some((table.parent()?.to_owned(), (day, kind)))
    }
}

/// A name that is not on the disk would be gone after a power failure.
fn synced(folder: Option<&Path>) -> std::io::Result<()> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

const MICROS_A_DAY: u64 = 86_400_000_000;

/// The date of a day since the epoch.
fn date(day: u64) -> String {
    let start = EventTime::from_micros(day.saturating_mul(MICROS_A_DAY)).to_string();
    start.split('T').next().unwrap_or_default().to_owned()
}

/// The day of a date; `None` where that is none.
fn day(text: &str) -> Option<u64> {
    let mut parts = text.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, of_month) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&of_month) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + of_month - 1;
    let day = year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    (date(day) == text).then_some(day)
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
            assert_eq!(day(text), Some(day_number));
        }
        for number in 0..60_000 {
            assert_eq!(day(&date(number)), Some(number));
        }
        for text in ["2018-02-29", "2018-4-29", "2018-04-29-1", "1969-12-31", "", "2018-13-01", "+2018-04-29"]
        {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
