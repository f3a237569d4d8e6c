//! Where trades come from. One written contract for every source:
//!
//! * A source has partitions, each an ordered log, numbered from 0. Partition `p` belongs to worker
//!   `p % peers`. A reader thread per file, or per Kafka client, reads ahead.
//! * **Delivery.** A reader hands each of its partitions' bytes over in order as [`Delivery`] values through
//!   a bounded queue ([`Feed`]). When a queue is full, the reader waits (a file) or leaves that partition
//!   alone until there is room (Kafka): this is the only back-pressure, and it must never hold up another
//!   partition.
//! * **Order.** What a partition delivers is its log, each record once, in order, whatever the chunking.
//! * **Restart.** A reader is given the next offset of each of its partitions and starts there.
//! * **End.** A bounded partition ends with [`Delivery::End`]; an endless one never does.
//! * **Failure.** A reader that cannot go on delivers [`Delivery::Failed`]; the run ends with exit code 3.

use crate::wire::chunk::Chunk;
use crate::wire::decoded::DecodedChunk;
use crate::workers::Waker;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

pub mod extent;
pub mod files;
pub mod kafka;
pub mod opening;
pub mod pool;
pub mod registry;
pub mod simulated;
pub mod starts;

/// What a reader hands over.
#[derive(Debug)]
pub enum Delivery {
    /// Records.
    Chunk(Chunk),
    /// There are no more records before that offset, only what is not to be read, such as marks of
    /// transactions.
    Nothing {
        /// The offset.
        until: i64,
    },
    /// The partition is idle (`docs/semantics.md#entries`): nothing came for the idle timeout and the broker
    /// confirmed the log's end.
    Idle,
    /// The broker has not confirmed for as long that an idle partition has nothing more: it is not idle any
    /// longer.
    Unconfirmed,
    /// The partition has ended; nothing follows.
    End,
    /// The reader cannot go on; nothing follows.
    Failed(anyhow::Error),
}

impl Delivery {
    fn is_large(&self) -> bool {
        matches!(self, Delivery::Chunk(chunk) if chunk.bytes.len() >= LARGE)
    }
}

/// A partition's bounded queue between its reader and its worker.
pub struct Feed {
    state: Mutex<FeedState>,
    room: Condvar,
    /// Wakes a reader that does not wait for room.
    waker: Option<Waker>,
    capacity: usize,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("state", &self.state).field("capacity", &self.capacity).finish()
    }
}

#[derive(Debug, Default)]
struct FeedState {
    queue: VecDeque<FeedSlot>,
    /// Which delivery stands at the front of the queue, counted from the first.
    front: u64,
    /// Emptied chunks, for the reader to fill again.
    spare: Vec<Chunk>,
    /// Emptied records, for the next chunk that is decoded ahead.
    used: Vec<DecodedChunk>,
    closed: bool,
}

#[derive(Debug)]
enum FeedSlot {
    Delivery(Delivery),
    /// A chunk that another worker is decoding.
    Lent,
    Decoded(DecodedChunk),
}

/// A delivery as the owner of a partition takes it.
#[derive(Debug)]
pub enum TakenDelivery {
    /// A delivery as the reader made it.
    Delivery(Delivery),
    /// A chunk that was decoded ahead.
    Decoded(DecodedChunk),
}

/// A chunk to decode ahead: it must come back through [`Feed::give_back`].
#[derive(Debug)]
pub struct Loan {
    /// Its place in the feed, counted from the first delivery.
    pub place: u64,
    /// The bytes to decode.
    pub chunk: Chunk,
    /// An emptied chunk of records, whose allocation is used again.
    pub used: DecodedChunk,
}

/// Deliveries that a reader of one partition may be ahead of its worker.
const DELIVERIES_AHEAD: usize = 4;

/// A chunk that is smaller than this is decoded sooner by its owner than it is handed around.
const LARGE: usize = 32 << 10;

/// A partition, to the worker that owns it.
#[derive(Debug)]
pub struct PartitionFeed {
    /// Its number: place on the command line, or Kafka partition.
    pub number: u32,
    /// What people know it by: `trades-3`, or a file's name.
    pub name: String,
    /// Offset of the first record that is delivered where no checkpoint knows the partition.
    pub from: i64,
    /// Whether reading begins inside the log, so that the first windows may lack trades
    /// (`docs/semantics.md#windows`).
    pub inside_log: bool,
    /// The queue of its records.
    pub feed: Arc<Feed>,
}

/// The partitions of a worker.
#[derive(Debug, Default)]
pub struct WorkerFeeds {
    /// Those that exist at the start.
    pub partitions: Vec<PartitionFeed>,
    /// Those that appear later come through these; none where none can.
    pub adopted: Vec<mpsc::Receiver<PartitionFeed>>,
}

impl PartitionFeed {
    /// A partition that is read from its first record on.
    fn whole(number: u32, name: String) -> Self {
        PartitionFeed { number, name, from: 0, inside_log: false, feed: Feed::new(DELIVERIES_AHEAD) }
    }
}

/// The worker's side of a [`Feed`] is gone: the run ends, and so must the reader.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct FeedClosed;

