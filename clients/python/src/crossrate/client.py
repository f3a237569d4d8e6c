"""The client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import Any, TypeAlias

import httpx

from .errors import UnreachableError, problem_of
from .stream import SILENCE_S, Message, messages
from .tables import Outcome, Row, Schema, Table, Windows

Names: TypeAlias = str | Sequence[str]
Time: TypeAlias = int | str | datetime

# Rows of one page at most, by the server.
PAGE = 10_000


class Client:
    """Asks a server of crossrate; a context manager that closes its connections.

    `token` is a line of the server's `--token-file`. Where the server refuses a request, `ProblemError` says why
    and what to do; where none answers, `UnreachableError`.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8080", *, token: str | None = None, timeout: float = 30.0
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)

    def close(self) -> None:
        """Closes all connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def catalog(self) -> dict[str, Any]:
        """The job, what it computes, and the names that have rows."""
        return self._get("/v1/catalog")

    def frontier(self) -> dict[str, Any]:
        """How far the job is, and who holds it back."""
        return self._get("/v1/frontier")

    def latest(
        self,
        *,
        kind: Names | None = None,
        name: Names | None = None,
        window: Names | None = None,
        windows: int = 1,
        final: bool = False,
    ) -> Windows:
        """The newest row of the latest window, or windows, of each name and window definition."""
        params = _params(kind=kind, name=name, window=window, windows=windows, final=final)
        return Windows([self._schema.row(row) for row in self._get("/v1/latest", params)["rows"]])

    def windows(
        self,
        *,
        kind: Names | None = None,
        name: Names | None = None,
        window: Names | None = None,
        since: Time | None = None,
        until: Time | None = None,
        final: bool = False,
        order: str = "asc",
        limit: int | None = None,
    ) -> Windows:
        """The newest row of each window that starts at `since` or later and before `until`, page by page.

        `order="desc"` gives the latest windows first; `limit` is how many rows there are at most.
        """
        params = _params(
            kind=kind, name=name, window=window, final=final, order=order, until=_time(until), **{"from": _time(since)}
        )
        rows: list[Row] = []
        while limit is None or len(rows) < limit:
            params["limit"] = str(PAGE if limit is None else min(PAGE, limit - len(rows)))
            page = self._get("/v1/windows", params)
            rows += map(self._schema.row, page["rows"])
            if page["next"] is None:
                break
            params["cursor"] = page["next"]
        return Windows(rows)

    def stream(
        self,
        *,
        kind: Names | None = None,
        name: Names | None = None,
        window: Names | None = None,
        windows: int = 1,
        progress_s: float = 1.0,
        patience_s: float | None = None,
        silence_s: float = SILENCE_S,
    ) -> Iterator[Message]:
        """What is new, as it comes: first a snapshot of the latest `windows`, then updates and progress.

        A connection that breaks, or is silent for `silence_s` longer than progress should take, is made anew and
        goes on where it was. With `patience_s`, `UnreachableError` ends the stream when no server was reached for
        so long; without, it tries for ever.
        """
        params = _params(
            kind=kind, name=name, window=window, windows=windows, progress=round(progress_s * 1000)
        )
        return messages(self._http, params, lambda row: self._schema.row(row), patience_s, progress_s + silence_s)

    def sql(self, query: str) -> Table:
        """Asks in SQL (SQLite's) about the rows that the server keeps."""
        told = self._send("POST", "/v1/sql", {"query": query})
        return Table(told["columns"], told["rows"], told["truncated"])

    def definition(self) -> dict[str, Any]:
        """The crosses and symbols in force, and how they came to be so."""
        return self._get("/v1/definition")

    def define(
        self,
        *,
        crosses: Mapping[str, str | None] | None = None,
        symbols: Mapping[str, bool | None] | None = None,
    ) -> Outcome:
        """Changes a job that runs, all at one moment of event time or nothing.

        `crosses` are formulas by name, `symbols` are true by name; None drops. Comes back when the commit that holds
        the change is there.
        """
        told = self._send("PATCH", "/v1/definition", {"crosses": dict(crosses or {}), "symbols": dict(symbols or {})})
        return Outcome(told["changes"], told["kept"], told["waiting"])

    @cached_property
    def _schema(self) -> Schema:
        return Schema(self._get("/v1/openapi.json"))

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._answer(self._http.build_request("GET", path, params=params))

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._answer(self._http.build_request(method, path, json=body))

    def _answer(self, request: httpx.Request) -> dict[str, Any]:
        try:
            response = self._http.send(request)
        except httpx.TransportError as error:
            raise UnreachableError(f"no server answers at {self._http.base_url}: {error}") from error
        if response.status_code != 200:
            raise problem_of(response)
        told: dict[str, Any] = response.json()
        return told


def _params(**given: Any) -> dict[str, str]:
    """Parameters as the server reads them, without those that are not given."""

    def text(value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        return value if isinstance(value, str) else str(value) if isinstance(value, int) else ",".join(value)

    return {name: text(value) for name, value in given.items() if value is not None}


def _time(time: Time | None) -> str | None:
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ValueError(f"{time!r} has no time zone: give it one, such as timezone.utc")
        return time.isoformat()
    return None if time is None else str(time)
