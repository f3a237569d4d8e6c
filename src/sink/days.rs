//! Rows in files by day: one for each kind of rows and each day (UTC) on which windows start (of windows that
//! are longer than two days: on which they end), in the layout that DuckDB, pandas and polars read as one
//! table with a column `date`: `FOLDER/crosses/date=2018-04-29/rows.csv`. Where a job has several window
//! definitions each has its own files, `FOLDER/crosses/window=1m%2F10s/date=2018-04-29/rows.csv`; a folder
//! that a job began without goes on without.
//!
//! CSV grows row by row, and is cut back to what was committed as any file is. A Parquet file cannot grow, so
//! the rows of a day gather in `_rows.jsonl` beside it, which is what is cut back. When the day is over and
//! committed it is made into `rows.parquet`, aside and then renamed, by a thread of its own. A run that ends
//! makes one of each day so far and keeps the gathered rows: the next run adds to them, and makes it anew.
//!
//! The checkpoint holds the lengths of the days that are not over. It stays small: what a file of another day
//! is follows from how far the job is. If that day is over, the file is whole; else it was begun after the
//! last commit.

mod header;
mod known;
mod layout;
pub(super) mod packing;

use super::append_file::{AppendFile, CommittedState, remove_if_there, write_failed};
use super::pack::Pack;
use super::{Sink, SinkBatch};
use crate::committed_files::content::FileContent;
use crate::committed_files::{CommittedFiles, FileChange};
use crate::config::{Config, DayForm, SinkTarget};
use crate::exit::{Exit, Failure};
use crate::file_lock::lock;
use crate::rows::csv;
use crate::rows::days::{DayFileKey, PARQUET_SUM, ROWS_PARQUET};
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use known::KnownDays;
use layout::DaysLayout;
use packing::PackQueue;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Microseconds.
const DAY: u64 = 86_400_000_000;

/// Bytes that are worth a system call.
const ENOUGH: usize = 1 << 20;

/// A folder of files by day.
pub(super) struct DailyFiles {
    form: DayForm,
    layout: DaysLayout,
    /// Each window definition has files of its own.
    by_window: bool,
    /// Held for as long as the run may write here.
    lock: Arc<File>,
    /// How long after a day's end rows of it may come.
    span: u64,
    open: BTreeMap<DayFileKey, GrowingFile>,
    over: Vec<DayFileKey>,
    /// What the checkpoint is to be told before anything is changed.
    claims: Vec<FileChange>,
    /// Of which nothing was committed, or what is to be begun anew: removed when the job is surely this
    /// run's.
    uncommitted: Vec<PathBuf>,
    packing: PackQueue,
}

/// A file of a day that is not over.
struct GrowingFile {
    file: AppendFile,
    buffer: Vec<u8>,
    /// Written to since it was marked.
    changed: bool,
    /// Of CSV that an earlier release began: the places of the fields that its header names. The day keeps
    /// its columns.
    columns: Option<Vec<usize>>,
}

/// Rows of windows that are longer than this are not kept with the day on which they start: that day would
/// never be over.
const LONG: u64 = 2 * DAY;

/// The day of a row: on which its window starts, or of a long one that of its last moment.
fn day_of(row: &Row) -> u64 {
    let is_long = row.end.micros() - row.start.micros() > LONG;
    if is_long { row.end.minus(1).micros() / DAY } else { row.start.micros() / DAY }
}

impl DailyFiles {
    /// Opens or makes the folder, with the files as long as the checkpoint says.
    pub(super) fn open(
        config: &Config,
        form: DayForm,
        folder: &Path,
        files: &CommittedFiles,
    ) -> Result<Self> {
        let layout = DaysLayout::open(form, folder)?;
        let held = File::open(&layout.root).map_err(|error| layout.failed(error))?;
        lock(&held, &layout.name, files.predecessor.as_deref(), config.verbosity)?;
        let definition = &config.definition;
        let mut days = DailyFiles {
            form,
            layout,
            by_window: definition.windows.count() > 1,
            lock: Arc::new(held),
            span: DAY + definition.windows.longest().min(LONG) + definition.grace,
            open: BTreeMap::new(),
            over: Vec::new(),
            claims: Vec::new(),
            uncommitted: Vec::new(),
            packing: PackQueue::default(),
        };
        days.restore_files(config, files)?;
        Ok(days)
    }

