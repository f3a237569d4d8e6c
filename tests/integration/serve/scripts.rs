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
        assert.ok(sliding.follows(row(10_000, 70_000), row(0, 60_000)));
        assert.ok(!sliding.follows(row(20_000, 80_000), row(0, 60_000)));
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
        globalThis.addEventListener = globalThis.removeEventListener = () => {};
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

#[test]
#[ignore = "needs Node"]
fn an_address_says_what_is_shown_and_is_read_back() {
    node(
        r##"import assert from "node:assert";
        import { read, write } from "./address.js";
        const page = { all: false, name: "A/B", window: "1m/10s", length: 900_000, until: null, at: null,
          others: [], percent: false, since: null };
        const written = (more) => write({ ...page, ...more });
        assert.equal(written({ name: "XVGUSDT", window: "10s", at: 7 }), "#XVGUSDT?window=10s&span=15m&at=7");
        assert.equal(written({ length: Infinity }), "#A%2FB?window=1m%2F10s&span=all");
        assert.equal(written({ until: 5_000_000, length: 1_000_000 }),
          "#A%2FB?window=1m%2F10s&from=4000000&until=5000000");
        for (const more of [{}, { length: 437_000 }, { until: 5_000_000, length: 1_000, at: 4_999_000 },
          { others: [{ kind: null, name: "C" }, { kind: "symbol", name: "D" }], percent: true, since: 9 }]) {
          const wanted = { ...page, ...more };
          const got = read(written(more));
          for (const field of ["name", "window", "length", "until", "at", "percent",
            "since"]) assert.equal(got[field], wanted[field], field);
          assert.equal(got.all, false);
        }
        const all = read(write({ ...page, all: true, query: "x v&", sort: "-change", over: 86_400_000 }));
        assert.deepEqual([all.all, all.query, all.sort, all.over, all.name], [true, "x v&", "-change",
          86_400_000, null]);
        // What means nothing says nothing.
        for (const hash of ["", "#", "#A?from=9&until=3", "#A?span=-3s", "#A?span=0s&at=x"]) {
          const got = read(hash);
          assert.deepEqual([got.length, got.until, got.at], [null, null, null], hash);
        }
        assert.equal(read("#A?with=A,B,C,D,E,F,G").others.length, 5);
        assert.deepEqual(read("#A?with=A,B,C,D,E,F,G").more.map(({ name }) => name), ["F", "G"]);
        assert.deepEqual(read("#A?from=9&until=3&span=-3s&at=x&since=7").unread,
          ["from=9", "until=3", "span=-3s", "at=x"]);
        assert.deepEqual(["#%E0%A4%A", "#", "#A"].map((hash) => read(hash).unread), [["%E0%A4%A"], [], []]);
        // A kind beside a name, where the name alone means another one.
        const pair = { kind: "symbol", name: "A:B,C" };
        const others = [{ kind: null, name: "A:B,C" }, { kind: "symbol", name: "D" }];
        const both = written({ ...pair, others });
        assert.equal(both, "#symbol:A%3AB%2CC?window=1m%2F10s&span=15m&with=A%3AB%2CC,symbol:D");
        const ref = ({ kind, name }) => [kind, name];
        assert.deepEqual(ref(read(both)), ["symbol", "A:B,C"]);
        assert.deepEqual(read("#cross:X?with=B,symbol:B,B").others.map(ref), [[null, "B"], ["symbol", "B"]]);
        assert.deepEqual(ref(read("#V:B")), [null, "V:B"]);
        assert.deepEqual(ref(read("#symbol%3AX")), [null, "symbol:X"]);"##,
    );
}

