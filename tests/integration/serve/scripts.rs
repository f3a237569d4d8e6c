//! The page's scripts without a browser, run by Node: what needs no screen.

use crate::needs;
use std::process::Command;

/// Runs checks beside the page's scripts.
fn node(checks: &str) {
    needs::program("node");
    let folder = tempfile::tempdir().unwrap();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/page");
    for file in std::fs::read_dir(page).unwrap().map(|file| file.unwrap().path()) {
        std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    std::fs::write(folder.path().join("package.json"), r#"{"type": "module"}"#).unwrap();
    std::fs::write(folder.path().join("checks.js"), checks).unwrap();
    let output = Command::new("node").arg("checks.js").current_dir(folder.path()).output();
    let output = output.expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "needs Node"]
fn durations_and_addresses_are_read_whatever_they_are() {
    node(
        r#"import assert from "node:assert";
        import { decoded, duration } from "./text.js";
        for (const [ms, text] of [
          [999, "999 ms"], [1_250, "1.3 s"], [59_940, "59.9 s"], [59_960, "1 min 0 s"], [119_600, "2 min 0 s"],
          [3_599_400, "59 min 59 s"], [3_599_600, "1 h 0 min"], [7_199_000, "2 h 0 min"], [7_500_000, "2 h 5 min"],
        ]) assert.equal(duration(ms), text);
        assert.deepEqual([decoded("A%20B"), decoded("%E0%A4%A"), decoded("")], ["A B", null, ""]);"#,
    );
}

#[test]
#[ignore = "needs Node"]
fn what_is_not_known_of_records_and_faults_of_the_page_leave_the_stream_as_it_is() {
    node(
        r#"import assert from "node:assert";
        import { Charts } from "./charts.js";
        import { Stream } from "./stream.js";
        // Of results without a checkpoint.
        const told = { frontier_ms: 1, records: null, partitions: [] };
        const charts = { late: [], soon() {} };
        Charts.prototype.take.call(charts, { progress: { now: told, before: told } });
        const at = (late) => ({ frontier_ms: 7, records: { late } });
        Charts.prototype.take.call(charts, { progress: { now: at(2), before: at(1) } });
        assert.deepEqual(charts.late, [7]);

        const errors = [];
        console.error = (error) => errors.push(error.message);
        globalThis.fetch = async () => new Response(new ReadableStream({
          start: (body) => body.enqueue(new TextEncoder().encode('data: {"type":"progress"}\n\n'.repeat(3))),
        }));
        const states = [];
        let messages = 0;
        const stream = new Stream("/", null, () => {
          messages += 1;
          throw new Error("a fault");
        }, (state) => states.push(state));
        await new Promise((resolve) => setTimeout(resolve, 200));
        stream.close();
        assert.deepEqual([messages, states, errors], [3, Array(3).fill("live"), Array(3).fill("a fault")]);"#,
    );
}
