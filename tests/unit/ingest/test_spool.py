"""What is on the disk when the process is gone: everything that was acknowledged, and nothing twice without need."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import EVENTS
from services.infra.errors import ConfigurationError, UnavailableError
from services.infra.kafka import LogRecord
from services.ingest import spool as module
from services.ingest.spool import MAGIC, Spool
from tests.support.clocks import StandingSeconds
from tests.support.senders import PATIENT


def record(number: int, *, size: int = 20) -> LogRecord:
    return LogRecord(EVENTS, b"customer:c1", b"%06d" % number + b"x" * size, (("content-type", b"text"),))


def opened(folder: Path, *, bytes_max: int = 1 << 20, clock: Callable[[], float] | None = None) -> Spool:
    return Spool(folder, bytes_max=bytes_max, age_s_max=60, now_s=clock or StandingSeconds())


def drained(spool: Spool) -> list[LogRecord]:
    records: list[LogRecord] = []
    while (part := spool.next()) is not None:
        records += part.records
        spool.sent(part)
    return records


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


def test_records_come_back_in_their_order_and_their_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 500)
    monkeypatch.setattr(module, "BATCH_BYTES", 200)
    spool = opened(tmp_path)
    for number in range(0, 40, 2):
        spool.append([record(number), record(number + 1)])

    files, held = len(segments(tmp_path)), spool.held_bytes
    assert drained(spool) == [record(number) for number in range(40)]

    assert files > 3
    assert held > 0
    assert (segments(tmp_path), spool.held_bytes, spool.oldest_at_s, spool.age_s) == ([], 0, None, 0.0)


def test_another_process_finds_what_one_that_died_has_acknowledged(tmp_path: Path) -> None:
    died = opened(tmp_path)
    died.append([record(1), record(2)])
    os.close(died._lock)  # as its end does

    assert drained(opened(tmp_path)) == [record(1), record(2)]


def test_what_was_sent_before_a_death_comes_again_and_nothing_is_missing(tmp_path: Path) -> None:
    died = opened(tmp_path)
    died.append([record(1)])
    part = died.next()
    assert part is not None
    died.sent(part)
    died.append([record(2)])
    os.close(died._lock)

    assert set(drained(opened(tmp_path))) >= {record(2)}


def test_new_records_go_on_beside_those_that_are_being_sent(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([record(1)])
    part = spool.next()
    spool.append([record(2)])
    assert part is not None
    spool.sent(part)

    assert drained(spool) == [record(2)]


@PATIENT
@given(cut=st.integers(1, 200), junk=st.binary(max_size=40))
def test_a_torn_tail_is_cut_off_and_what_stands_before_it_stays(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    died = opened(folder)
    died.append([record(number) for number in range(5)])
    whole = died.held_bytes
    died.append([record(9)])
    os.close(died._lock)
    (file,) = segments(folder)
    file.write_bytes(file.read_bytes()[: max(whole, died.held_bytes - cut)] + junk)

    spool = opened(folder)
    spool.append([record(10)])

    found = drained(spool)
    assert [one for one in found if one != record(9)] == [*(record(number) for number in range(5)), record(10)]
    assert list(folder.glob("*.damaged")) == []


@PATIENT
@given(at=st.integers(0, 10_000), bits=st.integers(1, 255))
def test_damage_in_the_middle_costs_one_record_which_is_kept_beside(
    tmp_path_factory: pytest.TempPathFactory, at: int, bits: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    died = opened(folder)
    died.append([record(number) for number in range(6)])
    os.close(died._lock)
    (file,) = segments(folder)
    data = bytearray(file.read_bytes())
    each = len(data) // 6
    at %= each * 5
    data[at] ^= bits
    file.write_bytes(data)
    asides: list[str] = []

    spool = Spool(
        folder, bytes_max=1 << 20, age_s_max=60, now_s=StandingSeconds(), on_set_aside=lambda: asides.append("one")
    )
    found = drained(spool)

    assert found == [record(number) for number in range(6) if number != at // each]
    (damaged,) = folder.glob("*.damaged")
    assert damaged.read_bytes() == bytes(data[at // each * each : (at // each + 1) * each])
    assert asides == ["one"]


def test_a_full_spool_and_one_that_is_too_old_take_nothing_more(tmp_path: Path) -> None:
    clock = StandingSeconds()
    spool = opened(tmp_path, bytes_max=400, clock=clock)
    spool.append([record(1)])

    with pytest.raises(UnavailableError, match="full"):
        spool.append([record(number) for number in range(2, 12)])
    assert spool.refusal() is None
    clock.at += 61
    with pytest.raises(UnavailableError, match="too old"):
        spool.append([record(3)])

    assert drained(spool) == [record(1)]
    spool.append([record(4)])
    assert drained(spool) == [record(4)]


def test_a_full_disk_keeps_nothing_of_what_was_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path)
    spool.append([record(1)])
    write = os.write

    def half(file: int, data: bytes) -> int:
        if len(data) > 50:
            return write(file, bytes(data)[:50])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(UnavailableError, match="No space left"):
        spool.append([record(2)])
    monkeypatch.setattr(os, "write", write)
    spool.append([record(3)])

    assert drained(spool) == [record(1), record(3)]
    assert list(tmp_path.glob("*.damaged")) == []


def test_a_disk_that_failed_is_trusted_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(tmp_path)

    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(UnavailableError, match="Input/output"):
        spool.append([record(1)])
    monkeypatch.undo()

    with pytest.raises(UnavailableError, match="disk failed"):
        spool.append([record(2)])
    assert spool.refusal() is not None


def test_what_is_acknowledged_is_on_the_disk_and_not_only_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk: dict[int, int] = {}
    sync = os.fdatasync

    def synced(file: int) -> None:
        sync(file)
        on_disk[os.fstat(file).st_ino] = os.fstat(file).st_size

    monkeypatch.setattr(os, "fdatasync", synced)
    spool = opened(tmp_path)
    for number in range(3):
        spool.append([record(number)])

        # A power cut at this moment leaves of a file what was synced.
        (file,) = segments(tmp_path)
        assert on_disk.get(file.stat().st_ino) == file.stat().st_size


def test_two_processes_cannot_have_one_folder(tmp_path: Path) -> None:
    first = opened(tmp_path)

    with pytest.raises(ConfigurationError, match="another process uses it"):
        opened(tmp_path)
    first.close()
    opened(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_refused_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="TACTUS_INGEST__SPOOL"):
        opened(tmp_path / "file" / "spool")


def test_a_magic_word_inside_of_a_record_is_no_beginning(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    odd = LogRecord(EVENTS, None, MAGIC * 20)
    spool.append([odd, record(2)])

    assert drained(spool) == [odd, record(2)]
