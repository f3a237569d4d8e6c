//! Arrow streams of a server, read by polars: each value is that of the rows in JSON.

use super::{folder, readers, succeed};
use crate::serve::Served;
use std::process::Command;

const PROGRAM: &str = r#"
import io, json, sys, urllib.error, urllib.request
from decimal import Decimal
import polars as pl

server = sys.argv[1]
ARROW = "application/vnd.apache.arrow.stream"

def ask(path, accept=None, body=None):
    headers = {"Accept": accept} if accept else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(server + path, data=body, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return answer.headers, answer.read()

def table(path, body=None):
    headers, bytes = ask(path, ARROW, body)
    assert headers["Content-Type"] == ARROW, headers
    assert headers["Content-Disposition"].endswith('.arrows"'), headers
    return pl.read_ipc_stream(io.BytesIO(bytes))

def same(found, expected, where):
    if isinstance(found, Decimal):
        assert str(found) == expected or f"{found:f}" == expected, (where, found, expected)
    elif isinstance(found, list):
        assert len(found) == len(expected), where
        for a, b in zip(found, expected):
            assert a.keys() == b.keys(), where
            for key in a:
                same(a[key], b[key], (where, key))
    else:
        assert found == expected and type(found) is type(expected) or found == float(expected), (where, found, expected)

def compare(frame, rows, where):
    assert len(frame) == len(rows) > 5, (where, len(frame), len(rows))
    for found, expected in zip(frame.iter_rows(named=True), rows):
        expected.pop("kind", None)
        assert list(found) == list(expected), (list(found), list(expected))
        for key in found:
            same(found[key], expected[key], (where, key))

for kind in ["symbol", "cross", "stats"]:
    for more in ["", "&times=iso"]:
        path = f"/v1/windows?kind={kind}&limit=200{more}"
        rows = json.loads(ask(path)[1])["rows"]
        compare(table(path), rows, path)
        compare(table(path + "&format=arrow"), rows, path)
frame = table("/v1/windows?kind=cross")
assert frame.schema["vwap"] == pl.Decimal(38, 18), frame.schema
assert frame.schema["trades"] == pl.Int64 and frame.schema["final"] == pl.Boolean, frame.schema
assert frame.schema["legs"].inner.to_schema()["vwap"] == pl.Decimal(38, 18), frame.schema
assert table("/v1/windows?kind=symbol").schema["close"] == pl.Decimal(38, 8)
assert frame["vwap"].sum() == sum(Decimal(row["vwap"]) for row in json.loads(ask("/v1/windows?kind=cross")[1])["rows"] if row["vwap"])
assert len(table("/v1/windows?kind=symbol&until=1000").columns) > 10, "columns without rows"
assert table("/v1/windows?until=1000").is_empty()
for name in ["XVGUSDT", "BTCUSDT"]:
    points = json.loads(ask(f"/v1/series?name={name}&limit=50")[1])["points"]
    compare(table(f"/v1/series?name={name}&limit=50"), points, name)
question = json.dumps({"query": "select name, vwap, trades, vw_std, vwap_real * 2 as twice, digest from crosses order by end_ms"}).encode()
answer = json.loads(ask("/v1/sql", "application/json", question)[1])
frame = table("/v1/sql", question)
assert frame.columns == answer["columns"] and frame.schema["vwap"] == pl.Decimal(38, 18), frame.schema
assert frame.schema["digest"] == pl.String and frame.schema["twice"] == pl.Float64, frame.schema
for found, expected in zip(frame.iter_rows(), answer["rows"], strict=True):
    for a, b in zip(found, expected):
        same(a, b, "sql")
try:
    table("/v1/windows")
    raise AssertionError("kinds have different columns")
except urllib.error.HTTPError as error:
    assert error.code == 400 and b"kind=symbol" in error.read()
print("the same")
"#;

#[test]
#[ignore = "needs polars"]
fn an_arrow_stream_has_the_rows() {
    let folder = folder();
    let programs = readers();
    let trades = folder.path().join("trades.jsonl");
    let served = Served::run(&[trades.to_str().expect("UTF-8"), "--window", "10s"]);
    served.wait_for_the_end();
    let server = format!("http://{}", served.address);
    let printed = succeed(Command::new(programs.join("python3")).args(["-c", PROGRAM, &server]));
    assert_eq!(printed.trim(), "the same");
}
