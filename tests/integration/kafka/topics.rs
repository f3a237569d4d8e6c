//! Several topics of several formats in one job: a cross over two venues, partitions that are added to one of
//! them, and runs that are killed in between.

use super::ledger::signal;
use super::rig::{self, Kafka, Live, Record, crossrate, end, rows};
use super::{short, trade};
use crate::formats::{OF_ARRAYS, Recording, TWO_BAD, all_recordings, flags};
use crate::program::same;
use std::io::Read;
use std::process::Command;

/// A trade of the other venue, at so many seconds of the same minute.
fn matched(product: &str, id: u64, second: f64) -> String {
    let (whole, part) = (second as u64, (second.fract() * 1e6) as u64);
    let (minute, whole) = (13 + (20 + whole) / 60, (20 + whole) % 60);
    format!(
        r#"{{"type":"match","trade_id":{id},"side":"sell","size":"0.5","price":"60000.5","product_id":"{product}","time":"2018-04-29T17:{minute}:{whole:02}.{part:06}Z"}}"#
    )
}

/// The job, on the topic of trades and that of the other venue.
fn run(kafka: &Kafka, (trades, matches): (&str, &str), more: &str) -> Command {
    let mut command = crossrate(["run", "-b", &kafka.brokers, "-t", trades]);
    command.args(["-t", &format!("{matches}=coinbase")]);
    command.args(["--cross", "A-USD=A*BTC-USD", "--window", "10s", "--delay", "1s"]);
    command.args(more.split_whitespace());
    command
}

