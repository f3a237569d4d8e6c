//! The kill loop with a real Postgres as ledger, which is itself crashed now and then, and what its tables
//! hold.

use super::input::{self, Random};
use super::kill_loop::{self, Job, kill_and_take_up, kills};
use super::outputs::{self, Outputs};
use crate::needs;
use crossrate::rows::columns;
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::value::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_postgres::NoTls;

/// A server. It ends with the tests, however those end: it lives while its standard input does.
pub(crate) struct Server {
    /// Of its first database.
    pub(crate) url: String,
    script: Child,
    stdin: Option<ChildStdin>,
}

/// For a test that starts a server, or uses the shared one.
pub(crate) fn needed() {
    needs::need("PostgreSQL", || {
        let mut search = Command::new("bash");
        search.args(["-c", "command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb'"]);
        search.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    });
}

/// The server that tests share.
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    needed();
    SHARED.get_or_init(|| Server::start(None, None))
}

impl Server {
    /// Starts one, on the data of an earlier one if there is one.
    pub(crate) fn start(data: Option<&Path>, port: Option<&str>) -> Server {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres"));
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        if let Some(port) = port {
            command.args(["--port", port]);
        }
        let mut script = command.spawn().expect("scripts/postgres starts");
        let stdin = script.stdin.take();
        let mut line = String::new();
        BufReader::new(script.stdout.take().expect("piped")).read_line(&mut line).expect("an address");
        assert!(!line.is_empty(), "scripts/postgres serve said no address");
        Server { url: line.trim().to_owned(), script, stdin }
    }

    pub(crate) fn port(&self) -> String {
        let tail = self.url.rsplit(':').next().expect("a port");
        tail.split('/').next().expect("a port").to_owned()
    }

    /// Ends it as a crash would: nothing is finished, nobody is told.
    pub(crate) fn crash(mut self) {
        self.stdin = None;
        self.script.wait().expect("scripts/postgres ends");
    }

    /// A new database; its address.
    pub(crate) fn database(&self) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
        rows(&self.url, &format!("CREATE DATABASE {name}"));
        format!("{}/{name}", self.url.rsplit_once('/').expect("a database").0)
    }
}

/// The rows that a statement gives, each as text.
pub(crate) fn rows(url: &str, sql: &str) -> Vec<Vec<Option<String>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connected");
        tokio::spawn(connection);
        let found = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let text = |row: tokio_postgres::SimpleQueryRow| {
            (0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()
        };
        let row = |message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(text(row)),
            _ => None,
        };
        found.into_iter().filter_map(row).collect()
    })
}

/// The tables of rows and of refused records.
pub(crate) fn tables(url: &str) -> BTreeMap<String, Vec<String>> {
    // A table of bases is made for who asks for one.
    let there = |(table, _): &(&str, &str)| {
        let there = rows(url, &format!("SELECT to_regclass('{table}') IS NOT NULL"));
        there[0][0].as_deref() == Some("t")
    };
    let table = |(table, key): (&str, &str)| {
        let found = rows(url, &format!("SELECT row_to_json(t) FROM {table} t ORDER BY {key}"));
        (table.to_owned(), found.into_iter().flatten().flatten().collect())
    };
    outputs::TABLES.into_iter().filter(there).map(table).collect()
}

fn job(folder: &Path, inputs: &[std::path::PathBuf], definition: &str, sinks: &str) -> Job {
    // Each commit is waited for: all the rest would gather behind a slow one, and there would be nothing left
    // to disturb.
    let common = "--delay 500ms --symbols all --cross XVGUSDT=XVGBTC*BTCUSDT --cross BACK=BTCUSDT/XVGBTC \
                  --basis XVGUSDT=BTCUSDT --commit-interval 0s";
    Job::new(folder.to_owned(), inputs, &format!("{common} {definition}"), sinks)
}

