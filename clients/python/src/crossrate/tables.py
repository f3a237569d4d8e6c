"""Rows as Python has them, and as pandas and polars want them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pandas
    import polars

Row: TypeAlias = dict[str, Any]
"""A row by the names of its fields, as `docs/sql.md` lists them."""

# The digits that a decimal of polars has at most.
PRECISION = 38


class Schema:
    """Which fields of the rows are exact decimals, which the server sends as texts."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        schemas = description["components"]["schemas"]
        self._decimals: dict[str, frozenset[str]] = {}
        self._lists: dict[str, dict[str, frozenset[str]]] = {}
        for choice in schemas["Row"]["oneOf"]:
            of = schemas[choice["$ref"].rsplit("/", 1)[1]]["properties"]
            kind = of["kind"]["const"]
            self._decimals[kind] = _decimals(of)
            lists = {name: _decimals(field["items"]["properties"]) for name, field in of.items() if "items" in field}
            self._lists[kind] = lists

    def row(self, told: Row) -> Row:
        """The row with its decimals as such."""
        kind = told["kind"]
        _exact(told, self._decimals.get(kind, frozenset()))
        for name, decimals in self._lists.get(kind, {}).items():
            for element in told[name] or ():
                _exact(element, decimals)
        return told


def _decimals(properties: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name, field in properties.items() if "exact decimal" in field.get("description", ""))


def _exact(members: dict[str, Any], decimals: frozenset[str]) -> None:
    for name in decimals:
        text = members.get(name)
        if text is not None:
            members[name] = Decimal(text)


def instant(ms: int) -> datetime:
    """The moment so many milliseconds after the epoch, in UTC."""
    return datetime.fromtimestamp(ms / 1000, timezone.utc)


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]], exact: bool) -> dict[str, list[Any]]:
    def cell(value: Any) -> Any:
        if isinstance(value, Decimal):
            return value if exact else float(value)
        # The legs of a cross are a list of objects.
        return json.dumps(value, default=str) if isinstance(value, (list, dict)) else value

    return {name: [cell(row[at]) for row in rows] for at, name in enumerate(names)}


def _digits(cells: Sequence[Any]) -> tuple[int, int] | None:
    """How many digits the decimals of a column have before and behind the point at most; none where none is one."""
    whole, places, found = 0, 0, False
    for cell in cells:
        if isinstance(cell, Decimal):
            _, digits, exponent = cell.as_tuple()
            behind = max(-int(exponent), 0)
            whole, places = max(whole, len(digits) + int(exponent)), max(places, behind)
            found = True
    return (whole, places) if found else None


def _pandas(columns: dict[str, list[Any]]) -> pandas.DataFrame:
    import pandas

    frame = pandas.DataFrame(columns)
    for name, bound in (("start", "start_ms"), ("end", "end_ms")):
        if bound in columns and name not in columns:
            frame[name] = pandas.to_datetime(frame[bound], unit="ms", utc=True)
    return frame


def _polars(columns: dict[str, list[Any]]) -> polars.DataFrame:
    import polars

    types: dict[str, Any] = {}
    for name, cells in columns.items():
        digits = _digits(cells)
        if digits is None:
            continue
        whole, places = digits
        if whole + places <= PRECISION:
            types[name] = polars.Decimal(PRECISION, places)
        else:
            types[name] = polars.String
            columns[name] = [None if cell is None else format(cell, "f") for cell in cells]
    frame = polars.DataFrame(columns, schema_overrides=types, infer_schema_length=None)
    bounds = [
        polars.from_epoch(bound, time_unit="ms").dt.replace_time_zone("UTC").alias(name)
        for name, bound in (("start", "start_ms"), ("end", "end_ms"))
        if bound in columns and name not in columns
    ]
    return frame.with_columns(bounds)


@dataclass(frozen=True)
class Windows(Sequence[Row]):
    """Rows of windows, in their order."""

    rows: list[Row]

    def __getitem__(self, at: Any) -> Any:
        return self.rows[at]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def _columns(self, exact: bool) -> dict[str, list[Any]]:
        # Kinds of rows have different fields: those of all, in the order in which they come.
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        return _columns(names, [[row.get(name) for name in names] for row in self.rows], exact)

    def pandas(self, *, exact: bool = True) -> pandas.DataFrame:
        """As a frame of pandas, with `start` and `end`. Decimals are objects, or floats where not `exact`."""
        return _pandas(self._columns(exact))

    def polars(self, *, exact: bool = True) -> polars.DataFrame:
        """As a frame of polars, with `start` and `end`. Decimals have 18 places, or are floats where not `exact`."""
        return _polars(self._columns(exact))


@dataclass(frozen=True)
class Table:
    """The answer to a question in SQL: decimals are texts, as `docs/sql.md` says, beside doubles."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    """Whether there were more rows than one answer has."""

    def __iter__(self) -> Iterator[Row]:
        return (dict(zip(self.columns, row)) for row in self.rows)

    def pandas(self) -> pandas.DataFrame:
        """As a frame of pandas."""
        return _pandas(_columns(self.columns, self.rows, True))

    def polars(self) -> polars.DataFrame:
        """As a frame of polars."""
        return _polars(_columns(self.columns, self.rows, True))


@dataclass(frozen=True)
class Outcome:
    """What a change of the job has come to."""

    changes: list[dict[str, Any]]
    """What has changed, each with `from_ms`, the moment from which it holds; nothing where it was so already."""
    kept: bool
    """Whether a checkpoint holds it."""
    waiting: list[str]
    """Symbols that it needs and that have had no row so far."""
