//! Thousands of readers on one core: how late do messages come, what does a reader cost, and do those that
//! stop reading disturb anybody?
//!
//! `benches/serve` starts `crossrate run --listen` on one core and this on the others. It feeds the run's
//! standard input (100 names, a window a second, each closed by a heartbeat), holds all the connections, half
//! of them event streams and half websockets, and prints a table. Delivery is the time from writing the
//! record that closes a window to the pipe until a reader has the row: pipe, dataflow, board, server, socket
//! and this client's own work are all in it. Everything goes by the same clock, and a reader that is late
//! does not delay the feeder: nothing is omitted.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NAMES: usize = 100;
/// When the first window begins, in milliseconds.
const BEGIN: u64 = 1_600_000_000_000;
/// Trades of each window while as many as possible are fed.
const FLOOD: usize = 50_000;

/// When each window was closed, in microseconds since the start.
#[derive(Default)]
struct Closings(Vec<AtomicU64>);

/// What all readers saw.
#[derive(Default)]
struct Seen {
    /// Delays in microseconds, by the window's number.
    delays: Mutex<Vec<(u64, u64)>>,
    messages: AtomicU64,
    conflated: AtomicU64,
    /// Windows that a reader was not sent although later ones were.
    skipped: AtomicU64,
    ended: AtomicU64,
}

