//! Streams: a reader that keeps up, one that goes away and comes again, and those that do not read at all end
//! up with what REST tells, and the job goes on as if nobody were there.

use super::{Served, crossrate, http};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::TcpStream;

/// What a reader knows: the newest row of each window.
#[derive(Default, Clone)]
pub(super) struct Known {
    rows: BTreeMap<(String, String, String, u64, u64), Value>,
    id: String,
    snapshots: usize,
    reasons: Vec<String>,
    conflated: u64,
    provisional_then_final: usize,
}

impl Known {
    pub(super) fn take(&mut self, message: &Value) {
        match message["type"].as_str().unwrap() {
            "snapshot" => {
                self.snapshots += 1;
                self.reasons.extend(message["reason"].as_str().map(str::to_owned));
                self.rows.clear();
            }
            "update" => self.conflated += message["conflated"].as_u64().unwrap(),
            _ => return,
        }
        // A snapshot goes on in updates; its last message says where to go on from.
        if let Some(id) = message["id"].as_str() {
            self.id = id.to_owned();
        }
        for row in message["rows"].as_array().unwrap() {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            let time = |name: &str| row[name].as_u64().unwrap();
            let key = (text("kind"), text("name"), text("window"), time("start_ms"), time("end_ms"));
            let before = self.rows.insert(key, row.clone());
            if let Some(before) = before {
                assert_ne!(before["final"], true, "final is final: {before} then {row}");
                self.provisional_then_final += usize::from(row["final"] == true);
            }
        }
    }

    pub(super) fn rows(&self) -> Vec<&Value> {
        self.rows.values().collect()
    }
}

pub(super) struct Events {
    rest: BufReader<TcpStream>,
    text: String,
}

impl Events {
    pub(super) fn open(served: &Served, path: &str, last: Option<&str>) -> Events {
        let headers: Vec<(&str, &str)> = last.map(|id| ("Last-Event-ID", id)).into_iter().collect();
        let (head, rest) = http::begin(served.address, "GET", path, &headers, "");
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
        Events { rest, text: String::new() }
    }

    /// The next message; `None` when the server has ended the stream.
    pub(super) fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let Some(data) = field("data: ") else { continue };
                let message: Value = serde_json::from_str(data).unwrap();
                assert_eq!(field("event: "), message["type"].as_str());
                assert_eq!(field("id: "), message["id"].as_str());
                return Some(message);
            }
            self.text.push_str(&String::from_utf8(http::chunk(&mut self.rest)?).unwrap());
        }
    }

    /// Reads until the job has ended; progress says so only after the last row.
    pub(super) fn read_to_the_end(&mut self, known: &mut Known) {
        loop {
            let message = self.next().expect("a progress message that tells the end");
            known.take(&message);
            if message["state"] == "ended" {
                return;
            }
        }
    }
}

pub(super) fn all(served: &Served, query: &str) -> Vec<Value> {
    let rows = served.get(&format!("/v1/windows?limit=10000{query}")).json()["rows"].clone();
    let mut rows = rows.as_array().unwrap().clone();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let times = |row: &Value| (row["start_ms"].as_u64(), row["end_ms"].as_u64());
    rows.sort_by_key(|row| (text(row, "kind"), text(row, "name"), text(row, "window"), times(row)));
    rows
}

#[test]
fn a_reader_knows_in_the_end_what_rest_tells() {
    let served = Served::demo(&["--speed", "60"]);
    let mut everything = Events::open(&served, "/v1/stream?windows=1000", None);
    let mut some =
        Events::open(&served, "/v1/stream?kind=cross&name=XVGUSDT&windows=1000&progress=100", None);
    let (mut known, mut known_some) = (Known::default(), Known::default());
    let reading = std::thread::spawn(move || {
        some.read_to_the_end(&mut known_some);
        known_some
    });
    everything.read_to_the_end(&mut known);
    let known_some = reading.join().unwrap();
    let rows = all(&served, "");
    assert!(rows.len() > 200, "{}", rows.len());
    assert_eq!(known.rows(), rows.iter().collect::<Vec<_>>());
    assert!(known.provisional_then_final > 50, "{}", known.provisional_then_final);
    assert_eq!(known_some.rows(), all(&served, "&kind=cross&name=XVGUSDT").iter().collect::<Vec<_>>());
    assert_eq!(known.snapshots, 1);
    assert_eq!(served.interrupt().code(), Some(0));
}

