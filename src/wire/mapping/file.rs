//! A mapping file, checked and compiled. What cannot work is an error that names file and line, before anything
//! is read.

use super::binary::SchemaKind;
use super::condition::{Condition, Requirement, ScalarValue};
use super::csv::CsvColumns;
use super::decimal::Excess;
use super::flat::FlatWays;
use super::paths::{self, Elements, Paths, TargetCell};
use super::pattern::Pattern;
use super::record::{IdMapping, RecordMapping, SideMapping};
use super::time::{Unit, offset_of};
use super::{Encoding, Mapping};
use crossrate_dataflows::market::trade::is_name;
use toml::Spanned;

mod binary;
mod columns;
mod error;
mod heartbeat;
mod refusals;
mod symbol;
mod text;
mod wrong_value;

use binary::{BinaryText, RequestedPointer};
pub use error::MappingError;
use text::{
    ConditionText, ExistsText, File, OneOrMany, QuantityText, RecordText, ScalarText, SideText, SignedText,
};

/// A place in the text of a mapping file, in bytes.
type Span = std::ops::Range<usize>;

/// Compiles a mapping file.
pub(super) fn compile(
    name: &str,
    text: &str,
    path: Option<&str>,
    schema: Option<&[u8]>,
) -> Result<Mapping, MappingError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        MappingError {
            name: name.to_owned(),
            line: line_of(text, at),
            words: wrong_value::words(text, at, error.message()),
            needs_file: false,
        }
    })?;
    let pointers = Pointers::Tree(Paths::new());
    MappingCompiler {
        name,
        text,
        path,
        schema,
        venue: String::new(),
        pointers,
        binary: None,
        asked: Vec::new(),
    }
    .compile(file)
}

/// The number of the line that holds a byte.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

struct MappingCompiler<'a> {
    name: &'a str,
    text: &'a str,
    path: Option<&'a str>,
    /// What stands in the file of a schema that the mapping names.
    schema: Option<&'a [u8]>,
    venue: String,
    pointers: Pointers,
    binary: Option<BinaryText>,
    asked: Vec<RequestedPointer>,
}

enum Pointers {
    Tree(Paths),
    Csv(CsvColumns),
}

type CompileResult<T> = Result<T, MappingError>;

