//! The query parameters of a request, read strictly. A parameter that is not known is an error, since
//! whoever misspells `until` would otherwise get everything.

use super::board::BoardState;
use super::board::range::{RowOrder, WindowCursor};
use super::filter::Filter;
use super::format::Times;
use super::problem::Problem;
use super::unknown::UnknownSeries;
use crate::config::moment;
use crate::nearest::nearest;
use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use crossrate_dataflows::market::schema::RowKind;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Milliseconds of the latest time that can be asked for.
const MOST_MS: u64 = 9_999_999_999_999;

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

    /// A time in milliseconds since the epoch, rounded up to the next one.
    pub fn time(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let ms = match is_number {
            true => text.parse().ok(),
            false => moment::read(text).and_then(|moment| {
                u64::try_from(moment.as_nanosecond()).ok().map(|nanos| nanos.div_ceil(1_000_000))
            }),
        };
        ms.filter(|ms| *ms <= MOST_MS).map(Some).ok_or_else(|| {
            let detail = format!(
                "{name}={text}: expected milliseconds since the epoch, or a time such as \
                                  2018-04-29T17:13:40Z"
            );
            Problem::bad_request(detail).hint(match text.contains(' ') {
                true => "in an address a + is written %2B, since a plain one is a blank",
                false => "milliseconds since the epoch are those of start_ms and end_ms in rows",
            })
        })
    }

    /// One of a few words; the first where it is not there.
    fn word<T: Copy>(&self, name: &str, words: [(&str, T); 2]) -> Result<T, Problem> {
        let [(first, value), (second, other)] = words;
        match self.text(name) {
            None => Ok(value),
            Some(text) if text == first => Ok(value),
            Some(text) if text == second => Ok(other),
            Some(text) => Err(Problem::bad_request(format!("{name}={text}: expected {first} or {second}"))),
        }
    }

    /// Which windows come first.
    pub fn order(&self) -> Result<RowOrder, Problem> {
        self.word("order", [("asc", RowOrder::Ascending), ("desc", RowOrder::Descending)])
    }

    /// How the answer tells times.
    pub fn times(&self) -> Result<Times, Problem> {
        self.word("times", [("ms", Times::Millis), ("iso", Times::Iso)])
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
    pub fn known(&self, state: &BoardState) -> Result<Filter, Problem> {
        let filter = self.filter()?;
        if let Some(unknown) = UnknownSeries::of(state, &filter).into_iter().next() {
            return Err(unknown.problem());
        }
        Ok(filter)
    }

    /// Where an earlier answer ended.
    pub fn cursor(&self) -> Result<Option<WindowCursor>, Problem> {
        let Some(text) = self.text("cursor") else { return Ok(None) };
        let read = || {
            // Neither a name nor a definition has a bar in it.
            let (text, window) = text.rsplit_once('|')?;
            let mut parts = text.splitn(4, '.');
            let end_ms = parts.next()?.parse().ok()?;
            let start_ms = parts.next()?.parse().ok()?;
            let kind = RowKind::parse(parts.next()?)?;
            let name = parts.next()?.to_owned();
            Some(WindowCursor { end_ms, kind, name, start_ms, window: window.to_owned() })
        };
        read().map(Some).ok_or_else(|| {
            Problem::bad_request(format!("cursor={text}: not a cursor"))
                .hint("give back what an answer had as its next, or leave it out to begin anew")
        })
    }
}

impl WindowCursor {
    /// As a cursor.
    pub fn cursor(&self) -> String {
        let WindowCursor { end_ms, start_ms, kind, name, window } = self;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> QueryParams {
        QueryParams(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_printed_cursor_reads_back() {
        for name in ["XVGUSDT", "odd.name", ""] {
            let (end_ms, start_ms, window) = (30, 20, "1m/10s".to_owned());
            let place = WindowCursor { end_ms, kind: RowKind::Stats, name: name.into(), start_ms, window };
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
    fn times_are_milliseconds_or_moments() {
        let time = |text: &str| params(&[("from", text)]).time("from");
        for (text, ms) in [
            ("0", 0),
            ("1525022020000", 1_525_022_020_000),
            ("9999999999999", 9_999_999_999_999),
            ("2018-04-29T17:13:40Z", 1_525_022_020_000),
            ("2018-04-29T19:13:40+02:00", 1_525_022_020_000),
            ("2018-04-29 17:13:40.0001Z", 1_525_022_020_001),
            ("2018-04-29", 1_524_960_000_000),
        ] {
            assert_eq!(time(text).unwrap(), Some(ms), "{text}");
        }
        let wrong =
            ["", "+1", "-1", "1.5", "99999999999999", "yesterday", "1969-12-31", "2018-04-29T17:13:40 02:00"];
        for text in wrong {
            assert!(time(text).is_err(), "{text}");
        }
        assert_eq!(params(&[]).time("from").unwrap(), None);
    }

    #[test]
    fn unknown_parameters_are_refused() {
        assert!(params(&[("untl", "1")]).only(&["from", "until"]).is_err());
        assert!(params(&[("until", "1"), ("from", "2")]).only(&["from", "until"]).is_ok());
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
