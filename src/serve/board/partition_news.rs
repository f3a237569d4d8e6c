//! How far the partitions of a job are, as it tells.

use crate::config::topic_of;
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::market::event_time::EventTime;

/// How far a partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionNews {
    /// What people know it by.
    pub name: String,
    /// Its watermark.
    pub watermark: EventTime,
    /// What became of its records.
    pub counts: Counts,
    /// Whether it is idle.
    pub idle: bool,
    /// Whether it has ended.
    pub ended: bool,
}

impl PartitionNews {
    /// Its topic, where the job reads several.
    pub fn topic(&self, number: u32) -> Option<String> {
        let (_, in_topic) = topic_of::<&str>(number, &[]);
        let name = (in_topic != number).then(|| self.name.strip_suffix(&format!("-{in_topic}")))?;
        name.map(str::to_owned)
    }
}
