//! Law 9, of jobs that are changed while they run: rows are a function of the partitions' contents and the
//! definition log.
//!
//! What the program does is held against the oracle with the log that the program tells. A way to change the
//! program is a [`Run`]; what it can do decides which cases it is given. `by_hand` has cases that show one
//! rule each, `properties` holds the oracle against itself.

mod by_hand;
mod properties;

use super::{accounted, each_seed, is_sound, manners, plausible, windows_agree};
use crate::program::{self, Manner};
use crate::tapes::{self, ChangedCase};
use oracle::windows::pane;
use oracle::{Change, Course, Cross, File, Log, LoggedChange, NOWHERE, Settings, accept, run_changed};
use std::path::{Path, PathBuf};

const CASES: u64 = 60;
/// Runs that making a failing case small may take.
const SHRINKING: usize = 300;

/// A run of the program, and the changes that are asked of it.
struct Asked<'a> {
    /// Where it may write; the files are in it.
    folder: &'a Path,
    /// A partition each.
    files: &'a [PathBuf],
    flags: &'a [String],
    manner: Manner<'a>,
    /// The changes in their order, when each should hold, and after which records.
    log: &'a Log,
}

/// Runs the program, changes it, and gives what it left behind and the log as it told it: the same changes,
/// from the moments and with the offsets that it chose.
type Run<'a> = &'a (dyn Fn(&Asked<'_>) -> Result<(program::Outcome, Log), String> + Sync);

/// The law, of the cases of so many seeds.
fn hold(cases: u64, case_of: impl Fn(u64) -> Option<ChangedCase> + Sync, run: Run<'_>) {
    each_seed(cases, |folder, seed| {
        let case = case_of(seed)?;
        let complaint = check(folder, &case, seed, run).err()?;
        let (case, complaint) = shrunk(folder, case, seed, run, complaint);
        let kept = keep(seed, &case);
        let ChangedCase { case, log } = case;
        let kept = kept.display();
        Some(format!("seed {seed}, kept in {kept}\nflags {}\n{log:?}\n{complaint}", case.flags.join(" ")))
    });
}

fn check(folder: &Path, changed: &ChangedCase, seed: u64, run: Run<'_>) -> Result<(), String> {
    let ChangedCase { case, log } = changed;
    let (files, settings) = (case.files(), Settings::read(&case.flags));
    let paths: Vec<PathBuf> = (0..).zip(&case.tapes).map(|(n, tape)| tape.write(folder, n)).collect();
    let records: usize = files.iter().map(|file| file.elements(settings.decimals).len()).sum();
    for manner in manners(seed) {
        let asked = Asked { folder, files: &paths, flags: &case.flags, manner: &manner, log };
        let (found, told) = run(&asked).map_err(|error| format!("{manner:?}: {error}"))?;
        // A log that was given is what it is.
        if told != *log {
            is_answer(&settings, &files, log, &told)
                .map_err(|what| format!("{manner:?}: {what}: {told:?}"))?;
        }
        let expected = run_changed(&settings, &told, &files);
        found.equals(&expected).map_err(|what| format!("{manner:?}: {what}\ntold {told:?}"))?;
        accounted(&found, records)?;
        plausible(&found.rows)?;
        // A window that begins with all others may hold more than windows that are there from one moment on.
        if !settings.windows.iter().any(|definition| definition.begin_together()) {
            windows_agree(&settings, &found.rows)?;
        }
    }
    Ok(())
}

/// Whether a job can have the log, which has the changes that were asked for, and none holds later than it
/// must: from the first pane boundary after all that the partitions had when they took it.
fn is_answer(settings: &Settings, files: &[File], asked: &Log, told: &Log) -> Result<(), String> {
    let changes = |log: &Log| log.changes.iter().map(|logged| logged.change.clone()).collect::<Vec<_>>();
    if changes(asked) != changes(told) {
        return Err("other changes than asked for".to_owned());
    }
    let course = Course::read(settings, told)?;
    for logged in &told.changes {
        let ends = (0..files.len()).map(|partition| logged.offsets.get(&partition).copied().unwrap_or(0));
        let watermarks = accept(settings, &course, files, &ends.collect::<Vec<_>>()).watermarks;
        let greatest = watermarks.into_iter().filter(|watermark| *watermark != NOWHERE).max();
        let first = greatest.map(|watermark| pane(&settings.windows, watermark + settings.delay).1);
        if first.is_some_and(|first| logged.from > first) {
            return Err(format!("{:?} could hold from {first:?}", logged.change));
        }
    }
    Ok(())
}

/// The case with everything left out that the failure does not need.
fn shrunk(
    folder: &Path,
    mut case: ChangedCase,
    seed: u64,
    run: Run<'_>,
    mut complaint: String,
) -> (ChangedCase, String) {
    let mut left = SHRINKING;
    'smaller: loop {
        for smaller in smaller(&case) {
            let settings = Settings::read(&smaller.case.flags);
            if !is_sound(&smaller.case) || Course::read(&settings, &smaller.log).is_err() {
                continue;
            }
            if left == 0 {
                return (case, complaint);
            }
            left -= 1;
            if let Err(new) = check(folder, &smaller, seed, run) {
                (case, complaint) = (smaller, new);
                continue 'smaller;
            }
        }
        return (case, complaint);
    }
}

/// The case without a change, some lines or a flag, what leaves out most first.
fn smaller(case: &ChangedCase) -> Vec<ChangedCase> {
    let changes = (0..case.log.changes.len()).rev().map(|place| {
        let mut smaller = case.clone();
        smaller.log.changes.remove(place);
        smaller
    });
    let lines = (0..case.case.tapes.len()).flat_map(|tape| {
        let all = case.case.tapes[tape].lines.len();
        let sizes = std::iter::successors(Some(all), |size| (*size > 1).then_some(size.div_ceil(2)));
        let parts = sizes
            .filter(|size| *size > 0)
            .flat_map(move |size| (0..all).step_by(size).map(move |from| (from, (from + size).min(all))));
        parts.map(move |(from, to)| case.without_lines(tape, from, to))
    });
    let flags = (0..case.case.flags.len()).filter(|place| case.case.flags[*place].starts_with("--"));
    let flags = flags.map(|place| {
        let mut smaller = case.clone();
        let flags = &mut smaller.case.flags;
        let next = flags[place + 1..].iter().position(|flag| flag.starts_with("--"));
        flags.drain(place..next.map_or(flags.len(), |next| place + 1 + next));
        super::drop_bases_without_a_cross(flags);
        smaller
    });
    changes.chain(lines).chain(flags).collect()
}

/// Writes the case where it stays.
fn keep(seed: u64, changed: &ChangedCase) -> PathBuf {
    let folder = super::keep(seed, &changed.case);
    std::fs::write(folder.join("log"), format!("{:#?}\n", changed.log)).expect("written");
    let settings = Settings::read(&changed.case.flags);
    let rows = run_changed(&settings, &changed.log, &changed.case.files()).rows;
    std::fs::write(folder.join("expected.jsonl"), rows).expect("written");
    folder
}

/// A job that is changed before its first record is one that was born so, and that the program can be asked
/// for by flags alone.
#[test]
fn jobs_changed_before_their_first_record_give_what_the_oracle_gives() {
    hold(CASES, case_of_changes_at_the_start, &|asked| {
        let flags = flags_of_job_born_so(asked.flags, asked.log).ok_or("no flags ask for that job")?;
        let order: Vec<usize> = (0..asked.files.len()).collect();
        let found = program::run_in_order(asked.folder, asked.files, &order, &flags, asked.manner)?;
        Ok((found, asked.log.clone()))
    });
}

fn formula(cross: &Cross) -> String {
    let mut text = String::new();
    for leg in &cross.legs {
        if !text.is_empty() {
            text.push(if leg.inverse { '/' } else { '*' });
        }
        text.push_str(&leg.symbol);
    }
    text
}

/// The log as `--changes` takes it.
fn told(log: &Log) -> String {
    let change = |logged: &LoggedChange| {
        let (verb, kind, name, formula) = match &logged.change {
            Change::AddCross(cross) => ("add", "cross", &cross.name, Some(formula(cross))),
            Change::DropCross(name) => ("drop", "cross", name, None),
            Change::AddSymbol(name) => ("add", "symbol", name, None),
            Change::DropSymbol(name) => ("drop", "symbol", name, None),
        };
        let offsets: serde_json::Map<String, serde_json::Value> = logged
            .offsets
            .iter()
            .map(|(partition, offset)| (partition.to_string(), (*offset).into()))
            .collect();
        serde_json::json!({
            "change": verb, "kind": kind, "name": name, "formula": formula,
            "from_ms": logged.from / 1_000, "offsets": offsets,
        })
    };
    serde_json::json!({ "log": log.changes.iter().map(change).collect::<Vec<_>>() }).to_string()
}

/// A log that is given says where each partition took each change, also where no reader of this run would
/// have.
#[test]
fn jobs_given_a_log_give_what_the_oracle_gives() {
    // No run takes a change that holds from before the epoch on.
    let has_epoch = |case: &ChangedCase| case.log.changes.iter().all(|logged| logged.from >= 0);
    let case_of = |seed| Some(tapes::case_of_changes(seed)).filter(has_epoch);
    hold(CASES, case_of, &|asked| {
        let path = asked.folder.join("changes.json");
        std::fs::write(&path, told(asked.log)).expect("written");
        let mut flags = asked.flags.to_vec();
        flags.extend(["--changes".to_owned(), path.display().to_string()]);
        let order: Vec<usize> = (0..asked.files.len()).collect();
        let found = program::run_in_order(asked.folder, asked.files, &order, &flags, asked.manner)?;
        Ok((found, asked.log.clone()))
    });
}

fn case_of_changes_at_the_start(seed: u64) -> Option<ChangedCase> {
    let ChangedCase { case, mut log } = tapes::case_of_changes(seed);
    let from = pane(&Settings::read(&case.flags).windows, 0).0;
    for logged in &mut log.changes {
        (logged.from, logged.offsets) = (from, Default::default());
    }
    flags_of_job_born_so(&case.flags, &log)?;
    Some(ChangedCase { case, log })
}

/// The flags of the job that these and the log come to, where there are any.
fn flags_of_job_born_so(flags: &[String], log: &Log) -> Option<Vec<String>> {
    let settings = Settings::read(flags);
    let course = Course::new(&settings, log);
    let (symbols, crosses) = course.in_force();
    let mut born = flags.to_vec();
    while let Some(place) =
        born.iter().position(|flag| ["--cross", "--symbols", "--back-fill"].contains(&flag.as_str()))
    {
        born.drain(place..place + 2);
    }
    // Names that a list cannot have are left to other cases, and without a name it is the default job.
    let can_be_listed = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let symbols = match settings.symbols {
        None => "all".to_owned(),
        Some(_) if symbols.is_empty() || !symbols.iter().all(can_be_listed) => return None,
        Some(_) => symbols.into_iter().collect::<Vec<_>>().join(","),
    };
    born.extend(["--symbols".to_owned(), symbols]);
    for cross in crosses {
        born.extend(["--cross".to_owned(), format!("{}={}", cross.name, cross.formula())]);
    }
    Some(born)
}