#[test]
fn a_reader_that_comes_again_misses_nothing() {
    let served = Served::demo(&["--speed", "60"]);
    let mut known = Known::default();
    let mut visits = 0;
    loop {
        let id = (visits > 0).then(|| known.id.clone());
        let mut events = Events::open(&served, "/v1/stream?windows=1000&progress=100", id.as_deref());
        visits += 1;
        let ended = (0..5).any(|_| {
            let message = events.next().unwrap();
            known.take(&message);
            message["state"] == "ended"
        });
        if ended {
            break;
        }
    }
    assert!(visits > 3, "{visits}");
    assert_eq!((known.snapshots, known.reasons.len()), (1, 0));
    assert_eq!(known.rows(), all(&served, "").iter().collect::<Vec<_>>());
    // An id of another run of the server begins anew, and says so.
    let mut events = Events::open(&served, "/v1/stream?windows=1000&after=0123456789ab-7", None);
    let mut anew = Known::default();
    events.read_to_the_end(&mut anew);
    assert_eq!((anew.snapshots, anew.reasons.len()), (1, 1));
    assert_eq!(anew.rows(), known.rows());
}

#[test]
fn whoever_was_away_too_long_begins_anew_and_is_told() {
    let served = Served::demo(&["--speed", "max", "--history", "30s"]);
    let mut events = Events::open(&served, "/v1/stream?windows=1000", None);
    let mut known = Known::default();
    known.take(&events.next().unwrap());
    let id = format!("{}-1", known.id.split('-').next().unwrap());
    served.wait_for_the_end();
    let mut again = Events::open(&served, "/v1/stream?windows=1000", Some(&id));
    let mut anew = Known::default();
    again.read_to_the_end(&mut anew);
    assert!(anew.reasons[0].contains("history"), "{:?}", anew.reasons);
    assert_eq!(anew.rows(), all(&served, "").iter().collect::<Vec<_>>());
}

#[test]
fn the_websocket_tells_the_same() {
    use tungstenite::Message;
    let served = Served::demo(&["--speed", "100"]);
    let address = format!("ws://{}/v1/ws?windows=1000&progress=100", served.address);
    let (mut socket, _) = tungstenite::connect(address).unwrap();
    let mut known = Known::default();
    loop {
        let Message::Text(text) = socket.read().unwrap() else { panic!("only texts are told") };
        let message: Value = serde_json::from_str(&text).unwrap();
        known.take(&message);
        if message["state"] == "ended" {
            break;
        }
    }
    assert_eq!(known.rows(), all(&served, "").iter().collect::<Vec<_>>());
    socket.send(Message::text("hello")).unwrap();
    let closed = loop {
        match socket.read().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            _ => continue,
        }
    };
    assert!(closed.reason.contains("in the address"), "{closed:?}");
}

