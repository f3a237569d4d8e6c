//! The way from the dataflow's thread to the board: a sink that puts updates where the server takes them out.

use super::about::DefinitionDescription;
use super::progress::{FollowedPlace, ProgressNews};
use super::series::CachedRow;
use super::{Board, progress};
use crate::sink::{Sink, SinkBatch};
use anyhow::Result;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::Row;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows that may lie in the inbox before the dataflow's thread takes them over to the board itself.
const MOST: usize = 65_536;

/// The update that the board has not taken in.
#[derive(Debug, Default)]
pub struct Inbox(BoardUpdate);

/// Rows that are later by the clock are those of a recording.
const OF_TODAY: Duration = Duration::from_secs(86_400);

/// What has changed since the board took the inbox.
#[derive(Debug, Default)]
pub struct BoardUpdate {
    /// Whether everything that the board has is obsolete.
    pub is_cleared: bool,
    /// Rows, in their order.
    pub rows: Vec<CachedRow>,
    /// When the first of them came.
    pub since: Option<Instant>,
    /// How far the job is, where that has changed.
    pub progress: Option<ProgressNews>,
    /// How the store stands that results are read from, where that has changed.
    pub following: Option<FollowedPlace>,
    /// What is computed, where that has changed.
    pub definition: Option<Arc<DefinitionDescription>>,
}

impl Inbox {
    /// Everything that was told before is obsolete.
    pub fn clear(&mut self) {
        self.0.rows.clear();
        self.0.since = None;
        self.0.definition = None;
        self.0.is_cleared = true;
    }

    /// A row.
    pub fn row(&mut self, row: CachedRow) {
        self.0.since.get_or_insert_with(Instant::now);
        self.0.rows.push(row);
    }

    /// How far the job is.
    pub fn progress(&mut self, progress: ProgressNews) {
        self.0.progress = Some(progress);
    }

    /// How the place stands that results are read from.
    pub fn following(&mut self, following: FollowedPlace) {
        self.0.following = Some(following);
    }

    /// What is computed.
    pub fn definition(&mut self, definition: DefinitionDescription) {
        self.0.definition = Some(Arc::new(definition));
    }

    /// Whether it should be emptied at once.
    pub fn is_full(&self) -> bool {
        self.0.rows.len() >= MOST
    }

    /// Empties it.
    pub fn take(&mut self) -> BoardUpdate {
        std::mem::take(&mut self.0)
    }
}

/// The board as a sink of a run.
#[derive(Debug)]
pub struct BoardSink {
    /// The board.
    pub board: Arc<Board>,
    /// `--delay`: what a watermark is behind the latest event time.
    pub delay: u64,
}

impl BoardSink {
    /// Counts how late the rows are: by how far the partition that is furthest had come, and by the clock.
    fn observe(&self, batch: &SinkBatch<'_>) {
        let delays = &self.board.delays;
        batch.commit.iter().for_each(|took| delays.commit.observe(*took));
        let open = batch.partitions.values().filter(|p| !p.ended && p.counts.accepted > 0);
        let latest = open.map(|p| p.watermark.plus(self.delay)).max();
        let now = EventTime::from_micros(progress::now_ms().saturating_mul(1_000));
        let late =
            |row: &Row, by: EventTime| Duration::from_micros(by.micros().saturating_sub(row.end.micros()));
        for row in batch.rows.iter().filter(|row| row.content.stage.is_closed()) {
            latest.iter().for_each(|latest| delays.by_event_time.observe(late(row, *latest)));
            // Those of a recording say nothing of this machine.
            Some(late(row, now))
                .filter(|late| *late < OF_TODAY)
                .iter()
                .for_each(|late| delays.by_clock.observe(*late));
        }
    }
}

impl Sink for BoardSink {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        self.observe(batch);
        let rows: Vec<CachedRow> = batch.rows.iter().map(CachedRow::of).collect();
        let progress = ProgressNews::of(batch, progress::now_ms(), false);
        self.board.tell(|inbox| {
            rows.into_iter().for_each(|row| inbox.row(row));
            inbox.progress(progress);
        });
        Ok(())
    }

    fn finish(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        let progress = ProgressNews::of(batch, progress::now_ms(), true);
        self.board.tell(|inbox| inbox.progress(progress));
        Ok(())
    }
}
