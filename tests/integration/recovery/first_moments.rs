//! Runs that are killed, asked to stop or frozen from their first millisecond on, and runs that are
//! superseded while they open: what is there in the end is what one undisturbed run leaves.

use super::days::files;
use super::input::{self, Random};
use super::kill_loop::{Job, end_of, kills, signal};
use crossrate::ledger::checkpoint::Checkpoint;
use flate2::write::GzEncoder;
use rusqlite::Connection;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Kills a job again and again before it has come far, and lets it run then. `longest` is how long a life is
/// at most.
fn survives(salt: u64, sinks: &str, longest: Duration) {
    survives_with(salt, |inputs| inputs, sinks, longest);
}

/// The same with what is made of its files.
fn survives_with(
    salt: u64,
    packed: impl FnOnce(Vec<PathBuf>) -> Vec<PathBuf>,
    sinks: &str,
    longest: Duration,
) {
    let folder = super::folder();
    let seed = input::seed() * 1_000 + salt;
    let inputs = packed(input::write(folder.path(), seed, 2, 20_000, 100));
    let flags = "--delay 500ms --symbols all --window 2s --commit-interval 1m";
    let job = |name: &str| Job::new(folder.path().join(name), &inputs, flags, sinks);
    let (undisturbed, disturbed) = (job("undisturbed"), job("disturbed"));
    undisturbed.run(&[]);
    disturb(&disturbed, &mut Random::new(seed), longest);
    disturbed.run(&["-w", "2"]);
    let context = format!("{sinks}, seed {seed}: {}", disturbed.said());
    undisturbed.outputs().assert_same(&disturbed.outputs(), &context);
    let of_days = |job: &Job| {
        ["csv", "parquet"]
            .map(|name| job.folder.join(name))
            .map(|folder| if folder.is_dir() { files(&folder) } else { Default::default() })
    };
    assert!(of_days(&undisturbed) == of_days(&disturbed), "{context}");
}

/// Kills a job, asks it to stop or freezes it, again and again, from its first millisecond on.
fn disturb(job: &Job, random: &mut Random, longest: Duration) {
    let mut frozen: Option<std::process::Child> = None;
    let mut killed = 0;
    for kill in 0..kills().div_ceil(2) {
        let processes = if random.one_in(4) { "2" } else { "1" };
        let mut child = job.command(&["-w", "1", "-n", processes]).spawn().expect("it starts");
        // As many early ones as late ones, whatever the machine's speed is.
        let most = longest.as_micros() as u64 * (kill + 1) / kills().div_ceil(2);
        std::thread::sleep(Duration::from_micros(random.below(most.max(1_000))));
        // What has ended before is killed by nobody.
        killed += u64::from(child.try_wait().expect("it can be waited for").is_none());
        match random.below(4) {
            // One that is frozen goes on when another one has been there in the meantime.
            0 if frozen.is_none() && processes == "1" => {
                signal(child.id(), "STOP");
                frozen = Some(child);
                continue;
            }
            1 => signal(child.id(), "TERM"),
            _ => drop(child.kill()),
        }
        let code = end_of(&mut child).unwrap_or_else(|| panic!("it hangs: {}", job.said()));
        let waits = job.said().contains("is being written by") || frozen.is_some();
        assert!(
            matches!(code, None | Some(0 | 130 | 143)) || waits && code == Some(1),
            "{code:?} {}",
            job.said()
        );
        if let Some(mut child) = frozen.take() {
            signal(child.id(), "CONT");
            // It goes on for a while, to its end, or to where it finds that it has been superseded.
            std::thread::sleep(Duration::from_micros(random.below(most.max(1_000))));
            let _ = child.kill();
            end_of(&mut child).unwrap_or_else(|| panic!("it hangs: {}", job.said()));
        }
    }
    if let Some(mut child) = frozen {
        let _ = child.kill();
        let _ = child.wait();
    }
    eprintln!("{killed} of {} were alive when they were killed", kills().div_ceil(2));
}

const LONGEST: Duration = Duration::from_millis(400);

#[test]
fn a_file() {
    survives(81, "--to rows.jsonl --dead-letter dead.jsonl", LONGEST);
}

#[test]
fn a_file_from_packed_files() {
    survives_with(88, packed, "--to rows.jsonl --dead-letter dead.jsonl", LONGEST);
}

/// One by gzip, the other one by zstd.
fn packed(inputs: Vec<PathBuf>) -> Vec<PathBuf> {
    let bytes = |path: &PathBuf| std::fs::read(path).expect("read");
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes(&inputs[0])).expect("packed");
    let zstd = zstd::encode_all(bytes(&inputs[1]).as_slice(), 1).expect("packed");
    let packed = [(gzip.finish().expect("packed"), "gz"), (zstd, "zst")];
    let written = |(path, (bytes, kind)): (PathBuf, (Vec<u8>, &str))| {
        let path = path.with_extension(format!("jsonl.{kind}"));
        std::fs::write(&path, bytes).expect("written");
        path
    };
    inputs.into_iter().zip(packed).map(written).collect()
}

#[test]
fn files_by_day() {
    survives(82, "--to csv:csv --dead-letter dead.jsonl", LONGEST);
}

