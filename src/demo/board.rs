//! What the display remembers of what it was told, and what of it is worth a note. Knows no terminal.

use super::{DemoPartition, DemoProgress, RefusalLine};
use crate::terminal::{clock, grouped, plural, rate};
use crossrate_dataflows::market::acceptance::Counts;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::{Item, Row, Stage};
use crossrate_dataflows::market::schema::{FieldType, RowKind};
use crossrate_dataflows::market::value::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// Rates of a cross that are remembered for its curve.
const CURVE: usize = 40;
/// Notes that are remembered.
const NOTES: usize = 50;

/// Something to be told, besides the tables.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Announcement {
    /// A window of a cross is final and has a rate.
    Rate { start_ms: u64, end_ms: u64, name: String, rate: String, n: u64, mean: String, std: Option<f64> },
    /// Something worth a note.
    Note(BoardNote),
}

/// A noteworthy thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BoardNote {
    /// One word for it.
    pub(super) what: &'static str,
    /// The sentence.
    pub(super) text: String,
}

/// All that was told.
#[derive(Debug, Default)]
pub(super) struct DemoBoard {
    /// The definition of the windows that are shown.
    pub(super) window: String,
    /// How many final rows there are of windows that are not shown, by definition.
    pub(super) others: BTreeMap<String, u64>,
    pub(super) crosses: BTreeMap<String, CrossView>,
    pub(super) symbols: BTreeMap<String, SymbolView>,
    pub(super) partitions: Vec<DemoPartition>,
    pub(super) frontier: EventTime,
    pub(super) elapsed: Duration,
    pub(super) notes: VecDeque<BoardNote>,
    /// Final rows, and the sum of their digests: the same in whatever order they came.
    pub(super) final_rows: u64,
    pub(super) digest: u64,
    /// What closed rows that are not final yet have said: (kind, name, start) to (trades, rate, missing ids).
    closed: BTreeMap<(RowKind, String, u64), EarlierRow>,
}

#[derive(Debug)]
struct EarlierRow {
    revision: u32,
    trades: u64,
    vwap: Option<String>,
    missing_ids: i64,
}

/// A cross, as it stands.
#[derive(Debug, Default)]
pub(super) struct CrossView {
    /// The last final window's start, `complete` or so, and rate.
    pub(super) last: Option<(u64, String, Option<String>)>,
    /// Its legs in the last final window, as a formula.
    pub(super) path: String,
    /// The open window's start and rate.
    pub(super) open: Option<(u64, Option<String>)>,
    pub(super) n: u64,
    pub(super) mean: Option<String>,
    pub(super) std: Option<f64>,
    pub(super) curve: VecDeque<f64>,
}

/// A symbol, as it stands.
#[derive(Debug, Default)]
pub(super) struct SymbolView {
    /// The last final window's start and VWAP.
    pub(super) last: Option<(u64, String)>,
    /// The open window's start and VWAP.
    pub(super) open: Option<(u64, String)>,
    /// Of all final windows.
    pub(super) trades: u64,
    pub(super) missing_ids: i64,
}

/// What we look at in a row.
#[derive(Debug)]
struct RowView {
    kind: RowKind,
    name: String,
    start_ms: u64,
    end_ms: u64,
    vwap: Option<String>,
    trades: u64,
    missing_ids: i64,
    status: String,
    legs: Vec<LegView>,
    stage: Stage,
    n: u64,
    mean: Option<String>,
    std: Option<f64>,
}

#[derive(Debug)]
struct LegView {
    symbol: String,
    is_inverse: bool,
    vwap: Option<String>,
    age_ms: i64,
}

impl RowView {
    fn of(row: &Row) -> RowView {
        let text =
            |field| row.value(field).and_then(|value| value.text(FieldType::Decimal)).map(Cow::into_owned);
        let whole = |field| row.value(field).and_then(Value::as_integer).unwrap_or(0);
        let std = if let Some(Value::Real(std)) = row.value("std") { Some(*std) } else { None };
        RowView {
            kind: row.kind,
            name: row.name.as_str().to_owned(),
            start_ms: row.start.millis(),
            end_ms: row.end.millis(),
            vwap: text("vwap"),
            trades: u64::try_from(whole("trades")).unwrap_or(0),
            missing_ids: whole("missing_ids"),
            status: text("status").unwrap_or_default(),
            legs: row.items("legs").map(LegView::of).collect(),
            stage: row.content.stage,
            n: u64::try_from(whole("n")).unwrap_or(0),
            mean: text("mean"),
            std,
        }
    }
}

