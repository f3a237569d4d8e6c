//! Rows as an answer: JSON, JSON lines, CSV or an Arrow stream, as `Accept` says; tagged, so that whoever
//! asks again for what has not changed gets no bytes. Values are those of the rows, character by character.

mod times;

use super::answers::Answers;
use super::board::series::CachedRow;
use super::coding::{Coding, text_tag, weighted};
use super::filter::Filter;
use super::problem::{Problem, RestResponse};
use crate::rows::csv;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use crossrate_dataflows::market::schema::{Field, RowKind};
use crossrate_dataflows::market::value::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
pub use times::Times;
use xxhash_rust::xxh3::xxh3_128;

/// In which form.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ResponseFormat {
    /// One JSON object.
    Json,
    /// A row a line.
    Lines,
    /// A header and a record a line (RFC 4180).
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

/// The type of an Arrow stream.
const ARROW: &str = "application/vnd.apache.arrow.stream";
const KNOWN: [(&str, ResponseFormat); 4] = [
    ("application/json", ResponseFormat::Json),
    ("application/x-ndjson", ResponseFormat::Lines),
    ("text/csv", ResponseFormat::Csv),
    (ARROW, ResponseFormat::Arrow),
];

impl ResponseFormat {
    /// What the asker wants: by the parameter `format`, else by `Accept`.
    pub fn wanted(format: Option<&str>, headers: &HeaderMap) -> Result<ResponseFormat, Problem> {
        match format {
            Some("json") => return Ok(ResponseFormat::Json),
            Some("ndjson") => return Ok(ResponseFormat::Lines),
            Some("csv") => return Ok(ResponseFormat::Csv),
            Some("arrow") => return ResponseFormat::Arrow.as_built(),
            Some(other) => {
                let words = format!("format={other}: expected json, ndjson, csv or arrow");
                return Err(Problem::bad_request(words));
            }
            None => {}
        }
        let accept: Vec<&str> =
            headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        if accept.is_empty() {
            return Ok(ResponseFormat::Json);
        }
        let ranges = accept.iter().flat_map(|value| value.split(',')).filter_map(range).collect::<Vec<_>>();
        // The quality of a form, by the range that names it most exactly. Of equals the first in the list.
        let quality = |name: &str| {
            let group = name.split('/').next().unwrap_or_default();
            let matching = ranges.iter().filter_map(|(range, quality)| {
                let exact = match range.split_once('/') {
                    _ if *range == name => 2,
                    Some((g, "*")) if g == group => 1,
                    _ if *range == "*/*" => 0,
                    _ => return None,
                };
                Some((exact, *quality))
            });
            matching.max_by_key(|(exact, _)| *exact).map_or(0, |(_, quality)| quality)
        };
        let built = KNOWN.iter().filter(|(_, format)| format.as_built().is_ok());
        let best = built.rev().max_by_key(|(name, _)| quality(name));
        match best {
            Some((name, format)) if quality(name) > 0 => Ok(*format),
            _ if quality(ARROW) > 0 => ResponseFormat::Arrow.as_built(),
            _ => Err(Problem::new(
                StatusCode::NOT_ACCEPTABLE,
                format!("nothing here is {}", accept.join(", ")),
            )
            .hint(format!("accept application/json, application/x-ndjson, text/csv or {ARROW}"))),
        }
    }

    /// The form itself, where this program has it.
    fn as_built(self) -> Result<ResponseFormat, Problem> {
        if self == ResponseFormat::Arrow && !cfg!(feature = "arrow") {
            let words = "this program was built without Arrow streams";
            return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, words)
                .hint("build it with --features arrow, or accept application/json or text/csv"));
        }
        Ok(self)
    }

    fn content_type(self) -> &'static str {
        match self {
            ResponseFormat::Json => "application/json",
            ResponseFormat::Lines => "application/x-ndjson",
            ResponseFormat::Csv => "text/csv; charset=utf-8; header=present",
            ResponseFormat::Arrow => ARROW,
        }
    }
}

