"""`tactus model fit` on files: what it writes and says, and what a mistake in a file is told."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from services.commands.fitting.run import Options, run
from services.infra.catalogue.model_file import read_model
from services.infra.catalogue.reading import load_catalogue

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = 300


def at(hours: float) -> str:
    return (BEGAN + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def event(customer: str, touchpoint: str, hours: float, *, number: int = 0, **data: object) -> dict[str, object]:
    return {
        "id": f"{customer}-{touchpoint}-{number}",
        "time": at(hours),
        "data": {"touchpoint": touchpoint, "identities": [{"kind": "customer", "value": customer}], **data},
    }


def written(path: Path, events: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    return path


class Files:
    """A shop where a parcel that came damaged mostly ends badly, and what anybody has an hour after it says nothing."""

    def __init__(self, folder: Path) -> None:
        random = Random(3)
        self.folder = folder
        self.lines: list[str] = []
        self.bodies: list[dict[str, object]] = []
        for number in range(PEOPLE):
            who, when = f"c-{number}", 100.0 + number
            is_damaged = random.random() < 0.5
            bad = random.random() < (0.8 if is_damaged else 0.2)
            self.bodies.append(event(who, "order.completed", when - 90))
            if is_damaged:
                self.bodies.append(event(who, "delivery.damaged", when - 20))
            self.lines.append(f"{who},{at(when)},{'yes' if bad else 'no'}")

    def options(self, **changes: object) -> Options:
        outcomes = self.folder / "outcomes.csv"
        outcomes.write_text("\n".join(["customer,time,bad", *self.lines]) + "\n", encoding="utf-8")
        options: dict[str, object] = {
            "outcomes": outcomes,
            "events": written(self.folder / "events.ndjson", self.bodies),
            "map_file": None,
            "out": self.folder / "learned.yaml",
            "name": "learned",
            "json": self.folder / "figures.json",
            "data": None,
        }
        return Options(**(options | changes))  # type: ignore[arg-type]  # options of several types, by name

    def figures(self) -> dict[str, dict[str, dict[str, float]]]:
        figures: dict[str, dict[str, dict[str, float]]] = json.loads((self.folder / "figures.json").read_text())
        return figures


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_model_is_learned_from_a_file_of_events_and_can_be_read(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    options = files.options()

    assert run(options) == 0

    said = capsys.readouterr()
    model = read_model(options.out, catalogue=load_catalogue())
    assert f"version {model.version}" in said.out
    assert model.catalogue.calibration is not None
    assert "tactus model fit" in model.text
    assert "outcomes before 2026-01-1" in model.text
    assert files.figures()["auc"]["learned"]["value"] > 0.7
    assert "a free logistic fit" in said.out
    assert "nobody has any" in said.out
    assert f"{len(files.bodies)} events of {PEOPLE} customers read" in said.err


def test_what_happened_at_the_outcome_or_after_it_does_not_help(files: Files) -> None:
    """The leak is planted: what is bad is told at the very moment of the outcome, and once more an hour later."""
    for number, line in enumerate(files.lines):
        if line.endswith("yes"):
            files.bodies.append(event(f"c-{number}", "complaint.made", 100.0 + number))
            files.bodies.append(event(f"c-{number}", "dispute.opened", 101.0 + number))
    assert run(files.options()) == 0
    leaked = files.figures()["auc"]["learned"]

    files.bodies = [
        body for body in files.bodies if not str(body["id"]).endswith(("complaint.made-0", "dispute.opened-0"))
    ]
    assert run(files.options()) == 0

    assert leaked == files.figures()["auc"]["learned"]
    assert leaked["value"] < 0.95


def test_an_event_sent_twice_counts_once(files: Files) -> None:
    assert run(files.options()) == 0
    once = files.figures()

    files.bodies *= 2
    assert run(files.options()) == 0

    assert files.figures() == once


def test_outcomes_that_nobody_can_read_are_left_out_and_named(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.lines += [f"nobody-{number},{at(200)},yes" for number in range(7)]
    files.lines += [f"c-9,{at(-500)},no"]

    assert run(files.options()) == 0

    said = capsys.readouterr().err
    assert f"outcomes.csv:{PEOPLE + 2}: left out: customer: nobody has this identity; write kind:value" in said
    assert "… and 2 more outcomes left out for it" in said
    assert f"outcomes.csv:{PEOPLE + 9}: left out: time: in the 400 days before, nothing had happened" in said


def test_lines_that_are_no_events_are_counted_with_their_reason(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files.bodies.append(event("c-1", "delivery.delivered", 5, properties={"hours_late": "soon"}))

    assert run(files.options()) == 0

    assert (
        "1 lines are no events: invalid-event: data.properties.hours_late: must be a finite number"
        in capsys.readouterr().err
    )


def test_a_touchpoint_of_which_nothing_can_be_learned_is_named(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files.bodies += [event(f"c-{number}", "x.own", 50, valence=-0.5) for number in range(PEOPLE)]
    files.bodies += [event(f"c-{number}", "email.delivered", 50) for number in range(PEOPLE)]

    assert run(files.options()) == 0

    said = capsys.readouterr().out
    assert "x.own keeps the weight of what is not declared; a line in TACTUS_CATALOGUE" in said
    assert "email.delivered: felt neutral, so that no weight can be learned" in said


def test_a_customer_may_be_named_by_an_address_that_events_name(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    identities = [{"kind": "email", "value": "Anna@Example.com"}]
    body = {"touchpoint": "delivery.damaged", "identities": identities}
    files.bodies.append({"id": "by-mail", "time": at(50), "data": body})
    files.lines.append(f"email:anna@example.com,{at(120)},yes")

    assert run(files.options()) == 0

    said = capsys.readouterr().err
    assert f"learning from {PEOPLE + 1} outcomes" in said
    assert "left out" not in said


def test_others_events_are_read_by_a_map(files: Files) -> None:
    rows = []
    for body in files.bodies:
        who, what, _ = str(body["id"]).removeprefix("c-").split("-")
        rows.append({"no": body["id"], "when": body["time"], "what": what, "who": who})
    map_file = files.folder / "map.yaml"
    map_file.write_text(
        "id: {field: 'no'}\ntime: {field: when}\ntype: {field: what}\n"
        "identities: [{kind: customer, value: {field: who, before: c-}}]\n"
        "types: {order.completed: {touchpoint: order.completed}, delivery.damaged: {touchpoint: delivery.damaged}}\n"
        "otherwise: {touchpoint: {field: what, slug: true, before: x.}}\n"
    )
    assert run(files.options()) == 0
    own = files.figures()

    assert run(files.options(events=written(files.folder / "rows.ndjson", rows), map_file=map_file)) == 0

    assert files.figures() == own


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([f"c-1,{at(10**6)},no"], r"outcomes.csv:302: time: lies in the future, .*; check the year"),
        (["c-1,1926-01-01T00:00:00Z,no"], r"outcomes.csv:302: time: is before 1970"),
        ([f"c-1,{at(101)},no"], r"outcomes.csv:302: the same customer and time stand twice; keep one"),
    ],
)
def test_a_wrong_outcome_is_named_with_its_fix(
    lines: list[str], says: str, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files.lines += lines

    assert run(files.options()) == 1

    assert re.search(says, capsys.readouterr().err)


def test_outcomes_of_one_kind_and_outcomes_of_strangers_are_refused(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = files.lines

    files.lines = [line for line in whole if line.endswith("yes")]
    assert run(files.options()) == 1
    assert "every outcome has the same `bad`" in capsys.readouterr().err

    files.lines = [f"stranger-{line}" for line in whole]
    assert run(files.options()) == 1
    assert "check the columns customer (kind:value) and time" in capsys.readouterr().err

    files.lines = whole[:30]
    assert run(files.options()) == 1
    assert "and 20 are needed; add outcomes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"events": Path("nothing.ndjson")}, "there is no file nothing.ndjson"),
        ({"name": ""}, "--name: must have 1 to 100 characters"),
        ({"out": Path("no/such/folder/model.yaml")}, "--out no/such/folder/model.yaml: cannot be written"),
        ({"map_file": Path("nothing.yaml")}, "no map file nothing.yaml"),
    ],
)
def test_what_cannot_be_read_or_written_is_named(
    changes: dict[str, object], says: str, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(files.options(**changes)) == 1

    assert says in capsys.readouterr().err


def test_a_file_without_an_event_is_refused(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.bodies = [{"id": "1"}]

    assert run(files.options()) == 1

    assert "holds no events that can be read\n1 lines are no events: invalid-event: data" in capsys.readouterr().err


def test_without_the_library_it_says_what_to_install(
    files: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)

    assert run(files.options()) == 1

    assert re.search(
        r"not installed: .*/python -m pip install .*\(or install tactus\[learn\]\)", capsys.readouterr().err
    )
