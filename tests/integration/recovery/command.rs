//! `crossrate checkpoint`, and what a run says of a checkpoint that it cannot use: the same for every ledger.

use super::any_point::run_here;
use super::input;
use super::postgres;
use rusqlite::Connection;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs the program to its end: exit code, standard output, standard error.
fn crossrate(words: &[String]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    let output = command.args(words).stdin(Stdio::null()).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A job that is broken off in the middle, into a ledger of whatever kind.
pub(crate) struct Example {
    inputs: Vec<PathBuf>,
    /// Where it is: `--to`, `--name` and what belongs to them.
    place: Vec<String>,
}

const DEFINITION: &str = "--window 4s --slide 1s --delay 500ms --symbols all --cross XVGUSDT=XVGBTC*BTCUSDT \
                          --missing-leg carry --commit-interval 0ms --batch-records 64 -q";

impl Example {
    pub(crate) fn new(folder: &Path, place: &str) -> Self {
        let inputs = input::write(folder, input::seed(), 2, 6_000, 100);
        Example { inputs, place: super::kill_loop::words(place) }
    }

    /// Runs with these words, until so many commits are done.
    pub(crate) fn breaks_off(words: Vec<String>, commits: u64) {
        assert!(!run_here(words, Some(commits)), "it was to be broken off");
    }

    fn run_words(&self) -> Vec<String> {
        let inputs = self.inputs.iter().map(|path| path.display().to_string());
        inputs.chain(super::kill_loop::words(DEFINITION)).chain(self.place.iter().cloned()).collect()
    }

    fn checkpoint(&self, words: &str) -> (i32, String, String) {
        let words = super::kill_loop::words(words).into_iter().chain(self.place.iter().cloned());
        crossrate(&std::iter::once("checkpoint".to_owned()).chain(words).collect::<Vec<_>>())
    }

    /// What `checkpoint` says of it, from before its first commit to after its removal.
    pub(crate) fn is_shown_checked_and_removed(&self) {
        let (code, stdout, stderr) = self.checkpoint("show");
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        assert!(stderr.contains("holds no checkpoint of a job named"), "{stderr}");
        Self::breaks_off(self.run_words(), 12);

        let (code, stdout, stderr) = self.checkpoint("show --json");
        assert_eq!((code, stderr.as_str()), (0, ""));
        let shown: Value = serde_json::from_str(&stdout).expect("JSON");
        assert_eq!(shown["definition"]["window"], "4s/1s");
        for (flag, typed) in [("emit", "final"), ("stats-last", "all"), ("dedup", "partition")] {
            assert_eq!(shown["definition"][flag], typed, "{flag}");
        }
        assert_eq!(shown["definition"]["cross"], "XVGUSDT=XVGBTC*BTCUSDT");
        assert_eq!(shown["ended"], false);
        assert!(shown["owner"].as_str().expect("an owner").contains(&std::process::id().to_string()));
        let partitions = shown["partitions"].as_array().expect("partitions");
        assert_eq!(partitions.len(), 2);
        for partition in partitions {
            let counts = partition["counts"].as_object().expect("counts");
            let read: i64 = counts.values().map(|count| count.as_i64().expect("a count")).sum();
            assert_eq!(partition["offset"].as_i64(), Some(read), "every record before the offset is counted");
            assert!(partition["rebuild_from"].as_i64() <= Some(read));
            assert!(partition["watermark_ms"].as_u64() >= shown["rows_until_ms"].as_u64(), "{partition}");
        }
        let windows = shown["open_windows"].as_array().expect("windows");
        assert!(!windows.is_empty());
        for window in windows {
            assert!(window["end_ms"].as_u64() > shown["rows_until_ms"].as_u64(), "{window}");
            assert!(window["trades"].as_i64() > Some(0), "{window}");
        }
        assert_eq!(shown["statistics"][0]["name"], "XVGUSDT");
        let (code, stdout, _) = self.checkpoint("show");
        assert_eq!(code, 0);
        for part in ["# definition", "# partitions", "# open windows", "# statistics", "rows until       20"]
        {
            assert!(stdout.contains(part), "{part}: {stdout}");
        }

        let (code, stdout, stderr) = self.checkpoint("check");
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        assert!(stdout.contains("all whole"), "{stdout}");

        let (code, _, stderr) = self.checkpoint("reset");
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("this would remove") && stderr.contains("--yes"), "{stderr}");
        assert_eq!(self.checkpoint("show").0, 0, "it is still there");
        let (code, _, stderr) = self.checkpoint("reset --yes");
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert_eq!(self.checkpoint("show").0, 1);
        let fresh = ["--fresh".to_owned()].into_iter().chain(self.run_words()).collect();
        assert!(run_here(fresh, None), "it begins anew");
        assert_eq!(self.checkpoint("check").0, 0);
    }

    /// What is said of entries that are not what they should be. `put` writes one under its key.
    pub(crate) fn is_not_guessed_at(&self, put: impl Fn(&str, &[u8])) {
        Self::breaks_off(self.run_words(), 12);
        let newer = [&[9], [0; 8].as_slice(), b"what is to come"].concat();
        let damaged = [&[3], [0; 8].as_slice(), b"something else"].concat();
        for (key, entry, words) in [
            ("head/0", newer.as_slice(), "\"head/0\" has version 9; this program writes version 4"),
            ("head/1", &[3, 2, 3], "\"head/1\" is cut short"),
            ("head/1", &[], "\"head/1\" is empty"),
            ("job", &damaged, "\"job\" is damaged: its checksum does not fit"),
            ("strange/1", &damaged, "an unknown entry \"strange/1\""),
        ] {
            put(key, entry);
            let (code, stdout, stderr) = crossrate(&[vec!["run".to_owned()], self.run_words()].concat());
            assert_eq!((code, stdout.as_str()), (1, ""), "{key}: {stderr}");
            let (code, stdout, _) = self.checkpoint("check");
            assert_eq!(code, 1, "{stdout}");
            assert!(stdout.contains(words), "{words}: {stdout}");
        }
        // One at a time, so that each is what a run stumbles over.
        let fresh = [vec!["run".to_owned(), "--fresh".into()], self.run_words()].concat();
        for (key, entry, words) in [
            ("head/0", newer.as_slice(), "\"head/0\" has version 9"),
            ("job", &damaged, "\"job\" is damaged"),
            ("strange/1", &damaged, "unknown entry \"strange/1\""),
        ] {
            let (code, _, stderr) = crossrate(&fresh);
            assert_eq!(code, 0, "--fresh is the way out: {stderr}");
            put(key, entry);
            let (code, _, stderr) = crossrate(&[vec!["run".to_owned()], self.run_words()].concat());
            assert_eq!(code, 1, "{stderr}");
            assert!(stderr.contains(words) && stderr.contains("--fresh"), "{words}: {stderr}");
        }
    }
}