/// A range of `Accept` with its quality in thousandths.
fn range(text: &str) -> Option<(&str, u32)> {
    weighted(text).filter(|(name, _)| name.contains('/'))
}

/// Rows in that form, as a filter let them through; `rest` are the members that stand beside them in a JSON
/// object.
pub fn rows(
    rows: &[Arc<CachedRow>],
    filter: &Filter,
    (format, times): (ResponseFormat, Times),
    rest: &[(&str, serde_json::Value)],
) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::with_capacity(rows.iter().map(|row| row.json.len() + 1).sum::<usize>() + 256);
    match format {
        ResponseFormat::Json => {
            out.extend_from_slice(b"{\"rows\":[");
            for (place, row) in rows.iter().enumerate() {
                out.extend_from_slice(if place == 0 { b"\n" } else { b",\n" });
                times.write(&mut out, row, &row.json);
            }
            out.push(b']');
            for (name, value) in rest {
                out.extend_from_slice(format!(",\n\"{name}\":{value}").as_bytes());
            }
            out.extend_from_slice(b"}\n");
        }
        ResponseFormat::Lines => {
            for row in rows {
                times.write(&mut out, row, &row.json);
                out.push(b'\n');
            }
        }
        ResponseFormat::Csv => {
            if let Some(kind) = only_kind(rows, filter)? {
                let columns = times.columns(kind);
                csv::header(&mut out, &columns, "\r\n");
                for row in rows {
                    csv::record(&mut out, &columns, &times.values(row), "\r\n");
                }
            }
        }
        ResponseFormat::Arrow => {
            let (columns, rows) = match only_kind(rows, filter)? {
                Some(kind) => (times.columns(kind), rows.iter().map(|row| times.values(row)).collect()),
                None => (Vec::new(), Vec::new()),
            };
            return arrow_stream(&columns, rows);
        }
    }
    Ok(out)
}

/// The kind of all rows; none where there are no rows, and any of several kinds was asked for.
fn only_kind(rows: &[Arc<CachedRow>], filter: &Filter) -> Result<Option<RowKind>, Problem> {
    let mut kinds: BTreeSet<RowKind> = rows.iter().map(|row| row.kind).collect();
    if rows.is_empty() {
        // Of one kind there are columns although there is no row.
        kinds.extend(RowKind::ALL.into_iter().filter(|kind| filter.admits_kind(*kind)));
        if kinds.len() > 1 {
            return Ok(None);
        }
    }
    if kinds.len() > 1 {
        return Err(Problem::bad_request("kinds of rows have different columns").hint(format!(
            "for a table, ask for one kind: kind={}",
            RowKind::names(" or kind=").replace(", ", ", kind=")
        )));
    }
    Ok(kinds.pop_first())
}

/// Rows that have these fields, as an Arrow stream.
pub fn arrow_stream(columns: &[Field], rows: Vec<Vec<Value>>) -> Result<Vec<u8>, Problem> {
    #[cfg(feature = "arrow")]
    {
        use crate::rows::arrow;
        arrow::stream(&arrow::columns(columns, rows)).map_err(unmade)
    }
    #[cfg(not(feature = "arrow"))]
    {
        let _ = (columns, rows);
        ResponseFormat::Arrow.as_built().map(|_| Vec::new())
    }
}

/// An answer in SQL as an Arrow stream.
pub fn arrow_answer(names: &[String], rows: &[Vec<serde_json::Value>]) -> Result<Vec<u8>, Problem> {
    #[cfg(feature = "arrow")]
    {
        use crate::rows::arrow;
        arrow::stream(&arrow::answer(names, rows)).map_err(unmade)
    }
    #[cfg(not(feature = "arrow"))]
    {
        let _ = (names, rows);
        ResponseFormat::Arrow.as_built().map(|_| Vec::new())
    }
}

#[cfg(feature = "arrow")]
fn unmade(error: arrow_schema::ArrowError) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the Arrow stream cannot be made: {error}"))
        .hint("ask for application/json or text/csv")
}

