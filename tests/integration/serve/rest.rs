//! REST: rows as they were printed, tags, pages, forms, errors that help, and who may ask.

use super::{Served, crossrate, http};
use std::collections::{BTreeMap, BTreeSet};

const TRADES: &str = r#"{"e":"trade","s":"XVGBTC","t":1,"p":"0.00000873","q":"3134","T":1525022020990}
{"e":"trade","s":"BTCUSDT","t":1,"p":"8888.1512","q":"0.01937446","T":1525022020361}
{"e":"trade","s":"BTCUSDT","t":2,"p":"8880.0000","q":"0.5","T":1525022021490}
{"e":"trade","s":"BTCUSDT","t":4,"p":"8881.0000","q":"0.5","T":1525022031490}
{"e":"trade","s":"XVGBTC","t":2,"p":"0.00000874","q":"100","T":1525022031991}
{"e":"trade","s":"XVGBTC","t":3,"p":"0.00000875","q":"100","T":1525022041991}
{"e":"nonsense"}
{"e":"trade","s":"BTCUSDT","t":5,"p":"-1","q":"0.5","T":1525022042490}
"#;

fn trades(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("trades.jsonl");
    std::fs::write(&path, TRADES).unwrap();
    path.to_str().unwrap().to_owned()
}

fn served(folder: &tempfile::TempDir, more: &[&str]) -> Served {
    let trades = trades(folder);
    let served = Served::run(&[&[trades.as_str(), "--window", "10s"], more].concat());
    served.wait_for_the_end();
    served
}

