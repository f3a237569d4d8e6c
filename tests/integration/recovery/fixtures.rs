//! Checkpoints that released programs have written are taken up: the rest of the input gives, with what they
//! had written, byte for byte what one undisturbed run of this program gives.
//!
//! `tests/fixtures/checkpoints/README.md` says how the fixtures are made.

mod in_postgres;

use super::outputs;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a job computes, and where its rows go.
struct Case {
    /// The folder of the fixture, below those of the programs that wrote it.
    name: &'static str,
    /// These programs.
    writers: &'static [&'static str],
    job: RestartedJob,
    sinks: &'static str,
    /// The program was killed after so many commits.
    commits: usize,
}

/// The runs of a job: one that is taken up, and maybe one before it that came to the end of its inputs.
#[derive(Clone, Copy)]
pub(crate) struct RestartedJob {
    /// Flags of both runs.
    pub(crate) flags: &'static str,
    pub(crate) before: Option<Stage>,
    pub(crate) taken_up: Stage,
}

/// What one run has of its own.
#[derive(Clone, Copy)]
pub(crate) struct Stage {
    pub(crate) inputs: &'static [&'static str],
    pub(crate) flags: &'static str,
}

impl RestartedJob {
    /// A job of one run over the inputs that all programs have.
    pub(crate) const fn of(flags: &'static str) -> RestartedJob {
        RestartedJob { flags, before: None, taken_up: Stage { inputs: &INPUTS, flags: "" } }
    }