#[test]
#[ignore = "needs Node"]
fn of_many_notes_each_sort_has_a_share_and_windows_in_a_row_are_one() {
    node(
        r#"import assert from "node:assert";
        import { Notes } from "./notes.js";
        const notes = new Notes();
        const follows = (row, before) => row.start_ms === before.end_ms;
        const tell = (end, number = 1) => notes.window({ what: "gap", number, about: "", follows,
          row: { kind: "symbol", name: "A", start_ms: end - 10, end_ms: end } }, () => "");
        // Whichever comes first.
        [1_020, 1_000, 1_010, 2_000].forEach((end) => tell(end, 3));
        const told = ({ first, last, windows, number, at }) => [first.start_ms, last.end_ms, windows,
          number, at];
        assert.deepEqual(notes.list.map(told), [[1_990, 2_000, 1, 3, 2_000], [990, 1_020, 3, 9, 1_020]]);
        const refused = [...Array(5)].map((_, at) => ({ what: "late", sort: "refused", at: at + 1 }));
        notes.replace(["refused"], refused);
        for (let at = 0; at < 200; at += 1) tell(3_000 + 20 * at);
        notes.add({ what: "away", sort: "page", at: notes.newest() });
        assert.equal(notes.list.length, 60);
        assert.equal(notes.list[0].what, "away");
        assert.deepEqual(notes.list.slice(-5).map(({ at }) => at), [5, 4, 3, 2, 1]);
        assert.deepEqual(notes.list.filter(({ sort }) => sort === "rows").map(({ at }) => at)[0], 6_980);
        notes.replace(["rows", "page"], []);
        assert.equal(notes.list.length, 5);"#,
    );
}

#[test]
#[ignore = "needs Node"]
fn the_head_of_a_picture_is_laid_out_in_lines() {
    node(
        r#"import assert from "node:assert";
        const { lay } = await import("./export.js");
        const wide = (text) => text.length * 10;
        const part = (text, key) => ({ text, key });
        const parts = [part("rates"), part("A 1.0", 1), part("B 2.0", 2), part("one two three")];
        const { placed, lines } = lay(parts, 170, wide);
        assert.deepEqual(placed.map(({ x, line, words, key }) => [x, line, words, key]), [
          [0, 0, "rates", undefined], [64, 0, "A 1.0", 1], [0, 1, "B 2.0", 2],
          [0, 2, "one two three", undefined]]);
        assert.equal(lines, 3);
        assert.deepEqual(lay([part("one two three")], 70, wide).placed.map(({ words }) => words), ["one two",
          "three"]);"#,
    );
}

#[test]
#[ignore = "needs Node"]
fn symbols_are_completed_where_they_are_written() {
    node(
        r#"import assert from "node:assert";
        globalThis.document = { createElement: () => ({}) };
        const { completions, wordAt } = await import("./define.js");
        assert.deepEqual(wordAt("XVGBTC*BT", 9), { from: 7, until: 9, word: "BT" });
        assert.deepEqual(wordAt("XVGBTC*BT", 3), { from: 0, until: 6, word: "XVG" });
        assert.deepEqual(wordAt("1/ETH", 5), { from: 2, until: 5, word: "ETH" });
        const symbols = ["BTCUSDT", "ETHBTC", "XVGBTC"];
        assert.deepEqual(completions(symbols, "btc"), ["BTCUSDT", "ETHBTC", "XVGBTC"]);
        assert.deepEqual(completions(symbols, "XVG"), ["XVGBTC"]);
        assert.deepEqual([completions(symbols, "XVGBTC"), completions(symbols, "")], [[], []]);"#,
    );
}

#[test]
#[ignore = "needs Node"]
fn what_is_seen_is_written_as_csv_with_its_exact_texts() {
    node(
        r#"import assert from "node:assert";
        const { csv } = await import("./export.js");
        const legs = [{ symbol: "A", inverse: false, vwap: "2.50" }, { symbol: "B", inverse: true,
          vwap: null }];
        const rows = [{ kind: "cross", name: "A,B", vwap: "0.100", legs }, { kind: "symbol", name: '"',
          volume: "3" }];
        const lines = ["kind,name,vwap,legs,volume", 'cross,"A,B",0.100,*A=2.50 /B=,', 'symbol,"""",,,3', ""];
        assert.equal(csv(rows), lines.join("\r\n"));
        // What a spreadsheet would run is a text, as in the program's own files; numbers stay as they are.
        const cells = [["+A", "\"'+A\""], ["-A", "\"'-A\""], ["@A", "\"'@A\""], ["＝A", "\"'＝A\""],
          ["\t=1", "\"'\t=1\""], ["-0.100", "-0.100"], [-3, "-3"], [-1e-9, "-1e-9"], ["A-B", "A-B"]];
        for (const [value, cell] of cells) {
          assert.equal(csv([{ name: value }]), `name\r\n${cell}\r\n`);
        }"#,
    );
}

