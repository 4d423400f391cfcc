"""HubSpot as its documents and its own client know it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hubspot import HubSpot as Client
from hubspot.crm.contacts import (
    ApiException,
    BatchInputSimplePublicObjectBatchInput,
    BatchReadInputSimplePublicObjectId,
    SimplePublicObjectBatchInput,
    SimplePublicObjectId,
)

from tests.support.crm import Played, connector_table, people, store_people
from tests.support.hubspot import TOKEN, HubSpot, refusal
from tests.support.vendor import served_vendor

pytestmark = pytest.mark.integration


@pytest.fixture
async def portal(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[tuple[HubSpot, Played]]:
    (tmp_path / "secret").write_text(TOKEN)
    portal = HubSpot()
    table = connector_table(
        system="hubspot", url="https://api.hubapi.test", key_field="tactus_id", secret_file=tmp_path / "secret"
    )
    async with httpx.AsyncClient(transport=httpx.MockTransport(portal)) as client:
        played = Played(postgres_dsn, table=table)
        played.speak(client)
        yield portal, played
        await played.close()


async def stored(portal: HubSpot, played: Played, count: int) -> None:
    await store_people(played.dsn, people(count))
    portal.contacts = [{"tactus_id": name.removeprefix("customer:")} for name in people(count)]


async def states(played: Played) -> dict[str, str]:
    return {row["key"]: row["state"] for row in await played.fetch("SELECT key, state FROM crm_record")}


async def test_a_hundred_a_call_and_no_contact_is_made(portal: tuple[HubSpot, Played]) -> None:
    system, played = portal
    await stored(system, played, 250)
    await store_people(played.dsn, ["customer:stranger"])

    await played.settle()

    assert len(system.contacts) == 250
    assert all(contact["t_band"] for contact in system.contacts)
    assert len(system.calls) == 3
    assert {key for key, state in (await states(played)).items() if state == "absent"} == {"stranger"}


async def test_a_of_a_hundred_inputs_with_99_results_the_missing_one_is_told_again(
    portal: tuple[HubSpot, Played],
) -> None:
    system, played = portal
    await stored(system, played, 100)
    system.faults = [lambda said: httpx.Response(200, json={**said.json(), "results": said.json()["results"][1:]})]

    await played.settle()
    waiting = [key for key, state in (await states(played)).items() if state != "sent"]
    await played.later(minutes=1)

    assert len(waiting) == 1
    assert [one["id"] for one in system.calls[-1][1]["inputs"]] == waiting
    assert set((await states(played)).values()) == {"sent"}


async def test_b_complete_with_no_results_is_a_failure(portal: tuple[HubSpot, Played]) -> None:
    system, played = portal
    await stored(system, played, 3)
    system.faults = [lambda _: httpx.Response(200, json={"status": "COMPLETE", "results": []})]

    await played.settle()

    assert set((await states(played)).values()) == {"waiting"}


async def test_one_row_that_is_refused_does_not_keep_the_others(portal: tuple[HubSpot, Played]) -> None:
    system, played = portal
    await stored(system, played, 4)
    bad = system.contacts[2]["tactus_id"]

    def strict(said: httpx.Response) -> httpx.Response:
        inputs = system.calls[-1][1]["inputs"]
        return refusal(400, "VALIDATION_ERROR", "no") if bad in [one["id"] for one in inputs] else said

    system.faults = [strict] * 10
    await played.settle()

    found = await states(played)
    assert {key for key, state in found.items() if state == "failed"} == {bad}
    assert sorted(found.values()) == ["failed", "sent", "sent", "sent"]


@pytest.mark.parametrize(
    ("refused", "wait_s"),
    [
        (refusal(429, "RATE_LIMITS", "slow down", policyName="TEN_SECONDLY_ROLLING"), 10),
        (refusal(429, "RATE_LIMITS", "tomorrow", policyName="DAILY"), 3600),
        (httpx.Response(429, headers={"Retry-After": "3"}, text="edge"), 3),
    ],
)
async def test_e_the_limit_of_the_portal_is_waited_out(
    portal: tuple[HubSpot, Played], refused: httpx.Response, wait_s: int
) -> None:
    system, played = portal
    await stored(system, played, 2)
    system.faults = [lambda _: refused]

    await played.sync.round()
    [standing] = await played.fetch("SELECT paused_until FROM crm_connector")
    paused_s = (standing["paused_until"] - played.clock.at).total_seconds()
    await played.later(seconds=wait_s)

    assert paused_s == pytest.approx(wait_s, abs=0.1)
    assert set((await states(played)).values()) == {"sent"}


async def test_f_a_401_takes_the_token_that_is_there_by_then(portal: tuple[HubSpot, Played], tmp_path: Path) -> None:
    system, played = portal
    await stored(system, played, 2)

    def changed(_: httpx.Response) -> httpx.Response:
        system.token = "pat-of-today"
        (tmp_path / "secret").write_text("pat-of-today")
        return refusal(401, "EXPIRED_AUTHENTICATION", "the token is expired")

    system.faults = [changed]
    await played.settle()

    assert set((await states(played)).values()) == {"sent"}
    assert len(system.calls) == 2


@pytest.mark.parametrize("unknown", [True, False])
async def test_i_an_erased_contact_is_cleared_by_an_empty_text(
    portal: tuple[HubSpot, Played], *, unknown: bool
) -> None:
    system, played = portal
    await stored(system, played, 1)
    await played.settle()
    if unknown:
        system.contacts.clear()

    await played.fetch("INSERT INTO erased (identity_hash) SELECT identity_hash FROM crm_record")
    await played.settle()

    assert all((one["t_score"], one["t_band"]) == ("", "") for one in system.contacts)
    assert await states(played) == {}


async def test_what_the_portal_holds_is_read_back(portal: tuple[HubSpot, Played]) -> None:
    system, played = portal
    await stored(system, played, 1)
    await played.settle()

    read = await played.connector.read(["c0000", "nobody"])

    assert isinstance(read, dict)
    assert set(read) == {"c0000"}
    assert read["c0000"]["t_band"] == system.contacts[0]["t_band"]


def test_the_vendor_s_own_client_is_content_with_what_plays_the_portal() -> None:
    portal = HubSpot(contacts=[{"tactus_id": "a"}, {"tactus_id": "b"}])
    with served_vendor(portal) as url:
        client = Client(access_token=TOKEN, api_client_args={})
        api = client.crm.contacts.batch_api
        api.api_client.configuration.host = url

        def update(*keys: str, **properties: str) -> object:
            inputs = [
                SimplePublicObjectBatchInput(id=key, id_property="tactus_id", properties=properties) for key in keys
            ]
            return api.update(BatchInputSimplePublicObjectBatchInput(inputs=inputs))

        both = update("a", "b", t_band="low")
        partly = update("a", "nobody", t_band="fair")
        read = api.read(
            BatchReadInputSimplePublicObjectId(
                id_property="tactus_id",
                properties=["t_band"],
                properties_with_history=[],
                inputs=[SimplePublicObjectId(id="a")],
            )
        )
        with pytest.raises(ApiException) as refused:
            update("a", t_nothing="1")

    assert both.status == "COMPLETE"  # type: ignore[attr-defined]
    assert [one.properties["t_band"] for one in both.results] == ["low", "low"]  # type: ignore[attr-defined]
    assert partly.num_errors == 1  # type: ignore[attr-defined]
    assert partly.errors[0].context == {"ids": ["nobody"]}  # type: ignore[attr-defined]
    assert read.results[0].properties["t_band"] == "fair"
    assert refused.value.status == 400
