//! Rows in files by day: one for each kind of rows and each day (UTC) on which windows start, in the layout that DuckDB,
//! pandas and polars read as one table with a column `date`: `FOLDER/crosses/date=2018-04-29/rows.csv`.
//!
//! CSV grows row by row, and is cut back to what was committed as any file is. A Parquet file cannot grow, so the rows
//! of a day gather in `_rows.jsonl` beside it, which is what is cut back. When the day is over and committed it is made
//! into `rows.parquet`, aside and then renamed, by a thread of its own. A run that ends makes one of each
//! day so far and keeps the gathered rows: the next run adds to them, and makes it anew.
//!
//! The recovery point holds the lengths of the days that are not over. It stays small: what a file of another day is
//! follows from how far the job is. If that day is over, the file is whole; else it was begun after the last commit.

pub(super) mod packing;

use super::append_file::{AppendFile, Committed, write_failed};
use super::lock::lock;
use super::{News, Sink};
use crate::config::{Config, DayForm};
use crate::exit::{Exit, Failure};
use crate::ledger::content::Content;
use crate::ledger::point::{Mark, Point};
use crate::rows::csv;
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::{Row, RowKind};
use packing::{Pack, Packing};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Microseconds.
const DAY: u64 = 86_400_000_000;

/// Bytes that are worth a system call.
const ENOUGH: usize = 1 << 20;

/// One file: of which day, counted from the epoch, and of which kind of rows.
type Place = (u64, RowKind);

/// A folder of files by day.
pub(super) struct Days {
    form: DayForm,
    layout: Layout,
    /// Held for as long as the run may write here.
    lock: Arc<File>,
    /// How long after a day's end rows of it may come.
    span: u64,
    open: BTreeMap<Place, Growing>,
    over: Vec<Place>,
    /// What the checkpoint is to be told before anything is changed.
    claims: Vec<Mark>,
    /// Of which nothing was committed, or what is to be begun anew: removed when the job is surely this run's.
    uncommitted: Vec<PathBuf>,
    packing: Packing,
}

/// A file of a day that is not over.
struct Growing {
    file: AppendFile,
    buffer: Vec<u8>,
    /// Written to since it was marked.
    changed: bool,
}

impl Days {
    /// Opens or makes the folder, with the files as long as the recovery point says.
    pub(super) fn open(config: &Config, form: DayForm, folder: &Path, point: &Point) -> Result<Self> {
        let layout = Layout::open(form, folder)?;
        let held = File::open(&layout.root).map_err(|error| layout.failed(error))?;
        lock(&held, &layout.name, point.before.as_deref(), config.verbosity)?;
        let definition = &config.definition;
        let mut days = Days {
            form,
            layout,
            lock: Arc::new(held),
            span: DAY + definition.windows.size + definition.grace,
            open: BTreeMap::new(),
            over: Vec::new(),
            claims: Vec::new(),
            uncommitted: Vec::new(),
            packing: Packing::default(),
        };
        days.take_up(point, config.fresh)?;
        Ok(days)
    }

    /// Whether no row of that day follows where all rows looked at before `frontier` are there.
    fn is_over(&self, day: u64, frontier: EventTime) -> bool {
        frontier.micros() >= (day * DAY).saturating_add(self.span)
    }

    /// Finds out what is to be done with the files that are there; nothing is changed yet.
    fn take_up(&mut self, point: &Point, fresh: bool) -> Result<()> {
        let known = self.layout.known(point);
        self.claims = known.obsolete;
        if point.folders.get(&self.layout.key()).map(String::as_str) != Some(self.layout.growing) {
            self.claims.push(Mark::Folder(self.layout.key(), self.layout.growing.to_owned()));
        }
        let mut growing = known.growing;
        for place in self.layout.days(self.layout.growing)? {
            let path = self.layout.path(place, self.layout.growing);
            match (growing.remove(&place), &point.job) {
                (Some(content), _) => {
                    let file = AppendFile::open_at(&path, content)?;
                    self.claims.extend(file.claims());
                    self.grow(place, file);
                }
                (None, Some(job)) if known.is_ours && self.is_over(place.0, job.at) => self.pack(place, true),
                // Begun by a run of this job that has not committed it, or to be begun anew.
                (None, _) if known.is_ours || fresh => self.uncommitted.push(path),
                (None, _) => return Err(nobodys(&path)),
            }
        }
        if let Some(place) = growing.keys().next() {
            let path = self.layout.path(*place, self.layout.growing);
            let words =
                format!("{} is gone, but the recovery point says that it was written", path.display());
            return Err(Failure::new(Exit::Failed, words)
                .hint("put the file back, or start the job anew with --fresh")
                .into());
        }
        // Whole days are made after their commit only, so those that are here without one are another job's.
        if point.job.is_none() && self.form == DayForm::Parquet {
            for place in self.layout.days(ROWS_PARQUET)? {
                let path = self.layout.path(place, ROWS_PARQUET);
                if !fresh {
                    return Err(nobodys(&path));
                }
                self.uncommitted.push(path);
            }
        }
        Ok(())
    }

