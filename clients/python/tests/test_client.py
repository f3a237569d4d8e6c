"""The client against the program itself: CROSSRATE_PROGRAM, over the trades of the file CROSSRATE_TRADES."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
import unittest
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from crossrate import Client, ProblemError, UnreachableError
from crossrate.tables import _polars

PROGRAM = os.environ["CROSSRATE_PROGRAM"]
TRADES = os.environ["CROSSRATE_TRADES"]
# Longer than anything here may take on a busy machine.
DEADLINE_S = 180.0


class Served:
    """A process that serves, until it is ended."""

    def __init__(self, *words: str, tells: str, stream: str = "stderr") -> None:
        pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: subprocess.PIPE}
        more = ["--listen", "127.0.0.1:0", "--stay", "always"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CROSSRATE_")}
        self.process = subprocess.Popen(
            [PROGRAM, *words, *more], stdin=subprocess.PIPE, text=True, env=clean, **pipes
        )
        lines = getattr(self.process, stream)
        begins = next(line for line in lines if line.startswith(tells))
        self.url = "http://" + begins.split("http://")[1].split("/")[0].strip()
        # What follows is read, so that nobody waits for us.
        self.rest = threading.Thread(target=lines.read, daemon=True)
        self.rest.start()
        self.lines = lines

    def feed(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.rest.join()
        self.lines.close()
        assert self.process.stdin
        self.process.stdin.close()


def eventually(is_so: Any, what: str) -> None:
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() - begun > DEADLINE_S:
            raise AssertionError(f"{what} did not come")
        time.sleep(0.02)


class Cutter:
    """A relay that cuts each connection after so many bytes of answer."""

    def __init__(self, url: str, most: int) -> None:
        host, port = url.removeprefix("http://").rsplit(":", 1)
        self.to = (host, int(port))
        self.most = most
        self.cut = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        server = socket.create_connection(self.to)
        threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
        left = self.most
        while left > 0 and (piece := server.recv(min(left, 4096))):
            client.sendall(piece)
            left -= len(piece)
        self.cut += left == 0
        for end in (client, server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    @staticmethod
    def _pump(client: socket.socket, server: socket.socket) -> None:
        try:
            while piece := client.recv(4096):
                server.sendall(piece)
        except OSError:
            pass


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("kind", "name", "window", "start_ms", "end_ms"))


class ClientTest(unittest.TestCase):
    served: Served

    @classmethod
    def setUpClass(cls) -> None:
        cls.served = Served("run", TRADES, "--window", "10s", tells="crossrate: serving")
        cls.addClassCleanup(cls.served.end)
        with Client(cls.served.url) as client:
            eventually(lambda: client.frontier()["state"] == "ended", "the end of the input")

    def setUp(self) -> None:
        self.client = Client(self.served.url)
        self.addCleanup(self.client.close)

    def test_the_latest_row_is_exact(self) -> None:
        [row] = self.client.latest(kind="cross", name="XVGUSDT")
        told = self.client._get("/v1/latest", {"kind": "cross", "name": "XVGUSDT"})["rows"][0]
        self.assertIsInstance(row["vwap"], Decimal)
        self.assertEqual(str(row["vwap"]), told["vwap"])
        self.assertEqual([str(leg["vwap"]) for leg in row["legs"]], [leg["vwap"] for leg in told["legs"]])
        self.assertEqual(len(self.client.latest(kind=["symbol", "cross"], windows=3)), 9)

    def test_windows_come_whole_whatever_the_pages(self) -> None:
        rows = self.client.windows()
        self.assertGreater(len(rows), 300)
        self.assertEqual(len({key(row) for row in rows}), len(rows))
        import crossrate.client

        page, crossrate.client.PAGE = crossrate.client.PAGE, 7
        self.addCleanup(setattr, crossrate.client, "PAGE", page)
        self.assertEqual(list(self.client.windows()), list(rows))
        latest_first = self.client.windows(order="desc", limit=20)
        self.assertEqual(list(latest_first), list(rows)[::-1][:20])

    def test_times_are_numbers_texts_or_moments(self) -> None:
        bounds = self.client.windows(kind="cross")
        since, until = bounds[3]["start_ms"], bounds[6]["start_ms"]
        moment = datetime.fromtimestamp(since / 1000, timezone.utc)
        by_number = list(self.client.windows(kind="cross", since=since, until=until))
        self.assertEqual([row["start_ms"] for row in by_number][0], since)
        self.assertEqual(list(self.client.windows(kind="cross", since=moment, until=until)), by_number)
        self.assertEqual(list(self.client.windows(kind="cross", since=moment.isoformat(), until=until)), by_number)
        with self.assertRaises(ValueError):
            self.client.windows(since=datetime(2018, 4, 29))

    def test_frames_have_the_values_of_the_rows(self) -> None:
        rows = self.client.windows(kind="cross", name="XVGUSDT")
        pandas, polars = rows.pandas(), rows.polars()
        self.assertEqual((len(pandas), polars.height), (len(rows), len(rows)))
        rates = [row["vwap"] for row in rows]
        self.assertEqual([None if value is None else value for value in pandas["vwap"]], rates)
        self.assertEqual(polars["vwap"].to_list(), rates)
        self.assertEqual(str(pandas["start"].dt.tz), "UTC")
        first = datetime.fromtimestamp(rows[0]["start_ms"] / 1000, timezone.utc)
        self.assertEqual((pandas["start"][0].to_pydatetime(), polars["start"][0]), (first, first))
        self.assertEqual(str(rows.pandas(exact=False)["vwap"].dtype), "float64")
        self.assertEqual(str(rows.polars(exact=False)["vwap"].dtype), "Float64")
        # Kinds together: what one kind does not have is null.
        mixed = self.client.windows(limit=50).polars()
        self.assertEqual(mixed.height, 50)

    def test_frames_of_polars_have_every_digit(self) -> None:
        for texts, kind in [
            (["0.000000000000000001", None, "12345678901234567890"], "Decimal(precision=38, scale=18)"),
            (["2.385611945790275870527968299765279684"], "Decimal(precision=38, scale=36)"),
            (["1E+20", "0"], "Decimal(precision=38, scale=0)"),
            (["12.385611945790275870527968299765279684", None, "123.5"], "String"),
        ]:
            cells = [None if text is None else Decimal(text) for text in texts]
            told = [None if cell is None else format(cell, "f") for cell in cells]
            column = _polars({"vwap": list(cells)})["vwap"]
            self.assertEqual(str(column.dtype), kind)
            self.assertEqual(column.to_list(), told if kind == "String" else cells)

    def test_a_question_in_sql(self) -> None:
        table = self.client.sql("select name, count(*) as n from crosses group by name")
        [row] = list(table)
        self.assertEqual((row["name"], table.truncated), ("XVGUSDT", False))
        self.assertEqual(row["n"], len(self.client.windows(kind="cross")))
        self.assertEqual(table.pandas()["n"].tolist(), table.polars()["n"].to_list())

    def test_a_refusal_says_what_to_do(self) -> None:
        with self.assertRaises(ProblemError) as refused:
            self.client.latest(name="XVGUSD")
        self.assertEqual((refused.exception.status, refused.exception.hint), (404, "did you mean XVGUSDT?"))
        with self.assertRaises(ProblemError):
            next(self.client.stream(kind="nonsense"))
        with self.assertRaises(ProblemError):
            self.client.sql("drop table crosses")

    def test_nobody_there_is_said(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}")
        with self.assertRaises(UnreachableError):
            client.latest()

    def test_a_stream_goes_on_by_itself_and_knows_in_the_end_what_rest_tells(self) -> None:
        # Not in a snapshot: of one that is cut off, nothing counts.
        demo = Served("demo", "--speed", "60", tells="Live page: ", stream="stdout")
        self.addCleanup(demo.end)
        cutter = Cutter(demo.url, 100_000)
        known: dict[tuple[Any, ...], Any] = {}
        snapshots = begun = 0
        with Client(cutter.url) as client, Client(demo.url) as direct:
            for message in client.stream(windows=1, progress_s=0.1):
                if message.type == "snapshot":
                    known.clear()
                    snapshots += 1
                    begun = max(row["end_ms"] for row in message.rows) if message.rows else 0
                known.update({key(row): row for row in message.rows})
                if message.told.get("state") == "ended":
                    break
            rows = {key(row): row for row in direct.windows()}
        self.assertGreater(cutter.cut, 1)
        self.assertEqual(snapshots, 1, "it went on where it was")
        self.assertGreater(len(known), 50)
        for at, row in known.items():
            self.assertEqual(rows[at], row)
        later = {at for at in rows if at[4] > begun}
        self.assertEqual(later - set(known), set(), "nothing that came meanwhile is missing")

    def test_names_without_rows_are_said(self) -> None:
        message = next(self.client.stream(name=["XVGUSD"]))
        self.assertEqual(message.unknown, [{"name": "XVGUSD", "hint": "did you mean XVGUSDT?"}])

    def test_a_job_is_changed(self) -> None:
        with open(TRADES) as file:
            some = "".join(file.readlines()[:200])
        job = Served("run", "-", "--window", "10s", tells="crossrate: serving")
        self.addCleanup(job.end)
        job.feed(some)
        with Client(job.url) as client:
            eventually(lambda: client.frontier()["frontier_ms"] is not None, "a frontier")
            outcome = client.define(crosses={"MORE": "XVGBTC*BTCUSDT"})
            self.assertEqual([change["name"] for change in outcome.changes], ["MORE"])


            def names() -> list[str]:
                return [cross["name"] for cross in client.definition()["crosses"]]

            eventually(lambda: "MORE" in names(), "the cross")
            self.assertEqual(client.define(crosses={"MORE": "XVGBTC*BTCUSDT"}).changes, [])
            client.define(crosses={"MORE": None})
            eventually(lambda: "MORE" not in names(), "the end of the cross")


if __name__ == "__main__":
    unittest.main()
