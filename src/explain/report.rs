//! What is told of a window: each row with its firing, who held that, the trades that entered since the one
//! before, and what was refused.

use super::judged::{FiringMover, JudgedPartition, JudgedTrade, MovedBy};
use crate::config::explain::Explain;
use anyhow::Result;
use crossrate_dataflows::market::decimal::Decimals;
use crossrate_dataflows::market::definition::MissingLeg;
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::row::{Row, Stage};
use crossrate_dataflows::market::schema::{FieldType, RowKind};
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::value::Value;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Trades of one symbol that the text lists one by one; of more it tells the number.
const LISTED: usize = 10;

/// All that is told.
pub(super) struct ExplainReport<'a> {
    explain: &'a Explain,
    partitions: &'a [JudgedPartition],
    revisions: Vec<Revision<'a>>,
}

/// A row, and what has happened since the one before it.
struct Revision<'a> {
    row: &'a Row,
    entered: Vec<PlacedTrade<'a>>,
}

/// A trade and its partition.
type PlacedTrade<'a> = (&'a JudgedPartition, &'a JudgedTrade);

/// Which partition a firing waited for.
#[derive(Debug, Copy, Clone)]
enum FiringHolder<'a> {
    /// That one came last, by its record's Kafka timestamp or since it is the only one.
    Last(&'a JudgedPartition),
    /// That one never came so far: the end of the input did.
    End(&'a JudgedPartition),
    /// Several files: nothing tells which was read first.
    Unknown,
}

impl<'a> ExplainReport<'a> {
    pub(super) fn of(
        explain: &'a Explain,
        rows: &'a [Row],
        partitions: &'a [JudgedPartition],
    ) -> ExplainReport<'a> {
        let mut before = EventTime::MIN;
        let mut revisions = Vec::new();
        for row in rows {
            let entered = trades(partitions).filter(|(_, trade)| {
                trade.refused.is_none() && (before..row.look).contains(&trade.watermark)
            });
            revisions.push(Revision { row, entered: entered.collect() });
            before = row.look;
        }
        ExplainReport { explain, partitions, revisions }
    }

    fn refused(&self) -> impl Iterator<Item = PlacedTrade<'a>> {
        trades(self.partitions).filter(|(_, trade)| trade.refused.is_some())
    }

    /// Why there is no row.
    fn absence(&self) -> &'static str {
        let counts = trades(self.partitions).any(|(_, trade)| trade.refused.is_none());
        let withholds = self.explain.config.definition.missing_leg == MissingLeg::Withhold;
        match (self.explain.kind, counts) {
            (RowKind::Symbol, false) => "it has no trade in the window that counts",
            (_, false) if self.explain.config.definition.quotes.is_some() => {
                "it had no path then, or no symbol of its path has a trade in the window that counts"
            }
            (_, false) => "none of its legs has a trade in the window that counts",
            (RowKind::Cross, true) if withholds => {
                "a leg has no trade in the window, and --missing-leg is withhold"
            }
            (_, true) => "the window is not one that the definition had then, or was not seen whole",
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Explain { kind, name, end, .. } = self.explain;
        let (start, window) = (self.explain.start(), self.explain.window().name());
        let mut text = format!("{} {name}, window {window}, from {start} to {end}\n", kind.as_str());
        if self.revisions.is_empty() {
            let _ = writeln!(text, "\nno row: {}", self.absence());
        }
        self.revisions.iter().for_each(|revision| self.write_revision(revision, &mut text));
        self.write_refused(&mut text);
        text
    }

    fn write_revision(&self, Revision { row, entered }: &Revision<'_>, text: &mut String) {
        let what = match row.content.stage {
            Stage::Provisional => "provisional".to_owned(),
            Stage::Closed { revision, last: true } => format!("revision {revision}, final"),
            Stage::Closed { revision, last: false } => format!("revision {revision}"),
        };
        let by = row.content.closed_by.map_or_else(String::new, |by| format!(", closed by {}", by.as_str()));
        let _ = writeln!(text, "\n{what}, at the firing of {}{by}", row.look);
        let status = row.value("status").and_then(Value::as_text);
        let status = status.map_or_else(String::new, |status| format!(", {status}"));
        let _ = writeln!(text, "  vwap {}{status}", shown(row.value("vwap")));
        if let Some(path) = path(row) {
            let _ = writeln!(text, "  path {path}");
        }
        for leg in row.items("legs") {
            let number = |field: &str| leg.value(field).and_then(Value::as_integer).unwrap_or(0);
            let trades = match number("age_ms") {
                0 => counted(number("trades")),
                age => format!("of a window that ended {age} ms before"),
            };
            let symbol = leg.value("symbol").and_then(Value::as_text).unwrap_or_default();
            let _ = writeln!(text, "  leg {symbol} at {}, {trades}", shown(leg.value("vwap")));
        }
        self.write_firing(row.look, text);
        self.write_entered(entered, text);
    }

    fn write_firing(&self, firing: EventTime, text: &mut String) {
        text.push_str("  watermarks that reached the firing:\n");
        for partition in self.partitions {
            let _ = match partition.reached.get(&firing) {
                Some(FiringMover { by, offset, time, watermark, .. }) => writeln!(
                    text,
                    "    {}: record {offset}, a {} of {time}, took it to {watermark}",
                    partition.name,
                    moved_by(*by)
                ),
                None => writeln!(text, "    {}: none of its records; the end of the input", partition.name),
            };
        }
        let _ = match holder(self.partitions, firing) {
            FiringHolder::Last(partition) => writeln!(text, "  held by {}", partition.name),
            FiringHolder::End(partition) => writeln!(text, "  held by {}, until it ended", partition.name),
            FiringHolder::Unknown => writeln!(text, "  held by the partition that was read last"),
        };
    }

    fn write_entered(&self, entered: &[PlacedTrade<'_>], text: &mut String) {
        if entered.is_empty() {
            text.push_str("  no trade of it entered since the firing before\n");
            return;
        }
        let mut by_symbol: BTreeMap<&Symbol, Vec<&PlacedTrade<'_>>> = BTreeMap::new();
        for judged in entered {
            by_symbol.entry(&judged.1.symbol).or_default().push(judged);
        }
        text.push_str("  entered since the firing before:\n");
        for (symbol, trades) in by_symbol {
            let _ = writeln!(text, "    {symbol}: {}", counted(trades.len() as i64));
            for (partition, trade) in trades.iter().take(LISTED) {
                let _ = writeln!(text, "      {}", self.trade(partition, trade));
            }
            if trades.len() > LISTED {
                let _ = writeln!(text, "      and {} more; --json tells all", trades.len() - LISTED);
            }
        }
        let more: u64 = self.partitions.iter().map(|partition| partition.more_trades).sum();
        if more > 0 {
            let _ = writeln!(text, "    and of the whole window {more} more that are not told apart");
        }
    }

    fn trade(&self, partition: &JudgedPartition, judged: &JudgedTrade) -> String {
        let (price, quantity) = numbers(judged, self.explain.config.definition.decimals());
        let (trade, offset) = (&judged.trade, judged.offset);
        format!(
            "id {}: {quantity} at {price}, {}, record {offset} of {}",
            trade.id, trade.time, partition.name
        )
    }

    fn write_refused(&self, text: &mut String) {
        let (mut lines, mut count) = (String::new(), 0);
        for (partition, judged) in self.refused() {
            count += 1;
            if let Some(refused) = judged.refused.as_ref().filter(|_| count <= 2 * LISTED) {
                let (class, why) = (refused.class, &refused.why);
                let trade = self.trade(partition, judged);
                let _ = writeln!(lines, "  {class} {} {trade}: {why}", judged.symbol);
            }
        }
        let _ = match count {
            0 => writeln!(text, "\nno trade of the window was refused"),
            _ => write!(text, "\nrefused, of the window's trades:\n{lines}"),
        };
        if count > 2 * LISTED {
            let _ = writeln!(text, "  and {} more; --json tells all", count - 2 * LISTED);
        }
        for partition in self.partitions.iter().filter(|partition| !partition.bad.is_empty()) {
            let (offset, why) = &partition.bad[0];
            let bad = partition.bad.len() as u64 + partition.more_bad;
            let _ = writeln!(
                text,
                "{bad} bad records of {} came meanwhile; the first is record {offset}: {why}",
                partition.name
            );
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Result<String> {
        let revisions: Result<Vec<Json>> =
            self.revisions.iter().map(|revision| self.revision(revision)).collect();
        let refused = self.refused().map(|(partition, judged)| {
            let mut told = self.trade_json(partition, judged);
            if let (Some(refused), Some(told)) = (&judged.refused, told.as_object_mut()) {
                told.insert("class".into(), refused.class.into());
                told.insert("why".into(), refused.why.as_str().into());
            }
            told
        });
        let bad = self.partitions.iter().flat_map(|partition| {
            let told = |(offset, why): &(i64, String)| {
                json!({ "partition": partition.number, "offset": offset, "why": why })
            };
            partition.bad.iter().map(told)
        });
        let told = json!({
            "kind": self.explain.kind.as_str(),
            "name": self.explain.name.as_str(),
            "window": self.explain.window().name(),
            "start_ms": self.explain.start().millis(),
            "end_ms": self.explain.end.millis(),
            "absence": self.revisions.is_empty().then(|| self.absence()),
            "revisions": revisions?,
            "refused": refused.collect::<Vec<Json>>(),
            "bad": bad.collect::<Vec<Json>>(),
            "not_told": self.partitions.iter().map(|p| p.more_trades + p.more_bad).sum::<u64>(),
        });
        Ok(format!("{told}\n"))
    }

    fn revision(&self, Revision { row, entered }: &Revision<'_>) -> Result<Json> {
        let (row_json, firing): (Json, _) = (serde_json::from_str(&row.json)?, row.look);
        let watermarks = self.partitions.iter().map(|partition| {
            let mover = partition.reached.get(&firing);
            json!({
                "partition": partition.number,
                "name": partition.name,
                "offset": mover.map(|mover| mover.offset),
                "moved_by": mover.map_or("end", |mover| moved_by(mover.by)),
                "time_us": mover.map(|mover| mover.time.micros()),
                "watermark_us": mover.map(|mover| mover.watermark.micros()),
                "kafka_ms": mover.map(|mover| mover.kafka_ms).filter(|ms| *ms > 0),
            })
        });
        let holder = match holder(self.partitions, firing) {
            FiringHolder::Last(partition) | FiringHolder::End(partition) => Some(partition.number),
            FiringHolder::Unknown => None,
        };
        let entered = entered.iter().map(|(partition, judged)| self.trade_json(partition, judged));
        Ok(json!({
            "firing_us": firing.micros(),
            "row": row_json,
            "path": path(row),
            "held_by": holder,
            "watermarks": watermarks.collect::<Vec<Json>>(),
            "entered": entered.collect::<Vec<Json>>(),
        }))
    }

    fn trade_json(&self, partition: &JudgedPartition, judged: &JudgedTrade) -> Json {
        let (price, quantity) = numbers(judged, self.explain.config.definition.decimals());
        json!({
            "symbol": judged.symbol.as_str(),
            "id": judged.trade.id,
            "price": price,
            "quantity": quantity,
            "time_us": judged.trade.time.micros(),
            "partition": partition.number,
            "offset": judged.offset,
            "watermark_us": judged.watermark.micros(),
        })
    }
}

/// Which partition a firing waited for.
fn holder(partitions: &[JudgedPartition], firing: EventTime) -> FiringHolder<'_> {
    let reached = |partition: &JudgedPartition| partition.reached.get(&firing).copied();
    if let Some(behind) = partitions.iter().find(|partition| reached(partition).is_none()) {
        return FiringHolder::End(behind);
    }
    let kafka_ms = |partition: &&JudgedPartition| reached(partition).map_or(0, |mover| mover.kafka_ms);
    match partitions {
        [only] => FiringHolder::Last(only),
        all if all.iter().all(|partition| kafka_ms(&partition) > 0) => {
            all.iter().max_by_key(kafka_ms).map_or(FiringHolder::Unknown, FiringHolder::Last)
        }
        _ => FiringHolder::Unknown,
    }
}

/// `1 trade`, `2 trades`.
fn counted(trades: i64) -> String {
    if trades == 1 { "1 trade".into() } else { format!("{trades} trades") }
}

/// All trades of the window, by partition and in their order.
fn trades(partitions: &[JudgedPartition]) -> impl Iterator<Item = PlacedTrade<'_>> {
    partitions.iter().flat_map(|partition| partition.trades.iter().map(move |trade| (partition, trade)))
}

