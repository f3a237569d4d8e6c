//! The description of the interface against the running server, by a property tester: whatever it makes up,
//! no answer is a server's fault, and every one is as it is described.

use super::Served;
use crate::needs;
use std::path::Path;
use std::process::Command;

/// Where `scripts/test` puts the checker.
const CHECKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/schemathesis/bin/st");
/// What it changes in the requests that it makes up.
const HOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/serve/quick_replays.py");

#[test]
#[ignore = "needs Schemathesis"]
fn no_request_that_somebody_makes_up_gets_an_answer_that_is_not_described() {
    needs::need("Schemathesis", || Path::new(CHECKER).exists());
    let folder = tempfile::tempdir().unwrap();
    let trades = folder.path().join("trades.jsonl");
    std::fs::write(&trades, super::follow::trades(0..120)).unwrap();
    let served = Served::run(&[trades.to_str().unwrap(), "--delay", "1s", "--window", "5s"]);
    served.wait_for_the_end();
    // That every valid request is answered is not asked: whether a text is SQL, or a form fits several kinds
    // of rows, no schema says.
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                  response_schema_conformance,negative_data_rejection,unsupported_method";
    let output = Command::new(CHECKER)
        .args(["run", &format!("http://{}/v1/openapi.json", served.address)])
        .args([
            "--max-time",
            "25",
            "--seed",
            "1",
            "--request-timeout",
            "60",
            "--no-color",
            "--warnings",
            "off",
        ])
        // What never ends cannot be checked so; the tests of streams do.
        .args(["--exclude-operation-id", "stream", "--exclude-operation-id", "ws", "--checks", checks])
        .env("SCHEMATHESIS_HOOKS", HOOKS)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
