//! What browsers get: the files of the page, within the program, so that it works offline and without any
//! build step beyond cargo's. The page holds no data; what it shows it asks of the routes beside it.
//!
//! The charts are drawn by scripts of our own (`chart.js`, `charts.js`, `painters.js`, `scale.js`,
//! `compare.js`, `strip.js`: some thousand lines) and not by a library. A library would have to come as a
//! crate, since a build has no other step and third-party files are not committed. The crates with
//! Lightweight Charts (`trading-charts` and its kin) are bindings for WebAssembly frameworks: they want npm
//! and a second toolchain; none was found that carries its script, or uPlot's, as a file. `plotly` does
//! carry its own, of 4.6 MB: forty times all that a browser gets here, for charts that know neither
//! provisional windows nor a frontier; these would be drawn by scripts of our own all the same.

use super::{App, openapi};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// A file of the page.
#[derive(Debug)]
struct PageFile {
    path: &'static str,
    kind: &'static str,
    text: fn() -> &'static str,
}

macro_rules! assets {
    ($($path:literal, $file:literal, $kind:expr;)*) => {
        &[
            $(PageFile { path: $path, kind: $kind, text: || include_str!(concat!("page/", $file)) },)*
            PageFile { path: "/v1/openapi.json", kind: "application/json", text: openapi::text },
        ]
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

const ASSETS: &[PageFile] = assets! {
    "/", "index.html", HTML;
    "/assets/address.js", "address.js", SCRIPT;
    "/assets/app.js", "app.js", SCRIPT;
    "/assets/chart.js", "chart.js", SCRIPT;
    "/assets/charts.js", "charts.js", SCRIPT;
    "/assets/compare.js", "compare.js", SCRIPT;
    "/assets/define.js", "define.js", SCRIPT;
    "/assets/export.js", "export.js", SCRIPT;
    "/assets/facts.js", "facts.js", SCRIPT;
    "/assets/history.js", "history.js", SCRIPT;
    "/assets/names.js", "names.js", SCRIPT;
    "/assets/navigate.js", "navigate.js", SCRIPT;
    "/assets/notes.js", "notes.js", SCRIPT;
    "/assets/overview.js", "overview.js", SCRIPT;
    "/assets/painters.js", "painters.js", SCRIPT;
    "/assets/scale.js", "scale.js", SCRIPT;
    "/assets/server.js", "server.js", SCRIPT;
    "/assets/store.js", "store.js", SCRIPT;
    "/assets/stream.js", "stream.js", SCRIPT;
    "/assets/strip.js", "strip.js", SCRIPT;
    "/assets/text.js", "text.js", SCRIPT;
    "/assets/timeline.js", "timeline.js", SCRIPT;
    "/assets/window.js", "window.js", SCRIPT;
    "/assets/wishes.js", "wishes.js", SCRIPT;
    "/assets/icon.svg", "icon.svg", "image/svg+xml";
    "/favicon.ico", "icon.svg", "image/svg+xml";
    "/docs", "docs.html", HTML;
    "/assets/docs.js", "docs.js", SCRIPT;
    "/assets/style.css", "style.css", "text/css; charset=utf-8";
    "/assets/tools.css", "tools.css", "text/css; charset=utf-8";
};

/// Whether that is a file of the page, which everybody may have.
pub fn is_asset(path: &str) -> bool {
    ASSETS.iter().any(|asset| asset.path == path)
}

/// A route for each file.
pub fn routes(router: Router<Arc<App>>) -> Router<Arc<App>> {
    ASSETS.iter().fold(router, |router, asset| {
        router.route(asset.path, get(move |headers: HeaderMap| async move { answer(asset, &headers) }))
    })
}

/// The file, or word that the asker has it already.
fn answer(asset: &'static PageFile, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:016x}\"", xxh3_64((asset.text)().as_bytes()));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let same = known.is_some_and(|known| known == tag);
    let mut response = Response::new(if same { Body::empty() } else { Body::from((asset.text)()) });
    if same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    // Another version of the program has other files under the same names.
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        set.insert(header::ETAG, tag);
    }
    response
}
