//! Checkpoints that released programs have written are taken up: the rest of the input gives, with what they
//! had written, byte for byte what one undisturbed run of this program gives.
//!
//! `tests/fixtures/checkpoints/README.md` says how the fixtures are made.

use super::outputs;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a job computes, and where its rows go.
pub(crate) struct Case {
    /// The folder of the fixture, below that of the program that wrote it.
    pub(crate) name: &'static str,
    pub(crate) flags: &'static str,
    pub(crate) sinks: &'static str,
    /// The program was killed after so many commits.
    pub(crate) commits: usize,
}

/// Windows that slide, legs that are carried, statistics of all rates, all symbols.
pub(crate) const SLIDING: &str = "--window 4s --slide 1s --delay 500ms --symbols all --cross XVGUSDT=XVGBTC*BTCUSDT \
                                  --missing-leg carry --max-carry 9s";

/// A grace in which each tick may revise a row, provisional rows, the legs alone.
pub(crate) const CHANGES: &str = "--window 4s --slide 2s --delay 500ms --grace 3s --emit changes --tick 500ms --provisional \
                                  --cross BACK=BTCUSDT/XVGBTC";

/// Statistics of the last rates.
pub(crate) const STATS_LAST: &str = "--window 2s --delay 1s --symbols all --cross XVGUSDT=XVGBTC*BTCUSDT --stats-last 4 \
                                     --missing-leg withhold";

/// Several windows, of which the long ones are kept by value.
const SEVERAL: &str = "--window anchored:all/2s --window 1d --window 4s/1s --delay 500ms --grace 1s --emit changes \
                       --symbols all --cross XVGUSDT=XVGBTC*BTCUSDT --missing-leg carry --max-carry 9s";

const CASES: [Case; 7] = [
    Case { name: "sliding-file", flags: SLIDING, sinks: "--to rows.jsonl", commits: 6 },
    Case {
        name: "changes-file",
        flags: CHANGES,
        sinks: "--to rows.jsonl --dead-letter dead.jsonl",
        commits: 30,
    },
    Case { name: "stats-last-file", flags: STATS_LAST, sinks: "--to rows.jsonl", commits: 4 },
    Case { name: "sliding-csv", flags: SLIDING, sinks: "--to csv:rows", commits: 6 },
    Case {
        name: "sliding-sqlite",
        flags: SLIDING,
        sinks: "--to sqlite:rows.db --to rows.jsonl --dead-letter dead.jsonl",
        commits: 6,
    },
    Case { name: "changes-sqlite", flags: CHANGES, sinks: "--to sqlite:rows.db", commits: 9 },
    Case { name: "several-windows", flags: SEVERAL, sinks: "--to rows.jsonl", commits: 9 },
];

/// The inputs of all fixtures, a partition each.
pub(crate) const INPUTS: [&str; 2] = ["trades-0.jsonl", "trades-1.jsonl"];

/// The program whose fixtures are written, where one is named to do so.
pub(crate) const WRITER: &str = "5a88bf3";

/// The programs of which there are fixtures.
pub(crate) fn writers() -> Vec<PathBuf> {
    let entries = fs::read_dir(fixtures()).expect("fixtures").map(|entry| entry.expect("an entry").path());
    let folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty(), "no fixtures");
    folders
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints")
}

/// The program that is to write the fixtures anew, where the user names one.
pub(crate) fn writer() -> Option<String> {
    std::env::var("CROSSRATE_FIXTURES_BY").ok()
}

pub(crate) fn unpack(packed: &Path, to: &Path) {
    let mut bytes = Vec::new();
    let file = fs::File::open(packed).unwrap_or_else(|error| panic!("{}: {error}", packed.display()));
    GzDecoder::new(file).read_to_end(&mut bytes).expect("a whole gzip file");
    fs::create_dir_all(to.parent().expect("a folder")).expect("made");
    fs::write(to, bytes).expect("written");
}

pub(crate) fn pack(bytes: &[u8], to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("made");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes everything");
    fs::write(to, encoder.finish().expect("packed")).expect("written");
}

/// Makes the inputs, where there are none: those of a fixture belong to it.
pub(crate) fn make_inputs() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in super::input::write(folder.path(), 9, INPUTS.len(), 700, 40) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        let packed = fixtures().join(format!("{name}.gz"));
        if !packed.exists() {
            pack(&fs::read(&path).expect("read"), &packed);
        }
    }
}

