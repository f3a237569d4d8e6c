//! The laws of `docs/semantics.md#laws`, held against generated tapes: the program against the oracle, byte
//! for byte.
//!
//! A failing case is made small, written to a folder that stays, and named by its seed: `CROSSRATE_SEED=7`
//! runs that one alone. `CROSSRATE_CASES` asks for more of them.

mod agreement;
mod changed_jobs;

use crate::program;
use crate::tapes::{self, Case, Packing, Random, Tape};
use agreement::windows_agree;
use oracle::Settings;
use oracle::windows::Definition;
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const CASES: u64 = 250;
/// Runs that making a failing case small may take.
const SHRINKING: usize = 600;

#[test]
fn generated_tapes_give_what_the_oracle_gives() {
    hold(tapes::case);
}

#[test]
fn jobs_of_several_windows_give_what_the_oracle_gives() {
    hold(tapes::case_of_windows);
}

#[test]
fn trades_with_ids_of_any_kind_give_what_the_oracle_gives() {
    hold(tapes::case_of_ids);
}

/// The laws, of the cases of so many seeds.
fn hold(case_of: fn(u64) -> Case) {
    each_seed(CASES, |folder, seed| failure_of(folder, case_of, seed));
}

/// Asks for the failures of so many seeds, or of those that the environment names, each with a folder to
/// write to.
fn each_seed(cases: u64, failure_of: impl Fn(&Path, u64) -> Option<String> + Sync) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seeds = match number("CROSSRATE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CROSSRATE_CASES").unwrap_or(cases),
    };
    let next = AtomicU64::new(seeds.start);
    let failed = std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| {
            scope.spawn(|| {
                let folder = tempfile::tempdir().expect("a folder");
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return None;
                    }
                    if let Some(failure) = failure_of(folder.path(), seed) {
                        next.store(seeds.end, Ordering::Relaxed);
                        return Some(failure);
                    }
                }
            })
        });
        threads.map(|thread| thread.join().expect("no panic"))
    });
    if let Some(failure) = failed.into_iter().flatten().next() {
        panic!("{failure}");
    }
}

/// What went wrong with the case of this seed, made small and kept.
fn failure_of(folder: &Path, case_of: fn(u64) -> Case, seed: u64) -> Option<String> {
    let case = case_of(seed);
    let manners = manners(seed);
    let complaint = check(folder, &case, &manners, seed).err()?;
    let (case, complaint) = shrunk(folder, case, &manners, seed, complaint);
    let kept = keep(seed, &case);
    Some(format!("seed {seed}, kept in {}\nflags {}\n{complaint}", kept.display(), case.flags.join(" ")))
}

/// The first is plain, the others are cut up in ways that no row depends on.
fn manners(seed: u64) -> Vec<Vec<&'static str>> {
    let mut random = Random::new(!seed);
    let batches = random.one_of(&["1", "2", "7", "50"]);
    let workers = random.one_of(&["1", "2", "3", "4"]);
    let mut manners = vec![vec![], vec!["-w", workers, "--batch-records", batches]];
    if random.chance(10) {
        let (processes, workers) = (random.one_of(&["2", "2", "3"]), random.one_of(&["1", "2"]));
        manners.push(vec!["-n", processes, "-w", workers, "--batch-records", batches]);
    }
    manners
}

/// Laws 1, 2, 3, 4, 6 and 8 of one case.
fn check(folder: &Path, case: &Case, manners: &[Vec<&str>], seed: u64) -> Result<(), String> {
    let files = case.files();
    let write = |(number, tape): (usize, &Tape)| tape.write(folder, number);
    let paths: Vec<PathBuf> = case.tapes.iter().enumerate().map(write).collect();
    let settings = Settings::read(&case.flags);
    let expected = oracle::run(&settings, &files);
    let records: usize = files.iter().map(|file| file.elements(settings.decimals).len()).sum();
    for (place, manner) in manners.iter().enumerate() {
        // Which partition comes first is nobody's business but the dead letters', and that of trades without
        // a sequence at one time.
        let mut order: Vec<usize> = (0..files.len()).collect();
        if place > 0 && case.tapes.iter().all(|tape| !tape.is_mapped) {
            Random::new(seed).shuffle(&mut order);
        }
        let found = program::run_in_order(folder, &paths, &order, &case.flags, manner)?;
        found.equals(&expected).map_err(|difference| format!("{manner:?}: {difference}"))?;
        accounted(&found, records)?;
        plausible(&found.rows)?;
        windows_agree(&settings, &found.rows)?;
    }
    Ok(())
}

/// Law 3, and that the refused records are those that the accounting says.
fn accounted(found: &program::Outcome, records: usize) -> Result<(), String> {
    let summary: Value = serde_json::from_str(&found.summary).map_err(|error| error.to_string())?;
    let count = |key: &str| summary[key].as_u64().unwrap_or(u64::MAX);
    let eight = ["accepted", "duplicate", "late", "bad", "future", "ignored", "unselected", "heartbeat"];
    let sum: u64 = eight.iter().map(|key| count(key)).fold(0, u64::wrapping_add);
    let dead = count("late") + count("bad") + count("future");
    if count("read") != sum || count("read") != records as u64 || dead != found.refused.len() as u64 {
        return Err(format!(
            "{records} records, {} dead letters, but {}",
            found.refused.len(),
            found.summary
        ));
    }
    Ok(())
}

