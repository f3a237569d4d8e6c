//! What a question is about: a database, files of rows, folders of files by day.

use super::progress::LoadProgress;
use crate::config::DayForm;
use crate::exit::{Exit, Failure};
use crate::rows::days::reading;
use crate::rows::days::{self, DayFile};
use crate::rows::unreadable::Unreadable;
use crate::sql::engine::{Engine, QueryLimits, RowLoader};
use anyhow::{Context, Result};
use crossrate_dataflows::market::schema::{RowKind, RowKinds};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Where rows are.
#[derive(Debug)]
enum RowsPlace {
    /// An SQLite database.
    Database(PathBuf),
    /// JSON lines; standard input, where there is no path.
    Lines(Option<PathBuf>),
    /// Files by day.
    Days(Vec<DayFile>),
}

/// Whether a text names a place.
pub(super) fn is_place(text: &str) -> bool {
    let path = match scheme(text) {
        Some((_, path)) => path,
        None => text,
    };
    text == "-" || Path::new(path).exists()
}

/// The tables of what is in the files, as far as the question needs them.
pub(super) fn open(files: &[PathBuf], sql: &str) -> Result<Engine> {
    if files.is_empty() {
        return Err(Failure::new(Exit::Usage, "nothing to ask: no file of rows, and no --server")
            .hint("crossrate query \"select ..\" rows.jsonl, or --server http://127.0.0.1:8080")
            .into());
    }
    let places = files.iter().map(|file| place(file)).collect::<Result<Vec<_>>>()?;
    if let [RowsPlace::Database(path)] = places.as_slice() {
        return Engine::of_ledger(path);
    }
    if let Some(RowsPlace::Database(path)) =
        places.iter().find(|place| matches!(place, RowsPlace::Database(_)))
    {
        return Err(Failure::new(Exit::Usage, format!("{} is a database", path.display()))
            .hint("ask it alone; only files of rows are taken together")
            .into());
    }
    // A question that is none is refused before anything is read.
    let tables = Engine::in_memory()?.tables_of(sql, &QueryLimits::default());
    let tables = tables.map_err(|refused| Failure::new(Exit::Usage, refused.to_string()))?;
    let wanted: RowKinds =
        RowKind::ALL.into_iter().filter(|kind| tables.contains(&kind.schema().table)).collect();
    let mut engine = Engine::in_memory()?;
    let lengths = places.iter().map(|place| place.length(wanted));
    let mut loaded = LoadProgress::new(lengths.sum());
    let mut loading = engine.loading()?;
    loading.only(wanted);
    for (place, file) in places.iter().zip(files) {
        load(place, wanted, &mut loading, &mut loaded)
            .with_context(|| format!("while reading {}", file.display()))?;
    }
    loading.finish()?;
    drop(loaded);
    Ok(engine)
}

/// What stands before the colon, and the path behind it.
fn scheme(text: &str) -> Option<(&str, &str)> {
    text.split_once(':').filter(|(scheme, _)| ["sqlite", "csv", "parquet"].contains(scheme))
}

fn place(file: &Path) -> Result<RowsPlace> {
    let text = file.to_str().unwrap_or_default();
    match scheme(text) {
        Some(("sqlite", path)) => {
            return readable(Path::new(path)).map(|path| RowsPlace::Database(path.into()));
        }
        Some(("csv", path)) => return by_day(Path::new(path), DayForm::Csv),
        Some((_, path)) => return by_day(Path::new(path), DayForm::Parquet),
        None if text == "-" => return Ok(RowsPlace::Lines(None)),
        None => {}
    }
    let path = readable(file)?;
    let found = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if found.is_dir() {
        let forms = days::forms(path).map_err(|error| unreadable(path, error))?;
        return match forms.as_slice() {
            [form] => by_day(path, *form),
            [] => Err(no_rows(path)),
            _ => Err(Failure::new(Exit::Usage, format!("{} has files by day in two forms", path.display()))
                .hint(format!("say which: csv:{0} or parquet:{0}", path.display()))
                .into()),
        };
    }
    // What is read of a pipe is gone, and who writes to it too where it is opened and left.
    let mut first = [0; 16];
    let is_database = found.is_file()
        && match File::open(path).map_err(|error| unreadable(path, error))?.read_exact(&mut first) {
            Ok(()) => &first == b"SQLite format 3\0",
            Err(_) => false,
        };
    Ok(if is_database { RowsPlace::Database(path.into()) } else { RowsPlace::Lines(Some(path.into())) })
}

