//! Asks a server, again and again, in a thread of its own.

use crate::exit::{Exit, Failure};
use crate::query::remote::RemoteServer;
use anyhow::Result;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);

/// What a server says.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerSnapshot {
    /// How far it is.
    pub(super) progress: FrontierAnswer,
    /// The latest rows of symbols, crosses and statistics, in no order.
    pub(super) rows: Vec<LatestRow>,
    /// Seconds of event time that are kept, where rows are too many for as long as was wanted.
    pub(super) cut_to: Option<u64>,
}

/// An answer, or why there is none.
pub(super) type ServerPoll = Result<ServerSnapshot, String>;

/// `GET /v1/frontier`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct FrontierAnswer {
    pub(super) frontier_ms: Option<u64>,
    pub(super) state: String,
    pub(super) moved_ms: Option<u64>,
    pub(super) holder: Option<FrontierHolder>,
    pub(super) partitions: Vec<PartitionAnswer>,
    /// Null where only rows are known.
    #[serde(deserialize_with = "null_is_nothing")]
    pub(super) records: RecordCounts,
}

/// Who holds the frontier.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct FrontierHolder {
    pub(super) partition: u32,
    pub(super) since_ms: u64,
    pub(super) behind_ms: u64,
}

/// One partition.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PartitionAnswer {
    pub(super) partition: u32,
    pub(super) name: String,
    pub(super) watermark_ms: Option<u64>,
    pub(super) behind_ms: u64,
    #[serde(deserialize_with = "null_is_nothing")]
    pub(super) idle: bool,
    pub(super) ended: bool,
    pub(super) holds: bool,
    pub(super) records: RecordCounts,
}

/// What became of records.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct RecordCounts {
    pub(super) read: u64,
    pub(super) accepted: u64,
    pub(super) duplicate: u64,
    pub(super) late: u64,
    pub(super) bad: u64,
    pub(super) future: u64,
}

/// What a server that reads results from somewhere does not know is null.
fn null_is_nothing<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A row of any kind: what it has not is `None`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LatestRow {
    pub(super) kind: String,
    pub(super) name: String,
    /// The definition of the window.
    pub(super) window: String,
    pub(super) end_ms: u64,
    pub(super) status: Option<String>,
    pub(super) vwap: Option<String>,
    pub(super) vw_std: Option<f64>,
    pub(super) trades: Option<u64>,
    pub(super) high: Option<String>,
    pub(super) low: Option<String>,
    pub(super) volume: Option<String>,
    pub(super) closed: Option<bool>,
    #[serde(rename = "final")]
    pub(super) last: Option<bool>,
    pub(super) missing_ids: Option<i64>,
    pub(super) n: Option<u64>,
    pub(super) mean: Option<String>,
    pub(super) std: Option<f64>,
    /// What only rows of other kinds have.
    #[serde(flatten)]
    pub(super) rest: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct LatestRows {
    rows: Vec<LatestRow>,
}

/// Asks once.
pub(super) fn ask(server: &RemoteServer) -> Result<ServerSnapshot> {
    let progress = get(server, "/v1/frontier")?;
    let rows: LatestRows = get(server, "/v1/latest")?;
    let (_, metrics) = server.request("GET", "/metrics", "")?;
    Ok(ServerSnapshot { progress, rows: rows.rows, cut_to: cut_to(&String::from_utf8_lossy(&metrics)) })
}

/// What the metrics say of rows that are kept for less than was wanted.
fn cut_to(metrics: &str) -> Option<u64> {
    let value =
        |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    value("crossrate_board_cut ").filter(|cut| *cut > 0.0)?;
    value("crossrate_board_held_seconds ").map(|seconds| seconds as u64)
}

fn get<T: DeserializeOwned>(server: &RemoteServer, path: &str) -> Result<T> {
    let (status, body) = server.request("GET", path, "")?;
    match status {
        200 => serde_json::from_slice(&body).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("{} answered {path} with what is not understood", server.url()),
            )
            .hint("is it a crossrate server of this version?")
            .because(error)
            .into()
        }),
        401 | 403 => Err(Failure::new(Exit::Usage, format!("{} wants its token", server.url()))
            .hint("--token-file FILE, the file that the server was given")
            .into()),
        _ => {
            Err(Failure::new(Exit::Failed, format!("{} answered {path} with status {status}", server.url()))
                .hint("is it a crossrate server?")
                .into())
        }
    }
}

/// Asks for as long as somebody listens. Of one who does not take answers none pile up.
pub(super) fn keep_asking(server: RemoteServer) -> std::io::Result<Receiver<ServerPoll>> {
    let (tell, told) = sync_channel(1);
    std::thread::Builder::new().name("asking".into()).spawn(move || {
        loop {
            std::thread::sleep(EVERY);
            let answer = ask(&server).map_err(|error| match error.source() {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            });
            if tell.send(answer).is_err() {
                return;
            }
        }
    })?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_where_it_is_cut() {
        let metrics = |cut: u8| {
            format!(
                "# TYPE crossrate_board_cut gauge\ncrossrate_board_cut {cut}\ncrossrate_board_held_seconds 600.5\n"
            )
        };
        assert_eq!(cut_to(&metrics(1)), Some(600));
        assert_eq!(cut_to(&metrics(0)), None);
        assert_eq!(cut_to(""), None);
    }
}
