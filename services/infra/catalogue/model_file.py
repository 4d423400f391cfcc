"""A model's file: parameters and weights of touchpoints on top of a catalogue, and where they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import yaml

from schemas.score import BAND_PATTERN
from services.core.bands import BANDS, UNKNOWN_BAND, Bands
from services.core.catalogue import Catalogue
from services.core.hearsay import STAKE_MAX
from services.core.weighing import Calibration, stretch
from services.infra.catalogue.parameters import read_parameters
from services.infra.catalogue.touchpoints import read_weight
from services.infra.catalogue.yaml_nodes import Field, open_yaml
from services.infra.near import nearest

SCALE_LEAST: Final = 0.01
SCALE_MOST: Final = 10.0
"""A hundredth is next to nothing; ten lets a valence of .1 be felt whole."""

NAME_CHARS_MAX: Final = 100
"""A line of a list."""

SCORE_MOST: Final = 100.0

KNOTS_MAX: Final = 1000
"""Ten a point: an isotonic fit of a million outcomes has some hundreds."""


BANDS_MOST: Final = 10
"""Ten points each; a reader keeps apart no more words than that."""

_BAND: Final = re.compile(BAND_PATTERN)


class ModelFile(NamedTuple):
    """A model as its file has it."""

    name: str
    made_at: str
    """Empty when it does not say."""
    catalogue: Catalogue
    """The catalogue that it was put on, weighed by it."""
    text: str
    """The file, whole."""

    @property
    def version(self) -> str:
        """The hash of all that weighs."""
        return self.catalogue.model_version


def read_model(path: Path, *, catalogue: Catalogue) -> ModelFile:
    """Read a model on top of a catalogue; raises ConfigurationError that names each wrong line and its fix."""
    file, root = open_yaml(path, fix="name a model's file, as docs/how-to/tune-the-score.md shows one")
    root = root or Field(file, yaml.MappingNode("tag:yaml.org,2002:map", []), "", 1)
    optional = ("parameters", "weights", "valence_scales", "calibration", "bands", "place_past")
    fields = root.record(required=("model",), optional=optional)
    name, made_at = _named(fields)
    parameters = catalogue.parameters
    if "parameters" in fields:
        parameters = read_parameters(fields["parameters"], parameters)
    weights = {one: read_weight(field) for one, field in _of_touchpoints(fields, "weights", catalogue)}
    scales = {one: _scale(field) for one, field in _of_touchpoints(fields, "valence_scales", catalogue)}
    calibration = _calibration(fields["calibration"]) if "calibration" in fields else None
    bands = _bands(fields["bands"]) if "bands" in fields else catalogue.bands
    place_past = catalogue.place_past
    if "place_past" in fields:
        place_past = fields["place_past"].number(least=0, most=STAKE_MAX)
    file.check()
    entries = {
        one: replace(entry, weight=weights[one]) if one in weights else entry
        for one, entry in catalogue.entries.items()
    }
    weighed = replace(
        catalogue,
        entries=MappingProxyType(entries),
        parameters=parameters,
        stretches={one: stretch(scale, entries[one].valence) for one, scale in scales.items() if scale != 1},
        calibration=calibration,
        bands=bands,
        place_past=place_past,
    )
    return ModelFile(name, made_at, weighed, path.read_text(encoding="utf-8"))


def _named(fields: Mapping[str, Field]) -> tuple[str, str]:
    """Read what a model says of itself: its name and when it was made; that it says from what."""
    if "model" not in fields:
        return "", ""
    said = fields["model"].record(required=("name", "provenance"), optional=("made_at",))
    name = said["name"].text() if "name" in said else ""
    if len(name) > NAME_CHARS_MAX:
        said["name"].wrong(f"is longer than {NAME_CHARS_MAX} characters; shorten it")
    made_at = said["made_at"].instant() if "made_at" in said else ""
    if "provenance" in said and not said["provenance"].mapping():
        said["provenance"].wrong("is empty; say where the numbers come from, such as `by: Anna, after the May survey`")
    return name, made_at


def _of_touchpoints(fields: Mapping[str, Field], key: str, catalogue: Catalogue) -> Iterable[tuple[str, Field]]:
    """Give what a mapping says of touchpoints that the catalogue has, and report the others."""
    for name, field in fields[key].mapping().items() if key in fields else ():
        if name in catalogue.entries:
            yield name, field
            continue
        near = nearest(name, catalogue.entries)
        hint = f"did you mean {near!r}? " if near else ""
        field.wrong(f"is not in the catalogue; {hint}`tactus catalogue show` lists all, TACTUS_CATALOGUE may add one")


def _scale(field: Field) -> float:
    return field.number(least=SCALE_LEAST, most=SCALE_MOST)


def _calibration(field: Field) -> Calibration | None:
    fields = field.record(required=("knots",), optional=())
    knots = [_knot(one) for one in fields["knots"].items()] if "knots" in fields else []
    if not 1 <= len(knots) <= KNOTS_MAX:
        field.wrong(f"must hold 1 to {KNOTS_MAX} knots: [[score, probability], …]")
        return None
    scores, risks = zip(*knots, strict=True)
    for one, score, before in zip(fields["knots"].items()[1:], scores[1:], scores[:-1], strict=True):
        if score <= before:
            one.wrong(f"the score {score:g} follows {before:g}; write the knots with rising scores")
    for one, risk, before in zip(fields["knots"].items()[1:], risks[1:], risks[:-1], strict=True):
        if risk > before:
            one.wrong(f"the probability {risk:g} follows {before:g}; a better score must never be the greater risk")
    return Calibration(scores, risks)


def _bands(field: Field) -> Bands:
    begins = {name: start.number(least=0, most=100) for name, start in field.mapping().items()}
    if not 2 <= len(begins) <= BANDS_MOST:  # noqa: PLR2004 - one would say nothing
        field.wrong(f"must name 2 to {BANDS_MOST} bands with the scores at which they begin, such as `low: 0`")
        return BANDS
    for name, one in field.mapping().items():
        if not _BAND.fullmatch(name) or name == UNKNOWN_BAND:
            one.wrong(f"the name must be lower-case letters, digits, - and _, up to 30, and not {UNKNOWN_BAND!r}")
    (_, first), *later = field.mapping().items()
    starts = [*begins.values()]
    if starts[0] != 0:
        first.wrong("the first band must begin at 0, so that every score has one")
    for (_, one), start, before in zip(later, starts[1:], starts[:-1], strict=True):
        if start <= before:
            one.wrong(f"{start:g} follows {before:g}; write the bands from the worst to the best, with rising scores")
        elif start >= SCORE_MOST:
            one.wrong("must begin below 100, which no score reaches")
    return Bands.of(begins)


def _knot(field: Field) -> tuple[float, float]:
    ends = field.items()
    if len(ends) != 2:  # noqa: PLR2004 - a pair
        field.wrong("must be [score, probability]")
        return 0.0, 0.0
    return ends[0].number(least=0, most=100), ends[1].number(least=0, most=1)
