"""Scores and alerts come into their topics: nothing skipped, nothing older after what is newer, the same as Postgres has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.topics import ALERTS, SCORES
from services.aggregator.counting.announcing import Announcing
from services.aggregator.counting.filling import Filling, Step
from services.core.catalogue import Catalogue
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import FencedError
from services.infra.settings import PostgresSettings
from services.outbound.feed.alert_steps import AlertSteps
from services.state.activation import take_over
from services.state.database import Database
from services.state.models import ModelTable
from services.state.pool import Statements
from services.state.roles import WORKER
from tests.integration.outbound.conftest import OpenFeed, OpenPipeline, drained
from tests.support.counted_shop import Shop
from tests.support.databases import as_role
from tests.support.followers import followed, in_postgres, last_of_each_key, merged, merged_in_postgres, themselves
from tests.support.independent_log import read_committed

pytestmark = pytest.mark.integration

OURS = load_catalogue(None)
OTHER = Catalogue(entries=OURS.entries, parameters=replace(OURS.parameters, kappa=1.0))

LETTER = "INSERT INTO outbox (topic, key, value) VALUES ($1, $2, $3)"


@pytest.fixture
async def worker(postgres_dsn: str) -> AsyncIterator[Database]:
    """The database as a worker may use it."""
    opened = await Database.open(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))), lanes=1)
    yield opened
    await opened.close()


async def announced(worker: Database) -> list[int]:
    """Announce, two persons at a time, until nothing is to be announced; how many were told each time."""
    announcing = Announcing(worker, portion=2)
    portions: list[int] = []
    while (told := await announcing.step()) is not None:
        portions.append(told)
    return portions


@pytest.fixture
async def shop(open_pipeline: OpenPipeline) -> Shop:
    return Shop(await open_pipeline())


async def test_a_follower_of_the_topic_ends_with_what_postgres_has(
    topics: str, postgres_dsn: str, shop: Shop, open_feed: OpenFeed
) -> None:
    feed = await open_feed()
    for number in range(5):
        await shop.count(
            ("customer:a",), (f"customer:b{number}",), touchpoint="case.escalated" if number % 2 else "order.completed"
        )
        await drained(feed)

    held = followed(topics)

    assert themselves(held) == await in_postgres(postgres_dsn)
    assert held["customer:a"]["windows"].keys() == {"24h", "7d", "30d", "90d"}


async def test_whoever_loses_a_merge_points_to_the_winner(
    topics: str, postgres_dsn: str, shop: Shop, open_feed: OpenFeed
) -> None:
    feed = await open_feed()
    await shop.count(("anonymous:n",), ("customer:c",))
    await drained(feed)
    before = followed(topics)["anonymous:n"]["version"]
    await shop.count(("customer:c", "anonymous:n"))

    await drained(feed)

    held = followed(topics)
    assert merged(held) == await merged_in_postgres(postgres_dsn) == {"anonymous:n": "customer:c"}
    assert held["anonymous:n"]["version"] > before
    assert themselves(held) == await in_postgres(postgres_dsn)


async def test_whoever_never_had_a_score_of_their_own_gets_no_tombstone(
    topics: str, shop: Shop, open_feed: OpenFeed
) -> None:
    feed = await open_feed()
    await shop.count(("customer:c", "anonymous:n"))

    await drained(feed)

    assert {record.key for record in read_committed(topics, SCORES)} == {b"customer:c"}


async def test_changes_that_wait_are_told_once_as_they_stand(topics: str, shop: Shop, open_feed: OpenFeed) -> None:
    feed = await open_feed()
    for _ in range(20):
        await shop.count(("customer:a",), ("customer:b",))

    await drained(feed)

    assert len(read_committed(topics, SCORES)) == 2


async def test_a_slow_transaction_that_commits_late_is_not_passed_over(
    topics: str, postgres_dsn: str, shop: Shop, open_feed: OpenFeed, database: asyncpg.Connection
) -> None:
    feed = await open_feed()
    await shop.count(("customer:slow",))
    await drained(feed)
    other = await asyncpg.connect(postgres_dsn)
    slow = database.transaction()
    await slow.start()
    await database.execute(
        "WITH v AS (SELECT nextval('score_version') AS v), p AS (UPDATE person SET version_a = v.v, score = 1 FROM v "
        "RETURNING id, v.v) INSERT INTO score_change (version, model, persons, scores, confidences, bands) "
        "SELECT v, 1, ARRAY[id], '{1}', '{0}', '{0}' FROM p"
    )
    await shop.count(("customer:fast",))
    await drained(feed)
    await other.close()

    await slow.commit()
    await drained(feed)

    held = followed(topics)
    assert held["customer:slow"]["score"] == 1
    assert themselves(held) == await in_postgres(postgres_dsn)


async def test_a_frozen_former_publisher_puts_nothing_old_after_what_is_new(
    topics: str, postgres_dsn: str, shop: Shop, open_feed: OpenFeed, database: asyncpg.Connection
) -> None:
    former, present = await open_feed(), await open_feed()
    await shop.count(("customer:a",))
    await drained(former)
    await shop.count(("customer:a",), touchpoint="case.escalated")
    old = await former._read()  # and here it freezes
    assert old is not None
    await database.execute("UPDATE feed_position SET held_until = now() - interval '1 s'")
    await shop.count(("customer:a",), touchpoint="case.escalated")
    await drained(present)

    with pytest.raises(FencedError):
        await former._producer.publish(old.records)

    assert themselves(last_of_each_key(topics)) == await in_postgres(postgres_dsn)
    assert not await former._move(old)


async def test_of_two_publishers_one_holds_the_feed(topics: str, shop: Shop, open_feed: OpenFeed) -> None:
    one, other = await open_feed(), await open_feed()
    await drained(one)
    await shop.count(("customer:a",))

    await drained(other)

    assert read_committed(topics, SCORES) == []
    await drained(one)
    assert len(read_committed(topics, SCORES)) == 1


async def test_a_publisher_that_stops_leaves_the_feed_to_another_at_once(
    topics: str, shop: Shop, open_feed: OpenFeed
) -> None:
    one, other = await open_feed(), await open_feed()
    await drained(one)
    await one.stop()
    await shop.count(("customer:a",))

    await drained(other)

    assert len(read_committed(topics, SCORES)) == 1


async def test_what_was_published_and_not_noted_is_published_again_the_same(
    topics: str, postgres_dsn: str, shop: Shop, open_feed: OpenFeed
) -> None:
    one, other = await open_feed(lease_s=0.001), await open_feed()
    await shop.count(("customer:a",))
    while not (batch := await one._read() if one._producer.is_open and one._positions else None):
        await one.step() if not one._producer.is_open else await one._hold()
    await one._producer.publish(batch.records)  # and here it is killed

    await drained(other)

    first, second = read_committed(topics, SCORES)
    assert (first.key, first.value) == (second.key, second.value)
    assert themselves(followed(topics)) == await in_postgres(postgres_dsn)


async def test_steps_of_alerts_keep_their_order_and_their_words(
    topics: str, open_feed: OpenFeed, database: asyncpg.Connection
) -> None:
    feed = await open_feed(AlertSteps())
    for number in range(5):
        await database.execute(LETTER, ALERTS, "customer:a", b"step %d" % number)
        await database.execute(LETTER, "something.else", "customer:a", b"not ours")

    await drained(feed)

    assert [record.value for record in read_committed(topics, ALERTS)] == [b"step %d" % number for number in range(5)]


async def test_a_letter_that_somebody_is_gone_becomes_a_tombstone_unless_they_are_back(
    topics: str, shop: Shop, open_feed: OpenFeed, database: asyncpg.Connection
) -> None:
    feed = await open_feed()
    await shop.count(("customer:back",), ("customer:gone",))
    await drained(feed)
    await database.execute(
        "DELETE FROM person USING identity WHERE identity.id = person.id AND value = 'customer:gone'"
    )
    await database.execute("DELETE FROM identity WHERE value = 'customer:gone'")
    await database.execute(LETTER, SCORES, "customer:gone", None)
    await database.execute(LETTER, SCORES, "customer:back", None)

    await drained(feed)

    assert followed(topics).keys() == last_of_each_key(topics).keys() == {"customer:back"}
    assert [record.key for record in read_committed(topics, SCORES) if record.value is None] == [b"customer:gone"]


async def test_a_restored_database_hides_nothing_behind_numbers_of_its_former_life(
    topics: str,
    postgres_dsn: str,
    shop: Shop,
    open_feed: OpenFeed,
    database: asyncpg.Connection,
) -> None:
    feed = await open_feed()
    await shop.count(("customer:a",), ("customer:b",))
    await drained(feed)
    told = followed(topics)["customer:a"]["version"]
    await shop.count(("customer:b",))
    await feed.stop()
    await database.execute("UPDATE feed_position SET life = 'another', xact = '900000000', held_until = NULL")
    await database.execute("UPDATE score_change SET xact = '800000000' WHERE id = (SELECT max(id) FROM score_change)")
    restored = await open_feed()
    await drained(restored)
    await shop.count(("customer:a",))

    await drained(restored)

    held = followed(topics)
    assert themselves(held) == await in_postgres(postgres_dsn)
    assert held["customer:a"]["version"] > told + 1_000_000_000
    assert await database.fetchval("SELECT why FROM announcement ORDER BY id DESC LIMIT 1") == "restored"


async def test_whoever_had_a_score_before_the_feed_began_is_told_too(
    topics: str, postgres_dsn: str, shop: Shop, open_feed: OpenFeed, database: asyncpg.Connection, worker: Database
) -> None:
    await shop.count(("customer:a",), ("anonymous:n",))
    await shop.count(("customer:a", "anonymous:n"), ("customer:b",))
    await database.execute("DELETE FROM score_change")  # by a version that wrote none, or so long ago
    feed = await open_feed()
    await drained(feed)

    await announced(worker)
    await drained(feed)

    held = followed(topics)
    assert themselves(held) == await in_postgres(postgres_dsn)
    assert merged(held) == {"anonymous:n": "customer:a"}


async def test_a_model_that_takes_over_is_told_to_followers_in_portions(
    topics: str, postgres_dsn: str, shop: Shop, open_feed: OpenFeed, database: asyncpg.Connection, worker: Database
) -> None:
    feed = await open_feed()
    await shop.count(*((f"customer:c{number}",) for number in range(7)))
    await announced(worker)
    await drained(feed)
    statements = Statements(database)
    await take_over(statements, await ModelTable(statements).keep(OTHER.weighing))
    await shop.count(("customer:c0",))
    filling = Filling(worker, load_catalogue(None))
    while await filling.step() is not Step.DONE:
        await shop.count(("customer:c1",))

    portions = await announced(worker)
    await drained(feed)

    held = followed(topics)
    assert portions == [2, 2, 2, 1, 0]
    assert themselves(held) == await in_postgres(postgres_dsn)
    assert {one["model_version"] for one in held.values()} == {OTHER.model_version}


async def test_an_announcement_leaves_valid_what_workers_remember(
    topics: str, postgres_dsn: str, shop: Shop, open_feed: OpenFeed, database: asyncpg.Connection, worker: Database
) -> None:
    feed = await open_feed()
    await drained(feed)
    await shop.count(("customer:a",))
    before = await database.fetchval("SELECT version FROM person")

    await announced(worker)

    assert await database.fetchval("SELECT version FROM person") == before
    await shop.count(("customer:a",))
    await drained(feed)
    assert themselves(followed(topics)) == await in_postgres(postgres_dsn)
