//! What a reader is told, and its text. A message holds rows that are shared with the board and with all
//! other readers; they were encoded once, when they left the dataflow.

use crate::serve::board::series::CachedRow;
use std::fmt::Write;
use std::sync::Arc;

/// What a reader is told.
#[derive(Debug)]
pub enum FeedMessage {
    /// The first batch of a snapshot; whatever the reader had is obsolete.
    Snapshot {
        /// The rows.
        rows: Vec<Arc<CachedRow>>,
        /// Where to go on from, if that was all.
        id: Option<String>,
        /// Why the reader cannot go on from where it was, if it was somewhere.
        reason: Option<&'static str>,
        /// The names and windows that were asked for and have no rows, as JSON.
        unknown: Option<Box<str>>,
    },
    /// A batch of a delta, or a later batch of a snapshot.
    Update {
        /// The rows.
        rows: Vec<Arc<CachedRow>>,
        /// Where to go on from, unless more batches of a snapshot follow.
        id: Option<String>,
        /// How many of them replace a version that was never sent here.
        conflated: usize,
    },
    /// How far the job is: rows looked at before its frontier are all there.
    Progress(Arc<str>),
    /// The server ends.
    Bye(&'static str),
}

impl FeedMessage {
    /// What kind of message it is.
    pub fn kind(&self) -> &'static str {
        match self {
            FeedMessage::Snapshot { .. } => "snapshot",
            FeedMessage::Update { .. } => "update",
            FeedMessage::Progress(_) => "progress",
            FeedMessage::Bye(_) => "bye",
        }
    }

    /// Where to go on from after this message.
    pub fn id(&self) -> Option<&str> {
        match self {
            FeedMessage::Snapshot { id, .. } | FeedMessage::Update { id, .. } => id.as_deref(),
            FeedMessage::Progress(_) | FeedMessage::Bye(_) => None,
        }
    }

    /// The message as a JSON object on one line. Rows are in it as they left the dataflow.
    pub fn json(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    /// The message as an event of a stream, whose first lines may be there already.
    pub fn event(&self, mut text: String) -> String {
        if let Some(id) = self.id() {
            let _ = writeln!(text, "id: {id}");
        }
        // Rows hold no line break: JSON escapes them.
        let _ = write!(text, "event: {}\ndata: ", self.kind());
        self.write(&mut text);
        text.push_str("\n\n");
        text
    }

    /// Appends the JSON object.
    fn write(&self, text: &mut String) {
        let id = |id: &Option<String>| serde_json::Value::from(id.as_deref());
        let _ = match self {
            FeedMessage::Snapshot { rows, id: at, reason, unknown } => {
                let reason = serde_json::Value::from(*reason);
                let unknown = unknown.iter().map(|all| format!("\"unknown\":{all},")).collect::<String>();
                let head = format!("{{\"type\":\"snapshot\",\"id\":{},\"reason\":{reason},{unknown}", id(at));
                return write_rows(text, &head, rows);
            }
            FeedMessage::Update { rows, id: at, conflated } => {
                let head = format!("{{\"type\":\"update\",\"id\":{},\"conflated\":{conflated},", id(at));
                return write_rows(text, &head, rows);
            }
            FeedMessage::Progress(progress) => {
                write!(text, "{{\"type\":\"progress\",{}", progress.strip_prefix('{').unwrap_or("}"))
            }
            FeedMessage::Bye(reason) => {
                write!(text, "{{\"type\":\"bye\",\"reason\":{}}}", serde_json::Value::from(*reason))
            }
        };
    }
}

fn write_rows(text: &mut String, head: &str, rows: &[Arc<CachedRow>]) {
    let bytes = rows.iter().map(|row| row.json.len() + 1).sum::<usize>();
    // What follows the rows is short. More room than needed would be held for as long as nobody reads.
    text.reserve_exact(head.len() + bytes + 16);
    text.push_str(head);
    text.push_str("\"rows\":[");
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&row.json);
    }
    text.push_str("]}");
}
