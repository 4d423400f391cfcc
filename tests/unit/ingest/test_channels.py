"""What holds for every channel, whatever it reads; a file in the folder of adapters is all that one needs."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.infra.http.problems import Refused
from services.infra.metrics import INGEST_REQUESTS
from services.ingest import adapters
from services.ingest.adapter import Adapter, Example, Listed, Request
from services.ingest.discovery import discovered, names_of
from services.ingest.head import Head
from services.ingest.judge import arrival
from services.ingest.rejection import Rejected
from tests.support.doors import catalogue_file, memory_client, memory_door, posted
from tests.support.hooks import hook_sources, providers, with_signature
from tests.support.memory_log import MemoryLog
from tests.support.senders import PATIENT, SERVER, SERVER_KEY, SOURCES

CHANNELS = discovered()
EXAMPLES = [(channel, example) for channel in CHANNELS for example in channel.examples]
POSTED = arrival(1_772_366_400_000_000)

OF_ITS_OWN = '''"""A doorbell that says how hard it was pressed."""

import json

from services.infra.http.answer import Answer
from services.ingest.adapter import UNAUTHORIZED, Adapter, Example, Listed
from services.ingest.decode import Incoming


def read(request):
    pressed = json.loads(request.body)
    identities = [{"kind": "device", "value": request.head.named["door"]}]
    data = {"touchpoint": "x.bell", "channel": "bell", "identities": identities, "valence": -pressed["force"]}
    return Listed(1, [Incoming(request.body, {"id": pressed["id"], "data": data})])


ADAPTER = Adapter(
    name="doorbell",
    routes=("/v1/bells/{door}",),
    read=read,
    answer=lambda outcome: Answer(200, b"ding", "text/plain"),
    examples=(Example("A bell", "/v1/bells/front", b'{"id": "b1", "force": 0.5}', touchpoints=("x.bell",)),),
)
'''


BY_BODY = """def by_body(head, body, sources, received):
    return sources.source(json.loads(body)["key"]) or UNAUTHORIZED


ADAPTER ="""
ASKS_THE_BODY = "    identify=lambda head, sources: None,\n    identify_by_body=by_body,\n    read=read,"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where adapters may lie beside the product's own."""
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(f"{adapters.__name__}.")]:
        if str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def matches(route: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"{[a-z]+}", "[^/]+", route), path) is not None


def with_key(example: Example) -> dict[str, str]:
    return {"authorization": f"Bearer {SERVER_KEY}", **example.headers}


async def test_a_channel_is_added_by_one_file(folder: Path) -> None:
    (folder / "doorbell.py").write_text(OF_ITS_OWN)
    log = MemoryLog()

    async with memory_client(log, adapters=discovered(), Authorization=f"Bearer {SERVER_KEY}") as client:
        answer = await client.post("/v1/bells/front", content=b'{"id": "b1", "force": 0.5}')
        refused = await client.post("/v1/bells/front", content=b"", headers={"Authorization": "Bearer no"})

    assert (answer.status_code, answer.text, refused.status_code) == (200, "ding", 401)
    (record,) = log.records
    assert record.key == b"device:front"
    assert json.loads(record.value)["data"]["valence"] == -0.5


def test_two_channels_cannot_claim_one_path(folder: Path) -> None:
    (folder / "doorbell.py").write_text(OF_ITS_OWN.replace("/v1/bells/{door}", "/v1/events"))

    with pytest.raises(ValueError, match="two adapters claim /v1/events"):
        discovered()


def test_every_channel_has_a_name_of_its_own_and_examples() -> None:
    assert len({channel.name for channel in CHANNELS}) == len(CHANNELS)
    assert all(channel.examples for channel in CHANNELS)


@pytest.mark.parametrize(("channel", "example"), EXAMPLES, ids=lambda one: getattr(one, "title", None) or one.name)
async def test_an_example_gets_what_it_says(channel: Adapter, example: Example) -> None:
    assert any(matches(path, example.path) for path in channel.routes)
    log = MemoryLog()
    hooked = channel.name in providers()
    headers, body = with_key(example), example.body
    if hooked:
        headers, body = with_signature(channel.name, example.headers, example.body)
    async with memory_client(log, sources=hook_sources() if hooked else SOURCES) as client:
        key = {"key": SERVER_KEY} if "?key=" in channel.key_stands else None
        answer = await client.post(example.path, content=body, headers=headers, params=key)

    assert answer.status_code == example.answers, answer.text
    kept = [json.loads(record.value) for record in log.records if record.topic != "cx.touchpoints.dlq.v1"]
    assert tuple(one["data"]["touchpoint"] for one in kept) == example.touchpoints


