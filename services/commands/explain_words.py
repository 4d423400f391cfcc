"""The words of `tactus explain`, in each language that people may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What stands around the figures; `decimal` is the sign before the tenths."""

    decimal: str
    also: str
    at: str
    version: str
    score: str
    give_or_take: str
    confidence: str
    change: str
    came: str
    faded: str
    significant: str
    usual: str
    windows: Mapping[str, str]
    stages: str
    points: str
    events: str
    reason: str
    others: str
    more: str
    rated: str
    quotes: tuple[str, str]
    nothing: str
    bands: Mapping[str, str]


EN: Final = Words(
    decimal=".",
    also="also",
    at="at",
    version="version",
    score="Score",
    give_or_take="give or take",
    confidence="confidence",
    change="Change in 7 days",
    came="new",
    faded="faded",
    significant="significant",
    usual="nothing to speak of",
    windows=MappingProxyType(
        {"24h": "last 24 hours", "7d": "last 7 days", "30d": "last 30 days", "90d": "last 90 days"}
    ),
    stages="By stage of the journey",
    points="points",
    events="events",
    reason="reason",
    others="{} other reasons",
    more="and {} more",
    rated="rated",
    quotes=("“", "”"),
    nothing="Nothing was seen of this customer in the 400 days before.",
    bands=MappingProxyType({band: band for band in ("unknown", "critical", "low", "fair", "good", "great")}),
)

PL: Final = Words(
    decimal=",",
    also="także",
    at="na dzień",
    version="wersja",
    score="Wynik",
    give_or_take="plus minus",
    confidence="pewność",
    change="Zmiana w ciągu 7 dni",
    came="nowe",
    faded="wygasłe",
    significant="istotna",
    usual="bez większego znaczenia",
    windows=MappingProxyType(
        {"24h": "ostatnie 24 godziny", "7d": "ostatnie 7 dni", "30d": "ostatnie 30 dni", "90d": "ostatnie 90 dni"}
    ),
    stages="Według etapów podróży klienta",
    points="punkty",
    events="zdarzenia",
    reason="powód",
    others="pozostałe powody ({})",
    more="i {} więcej",
    rated="ocena",
    quotes=("„", "”"),
    nothing="W ciągu poprzednich 400 dni nie odnotowano niczego o tym kliencie.",
    bands=MappingProxyType(
        {
            "unknown": "nieznany",
            "critical": "krytyczny",
            "low": "niski",
            "fair": "przeciętny",
            "good": "dobry",
            "great": "świetny",
        }
    ),
)

WORDS: Final[Mapping[str, Words]] = MappingProxyType({"en": EN, "pl": PL})
