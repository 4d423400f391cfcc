"""Odoo's JSON-2 API as its documents and a client of others know it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from odoo_json2 import JSON2Client
from odoo_json2.exceptions import OdooValidationError

from tests.support.crm import Played, connector_table, people, store_people
from tests.support.odoo import DATABASE, KEY, Odoo, refusal
from tests.support.vendor import served_vendor

pytestmark = pytest.mark.integration


@pytest.fixture
async def odoo(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[tuple[Odoo, Played]]:
    (tmp_path / "secret").write_text(KEY)
    system = Odoo()
    table = connector_table(
        system="odoo",
        url="https://odoo.test",
        database=DATABASE,
        object="res.partner",
        key_field="x_tactus_id",
        secret_file=tmp_path / "secret",
        erased="delete",
    )
    async with httpx.AsyncClient(transport=httpx.MockTransport(system)) as client:
        played = Played(postgres_dsn, table=table)
        played.speak(client)
        yield system, played
        await played.close()


async def stored(system: Odoo, played: Played, count: int) -> list[int]:
    await store_people(played.dsn, people(count))
    return [system.add(name.removeprefix("customer:")) for name in people(count)]


async def states(played: Played) -> dict[str, tuple[str, str]]:
    rows = await played.fetch("SELECT key, state, words FROM crm_record")
    return {row["key"]: (row["state"], row["words"]) for row in rows}


async def test_partners_get_their_scores_and_strangers_are_not_made(odoo: tuple[Odoo, Played]) -> None:
    system, played = odoo
    await stored(system, played, 60)
    await store_people(played.dsn, ["customer:stranger"])

    await played.settle()

    assert len(system.partners) == 60
    assert all(one["t_band"] and one["t_merged"] is False for one in system.partners.values())
    assert (await states(played))["stranger"][0] == "absent"


async def test_a_refusal_is_said_without_the_stack_of_the_system(odoo: tuple[Odoo, Played]) -> None:
    system, played = odoo
    await stored(system, played, 2)
    system.faults = [
        httpx.Response(200, json=[{"id": 7, "x_tactus_id": "c0000"}, {"id": 8, "x_tactus_id": "c0001"}]),
        refusal(422, "odoo.exceptions.ValidationError", "the score is locked"),
    ]

    await played.settle()

    found = sorted((await states(played)).values())
    assert found == [("failed", "odoo.exceptions.ValidationError: the score is locked"), ("sent", "")]


async def test_g_two_transactions_that_meet_are_tried_again(odoo: tuple[Odoo, Played]) -> None:
    system, played = odoo
    await stored(system, played, 1)
    await played.settle()
    await played.score("customer:c0000", 20, band=1)
    system.faults = [refusal(409, "psycopg2.errors.SerializationFailure", "could not serialize access")]

    await played.settle()
    met = (await states(played))["c0000"][0]
    await played.later(minutes=1)

    assert met == "waiting"
    assert (await states(played))["c0000"][0] == "sent"


async def test_a_partner_that_was_merged_over_there_is_found_anew(odoo: tuple[Odoo, Played]) -> None:
    system, played = odoo
    [first] = await stored(system, played, 1)
    await played.settle()
    system.partners[99] = {**system.partners.pop(first), "id": 99}

    await played.score("customer:c0000", 20, band=1)
    await played.settle()

    row = await played.row("c0000")
    assert row is not None
    assert (row["state"], row["remote"]) == ("sent", "99")


async def test_i_an_erased_partner_is_deleted_when_the_file_says_so(odoo: tuple[Odoo, Played]) -> None:
    system, played = odoo
    await stored(system, played, 1)
    await played.settle()

    await played.fetch("INSERT INTO erased (identity_hash) SELECT identity_hash FROM crm_record")
    await played.settle()

    assert system.partners == {}
    assert await states(played) == {}


def test_a_client_of_others_is_content_with_what_plays_odoo() -> None:
    odoo = Odoo()
    number = odoo.add("a")
    with served_vendor(odoo) as url:
        client = JSON2Client(url, KEY, DATABASE)
        found = client.call("res.partner", "search_read", domain=[["x_tactus_id", "in", ["a"]]], fields=["x_tactus_id"])
        written = client.call("res.partner", "write", ids=[number], vals={"t_band": "low"})
        with pytest.raises(OdooValidationError):
            client.call("res.partner", "write", ids=[number], vals={"t_nothing": 1})

    assert found == [{"id": number, "x_tactus_id": "a"}]
    assert written is True
    assert odoo.partners[number]["t_band"] == "low"