impl LegView {
    fn of(item: Item<'_>) -> LegView {
        let text =
            |field| item.value(field).and_then(|value| value.text(FieldType::Decimal)).map(Cow::into_owned);
        LegView {
            symbol: text("symbol").unwrap_or_default(),
            is_inverse: item.value("inverse") == Some(&Value::Boolean(true)),
            vwap: text("vwap"),
            age_ms: item.value("age_ms").and_then(Value::as_integer).unwrap_or(0),
        }
    }
}

/// Legs as a formula.
fn path(legs: &[LegView]) -> String {
    let mut path = String::new();
    for leg in legs {
        path.push_str(match (path.is_empty(), leg.is_inverse) {
            (true, false) => "",
            (true, true) => "1/",
            (false, false) => "*",
            (false, true) => "/",
        });
        path.push_str(&leg.symbol);
    }
    path
}

impl DemoBoard {
    /// An empty one that shows windows of that definition.
    pub(super) fn of(window: &str) -> DemoBoard {
        DemoBoard { window: window.to_owned(), ..DemoBoard::default() }
    }

    /// A row that left. Of windows that are not shown it is counted.
    pub(super) fn row(&mut self, row: &Row) -> Vec<Announcement> {
        if row.is_final() {
            self.final_rows += 1;
            self.digest = self.digest.wrapping_add(xxh3_64(row.json.as_bytes()));
        }
        if row.window != self.window {
            *self.others.entry(row.window.to_string()).or_default() += u64::from(row.is_final());
            return Vec::new();
        }
        let row = RowView::of(row);
        let mut told = Vec::new();
        if row.kind.schema().corrected && row.stage.is_closed() {
            told.extend(self.correction(&row).map(|note| self.note(note)));
        }
        match row.kind {
            RowKind::Symbol => told.extend(self.symbol(row).map(|note| self.note(note))),
            RowKind::Cross => told.extend(self.cross(row).map(|note| self.note(note))),
            RowKind::Stats => told.push(self.stats(row)),
            // The tables have no place for others.
            #[allow(unreachable_patterns)]
            _ => {}
        }
        told
    }

    fn note(&mut self, note: BoardNote) -> Announcement {
        if self.notes.len() == NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(note.clone());
        Announcement::Note(note)
    }

    fn stats(&mut self, row: RowView) -> Announcement {
        let cross = self.crosses.entry(row.name.clone()).or_default();
        cross.n = row.n;
        cross.mean.clone_from(&row.mean);
        cross.std = row.std;
        let rate = row.vwap.unwrap_or_default();
        // A curve is looked at, not computed with.
        cross.curve.push_back(rate.parse().unwrap_or(0.0));
        if cross.curve.len() > CURVE {
            cross.curve.pop_front();
        }
        Announcement::Rate {
            start_ms: row.start_ms,
            end_ms: row.end_ms,
            name: row.name,
            rate,
            n: row.n,
            mean: row.mean.unwrap_or_default(),
            std: row.std,
        }
    }

    /// Whether a closed row says something else than the one before it of its window did.
    fn correction(&mut self, row: &RowView) -> Option<BoardNote> {
        let key = (row.kind, row.name.clone(), row.start_ms);
        let revision = row.stage.revision().unwrap_or(0);
        let now =
            EarlierRow { revision, trades: row.trades, vwap: row.vwap.clone(), missing_ids: row.missing_ids };
        let before =
            if row.stage.is_final() { self.closed.remove(&key) } else { self.closed.insert(key, now) };
        let before = before.filter(|before| before.revision < revision)?;
        let or_none = |vwap: &Option<String>| vwap.as_deref().map_or("no rate".to_owned(), rate);
        let mut text = format!("{} {}: ", row.name, clock(row.start_ms));
        text.push_str(&match row.trades.checked_sub(before.trades) {
            Some(more) if more > 0 => {
                format!("{} came within the grace; ", plural(more, "more trade"))
            }
            _ => "a leg was corrected; ".to_owned(),
        });
        text.push_str(&format!("{} -> {}", or_none(&before.vwap), or_none(&row.vwap)));
        if before.missing_ids != row.missing_ids {
            text.push_str(&format!(", missing ids {} -> {}", before.missing_ids, row.missing_ids));
        }
        Some(BoardNote { what: "corrected", text })
    }

