from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.till import folder as module
from services.till.folder import Folder
from services.till.lines import Reading
from services.till.store import Store, open_store

READING = Reading("3", None, "2026-03-02T08:00:00+00:00")


class Till:
    """Writes into a folder, and looks what the agent has of it."""

    def __init__(self, path: Path, store: Store) -> None:
        self.path = path
        self.store = store
        self.taker = Folder(path, store, name="042", reading=lambda: READING, wall_s=lambda: 100.0)

    def add(self, name: str, text: bytes) -> None:
        with (self.path / name).open("ab") as file:
            file.write(text)

    def take(self) -> list[int]:
        """Take what is there, and return the numbers of all lines so far."""
        assert self.taker.take(lambda: True)
        return [int(one.key.split("/")[1]) for one in self.store.batch(lines_max=10_000, bytes_max=10**9)]


@pytest.fixture
def till(tmp_path: Path, store: Store) -> Till:
    (tmp_path / "in").mkdir()
    return Till(tmp_path / "in", store)


def line(number: int) -> bytes:
    return json.dumps({"seq": number, "day": "2026-03-01"}).encode() + b"\n"


def document(*numbers: int, end: bytes = b"</POSLog>") -> bytes:
    transactions = "".join(
        f"<Transaction><RetailStoreID>042</RetailStoreID><WorkstationID>3</WorkstationID><SequenceNumber>{number}"
        "</SequenceNumber><BusinessDayDate>2026-03-01</BusinessDayDate><RetailTransaction/></Transaction>"
        for number in numbers
    )
    return f"<POSLog>{transactions}".encode() + end


def test_a_file_that_grows_is_taken_from_where_it_ended(till: Till) -> None:
    till.add("a.ndjson", line(1) + line(2))
    assert till.take() == [1, 2]

    till.add("a.ndjson", line(3))

    assert till.take() == [1, 2, 3]
    assert till.store.place("a.ndjson")[1] == len(line(1)) * 3  # type: ignore[index]  # it is there


def test_a_torn_line_waits_for_its_end(till: Till) -> None:
    till.add("a.ndjson", line(1) + line(2)[:-5])
    assert till.take() == [1]
    assert [one.name for one in till.store.unended()] == ["a.ndjson"]

    till.add("a.ndjson", line(2)[-5:])

    assert till.take() == [1, 2]
    assert till.store.unended() == []


def test_a_last_line_is_whole_without_a_newline(till: Till) -> None:
    till.add("a.ndjson", line(1) + line(2).strip())
    assert till.take() == [1, 2]

    till.add("a.ndjson", b"\r\n" + line(3))

    assert till.take() == [1, 2, 3]
    assert till.store.aside() == []


def test_a_line_that_never_ended_is_set_aside_when_the_next_one_stands_behind_it(till: Till) -> None:
    till.add("a.ndjson", line(1)[:9] + line(2) + line(3))

    assert till.take() == [3]
    assert [one.reason for one in till.store.aside()] == ["malformed-json"]


def test_a_file_of_the_same_name_with_something_else_is_taken_from_its_beginning(till: Till) -> None:
    till.add("a.ndjson", line(1) + line(2))
    till.take()
    (till.path / "a.ndjson").unlink()

    till.add("a.ndjson", line(3) + line(4) + line(5))

    assert till.take() == [1, 2, 3, 4, 5]


def test_a_file_that_is_moved_aside_counts_once(till: Till) -> None:
    till.add("a.ndjson", line(1))
    till.take()
    (till.path / "a.ndjson").rename(till.path / "a.ndjson.1")
    till.add("a.ndjson", line(2))

    assert till.take() == [1, 2]


def test_files_are_taken_in_the_order_of_their_last_change(till: Till) -> None:
    for name, number in (("c", 1), ("a", 2), ("b", 3)):
        till.add(name, line(number))
        os.utime(till.path / name, ns=(number, number))

    assert till.take() == [1, 2, 3]


