from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.till import store as module
from services.till.lines import Line, Unfit
from services.till.store import FILE, Place, Store, StoreError, StoreFullError, Taken, held, open_store, open_to_look

LIMITS = {"lines_max": 500, "bytes_max": 1024 * 1024}


def line(number: int, *, till: str = "3", digest: bytes = b"d", body: bytes = b"{}") -> Line:
    return Line(till, f"2026-03-01/{number}", digest, body)


def take(store: Store, *read: Line | Unfit, place: Place | None = None) -> Taken:
    return store.take(read, origin="a test", now=100.0, place=place)


def numbers(store: Store, **limits: int) -> list[int]:
    return [int(one.key.rpartition("/")[2]) for one in store.batch(**{**LIMITS, **limits})]


def test_lines_wait_in_the_order_in_which_they_came(store: Store) -> None:
    taken = take(store, line(9), line(4), line(7))

    assert taken == Taken(fresh=3)
    assert numbers(store) == [9, 4, 7]
    assert store.backlog() == (3, 6, 100.0)


def test_a_line_is_kept_once_whether_it_waits_or_was_sent(store: Store) -> None:
    take(store, line(1), line(2))
    store.settle(store.batch(lines_max=1, bytes_max=1), [], now=200.0)

    taken = take(store, line(1), line(2), line(3))

    assert taken == Taken(fresh=1, known=2)
    assert numbers(store) == [2, 3]
    assert store.fact("sent") == 1


def test_the_same_number_with_something_else_is_set_aside_and_the_first_holds(store: Store) -> None:
    take(store, line(1, body=b"first"))

    taken = take(store, line(1, digest=b"other", body=b"second"))

    assert taken == Taken(aside=1)
    (aside,) = store.aside()
    assert (aside.reason, aside.text) == ("said-before", b"second")
    assert [one.body for one in store.batch(**LIMITS)] == [b"first"]


def test_numbers_of_two_tills_are_two_lines_in_two_batches(store: Store) -> None:
    take(store, line(1), line(1, till="4"), line(2))

    first = store.batch(**LIMITS)
    store.settle(first, [], now=0)
    second = store.batch(**LIMITS)

    assert [one.till for one in first + second] == ["3", "4"]


def test_a_batch_keeps_to_its_limits_and_has_one_line_at_least(store: Store) -> None:
    take(store, *[line(number, body=b"x" * 100) for number in range(10)])

    assert numbers(store, lines_max=4) == [0, 1, 2, 3]
    assert numbers(store, bytes_max=303) == [0, 1, 2]
    assert numbers(store, bytes_max=1) == [0]


def test_a_rejected_line_is_set_aside_with_its_reason_and_may_come_again_mended(store: Store) -> None:
    take(store, line(1, body=b"bad"), line(2))
    first, second = store.batch(**LIMITS)

    store.settle([second], [(first, "invalid-event", "type: must be …")], now=300.0)

    (aside,) = store.aside()
    assert (aside.reason, aside.detail, aside.text) == ("invalid-event", "type: must be …", b"bad")
    assert store.backlog() == (0, 0, None)
    assert take(store, line(1, body=b"good")) == Taken(fresh=1)


def test_what_is_read_again_is_set_aside_once_and_the_oldest_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASIDE_LINES_MAX", 3)
    for number in range(5):
        for _ in range(2):
            take(store, Unfit("malformed-json", "…", b"%d" % number))

    assert [one.text for one in store.aside()] == [b"2", b"3", b"4"]
    assert store.aside_count() == 5


def test_keys_of_sent_lines_are_remembered_for_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN_LINES_MAX", 5)
    take(store, *[line(number) for number in range(10)])
    store.settle(store.batch(**LIMITS), [], now=0)

    assert take(store, *[line(number) for number in range(10)]) == Taken(fresh=5, known=5)


def test_lines_and_the_place_of_their_file_are_kept_together_or_not_at_all(store: Store) -> None:
    place = Place("a.ndjson", 40, 40, 1, b"head")
    with pytest.raises(AttributeError):
        take(store, line(1), None, place=place)  # type: ignore[arg-type]  # what fails in the middle

    assert store.place("a.ndjson") is None
    assert store.backlog().lines == 0
    take(store, line(1), place=place)
    assert store.place("a.ndjson") == place


def test_places_of_files_that_are_gone_are_forgotten(store: Store) -> None:
    take(store, place=Place("a", 1, 2, 1, b""))
    take(store, place=Place("b", 1, 1, 1, b""))

    assert [one.name for one in store.unended()] == ["a"]
    store.forget_files(["b"])

    assert store.place("a") is None
    assert store.place("b") is not None


def test_every_commit_is_on_the_disk_before_it_is_told(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, store="042")) as opened:
        connection = opened._connection
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()

    assert (mode, synchronous) == ("wal", 2)


def test_a_full_disk_is_told_and_loses_nothing(store: Store) -> None:
    take(store, line(1))
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StoreFullError, match="make room"):
        take(store, *[line(number, body=b"x" * 5000) for number in range(2, 100)])

    assert numbers(store) == [1]


def test_another_store_s_folder_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path, store="042").close()

    with pytest.raises(StoreError, match="holds the lines of store 042"):
        open_store(tmp_path, store="043")


def test_a_later_version_s_folder_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path, store="042").close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(StoreError, match="another version"):
        open_store(tmp_path, store="042")


def test_a_damaged_file_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)

    with pytest.raises(StoreError, match="move its folder away"):
        open_store(tmp_path, store="042")


def test_a_folder_has_one_agent_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(StoreError, match="another agent"), held(tmp_path, wait_s=0):
        pass

    with held(tmp_path, wait_s=0):
        pass


def test_where_no_agent_ran_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="--data"):
        open_to_look(tmp_path)
