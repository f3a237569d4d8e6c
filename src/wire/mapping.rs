//! Records of any venue, read by a mapping: a file that says where in a record a trade's fields stand.
//!
//! [`Mapping::parse`] compiles the file ([`mod@file`]) when the job starts: pointers become one tree
//! ([`paths`]), so that a JSON record is walked once ([`walk`]), without a tree of values and without an
//! allocation for a trade. Where the fields are values of one object, or of objects in an array, a way of
//! its own reads them straight ([`flat`]). Lines of CSV are taken apart by [`csv`]. Digits are taken as
//! written ([`decimal`], [`time`]), never through a float.
//!
//! This module knows one record. Files, topics and partitions are the business of [`crate::source`], and which trades
//! count that of acceptance.

use super::BadRecord;
use super::binance::MOST_BYTES;
use crossrate_dataflows::market::decimal::Decimals;
use crossrate_dataflows::market::event_time::EventTime;
use std::ops::Range;

#[cfg(feature = "avro")]
mod avro;
mod binary;
mod binary_parts;
mod condition;
mod csv;
mod decimal;
mod explain;
mod fault;
mod file;
mod finds;
mod flat;
mod paths;
mod pattern;
#[cfg(feature = "protobuf")]
mod protobuf;
mod record;
mod sheet;
mod time;
mod trade_id;
mod values;
mod walk;

pub use binary::{LastSchema, SchemaKind, SchemaText};
pub use file::MappingError;
pub use trade_id::{TradeId, TradeIdWords};

use binary::{Binary, SchemaSource};
use finds::{Finds, FoundValue};
use flat::{FlatScratch, FlatWays};
use paths::{Paths, TargetCell};
use record::RecordMapping;
use sheet::Sheet;
use time::{LastDay, Unit};
use values::{Texts, Values};

/// A compiled mapping.
#[derive(Debug)]
pub struct Mapping {
    encoding: Encoding,
    records: Vec<RecordMapping>,
}

#[derive(Debug)]
enum Encoding {
    /// With the fast ways of its records, where there are any.
    Json(Paths, Option<FlatWays>),
    Csv(csv::CsvColumns),
    Binary(Binary),
}

/// Who took the other's offer.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Taker {
    /// The buyer.
    Buy,
    /// The seller.
    Sell,
}

/// A trade as its record tells it.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct MappedTrade<'a> {
    /// Its symbol, with the venue's prefix: UTF-8.
    pub symbol: &'a [u8],
    /// What it is known by.
    pub id: TradeIdWords,
    /// In steps of the job's price scale; positive, below 2^63.
    pub price: i64,
    /// In steps of the job's quantity scale; positive, below 2^63.
    pub quantity: i64,
    /// When it was executed.
    pub time: EventTime,
    /// Who took the other's offer, where the record tells.
    pub taker: Option<Taker>,
}

/// What a record, or one element of it, is.
#[derive(Debug, Copy, Clone, PartialEq)]
pub enum MappedRecord<'a> {
    /// A trade.
    Trade(MappedTrade<'a>),
    /// The writer has nothing older than this to write.
    Heartbeat(EventTime),
    /// No condition holds, or there is no element.
    Ignored,
    /// Not as it must be.
    Bad(BadRecord),
}

/// What decoding needs beside the record, kept for its allocations.
#[derive(Debug, Default)]
pub struct MappingScratch {
    finds: Finds,
    fields: csv::CsvFields,
    text: String,
    symbol: String,
    other: String,
    day: LastDay,
    sheet: Sheet,
    schema: LastSchema,
    flat: FlatScratch,
}

/// Two are the same where they are one.
impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Mapping {}

impl Mapping {
    /// Compiles a mapping file; `name` is what its errors call it, `path` the path of the input file, for symbols that
    /// stand in its name.
    pub fn parse(name: &str, text: &str, path: Option<&str>) -> Result<Self, MappingError> {
        file::compile(name, text, path, None)
    }

