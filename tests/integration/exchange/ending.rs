//! One request to terminate ends the collector in order, whatever it waits for.

use super::{Exchange, Faults, until};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(180);

fn produce(rest: &str, endpoint: &str, to: &Path, more: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.args(["produce", "--rest", rest, "--endpoint", endpoint, "--to"]).arg(to).args(more);
    crate::program::without_settings(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

/// What it said, once it has ended with this code after one SIGTERM.
fn terminated(mut child: Child, expected: i32) -> String {
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let mut code = None;
    until(SOON, "it ends", || {
        code = child.try_wait().expect("it can be asked");
        code.is_some()
    });
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert_eq!(code.and_then(|status| status.code()), Some(expected), "{said}");
    said
}

#[test]
fn a_collector_whose_rest_does_not_answer_ends_in_order_with_its_accounting() {
    let folder = tempfile::tempdir().expect("a folder");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let summary = folder.path().join("summary.json");
    let child = produce(
        &format!("http://{address}"),
        &format!("ws://{address}"),
        &folder.path().join("trades.jsonl"),
        &["--summary", summary.to_str().expect("UTF-8")],
    );
    let _asking = silent.accept().expect("it asks");
    terminated(child, 0);
    let counts = std::fs::read_to_string(&summary).expect("a summary");
    let counts: serde_json::Value = serde_json::from_str(&counts).expect("JSON");
    assert_eq!((&counts["published"], &counts["written"]), (&0.into(), &0.into()));
}

/// `O_NONBLOCK` of Linux.
const NONBLOCKING: i32 = 0o4000;

#[test]
fn a_collector_that_cannot_write_ends_by_one_request_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let mut options = std::fs::File::options();
    let mut full = options.read(true).write(true).custom_flags(NONBLOCKING).open(&pipe).expect("a pipe");
    while full.write(&[b'\n'; 1 << 10]).is_ok() {}
    let exchange = Exchange::start(1, Faults::default());
    let child = produce(&exchange.rest, &exchange.websocket, &pipe, &["--symbols", "BTCUSDT"]);
    let trades = || exchange.market.state().symbols[0].trades.len();
    until(SOON, "it connects", || exchange.market.state().ledger.connections > 0);
    let before = trades();
    until(SOON, "trades come", || trades() > before + 50);
    let said = terminated(child, 130);
    assert!(said.contains("the last records still cannot be written"), "{said}");
}