/// Puts the inputs into a folder.
pub(crate) fn put_inputs(folder: &Path) {
    for name in INPUTS {
        unpack(&fixtures().join(format!("{name}.gz")), &folder.join(name));
    }
}

/// Files below a folder, by their path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else {
            let name = path.strip_prefix(folder).expect("below it").to_owned();
            found.insert(name, fs::read(&path).expect("read"));
        }
    }
    found
}

/// Runs a program until so many commits are told of, and kills it then. Whether it was still at work.
pub(crate) fn run_and_kill(mut command: Command, commits: usize) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    crate::program::without_settings(&mut command);
    let mut child = command.spawn().expect("the program starts");
    let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let told = lines.map_while(Result::ok).filter(|line| line.contains("committed ")).take(commits).count();
    child.kill().expect("killed");
    let is_killed = child.wait().expect("ended").code().is_none();
    is_killed && told == commits
}

/// Makes a fixture by that program. The folder has a name that says nothing, since a checkpoint knows whole
/// paths.
fn write(case: &Case, program: &str, whole: &BTreeMap<String, Vec<String>>) {
    let folder = std::env::temp_dir().join("crossrate-fixture");
    loop {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("made");
        put_inputs(&folder);
        let mut command = Command::new(program);
        command.arg("run").args(INPUTS).args(case.flags.split_whitespace()).current_dir(&folder);
        command.args(case.sinks.split_whitespace()).args([
            "--commit-interval",
            "0ms",
            "--batch-records",
            "8",
            "-v",
        ]);
        if run_and_kill(command, case.commits) && left(&folder) != *whole {
            break;
        }
    }
    let to = fixtures().join(WRITER).join(case.name);
    let _ = fs::remove_dir_all(&to);
    for name in files(&folder).into_keys() {
        let name = name.to_str().expect("UTF-8");
        if name.ends_with(".recovery") || name.ends_with(".db") {
            let database = rusqlite::Connection::open(folder.join(name)).expect("a database");
            database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("in one file");
        }
    }
    for (name, bytes) in files(&folder) {
        let name = name.to_str().expect("UTF-8").to_owned();
        if !INPUTS.contains(&name.as_str()) && !name.ends_with("-wal") && !name.ends_with("-shm") {
            pack(&bytes, &to.join(name + ".gz"));
        }
    }
    fs::remove_dir_all(&folder).expect("removed");
}