struct Load {
    begun: Instant,
    closings: Arc<Closings>,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    feed: ChildStdin,
    window: u64,
    id: u64,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, default: usize| arguments.get(at).map_or(default, |n| n.parse().expect("a number"));
    let program = arguments.first().expect("the program to measure").clone();
    let (readers, stalled, seconds) = (number(1, 10_000), number(2, 1_000), number(3, 30));
    let mut server = std::process::Command::new("taskset")
        .args([
            "-c",
            "0",
            &program,
            "run",
            "--from",
            "-",
            "--symbols",
            "all",
            "--rows",
            "symbol",
            "--window",
            "1s",
        ])
        .args(["--delay", "0s", "--listen", "127.0.0.1:0", "--history", "1m", "--stay", "never"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("taskset and the program start");
    let mut stderr = std::io::BufReader::new(server.stderr.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).expect("a line");
    let address = line.trim().trim_end_matches('/').rsplit("http://").next().expect("an address");
    let address: SocketAddr = address.parse().unwrap_or_else(|_| panic!("it said {line:?}"));
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    let mut load = Load {
        begun: Instant::now(),
        closings: Arc::new(Closings((0..100_000).map(|_| AtomicU64::new(0)).collect())),
        seen: Arc::default(),
        stop: Arc::default(),
        feed: server.stdin.take().expect("piped"),
        window: 0,
        id: 0,
    };
    load.close(1);
    let idle = memory(server.id());
    let joined = Instant::now();
    let mut clients = Vec::new();
    for chunk in (0..readers).collect::<Vec<_>>().chunks(200) {
        let connecting: Vec<_> = chunk
            .iter()
            .map(|n| tokio::spawn(connect(address, *n, format!("name=S{:03}", n % NAMES))))
            .collect();
        for client in connecting {
            clients.push(client.await.expect("a client"));
        }
    }
    let joined = joined.elapsed();
    for stream in clients {
        tokio::spawn(read(
            stream,
            load.begun,
            Arc::clone(&load.closings),
            Arc::clone(&load.seen),
            Arc::clone(&load.stop),
        ));
    }
    println!("| phase | readers | messages/s | p50 ms | p99 ms | p99.9 ms | most ms | skipped | conflated |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    load.paced(5).await;
    load.take();
    let cpu = processor(server.id());
    load.paced(seconds as u64).await;
    let cpu = (processor(server.id()) - cpu) / seconds as f64;
    load.report("a row a second of each name", readers, seconds as u64);
    let held = memory(server.id());
    // In turns: as many trades as go through, without and with readers that do not read.
    let mut rates: [Vec<f64>; 2] = Default::default();
    let mut silent = Vec::new();
    for round in 0..3 {
        drop(std::mem::take(&mut silent));
        load.paced(3).await;
        rates[0].push(load.flood(Duration::from_secs(3)).await);
        load.paced(5).await;
        for n in 0..stalled {
            silent.push(connect(address, n, "windows=100".to_owned()).await);
        }
        rates[1].push(load.flood(Duration::from_secs(3)).await);
        load.paced(8).await;
        load.take();
        if round == 2 {
            load.paced(seconds as u64).await;
            load.report(&format!("the same, {stalled} others read nothing"), readers, seconds as u64);
        }
    }
    let stalled_memory = memory(server.id());
    let metrics = metrics(address).await;
    load.stop.store(true, Ordering::Relaxed);
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2] / 1e6
    };
    let (without, with) = (median(&mut rates[0]), median(&mut rates[1]));
    println!();
    println!("| | |");
    println!("| --- | --- |");
    println!("| memory of a reader, KiB | {:.1} |", held.saturating_sub(idle) as f64 / readers as f64);
    println!("| processor time of the server, all readers reading, of one core | {cpu:.2} |");
    println!("| joining, all readers, s | {:.1} |", joined.as_secs_f64());
    println!(
        "| M trades/s with all readers, then with {stalled} more that read nothing | {without:.3}, {with:.3} ({:.2}) |",
        with / without
    );
    println!("| memory of the server at the end, MiB | {} |", stalled_memory >> 10);
    println!(
        "| readers that were cut off since they read nothing | {} |",
        metrics.get("crossrate_http_connections_stalled_total").copied().unwrap_or(0.0)
    );
    println!("| readers that lost their connection | {} |", load.seen.ended.load(Ordering::Relaxed));
    drop(load);
    let _ = server.kill();
    let _ = server.wait();
}

impl Load {
    /// Feeds a window with so many trades of each name, and closes it.
    fn close(&mut self, trades: usize) {
        let start = BEGIN + self.window * 1_000;
        let mut text = String::new();
        for trade in 0..trades * NAMES {
            self.id += 1;
            let time = start + 100 + (trade as u64 * 800 / (trades * NAMES) as u64);
            let (name, id) = (trade % NAMES, self.id);
            text.push_str(&format!("{{\"e\":\"trade\",\"s\":\"S{name:03}\",\"t\":{id},\"p\":\"100.5\",\"q\":\"1.25\",\"T\":{time}}}\n"));
        }
        text.push_str(&format!("{{\"e\":\"heartbeat\",\"T\":{}}}\n", start + 1_000));
        let at = self.begun.elapsed().as_micros() as u64;
        self.closings.0[self.window as usize % self.closings.0.len()].store(at, Ordering::Relaxed);
        self.window += 1;
        self.feed.write_all(text.as_bytes()).and_then(|()| self.feed.flush()).expect("the run reads");
    }

