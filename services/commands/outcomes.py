"""A file of outcomes: what became of customers, to be held against scores read before."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from schemas.touchpoint import identity_of_subject
from services.core.instants import EPOCH, parse_instant
from services.infra.errors import ConfigurationError

COLUMNS: Final = ("customer", "time", "bad")

BAD: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}

OUTCOMES_MAX: Final = 1_000_000
"""The scores of so many are held at once: 25 MB for two models."""

PROBLEMS_SHOWN_MAX: Final = 20


class Outcome(NamedTuple):
    """What became of a customer, and when it was known."""

    identity: str
    """kind:value, as the file has it."""
    at: datetime
    bad: bool
    line: int = 0
    """Where the file has it."""


def read_outcomes(path: Path) -> Sequence[Outcome]:
    """Read a CSV of customer,time,bad; raises ConfigurationError that names each wrong line and its fix."""
    problems: list[str] = []
    outcomes: dict[tuple[str, datetime], Outcome] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for line, row in _rows(path, csv.reader(stream)):
                outcome = _outcome(row, line)
                if isinstance(outcome, str):
                    problems.append(f"{path}:{line}: {outcome}")
                elif outcomes.setdefault(outcome[:2], outcome) is not outcome:
                    problems.append(f"{path}:{line}: the same customer and time stand twice; keep one of the two")
                if len(outcomes) > OUTCOMES_MAX:
                    raise ConfigurationError(
                        f"{path}: holds more than {OUTCOMES_MAX} outcomes; draw some of them by chance"
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error}); name a CSV in UTF-8 with {','.join(COLUMNS)}"
        ) from error
    if problems:
        more = len(problems) - PROBLEMS_SHOWN_MAX
        raise ConfigurationError(
            "\n".join([*problems[:PROBLEMS_SHOWN_MAX], *([f"… and {more} more"] if more > 0 else [])])
        )
    if len({outcome.bad for outcome in outcomes.values()}) < 2:  # noqa: PLR2004 - yes and no
        raise ConfigurationError(f"{path}: every outcome has the same `bad`; outcomes of both kinds are needed")
    return list(outcomes.values())


def _rows(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, dict[str, str]]]:
    head = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in COLUMNS if name not in head]
    if missing:
        raise ConfigurationError(f"{path}:1: lacks {', '.join(missing)}; the first line must name {','.join(COLUMNS)}")
    for line, cells in enumerate(reader, start=2):
        if any(cell.strip() for cell in cells):
            yield line, {name: cell.strip() for name, cell in zip(head, cells, strict=False)}


def _outcome(row: dict[str, str], line: int) -> Outcome | str:
    """Read a row, or say what is wrong with it."""
    if not row.get("customer"):
        return "customer: is empty; write kind:value, or the bare id of a customer"
    try:
        at = parse_instant(row.get("time", ""))
    except ValueError as error:
        return f"time: {error}"
    if at < EPOCH:
        return "time: is before 1970, where hours begin to count; check the year"
    bad = BAD.get(row.get("bad", "").lower())
    if bad is None:
        return "bad: must be yes or no (or true, false, 1, 0)"
    return Outcome(":".join(identity_of_subject(row["customer"])), at, bad, line)
