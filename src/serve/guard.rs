//! Who may ask. On loopback everybody on this machine, but no web page of another origin; elsewhere whoever
//! has the token. What every answer carries, and the count of answers.

use super::origins;
use super::problem::Problem;
use super::{App, AppState};
use crate::config::secret::AccessRight;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// What the page may load and do: what comes from here, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What can be had without a token: the page holds no data, and whoever looks after the process asks whether
/// it lives.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Stands before every route.
pub async fn guard(State(app): AppState, request: Request, next: Next) -> Response {
    let origin = app.origins.of(&request);
    let mut response = match admit(&app, &request) {
        Ok(()) if origins::is_preflight(&request) && origin.is_some() => origins::preflight(&request),
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    app.metrics.answered(response.status());
    let headers = response.headers_mut();
    app.origins.tell(origin, headers);
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn admit(app: &App, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        // Of two, some program on the way may have believed the other one (RFC 9112, 3.2).
        return Err(Problem::bad_request(format!("a request has one Host header, and this one has {hosts}"))
            .hint("send the address that is asked as Host, once"));
    }
    let host = host(request);
    if let Some(origin) = headers.get(header::ORIGIN) {
        let same = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        if same.map(|(_, of)| of) != host {
            app.origins.admit(origin, request)?;
        }
    }
    let path = request.uri().path();
    match &app.token {
        // A name of somebody else that leads to this machine would make their page one of ours.
        None if !host.is_some_and(is_this_machine) => {
            Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "this server answers as localhost only")
                .hint("ask http://localhost or http://127.0.0.1, or give the server a --token-file"))
        }
        None => Ok(()),
        // Browsers ask without the token whether they may ask with it.
        Some(_) if app.origins.of(request).is_some() && origins::is_preflight(request) => Ok(()),
        Some(_) if OPEN.contains(&path) || super::page::is_asset(path) => Ok(()),
        Some(tokens) => match bearer(headers).map(|given| tokens.right(given)) {
            Some(Some(right)) if right == AccessRight::Change || !changes(request.method()) => Ok(()),
            Some(Some(_)) => {
                Err(Problem::new(StatusCode::FORBIDDEN, "that token may read, and not change the job")
                    .hint("ask with a token whose line in the server's --token-file does not say read"))
            }
            given => {
                let detail = match given {
                    Some(_) => "that is not the token",
                    None => "a token is needed",
                };
                Err(Problem::new(StatusCode::UNAUTHORIZED, detail)
                    .hint("send Authorization: Bearer and the text of the server's --token-file"))
            }
        },
    }
}

/// Whether a request of that method may change the job.
fn changes(method: &Method) -> bool {
    [Method::PUT, Method::PATCH, Method::DELETE].contains(method)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn host(request: &Request) -> Option<&str> {
    let named = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    request.uri().authority().map(|authority| authority.as_str()).or(named)
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts_are_this_machine_and_others_are_not() {
        for own in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:80", "[::1]", "localhost.:1"]
        {
            assert!(is_this_machine(own), "{own}");
        }
        for other in
            ["evil.example", "localhost.evil.example:80", "10.0.0.1", "", "127.0.0.1.nip.io", "[::2]:80"]
        {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
