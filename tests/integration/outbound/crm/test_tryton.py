"""A real Tryton: contacts get their scores, and a critical alert a task."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from schemas.alert import AlertRecord
from schemas.topics import ALERTS
from services.outbound.crm.configuration import ConnectorTable
from services.outbound.crm.contract import Push, Trouble
from tests.support.clocks import NOON
from tests.support.crm import Played, connector_table, store_people
from tests.support.customers import Lived, store_person
from tests.support.places import data_directory
from tests.support.tryton import PASSWORD, Tryton, running_tryton

pytestmark = pytest.mark.integration

ANNA = "customer:anna"
ALERT = "7d3f7f5e-1111-4222-8333-944445555666"
FIELDS = {
    "score": "tactus_score",
    "band": "tactus_band",
    "confidence": "tactus_confidence",
    "as_of": "tactus_as_of",
    "version": "tactus_version",
    "reasons": "tactus_reasons",
    "link": "tactus_link",
    "merged_into": "tactus_merged_into",
}


@pytest.fixture(scope="module")
def tryton() -> Iterator[Tryton]:
    with data_directory() as folder, running_tryton(folder) as server:
        company(server)
        yield server


def company(tryton: Tryton) -> int:
    """The company whose tasks they are, made when there is none; returns its number."""
    for known in tryton.model("company.company").find([]):
        return int(known.id)
    currency = tryton.model("currency.currency")(name="Euro", code="EUR", symbol="€")
    currency.save()
    owner = tryton.model("party.party")(name="Shop")
    owner.save()
    made = tryton.model("company.company")(party=owner.id, currency=currency.id)
    made.save()
    [user] = tryton.model("res.user").find([("login", "=", "admin")])
    user.companies.append(made)
    user.company = made
    user.save()
    return int(made.id)


@pytest.fixture
def table(tryton: Tryton, tmp_path: Path) -> ConnectorTable:
    (tmp_path / "secret").write_text(PASSWORD)
    return connector_table(
        url=tryton.url,
        database=tryton.database,
        user="admin",
        object="party.party",
        key_field="tactus_id",
        secret_file=tmp_path / "secret",
        link="https://tactus.example/customers/{customer}",
        fields=FIELDS,
        task={
            "object": "project.work",
            "subject_field": "name",
            "description_field": "comment",
            "values": {"type": "task", "company": company(tryton)},
        },
    )


@pytest.fixture
async def played(postgres_dsn: str, table: ConnectorTable) -> AsyncIterator[Played]:
    async with httpx.AsyncClient() as client:
        one = Played(postgres_dsn, table=table)
        one.speak(client)
        yield one
        await one.close()


def party(tryton: Tryton, name: str, key: str | None) -> int:
    """Make a party with the vendor's own client; returns its number."""
    made = tryton.model("party.party")(name=name, tactus_id=key)
    made.save()
    return int(made.id)


async def test_contacts_get_their_scores_and_strangers_are_not_made(tryton: Tryton, played: Played) -> None:
    before = len(tryton.model("party.party").find([]))
    await store_person(
        played.dsn,
        [
            Lived(ANNA, "parcel.delivered", NOON - timedelta(days=2), -0.7, channel="delivery", place="carrier/inpost"),
            Lived(ANNA, "survey.answered", NOON, 0.5, channel="survey"),
        ],
        customer=ANNA,
        version=7,
    )
    await store_people(played.dsn, ["customer:stranger"])
    number = party(tryton, "Anna", "anna")

    await played.settle()

    anna = tryton.model("party.party")(number)
    assert (anna.name, anna.tactus_band, anna.tactus_version) == ("Anna", "low", 7)
    assert 30 < anna.tactus_score < 45
    assert anna.tactus_reasons.startswith("parcel.delivered (carrier/inpost) −")
    assert anna.tactus_link == "https://tactus.example/customers/customer:anna"
    assert anna.tactus_as_of == "2026-03-01T12:00:00Z"
    assert len(tryton.model("party.party").find([])) == before + 1
    row = await played.row("stranger")
    assert row is not None
    assert row["state"] == "absent"


async def test_a_party_that_was_merged_over_there_is_found_anew(tryton: Tryton, played: Played) -> None:
    await store_people(played.dsn, ["customer:moved"])
    first = party(tryton, "First", "moved")
    await played.settle()

    parties = tryton.model("party.party")
    one = parties(first)
    one.tactus_id = None
    one.save()
    second = party(tryton, "Second", "moved")
    await played.score("customer:moved", 20, band=1)
    await played.settle()

    row = await played.row("moved")
    assert row is not None
    assert (row["state"], row["remote"]) == ("sent", str(second))
    assert parties(second).tactus_score is not None


