//! As much of an HTTP client as the tests need.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longer than anything here may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(180);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values of a header that may be there several times.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let all = self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        all.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

/// One request over a connection of its own.
pub(crate) fn ask(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let (head, bytes) = ask_bytes(to, method, path, headers, body);
    Answer { body: String::from_utf8(bytes).unwrap(), ..head }
}

/// The same with the bytes of the body, which may be packed.
pub(crate) fn ask_bytes(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (Answer, Vec<u8>) {
    let (head, mut rest) = begin(to, method, path, headers, body);
    let mut bytes = Vec::new();
    if head.header("transfer-encoding") == Some("chunked") {
        while let Some(chunk) = chunk(&mut rest) {
            bytes.extend(chunk);
        }
    } else if let Some(length) = head.header("content-length") {
        // Not every server closes when it is asked to.
        let is_empty = method == "HEAD" || [204, 304].contains(&head.status);
        let length = if is_empty { 0 } else { length.parse().unwrap() };
        bytes.resize(length, 0);
        rest.read_exact(&mut bytes).unwrap();
    } else {
        rest.read_to_end(&mut bytes).unwrap();
    }
    (head, bytes)
}

/// A request whose answer is still to be read but for its head.
pub(crate) fn begin(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (Answer, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request += &format!("Host: {to}\r\n");
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    let mut rest = BufReader::new(stream);
    let mut line = String::new();
    rest.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        rest.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    (Answer { status, headers, body: String::new() }, rest)
}

/// The next chunk of a chunked body.
pub(crate) fn chunk(rest: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = String::new();
    rest.read_line(&mut line).unwrap();
    let length = usize::from_str_radix(line.trim(), 16).ok().filter(|length| *length > 0)?;
    let mut chunk = vec![0; length + 2];
    rest.read_exact(&mut chunk).unwrap();
    chunk.truncate(length);
    Some(chunk)
}

/// Asks until it is so.
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool, what: &str) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}
