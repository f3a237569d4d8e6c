//! One connection to the exchange's websocket: a task that reports what comes and does what it is told. It
//! decides nothing: when to connect anew is the session's business.

use super::binance::messages;
use super::event::FrameEvent;
use super::shard::LinkKey;
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::http::{Response, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// What a connection has to say.
#[derive(Debug)]
pub(super) enum LinkReport {
    Opened,
    Event(FrameEvent),
    /// The exchange's ping, which was answered.
    Pinged,
    /// The answer to our ping of that number.
    Ponged(u64),
    /// It is over, or never began. Nothing follows.
    Closed {
        /// Milliseconds for which the exchange wants no attempt.
        keep_away: Option<u64>,
        why: String,
    },
}

/// Name, connection, TLS and the websocket's handshake together, also where they come byte by byte.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A farewell that nobody listens to is not worth more.
const FAREWELL: Duration = Duration::from_secs(1);
/// An event has some 200 bytes.
const LARGEST: usize = 1 << 20;

/// Where the exchange does not say for how long.
const KEEP_AWAY: u64 = 60_000;

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects, and reports until the connection is over or nobody listens. It sends a ping of each number that
/// it is told, and closes when nobody can tell it any more.
pub(super) async fn run(
    key: LinkKey,
    url: String,
    reports: Sender<(LinkKey, LinkReport)>,
    mut pings: Receiver<u64>,
) {
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(LARGEST);
    config.max_frame_size = Some(LARGEST);
    config.read_buffer_size = 32 << 10;
    let connected = tokio::select! {
        connected = timeout(HANDSHAKE, connect_async_with_config(&url, Some(config), true)) => connected,
        // Closed before it was open, or the collector is gone.
        _ = pings.recv() => return,
    };
    let closed = match connected {
        Ok(Ok((socket, _))) => {
            if reports.send((key, LinkReport::Opened)).await.is_err() {
                return;
            }
            converse(key, socket, &reports, &mut pings).await
        }
        Ok(Err(Error::Http(response))) => Some(refused(&response)),
        Ok(Err(error)) => Some(closed(format!("cannot connect: {error}"))),
        Err(_) => Some(closed(format!("no answer within {} s", HANDSHAKE.as_secs()))),
    };
    if let Some(closed) = closed {
        // If nobody listens any more, nobody needs to know.
        let _ = reports.send((key, closed)).await;
    }
}

/// Until the connection is over; what is to be reported of that, unless it was we who closed it.
async fn converse(
    key: LinkKey,
    mut socket: WebSocket,
    reports: &Sender<(LinkKey, LinkReport)>,
    pings: &mut Receiver<u64>,
) -> Option<LinkReport> {
    loop {
        let report = tokio::select! {
            ping = pings.recv() => match ping {
                Some(number) => {
                    match socket.send(Message::Ping(number.to_string().into())).await {
                        Ok(()) => continue,
                        Err(error) => return Some(closed(error.to_string())),
                    }
                }
                None => {
                    let _ = timeout(FAREWELL, socket.close(None)).await;
                    return None;
                }
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => LinkReport::Event(messages::read(&text)),
                Some(Ok(Message::Binary(_))) => LinkReport::Event(FrameEvent::Bad("a binary frame")),
                // The answer, with the same payload, is written by the library with the next read.
                Some(Ok(Message::Ping(_))) => LinkReport::Pinged,
                Some(Ok(Message::Pong(payload))) => match std::str::from_utf8(&payload).ok().and_then(|n| n.parse().ok()) {
                    Some(number) => LinkReport::Ponged(number),
                    None => LinkReport::Pinged,
                },
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Some(closed(format!("closed by the exchange: {} {}", frame.code, frame.reason)));
                }
                Some(Ok(Message::Close(None))) | None => return Some(closed("closed by the exchange".to_owned())),
                Some(Ok(Message::Frame(_))) => continue,
                Some(Err(error)) => return Some(closed(error.to_string())),
            },
        };
        if reports.send((key, report)).await.is_err() {
            return None;
        }
    }
}

fn closed(why: String) -> LinkReport {
    LinkReport::Closed { keep_away: None, why }
}

/// The handshake was answered, but not by a websocket.
fn refused(response: &Response<Option<Vec<u8>>>) -> LinkReport {
    let after = response
        .headers()
        .get("retry-after")
        .and_then(|after| after.to_str().ok()?.trim().parse::<u64>().ok());
    let limited = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::IM_A_TEAPOT);
    let keep_away = after.map(|seconds| seconds.saturating_mul(1_000)).or(limited.then_some(KEEP_AWAY));
    LinkReport::Closed { keep_away, why: format!("refused by the exchange: {}", response.status()) }
}
