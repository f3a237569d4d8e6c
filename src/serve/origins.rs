//! Pages of other origins that may read here: those of `--allow-origin`, by the protocol of browsers (CORS,
//! the Fetch standard). They ask for what changes nothing, whatever token they have.

use super::problem::Problem;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

/// Where a question is read from the body of a request, and nothing is changed.
const QUESTIONS: &str = "/v1/sql";
/// What such a page may send.
const SENT: &str = "authorization, content-type, if-none-match, last-event-id";
/// What of an answer's headers it may read, besides those that all pages may.
const READ: &str = "etag, link, content-disposition, retry-after, crossrate-truncated";
/// For how long a browser need not ask again whether it may ask.
const REMEMBERED_S: &str = "600";

/// The origins whose pages may read.
#[derive(Debug, Default)]
pub(super) struct Origins(Vec<String>);

impl Origins {
    /// These.
    pub(super) fn new(origins: &[String]) -> Origins {
        Origins(origins.to_vec())
    }

    /// The origin of a request, where it is one of these.
    pub(super) fn of(&self, request: &Request) -> Option<HeaderValue> {
        let origin = request.headers().get(header::ORIGIN)?;
        self.has(origin).then(|| origin.clone())
    }

    fn has(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|known| known.as_bytes() == origin.as_bytes())
    }

    /// Whether a page of another origin than the server's own may ask that.
    pub(super) fn admit(&self, origin: &HeaderValue, request: &Request) -> Result<(), Problem> {
        let refused = |detail: &str| Problem::new(StatusCode::FORBIDDEN, detail.to_owned());
        if !self.has(origin) {
            return Err(refused("a page of another origin asks").hint(
                "open the server's own page, ask with a program, or give the server --allow-origin with the \
                 origin of that page",
            ));
        }
        match reads(&asked_method(request), request.uri().path()) {
            true => Ok(()),
            false => Err(refused("a page of another origin may read, and not change anything")
                .hint("ask with a program, or from the server's own page")),
        }
    }

    /// Says in the headers of an answer who may read it.
    pub(super) fn tell(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(READ));
        }
    }
}

/// The method of a request, or the one that it asks about.
fn asked_method(request: &Request) -> Method {
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
    let asked = asked.filter(|_| request.method() == Method::OPTIONS);
    asked.and_then(|asked| Method::from_bytes(asked.as_bytes()).ok()).unwrap_or(request.method().clone())
}

fn reads(method: &Method, path: &str) -> bool {
    [Method::GET, Method::HEAD].contains(method) || (*method == Method::POST && path == QUESTIONS)
}

/// Whether a browser asks whether it may ask.
pub(super) fn is_preflight(request: &Request) -> bool {
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    request.method() == Method::OPTIONS && asks
}

/// What it may.
pub(super) fn preflight(request: &Request) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let methods = if request.uri().path() == QUESTIONS { "POST" } else { "GET, HEAD" };
    let told: [(HeaderName, &'static str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, SENT),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_S),
    ];
    for (name, value) in told {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