    fn symbol(&mut self, row: RowView) -> Option<BoardNote> {
        let symbol = self.symbols.entry(row.name.clone()).or_default();
        let vwap = row.vwap.unwrap_or_default();
        if !row.stage.is_closed() {
            symbol.open = Some((row.start_ms, vwap));
            return None;
        }
        if symbol.open.as_ref().is_some_and(|(start, _)| *start <= row.start_ms) {
            symbol.open = None;
        }
        if !row.stage.is_final() {
            return None;
        }
        symbol.last = Some((row.start_ms, vwap));
        // Of windows that overlap, those that begin at multiples of their size hold each trade once.
        if !row.start_ms.is_multiple_of(row.end_ms.saturating_sub(row.start_ms)) {
            return None;
        }
        symbol.trades += row.trades;
        symbol.missing_ids += row.missing_ids;
        let at = clock(row.start_ms);
        match row.missing_ids {
            0 => None,
            1.. => {
                let n = plural(row.missing_ids.unsigned_abs(), "trade");
                Some(BoardNote {
                    what: "gap",
                    text: format!("{} {at}: {n} never came; their ids are missing", row.name),
                })
            }
            _ => {
                let n = plural(row.missing_ids.unsigned_abs(), "trade");
                Some(BoardNote {
                    what: "surplus",
                    text: format!("{} {at}: {n} more than its ids allow", row.name),
                })
            }
        }
    }

    fn cross(&mut self, row: RowView) -> Option<BoardNote> {
        let cross = self.crosses.entry(row.name.clone()).or_default();
        if !row.stage.is_closed() {
            cross.open = Some((row.start_ms, row.vwap));
            return None;
        }
        if cross.open.as_ref().is_some_and(|(start, _)| *start <= row.start_ms) {
            cross.open = None;
        }
        if !row.stage.is_final() {
            return None;
        }
        let at = clock(row.start_ms);
        let note = match row.status.as_str() {
            "leg_missing" => {
                let missing: Vec<&str> =
                    row.legs.iter().filter(|l| l.vwap.is_none()).map(|l| l.symbol.as_str()).collect();
                let text =
                    format!("{} {at}: {} did not trade, so there is no rate", row.name, missing.join(", "));
                Some(BoardNote { what: "no rate", text })
            }
            "carried" => {
                let old: Vec<String> = row
                    .legs
                    .iter()
                    .filter(|l| l.age_ms > 0)
                    .map(|l| format!("{} of {} s before", l.symbol, l.age_ms / 1_000))
                    .collect();
                let text = format!("{} {at}: with {}", row.name, old.join(", "));
                Some(BoardNote { what: "carried", text })
            }
            _ => None,
        };
        let path = path(&row.legs);
        let has_changed = !cross.path.is_empty() && cross.path != path;
        let note = note.or(has_changed.then(|| {
            let text = format!("{} {at}: {path}, which trades more by now than {}", row.name, cross.path);
            BoardNote { what: "path", text }
        }));
        cross.path = path;
        cross.last = Some((row.start_ms, row.status, row.vwap));
        note
    }

    /// A record that was refused.
    pub(super) fn refused(&mut self, refused: &RefusalLine<'_>) -> Vec<Announcement> {
        let what = match refused.reason {
            "late" => "late",
            "future" => "future",
            _ => "bad",
        };
        let offset = grouped(refused.offset.unsigned_abs());
        let text = format!("partition {}, record {offset}: {}", refused.partition, refused.detail);
        vec![self.note(BoardNote { what, text })]
    }

