"""Map files: what each of somebody else's events is, and what a bad map file is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from services.commands.bundled_maps import MAPS, find_map, stem
from services.infra.errors import ConfigurationError
from services.infra.mapping.event_map import EventMap, Readable, Unreadable
from services.infra.mapping.map_file import load_map
from services.infra.mapping.values import Scope

KNOWN = frozenset(
    {
        "case.opened",
        "case.resolved",
        "case.reopened",
        "call.transferred",
        "order.completed",
        "product.returned",
        "survey.csat",
    }
)

TICKET = {
    "event_id": "1",
    "occurred_at": "2016-03-01T10:00:00Z",
    "customer_id": "caller-1",
    "type": "ticket_opened",
    "ticket_id": "INC1",
    "attributes": {"priority": "1 - Critical", "channel": "Self service", "category": "Category 9"},
}

HEAD = """\
id: {field: event_id}
time: {field: occurred_at}
type: {field: type}
identities:
  - {kind: customer, value: {field: customer_id}}
channel: desk
"""
TAIL = """\
types:
  ticket_opened:
    touchpoint: case.opened
otherwise:
  touchpoint: {field: type, slug: true, before: x.}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(tmp_path: Path, text: str) -> EventMap:
    return load_map(written(tmp_path, text), touchpoints=KNOWN)


def support() -> EventMap:
    return load_map(MAPS / "support_incident_events.yaml", touchpoints=KNOWN)


def body(event_map: EventMap, line: dict[str, object]) -> dict[str, object]:
    read = read_line(event_map, line)
    assert isinstance(read, Readable), read
    return dict(read.body)


def read_line(event_map: EventMap, line: Mapping[str, object]) -> Readable | Unreadable:
    (read,) = event_map.events(Scope(row=line))
    return read


def test_a_line_becomes_an_event_with_its_own_id_time_and_person() -> None:
    read = read_line(support(), TICKET)

    assert isinstance(read, Readable)
    assert read.event_id == "1"
    assert read.occurred_at is not None
    assert read.occurred_at.isoformat() == "2016-03-01T10:00:00+00:00"
    assert read.body == {
        "touchpoint": "case.opened",
        "channel": "self_service",
        "identities": [{"kind": "customer", "value": "caller-1"}],
        "case": "INC1",
        "stake": 2.0,
        "properties": {"category": "Category 9"},
    }


@pytest.mark.parametrize(
    ("type_", "attributes", "touchpoint", "properties"),
    [
        ("ticket_reassigned", {"count": 3}, "call.transferred", {"hops": 1, "hops_so_far": 3}),
        ("ticket_resolved", {"hours_open": 1.5}, "case.resolved", {"wait_seconds": 5400.0}),
        ("ticket_reopened", {"count": 1}, "case.reopened", {"times_reopened": 1}),
        ("sla_breached", {"hours_open": 80.5}, "x.sla_breached", {"hours_open": 80.5}),
        ("ticket_waiting_on_customer", {}, "x.ticket_waiting_on_customer", None),
        ("ticket_closed", {"closed_code": "code 6"}, "case.resolved", {"closed_code": "code 6"}),
        ("Ticket  Put-aside!", {}, "x.ticket_put_aside", None),
    ],
)
def test_every_type_of_a_service_desk_is_a_touchpoint(
    type_: str, attributes: dict[str, object], touchpoint: str, properties: dict[str, object] | None
) -> None:
    read = body(support(), {**TICKET, "type": type_, "attributes": attributes})

    assert read["touchpoint"] == touchpoint
    assert read.get("properties") == properties
    assert read["case"] == "INC1"


def test_purchases_and_returns_are_mapped_with_the_country_as_place() -> None:
    retail = load_map(MAPS / "retail_uci_events.yaml", touchpoints=KNOWN)
    line: dict[str, object] = {
        "event_id": "1",
        "occurred_at": "2011-03-01T10:00:00Z",
        "customer_id": "17850",
        "type": "items_returned",
        "order_id": 536365,
        "attributes": {"lines": 2, "units": 6, "value_gbp": 7.5, "country": "United Kingdom"},
    }

    read = body(retail, line)

    assert read == {
        "touchpoint": "product.returned",
        "channel": "web",
        "identities": [{"kind": "customer", "value": "17850"}],
        "place": "country/united_kingdom",
        "order": "536365",
        "properties": {"lines": 2, "units": 6, "value_gbp": 7.5},
    }
    assert body(retail, {**line, "type": "purchase"})["touchpoint"] == "order.completed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"customer_id": None}, "names nobody: it has no customer_id"),
        ({"customer_id": {"deep": 1}}, "names nobody: it has no customer_id"),
        ({"event_id": None}, "has no id: the field event_id is missing"),
        ({"type": None}, "has no type: the field type is missing"),
        ({"occurred_at": "yesterday"}, "must be an RFC 3339 time"),
        ({"type": "ticket_resolved", "attributes": {"hours_open": "long"}}, "has no number in attributes.hours_open"),
    ],
)
def test_a_line_that_cannot_be_an_event_says_why(changes: dict[str, object], reason: str) -> None:
    read = read_line(support(), {**TICKET, **changes})

    assert isinstance(read, Unreadable)
    assert reason in read.reason