fn printed(folder: &tempfile::TempDir) -> Vec<String> {
    let output = crossrate(&["run", &trades(folder), "--window", "10s", "-q"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn rows_are_served_as_they_were_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (served, rows) = (served(&folder, &[]), printed(&folder));
    assert_eq!(rows.len(), 10);
    let all = served.get_with("/v1/windows", &[("Accept", "application/x-ndjson")]);
    assert_eq!(all.body.lines().collect::<Vec<_>>(), rows);
    assert_eq!(all.header("content-type"), Some("application/x-ndjson"));
    // Page by page, by the link of each.
    let mut paged = Vec::new();
    let mut next = Some("/v1/windows?limit=3&format=ndjson".to_owned());
    while let Some(path) = next {
        let page = served.get(&path);
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        paged.extend(page.body.lines().map(str::to_owned));
        next = page.header("link").map(|link| link.split(['<', '>']).nth(1).unwrap().to_owned());
    }
    assert_eq!(paged, rows);
    // A range, a name, a kind.
    let some = served
        .get("/v1/windows?kind=stats&name=XVGUSDT&from=1525022030000&until=1525022040000&format=ndjson");
    let expected: Vec<&String> = rows.iter().filter(|row| row.starts_with(r#"{"kind":"stats""#)).collect();
    assert_eq!(some.body.trim_end(), expected[1]);
    let latest = served.get("/v1/latest?kind=cross").json();
    assert_eq!(latest["rows"][0]["status"], "leg_missing");
    assert_eq!(latest["rows"].as_array().unwrap().len(), 1);
    assert_eq!(served.interrupt().code(), Some(0));
}

#[test]
fn csv_has_the_values_of_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (served, rows) = (served(&folder, &[]), printed(&folder));
    let answer = served.get_with("/v1/windows?kind=stats", &[("Accept", "text/csv")]);
    let mut lines = answer.body.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| serde_json::from_str(row).unwrap())
        .filter(|r: &serde_json::Value| r["kind"] == "stats")
        .collect();
    for (line, row) in lines.zip(&rows) {
        for (name, value) in names.iter().zip(line.split(',')) {
            match &row[*name] {
                serde_json::Value::String(text) => assert_eq!(text, value, "{name}"),
                serde_json::Value::Null => assert_eq!(value, "", "{name}"),
                other => {
                    assert_eq!(serde_json::from_str::<serde_json::Value>(value).unwrap(), *other, "{name}")
                }
            }
        }
    }
    // Also where there is no row.
    for path in
        ["/v1/windows?kind=stats&from=9999999999999&format=csv", "/v1/windows?kind=stats&until=0&format=csv"]
    {
        assert_eq!(served.get(path).body, format!("{}\r\n", names.join(",")), "{path}");
    }
    let mixed = served.get("/v1/windows?format=csv");
    assert_eq!((mixed.status, mixed.header("content-type")), (400, Some("application/problem+json")));
    assert!(mixed.json()["hint"].as_str().unwrap().contains("kind=symbol"));
}

#[test]
fn the_series_of_a_cross_has_its_running_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let (served, rows) = (served(&folder, &[]), printed(&folder));
    let series = served.get("/v1/series?name=XVGUSDT");
    let points = series.json()["points"].as_array().unwrap().clone();
    assert_eq!(points.iter().map(|p| p["n"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2), None]);
    for row in rows.iter().filter(|row| row.starts_with(r#"{"kind":"stats""#)) {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        let point = points.iter().find(|p| p["start_ms"] == row["start_ms"]).unwrap();
        for name in ["vwap", "n", "sum", "mean", "variance", "std"] {
            assert_eq!(point[name], row[name], "{name}");
        }
    }
    let one = served.get("/v1/series?name=BTCUSDT&kind=symbol&limit=1").json();
    assert_eq!(one["points"][0]["start_ms"], 1_525_022_030_000_u64);
    assert_eq!(served.get("/v1/series?name=BTCUSDT&limit=1").json(), one);
    assert_eq!(served.get("/v1/series?name=XVGUSDT,BTCUSDT").status, 400);
    assert_eq!(served.get("/v1/series").status, 400);
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(&folder, &[]);
    for path in
        ["/v1/catalog", "/v1/latest", "/v1/windows", "/v1/series?name=XVGUSDT", "/v1/frontier", "/docs"]
    {
        let tag = served.get(path).header("etag").unwrap().to_owned();
        let again = served.get_with(path, &[("If-None-Match", &tag)]);
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        assert_eq!(served.get_with(path, &[("If-None-Match", "\"other\"")]).status, 200, "{path}");
    }
}

#[test]
fn errors_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(&folder, &[]);
    for (path, status, hint) in [
        ("/v1/latest?knd=cross", 400, "did you mean kind?"),
        ("/v1/latest?kind=crss", 400, "did you mean cross?"),
        ("/v1/latest?name=XVGUSD", 404, "did you mean XVGUSDT?"),
        ("/v1/windows?limit=0", 400, ""),
        ("/v1/windows?limit=10001", 400, ""),
        ("/v1/windows?from=yesterday", 400, "milliseconds since the epoch"),
        ("/v1/windows?from=2018-04-29T19:13:40+02:00", 400, "%2B"),
        ("/v1/windows?order=down", 400, ""),
        ("/v1/latest?times=utc", 400, ""),
        ("/v1/windows?from=2&until=1", 400, "before until"),
        ("/v1/windows?cursor=nonsense", 400, "begin anew"),
        ("/v1/windows?format=xml", 400, ""),
        ("/v1/stream?windows=-1", 400, ""),
        ("/v1/nothing", 404, "/docs"),
        ("/v1/ws", 426, "/v1/stream"),
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{path}");
        assert!(problem["hint"].as_str().unwrap_or("").contains(hint), "{path}: {problem}");
    }
    let answer = http::ask(served.address, "DELETE", "/v1/latest", &[], "");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")));
    assert_eq!(served.get_with("/v1/latest", &[("Accept", "image/png")]).status, 406);
}

#[test]
fn pages_of_others_are_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(&folder, &[]);
    assert_eq!(served.get_with("/v1/latest", &[("Host", "evil.example")]).status, 421);
    assert_eq!(served.get_with("/v1/latest", &[("Origin", "http://evil.example")]).status, 403);
    let own = format!("http://{}", served.address);
    let answer = served.get_with("/v1/latest", &[("Origin", &own)]);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    assert!(!answer.headers("vary").any(|name| name == "origin"), "{answer:?}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn pages_of_an_allowed_origin_read_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "correct-horse-battery-staple\n").unwrap();
    let (desk, other) = (("Origin", "https://desk.example"), ("Origin", "https://desk.example.org"));
    let token = ("Authorization", "Bearer correct-horse-battery-staple");
    let trades = trades(&folder);
    let more = ["--window", "10s", "--allow-origin", desk.1, "--token-file", file.to_str().unwrap()];
    let served = Served::run(&[&[trades.as_str()], &more[..]].concat());
    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        http::ask(served.address, method, path, headers, body)
    };
    let allowed = |answer: &http::Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    let answer = ask("GET", "/v1/latest", &[desk, token], "");
    assert_eq!((answer.status, allowed(&answer).as_deref()), (200, Some(desk.1)));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("etag"));
    let answer = ask("GET", "/v1/latest", &[desk], "");
    assert_eq!((answer.status, allowed(&answer).as_deref()), (401, Some(desk.1)), "its page may read why");
    let answer = ask("GET", "/v1/latest", &[other, token], "");
    assert_eq!((answer.status, allowed(&answer)), (403, None));
    let json = ("Content-Type", "application/json");
    let question = r#"{"query": "select count(*) from symbols"}"#;
    assert_eq!(ask("POST", "/v1/sql", &[desk, token, json], question).status, 200);
    for (method, path) in
        [("PUT", "/v1/symbols/ETHUSDT"), ("DELETE", "/v1/crosses/XVGUSDT"), ("PATCH", "/v1/definition")]
    {
        let answer = ask(method, path, &[desk, token, json], "{}");
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
        assert!(answer.body.contains("may read"), "{}", answer.body);
    }
    assert_eq!(ask("POST", "/v1/replay", &[desk, token, json], "{}").status, 403);
    // What a browser asks before, without the token.
    let preflight = |path: &str, origin, method: &str| {
        let asked = [origin, ("Access-Control-Request-Method", method)];
        let answer = ask("OPTIONS", path, &asked, "");
        (answer.status, answer.header("access-control-allow-methods").map(str::to_owned), allowed(&answer))
    };
    let desk_may = |methods: &str| (204, Some(methods.to_owned()), Some(desk.1.to_owned()));
    assert_eq!(preflight("/v1/latest", desk, "GET"), desk_may("GET, HEAD"));
    assert_eq!(preflight("/v1/sql", desk, "POST"), desk_may("POST"));
    assert_eq!(preflight("/v1/symbols/ETHUSDT", desk, "PUT").0, 403);
    assert_eq!(preflight("/v1/latest", other, "GET"), (403, None, None));
    let answer = ask("GET", "/v1/latest", &[token], "");
    assert_eq!((answer.status, allowed(&answer)), (200, None));
    let varies: Vec<&str> = answer.headers("vary").collect();
    assert!(varies.contains(&"origin"), "{varies:?}");
}