    /// The flags of a run.
    pub(crate) fn flags_of(&self, stage: &Stage) -> String {
        format!("{} {}", self.flags, stage.flags)
    }
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

/// All that a checkpoint knows beside calendars: windows that slide and such that grow, of which one kind
/// ends with a month of a zone; fills, a basis, rates of all assets by two venues, statistics of the last
/// rates, windows that are held; then crosses and symbols are changed, while windows of the first file are
/// open.
pub(crate) const EVERYTHING: RestartedJob = RestartedJob {
    flags: "--window 4s/2s --window anchored:1mo@Africa/Abidjan/2s --window anchored:all/2s --delay 500ms \
            --grace 1s --emit changes --tick 1s --fill previous --max-fill 6s --missing-leg carry \
            --max-carry 9s --stats-last 4 --quote USDT --quote-assets USDT,BTC --path-every 2s \
            --path-lookback 4s --back-fill 5s --max-jump 800ms --basis XVGUSDT=S0003USDT",
    before: Some(Stage {
        inputs: &["venue-0.jsonl"],
        flags: "--symbols BTCUSDT,S0003USDT,kraken:XVG-BTC --cross XVGUSDT=XVGBTC*BTCUSDT --at-end keep",
    }),
    taken_up: Stage {
        inputs: &["venue-0.jsonl", "venue-1.jsonl", "venue-2.jsonl"],
        flags: "--symbols BTCUSDT,S0003USDT,S0002USDT --cross XVGUSDT=XVGBTC*BTCUSDT \
                --cross BACK=BTCUSDT/XVGBTC --evolve",
    },
};

/// Months, weeks of a zone and days, of which a folder has many.
const MONTHS: RestartedJob = RestartedJob {
    flags: "--format venue.toml --window 1mo --window 1w@Europe/Berlin --window 1d --delay 1h --grace 6h \
            --fill previous --max-fill 60h --symbols all --cross XVGUSDT=XVGBTC*BTCUSDT \
            --missing-leg carry --max-carry 48h --max-drift 2000h --rows symbol",
    before: None,
    taken_up: Stage { inputs: &["months-0.jsonl"], flags: "" },
};

/// Programs by their commits, and the version of the entries that they write: 2, 3, 4.
pub(crate) const BY_AFC0E70: &str = "afc0e70";
pub(crate) const BY_5A88BF3: &str = "5a88bf3";
pub(crate) const BY_1C289BD: &str = "1c289bd";

const CASES: [Case; 10] = [
    Case {
        name: "sliding-file",
        writers: &[BY_AFC0E70, BY_5A88BF3],
        job: RestartedJob::of(SLIDING),
        sinks: "--to rows.jsonl",
        commits: 6,
    },
    Case {
        name: "changes-file",
        writers: &[BY_AFC0E70, BY_5A88BF3],
        job: RestartedJob::of(CHANGES),
        sinks: "--to rows.jsonl --dead-letter dead.jsonl",
        commits: 30,
    },
    Case {
        name: "stats-last-file",
        writers: &[BY_AFC0E70, BY_5A88BF3],
        job: RestartedJob::of(STATS_LAST),
        sinks: "--to rows.jsonl",
        commits: 4,
    },
    Case {
        name: "sliding-csv",
        writers: &[BY_AFC0E70, BY_5A88BF3],
        job: RestartedJob::of(SLIDING),
        sinks: "--to csv:rows",
        commits: 6,
    },
    Case {
        name: "sliding-sqlite",
        writers: &[BY_AFC0E70, BY_5A88BF3],
        job: RestartedJob::of(SLIDING),
        sinks: "--to sqlite:rows.db --to rows.jsonl --dead-letter dead.jsonl",
        commits: 6,
    },
    Case {
        name: "changes-sqlite",
        writers: &[BY_AFC0E70, BY_5A88BF3],
        job: RestartedJob::of(CHANGES),
        sinks: "--to sqlite:rows.db",
        commits: 9,
    },
    Case {
        name: "several-windows",
        writers: &[BY_5A88BF3],
        job: RestartedJob::of(SEVERAL),
        sinks: "--to rows.jsonl",
        commits: 9,
    },
    Case {
        name: "everything-file",
        writers: &[BY_1C289BD],
        job: EVERYTHING,
        sinks: "--format venue.toml --to rows.jsonl --dead-letter dead.jsonl",
        commits: 3,
    },
    Case {
        name: "everything-sqlite",
        writers: &[BY_1C289BD],
        job: EVERYTHING,
        sinks: "--format venue.toml --to sqlite:rows.db",
        commits: 3,
    },
    Case { name: "months-csv", writers: &[BY_1C289BD], job: MONTHS, sinks: "--to csv:rows", commits: 8 },
];

/// The inputs of most fixtures, a partition each.
pub(crate) const INPUTS: [&str; 2] = ["trades-0.jsonl", "trades-1.jsonl"];

/// The program whose fixtures are written, where one is named to do so.
pub(crate) const WRITER: &str = BY_1C289BD;

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

/// Puts inputs into a folder, and the mapping that some of them need.
pub(crate) fn put_inputs(folder: &Path, inputs: &[&str]) {
    for name in inputs {
        unpack(&fixtures().join(format!("{name}.gz")), &folder.join(name));
    }
    fs::copy(fixtures().join("venue.toml"), folder.join("venue.toml")).expect("copied");
}

fn is_input(name: &str) -> bool {
    ["trades-", "venue", "months-"].iter().any(|begin| name.starts_with(begin))
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
    let command = |stage: &Stage| {
        let mut command = Command::new(program);
        command.current_dir(&folder).arg("run").args(stage.inputs);
        command.args(case.job.flags_of(stage).split_whitespace()).args(case.sinks.split_whitespace());
        command.args(["--commit-interval", "0ms", "--batch-records", "8", "-v"]);
        command
    };
    loop {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("made");
        put_inputs(&folder, case.job.taken_up.inputs);
        if let Some(before) = &case.job.before {
            to_the_end(command(before));
        }
        if run_and_kill(command(&case.job.taken_up), case.commits) && left(&folder, &[]) != *whole {
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
        if !is_input(&name) && !name.ends_with("-wal") && !name.ends_with("-shm") {
            pack(&bytes, &to.join(name + ".gz"));
        }
    }
    fs::remove_dir_all(&folder).expect("removed");
}

/// Runs a job to its end, by two processes and with `--fresh`, which both leave something in a checkpoint.
pub(crate) fn to_the_end(mut command: Command) {
    crate::program::without_settings(&mut command);
    let output = command.args(["-n", "2", "--fresh"]).stdin(Stdio::null()).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn crossrate(folder: &Path, words: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    let output = command.args(words.split_whitespace()).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.expect("the program starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code().unwrap_or(-1), said.concat())
}

/// A run of a job over its inputs.
fn run(case: &Case, stage: &Stage) -> String {
    format!("run {} {} {} -q", stage.inputs.join(" "), case.job.flags_of(stage), case.sinks)
}

/// Fields that rows had not where fixtures were written, which are null of what was summed then. A cross had
/// no `close`.
const LATER: [&str; 3] = ["window", "taker_buy_volume", "taker_buy_quote_volume"];

/// Those of them that rows of a program have not.
pub(crate) fn later_than(writer: &str) -> &'static [&'static str] {
    if [BY_AFC0E70, BY_5A88BF3].contains(&writer) { &LATER } else { &[] }
}

fn is_later(name: &str, of_cross: bool, later: &[&str]) -> bool {
    // Databases have decimals as doubles too.
    let name = name.trim_end_matches("_real");
    later.contains(&name) || of_cross && name == "close" && !later.is_empty()
}

/// A row as JSON without these fields. None of their values has a comma in it.
pub(crate) fn without_fields(line: &str, later: &[&str]) -> String {
    if later.is_empty() {
        return line.to_owned();
    }
    let of_cross = line.starts_with("{\"kind\":\"cross\"");
    let mut fields: Vec<&str> = line.split(',').collect();
    fields.retain(|field| {
        let name = field.split_once("\":").map_or("", |(name, _)| name.trim_start_matches(['{', '"']));
        !is_later(name, of_cross, later)
    });
    fields.join(",")
}

/// A file of comma separated rows without these columns. Of the columns before the last one that goes none
/// has a comma.
fn without_columns(name: &str, lines: &str, later: &[&str]) -> Vec<String> {
    if later.is_empty() {
        return lines.lines().map(str::to_owned).collect();
    }
    let of_cross = name.contains("crosses");
    let header: Vec<&str> = lines.lines().next().unwrap_or("").split(',').collect();
    let gone: Vec<usize> = (0..header.len()).filter(|at| is_later(header[*at], of_cross, later)).collect();
    let kept = |line: &str| {
        let columns = line.split(',').enumerate().filter(|(at, _)| !gone.contains(at));
        columns.map(|(_, column)| column).collect::<Vec<_>>().join(",")
    };
    lines.lines().map(kept).collect()
}

/// The tables of rows in a database; an earlier program knew fewer.
fn tables(path: &Path, later: &[&str]) -> BTreeMap<String, Vec<String>> {
    let database = rusqlite::Connection::open(path).expect("a database");
    let named =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'crossrate_%' ORDER BY name";
    let mut names = database.prepare(named).expect("a schema");
    let names = names.query_map([], |row| row.get::<_, String>(0)).expect("read");
    let rows = |table: &str| -> Vec<String> {
        let all = database.prepare(&format!("SELECT * FROM {table}")).expect("a table");
        let columns = all.column_names().filter(|name| !is_later(name, table == "crosses", later));
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
fn left(folder: &Path, later: &[&str]) -> BTreeMap<String, Vec<String>> {
    let mut left = BTreeMap::new();
    for (name, bytes) in files(folder) {
        let name = name.to_str().expect("UTF-8").to_owned();
        if is_input(&name) {
            continue;
        }
        if name == "dead.jsonl" {
            left.insert(name.clone(), outputs::dead_letters(&folder.join(name)).expect("there"));
        } else if name.ends_with(".jsonl") {
            let text = String::from_utf8(bytes).expect("UTF-8");
            left.insert(name, text.lines().map(|line| without_fields(line, later)).collect());
        } else if name.ends_with(".csv") {
            let text = String::from_utf8(bytes).expect("UTF-8");
            let lines = without_columns(&name, &text, later);
            left.insert(name, lines);
        } else if name.ends_with(".db") {
            left.extend(tables(&folder.join(name), later));
        }
    }
    left
}

#[test]
fn checkpoints_of_released_programs_are_taken_up_without_a_difference_in_any_row() {
    for case in &CASES {
        let whole = tempfile::tempdir().expect("a folder");
        put_inputs(whole.path(), case.job.taken_up.inputs);
        for stage in case.job.before.iter().chain([&case.job.taken_up]) {
            let (code, said) = crossrate(whole.path(), &run(case, stage));
            assert_eq!(code, 0, "{}: {said}", case.name);
        }
        if let Some(program) = writer().filter(|_| case.writers.contains(&WRITER)) {
            write(case, &program, &left(whole.path(), &[]));
        }
        for writer in case.writers {
            let later = later_than(writer);
            let expected = left(whole.path(), later);
            for workers in ["-w 1", "-w 3"] {
                is_taken_up(case, writer, workers, &expected, later);
            }
        }
    }
}

fn is_taken_up(
    case: &Case,
    writer: &str,
    workers: &str,
    expected: &BTreeMap<String, Vec<String>>,
    later: &[&str],
) {
    let name = case.name;
    let resumed = tempfile::tempdir().expect("a folder");
    let folder = resumed.path();
    put_inputs(folder, case.job.taken_up.inputs);
    let fixture = fixtures().join(writer).join(name);
    for file in files(&fixture).into_keys() {
        unpack(&fixture.join(&file), &folder.join(file.with_extension("")));
    }
    assert_ne!(*expected, left(folder, later), "{name} has all rows already");
    let of_job = case.sinks.split("--to ").nth(1).expect("a first sink");
    let of_job = format!("--to {}", of_job.split(' ').next().expect("a first sink"));
    let (code, said) = crossrate(folder, &format!("checkpoint show {of_job}"));
    assert!(code == 0 && said.contains("# partitions"), "{name}: {code} {said}");
    let (code, said) = crossrate(folder, &format!("{} {workers}", run(case, &case.job.taken_up)));
    assert_eq!(code, 0, "{name} of {writer}: {said}");
    let found = left(folder, later);
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{name}");
    for (file, expected) in expected {
        outputs::assert_same_lines(&format!("{file}, {name} of {writer}"), expected, &found[file]);
    }
    let (code, said) = crossrate(folder, &format!("checkpoint check {of_job}"));
    assert_eq!(code, 0, "{name}: {said}");
}

/// The entries of the checkpoints in a fixture.
fn entries(fixture: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut found = Vec::new();
    for file in files(fixture).into_keys().map(|file| file.with_extension("")) {
        let name = file.to_str().expect("UTF-8");
        if name.ends_with(".recovery") || name.ends_with(".db") {
            unpack(&fixture.join(format!("{name}.gz")), &folder.path().join(name));
            let database = rusqlite::Connection::open(folder.path().join(name)).expect("a database");
            let mut all = database.prepare("SELECT key, value FROM crossrate_recovery").expect("a table");
            let all = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("read");
            found.extend(all.map(|entry| entry.expect("an entry")));
        }
    }
    found
}

/// Entries of which no fixture of today's format has one: an earlier version wrote them.
const EARLIER_ENTRIES: [&str; 1] = ["length"];

/// A field that an entry gets makes it another format, which wants a version and fixtures of its own.
#[test]
fn fixtures_of_the_newest_program_have_every_entry_of_the_version_that_is_written() {
    let mut found = BTreeSet::new();
    for case in CASES.iter().filter(|case| case.writers.contains(&WRITER)) {
        for (key, entry) in entries(&fixtures().join(WRITER).join(case.name)) {
            found.insert(key.split('/').next().expect("a kind").to_owned());
            let version = crossrate::ledger::checkpoint::VERSION;
            assert_eq!(entry[0], version, "{key} of {}: make fixtures of version {version}", case.name);
        }
    }
    let source = include_str!("../../../src/ledger/entry_key.rs");
    let read = source.split("\nfn read(").nth(1).and_then(|rest| rest.split("\n}\n").next()).expect("`read`");
    let kinds = read.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" => "));
    let kinds: BTreeSet<String> = kinds.map(|(kind, _)| kind.to_owned()).collect();
    assert!(kinds.len() > 25, "{kinds:?}");
    let missing: Vec<_> =
        kinds.difference(&found).filter(|kind| !EARLIER_ENTRIES.contains(&kind.as_str())).collect();
    assert!(missing.is_empty(), "no fixture of {WRITER} has an entry of {missing:?}");
}
