"""What Typeform delivers, and what becomes of it."""

from __future__ import annotations

import json

import pytest

from schemas.freeform import TEXT_CHARS_MAX
from schemas.topics import DLQ
from tests.support.deliveries import delivered, once, who
from tests.support.doors import memory_client
from tests.support.hooks import hook_sources, signed
from tests.support.memory_log import MemoryLog

HIDDEN = {"customer_id": "c-7", "source": "ads"}


def rating(reference: object, value: object) -> dict[str, object]:
    return {"type": "number", "number": value, "field": {"id": "f1", "ref": reference, "type": "opinion_scale"}}


def comment(text: object, reference: str = "comment") -> dict[str, object]:
    return {"type": "text", "text": text, "field": {"id": "f2", "ref": reference, "type": "long_text"}}


def told(*answers: object, hidden: object = HIDDEN, **more: object) -> dict[str, object]:
    response = {"token": "t1", "submitted_at": "2026-03-01T10:00:00Z", "hidden": hidden, "answers": answers}
    return {"event_id": "e1", "event_type": "form_response", "form_response": {**response, **more}}


async def test_every_answer_that_rates_is_an_event_and_the_first_has_the_comment() -> None:
    answers = comment("Early.", "comment_2026"), rating("nps_2026", 9), rating("csat", 4), rating("CES-returns", 6)

    records = await delivered("typeform", told(*answers, rating("stars", 5)))

    assert [(one["id"], one["data"]["rating"]["scale"]) for one in records] == [
        ("survey.nps/t1/nps_2026", "nps"),
        ("survey.csat/t1/csat", "csat5"),
        ("survey.ces/t1/CES-returns", "ces7"),
        ("survey.csat/t1/stars", "stars5"),
    ]
    assert [one["data"].get("text") for one in records] == ["Early.", None, None, None]
    assert {one["time"] for one in records} == {"2026-03-01T10:00:00Z"}
    assert {one["subject"] for one in records} == {"customer:c-7"}


async def test_a_response_that_is_delivered_again_counts_once() -> None:
    again = {**told(rating("nps", 9), landed_at="2026-03-01T09:59:00Z"), "event_id": "e2"}

    assert once(await delivered("typeform", told(rating("nps", 9)), again))["data"]["rating"]["value"] == 9


async def test_a_long_comment_does_not_cost_its_rating() -> None:
    (record,) = await delivered("typeform", told(rating("nps", 2), comment("x" * (TEXT_CHARS_MAX + 1))))

    assert record["data"]["text"] == "x" * TEXT_CHARS_MAX


async def test_whoever_answered_is_known_by_the_hidden_fields() -> None:
    hidden = {"email": "ana@example.com", "phone": "+48600100200", "anonymous_id": "a-1", "customer_id": "xxxxx"}

    (record,) = await delivered("typeform", told(rating("nps", 9), hidden=hidden))

    assert who(record) == {"email_hash", "phone_hash", "anonymous"}


async def test_a_rating_beyond_its_scale_is_set_aside() -> None:
    log, body = MemoryLog(), json.dumps(told(rating("csat", 9))).encode()
    async with memory_client(log, sources=hook_sources()) as client:
        answer = await client.post("/hooks/typeform/our-typeform", content=body, headers=signed("typeform", body))

    assert answer.status_code == 200
    assert [one.topic for one in log.records] == [DLQ]


@pytest.mark.parametrize(
    "body",
    [
        told(rating("nps", 9), hidden={"source": "ads"}),
        told(rating("nps", 9), hidden=None),
        told(rating("nps", 9), hidden={"customer_id": "hidden_value"}),
        told(rating("nps", 9), token=None),
        told(rating("3f1c", 9)),
        told(rating("cesspool", 9)),
        told(rating(None, 9)),
        told(rating("nps", None)),
        told(comment("Early.")),
        told("nps", 9, None),
        told(answers={"nps": 9}),
        {**told(rating("nps", 9)), "event_type": "form_response_partial"},
    ],
)
async def test_what_names_nobody_or_rates_nothing_makes_no_event(body: object) -> None:
    assert await delivered("typeform", body) == []
