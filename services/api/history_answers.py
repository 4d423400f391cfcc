"""Turn a person's score day by day into the answer of the read API. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from schemas.historyapi import HISTORY_VALUES_MAX, HistoryAnswer, HistoryColumn, HistoryPoint
from schemas.instant import write_instant
from services.core.catalogue import Catalogue
from services.core.history import read_history
from services.core.instants import hour_of
from services.core.tallies import HOURS_KEPT
from services.state.experience import Experience
from services.state.persons import Person

Floats = NDArray[np.float64]

DAY: Final = timedelta(days=1)


class Span(NamedTuple):
    """The days of a history, and the dimension along which it is told."""

    since: datetime
    until: datetime
    dimension: str | None

    @property
    def moments(self) -> Sequence[datetime]:
        """One a day, from the first on."""
        return [self.since + number * DAY for number in range((self.until - self.since) // DAY + 1)]

    @property
    def hours(self) -> dict[str, int]:
        """The hours whose tallies the history needs."""
        return {"after_hour": hour_of(self.since) - HOURS_KEPT, "until_hour": hour_of(self.until)}


class Line(TypedDict):
    """A score day by day, as the answers about customers and accounts have it."""

    points: list[HistoryPoint]
    dimension: str | None
    values: dict[str, HistoryColumn]
    left_out: int
    model_version: str


def history_answer(person: Person, experience: Experience, *, span: Span, catalogue: Catalogue) -> HistoryAnswer:
    """Read a person's score once a day."""
    line = line_of(experience, span=span, catalogue=catalogue)
    return HistoryAnswer(customer=person.customer, version=person.version, **line)


def line_of(experience: Experience, *, span: Span, catalogue: Catalogue, factors: Floats | None = None) -> Line:
    """Read a score once a day; with factors, that of several as one."""
    moments = span.moments
    history = read_history(
        experience.tallies,
        facts=experience.facts,
        leaves=experience.leaves,
        at_hours=[hour_of(moment) for moment in moments],
        parameters=catalogue.parameters,
        dimension=span.dimension,
        values_max=HISTORY_VALUES_MAX,
        factors=factors,
    )
    overall = history.overall
    bands = catalogue.bands
    named = [bands.names[number] for number in bands.numbers(overall.score, overall.confidence).tolist()]
    columns = [column.tolist() for column in overall]
    return Line(
        points=[
            HistoryPoint(at=write_instant(moment), score=score, confidence=confidence, se=se, band=band)
            for moment, score, confidence, se, band in zip(moments, *columns, named, strict=True)
        ],
        dimension=span.dimension,
        values={
            value: HistoryColumn(score=reading.score.tolist(), confidence=reading.confidence.tolist())
            for value, reading in history.values.items()
        },
        left_out=history.left_out,
        model_version=catalogue.model_version,
    )