/// Laws 4 and 6, of the rows alone: nothing follows a final row of its key, and what has no number says why.
fn plausible(rows: &str) -> Result<(), String> {
    let mut ended = HashSet::new();
    for line in rows.lines() {
        let row: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        let key = ["kind", "name", "window", "start_ms", "end_ms"].map(|key| row[key].to_string()).join(" ");
        if ended.contains(&key) {
            return Err(format!("after a final row: {line}"));
        }
        let (is_stats, is_basis) = (row["kind"] == "stats", row["kind"] == "basis");
        if is_stats || is_basis || row["final"] == true {
            ended.insert(key);
        }
        if is_basis {
            plausible_basis(&row).map_err(|what| format!("{what}: {line}"))?;
            continue;
        }
        let is_fill = row["kind"] == "symbol" && row["trades"] == 0;
        let missing = row["status"] == "leg_missing" || is_fill;
        let inverse =
            row["legs"].as_array().is_some_and(|legs| legs.iter().any(|leg| leg["inverse"] == true));
        let why = |null: &Value, reason: bool| !null.is_null() || reason;
        let of_two = row["n"].as_u64().is_none_or(|n| n > 1);
        // A variance may also be greater than a double can be.
        let great = |rate: &Value| rate.as_str().is_some_and(|rate| rate.len() > 100);
        let right = row["vwap"].is_null() == missing
            && why(&row["vw_variance"], is_stats || missing || inverse || great(&row["vwap"]))
            && why(&row["variance"], !is_stats || !of_two || great(&row["sum"]))
            && (row["kind"] != "cross" || row.get("close").is_none_or(|close| close.is_null() == missing))
            && row["vw_variance"].is_null() == row["vw_std"].is_null()
            && row["variance"].is_null() == row["std"].is_null();
        if !right {
            return Err(format!("a number is there or missing without a reason: {line}"));
        }
    }
    Ok(())
}

/// What is missing is what the status says, and a difference needs both sides.
fn plausible_basis(row: &Value) -> Result<(), &'static str> {
    let is_null = |key: &str| row[key].is_null();
    let (no_cross, no_direct) = (row["status"] == "cross_missing", row["status"] == "direct_missing");
    if is_null("cross") != no_cross || is_null("direct") != no_direct {
        return Err("the status does not say which side is missing");
    }
    if is_null("basis") != (no_cross || no_direct) || is_null("basis_bps") != is_null("basis") {
        return Err("a basis is there or missing without a reason");
    }
    Ok(())
}

/// The case with everything left out that the failure does not need.
fn shrunk(
    folder: &Path,
    mut case: Case,
    manners: &[Vec<&str>],
    seed: u64,
    mut complaint: String,
) -> (Case, String) {
    let mut left = SHRINKING;
    let mut still_fails = |smaller: Case, case: &mut Case, complaint: &mut String| {
        if left == 0 || !is_sound(&smaller) {
            return false;
        }
        left -= 1;
        match check(folder, &smaller, manners, seed) {
            Ok(()) => false,
            Err(new) => {
                (*case, *complaint) = (smaller, new);
                true
            }
        }
    };
    for tape in (0..case.tapes.len()).rev() {
        let mut smaller = case.clone();
        smaller.tapes.remove(tape);
        if !smaller.tapes.is_empty() {
            still_fails(smaller, &mut case, &mut complaint);
        }
    }
    for tape in 0..case.tapes.len() {
        let mut smaller = case.clone();
        smaller.tapes[tape].packing = Packing::Plain;
        still_fails(smaller, &mut case, &mut complaint);
        let mut size = case.tapes[tape].lines.len().max(1);
        loop {
            let mut from = 0;
            while from < case.tapes[tape].lines.len() {
                let mut smaller = case.clone();
                let lines = &mut smaller.tapes[tape].lines;
                lines.drain(from..(from + size).min(lines.len()));
                if !still_fails(smaller, &mut case, &mut complaint) {
                    from += size;
                }
            }
            if size == 1 {
                break;
            }
            size /= 2;
        }
    }
    let mut place = 0;
    while place < case.flags.len() {
        let next = case.flags[place + 1..].iter().position(|flag| flag.starts_with("--"));
        let end = next.map_or(case.flags.len(), |next| place + 1 + next);
        let mut smaller = case.clone();
        smaller.flags.drain(place..end);
        drop_bases_without_a_cross(&mut smaller.flags);
        if !still_fails(smaller, &mut case, &mut complaint) {
            place = end;
        }
    }
    (case, complaint)
}

/// A basis is of a cross, and leaves with it.
fn drop_bases_without_a_cross(flags: &mut Vec<String>) {
    let name_of = |value: &String| value.split('=').next().unwrap_or_default().to_owned();
    let named =
        |flag: &str| flags.windows(2).filter(|pair| pair[0] == flag).map(|pair| name_of(&pair[1])).collect();
    let crosses: HashSet<String> = named("--cross");
    while let Some(place) =
        flags.windows(2).position(|pair| pair[0] == "--basis" && !crosses.contains(&name_of(&pair[1])))
    {
        flags.drain(place..place + 2);
    }
}

/// Whether no window is defined twice, which would be a mistake of usage, and records are read by the mapping
/// that they are written for.
fn is_sound(case: &Case) -> bool {
    let is_mapped = case.tapes.iter().any(|tape| tape.is_mapped);
    if is_mapped && !case.flags.iter().any(|flag| flag == "--format") {
        return false;
    }
    let windows = Settings::read(&case.flags).windows;
    let forms: HashSet<String> = windows.iter().map(Definition::canonical).collect();
    forms.len() == windows.len()
}

/// Writes the case where it stays.
fn keep(seed: u64, case: &Case) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("laws-{seed}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    for (number, tape) in case.tapes.iter().enumerate() {
        tape.write(&folder, number);
    }
    std::fs::write(folder.join("flags"), case.flags.join("\n")).expect("written");
    let rows = oracle::run(&Settings::read(&case.flags), &case.files()).rows;
    std::fs::write(folder.join("expected.jsonl"), rows).expect("written");
    folder
}
