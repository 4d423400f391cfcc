"""What a sender may make us hold."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.limits import BODY_BYTES_MAX, DEPTH_MAX, INFLATED_BYTES_MAX
from services.infra.http.problems import Refused
from services.ingest import limits
from services.ingest.limits import (
    BUSY,
    DROPPED_BYTES_MAX,
    TOO_LARGE,
    Budget,
    Share,
    nests_too_deep,
    read_body,
)
from services.ingest.slices import Slices
from tests.support.senders import PATIENT

PLENTY = 64 * 1024 * 1024


class Sender:
    """Sends pieces and remembers how much was taken from it."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.sent_bytes = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.sent_bytes += len(piece)
            yield piece


def inflate(body: bytes, *, share: Share) -> bytes | Refused:
    return asyncio.run(limits.inflate(body, share=share, slices=Slices()))


def slug(outcome: bytes | Refused) -> str:
    return outcome.slug if isinstance(outcome, Refused) else "taken"


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    whole = b"x" * BODY_BYTES_MAX
    with Budget(PLENTY).share() as share:
        taken = await read_body(Sender([whole[:1000], whole[1000:]]), announced=None, waits=False, share=share)

    assert taken == whole


async def test_a_body_one_byte_over_the_limit_is_refused_whether_or_not_it_is_announced() -> None:
    for announced in (None, str(BODY_BYTES_MAX + 1)):
        with Budget(PLENTY).share() as share:
            outcome = await read_body(
                Sender([b"x" * BODY_BYTES_MAX, b"x"]), announced=announced, waits=False, share=share
            )
        assert outcome == TOO_LARGE


async def test_a_sender_that_waits_for_a_word_is_refused_before_it_sends() -> None:
    sender = Sender([b"x" * BODY_BYTES_MAX] * 2)
    with Budget(PLENTY).share() as share:
        outcome = await read_body(sender, announced="9" * 5000, waits=True, share=share)

    assert (outcome, sender.sent_bytes) == (TOO_LARGE, 0)


async def test_an_endless_body_is_cut_off_and_holds_no_memory() -> None:
    def endless() -> Iterable[bytes]:
        while True:
            yield b"x" * 65_536

    sender = Sender(endless())
    budget = Budget(PLENTY)
    with budget.share() as share:
        outcome = await read_body(sender, announced=None, waits=False, share=share)
        held = share.held_bytes

    assert outcome == TOO_LARGE
    assert held <= BODY_BYTES_MAX
    assert sender.sent_bytes <= DROPPED_BYTES_MAX + BODY_BYTES_MAX + 65_536


async def test_bodies_together_never_pass_the_budget_and_give_it_back() -> None:
    budget = Budget(1000)
    with budget.share() as first:
        assert await read_body(Sender([b"x" * 900]), announced=None, waits=False, share=first) == b"x" * 900
        with budget.share() as second:
            assert await read_body(Sender([b"x" * 101]), announced=None, waits=False, share=second) == BUSY
        assert budget.held_bytes == 900

    assert budget.held_bytes == 0


@PATIENT
@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=5))
def test_gzip_of_several_members_inflates_to_their_joined_text(parts: list[bytes]) -> None:
    with Budget(PLENTY).share() as share:
        assert inflate(b"".join(gzip.compress(part) for part in parts), share=share) == b"".join(parts)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(gzip.compress(b"\0" * 12_000_000), "body-too-large", id="bomb"),
        pytest.param(gzip.compress(b"\0" * 500_000), "body-too-large", id="ratio"),
        pytest.param(gzip.compress(b"") * 10_000, "body-too-large", id="members"),
        pytest.param(gzip.compress(b"hello")[:-5], "malformed-encoding", id="cut-off"),
        pytest.param(gzip.compress(b"hello") + b"junk", "malformed-encoding", id="junk-behind"),
        pytest.param(gzip.compress(b"hello")[:-8] + b"\0" * 8, "malformed-encoding", id="wrong-checksum"),
        pytest.param(zlib.compress(b"hello"), "malformed-encoding", id="deflate"),
        pytest.param(b"", "malformed-encoding", id="empty"),
        pytest.param(b"{}", "malformed-encoding", id="plain"),
    ],
)
def test_what_is_no_fair_gzip_is_refused(body: bytes, expected: str) -> None:
    with Budget(PLENTY).share() as share:
        assert slug(inflate(body, share=share)) == expected


def test_inflating_never_holds_more_than_the_limits() -> None:
    budget = Budget(PLENTY)
    with budget.share() as share:
        inflate(gzip.compress(b"\0" * 12_000_000), share=share)
        assert share.held_bytes <= INFLATED_BYTES_MAX


@PATIENT
@given(st.binary(max_size=300))
def test_random_bytes_never_crash_inflating(body: bytes) -> None:
    with Budget(PLENTY).share() as share:
        inflate(body, share=share)
        inflate(b"\x1f\x8b\x08\0" + body, share=share)


def depth_of(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case _:
            return 0


def nested(depth: int) -> object:
    value: object = '[{"'
    for level in range(depth):
        value = [value, {}] if level % 2 else {'a"]': value, "b": [[]] if level else 1}
    return value


@PATIENT
@given(st.integers(1, 40))
def test_the_scan_counts_the_depth_that_the_parser_would_meet(depth: int) -> None:
    value = nested(depth)

    assert nests_too_deep(json.dumps(value).encode()) is (depth_of(value) > DEPTH_MAX)


@PATIENT
@given(
    st.recursive(
        st.text(alphabet='"\\[]{}a', max_size=5) | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='"\\[]{', max_size=3), inner, max_size=3)
        ),
        max_leaves=30,
    ),
    st.integers(0, 5),
)
def test_brackets_and_quotes_inside_strings_count_for_nothing(value: object, depth_max: int) -> None:
    text = json.dumps(value).encode()

    assert nests_too_deep(text, depth_max=depth_max) is (depth_of(value) > depth_max)


@pytest.mark.parametrize("text", [b"[" * 1_000_000, b"{" * 32_768, b'{"a":' * 100], ids=["lists", "objects", "names"])
def test_brackets_that_never_close_are_too_deep(text: bytes) -> None:
    assert nests_too_deep(text)


@PATIENT
@given(st.text(alphabet='[]{}"\\a', max_size=200))
def test_unbalanced_text_never_crashes_the_scan(text: str) -> None:
    nests_too_deep(text.encode())


@pytest.mark.parametrize("end", [b"", b"\\", b"x"], ids=repr)
def test_a_text_that_never_ends_is_walked_once(end: bytes) -> None:
    # Half a million beginnings, each tried to the end, would take an hour.
    assert nests_too_deep(b"{" * 17 + b'"' + b'\\"' * 500_000 + end)
