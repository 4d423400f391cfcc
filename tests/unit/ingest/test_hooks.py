"""What holds for the webhooks of every vendor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import DLQ
from services.infra.hook_rows import Hook
from services.ingest.discovery import discovered
from services.ingest.head import Head
from services.ingest.judge import arrival
from tests.support.doors import memory_client
from tests.support.hooks import NOW, hook_sources, providers, scheme_of, signed, verified, with_signature
from tests.support.memory_log import MemoryLog

VECTORS = Path(__file__).parents[4] / "shared" / "captures" / "webhook-signature-vectors.json"
"""What the vendors' own libraries verify, where somebody has put it beside the checkout."""

EXAMPLES = {one.name: one.examples[0] for one in discovered() if one.name in providers()}
SIGNED_BY_HEADER = [provider for provider in providers() if scheme_of(provider) is not None]


async def status(provider: str, body: bytes, headers: dict[str, str], *, source: str = "") -> tuple[int, int]:
    """The answer's status, and how many records the log has."""
    log = MemoryLog()
    given = {name: value for name, value in EXAMPLES[provider].headers.items() if name not in headers}
    async with memory_client(log, sources=hook_sources()) as client:
        path = f"/hooks/{provider}/{source or f'our-{provider}'}"
        answer = await client.post(path, content=body, headers={**given, **headers})
    return answer.status_code, len(log.records)


@pytest.mark.parametrize("provider", SIGNED_BY_HEADER)
async def test_thirty_mutations_of_what_is_signed_are_refused_and_nothing_is_kept(provider: str) -> None:
    body = EXAMPLES[provider].body
    good = signed(provider, body)
    mutated: list[tuple[bytes, dict[str, str]]] = [
        (body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :], good)
        for at in range(0, len(body), max(1, len(body) // 12))
    ]
    for name, value in good.items():
        for at in range(0, len(value), max(1, len(value) // 10)):
            other = "1" if value[at] != "1" else "2"
            mutated.append((body, {**good, name: value[:at] + other + value[at + 1 :]}))
        mutated += [
            (body, {**good, name: ""}),
            (body, {**good, name: value + "="}),
            (body, {**good, name: f"{value},{value}"}),
        ]
        mutated.append((body, {other: text for other, text in good.items() if other != name}))
    mutated += [
        (body + b" ", good), (b" " + body, good), (body[:-1], good), (b"", good),
        (body, signed(provider, body, secret=b"another")), (body, signed(provider, b"{}")),
    ]  # fmt: skip
    if scheme_of(provider).algorithm == "ecdsa-p256":  # type: ignore[union-attr]  # chosen by having one
        mutated = [one for one in mutated if one != (body, signed(provider, body, secret=b"another"))][:-2] + mutated[
            -1:
        ]

    answers = {await status(provider, *one) for one in mutated}

    assert len(mutated) >= 30
    assert (await status(provider, body, good))[0] == 200
    assert {kept for _, kept in answers} == {0}
    assert {answer for answer, _ in answers} <= {401, 429}


@pytest.mark.parametrize("provider", SIGNED_BY_HEADER)
async def test_an_old_signature_is_refused_where_the_vendor_says_how_old_one_may_be(provider: str) -> None:
    scheme = scheme_of(provider)
    assert scheme is not None
    body = EXAMPLES[provider].body
    if scheme.tolerance is None:
        return
    seconds = int(scheme.tolerance.total_seconds())

    found = [
        (await status(provider, body, signed(provider, body, timestamp=str(int(NOW) + off))))[0]
        for off in (-seconds - 1, -seconds, seconds, seconds + 1)
    ]

    assert found == [401, 200, 200, 401]


@pytest.mark.parametrize("provider", providers())
async def test_a_hook_is_of_one_source_and_one_provider(provider: str) -> None:
    body = EXAMPLES[provider].body
    other = next((one for one in providers() if one != provider), "nobody")

    assert (await status(provider, body, signed(provider, body), source="our-nobody"))[0] == 404
    assert (await status(provider, body, signed(provider, body), source=f"our-{other}"))[0] == 404


async def test_an_unknown_provider_has_no_door() -> None:
    async with memory_client(MemoryLog(), sources=hook_sources()) as client:
        assert (await client.post("/hooks/nobody/our-shopify", content=b"{}")).status_code == 404


@pytest.mark.parametrize("provider", SIGNED_BY_HEADER)
@pytest.mark.parametrize("body", [b"", b"[]", b"7", b'"x"', b"null", b"{}", b'{"id": {}}', b"[[1]]", b'[{"event": 1}]'])
async def test_a_signed_body_of_anything_else_is_taken_and_makes_no_event(provider: str, body: bytes) -> None:
    assert await status(provider, body, signed(provider, body)) == (200, 0)


@pytest.mark.parametrize("provider", SIGNED_BY_HEADER)
async def test_a_signed_body_that_cannot_be_read_is_set_aside(provider: str) -> None:
    body = b"{broken"

    assert await status(provider, body, signed(provider, body)) == (400, 1)


@pytest.mark.parametrize("provider", providers())
async def test_the_same_delivery_again_is_the_same_event(provider: str) -> None:
    log = MemoryLog()
    headers, body = with_signature(provider, EXAMPLES[provider].headers, EXAMPLES[provider].body)
    async with memory_client(log, sources=hook_sources()) as client:
        for _ in range(2):
            assert (
                await client.post(f"/hooks/{provider}/our-{provider}", content=body, headers=headers)
            ).status_code == 200

    records = [json.loads(one.value) for one in log.records if one.topic != DLQ]
    half = len(records) // 2
    assert half
    assert [(one["source"], one["id"], one["data"]) for one in records[:half]] == [
        (one["source"], one["id"], one["data"]) for one in records[half:]
    ]


def vectors() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text()) if VECTORS.is_file() else []
    return [one for one in found if one["provider"] in EXAMPLES]


@pytest.mark.skipif(not VECTORS.is_file(), reason="no vendors' vectors stand beside the checkout")
def test_what_the_vendors_own_libraries_verify_is_verified() -> None:
    checked = []
    received = arrival(1_782_900_000_000_000)
    for one in vectors():
        provider, raw = one["provider"], one["body"].encode()
        hook = Hook([str(one["secret"] or one["public_key"]).encode()], one["url"] or "")
        head = Head([(name.lower(), value) for name, value in one["headers"].items()])
        assert verified(provider, head, raw, hook=hook, received=received), provider
        assert not verified(provider, head, raw, hook=Hook([b"another"], hook.url), received=received)
        # A signature that stands in the body does not cover the rest of it.
        covered = provider in SIGNED_BY_HEADER
        assert verified(provider, head, raw + b" ", hook=hook, received=received) is not covered
        checked.append(provider)

    assert checked
