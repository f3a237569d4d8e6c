//! The query parameters of a request, read strictly. A parameter that is not known is an error, since
//! whoever misspells `until` would otherwise get everything.

use super::board::{Place, State};
use super::filter::Filter;
use super::problem::Problem;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use crossrate_dataflows::market::schema::RowKind;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The parameters of a request, in their order.
#[derive(Debug, Clone, Default)]
pub struct QueryParams(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for QueryParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(pairs) =
            Query::<Vec<(String, String)>>::from_request_parts(parts, state).await.map_err(|wrong| {
                Problem::bad_request(wrong.body_text()).hint("write parameters as name=value&..")
            })?;
        Ok(QueryParams(pairs))
    }
}

impl QueryParams {
    /// Refuses parameters of other names.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                let problem = Problem::bad_request(format!("there is no parameter {name:?} here"));
                Err(match nearest(name, known.iter().copied()) {
                    Some(meant) => problem.hint(format!("did you mean {meant}?")),
                    None if known.is_empty() => problem.hint("there are none"),
                    None => problem.hint(format!("there are {}", known.join(", "))),
                })
            }
        }
    }

    /// A parameter's value; the last one counts.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The same request with another value of a parameter.
    pub fn with(&self, uri: &Uri, name: &str, value: &str) -> String {
        let others = self.0.iter().filter(|(n, _)| n != name).map(|(n, v)| (n.as_str(), v.as_str()));
        let pairs = others.chain([(name, value)]).map(|(n, v)| format!("{}={}", encoded(n), encoded(v)));
        format!("{}?{}", uri.path(), pairs.collect::<Vec<_>>().join("&"))
    }

    /// All values of a parameter that may be repeated or joined by commas.
    fn texts(&self, name: &str) -> Option<Vec<&str>> {
        let values: Vec<&str> =
            self.0.iter().filter(|(n, _)| n == name).flat_map(|(_, value)| value.split(',')).collect();
        (!values.is_empty()).then_some(values)
    }

    /// A whole number from `least` to `most`.
    pub fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) && text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Some(number))
            }
            _ => Err(Problem::bad_request(format!(
                "{name}={text}: expected a whole number from {least} to {most}"
            ))),
        }
    }

    /// A time in milliseconds since the epoch.
    pub fn time(&self, name: &str) -> Result<Option<u64>, Problem> {
        self.number(name, 0, 9_999_999_999_999).map_err(|problem| {
            problem.hint("times are milliseconds since the epoch, as start_ms and end_ms in rows")
        })
    }

    /// True or false; false where it is not there.
    pub fn switch(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(Problem::bad_request(format!("{name}={text}: expected true or false"))),
        }
    }

    /// The rows that are wanted, by `kind`, `name` and `window`.
    pub fn filter(&self) -> Result<Filter, Problem> {
        let mut kinds = BTreeSet::new();
        for text in self.texts("kind").unwrap_or_default() {
            kinds.insert(RowKind::parse(text).ok_or_else(|| {
                Problem::bad_request(format!("kind={text}: expected {}", RowKind::names(" or ")))
                    .hint(hint_of(nearest(text, RowKind::ALL.map(RowKind::as_str))))
            })?);
        }
        let names: Option<BTreeSet<Arc<str>>> =
            self.texts("name").map(|names| names.into_iter().map(Arc::from).collect());
        if names.as_ref().is_some_and(|names| names.contains("")) {
            return Err(Problem::bad_request("name is empty").hint("leave it out to get all names"));
        }
        let windows = self.texts("window").map(|windows| windows.into_iter().map(Arc::from).collect());
        Ok(Filter::new((!kinds.is_empty()).then_some(kinds), names).of_windows(windows))
    }

    /// The same, of names that there are.
    pub fn known(&self, state: &State) -> Result<Filter, Problem> {
        let filter = self.filter()?;
        for name in filter.names().into_iter().flatten() {
            if !state.series.keys().any(|(kind, known, _)| known == name && filter.admits_kind(*kind)) {
                let names = state.series.keys().filter(|(kind, ..)| filter.admits_kind(*kind));
                let names: BTreeSet<&str> = names.map(|(_, name, _)| name.as_ref()).collect();
                let detail = format!("there are no rows of {name:?} (yet)");
                let hint = match nearest(name, names.iter().copied()) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => "see /v1/catalog for what there is".to_owned(),
                };
                return Err(Problem::new(StatusCode::NOT_FOUND, detail).hint(hint));
            }
        }
        for window in filter.windows().into_iter().flatten() {
            let defined = state
                .definition
                .as_ref()
                .is_some_and(|known| known.windows.iter().any(|known| **known == **window));
            if !defined && !state.series.keys().any(|(_, _, known)| known == window) {
                let windows: BTreeSet<&str> =
                    state.series.keys().map(|(_, _, known)| known.as_ref()).collect();
                let detail = format!("there are no rows of windows {window:?} (yet)");
                let there = windows.into_iter().collect::<Vec<_>>().join(", ");
                return Err(Problem::new(StatusCode::NOT_FOUND, detail).hint(format!("there are {there}")));
            }
        }
        Ok(filter)
    }

    /// Where an earlier answer ended.
    pub fn cursor(&self) -> Result<Option<Place>, Problem> {
        let Some(text) = self.text("cursor") else { return Ok(None) };
        let read = || {
            // Neither a name nor a definition has a bar in it.
            let (text, window) = text.rsplit_once('|')?;
            let mut parts = text.splitn(4, '.');
            let end_ms = parts.next()?.parse().ok()?;
            let start_ms = parts.next()?.parse().ok()?;
            let kind = RowKind::parse(parts.next()?)?;
            let name = parts.next()?.to_owned();
            Some(Place { end_ms, kind, name, start_ms, window: window.to_owned() })
        };
        read().map(Some).ok_or_else(|| {
            Problem::bad_request(format!("cursor={text}: not a cursor"))
                .hint("give back what an answer had as its next, or leave it out to begin anew")
        })
    }
}

