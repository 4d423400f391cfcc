"""The CRM engine over a real database, with a system that a test plays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
from pydantic import SecretStr

from services.infra.catalogue.reading import labels
from services.infra.errors import UnavailableError
from services.infra.settings import PostgresSettings
from services.outbound.crm.configuration import ConnectorTable
from services.outbound.crm.contract import Absent, Answer, Connector, Found, Push, Taken, Traits, Trouble
from services.outbound.crm.following import Following
from services.outbound.crm.measures import Measures
from services.outbound.crm.meter import Meter
from services.outbound.crm.records import Records
from services.outbound.crm.sync import Sync
from services.outbound.crm_systems import Parts, Spoken, connect
from services.state.crm import Task
from services.state.database import ReadDatabase
from services.state.outbound import OutboundDatabase
from services.state.roles import OUTBOUND
from services.state.weighed import Models
from tests.support.clocks import StandingClock
from tests.support.databases import as_role
from tests.support.readapi import HASH_KEY, example_catalogue

FIELDS = {
    "score": "t_score",
    "band": "t_band",
    "reasons": "t_reasons",
    "version": "t_version",
    "merged_into": "t_merged",
}


def connector_table(**changes: Any) -> ConnectorTable:  # noqa: ANN401 - a table of the file
    """A connector as the file would say it."""
    usual: dict[str, Any] = {
        "name": "crm",
        "system": "tryton",
        "url": "http://crm.test",
        "key_field": "t_id",
        "secret_file": "/nowhere",
        "fields": FIELDS,
    }
    return ConnectorTable.model_validate({**usual, **changes})


NATIVE = Traits(batch_max=100, bad_row="singly", lookup="native")


@dataclass
class PlayedSystem:
    """A connector whose system a test plays: by default it knows its records and takes everything."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    traits: Traits = NATIVE
    calls: list[list[Push]] = field(default_factory=list)
    says: list[Callable[[Sequence[Push]], Sequence[Answer] | Trouble]] = field(default_factory=list)
    """What it does at the next calls, in turn, instead of what it does by default."""
    renewed: int = 0
    tasks: list[Task] = field(default_factory=list)

    def take(self, pushes: Sequence[Push]) -> list[Answer]:
        answers: list[Answer] = []
        for push in pushes:
            elsewhere = self.traits.lookup == "search" and push.remote != f"r-{push.key}"
            if push.key not in self.records or elsewhere:
                answers.append(Absent(push.key))
                continue
            if push.delete:
                del self.records[push.key]
            else:
                self.records[push.key] |= push.fields
            answers.append(Taken(push.key, "ok"))
        return answers

    async def push(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        self.calls.append(list(pushes))
        return self.says.pop(0)(pushes) if self.says else self.take(pushes)

    async def find(self, keys: Sequence[str]) -> Found | Trouble:
        return Found({key: f"r-{key}" for key in keys if key in self.records})

    async def read(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | Trouble:
        return {key: self.records[key] for key in keys if key in self.records}

    async def open_task(self, task: Task) -> Answer | Trouble:
        self.tasks.append(task)
        return Taken(task.customer)

    async def renew(self) -> Trouble | None:
        self.renewed += 1
        return None


class Played:
    """The engine of one connector, with a clock that stands until a test moves it."""

    def __init__(self, dsn: str, *, table: ConnectorTable | None = None, connector: Connector | None = None) -> None:
        self.dsn = dsn
        self.clock = StandingClock()
        self.table = table or connector_table()
        self.system = PlayedSystem()
        self.connector: Connector = connector or self.system
        settings = PostgresSettings(dsn=SecretStr(as_role(dsn, OUTBOUND)))
        self.database = OutboundDatabase(settings, application="test-crm")
        self.reading = ReadDatabase(settings, application="test-crm")
        self.slept_s = 0.0
        self.meter = self.meter_of(self.table)
        self.records = Records(
            self.reading,
            Models(example_catalogue()),
            {one: labels(one, override=None) for one in ("en", "pl")},
            self.clock,
        )
        self.sync = self.process("one")

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.clock.at += timedelta(seconds=seconds)

    def meter_of(self, table: ConnectorTable) -> Meter:
        return Meter(table, self.database, self.clock, sleep=self.sleep)

    def speak(self, client: httpx.AsyncClient) -> Spoken:
        """Speak to the system that the table names, over this client."""
        spoken = connect(self.table, Parts(self.database, self.records, client, self.clock, HASH_KEY, sleep=self.sleep))
        self.connector, self.meter = spoken.connector, spoken.meter
        self.sync = self.process("one")
        return spoken

    def process(self, holder: str) -> Sync:
        """Another process with the same connector."""
        measures = Measures(self.table.name, self.database, self.meter, self.clock, secret_age_s=lambda: None)
        return Sync(
            self.table,
            self.connector,
            database=self.database,
            records=self.records,
            following=Following(self.table, hash_key=HASH_KEY),
            meter=self.meter,
            measures=measures,
            clock=self.clock,
            holder=holder,
        )

    async def settle(self, *, rounds: int = 50) -> None:
        """Go round until nothing is left to do at this moment."""
        for _ in range(rounds):
            try:
                if await self.sync.round() > 0:
                    return
            except UnavailableError:
                # A busy machine may end a session that is idle for seconds: as in the process, the round comes again.
                continue
        raise AssertionError(f"still at work after {rounds} rounds")

    async def later(self, **span: float) -> None:
        """Let time pass, and do what is due then."""
        self.clock.at += timedelta(**span)
        await self.settle()

    async def close(self) -> None:
        await self.database.close()
        await self.reading.close()

    async def row(self, key: str) -> dict[str, Any] | None:
        """What is known of a record."""
        found = await self.fetch("SELECT * FROM crm_record WHERE key = $1 AND connector = $2", key, self.table.name)
        return dict(found[0]) if found else None

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    async def score(self, customer: str, score: float, *, band: int) -> None:
        """Let a customer's stored score become another one, as a worker does."""
        await self.fetch(
            "WITH turn AS (SELECT nextval('score_version') + 1000 AS version), who AS ("
            " SELECT person FROM identity WHERE value = $1), scored AS ("
            " UPDATE person SET score = $2, band = $3, version = turn.version, confidence = .5 FROM turn, who"
            " WHERE id = who.person RETURNING id)"
            " INSERT INTO score_change (version, model, persons, scores, confidences, bands)"
            " SELECT turn.version, 1, array_agg(scored.id), ARRAY[$2::float8], ARRAY[.5::float8], ARRAY[$3::smallint]"
            " FROM turn, scored GROUP BY turn.version",
            customer, score, band,
        )  # fmt: skip

    async def merge(self, loser: str, winner: str) -> None:
        """Let one person become part of another, as a worker does."""
        await self.fetch(
            "UPDATE person SET merged_into = w.person FROM identity AS l, identity AS w"
            " WHERE person.id = l.person AND l.value = $1 AND w.value = $2",
            loser, winner,
        )  # fmt: skip
        await self.fetch(
            "UPDATE identity SET person = (SELECT person FROM identity WHERE value = $2)"
            " WHERE person = (SELECT person FROM identity WHERE value = $1)",
            loser, winner,
        )  # fmt: skip


def people(count: int) -> list[str]:
    """So many customers."""
    return [f"customer:c{number:04}" for number in range(count)]


async def store_people(dsn: str, names: Sequence[str], *, score: float = 70.0, band: int = 4) -> None:
    """Store people with a score and nothing behind it."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "WITH made AS (INSERT INTO identity (id, value, person)"
            " SELECT n, name, n FROM (SELECT nextval('identity_id') AS n, name FROM unnest($1::text[]) AS name) AS one"
            " RETURNING id) INSERT INTO person (id, version, score, band, confidence) SELECT id, id, $2, $3, .5 FROM made",
            list(names), score, band,
        )  # fmt: skip
    finally:
        await connection.close()


def body_of(request: httpx.Request) -> Any:  # noqa: ANN401 - whatever was sent
    return json.loads(request.content) if request.content else None
