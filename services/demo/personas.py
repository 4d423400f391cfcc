"""The simulated shop's people: five personas, and which stories happen to them how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """A kind of customer: how common it is, how its names first meet, how often each story happens to it."""

    name: str
    introduction: str
    share: int
    stories_max: int
    stories: Mapping[str, int]


PERSONAS: Final = (
    Persona(
        name="regular",
        introduction="buys_in_store",
        share=5,
        stories_max=6,
        stories={"orders_and_praises": 4, "buys_in_store": 4, "rates_staff": 2, "recommends": 2, "browses": 2},
    ),
    Persona(
        name="bargain",
        introduction="redeems",
        share=4,
        stories_max=5,
        stories={"hunts_coupons": 5, "redeems": 3, "buys_in_store": 2, "pays_the_wrong_price": 2, "browses": 3},
    ),
    Persona(
        name="newcomer",
        introduction="signs_up",
        share=4,
        stories_max=2,
        stories={"signs_up": 4, "browses": 2, "orders": 2},
    ),
    Persona(
        name="unlucky",
        introduction="orders",
        share=3,
        stories_max=5,
        stories={"waits_for_parcel": 5, "complains": 3, "pays_the_wrong_price": 1, "orders": 1},
    ),
    Persona(
        name="business",
        introduction="orders",
        share=3,
        stories_max=6,
        stories={"uses_account_manager": 4, "orders": 4, "waits_for_invoice": 2, "recommends": 1},
    ),
)
"""The shop's five kinds of people."""