#[test]
fn a_stream_begins_with_no_more_than_one_answer_has() {
    // More than ten names, so that ten thousand windows of each are too many.
    let crosses: Vec<String> = (0..8).map(|n| format!("--cross=C{n}=XVGBTC*BTCUSDT")).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trades.jsonl");
    std::fs::write(&path, super::follow::trades(0..30)).unwrap();
    let flags: Vec<&str> = crosses.iter().map(String::as_str).chain([path.to_str().unwrap()]).collect();
    let served = Served::run(&flags);
    served.wait_for_the_end();
    let latest = served.get("/v1/latest?windows=10000");
    assert_eq!(latest.status, 400, "{}", latest.body);
    let stream = served.get("/v1/stream?windows=10000");
    assert_eq!((stream.status, stream.json()["detail"].clone()), (400, latest.json()["detail"].clone()));
    let socket = tungstenite::connect(format!("ws://{}/v1/ws?windows=10000", served.address));
    assert!(matches!(socket, Err(tungstenite::Error::Http(answer)) if answer.status() == 400));
    Events::open(&served, "/v1/stream?windows=10000&kind=symbol", None);
}

#[test]
fn the_first_event_of_a_stream_is_a_message_and_says_when_to_come_again() {
    let served = Served::demo(&["--speed", "max"]);
    let (_, mut rest) = http::begin(served.address, "GET", "/v1/stream", &[], "");
    let text = String::from_utf8(http::chunk(&mut rest).unwrap()).unwrap();
    assert!(text.starts_with("retry: 1000\nid: "), "{text}");
    let first = text.split("\n\n").next().unwrap();
    assert!(first.contains("\nevent: snapshot\ndata: {"), "{first}");
}

#[test]
fn a_name_that_has_no_rows_is_said_and_a_cross_that_is_still_to_come_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trades.jsonl");
    std::fs::write(&path, super::follow::trades(0..30)).unwrap();
    // Of the second cross a leg never trades.
    let crosses = ["--cross", "XVGUSDT=XVGBTC*BTCUSDT", "--cross", "NEVER=ETHBTC*XVGETH"];
    let served = Served::run(&[&[path.to_str().unwrap()], &crosses[..]].concat());
    served.wait_for_the_end();
    let unknown = |query: &str| {
        let mut events = Events::open(&served, &format!("/v1/stream?{query}"), None);
        events.next().unwrap()["unknown"].clone()
    };
    assert_eq!(unknown("name=XVGUSDT,NEVER&window=30s"), Value::Null);
    assert_eq!(
        unknown("name=XVGUSD,XVGUSDT,ZZZZZZ&window=31s"),
        serde_json::json!([
            {"name": "XVGUSD", "hint": "did you mean XVGUSDT?"},
            {"name": "ZZZZZZ", "hint": "see /v1/catalog for what there is"},
            {"window": "31s", "hint": "there are 30s"},
        ])
    );
}

#[test]
fn readers_hear_that_the_server_ends() {
    let served = Served::demo(&["--speed", "max"]);
    served.wait_for_the_end();
    let mut events = Events::open(&served, "/v1/stream", None);
    events.next().unwrap();
    assert_eq!(served.interrupt().code(), Some(0));
    let mut last = None;
    while let Some(message) = events.next() {
        last = Some(message);
    }
    assert_eq!(last.unwrap()["type"], "bye");
}

#[test]
fn readers_that_do_not_read_hold_nobody_back() {
    let digest = |text: &str| text.lines().find(|line| line.starts_with("digest of")).map(str::to_owned);
    let alone = crossrate(&["demo", "--no-serve", "--speed", "max"]).output().unwrap();
    let mut child =
        crossrate(&["demo", "--listen", "127.0.0.1:0", "--speed", "60", "--stay", "never"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    let address = loop {
        let mut line = String::new();
        assert!(std::io::BufRead::read_line(&mut out, &mut line).unwrap() > 0, "{text}");
        text += &line;
        if let Some(address) = line.strip_prefix("Live page: http://") {
            break address.trim().trim_end_matches('/').parse().unwrap();
        }
    };
    let idle: Vec<_> = (0..100)
        .map(|_| http::begin(address, "GET", "/v1/stream?windows=1000&progress=100", &[], ""))
        .collect();
    std::io::Read::read_to_string(&mut out, &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(digest(&text), digest(&String::from_utf8_lossy(&alone.stdout)));
    assert_eq!(idle.len(), 100);
}
