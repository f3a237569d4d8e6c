//! Where the symbol of a trade stands: in the record, in the file's name, or nowhere but in the mapping.

use super::text::{SymbolTable, SymbolText};
use super::{Compiled, Compiler, MappingError};
use crate::wire::mapping::paths::Elements;
use crate::wire::mapping::pattern::Pattern;
use crate::wire::mapping::record::SymbolMapping;
use crossrate_dataflows::market::trade::is_name;
use std::ops::Range;
use toml::Spanned;

impl Compiler<'_> {
    pub(super) fn symbol(
        &mut self,
        symbol: Option<Spanned<SymbolText>>,
        record: &Range<usize>,
        elements: Option<&Elements>,
    ) -> Compiled<SymbolMapping> {
        let expected = "symbol: want a pointer, { at = .., pattern = .., replace = .. }, { base = .., quote = .., \
                        join = .. }, { text = .. } or { name = .. }";
        let Some(symbol) = symbol else { return self.error(record.clone(), expected) };
        let span = symbol.span();
        let table = match symbol.into_inner() {
            SymbolText::At(at) => SymbolTable { at: Some(at), ..SymbolTable::default() },
            SymbolText::Table(table) => table,
        };
        if table.at.is_some() {
            return self.symbol_at(table, &span, elements);
        }
        match table {
            SymbolTable {
                base: Some(base),
                quote: Some(quote),
                join,
                at: None,
                replace: None,
                pattern: None,
                text: None,
                name: None,
            } => {
                let (base, quote) = (self.cell(&base, &span, elements)?, self.cell(&quote, &span, elements)?);
                Ok(SymbolMapping::Pair { base, quote, join: join.unwrap_or_default() })
            }
            SymbolTable {
                text: Some(text),
                at: None,
                replace: None,
                pattern: None,
                base: None,
                quote: None,
                join: None,
                name: None,
            } => self.fixed(&text, &span),
            SymbolTable {
                name: Some(name),
                at: None,
                replace: None,
                pattern: None,
                base: None,
                quote: None,
                join: None,
                text: None,
            } => {
                let pattern = self.pattern(&name, &span)?;
                let file = self.path.and_then(|path| path.rsplit('/').next());
                let Some(file) = file else {
                    let error = self.error(span, "symbol: name is for files; a topic has none");
                    return error.map_err(|error: MappingError| MappingError { needs_file: true, ..error });
                };
                match pattern.star(file) {
                    Some(text) => self.fixed(text, &span),
                    None => self.error(
                        span,
                        format!("symbol: the file's name {file:?} is not of the pattern {name:?}"),
                    ),
                }
            }
            _ => self.error(span, expected),
        }
    }

    /// The symbol is what a pointer or a column finds, or a part of it.
    fn symbol_at(
        &mut self,
        table: SymbolTable,
        span: &Range<usize>,
        elements: Option<&Elements>,
    ) -> Compiled<SymbolMapping> {
        let SymbolTable {
            at: Some(at),
            replace,
            pattern,
            base: None,
            quote: None,
            join: None,
            text: None,
            name: None,
        } = table
        else {
            return self.error(span.clone(), "symbol: beside at, want pattern and replace only");
        };
        let cell = self.cell(&at, span, elements)?;
        let pattern = pattern.map(|pattern| self.pattern(&pattern, span)).transpose()?;
        let replace: Vec<_> = replace.unwrap_or_default().into_iter().collect();
        if replace.iter().any(|(from, _)| from.is_empty()) {
            return self.error(span.clone(), "symbol: replace has an empty text");
        }
        Ok(SymbolMapping::At { cell, replace, pattern })
    }

    fn pattern(&self, text: &str, span: &Range<usize>) -> Compiled<Pattern> {
        let pattern = Pattern::new(text);
        if pattern.has_star() {
            Ok(pattern)
        } else {
            self.error(span.clone(), format!("symbol: {text:?} has no star"))
        }
    }

    fn fixed(&self, text: &str, span: &Range<usize>) -> Compiled<SymbolMapping> {
        if is_name(text.as_bytes()) {
            return Ok(SymbolMapping::Fixed(text.to_owned()));
        }
        self.error(
            span.clone(),
            format!("symbol: {text:?} is no name: 1 to 64 bytes, no blank and none of * / = , | \""),
        )
    }
}
