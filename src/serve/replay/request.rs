//! What is asked of a replay, as settings of `crossrate replay`. What the request leaves out is as the job of
//! the server computes it now, where that is known: of rows without a checkpoint it is not, and the defaults
//! hold.

use crate::flag_words::{in_flags, quote_flags};
use crate::job_identity;
use crossrate_dataflows::market::definition::Definition;
use serde::{Deserialize, Serialize, Serializer};
use toml::{Table, Value};

/// The body of a request: settings of `crossrate replay`, whose names they have when they are written.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all(serialize = "kebab-case"))]
pub(super) struct ReplayRequest {
    #[serde(rename(serialize = "since"))]
    since_ms: Option<u64>,
    #[serde(rename(serialize = "until"))]
    until_ms: Option<u64>,
    #[serde(rename(serialize = "offset"))]
    from_offset: Option<u64>,
    cross: Option<Vec<String>>,
    symbols: Option<Vec<String>>,
    window: Option<OneOrMore>,
    slide: Option<String>,
    time_zone: Option<String>,
    delay: Option<String>,
    grace: Option<String>,
    tick: Option<String>,
    max_carry: Option<String>,
    fill: Option<String>,
    price_decimals: Option<u64>,
    quantity_decimals: Option<u64>,
    max_fill: Option<String>,
    max_ahead: Option<String>,
    max_jump: Option<String>,
    emit: Option<String>,
    provisional: Option<bool>,
    missing_leg: Option<String>,
    stats_last: Option<u64>,
    #[serde(serialize_with = "joined")]
    rows: Option<Vec<String>>,
    dedup: Option<String>,
    speed: Option<f64>,
}

/// Kinds of rows are one text.
fn joined<S: Serializer>(kinds: &Option<Vec<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    kinds.as_ref().map(|kinds| kinds.join(",")).serialize(serializer)
}

/// A text, or a list of texts.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged, expecting = "window: expected a text such as \"1m\", or a list of such texts")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl ReplayRequest {
    /// As a file of settings: what is left out is as the job computes it, where that is known.
    pub(super) fn settings(self, trades: &Table, job: Option<&Definition>) -> serde_json::Result<Table> {
        let mut settings = trades.clone();
        settings.extend(job.map(settings_of).unwrap_or_default());
        // Whose rows there are, and of which windows, is said as a whole.
        if self.cross.is_some() || self.symbols.is_some() {
            for name in ["cross", "symbols", "basis", "quote"] {
                settings.remove(name);
            }
        }
        let given: serde_json::Map<_, _> = serde_json::from_value(serde_json::to_value(self)?)?;
        settings.extend(given.into_iter().filter_map(|(name, value)| Some((name, setting(value)?))));
        Ok(settings)
    }
}

/// A member as a setting.
fn setting(value: serde_json::Value) -> Option<Value> {
    use serde_json::Value as Json;
    match value {
        Json::Null | Json::Object(_) => None,
        // Numbers are texts there, and are read as strictly.
        Json::Number(number) => Some(Value::String(number.to_string())),
        Json::String(text) => Some(Value::String(text)),
        Json::Bool(is_on) => Some(Value::Boolean(is_on)),
        Json::Array(items) => Some(Value::Array(items.into_iter().filter_map(setting).collect())),
    }
}

/// A definition as settings that give it.
fn settings_of(definition: &Definition) -> Table {
    let mut told = definition.clone();
    let quotes = told.quotes.take();
    // A table of pairs has no place among settings: without it rates would be other ones, and those of a basis
    // go with them.
    if let Some(quotes) = quotes.as_ref().filter(|quotes| !quotes.pairs.is_empty()) {
        told.basis.retain(|basis| !quotes.names(&basis.cross));
    }
    let mut flags = in_flags(&job_identity::pairs_of(&told));
    let quotes = quotes.filter(|quotes| quotes.pairs.is_empty());
    let quote_flags = quotes.as_ref().map(quote_flags).unwrap_or_default();
    flags.extend(quote_flags.into_iter().map(|(name, typed)| (name.to_owned(), typed)));
    // What is not there has no setting, since a list has a value at least.
    flags.retain(|(name, typed)| {
        !typed.is_empty() && (typed != "none" || !["cross", "basis", "quote"].contains(&name.as_str()))
    });
    let value = |name: &str, typed: &str| match (name, typed) {
        ("cross" | "basis" | "window", typed) => {
            Value::Array(typed.split_whitespace().map(Value::from).collect())
        }
        (_, "true" | "false") => Value::Boolean(typed == "true"),
        (_, typed) => Value::from(typed),
    };
    flags.into_iter().map(|(name, typed)| (name.clone(), value(&name, &typed))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_become_settings() {
        let request = json!({"since_ms": 5, "window": ["1m"], "max_carry": "4s", "rows": ["symbol", "cross"],
            "provisional": true, "speed": 0.5});
        let request: ReplayRequest = serde_json::from_value(request).unwrap();
        let settings = toml::to_string(&request.settings(&Table::new(), None).unwrap()).unwrap();
        let expected = [
            "max-carry = \"4s\"",
            "provisional = true",
            "rows = \"symbol,cross\"",
            "since = \"5\"",
            "speed = \"0.5\"",
            "window = [\"1m\"]",
        ];
        assert_eq!(settings.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_definition_becomes_settings() {
        let settings = settings_of(&Definition { grace: 7_000_000, ..Definition::default() });
        let text = |name: &str| settings.get(name).and_then(Value::as_str);
        assert_eq!(
            (text("grace"), text("dedup"), text("stats-last")),
            (Some("7s"), Some("partition"), Some("all"))
        );
        assert_eq!(settings.get("provisional").and_then(Value::as_bool), Some(false));
        assert!(settings.get("window").is_some_and(Value::is_array), "{settings:?}");
        assert!(
            ["quote", "basis", "max-carry"].iter().all(|name| !settings.contains_key(*name)),
            "{settings:?}"
        );
    }

    #[test]
    fn what_is_described_is_what_may_be_asked() {
        let described: serde_json::Value = serde_json::from_str(crate::serve::openapi::text()).unwrap();
        let body = &described["paths"]["/v1/replay"]["post"]["requestBody"]["content"]["application/json"];
        let members = body["schema"]["properties"].as_object().unwrap();
        for name in members.keys() {
            assert!(serde_json::from_value::<ReplayRequest>(json!({ name: null })).is_ok(), "{name}");
        }
        let known = serde_json::to_value(ReplayRequest::default()).unwrap();
        assert_eq!(members.len(), known.as_object().unwrap().len());
    }
}