async def test_two_parties_with_one_key_are_left_alone_and_said(tryton: Tryton, played: Played) -> None:
    await store_people(played.dsn, ["customer:twice"])
    numbers = [party(tryton, name, "twice") for name in ("One", "Two")]

    await played.settle()

    row = await played.row("twice")
    assert row is not None
    assert row["state"] == "failed"
    assert "several records" in row["words"]
    assert [tryton.model("party.party")(number).tactus_score for number in numbers] == [None, None]


async def test_f_a_session_that_has_ended_is_renewed_in_the_middle(tryton: Tryton, played: Played) -> None:
    await store_people(played.dsn, ["customer:late"])
    number = party(tryton, "Late", "late")
    await played.connector.find(["late"])
    played.connector._session = "YWRtaW46MTpub25l"  # type: ignore[attr-defined]  # one that the server does not know

    await played.settle()

    assert tryton.model("party.party")(number).tactus_band


async def test_a_field_that_is_not_there_is_said_in_the_system_s_words(tryton: Tryton, played: Played) -> None:
    number = party(tryton, "Wrong", "wrong")
    await played.settle()

    said = await played.connector.push([Push("wrong", str(number), {"tactus_nothing": 1})])

    assert isinstance(said, Trouble)
    assert "tactus_nothing" in said.words
    assert "Traceback" not in said.words


async def test_i_an_erased_party_is_blanked(tryton: Tryton, played: Played) -> None:
    await store_people(played.dsn, ["customer:gone"])
    number = party(tryton, "Gone", "gone")
    await played.settle()
    scored = tryton.model("party.party")(number).tactus_band

    await played.fetch("INSERT INTO erased (identity_hash) SELECT identity_hash FROM crm_record WHERE key = 'gone'")
    await played.settle()

    gone = tryton.model("party.party")(number)
    assert scored
    assert (gone.name, gone.tactus_score, gone.tactus_band, gone.tactus_reasons) == ("Gone", None, None, None)
    assert await played.row("gone") is None


def alert_record(**changes: object) -> bytes:
    usual = {
        "alert": ALERT,
        "rule": "drop",
        "customer": ANNA,
        "severity": "critical",
        "state": "opened",
        "opened_at": "2026-03-01T11:00:00Z",
        "changed_at": "2026-03-01T11:00:00Z",
        "score_before": 61.0,
        "score": 22.0,
        "tipped": {"source": "shop", "id": "e1"},
        "reasons": [
            {
                "touchpoint": "parcel.delivered",
                "channel": "delivery",
                "place": "carrier/inpost",
                "stage": "fulfilment",
                "category": "process",
                "points": -13.6,
                "events": [{"source": "shop", "id": "e1"}],
            }
        ],
        "model_version": "m1",
    }
    value = json.dumps({**usual, **changes}).encode()
    AlertRecord.model_validate_json(value)
    return value


async def test_a_critical_alert_opens_one_task_that_names_it(tryton: Tryton, played: Played) -> None:
    tasks = tryton.model("project.work")
    await played.settle()
    for value in (
        b'{"incident": "of another form"}',
        alert_record(severity="warning", alert="7d3f7f5e-1111-4222-8333-000000000000"),
        alert_record(),
        alert_record(state="worsened"),
    ):
        await played.fetch(
            "INSERT INTO outbox (topic, key, value, created_at) VALUES ($1, $2, $3, $4)", ALERTS, ANNA, value, NOON
        )

    await played.settle()
    [row] = await played.fetch("SELECT state, words FROM crm_task")
    assert row["state"] == "sent", row["words"]
    # As after a kill between sending and noting.
    await played.fetch("UPDATE crm_task SET due_at = $1, state = 'waiting'", NOON)
    await played.settle()

    [row] = await played.fetch("SELECT state, words FROM crm_task")
    assert (row["state"], row["words"]) == ("sent", "it was there already")
    [task] = tasks.find([("comment", "ilike", f"%{ALERT}%")])
    assert task.name == "anna: Score fell from 61 to 22"
    assert "parcel.delivered (carrier/inpost): -13.6" in task.comment
    assert "https://tactus.example/customers/customer:anna" in task.comment
