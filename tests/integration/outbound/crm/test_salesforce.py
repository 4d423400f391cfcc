"""Salesforce as its documents and its usual client know it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from simple_salesforce.api import Salesforce as Client
from simple_salesforce.bulk2 import SFBulk2Type

from tests.support.crm import Played, connector_table, people, store_people
from tests.support.salesforce import Salesforce, refusal
from tests.support.vendor import served_vendor

pytestmark = pytest.mark.integration

FIELDS = {
    "score": "Score__c",
    "band": "Band__c",
    "reasons": "Reasons__c",
    "version": "Version__c",
    "merged_into": "Merged__c",
}
URL = "https://shop.my.salesforce.test"


@pytest.fixture
async def org(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[tuple[Salesforce, Played]]:
    (tmp_path / "secret").write_text("of-the-app")
    org = Salesforce()
    table = connector_table(
        system="salesforce",
        url=URL,
        object="Contact",
        key_field="Tactus_Id__c",
        secret_file=None,
        oauth={
            "token_url": f"{URL}/services/oauth2/token",
            "client_id": "tactus",
            "client_secret_file": tmp_path / "secret",
        },
        fields=FIELDS,
        budget={"burst_calls": 1000, "burst_s": 10},
    )
    async with httpx.AsyncClient(transport=httpx.MockTransport(org)) as client:
        played = Played(postgres_dsn, table=table)
        played.speak(client)
        yield org, played
        await played.close()


async def stored(org: Salesforce, played: Played, count: int) -> list[str]:
    await store_people(played.dsn, people(count))
    return [org.add(name.removeprefix("customer:")) for name in people(count)]


async def states(played: Played) -> dict[str, tuple[str, str]]:
    rows = await played.fetch("SELECT key, state, words FROM crm_record")
    return {row["key"]: (row["state"], row["words"]) for row in rows}


async def test_contacts_are_found_by_the_external_id_and_written_two_hundred_a_call(
    org: tuple[Salesforce, Played],
) -> None:
    system, played = org
    await stored(system, played, 450)
    await store_people(played.dsn, ["customer:stranger", "customer:o'hara"])
    system.add("o'hara")

    await played.settle()

    assert len(system.contacts) == 451
    assert all(contact["Band__c"] for contact in system.contacts.values())
    assert system.calls["collections PATCH"] == 3
    assert (await states(played))["stranger"][0] == "absent"
    assert system.tokens_given == 1


async def test_k_two_thousand_and_more_go_as_one_job(org: tuple[Salesforce, Played]) -> None:
    system, played = org
    numbers = await stored(system, played, 2_300)
    system.locked = {numbers[7]}

    await played.settle()
    locked = [key for key, (state, _) in (await states(played)).items() if state != "sent"]
    system.locked.clear()
    await played.later(minutes=1)

    assert locked == ["c0007"]
    assert len(system.jobs) == 1
    assert all(contact["Band__c"] for contact in system.contacts.values())
    assert all(contact["Merged__c"] is None for contact in system.contacts.values())
    spent = (await played.fetch("SELECT sum(calls) AS calls FROM crm_call"))[0]["calls"]
    assert spent < 30, "two thousand records in thirty calls: a million take 13,000 of a day's 100,000"


async def test_e_a_day_that_is_exhausted_is_a_403_without_a_hint(org: tuple[Salesforce, Played]) -> None:
    system, played = org
    await stored(system, played, 2)
    system.faults = [lambda _: refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")]

    await played.sync.round()
    [standing] = await played.fetch("SELECT paused_until, trouble FROM crm_connector")
    await played.later(minutes=16)

    assert "REQUEST_LIMIT_EXCEEDED" in standing["trouble"]
    assert {state for state, _ in (await states(played)).values()} == {"sent"}


async def test_f_a_session_that_ends_in_the_middle_is_renewed_once(org: tuple[Salesforce, Played]) -> None:
    system, played = org
    await stored(system, played, 300)

    def ended(_: httpx.Request) -> httpx.Response | None:
        system.token = "session-2"
        return refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")

    system.faults = [lambda _: None, lambda _: None, ended]
    await played.settle()

    assert system.tokens_given == 2
    assert {state for state, _ in (await states(played)).values()} == {"sent"}


async def test_g_a_locked_row_is_tried_again_alone(org: tuple[Salesforce, Played]) -> None:
    system, played = org
    numbers = await stored(system, played, 3)
    system.locked = {numbers[1]}

    await played.settle()
    found = await states(played)
    system.locked.clear()
    await played.later(minutes=1)

    assert found["c0001"][0] == "waiting"
    assert found["c0001"][1].startswith("UNABLE_TO_LOCK_ROW")
    assert found["c0000"][0] == "sent"
    assert (await states(played))["c0001"][0] == "sent"


async def test_a_contact_that_was_merged_over_there_is_found_anew(org: tuple[Salesforce, Played]) -> None:
    system, played = org
    [first] = await stored(system, played, 1)
    await played.settle()
    second = system.add("c0000")
    del system.contacts[first]

    await played.score("customer:c0000", 20, band=1)
    await played.settle()

    row = await played.row("c0000")
    assert row is not None
    assert (row["state"], row["remote"]) == ("sent", second)


async def test_two_contacts_with_one_external_id_are_left_alone(org: tuple[Salesforce, Played]) -> None:
    system, played = org
    await stored(system, played, 1)
    system.add("c0000")

    await played.settle()

    assert (await states(played))["c0000"][0] == "failed"
    assert all("Band__c" not in contact for contact in system.contacts.values())


async def test_l_a_token_is_renewed_before_it_ends(org: tuple[Salesforce, Played]) -> None:
    system, played = org
    await stored(system, played, 1)
    await played.settle()

    await played.score("customer:c0000", 20, band=1)
    await played.later(minutes=50)

    assert system.tokens_given == 2


def test_the_usual_client_is_content_with_what_plays_the_organisation() -> None:
    org = Salesforce(polls_until_done=1)
    numbers = [org.add(key) for key in ("a", "b")]
    with served_vendor(org) as url:
        client = Client(instance_url=url, session_id=org.token)
        client.base_url = f"{url}/services/data/v60.0/"
        client.bulk2_url = f"{url}/services/data/v60.0/jobs/"
        found = client.query("SELECT Id, Tactus_Id__c FROM Contact WHERE Tactus_Id__c IN ('a','b')")
        written = client.restful(
            "composite/sobjects",
            method="PATCH",
            json={
                "allOrNone": False,
                "records": [{"attributes": {"type": "Contact"}, "id": numbers[0], "Band__c": "low"}],
            },
        )
        contacts: SFBulk2Type = client.bulk2.Contact  # type: ignore[union-attr,assignment]  # what its handler makes of a name
        [job] = contacts.update(records=[{"Id": number, "Band__c": "fair"} for number in numbers])
        failed = contacts.get_failed_records(str(job["job_id"]))

    assert [row["Id"] for row in found["records"]] == numbers
    assert written == [{"id": numbers[0], "success": True, "errors": []}]
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (2, 0)
    assert failed.splitlines() == ["sf__Id,sf__Error,Id"]
    assert {contact["Band__c"] for contact in org.contacts.values()} == {"fair"}
