"""A stream that goes on by itself: after a connection that broke, a server that began anew, a silence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from .errors import UnreachableError, problem_of
from .tables import Row

# The server tells how far it is at least as often as asked: a connection that is silent for so many seconds
# longer is none.
SILENCE_S = 15.0
# Between two attempts, in seconds; it doubles.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
# What another moment may mend: the server is full, or behind something that does not reach it.
PASSING = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Message:
    """What the server tells."""

    type: str
    """`snapshot`: what was known before is obsolete. `update`: rows that are new, or replace those of their
    window. `progress`: how far the job is, in `told`."""
    rows: list[Row] = field(default_factory=list)
    reason: str | None = None
    """Of a snapshot: why the stream could not go on from where it was, where it was somewhere."""
    unknown: list[dict[str, str]] = field(default_factory=list)
    """Of a snapshot: names and windows that have no rows (yet), each with a hint."""
    conflated: int = 0
    """How many of the rows replace a version that was never sent, since this reader was slow."""
    told: dict[str, Any] = field(default_factory=dict)
    """All of the message."""


def messages(
    http: httpx.Client,
    params: dict[str, Any],
    row: Callable[[Row], Row],
    patience_s: float | None,
    silence_s: float,
) -> Iterator[Message]:
    """Messages for ever, or until nothing was reached for so many seconds."""
    last: str | None = None
    pause, failing = FIRST_PAUSE_S, None
    while True:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        reason = "the connection ended"
        try:
            timeout = httpx.Timeout(10.0, read=silence_s)
            with http.stream("GET", "/v1/stream", params=params, headers=headers, timeout=timeout) as response:
                if response.status_code in PASSING:
                    reason = f"the server answers {response.status_code}"
                elif response.status_code != 200:
                    response.read()
                    raise problem_of(response)
                else:
                    for told in _events(response):
                        pause, failing = FIRST_PAUSE_S, None
                        if told["type"] != "bye":
                            # A part of a snapshot has none: who breaks off there begins anew.
                            last = told.get("id") or (last if told["type"] == "progress" else None)
                            yield _message(told, row)
        except (httpx.TransportError, UnreachableError) as error:
            reason = str(error) or type(error).__name__
        now = time.monotonic()
        failing = failing or now
        if patience_s is not None and now - failing >= patience_s:
            raise UnreachableError(f"{http.base_url} was not reached for {patience_s:g} s: {reason}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The data of each event that is whole."""
    data: list[bytes] = []
    rest = b""
    for piece in response.iter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].strip())
            elif not line.strip() and data:
                yield json.loads(b"\n".join(data))
                data = []


def _message(told: dict[str, Any], row: Callable[[Row], Row]) -> Message:
    rows = [row(one) for one in told.get("rows", ())]
    return Message(
        type=told["type"],
        rows=rows,
        reason=told.get("reason"),
        unknown=told.get("unknown", []),
        conflated=told.get("conflated", 0),
        told=told,
    )