fn moved_by(by: MovedBy) -> &'static str {
    match by {
        MovedBy::Trade => "trade",
        MovedBy::Heartbeat => "heartbeat",
    }
}

fn shown(value: Option<&Value>) -> String {
    value
        .and_then(|value| value.text(FieldType::Decimal))
        .map_or_else(|| "null".into(), |text| text.into_owned())
}

/// Price and quantity, as decimals.
fn numbers(judged: &JudgedTrade, decimals: Decimals) -> (String, String) {
    let text = |scaled: i64, places: u8| shown(Some(&Value::decimal(scaled.into(), places)));
    let JudgedTrade { trade, .. } = judged;
    (text(trade.price.scaled(), decimals.price), text(trade.quantity.scaled(), decimals.quantity))
}

/// The legs of a cross as a formula.
fn path(row: &Row) -> Option<String> {
    let mut path = String::new();
    for leg in row.items("legs") {
        let is_inverse = leg.value("inverse") == Some(&Value::Boolean(true));
        path.push_str(match (path.is_empty(), is_inverse) {
            (true, false) => "",
            (true, true) => "1/",
            (false, false) => "*",
            (false, true) => "/",
        });
        path.push_str(leg.value("symbol").and_then(Value::as_text).unwrap_or_default());
    }
    (!path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: u32, reached: Option<i64>) -> JudgedPartition {
        let at = EventTime::from_micros;
        let mover = |kafka_ms| {
            let by = MovedBy::Trade;
            (at(9), FiringMover { by, offset: 1, time: at(12), kafka_ms, watermark: at(10) })
        };
        JudgedPartition {
            number,
            name: format!("trades-{number}"),
            reached: reached.map(mover).into_iter().collect(),
            trades: Vec::new(),
            more_trades: 0,
            bad: Vec::new(),
            more_bad: 0,
        }
    }

    #[test]
    fn the_holder_is_the_partition_that_came_last_or_never() {
        let holder = |reached: &[Option<i64>]| {
            let partitions: Vec<_> = (0..).zip(reached).map(|(number, at)| partition(number, *at)).collect();
            match holder(&partitions, EventTime::from_micros(9)) {
                FiringHolder::Last(partition) => format!("last {}", partition.number),
                FiringHolder::End(partition) => format!("end {}", partition.number),
                FiringHolder::Unknown => "unknown".to_owned(),
            }
        };
        assert_eq!(holder(&[Some(0)]), "last 0");
        assert_eq!(holder(&[Some(5), Some(7), Some(6)]), "last 1");
        assert_eq!(holder(&[Some(5), None, Some(6)]), "end 1");
        assert_eq!(holder(&[Some(0), Some(0)]), "unknown");
    }
}