/// An answer with a tag; without a body where the asker has it already.
pub fn tagged(answers: &Answers, body: Vec<u8>, file: &FileName, headers: &HeaderMap) -> RestResponse {
    let text = format!("{:032x}", xxh3_128(&body));
    let coding = Coding::wanted(headers, body.len());
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).map(str::trim);
    let same = known.map(text_tag).any(|known| known == text || known == "*");
    let mut response = match same {
        true => Response::new(Body::empty()),
        false => packed(answers, body, headers)?,
    };
    if same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let set = response.headers_mut();
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set.append(header::VARY, HeaderValue::from_static("accept, authorization"));
    file.tell(set);
    if let Ok(tag) = HeaderValue::from_str(&coding.tag(&text)) {
        set.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// An answer whose body is packed as its asker takes it.
pub fn packed(answers: &Answers, body: Vec<u8>, headers: &HeaderMap) -> RestResponse {
    let (coding, body) = Coding::wanted(headers, body.len()).packed(body);
    let mut response = Response::new(answers.body(body)?);
    coding.tell(response.headers_mut());
    Ok(response)
}

/// What an answer is called where it is kept as a file.
#[derive(Debug)]
pub struct FileName {
    stem: String,
    format: ResponseFormat,
}

impl FileName {
    /// Of an answer that is called so.
    pub fn new(stem: &str, format: ResponseFormat) -> FileName {
        FileName { stem: stem.to_owned(), format }
    }

    /// Of rows: what was asked, and the kind, name and window, where they are of one only.
    pub fn of_rows(what: &str, filter: &Filter, format: ResponseFormat) -> FileName {
        fn only<T: Ord>(wanted: Option<&BTreeSet<T>>) -> Option<&T> {
            wanted.filter(|wanted| wanted.len() == 1).and_then(BTreeSet::first)
        }
        let kinds: Vec<RowKind> = RowKind::ALL.into_iter().filter(|kind| filter.admits_kind(*kind)).collect();
        let kind = match kinds.as_slice() {
            [one] => Some(one.as_str()),
            _ => None,
        };
        let parts = [kind, only(filter.names()).map(|name| &**name), only(filter.windows()).map(|w| &**w)];
        let parts: Vec<&str> = [what].into_iter().chain(parts.into_iter().flatten()).collect();
        // A window may have a slash, and a name a colon.
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        FileName { stem: parts.join("-").chars().map(plain).collect(), format }
    }

    /// Says so in the answer's headers, with its type: browsers keep what is a table or lines, and show JSON.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let (how, ending) = match self.format {
            ResponseFormat::Json => ("inline", "json"),
            ResponseFormat::Lines => ("attachment", "ndjson"),
            ResponseFormat::Csv => ("attachment", "csv"),
            ResponseFormat::Arrow => ("attachment", "arrows"),
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        let text = format!("{how}; filename=\"{}.{ending}\"", self.stem);
        if let Ok(text) = HeaderValue::from_str(&text) {
            headers.insert(header::CONTENT_DISPOSITION, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Option<ResponseFormat> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        ResponseFormat::wanted(None, &headers).ok()
    }

    #[test]
    fn the_form_is_what_the_asker_accepts() {
        for (accept, format) in [
            ("*/*", Some(ResponseFormat::Json)),
            ("text/csv", Some(ResponseFormat::Csv)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(ResponseFormat::Json)),
            ("text/*, application/json;q=0.5", Some(ResponseFormat::Csv)),
            ("application/x-ndjson", Some(ResponseFormat::Lines)),
            ("application/json;q=0, */*;q=0.1", Some(ResponseFormat::Lines)),
            ("image/png", None),
            ("text/csv;q=0", None),
            (ARROW, cfg!(feature = "arrow").then_some(ResponseFormat::Arrow)),
            ("application/*", Some(ResponseFormat::Json)),
        ] {
            assert_eq!(wanted(accept), format, "{accept}");
        }
        assert_eq!(ResponseFormat::wanted(Some("csv"), &HeaderMap::new()).ok(), Some(ResponseFormat::Csv));
        assert!(ResponseFormat::wanted(Some("xml"), &HeaderMap::new()).is_err());
    }
}
