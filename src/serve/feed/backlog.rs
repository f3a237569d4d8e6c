//! What was made for readers and not taken by them yet, in bytes: the figure by which a test and an operator
//! see that readers that do not read cost little.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of messages that lie in this process.
#[derive(Debug, Clone, Default)]
pub struct Backlog(Arc<AtomicU64>);

/// Bytes that are counted for as long as this is there.
#[derive(Debug)]
pub struct Charge {
    backlog: Backlog,
    bytes: u64,
}

impl Backlog {
    /// How many bytes.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts so many more.
    pub fn charge(&self, bytes: usize) -> Charge {
        let bytes = bytes as u64;
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Charge { backlog: self.clone(), bytes }
    }

    /// A text that is counted, and keeps something, until the last byte of it has been taken.
    pub fn charged<K: Send + 'static>(&self, text: String, keep: K) -> Bytes {
        Bytes::from_owner(ChargedText { _charge: self.charge(text.len()), text, _keep: keep })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.backlog.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct ChargedText<K> {
    text: String,
    _charge: Charge,
    _keep: K,
}

impl<K> AsRef<[u8]> for ChargedText<K> {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
