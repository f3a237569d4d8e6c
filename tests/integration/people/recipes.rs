//! `docs/recipes.md`, recipe by recipe, with the programs that it names.

use super::{folder, readers, succeed, without_settings};
use crate::needs;
use crate::readme::{Block, blocks};
use crate::recovery::postgres;
use std::path::Path;
use std::process::{Command, Stdio};

const DOCUMENT: &str = include_str!("../../../docs/recipes.md");

fn recipes(info: &str) -> Vec<Block> {
    let found: Vec<Block> = blocks(DOCUMENT).into_iter().filter(|block| block.info == info).collect();
    assert!(!found.is_empty(), "no recipe {info:?}");
    found
}

/// Runs a shell's lines in a folder, with the program and those of `programs` at hand. What they printed.
fn shell(folder: &Path, programs: Option<&Path>, lines: &str, database: &str) -> String {
    let ours = Path::new(env!("CARGO_BIN_EXE_crossrate")).parent().expect("a folder");
    let mut path = ours.as_os_str().to_owned();
    for more in programs.map(Path::as_os_str).into_iter().chain(std::env::var_os("PATH").as_deref()) {
        path.push(":");
        path.push(more);
    }
    let mut command = Command::new("bash");
    without_settings(&mut command);
    command.args(["-euo", "pipefail", "-c", lines]).current_dir(folder).env("PATH", path);
    succeed(command.env("DATABASE", database).stdin(Stdio::null()))
}

/// A folder in which the first recipe was followed.
fn begun() -> tempfile::TempDir {
    let folder = folder();
    for block in recipes("sh rows") {
        shell(folder.path(), None, &block.text, "");
    }
    folder
}

#[test]
#[ignore = "needs DuckDB, polars and pandas"]
fn duckdb_polars_and_pandas() {
    let programs = readers();
    let folder = begun();
    let printed = shell(folder.path(), Some(&programs), &recipes("sh duckdb")[0].text, "");
    assert!(printed.contains("2018-04-30,XVGUSDT,"), "{printed}");
    assert!(printed.contains("stats,"), "{printed}");
    let printed = shell(folder.path(), Some(&programs), &recipes("sh duckdb windows")[0].text, "");
    assert!(printed.contains("\n1m/10s,") && printed.contains("\nBTCUSDT,"), "{printed}");
    assert!(!printed.contains("%2F"), "{printed}");
    if cfg!(feature = "parquet") {
        let printed = shell(folder.path(), Some(&programs), &recipes("sh duckdb parquet")[0].text, "");
        assert!(printed.contains("BTCUSDT,18.4"), "{printed}");
    }
    for (info, expected) in [("python polars", "XVGUSDT"), ("python pandas", "XVGUSDT")] {
        let mut python = Command::new(programs.join("python"));
        let printed = succeed(python.args(["-c", &recipes(info)[0].text]).current_dir(folder.path()));
        assert!(printed.contains(expected), "{info}: {printed}");
    }
}

#[test]
#[ignore = "needs PostgreSQL and psql"]
fn psql() {
    let server = postgres::shared();
    needs::program("psql");
    let folder = begun();
    let printed = shell(folder.path(), None, &recipes("sh psql")[0].text, &server.database());
    assert!(printed.contains("XVGUSDT") && printed.contains("(5 rows)"), "{printed}");
    let copied = std::fs::read_to_string(folder.path().join("stats.csv")).expect("copied");
    assert!(copied.lines().count() > 100, "{copied}");
}

#[test]
#[ignore = "needs curl"]
fn curl() {
    needs::program("curl");
    let folder = begun();
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let lines = recipes("sh curl")[0].text.replace(":8080", &format!(":{port}"));
    let printed = shell(folder.path(), None, &lines, "");
    for expected in ["name,window,start_ms,end_ms,status", "\"XVGUSDT\"", "event: snapshot"] {
        assert!(printed.contains(expected), "{expected} in {printed}");
    }
}

/// That of kcat, with a broker and two topics for those that it names.
pub(crate) fn kcat(brokers: &str, trades: &str, rows: &str) {
    needs::program("kcat");
    let folder = begun();
    let lines = recipes("sh kcat")[0].text.replace("localhost:9092", brokers);
    let lines = lines.replace("-t trades", &format!("-t {trades}"));
    let lines = lines.replace("kafka:vwap", &format!("kafka:{rows} --name {rows}"));
    let lines = lines.replace("-t vwap", &format!("-t {rows}"));
    let printed = shell(folder.path(), None, &lines, "");
    assert_eq!(printed.lines().filter(|line| line.starts_with("cross|XVGUSDT|")).count(), 3, "{printed}");
}