    /// How far the run is.
    pub(super) fn progress(&mut self, progress: &DemoProgress<'_>) -> Vec<Announcement> {
        self.frontier = progress.frontier;
        self.elapsed = progress.elapsed;
        self.partitions.resize(progress.partitions.len(), DemoPartition::default());
        let mut notes = Vec::new();
        for (number, (before, now)) in self.partitions.iter_mut().zip(progress.partitions).enumerate() {
            let more = now.counts.duplicate.saturating_sub(before.counts.duplicate);
            if more > 0 {
                let text = match more {
                    1 => format!("partition {number}: a trade came twice and was counted once"),
                    _ => format!(
                        "partition {number}: {} trades came again and were not counted",
                        grouped(more)
                    ),
                };
                notes.push(BoardNote { what: "duplicate", text });
            }
            *before = *now;
        }
        notes.into_iter().map(|note| self.note(note)).collect()
    }

    /// What became of all records.
    pub(super) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for partition in &self.partitions {
            sum.add(&partition.counts);
        }
        sum
    }

    /// The event time that the furthest partition has come to.
    pub(super) fn furthest(&self) -> Option<EventTime> {
        let watermarks = self.partitions.iter().filter(|p| !p.ended).map(|p| p.watermark);
        watermarks.max().filter(|w| *w > EventTime::MIN)
    }

    /// Partitions that hold the frontier: those with the least watermark, where it is not everybody's.
    pub(super) fn holds(&self, partition: &DemoPartition) -> bool {
        let open = || self.partitions.iter().filter(|p| !p.ended).map(|p| p.watermark);
        !partition.ended
            && open().min() == Some(partition.watermark)
            && open().max() > Some(partition.watermark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::columns::read;

    fn notes(told: &[Announcement]) -> Vec<(&'static str, String)> {
        let note = |t: &Announcement| {
            if let Announcement::Note(n) = t { Some((n.what, n.text.clone())) } else { None }
        };
        told.iter().filter_map(note).collect()
    }

    fn symbol(trades: u64, vwap: &str, missing: i64, revision: &str, closed: bool, last: bool) -> String {
        format!(
            r#"{{"kind":"symbol","name":"ETHUSDT","start_ms":1525132930000,"end_ms":1525132940000,"trades":{trades},"vwap":"{vwap}","missing_ids":{missing},"revision":{revision},"closed":{closed},"final":{last},"closed_by":"event"}}"#
        )
    }

    #[test]
    fn a_correction_is_told_once_and_a_repeated_revision_is_none() {
        let mut board = DemoBoard::default();
        assert_eq!(board.row(&read(&symbol(3, "667.1", 0, "null", false, false)).unwrap()), []);
        assert_eq!(board.symbols["ETHUSDT"].open, Some((1_525_132_930_000, "667.1".into())));
        assert_eq!(board.row(&read(&symbol(4, "668.1", 5, "0", true, false)).unwrap()), []);
        assert_eq!(board.symbols["ETHUSDT"].open, None);
        let told = board.row(&read(&symbol(9, "668.2", 0, "1", true, false)).unwrap());
        let text =
            "ETHUSDT 00:02:10: 5 more trades came within the grace; 668.1 -> 668.2, missing ids 5 -> 0";
        assert_eq!(notes(&told), [("corrected", text.to_owned())]);
        assert_eq!(board.final_rows, 0);
        assert_eq!(board.row(&read(&symbol(9, "668.2", 0, "1", true, true)).unwrap()), []);
        assert_eq!((board.final_rows, board.symbols["ETHUSDT"].trades), (1, 9));
        assert!(board.closed.is_empty());
    }

    #[test]
    fn overlapping_windows_count_each_trade_and_each_gap_once() {
        let mut board = DemoBoard::default();
        let shifted = symbol(4, "668.1", 3, "0", true, true)
            .replace("1525132930000", "1525132935000")
            .replace("1525132940000", "1525132945000");
        assert_eq!(notes(&board.row(&read(&symbol(4, "668.1", 3, "0", true, true)).unwrap())).len(), 1);
        assert_eq!(notes(&board.row(&read(&shifted).unwrap())), []);
        let state = &board.symbols["ETHUSDT"];
        assert_eq!(
            (state.trades, state.missing_ids, state.last.as_ref().unwrap().0),
            (4, 3, 1_525_132_935_000)
        );
    }

    #[test]
    fn rows_of_windows_that_are_not_shown_are_counted() {
        let mut board = DemoBoard::default();
        let row = symbol(4, "668.1", 3, "0", true, true);
        let other = row.replace("\"start_ms\"", "\"window\":\"anchored:all/10s\",\"start_ms\"");
        assert_eq!(board.row(&read(&other).unwrap()), []);
        assert_eq!(notes(&board.row(&read(&row).unwrap())).len(), 1);
        assert_eq!((board.final_rows, board.symbols["ETHUSDT"].trades), (2, 4));
        assert_eq!(board.others, BTreeMap::from([("anchored:all/10s".to_owned(), 1)]));
    }

    #[test]
    fn a_correction_that_only_the_final_row_brings_is_told() {
        let mut board = DemoBoard::default();
        board.row(&read(&symbol(4, "668.1", 0, "0", true, false)).unwrap());
        assert_eq!(notes(&board.row(&read(&symbol(5, "668.2", 0, "1", true, true)).unwrap())).len(), 1);
    }

    #[test]
    fn gaps_and_surpluses_are_told_when_final() {
        let mut board = DemoBoard::default();
        assert_eq!(notes(&board.row(&read(&symbol(4, "668.1", 3, "0", true, false)).unwrap())), []);
        let told = notes(&board.row(&read(&symbol(4, "668.1", 3, "0", true, true)).unwrap()));
        assert_eq!(
            told,
            [("gap", "ETHUSDT 00:02:10: 3 trades never came; their ids are missing".to_owned())]
        );
        let told = notes(&DemoBoard::default().row(&read(&symbol(4, "668.1", -1, "0", true, true)).unwrap()));
        assert_eq!(told, [("surplus", "ETHUSDT 00:02:10: 1 trade more than its ids allow".to_owned())]);
    }

    #[test]
    fn duplicates_are_told_by_what_the_counters_rose() {
        let mut board = DemoBoard::default();
        let mut partitions = [DemoPartition::default(); 2];
        let tell = |board: &mut DemoBoard, partitions: &[DemoPartition]| {
            let progress = DemoProgress { partitions, frontier: EventTime::MIN, elapsed: Duration::ZERO };
            notes(&board.progress(&progress))
        };
        partitions[1].counts.duplicate = 1;
        let told = tell(&mut board, &partitions);
        assert_eq!(told, [("duplicate", "partition 1: a trade came twice and was counted once".to_owned())]);
        assert_eq!(tell(&mut board, &partitions), []);
        partitions[1].counts.duplicate = 3;
        let told = tell(&mut board, &partitions);
        assert_eq!(told, [("duplicate", "partition 1: 2 trades came again and were not counted".to_owned())]);
    }

    #[test]
    fn the_digest_forgets_the_order_and_nothing_else() {
        let rows = [symbol(1, "1.0", 0, "0", true, true), symbol(2, "1.0", 0, "0", true, true)];
        let digest = |rows: &[&String]| {
            let mut board = DemoBoard::default();
            rows.iter().for_each(|r| drop(board.row(&read(r).unwrap())));
            (board.final_rows, board.digest)
        };
        assert_eq!(digest(&[&rows[0], &rows[1]]), digest(&[&rows[1], &rows[0]]));
        assert_ne!(digest(&[&rows[0], &rows[1]]), digest(&[&rows[0], &rows[0]]));
        assert_eq!(digest(&[&symbol(1, "1.0", 0, "0", true, false)]), (0, 0));
    }

    #[test]
    fn the_partition_with_the_least_watermark_holds_the_frontier() {
        let at =
            |w, ended| DemoPartition { watermark: EventTime::from_micros(w), ended, ..Default::default() };
        let holders = |partitions: &[DemoPartition]| {
            let mut board = DemoBoard::default();
            board.progress(&DemoProgress { partitions, frontier: EventTime::MIN, elapsed: Duration::ZERO });
            partitions.iter().map(|p| board.holds(p)).collect::<Vec<_>>()
        };
        assert_eq!(holders(&[at(5, false), at(3, false), at(9, false)]), [false, true, false]);
        assert_eq!(holders(&[at(5, false), at(1, true), at(9, false)]), [true, false, false]);
        assert_eq!(holders(&[at(5, false), at(5, false)]), [false, false]);
    }
}