    /// Whether no row of that day follows where all rows looked at before `frontier` are there.
    fn is_over(&self, day: u64, frontier: EventTime) -> bool {
        frontier.micros() >= (day * DAY).saturating_add(self.span)
    }

    /// Finds out what is to be done with the files that are there; nothing is changed yet.
    fn restore_files(&mut self, config: &Config, files: &CommittedFiles) -> Result<()> {
        let holds_checkpoint = matches!(config.ledger(), Some(SinkTarget::Days(_, folder))
            if folder.canonicalize().is_ok_and(|folder| folder == self.layout.root));
        let mut known = KnownDays::of(&self.layout, files, holds_checkpoint);
        self.claims = std::mem::take(&mut known.renamed);
        if files.folders.get(&self.layout.key()).map(String::as_str) != Some(self.layout.growing) {
            self.claims.push(FileChange::Folder(self.layout.key(), self.layout.growing.to_owned()));
        }
        let over = |days: &DailyFiles, place: &DayFileKey| {
            known.whole.contains(place) || files.until.is_some_and(|until| days.is_over(place.day, until))
        };
        // No row is added to a day that is over, so it is nobody's loss; an earlier version did not note
        // folders.
        let may_stay = known.is_ours || self.form == DayForm::Csv || files.is_of_earlier_version();
        let found = self.layout.days(self.layout.growing)?;
        let made = match self.form {
            DayForm::Csv => Vec::new(),
            DayForm::Parquet => self.layout.days(ROWS_PARQUET)?,
        };
        if files.until.is_some() {
            let all = || found.iter().chain(&made).chain(&known.whole);
            let began_flat = all().any(|place| place.window.is_none());
            self.by_window &= !began_flat || all().any(|place| place.window.is_some());
        }
        if let Some(place) = known.growing.keys().find(|place| !found.contains(place)) {
            let path = self.layout.path(place, self.layout.growing);
            let words = format!("{} is gone, but the checkpoint says that it was written", path.display());
            return Err(Failure::new(Exit::Failed, words)
                .hint("put the file back, or start the job anew with --fresh")
                .into());
        }
        for place in found {
            let path = self.layout.path(&place, self.layout.growing);
            if let Some(content) = known.growing.get(&place) {
                let file = AppendFile::open_at(&path, *content)?;
                self.claims.extend(if known.is_moved { file.noted() } else { file.claims() });
                let columns = match self.form {
                    DayForm::Csv => header::columns(&path, place.kind)?,
                    DayForm::Parquet => None,
                };
                self.grow(place, file).columns = columns;
            } else if over(self, &place) && may_stay {
                self.pack(place, true);
            } else {
                self.is_uncommitted(path, known.is_ours || config.fresh)?;
            }
        }
        // Whole days are made after their commit only: of others, one that is here is another job's, or was
        // to be removed by a fresh start that came no further.
        for place in made {
            if !known.growing.contains_key(&place) && !over(self, &place) {
                let path = self.layout.path(&place, ROWS_PARQUET);
                self.is_uncommitted(path, known.is_ours || config.fresh)?;
                self.uncommitted.push(self.layout.path(&place, PARQUET_SUM));
            }
        }
        Ok(())
    }

    /// Begun by a run of this job that has not committed it, or to be begun anew; or it is not this job's.
    fn is_uncommitted(&mut self, path: PathBuf, may_go: bool) -> Result<()> {
        if !may_go {
            return Err(nobodys(&path));
        }
        self.uncommitted.push(path);
        Ok(())
    }