#[test]
fn an_answer_is_packed_as_it_is_accepted_and_has_one_text() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(&folder, &[]);
    let path = "/v1/windows";
    let plain = served.get(path);
    let get = |accept: &str| http::ask_bytes(served.address, "GET", path, &[("Accept-Encoding", accept)], "");
    let (gzip, packed) = get("gzip, deflate");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*packed), &mut text).unwrap();
    assert_eq!((gzip.header("content-encoding"), &text), (Some("gzip"), &plain.body));
    let (zstd, packed) = get("gzip, deflate, br, zstd");
    assert_eq!(zstd.header("content-encoding"), Some("zstd"));
    assert_eq!(zstd::decode_all(&*packed).unwrap(), plain.body.as_bytes());
    assert!(packed.len() < plain.body.len() / 2, "{} of {}", packed.len(), plain.body.len());
    let tags: BTreeSet<&str> =
        [&plain, &gzip, &zstd].map(|answer| answer.header("etag").unwrap()).into_iter().collect();
    assert_eq!(tags.len(), 3, "each packing has its tag");
    for tag in tags {
        let again = served.get_with(path, &[("If-None-Match", tag), ("Accept-Encoding", "gzip")]);
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{tag}");
    }
    // What is short or has no end stays as it is.
    let short = served.get_with("/healthz", &[("Accept-Encoding", "gzip")]);
    assert_eq!((short.body.as_str(), short.header("content-encoding")), ("ok\n", None));
    let (stream, _) =
        http::begin(served.address, "GET", "/v1/stream?windows=100", &[("Accept-Encoding", "gzip")], "");
    assert_eq!((stream.status, stream.header("content-encoding")), (200, None));
    let metrics = http::ask_bytes(served.address, "GET", "/metrics", &[("Accept-Encoding", "gzip")], "");
    assert_eq!(metrics.0.header("content-encoding"), Some("gzip"));
}

