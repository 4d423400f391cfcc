"""`tactus send`: arguments and files become events; the door judges them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.client.events import Outgoing
from services.commands.send import WARNINGS_MAX, Described, events_of, warnings
from services.infra.errors import ConfigurationError, InvalidEventError


def sent(what: Described | Path | None) -> list[dict[str, Any]]:
    return [json.loads(event.encoded) for event in events_of(what)]


def test_arguments_become_an_event_with_an_id_and_a_time() -> None:
    described = Described(
        touchpoint="call.answered", customer="c-1", properties=["wait_seconds=420", "queue=billing", "vip=true"]
    )

    (event,) = sent(described)

    assert len(event["id"]) == 36
    assert event["time"].endswith("Z")
    assert event["data"] == {
        "touchpoint": "call.answered",
        "identities": [{"kind": "customer", "value": "c-1"}],
        "properties": {"wait_seconds": 420, "queue": "billing", "vip": True},
    }


@pytest.mark.parametrize(("text", "rating"), [("4", {"value": 4.0}), ("csat5=4", {"scale": "csat5", "value": 4.0})])
def test_a_rating_may_name_its_scale(text: str, rating: dict[str, object]) -> None:
    (event,) = sent(Described(touchpoint="survey.csat", customer="email:a@b.example", rating=text))

    assert event["data"]["rating"] == rating
    assert event["data"]["identities"] == [{"kind": "email", "value": "a@b.example"}]


@pytest.mark.parametrize(
    ("described", "fix"),
    [
        (Described(touchpoint="survey.csat", customer="c", rating="good"), "scale=number"),
        (Described(touchpoint="survey.csat", customer="c", properties=["wait"]), "name=value"),
        (Described(touchpoint="survey.csat", customer="c", properties=["=1"]), "name=value"),
    ],
)
def test_a_wrong_argument_is_told_how_to_write_it(described: Described, fix: str) -> None:
    with pytest.raises(InvalidEventError, match=fix):
        events_of(described)


@pytest.mark.parametrize("text", ['{"id": "1"}', '[{"id": "1"}]', '{"id": "1"}\n\n', '\n{"id":\n"1"}\n'])
def test_a_file_holds_an_event_a_list_or_one_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events.json"
    path.write_text(text)

    assert [event["id"] for event in sent(path)] == ["1"]


@pytest.mark.parametrize("text", ["", "\n\n", "[]"])
def test_a_file_without_an_event_is_no_success(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events.json"
    path.write_text(text)

    with pytest.raises(InvalidEventError, match="holds no event"):
        events_of(path)


def test_what_a_file_says_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text('{"id": "a", "time": "2026-01-01T00:00:00Z", "data": {"touchpoint": "x.y"}}\n{"id": "b"}\n')

    first, second = sent(path)

    assert (first["time"], first["data"], second["id"]) == ("2026-01-01T00:00:00Z", {"touchpoint": "x.y"}, "b")


def test_events_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b'{"id": "1"}')))

    assert [event["id"] for event in sent(Path("-"))] == ["1"]


@pytest.mark.parametrize("text", ["not json", '"text"', "[1]", '{"id": "1"}\nnot json', "\xff"])
def test_a_file_that_holds_no_events_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events.json"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(InvalidEventError, match="must be a JSON event"):
        events_of(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json"):
        events_of(tmp_path / "none.json")


def test_the_example_is_printed_and_is_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    (event,) = sent(None)

    assert json.loads(capsys.readouterr().out) == event
    assert event["data"]["rating"] == {"scale": "csat5", "value": 5}


DECLARED = ("survey.csat", "web.page_viewed")


def warned(*names: object) -> list[str]:
    events = [Outgoing("1", json.dumps({"data": {"touchpoint": name}}).encode()) for name in names]
    return warnings(events, declared=DECLARED)


def test_a_touchpoint_that_nobody_declared_is_told_once_with_what_was_meant() -> None:
    first, second = warned("survey.cast", "survey.cast", "web.page_view", "survey.csat", "x.anything")

    assert first.startswith("survey.cast is not in the catalogue: its events are kept and count little; ")
    assert "did you mean survey.csat?" in first
    assert "did you mean web.page_viewed?" in second


def test_a_touchpoint_like_no_other_is_told_how_it_is_declared() -> None:
    [line] = warned("garden.party_held")

    assert "did you mean" not in line
    assert "TACTUS_CATALOGUE" in line


def test_a_flood_of_names_is_counted_and_what_is_no_name_is_the_doors() -> None:
    assert warned(*(f"garden.party_{n}" for n in range(WARNINGS_MAX + 3)))[-1] == "and 3 more are not"
    assert warned(1, None) == []
