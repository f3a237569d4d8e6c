//! The way from the dataflow's thread to the board: a sink that puts updates where the server takes them out.

use super::about::Described;
use super::progress::{Following, ProgressNews};
use super::series::CachedRow;
use super::{Board, progress};
use crate::sink::{Sink, SinkBatch};
use anyhow::Result;
use std::sync::Arc;

/// Rows that may lie in the inbox before the dataflow's thread takes them over to the board itself.
const MOST: usize = 65_536;

/// The update that the board has not taken in.
#[derive(Debug, Default)]
pub struct Inbox(BoardUpdate);

/// What has changed since the board took the inbox.
#[derive(Debug, Default)]
pub struct BoardUpdate {
    /// Whether everything that the board has is obsolete.
    pub is_cleared: bool,
    /// Rows, in their order.
    pub rows: Vec<CachedRow>,
    /// How far the job is, where that has changed.
    pub progress: Option<ProgressNews>,
    /// How the store stands that results are read from, where that has changed.
    pub following: Option<Following>,
    /// What is computed, where that has changed.
    pub definition: Option<Arc<Described>>,
}

impl Inbox {
    /// Everything that was told before is obsolete.
    pub fn clear(&mut self) {
        self.0.rows.clear();
        self.0.definition = None;
        self.0.is_cleared = true;
    }

    /// A row.
    pub fn row(&mut self, row: CachedRow) {
        self.0.rows.push(row);
    }

    /// How far the job is.
    pub fn progress(&mut self, progress: ProgressNews) {
        self.0.progress = Some(progress);
    }

    /// How the place stands that results are read from.
    pub fn following(&mut self, following: Following) {
        self.0.following = Some(following);
    }

    /// What is computed.
    pub fn definition(&mut self, definition: Described) {
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
pub struct BoardSink(pub Arc<Board>);

impl Sink for BoardSink {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        let rows: Vec<CachedRow> = batch.rows.iter().map(CachedRow::of).collect();
        let progress = ProgressNews::of(batch, progress::now_ms(), false);
        self.0.tell(|inbox| {
            rows.into_iter().for_each(|row| inbox.row(row));
            inbox.progress(progress);
        });
        Ok(())
    }

    fn finish(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        let progress = ProgressNews::of(batch, progress::now_ms(), true);
        self.0.tell(|inbox| inbox.progress(progress));
        Ok(())
    }
}
