"""Where the elements of a list are, whatever they hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.elements import WINDOW_BYTES, elements_of
from tests.support.senders import PATIENT

VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='"\\[]{},:a', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='"\\]},', max_size=3), inner),
    max_leaves=8,
)
BLANK = st.text(alphabet=" \t\r\n", max_size=3).map(str.encode)


def listed(elements: list[bytes], blank: bytes = b"") -> bytes:
    return blank + b"[" + (blank + b"," + blank).join(elements) + blank + b"]" + blank


@PATIENT
@given(st.lists(VALUES, max_size=6), BLANK)
def test_each_element_is_found_as_it_was_written(values: list[object], blank: bytes) -> None:
    elements = [json.dumps(value).encode() for value in values]

    assert elements_of(listed(elements, blank), count_max=10) == elements


@PATIENT
@given(st.integers(WINDOW_BYTES - 40, WINDOW_BYTES + 5), VALUES)
def test_an_element_across_two_windows_is_whole(padding: int, value: object) -> None:
    elements = [b'"' + b"x" * padding + b'"', json.dumps(value).encode(), b'"\\\\\\""', b"[{}]"]

    assert elements_of(listed(elements), count_max=10) == elements


@pytest.mark.parametrize(
    "unreadable",
    [rb'"\ud83d"', b"1e400", b"NaN", b"01", b"{'a':1}", b'{"a":1,}', b'"\xff"', b'"\x00"', b"[}", b"1 2", b"[" * 99 + b"]" * 99],
    ids=repr,
)  # fmt: skip
def test_one_that_nobody_can_read_spares_its_neighbours(unreadable: bytes) -> None:
    assert elements_of(listed([b"1", unreadable, b'{"a": 2}']), count_max=10) == [b"1", unreadable, b'{"a": 2}']


@pytest.mark.parametrize("body", [b"[", b"[1", b'["]', b"[1,]", b"[,1]", b"[1,,2]", b"[,]", b"[1]]", b"[1] x", b"[1}"])
def test_a_broken_list_has_no_elements(body: bytes) -> None:
    assert elements_of(body, count_max=10) is None


def test_no_more_are_found_than_one_too_many() -> None:
    found = elements_of(listed([b"1"] * (2 * WINDOW_BYTES)), count_max=10)

    assert found is not None
    assert len(found) > 10
    assert elements_of(listed([b"1"] * 10), count_max=10) == [b"1"] * 10


@PATIENT
@given(st.binary(max_size=200))
def test_random_bytes_never_crash_the_search(body: bytes) -> None:
    elements_of(b"[" + body, count_max=10)
