"""The catalogue's file: loads schemas/catalogue.yaml and a deployment's own, and checks every line of both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import schemas
from schemas.weighing import PARAMETER_BOUNDS
from services.core.catalogue import CATEGORIES, CONTROLS, DRIVERS, STAGES, UNKNOWN, Catalogue, Parameters
from services.core.promise_kinds import PromiseKind, PromiseKinds
from services.core.roles import ROLES
from services.core.thresholds import USUAL
from services.infra.catalogue import deployment
from services.infra.catalogue.parameters import read_parameters
from services.infra.catalogue.promises import check_told, read_promises
from services.infra.catalogue.touchpoints import (
    LANGUAGES,
    NEEDED,
    Touchpoint,
    check_labels,
    read_labels,
    read_touchpoint,
    turned,
)
from services.infra.catalogue.yaml_nodes import Field, open_yaml, same_keys
from services.infra.errors import ConfigurationError

__all__ = ["CATALOGUE_FILE", "LANGUAGES", "check", "labels", "load_catalogue", "read_catalogue", "show"]

CATALOGUE_FILE: Final = Path(schemas.__file__).parent / "catalogue.yaml"

WORDS: Final = (
    ("stages", STAGES),
    ("categories", CATEGORIES),
    ("controls", CONTROLS),
    ("drivers", DRIVERS),
    ("roles", ROLES),
)
"""The groups of words that have labels, besides the touchpoints."""


class Labels(NamedTuple):
    """The words people read, in one language, by the words of the code."""

    touchpoints: Mapping[str, str]
    stages: Mapping[str, str]
    categories: Mapping[str, str]
    controls: Mapping[str, str]
    drivers: Mapping[str, str]
    roles: Mapping[str, str]
    advice: Mapping[str, str]
    """What to do when a touchpoint hurt somebody; one that nobody advises on is missing."""


class CatalogueFile(NamedTuple):
    """All that the file says: what the core needs, labels by language, and other programs' names by source."""

    catalogue: Catalogue
    labels: Mapping[str, Labels]
    aliases: Mapping[str, Mapping[str, str]]
    notes: Mapping[str, str]


def load_file(override: Path | None = None) -> CatalogueFile:
    """Load all of the catalogue's file; raises ConfigurationError that names each wrong line and its fix."""
    return read_catalogue(CATALOGUE_FILE, override=override)


def load_catalogue(override: Path | None = None) -> Catalogue:
    """Load the catalogue; raises ConfigurationError that names each wrong line and its fix."""
    return load_file(override).catalogue


@lru_cache(maxsize=len(LANGUAGES))
def labels(language: str, *, override: Path | None = None) -> Labels:
    """Give the labels in a language; raises ConfigurationError when there is none in it."""
    if language not in LANGUAGES:
        raise ConfigurationError(f"there are no labels in {language!r}; use one of {', '.join(LANGUAGES)}")
    return read_catalogue(CATALOGUE_FILE, override=override).labels[language]


def read_catalogue(path: Path, *, override: Path | None) -> CatalogueFile:
    """Read a catalogue, and what a deployment changes of it and adds to it."""
    file, root = open_yaml(path, fix="install the package again")
    if root is None:
        raise ConfigurationError(f"{path}:1: is empty; install the package again")
    groups = tuple(key for key, _ in WORDS)
    fields = root.record(required=("parameters", "sources", *groups, "unknown", "touchpoints"), optional=("promises",))
    file.check()
    parameters = read_parameters(fields["parameters"], Parameters())
    same_keys(fields["parameters"].mapping(), PARAMETER_BOUNDS, owner=fields["parameters"])
    sources = tuple(fields["sources"].mapping())
    own = fields["touchpoints"].mapping()
    touchpoints = {
        name: read_touchpoint(name, field, required=("channel", *NEEDED), sources=sources)
        for name, field in own.items()
    }
    check_labels(own, touchpoints)
    aliases: Mapping[str, Mapping[str, str]] = turned(own, touchpoints)
    words = _words(fields)
    entries = {name: one.entry for name, one in touchpoints.items()}
    promised = fields["promises"].mapping() if "promises" in fields else {}
    promises: Mapping[str, PromiseKind] = read_promises(promised, before={}, entries=entries)
    check_told(promises.values(), entries, fields["touchpoints"])
    file.check()
    thresholds = USUAL
    if override is not None:
        overridden = deployment.override(override, touchpoints, parameters, promises, sources=sources)
        touchpoints, parameters, aliases, promises, thresholds = overridden
        entries = {name: one.entry for name, one in touchpoints.items()}
    return CatalogueFile(
        catalogue=Catalogue(
            MappingProxyType(entries),
            parameters,
            PromiseKinds(MappingProxyType(dict(promises))),
            thresholds=thresholds,
        ),
        labels=_by_language(touchpoints, words),
        aliases=aliases,
        notes={name: one.note for name, one in touchpoints.items() if one.note},
    )


def check(override: Path | None = None) -> str:
    """Summarise a catalogue that is in order; raises ConfigurationError otherwise."""
    catalogue = load_catalogue(override)
    added = len(catalogue.entries) - len(load_catalogue().entries)
    own = f", {added} of them of {override}" if added else ""
    return f"{len(catalogue.entries)} touchpoints{own}, model {catalogue.model_version}: in order"


def show(*, override: Path | None = None, language: str = "en") -> str:
    """Lay the catalogue out as lines of text, one a touchpoint."""
    catalogue, names = load_catalogue(override), labels(language, override=override)
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


def _words(fields: Mapping[str, Field]) -> list[dict[str, dict[str, str]]]:
    """Read the labels of every group of words, in the groups' order."""
    unknown = read_labels(fields["unknown"])
    groups = []
    for key, words in WORDS:
        group = fields[key].mapping()
        same_keys(group, words, owner=fields[key])
        groups.append({**{word: read_labels(field) for word, field in group.items()}, UNKNOWN: unknown})
    return groups


def _by_language(touchpoints: Mapping[str, Touchpoint], words: list[dict[str, dict[str, str]]]) -> dict[str, Labels]:
    groups: list[Mapping[str, Mapping[str, str]]] = [
        {name: one.labels for name, one in touchpoints.items()},
        *words,
        {name: one.advice for name, one in touchpoints.items() if one.advice},
    ]
    return {
        language: Labels(*({word: names[language] for word, names in group.items()} for group in groups))
        for language in LANGUAGES
    }
