"""Requests made by the real CloudEvents client are understood."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.conversion import to_binary as to_binary_of_v1
from cloudevents.v1.conversion import to_structured as to_structured_of_v1
from cloudevents.v1.http import CloudEvent as CloudEventOfV1

from schemas.topics import EVENTS
from tests.support.independent_log import read_log
from tests.support.ingestprocess import IngestProcess
from tests.support.senders import SERVER_KEY

pytestmark = pytest.mark.integration

ATTRIBUTES = {
    "type": "tactus.touchpoint.v1",
    "source": "/stores/042/tills/zażółć 3",
    "subject": "loyalty:L 7",
    "specversion": "1.0",
    "channel": "pos",
}
DATA = {"touchpoint": "pos.sale_completed", "place": "store/042", "text": "café"}


def attributes(event_id: str) -> dict[str, object]:
    return {**ATTRIBUTES, "id": event_id, "time": datetime.now(UTC)}


def post(ingest: IngestProcess, message: HTTPMessage) -> httpx.Response:
    return httpx.post(
        f"{ingest.url}/v1/events",
        content=message.body,
        headers={**message.headers, "Authorization": f"Bearer {SERVER_KEY}"},
    )


def accepted_ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 202, answer.text
    return [one["id"] for one in answer.json()["results"] if one["status"] == "accepted"]


def kept(bootstrap: str, event_id: str) -> dict[str, object]:
    for record in read_log(bootstrap, EVENTS):
        whole: dict[str, object] = json.loads(record.value or b"{}")
        if whole.get("id") == event_id:
            return whole
    raise AssertionError(f"{event_id} is not in the log")


@pytest.mark.parametrize("binding", [to_binary_event, to_structured_event], ids=["binary", "structured"])
def test_the_clients_binary_and_structured_requests_are_one_event(
    ingest: IngestProcess, topics_bootstrap: str, binding: object
) -> None:
    event_id = f"sdk-{binding.__name__}"  # type: ignore[attr-defined]  # a function of the client
    message = binding(CloudEvent(attributes(event_id), DATA))  # type: ignore[operator]  # as above

    assert accepted_ids(post(ingest, message)) == [event_id]

    record = kept(topics_bootstrap, event_id)
    assert record["source"] == "shop//stores/042/tills/zażółć 3"
    assert record["subject"] == "loyalty:L 7"
    assert "timeorigin" not in record
    told = record["data"]
    assert isinstance(told, dict)
    assert (told["text"], told["channel"]) == ("café", "pos")


@pytest.mark.parametrize("convert", [to_binary_of_v1, to_structured_of_v1], ids=["binary", "structured"])
def test_the_older_clients_requests_are_understood_too(ingest: IngestProcess, convert: object) -> None:
    sent = {name: str(value) for name, value in attributes("sdk-v1").items()} | {
        "source": "till-3",
        "time": datetime.now(UTC).isoformat(),
    }
    headers, body = convert(CloudEventOfV1(sent, DATA))  # type: ignore[operator]  # a function of the client

    answer = post(ingest, HTTPMessage(headers=dict(headers), body=body))

    assert accepted_ids(answer) == ["sdk-v1"]


def test_a_batch_of_the_clients_events_is_many_events(ingest: IngestProcess) -> None:
    ids = [f"sdk-batch-{number}" for number in range(5)]
    bodies = [to_structured_event(CloudEvent(attributes(event_id), DATA)).body for event_id in ids]

    answer = post(
        ingest,
        HTTPMessage(
            headers={"content-type": "application/cloudevents-batch+json; charset=UTF-8"},
            body=b"[" + b",".join(bodies) + b"]",
        ),
    )

    assert accepted_ids(answer) == ids
