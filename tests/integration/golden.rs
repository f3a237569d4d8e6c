//! Small runs that show one rule each, to be read: `tests/golden/run/<case>/`, of several windows
//! `tests/golden/windows/<case>/`.
//!
//! A case has its `flags`, its `input.jsonl` (or `input-0.jsonl` and so on, a partition each) and what must
//! come out: `rows.jsonl`, `summary.json` and `dead.jsonl` (without the words for people).
//! `CROSSRATE_GOLDEN=write` writes these three anew, from the oracle and never from the program; then read
//! what changed.

use crate::program::{self, same};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use oracle::{File, Refused, Settings};
use std::path::{Path, PathBuf};

/// All of these print the same bytes.
const MANNERS: &[&[&str]] = &[
    &[],
    &["-w", "2"],
    &["-w", "4"],
    &["-n", "2", "-w", "1"],
    &["--batch-records", "1"],
    &["--batch-records", "2", "-w", "2"],
    &["--batch-records", "3", "-w", "3"],
];

#[test]
fn each_golden_run_in_every_manner() {
    each_case("run", 12);
}

/// Their rows were first worked out by hand.
#[test]
fn each_golden_run_of_several_windows_in_every_manner() {
    each_case("windows", 5);
}

fn each_case(folder: &str, least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(&root).expect("goldens").map(|entry| entry.expect("an entry").path()).collect();
    cases.sort();
    assert!(cases.len() >= least, "where are the goldens?");
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            check(case)
                .err()
                .map(|error| format!("{}\n{error}", case.file_name().unwrap_or_default().display()))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn check(case: &Path) -> Result<(), String> {
    let flags = flags(&read(&case.join("flags"))?);
    let inputs = inputs(case);
    let read_input = |path: &PathBuf| File::of_json(std::fs::read(path).expect("an input"));
    let files: Vec<File> = inputs.iter().map(read_input).collect();
    let expected = oracle::run(&Settings::read(&flags), &files);
    let letters: String = expected.refused.iter().map(dead_letter).collect();
    for (name, text) in [
        ("rows.jsonl", &expected.rows),
        ("summary.json", &format!("{}\n", expected.counts.json())),
        ("dead.jsonl", &letters),
    ] {
        let path = case.join(name);
        if std::env::var_os("CROSSRATE_GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(&path, text).map_err(|error| error.to_string())?;
        }
        same(&format!("the oracle's {name}"), &read(&path)?, text)?;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    for manner in MANNERS {
        let found = program::run_in_order(folder.path(), &inputs, &order, &flags, manner)?;
        found.equals(&expected).map_err(|difference| format!("{manner:?}, files {order:?}: {difference}"))?;
        order.rotate_left(1);
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Lines that begin with `#` say what the case shows.
fn flags(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// The files of a case in the order of their names, which is that of the partitions.
fn inputs(case: &Path) -> Vec<PathBuf> {
    let is_input = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("input"))
    };
    let entries = std::fs::read_dir(case).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut inputs: Vec<PathBuf> = entries.filter(is_input).collect();
    inputs.sort();
    inputs
}

fn dead_letter(refused: &Refused) -> String {
    let Refused { partition, offset, reason, value } = refused;
    let value = match std::str::from_utf8(value) {
        Ok(text) => format!(r#""value":{}"#, serde_json::to_string(text).expect("a text")),
        Err(_) => format!(r#""value_base64":"{}""#, BASE64_STANDARD.encode(value)),
    };
    format!("{{\"partition\":{partition},\"offset\":{offset},\"reason\":\"{reason}\",{value}}}\n")
}
