"""The read API over a real database, with a clock that stands still."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import httpx
from pydantic import SecretStr

from schemas.replay import Letter, Results
from services.api.app import create_app
from services.api.customers import Customers, Parts
from services.api.entrance import Entrance
from services.api.letters import Letters
from services.api.reader_rates import ReaderRates
from services.api.refusals import Refusals
from services.api.replaying import Door, Replayer
from services.api.waiting import Waiting
from services.api.webhooks import Parts as WebhookParts
from services.api.webhooks import Webhooks
from services.core.catalogue import Catalogue, Entry, Parameters
from services.core.valence import NoValence
from services.infra.catalogue.reading import Labels, labels
from services.infra.egress.gate import Gate
from services.infra.http.answer import Application
from services.infra.http.peers import Peers, networks
from services.infra.http.problems import Refused
from services.infra.http.strangers import Strangers
from services.infra.settings import PostgresSettings
from services.infra.sources import Reader, Sources
from services.state.database import ReadDatabase
from services.state.roles import READER
from services.state.weighed import Models
from tests.support.clocks import NOON, StandingClock
from tests.support.databases import as_role
from tests.support.receivers import Names

T = NOON
"""The hour at which the worked examples are read."""

KEY = "a-read-key-of-the-tests"
OTHER_KEY = "a-key-that-may-read-nothing"
OPERATOR_KEY = "a-key-of-an-operator"
LETTERS_KEY = "a-key-that-only-reads-letters"
RESPONDER_KEY = "a-key-of-who-works-on-alerts"
WEBHOOKS_KEY = "a-key-of-webhooks"
HASH_KEY = b"0123456789abcdef0123456789abcdef"
BEARER = {"Authorization": f"Bearer {KEY}"}

_ENTRIES = {
    "checkout.done": ("purchase", "process", 1.0),
    "parcel.delivered": ("fulfilment", "process", 2.0),
    "call.taken": ("support", "staff", 1.0),
    "case.solved": ("support", "staff", 1.5),
    "survey.answered": ("support", "product", 2.0),
}


def example_catalogue() -> Catalogue:
    """Return the catalogue of the worked example: five touchpoints with its weights."""
    entries = {
        name: Entry(
            name=name,
            channel="any",
            stage=stage,
            category=category,
            control="owned",
            driver="quality",
            weight=weight,
            valence=NoValence(),
        )
        for name, (stage, category, weight) in _ENTRIES.items()
    }
    return Catalogue(entries=entries, parameters=Parameters())


def example_sources() -> Sources:
    """Return one reader that may read, one that may not, two for letters, one that works on alerts, and one for webhooks."""
    keys = (KEY, OTHER_KEY, OPERATOR_KEY, LETTERS_KEY, RESPONDER_KEY, WEBHOOKS_KEY)
    may, may_not, operator, looks, responds, hooks = (hashlib.sha256(key.encode()).hexdigest() for key in keys)
    return Sources(
        readers=[
            Reader(name="crm", keys_sha256=(may,)),
            Reader(name="till", keys_sha256=(may_not,), scopes=()),
            Reader(name="anna", keys_sha256=(operator,), scopes=("dead-letters:read", "dead-letters:write")),
            Reader(name="ben", keys_sha256=(looks,), scopes=("dead-letters:read",)),
            Reader(name="eve", keys_sha256=(responds,), scopes=("scores:read", "alerts:write")),
            Reader(name="olga", keys_sha256=(hooks,), scopes=("webhooks",)),
        ]
    )


def labels_of(language: str) -> Labels:
    """The product's labels, with one for a touchpoint of the example."""
    known = labels(language)
    return known._replace(
        touchpoints={**known.touchpoints, "survey.answered": {"en": "Survey", "pl": "Ankieta"}[language]}
    )


class NoDoor:
    """An ingest that is away."""

    async def send(self, path: str, letters: Sequence[Letter], *, masked: bool) -> Results | Refused:
        del path, letters, masked
        return Refused("unavailable", "Ingest does not answer.", 7)


def example_app(  # noqa: PLR0913 - one for each part that a test may replace
    store: ReadDatabase,
    door: Door | None = None,
    *,
    silent: frozenset[str] = frozenset(),
    catalogue: Catalogue | None = None,
    now: datetime = T,
    waiting: Waiting | None = None,
    resolver: Names | None = None,
) -> Application:
    """Build the real application around a store."""
    entrance = Entrance(
        example_sources,
        rates=ReaderRates(requests_per_s_max=1000, now_s=lambda: 0.0),
        strangers=Strangers(lambda: 0.0),
    )
    parts = Parts(
        database=store,
        models=Models(catalogue or example_catalogue()),
        labels={"en": labels_of("en"), "pl": labels_of("pl")},
        entrance=entrance,
        hash_key=HASH_KEY,
        clock=StandingClock(now),
        silent=lambda: silent,
    )
    refusals, peers = Refusals(time.monotonic), Peers(networks("127.0.0.1"))
    letters = Letters(store, entrance, Replayer(store, door or NoDoor()))
    gate = Gate(resolver or Names(), http=False, allowed=())
    webhooks = Webhooks(WebhookParts(store, entrance, gate, parts.clock))
    return create_app(
        Customers(parts),
        letters,
        waiting or Waiting(store),
        webhooks,
        unready=lambda: None,
        refusals=refusals,
        peers=peers,
    )


@asynccontextmanager
async def opened_store(dsn: str) -> AsyncIterator[ReadDatabase]:
    """Open a store on a database."""
    store = ReadDatabase(
        PostgresSettings(dsn=SecretStr(as_role(dsn, READER)), connections_max=2), application="tactus-tests"
    )
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def read_client(
    dsn: str,
    door: Door | None = None,
    *,
    silent: frozenset[str] = frozenset(),
    catalogue: Catalogue | None = None,
    now: datetime = T,
    resolver: Names | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """Give an HTTP client of the application, with a valid read key."""
    async with opened_store(dsn) as store:
        app = example_app(store, door, silent=silent, catalogue=catalogue, now=now, resolver=resolver)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=BEARER) as client:
            yield client
