"""The answers of the door that takes events."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.problem import Problem
from schemas.score import Produced
from schemas.touchpoint import Id


class Verdict(Produced):
    """What became of one event of the request."""

    index: Annotated[int, Field(ge=0)]
    """Its place in the request, from 0."""
    id: Id | None
    """Its own id; null when it has no valid one."""
    status: Literal["accepted", "rejected"]
    """Accepted is kept for good; rejected is set aside as a dead letter, unless it says when to send it again."""
    durable: Literal["log", "spool"] | None = None
    """Where an accepted event is kept."""
    reason: Annotated[str, Field(pattern="^[a-z-]+$")] | None = None
    """Why it was rejected: a word that does not change."""
    detail: str | None = None
    """Which field to mend, and how."""
    retry_after_s: Annotated[int, Field(ge=1)] | None = None
    """The event was rejected only for now: send it again after so many seconds. No dead letter is made of it."""
    hint: str | None = None
    """Of an accepted event, at most of four names a request: nobody declared its touchpoint, and what was probably meant."""


class Verdicts(Produced):
    """A verdict on every event, in the order of the request."""

    results: list[Verdict]


class EventsProblem(Problem):
    """A problem, with the verdicts when every event of the request was rejected."""

    results: list[Verdict] | None = None