#[test]
#[ignore = "needs Node"]
fn where_a_leg_divides_there_is_no_band() {
    node(
        r#"import assert from "node:assert";
        globalThis.document = { createElement: () => ({}) };
        const { spreadRuns } = await import("./painters.js");
        const { divides } = await import("./store.js");
        const point = (spread) => ({ spread });
        assert.deepEqual(spreadRuns([null, null].map(point)), []);
        assert.deepEqual(spreadRuns([0.5, 0, null, 1].map(point)), [[point(0.5), point(0)], [point(1)]]);
        const cross = (...inverse) => ({ kind: "cross", legs: inverse.map((inverse) => ({ inverse })) });
        const rows = [cross(false, true), cross(false, false), { kind: "symbol" }];
        assert.deepEqual(rows.map(divides), [true, false, false]);"#,
    );
}

#[test]
#[ignore = "needs Node"]
fn many_narrow_candles_become_one_that_reaches_as_far() {
    node(
        r#"import assert from "node:assert";
        globalThis.document = { createElement: () => ({}) };
        const { grouped } = await import("./history.js");
        const row = (end, open, high, low, close) => ({ kind: "symbol", start_ms: end - 10, end_ms: end,
          open, high, low, close, volume: "1.5", vwap: open, revision: end === 20 ? 1 : 0,
          missing_ids: 0, closed: true, final: end !== 40 });
        const rows = [row(10, "5", "9", "4", "6"), row(20, "6", "7", "1", "2"), row(40, "10", "11", "10",
          "10.5"), row(50, null, null, null, null)];
        const [first, second] = grouped(rows, 30);
        assert.deepEqual([first.start_ms, first.end_ms, first.open, first.high, first.low, first.close,
          first.volume, first.revision, first.final], [0, 30, "5", "9", "1", "2", 3, 1, true]);
        assert.deepEqual([second.open, second.close, second.final, grouped(rows, 30).length], ["10",
          "10.5", false, 2]);"#,
    );
}

#[test]
#[ignore = "needs Node"]
fn ticks_stand_at_round_times_and_days_begin_where_the_clocks_that_are_shown_say() {
    node(
        r#"import assert from "node:assert";
        import { dayStarts, timeTicks } from "./scale.js";
        const HOUR = 3_600_000;
        const from = Date.UTC(2018, 3, 29, 20);
        assert.deepEqual(dayStarts(from, from + 30 * HOUR), [Date.UTC(2018, 3, 30), Date.UTC(2018, 4, 1)]);
        // Berlin is two hours ahead.
        const ahead = () => 2 * HOUR;
        assert.deepEqual(dayStarts(from, from + 25 * HOUR, ahead), [Date.UTC(2018, 3, 29, 22)]);
        assert.deepEqual(timeTicks(from, from + 12 * HOUR, 3,
          ahead).values.map((at) => (at + 2 * HOUR) % (4 * HOUR)), [0, 0, 0]);
        // Clocks that are set in between leave ticks round on both sides.
        const set = Date.UTC(2018, 9, 28, 1);
        const autumn = (at) => (at < set ? 2 : 1) * HOUR;
        const ticks = timeTicks(set - 6 * HOUR, set + 6 * HOUR, 6, autumn).values;
        assert.ok(ticks.length >= 5 && ticks.every((at) => (at + autumn(at)) % (2 * HOUR) === 0),
          String(ticks));"#,
    );
}