def listed_of(channel: Adapter, body: bytes, headers: list[tuple[str, str]], path: str) -> None:
    head = Head(headers, "192.0.2.1", path, {"source": "shop", "store": "s", "till": "t", "key": "k"})
    if channel.expects(head) is not None:
        return
    names = names_of(channel, catalogue_file())
    found = hook_sources().hook(channel.name, f"our-{channel.name}")
    hook = None if found is None else found[1]
    read = channel.read(Request(head, body, SERVER, POSTED, names, catalogue_file().catalogue, hook))
    assert isinstance(read, Listed | Refused)
    if isinstance(read, Listed):
        incoming = list(read.incoming)
        assert len(incoming) == read.length
        assert all(isinstance(one.event, Rejected) or one.original for one in incoming)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
@PATIENT
@given(body=st.binary(max_size=200), path=st.integers(min_value=0))
def test_random_bytes_never_crash_a_channel(channel: Adapter, body: bytes, path: int) -> None:
    listed_of(channel, body, [("content-type", "application/json")], channel.routes[path % len(channel.routes)])


@pytest.mark.parametrize(("channel", "example"), EXAMPLES, ids=lambda one: getattr(one, "title", None) or one.name)
@PATIENT
@given(junk=st.binary(max_size=8), start=st.integers(0, 2000), length=st.integers(0, 16))
def test_a_damaged_example_never_crashes_its_channel(
    channel: Adapter, example: Example, junk: bytes, start: int, length: int
) -> None:
    start %= len(example.body) + 1
    damaged = example.body[:start] + junk + example.body[start + length :]

    listed_of(channel, damaged, list(example.headers.items()), example.path)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(("channel", "example"), EXAMPLES, ids=lambda one: getattr(one, "title", None) or one.name)
@PATIENT
@given(data=st.data())
def test_an_example_with_other_values_is_answered_and_never_fails(
    channel: Adapter, example: Example, data: st.DataObject
) -> None:
    lines = example.body.split(b"\n")
    chosen = data.draw(st.integers(0, len(lines) - 1))
    body = json.loads(lines[chosen])
    where = body
    while isinstance(where, dict | list) and where:
        name = data.draw(st.sampled_from(sorted(where) if isinstance(where, dict) else list(range(len(where)))))
        if not isinstance(where[name], dict | list) or data.draw(st.booleans()):
            where[name] = data.draw(JSON_VALUES)
            break
        where = where[name]

    lines[chosen] = json.dumps(body).encode()
    listed_of(channel, b"\n".join(lines), list(example.headers.items()), example.path)


async def test_a_channel_that_asks_the_body_whose_it_is_believes_it_and_tells_guessers_to_wait(
    folder: Path,
) -> None:
    (folder / "doorbell.py").write_text(
        OF_ITS_OWN.replace("ADAPTER =", BY_BODY).replace("    read=read,", ASKS_THE_BODY)
    )
    (channel,) = [one for one in discovered() if one.name == "doorbell"]
    log = MemoryLog()
    door = memory_door(log)

    def pressed(key: str, address: str = "192.0.2.1") -> tuple[Head, bytes]:
        body = json.dumps({"id": "b1", "force": 0.5, "key": key}).encode()
        return Head([], address, "/v1/bells/front", {"door": "front"}), body

    good = await posted(door, channel, *pressed(SERVER_KEY))
    guesses = [(await posted(door, channel, *pressed(f"guess-{n}"))).status for n in range(40)]
    beside = await posted(door, channel, *pressed(SERVER_KEY, "192.0.2.2"))

    assert (good.status, beside.status) == (200, 200)
    assert guesses[:30] == [401] * 30
    assert set(guesses[30:]) == {429}
    assert len(log.records) == 2


async def test_what_a_request_counts_as_does_not_hang_on_its_status() -> None:
    (channel,) = [one for one in CHANNELS if one.name == "native"]
    always = replace(channel, answer=lambda _: channel.refuse(Refused("internal"))._replace(status=200))
    log = MemoryLog()
    before = meaning("accepted"), meaning("refused")
    head = Head([("content-type", "application/json"), ("authorization", f"Bearer {SERVER_KEY}")])

    kept = await posted(memory_door(log), always, head, channel.examples[0].body)
    bad = await posted(memory_door(log), always, head, b'{"id": "e1"}')

    assert (kept.status, bad.status) == (200, 200)
    assert (meaning("accepted") - before[0], meaning("refused") - before[1]) == (1, 1)


def meaning(outcome: str) -> float:
    """How many requests counted so, over all channels."""
    return sum(
        sample.value
        for metric in INGEST_REQUESTS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["outcome"] == outcome
    )
