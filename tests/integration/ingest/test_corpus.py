"""Every row of the corpus, over a real socket, to a real process on a real broker."""

from __future__ import annotations

import json

import pytest

from tests.support.corpus import GENERATORS, Framing, Row, framings, rows
from tests.support.ingestprocess import IngestProcess
from tests.support.senders import SERVER_KEY, event
from tests.support.wire import exchange, send

pytestmark = pytest.mark.integration

ROWS = list(rows())
FRAMINGS = list(framings())
GOOD_HEADERS = [("Content-Type", "application/json"), ("Authorization", f"Bearer {SERVER_KEY}")]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_answer_is_the_corpus_one_and_a_good_request_succeeds_right_after(ingest: IngestProcess, row: Row) -> None:
    reply = exchange(
        ingest.port, method=row.method, path=row.path, headers=row.headers, body=row.body, chunked=row.chunked
    )

    told = json.loads(reply.body)
    assert reply.status == row.expect_status, told
    if row.expect_type is None:
        nothing_sent = row.body == b"[]"
        assert nothing_sent or any(result["status"] == "accepted" for result in told["results"])
    else:
        assert reply.headers["content-type"] == "application/problem+json"
        assert (told["type"], told["status"]) == (f"urn:tactus:problem:{row.expect_type}", row.expect_status)
    if row.expect_reason is not None:
        assert {result["reason"] for result in told["results"]} == {row.expect_reason}
    good = json.dumps(event("after")).encode()
    assert exchange(ingest.port, headers=GOOD_HEADERS, body=good).status == 202


@pytest.mark.parametrize("framing", FRAMINGS, ids=str)
def test_bytes_that_are_hardly_a_request_get_a_problem_and_cost_no_other(
    ingest: IngestProcess, framing: Framing
) -> None:
    reply = send(ingest.port, [framing.sent])

    told = json.loads(reply.body)
    assert (reply.status, told["status"]) == (framing.expect_status,) * 2
    assert reply.headers["content-type"] == "application/problem+json"
    assert told["type"] == f"urn:tactus:problem:{framing.expect_type}"
    good = json.dumps(event("after")).encode()
    assert exchange(ingest.port, headers=GOOD_HEADERS, body=good).status == 202


def test_nothing_of_the_corpus_failed_inside_or_ended_the_process(ingest: IngestProcess) -> None:
    for row in ROWS:
        exchange(ingest.port, method=row.method, path=row.path, headers=row.headers, body=row.body, chunked=row.chunked)
    for framing in FRAMINGS:
        send(ingest.port, [framing.sent])

    assert ingest.process.poll() is None
    assert ingest.logged("request_failed") == []
    assert "Traceback" not in ingest.log.read_text()


def test_every_row_has_its_own_name_and_every_generator_a_row() -> None:
    names = [row.name for row in ROWS] + [row.name for row in FRAMINGS]
    bodies = [row.body for row in ROWS]

    assert len(set(names)) == len(names)
    assert len(ROWS) > 250
    assert all(make() in bodies for name, make in GENERATORS.items() if not name.startswith("gzip"))
