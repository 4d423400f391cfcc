"""How many values a text holds, counted without reading it."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import values
from services.ingest.slices import Slices
from services.ingest.values import WINDOW_BYTES

JSON = st.recursive(
    st.none() | st.integers() | st.text(alphabet='a,[{"\\\u00e9', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(alphabet='a,[{"\\', max_size=4), inner, max_size=5)
    ),
    max_leaves=30,
)


def holds_more_values(text: bytes, *, than: int) -> bool:
    return asyncio.run(values.holds_more_values(text, than=than, slices=Slices()))


def count(value: object) -> int:
    """Values as the counting has them: an empty list has room for one."""
    if isinstance(value, dict):
        return 1 + max(1, sum(map(count, value.values())))
    if isinstance(value, list):
        return 1 + max(1, sum(map(count, value)))
    return 1


@given(JSON, st.integers(0, 40))
def test_values_are_counted_outside_of_strings(value: object, than: int) -> None:
    assert holds_more_values(json.dumps(value).encode(), than=than) == (count(value) > than)


def test_a_string_across_windows_is_one_value() -> None:
    text = json.dumps(["," * (WINDOW_BYTES - 4), "\\" * WINDOW_BYTES, ',"[' * WINDOW_BYTES]).encode()

    assert not holds_more_values(text, than=5)
    assert holds_more_values(b"[" + b"1," * WINDOW_BYTES + b"1]", than=WINDOW_BYTES)


async def test_others_run_while_a_long_text_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.slices.SLICE_S", 0.0)
    text = json.dumps(["," * (8 * WINDOW_BYTES)]).encode()
    counting = asyncio.create_task(values.holds_more_values(text, than=10, slices=Slices()))

    turns = 0
    while not counting.done():
        await asyncio.sleep(0)
        turns += 1

    assert not counting.result()
    assert turns > 8
