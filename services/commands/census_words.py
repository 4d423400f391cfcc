"""The words of `tactus drivers` and `tactus journey`, in each language that people may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.commands.explain_words import Forms


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusWords:
    """What stands around the figures."""

    everyone: str
    lost_by: Forms
    """How many were touched, and by how many points; `{lost}` is those."""
    before: str
    read: Forms
    of: str
    lost: str
    trend: str
    customers: str
    driver: str
    control: str
    touchpoint: str
    stage: str
    others: str
    map_of: str
    more: Forms
    nothing: str


EN: Final = CensusWords(
    everyone="everyone",
    lost_by=Forms("{} customer lost", "{} customers lost", "{} customers lost"),
    before="{lost} points in {days} days, {before} in the {days} days before",
    read=Forms("{} person read", "{} people read", "{} people read"),
    of="of",
    lost="lost",
    trend="trend",
    customers="customers",
    driver="what people weigh",
    control="who can mend it",
    touchpoint="touchpoint",
    stage="stage",
    others="others",
    map_of="Points lost by stage and channel; below each the score that its customers give to it",
    more=Forms("and {} more touchpoint", "and {} more touchpoints", "and {} more touchpoints"),
    nothing="Nobody was touched in these days.",
)

PL: Final = CensusWords(
    everyone="wszyscy",
    lost_by=Forms("{} klient stracił", "{} klientów straciło", "{} klientów straciło"),
    before="{lost} pkt w ciągu {days} dni, a {before} w ciągu poprzednich {days} dni",
    read=Forms("odczytano {} osobę", "odczytano {} osoby", "odczytano {} osób"),
    of="stan z",
    lost="stracono",
    trend="zmiana",
    customers="klienci",
    driver="co liczy się dla ludzi",
    control="kto może to naprawić",
    touchpoint="punkt styku",
    stage="etap",
    others="inne",
    map_of="Stracone punkty według etapów i kanałów; pod nimi wynik, jaki dają im ich klienci",
    more=Forms("i jeszcze {} punkt styku", "i jeszcze {} punkty styku", "i jeszcze {} punktów styku"),
    nothing="W tych dniach nikogo nic nie spotkało.",
)

CENSUS_WORDS: Final[Mapping[str, CensusWords]] = MappingProxyType({"en": EN, "pl": PL})
