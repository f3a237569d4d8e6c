"""What can go wrong."""

from __future__ import annotations

import json

import httpx


class CrossrateError(Exception):
    """Any error of this package."""


class UnreachableError(CrossrateError):
    """No server answers there, or not in time."""


class ProblemError(CrossrateError):
    """The server refused a request, and says why (RFC 9457)."""

    def __init__(self, status: int, detail: str, hint: str | None) -> None:
        super().__init__(f"{detail} ({hint})" if hint else detail)
        self.status = status
        self.detail = detail
        self.hint = hint


def problem_of(response: httpx.Response) -> ProblemError:
    """The problem that an answer tells, whose body was read."""
    try:
        told = json.loads(response.text)
        return ProblemError(response.status_code, str(told["detail"]), told.get("hint"))
    except (ValueError, KeyError, TypeError):
        return ProblemError(response.status_code, f"the server answers {response.status_code}", None)
