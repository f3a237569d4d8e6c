//! Files that no run of the job has written are left alone, and damage of those that one has written is
//! found.

use super::days;
use super::input;
use crossrate::ledger::checkpoint::{self, Checkpoint};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs the program in a folder: exit code, standard output and error.
pub(super) fn crossrate(folder: &Path, words: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    command.args(words.split_whitespace()).current_dir(folder).stdin(Stdio::null());
    let output = command.output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).expect("UTF-8"))
}

fn files(folder: &Path) -> Vec<String> {
    input::write(folder, input::seed(), 1, 3_000, 100);
    std::fs::create_dir_all(folder.join("csv/symbols/date=2018-04-29")).expect("made");
    let files = ["r.jsonl", "csv/symbols/date=2018-04-29/rows.csv"].map(str::to_owned);
    files.iter().for_each(|file| std::fs::write(folder.join(file), "precious\n").expect("written"));
    files.to_vec()
}

const RUN: &str = "run trades-0.jsonl --symbols all --window 2s";

#[test]
fn a_file_that_nobodys_job_wrote_is_refused_and_begun_anew_when_asked() {
    for (sinks, file) in [
        ("--to r.jsonl", "r.jsonl"),
        ("--to csv:csv", "csv/symbols/date=2018-04-29/rows.csv"),
        ("--to sqlite:rows.db --to r.jsonl", "r.jsonl"),
        ("--to sqlite:rows.db --dead-letter r.jsonl", "r.jsonl"),
        ("--to stdout --dead-letter r.jsonl", "r.jsonl"),
    ] {
        let folder = super::folder();
        files(folder.path());
        let (code, said) = crossrate(folder.path(), &format!("{RUN} {sinks}"));
        assert_eq!(code, 1, "{sinks}: {said}");
        assert!(said.contains(file) && said.contains("--fresh"), "{sinks}: {said}");
        assert_eq!(std::fs::read_to_string(folder.path().join(file)).expect("it is there"), "precious\n");
        // As often as one likes.
        assert_eq!(crossrate(folder.path(), &format!("{RUN} {sinks}")).0, 1);
        // What the refused starts have left is no damage.
        if !sinks.contains("stdout") {
            let ledger = sinks.split(" --dead-letter").next().unwrap_or(sinks);
            let (_, said) = crossrate(folder.path(), &format!("checkpoint check {ledger}"));
            assert!(said.contains("no checkpoint") && !said.contains("not whole"), "{sinks}: {said}");
        }
        let (code, said) = crossrate(folder.path(), &format!("{RUN} {sinks} --fresh"));
        assert_eq!(code, 0, "{sinks}: {said}");
        let found = std::fs::read_to_string(folder.path().join(file)).unwrap_or_default();
        assert!(!found.contains("precious"), "{sinks}: {found}");
        // And from then on it is the job's own: the same again takes it up, where there is a checkpoint.
        if !sinks.contains("stdout") {
            let (code, said) = crossrate(folder.path(), &format!("{RUN} {sinks}"));
            assert_eq!(code, 0, "{sinks}: {said}");
            let then = std::fs::read_to_string(folder.path().join(file)).unwrap_or_default();
            assert_eq!(then, found, "{sinks}");
        }
    }
}

#[test]
fn a_run_without_a_checkpoint_leaves_the_dead_letters_of_a_job_alone() {
    let folder = super::folder();
    input::write(folder.path(), input::seed(), 1, 300, 100);
    let input = folder.path().join("trades-0.jsonl");
    let trades = std::fs::read_to_string(&input).expect("trades");
    std::fs::write(&input, format!("{{\"e\":\"trade\"}}\n{trades}[1]\n")).expect("written");
    let job = format!("{RUN} --to rows.jsonl --dead-letter dead.jsonl");
    assert_eq!(crossrate(folder.path(), &job).0, 0);
    let read = || std::fs::read_to_string(folder.path().join("dead.jsonl")).expect("dead letters");
    let dead = read();
    assert_eq!(dead.lines().count(), 2, "{dead}");
    for sinks in ["--to stdout", "--to /dev/null", "--to other.jsonl", "--to sqlite:rows.db"] {
        let (code, said) = crossrate(folder.path(), &format!("{RUN} {sinks} --dead-letter dead.jsonl"));
        assert!(code == 1 && said.contains("dead.jsonl is not empty"), "{sinks}: {code}, {said}");
        assert_eq!(read(), dead, "{sinks}");
    }
    assert_eq!(crossrate(folder.path(), &job).0, 0);
    assert_eq!(read(), dead);
}

