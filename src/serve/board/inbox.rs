//! How the dataflow's thread tells the board: a sink that puts its news where the server takes them out.

use super::about::Described;
use super::progress::{Following, ProgressNews};
use super::series::Kept;
use super::{Board, progress};
use crate::sink::{Sink, SinkBatch};
use anyhow::Result;
use std::sync::Arc;

/// Rows that may lie in the inbox before the dataflow's thread takes them over to the board itself.
const MOST: usize = 65_536;

/// News that the board has not taken in.
#[derive(Debug, Default)]
pub struct Inbox(News);

/// What is new.
#[derive(Debug, Default)]
pub struct News {
    /// Everything that was there before is obsolete.
    pub anew: bool,
    /// Rows, in their order.
    pub rows: Vec<Kept>,
    /// How far the job is, where that is news.
    pub progress: Option<ProgressNews>,
    /// How the place stands that results are read from, where that is news.
    pub following: Option<Following>,
    /// What is computed, where that is news.
    pub definition: Option<Arc<Described>>,
}

impl Inbox {
    /// Everything that was told before is obsolete.
    pub fn anew(&mut self) {
        self.0.rows.clear();
        self.0.definition = None;
        self.0.anew = true;
    }

    /// A row.
    pub fn row(&mut self, row: Kept) {
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
    pub fn take(&mut self) -> News {
        std::mem::take(&mut self.0)
    }
}

/// The board as a sink of a run.
#[derive(Debug)]
pub struct BoardSink(pub Arc<Board>);

impl Sink for BoardSink {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<()> {
        let rows: Vec<Kept> = batch.rows.iter().map(Kept::of).collect();
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
