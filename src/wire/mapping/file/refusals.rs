//! Mappings that are written as they should be and can give no trade all the same: each is refused by its
//! line, with what would be right.

use super::text::{OneOrMany, RecordText, ScalarText};
use super::{CompileResult, MappingCompiler, Pointers, Span, scalars};
use crate::wire::mapping::condition::ScalarValue;
use crate::wire::mapping::csv::Header;
use crossrate_dataflows::market::trade::LONGEST_NAME;
use toml::Spanned;

impl MappingCompiler<'_> {
    /// A name has the venue, a colon and one byte more at least.
    pub(super) fn leaves_room(&self, venue: &Spanned<String>) -> CompileResult<()> {
        let most = LONGEST_NAME - 2;
        match venue.get_ref().len() {
            length if length > most => {
                let words = format!(
                    "venue: {length} bytes; want {most} at most, since a name has {LONGEST_NAME} with it"
                );
                self.error(venue.span(), words)
            }
            _ => Ok(()),
        }
    }

    /// Nothing comes to a record behind one that takes all.
    pub(super) fn all_are_reached(&self, records: &[Spanned<RecordText>]) -> CompileResult<()> {
        let takes_all = |record: &Spanned<RecordText>| {
            record.get_ref().conditions.as_ref().is_none_or(|conditions| conditions.is_empty())
        };
        let behind = records.iter().position(takes_all).and_then(|first| records.get(first + 1));
        match behind {
            None => Ok(()),
            Some(record) => self.error(
                record.span(),
                "record: the one before it has no `where` and takes all; want a `where` there, or the one \
                 without last",
            ),
        }
    }

    /// A heartbeat has a time, and nothing of a trade.
    pub(super) fn no_trade(&self, record: &RecordText) -> CompileResult<()> {
        let given = [
            ("symbol", record.symbol.as_ref().map(Spanned::span)),
            ("contracts", record.contracts.as_ref().map(Spanned::span)),
            ("id", record.id.as_ref().map(Spanned::span)),
            ("ids", record.ids.as_ref().map(Spanned::span)),
            ("price", record.price.as_ref().map(Spanned::span)),
            ("quantity", record.quantity.as_ref().map(Spanned::span)),
            ("excess", record.excess.as_ref().map(Spanned::span)),
            ("side", record.side.as_ref().map(Spanned::span)),
        ];
        match given.into_iter().find_map(|(key, span)| Some((key, span?))) {
            None => Ok(()),
            Some((key, span)) => self.error(
                span,
                format!("{key} is for trades: a heartbeat has where, each, time, unit and offset, no more"),
            ),
        }
    }

    /// A record is an object or an array: it is no value itself. An element of an array may be one.
    pub(super) fn is_value(&self, pointer: &str, span: &Span, has_elements: bool) -> CompileResult<()> {
        let is_record = pointer == "^" || pointer.is_empty() && !has_elements;
        match &self.pointers {
            Pointers::Tree(_) if is_record => {
                let words = format!(
                    "{pointer:?} is the whole record, which is no value: want one such as \"/data/price\""
                );
                self.error(span.clone(), words)
            }
            _ => Ok(()),
        }
    }

    /// What a condition compares with.
    pub(super) fn wanted(
        &self,
        pointer: &str,
        span: Span,
        values: OneOrMany<ScalarText>,
    ) -> CompileResult<Vec<ScalarValue>> {
        let values = scalars(values.into_vec());
        if values.is_empty() {
            return self
                .error(span, "where: an empty list never holds; want a value in it, or { exists = true }");
        }
        self.is_value(pointer, &span, false)?;
        Ok(values)
    }

    /// A column with a name is found by a header.
    pub(super) fn has_header(&self, column: &str, span: &Span) -> CompileResult<()> {
        match &self.pointers {
            Pointers::Csv(columns) if columns.header == Header::No && column.parse::<usize>().is_err() => {
                let words =
                    format!("{column:?}: with header = false columns have no names: want its number, from 1");
                self.error(span.clone(), words)
            }
            _ => Ok(()),
        }
    }
}
