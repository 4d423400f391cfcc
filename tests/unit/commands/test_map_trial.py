"""`tactus map try`: what rows would become, by the examples of the documentation, without a stack."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.commands.map_trial import Options, run
from services.ingest.adapters.generic import ADAPTER

MAPS = Path(__file__).parents[3] / "docs" / "reference" / "maps"
VISITS = MAPS / "restaurant_visits.yaml"


def tried(options: Options, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]], str]:
    code = run(options)
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_a_table_is_shown_row_by_row(capsys: pytest.CaptureFixture[str]) -> None:
    code, told, err = tried(Options(file=MAPS / "restaurant_visits.csv", map_file=VISITS), capsys)

    assert code == 1
    assert [(one["line"], next(name for name in one if name != "line")) for one in told] == [
        (2, "event"), (2, "event"), (3, "event"), (4, "left_out"), (5, "event"), (5, "event"), (7, "rejected"),
        (8, "rejected"),
    ]  # fmt: skip
    assert told[1]["event"] == {
        "id": "B-1/01.03.2026/survey.csat",
        "time": "2026-03-01T20:40:00Z",
        "data": {
            "touchpoint": "survey.csat",
            "channel": "survey",
            "identities": [{"kind": "customer", "value": "1001"}, {"kind": "email", "value": "ana@example.com"}],
            "place": "store/krakow_rynek",
            "text": 'Very good; "really"',
            "rating": {"scale": {"lo": 1.0, "mid": 6.0, "hi": 10.0}, "value": 9.5},
        },
    }
    assert told[4]["event"]["data"]["class"] == "staff"
    assert "rows 6, would be accepted 5, left out 1, rejected 2" in err
    assert "3 × pos.sale_completed\n2 × survey.csat" in err


def test_a_hooks_body_is_tried_with_the_map_of_the_hook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = tmp_path / "body.json"
    body.write_bytes(ADAPTER.examples[0].body)

    code, told, _ = tried(Options(file=body, map_file=MAPS / "parcel_lockers.yaml"), capsys)

    assert code == 0
    assert tuple(one["event"]["data"]["touchpoint"] for one in told) == ADAPTER.examples[0].touchpoints
    assert told[0]["event"]["data"]["order"] == "o-77"
    assert told[0]["event"]["data"]["place"] == "carrier/box_office"
    assert told[0]["event"]["data"]["properties"]["hours_late"] == pytest.approx(1.5)


OWN = """\
id: {field: id}
identities: [{kind: phone, value: {field: who}}]
event: {touchpoint: {header: X-Topic, slug: true, before: x.}}
"""


def test_what_the_door_would_reject_is_told_with_its_reason_and_near_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, own = tmp_path / "a.ndjson", tmp_path / "own.yaml"
    rows.write_text('{"id": "1", "who": "600 100 200"}\n{"id": "2", "who": "nobody"}\n{"id": "3"}\nbroken\n')
    own.write_text(OWN)
    options = Options(file=rows, map_file=own, headers=["X-Topic: cases opened"], region="PL")

    code, told, err = tried(options, capsys)

    assert code == 1
    assert [one["rejected"].partition(":")[0] for one in told if "rejected" in one][:2] == [
        "invalid-identity", "names nobody",
    ]  # fmt: skip
    assert told[3]["row"] == "broken"
    assert "1 × x.cases_opened (not in the catalogue; did you mean case.opened?)" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"headers": ["x"]}, "--header x: write name: value"),
        ({"region": "Poland"}, "--region Poland"),
        ({"file": Path("none.csv")}, "there is no file none.csv"),
        ({"map_file": Path("none.yaml")}, "none.yaml: cannot be read"),
    ],
)
def test_what_cannot_be_tried_says_why(
    options: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {"file": MAPS / "restaurant_visits.csv", "map_file": VISITS, **options}

    code, told, err = tried(Options(**given), capsys)

    assert (code, told) == (1, [])
    assert message in err


def test_so_many_rows_are_tried_as_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    _, told, _ = tried(Options(file=MAPS / "restaurant_visits.csv", map_file=VISITS, rows_max=1), capsys)

    assert [one["line"] for one in told] == [2, 2]


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    rows, own = tmp_path / "a.ndjson", tmp_path / "own.yaml"
    rows.write_text("".join(f'{{"id": "{number}", "who": "600100200"}}\n' for number in range(20_000)))
    own.write_text(OWN.replace("kind: phone", "kind: customer").replace("{header: X-Topic,", "{field: id,"))
    tactus = Path(sys.executable).with_name("tactus")

    with subprocess.Popen(
        (tactus, "map", "try", rows, "--map", own), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (0, "")