#[test]
fn a_database_with_a_file_and_files_by_day() {
    let days = if cfg!(feature = "parquet") { "--to parquet:parquet" } else { "--to csv:csv" };
    survives(83, &format!("--to sqlite:rows.db --to rows.jsonl {days} --dead-letter dead.jsonl"), LONGEST);
}

#[test]
fn two_databases_and_a_file() {
    survives(84, "--to sqlite:rows.db --to sqlite:copy.db --to rows.jsonl", LONGEST);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn postgres_with_a_file() {
    let server = super::postgres::shared();
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 85, 2, 20_000, 100);
    let flags = "--delay 500ms --symbols all --window 2s --commit-interval 1m";
    let job = |name: &str| {
        let sinks = format!("--to postgres:{} --to rows.jsonl --dead-letter dead.jsonl", server.database());
        Job::new(folder.path().join(name), &inputs, flags, &sinks)
    };
    let (undisturbed, disturbed) = (job("undisturbed"), job("disturbed"));
    undisturbed.run(&[]);
    disturb(&disturbed, &mut Random::new(input::seed()), LONGEST);
    disturbed.run(&["-w", "2"]);
    undisturbed.outputs().assert_same(&disturbed.outputs(), &disturbed.said());
}

/// The process that has taken the job over, as the database beside a file says.
fn owner(job: &Job) -> Option<String> {
    let database = Connection::open(job.folder.join("rows.jsonl.recovery")).ok()?;
    database.query_row("SELECT owner FROM crossrate_lease", [], |row| row.get(0)).ok()
}

/// A run that has taken the job over waits for the file, which this test has locked, and is frozen there.
/// Another one runs to its end. What the first one then finds is not its own to cut.
#[test]
fn a_superseded_run_cuts_nothing() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 86, 2, 20_000, 100);
    let flags = "--delay 500ms --symbols all --window 2s";
    let job = |name: &str| {
        Job::new(folder.path().join(name), &inputs, flags, "--to rows.jsonl --dead-letter dead.jsonl")
    };
    let (undisturbed, disturbed) = (job("undisturbed"), job("disturbed"));
    undisturbed.run(&[]);
    let path = disturbed.folder.join("rows.jsonl");
    let held = File::create(&path).expect("made");
    held.lock().expect("locked");
    let mut first = disturbed.command(&[]).spawn().expect("it starts");
    let begun = Instant::now();
    while !owner(&disturbed).is_some_and(|owner| owner.contains(&format!("process {} ", first.id()))) {
        assert!(begun.elapsed() < Duration::from_secs(180), "{}", disturbed.said());
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(first.id(), "STOP");
    drop(held);
    disturbed.run(&[]);
    let committed = std::fs::read(&path).expect("rows");
    assert!(!committed.is_empty());
    signal(first.id(), "CONT");
    let code = end_of(&mut first).unwrap_or_else(|| panic!("it hangs: {}", disturbed.said()));
    let said = disturbed.said();
    assert!(code == Some(1) && said.contains("was taken over by"), "{code:?} {said}");
    assert!(std::fs::read(&path).expect("rows") == committed, "{said}");
    disturbed.run(&[]);
    undisturbed.outputs().assert_same(&disturbed.outputs(), &said);
}

/// A run that has committed everything and is frozen before it writes its summary: the summary is its
/// successor's.
#[test]
fn a_superseded_run_leaves_the_summary_of_its_successor() {
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 87, 1, 3_000, 100);
    let job = Job::new(folder.path().join("job"), &inputs, "--symbols all --window 2s", "--to rows.jsonl");
    let summary = job.folder.join("summary.json");
    let held = File::create(&summary).expect("made");
    held.lock().expect("locked");
    let mut first = job.command(&[]).spawn().expect("it starts");
    let begun = Instant::now();
    while !has_ended(&job) {
        assert!(begun.elapsed() < Duration::from_secs(180), "{}", job.said());
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(first.id(), "STOP");
    // The files of rows are the first one's until it has ended, so the job is taken from it without them.
    let database = Connection::open(job.folder.join("rows.jsonl.recovery")).expect("opened");
    let taken = database.execute("UPDATE crossrate_lease SET run = x'00112233445566778899aabbccddeeff'", []);
    assert_eq!(taken.expect("taken over"), 1);
    std::fs::write(&summary, "of the successor\n").expect("written");
    drop(held);
    signal(first.id(), "CONT");
    let code = end_of(&mut first).unwrap_or_else(|| panic!("it hangs: {}", job.said()));
    assert!(code == Some(1) && job.said().contains("was taken over by"), "{code:?} {}", job.said());
    assert_eq!(std::fs::read_to_string(&summary).expect("a summary"), "of the successor\n");
}

/// Whether the checkpoint says that the input has ended.
fn has_ended(job: &Job) -> bool {
    let entries = || {
        let database = Connection::open(job.folder.join("rows.jsonl.recovery")).ok()?;
        let mut query = database.prepare("SELECT key, value FROM crossrate_recovery").ok()?;
        let found = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).ok()?;
        found.collect::<Result<_, _>>().ok()
    };
    let checkpoint = entries().and_then(|entries| Checkpoint::decode(&entries).ok());
    checkpoint.and_then(|checkpoint| checkpoint.job).is_some_and(|job| job.ended)
}
