//! Connections: accepted, bounded in number, and cut when the other side is silent or does not read.

use super::App;
use super::reserve::Reserve;
use crate::start;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at most.
const MOST: usize = 60_000;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(15);
/// The same where all connections are taken.
const SHORT_HEAD: Duration = Duration::from_secs(2);
/// Connections in reserve at most.
const RESERVE: usize = 64;
/// Bytes that the system takes and has not sent, of a connection.
const UNSENT: u32 = 64 << 10;
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(30);
/// How long the other side may leave what we send unread, once what is on the way is full.
const UNREAD: Duration = Duration::from_secs(30);
/// Bytes gathered for a connection at most, besides those of one message.
const GATHERED: usize = 64 << 10;

/// What connections are served.
#[derive(Clone)]
pub(super) struct Routes {
    /// Everything.
    pub(super) all: Router,
    /// What is answered although all connections are taken.
    pub(super) vital: Router,
}

/// Serves connections until the server ends.
pub(super) async fn accept(
    listener: TcpListener,
    routes: Routes,
    app: Arc<App>,
    mut closing: watch::Receiver<bool>,
) {
    // What else the process does wants files too: the rows' own, Kafka's connections.
    let places = MOST.min(start::files() / 2);
    let room = Arc::new(Semaphore::new(places));
    let mut reserve = Reserve::new(RESERVE.min(places / 4));
    let mut has_files = true;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.changed() => return,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            // Without a file descriptor to spare there is nothing to do but wait for one.
            Err(error) => {
                if std::mem::take(&mut has_files) {
                    tracing::warn!(%error, "a connection cannot be taken: {error}; it waits");
                }
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (app, closing) = (Arc::clone(&app), closing.clone());
        match Arc::clone(&room).try_acquire_owned() {
            Ok(place) => {
                let router = routes.all.clone();
                tokio::spawn(async move {
                    let _place = place;
                    serve(stream, router, app, closing, ConnectionStay::Long).await;
                });
            }
            Err(_) => reserve.serve(serve(stream, routes.vital.clone(), app, closing, ConnectionStay::Short)),
        }
    }
}

/// How long a connection stays.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum ConnectionStay {
    /// As long as its client wants.
    Long,
    /// For one request, which comes at once.
    Short,
}

/// Gives the body of every request a deadline: who announces one and does not send it would keep its
/// connection.
pub(super) async fn bodies_in_time(request: Request, next: Next) -> Response {
    next.run(request.map(|body| in_time(body, BODY))).await
}

fn in_time(body: Body, most: Duration) -> Body {
    let deadline = Instant::now() + most;
    Body::from_stream(stream::try_unfold(body.into_data_stream(), move |mut body| async move {
        match tokio::time::timeout_at(deadline, body.next()).await {
            Ok(Some(part)) => Ok(Some((part?, body))),
            Ok(None) => Ok(None),
            Err(_) => Err(axum::Error::new(format!("it did not come within {} s", most.as_secs()))),
        }
    }))
}

async fn serve(
    stream: TcpStream,
    router: Router,
    app: Arc<App>,
    mut closing: watch::Receiver<bool>,
    stay: ConnectionStay,
) {
    // A message is to leave at once; and the system takes no more than it can send soon, so that the next
    // message of a slow reader is made when there is room for it, and tells the newest. Where that cannot be
    // had it is done without.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
    app.metrics.connections.fetch_add(1, Ordering::Relaxed);
    let stream = ImpatientStream { stream, app: Arc::clone(&app), since: None };
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(if stay == ConnectionStay::Long { HEAD } else { SHORT_HEAD })
        .keep_alive(stay == ConnectionStay::Long)
        .max_buf_size(GATHERED)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        // How a connection ends is its client's affair.
        _ = connection.as_mut() => {}
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// A connection that is cut when the other side leaves what was sent unread for too long.
struct ImpatientStream {
    stream: TcpStream,
    app: Arc<App>,
    /// Until when it must take something, while nothing more can be sent.
    since: Option<Pin<Box<Sleep>>>,
}

impl Drop for ImpatientStream {
    fn drop(&mut self) {
        self.app.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ImpatientStream {
    /// What became of an attempt to write; an error where it has not been possible for too long.
    fn patience<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.since = None;
            return outcome;
        }
        let since =
            self.since.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + UNREAD)));
        ready!(since.as_mut().poll(cx));
        self.app.metrics.stalled.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ImpatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for ImpatientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.patience(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.patience(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Bytes, to_bytes};

    #[test]
    fn a_body_that_does_not_come_is_not_waited_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let soon = Duration::from_millis(50);
            let whole = to_bytes(in_time(Body::from("select 1"), soon), 100).await;
            assert_eq!(whole.unwrap(), "select 1");
            let first = stream::iter([Ok::<_, axum::Error>(Bytes::from("sel"))]);
            let never = in_time(Body::from_stream(first.chain(stream::pending())), soon);
            let outcome = tokio::time::timeout(Duration::from_secs(10), to_bytes(never, 100)).await;
            assert!(outcome.expect("it is over").unwrap_err().to_string().contains("did not come"));
        });
    }
}
