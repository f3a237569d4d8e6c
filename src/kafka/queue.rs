//! The records of one partition, taken out of librdkafka many at a time.
//!
//! rdkafka hands messages over one by one, and for each of them makes an event and an `Arc` and looks at the
//! clock: as much work as decoding the record. librdkafka itself gives a whole batch for one call, which the
//! crate does not wrap; `benches/findings.md` has the difference. This is the only file of the edges with
//! `unsafe` in it.
//!
//! What librdkafka must be told here holds by construction:
//!
//! * The native queue is a counted reference of its own, given back once, when [`Queue`] goes; the client
//!   that it belongs to is kept alive by `split`, which goes later (fields go in their order).
//! * A native message is given back once, when its [`Native`] goes, and every `Native` goes before the queue
//!   does. What is lent of it, by [`Queue::poll`], ends with the next call or with the queue: the borrow
//!   checker sees to it.

#![allow(unsafe_code)]

use super::ErrorListener;
use rdkafka::bindings as native;
use rdkafka::consumer::base_consumer::{BaseConsumer, PartitionQueue};
use rdkafka::error::{IsError, KafkaError};
use std::collections::VecDeque;
use std::ffi::{CString, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

/// As many messages as one call takes at most: enough that the call costs nothing, few enough that what is
/// taken out of librdkafka's bounds is little.
const BATCH: usize = 512;

/// A record as it lies in librdkafka's memory.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct QueuedRecord<'a> {
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since the epoch; 0 or less where there is none.
    pub timestamp_ms: i64,
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value; a tombstone has none.
    pub value: Option<&'a [u8]>,
}

/// One partition's queue.
pub struct Queue {
    /// What was taken and not given out yet.
    taken: VecDeque<Native>,
    /// What was given out last.
    current: Option<Native>,
    /// Where the log ended when that was said last.
    end: i64,
    /// Where a batch is put.
    places: Vec<*mut native::rd_kafka_message_t>,
    reference: QueueReference,
    split: PartitionQueue<ErrorListener>,
}

// SAFETY: librdkafka's queues and messages belong to no thread: any may use them, and here one does at a
// time, since everything that touches them wants `&mut Queue`. The other fields may be sent anyway.
unsafe impl Send for Queue {}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("taken", &self.taken.len()).finish_non_exhaustive()
    }
}

/// A counted reference to a native queue.
struct QueueReference(NonNull<native::rd_kafka_queue_t>);

impl Drop for QueueReference {
    fn drop(&mut self) {
        // SAFETY: it was got from `rd_kafka_queue_get_partition`, which counted it for us, and goes once.
        unsafe { native::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

/// A native message that is ours to give back.
struct Native(NonNull<native::rd_kafka_message_t>);

impl Drop for Native {
    fn drop(&mut self) {
        // SAFETY: it was got from `rd_kafka_consume_batch_queue`, whose caller owns it, and goes once.
        unsafe { native::rd_kafka_message_destroy(self.0.as_ptr()) };
    }
}

impl Queue {
    /// A partition's own queue, apart from the client's. To be made before the partition is assigned. None
    /// where the client is no consumer of a group, or the topic's name is none.
    pub fn new(client: &Arc<BaseConsumer<ErrorListener>>, topic: &str, partition: i32) -> Option<Queue> {
        let split = client.split_partition_queue(topic, partition)?;
        let topic = CString::new(topic).ok()?;
        let handle = rdkafka::consumer::Consumer::client(client.as_ref()).native_ptr();
        // SAFETY: the client lives as long as `client`, the name as long as the call, which copies it.
        let queue = unsafe { native::rd_kafka_queue_get_partition(handle, topic.as_ptr(), partition) };
        let reference = QueueReference(NonNull::new(queue)?);
        let (taken, places) = (VecDeque::with_capacity(BATCH), vec![null_mut(); BATCH]);
        Some(Queue { taken, current: None, end: 0, places, reference, split })
    }

    /// Calls this, on a thread of librdkafka's, when there is something where there was nothing.
    pub fn on_news(&mut self, call: impl Fn() + Send + Sync + 'static) {
        self.split.set_nonempty_callback(call);
    }

    /// Whether something was taken out of librdkafka that [`Queue::poll`] has not given out: librdkafka takes
    /// a seek to mean only what it has itself.
    pub fn holds_some(&self) -> bool {
        !self.taken.is_empty()
    }

    /// The next record, or what librdkafka says in its place, such as that the log ends here; nothing where
    /// nothing is there yet.
    pub fn poll(&mut self) -> Option<Result<QueuedRecord<'_>, KafkaError>> {
        if self.taken.is_empty() {
            self.take();
        }
        let next = self.taken.pop_front()?;
        let message = self.current.insert(next).0;
        // SAFETY: the message is in `given`, where it stays until this is called again, and nobody writes to
        // it.
        let event = unsafe { read(message) };
        if let Err(KafkaError::PartitionEOF(_)) = event {
            // SAFETY: as above.
            self.end = unsafe { message.as_ref() }.offset;
        }
        Some(event)
    }

    /// Where the log ended when [`Queue::poll`] said so last: behind its last record, and behind the control
    /// records that may follow it.
    pub fn end(&self) -> i64 {
        self.end
    }

    fn take(&mut self) {
        // A batch that is waited for is waited for until it is full.
        let patience = 0;
        let (places, room) = (self.places.as_mut_ptr(), self.places.len());
        // SAFETY: the queue is alive, there is room for as many pointers as we say, and what is put there is
        // ours.
        let count = unsafe {
            native::rd_kafka_consume_batch_queue(self.reference.0.as_ptr(), patience, places, room)
        };
        // An error of the call itself is no batch.
        let count = usize::try_from(count).unwrap_or(0).min(room);
        self.taken.extend(self.places[..count].iter().filter_map(|place| NonNull::new(*place)).map(Native));
    }
}

/// # Safety
///
/// The message must be one that librdkafka has given, not been given back for as long as the result lives,
/// and not be changed.
unsafe fn read<'a>(message: NonNull<native::rd_kafka_message_t>) -> Result<QueuedRecord<'a>, KafkaError> {
    // SAFETY: as the caller promises.
    let found = unsafe { message.as_ref() };
    if found.err.is_error() {
        return Err(match found.err {
            native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                KafkaError::PartitionEOF(found.partition)
            }
            native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__FATAL => {
                KafkaError::MessageConsumptionFatal(found.err.into())
            }
            code => KafkaError::MessageConsumption(code.into()),
        });
    }
    // SAFETY: a message without an error points to so many bytes of key and of value, or to none, and they
    // are its own.
    let bytes = |at: *mut c_void, length: usize| {
        (!at.is_null()).then(|| unsafe { std::slice::from_raw_parts(at.cast::<u8>().cast_const(), length) })
    };
    // SAFETY: it is a message; where the kind of its time is to be written, may be nowhere.
    let timestamp_ms = unsafe { native::rd_kafka_message_timestamp(message.as_ptr(), null_mut()) };
    Ok(QueuedRecord {
        offset: found.offset,
        timestamp_ms,
        key: bytes(found.key, found.key_len),
        value: bytes(found.payload, found.len),
    })
}