impl Feed {
    /// A queue of so many deliveries.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Feed { state: Mutex::default(), room: Condvar::new(), waker: None, capacity })
    }

    /// The same, for a reader of many partitions: it is woken when a full queue has room again.
    pub fn waking(capacity: usize, waker: Waker) -> Arc<Self> {
        Arc::new(Feed { state: Mutex::default(), room: Condvar::new(), waker: Some(waker), capacity })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Appends, waiting for room. For readers of one partition.
    pub fn push(&self, delivery: Delivery) -> Result<(), FeedClosed> {
        let mut state = self.lock();
        while state.queue.len() >= self.capacity && !state.closed {
            state = self.room.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        if state.closed {
            return Err(FeedClosed);
        }
        state.queue.push_back(FeedSlot::Delivery(delivery));
        Ok(())
    }

    /// Appends without waiting, over the bound if need be. For readers of many partitions, which stop at
    /// [`Feed::is_full`].
    pub fn push_over(&self, delivery: Delivery) -> Result<(), FeedClosed> {
        let mut state = self.lock();
        if state.closed {
            return Err(FeedClosed);
        }
        state.queue.push_back(FeedSlot::Delivery(delivery));
        Ok(())
    }

    /// Whether the reader should pause this partition.
    pub fn is_full(&self) -> bool {
        self.lock().queue.len() >= self.capacity
    }

    /// The next records of a reader for whom nobody decodes ahead and whose input ends: none where there are
    /// none so far, and from the end on, where `has_ended` is set.
    pub fn next_chunk(&self, has_ended: &mut bool) -> anyhow::Result<Option<Chunk>> {
        while !*has_ended && let Some(taken) = self.pop() {
            match taken {
                TakenDelivery::Delivery(Delivery::Chunk(chunk)) => return Ok(Some(chunk)),
                TakenDelivery::Delivery(Delivery::End) => *has_ended = true,
                TakenDelivery::Delivery(Delivery::Failed(error)) => return Err(error),
                // Nothing is idle that has an end.
                TakenDelivery::Decoded(_) | TakenDelivery::Delivery(_) => {}
            }
        }
        Ok(None)
    }

    /// Takes the oldest delivery; none either while another worker has it.
    pub fn pop(&self) -> Option<TakenDelivery> {
        let mut state = self.lock();
        if matches!(state.queue.front(), Some(FeedSlot::Lent)) {
            return None;
        }
        let was_full = state.queue.len() == self.capacity;
        let slot = state.queue.pop_front()?;
        state.front += 1;
        drop(state);
        self.room.notify_one();
        if let Some(waker) = self.waker.as_ref().filter(|_| was_full) {
            waker();
        }
        match slot {
            FeedSlot::Delivery(delivery) => Some(TakenDelivery::Delivery(delivery)),
            FeedSlot::Decoded(decoded) => Some(TakenDelivery::Decoded(decoded)),
            FeedSlot::Lent => None,
        }
    }

    /// Takes the oldest delivery if it is a large chunk of records. A queued large chunk means that the
    /// worker is behind.
    pub fn pop_large(&self) -> Option<TakenDelivery> {
        let is_large = match self.lock().queue.front() {
            Some(FeedSlot::Delivery(delivery)) => delivery.is_large(),
            // Only large ones are lent.
            Some(FeedSlot::Decoded(_)) => true,
            Some(FeedSlot::Lent) | None => false,
        };
        // Only the owner takes from the front.
        if is_large { self.pop() } else { None }
    }

    /// Lends the oldest chunk that is large, not decoded, and not the next one that the owner takes: that one
    /// it decodes faster by itself.
    pub fn lend(&self) -> Option<Loan> {
        let mut state = self.lock();
        let worth = |slot: &FeedSlot| matches!(slot, FeedSlot::Delivery(delivery) if delivery.is_large());
        let at = (1..state.queue.len()).find(|at| worth(&state.queue[*at]))?;
        let FeedSlot::Delivery(Delivery::Chunk(chunk)) =
            std::mem::replace(&mut state.queue[at], FeedSlot::Lent)
        else {
            return None;
        };
        let used = state.used.pop().unwrap_or_default();
        Some(Loan { place: state.front + at as u64, chunk, used })
    }

    /// Whether there is a chunk to lend.
    pub fn could_lend(&self) -> bool {
        let state = self.lock();
        let worth = |slot: &FeedSlot| matches!(slot, FeedSlot::Delivery(delivery) if delivery.is_large());
        state.queue.iter().skip(1).any(worth)
    }

    /// Puts a chunk that was lent back to its place, decoded.
    pub fn give_back(&self, place: u64, decoded: DecodedChunk) {
        let mut state = self.lock();
        // It still stands there: the owner waits for what is lent.
        let at = (place - state.front) as usize;
        state.queue[at] = FeedSlot::Decoded(decoded);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    /// Gives an emptied chunk back, so that its allocation serves again.
    pub fn recycle(&self, mut chunk: Chunk) {
        chunk.bytes.clear();
        let mut state = self.lock();
        if state.spare.len() < self.capacity {
            state.spare.push(chunk);
        }
    }

    /// The same for a chunk that was decoded ahead.
    pub fn recycle_decoded(&self, decoded: DecodedChunk) {
        let (chunk, used) = decoded.take_apart();
        self.recycle(chunk);
        let mut state = self.lock();
        if state.used.len() < self.capacity {
            state.used.push(used);
        }
    }

    /// A chunk to fill: a recycled one where there is one.
    pub fn spare(&self) -> Chunk {
        self.lock().spare.pop().unwrap_or_default()
    }

    /// Waits so long for the feed to be closed; whether it is. For readers that are ahead of their time.
    pub fn wait_closed(&self, most: Duration) -> bool {
        let until = Instant::now().checked_add(most);
        let mut state = self.lock();
        while !state.closed {
            let left = until.map_or(most, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            state = self.room.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        state.closed
    }

    /// Tells the reader to stop.
    pub fn close(&self) {
        self.lock().closed = true;
        self.room.notify_all();
    }
}
