"""Bad input to every channel: what is answered, what is kept, and what is set aside."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from schemas.topics import DLQ
from tests.support.clocks import NOON
from tests.support.corpus import FOLDER, KEYS
from tests.support.doors import memory_client
from tests.support.hooks import hook_sources, signed
from tests.support.memory_log import MemoryLog
from tests.support.senders import SOURCES

ROWS = [json.loads(line) for line in (FOLDER / "channels.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
async def test_the_answer_and_what_is_kept_are_the_corpus_ones(row: dict[str, Any]) -> None:
    log = MemoryLog()
    text = row["text"] if "text" in row else json.dumps(row["body"])
    body, path = with_keys(text).encode(), with_keys(row["path"])
    headers = {"content-type": "application/json", **_with_keys_of(row.get("headers", {}))}
    if row["key"] is not None:
        headers["authorization"] = f"Bearer {KEYS[row['key']]}"
    if "signed" in row:
        at = NOON - timedelta(seconds=row.get("signed_s_ago", 0))
        headers |= signed(row["signed"], body, timestamp=str(int(at.timestamp())))

    sources = hook_sources() if path.startswith("/hooks/") else SOURCES
    async with memory_client(log, sources=sources) as client:
        answer = await client.request(row.get("method", "POST"), path, content=body, headers=headers)

    assert answer.status_code == row["status"], answer.text
    if row["problem"] is not None:
        assert answer.json()["type"] == f"urn:tactus:problem:{row['problem']}"
    kept = [json.loads(one.value)["data"]["touchpoint"] for one in log.records if one.topic != DLQ]
    assert len(kept) == len(row["kept"])
    assert all(touchpoint.startswith(name) for touchpoint, name in zip(kept, row["kept"], strict=True))
    letters = [dict(one.headers) for one in log.records if one.topic == DLQ]
    assert [letter["reason"].decode() for letter in letters] == row["letters"]
    # Whoever sends it again must know which channel reads it, and where; the key that stood in the query is nowhere.
    assert all(path.startswith(letter["path"].decode()) for letter in letters)
    assert all(b"?" not in letter["path"] and letter["channel"] for letter in letters)


def _with_keys_of(headers: dict[str, str]) -> dict[str, str]:
    return {name: with_keys(value) for name, value in headers.items()}


def with_keys(text: str) -> str:
    """Put keys, and what is too long to be read here, in place of their names in braces."""
    for name, key in {**KEYS, "10 kB": "a" * 10_000}.items():
        text = text.replace(f"{{{name}}}", key)
    return text


def test_every_row_has_its_own_name() -> None:
    assert len({row["name"] for row in ROWS}) == len(ROWS)
