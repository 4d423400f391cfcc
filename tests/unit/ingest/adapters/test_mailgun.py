"""What Mailgun tells of e-mails, how it signs, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.infra.hook_rows import Hook
from services.ingest.adapters.mailgun import TOLERANCE, verify
from services.ingest.head import Head
from services.ingest.judge import arrival
from tests.support.deliveries import kept
from tests.support.doors import memory_client
from tests.support.hooks import NOW, SECRET, hook_sources, mailgun_signed
from tests.support.memory_log import MemoryLog

CLICKED = {"id": "e1", "event": "clicked", "timestamp": 1772366340.25, "recipient": "ana@example.com"}
BODY = json.dumps({"event-data": CLICKED}).encode()
HOOK = Hook((b"a-former-secret", SECRET), "")


def is_verified(body: bytes, hook: Hook = HOOK) -> bool:
    return verify(Head([]), body, hook, arrival(int(NOW) * 1_000_000))


def resigned(**changes: object) -> bytes:
    body = json.loads(mailgun_signed(BODY))
    return json.dumps({**body, "signature": {**body["signature"], **changes}}).encode()


@pytest.mark.parametrize(
    ("event", "touchpoint"),
    [
        ({"event": "delivered"}, "email.delivered"),
        ({"event": "opened"}, "email.opened"),
        ({"event": "clicked"}, "email.clicked"),
        ({"event": "unsubscribed"}, "email.unsubscribed"),
        ({"event": "complained"}, "email.spam_reported"),
        ({"event": "failed", "severity": "permanent"}, "email.bounced"),
    ],
)
async def test_an_event_is_known_by_its_touchpoint_and_its_own_id(event: dict[str, str], touchpoint: str) -> None:
    (record,) = await kept("mailgun", {"event-data": {**CLICKED, **event}})

    assert record["id"] == f"{touchpoint}/e1"
    assert record["time"] == "2026-03-01T11:59:00.250000Z"
    assert [one["kind"] for one in record["data"]["identities"]] == ["email_hash"]


async def test_a_customer_of_the_sender_s_is_who_it_is_about() -> None:
    (record,) = await kept("mailgun", {"event-data": {**CLICKED, "user-variables": {"customer_id": "c1"}}})

    assert record["subject"] == "customer:c1"


async def test_an_e_mail_of_the_test_mode_never_scores() -> None:
    (record,) = await kept("mailgun", {"event-data": {**CLICKED, "flags": {"is-test-mode": True}}})

    assert record["data"]["class"] == "test"


@pytest.mark.parametrize(
    "other",
    [
        {"event": "failed", "severity": "temporary"},
        {"event": "failed"},
        {"event": "accepted"},
        {"event": {}},
        {"id": None},
        {"recipient": None, "user-variables": []},
    ],
)
async def test_what_is_of_no_use_makes_no_event(other: dict[str, Any]) -> None:
    assert await kept("mailgun", {"event-data": {**CLICKED, **other}}) == []


@pytest.mark.parametrize("said", [[], 7, None, {}, {"event-data": []}])
async def test_a_signed_body_of_anything_else_makes_no_event(said: object) -> None:
    said = said if isinstance(said, dict) else {"event-data": said}

    assert await kept("mailgun", said) == []


def test_each_secret_verifies_and_so_does_the_one_of_the_account_above() -> None:
    own = json.loads(mailgun_signed(BODY))["signature"]["signature"]
    below = resigned(signature="0" * 64, **{"parent-signature": own})

    assert is_verified(mailgun_signed(BODY))
    assert is_verified(mailgun_signed(BODY, secret=b"a-former-secret"))
    assert is_verified(below)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{broken",
        b"[]",
        BODY,
        b'{"signature": "x"}',
        mailgun_signed(BODY, secret=b"another"),
        resigned(signature="0" * 64),
        resigned(signature="é"),
        resigned(signature=None),
        resigned(signature=[]),
        resigned(token="t" * 49),
        resigned(token=""),
        resigned(token=None),
        resigned(timestamp=str(int(NOW) + 1)),
        resigned(timestamp=""),
        resigned(timestamp=None),
        # The same text behind another border between the timestamp and the token.
        mailgun_signed(BODY, timestamp=NOW + "1"),
        mailgun_signed(BODY, timestamp=NOW + "000"),
        mailgun_signed(BODY, timestamp="2026-03-01T12:00:00Z"),
    ],
)
def test_what_is_signed_otherwise_is_refused(body: bytes) -> None:
    assert not is_verified(body)


def test_a_signature_is_good_for_as_long_as_the_vendor_tries_again() -> None:
    seconds = int(TOLERANCE.total_seconds())

    found = [
        is_verified(mailgun_signed(BODY, timestamp=str(int(NOW) + off)))
        for off in (-seconds - 1, -seconds, seconds, seconds + 1)
    ]

    assert found == [False, True, True, False]


@pytest.mark.parametrize("body", [BODY, b"{broken"])
async def test_a_body_without_its_signature_is_answered_401_and_nothing_is_kept(body: bytes) -> None:
    log = MemoryLog()
    async with memory_client(log, sources=hook_sources()) as client:
        answer = await client.post("/hooks/mailgun/our-mailgun", content=body)

    assert (answer.status_code, len(log.records)) == (401, 0)