impl MappingCompiler<'_> {
    fn error<T>(&self, span: Span, words: impl Into<String>) -> CompileResult<T> {
        let line = line_of(self.text, span.start);
        Err(MappingError { name: self.name.to_owned(), line, words: words.into(), needs_file: false })
    }

    fn compile(mut self, file: File) -> CompileResult<Mapping> {
        self.encoding(&file)?;
        if let Some(venue) = &file.venue {
            if !is_name(venue.get_ref().as_bytes()) || venue.get_ref().contains(':') {
                return self.error(
                    venue.span(),
                    "venue: want a name without blanks, colons and any of * / = , | \"",
                );
            }
            self.leaves_room(venue)?;
            self.venue = format!("{}:", venue.get_ref());
        }
        if file.record.get_ref().is_empty() {
            return self.error(file.record.span(), "record: want at least one [[record]]");
        }
        self.all_are_reached(file.record.get_ref())?;
        let mut records = Vec::new();
        for record in file.record.into_inner() {
            let span = record.span();
            records.push(self.record(record.into_inner(), span)?);
        }
        let pointers = std::mem::replace(&mut self.pointers, Pointers::Tree(Paths::new()));
        let encoding = match (pointers, self.binary.take()) {
            (Pointers::Csv(columns), _) => Encoding::Csv(columns),
            (Pointers::Tree(mut paths), binary) => {
                paths.finish();
                match binary {
                    None => {
                        let flat = FlatWays::of(&records, &paths);
                        Encoding::Json(paths, flat)
                    }
                    Some(text) => Encoding::Binary(self.binary(text, paths)?),
                }
            }
        };
        Ok(Mapping { encoding, records })
    }

    fn encoding(&mut self, file: &File) -> CompileResult<()> {
        let encoding = file.encoding.as_ref().map_or("json", |encoding| encoding.get_ref());
        let span = file.encoding.as_ref().map_or(0..0, Spanned::span);
        let kind = match encoding {
            "json" | "csv" => None,
            "avro" => Some(SchemaKind::Avro),
            "protobuf" => Some(SchemaKind::Protobuf),
            other => {
                let words =
                    format!("encoding: got {other:?}, expected \"json\", \"csv\", \"avro\" or \"protobuf\"");
                return self.error(span, words);
            }
        };
        if let Some(kind) = kind {
            self.binary = Some(self.binary_text(file, kind, span)?);
            return Ok(());
        }
        self.no_schema(file)?;
        match encoding {
            "csv" => self.pointers = Pointers::Csv(self.columns(file)?),
            _ => self.no_columns(file)?,
        }
        Ok(())
    }

    fn record(&mut self, record: RecordText, span: Span) -> CompileResult<RecordMapping> {
        if record.kind.as_ref().is_some_and(|kind| kind.get_ref() == "heartbeat") {
            self.no_trade(&record)?;
        }
        let mut conditions = Vec::new();
        for (pointer, condition) in record.conditions.into_iter().flatten() {
            conditions.push(self.condition(pointer, condition)?);
        }
        let elements = record.each.map(|each| self.elements(each)).transpose()?;
        let elements_ref = elements.as_ref();
        let unit = self.unit(record.unit.as_ref(), record.offset.as_ref(), &span)?;
        let Some(time) = &record.time else {
            return self.error(span, "time: want a pointer, such as \"/time\"");
        };
        let time = self.cell(time.get_ref(), &time.span(), elements_ref)?;
        let is_heartbeat = match record.kind.as_ref().map(|kind| kind.get_ref().as_str()) {
            None | Some("trade") => false,
            Some("heartbeat") => true,
            Some(_) => {
                let span = record.kind.map_or(span, |kind| kind.span());
                return self.error(span, "kind: want \"trade\" or \"heartbeat\"");
            }
        };
        if is_heartbeat {
            return Ok(RecordMapping { conditions, elements, ..RecordMapping::heartbeat(time, unit) });
        }
        let Some(price) = &record.price else {
            return self.error(span, "price: want a pointer, such as \"/price\"");
        };
        let price = self.cell(price.get_ref(), &price.span(), elements_ref)?;
        let (quantity, sign_is_side) = self.quantity(record.quantity.as_ref(), &span, elements_ref)?;
        let side = record.side.map(|side| self.side(side, sign_is_side, elements_ref)).transpose()?;
        let excess = match record.excess.as_ref().map(|excess| excess.get_ref().as_str()) {
            None => Excess::Refuse,
            Some("round") => Excess::Round,
            Some(other) => {
                let words = format!("excess: got {other:?}, expected \"round\" or no such line");
                return self.error(record.excess.map_or(span, |excess| excess.span()), words);
            }
        };
        let id = self.id(record.id.as_ref(), record.ids.as_ref(), &span, elements_ref)?;
        let symbol = self.symbol(record.symbol, &span, elements_ref)?;
        let contracts = record.contracts.map(Spanned::into_inner).unwrap_or_default();
        let contracts = contracts.iter().map(|pattern| Pattern::new(pattern)).collect();
        let venue = self.venue.clone();
        Ok(RecordMapping {
            conditions,
            elements,
            is_heartbeat,
            symbol,
            venue,
            contracts,
            id,
            price,
            quantity,
            sign_is_side,
            excess,
            time,
            unit,
            side,
        })
    }

    /// Where a value of a trade is found.
    fn cell(&mut self, text: &str, span: &Span, elements: Option<&Elements>) -> CompileResult<TargetCell> {
        self.is_value(text, span, elements.is_some())?;
        self.any_cell(text, span, elements)
    }

    fn any_cell(
        &mut self,
        text: &str,
        span: &Span,
        elements: Option<&Elements>,
    ) -> CompileResult<TargetCell> {
        self.has_header(text, span)?;
        let cell = match &mut self.pointers {
            Pointers::Csv(columns) => columns.cell(text),
            Pointers::Tree(paths) => {
                let (text, elements) = match text.strip_prefix('^') {
                    Some(text) => (text, None),
                    None => (text, elements),
                };
                paths::parse(text).map(|tokens| match elements {
                    Some(elements) => paths.cell_in(elements, &tokens),
                    None => paths.cell(&tokens),
                })
            }
        };
        match (cell, &self.pointers) {
            (Some(cell), _) => {
                let (pointer, span) = (text.to_owned(), span.clone());
                self.asked.push(RequestedPointer { cell, pointer, span, exists_only: false });
                Ok(cell)
            }
            (None, Pointers::Csv(_)) => {
                self.error(span.clone(), format!("{text:?}: want the name of a column, or its number from 1"))
            }
            (None, Pointers::Tree(_)) => {
                let words =
                    format!("{text:?} is no JSON pointer (RFC 6901): want one such as \"/data/price\"");
                self.error(span.clone(), words)
            }
        }
    }

    fn condition(&mut self, pointer: Spanned<String>, condition: ConditionText) -> CompileResult<Condition> {
        let cell = self.any_cell(pointer.get_ref(), &pointer.span(), None)?;
        let wanted = match condition {
            ConditionText::Exists(ExistsText { exists: true }) => {
                self.asked.iter_mut().next_back().into_iter().for_each(|asked| asked.exists_only = true);
                Requirement::Exists
            }
            ConditionText::Exists(ExistsText { exists: false }) => {
                return self.error(pointer.span(), "where: want exists = true; an absent value never holds");
            }
            ConditionText::Values(values) => {
                Requirement::OneOf(self.wanted(pointer.get_ref(), pointer.span(), values)?)
            }
        };
        Ok(Condition { pointer: pointer.into_inner(), cell, wanted })
    }

    fn elements(&mut self, each: Spanned<OneOrMany<String>>) -> CompileResult<Elements> {
        let span = each.span();
        let pointers = each.into_inner().into_vec();
        let parsed: Option<Vec<_>> = pointers.iter().map(|pointer| paths::parse(pointer)).collect();
        match (&mut self.pointers, parsed) {
            (Pointers::Csv(_), _) => self.error(span, "each is not for encoding = \"csv\""),
            (Pointers::Tree(paths), Some(path)) if !path.is_empty() => Ok(paths.elements(&path)),
            _ => self.error(span, "each: want a JSON pointer, or a list of them, such as \"/data\""),
        }
    }

    fn unit(
        &self,
        unit: Option<&Spanned<String>>,
        offset: Option<&Spanned<String>>,
        record: &Span,
    ) -> CompileResult<Unit> {
        let expected = "unit: want \"s\", \"ms\", \"us\", \"ns\" or \"rfc3339\"";
        let Some(unit) = unit else { return self.error(record.clone(), expected) };
        let east = match offset.map(|offset| (offset_of(offset.get_ref().as_bytes()), offset.span())) {
            None => None,
            Some((Some(east), _)) => Some(east),
            Some((None, span)) => return self.error(span, "offset: want one such as \"+09:00\""),
        };
        let unit = match unit.get_ref().as_str() {
            "s" => Unit::Epoch(6),
            "ms" => Unit::Epoch(3),
            "us" => Unit::Epoch(0),
            "ns" => Unit::Epoch(-3),
            "rfc3339" => Unit::Rfc3339(east),
            _ => return self.error(unit.span(), expected),
        };
        match (unit, offset) {
            (Unit::Epoch(_), Some(offset)) => self.error(offset.span(), "offset is for unit = \"rfc3339\""),
            _ => Ok(unit),
        }
    }

    fn quantity(
        &mut self,
        quantity: Option<&Spanned<QuantityText>>,
        record: &Span,
        elements: Option<&Elements>,
    ) -> CompileResult<(TargetCell, bool)> {
        let Some(quantity) = quantity else {
            return self.error(record.clone(), "quantity: want a pointer, such as \"/size\"");
        };
        let span = quantity.span();
        match quantity.get_ref() {
            QuantityText::At(at) => Ok((self.cell(at, &span, elements)?, false)),
            QuantityText::Signed(SignedText { at, sign }) if sign == "side" => {
                Ok((self.cell(at, &span, elements)?, true))
            }
            QuantityText::Signed(_) => self.error(span, "quantity: want sign = \"side\", or no sign"),
        }
    }

    fn side(
        &mut self,
        side: Spanned<SideText>,
        sign_is_side: bool,
        elements: Option<&Elements>,
    ) -> CompileResult<SideMapping> {
        let span = side.span();
        if sign_is_side {
            return self
                .error(span, "side: the sign of the quantity is the side already; want one of the two");
        }
        let side = side.into_inner();
        let cell = self.cell(&side.at, &span, elements)?;
        let (buy, sell) = (scalars(side.buy), scalars(side.sell));
        if let Some(both) = buy.iter().find(|value| sell.contains(value)) {
            return self.error(span, format!("side: {} is in both lists", both.shown()));
        }
        Ok(SideMapping { cell, buy, sell })
    }

    fn id(
        &mut self,
        id: Option<&Spanned<String>>,
        ids: Option<&Spanned<String>>,
        record: &Span,
        elements: Option<&Elements>,
    ) -> CompileResult<IdMapping> {
        let kind = ids.map_or(if id.is_some() { "sequence" } else { "none" }, |ids| ids.get_ref());
        let span = ids.map_or(record.clone(), Spanned::span);
        let cell = match (id, kind) {
            (Some(id), _) => Some(self.cell(id.get_ref(), &id.span(), elements)?),
            (None, "none") => None,
            (None, _) => {
                return self.error(span, "id: want a pointer, such as \"/trade_id\", or ids = \"none\"");
            }
        };
        match (kind, cell) {
            ("sequence", Some(cell)) => Ok(IdMapping::Sequence(cell)),
            ("unique", Some(cell)) => Ok(IdMapping::Unique(cell)),
            ("none", _) => Ok(IdMapping::None),
            _ => self.error(span, "ids: want \"sequence\", \"unique\" or \"none\""),
        }
    }
}

fn scalars(texts: Vec<ScalarText>) -> Vec<ScalarValue> {
    let scalar = |text| match text {
        ScalarText::Bool(value) => ScalarValue::Bool(value),
        ScalarText::Integer(value) => ScalarValue::Integer(value.to_string()),
        ScalarText::Text(value) => ScalarValue::Text(value),
    };
    texts.into_iter().map(scalar).collect()
}
