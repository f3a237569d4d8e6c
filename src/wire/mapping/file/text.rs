//! A mapping file as it is written: its keys and the kinds of their values.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) encoding: Option<Spanned<String>>,
    pub(super) venue: Option<Spanned<String>>,
    pub(super) delimiter: Option<Spanned<String>>,
    pub(super) header: Option<Spanned<HeaderText>>,
    pub(super) schema: Option<Spanned<String>>,
    pub(super) descriptors: Option<Spanned<String>>,
    pub(super) message: Option<Spanned<String>>,
    pub(super) floats: Option<Spanned<String>>,
    pub(super) record: Spanned<Vec<Spanned<RecordText>>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "header: want \"auto\", true or false")]
pub(super) enum HeaderText {
    Is(bool),
    Word(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table of keys, such as [[record]]")]
pub(super) struct RecordText {
    #[serde(rename = "where")]
    pub(super) conditions: Option<BTreeMap<Spanned<String>, ConditionText>>,
    pub(super) each: Option<Spanned<OneOrMany<String>>>,
    pub(super) kind: Option<Spanned<String>>,
    pub(super) symbol: Option<Spanned<SymbolText>>,
    pub(super) contracts: Option<Spanned<Vec<String>>>,
    pub(super) id: Option<Spanned<String>>,
    pub(super) ids: Option<Spanned<String>>,
    pub(super) price: Option<Spanned<String>>,
    pub(super) quantity: Option<Spanned<QuantityText>>,
    pub(super) excess: Option<Spanned<String>>,
    pub(super) time: Option<Spanned<String>>,
    pub(super) unit: Option<Spanned<String>>,
    pub(super) offset: Option<Spanned<String>>,
    pub(super) side: Option<Spanned<SideText>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "want a JSON pointer, or a list of them, such as \"/data\"")]
pub(super) enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            OneOrMany::One(value) => vec![value],
            OneOrMany::Many(values) => values,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "want texts, integers, true or false")]
pub(super) enum ScalarText {
    Bool(bool),
    Integer(i64),
    Text(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "where: want a text, an integer, true or false, a list of such, or { exists = true }"
)]
pub(super) enum ConditionText {
    Exists(ExistsText),
    Values(OneOrMany<ScalarText>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExistsText {
    pub(super) exists: bool,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "symbol: want a pointer, { at = .., pattern = .., replace = .. }, { base = .., quote = .., \
                 join = .. }, { text = .. } or { name = .. }"
)]
pub(super) enum SymbolText {
    At(String),
    Table(SymbolTable),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SymbolTable {
    pub(super) at: Option<String>,
    pub(super) replace: Option<BTreeMap<String, String>>,
    pub(super) pattern: Option<String>,
    pub(super) base: Option<String>,
    pub(super) quote: Option<String>,
    pub(super) join: Option<String>,
    pub(super) text: Option<String>,
    pub(super) name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "quantity: want a pointer, or { at = .., sign = \"side\" }")]
pub(super) enum QuantityText {
    At(String),
    Signed(SignedText),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignedText {
    pub(super) at: String,
    pub(super) sign: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ at = .., buy = [..], sell = [..] }")]
pub(super) struct SideText {
    pub(super) at: String,
    #[serde(default)]
    pub(super) buy: Vec<ScalarText>,
    #[serde(default)]
    pub(super) sell: Vec<ScalarText>,
}