#[test]
#[ignore = "needs Java"]
fn a_cross_goes_over_two_topics_of_two_formats() {
    let kafka = rig::kafka();
    let (trades, matches) = (kafka.topic("two-b", 2), kafka.topic("two-a", 1));
    let all: Vec<String> = (0..6).map(|n| trade("A", n, n as f64 * 10.0 + 1.0)).collect();
    kafka.produce(&trades, &all.iter().map(|value| Record::new(0, value)).collect::<Vec<_>>());
    kafka.produce(&trades, &[Record::new(1, "{broken"), Record::new(1, trade("A", 100, 2.0))]);
    let others = (0..6).map(|n| Record::new(0, matched("BTC-USD", n, n as f64 * 10.0 + 3.0)));
    kafka.produce(&matches, &others.collect::<Vec<_>>());
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = None;
    for (number, workers) in ["-w 1", "-w 2", "-n 2"].into_iter().enumerate() {
        let letters = folder.path().join(format!("{number}.jsonl"));
        let mut command = run(&kafka, (&trades, &matches), &format!("-e {workers}"));
        command.arg("--dead-letter").arg(&letters);
        let found = rows(command);
        let crosses: Vec<_> = found.lines().filter(|row| row.contains(r#""kind":"cross""#)).collect();
        assert_eq!(crosses.len(), 6, "{found}");
        assert!(crosses.iter().all(|row| row.contains(r#""status":"complete""#)), "{found}");
        assert_eq!(*first.get_or_insert(found.clone()), found, "{workers}");
        let letter = std::fs::read_to_string(&letters).expect("a dead letter");
        let wanted = format!(r#"{{"partition":1,"topic":"{trades}","offset":0,"reason":"bad""#);
        assert!(letter.starts_with(&wanted), "{letter}");
    }
    // What `inspect` says reads them both.
    let topics = ["inspect", "-b", &kafka.brokers, "-t", &trades, "-t", &matches];
    let told = rows(crossrate(topics));
    assert!(told.contains("  format    binance\n") && told.contains("  format    coinbase\n"), "{told}");
    let line = told.lines().last().expect("a command");
    let words: Vec<&str> = line.split(' ').collect();
    assert!(line.contains(&format!("-t {matches}=coinbase -t {trades} -e")), "{line}");
    assert!(rows(crossrate(&words[1..])).lines().count() >= 4, "{line}");
    let (code, _, said) = end(run(&kafka, (&trades, &trades), "-e"));
    assert!(code == 2 && said.contains("each topic once"), "{said}");
}

#[test]
#[ignore = "needs Java"]
fn inspect_recognises_trades_behind_other_records_whichever_partition_has_them() {
    let kafka = rig::kafka();
    let topic = kafka.topic("late-trades", 2);
    let answers: Vec<Record> = (0..1_200).map(|_| Record::new(0, r#"{"type":"subscriptions"}"#)).collect();
    kafka.produce(&topic, &answers);
    let matches: Vec<Record> = (0..20).map(|n| Record::new(1, matched("BTC-USD", n, n as f64))).collect();
    kafka.produce(&topic, &matches);
    kafka.produce(&topic, &[Record::new(0, matched("BTC-USD", 20, 20.0))]);
    let told = rows(crossrate(["inspect", "-b", &kafka.brokers, "-t", &topic]));
    assert!(told.contains("  format    coinbase\n"), "{told}");
    assert!(told.contains("1221 read = 21 accepted + 1200 ignored"), "{told}");
    assert!(told.lines().last().is_some_and(|line| line.contains(&format!("-t {topic}=coinbase"))), "{told}");
}

#[test]
#[ignore = "needs Java"]
fn partitions_are_added_to_one_of_two_topics_and_the_job_is_killed() {
    let kafka = rig::kafka();
    let (trades, matches) = (kafka.topic("grows", 1), kafka.topic("stays", 1));
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("rows.jsonl");
    let flags = format!(
        "--to {} --rows symbol --idle-timeout off --commit-interval 0s -X topic.metadata.refresh.interval.ms=50",
        output.display()
    );
    let written = |count: usize| {
        rig::until("rows", || {
            let text = std::fs::read_to_string(&output).unwrap_or_default();
            (text.lines().count() >= count).then_some(text)
        })
    };
    kafka.produce(&trades, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);
    kafka.produce(
        &matches,
        &[Record::new(0, matched("BTC-USD", 1, 2.0)), Record::new(0, matched("BTC-USD", 2, 15.0))],
    );
    let mut live = Live::start(run(&kafka, (&trades, &matches), &flags));
    written(2);
    kafka.add_partitions(&trades, 2);
    kafka.produce(&trades, &[Record::new(1, trade("A", 3, 16.0))]);
    live.hears(&format!("{trades}-1 is new"));
    for (round, second) in [(0_u64, 25.0), (1, 35.0), (2, 45.0)] {
        // In the middle of what follows.
        signal(&live, "KILL");
        drop(live);
        kafka.produce(
            &trades,
            &[Record::new(0, trade("A", 10 + round, second)), Record::new(1, trade("A", 20 + round, second))],
        );
        live = Live::start(run(&kafka, (&trades, &matches), &flags));
        kafka.produce(&matches, &[Record::new(0, matched("BTC-USD", 10 + round, second))]);
        written(2 * (round as usize + 2));
    }
    drop(live);
    let text = written(8);
    let found: Vec<String> =
        short(&text).iter().map(|row| row.rsplit_once(' ').expect("closed by").0.to_owned()).collect();
    let expected = [
        "A 0 1",
        "BTC-USD 0 1",
        "A 10 2",
        "BTC-USD 10 1",
        "A 20 2",
        "BTC-USD 20 1",
        "A 30 2",
        "BTC-USD 30 1",
    ];
    assert_eq!(found, expected, "{text}");
}

/// The records of a recording, without the blank lines.
fn records(recording: &Recording) -> Vec<Record> {
    let mut text = std::fs::read(&recording.file).expect("a recording");
    if recording.file.extension().is_some_and(|ending| ending == "gz") {
        let packed = std::mem::take(&mut text);
        flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut text).expect("it is whole");
    }
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.map(|line| Record::new(0, line)).collect()
}

#[test]
#[ignore = "needs Java and recordings"]
fn mapped_recordings_give_the_rows_of_their_independent_reading_from_topics_too() {
    let kafka = rig::kafka();
    // A line of CSV is told from another kind by its file's header or name.
    let all: Vec<&Recording> = all_recordings().iter().filter(|it| it.name.contains(".jsonl")).collect();
    assert!(all.len() > 30);
    let check = |recording: &&Recording| {
        let Recording { name, format, expected, .. } = recording;
        let topic = kafka.topic("venue", 1);
        kafka.produce(&topic, &records(recording));
        let mut command =
            crossrate(["run", "-q", "-e", "-b", &kafka.brokers, "-t", &format!("{topic}={format}")]);
        command.args(flags());
        same(name, expected, &rows(command)).unwrap_or_else(|error| panic!("{error}"));
    };
    std::thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(3)) {
            scope.spawn(move || part.iter().for_each(check));
        }
    });
}

#[test]
#[ignore = "needs Java"]
fn letters_in_a_database_name_the_topic_and_the_part_of_a_record() {
    let kafka = rig::kafka();
    let (trades, arrays) = (kafka.topic("letters-b", 1), kafka.topic("letters-a", 2));
    let folder = tempfile::tempdir().expect("a folder");
    let format = folder.path().join("arrays.toml");
    std::fs::write(&format, OF_ARRAYS).expect("written");
    kafka.produce(&trades, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, "{broken")]);
    kafka.produce(&arrays, &[Record::new(1, TWO_BAD)]);
    let database = folder.path().join("rows.db");
    let mut command = crossrate(["run", "-q", "-e", "-b", &kafka.brokers, "-t", &trades, "--symbols", "all"]);
    command.args(["-t", &format!("{arrays}={}", format.display()), "--to"]);
    command.arg(format!("sqlite:{}", database.display()));
    rows(command);
    let connection = rusqlite::Connection::open(&database).expect("opened");
    let sql = "SELECT topic, partition, \"offset\", part FROM dead_letters ORDER BY 1, 2, 3, 4";
    let mut select = connection.prepare(sql).expect("the columns");
    let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    let found: Vec<(String, i64, i64, i64)> = found.expect("read").collect::<Result<_, _>>().expect("read");
    assert_eq!(found, [(arrays.clone(), 1, 0, 0), (arrays, 1, 0, 1), (trades, 0, 1, 0)]);
}