    /// A window a second.
    async fn paced(&mut self, seconds: u64) {
        let begun = tokio::time::Instant::now();
        for second in 1..=seconds {
            tokio::time::sleep_until(begun + Duration::from_secs(second)).await;
            tokio::task::block_in_place(|| self.close(1));
        }
        // What was sent last is on the way.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }

    /// As many trades as the run takes; how many a second.
    async fn flood(&mut self, most: Duration) -> f64 {
        let begun = Instant::now();
        let mut trades = 0;
        while begun.elapsed() < most {
            tokio::task::block_in_place(|| self.close(FLOOD / NAMES));
            trades += FLOOD;
            tokio::task::yield_now().await;
        }
        trades as f64 / begun.elapsed().as_secs_f64()
    }

    fn take(&self) -> Vec<(u64, u64)> {
        self.seen.messages.store(0, Ordering::Relaxed);
        self.seen.conflated.store(0, Ordering::Relaxed);
        std::mem::take(&mut *self.seen.delays.lock().expect("a lock"))
    }

    fn report(&self, phase: &str, readers: usize, seconds: u64) {
        let messages = self.seen.messages.load(Ordering::Relaxed) / seconds;
        let (skipped, conflated) =
            (self.seen.skipped.load(Ordering::Relaxed), self.seen.conflated.load(Ordering::Relaxed));
        let mut delays: Vec<u64> = self.take().into_iter().map(|(_, delay)| delay).collect();
        delays.sort_unstable();
        let at = |share: f64| {
            delays
                .get(((delays.len() as f64 * share) as usize).min(delays.len() - 1))
                .map_or(0.0, |d| *d as f64 / 1e3)
        };
        println!(
            "| {phase} | {readers} | {messages} | {:.1} | {:.1} | {:.1} | {:.1} | {skipped} | {conflated} |",
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
}

/// Every second one a websocket; the answer's head is read.
async fn connect(address: SocketAddr, number: usize, query: String) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = if number.is_multiple_of(2) {
        format!("GET /v1/stream?{query}&progress=60000 HTTP/1.1\r\nHost: {address}\r\n\r\n")
    } else {
        format!(
            "GET /v1/ws?{query}&progress=60000 HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    stream.write_all(request.as_bytes()).await.expect("asked");
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    assert!(
        head.starts_with(b"HTTP/1.1 200") || head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    stream
}

/// Reads rows as they come. Both transports carry them as text, so they are found by their fields.
async fn read(
    mut stream: TcpStream,
    begun: Instant,
    closings: Arc<Closings>,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
) {
    let mut buffer = [0; 4096];
    let mut kept = 0;
    let mut last: Option<u64> = None;
    let mut delays: Vec<(u64, u64)> = Vec::new();
    loop {
        let count = match stream.read(&mut buffer[kept..]).await {
            Ok(0) | Err(_) => {
                if !stop.load(Ordering::Relaxed) {
                    seen.ended.fetch_add(1, Ordering::Relaxed);
                }
                return;
            }
            Ok(count) => kept + count,
        };
        let now = begun.elapsed().as_micros() as u64;
        let text = &buffer[..count];
        let mut used = 0;
        for (place, end) in numbers(text, b"\"end_ms\":") {
            used = place;
            let window = (end - BEGIN) / 1_000 - 1;
            if last.is_some_and(|last| window <= last) {
                continue;
            }
            if let Some(last) = last {
                seen.skipped.fetch_add(window - last - 1, Ordering::Relaxed);
            }
            last = Some(window);
            let closed = closings.0[window as usize % closings.0.len()].load(Ordering::Relaxed);
            delays.push((window, now.saturating_sub(closed)));
            seen.messages.fetch_add(1, Ordering::Relaxed);
        }
        for (_, conflated) in numbers(text, b"\"conflated\":") {
            seen.conflated.fetch_add(conflated, Ordering::Relaxed);
        }
        if !delays.is_empty() {
            seen.delays.lock().expect("a lock").append(&mut delays);
        }
        // A number that is cut in two is read again with its other half.
        let tail = (count - used).min(48);
        buffer.copy_within(count - tail..count, 0);
        kept = tail;
    }
}

/// Whole numbers behind a text, with the place after them.
fn numbers<'a>(text: &'a [u8], behind: &'a [u8]) -> impl Iterator<Item = (usize, u64)> + 'a {
    memchr::memmem::find_iter(text, behind).filter_map(move |at| {
        let begin = at + behind.len();
        let digits = text[begin..].iter().take_while(|b| b.is_ascii_digit()).count();
        // The next byte shows that the number is whole.
        (begin + digits < text.len()).then(|| {
            let number = text[begin..begin + digits].iter().fold(0, |n, b| n * 10 + u64::from(b - b'0'));
            (begin + digits, number)
        })
    })
}

async fn metrics(address: SocketAddr) -> BTreeMap<String, f64> {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("asked");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer");
    let sample =
        |line: &str| Some((line.split_once(' ')?.0.to_owned(), line.split_once(' ')?.1.parse().ok()?));
    text.lines().filter_map(sample).collect()
}

/// Resident memory in KiB.
fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Processor time in seconds.
fn processor(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    (fields[11].parse::<f64>().expect("a number") + fields[12].parse::<f64>().expect("a number")) / 100.0
}