def test_what_is_about_to_be_renamed_and_folders_are_left_alone(till: Till) -> None:
    for name in (".a", "b.tmp", "c.part", "d~"):
        till.add(name, line(1))
    (till.path / "e").mkdir()

    assert till.take() == []


def test_a_mark_at_the_beginning_and_windows_ends_of_lines_are_no_fault(till: Till) -> None:
    till.add("a.ndjson", b"\xef\xbb\xbf" + line(1).replace(b"\n", b"\r\n") + b"\r\n" + line(2))

    assert till.take() == [1, 2]
    assert till.store.aside() == []


def test_a_line_without_end_is_told_and_passed_over(till: Till) -> None:
    till.add("a.ndjson", line(1) + b"x" * 300_000 + b"\n" + line(2))

    assert till.take() == [1, 2]
    assert [one.reason for one in till.store.aside()] == ["too-large"]


def test_a_document_is_taken_once_and_again_only_when_it_changed(till: Till) -> None:
    till.add("a.xml", document(1, 2))
    assert till.take() == [1, 2]
    opened = till.store.place("a.xml")

    assert till.take() == [1, 2]
    assert till.store.place("a.xml") == opened


def test_of_a_document_that_is_cut_off_the_whole_transactions_are_taken_and_the_rest_when_it_is_there(
    till: Till,
) -> None:
    whole = document(1, 2, 3)
    till.add("a.xml", whole[:-60])
    assert till.take() == [1, 2]
    assert [one.name for one in till.store.unended()] == ["a.xml"]

    till.add("a.xml", whole[-60:])

    assert till.take() == [1, 2, 3]
    assert till.store.aside() == []


@pytest.mark.parametrize(
    ("text", "reason", "said"),
    [
        (document(1, end=b"</Other>"), "malformed-xml", "mismatched"),
        (b'<!DOCTYPE POSLog [<!ENTITY a "b">]>' + document(1), "malformed-xml", "DTD"),
        (b"<html></html>", "malformed-xml", "html"),
        (b"\x1f\x8b\x08\x00", "packed", "unpack"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_once_and_blocks_no_other(
    till: Till, text: bytes, reason: str, said: str
) -> None:
    till.add("a.xml", text)
    till.add("b.ndjson", line(7))

    assert till.take()[-1] == 7
    till.take()
    (aside,) = till.store.aside()
    assert aside.reason == reason
    assert said in aside.detail


def test_documents_in_other_encodings_are_read(till: Till) -> None:
    text = document(1).decode()
    (till.path / "a.xml").write_bytes(('<?xml version="1.0" encoding="utf-16"?>' + text).encode("utf-16"))
    (till.path / "b.xml").write_bytes(('<?xml version="1.0" encoding="windows-1250"?>' + text).encode("cp1250"))

    assert till.take() == [1]
    assert till.store.aside() == []


def test_a_document_that_is_too_large_is_told(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "XML_BYTES_MAX", 100)
    till.add("a.xml", document(1))

    assert till.take() == []
    assert [one.reason for one in till.store.aside()] == ["too-large"]


def test_without_room_files_stay_where_they_are(till: Till) -> None:
    till.add("a.ndjson", line(1))
    till.add("b.ndjson", line(2))
    rooms = iter([True, False])

    assert not till.taker.take(lambda: next(rooms))
    assert till.store.backlog().lines == 1

    assert till.take() == [1, 2]


@given(st.lists(st.integers(min_value=0, max_value=400), max_size=12), st.integers(min_value=0, max_value=12))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_a_file_grows_each_line_is_taken_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], spoilt: int
) -> None:
    folder = tmp_path_factory.mktemp("grows")
    (folder / "in").mkdir()
    texts = [line(number) if number != spoilt else b"{spoilt\n" for number in range(12)]
    whole = b"".join(texts)
    till = Till(folder / "in", open_store(folder / "data", store="042"))
    ends = [*sorted(min(cut, len(whole)) for cut in cuts), len(whole)]

    begun = 0
    for end in ends:
        till.add("a.ndjson", whole[begun:end])
        till.take()
        begun = end

    assert till.take() == [number for number in range(12) if number != spoilt]
    till.store.close()
