//! Rows as an answer: JSON, JSON lines or CSV, as `Accept` says; tagged, so that whoever asks again for what
//! has not changed gets no bytes. Values are those of the rows, character by character.

use super::answers::Answers;
use super::board::series::CachedRow;
use super::filter::Filter;
use super::problem::Problem;
use crate::rows::csv;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use crossrate_dataflows::market::schema::RowKind;
use std::collections::BTreeSet;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// In which form.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// A row a line.
    Lines,
    /// A header and a record a line (RFC 4180).
    Csv,
}

const KNOWN: [(&str, Format); 3] =
    [("application/json", Format::Json), ("application/x-ndjson", Format::Lines), ("text/csv", Format::Csv)];

impl Format {
    /// What the asker wants: by the parameter `format`, else by `Accept`.
    pub fn wanted(format: Option<&str>, headers: &HeaderMap) -> Result<Format, Problem> {
        match format {
            Some("json") => return Ok(Format::Json),
            Some("ndjson") => return Ok(Format::Lines),
            Some("csv") => return Ok(Format::Csv),
            Some(other) => {
                return Err(Problem::bad_request(format!("format={other}: expected json, ndjson or csv")));
            }
            None => {}
        }
        let accept: Vec<&str> =
            headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        if accept.is_empty() {
            return Ok(Format::Json);
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
        let best = KNOWN.iter().rev().max_by_key(|(name, _)| quality(name));
        match best {
            Some((name, format)) if quality(name) > 0 => Ok(*format),
            _ => Err(Problem::new(
                StatusCode::NOT_ACCEPTABLE,
                format!("nothing here is {}", accept.join(", ")),
            )
            .hint("accept application/json, application/x-ndjson or text/csv")),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Lines => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

/// A range of `Accept` with its quality in thousandths.
fn range(text: &str) -> Option<(&str, u32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| name.contains('/'))?;
    let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok())?;
    (0.0..=1.0).contains(&quality).then_some((name, (quality * 1_000.0_f32) as u32))
}

/// Rows in that form, as a filter let them through; `rest` are the members that stand beside them in a JSON
/// object.
pub fn rows(
    rows: &[Arc<CachedRow>],
    filter: &Filter,
    format: Format,
    rest: &[(&str, serde_json::Value)],
) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::with_capacity(rows.iter().map(|row| row.json.len() + 1).sum::<usize>() + 256);
    match format {
        Format::Json => {
            out.extend_from_slice(b"{\"rows\":[");
            for (place, row) in rows.iter().enumerate() {
                out.extend_from_slice(if place == 0 { b"\n" } else { b",\n" });
                out.extend_from_slice(row.json.as_bytes());
            }
            out.push(b']');
            for (name, value) in rest {
                out.extend_from_slice(format!(",\n\"{name}\":{value}").as_bytes());
            }
            out.extend_from_slice(b"}\n");
        }
        Format::Lines => {
            for row in rows {
                out.extend_from_slice(row.json.as_bytes());
                out.push(b'\n');
            }
        }
        Format::Csv => {
            let mut kinds: BTreeSet<RowKind> = rows.iter().map(|row| row.kind).collect();
            if rows.is_empty() {
                // Of one kind there is a header although there is no row.
                kinds.extend(RowKind::ALL.into_iter().filter(|kind| filter.admits_kind(*kind)));
                if kinds.len() > 1 {
                    return Ok(out);
                }
            }
            if kinds.len() > 1 {
                return Err(Problem::bad_request("kinds of rows have different columns").hint(format!(
                    "for CSV, ask for one kind: kind={}",
                    RowKind::names(" or kind=").replace(", ", ", kind=")
                )));
            }
            if let Some(kind) = kinds.first() {
                csv::header(&mut out, kind.schema().fields, "\r\n");
                for row in rows {
                    csv::record(&mut out, kind.schema().fields, &row.columns(), "\r\n");
                }
            }
        }
    }
    Ok(out)
}

/// An answer with a tag; without a body where the asker has it already.
pub fn tagged(
    answers: &Answers,
    body: Vec<u8>,
    format: Format,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let tag = format!("\"{:032x}\"", xxh3_128(&body));
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).map(str::trim);
    let same = known.map(|known| known.strip_prefix("W/").unwrap_or(known)).any(|k| k == tag || k == "*");
    let mut response = match same {
        true => Response::new(Body::empty()),
        false => Response::new(answers.body(body)?),
    };
    if same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set.insert(header::VARY, HeaderValue::from_static("accept, authorization"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        set.insert(header::ETAG, tag);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        Format::wanted(None, &headers).ok()
    }

    #[test]
    fn the_form_is_what_the_asker_accepts() {
        for (accept, format) in [
            ("*/*", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(Format::Json)),
            ("text/*, application/json;q=0.5", Some(Format::Csv)),
            ("application/x-ndjson", Some(Format::Lines)),
            ("application/json;q=0, */*;q=0.1", Some(Format::Lines)),
            ("image/png", None),
            ("text/csv;q=0", None),
        ] {
            assert_eq!(wanted(accept), format, "{accept}");
        }
        assert_eq!(Format::wanted(Some("csv"), &HeaderMap::new()).ok(), Some(Format::Csv));
        assert!(Format::wanted(Some("xml"), &HeaderMap::new()).is_err());
    }
}
