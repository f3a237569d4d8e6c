//! The definition of a job in the words of its flags.
//!
//! Checkpoints and handshakes hold it as pairs made of the program's own structures, whose form stays as it
//! is so that every version reads it. People are shown what they would type.

use crossrate_dataflows::market::assets::{Asset, QUOTE_ASSETS, Quotes};
use crossrate_dataflows::market::definition::{Basis, Cross};
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::windows::show_length;
use serde::de::DeserializeOwned;

/// The pairs with flags for names and what is typed for values. What is not known stays as it is.
pub(crate) fn in_flags(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let kinds = RowKind::ALL.map(RowKind::as_str);
    let (rows, others): (Vec<_>, Vec<_>) =
        pairs.iter().partition(|(name, _)| name.strip_prefix("rows.").is_some_and(|k| kinds.contains(&k)));
    let given = others.into_iter().filter(|(name, value)| !is_left_out(name, value));
    let mut words: Vec<(String, String)> = given.map(|(name, value)| flag(name, value)).collect();
    if !rows.is_empty() {
        let leaves = |kind: &&str| {
            rows.iter().any(|(name, value)| name.strip_prefix("rows.") == Some(*kind) && value == "true")
        };
        let kinds: Vec<&str> = kinds.into_iter().filter(leaves).collect();
        words.push(("rows".into(), kinds.join(",")));
    }
    words
}

/// Whether a flag was not given that has no word for what holds then.
fn is_left_out(name: &str, value: &str) -> bool {
    matches!((name, value), ("max-carry" | "max-fill", "null") | ("symbol", "unset"))
}

fn flag(name: &str, value: &str) -> (String, String) {
    let (flag, typed) = match (name, value) {
        ("emit" | "missing-leg" | "fill", _) => (name, Some(value.to_ascii_lowercase())),
        ("dedup", "true") => (name, Some("partition".into())),
        ("dedup", "false") => (name, Some("off".into())),
        ("stats-last", "null") => (name, Some("all".into())),
        ("max-jump", "null") => (name, Some("off".into())),
        ("symbols", "All") => (name, Some("all".into())),
        ("symbols.Only", _) => ("symbols", symbols(value)),
        ("crosses", _) => ("cross", list::<Cross>(value)),
        ("basis", _) => (name, list::<Basis>(value)),
        ("quotes", _) => ("quote", quotes(value)),
        _ => (name, None),
    };
    match typed {
        Some(typed) => (flag.to_owned(), typed),
        None => (name.to_owned(), value.to_owned()),
    }
}

/// The currencies, and how paths are chosen where that is not as by default.
fn quotes(value: &str) -> Option<String> {
    let Some(quotes) = serde_json::from_str::<Option<Quotes>>(value).ok()? else {
        return Some("none".into());
    };
    let flags = quote_flags(&quotes);
    let mut words: Vec<String> = flags.into_iter().map(|(name, typed)| format!("--{name} {typed}")).collect();
    if !quotes.pairs.is_empty() {
        words.push(format!("--pairs of {} symbols", quotes.pairs.len()));
    }
    words.join(" ").strip_prefix("--quote ").map(str::to_owned)
}

/// The flags of rates in currencies; but for `--pairs`, which names a file.
pub(crate) fn quote_flags(quotes: &Quotes) -> Vec<(&'static str, String)> {
    let assets = |assets: &[Asset]| assets.iter().map(Asset::as_str).collect::<Vec<_>>().join(",");
    let mut flags = vec![
        ("quote", assets(&quotes.currencies)),
        ("path-every", show_length(quotes.path_every)),
        ("path-lookback", show_length(quotes.path_lookback)),
        ("quote-assets", assets(&quotes.quote_assets)),
    ];
    flags.retain(|(name, typed)| *name != "quote-assets" || typed != QUOTE_ASSETS);
    flags
}

fn symbols(value: &str) -> Option<String> {
    let names: Vec<&str> = serde_json::from_str(value).ok()?;
    Some(names.join(","))
}

fn list<T: DeserializeOwned + ToString>(value: &str) -> Option<String> {
    let items: Vec<T> = serde_json::from_str(value).ok()?;
    if items.is_empty() {
        return Some("none".into());
    }
    Some(items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_told_as_it_is_typed() {
        let pairs = [
            (
                "crosses",
                r#"[{"name":"X","legs":[{"symbol":"A","inverse":false},{"symbol":"B","inverse":true}]}]"#,
            ),
            ("basis", r#"[{"cross":"X","direct":"C"}]"#),
            ("dedup", "true"),
            ("emit", "Changes"),
            ("missing-leg", "Withhold"),
            ("rows.cross", "true"),
            ("rows.stats", "false"),
            ("rows.symbol", "true"),
            ("stats-last", "null"),
            ("max-jump", "null"),
            ("max-carry", "null"),
            ("max-fill", "null"),
            ("symbol", "unset"),
            ("symbols.Only", r#"["A","B"]"#),
            ("window", "10s"),
        ];
        let expected = [
            ("cross", "X=A/B"),
            ("basis", "X=C"),
            ("dedup", "partition"),
            ("emit", "changes"),
            ("missing-leg", "withhold"),
            ("stats-last", "all"),
            ("max-jump", "off"),
            ("symbols", "A,B"),
            ("window", "10s"),
            ("rows", "symbol,cross"),
        ];
        let texts = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(in_flags(&texts(&pairs)), texts(&expected));
        // What a later version may write is shown as it is.
        let others = [("crosses", "?"), ("symbols.But", "[]"), ("rows.other", "true")];
        assert_eq!(in_flags(&texts(&others)), texts(&others));
        assert_eq!(in_flags(&texts(&[("symbols", "All")])), texts(&[("symbols", "all")]));
    }
}