fn by_day(path: &Path, form: DayForm) -> Result<RowsPlace> {
    let path = readable(path)?;
    let files = days::files(path, form).map_err(|error| unreadable(path, error))?;
    if files.is_empty() { Err(no_rows(path)) } else { Ok(RowsPlace::Days(files)) }
}

fn readable(path: &Path) -> Result<&Path> {
    std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
    Ok(path)
}

fn no_rows(path: &Path) -> anyhow::Error {
    let words = format!("cannot read {}: it is a folder, and no files by day are in it", path.display());
    Failure::new(Exit::Unreachable, words)
        .hint(
            "name csv:FOLDER or parquet:FOLDER as --to has it, or a file that --to FILE or --to sqlite:PATH \
             writes",
        )
        .into()
}

fn unreadable(path: &Path, error: std::io::Error) -> anyhow::Error {
    Failure::new(Exit::Unreachable, format!("cannot read {}", path.display()))
        .hint("name a file that --to FILE or --to sqlite:PATH has written, or a folder of --to csv:FOLDER")
        .because(error)
        .into()
}

impl RowsPlace {
    /// Bytes that are to be read, where that is known.
    fn length(&self, wanted: RowKinds) -> Option<u64> {
        let of = |path: &Path| std::fs::metadata(path).ok().filter(|m| m.is_file()).map(|m| m.len());
        match self {
            RowsPlace::Database(_) | RowsPlace::Lines(None) => None,
            RowsPlace::Lines(Some(path)) => of(path),
            RowsPlace::Days(files) => files_of(files, wanted).map(|file| of(&file.path)).sum(),
        }
    }
}

fn files_of(files: &[DayFile], wanted: RowKinds) -> impl Iterator<Item = &DayFile> {
    files.iter().filter(move |file| wanted.has(file.place.kind))
}

fn load(
    place: &RowsPlace,
    wanted: RowKinds,
    loading: &mut RowLoader<'_>,
    loaded: &mut LoadProgress,
) -> Result<()> {
    match place {
        RowsPlace::Database(_) => Ok(()),
        RowsPlace::Lines(None) => lines(std::io::stdin().lock(), loading, loaded),
        RowsPlace::Lines(Some(path)) => {
            let file = File::open(path).map_err(|error| unreadable(path, error))?;
            lines(BufReader::with_capacity(1 << 20, file), loading, loaded)
        }
        RowsPlace::Days(files) => {
            for file in files_of(files, wanted) {
                load_day(file, loading, loaded)?;
            }
            Ok(())
        }
    }
}

fn lines(mut input: impl BufRead, loading: &mut RowLoader<'_>, loaded: &mut LoadProgress) -> Result<()> {
    loading.begin_file();
    let (mut line, mut bytes) = (String::new(), 0);
    loop {
        line.clear();
        let count = input.read_line(&mut line)? as u64;
        if count == 0 {
            loaded.file(bytes);
            return Ok(());
        }
        bytes += count;
        loading.line(line.trim_end_matches(['\n', '\r']))?;
        loaded.row(bytes);
    }
}

/// A day of which the gathered rows became a Parquet file in between is in that.
fn load_day(file: &DayFile, loading: &mut RowLoader<'_>, loaded: &mut LoadProgress) -> Result<()> {
    let mut read = |file: &DayFile| {
        let mut last = 0;
        reading::rows(file, |values, bytes| {
            last = bytes;
            loading.row(file.place.kind, values).map_err(LoadFailure::Table)?;
            loaded.row(bytes);
            Ok(())
        })
        .map(|()| last)
    };
    let outcome = match (read(file), file.packed()) {
        (Err(LoadFailure::File(Unreadable::Io(error))), Some(packed))
            if error.kind() == std::io::ErrorKind::NotFound =>
        {
            read(&packed)
        }
        (outcome, _) => outcome,
    };
    let failed = |error| {
        let hint = match error {
            #[cfg(not(feature = "parquet"))]
            Unreadable::NoParquet => "build it with --features parquet, or ask DuckDB",
            _ => "name a folder that crossrate run --to csv:FOLDER or --to parquet:FOLDER has written",
        };
        Failure::new(Exit::Unreachable, format!("cannot read {}", file.path.display()))
            .hint(hint)
            .because(error)
    };
    match outcome {
        Ok(bytes) => loaded.file(bytes),
        Err(LoadFailure::File(error)) => return Err(failed(error).into()),
        Err(LoadFailure::Table(error)) => return Err(error),
    }
    Ok(())
}

/// Why a file by day was not loaded.
enum LoadFailure {
    File(Unreadable),
    Table(anyhow::Error),
}

impl From<Unreadable> for LoadFailure {
    fn from(error: Unreadable) -> LoadFailure {
        LoadFailure::File(error)
    }
}
