//! Answers under way: made, and not taken by whoever asked. Together they hold so much memory and no more;
//! where there is no room an answer is refused with words, and not made to wait, since what waits needs
//! memory too.
//!
//! Small answers have room of their own, so that large ones which nobody reads are in nobody's way; and so
//! has what whoever looks after the process asks for.

use super::problem::Problem;
use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// An answer of so many bytes is small.
const SMALL: usize = 64 << 10;
/// Bytes of all small answers, of all large ones, and of those about the process.
const ALL: [usize; 3] = [64 << 20, 192 << 20, 16 << 20];
/// Bytes that are given to a connection at a time.
const PIECE: usize = 16 << 10;
/// How long an answer may be under way, and so many bytes of it a second more.
const TIME: Duration = Duration::from_secs(30);
const BYTES_A_SECOND: u64 = 256 << 10;

/// Room for answers.
#[derive(Debug)]
pub struct Answers {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    vital: Arc<Semaphore>,
}

impl Default for Answers {
    fn default() -> Self {
        Answers::new(ALL)
    }
}

impl Answers {
    /// Room for so many bytes of small answers, of large ones, and of those about the process.
    fn new(bytes: [usize; 3]) -> Answers {
        let [small, large, vital] = bytes.map(|bytes| Arc::new(Semaphore::new(kibibytes(bytes))));
        Answers { small, large, vital }
    }

    /// The body of an answer, which has its room until it is taken; or why there is none.
    pub fn body(&self, bytes: Vec<u8>) -> Result<Body, Problem> {
        let (room, all) = if bytes.len() <= SMALL { (&self.small, ALL[0]) } else { (&self.large, ALL[1]) };
        Answers::within(room, all, bytes)
    }

    /// The same of an answer about the process, whose room no other answers take.
    pub fn vital(&self, bytes: Vec<u8>) -> Result<Body, Problem> {
        Answers::within(&self.vital, ALL[2], bytes)
    }

    fn within(room: &Arc<Semaphore>, all: usize, bytes: Vec<u8>) -> Result<Body, Problem> {
        // The largest of all answers has all of the room.
        let needs = kibibytes(bytes.len()).min(kibibytes(all));
        let held = Arc::clone(room).try_acquire_many_owned(needs as u32).map_err(|_| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many answers are under way that nobody reads")
                .hint("ask again, for less: fewer rows, or page by page")
                .later(5)
        })?;
        let time = TIME + Duration::from_secs(bytes.len() as u64 / BYTES_A_SECOND);
        Ok(Body::new(PendingAnswer { rest: bytes.into(), deadline: Instant::now() + time, _held: held }))
    }
}

fn kibibytes(bytes: usize) -> usize {
    bytes.div_ceil(1 << 10)
}

/// What of an answer is still to be taken.
struct PendingAnswer {
    rest: Bytes,
    /// Who takes a byte now and then would hold it for ever.
    deadline: Instant,
    _held: OwnedSemaphorePermit,
}

impl HttpBody for PendingAnswer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if Instant::now() > self.deadline {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        let most = self.rest.len().min(PIECE);
        // Copied, so that the last piece does not keep all of them.
        let piece = Bytes::copy_from_slice(&self.rest.split_to(most));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    #[test]
    fn answers_that_nobody_reads_are_refused_beyond_their_room_and_small_ones_go_on() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let answers = Answers::new([100 << 10, 1 << 20, 20 << 10]);
            let large: Vec<Body> = (0..3).map(|_| answers.body(vec![1; 300 << 10]).unwrap()).collect();
            assert!(answers.body(vec![1; 300 << 10]).is_err());
            let small = answers.body(vec![2; 60 << 10]).unwrap();
            assert!(answers.body(vec![2; 60 << 10]).is_err());
            let vital = answers.vital(vec![3; 20 << 10]).unwrap();
            assert!(answers.vital(vec![3; 20 << 10]).is_err(), "nor is its room without end");
            drop(vital);
            for body in large {
                assert_eq!(to_bytes(body, usize::MAX).await.unwrap(), vec![1; 300 << 10]);
            }
            assert!(answers.body(vec![1; 900 << 10]).is_ok(), "what was taken is held no longer");
            drop(small);
            assert!(answers.body(vec![2; 60 << 10]).is_ok(), "nor what nobody wants any more");
        });
    }
}