fn put_into_sqlite(path: PathBuf) -> impl Fn(&str, &[u8]) {
    move |key, entry| {
        let database = Connection::open(&path).expect("opened");
        let sql = "INSERT OR REPLACE INTO crossrate_recovery VALUES ('crossrate', ?1, ?2)";
        database.execute(sql, rusqlite::params![key, entry]).expect("put");
    }
}

#[test]
fn in_an_sqlite_database() {
    let folder = super::folder();
    let path = folder.path().join("rows.db");
    let example = Example::new(folder.path(), &format!("--to sqlite:{}", path.display()));
    example.is_shown_checked_and_removed();
    std::fs::remove_file(&path).expect("removed");
    example.is_not_guessed_at(put_into_sqlite(path));
}

#[test]
fn beside_a_file() {
    let folder = super::folder();
    let path = folder.path().join("rows.jsonl");
    let beside = folder.path().join("rows.jsonl.recovery");
    let example = Example::new(folder.path(), &format!("--to {}", path.display()));
    example.is_shown_checked_and_removed();
    std::fs::remove_file(&beside).expect("removed");
    std::fs::remove_file(&path).expect("removed");
    example.is_not_guessed_at(put_into_sqlite(beside.clone()));
    // A file that has lost what the checkpoint knows of it.
    let (code, _, stderr) =
        crossrate(&[vec!["run".to_owned(), "--fresh".into()], example.run_words()].concat());
    assert_eq!(code, 0, "{stderr}");
    let length = std::fs::metadata(&path).expect("rows").len();
    std::fs::File::options().write(true).open(&path).expect("opened").set_len(length - 1).expect("cut");
    let (code, stdout, _) = example.checkpoint("check");
    assert_eq!(code, 1);
    let words = format!("has {} bytes, but the checkpoint says that {length} were written", length - 1);
    assert!(stdout.contains(&words), "{stdout}");
    // And what is no checkpoint at all.
    std::fs::write(
        &beside,
        "this is a text of another program, which is no database, and longer than a page's head",
    )
    .expect("written");
    for words in [[vec!["run".to_owned()], example.run_words()].concat(), {
        let place = example.place.iter().cloned();
        ["checkpoint", "show"].map(str::to_owned).into_iter().chain(place).collect()
    }] {
        let (code, _, stderr) = crossrate(&words);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("that file is no SQLite database, or damaged"), "{stderr}");
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn in_a_postgres_database() {
    let server = postgres::shared();
    let folder = super::folder();
    let url = server.database();
    let example = Example::new(folder.path(), &format!("--to postgres:{url}"));
    example.is_shown_checked_and_removed();
    postgres::rows(&url, "DELETE FROM crossrate_recovery; DELETE FROM crossrate_lease");
    example.is_not_guessed_at(|key, entry| {
        let hex: String = entry.iter().map(|byte| format!("{byte:02x}")).collect();
        let sql = format!(
            "INSERT INTO crossrate_recovery VALUES ('crossrate', '{key}', '\\x{hex}')
             ON CONFLICT (job, key) DO UPDATE SET value = EXCLUDED.value"
        );
        postgres::rows(&url, &sql);
    });
}

#[test]
fn without_a_place_there_is_nothing_to_look_at() {
    // The command's first name is still taken, and shown nowhere.
    for command in ["checkpoint", "recovery"] {
        let (code, _, stderr) = crossrate(&[command.into(), "show".into()]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("--to: got no place that holds a checkpoint"), "{stderr}");
    }
    let (_, help, _) = crossrate(&["--help".into()]);
    assert!(help.contains("  checkpoint ") && !help.contains("recovery"), "{help}");
}
