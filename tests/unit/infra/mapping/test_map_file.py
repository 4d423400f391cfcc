"""All that a map can say, and what a wrong one is told: the line, the place and the fix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from services.infra.errors import ConfigurationError
from services.infra.mapping.event_map import CsvForm, EventMap, Readable, Unreadable
from services.infra.mapping.map_file import load_map
from services.infra.mapping.values import Scope

KNOWN = frozenset({"pos.sale_completed", "survey.csat", "product.returned"})
MAP = """\
id: {field: id}
identities: [{kind: customer, value: {field: who}}]
event:
  touchpoint: pos.sale_completed
"""


def loaded(tmp_path: Path, text: str) -> EventMap:
    path = tmp_path / "m.yaml"
    path.write_text(text, encoding="utf-8")
    return load_map(path, touchpoints=KNOWN)


def read(event_map: EventMap, row: object, *, line: int = 1) -> list[Readable | Unreadable]:
    return list(event_map.events(Scope(row=row, body=row, file={"line": line})))


def one(event_map: EventMap, row: object, *, line: int = 1) -> Readable:
    (event,) = read(event_map, row, line=line)
    assert isinstance(event, Readable), event
    return event


ROW = {"id": "1", "who": "c1"}


def test_every_row_may_be_one_thing(tmp_path: Path) -> None:
    event = one(loaded(tmp_path, MAP), ROW)

    assert (event.event_id, event.occurred_at) == ("1", None)
    assert event.body == {
        "touchpoint": "pos.sale_completed",
        "identities": [{"kind": "customer", "value": "c1"}],
    }


def test_a_touchpoint_is_found_in_a_table_of_the_vendors_names(tmp_path: Path) -> None:
    text = MAP.replace(
        "touchpoint: pos.sale_completed",
        "touchpoint: {field: what, table: {SALE: pos.sale_completed, BACK: product.returned}, otherwise: x.other}",
    )
    event_map = loaded(tmp_path, text)

    assert [one(event_map, {**ROW, "what": what}).body["touchpoint"] for what in ("SALE", "BACK", "?")] == [
        "pos.sale_completed",
        "product.returned",
        "x.other",
    ]


def test_an_id_is_made_of_parts_of_the_row_or_of_all_of_it(tmp_path: Path) -> None:
    parts = loaded(tmp_path, MAP.replace("id: {field: id}", "id: [{field: id}, {field: line, of: file}]"))
    whole = loaded(tmp_path, MAP.replace("id: {field: id}", "id: content"))

    assert one(parts, ROW, line=7).event_id == "1/7"
    ids = [one(whole, row).event_id for row in (ROW, dict(reversed(ROW.items())), {**ROW, "id": "2"})]
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) == 32


def test_an_id_that_is_too_long_is_told(tmp_path: Path) -> None:
    (event,) = read(loaded(tmp_path, MAP), {**ROW, "id": "x" * 129})

    assert event == Unreadable("has an id of 129 characters, of which one has at most 128")


def test_a_row_may_be_several_events_with_ids_of_their_own(tmp_path: Path) -> None:
    event_map = loaded(
        tmp_path,
        MAP.split("event:", maxsplit=1)[0] + "event:\n  - touchpoint: pos.sale_completed\n"
        "  - {touchpoint: survey.csat, when: stars, rating: {scale: stars5, value: {field: stars}}}\n",
    )

    both, alone = read(event_map, {**ROW, "stars": "4"}), read(event_map, ROW)

    assert [event.event_id for event in both if isinstance(event, Readable)] == [
        "1/pos.sale_completed",
        "1/survey.csat",
    ]
    assert [event.event_id for event in alone if isinstance(event, Readable)] == ["1/pos.sale_completed"]


def test_rows_are_found_in_a_body_that_tells_what_they_share(tmp_path: Path) -> None:
    text = "each: orders[].lines[]\n" + MAP + "  place: {field: shop, of: body, before: store/}\n"
    body = {"shop": "042", "orders": [{"lines": [{**ROW, "id": "a"}]}, {"lines": [{**ROW, "id": "b"}]}, {}]}

    events = read(loaded(tmp_path, text), body)

    assert [(event.event_id, event.body["place"]) for event in events if isinstance(event, Readable)] == [
        ("a", "store/042"),
        ("b", "store/042"),
    ]


@pytest.mark.parametrize(
    ("when", "row", "kept"),
    [
        ("status == 'paid'", {"status": "paid"}, True),
        ("status == 'paid'", {"status": "open"}, False),
        ("to_number(total) > `100`", {"total": "150"}, True),
        ("to_number(total) > `100`", {"total": "90"}, False),
        ("!test", {"test": True}, False),
        ("!test", {}, True),
    ],
)
def test_a_condition_leaves_rows_out(tmp_path: Path, when: str, row: Mapping[str, object], *, kept: bool) -> None:
    events = read(loaded(tmp_path, f'when: "{when}"\n' + MAP), {**ROW, **row})

    assert len(events) == kept


def test_a_condition_that_compares_a_text_with_a_number_is_told_and_leaves_nothing_out(tmp_path: Path) -> None:
    (event,) = read(loaded(tmp_path, 'when: "total > `100`"\n' + MAP), {**ROW, "total": "150"})

    assert isinstance(event, Unreadable)
    assert "write to_number(…) around the text" in event.reason


def test_types_that_nobody_names_may_be_left_out(tmp_path: Path) -> None:
    text = (
        MAP.split("event:", maxsplit=1)[0]
        + "type: {field: t}\ntypes: {S: {touchpoint: pos.sale_completed}}\notherwise: skip\n"
    )

    event_map = loaded(tmp_path, text)

    assert len(read(event_map, {**ROW, "t": "S"})) == 1
    assert read(event_map, {**ROW, "t": "other"}) == []


@pytest.mark.parametrize(
    ("value", "found", "result"),
    [
        ("{field: n, number: true}", "12.5", 12.5),
        ('{field: n, decimal: ","}', "12,5", 12.5),
        ('{field: n, decimal: ","}', 12.5, 12.5),
        ("{field: n, times: 60}", "2", 120.0),
        ("{field: n, slug: true}", "Łódź Główna", "lodz_glowna"),
        ("{field: n, before: a/}", 7.0, "a/7"),
        ("{field: n, otherwise: none}", "  ", "none"),
        ("{find: 'n[0]'}", ["x"], "x"),
        ("{find: 'n'}", {"a": 1}, None),
        ("{field: n.m}", {"m": "deep"}, "deep"),
    ],
)
def test_what_is_found_is_treated_as_the_map_says(tmp_path: Path, value: str, found: object, result: object) -> None:
    event = one(loaded(tmp_path, MAP + f"  properties: {{p: {value}}}\n"), {**ROW, "n": found})

    assert event.body.get("properties", {"p": None}) == {"p": result}


def test_a_column_may_have_dots_and_blanks_in_its_name(tmp_path: Path) -> None:
    event = one(
        loaded(tmp_path, MAP + "  properties: {p: {field: Order no.}, q: {field: a.b}}\n"),
        {**ROW, "Order no.": "7", "a.b": "8"},
    )

    assert event.body["properties"] == {"p": "7", "q": "8"}


@pytest.mark.parametrize("found", ["1.234,50", "1e999", "ten", "0x10", "--1", "9" * 50, True])
def test_what_is_no_number_is_told(tmp_path: Path, found: object) -> None:
    (event,) = read(loaded(tmp_path, MAP + '  properties: {p: {field: n, decimal: ","}}\n'), {**ROW, "n": found})

    assert event == Unreadable("has no number in n")


def test_a_placeholder_costs_no_row_that_names_somebody_otherwise(tmp_path: Path) -> None:
    text = MAP.replace("{field: who}}", "{field: who}}, {kind: email, value: {field: mail}}")

    event = one(loaded(tmp_path, text), {**ROW, "who": "null", "mail": "ana@example.com"})

    assert event.body["identities"] == [{"kind": "email", "value": "ana@example.com"}]


def test_a_class_and_a_scale_of_its_own_are_read(tmp_path: Path) -> None:
    text = MAP + (
        "  class: {field: k, table: {probe: monitor}}\n"
        "  rating: {scale: {lo: 1, mid: 5, hi: 10}, value: {field: mark}}\n"
    )

    event = one(loaded(tmp_path, text), {**ROW, "k": "probe", "mark": "9"})

    assert (event.body["class"], event.body["rating"]) == (
        "monitor",
        {"scale": {"lo": 1.0, "mid": 5.0, "hi": 10.0}, "value": 9.0},
    )


def test_the_form_of_a_table_is_read(tmp_path: Path) -> None:
    assert loaded(tmp_path, 'csv: {delimiter: "\\t", encoding: cp1250}\n' + MAP).csv == CsvForm(
        delimiter="\t", encoding="cp1250"
    )
    assert loaded(tmp_path, MAP).csv == CsvForm()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("id: content\n", 1, "lacks `identities`; add it"),
        (MAP.split("event:", maxsplit=1)[0], 1, "lacks `type`; add it, or `event` where every row is one thing"),
        (MAP + "type: {field: t}\n", 5, "stands beside `event`"),
        (MAP.replace("pos.sale_completed", "pos.sale_complete"), 4, "did you mean pos.sale_completed?"),
        (
            MAP.replace("pos.sale_completed", "{field: a, table: {S: survey.csatt}, otherwise: x.a}"),
            4,
            "the catalogue has no 'survey.csatt'; did you mean survey.csat?",
        ),
        (MAP + "  class: tests\n", 5, "'tests' is no class; did you mean test?"),
        (MAP + "  rating: {scale: stars4, value: 1}\n", 5, "did you mean 'stars5'?"),
        (MAP + "  rating: {scale: {lo: 5, mid: 5, hi: 9}, value: 1}\n", 5, "must rise: lo < mid < hi"),
        (MAP + "  rating: {scale: nps}\n", 5, "lacks `value`; add it"),
        (MAP + "  place: {feild: a}\n", 5, "did you mean 'field'?"),
        (MAP + "  place: {field: a, find: b}\n", 5, "has both `field` and `find`"),
        (MAP + "  place: {table: {a: b}}\n", 5, "lacks where it is found; write one of `field`, `find` and `header`"),
        (MAP + "  place: {field: a, of: bodi}\n", 5, "did you mean 'body'?"),
        (MAP + '  place: {find: "a["}\n', 5, "is no JMESPath"),
        (MAP + "  when: '[a, b]'\n", 5, "makes a list or an object"),
        ("each: {field: a}\n" + MAP, 1, "must be text"),
        ("time: now\n" + MAP, 1, "must come from the row; write {field: its_name}, or leave it out"),
        ("time: {field: a, format: secs}\n" + MAP, 1, "did you mean seconds?"),
        ("time: {field: a, zone: Europe/Warsav}\n" + MAP, 1, "did you mean Europe/Warsaw?"),
        ("csv: {delimiter: ';;'}\n" + MAP, 1, "must be one character"),
        ("csv: {encoding: utf8mb4}\n" + MAP, 1, "is no encoding"),
        ("csv: {encoding: rot13}\n" + MAP, 1, "is no encoding"),
        (MAP.replace("{field: id}", "[]"), 1, "must be a value, a list of 1 to 8, or `content`"),
        (MAP.split("event:", maxsplit=1)[0] + "event: []\n", 3, "or a list of 1 to 8 of those"),
        (MAP + f"  properties: {{{', '.join(f'p{n}: 1' for n in range(129))}}}\n", 3, "has 129 properties"),
        ("a: &a [*a]\n" + MAP, 1, "is not a known key"),
    ],
)
def test_a_wrong_map_is_told_its_line_and_the_fix(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        loaded(tmp_path, text)

    told = [problem for problem in str(error.value).splitlines() if message in problem]
    assert told, str(error.value)
    assert f"m.yaml:{line}: " in told[0]


def test_every_fault_of_a_map_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        loaded(tmp_path, MAP.replace("{field: id}", "7").replace("customer", "client").replace("sale_", "sail_"))

    assert len(str(error.value).splitlines()) == 3