#[test]
fn windows_come_in_both_orders_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let (served, rows) = (served(&folder, &[]), printed(&folder));
    let mut paged = Vec::new();
    let mut next = Some("/v1/windows?order=desc&limit=3&format=ndjson".to_owned());
    while let Some(path) = next {
        let page = served.get(&path);
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        paged.extend(page.body.lines().map(str::to_owned));
        next = page.header("link").map(|link| link.split(['<', '>']).nth(1).unwrap().to_owned());
    }
    assert_eq!(paged, rows.iter().rev().cloned().collect::<Vec<_>>());
    let newest = served.get("/v1/windows?order=desc&limit=1&kind=stats&format=ndjson").body;
    assert_eq!(
        Some(newest.trim_end()),
        rows.iter().rfind(|row| row.contains("\"stats\"")).map(String::as_str)
    );
}

#[test]
fn times_are_read_and_told_as_texts_too() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(&folder, &[]);
    let range = |from: &str, until: &str| served.get(&format!("/v1/windows?from={from}&until={until}")).body;
    assert_eq!(
        range("2018-04-29T17:13:50Z", "2018-04-29T19:14:00%2B02:00"),
        range("1525022030000", "1525022040000")
    );
    let (start, end) = ("2018-04-29T17:13:50.000Z", "2018-04-29T17:14:00.000Z");
    let path = "/v1/windows?kind=cross&from=1525022030000&until=1525022040000";
    let both = served.get(&format!("{path}&times=iso")).json()["rows"][0].clone();
    assert_eq!((&both["start"], &both["end"]), (&start.into(), &end.into()));
    // But for that the row is as it was.
    let mut row = both.as_object().unwrap().clone();
    assert!(row.remove("start").is_some() && row.remove("end").is_some());
    assert_eq!(served.get(path).json()["rows"][0], serde_json::Value::Object(row));
    let csv = served.get(&format!("{path}&times=iso&format=csv")).body;
    assert!(csv.starts_with("name,window,start_ms,end_ms,start,end,status,"), "{csv}");
    assert!(csv.contains(&format!(",1525022030000,1525022040000,{start},{end},")), "{csv}");
    let points = served.get("/v1/series?name=XVGUSDT&times=iso").json()["points"].clone();
    assert_eq!(points[1]["start"], start, "{points}");
}

#[test]
fn an_answer_names_the_file_that_it_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(&folder, &[]);
    for (path, name) in [
        ("/v1/latest", r#"inline; filename="latest.json""#),
        (
            "/v1/windows?format=csv&kind=cross&name=XVGUSDT",
            r#"attachment; filename="windows-cross-XVGUSDT.csv""#,
        ),
        ("/v1/windows?window=10s&format=ndjson", r#"attachment; filename="windows-10s.ndjson""#),
        ("/v1/series?name=XVGUSDT", r#"inline; filename="series-cross-XVGUSDT-10s.json""#),
    ] {
        assert_eq!(served.get(path).header("content-disposition"), Some(name), "{path}");
    }
}

#[test]
fn a_token_is_demanded_where_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "correct-horse-battery-staple\n").unwrap();
    let trades = trades(&folder);
    let served = Served::run(&[&trades, "--token-file", file.to_str().unwrap()]);
    let without = served.get("/v1/latest");
    assert_eq!((without.status, without.header("www-authenticate").is_some()), (401, true));
    for wrong in ["Bearer correct-horse-battery-stapl", "Bearer", "Basic correct-horse-battery-staple"] {
        assert_eq!(served.get_with("/v1/latest", &[("Authorization", wrong)]).status, 401, "{wrong}");
    }
    for path in ["/v1/latest", "/metrics", "/v1/stream", "/v1/catalog"] {
        assert_eq!(served.get(path).status, 401, "{path}");
    }
    let right = ("Authorization", "Bearer correct-horse-battery-staple");
    assert_eq!(served.get_with("/v1/catalog", &[right]).status, 200);
    for path in ["/healthz", "/docs", "/v1/openapi.json"] {
        assert_eq!(served.get(path).status, 200, "{path}");
    }
}