#[test]
#[ignore = "needs Node"]
fn what_is_not_kept_or_not_loaded_is_never_told_as_missing() {
    node(
        r#"import assert from "node:assert";
        globalThis.document = { createElement: () => ({}) };
        const { Charts } = await import("./charts.js");
        const shape = { step: 10, slot: ({ start_ms, end_ms }) => [start_ms, end_ms] };
        const row = (name, end) => ({ kind: "symbol", name, start_ms: end - 10, end_ms: end, vwap: "1",
          final: true });
        const all = { A: [10, 20, 30, 40, 50, 60].map((end) => row("A", end)), B: [30,
          60].map((end) => row("B", end)) };
        const rows = (kind, name) => all[name] ?? [];
        const shades = (since, stretch) => Charts.prototype.shades.call(
          { page: { series: [["symbol", "A"], ["symbol", "B"]] }, timeline: { since: () => since } },
          { kind: "symbol", name: "B" },
          { rows, x0: 0, closedTo: 60, stretch: { shape, from: -Infinity, until: Infinity, ...stretch } },
        ).map(({ from, to, kind }) => [from, to, kind]);
        // Rows of B are kept from 20 on: what is before is not known.
        assert.deepEqual(shades(20, {}), [[30, 50, "missing"]]);
        assert.deepEqual(shades(0, {}), [[0, 20, "missing"], [30, 50, "missing"]]);
        // Only that part has been loaded.
        assert.deepEqual(shades(0, { from: 30, until: 40 }), [[30, 40, "missing"]]);"#,
    );
}

#[test]
#[ignore = "needs Node"]
fn an_axis_has_two_labels_at_least() {
    node(
        r#"import assert from "node:assert";
        import { ticks, timeTicks } from "./scale.js";
        const ranges = [[0.0000079, 0.0000082], [61_500, 62_999], [0.0431, 0.0449], [-3, 3], [7, 8]];
        for (const [from, to] of ranges) {
          const { values, places } = ticks(from, to, 2);
          assert.ok(values.length >= 2 && values.length <= 5, `${from} to ${to}: ${values}`);
          const texts = values.map((value) => value.toFixed(places));
          const isRight = (text, at) => Math.abs(Number(text) - values[at]) < (to - from) / 1e6;
          assert.ok(texts.every(isRight), String(texts));
        }
        // Four minutes on a phone.
        const from = Date.UTC(2018, 4, 1);
        const minutes = timeTicks(from, from + 250_000, 2).values;
        assert.deepEqual(minutes.map((at) => at - from), [0, 120_000, 240_000]);
        assert.ok(timeTicks(from + 1_000, from + 250_000, 2).values.length >= 2);"#,
    );
}

#[test]
#[ignore = "needs Node"]
fn a_window_of_a_day_is_told_with_its_days_and_one_without_neighbours_is_a_dot() {
    node(
        r#"import assert from "node:assert";
        globalThis.document = { createElement: () => ({}) };
        const { whole } = await import("./text.js");
        const from = Date.UTC(2018, 4, 1);
        const aDay = { start_ms: from, end_ms: from + 86_400_000 };
        assert.equal(whole(aDay), "2018-05-01 00:00–2018-05-02 00:00");
        assert.equal(whole({ start_ms: from, end_ms: from + 10_000 }), "2018-05-01 00:00:00–00:00:10");
        assert.equal(whole({ start_ms: 0, end_ms: from + 10_000 }), "the beginning–2018-05-01 00:00:10");
        const { shared } = await import("./facts.js");
        const cut = (...names) => names.map((name) => name.slice(shared(names)));
        assert.deepEqual(cut("/a/b/x", "/a/b/y"), ["x", "y"]);
        assert.deepEqual(cut("/a/b/x", "/a/bc/x"), ["b/x", "bc/x"]);
        assert.deepEqual(cut("trades-0", "trades-1"), ["trades-0", "trades-1"]);
        assert.deepEqual(cut(), []);

        const { lines } = await import("./painters.js");
        const dots = [];
        const context = { setLineDash() {}, beginPath() {}, moveTo() {}, lineTo() {}, stroke() {} };
        [context.fill, context.arc] = [() => {}, (x) => dots.push(x)];
        const shape = { point: (row) => row.end_ms, follows: (row, before) => row.start_ms <= before.end_ms };
        const rows = [10, 30, 40, 60].map((end) => ({ start_ms: end - 10, end_ms: end }));
        const same = (value) => value;
        const one = { rows, value: () => 1, colour: "red", dashes: [] };
        lines({ context, x: same, y: same, view: { shape } }, [one]);
        assert.deepEqual(dots, [10, 60]);"#,
    );
}
