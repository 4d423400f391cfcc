from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.till.clock import ClockError
from services.till.command import main
from services.till.lines import Line, Unfit
from services.till.store import Backlog, open_store
from services.till.words import how_long, line

RUN = ["run", "--url", "https://ingest.example", "--store", "042"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    store = open_store(folder, store="042")
    bad = Unfit("invalid-line", "seq: must be …", b'{"text": "\x1b[2J"}')
    store.take([Line("3", "2026-03-01/1", b"d", b"{}"), bad], origin="a.ndjson", now=100.0)
    store.note({"clock_ahead_s": 93.2, "clock_within_s": 0.5, "trouble": "no answer", "asked_at": 100.0})
    store.close()
    return folder


def test_status_shows_the_backlog_and_the_clock_s_error(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--data", str(data)]) == 0
    told = capsys.readouterr().out

    assert "does not run" in told
    assert "waiting       1 lines" in told
    assert "set aside     1 lines" in told
    assert "93 s ahead (± 0.5 s): set it" in told
    assert "no answer" in told


def test_status_for_programs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--data", str(data)]) == 0
    told = json.loads(capsys.readouterr().out)

    assert {name: told[name] for name in ("running", "waiting", "waiting_bytes", "aside", "clock_ahead_s")} == {
        "running": False,
        "waiting": 1,
        "waiting_bytes": 2,
        "aside": 1,
        "clock_ahead_s": 93.2,
    }


def test_what_was_set_aside_is_listed_and_controls_no_terminal(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aside", "--data", str(data)]) == 0
    told = capsys.readouterr().out

    assert "a.ndjson" in told
    assert "invalid-line: seq: must be …" in told
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "--data", "nowhere"], "start one with run"),
        ([*RUN, "-"], "--till"),
        ([*RUN, "nowhere", "--till", "3"], "is no folder"),
    ],
)
def test_what_is_missing_is_told_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--url", "ingest.example"], "--url"),
        (["--url", "ftp://ingest.example"], "--url"),
        (["--url", "https://key@ingest.example"], "hold no key"),
        (["--till", "a b"], "--till"),
        (["--zone", "Nowhere/Land"], "Europe/Warsaw"),
        (["--zone", "+99:00"], "+01:00"),
        (["--limit-mib", "0"], "MiB"),
        (["--key", "secret"], "--key"),
    ],
)
def test_a_wrong_option_is_told_and_there_is_none_for_the_key(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*RUN, "-", *options])

    assert said in capsys.readouterr().err


def test_the_help_shows_how_to_run_it_for_good(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])

    told = capsys.readouterr().out
    assert "[Service]" in told
    assert "schtasks" in told


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (119, "119 s"), (600, "10 min"), (9000, "2 h"), (2e5, "2 d")]
)
def test_spans_are_told_roughly(seconds: float, words: str) -> None:
    assert how_long(seconds) == words


def test_the_line_on_the_terminal_says_what_matters() -> None:
    quiet = line(Backlog(0, 0, None), sent=9, aside=0, trouble="", clock=ClockError(0.3, 0.5), now=0)
    loud = line(Backlog(7, 70, 0.0), sent=9, aside=2, trouble="no answer", clock=ClockError(-93, 0.5), now=600.0)

    assert quiet == "0 waiting · 9 sent"
    assert loud == (
        "7 waiting (for up to 10 min) · 9 sent · 2 set aside · THE CLOCK IS 93 s behind: set it · no answer"
    )
