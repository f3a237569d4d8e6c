//! `crossrate checkpoint` looks at a checkpoint in a folder that it may not write to.

use super::input;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whoever has no rights here.
const NOBODY: u32 = 65_534;

/// Runs the program in a folder as one who may only read there: exit code, and what it said.
fn reads_only(folder: &Path, words: &str) -> (i32, String) {
    let program = folder.join("crossrate");
    let mut command = Command::new(&program);
    crate::program::without_settings(&mut command);
    command.args(words.split_whitespace()).current_dir(folder).stdin(Stdio::null());
    // The superuser may write anywhere.
    if std::fs::metadata(folder).expect("a folder").uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).expect("UTF-8"))
}

#[test]
fn a_checkpoint_in_a_folder_that_is_only_read_is_looked_at() {
    let folder = super::folder();
    let place = folder.path();
    input::write(place, input::seed(), 1, 3_000, 100);
    let program = env!("CARGO_BIN_EXE_crossrate");
    let there = place.join("crossrate");
    std::fs::hard_link(program, &there).or_else(|_| std::fs::copy(program, &there).map(drop)).expect("there");
    let mut run = Command::new(&there);
    crate::program::without_settings(&mut run);
    let words = "run trades-0.jsonl --symbols all --window 2s --to rows.jsonl -q";
    let status = run.args(words.split(' ')).current_dir(place).stdin(Stdio::null()).status();
    assert!(status.expect("it starts").success());
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(place).expect("a folder").flatten().map(|e| e.file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    std::fs::set_permissions(place, Permissions::from_mode(0o555)).expect("set");
    let probe = std::fs::File::create(place.join("probe"));
    assert!(probe.is_err() || std::fs::metadata(place).expect("a folder").uid() == 0);
    let _ = std::fs::remove_file(place.join("probe"));
    let (check, said) = reads_only(place, "checkpoint check --to rows.jsonl");
    let (show, shown) = reads_only(place, "checkpoint show --to rows.jsonl");
    let (none, words) = reads_only(place, "checkpoint check --to rows.jsonl --name another");
    std::fs::set_permissions(place, Permissions::from_mode(0o755)).expect("set");
    assert!(check == 0 && said.contains("all whole"), "{check} {said}");
    assert!(show == 0 && shown.contains("partition"), "{show} {shown}");
    assert!(none == 1 && words.contains("no checkpoint"), "{none} {words}");
    assert_eq!(names(), before);
}
