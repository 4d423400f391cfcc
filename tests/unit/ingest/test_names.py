"""What another system's names mean."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.touchpoint import SLUG_CHARS_MAX as TOUCHPOINT_CHARS_MAX
from schemas.touchpoint import TOUCHPOINT_PATTERN
from services.core.catalogue import Catalogue
from services.core.slugs import slug
from services.ingest.discovery import discovered, names_of
from services.ingest.names import Names
from tests.support.doors import catalogue_file
from tests.support.senders import PATIENT

CATALOGUE: Catalogue = catalogue_file().catalogue
(SEGMENT,) = [names_of(one, catalogue_file()) for one in discovered() if one.name == "segment"]


@pytest.mark.parametrize(
    "name", ["Order Completed", "order_completed", "orderCompleted", " ORDER - completed ", "purchase"]
)
def test_a_name_is_known_however_its_words_are_joined(name: str) -> None:
    assert SEGMENT.touchpoint(name) == "order.completed"


@pytest.mark.parametrize(
    ("name", "touchpoint"),
    [
        ("Lamp Dimmed", "x.lamp_dimmed"),
        ("Zamówienie złożone", "x.zamowienie_zlozone"),
        ("x.our_own", "x.our_own"),
        ("survey.csat", "survey.csat"),
        ("Café crème — 2×", "x.cafe_creme_2"),
    ],
)
def test_a_name_that_nobody_declared_is_kept_and_a_touchpoints_own_is_itself(name: str, touchpoint: str) -> None:
    assert SEGMENT.touchpoint(name) == touchpoint


@pytest.mark.parametrize(
    "names", [("订单完成", "订单取消"), ("a" * 10_000, "a" * 10_001), ("!", "?"), ("Заказ 1", "Отказ 1")]
)
def test_names_that_cannot_be_spelt_out_are_still_told_apart(names: tuple[str, str]) -> None:
    slugs = [slug(name) for name in names]

    assert len(set(slugs)) == 2
    assert all(re.fullmatch(TOUCHPOINT_PATTERN, f"x.{one}") for one in slugs)


@PATIENT
@given(st.text(max_size=300))
def test_every_name_makes_a_touchpoint(name: str) -> None:
    touchpoint = Names([], declared=()).touchpoint(name)

    assert re.fullmatch(TOUCHPOINT_PATTERN, touchpoint)
    assert len(touchpoint) <= TOUCHPOINT_CHARS_MAX


def test_what_a_channel_s_file_says_is_of_the_catalogue_and_contradicts_no_alias() -> None:
    for channel in discovered():
        aliases = {
            slug(name): touchpoint
            for system in channel.systems
            for name, touchpoint in catalogue_file().aliases.get(system, {}).items()
        }
        own = names_of(channel, catalogue_file()._replace(aliases={}))
        for name, touchpoint in own._meanings.items():
            assert touchpoint in CATALOGUE.entries
            assert aliases.get(name) is None, f"{name} stands in the catalogue already"