#[test]
fn a_lost_checkpoint_cuts_no_committed_rows() {
    let folder = super::folder();
    input::write(folder.path(), input::seed(), 1, 3_000, 100);
    let run = format!("{RUN} --to rows.jsonl");
    assert_eq!(crossrate(folder.path(), &run).0, 0);
    let rows = std::fs::read(folder.path().join("rows.jsonl")).expect("rows");
    std::fs::remove_file(folder.path().join("rows.jsonl.recovery")).expect("removed");
    let (code, said) = crossrate(folder.path(), &run);
    assert!(code == 1 && said.contains("rows.jsonl is not empty"), "{code} {said}");
    assert_eq!(std::fs::read(folder.path().join("rows.jsonl")).expect("rows"), rows);
}

#[test]
fn a_hard_link_of_an_input_is_no_output() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed(), 1, 3_000, 100);
    let before = std::fs::read(&inputs[0]).expect("read");
    std::fs::hard_link(&inputs[0], folder.path().join("linked.jsonl")).expect("linked");
    for sinks in
        ["--to linked.jsonl", "--to linked.jsonl --fresh", "--to rows.jsonl --dead-letter linked.jsonl"]
    {
        let (code, said) = crossrate(folder.path(), &format!("{RUN} {sinks}"));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("linked.jsonl") && said.contains("does not name too"), "{said}");
        assert_eq!(std::fs::read(&inputs[0]).expect("read"), before);
    }
}

/// Runs the program with a file as standard input, and one as standard output where that is given: exit code
/// and standard error.
fn redirected(folder: &Path, words: &str, output: Option<&str>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    command.args(words.split_whitespace()).current_dir(folder);
    command.stdin(File::open(folder.join("trades-0.jsonl")).expect("opened"));
    if let Some(output) = output {
        let appended = File::options().append(true).create(true).open(folder.join(output));
        command.stdout(appended.expect("opened"));
    }
    let output = command.output().expect("it starts");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_is_standard_input_is_no_output_and_no_second_input() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed(), 1, 3_000, 100);
    let before = std::fs::read(&inputs[0]).expect("read");
    std::fs::hard_link(&inputs[0], folder.path().join("linked.jsonl")).expect("linked");
    let run = "run --symbols all --window 2s";
    for (words, output, reason) in [
        ("- --summary trades-0.jsonl", None, "that is not standard input too"),
        ("- --dead-letter linked.jsonl --fresh", None, "that is not standard input too"),
        ("trades-0.jsonl -", None, "each file once"),
        ("- linked.jsonl", None, "each file once"),
        ("-", Some("linked.jsonl"), "the rows would be read as records"),
        ("trades-0.jsonl", Some("trades-0.jsonl"), "the rows would be read as records"),
    ] {
        let (code, said) = redirected(folder.path(), &format!("{run} {words}"), output);
        assert_eq!(code, 2, "{words}: {said}");
        assert!(said.contains(reason), "{words}: {said}");
        assert_eq!(std::fs::read(&inputs[0]).expect("read"), before, "{words}");
    }
    let (code, said) = redirected(folder.path(), &format!("{run} - --summary summary.json"), Some("rows"));
    assert_eq!(code, 0, "{said}");
}

/// Each setting that names a file which is read, the files that those name, and the checksum beside a file.
#[test]
fn a_file_that_a_setting_names_is_no_output() {
    let folder = super::folder();
    input::write(folder.path(), input::seed(), 1, 3_000, 100);
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    let mapping = "encoding = \"avro\"\nschema = \"read.avsc\"\n[[record]]\nsymbol = \"/s\"\nid = \"/t\"\n\
                   ids = \"sequence\"\nprice = \"/p\"\nquantity = \"/q\"\ntime = \"/T\"\nunit = \"ms\"\n";
    write("avro.toml", mapping);
    let field = |name, kind| format!("{{\"name\":\"{name}\",\"type\":\"{kind}\"}}");
    let fields = [("s", "string"), ("t", "long"), ("p", "string"), ("q", "string"), ("T", "long")];
    let fields = fields.map(|(name, kind)| field(name, kind)).join(",");
    write("read.avsc", &format!("{{\"type\":\"record\",\"name\":\"Trade\",\"fields\":[{fields}]}}"));
    write("json.toml", &mapping.lines().skip(2).collect::<Vec<_>>().join("\n"));
    write("read.pem", "");
    write("kafka.properties", "ssl.ca.location=read.pem\n");
    write("token", "a-token-of-some-length\n");
    write("log.json", "{\"changes\":[]}");
    for (words, file) in [
        ("trades-0.jsonl --format json.toml", "json.toml"),
        ("-t trades=json.toml", "json.toml"),
        #[cfg(feature = "avro")]
        ("-t trades=avro.toml", "read.avsc"),
        ("--kafka-config kafka.properties", "kafka.properties"),
        ("--kafka-config kafka.properties", "read.pem"),
        ("-X ssl.ca.location=read.pem", "read.pem"),
        ("--registry http://localhost:1 --registry-user user", "user"),
        ("trades-0.jsonl --pairs pairs.csv --quote USDT", "pairs.csv"),
        ("trades-0.jsonl --changes log.json", "log.json"),
        ("trades-0.jsonl --listen 127.0.0.1:0 --token-file token", "token"),
        ("trades-0.jsonl", "trades-0.jsonl.CHECKSUM"),
    ] {
        write("user", "me:secret\n");
        write("pairs.csv", "symbol,base,quote\nBTCUSDT,BTC,USDT\n");
        let (code, said) = crossrate(folder.path(), &format!("config {words} --summary {file}"));
        assert_eq!(code, 2, "{words} {file}: {said}");
        assert!(said.contains(file) && said.contains("does not name too"), "{words} {file}: {said}");
    }
}