    fn grow(&mut self, place: Place, file: AppendFile) -> &mut Growing {
        let growing = Growing { file, buffer: Vec::new(), changed: false };
        self.open.entry(place).or_insert(growing)
    }

    fn take(&mut self, row: &Row) -> Result<()> {
        let place = (row.start.micros() / DAY, row.kind);
        if !self.open.contains_key(&place) {
            let path = self.layout.make(place)?;
            let columns = row.kind.schema().fields;
            let csv = self.form == DayForm::Csv;
            // The folder is locked, so nobody else has anything here.
            let mut file = AppendFile::open_at(&path, Committed::Content(Content::empty()))?;
            file.restore()?;
            let growing = self.grow(place, file);
            if csv {
                csv::header(&mut growing.buffer, columns, "\n");
            }
        }
        let form = self.form;
        // It is there by now.
        let Some(growing) = self.open.get_mut(&place) else { return Ok(()) };
        match form {
            DayForm::Csv => csv::record(&mut growing.buffer, row.kind.schema().fields, &row.columns(), "\n"),
            DayForm::Parquet => {
                growing.buffer.extend_from_slice(row.json.as_bytes());
                growing.buffer.push(b'\n');
            }
        }
        if growing.buffer.len() >= ENOUGH { growing.flush(&self.layout.name) } else { Ok(()) }
    }

    /// Parquet is made of the rows of a day; of CSV nothing is to be made.
    fn pack(&mut self, place: Place, over: bool) {
        if self.form == DayForm::Parquet {
            let folder = self.layout.path(place, "");
            let lock = Arc::clone(&self.lock);
            self.packing.waiting.push_back(Pack { folder, kind: place.1, over, _lock: lock });
        }
    }
}

impl Growing {
    fn flush(&mut self, name: &str) -> Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all(&self.buffer).map_err(|error| write_failed(name, error))?;
            self.buffer.clear();
            self.changed = true;
        }
        Ok(())
    }
}

impl Sink for Days {
    fn write(&mut self, news: &News<'_>) -> Result<()> {
        news.rows.iter().try_for_each(|row| self.take(row))?;
        for growing in self.open.values_mut() {
            growing.flush(&self.layout.name)?;
        }
        // Not by the frontier alone: heartbeats take it beyond all that has trades, where a job that ends does not stay.
        let closes = news.partitions.values().map(|partition| partition.closes).max();
        if let (Some(frontier), Some(closes)) = (news.frontier, closes) {
            let frontier = frontier.min(closes);
            let over = self.open.keys().copied().take_while(|place| self.is_over(place.0, frontier));
            self.over = over.collect();
        }
        Ok(())
    }

    fn claims(&mut self) -> Result<Vec<Mark>> {
        Ok(self.claims.clone())
    }

    fn restore(&mut self) -> Result<()> {
        for growing in self.open.values_mut() {
            growing.file.restore()?;
        }
        for path in self.uncommitted.drain(..) {
            std::fs::remove_file(&path).map_err(|error| self.layout.failed(error))?;
        }
        Ok(())
    }

    fn mark(&mut self) -> Result<Vec<Mark>> {
        let mut marks = Vec::new();
        for (place, growing) in &mut self.open {
            let over = self.over.contains(place);
            if !growing.changed && !over {
                continue;
            }
            let of_file = growing.file.mark()?.into_iter();
            marks.extend(of_file.map(|mark| match mark {
                Mark::Grows(key, content) if over && self.form == DayForm::Csv => Mark::Whole(key, content),
                Mark::Grows(key, _) if over => Mark::Gone(key),
                mark => mark,
            }));
            growing.changed = false;
        }
        Ok(marks)
    }