    /// The same of a mapping that may name a file of schemas ([`schema_file`]), with what stands in it.
    pub fn parse_with(
        name: &str,
        text: &str,
        path: Option<&str>,
        schema: Option<&[u8]>,
    ) -> Result<Self, MappingError> {
        file::compile(name, text, path, schema)
    }

    /// How records are written, where that is by schemas.
    pub fn schema_kind(&self) -> Option<SchemaKind> {
        if let Encoding::Binary(binary) = &self.encoding { Some(binary.kind) } else { None }
    }

    /// Whether schemas are those of a registry.
    pub fn needs_registry(&self) -> bool {
        matches!(&self.encoding, Encoding::Binary(Binary { schemas: SchemaSource::Registry(_), .. }))
    }

    /// The id of the schema that a record needs and that is not known yet. Costs little for the one of the
    /// record before.
    pub fn missing_schema(&self, record: &[u8], last: &mut LastSchema) -> Option<u32> {
        if let Encoding::Binary(binary) = &self.encoding { binary.missing(record, last) } else { None }
    }

    /// Takes what the registry says of a schema id: nothing where it does not know it. Fails where records of that schema
    /// cannot be read; they are bad then.
    pub fn learn_schema(&self, id: u32, schema: Option<&SchemaText>) -> Result<(), String> {
        if let Encoding::Binary(binary) = &self.encoding { binary.learn(id, schema) } else { Ok(()) }
    }

    /// Whether records are text of JSON.
    pub fn is_json(&self) -> bool {
        matches!(self.encoding, Encoding::Json(..))
    }

    /// Whether records are lines of CSV.
    pub fn is_csv(&self) -> bool {
        matches!(self.encoding, Encoding::Csv(_))
    }

    /// Whether a line of a file is a record: neither white space nor the header.
    pub fn is_record(&self, line: &[u8]) -> bool {
        let is_header = match &self.encoding {
            Encoding::Csv(columns) => columns.is_header(line),
            Encoding::Json(..) | Encoding::Binary(_) => false,
        };
        !is_header && !line.trim_ascii().is_empty()
    }

    /// Whether columns are asked for by their names, so that there must be a header.
    pub fn needs_header(&self) -> bool {
        matches!(&self.encoding, Encoding::Csv(columns) if columns.has_names())
    }

    /// Takes the first line of a file of CSV: whether it is a header. Fails where a header lacks a column.
    pub fn take_header(&mut self, line: &[u8]) -> Result<bool, String> {
        let Encoding::Csv(columns) = &mut self.encoding else { return Ok(false) };
        let times: Vec<(TargetCell, Unit)> =
            self.records.iter().map(|record| (record.time, record.unit)).collect();
        columns.take_header(line, &times)
    }