impl Place {
    /// As a cursor.
    pub fn cursor(&self) -> String {
        let Place { end_ms, start_ms, kind, name, window } = self;
        format!("{end_ms}.{start_ms}.{}.{name}|{window}", kind.as_str())
    }
}

/// As an address wants it.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~,".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn hint_of(meant: Option<&str>) -> String {
    meant.map_or_else(|| "several are joined by commas".to_owned(), |meant| format!("did you mean {meant}?"))
}

/// The known word that is a slip of the fingers away.
fn nearest<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let length = typed.chars().count();
    words
        .into_iter()
        .map(|word| (word.to_lowercase(), word))
        // The distance is no less than that; to measure it takes long where texts are.
        .filter(|(lower, _)| lower.chars().count().abs_diff(length) <= 2)
        .map(|(lower, word)| (strsim::damerau_levenshtein(&typed, &lower), word))
        .filter(|(distance, _)| *distance <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> QueryParams {
        QueryParams(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn cursors_read_back() {
        for name in ["XVGUSDT", "odd.name", ""] {
            let (end_ms, start_ms, window) = (30, 20, "1m/10s".to_owned());
            let place = Place { end_ms, kind: RowKind::Stats, name: name.into(), start_ms, window };
            assert_eq!(params(&[("cursor", &place.cursor())]).cursor().unwrap(), Some(place));
        }
        for wrong in ["", "1", "1.2.cross", "1.2.other.A|1m", "-1.2.cross.A|1m", "1.2.cross.A", "a.b.c.d"] {
            assert!(params(&[("cursor", wrong)]).cursor().is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_plain_and_in_range() {
        assert_eq!(params(&[("limit", "10")]).number("limit", 1, 10).unwrap(), Some(10));
        assert_eq!(params(&[]).number("limit", 1, 10).unwrap(), None);
        for wrong in ["0", "11", "+1", "1.0", "", "99999999999999999999", "ten"] {
            assert!(params(&[("limit", wrong)]).number("limit", 1, 10).is_err(), "{wrong}");
        }
    }

    #[test]
    fn unknown_parameters_are_refused() {
        assert!(params(&[("untl", "1")]).only(&["from", "until"]).is_err());
        assert!(params(&[("until", "1"), ("from", "2")]).only(&["from", "until"]).is_ok());
    }

    #[test]
    fn what_is_far_too_long_is_compared_with_nothing() {
        let long = "X".repeat(60_000);
        let known: Vec<String> = (0..3_000).map(|number| format!("NAME{number}")).collect();
        let begun = std::time::Instant::now();
        assert_eq!(nearest(&long, known.iter().map(String::as_str)), None);
        assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_eq!(nearest("xvgusd", ["BTCUSDT", "XVGUSDT"]), Some("XVGUSDT"));
    }

    #[test]
    fn kinds_and_names_are_repeated_or_joined() {
        let filter = params(&[("kind", "cross,stats"), ("name", "A"), ("name", "B")]).filter().unwrap();
        assert!(filter.admits(RowKind::Cross, "A") && filter.admits(RowKind::Stats, "B"));
        assert!(!filter.admits(RowKind::Symbol, "A") && !filter.admits(RowKind::Cross, "C"));
        assert!(params(&[("kind", "crss")]).filter().is_err());
        assert!(params(&[("name", "")]).filter().is_err());
    }
}
