"""The catalogue's file: loads schemas/catalogue.yaml and a deployment's overrides, and checks every line of both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import schemas
from services.core.catalogue import CATEGORIES, CONTROLS, DRIVERS, STAGES, UNKNOWN, Catalogue, Entry, Parameters
from services.core.valence import NoValence
from services.infra.catalogue.valence_syntax import read_valence
from services.infra.catalogue.yaml_nodes import Field, open_yaml, same_keys
from services.infra.errors import ConfigurationError

CATALOGUE_FILE: Final = Path(schemas.__file__).parent / "catalogue.yaml"
LANGUAGES: Final = ("en", "pl")

TOUCHPOINT_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
CHANNEL_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

WEIGHT_MAX: Final = 10.0
"""Three times the heaviest default; one event must not outweigh all others of a person."""

PARAMETER_BOUNDS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "lambda": (0.1, 10.0),
        "beta": (0.0, 1.0),
        "kappa": (0.01, 100.0),
        "prior": (0.01, 0.99),
        "cap": (0.01, 100.0),
        "half_life_days": (0.1, 4000.0),
    }
)
"""Inside them the score keeps its guarantees: it stays between 0 and 100 and good never lowers it."""


class Labels(NamedTuple):
    """The words people read, in one language, by the words of the code."""

    touchpoints: Mapping[str, str]
    stages: Mapping[str, str]
    categories: Mapping[str, str]
    controls: Mapping[str, str]
    drivers: Mapping[str, str]


class CatalogueFile(NamedTuple):
    """All that the file says: what the core needs, labels by language, and other programs' names by source."""

    catalogue: Catalogue
    labels: Mapping[str, Labels]
    aliases: Mapping[str, Mapping[str, tuple[str, ...]]]
    notes: Mapping[str, str]


def load_catalogue(override: Path | None = None) -> Catalogue:
    """Load the catalogue; raises ConfigurationError that names each wrong line and its fix."""
    return read_catalogue(CATALOGUE_FILE, override=override).catalogue


@lru_cache(maxsize=len(LANGUAGES))
def labels(language: str) -> Labels:
    """Give the labels in a language; raises ConfigurationError when there is none in it."""
    if language not in LANGUAGES:
        raise ConfigurationError(f"there are no labels in {language!r}; use one of {', '.join(LANGUAGES)}")
    return read_catalogue(CATALOGUE_FILE, override=None).labels[language]


def read_catalogue(path: Path, *, override: Path | None) -> CatalogueFile:
    """Read a catalogue and what a deployment overrides of it."""
    file, root = open_yaml(path, fix="install the package again")
    if root is None:
        raise ConfigurationError(f"{path}:1: is empty; install the package again")
    fields = root.record(
        required=("parameters", "sources", "stages", "categories", "controls", "drivers", "unknown", "touchpoints"),
        optional=(),
    )
    file.check()
    parameters = _parameters(fields["parameters"], Parameters())
    same_keys(fields["parameters"].mapping(), PARAMETER_BOUNDS, owner=fields["parameters"])
    sources = tuple(fields["sources"].mapping())
    touchpoints = fields["touchpoints"].mapping()
    entries = {name: _entry(name, field, sources=sources) for name, field in touchpoints.items()}
    by_language = _labels(fields)
    aliases = _aliases(touchpoints, sources)
    notes = {name: _note(field) for name, field in touchpoints.items()}
    file.check()
    catalogue = Catalogue(MappingProxyType(entries), parameters)
    if override is not None:
        catalogue = _overridden(catalogue, override)
    return CatalogueFile(catalogue, by_language, aliases, {name: note for name, note in notes.items() if note})


def check(override: Path | None = None) -> str:
    """Summarise a catalogue that is in order; raises ConfigurationError otherwise."""
    catalogue = load_catalogue(override)
    return f"{len(catalogue.entries)} touchpoints, model {catalogue.model_version}: in order"