#[test]
fn a_changed_byte_of_committed_rows_is_found() {
    let folder = super::folder();
    input::write(folder.path(), input::seed(), 1, 100_000, 1);
    let parquet = if cfg!(feature = "parquet") { "--to parquet:parquet" } else { "" };
    let place = format!("--to csv:csv --to rows.jsonl {parquet}");
    let (code, said) = crossrate(folder.path(), &format!("{RUN} {place} -q"));
    assert_eq!(code, 0, "{said}");
    let check = "checkpoint check --to rows.jsonl";
    let (code, said) = crossrate(folder.path(), check);
    assert_eq!(code, 0, "{said}");
    let days = |table: &str, file: &str| {
        let days = std::fs::read_dir(folder.path().join(table)).expect("a folder");
        let mut paths: Vec<_> = days.map(|day| day.expect("a day").path().join(file)).collect();
        paths.sort();
        assert!(paths.len() > 1, "one that is over and one that grows");
        paths
    };
    let mut paths = days("csv/symbols", "rows.csv");
    if cfg!(feature = "parquet") {
        paths.extend(days("parquet/symbols", "rows.parquet"));
    }
    for path in paths.into_iter().chain([folder.path().join("rows.jsonl")]) {
        let whole = std::fs::read(&path).expect("read");
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).expect("written");
            let (code, said) = crossrate(folder.path(), check);
            assert_eq!(code, 1, "byte {at} of {}: {said}", path.display());
            assert!(said.contains(&format!("{} is damaged", path.display())), "{said}");
        }
        std::fs::write(&path, &whole).expect("written");
    }
    assert_eq!(crossrate(folder.path(), check).0, 0);
    if cfg!(feature = "parquet") {
        let day = days("parquet/symbols", "").remove(0);
        let words = ["--check", "--strict", "--quiet", "_rows.parquet.sha256"];
        let status = Command::new("sha256sum").args(words).current_dir(&day).status();
        assert!(status.expect("it starts").success(), "{}", day.display());
        std::fs::remove_file(day.join("rows.parquet")).expect("removed");
        let (code, said) = crossrate(folder.path(), check);
        assert!(code == 1 && said.contains("whose SHA-256"), "{code} {said}");
    }
    // The end is looked at by whoever goes on, too.
    let path = folder.path().join("rows.jsonl");
    let mut damaged = std::fs::read(&path).expect("read");
    *damaged.last_mut().expect("a byte") = b' ';
    std::fs::write(&path, damaged).expect("written");
    let (code, said) = crossrate(folder.path(), &format!("{RUN} {place} -q"));
    assert!(code == 1 && said.contains("rows.jsonl is damaged"), "{code} {said}");
}

#[test]
fn where_there_is_no_checkpoint_check_says_so() {
    let folder = super::folder();
    let (code, said) = crossrate(folder.path(), "checkpoint check --to rows.jsonl");
    assert!(code == 1 && said.contains("no checkpoint"), "{code} {said}");
}

