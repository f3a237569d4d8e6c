//! A run of the program itself over files, and what it left behind, in the oracle's terms.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use oracle::Refused;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) rows: String,
    /// As it stands in the file.
    pub(crate) summary: String,
    /// In order of partition and offset.
    pub(crate) refused: Vec<Refused>,
}

/// How a run is cut up: flags that no row depends on.
pub(crate) type Manner<'a> = &'a [&'a str];

impl Outcome {
    /// Where this is not, byte for byte, what the oracle says.
    pub(crate) fn equals(&self, expected: &oracle::Outcome) -> Result<(), String> {
        same("rows", &expected.rows, &self.rows)?;
        same("summary", &format!("{}\n", expected.counts.json()), &self.summary)?;
        same("dead letters", &shown(&expected.refused), &shown(&self.refused))
    }
}

/// Runs the program with the partitions in this order, which only shows in the dead letters: those are told
/// by the numbers that the partitions have in `files`.
pub(crate) fn run_in_order(
    folder: &Path,
    files: &[PathBuf],
    order: &[usize],
    flags: &[String],
    manner: Manner<'_>,
) -> Result<Outcome, String> {
    let files: Vec<PathBuf> = order.iter().map(|partition| files[*partition].clone()).collect();
    let found = run(folder, &files, flags, manner);
    let mut found = found.map_err(|error| format!("{manner:?}: {error}"))?;
    for refused in &mut found.refused {
        let number = order.get(refused.partition);
        refused.partition =
            *number.ok_or_else(|| format!("a dead letter of partition {}", refused.partition))?;
    }
    found.refused.sort();
    Ok(found)
}

/// Takes the settings of whoever runs the tests from a program's environment.
pub(crate) fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CROSSRATE_"))
    {
        command.env_remove(name);
    }
}

/// Runs the program in this folder over files in it. It must succeed; else what it said is the error.
fn run(folder: &Path, files: &[PathBuf], flags: &[String], manner: Manner<'_>) -> Result<Outcome, String> {
    let (summary, dead_letters) = (folder.join("summary.out"), folder.join("dead.out"));
    for left in [&summary, &dead_letters] {
        let _ = std::fs::remove_file(left);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.arg("run").args(flags).args(manner).arg("-q");
    command.arg("--summary").arg(&summary).arg("--dead-letter").arg(&dead_letters);
    command.arg("--from").args(files).current_dir(folder).stdin(Stdio::null());
    without_settings(&mut command);
    let output = command.output().expect("the program starts");
    // That nothing comes of a partition is told also to whoever asked for silence.
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.lines().filter(|line| !line.contains(" records none was accepted: ")).collect();
    if !output.status.success() || !said.is_empty() {
        return Err(format!("{}: {said}", output.status));
    }
    let rows = String::from_utf8(output.stdout).map_err(|_| "rows are not UTF-8".to_owned())?;
    let summary = std::fs::read_to_string(&summary).map_err(|error| format!("summary: {error}"))?;
    let letters = std::fs::read_to_string(&dead_letters).map_err(|error| format!("dead letters: {error}"))?;
    let mut refused = letters.lines().map(dead_letter).collect::<Result<Vec<_>, _>>()?;
    refused.sort();
    Ok(Outcome { rows, summary, refused })
}

/// A dead letter; the detail is words for people, but there must be some.
fn dead_letter(line: &str) -> Result<Refused, String> {
    let wrong = || format!("dead letter {line}");
    let letter: Value = serde_json::from_str(line).map_err(|_| wrong())?;
    let number = |key: &str| letter[key].as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(wrong);
    let text = |key: &str| letter[key].as_str().ok_or_else(wrong);
    if text("detail")?.is_empty() {
        return Err(wrong());
    }
    let value = match letter.get("value_base64") {
        None => text("value")?.as_bytes().to_vec(),
        Some(_) => {
            let bytes = BASE64_STANDARD.decode(text("value_base64")?).map_err(|_| wrong())?;
            if letter.get("value").is_some() || std::str::from_utf8(&bytes).is_ok() {
                return Err(wrong());
            }
            bytes
        }
    };
    Ok(Refused {
        partition: number("partition")?,
        offset: number("offset")?,
        reason: text("reason")?.to_owned(),
        value,
    })
}

fn shown(refused: &[Refused]) -> String {
    let line =
        |r: &Refused| format!("{} {} {} {}\n", r.partition, r.offset, r.reason, r.value.escape_ascii());
    refused.iter().map(line).collect()
}

/// Where two texts of lines first differ, for people.
pub(crate) fn same(what: &str, expected: &str, found: &str) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let (mut left, mut right) = (expected.lines(), found.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (one, other) if one == other => {}
            (one, other) => {
                let shown = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                return Err(format!(
                    "{what}: line {number}\nexpected {}\nfound    {}",
                    shown(one),
                    shown(other)
                ));
            }
        }
    }
    Err(format!("{what}: the ends of lines differ"))
}
