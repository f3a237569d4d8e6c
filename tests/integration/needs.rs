//! What a test needs beside Rust: Java, a database, a browser, programs of others. Such a test is
//! `#[ignore]`d with the reason, so that a plain `cargo test` shows it as ignored and not as passed.
//! `scripts/test`, which installs all of it, runs everything with `--include-ignored`.

use std::process::{Command, Stdio};

/// Fails the test where it is not marked as one that needs this, or where this is missing.
#[track_caller]
pub(crate) fn need(what: &str, is_here: impl FnOnce() -> bool) {
    let is_asked = std::env::args().any(|word| word == "--include-ignored" || word == "--ignored");
    assert!(is_asked, "a test that needs {what} is marked so: #[ignore = \"needs {what}\"]");
    assert!(is_here(), "{what} is missing: scripts/test installs it");
}

/// The same of a program in the path.
#[track_caller]
pub(crate) fn program(name: &str) {
    need(name, || {
        let mut command = Command::new("bash");
        command.args(["-c", &format!("command -v {name}")]).stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    });
}
