"""Understand which dead letters a request means, or refuse it with what to change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from schemas.instant import parse_instant
from schemas.lettersapi import IDS_MAX, IDS_PATTERN, LETTERS_CURSOR_PATTERN, NAME_PATTERN, SOURCE_PATTERN, WORDS_PATTERN
from services.api.requests import bad, parameters_of
from services.infra.http.problems import Refused
from services.state.dead_letters import Selection

SELECTING: Final = ("ids", "state", "reason", "source", "channel", "origin", "since", "until", "words")
PAGING: Final = ("limit", "cursor")
MASKED: Final = "masked"

_FORMS: Final = {
    "state": (re.compile("open|replayed|discarded|all"), "open, replayed, discarded or all"),
    "reason": (re.compile(NAME_PATTERN), "a reason as `reason` of a letter has it"),
    "source": (re.compile(SOURCE_PATTERN), "the name of a source"),
    "channel": (re.compile(NAME_PATTERN), "a channel as `channel` of a letter has it"),
    "origin": (re.compile("ingest|aggregator"), "ingest or aggregator"),
    "words": (re.compile(WORDS_PATTERN), "1 to 100 printable characters"),
    MASKED: (re.compile("true|false"), "true or false"),
    "cursor": (re.compile(LETTERS_CURSOR_PATTERN), "`next` of the answer before"),
    "limit": (re.compile(r"[0-9]{1,3}"), "a whole number"),
    "ids": (
        re.compile(IDS_PATTERN),
        f"at most {IDS_MAX} ids, parted by commas",
    ),
}


class Meant(NamedTuple):
    """Letters as a request means them."""

    selection: Selection
    after: int
    """Those behind this one."""
    through: int | None
    """None: the newest that there is."""
    limit: int
    masked: bool

    @property
    def selects(self) -> bool:
        """Whether the request leaves any open letter out."""
        return any(part is not None for part in self.selection._replace(state=None))


def meant_of(query: bytes, *, named: tuple[str, ...], limit_default: int, limit_max: int) -> Meant | Refused:
    """Understand the query of an operation with these parameters."""
    told = parameters_of(query, named=named)
    if isinstance(told, Refused):
        return told
    for name, text in told.items():
        if name in _FORMS and not _FORMS[name][0].fullmatch(text):
            return bad(f"The parameter {name} must be {_FORMS[name][1]}.")
    limit = int(told.get("limit", limit_default))
    if not 1 <= limit <= limit_max:
        return bad(f"The parameter limit must be a whole number from 1 to {limit_max}.")
    times = _times(told)
    if isinstance(times, Refused):
        return times
    after, _, through = told.get("cursor", "0-").partition("-")
    return Meant(
        _selection(told, times), int(after), int(through) if through else None, limit, told.get(MASKED) == "true"
    )


def letter_id(segment: str) -> int | None:
    """Return the id that a path names; what can be none is no letter's."""
    return int(segment) if re.fullmatch(r"[0-9]{1,18}", segment) else None


def cursor_of(*, after: int, through: int) -> str:
    """Write where to go on."""
    return f"{after}-{through}"


def _selection(told: Mapping[str, str], times: Mapping[str, datetime]) -> Selection:
    ids = [int(one) for one in told["ids"].split(",")] if "ids" in told else None
    # Of a letter that is named its state is told, whatever it is.
    state = told.get("state", "open" if ids is None else "all")
    return Selection(
        ids=ids,
        state=None if state == "all" else state,
        since=times.get("since"),
        until=times.get("until"),
        **{name: told.get(name) for name in ("reason", "source", "channel", "origin", "words")},
    )


def _times(told: Mapping[str, str]) -> Mapping[str, datetime] | Refused:
    times: dict[str, datetime] = {}
    for name in ("since", "until"):
        try:
            # A plus that was not percent-encoded arrives as a blank.
            times |= {name: parse_instant(told[name].replace(" ", "+"))} if name in told else {}
        except ValueError as error:
            return bad(f"The parameter {name} {error}.")
    return times
