"""One person, however anybody spells whom they mean: sent to the real door, counted, and read back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from services.client.connection import Connection
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

PEOPLE = {
    "phone": [
        ("phone", "+48 600 700 801"), ("phone", "whatsapp:+48600700801"), ("phone", "tel:+48-600-700-801"),
        ("phone", "\uff0b48600700801"), ("phone", "+48 (0) 600 700 801"), ("phone", "0048600700801"),
    ],
    "address": [
        ("email", "zofia@example.com"), ("email", "zofia@example.com\u200b"), ("email", "mailto:Zofia@example.com"),
        ("email", "Zofia <ZOFIA@example.com>"), ("loyalty", "zofia@example.com"),
    ],
    "letters": [("customer", "Jos\u00e9-7"), ("customer", "Jose\u0301-7"), ("customer", "\u2060Jos\u00e9-7")],
    "address as id": [("customer", "hania@example.com"), ("customer", "HANIA@example.com"), ("email", "hania@example.com")],
}  # fmt: skip
"""Of each person, ways of writing who it is."""

NOBODY = [
    ("customer", "(null)"), ("customer", "{{user.id}}"), ("customer", "${userId}"), ("loyalty", "#N/A"), ("phone", "(000) 000-0000"),
    ("phone", "+48600700801 ext. 9"), ("phone", "600700801"), ("email", "nobody"),
]  # fmt: skip


@pytest.fixture(scope="module")
def answers(stack: Connection) -> dict[str, Any]:
    """The door's verdicts on an event of every spelling."""
    named = [one for spellings in PEOPLE.values() for one in spellings] + NOBODY
    events = [
        {
            "id": f"spelt-{number}",
            "data": {"touchpoint": "order.completed", "identities": [{"kind": kind, "value": value}]},
        }
        for number, (kind, value) in enumerate(named)
    ]
    key = {"Authorization": f"Bearer {stack.keys['server']}"}
    answer = httpx.post(f"{stack.ingest}/v1/events", json=events, headers=key, timeout=20)
    return {one["id"]: one for one in answer.json()["results"]}


def asked(stack: Connection, kind: str, value: str) -> httpx.Response:
    path = f"/v1/customers/{quote(f'{kind}:{value}', safe='')}/journey"
    return httpx.get(
        stack.api + path, headers={"Authorization": f"Bearer {stack.keys['read']}"}, timeout=20, params={"limit": 100}
    )


def happened(stack: Connection, kind: str, value: str) -> set[str]:
    """The events of whoever is asked for."""
    answer = asked(stack, kind, value)
    return {one["id"] for one in answer.json()["touchpoints"]} if answer.status_code == 200 else set()


@pytest.mark.parametrize("person", PEOPLE)
def test_every_spelling_of_a_person_finds_all_that_was_sent_in_any(
    person: str, stack: Connection, answers: dict[str, Any]
) -> None:
    spellings = PEOPLE[person]
    first = sum(len(PEOPLE[one]) for one in list(PEOPLE)[: list(PEOPLE).index(person)])
    sent = {f"spelt-{first + number}" for number in range(len(spellings))}

    assert {answers[one]["status"] for one in sent} == {"accepted"}
    for kind, value in spellings:
        wait_until(lambda: happened(stack, kind, value) == sent, what=f"{kind} {value!r} has all of {sent}")  # noqa: B023


def test_what_names_nobody_is_refused_with_the_reason(answers: dict[str, Any]) -> None:
    refused = [one for one in answers.values() if one["status"] == "rejected"]

    assert len(refused) == len(NOBODY)
    assert {one["reason"] for one in refused} == {"invalid-identity"}


def test_the_command_refuses_while_the_stack_counts(stack: Connection) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "from services.cli import main; main()",
            "identity",
            "renormalise",
            "--data",
            str(stack.data),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 1
    assert ran.stderr.startswith("tactus: workers are counting")
