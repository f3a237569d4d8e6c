//! The exchange's websocket as documented: combined streams, pings with a payload that must come back, five
//! frames a second at most, connections that are told to go, or are cut. Each connection runs through a pipe
//! of the test's own, so that it can come byte by byte, or fall silent without being closed.

use super::decoded;
use super::market::{Market, Sent};
use futures_util::{SinkExt, StreamExt};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The exchange's minute for an answer to a ping, made short.
const PONG: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(1);

/// Serves until the test ends.
pub(super) async fn serve(market: Market, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let market = market.clone();
        tokio::spawn(async move { connection(market, stream).await });
    }
}

/// How a connection's bytes pass.
#[derive(Debug, Default)]
struct Pipe {
    drips: AtomicBool,
    silent: AtomicBool,
}

async fn connection(market: Market, stream: TcpStream) {
    market.state().ledger.connections += 1;
    if market.fault("hanging", |f| f.hanging) {
        // Not a word, for as long as the collector is patient.
        tokio::time::sleep(Duration::from_secs(15)).await;
        return;
    }
    let pipe = Arc::new(Pipe::default());
    pipe.drips.store(market.fault("dripping", |f| f.dripping), Ordering::Relaxed);
    let (near, far) = duplex(1 << 16);
    tokio::spawn(pass(Arc::clone(&pipe), stream, far));
    let refused = market.fault("refused", |f| f.refused);
    let mut streams = Vec::new();
    let answer = |request: &Request, response: Response| {
        if refused {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = http_status(429);
            refusal.headers_mut().insert("retry-after", "1".parse().expect("a number"));
            return Err(refusal);
        }
        if request.uri().path() == "/stream" {
            let query = request.uri().query().unwrap_or_default();
            let asked = query.strip_prefix("streams=").unwrap_or_default();
            streams = asked.split('/').map(decoded).collect();
        }
        Ok(response)
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(near, answer).await else { return };
    // Names that the exchange does not know are accepted, and never heard of again.
    let symbols: Vec<usize> = {
        let state = market.state();
        let subscribed = |name: &str| streams.contains(&format!("{}@trade", name.to_lowercase()));
        (0..state.symbols.len()).filter(|n| subscribed(state.symbols[*n].name)).collect()
    };
    if streams.len() > 1_024 {
        market.state().ledger.violations.push(format!("{} streams on a connection", streams.len()));
    }
    converse(&market, socket, &pipe, &symbols).await;
}

fn http_status(code: u16) -> tokio_tungstenite::tungstenite::http::StatusCode {
    code.try_into().expect("a status")
}

/// Passes bytes both ways. A silent pipe takes what comes and gives nothing.
async fn pass(pipe: Arc<Pipe>, stream: TcpStream, far: DuplexStream) {
    let _ = stream.set_nodelay(true);
    let (mut from_client, mut to_client) = stream.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(far);
    let up = async {
        let mut buffer = [0; 4_096];
        loop {
            match from_client.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) if pipe.silent.load(Ordering::Relaxed) => {}
                Ok(n) => {
                    if to_server.write_all(&buffer[..n]).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    let down = async {
        let mut buffer = [0; 4_096];
        loop {
            let Ok(n) = from_server.read(&mut buffer).await else { return };
            if n == 0 {
                // A half-open connection stays so, whatever becomes of the server.
                if pipe.silent.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
                return;
            }
            let step = if pipe.drips.load(Ordering::Relaxed) { 37 } else { n };
            for part in buffer[..n].chunks(step) {
                if pipe.silent.load(Ordering::Relaxed) {
                    continue;
                }
                if to_client.write_all(part).await.is_err() {
                    return;
                }
                if step < n {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// What becomes of a connection, and when.
enum Fate {
    Lives,
    Cut(Instant),
    ToldAndCut(Instant),
    Silent(Instant),
}

impl Fate {
    fn of(market: &Market) -> Fate {
        let life = {
            let mut state = market.state();
            let life = state.faults.life;
            if state.calm || life == 0 {
                return Fate::Lives;
            }
            Instant::now() + Duration::from_millis(life / 2 + state.dice.below(life))
        };
        if market.fault("half-open", |f| f.half_open) {
            Fate::Silent(life)
        } else if market.fault("shutdown", |f| f.shutdown) {
            Fate::ToldAndCut(life)
        } else {
            Fate::Cut(life)
        }
    }

    fn due(&self) -> bool {
        match self {
            Fate::Lives => false,
            Fate::Cut(at) | Fate::ToldAndCut(at) | Fate::Silent(at) => Instant::now() >= *at,
        }
    }
}

async fn converse(
    market: &Market,
    mut socket: WebSocketStream<DuplexStream>,
    pipe: &Pipe,
    symbols: &[usize],
) {
    let mut sent = market.sent.subscribe();
    let mut fate = Fate::of(market);
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let mut pinged = Instant::now();
    let mut awaited: Option<(Vec<u8>, Instant)> = None;
    let mut came: VecDeque<Instant> = VecDeque::new();
    let mut later: Vec<(Instant, String)> = Vec::new();
    loop {
        tokio::select! {
            event = sent.recv() => {
                let frames = match event {
                    Ok(event) if symbols.contains(&event.symbol) => frames(market, event, &mut later),
                    Ok(_) => continue,
                    // Too slow a reader is cut off.
                    Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => return,
                };
                for frame in frames {
                    if socket.send(frame).await.is_err() {
                        return;
                    }
                }
            }
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                came.push_back(Instant::now());
                while came.front().is_some_and(|then| then.elapsed() > Duration::from_secs(1)) {
                    came.pop_front();
                }
                if came.len() > 5 {
                    market.state().ledger.violations.push(format!("{} frames within a second", came.len()));
                    let frame = CloseFrame { code: CloseCode::Policy, reason: "Too many requests".into() };
                    let _ = socket.close(Some(frame)).await;
                    return;
                }
                match message {
                    Message::Pong(payload) => match &awaited {
                        Some((expected, _)) if **expected == *payload => awaited = None,
                        _ if payload.is_empty() => {}
                        _ => market.state().ledger.violations.push(format!("a pong of {payload:?}, not {awaited:?}")),
                    },
                    Message::Close(_) => return,
                    _ => {}
                }
            }
            _ = ticks.tick() => {
                for n in (0..later.len()).rev() {
                    if Instant::now() >= later[n].0 {
                        let (_, text) = later.remove(n);
                        if socket.send(Message::text(text)).await.is_err() {
                            return;
                        }
                    }
                }
                if let Some((_, since)) = &awaited && since.elapsed() > PONG {
                    if !pipe.silent.load(Ordering::Relaxed) && !pipe.drips.load(Ordering::Relaxed) {
                        market.state().ledger.violations.push("a ping was not answered".to_owned());
                    }
                    return;
                }
                if pinged.elapsed() >= PING_EVERY && awaited.is_none() {
                    pinged = Instant::now();
                    let payload = market.time().to_string().into_bytes();
                    awaited = Some((payload.clone(), Instant::now()));
                    if socket.send(Message::Ping(payload.into())).await.is_err() {
                        return;
                    }
                }
                if fate.due() {
                    match fate {
                        Fate::Silent(_) => {
                            pipe.silent.store(true, Ordering::Relaxed);
                            fate = Fate::Lives;
                        }
                        Fate::ToldAndCut(_) => {
                            let words = format!(
                                r#"{{"stream":"!serverShutdown","data":{{"e":"serverShutdown","E":{}}}}}"#,
                                market.time()
                            );
                            let _ = socket.send(Message::text(words)).await;
                            fate = Fate::Cut(Instant::now() + Duration::from_millis(200 + market.dice(2_000)));
                        }
                        // With a farewell, or without.
                        _ => {
                            if market.dice(2) == 0 {
                                let _ = socket.close(None).await;
                            }
                            return;
                        }
                    }
                }
            }
        }
    }
}

fn frames(market: &Market, event: Sent, later: &mut Vec<(Instant, String)>) -> Vec<Message> {
    if event.garbled {
        return match market.dice(3) {
            0 => vec![Message::binary(event.text)],
            1 => vec![Message::text(&event.text[..event.text.len() / 2])],
            _ => vec![Message::text(event.text.replace(r#""p":""#, r#""p":"-"#))],
        };
    }
    if event.repeated {
        later.push((Instant::now() + Duration::from_millis(20 + market.dice(1_500)), event.text.clone()));
    }
    if event.later > 0 {
        later.push((Instant::now() + Duration::from_millis(event.later), event.text));
        return Vec::new();
    }
    vec![Message::text(event.text)]
}
