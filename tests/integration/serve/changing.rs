//! A job that is changed by REST and by `crossrate define` while it reads.

use super::{Served, address_in, crossrate, http};
use std::io::{BufReader, Read, Write};
use std::process::{ChildStdin, Stdio};
use std::thread::JoinHandle;

const SYMBOLS: [(&str, &str); 4] =
    [("BTCUSDT", "8850.25"), ("ETHUSDT", "605.5"), ("ETHBTC", "0.0684"), ("XVGBTC", "0.00000873")];
pub(crate) const BEGIN: u64 = 1_525_022_000_000;

/// A trade of each symbol in each second from the one on to the other.
pub(crate) fn trades(seconds: std::ops::Range<u64>) -> String {
    let trade = |second: u64, (symbol, price): (&str, &str)| {
        let (id, time) = (1_000 + second, BEGIN + 1_000 * second);
        format!(
            r#"{{"e":"trade","s":"{symbol}","t":{id},"p":"{price}","q":"{}.5","T":{time},"m":false}}"#,
            1 + second % 7
        ) + "\n"
    };
    seconds.flat_map(|second| SYMBOLS.map(|symbol| trade(second, symbol))).collect()
}

/// A run over a pipe.
pub(super) struct Piped {
    pub(super) served: Served,
    pub(super) input: ChildStdin,
    rows: JoinHandle<String>,
}

impl Piped {
    pub(super) fn run(flags: &[&str]) -> Piped {
        let mut command =
            crossrate(&["run", "-", "--window", "10s", "--listen", "127.0.0.1:0", "--stay", "always"]);
        let mut child = command.args(flags).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let rows = std::thread::spawn(move || {
            let mut rows = String::new();
            stdout.read_to_string(&mut rows).unwrap();
            rows
        });
        let input = child.stdin.take().unwrap();
        let address = address_in(BufReader::new(child.stderr.take().unwrap()), "crossrate: serving http://");
        Piped { served: Served { child, address }, input, rows }
    }

    /// Feeds trades of these seconds, and waits until they have been judged.
    pub(super) fn feed(&mut self, seconds: std::ops::Range<u64>) {
        let until = seconds.end;
        self.input.write_all(trades(seconds).as_bytes()).unwrap();
        self.input.flush().unwrap();
        let watermark = BEGIN + 1_000 * (until - 1) - 5_000;
        let judged = || self.served.get("/v1/frontier").body.contains(&watermark.to_string());
        http::eventually(judged, "the trades to be judged");
    }

    /// Ends the input, and gives all rows.
    fn end(self) -> String {
        drop(self.input);
        self.served.wait_for_the_end();
        self.served.interrupt();
        self.rows.join().unwrap()
    }
}

/// The rows of a batch run over the trades of these seconds.
pub(crate) fn rows_of_a_job_born_so(seconds: std::ops::Range<u64>, flags: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trades.jsonl");
    std::fs::write(&path, trades(seconds)).unwrap();
    let output = crossrate(&["run", path.to_str().unwrap(), "--window", "10s"]).args(flags).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of a kind and name whose windows start then or later.
pub(crate) fn of<'a>(rows: &'a str, kind: &str, name: &str, from: u64) -> Vec<&'a str> {
    let begins = format!("{{\"kind\":\"{kind}\",\"name\":\"{name}\",");
    let start = |row: &str| {
        let at = row.find("\"start_ms\":").unwrap() + 11;
        row[at..].split(',').next().unwrap().parse::<u64>().unwrap()
    };
    rows.lines().filter(|row| row.starts_with(&begins) && start(row) >= from).collect()
}

