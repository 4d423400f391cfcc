"""One touchpoint as a catalogue's file declares it: its entry, its labels, and what others call it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.weighing import WEIGHT_MAX
from services.core.catalogue import CATEGORIES, CONTROLS, DRIVERS, STAGES, UNKNOWN, Entry
from services.core.promise_kinds import CASE, ORDER
from services.core.valence import NoValence
from services.infra.catalogue.valence_syntax import read_valence
from services.infra.catalogue.yaml_nodes import Field

LANGUAGES: Final = ("en", "pl")

TOUCHPOINT_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
CHANNEL_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

ANY_CHANNEL: Final = "any"

EACH: Final = "each"
ONCE: Final = (ORDER, CASE, EACH)
"""Of what a touchpoint may count once, whoever tells it; `each`: every event counts."""

NEEDED: Final = ("stage", "category", "control", "driver", "weight", "valence", "labels")
"""What every touchpoint must say; the channel, too, in the catalogue itself."""


class Touchpoint(NamedTuple):
    """All that a file says of a touchpoint; labels and advice by language, other programs' names by source."""

    entry: Entry
    labels: Mapping[str, str]
    advice: Mapping[str, str]
    """What to do when it hurt somebody; empty where nobody said."""
    aliases: Mapping[str, tuple[str, ...]]
    note: str


def read_touchpoint(name: str, field: Field, *, required: Iterable[str], sources: Iterable[str]) -> Touchpoint:
    """Read a whole touchpoint; where its channel may be left out it is any."""
    if not TOUCHPOINT_NAME.fullmatch(name):
        field.wrong("is not a touchpoint's name; write it like area.what_happened, in small letters")
    fields = field.record(required=tuple(required), optional=("channel", "once", "advice", "aliases", "note"))
    aliases = fields["aliases"].record(required=(), optional=tuple(sources)) if "aliases" in fields else {}

    def word(key: str, options: tuple[str, ...]) -> str:
        return fields[key].choice(options) if key in fields else UNKNOWN

    entry = Entry(
        name=name,
        channel=_channel(fields["channel"]) if "channel" in fields else ANY_CHANNEL,
        stage=word("stage", STAGES),
        category=word("category", CATEGORIES),
        control=word("control", CONTROLS),
        driver=word("driver", DRIVERS),
        weight=read_weight(fields["weight"]) if "weight" in fields else 0.0,
        valence=read_valence(fields["valence"]) if "valence" in fields else NoValence(),
        once=read_once(fields["once"]) if "once" in fields else "",
    )
    return Touchpoint(
        entry=entry,
        labels=read_labels(fields["labels"]) if "labels" in fields else {},
        advice=read_labels(fields["advice"]) if "advice" in fields else {},
        aliases={source: names.texts() for source, names in aliases.items()},
        note=fields["note"].text() if "note" in fields else "",
    )


def read_weight(field: Field) -> float:
    """Read a weight."""
    return field.number(least=0, most=WEIGHT_MAX)


def read_once(field: Field) -> str:
    """Read of what a touchpoint counts once; empty where each event counts."""
    word = field.choice(ONCE)
    return "" if word == EACH else word


def read_labels(field: Field) -> dict[str, str]:
    """Read a text in every language."""
    fields = field.record(required=LANGUAGES, optional=())
    return {language: fields[language].text() if language in fields else "" for language in LANGUAGES}


def check_labels(fields: Mapping[str, Field], touchpoints: Mapping[str, Touchpoint]) -> None:
    """Report labels of these fields that another touchpoint has, too: people could not tell the two apart."""
    taken = {
        (language, label): name
        for name, touchpoint in touchpoints.items()
        if name not in fields
        for language, label in touchpoint.labels.items()
    }
    for name, field in fields.items():
        for language, label in touchpoints[name].labels.items() if name in touchpoints else ():
            other = taken.setdefault((language, label), name)
            if label and other != name:
                _part(field, "labels").wrong(f"{label!r} is also the {language} label of {other}; tell the two apart")


def turned(fields: Mapping[str, Field], touchpoints: Mapping[str, Touchpoint]) -> dict[str, Mapping[str, str]]:
    """Turn aliases around, to source → name → touchpoint; report those of these fields that lead to two."""
    found: dict[str, dict[str, str]] = {}
    for name, touchpoint in sorted(touchpoints.items(), key=lambda item: item[0] in fields):
        for source, aliases in touchpoint.aliases.items():
            for alias in aliases:
                other = found.setdefault(source, {}).setdefault(alias, name)
                if other != name and name in fields:
                    _part(fields[name], "aliases").wrong(
                        f"{source}'s {alias!r} already means {other}; take it out of one of the two"
                    )
    return {source: MappingProxyType(names) for source, names in found.items()}


def _part(field: Field, key: str) -> Field:
    return field.mapping().get(key, field)


def _channel(field: Field) -> str:
    channel = field.text()
    if channel and not CHANNEL_NAME.fullmatch(channel):
        field.wrong("is not a channel's name; use small letters, digits and underscores")
    return channel