fn crossrate(folder: &Path, words: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    let output = command.args(words.split_whitespace()).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.expect("the program starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code().unwrap_or(-1), said.concat())
}

/// The flags of a job over the inputs.
fn run(case: &Case) -> String {
    format!("run {} {} {} -q", INPUTS.join(" "), case.flags, case.sinks)
}

/// Fields that rows had not where fixtures were written, which are null of what was summed then. A cross had
/// no `close`.
const LATER: [&str; 3] = ["window", "taker_buy_volume", "taker_buy_quote_volume"];

fn is_later(name: &str, of_cross: bool) -> bool {
    // Databases have decimals as doubles too.
    let name = name.trim_end_matches("_real");
    LATER.contains(&name) || of_cross && name == "close"
}

/// A row as JSON without these fields. None of their values has a comma in it.
pub(crate) fn without_later_fields(line: &str) -> String {
    let of_cross = line.starts_with("{\"kind\":\"cross\"");
    let mut fields: Vec<&str> = line.split(',').collect();
    fields.retain(|field| {
        let name = field.split_once("\":").map_or("", |(name, _)| name.trim_start_matches(['{', '"']));
        !is_later(name, of_cross)
    });
    fields.join(",")
}

/// A file of comma separated rows without these columns. Of the columns before the last one that goes none
/// has a comma.
fn without_later_columns(name: &str, lines: &str) -> Vec<String> {
    let of_cross = name.contains("crosses");
    let header: Vec<&str> = lines.lines().next().unwrap_or("").split(',').collect();
    let gone: Vec<usize> = (0..header.len()).filter(|at| is_later(header[*at], of_cross)).collect();
    let kept = |line: &str| {
        let columns = line.split(',').enumerate().filter(|(at, _)| !gone.contains(at));
        columns.map(|(_, column)| column).collect::<Vec<_>>().join(",")
    };
    lines.lines().map(kept).collect()
}

/// The tables of rows in a database; an earlier program knew fewer.
fn tables(path: &Path) -> BTreeMap<String, Vec<String>> {
    let database = rusqlite::Connection::open(path).expect("a database");
    let named =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'crossrate_%' ORDER BY name";
    let mut names = database.prepare(named).expect("a schema");
    let names = names.query_map([], |row| row.get::<_, String>(0)).expect("read");
    let rows = |table: &str| -> Vec<String> {
        let all = database.prepare(&format!("SELECT * FROM {table}")).expect("a table");
        let columns = all.column_names().filter(|name| !is_later(name, table == "crosses"));
        let columns = columns.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let mut select = database.prepare(&format!("SELECT {columns} FROM {table}")).expect("a table");
        let columns = select.column_count();
        let rows = select.query_map([], |row| {
            (0..columns)
                .map(|c| row.get_ref(c).map(|value| format!("{value:?} ")))
                .collect::<Result<String, _>>()
        });
        // In order of the key, which the tables are stored by.
        rows.expect("read").map(|row| row.expect("a row")).collect()
    };
    names.map(|name| name.expect("a name")).map(|name| (name.clone(), rows(&name))).collect()
}

/// What a job has left: files of rows, and tables in place of a database's bytes.
fn left(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut left = BTreeMap::new();
    for (name, bytes) in files(folder) {
        let name = name.to_str().expect("UTF-8").to_owned();
        if INPUTS.contains(&name.as_str()) {
            continue;
        }
        if name == "dead.jsonl" {
            left.insert(name.clone(), outputs::dead_letters(&folder.join(name)).expect("there"));
        } else if name.ends_with(".jsonl") {
            let text = String::from_utf8(bytes).expect("UTF-8");
            left.insert(name, text.lines().map(without_later_fields).collect());
        } else if name.ends_with(".csv") {
            let text = String::from_utf8(bytes).expect("UTF-8");
            let lines = without_later_columns(&name, &text);
            left.insert(name, lines);
        } else if name.ends_with(".db") {
            left.extend(tables(&folder.join(name)));
        }
    }
    left
}

#[test]
fn checkpoints_of_released_programs_are_taken_up_without_a_difference_in_any_row() {
    for case in &CASES {
        let whole = tempfile::tempdir().expect("a folder");
        if writer().is_some() {
            make_inputs();
        }
        put_inputs(whole.path());
        let (code, said) = crossrate(whole.path(), &run(case));
        assert_eq!(code, 0, "{}: {said}", case.name);
        if let Some(program) = writer() {
            write(case, &program, &left(whole.path()));
        }
        let of_each = writers().into_iter().flat_map(|writer| [(writer.clone(), "-w 1"), (writer, "-w 3")]);
        for (writer, workers) in of_each {
            let resumed = tempfile::tempdir().expect("a folder");
            put_inputs(resumed.path());
            let fixture = writer.join(case.name);
            // An earlier program did not know all that the cases ask for.
            if !fixture.is_dir() {
                continue;
            }
            for name in files(&fixture).into_keys() {
                unpack(&fixture.join(&name), &resumed.path().join(name.with_extension("")));
            }
            assert_ne!(left(whole.path()), left(resumed.path()), "{} has all rows already", case.name);
            let of_job = case.sinks.split(" --to ").next().expect("the first sink");
            let of_job = of_job.split(" --dead").next().expect("the first sink");
            let (code, said) = crossrate(resumed.path(), &format!("checkpoint show {of_job}"));
            assert!(code == 0 && said.contains("# partitions"), "{}: {code} {said}", case.name);
            let (code, said) = crossrate(resumed.path(), &format!("{} {workers}", run(case)));
            assert_eq!(code, 0, "{}: {said}", case.name);
            let (expected, found) = (left(whole.path()), left(resumed.path()));
            assert_eq!(
                expected.keys().collect::<Vec<_>>(),
                found.keys().collect::<Vec<_>>(),
                "{}",
                case.name
            );
            for (name, expected) in &expected {
                outputs::assert_same_lines(&format!("{name}, {}", case.name), expected, &found[name]);
            }
            let (code, said) = crossrate(resumed.path(), &format!("checkpoint check {of_job}"));
            assert_eq!(code, 0, "{}: {said}", case.name);
        }
    }
}
