//! Where the symbol of a trade stands: in the record, in the file's name, or nowhere but in the mapping.

use super::text::{SymbolTable, SymbolText};
use super::{CompileResult, MappingCompiler, MappingError, Span};
use crate::wire::mapping::paths::Elements;
use crate::wire::mapping::pattern::Pattern;
use crate::wire::mapping::record::SymbolMapping;
use crossrate_dataflows::market::trade::is_name;
use toml::Spanned;

/// Where a symbol is taken from.
enum SymbolRule {
    At(String),
    Pair(String, String),
    Text(String),
    Name(String),
}

impl SymbolTable {
    /// Where it is taken from, if nothing stands beside that which means nothing there.
    fn kind(&self) -> Option<SymbolRule> {
        let given = [
            ("at", self.at.is_some()),
            ("replace", self.replace.is_some()),
            ("pattern", self.pattern.is_some()),
            ("base", self.base.is_some()),
            ("quote", self.quote.is_some()),
            ("join", self.join.is_some()),
            ("text", self.text.is_some()),
            ("name", self.name.is_some()),
        ];
        let only = |allowed: &[&str]| given.iter().all(|(key, is_given)| !is_given || allowed.contains(key));
        match self {
            SymbolTable { at: Some(at), .. } if only(&["at", "replace", "pattern"]) => {
                Some(SymbolRule::At(at.clone()))
            }
            SymbolTable { base: Some(base), quote: Some(quote), .. } if only(&["base", "quote", "join"]) => {
                Some(SymbolRule::Pair(base.clone(), quote.clone()))
            }
            SymbolTable { text: Some(text), .. } if only(&["text"]) => Some(SymbolRule::Text(text.clone())),
            SymbolTable { name: Some(name), .. } if only(&["name"]) => Some(SymbolRule::Name(name.clone())),
            _ => None,
        }
    }
}

impl MappingCompiler<'_> {
    pub(super) fn symbol(
        &mut self,
        symbol: Option<Spanned<SymbolText>>,
        record: &Span,
        elements: Option<&Elements>,
    ) -> CompileResult<SymbolMapping> {
        let expected = "symbol: want a pointer, { at = .., pattern = .., replace = .. }, { base = .., quote = .., \
                        join = .. }, { text = .. } or { name = .. }";
        let Some(symbol) = symbol else { return self.error(record.clone(), expected) };
        let span = symbol.span();
        let table = match symbol.into_inner() {
            SymbolText::At(at) => SymbolTable { at: Some(at), ..SymbolTable::default() },
            SymbolText::Table(table) => table,
        };
        match table.kind() {
            Some(SymbolRule::At(at)) => self.symbol_at(&at, table, &span, elements),
            Some(SymbolRule::Pair(base, quote)) => {
                let (base, quote) = (self.cell(&base, &span, elements)?, self.cell(&quote, &span, elements)?);
                // By a hyphen names are split into the assets that were told.
                let join = table.join.unwrap_or_else(|| "-".to_owned());
                Ok(SymbolMapping::Pair { base, quote, join })
            }
            Some(SymbolRule::Text(text)) => self.fixed(&text, &span),
            Some(SymbolRule::Name(name)) => self.symbol_of_file(&name, span),
            None if table.at.is_some() => {
                self.error(span, "symbol: beside at, want pattern and replace only")
            }
            None => self.error(span, expected),
        }
    }

    /// The symbol stands in the name of the file.
    fn symbol_of_file(&self, name: &str, span: Span) -> CompileResult<SymbolMapping> {
        let pattern = self.pattern(name, &span)?;
        let Some(file) = self.path.and_then(|path| path.rsplit('/').next()) else {
            let error = self.error(span, "symbol: name is for files; a topic has none");
            return error.map_err(|error: MappingError| MappingError { needs_file: true, ..error });
        };
        match pattern.star(file) {
            Some(text) => self.fixed(text, &span),
            None => {
                self.error(span, format!("symbol: the file's name {file:?} is not of the pattern {name:?}"))
            }
        }
    }

    /// The symbol is what a pointer or a column finds, or a part of it.
    fn symbol_at(
        &mut self,
        at: &str,
        SymbolTable { replace, pattern, .. }: SymbolTable,
        span: &Span,
        elements: Option<&Elements>,
    ) -> CompileResult<SymbolMapping> {
        let cell = self.cell(at, span, elements)?;
        let pattern = pattern.map(|pattern| self.pattern(&pattern, span)).transpose()?;
        let replace: Vec<_> = replace.unwrap_or_default().into_iter().collect();
        if replace.iter().any(|(from, _)| from.is_empty()) {
            return self.error(span.clone(), "symbol: replace has an empty text");
        }
        Ok(SymbolMapping::At { cell, replace, pattern })
    }

    fn pattern(&self, text: &str, span: &Span) -> CompileResult<Pattern> {
        let pattern = Pattern::new(text);
        if pattern.has_star() {
            Ok(pattern)
        } else {
            self.error(span.clone(), format!("symbol: {text:?} has no star"))
        }
    }

    fn fixed(&self, text: &str, span: &Span) -> CompileResult<SymbolMapping> {
        if is_name(text.as_bytes()) {
            let name = format!("{}{text}", self.venue);
            if is_name(name.as_bytes()) {
                return Ok(SymbolMapping::Fixed(text.to_owned()));
            }
            let words = format!("symbol: {name:?} has {} bytes with its venue: want 64 at most", name.len());
            return self.error(span.clone(), words);
        }
        self.error(
            span.clone(),
            format!("symbol: {text:?} is no name: 1 to 64 bytes, no blank and none of * / = , | \""),
        )
    }
}