def show(*, override: Path | None = None, language: str = "en") -> str:
    """Lay the catalogue out as lines of text, one a touchpoint."""
    catalogue, names = load_catalogue(override), labels(language)
    head = ("touchpoint", "label", "channel", "stage", "category", "control", "driver", "weight", "valence")
    rows = [
        (
            entry.name,
            names.touchpoints[entry.name],
            entry.channel,
            entry.stage,
            entry.category,
            entry.control,
            entry.driver,
            f"{entry.weight:g}",
            str(entry.valence),
        )
        for entry in catalogue.entries.values()
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "\n".join(line.rstrip() for line in lines)


def _overridden(catalogue: Catalogue, path: Path) -> Catalogue:
    """Apply a deployment's file: parameters, and the weight and valence of known touchpoints."""
    file, root = open_yaml(path, fix="set TACTUS_CATALOGUE to a YAML file, or unset it")
    if root is None:
        return catalogue
    fields = root.record(required=(), optional=("parameters", "touchpoints"))
    parameters = catalogue.parameters
    if "parameters" in fields:
        parameters = _parameters(fields["parameters"], parameters)
    entries = dict(catalogue.entries)
    touchpoints = fields["touchpoints"].record(required=(), optional=entries) if "touchpoints" in fields else {}
    for name, field in touchpoints.items():
        if name not in entries:
            continue
        changes = field.record(required=(), optional=("weight", "valence"))
        if "weight" in changes:
            entries[name] = replace(entries[name], weight=changes["weight"].number(least=0, most=WEIGHT_MAX))
        if "valence" in changes:
            entries[name] = replace(entries[name], valence=read_valence(changes["valence"]))
    file.check()
    return Catalogue(MappingProxyType(entries), parameters)


def _parameters(field: Field, defaults: Parameters) -> Parameters:
    values = field.record(required=(), optional=PARAMETER_BOUNDS)
    changes: dict[str, float] = {}
    for name, (least, most) in PARAMETER_BOUNDS.items():
        if name in values:
            changes["lambda_" if name == "lambda" else name] = values[name].number(least=least, most=most)
    return replace(defaults, **changes)


def _entry(name: str, field: Field, *, sources: tuple[str, ...]) -> Entry:
    if not TOUCHPOINT_NAME.fullmatch(name):
        field.wrong("is not a touchpoint's name; write it like area.what_happened, in small letters")
    fields = field.record(
        required=("channel", "stage", "category", "control", "driver", "weight", "valence", "labels"),
        optional=("aliases", "note"),
    )
    channel = fields["channel"].text() if "channel" in fields else ""
    if channel and not CHANNEL_NAME.fullmatch(channel):
        fields["channel"].wrong("is not a channel's name; use small letters, digits and underscores")
    if "aliases" in fields:
        fields["aliases"].record(required=(), optional=sources)

    def word(key: str, options: tuple[str, ...]) -> str:
        return fields[key].choice(options) if key in fields else UNKNOWN

    return Entry(
        name=name,
        channel=channel,
        stage=word("stage", STAGES),
        category=word("category", CATEGORIES),
        control=word("control", CONTROLS),
        driver=word("driver", DRIVERS),
        weight=fields["weight"].number(least=0, most=WEIGHT_MAX) if "weight" in fields else 0.0,
        valence=read_valence(fields["valence"]) if "valence" in fields else NoValence(),
    )


def _labels(fields: Mapping[str, Field]) -> dict[str, Labels]:
    """Read every label in every language."""
    unknown = _translations(fields["unknown"])
    groups: list[dict[str, dict[str, str]]] = []
    for key, words in (("stages", STAGES), ("categories", CATEGORIES), ("controls", CONTROLS), ("drivers", DRIVERS)):
        group = fields[key].mapping()
        same_keys(group, words, owner=fields[key])
        groups.append({**{word: _translations(field) for word, field in group.items()}, UNKNOWN: unknown})
    touchpoints: dict[str, dict[str, str]] = {}
    for name, field in fields["touchpoints"].mapping().items():
        own = field.mapping().get("labels")
        if own is None:
            continue
        touchpoints[name] = _translations(own)
        for language, label in touchpoints[name].items():
            same = [other for other, names in touchpoints.items() if names[language] == label and other != name]
            if label and same:
                own.wrong(f"{label!r} is also the {language} label of {same[0]}; tell the two apart")
    return {
        language: Labels(
            *({word: names[language] for word, names in group.items()} for group in (touchpoints, *groups))
        )
        for language in LANGUAGES
    }


def _translations(field: Field) -> dict[str, str]:
    fields = field.record(required=LANGUAGES, optional=())
    return {language: fields[language].text() if language in fields else "" for language in LANGUAGES}


def _aliases(touchpoints: Mapping[str, Field], sources: tuple[str, ...]) -> dict[str, Mapping[str, tuple[str, ...]]]:
    """Turn `touchpoint: {source: [name]}` around, to source → name → touchpoints."""
    turned: dict[str, dict[str, tuple[str, ...]]] = {source: {} for source in sources}
    for touchpoint, field in touchpoints.items():
        own = field.mapping().get("aliases")
        for source, names in own.mapping().items() if own else ():
            for name in names.texts():
                known = turned.setdefault(source, {})
                known[name] = (*known.get(name, ()), touchpoint)
    return {source: MappingProxyType(names) for source, names in turned.items()}


def _note(field: Field) -> str:
    own = field.mapping().get("note")
    return own.text() if own else ""