#[test]
fn what_cannot_be_served_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short");
    std::fs::write(&short, "hunter2").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let trades = trades(&folder);
    for (flags, code, word) in [
        (vec!["--listen", "0.0.0.0:0"], 2, "--token-file"),
        (vec!["--listen", "127.0.0.1:0", "--token-file", short.to_str().unwrap()], 2, "16 characters"),
        (vec!["--listen", "127.0.0.1:0", "--token-file", "/nowhere/token"], 2, "can be read"),
        (vec!["--history", "1h"], 2, "--listen"),
        (vec!["--listen", "127.0.0.1:0", "--allow-origin", "*"], 2, "each origin is named"),
        (
            vec!["--listen", ":0", "--allow-origin", "https://a.example/"],
            2,
            "did you mean https://a.example?",
        ),
        (
            vec!["--listen", ":0", "--allow-origin", "http://a.example:80"],
            2,
            "did you mean http://a.example?",
        ),
        (vec!["--listen", ":0", "--allow-origin", "a.example"], 2, "a scheme and a host"),
        (vec!["--listen", "example.org:80"], 2, "such as 127.0.0.1:8080"),
    ] {
        let output = crossrate(&["run", &trades]).args(&flags).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {told}");
        assert!(told.contains(word), "{flags:?}: {told}");
    }
    let output = crossrate(&["run", &trades, "--listen", &taken]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("another program has it"), "{told}");
}

#[test]
fn metrics_are_well_formed_and_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(&folder, &[]);
    let text = served.get("/metrics").body;
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(kinds.insert(name, kind).is_none(), "{name} twice");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            let of_histogram = parts.is_some_and(|name| kinds.get(name) == Some(&"histogram"));
            assert!(kinds.contains_key(name) || of_histogram, "{sample}");
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            assert!(seen.insert(sample), "{sample} twice");
        }
    }
    let records = served.get("/v1/frontier").json()["records"].clone();
    assert_eq!(records["read"], 8);
    for (name, count) in records.as_object().unwrap().iter().filter(|(name, _)| *name != "read") {
        let sample = format!("crossrate_records_total{{partition=\"0\",result=\"{name}\"}} {count}\n");
        assert!(text.contains(&sample), "{sample}");
    }
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(kinds.contains_key(name), "{name}");
    }
}

/// What a sample says; 0 where there is none.
fn sample(text: &str, name: &str) -> f64 {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap_or(0.0)
}

#[test]
fn delays_of_rows_commits_and_queries_are_histograms_that_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let trade = |id: u64| {
        let time = now_ms - 60_000 + id * 10_000;
        format!("{{\"e\":\"trade\",\"s\":\"A\",\"t\":{id},\"p\":\"2\",\"q\":\"1\",\"T\":{time}}}\n")
    };
    let trades = folder.path().join("trades.jsonl");
    std::fs::write(&trades, (0..4).map(trade).collect::<String>()).unwrap();
    let database = format!("sqlite:{}", folder.path().join("rows.db").display());
    let served =
        Served::run(&[trades.to_str().unwrap(), "--symbols", "A", "--rows", "symbol", "--to", &database]);
    served.wait_for_the_end();
    assert_eq!(served.send("POST", "/v1/sql", "{\"query\":\"select 1\"}").status, 200);
    let text = served.get("/metrics").body;
    assert_eq!(sample(&text, "crossrate_sql_query_seconds_count"), 1.0);
    assert!(sample(&text, "crossrate_commit_seconds_count") >= 1.0, "{text}");
    let late = sample(&text, "crossrate_row_delay_seconds_sum{by=\"clock\"}");
    let rows = sample(&text, "crossrate_row_delay_seconds_count{by=\"clock\"}");
    assert!(rows >= 1.0 && late > rows * 10.0, "{rows} rows are {late} s late: {text}");
    let buckets: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("crossrate_row_delay_seconds_bucket{by=\"clock\",le="))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(buckets.is_sorted() && buckets.last() == Some(&rows), "{buckets:?}");
}

#[test]
fn delivery_to_readers_and_delay_by_event_time_are_histograms_of_a_job_that_runs() {
    let served = Served::demo(&["--speed", "20", "--duration", "1h"]);
    let mut events = super::streams::Events::open(&served, "/v1/stream", None);
    http::eventually(
        || {
            let _ = events.next();
            let text = served.get("/metrics").body;
            let delay = "crossrate_row_delay_seconds_count{by=\"event_time\"}";
            sample(&text, delay) > 0.0 && sample(&text, "crossrate_delivery_seconds_count") > 0.0
        },
        "rows that are delivered",
    );
}

