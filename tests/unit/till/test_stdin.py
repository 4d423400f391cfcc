from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from services.till.lines import Reading
from services.till.stdin import Stdin
from services.till.store import Store, StoreFullError

READING = Reading("3", None, "2026-03-02T08:00:00+00:00")


class Pipe:
    """Standard input, as somebody writes to it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reads, self.writes = os.pipe()
        self.kept: list[int] = []
        self.stdin = Stdin(self.reads, store, reading=lambda: READING, wall_s=lambda: 100.0, kept=self.kept.append)

    def says(self, text: bytes) -> None:
        os.write(self.writes, text)
        assert self.stdin.take()

    def numbers(self) -> list[int]:
        return [int(one.key.split("/")[1]) for one in self.store.batch(lines_max=500, bytes_max=10**6)]


@pytest.fixture
def pipe(store: Store) -> Iterator[Pipe]:
    opened = Pipe(store)
    yield opened
    for descriptor in (opened.reads, opened.writes):
        try:
            os.close(descriptor)
        except OSError:
            pass


def line(number: int) -> bytes:
    return json.dumps({"seq": number, "day": "2026-03-01"}).encode() + b"\n"


def test_what_was_read_is_kept_before_more_is_read_and_then_acknowledged(pipe: Pipe) -> None:
    pipe.says(line(1) + line(2) + line(3)[:7])
    assert (pipe.numbers(), pipe.kept) == ([1, 2], [2])

    pipe.says(line(3)[7:])

    assert (pipe.numbers(), pipe.kept) == ([1, 2, 3], [2, 3])


def test_the_end_of_input_takes_a_whole_line_and_sets_a_torn_one_aside(pipe: Pipe) -> None:
    pipe.says(line(1).strip())
    pipe.stdin.end()
    pipe.says(line(2)[:9])
    os.close(pipe.writes)

    assert not pipe.stdin.take()
    pipe.stdin.end()

    assert pipe.numbers() == [1]
    assert [(one.reason, one.text) for one in pipe.store.aside()] == [("cut-off", line(2)[:9].strip())]


def test_bad_lines_are_set_aside_and_counted_as_kept(pipe: Pipe) -> None:
    pipe.says(line(1) + b"\n{bad\n" + line(2))

    assert (pipe.numbers(), pipe.kept) == ([1, 2], [4])
    assert [one.reason for one in pipe.store.aside()] == ["malformed-json"]


def test_a_line_without_end_takes_no_memory_and_is_told_once(pipe: Pipe) -> None:
    for _ in range(20):
        pipe.says(b"x" * 20_000)
    pipe.says(b"y\n" + line(1))

    assert pipe.numbers() == [1]
    assert [one.reason for one in pipe.store.aside()] == ["too-large"]


def test_what_was_read_when_the_disk_was_full_is_kept_when_there_is_room(pipe: Pipe) -> None:
    (pages,) = pipe.store._connection.execute("PRAGMA page_count").fetchone()
    pipe.store._connection.execute(f"PRAGMA max_page_count = {pages}")
    lines = b"".join(line(number) for number in range(400))
    with pytest.raises(StoreFullError):
        pipe.says(lines)
    with pytest.raises(StoreFullError):
        pipe.stdin.take()
    assert (pipe.numbers(), pipe.kept) == ([], [])
    pipe.store._connection.execute("PRAGMA max_page_count = 100000")

    pipe.stdin.take()

    assert pipe.numbers() == list(range(400))
    assert pipe.kept == [400]
