"""`tactus whatif`: ask what a score would be, and print both receipts side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from schemas.faults import faults_of
from schemas.touchpoint import identity_of_subject
from schemas.whatifapi import WhatIfAnswer, WhatIfQuestion
from services.client.endpoints import find_api
from services.client.whatif import ask_whatif
from services.infra.errors import InvalidEventError, TactusError


class Asked(NamedTuple):
    """What the command line asks."""

    customer: str
    weights: Sequence[str]
    parameters: Sequence[str]
    without: Sequence[str]
    """Each the source and the id of an event, as the journey shows them."""
    changed: Sequence[str]
    """The same, and how it is to have felt."""
    at: str | None


def run(asked: Asked, *, language: str, data: Path | None) -> int:
    """Print the answer; 0 when there is one, 1 when the reason why not was printed."""
    try:
        question = question_of(asked)
        answer = ask_whatif(find_api(data), question, language=language)
    except TactusError as error:
        sys.stderr.write(f"tactus whatif: {error}\n")
        return 1
    show(answer, Console(highlight=False, markup=False, emoji=False))
    return 0


def question_of(asked: Asked) -> WhatIfQuestion:
    """Understand the options; raises InvalidEventError that names the one to mend."""
    question = {
        "customer": ":".join(identity_of_subject(asked.customer)),
        "at": asked.at,
        "weights": _numbers("--weight", asked.weights),
        "parameters": _numbers("--parameter", asked.parameters) or None,
        "without": [_event("--without", words) for words in asked.without],
        "changed": [
            {
                **_event("--changed", words.rpartition(" ")[0]),
                **_numbers("--changed", words.rpartition(" ")[2].split(",")),
            }
            for words in asked.changed
        ],
    }
    try:
        return WhatIfQuestion.model_validate(question)
    except ValidationError as error:
        raise InvalidEventError("; ".join(f"{fault.field}: {fault.reason}" for fault in faults_of(error))) from error


def _event(option: str, words: str) -> Mapping[str, str]:
    """Take the source and the id apart: of the two the source is the one that may hold blanks."""
    source, _, name = words.rpartition(" ")
    if not source:
        raise InvalidEventError(f"{option}: {words!r} must be 'SOURCE ID', in quotes, as the journey shows them")
    return {"source": source, "id": name}


def _numbers(option: str, pairs: Iterable[str]) -> Mapping[str, float]:
    numbers = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        try:
            numbers[name.strip()] = float(number)
        except ValueError as error:
            raise InvalidEventError(f"{option}: {pair!r} must be NAME=NUMBER, such as survey.csat=1.5") from error
    return numbers


def show(answer: WhatIfAnswer, console: Console) -> None:
    """Print what would change, and where."""
    before, after = answer.before, answer.after
    console.print(f"{answer.customer} at {answer.at}, model {answer.model_version}", soft_wrap=True)
    console.print(
        f"score {before.score:.1f} ({before.band}) → {after.score:.1f} ({after.band}), "
        f"{answer.difference:+.1f} points; confidence {before.confidence:.2f} → {after.confidence:.2f}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("where", "before", "after", "difference", "events"):
        table.add_column(heading, justify="left" if heading == "where" else "right", overflow="fold")
    if before.prior != after.prior:
        table.add_row("(prior)", f"{before.prior:.1f}", f"{after.prior:.1f}", f"{after.prior - before.prior:+.1f}", "")
    for leaf in answer.leaves:
        where = " · ".join(part for part in (leaf.label, leaf.channel, leaf.place) if part)
        events = (
            f"{leaf.events_before}"
            if leaf.events_before == leaf.events_after
            else f"{leaf.events_before} → {leaf.events_after}"
        )
        table.add_row(where, f"{leaf.before:+.1f}", f"{leaf.after:+.1f}", f"{leaf.difference:+.1f}", events)
    if answer.others.leaves:
        table.add_row(f"({answer.others.leaves} more)", "", "", f"{answer.others.difference:+.1f}", "")
    if table.row_count:
        console.print(table)
