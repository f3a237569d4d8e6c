//! Questions in SQL: of files, of a database, of a server; and what is asked to do harm.

use super::{Served, crossrate, http};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Output;
use std::time::{Duration, Instant};

const TRADES: &str = r#"{"e":"trade","s":"XVGBTC","t":1,"p":"0.00000873","q":"3134","T":1525022020990}
{"e":"trade","s":"BTCUSDT","t":1,"p":"8888.1512","q":"0.01937446","T":1525022020361}
{"e":"trade","s":"BTCUSDT","t":2,"p":"8880.0000","q":"0.5","T":1525022021490}
{"e":"trade","s":"BTCUSDT","t":4,"p":"8881.0000","q":"0.5","T":1525022031490}
"#;

fn computed(to: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trades.jsonl"), TRADES).unwrap();
    let mut command = crossrate(&["run", "trades.jsonl", "--window", "10s", "-q"]);
    let output = command.args(to).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

fn end(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn ask(served: &Served, sql: &str) -> http::Answer {
    let kind = [("Content-Type", "application/json")];
    http::ask(served.address, "POST", "/v1/sql", &kind, &json!({ "query": sql }).to_string())
}

#[test]
fn files_and_databases_answer_alike() {
    let folder = computed(&["--to", "rows.jsonl", "--to", "sqlite:rows.db"]);
    let sql = "select name, start_ms, trades, vwap, round(vwap_real, 6) as near from symbols order by 2, 1";
    let expected = "name,start_ms,trades,vwap,near\r\n\
                    BTCUSDT,1525022020000,2,8880.304067894197184821,8880.304068\r\n\
                    XVGBTC,1525022020000,1,0.000008730000000000,9e-6\r\n\
                    BTCUSDT,1525022030000,1,8881.000000000000000000,8881.0\r\n";
    for source in ["rows.jsonl", "sqlite:rows.db", "rows.db"] {
        // People type either first.
        for words in [[sql, source], [source, sql]] {
            let mut command = crossrate(&["query", "-f", "csv"]);
            let (code, stdout, stderr) =
                end(&command.args(words).current_dir(folder.path()).output().unwrap());
            assert_eq!((code, stdout.as_str()), (Some(0), expected), "{words:?}: {stderr}");
        }
    }
    // A file may be a pipe, of which nothing can be read twice.
    let mut piped = std::process::Command::new("bash");
    let line = "exec \"$0\" query -f csv 'select count(*) from stats' <(cat rows.jsonl)";
    piped.args(["-c", line, env!("CARGO_BIN_EXE_crossrate")]).current_dir(folder.path());
    crate::program::without_settings(&mut piped);
    let output = piped.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut command = crossrate(&["query", "select name, n, std from stats", "rows.jsonl"]);
    let (_, table, _) = end(&command.current_dir(folder.path()).output().unwrap());
    assert_eq!(table, "name     n  std\n-------  -  ---\nXVGUSDT  1\n");
}

#[test]
fn what_cannot_be_answered_is_told() {
    let folder = computed(&["--to", "rows.jsonl", "--to", "sqlite:rows.db"]);
    std::fs::write(folder.path().join("junk"), "junk\n").unwrap();
    for (arguments, code, word) in [
        (&["query", "select nmae from symbols", "rows.jsonl"][..], 2, "no such column: nmae"),
        (&["query", "select * from symbol", "rows.jsonl"], 2, "did you mean symbols?"),
        (
            &["query", "select * from trades", "rows.db"],
            2,
            "no such table: trades; rows are in symbols, crosses, ",
        ),
        (&["query", "delete from symbols", "rows.db"], 2, "not authorized"),
        (&["query", "select * from crossrate_recovery", "rows.db"], 2, "prohibited"),
        (&["query", "select 1"], 2, "--server"),
        (&["query"], 2, "<SQL>"),
        (&["query", "select 1", "nowhere"], 3, "cannot read nowhere"),
        (&["query", "nowhere", "select 1"], 3, "cannot read nowhere"),
        (&["query", "csv:nowhere", "select 1"], 3, "cannot read nowhere"),
        (&["query", "postgres://me:hunter2@h/d", "select 1"], 2, "asked by psql"),
        (&["query", "select 1", "sqlite:junk"], 3, "cannot read the database"),
        (&["query", "select 1", "junk"], 1, "line 1 is no row"),
        (&["query", "select 1", "rows.db", "rows.jsonl"], 2, "ask it alone"),
        (&["query", "select 1", "--server", "127.0.0.1:80"], 2, "http://127.0.0.1:8080"),
        (&["query", "select 1", "--server", "http://127.0.0.1:1"], 3, "cannot ask"),
    ] {
        let (got, stdout, stderr) = end(&crossrate(arguments).current_dir(folder.path()).output().unwrap());
        assert_eq!((got, stdout.as_str()), (Some(code), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(word), "{arguments:?}: {stderr}");
    }
    let (code, _, _) =
        end(&crossrate(&["query", "select 1", "rows.db"]).current_dir(folder.path()).output().unwrap());
    assert_eq!(code, Some(0), "the database is whole");
}

#[test]
fn a_server_answers_as_its_rows_say() {
    let served = Served::demo(&["--speed", "max"]);
    served.wait_for_the_end();
    let answer = ask(
        &served,
        "select start_ms, vwap from crosses where name = 'XVGUSDT' and window = '10s' and final order by 1",
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows = served.get("/v1/windows?kind=cross&name=XVGUSDT&window=10s&final=true").json()["rows"].clone();
    let expected: Vec<Value> =
        rows.as_array().unwrap().iter().map(|row| json!([row["start_ms"], row["vwap"]])).collect();
    assert_eq!(answer.json(), json!({"columns": ["start_ms", "vwap"], "rows": expected, "truncated": false}));
    let kinds = [("Content-Type", "application/json"), ("Accept", "text/csv")];
    let csv = http::ask(
        served.address,
        "POST",
        "/v1/sql",
        &kinds,
        r#"{"query":"select count(*) as n from stats"}"#,
    );
    assert!(
        csv.body.starts_with("n\r\n") && csv.header("crossrate-truncated") == Some("false"),
        "{}",
        csv.body
    );
    // The command line asks the same way.
    let url = format!("http://{}", served.address);
    let sql = "select count(*) as n, max(n) as most from stats where name = 'XVGUSDT' and window = '10s'";
    let (code, stdout, stderr) =
        end(&crossrate(&["query", "-f", "json", sql, "--server", &url]).output().unwrap());
    assert_eq!((code, stdout.as_str()), (Some(0), "{\"n\":22,\"most\":22}\n"), "{stderr}");
    // Whoever reads no further has had enough, as with files.
    let mut asker = crossrate(&["query", "select 1", "--server", &url]).spawn().unwrap();
    drop(asker.stdout.take());
    let (code, _, stderr) = end(&asker.wait_with_output().unwrap());
    assert!(code == Some(0) && stderr.is_empty(), "{code:?} {stderr}");
    let (code, _, stderr) = end(&crossrate(&["query", "select x", "--server", &url]).output().unwrap());
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no such column: x"), "{stderr}");
}

#[test]
fn harm_is_refused_and_nobody_else_notices() {
    let served = Served::demo(&["--speed", "10"]);
    for (sql, word) in [
        ("insert into crosses (name, start_ms, end_ms) values ('A', 0, 1)", "not authorized"),
        ("attach '/tmp/x.db' as x", "not authorized"),
        ("select load_extension('x')", "not authorized"),
        ("pragma hard_heap_limit", "not authorized"),
        ("select * from nowhere", "no such table: nowhere; rows are in symbols"),
        ("select hex(zeroblob(1000000000))", "too big"),
        // Each of the following would take for ever, or all memory.
        (
            "with recursive t(x) as (values(1) union all select x + 1 from t) select count(*) from t",
            "stopped after 5 s",
        ),
        (
            "select count(*) from symbols a, symbols b, symbols c, symbols d, symbols e, symbols f, symbols g, symbols h",
            "stopped after 5 s",
        ),
        (
            "with recursive t(x) as (values(1) union all select x + 1 from t) select randomblob(900000) from t order by 1",
            // Where the machine is slow the time is over first.
            "out of memory|stopped after 5 s",
        ),
    ] {
        let begun = Instant::now();
        let answer = ask(&served, sql);
        assert_eq!(answer.status, 400, "{sql}: {}", answer.body);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(word.split('|').any(|word| detail.contains(word)), "{sql}: {}", answer.body);
        assert!(begun.elapsed() < Duration::from_secs(30), "{sql}: {:?}", begun.elapsed());
        assert_eq!(served.get("/healthz").status, 200);
    }
    // One instruction of the engine's machine, between which it looks at the clock, takes longer than all of
    // the time.
    let needle = "hex(zeroblob(245000)) || '1'";
    let long = format!("instr(hex(zeroblob(495000)), {needle})");
    let answer = ask(&served, &format!("select {long} + {long} + {long} + {long}"));
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(answer.json()["detail"], "the query was stopped after 5 s");
    // Several at once: the job goes on, and whoever follows it is told, before the last of them has its
    // answer.
    let attack =
        "select count(*) from symbols a, symbols b, symbols c, symbols d, symbols e, symbols f, symbols g";
    std::thread::scope(|scope| {
        let attackers: Vec<_> = (0..3).map(|_| scope.spawn(|| ask(&served, attack).status)).collect();
        let (_, mut rest) = http::begin(served.address, "GET", "/v1/stream?progress=100", &[], "");
        let mut frontiers = std::collections::BTreeSet::new();
        while frontiers.len() < 5 {
            let chunk = String::from_utf8(http::chunk(&mut rest).expect("the stream goes on")).unwrap();
            let frontier = chunk.split("\"frontier_ms\":").nth(1).and_then(|rest| rest.split(',').next());
            frontiers.extend(frontier.map(str::to_owned));
        }
        assert!(attackers.iter().any(|attacker| !attacker.is_finished()), "the attack was over first");
        for attacker in attackers {
            // The others wait for their turn, not for ever.
            assert!([400, 503].contains(&attacker.join().unwrap()));
        }
    });
    // Nothing is left of those that were stopped, nor of one whose asker has gone.
    let question = json!({ "query": attack }).to_string();
    let mut asker = std::net::TcpStream::connect(served.address).unwrap();
    write!(
        asker,
        "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n\
         {question}",
        question.len()
    )
    .unwrap();
    http::eventually(|| served.helpers() == 1, "the process that answers");
    drop(asker);
    http::eventually(|| served.helpers() == 0, "the end of all processes that answered");
    // As much text as fits, made of names that each stand for two more.
    let mut doubling = "with a0 as (select 1 as x)".to_owned();
    for n in 1..60 {
        doubling += &format!(", a{n} as (select l.x from a{0} l, a{0} r)", n - 1);
    }
    let answer = ask(&served, &format!("{doubling} select count(*) from a59"));
    assert!([400, 500].contains(&answer.status), "{}", answer.body);
    assert_eq!(ask(&served, "select 1").status, 200);
    for (kind, body, status) in [
        ("text/plain", "select 1", 415),
        ("application/json", "select 1", 400),
        ("application/json", r#"{"sql":"select 1"}"#, 400),
        ("application/json", &format!("{{\"query\":\"{}\"}}", "x".repeat(200_000)), 413),
    ] {
        let answer = http::ask(served.address, "POST", "/v1/sql", &[("Content-Type", kind)], body);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{kind}"
        );
    }
    let text = served.get("/metrics").body;
    assert!(text.contains("crossrate_sql_queries_total{result=\"done\"} 1\n"), "{text}");
}
