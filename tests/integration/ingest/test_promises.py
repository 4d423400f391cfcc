"""What a 2xx means, seen from outside: another client reads the log."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime

import confluent_kafka
import httpx
import pytest

from schemas.topics import DLQ, EVENTS, LATE
from tests.support.independent_log import Read, read_log
from tests.support.ingestprocess import IngestProcess
from tests.support.senders import SERVER_KEY, data, event

pytestmark = pytest.mark.integration


def of_source(bootstrap: str, source: str, *topics: str) -> list[Read]:
    """Return the records that one client's source left in the log."""
    return [one for one in read_log(bootstrap, *topics) if told(one).get("source") == f"shop/{source}"]


def told(record: Read) -> dict[str, object]:
    whole = json.loads(record.value or b"{}")
    return whole if isinstance(whole, dict) else {}


async def test_every_acknowledged_event_is_in_the_log_once_for_each_acknowledgement(
    ingest: IngestProcess, topics_bootstrap: str
) -> None:
    source = uuid.uuid4().hex
    acknowledged: list[str] = []

    async def post_batches(client: httpx.AsyncClient, sender: int) -> None:
        for batch in range(20):
            events = [
                event(f"{sender}-{batch}-{number}", customer=f"c{(sender * 7 + number) % 50}", source=source)
                for number in range(10)
            ]
            answer = await client.post("/v1/events", json=[*events, {"id": "bad"}])
            assert answer.status_code == 202
            acknowledged.extend(one["id"] for one in answer.json()["results"] if one["status"] == "accepted")

    async with httpx.AsyncClient(
        base_url=ingest.url, headers={"Authorization": f"Bearer {SERVER_KEY}"}, timeout=30
    ) as client:
        await asyncio.gather(*(post_batches(client, sender) for sender in range(5)))

    kept = of_source(topics_bootstrap, source, EVENTS)
    assert len(acknowledged) == 1000
    assert sorted(str(told(one)["id"]) for one in kept) == sorted(acknowledged)


async def test_one_event_sent_a_hundred_times_at_once_is_accepted_every_time(
    ingest: IngestProcess, topics_bootstrap: str
) -> None:
    source = uuid.uuid4().hex
    async with httpx.AsyncClient(base_url=ingest.url, headers={"Authorization": f"Bearer {SERVER_KEY}"}) as client:
        answers = await asyncio.gather(
            *(client.post("/v1/events", json=event("same", source=source), timeout=30) for _ in range(100))
        )

    assert [answer.status_code for answer in answers] == [202] * 100
    kept = of_source(topics_bootstrap, source, EVENTS)
    assert len(kept) == 100
    assert len({one.partition for one in kept}) == 1


def test_the_record_is_a_structured_cloudevent_keyed_by_the_strongest_identity(
    ingest: IngestProcess, topics_bootstrap: str
) -> None:
    source = uuid.uuid4().hex
    before_ms = datetime.now(UTC).timestamp() * 1000

    ingest.post(event("a", source=source) | {"data": data(identities=[{"kind": "email", "value": "Ann@example.com"}])})

    (kept,) = of_source(topics_bootstrap, source, EVENTS)
    assert kept.headers == {"content-type": b"application/cloudevents+json; charset=UTF-8"}
    assert kept.key == str(told(kept)["subject"]).encode()
    assert kept.key.startswith(b"email_hash:")
    assert b"example" not in (kept.value or b"").lower()
    assert kept.append_time_ms >= before_ms - 1000


def test_old_events_take_the_late_topic_and_refused_ones_the_dead_letters(
    ingest: IngestProcess, topics_bootstrap: str
) -> None:
    source = uuid.uuid4().hex
    marker = f'{{"id" : "{source}", "subject":"c3"}}'.encode()

    ingest.post(event("old", source=source, time="2026-01-01T00:00:00Z"))
    httpx.post(
        f"{ingest.url}/v1/events",
        content=marker,
        headers={"Authorization": f"Bearer {SERVER_KEY}", "Content-Type": "application/json"},
    )

    (late,) = of_source(topics_bootstrap, source, EVENTS, LATE)
    assert late.topic == LATE
    (letter,) = [one for one in read_log(topics_bootstrap, DLQ) if one.value == marker]
    assert letter.key == b"c3"
    assert (letter.headers["reason"], letter.headers["source"]) == (b"invalid-event", b"shop")
    assert (letter.headers["channel"], letter.headers["path"]) == (b"native", b"/v1/events")
    assert set(letter.headers) == {"reason", "detail", "source", "receivedat", "channel", "path"}


def test_a_refused_event_leaves_no_address_and_no_number_in_the_log(
    ingest: IngestProcess, topics_bootstrap: str
) -> None:
    source = uuid.uuid4().hex
    sent = {
        "id": source,
        "subject": "email:refused.ann@mail.example",
        "data": {
            "touchpoint": "order.completed",
            "stake": 9,
            "identities": [{"kind": "phone", "value": "+48 555 444 333"}],
        },
    }

    answer = httpx.post(f"{ingest.url}/v1/events", json=sent, headers={"Authorization": f"Bearer {SERVER_KEY}"})

    letters = [one for one in read_log(topics_bootstrap, DLQ) if source.encode() in (one.value or b"")]
    assert answer.status_code == 422
    (letter,) = letters
    assert letter.key is None
    assert b"mail.example" not in (letter.value or b"")
    assert b"444" not in (letter.value or b"")


def test_our_partitions_are_the_ones_that_every_murmur2_client_chooses(
    ingest: IngestProcess, topics_bootstrap: str
) -> None:
    source = uuid.uuid4().hex
    customers = [f"k{number}-zażółć" for number in range(40)]
    ingest.post([event(customer, customer=customer, source=source) for customer in customers])
    ours = {one.key: one.partition for one in of_source(topics_bootstrap, source, EVENTS)}

    theirs: dict[bytes | None, int | None] = {}
    other = confluent_kafka.Producer({"bootstrap.servers": topics_bootstrap, "partitioner": "murmur2_random"})
    for key in ours:
        other.produce(
            LATE, key=key, value=b"{}", on_delivery=lambda _, sent: theirs.__setitem__(sent.key(), sent.partition())
        )
    other.flush(20)

    assert len(ours) == 40
    assert ours == theirs


def test_one_customers_events_of_a_request_stay_in_order(ingest: IngestProcess, topics_bootstrap: str) -> None:
    source = uuid.uuid4().hex
    ingest.post([event(str(number), source=source) for number in range(100)])

    kept = sorted(of_source(topics_bootstrap, source, EVENTS), key=lambda one: one.offset)
    assert [told(one)["id"] for one in kept] == [str(number) for number in range(100)]


def test_requests_and_events_are_counted_under_bounded_labels(ingest: IngestProcess) -> None:
    accepted = 'tactus_ingest_events_total{channel="web",outcome="accepted"}'
    other = 'tactus_ingest_events_total{channel="other",outcome="accepted"}'
    refused = 'tactus_ingest_events_total{channel="other",outcome="rejected"}'
    before = [ingest.metric(name) for name in (accepted, other, refused)]

    ingest.post([event("a"), event("b") | {"data": data(channel="a-channel-of-theirs")}, {"id": "c"}])

    assert [ingest.metric(name) for name in (accepted, other, refused)] == [count + 1 for count in before]
    assert ingest.metric("tactus_kafka_ack_seconds_count") > 0
