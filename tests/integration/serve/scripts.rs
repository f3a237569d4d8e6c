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
fn windows_stand_on_the_axis_as_they_are() {
    node(
        r#"import assert from "node:assert";
        import { Shape } from "./window.js";
        const DAY = 86_400_000;
        for (const [name, step, overlaps, words] of [
          ["10s", 10_000, false, "10 s long"],
          ["1m/10s", 10_000, true, "1 min long, one every 10 s"],
          ["1d", DAY, false, "days of UTC"],
          ["1mo@Europe/Berlin", 31 * DAY, false, "months of Europe/Berlin"],
          ["anchored:1d@Asia/Tokyo/1m", 60_000, true, "since the day began in Asia/Tokyo, one every 1 min"],
          ["anchored:8h/500ms", 500, true, "since the last multiple of 8 h, one every 500 ms"],
          ["anchored:all/10s", 10_000, true, "since the beginning, one every 10 s"],
          ["anchored:2026-01-02T14:30:00Z/1h", 3_600_000, true, "since 2026-01-02T14:30:00Z, one every 1 h"],
        ]) {
          const shape = new Shape(name);
          assert.deepEqual([shape.step, shape.overlaps, shape.words], [step, overlaps, words], name);
        }
        const row = (start_ms, end_ms) => ({ start_ms, end_ms });
        const [day, sliding, growing] = ["1d", "1m/10s", "anchored:all/10s"].map((name) => new Shape(name));
        // A day of 23 hours is as long as it is.
        assert.deepEqual([day.point(row(0, 82_800_000)), day.slot(row(0, 82_800_000))], [41_400_000, [0, 82_800_000]]);
        assert.ok(day.follows(row(82_800_000, 169_200_000), row(0, 82_800_000)));
        assert.ok(!day.follows(row(2 * DAY, 3 * DAY), row(0, DAY)));
        assert.deepEqual([sliding.point(row(0, 60_000)), sliding.slot(row(0, 60_000))], [60_000, [50_000, 60_000]]);
        assert.ok(sliding.follows(row(10_000, 70_000), row(0, 60_000)) && !sliding.follows(row(20_000, 80_000), row(0, 60_000)));
        assert.deepEqual([sliding.begin(row(5, 9)), growing.begin(row(0, 90_000))], [5, 80_000]);
        assert.ok(growing.follows(row(0, 90_000), row(0, 50_000)), "a silent market gives no rows");"#,
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
