//! The websocket: the messages of the event stream, each a JSON text.

use super::feed::{FeedReader, Subscription, Transport};
use super::problem::{Problem, RestResponse};
use super::query_params::QueryParams;
use super::stream::subscription;
use super::{App, AppState};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use futures_util::SinkExt;
use std::sync::Arc;

/// Nothing that a client has to say is longer.
const MOST_BYTES: usize = 4_096;
/// A message to a client may be this long: progress tells of thousands of partitions. One is made at a time.
const MOST_WAITING: usize = 64 << 20;

/// Upgrades the connection.
pub async fn upgrade(
    State(app): AppState,
    params: QueryParams,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> RestResponse {
    let subscription = subscription(&app, &params)?;
    let upgrade = upgrade.map_err(|wrong| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, wrong.body_text())
            .hint("open it as a websocket; for plain HTTP there is /v1/stream")
    })?;
    // There is room for all that a client may say; the 128 KiB that the library takes by itself are kept for
    // as long as the reader stays, and there are thousands.
    let upgrade = upgrade
        .read_buffer_size(MOST_BYTES)
        .max_message_size(MOST_BYTES)
        .max_frame_size(MOST_BYTES)
        .max_write_buffer_size(MOST_WAITING);
    Ok(upgrade.on_upgrade(move |socket| talk(app, socket, subscription)))
}

async fn talk(app: Arc<App>, mut socket: WebSocket, subscription: Subscription) {
    let mut reader = FeedReader::new(&app.feed, subscription, Transport::Websocket);
    loop {
        tokio::select! {
            message = reader.next() => {
                let Some(message) = message else {
                    let reason = CloseFrame { code: close_code::AWAY, reason: "the server ends".into() };
                    let _ = socket.send(Message::Close(Some(reason))).await;
                    return;
                };
                let text = message.json();
                let _charge = app.feed.backlog.charge(text.len());
                // A client that went away is noticed here, or by the deadline of the connection's writes.
                if socket.send(Message::Text(text.into())).await.is_err() {
                    return;
                }
            }
            said = socket.recv() => match said {
                // The library has made the answer to a ping. Nothing more is read before it has left: whoever
                // pings and does not read would be owed ever more of them.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    if socket.flush().await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                    let reason = CloseFrame {
                        code: close_code::POLICY,
                        reason: "the subscription is in the address; this websocket only sends".into(),
                    };
                    let _ = socket.send(Message::Close(Some(reason))).await;
                    return;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            }
        }
    }
}