/// Runs a definition undisturbed, and then killed, the server being crashed in between and underneath.
fn survives(definition: &str, salt: u64, kills: u64) {
    needed();
    let folder = super::folder();
    let data = super::folder();
    let seed = input::seed() * 1_000 + salt;
    let inputs = input::write(folder.path(), seed, 3, kill_loop::trades(), 400);
    let mut server = Some(Server::start(Some(data.path()), None));
    let database = || -> String { server.as_ref().map(Server::database).expect("a server") };
    let (whole, broken) = (database(), database());
    let beside = |url: &str| format!("--to postgres:{url} --to rows.jsonl --dead-letter dead.jsonl");
    let undisturbed = job(&folder.path().join("undisturbed"), &inputs, definition, &beside(&whole));
    let size = undisturbed.run_whole();
    let expected = Outputs { tables: Some(tables(&whole)), ..undisturbed.outputs() };
    let all_rows = expected.rows.as_deref().expect("rows").to_owned();
    assert!(all_rows.len() > 50_000, "{} bytes of rows", all_rows.len());
    let mut random = Random::new(seed);
    let crash = |server: &mut Option<Server>| {
        let port = server.as_ref().expect("a server").port();
        server.take().expect("a server").crash();
        *server = Some(Server::start(Some(data.path()), Some(&port)));
    };
    let disturbed = job(&folder.path().join("disturbed"), &inputs, definition, &beside(&broken));
    // Crashed while a run writes: it waits, finds out what became of its commit, and goes on.
    let mut child = disturbed.command(&["-w", "2"]).spawn().expect("it starts");
    kill_loop::wait_until(&disturbed, &mut child, size / 6);
    crash(&mut server);
    kill_loop::wait_until(&disturbed, &mut child, size / 4);
    assert_eq!(child.try_wait().expect("it can be waited for"), None, "{}", disturbed.said());
    child.kill().expect("killed");
    child.wait().expect("it ends");
    kill_and_take_up(&disturbed, &mut random, kills, size, |folder, killed| {
        let found = outputs::text(&folder.join("rows.jsonl")).unwrap_or_default();
        assert!(all_rows.starts_with(&found), "kill {killed}, seed {seed}: other rows than expected");
        if killed % 8 == 0 {
            crash(&mut server);
        }
    });
    let found = Outputs { tables: Some(tables(&broken)), ..disturbed.outputs() };
    expected.assert_same(&found, &format!("postgres, seed {seed}, {definition}"));
}

#[test]
#[ignore = "needs PostgreSQL"]
fn final_rows() {
    survives("--window 2s", 11, kills());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn changes() {
    let definition = "--window 3s --slide 1s --emit changes --grace 2s --missing-leg carry --max-carry 9s";
    survives(definition, 12, kills().div_ceil(2));
}

/// The latest row of each key, as the columns of its table.
fn latest(rows: &str) -> BTreeMap<&'static str, BTreeMap<(String, i64, i64), Vec<Value>>> {
    let mut latest: BTreeMap<&str, BTreeMap<_, _>> = BTreeMap::new();
    for line in rows.lines() {
        let row = columns::read(line).expect("a row");
        let key = (row.name.as_str().to_owned(), row.start.millis() as i64, row.end.millis() as i64);
        latest.entry(row.kind.schema().table).or_default().insert(key, row.columns());
    }
    latest
}

#[test]
#[ignore = "needs PostgreSQL"]
fn the_tables_hold_every_digit_of_the_latest_rows() {
    let server = shared();
    let folder = super::folder();
    let inputs = input::write(folder.path(), input::seed(), 2, 20_000, 200);
    let url = server.database();
    let definition = "--window 2s --emit changes --grace 1s --provisional";
    let sinks = format!("--to postgres:{url} --to rows.jsonl --dead-letter dead.jsonl");
    let job = job(&folder.path().join("job"), &inputs, definition, &sinks);
    job.run(&[]);
    let expected = latest(&outputs::text(&job.folder.join("rows.jsonl")).expect("rows"));
    assert_eq!(expected.len(), RowKind::ALL.len());
    for table in RowKind::ALL.map(RowKind::schema) {
        let columns: Vec<String> =
            table.fields.iter().map(|column| format!("\"{}\"::text", column.name)).collect();
        let sql =
            format!("SELECT {} FROM {} ORDER BY name, start_ms, end_ms", columns.join(", "), table.table);
        let found = rows(&url, &sql);
        let expected: Vec<&Vec<Value>> = expected[table.table].values().collect();
        assert_eq!(found.len(), expected.len(), "{}", table.table);
        for (found, expected) in found.iter().zip(expected) {
            for ((found, expected), column) in found.iter().zip(expected).zip(table.fields) {
                let same = match (found.as_deref(), expected) {
                    (None, Value::Null | Value::Large(_)) => true,
                    (Some(found), Value::Integer(n)) => found == n.to_string(),
                    (Some(found), Value::Real(x)) => found.parse::<f64>().is_ok_and(|found| found == *x),
                    (Some(found), Value::Boolean(b)) => found == b.to_string(),
                    (Some(found), value) => value.text(column.ty).is_some_and(|text| text == found),
                    _ => false,
                };
                assert!(same, "{}.{}: {found:?}, expected {expected:?}", table.table, column.name);
            }
        }
    }
    let refused = rows(&url, "SELECT partition, \"offset\", reason FROM dead_letters ORDER BY 1, 2");
    let letters = outputs::dead_letters(&job.folder.join("dead.jsonl")).expect("dead letters");
    let letters: Vec<Vec<Option<String>>> = letters
        .iter()
        .map(|line| {
            let letter: serde_json::Value = serde_json::from_str(line).expect("a letter");
            let text = |key: &str| Some(letter[key].to_string().replace('"', ""));
            ["partition", "offset", "reason"].map(text).to_vec()
        })
        .collect();
    assert!(!letters.is_empty());
    assert_eq!(refused, letters);
}