    /// Decodes a record: gives its trades in order, or once what it is instead.
    pub fn decode(
        &self,
        bytes: &[u8],
        decimals: Decimals,
        scratch: &mut MappingScratch,
        mut each: impl FnMut(MappedRecord<'_>),
    ) {
        self.decode_at(bytes, 0..bytes.len(), decimals, scratch, |mapped| each(*mapped));
    }

    /// Decodes the record that stands at a place among others, which is faster where others follow. A trade
    /// is given as it was written: a copy would be read in other pieces than it was written in, and wait for
    /// them.
    #[inline]
    pub fn decode_at(
        &self,
        all: &[u8],
        place: Range<usize>,
        decimals: Decimals,
        scratch: &mut MappingScratch,
        mut each: impl FnMut(&MappedRecord<'_>),
    ) {
        if let Encoding::Json(_, Some(ways)) = &self.encoding
            && place.len() <= MOST_BYTES
        {
            let MappingScratch { text, symbol, other, day, flat, .. } = scratch;
            let mut texts = Texts { text, symbol, other, day };
            if ways.read(&self.records, (all, &place), decimals, (&mut texts, flat), &mut each) {
                return;
            }
        }
        self.decode_any(&all[place], decimals, scratch, &mut each);
    }

    /// Decodes a record of any kind.
    fn decode_any(
        &self,
        bytes: &[u8],
        decimals: Decimals,
        scratch: &mut MappingScratch,
        each: &mut impl FnMut(&MappedRecord<'_>),
    ) {
        if bytes.len() > MOST_BYTES {
            return each(&MappedRecord::Bad(BadRecord { reason: "longer than 16 MiB", at: None }));
        }
        match &self.encoding {
            Encoding::Json(paths, _) => {
                let finds = &mut scratch.finds;
                if let Err(bad) = walk::walk(bytes, paths, finds) {
                    return each(&MappedRecord::Bad(bad));
                }
                let MappingScratch { finds, text, symbol, other, day, .. } = scratch;
                let lookup = |cell, row| finds.get(cell, row);
                let rows = |levels: &[usize]| finds.rows(levels);
                let texts = Texts { text, symbol, other, day };
                self.give(
                    Values { bytes, sheet: &[], lookup, rows, unescape: super::json::unescape },
                    decimals,
                    texts,
                    each,
                );
            }
            Encoding::Csv(columns) => {
                let MappingScratch { fields, text, symbol, other, day, .. } = scratch;
                if let Err(bad) = columns.split(bytes, fields) {
                    return each(&MappedRecord::Bad(bad));
                }
                let lookup = |cell: TargetCell, _| columns.get(cell, fields);
                let rows = |_: &[usize]| None;
                let texts = Texts { text, symbol, other, day };
                self.give(
                    Values { bytes, sheet: &[], lookup, rows, unescape: csv::unquote },
                    decimals,
                    texts,
                    each,
                );
            }
            Encoding::Binary(binary) => self.decode_binary(binary, bytes, decimals, scratch, each),
        }
    }

    fn decode_binary(
        &self,
        binary: &Binary,
        bytes: &[u8],
        decimals: Decimals,
        scratch: &mut MappingScratch,
        each: &mut impl FnMut(&MappedRecord<'_>),
    ) {
        let MappingScratch { finds, text, symbol, other, day, sheet, schema, .. } = scratch;
        if let Err(bad) = binary.walk(bytes, finds, sheet, schema) {
            return each(&MappedRecord::Bad(bad));
        }
        let lookup = |cell, row| finds.get(cell, row);
        let rows = |levels: &[usize]| finds.rows(levels);
        let texts = Texts { text, symbol, other, day };
        let sheet = sheet.bytes();
        self.give(
            Values { bytes, sheet, lookup, rows, unescape: super::json::unescape },
            decimals,
            texts,
            each,
        );
    }

    fn give<L, R>(
        &self,
        values: Values<'_, L, R>,
        decimals: Decimals,
        mut texts: Texts<'_>,
        each: &mut impl FnMut(&MappedRecord<'_>),
    ) where
        L: Fn(TargetCell, usize) -> FoundValue,
        R: Fn(&[usize]) -> Option<usize>,
    {
        let mut records = self.records.iter();
        let record = records.find(|record| record.conditions.iter().all(|c| values.holds(c, texts.text)));
        let Some(record) = record else { return each(&MappedRecord::Ignored) };
        let rows = match &record.elements {
            None => 1,
            Some(elements) => match (values.rows)(&elements.levels) {
                None => return each(&MappedRecord::Bad(BadRecord { reason: "each: no array", at: None })),
                Some(0) => return each(&MappedRecord::Ignored),
                Some(rows) => rows,
            },
        };
        for row in 0..rows {
            match record.read(&values, row, decimals, &mut texts) {
                Ok(mapped) => each(&mapped),
                Err(bad) => each(&MappedRecord::Bad(bad)),
            }
        }
    }
}

/// The file of schemas that a mapping names, if it names one.
pub fn schema_file(text: &str) -> Option<String> {
    let file: toml::Table = text.parse().ok()?;
    let key = if file.get("encoding")?.as_str()? == "protobuf" { "descriptors" } else { "schema" };
    Some(file.get(key)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests;
