//! How the records of an input are written: the exchange's own way, or a mapping's.

use super::mapping::{Mapping, MappingError};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// A format, as `--format` names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Format {
    /// Binance's events and archives (`docs/semantics.md#input`).
    #[default]
    Binance,
    /// What a mapping file says.
    Mapped(MappingFile),
}

/// A mapping file: of the program, or of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingFile {
    /// Its name, or its path.
    pub name: String,
    text: Arc<str>,
    /// What stands in the file of schemas that it names.
    schema: Option<Arc<[u8]>>,
    is_built_in: bool,
}

/// The mappings that the program carries, each proven on recordings of its venue.
pub const BUILT_IN: [(&str, &str); 9] = [
    ("binance-futures", include_str!("formats/binance-futures.toml")),
    ("bitstamp", include_str!("formats/bitstamp.toml")),
    ("bybit", include_str!("formats/bybit.toml")),
    ("ccxt", include_str!("formats/ccxt.toml")),
    ("coinbase", include_str!("formats/coinbase.toml")),
    ("cryptofeed", include_str!("formats/cryptofeed.toml")),
    ("kraken", include_str!("formats/kraken.toml")),
    ("okx", include_str!("formats/okx.toml")),
    ("tardis", include_str!("formats/tardis.toml")),
];

/// The name of the format that needs no mapping.
pub const BINANCE: &str = "binance";

impl MappingFile {
    /// A mapping that the program carries.
    pub fn built_in(name: &str) -> Option<Self> {
        let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Some(MappingFile {
            name: (*name).to_owned(),
            text: Arc::from(*text),
            schema: None,
            is_built_in: true,
        })
    }

    /// A user's mapping, of that path and text, with what stands in the file of schemas that it names.
    pub fn of_user(path: &str, text: &str, schema: Option<&[u8]>) -> Self {
        let schema = schema.map(Arc::from);
        MappingFile { name: path.to_owned(), text: Arc::from(text), schema, is_built_in: false }
    }

    /// Whether it reads lines of CSV.
    pub fn is_csv(&self) -> bool {
        let file = self.text.parse::<toml::Table>();
        file.is_ok_and(|file| file.get("encoding").and_then(toml::Value::as_str) == Some("csv"))
    }

    /// Compiles it for an input: a file of that name, or a topic.
    pub fn compile(&self, file: Option<&str>) -> Result<Mapping, MappingError> {
        let name = if self.is_built_in { format!("{}.toml", self.name) } else { self.name.clone() };
        Mapping::parse_with(&name, &self.text, file, self.schema.as_deref())
    }
}

impl Format {
    /// What people know it by: its name, or the path of a user's mapping.
    pub fn name(&self) -> &str {
        match self {
            Format::Binance => BINANCE,
            Format::Mapped(file) => &file.name,
        }
    }

    /// How messages are read, where that is a mapping.
    pub fn mapping(&self) -> Result<Option<Arc<Mapping>>, MappingError> {
        match self {
            Format::Binance => Ok(None),
            Format::Mapped(file) => file.compile(None).map(|mapping| Some(Arc::new(mapping))),
        }
    }

    /// What tells it from others: its name, and of a user's file also what it says.
    pub fn identity(&self) -> String {
        match self {
            Format::Binance => BINANCE.into(),
            Format::Mapped(file) if file.is_built_in => file.name.clone(),
            Format::Mapped(file) => match &file.schema {
                None => format!("a mapping of {:016x}", xxh3_64(file.text.as_bytes())),
                Some(schema) => format!(
                    "a mapping of {:016x} and a schema of {:016x}",
                    xxh3_64(file.text.as_bytes()),
                    xxh3_64(schema)
                ),
            },
        }
    }
}
