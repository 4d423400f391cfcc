"""While a real Kafka is away, what the door accepts is on its disk, and in the log once Kafka is back."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.topics import DLQ, EVENTS
from services.embedded.kafka import EmbeddedKafka
from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from tests.support.independent_log import read_log
from tests.support.ingestprocess import IngestProcess, ingest_process
from tests.support.places import data_directory
from tests.support.senders import event
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    """A broker that has never run, and that a test may start and break."""
    with data_directory() as folder:
        own = EmbeddedKafka(folder)
        yield own
        own.stop()


def settings(folder: Path, **more: str) -> dict[str, str]:
    return {"TACTUS_INGEST__SPOOL": str(folder / "spool"), "TACTUS_INGEST__DEADLINE_S": "2", **more}


def logged(broker: EmbeddedKafka) -> Counter[str]:
    return Counter(json.loads(one.value or b"{}")["id"] for one in read_log(broker.bootstrap, EVENTS))


def drained(ingest: IngestProcess) -> bool:
    return ingest.metric("tactus_spool_bytes") == 0.0


def start(broker: EmbeddedKafka) -> None:
    broker.start()
    asyncio.run(apply_topics(KafkaSettings(bootstrap=broker.bootstrap)))


def durable(ingest: IngestProcess, *ids: str) -> set[str]:
    answer = ingest.post([event(one) for one in ids])
    assert answer.status_code == 202, answer.text
    return {one["durable"] for one in answer.json()["results"]}


def test_what_was_accepted_without_kafka_survives_a_kill_and_reaches_the_log(
    tmp_path: Path, broker: EmbeddedKafka
) -> None:
    ids = [f"early-{number}" for number in range(300)]
    with ingest_process(broker.bootstrap, tmp_path, settings=settings(tmp_path)) as first:
        first.wait_ready()
        for start_at in range(0, 300, 50):
            assert durable(first, *ids[start_at : start_at + 50]) == {"spool"}
        assert first.post({"id": "bad"}).status_code == 422
        assert first.metric("tactus_spool_bytes") > 0
        first.process.kill()

    with ingest_process(broker.bootstrap, tmp_path, settings=settings(tmp_path)) as second:
        second.wait_ready()
        assert durable(second, "late") == {"spool"}
        start(broker)
        wait_until(lambda: drained(second), what="the spool is drained")
        wait_until(lambda: durable(second, "live") == {"log"}, what="the log takes records")

        assert set(logged(broker)) == {*ids, "late", "live"}
        assert len(read_log(broker.bootstrap, DLQ)) >= 1
        assert second.metric("tactus_spool_oldest_age_seconds") == 0.0


def test_kafka_may_go_while_requests_are_under_way(tmp_path: Path, broker: EmbeddedKafka) -> None:
    start(broker)
    with ingest_process(broker.bootstrap, tmp_path, settings=settings(tmp_path)) as ingest:
        # It is ready before it has found Kafka: what comes meanwhile is on its disk.
        wait_until(lambda: durable(ingest, "before") == {"log"}, what="the log takes records")
        broker.kill()
        kept = [durable(ingest, f"away-{number}") for number in range(5)]
        ready = ingest.status("/readyz")
        broker.launch()
        broker.wait_ready()
        wait_until(lambda: drained(ingest), what="the spool is drained")
        wait_until(lambda: durable(ingest, "after") == {"log"}, what="the log takes records again")

        found = logged(broker)

    assert kept == [{"spool"}] * 5
    assert ready == 200
    assert set(found) == {"before", "after", *(f"away-{number}" for number in range(5))}


def test_a_full_spool_is_told_so_that_senders_keep_their_events(tmp_path: Path, broker: EmbeddedKafka) -> None:
    small = settings(tmp_path, TACTUS_INGEST__SPOOL_BYTES_MAX=str(1024 * 1024))
    with ingest_process(broker.bootstrap, tmp_path, settings=small) as ingest:
        ingest.wait_ready()
        number = 0
        while ingest.status("/readyz") == 200:
            ingest.post([event(f"f-{number}-{one}") for one in range(100)])
            number += 1

        answer = ingest.post(event("one-too-many"))

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert number > 3


def test_two_processes_cannot_share_a_spool(tmp_path: Path, broker: EmbeddedKafka) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with ingest_process(broker.bootstrap, tmp_path, settings=settings(tmp_path)) as first:
        first.wait_ready()
        with (
            pytest.raises(AssertionError, match="another process uses it"),
            ingest_process(broker.bootstrap, other, settings=settings(tmp_path)),
        ):
            pass
