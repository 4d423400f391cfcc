"""The words of notifications, in the languages that people read them in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Words(NamedTuple):
    """All that a notification says besides ids, figures and the catalogue's labels."""

    titles: Mapping[str, str]
    """By what has happened; of some rules in words of their own."""
    severities: Mapping[str, str]
    since: str
    advice: str
    link: str
    part_of: str
    test: str
    incident: str
    incident_over: str
    people: str
    usual: str
    along: Mapping[str, str]
    digest: str


WORDS: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "en": Words(
            titles={
                "opened": "{severity}: the score of {who} fell from {before} to {now}",
                "worsened": "{severity}: the score of {who} fell further, from {before} to {now}",
                "bad_answer.opened": "{severity}: a bad answer of {who}, whose score is {now}",
                "overdue.opened": "{severity}: a promise to {who} is overdue, the score fell from {before} to {now}",
                "closed": "Over: the alert about {who} is closed, the score is {now}",
                "withdrawn": "Withdrawn: what came late shows that the score of {who} did not fall so far",
                "grouped": "The score of {who} fell from {before} to {now}, as those of others did: see the incident",
            },
            severities={"warning": "Warning", "critical": "Critical"},
            since="Since {at}",
            advice="What to do",
            link="Look",
            part_of="Part of incident {incident}",
            test="TEST",
            incident="Incident: the scores of {n} people fell, {along}: {value}",
            incident_over="Over: incident of {n} people, {along}: {value}",
            people="{n} people",
            usual="Usual at this hour: {n}",
            along={"place": "place", "touchpoint": "touchpoint", "channel": "channel"},
            digest="{n} alerts up to {day}",
        ),
        "pl": Words(
            titles={
                "opened": "{severity}: ocena {who} spadła z {before} do {now}",
                "worsened": "{severity}: ocena {who} spadła jeszcze bardziej, z {before} do {now}",
                "bad_answer.opened": "{severity}: zła odpowiedź od {who}, ocena wynosi {now}",
                "overdue.opened": "{severity}: spóźniona obietnica wobec {who}, ocena spadła z {before} do {now}",
                "closed": "Koniec: alert o {who} zamknięty, ocena wynosi {now}",
                "withdrawn": "Wycofane: spóźnione zdarzenia pokazują, że ocena {who} nie spadła tak bardzo",
                "grouped": "Ocena {who} spadła z {before} do {now}, tak jak innych: zobacz incydent",
            },
            severities={"warning": "Ostrzeżenie", "critical": "Pilne"},
            since="Od {at}",
            advice="Co zrobić",
            link="Zobacz",
            part_of="Część incydentu {incident}",
            test="PRÓBA",
            incident="Incydent: liczba osób, których oceny spadły: {n}, {along}: {value}",
            incident_over="Koniec incydentu, liczba osób: {n}, {along}: {value}",
            people="Liczba osób: {n}",
            usual="Zwykle o tej porze: {n}",
            along={"place": "miejsce", "touchpoint": "punkt styku", "channel": "kanał"},
            digest="Alerty do {day}: {n}",
        ),
    }
)