    fn committed(&mut self) -> Result<()> {
        for place in std::mem::take(&mut self.over) {
            self.open.remove(&place);
            self.pack(place, true);
        }
        self.packing.go_on(false)
    }

    fn finish(&mut self, _: &News<'_>) -> Result<()> {
        let places: Vec<Place> = self.open.keys().copied().collect();
        places.into_iter().for_each(|place| self.pack(place, false));
        self.packing.go_on(true)
    }
}

const ROWS_CSV: &str = "rows.csv";
const ROWS_PARQUET: &str = "rows.parquet";
/// Readers of whole folders pass over names that begin so.
const GATHERED: &str = "_rows.jsonl";

/// What the checkpoint knows of a folder.
#[derive(Default)]
struct Known {
    /// A run of this job has written here.
    is_ours: bool,
    growing: BTreeMap<Place, Committed>,
    /// Names that are no more and what has others now, where all has been moved here.
    obsolete: Vec<Mark>,
}

fn nobodys(path: &Path) -> anyhow::Error {
    let words =
        format!("{} is there, and there is no checkpoint by which this job has written it", path.display());
    Failure::new(Exit::Failed, words)
        .hint(
            "name another folder; or say --fresh, which removes the days of this one and begins the job anew",
        )
        .into()
}

/// Which file is where.
struct Layout {
    name: String,
    /// The whole path of the folder.
    root: PathBuf,
    /// The name of the files that grow.
    growing: &'static str,
}

impl Layout {
    fn open(form: DayForm, folder: &Path) -> Result<Self> {
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

    fn failed(&self, error: std::io::Error) -> Failure {
        write_failed(&self.name, error)
    }

    fn path(&self, (day, kind): Place, file: &str) -> PathBuf {
        self.root.join(kind.schema().table).join(format!("date={}", date(day))).join(file)
    }

    /// Makes the folder of a day's file that is new.
    fn make(&self, place: Place) -> Result<PathBuf> {
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
    fn days(&self, file: &str) -> Result<Vec<Place>> {
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
    fn key(&self) -> String {
        self.root.display().to_string()
    }

    /// What the checkpoint knows of the files here; or, where all has been moved here, of those in the one other folder
    /// that it knows, whose names are then obsolete.
    fn known(&self, point: &Point) -> Known {
        let keys = point.lengths.keys().chain(point.whole.keys());
        let of_days = keys.filter_map(|key| self.place(key).map(|(root, _)| root));
        let roots: BTreeSet<PathBuf> = of_days.chain(self.folders(point).map(PathBuf::from)).collect();
        let moved_from = match (roots.contains(&self.root), roots.len()) {
            (false, 1) => roots.first().cloned(),
            _ => None,
        };
        let root = moved_from.as_ref().unwrap_or(&self.root);
        let mut known = Known { is_ours: roots.contains(root), ..Known::default() };
        for (key, length) in &point.lengths {
            if let Some((_, place)) = self.place(key).filter(|(of, _)| of == root) {
                let content =
                    point.contents.get(key).copied().map_or(Committed::Length(*length), Committed::Content);
                known.growing.insert(place, content);
            }
        }
        if moved_from.is_some() {
            let keys = point.lengths.keys().chain(point.whole.keys()).filter(|key| self.place(key).is_some());
            known.obsolete = keys.chain(self.folders(point)).cloned().map(Mark::Gone).collect();
            for (key, content) in &point.whole {
                let path = self.place(key).map(|(_, place)| self.path(place, self.growing));
                known.obsolete.extend(path.map(|path| Mark::Whole(path.display().to_string(), *content)));
            }
        }
        known
    }

    /// The folders of such files that the checkpoint knows.
    fn folders<'a>(&self, point: &'a Point) -> impl Iterator<Item = &'a String> {
        let growing = self.growing;
        point.folders.iter().filter(move |(_, name)| *name == growing).map(|(folder, _)| folder)
    }

    /// Which folder and which day's file a whole path is of.
    fn place(&self, key: &str) -> Option<(PathBuf, Place)> {
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

/// The date of a day since the epoch, by the proleptic Gregorian calendar.
fn date(day: u64) -> String {
    // Days since 0000-03-01, in eras of 400 years: February's end is the year's end.
    let days = day + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year + month / 10, (month + 2) % 12 + 1);
    format!("{year:04}-{month:02}-{day:02}")
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
