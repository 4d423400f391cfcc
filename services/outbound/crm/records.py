"""What a record is to hold: read at the present, with its reasons, as the API tells them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from schemas.instant import write_instant
from services.core.catalogue import Catalogue
from services.core.instants import hour_of, instant_of
from services.core.scoring import Receipt, receipt
from services.core.tallies import HOURS_KEPT
from services.infra.catalogue.reading import Labels
from services.infra.clock import Clock
from services.outbound.crm.configuration import ConnectorTable
from services.outbound.crm.contract import Push, Value
from services.state.crm import Due
from services.state.database import ReadDatabase, Snapshot
from services.state.experience import Experience, experience_of, stored_of
from services.state.persons import Person
from services.state.weighed import Models

REASONS: Final = 3
"""What a person reads before a call."""

TEXT_CHARS_MAX: Final = 255
"""The longest text that every system takes."""

ROWS_MAX: Final = 50_000
"""Of one person: whoever has more is told without reasons, by the score as it is stored."""

FILLED_AT_ONCE: Final = 100
"""Of people in one snapshot: while it is open, nobody who follows what changes gets on."""

PRINTED_MINUS: Final = "−"


class Filled(NamedTuple):
    """A record and what it is to hold; nothing, for somebody who is not known any more."""

    due: Due
    push: Push | None
    version: int = 0
    score: float = 50.0
    band: int = 0
    """As they are stored, to be compared with what comes next."""

    @property
    def as_json(self) -> str:
        """The fields, to be compared with what the system holds."""
        return json.dumps(dict(self.push.fields) if self.push else {}, ensure_ascii=False)


class Records:
    """Fills records with what is known at the present."""

    def __init__(self, database: ReadDatabase, models: Models, labels: Mapping[str, Labels], clock: Clock) -> None:
        self._database = database
        self._models = models
        self._labels = labels
        self._clock = clock

    async def fill(self, table: ConnectorTable, dues: Sequence[Due]) -> list[Filled]:
        """Fill records; raises UnavailableError while the database is away."""
        if all(due.wish != "score" for due in dues):
            return [Filled(due, _farewell(table, due), due.version, due.score, due.band) for due in dues]
        await self._database.open()
        filled: list[Filled] = []
        for first in range(0, len(dues), FILLED_AT_ONCE):
            async with self._database.snapshot() as snapshot:
                filled += [await self._one(snapshot, table, due) for due in dues[first : first + FILLED_AT_ONCE]]
        return filled

    async def _one(self, snapshot: Snapshot, table: ConnectorTable, due: Due) -> Filled:
        if due.wish != "score":
            return Filled(due, _farewell(table, due), due.version, due.score, due.band)
        person = await snapshot.persons.find(f"{table.key_kind}:{due.key}")
        if person is None or person.number != due.person:
            return Filled(due, None)
        at = instant_of(self._clock.now_us())
        values = await self._values(snapshot, person, table, at=at)
        if values is None:
            values = await self._stored(snapshot, person, due, at=at)
        fields = {name: values.get(what) for what, name in table.fields.items()}
        return Filled(due, Push(due.key, due.remote, fields), person.version, due.score, due.band)

    async def _values(
        self, snapshot: Snapshot, person: Person, table: ConnectorTable, *, at: datetime
    ) -> dict[str, Value] | None:
        catalogue = await self._models.of_person(snapshot, person)
        hour = hour_of(at)
        stored = await stored_of(snapshot, person, after_hour=hour - HOURS_KEPT, until_hour=hour, rows_max=ROWS_MAX)
        if stored is None:
            return None

        def work() -> tuple[Receipt, Experience]:
            experience = experience_of(stored, catalogue=catalogue)
            explained = receipt(
                experience.tallies,
                facts=experience.facts,
                leaves=experience.leaves,
                at_hour=hour,
                parameters=catalogue.parameters,
                leaves_max=REASONS,
            )
            return explained, experience

        explained, experience = await asyncio.to_thread(work)
        reasons = reasons_told(explained, experience, self._labels[table.language])
        return {
            **_figures(explained, catalogue),
            "as_of": write_instant(at),
            "version": person.version,
            "link": table.link_to(person.customer)[:TEXT_CHARS_MAX] or None,
            "reasons": "; ".join(reasons)[:TEXT_CHARS_MAX] or None,
            **{f"reason_{place}": text[:TEXT_CHARS_MAX] for place, text in enumerate(reasons, 1)},
        }

    async def _stored(self, snapshot: Snapshot, person: Person, due: Due, *, at: datetime) -> dict[str, Value]:
        """Of somebody whose life is too long to be read here: the score as it is stored."""
        bands = (await self._models.of_person(snapshot, person)).bands
        return {
            "score": round(due.score, 1),
            "band": bands.names[due.band],
            "as_of": write_instant(at),
            "version": person.version,
        }


def _figures(explained: Receipt, catalogue: Catalogue) -> dict[str, Value]:
    return {
        "score": round(explained.score, 1),
        "confidence": round(explained.confidence, 2),
        "band": catalogue.bands.name(explained.score, explained.confidence),
    }


def reasons_told(explained: Receipt, experience: Experience, labels: Labels) -> list[str]:
    """Say in words what moved a score most: what it was, where, and how many points."""
    told = []
    for line in sorted(explained.leaves, key=lambda one: -abs(one.points))[:REASONS]:
        leaf = experience.leaves.triples[line.leaf]
        what = labels.touchpoints.get(leaf.touchpoint, leaf.touchpoint)
        points = f"{line.points:+.1f}".replace("-", PRINTED_MINUS)
        told.append(f"{what} ({leaf.place or leaf.channel}) {points}")
    return told


def _farewell(table: ConnectorTable, due: Due) -> Push:
    """What is told of somebody who became part of another, or asked to be forgotten: no score stays behind."""
    fields: dict[str, Value] = dict.fromkeys(table.fields.values())
    if due.wish == "merged" and "merged_into" in table.fields:
        fields[table.fields["merged_into"]] = due.merged_into
    return Push(due.key, due.remote, fields, delete=due.wish == "erased" and table.erased == "delete")
