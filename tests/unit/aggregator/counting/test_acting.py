"""Whom an event says to act for which company: read from records, and folded in any order."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.counting.acting import said
from services.aggregator.counting.records import Event, read_record
from services.core.instants import parse_instant
from services.infra.catalogue.reading import load_catalogue
from services.state.accounts import ContactRow, RoleRow
from tests.support.chunks import LogRecord, event

CATALOGUE = load_catalogue()
NOON_MS = int(parse_instant("2026-06-01T12:00:00Z").timestamp() * 1000)
USER, CHAMPION, DECISION_MAKER = 0, 1, 2


def acting(
    event_id: str = "e-1",
    *,
    minute: int = 0,
    account: str = "acme",
    role: object = None,
    keykind: str = "server",
    source: str = "shop",
) -> Event:
    properties = {} if role is None else {"properties": {"role": role}}
    value = event(
        event_id,
        time=f"2026-06-01T{10 + minute // 60:02}:{minute % 60:02}:00Z",
        source=source,
        extra={"account": account, **properties},
        envelope={"keykind": keykind},
    )
    read = read_record(LogRecord(0, NOON_MS, b"", value), catalogue=CATALOGUE, known={})
    assert isinstance(read, Event)
    return read


@pytest.mark.parametrize(
    ("role", "number"),
    [
        ("decision_maker", DECISION_MAKER),
        ("Champion", CHAMPION),
        ("user", USER),
        ("chief of everything", USER),
        (7, USER),
        (["champion"], USER),
        (None, None),
    ],
)
def test_a_role_that_there_is_not_counts_least_and_its_event_is_kept(role: object, number: int | None) -> None:
    read = acting(role=role)

    assert (read.account, read.role) == ("acme", number)


@pytest.mark.parametrize("keykind", ["browser", "", "of somebody else's making"])
def test_what_a_page_says_about_companies_counts_for_nothing(keykind: str) -> None:
    read = acting(role="decision_maker", keykind=keykind)

    assert (read.account, read.role) == ("", None)


def test_an_event_without_an_account_is_nobodys_however_it_calls_a_role() -> None:
    assert said([acting(account="", role="champion")], [1]) == ([], [])


def test_of_a_contact_the_first_time_is_kept_and_of_an_hour_the_last_role() -> None:
    events = [
        acting("e-1", minute=70, role="user"),
        acting("e-2", minute=5, role="champion"),
        acting("e-3", minute=50, role="decision_maker"),
        acting("e-4", minute=90),
    ]

    contacts, roles = said(events, [4, 4, 4, 4])

    assert contacts == [ContactRow("acme", 4, parse_instant("2026-06-01T10:05:00Z"))]
    assert [(one.hour % 24, one.event_id, one.role) for one in roles] == [
        (10, "e-3", DECISION_MAKER),
        (11, "e-1", USER),
    ]


SAID = st.lists(
    st.tuples(st.integers(0, 119), st.sampled_from(["acme", "beta"]), st.sampled_from([None, "user", "champion"])),
    max_size=12,
)


@given(SAID, st.integers(0, 255))
def test_any_order_of_events_says_the_same(lived: list[tuple[int, str, str | None]], seed: int) -> None:
    events = [
        acting(f"e-{place}", minute=minute, account=account, role=role)
        for place, (minute, account, role) in enumerate(lived)
    ]
    shuffled = Random(seed).sample(events, len(events))

    assert said(shuffled, [1] * len(events)) == said(events, [1] * len(events))


def test_of_two_roles_said_at_one_moment_the_greatest_source_and_id_decide() -> None:
    events = [
        acting("b", role="user", source="crm"),
        acting("a", role="champion", source="shop"),
        acting("z", role="decision_maker", source="crm"),
    ]

    _, [role] = said(events, [1, 1, 1])

    assert role == RoleRow("acme", 1, role.hour, role.occurred_at, "shop", "a", CHAMPION)
