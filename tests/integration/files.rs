//! Files and standard input as their users meet them: every packing, what is damaged, pipes that stay open,
//! files that have grown or changed since they were read.

use crate::recordings;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

mod days;
mod more;
mod verified;

/// What a run said and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct End {
    code: i32,
    rows: String,
    said: String,
}

impl End {
    /// It ended so, and said all of this.
    #[track_caller]
    fn with(&self, code: i32, fragments: &[&str]) {
        assert_eq!(self.code, code, "{}", self.said);
        for fragment in fragments {
            assert!(self.said.contains(fragment), "{} lacks {fragment}", self.said);
        }
    }
}

/// A folder with inputs, and runs in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("text")
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        command.arg("run").args(arguments.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        crate::program::without_settings(&mut command);
        command
    }

    fn run(&self, arguments: &str) -> End {
        end(self.command(arguments))
    }

    /// With bytes for its standard input.
    fn run_with(&self, bytes: &[u8], arguments: &str) -> End {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut input = child.stdin.take().expect("a pipe");
        let bytes = bytes.to_vec();
        // The program may end before it has read everything.
        let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("no panic");
        ended(output)
    }
}

fn end(mut command: Command) -> End {
    ended(command.output().expect("the program starts"))
}

fn ended(output: std::process::Output) -> End {
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    End {
        code: output.status.code().expect("it ends by itself"),
        rows: text(output.stdout),
        said: text(output.stderr),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("in memory")
}

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("in memory");
        writer.write_all(bytes).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

/// A trade of BTCUSDT so many seconds into a day in 2024.
fn trade(second: u64) -> String {
    let (id, time) = (second + 1, 1_723_161_600_000 + second * 1_000);
    format!(
        "{{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":{id},\"p\":\"{}.5\",\"q\":\"0.25\",\"T\":{time}}}\n",
        60_000 + second
    )
}

fn trades(seconds: std::ops::Range<u64>) -> String {
    seconds.map(trade).collect()
}

const FLAGS: &str = "--symbols BTCUSDT --window 10s --delay 1s";

/// The recordings as this program reads them: a name, its content, and how many trades are in it.
fn inputs(folder: &Path) -> Vec<(String, String, usize)> {
    let text = |name: &str| {
        let file = File::open(folder.join(name)).expect("a recording");
        let mut content: Box<dyn Read> = match name.strip_suffix(".gz") {
            Some(_) => Box::new(flate2::read::MultiGzDecoder::new(file)),
            None => Box::new(file),
        };
        let mut text = String::new();
        content.read_to_string(&mut text).expect("text");
        text
    };
    let mut inputs = Vec::new();
    for symbol in ["btcusdt", "ethusdt"] {
        let capture = text(&format!("binance-ws-{symbol}-2024-08-08.gz"));
        let trades = capture.lines().filter(|line| line.contains("\"e\":\"trade\"")).count();
        inputs.push((format!("{symbol}.capture"), capture, trades));
    }
    let vector = text("spec-vector.jsonl");
    let trades = vector.lines().filter(|line| line.contains("\"e\":\"trade\"")).count();
    inputs.push(("vector.jsonl".into(), vector, trades));
    // The others are not in the columns of the archives, but hold what these do.
    let rest: serde_json::Value =
        serde_json::from_str(&text("binance-rest-ethbtc-trades-2023-03-20.json")).expect("JSON");
    let mut archive = String::new();
    for trade in rest.as_array().expect("a list") {
        let column = |name: &str| match &trade[name] {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let columns = ["id", "price", "qty", "quoteQty", "time", "isBuyerMaker", "isBestMatch"].map(column);
        archive += &(columns.join(",") + "\n");
    }
    inputs.push(("ETHBTC-trades-2023-03-20.csv".into(), archive, 1_000));
    let mut archive = "id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch\r\n".to_owned();
    for line in text("binance-ws-trxusdt-micros-2025-03-04.csv.gz").lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        archive +=
            &format!("{},{},{},,{},{},True\r\n", columns[6], columns[7], columns[8], columns[4], columns[9]);
    }
    inputs.push(("TRXUSDT-trades-2025-03-04.csv".into(), archive, 10_000));
    inputs
}

#[test]
#[ignore = "needs recordings"]
fn a_recording_gives_the_same_rows_in_every_wrapping() {
    let recordings = recordings::folder();
    for (name, content, trades) in inputs(&recordings) {
        let folder = Folder::new();
        let bytes = content.as_bytes();
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        let whole_lines = content[..bytes.len() / 2].rfind('\n').expect("a line");
        folder.write(&name, bytes);
        folder.write(&format!("{name}.gz"), [gzip(half), gzip(rest)].concat());
        folder.write(&format!("{name}.zst"), [zstd(half), zstd(rest)].concat());
        folder.write(
            &format!("{name}.zip"),
            zipped(&[(&name, &bytes[..whole_lines]), (&format!("2/{name}"), &bytes[whole_lines + 1..])]),
        );
        // Of standard input there is no name that could tell.
        let symbol = name.split_once("-trades").map(|(symbol, _)| format!(" --symbol {symbol}"));
        let flags = "--symbols all --window 10s --rows symbol --summary summary.json -q";
        let plain = folder.run(&format!("{name} {flags}"));
        plain.with(0, &[]);
        assert!(plain.rows.lines().count() > 2, "{name}: {}", plain.rows);
        let summary = folder.read("summary.json");
        let counts: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
        let count = |name: &str| counts[name].as_u64().expect("a count") as usize;
        let is_record = |line: &&str| !line.trim().is_empty() && !line.starts_with("id,");
        assert_eq!(count("read"), content.lines().filter(is_record).count(), "{name}");
        assert_eq!(count("accepted") + count("late") + count("duplicate"), trades, "{name}: {summary}");
        assert_eq!(count("bad"), 0, "{name}: {summary}");
        // The long ones once in each wrapping, the others in every manner too.
        let long = bytes.len() > 4 << 20;
        for end in ["", ".gz", ".zst", ".zip"] {
            for manner in ["", "--batch-records 7", "-w 2", "-n 2"] {
                if !manner.is_empty() && (long || end != ".gz") {
                    continue;
                }
                let found = folder.run(&format!("{name}{end} {flags} {manner}"));
                assert!(found == plain, "{name}{end} {manner}: {}", found.said);
                assert_eq!(folder.read("summary.json"), summary, "{name}{end} {manner}");
            }
            if long && !end.is_empty() {
                continue;
            }
            let piped = fs::read(folder.path(&format!("{name}{end}"))).expect("read");
            let symbol = symbol.as_deref().unwrap_or_default();
            let found = folder.run_with(&piped, &format!("--from - {flags}{symbol}"));
            assert!(found == plain, "{name}{end} through a pipe: {}", found.said);
            assert_eq!(folder.read("summary.json"), summary, "{name}{end} through a pipe");
        }
    }
}

#[test]
#[ignore = "needs recordings"]
fn a_recording_in_other_columns_is_refused_with_them() {
    let recordings = recordings::folder();
    let folder = Folder::new();
    for (name, columns) in [
        ("binance-ws-trxusdt-micros-2025-03-04.csv.gz", "TimestampOfReceive,Stream,"),
        ("xvgbtc-btcusdt-sample-2018-04-29.csv", "E,s,t,p,q"),
    ] {
        let path = recordings.join(name).canonicalize().expect("there");
        let outcome = folder.run(&format!("{} --symbol TRXUSDT", path.display()));
        outcome.with(3, &[name, "its columns are", columns, "id,price,qty"]);
    }
    // A list of trades is one record, and none that we know.
    let path = recordings.join("binance-rest-ethbtc-trades-2023-03-20.json").canonicalize().expect("there");
    folder.run(&format!("{} --summary summary.json", path.display())).with(0, &["read 1 = ", "1 bad"]);
}

#[test]
fn a_slip_in_any_name_is_told_before_anything_is_written() {
    let folder = Folder::new();
    folder.write("a.jsonl", trades(0..100));
    folder.write("b.csv", "1,2.5,3,7.5,1723161600000\n");
    folder.write("wide.jsonl", b"\xff\xfe{\0");
    folder.write("empty.zip", zipped(&[]));
    folder.write("broken.gz", &gzip(b"{}")[..7]);
    fs::create_dir(folder.path("folder")).expect("made");
    let cases: [(&str, i32, &[&str]); 7] = [
        ("a.jsonl none.jsonl b.csv", 3, &["none.jsonl", "hint: check the name"]),
        ("a.jsonl folder", 3, &["folder is a directory", "hint: name the files"]),
        ("a.jsonl b.csv", 2, &["b.csv", "CSV", "--symbol"]),
        ("a.jsonl wide.jsonl", 3, &["wide.jsonl", "UTF-16", "byte 0", "iconv"]),
        ("a.jsonl empty.zip", 3, &["empty.zip", "no members"]),
        ("a.jsonl broken.gz", 3, &["broken.gz", "cut off"]),
        ("a.jsonl -n 2 none.jsonl", 3, &["none.jsonl"]),
    ];
    for (line, code, fragments) in cases {
        let outcome = folder.run(&format!("{FLAGS} --to out.jsonl {line}"));
        outcome.with(code, fragments);
        assert!(!folder.path("out.jsonl").exists(), "{line}: nothing is written");
    }
    let outcome = folder.run_with(b"1,2.5,3,7.5,1723161600000\n", &format!("--from - {FLAGS}"));
    outcome.with(2, &["standard input", "CSV", "--symbol"]);
    let outcome = folder.run_with(b"BZh91AY&SY", &format!("--from - {FLAGS}"));
    outcome.with(3, &["standard input", "bzip2"]);
}

#[test]
fn rows_of_what_comes_before_the_damage_are_given() {
    let folder = Folder::new();
    let content = trades(0..20_000);
    folder.write("whole.jsonl", &content);
    let whole = folder.run(&format!("whole.jsonl {FLAGS} -q"));
    whole.with(0, &[]);
    let packed = gzip(content.as_bytes());
    folder.write("cut.jsonl.gz", &packed[..packed.len() / 2]);
    let mut flipped = packed.clone();
    flipped[packed.len() / 2] ^= 0x10;
    folder.write("flipped.jsonl.gz", flipped);
    for (name, words) in [("cut.jsonl.gz", "cut off"), ("flipped.jsonl.gz", "cannot be read")] {
        let outcome = folder.run(&format!("{name} {FLAGS}"));
        outcome.with(3, &[name, "behind record", "behind byte", words, "hint: get"]);
        assert!(outcome.rows.lines().count() > 100, "{name}: {}", outcome.rows.lines().count());
        assert!(whole.rows.starts_with(&outcome.rows), "{name}: what was given is right");
    }
}

/// Lines as they come.
fn lines_of(from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A window's row leaves while the writer still holds the pipe open, whatever else it may write.
#[test]
fn a_pipe_that_stays_open_gives_its_rows_at_once() {
    let soon = Duration::from_secs(120);
    for (packed, place) in [(false, "-"), (false, "pipe"), (true, "-")] {
        let folder = Folder::new();
        let mut command = folder.command(&format!("--from {place} {FLAGS} -q"));
        let made = Command::new("mkfifo").arg(folder.path("pipe")).status().expect("mkfifo");
        assert!(made.success());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let pipe: Box<dyn Write> = match place {
            "-" => Box::new(child.stdin.take().expect("a pipe")),
            _ => Box::new(File::options().write(true).open(folder.path(place)).expect("it reads")),
        };
        let mut pipe: Box<dyn Write> =
            if packed { Box::new(GzEncoder::new(pipe, Compression::fast())) } else { pipe };
        let rows = lines_of(child.stdout.take().expect("a pipe"));
        for turn in 0..3 {
            // The watermark is a second behind: the first trade of a window is not yet enough.
            pipe.write_all(trades(turn * 10..turn * 10 + 12).as_bytes()).expect("it reads");
            pipe.flush().expect("it reads");
            let row = rows.recv_timeout(soon).expect("a row, while the pipe is open");
            let start = format!("\"start_ms\":{}", 1_723_161_600_000 + turn * 10_000);
            assert!(row.contains(&start), "{row}");
        }
        drop(pipe);
        assert!(rows.recv_timeout(soon).expect("the last row").contains("eof"), "{place}");
        assert!(child.wait().expect("it ends").success());
    }
}

#[test]
fn standard_input_goes_to_the_process_that_owns_its_partition() {
    let folder = Folder::new();
    folder.write("a.jsonl", trades(0..500));
    let piped = trades(500..1_000);
    folder.write("b.jsonl", &piped);
    for (with_pipe, with_file) in
        [("-", "b.jsonl"), ("a.jsonl -", "a.jsonl b.jsonl"), ("- a.jsonl", "b.jsonl a.jsonl")]
    {
        let expected = folder.run(&format!("--from {with_file} {FLAGS} -q"));
        expected.with(0, &[]);
        for manner in ["", "-n 2", "-w 2", "-n 2 -w 2", "-n 3"] {
            let found = folder.run_with(piped.as_bytes(), &format!("--from {with_pipe} {FLAGS} -q {manner}"));
            assert!(found == expected, "{with_pipe} {manner}: {}", found.said);
        }
    }
}

#[test]
fn what_cannot_be_read_again_is_refused_beside_a_checkpoint() {
    let folder = Folder::new();
    folder.write("a.jsonl", trades(0..100));
    for to in ["rows.jsonl", "sqlite:rows.db"] {
        for from in ["-", "a.jsonl -"] {
            let outcome = folder.run_with(b"", &format!("--from {from} {FLAGS} --to {to}"));
            outcome.with(2, &["--from", "checkpoint", "standard output"]);
        }
        let made = Command::new("mkfifo").arg(folder.path("pipe")).status().expect("mkfifo");
        assert!(made.success());
        let outcome = folder.run(&format!("a.jsonl pipe {FLAGS} --to {to}"));
        outcome.with(2, &["pipe is a pipe or a device", "restart"]);
        fs::remove_file(folder.path("pipe")).expect("removed");
    }
    // Standard output keeps none.
    folder.run_with(b"", &format!("--from - {FLAGS} --to stdout")).with(0, &[]);
}

/// What an interrupted or damaged input has brought is in the checkpoint; with the whole of it the job goes
/// on.
#[test]
fn a_job_goes_on_when_the_rest_of_its_file_is_there() {
    let content = trades(0..20_000);
    let packed = gzip(content.as_bytes());
    for manner in ["", "-w 2", "-n 2"] {
        let folder = Folder::new();
        folder.write("whole.jsonl", &content);
        folder
            .run(&format!("whole.jsonl {FLAGS} --name other --to whole.out --summary whole.json"))
            .with(0, &[]);
        let line = format!("a.gz {FLAGS} --to a.out --summary a.json --commit-interval 1ms {manner}");
        for part in [3, 2] {
            folder.write("a.gz", &packed[..packed.len() / part]);
            folder.run(&line).with(3, &["a.gz", "cut off"]);
        }
        // Packed otherwise it is the same content.
        folder.write("a.gz", zstd(content.as_bytes()));
        folder.run(&line).with(0, &[]);
        assert!(folder.read("a.out") == folder.read("whole.out"), "{manner}");
        assert_eq!(folder.read("a.json"), folder.read("whole.json"), "{manner}");
    }
}

#[test]
fn a_file_that_has_grown_is_read_on_and_one_that_has_changed_is_refused() {
    for (to, out) in [("rows.jsonl", Some("rows.jsonl")), ("sqlite:rows.db", None)] {
        let folder = Folder::new();
        let line = format!("a.jsonl {FLAGS} --to {to} --summary summary.json");
        let rows = || out.map(|out| folder.read(out));
        folder.write("a.jsonl", trades(0..100));
        folder.run(&line).with(0, &["read 100 = 100 accepted"]);
        let before = rows();
        folder.write("a.jsonl", trades(0..100) + "\n\r\n" + &trades(100..200));
        folder.run(&line).with(0, &["read 200 = 200 accepted"]);
        if let (Some(before), Some(after)) = (&before, rows()) {
            let added = after.strip_prefix(before.as_str()).expect("what was final stays");
            assert_eq!((before.lines().count(), added.lines().count()), (10, 10), "{added}");
        }
        // Read on again, there is nothing new.
        let before = rows();
        folder.run(&line).with(0, &["read 200 = 200 accepted"]);
        assert_eq!(rows(), before);

        let grown = trades(0..100) + "\n\r\n" + &trades(100..200);
        let hints: &[&str] = &["a.jsonl", "not the file that the job has read before", "--fresh", "--name"];
        for (other, how) in [
            (grown.replacen("0.25", "0.26", 1), "are not those that were read"),
            (grown.replacen("\n\r\n", "\n\r", 1), "of which"),
            (trades(0..199), "of which"),
            (String::new(), "it has 0 bytes"),
        ] {
            folder.write("a.jsonl", other);
            folder.run(&line).with(2, hints);
            // What was counted before stays so.
            folder.run(&line).with(2, &[how, "read 200 = 200 accepted"]);
            assert_eq!(rows(), before, "{how}: nothing is written");
        }
        // The ways out that the message names.
        folder.write("a.jsonl", trades(0..50));
        if out.is_none() {
            folder.run(&format!("{line} --name other")).with(0, &["read 50 = 50 accepted"]);
        }
        folder.run(&format!("{line} --fresh")).with(0, &["read 50 = 50 accepted"]);
        // And what it had is found again where it is put back.
        folder.run(&line).with(0, &["read 50 = 50 accepted"]);
    }
}

#[test]
fn a_line_that_was_unfinished_may_end_but_not_go_on() {
    let folder = Folder::new();
    let line = format!("a.jsonl {FLAGS} --to rows.jsonl");
    let lines = trades(0..10);
    folder.write("a.jsonl", lines.trim_end());
    folder.run(&line).with(0, &["read 10 = 10 accepted"]);
    folder.write("a.jsonl", lines.trim_end().to_owned() + " {}\n");
    folder.run(&line).with(2, &["a.jsonl", "its last line, which was unfinished", "--fresh"]);
    folder.write("a.jsonl", lines + &trades(20..30));
    folder.run(&line).with(0, &["read 20 = 20 accepted"]);
}
