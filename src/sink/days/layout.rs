//! Which day's file is where in a folder of files by day: `TABLE/date=DAY/FILE`, or of a job with several
//! window definitions `TABLE/window=DEFINITION/date=DAY/FILE`. Readers of such folders take both names for
//! columns.

use crate::config::DayForm;
use crate::exit::{Exit, Failure};
use crate::rows::days::{self, DayFileKey, GATHERED, ROWS_CSV};
use crate::sink::append_file::write_failed;
use anyhow::Result;
use crossrate_dataflows::market::row::RowKind;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Which file is where.
pub(super) struct DaysLayout {
    pub(super) name: String,
    /// The whole path of the folder.
    pub(super) root: PathBuf,
    /// The name of the files that grow.
    pub(super) growing: &'static str,
}

impl DaysLayout {
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
        Ok(DaysLayout { name, root, growing })
    }

    pub(super) fn failed(&self, error: std::io::Error) -> Failure {
        write_failed(&self.name, error)
    }

    pub(super) fn path(&self, place: &DayFileKey, file: &str) -> PathBuf {
        place.path(&self.root, file)
    }

    /// Makes the folder of a day's file that is new.
    pub(super) fn make(&self, place: &DayFileKey) -> Result<PathBuf> {
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
    pub(super) fn days(&self, file: &str) -> Result<Vec<DayFileKey>> {
        Ok(days::places(&self.root, file).map_err(|error| self.failed(error))?)
    }

    /// What the checkpoint knows the folder by.
    pub(super) fn key(&self) -> String {
        self.root.display().to_string()
    }

    /// Which folder and which day's file a whole path is of.
    pub(super) fn place(&self, key: &str) -> Option<(PathBuf, DayFileKey)> {
        let path = Path::new(key);
        let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let dated = path.parent().filter(|_| name(path).as_deref() == Some(self.growing))?;
        let day = days::day(&name(dated)?)?;
        let above = dated.parent()?;
        let window = days::window(&name(above)?);
        let table = if window.is_some() { above.parent()? } else { above };
        let of = name(table)?;
        let kind = RowKind::ALL.into_iter().find(|kind| kind.schema().table == of)?;
        Some((table.parent()?.to_owned(), DayFileKey { day, kind, window }))
    }
}

/// A name that is not on the disk would be gone after a power failure.
fn synced(folder: Option<&Path>) -> std::io::Result<()> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossrate_dataflows::market::windows::WindowName;

    #[test]
    fn each_file_is_found_by_its_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = DaysLayout::open(DayForm::Csv, folder.path()).expect("opened");
        let mut places = Vec::new();
        for kind in RowKind::ALL {
            for window in [None, Some("10s"), Some("anchored:1d@Europe/Berlin/1m")] {
                let place = DayFileKey { day: 17_650, kind, window: window.map(WindowName::from) };
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
