//! The read side over a real Postgres: what it serves is what was written, character by character, and it
//! outlives a crash of the server.

use super::follow::{rows_of, serve, served_rows, trades};
use super::{crossrate, http};
use crate::recovery::postgres::{Server, needed, shared};
use std::path::Path;

/// The rows of the first so many seconds, into the database; all rows of the job so far.
fn run(folder: &Path, seconds: u64, url: &str) -> String {
    std::fs::write(folder.join("trades.jsonl"), trades(0..seconds)).unwrap();
    let flags = ["trades.jsonl", "--delay", "1s", "--window", "5s", "-q", "--to", "rows.jsonl", "--to", url];
    let output = crossrate(&["run"]).args(flags).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    rows_of(&std::fs::read_to_string(folder.join("rows.jsonl")).unwrap())
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_database_is_followed() {
    let server = shared();
    let (url, folder) = (server.database(), tempfile::tempdir().unwrap());
    let rows = run(folder.path(), 60, &url);
    let (served, _says) = serve(folder.path(), &url, &[]);
    http::eventually(|| served_rows(&served) == rows, "the rows that were written");
    let rows = run(folder.path(), 130, &url);
    http::eventually(|| served_rows(&served) == rows, "the rows of what came");
    let is_known = || {
        let frontier = served.get("/v1/frontier").json();
        frontier["known_from"] == "commit" && frontier["records"]["read"] == 260
    };
    http::eventually(is_known, "how far the job is");
    let window = || served.get("/v1/catalog").json()["definition"]["window_ms"].clone();
    http::eventually(|| window() == 5_000, "what is computed");
    let other = crossrate(&["serve", "--listen", "127.0.0.1:0", "--name", "spot", "--from", &url]).output();
    let said = String::from_utf8(other.unwrap().stderr).unwrap();
    assert!(said.contains("there is no job \"spot\", but crossrate"), "{said}");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_server_that_crashes_takes_nothing_with_it() {
    needed();
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(Some(data.path()), None);
    let (url, port) = (server.database(), server.port());
    let rows = run(folder.path(), 60, &url);
    let (served, says) = serve(folder.path(), &url, &[]);
    http::eventually(|| served_rows(&served) == rows, "the rows that were written");
    server.crash();
    http::eventually(|| served.get("/readyz").status == 503, "word that it is away");
    assert!(says.iter().any(|line| line.contains("is away, trying again")));
    assert_eq!(served_rows(&served), rows);
    let _server = Server::start(Some(data.path()), Some(&port));
    let rows = run(folder.path(), 90, &url);
    http::eventually(|| served_rows(&served) == rows && served.get("/readyz").status == 200, "the new rows");
}
