//! What readers and askers may cost: whoever does not read holds little, whoever holds many connections
//! leaves room for those that look after the process.

use super::streams::{Events, Known, all};
use super::{Served, follow, http};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tungstenite::Message;

/// Bytes that one reader may hold, whatever the board keeps.
const A_READER: u64 = 100 << 10;

fn served_with(seconds: u64, serve: impl Fn(&[&str]) -> Served) -> (tempfile::TempDir, Served) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trades.jsonl");
    std::fs::write(&path, follow::trades(0..seconds)).unwrap();
    let flags = ["--window", "1s", "--symbols", "all", "--history", "10h", path.to_str().unwrap()];
    let served = serve(&flags);
    served.wait_for_the_end();
    (folder, served)
}

fn backlog(served: &Served) -> u64 {
    let text = served.get("/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix("crossrate_subscriber_backlog_bytes "));
    line.expect("a gauge").parse().expect("a number")
}

#[test]
fn readers_that_join_and_read_nothing_hold_a_portion_and_get_all_of_it_later() {
    let (_folder, served) = served_with(600, Served::run);
    let path = "/v1/stream?windows=10000&progress=60000";
    let mut events: Vec<Events> = (0..6).map(|_| Events::open(&served, path, None)).collect();
    let address = format!("ws://{}/v1/ws?windows=10000&progress=60000", served.address);
    let mut sockets: Vec<_> = (0..6).map(|_| tungstenite::connect(&address).unwrap().0).collect();
    let readers = (events.len() + sockets.len()) as u64;
    let mut held = 0;
    let is_full = || {
        held = backlog(&served);
        assert!(held <= readers * A_READER, "{readers} readers hold {held} bytes");
        held > readers * 16_000
    };
    http::eventually(is_full, "a portion of each reader that waits");
    let rows = all(&served, "");
    assert_eq!(rows.len(), 1_200, "more than systems take for a connection");
    let mut known = Known::default();
    events[0].read_to_the_end(&mut known);
    assert_eq!(known.rows(), rows.iter().collect::<Vec<_>>());
    let mut known = Known::default();
    loop {
        let Message::Text(text) = sockets[0].read().unwrap() else { panic!("only texts are told") };
        let message: serde_json::Value = serde_json::from_str(&text).unwrap();
        known.take(&message);
        if message["state"] == "ended" {
            break;
        }
    }
    assert_eq!(known.rows(), rows.iter().collect::<Vec<_>>());
    drop((events, sockets));
    http::eventually(|| backlog(&served) == 0, "the end of what was held");
}

#[test]
fn who_pings_and_does_not_read_is_soon_not_listened_to() {
    let (_folder, served) = served_with(10, Served::run);
    let mut stream = TcpStream::connect(served.address).unwrap();
    let head = format!(
        "GET /v1/ws?progress=60000 HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        served.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Pings of 125 bytes, masked by zeros.
    let ping: Vec<u8> = [0x89, 0x80 | 125, 0, 0, 0, 0].into_iter().chain([b'x'; 125]).collect();
    let pings = ping.repeat(500);
    stream.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut taken = 0;
    let stuck = loop {
        match stream.write(&pings) {
            Ok(count) => taken += count,
            Err(error) => break error,
        }
        assert!(taken < 40 << 20, "{taken} bytes of pings were taken, and answers to them are kept");
    };
    assert!(matches!(stuck.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{stuck}");
    // It is still there, and answers when it is listened to.
    let mut answers = [0; 64 << 10];
    stream.read_exact(&mut answers).unwrap();
    let pong: Vec<u8> = [0x8a, 125].into_iter().chain([b'x'; 125]).collect();
    assert!(answers.windows(pong.len()).any(|window| window == pong));
}

#[test]
fn while_all_connections_are_taken_the_process_says_that_it_lives() {
    let (_folder, served) = served_with(10, |flags| Served::run_with_files(256, flags));
    let request = format!("GET /v1/stream HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
    let held: Vec<TcpStream> = (0..150)
        .map(|_| {
            let mut stream = TcpStream::connect(served.address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(served.get(path).status, 200, "{path}");
    }
    let refused = served.get("/v1/latest");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")), "{}", refused.body);
    assert!(refused.body.contains("all connections"), "{}", refused.body);
    drop(held);
    http::eventually(|| served.get("/v1/latest").status == 200, "a free connection");
}

#[test]
fn a_request_with_two_hosts_or_none_is_no_request() {
    let (_folder, served) = served_with(10, Served::run);
    for (hosts, status) in
        [("Host: localhost\r\n", "200"), ("", "400"), ("Host: localhost\r\nHost: a.b\r\n", "400")]
    {
        let mut stream = TcpStream::connect(served.address).unwrap();
        write!(stream, "GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{hosts:?}: {answer}");
    }
}
