"""The words of `tactus explain`, in each language that people may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple


class Forms(NamedTuple):
    """A phrase about so many things, in the forms that a language may have; `{}` is the number."""

    one: str
    few: str
    many: str


def in_english(number: int, forms: Forms) -> str:
    """Choose the form by the English rule: 1, and all others."""
    return forms.one if number == 1 else forms.many


def in_polish(number: int, forms: Forms) -> str:
    """Choose the form by the Polish rule: 1 zdarzenie, 2 zdarzenia, 5 zdarzeń, 12 zdarzeń, 22 zdarzenia."""
    if number == 1:
        return forms.one
    few = number % 10 in {2, 3, 4} and number % 100 not in {12, 13, 14}
    return forms.few if few else forms.many


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What stands around the figures; `decimal` is the sign before the tenths."""

    decimal: str
    thousands: str
    grouped_from: int
    """Whole numbers below it are written without a sign between their thousands."""
    form: Callable[[int, Forms], str]
    between: str
    """What stands between two figures; after a decimal comma no other comma can be read."""
    also: str
    at: str
    version: str
    score: str
    give_or_take: str
    confidence: str
    change: str
    periods: Mapping[str, str]
    came: str
    faded: str
    fell_out: str
    significant: str
    usual: str
    stale: str
    windows: Mapping[str, str]
    stages: str
    points: str
    events: str
    reason: str
    others: Forms
    moved: str
    mover: str
    nothing_moved: str
    more: Forms
    promised: str
    also_told: str
    rated: str
    quotes: tuple[str, str]
    nothing: str
    contacts: Forms
    other_contacts: Forms
    contact: str
    role: str
    worst_key_contact: str
    bands: Mapping[str, str]


EN: Final = Words(
    decimal=".",
    thousands=",",
    grouped_from=1_000,
    form=in_english,
    between=", ",
    also="also",
    at="at",
    version="version",
    score="Score",
    give_or_take="give or take",
    confidence="confidence",
    change="Change in 7 days",
    periods=MappingProxyType({"day": "in 24 hours", "week": "in 7 days", "month": "in 30 days"}),
    came="new",
    faded="faded",
    fell_out="too old",
    significant="significant",
    usual="nothing to speak of",
    stale="Stale: {} sent nothing for unusually long, so what happened there is not in the score",
    windows=MappingProxyType(
        {"24h": "last 24 hours", "7d": "last 7 days", "30d": "last 30 days", "90d": "last 90 days"}
    ),
    stages="By stage of the journey",
    points="points",
    events="events",
    reason="reason",
    others=Forms("{} other reason", "{} other reasons", "{} other reasons"),
    moved="moved it by",
    mover="what moved it",
    nothing_moved="Nothing that counts then or now.",
    more=Forms("and {} more event", "and {} more events", "and {} more events"),
    promised="promised: {}",
    also_told="also told by {}",
    rated="rated",
    quotes=("“", "”"),
    nothing="Nothing was seen of this customer in the 400 days before.",
    contacts=Forms("{} contact", "{} contacts", "{} contacts"),
    other_contacts=Forms("{} other contact", "{} other contacts", "{} other contacts"),
    contact="contact",
    role="role",
    worst_key_contact="Worst key contact:",
    bands=MappingProxyType({band: band for band in ("unknown", "critical", "low", "fair", "good", "great")}),
)

PL: Final = Words(
    decimal=",",
    thousands="\u00a0",
    grouped_from=10_000,
    form=in_polish,
    between="; ",
    also="także",
    at="stan na",
    version="wersja",
    score="Wynik",
    give_or_take="plus minus",
    confidence="pewność",
    change="Zmiana w ciągu 7 dni",
    periods=MappingProxyType({"day": "w ciągu 24 godzin", "week": "w ciągu 7 dni", "month": "w ciągu 30 dni"}),
    came="nowe",
    faded="wygasłe",
    fell_out="przedawnione",
    significant="istotna",
    usual="bez większego znaczenia",
    stale="Nieaktualny: {} milczy niezwykle długo, więc wynik nie zna tego, co się tam działo",
    windows=MappingProxyType(
        {"24h": "ostatnie 24 godziny", "7d": "ostatnie 7 dni", "30d": "ostatnie 30 dni", "90d": "ostatnie 90 dni"}
    ),
    stages="Według etapów podróży klienta",
    points="punkty",
    events="zdarzenia",
    reason="powód",
    others=Forms("{} inny powód", "{} inne powody", "{} innych powodów"),
    moved="zmiana o",
    mover="co ją spowodowało",
    nothing_moved="Nic, co się liczyło wtedy lub liczy teraz.",
    more=Forms("i jeszcze {} zdarzenie", "i jeszcze {} zdarzenia", "i jeszcze {} zdarzeń"),
    promised="obiecane: {}",
    also_told="to samo mówi {}",
    rated="ocena",
    quotes=("„", "”"),
    nothing="W ciągu poprzednich 400 dni nie odnotowano niczego o tym kliencie.",
    contacts=Forms("{} kontakt", "{} kontakty", "{} kontaktów"),
    other_contacts=Forms("{} inny kontakt", "{} inne kontakty", "{} innych kontaktów"),
    contact="kontakt",
    role="rola",
    worst_key_contact="Najmniej zadowolony kluczowy kontakt:",
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
