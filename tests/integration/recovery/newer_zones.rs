//! A restart with a newer time zone database: what is open keeps its boundaries. The checkpoint is made
//! what a program wrote by whose database the open day ends an hour earlier.

use super::kill_loop::Job;
use crossrate::ledger::checkpoint::{self, Checkpoint};
use crossrate::ledger::entry_key::EntryKey;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const HOUR: u64 = 3_600_000;
/// 2018-04-29T10:00Z; midnight of Berlin is at 22:00Z.
const BEGIN: u64 = 1_524_996_000_000;

/// A trade each minute.
fn write(folder: &Path, name: &str, hours: std::ops::Range<u64>) -> PathBuf {
    let trade = |minute: u64| {
        let time = BEGIN + minute * 60_000;
        format!("{{\"e\":\"trade\",\"s\":\"A\",\"t\":{minute},\"p\":\"2\",\"q\":\"1\",\"T\":{time}}}\n")
    };
    let path = folder.join(name);
    std::fs::write(&path, (hours.start * 60..hours.end * 60).map(trade).collect::<String>())
        .expect("written");
    path
}

/// Makes the open day end so much earlier: its boundary, and the sums that are held by its end. The
/// boundaries then.
fn move_the_last_boundary(folder: &Path, by: u64) -> Vec<u64> {
    let database = Connection::open(folder.join("rows.jsonl.recovery")).expect("opened");
    let mut query = database.prepare("SELECT key, value FROM crossrate_recovery").expect("entries");
    let found: BTreeMap<String, Vec<u8>> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .expect("entries");
    let Checkpoint { boundaries: mut known, resume, .. } = Checkpoint::decode(&found).expect("decoded");
    let put = |key: EntryKey, entry: Vec<u8>| {
        let put = "UPDATE crossrate_recovery SET value = ?1 WHERE key = ?2";
        assert_eq!(database.execute(put, params![entry, key.to_string()]).expect("written"), 1);
    };
    assert_eq!(known.len(), 1, "one calendar, whatever has it: {known:?}");
    let (_, last) = known[0].beginnings.last_mut().expect("a boundary");
    let was = *last;
    *last = was.minus(by * 1_000);
    let is = *last;
    put(EntryKey::Boundaries(0), checkpoint::encode(&known).expect("encoded"));
    for (of, mut base) in resume.bases {
        base.slots.iter_mut().filter(|slot| slot.end == was).for_each(|slot| slot.end = is);
        put(EntryKey::Base(of), checkpoint::encode(&base).expect("encoded"));
    }
    known[0].beginnings.iter().map(|(_, start)| start.millis()).collect()
}

/// Hours since the beginning at which final windows start and end, and their trades.
fn windows(folder: &Path, window: &str) -> Vec<(u64, u64, u64)> {
    let text = std::fs::read_to_string(folder.join("rows.jsonl")).expect("rows");
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a row"));
    let number = |row: &serde_json::Value, field: &str| row[field].as_u64().expect("a number");
    // The first day has begun before the first trade.
    let hour = |ms: u64| (ms + 12 * HOUR - BEGIN) / HOUR;
    rows.filter(|row| row["window"] == window && row["final"] == true)
        .map(|row| (hour(number(&row, "start_ms")), hour(number(&row, "end_ms")), number(&row, "trades")))
        .collect()
}

#[test]
fn an_open_day_ends_when_it_would_have_by_the_older_database() {
    for more in ["", "-w 2", "--emit changes --grace 30m --provisional --tick 1h"] {
        let folder = super::folder();
        // Until 2018-04-30T20:00Z, and until noon two days later.
        let first = write(folder.path(), "a.jsonl", 0..34);
        let job = |name: &str, inputs: &[PathBuf]| {
            let flags = format!(
                "--symbols A --rows symbol --at-end keep --delay 0s --window 10m --window 1d@Europe/Berlin \
                 --window anchored:1d@Europe/Berlin/6h {more}"
            );
            let words = super::kill_loop::words;
            Job {
                folder: folder.path().join(name),
                inputs: inputs.to_vec(),
                flags: words(&flags),
                sinks: words("--to rows.jsonl"),
            }
        };
        for name in ["moved", "same"] {
            std::fs::create_dir(folder.path().join(name)).expect("made");
            job(name, std::slice::from_ref(&first)).run(&[]);
        }
        let moved = folder.path().join("moved");
        // All trades of the open windows, whether the checkpoint holds their sums or their panes.
        let (_, shown) = super::others_files::crossrate(&moved, "checkpoint show --json --to rows.jsonl");
        let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        for open in shown["open_windows"].as_array().expect("windows") {
            let [start, end] = ["start_ms", "end_ms"].map(|field| open[field].as_u64().expect("a time"));
            let held = (end.min(BEGIN + 34 * HOUR) - start.max(BEGIN)) / 60_000;
            let trades = open["trades"].as_u64().expect("trades");
            // What partitions still fold is not in it: a pane of ten minutes.
            assert!((held - 10..=held).contains(&trades), "{held}: {open}");
        }
        let midnight = BEGIN + 12 * HOUR;
        let known = move_the_last_boundary(&moved, HOUR);
        assert_eq!(
            known[known.len() - 2..],
            [midnight, midnight + 23 * HOUR],
            "no later one than that of the open day"
        );
        let inputs = [first.clone(), write(folder.path(), "b.jsonl", 34..74)];
        for name in ["moved", "same"] {
            // The second time nothing is added, and what is open is kept once more.
            (0..2).for_each(|_| job(name, &inputs).run(&[]));
        }
        let days = |name: &str, window: &str| {
            let mut found = windows(&folder.path().join(name), window);
            found.retain(|(_, end, _)| *end <= 72);
            found
        };
        let day = "1d@Europe/Berlin";
        assert_eq!(days("same", day), [(0, 24, 720), (24, 48, 1_440), (48, 72, 1_440)], "{more}");
        assert_eq!(days("moved", day), [(0, 24, 720), (24, 47, 1_380), (47, 72, 1_500)], "{more}");
        let grown = days("moved", "anchored:1d@Europe/Berlin/6h");
        let expected = [
            (0, 18, 360),
            (0, 24, 720),
            (24, 30, 360),
            (24, 36, 720),
            (24, 42, 1_080),
            (24, 47, 1_380),
            (47, 53, 360),
            (47, 59, 720),
            (47, 65, 1_080),
            (47, 71, 1_440),
            (47, 72, 1_500),
        ];
        assert_eq!(grown, expected, "{more}");
        let (code, shown) = super::others_files::crossrate(&moved, "checkpoint check --to rows.jsonl");
        assert_eq!(code, 0, "{shown}");
    }
}

#[test]
fn a_job_without_a_time_zone_writes_no_boundaries() {
    let folder = super::folder();
    let input = write(folder.path(), "a.jsonl", 0..34);
    let words = super::kill_loop::words;
    let job = Job {
        folder: folder.path().to_owned(),
        inputs: vec![input],
        flags: words("--symbols A --window 1d --window anchored:1mo/1h --at-end keep"),
        sinks: words("--to sqlite:rows.db"),
    };
    job.run(&[]);
    let database = Connection::open(folder.path().join("rows.db")).expect("opened");
    let count = "SELECT count(*) FROM crossrate_recovery WHERE key LIKE 'boundaries/%'";
    assert_eq!(database.query_row(count, [], |row| row.get::<_, i64>(0)).expect("counted"), 0);
}
