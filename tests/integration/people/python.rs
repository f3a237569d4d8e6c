//! The client for Python, against the program itself; its types, and the examples of its README.

use super::{folder, readers, succeed};
use crate::readme::{Block, README, blocks};
use crate::serve::Served;
use std::path::{Path, PathBuf};
use std::process::Command;

fn client() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python")
}

/// Python with the client, which leaves nothing behind in the tree.
fn python(words: &[&str]) -> Command {
    let mut command = Command::new(readers().join("python"));
    crate::program::without_settings(&mut command);
    command.args(words).env("PYTHONPATH", client().join("src")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[test]
#[ignore = "needs httpx, polars and pandas"]
fn the_client_gets_what_the_server_has_and_goes_on_by_itself() {
    let folder = folder();
    let tests = client().join("tests/test_client.py");
    let mut command = python(&[tests.to_str().expect("UTF-8")]);
    command.env("CROSSRATE_PROGRAM", env!("CARGO_BIN_EXE_crossrate"));
    succeed(command.env("CROSSRATE_TRADES", folder.path().join("trades.jsonl")).current_dir(folder.path()));
}

#[test]
#[ignore = "needs mypy"]
fn the_client_has_the_types_that_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = python(&["-m", "mypy", "--cache-dir"]);
    succeed(command.arg(folder.path()).current_dir(client()));
}

#[test]
#[ignore = "needs httpx and pandas"]
fn the_examples_of_the_readme_print_what_it_shows() {
    let folder = tempfile::tempdir().expect("a folder");
    // The trades that the README of the program begins with.
    let first =
        blocks(README).into_iter().find(|block| block.text.contains("trades.jsonl <<")).expect("trades");
    let trades: String =
        first.text.lines().filter(|line| line.starts_with('{')).map(|l| format!("{l}\n")).collect();
    let path = folder.path().join("trades.jsonl");
    std::fs::write(&path, trades).expect("written");
    let served = Served::run(&[path.to_str().expect("UTF-8"), "--window", "10s"]);
    served.wait_for_the_end();
    let readme = std::fs::read_to_string(client().join("README.md")).expect("a README");
    let found = blocks(&readme);
    let examples: Vec<&[Block]> =
        found.windows(2).filter(|pair| pair[0].info == "python" && pair[1].info == "text").collect();
    assert_eq!(examples.len(), 3, "each with what it prints");
    for example in examples {
        let text = example[0].text.replace("localhost:8080", &served.address.to_string());
        let printed = succeed(python(&["-c", &text]).current_dir(folder.path()));
        let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(lines(&printed), lines(&example[1].text), "{text}");
    }
}