/// The job of a database has written to one place, and is to write to another, where somebody has something
/// of that name.
#[test]
fn what_has_the_name_of_a_file_of_the_job_elsewhere_is_left_alone() {
    let day = "symbols/date=2018-05-01";
    for (was, is, file, is_removed) in [
        ("csv:one", "csv:two", format!("two/{day}/rows.csv"), false),
        ("csv:one", "csv:two", format!("two/{day}/rows.csv"), true),
        ("one/r.jsonl", "two/r.jsonl", "two/r.jsonl".to_owned(), false),
        ("one/r.jsonl", "two/r.jsonl", "two/r.jsonl".to_owned(), true),
        #[cfg(feature = "parquet")]
        ("parquet:one", "parquet:two", format!("two/{day}/rows.parquet"), false),
        #[cfg(feature = "parquet")]
        ("one/r.jsonl", "parquet:two", format!("two/{day}/rows.parquet"), true),
    ] {
        for is_empty in [true, false] {
            let folder = super::folder();
            input::write(folder.path(), input::seed(), 1, 3_000, 100);
            // Of a symbol that nobody trades nothing is committed.
            let symbols = if is_empty { "NONE" } else { "all" };
            let run = format!("run trades-0.jsonl --symbols {symbols} --window 2s --to sqlite:rows.db");
            std::fs::create_dir(folder.path().join("one")).expect("made");
            let path = folder.path().join(&file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            let precious = "precious\n".repeat(100_000);
            std::fs::write(&path, &precious).expect("written");
            let (code, said) = crossrate(folder.path(), &format!("{run} --to {was}"));
            assert_eq!(code, 0, "{said}");
            if is_removed {
                std::fs::remove_dir_all(folder.path().join("one")).expect("removed");
            }
            let (code, said) = crossrate(folder.path(), &format!("{run} --to {is}"));
            assert_eq!(code, 1, "{was} then {is}: {said}");
            assert!(said.contains(&file), "{file} is not named: {said}");
            assert!(std::fs::read_to_string(&path).expect("it is there") == precious, "{said}");
        }
    }
}

/// Makes a checkpoint what an earlier version wrote: lengths of the files that grow, and nothing else of
/// them.
fn as_earlier_versions_wrote(database: &Path) {
    let database = Connection::open(database).expect("opened");
    let mut query = database.prepare("SELECT job, key, value FROM crossrate_recovery").expect("entries");
    let found: Vec<(String, String, Vec<u8>)> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .and_then(Iterator::collect)
        .expect("entries");
    let job = found[0].0.clone();
    let entries: BTreeMap<_, _> = found.into_iter().map(|(_, key, value)| (key, value)).collect();
    let lengths = Checkpoint::decode(&entries).expect("decoded").files.lengths;
    assert!(entries.contains_key("term") && !lengths.is_empty(), "{:?}", entries.keys());
    let newer = "key = 'term' OR key LIKE 'file/%' OR key LIKE 'whole/%' OR key LIKE 'folder/%'";
    database.execute(&format!("DELETE FROM crossrate_recovery WHERE {newer}"), []).expect("deleted");
    for (path, length) in lengths {
        let entry = checkpoint::encode(&length).expect("encoded");
        let put = "INSERT INTO crossrate_recovery VALUES (?1, ?2, ?3)";
        database.execute(put, params![job, format!("length/{path}"), entry]).expect("written");
    }
}

#[test]
fn a_checkpoint_of_an_earlier_version_is_taken_up() {
    for sinks in [
        "--to rows.jsonl --dead-letter dead.jsonl",
        "--to csv:csv",
        "--to sqlite:rows.db --to rows.jsonl --to csv:csv",
        #[cfg(feature = "parquet")]
        "--to sqlite:rows.db --to parquet:parquet",
    ] {
        let folder = super::folder();
        let input = input::write(folder.path(), input::seed(), 1, 60_000, 1).remove(0);
        let all = std::fs::read(&input).expect("read");
        let some: Vec<u8> =
            all.split_inclusive(|byte| *byte == b'\n').take(45_000).flatten().copied().collect();
        let outputs = |name: &str| {
            let is_own =
                |path: &Path| path.to_string_lossy().contains(".recovery") || path.ends_with("rows.db");
            let mut found = days::files(&folder.path().join(name));
            found.retain(|path, _| !is_own(path));
            found
        };
        let [whole, resumed] = ["whole", "resumed"].map(|name| folder.path().join(name));
        [&whole, &resumed].into_iter().for_each(|place| std::fs::create_dir(place).expect("made"));
        let run = format!("run ../trades-0.jsonl --symbols all --window 1m {sinks} -q");
        std::fs::write(&input, &some).expect("written");
        for place in [&whole, &resumed] {
            let (code, said) = crossrate(place, &run);
            assert_eq!(code, 0, "{said}");
        }
        let ledger = ["rows.db", "rows.jsonl.recovery", "csv.recovery"].map(|name| resumed.join(name));
        as_earlier_versions_wrote(ledger.iter().find(|path| path.exists()).expect("a checkpoint"));
        std::fs::write(&input, &all).expect("written");
        for place in [&whole, &resumed] {
            // What goes on, and what finds all that was noted meanwhile.
            for _ in 0..2 {
                let (code, said) = crossrate(place, &run);
                assert_eq!(code, 0, "{sinks}: {said}");
            }
        }
        assert!(outputs("whole") == outputs("resumed"), "{sinks}");
        let to = sinks.split(" --to csv").next().unwrap_or(sinks).split(" --dead").next().unwrap_or(sinks);
        let to = if sinks.starts_with("--to csv") { sinks } else { to };
        let (code, said) = crossrate(&resumed, &format!("checkpoint check {to}"));
        assert_eq!(code, 0, "{sinks}: {said}");
    }
}