#[test]
fn rates_are_metrics_of_as_many_names_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let crosses = ["--cross", "XVGUSDT=XVGBTC*BTCUSDT", "--cross", "BTCXVG=BTCUSDT/XVGBTC"];
    let of = |more: &[&str]| {
        let served = served(&folder, &[&crosses, more].concat());
        (served.get("/metrics").body, served.get("/v1/windows?kind=cross&name=XVGUSDT&format=ndjson").body)
    };
    let (text, rows) = of(&[]);
    let value = |name: &str| -> f64 {
        let sample = format!("crossrate_{name}{{name=\"XVGUSDT\",window=\"10s\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&sample));
        line.unwrap_or_else(|| panic!("no {sample} in {text}")).parse().unwrap()
    };
    let rows: Vec<serde_json::Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let rated: Vec<f64> =
        rows.iter().filter_map(|row| Some(row["vwap"].as_str()?.parse().unwrap())).collect();
    assert_eq!(value("rate"), *rated.last().unwrap());
    let mean = rated.iter().sum::<f64>() / rated.len() as f64;
    assert!((value("rate_mean") / mean - 1.0).abs() < 1e-9, "{}", value("rate_mean"));
    assert!(value("rate_std") > 0.0);
    // The last window lacks a leg.
    assert_eq!((rows.len() - rated.len(), value("rate_missing_windows")), (1, 1.0));
    assert!(value("rate_age_seconds") > 250e6, "its window is of 2018");
    assert!(text.contains("crossrate_rate_names_left_out 0\n"));
    let (text, _) = of(&["--rate-metrics", "1"]);
    assert!(text.contains("crossrate_rate{name=\"BTCXVG\"") && !text.contains("name=\"XVGUSDT\""), "{text}");
    assert!(text.contains("crossrate_rate_names_left_out 1\n"));
}

#[test]
fn the_description_is_of_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(&folder, &[]);
    let description = served.get("/v1/openapi.json").json();
    let schemas = &description["components"]["schemas"];
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in
            methods.as_object().unwrap().iter().filter(|(_, o)| o["operationId"] != "stream")
        {
            let status = http::ask(served.address, &method.to_uppercase(), path, &[], "").status;
            let known = operation["responses"].get(status.to_string());
            assert!(known.is_some(), "{method} {path} answers {status}");
        }
    }
    for (path, schema) in [
        ("/v1/catalog", "Catalogue"),
        ("/v1/latest", "Rows"),
        ("/v1/windows", "Page"),
        ("/v1/windows?kind=stats&limit=1", "Page"),
        ("/v1/windows?times=iso&order=desc", "Page"),
        ("/v1/series?name=XVGUSDT&times=iso", "Series"),
        ("/v1/series?name=XVGUSDT", "Series"),
        ("/v1/series?name=XVGUSDT&buckets=2", "Thinned"),
        ("/v1/series?name=BTCUSDT&buckets=2", "Thinned"),
        ("/v1/refusals", "Refusals"),
        ("/v1/frontier", "Progress"),
        ("/v1/nothing", "Problem"),
    ] {
        let wrong = misfit(&served.get(path).json(), &schemas[schema], schemas);
        assert_eq!(wrong, None, "{path}");
    }
    assert!(misfit(&serde_json::json!({"rows": [{"kind": "stats"}]}), &schemas["Rows"], schemas).is_some());
}

/// Where a value is not as its schema says, of those keywords that our description uses.
fn misfit(
    value: &serde_json::Value,
    schema: &serde_json::Value,
    schemas: &serde_json::Value,
) -> Option<String> {
    use serde_json::Value;
    if let Some(name) = schema["$ref"].as_str() {
        return misfit(value, &schemas[name.rsplit('/').next().unwrap()], schemas);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fitting = choices.iter().filter(|choice| misfit(value, choice, schemas).is_none()).count();
        return (fitting != 1).then(|| format!("{value} fits {fitting} of {}", schema["oneOf"]));
    }
    if let Some(constant) = schema.get("const").filter(|constant| *constant != value) {
        return Some(format!("{value} is not {constant}"));
    }
    if let Some(choices) = schema["enum"].as_array().filter(|choices| !choices.contains(value)) {
        return Some(format!("{value} is none of {choices:?}"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    let fits = allowed.contains(&kind) || kind == "integer" && allowed.contains(&"number");
    if !fits {
        return Some(format!("{value} is no {allowed:?}"));
    }
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| misfit(item, &schema["items"], schemas));
    }
    let members = value.as_object()?;
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| !members.contains_key(*name)) {
        return Some(format!("{missing} is missing in {value}"));
    }
    members.iter().find_map(|(name, member)| match schema["properties"].get(name) {
        Some(of) => misfit(member, of, schemas),
        None => Some(format!("{name} is not described")),
    })
}