    fn grow(&mut self, place: DayFileKey, file: AppendFile) -> &mut GrowingFile {
        let growing = GrowingFile { file, buffer: Vec::new(), changed: false, columns: None };
        self.open.entry(place).or_insert(growing)
    }

    fn take(&mut self, row: &Row) -> Result<()> {
        let window = self.by_window.then(|| row.window.clone());
        let place = DayFileKey { day: day_of(row), kind: row.kind, window };
        if !self.open.contains_key(&place) {
            let path = self.layout.make(&place)?;
            let columns = row.kind.schema().fields;
            let csv = self.form == DayForm::Csv;
            // The folder is locked, so nobody else has anything here.
            let mut file = AppendFile::open_at(&path, CommittedState::Content(FileContent::empty()))?;
            file.restore()?;
            let growing = self.grow(place.clone(), file);
            if csv {
                csv::header(&mut growing.buffer, columns, "\n");
            }
        }
        let form = self.form;
        // It is there by now.
        let Some(growing) = self.open.get_mut(&place) else { return Ok(()) };
        match form {
            DayForm::Csv => match &growing.columns {
                None => csv::record(&mut growing.buffer, row.kind.schema().fields, &row.columns(), "\n"),
                Some(columns) => header::record(&mut growing.buffer, row, columns),
            },
            DayForm::Parquet => {
                growing.buffer.extend_from_slice(row.json.as_bytes());
                growing.buffer.push(b'\n');
            }
        }
        if growing.buffer.len() >= ENOUGH { growing.flush(&self.layout.name) } else { Ok(()) }
    }

    /// Parquet is made of the rows of a day; of CSV nothing is to be made.
    fn pack(&mut self, place: DayFileKey, over: bool) {
        if self.form == DayForm::Parquet {
            let folder = self.layout.path(&place, "");
            let lock = Arc::clone(&self.lock);
            let of_window = place.window.is_some();
            self.packing.waiting.push_back(Pack { folder, kind: place.kind, of_window, over, _lock: lock });
        }
    }
}

impl GrowingFile {
    fn flush(&mut self, name: &str) -> Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all(&self.buffer).map_err(|error| write_failed(name, error))?;
            self.buffer.clear();
            self.changed = true;
        }
        Ok(())
    }
}

impl Sink for DailyFiles {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        batch.rows.iter().try_for_each(|row| self.take(row))?;
        for growing in self.open.values_mut() {
            growing.flush(&self.layout.name)?;
        }
        // Not by the frontier alone: heartbeats take it beyond all that has trades, where a job that ends
        // does not stay.
        let closes = batch.partitions.values().map(|partition| partition.closes).max();
        if let (Some(frontier), Some(closes)) = (batch.frontier, closes) {
            let frontier = frontier.min(closes);
            let over = self.open.keys().take_while(|place| self.is_over(place.day, frontier)).cloned();
            self.over = over.collect();
        }
        Ok(())
    }

    fn claims(&mut self) -> Result<Vec<FileChange>> {
        Ok(self.claims.clone())
    }

    fn restore(&mut self) -> Result<()> {
        for growing in self.open.values_mut() {
            growing.file.restore()?;
        }
        // A checksum goes before its file.
        for path in self.uncommitted.drain(..).rev() {
            remove_if_there(&path).map_err(|error| self.layout.failed(error))?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<Vec<FileChange>> {
        let mut marks = Vec::new();
        for (place, growing) in &mut self.open {
            let over = self.over.contains(place);
            if !growing.changed && !over {
                continue;
            }
            let of_file = growing.file.sync()?.into_iter();
            marks.extend(of_file.map(|mark| match mark {
                FileChange::Grows(key, content) if over && self.form == DayForm::Csv => {
                    FileChange::Whole(key, content)
                }
                FileChange::Grows(key, _) if over => FileChange::Gone(key),
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

    fn finish(&mut self, _: &SinkBatch<'_>) -> Result<()> {
        let places: Vec<DayFileKey> = self.open.keys().cloned().collect();
        places.into_iter().for_each(|place| self.pack(place, false));
        self.packing.go_on(true)
    }
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