#[test]
fn a_cross_comes_with_its_back_fill_and_goes_while_a_pipe_is_read() {
    let crosses = ["--cross", "X=ETHBTC*BTCUSDT", "--symbols", "ETHUSDT"];
    let mut piped = Piped::run(&[&crosses[..], &["--back-fill", "1m"]].concat());
    piped.feed(0..200);
    // ETHUSDT was wanted all along, XVGBTC was not.
    let answer = piped.served.send("PUT", "/v1/crosses/Y", r#"{"formula":"ETHUSDT/BTCUSDT"}"#);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let from = BEGIN + 200_000;
    let changes = &answer.json()["changes"];
    assert_eq!(
        (&changes[0]["name"], &changes[0]["from_ms"], changes.as_array().unwrap().len()),
        (&"Y".into(), &from.into(), 1)
    );
    assert_eq!((&answer.json()["kept"], &answer.json()["warnings"]), (&false.into(), &serde_json::json!([])));
    let answer = piped.served.send("PUT", "/v1/crosses/Z", r#"{"formula":"XVGBTC*BTCUSDT"}"#);
    let names: Vec<String> = answer.json()["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["name"].to_string())
        .collect();
    assert_eq!(names, ["\"XVGBTC\"", "\"Z\""], "{}", answer.body);
    let again = piped.served.send("PUT", "/v1/crosses/Z", r#"{"formula":"XVGBTC * BTCUSDT"}"#);
    assert_eq!((again.status, again.json()["changes"].as_array().unwrap().len()), (200, 0));
    let answer = piped.served.send("DELETE", "/v1/crosses/X", "");
    assert_eq!((answer.status, &answer.json()["changes"][0]["from_ms"]), (200, &from.into()));
    piped.feed(200..300);
    let definition = piped.served.get("/v1/definition").json();
    assert_eq!(definition["crosses"][0]["since_ms"], from - 60_000, "{definition}");
    assert_eq!(definition["crosses"][1]["since_ms"], from, "{definition}");
    assert_eq!(definition["log"].as_array().unwrap().len(), 4, "{definition}");
    let rows = piped.end();
    let all = ["--cross", "X=ETHBTC*BTCUSDT", "--cross", "Y=ETHUSDT/BTCUSDT", "--cross", "Z=XVGBTC*BTCUSDT"];
    let born = rows_of_a_job_born_so(0..300, &all);
    for (name, since) in [("Y", from - 60_000), ("Z", from)] {
        assert_eq!(of(&rows, "cross", name, 0), of(&born, "cross", name, since), "{name}");
        assert_eq!(of(&rows, "stats", name, 0).len(), of(&born, "stats", name, since).len(), "{name}");
    }
    assert_eq!(of(&rows, "cross", "X", 0).len(), 20);
    assert_eq!(of(&rows, "cross", "X", 0), of(&born, "cross", "X", 0)[..20]);
    // Of a symbol whose ids begin with the job that was changed only the first window may count them
    // otherwise.
    assert_eq!(of(&rows, "symbol", "XVGBTC", 0)[1..], of(&born, "symbol", "XVGBTC", from)[1..]);
    for symbol in ["BTCUSDT", "ETHUSDT", "ETHBTC"] {
        assert_eq!(of(&rows, "symbol", symbol, 0), of(&born, "symbol", symbol, 0), "{symbol}");
    }
}

#[test]
fn what_cannot_be_changed_is_told_with_what_would_be_right() {
    let mut piped = Piped::run(&["--cross", "X=ETHBTC*BTCUSDT", "--basis", "X=ETHUSDT"]);
    piped.feed(0..30);
    let long = format!("{{\"formula\":\"{}\"}}", ["A"; 33].join("*"));
    for (method, path, body, status, words) in [
        ("PUT", "/v1/crosses/Y", r#"{"formula":"A"}"#, 400, "one leg only"),
        ("PUT", "/v1/crosses/Y", long.as_str(), 400, "33 legs, at most 32"),
        ("PUT", "/v1/crosses/Y", "{}", 400, "missing field"),
        ("PUT", "/v1/crosses/A%20B", r#"{"formula":"A*B"}"#, 400, "no white space"),
        ("PUT", "/v1/crosses/X", r#"{"formula":"ETHBTC/BTCUSDT"}"#, 409, "needed by --basis"),
        ("DELETE", "/v1/crosses/X", "", 409, "needed by --basis"),
        ("DELETE", "/v1/crosses/Q", "", 404, "there is no cross Q"),
        ("DELETE", "/v1/symbols/BTCUSDT", "", 409, "is a leg of X=ETHBTC*BTCUSDT"),
        ("DELETE", "/v1/symbols/ETHUSDT", "", 409, "needed by --basis"),
        ("DELETE", "/v1/symbols/Q", "", 404, "there is no symbol Q"),
        ("PATCH", "/v1/definition", r#"{"crosses":{"Y":"A*B","Q":null}}"#, 404, "there is no cross Q"),
        ("PATCH", "/v1/definition", r#"{"windows":{}}"#, 400, "unknown field"),
    ] {
        let answer = piped.served.send(method, path, body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.body);
        assert!(answer.body.contains(words), "{method} {path}: {}", answer.body);
        assert!(answer.json()["hint"].is_string(), "{method} {path}: {}", answer.body);
    }
    let answer = http::ask(piped.served.address, "PUT", "/v1/crosses/Y", &[], r#"{"formula":"A*B"}"#);
    assert_eq!(answer.status, 415, "{}", answer.body);
    // All or nothing: what could have been is not there either.
    assert_eq!(piped.served.get("/v1/definition").json()["log"].as_array().unwrap().len(), 0);
    // A symbol that nobody trades is accepted, and waits, which is said.
    let answer = piped.served.send("PUT", "/v1/symbols/NOBODY", "");
    assert_eq!((answer.status, &answer.json()["waiting"]), (200, &serde_json::json!(["NOBODY"])));
    let answer = piped.served.send("PUT", "/v1/crosses/Z", r#"{"formula":"NOBODY*LATE"}"#);
    assert_eq!(answer.json()["waiting"], serde_json::json!(["LATE", "NOBODY"]), "{}", answer.body);
    // Rows of one name are probably a slip.
    let answer = piped.served.send("PUT", "/v1/crosses/NOBODY", r#"{"formula":"ETHBTC*BTCUSDT"}"#);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("NOBODY names a symbol that gets rows too"), "{}", answer.body);
    drop(piped.input);
    piped.served.wait_for_the_end();
    let answer = piped.served.send("PUT", "/v1/symbols/LATE", "");
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.body.contains("the run has ended"), "{}", answer.body);
}

/// What is answered is in the definition by then, with where each partition took it.
#[test]
fn two_writers_at_once_are_answered_one_by_one_when_the_definition_shows_it() {
    for workers in ["1", "3"] {
        let mut piped =
            Piped::run(&["--cross", "X=ETHBTC*BTCUSDT", "--symbols", "ETHUSDT,XVGBTC", "-w", workers]);
        piped.feed(0..30);
        let served = &piped.served;
        let write = |formulas: [&'static str; 2]| {
            for formula in formulas.into_iter().cycle().take(12) {
                let body = format!("{{\"formula\":\"{formula}\"}}");
                let answer = served.send("PUT", "/v1/crosses/Y", &body);
                assert_eq!(answer.status, 200, "{}", answer.body);
                let definition = served.get("/v1/definition").json();
                for change in answer.json()["changes"].as_array().unwrap() {
                    let is_it = |logged: &&serde_json::Value| {
                        let same = |field: &str| logged[field] == change[field];
                        ["change", "kind", "name", "formula", "from_ms"].into_iter().all(same)
                    };
                    let logged = definition["log"].as_array().unwrap().iter().find(is_it);
                    let offset = logged.map(|logged| logged["offsets"]["0"].clone());
                    assert_eq!(offset, Some(120.into()), "{change} in {definition}");
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| write(["ETHUSDT/BTCUSDT", "XVGBTC*BTCUSDT"]));
            scope.spawn(|| write(["ETHUSDT*ETHBTC", "XVGBTC/ETHBTC"]));
        });
        let definition = piped.served.get("/v1/definition").json();
        let log = definition["log"].as_array().unwrap();
        // Each change of the formula drops the one before it.
        let verbs: Vec<&str> = log.iter().map(|change| change["change"].as_str().unwrap()).collect();
        assert!(verbs[0] == "add" && verbs[1..].chunks(2).all(|pair| pair == ["drop", "add"]), "{verbs:?}");
        assert_eq!(definition["crosses"][1]["formula"], log.last().unwrap()["formula"]);
    }
}

#[test]
fn a_token_that_may_read_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "correct-horse-battery-staple\n\nonly-read-horse-battery read\n").unwrap();
    let mut piped = Piped::run(&["--cross", "X=ETHBTC*BTCUSDT", "--token-file", file.to_str().unwrap()]);
    piped.input.write_all(trades(0..30).as_bytes()).unwrap();
    let with = |token: &str, method: &str, path: &str| {
        let bearer = format!("Bearer {token}");
        http::ask(piped.served.address, method, path, &[("Authorization", &bearer)], "").status
    };
    let changes = "correct-horse-battery-staple";
    assert_eq!(with("only-read-horse-battery", "GET", "/v1/catalog"), 200);
    assert_eq!(with("only-read-horse-battery", "PUT", "/v1/symbols/A"), 403);
    assert_eq!(with("only-read-horse-batter", "PUT", "/v1/symbols/A"), 401);
    http::eventually(|| with(changes, "GET", "/v1/definition") == 200, "the job to begin");
    assert_eq!(with(changes, "PUT", "/v1/symbols/A"), 200);
    let server = format!("http://{}", piped.served.address);
    let define = |words: &[&str], token: &str| {
        let path = folder.path().join("token");
        std::fs::write(&path, token).unwrap();
        let mut command = crossrate(&["define"]);
        command
            .args(words)
            .args(["--server", &server, "--token-file", path.to_str().unwrap()])
            .output()
            .unwrap()
    };
    let added = define(&["cross", "Y=ETHUSDT/BTCUSDT"], changes);
    let told = String::from_utf8_lossy(&added.stdout).into_owned();
    assert!(
        added.status.success() && told.contains("add cross Y=ETHUSDT/BTCUSDT from 2018-04-29T"),
        "{told}"
    );
    let added = define(&["symbol", "Y"], changes);
    let told = String::from_utf8_lossy(&added.stderr).into_owned();
    assert!(added.status.success() && told.contains("warning: Y names a symbol"), "{told}");
    let refused = define(&["drop", "cross", "Y"], "only-read-horse-battery");
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    let list = define(&["list"], "only-read-horse-battery");
    let told = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(
        told.contains("cross Y=ETHUSDT/BTCUSDT since 2018-04-29T") && told.contains("symbol A\n"),
        "{told}"
    );
}
