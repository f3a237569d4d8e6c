//! What a mapping of CSV says of lines.

use super::text::{File, HeaderText};
use super::{CompileResult, MappingCompiler};
use crate::wire::mapping::csv::{CsvColumns, Header};
use toml::Spanned;

impl MappingCompiler<'_> {
    /// How lines are split.
    pub(super) fn columns(&self, file: &File) -> CompileResult<CsvColumns> {
        let delimiter = match file.delimiter.as_ref().map(|d| (d.get_ref().as_bytes(), d.span())) {
            None => b',',
            Some(([byte], _)) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
            Some((_, span)) => return self.error(span, "delimiter: want one ASCII character, such as \";\""),
        };
        let header = match file.header.as_ref().map(|h| (h.get_ref(), h.span())) {
            None => Header::Auto,
            Some((HeaderText::Is(true), _)) => Header::Yes,
            Some((HeaderText::Is(false), _)) => Header::No,
            Some((HeaderText::Word(word), _)) if word == "auto" => Header::Auto,
            Some((_, span)) => return self.error(span, "header: want \"auto\", true or false"),
        };
        Ok(CsvColumns::new(delimiter, header))
    }

    /// Keys of CSV mean nothing elsewhere.
    pub(super) fn no_columns(&self, file: &File) -> CompileResult<()> {
        let delimiter = file.delimiter.as_ref().map(Spanned::span);
        match delimiter.or(file.header.as_ref().map(Spanned::span)) {
            Some(span) => self.error(span, "delimiter and header are for encoding = \"csv\""),
            None => Ok(()),
        }
    }
}
