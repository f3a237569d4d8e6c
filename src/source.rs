//! Where trades come from. One written contract for every source:
//!
//! * A source has partitions, each an ordered log, numbered from 0. Partition `p` belongs to worker
//!   `p % peers`. A reader thread per file, or per Kafka client, reads ahead.
//! * **Delivery.** A reader hands each of its partitions' bytes over in order as [`Delivery`] values through a
//!   bounded queue ([`Feed`]). When a queue is full, the reader waits (a file) or pauses that partition (Kafka):
//!   this is the only back-pressure, and it must never hold up another partition.
//! * **Order.** What a partition delivers is its log, each record once, in order, whatever the chunking.
//! * **Restart.** A reader is given the next offset of each of its partitions and starts there.
//! * **End.** A bounded partition ends with [`Delivery::End`]; an endless one never does.
//! * **Failure.** A reader that cannot go on delivers [`Delivery::Failed`]; the run ends with exit code 3.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub mod files;
pub mod simulated;

/// A run of consecutive records of one partition, undecoded.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The records' bytes, one after another.
    pub bytes: Vec<u8>,
    /// How `bytes` falls into records.
    pub framing: Framing,
    /// All that was read of a file up to this chunk's end, where a later run may want to find it again.
    pub read: Option<files::Prefix>,
}

/// How a chunk's bytes fall into records.
#[derive(Debug)]
pub enum Framing {
    /// Records are lines; a line of white space is none. The chunk ends at the end of a line, or of the file.
    Lines(LineFormat),
    /// Records are these messages, in order.
    Messages(Vec<Message>),
}

impl Default for Framing {
    fn default() -> Self {
        Framing::Lines(LineFormat::Json)
    }
}

/// What the lines of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineFormat {
    /// JSON, or capture lines (`<receive time in ns> <JSON>`), told apart line by line.
    Json,
    /// An archive of trades of one symbol: `id,price,qty,quoteQty,time,..`; a header line is no record.
    Csv {
        /// The symbol of every line.
        symbol: Arc<str>,
    },
}

/// Where a message ends in its chunk, and what Kafka says of it.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch; 0 or less when there is none.
    pub timestamp_ms: i64,
    /// Where its value ends in the chunk's bytes; it begins where the one before ends.
    pub end: u32,
    /// A null value: a tombstone, which is ignored.
    pub null: bool,
    /// Length of its key, which stands before the value; kept for dead letters to Kafka only.
    pub key: Option<u32>,
}

/// What a reader hands over.
#[derive(Debug)]
pub enum Delivery {
    /// Records.
    Chunk(Chunk),
    /// The partition is idle (SPEC section 5): nothing came for the idle timeout and the broker confirmed the log's end.
    Idle,
    /// The partition has ended; nothing follows.
    End,
    /// The reader cannot go on; nothing follows.
    Failed(anyhow::Error),
}

/// A partition's bounded queue between its reader and its worker.
#[derive(Debug)]
pub struct Feed {
    state: Mutex<FeedState>,
    room: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct FeedState {
    queue: VecDeque<Delivery>,
    /// Emptied chunks, for the reader to fill again.
    spare: Vec<Chunk>,
    closed: bool,
}

/// A partition, to the worker that owns it.
#[derive(Debug)]
pub struct PartitionFeed {
    /// Its number: place on the command line, or Kafka partition.
    pub number: u32,
    /// What people know it by: `trades-3`, or a file's name.
    pub name: String,
    /// Whether reading begins inside the log, so that the first windows may lack trades (SPEC section 6).
    pub inside_log: bool,
    /// Where its records come from.
    pub feed: Arc<Feed>,
}

/// The other side of a [`Feed`] is gone: the run is ending, and the reader should too.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Closed;

impl Feed {
    /// A queue of so many deliveries.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Feed { state: Mutex::default(), room: Condvar::new(), capacity })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Appends, waiting for room. For readers of one partition.
    pub fn push(&self, delivery: Delivery) -> Result<(), Closed> {
        let mut state = self.lock();
        while state.queue.len() >= self.capacity && !state.closed {
            state = self.room.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        if state.closed {
            return Err(Closed);
        }
        state.queue.push_back(delivery);
        Ok(())
    }

    /// Appends without waiting, over the bound if need be. For readers of many partitions, which stop at [`Feed::is_full`].
    pub fn push_over(&self, delivery: Delivery) -> Result<(), Closed> {
        let mut state = self.lock();
        if state.closed {
            return Err(Closed);
        }
        state.queue.push_back(delivery);
        Ok(())
    }

    /// Whether the reader should pause this partition.
    pub fn is_full(&self) -> bool {
        self.lock().queue.len() >= self.capacity
    }

    /// Takes the oldest delivery.
    pub fn pop(&self) -> Option<Delivery> {
        let mut state = self.lock();
        let delivery = state.queue.pop_front();
        drop(state);
        self.room.notify_one();
        delivery
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

/// Wakes the worker that a reader's deliveries are for.
pub type Waker = Arc<dyn Fn() + Send + Sync>;