def test_a_rating_and_its_scale_are_read(tmp_path: Path) -> None:
    event_map = loaded(
        tmp_path,
        HEAD + "types:\n  asked:\n    touchpoint: survey.csat\n    rating: {scale: csat5, value: {field: stars}}\n"
        "otherwise:\n  touchpoint: x.other\n",
    )

    assert body(event_map, {**TICKET, "type": "asked", "stars": 4})["rating"] == {"scale": "csat5", "value": 4.0}
    assert "rating" not in body(event_map, {**TICKET, "type": "asked"})


@pytest.mark.parametrize(
    ("found", "written"),
    [
        (17850, "17850"),
        (17850.0, "17850"),
        ("17850.0", "17850.0"),
        (1.5, "1.5"),
        (12345678901234567890, "12345678901234567890"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_a_value_is_written_as_json_does_and_a_whole_number_without_its_fraction(
    found: str | float, written: str
) -> None:
    read = body(support(), {**TICKET, "ticket_id": found})

    assert read["case"] == written


def test_a_number_that_may_stand_for_several_is_no_id() -> None:
    read = read_line(support(), {**TICKET, "customer_id": 1.2345678901234567e19})

    assert isinstance(read, Unreadable)
    assert read.reason == "has a number in customer_id that is too large to be exact; write it as text"


@pytest.mark.parametrize(
    ("found", "valence"), [(True, 1), ("true", 1), (False, -1), (1, 0.5), (1.0, 0.5), (2.0, 0.2), (2, None)]
)
def test_a_table_is_read_by_what_the_file_says(tmp_path: Path, found: str | float, valence: float | None) -> None:
    table = '{field: ok, table: {"true": 1, "false": -1, "1": 0.5, "2.0": 0.2}}'
    event_map = loaded(tmp_path, HEAD + f"types: {{}}\notherwise:\n  touchpoint: x.flag\n  valence: {table}\n")

    assert body(event_map, {**TICKET, "ok": found}).get("valence") == valence


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "is empty"),
        ("id: [", 2, "is not YAML"),
        ("- a list\n", 1, "must hold `key: value` pairs"),
        (HEAD + "chanel: desk\n" + TAIL, 7, "chanel: is not a known key; did you mean 'channel'?"),
        (HEAD + "channel: desk\n" + TAIL, 7, "channel: stands twice; remove one of the two"),
        (HEAD, 1, "lacks `types`; add it"),
        (HEAD.replace("{field: event_id}", "abc") + TAIL, 1, "must come from the row; write {field: its_name}"),
        (HEAD.replace("kind: customer", "kind: client") + TAIL, 5, "'client' is no kind"),
        (HEAD.replace("channel: desk", "channel: Help desk") + TAIL, 6, "'Help desk' is no channel"),
        (HEAD + TAIL.replace("case.opened", "case.open"), 9, "did you mean case.opened?"),
        (HEAD + TAIL.replace("case.opened", "Case opened"), 9, "is no name of a touchpoint"),
        (
            HEAD + TAIL.replace("before: x.", "sluge: x."),
            11,
            "otherwise.touchpoint.sluge: is not a known key; did you mean 'slug'?",
        ),
        (HEAD + TAIL.replace("slug: true", "slug: perhaps"), 11, "slug: must be true or false"),
        (HEAD + TAIL.replace("slug: true", "times: many"), 11, "times: must be a number"),
        (HEAD + TAIL.replace("case.opened", "2016-03-01"), 9, "put quotes around dates"),
        (HEAD + "identities: []\n" + TAIL, 7, "stands twice"),
        (HEAD.replace("  - {kind: customer, value: {field: customer_id}}\n", "") + TAIL, 4, "a list of {kind, value}"),
    ],
)
def test_a_bad_map_file_is_told_its_line_and_the_fix(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(ConfigurationError) as error:
        load_map(path, touchpoints=KNOWN)

    assert str(error.value).startswith(f"{path}:{line}: ")
    assert message in str(error.value)


def test_a_map_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_map(path, touchpoints=KNOWN)


@pytest.mark.parametrize("name", ["support_incident_events.ndjson.gz", "support_incident_events.ndjson"])
def test_a_map_is_found_by_the_files_name(tmp_path: Path, name: str) -> None:
    assert stem(Path(name)) == "support_incident_events"
    assert find_map(tmp_path / name, chosen=None) == MAPS / "support_incident_events.yaml"


def test_a_chosen_map_wins_and_a_missing_one_says_how_to_get_one(tmp_path: Path) -> None:
    own = written(tmp_path, HEAD + TAIL)

    assert find_map(Path("support_incident_events.ndjson"), chosen=own) == own
    with pytest.raises(ConfigurationError, match="--map"):
        find_map(Path("unheard_of.ndjson"), chosen=None)
