"""The generic hook: whose it is, what its map makes of a body, and that no body or map stops the door."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.limits import EVENTS_MAX
from schemas.topics import DLQ
from services.infra.hook_rows import Hook, HookRow, SignatureRow
from services.infra.http.problems import Refused
from services.infra.mapping.map_file import load_map
from services.infra.sources import Source, Sources, digest
from services.ingest.adapter import Listed, Request
from services.ingest.adapters.generic import ADAPTER, reread, scheme_of
from services.ingest.discovery import names_of
from services.ingest.head import Head
from services.ingest.judge import arrival
from tests.support.doors import catalogue_file, memory_client
from tests.support.hooks import KEYED, hook_sources, signed
from tests.support.memory_log import MemoryLog
from tests.support.senders import SERVER_KEY

KEY = "key-of-this-hook"
PARCEL = {"number": "P-1", "state": "BROKEN", "reference": "c-1", "changed": 1772366340}
PLAIN = """\
id: {field: id}
identities:
  - {kind: customer, value: {field: who}}
event: {touchpoint: x.happened, properties: {what: {field: what}}}
"""


def sources_of(text: str, folder: Path, **row: Any) -> Sources:  # noqa: ANN401 - a row's values are of many types
    """A source `ours` whose bodies are read by this map."""
    (folder / "map.yaml").write_text(text, encoding="utf-8")
    event_map = load_map(folder / "map.yaml", touchpoints=catalogue_file().catalogue.entries)
    hook = HookRow(provider="generic", map="map.yaml", **row)
    source = Source(name="ours", kind="server", keys_sha256=(digest(KEY),), hook=hook)
    return Sources(sources=[source], hooks={"ours": Hook((b"s3",), hook.url, event_map, hook.signature)})


async def posted(
    sources: Sources, body: object, *, headers: Mapping[str, str] | None = None, to: str = "ours"
) -> tuple[httpx.Response, list[dict[str, Any]], list[dict[str, str]]]:
    """The answer, the records, and what the dead letters say."""
    log = MemoryLog()
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"authorization": f"Bearer {KEY}", **(headers or {})}
    async with memory_client(log, sources=sources) as client:
        answer = await client.post(f"/hooks/generic/{to}", content=content, headers=given)
    kept = [json.loads(one.value) for one in log.records if one.topic != DLQ]
    letters = [{name: value.decode() for name, value in one.headers} for one in log.records if one.topic == DLQ]
    return answer, kept, letters


async def test_a_hook_without_a_signature_is_opened_by_its_sources_key_alone() -> None:
    body = {"parcels": [PARCEL]}
    own = await posted(hook_sources(), body, headers={"authorization": f"Bearer {KEYED}"}, to="our-keyed")
    none = await posted(hook_sources(), body, headers={"authorization": ""}, to="our-keyed")
    wrong = await posted(hook_sources(), body, headers={"authorization": "Bearer no"}, to="our-keyed")

    assert (own[0].status_code, none[0].status_code, wrong[0].status_code) == (200, 401, 401)
    assert [one["data"]["touchpoint"] for one in own[1]] == ["delivery.damaged"]
    assert own[1][0]["source"] == "our-keyed"


async def test_the_key_of_another_source_opens_no_hook(tmp_path: Path) -> None:
    theirs = Source(name="theirs", kind="server", keys_sha256=(digest(SERVER_KEY),))
    ours = sources_of(PLAIN, tmp_path)
    found = ours.hook("generic", "ours")
    assert found is not None
    both = Sources(sources=[found[0], theirs], hooks={"ours": found[1]})

    answer, kept, letters = await posted(
        both, {"id": "1", "who": "c"}, headers={"authorization": f"Bearer {SERVER_KEY}"}
    )

    assert (answer.status_code, kept, letters) == (401, [], [])


async def test_a_signed_hook_is_not_opened_by_a_key() -> None:
    body = {"parcels": [PARCEL]}

    answer, kept, _ = await posted(hook_sources(), body, headers={"authorization": f"Bearer {KEYED}"}, to="our-generic")

    assert (answer.status_code, kept) == (401, [])


async def test_a_secret_in_a_header_opens_a_hook_that_says_so(tmp_path: Path) -> None:
    row = {"signature": SignatureRow(header="X-Token", algorithm="token"), "secret_files": ("s",)}
    sources = sources_of(PLAIN, tmp_path, **row)

    good = await posted(sources, {"id": "1", "who": "c"}, headers={"x-token": "s3"})
    bad = [
        (await posted(sources, {"id": "1", "who": "c"}, headers=headers))[0].status_code
        for headers in ({}, {"x-token": ""}, {"x-token": "s"}, {"x-token": "s3 s3"}, {"x-token": "s4"})
    ]

    assert good[0].status_code == 200
    assert len(good[1]) == 1
    assert bad == [401] * 5


def test_a_scheme_is_what_the_row_says() -> None:
    row = SignatureRow(
        header="X-Sig", algorithm="hmac-sha512", encoding="base64", prefix="v=", timestamp_header="X-At",
        signed="{timestamp}{raw}", tolerance_s=60,
    )  # fmt: skip

    scheme = scheme_of(row)

    assert (scheme.header, scheme.timestamp_header, scheme.prefix) == ("x-sig", "x-at", "v=")
    assert (scheme.algorithm, scheme.encoding, scheme.signed) == ("hmac-sha512", "base64", "{timestamp}{raw}")
    assert scheme.tolerance is not None
    assert scheme.tolerance.total_seconds() == 60


async def test_one_bad_row_of_a_body_costs_no_other(tmp_path: Path) -> None:
    sources = sources_of("each: rows\n" + PLAIN, tmp_path)
    rows = [
        {"id": "1", "who": "c1"},
        {"id": "2"},
        {"id": "3", "who": "null"},
        {"who": "c4"},
        7,
        {"id": "5", "who": "c5"},
    ]

    answer, kept, letters = await posted(sources, {"rows": rows})

    assert answer.status_code == 200
    assert [one["id"] for one in kept] == ["1", "5"]
    assert [letter["detail"] for letter in letters] == [
        "names nobody: it has no who",
        "names nobody: what stands in who is nobody's",
        "has no id: the field id is missing",
        "names nobody: it has no who",
    ]


async def test_a_form_is_read_as_its_fields(tmp_path: Path) -> None:
    body = b"id=1&who=c%C3%A9&what=a+b"

    answer, kept, _ = await posted(
        sources_of(PLAIN, tmp_path), body, headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    )

    assert answer.status_code == 200
    assert kept[0]["subject"] == "customer:cé"
    assert kept[0]["data"]["properties"] == {"what": "a b"}


async def test_a_header_may_say_what_happened_and_no_secret_is_copied(tmp_path: Path) -> None:
    text = PLAIN.replace(
        "{what: {field: what}}", "{what: {header: X-Topic}, key: {header: authorization}, sig: {header: X-Token}}"
    )
    row = {"signature": SignatureRow(header="x-token", algorithm="token"), "secret_files": ("s",)}

    _, kept, _ = await posted(
        sources_of(text, tmp_path, **row), {"id": "1", "who": "c"}, headers={"x-topic": "ping", "x-token": "s3"}
    )

    assert kept[0]["data"]["properties"] == {"what": "ping"}


async def test_a_body_of_too_many_rows_is_one_dead_letter(tmp_path: Path) -> None:
    sources = sources_of("each: rows\n" + PLAIN, tmp_path)
    rows = [{"id": str(number), "who": "c"} for number in range(EVENTS_MAX + 1)]

    answer, kept, letters = await posted(sources, {"rows": rows})
    whole = await posted(sources, {"rows": rows[:-1]})

    assert (answer.status_code, kept) == (200, [])
    assert [letter["detail"] for letter in letters] == [
        "holds 501 rows, of which a body has at most 500; send fewer at once"
    ]
    assert len(whole[1]) == EVENTS_MAX


@pytest.mark.parametrize(
    "hostile",
    [
        'each: "rows[].wide[] | [?@ == @] | [?@ == @]"\n',
        'each: "*.*.*.*.* | [] | []"\n',
        'each: rows\nwhen: "wide[?wide2[?@ == @]] || wide[?contains(@, `1`)] || wide[?@ > `1`] || wide[?@ < `2`]"\n',
    ],
    ids=["filter upon filter", "everything of everything", "a scan in every row"],
)
async def test_an_expression_that_visits_too_much_is_a_dead_letter_and_the_door_goes_on(
    tmp_path: Path, hostile: str
) -> None:
    sources = sources_of(hostile + PLAIN, tmp_path)
    rows = [{"id": str(number), "who": "c", "wide": [0] * 120} for number in range(480)]
    wide: object = 1
    for _ in range(5):
        wide = {str(number): wide for number in range(8)}
    body = {"rows": rows} if "rows" in hostile else wide

    answer, kept, letters = await posted(sources, body)

    assert answer.status_code == 200
    assert not kept
    assert all("visit too much" in letter["detail"] for letter in letters)
    assert letters


async def test_the_same_body_signed_again_is_the_same_events() -> None:
    body = json.dumps({"parcels": [PARCEL, {**PARCEL, "number": "P-2"}]}).encode()

    first, again = [
        await posted(hook_sources(), body, headers=signed("generic", body), to="our-generic") for _ in range(2)
    ]

    assert [one["id"] for one in first[1]] == [one["id"] for one in again[1]] == ["P-1/BROKEN", "P-2/BROKEN"]


def read_again(text: str, folder: Path, letter: object) -> Listed | Refused:
    """What a dead letter holds by this map."""
    sources = sources_of(text, folder)
    found = sources.hook("generic", "ours")
    assert found is not None
    head = Head([("content-type", "application/json")], named={"source": "ours"})
    body, file = json.dumps(letter).encode(), catalogue_file()
    names = names_of(ADAPTER, file)
    return reread(Request(head, body, found[0], arrival(1_772_366_400_000_000), names, file.catalogue, found[1]))


@pytest.mark.parametrize(
    ("each", "letter", "ids"),
    [
        ("", {"id": "1", "who": "c1"}, ["1"]),
        ("each: rows\n", {"id": "1", "who": "c1"}, ["1"]),
        ("each: rows\n", {"rows": [{"id": "1", "who": "c1"}, {"id": "2", "who": "c2"}]}, ["1", "2"]),
        ("", {"id": "7", "data": {"touchpoint": "x.a", "identities": [{"kind": "customer", "value": "c"}]}}, ["7"]),
    ],
    ids=["a body", "a row of one", "a body of rows", "an event"],
)
def test_a_letter_is_read_again_by_the_map_that_holds_by_then(
    tmp_path: Path, each: str, letter: object, ids: list[str]
) -> None:
    listed = read_again(each + PLAIN, tmp_path, letter)

    assert isinstance(listed, Listed)
    incoming = list(listed.incoming)
    assert len(incoming) == listed.length
    assert [one.event["id"] for one in incoming if isinstance(one.event, dict)] == ids


def test_a_letter_of_a_row_that_told_not_all_is_sent_again_by_its_sender(tmp_path: Path) -> None:
    around = "each: rows\n" + PLAIN.replace("{field: what}", "{field: what, of: body}")
    by_header = PLAIN.replace("{field: what}", "{header: x-topic}")

    for text in (around, by_header):
        told = read_again(text, tmp_path, {"id": "1", "who": "c1"})
        assert isinstance(told, Refused)
        assert "have its sender send it again" in told.detail
