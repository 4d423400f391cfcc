"""A model's file: what it changes of a catalogue, and what a mistake in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.core.bands import BANDS, Bands
from services.core.weighing import Stretch
from services.infra.catalogue.model_file import ModelFile, read_model
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import ConfigurationError

OURS = load_catalogue()

WHOLE = """\
model:
  name: spring
  made_at: 2026-05-01T10:00:00Z
  provenance: {by: Anna, outcomes: survey-may.csv}
parameters:
  lambda: 1.5
  half_life_days: 45
weights:
  delivery.damaged: 1
valence_scales:
  delivery.damaged: 4
  survey.csat: 0.5
  order.completed: 1
calibration:
  knots: [[20, 0.9], [60, 0.2], [80, 0.2]]
bands:
  poor: 0
  so-so: 45
  fine: 70.5
"""


def read(tmp_path: Path, text: str) -> ModelFile:
    path = tmp_path / "model.yaml"
    path.write_text(text, encoding="utf-8")
    return read_model(path, catalogue=OURS)


def test_a_model_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    model = read(tmp_path, WHOLE)

    catalogue = model.catalogue
    changed = {name for name, entry in catalogue.entries.items() if entry != OURS.entries[name]}
    assert (model.name, model.made_at, model.text) == ("spring", "2026-05-01T10:00:00Z", WHOLE)
    assert changed == {"delivery.damaged"}
    assert catalogue.entry("delivery.damaged").weight == 1
    assert (catalogue.parameters.lambda_, catalogue.parameters.half_life_days) == (1.5, 45)
    assert catalogue.parameters.kappa == OURS.parameters.kappa
    assert catalogue.calibration is not None
    assert [catalogue.calibration.at(score) for score in (0, 20, 40, 70, 100)] == pytest.approx(
        [0.9, 0.9, 0.55, 0.2, 0.2]
    )


def test_a_model_may_have_bands_of_its_own(tmp_path: Path) -> None:
    with_bands = read(tmp_path, WHOLE).catalogue.bands
    without = read(tmp_path, "model: {name: same, provenance: {by: nobody}}").catalogue.bands

    assert with_bands == Bands(("unknown", "poor", "so-so", "fine"), (45, 70.5))
    assert without == BANDS


def test_a_model_says_how_much_each_role_counts_in_its_account(tmp_path: Path) -> None:
    model = read(tmp_path, WHOLE.replace("lambda: 1.5", "factor_decision_maker: 5"))

    parameters = model.catalogue.parameters
    assert (parameters.factor_decision_maker, parameters.factor_champion, parameters.factor_user) == (5, 2, 1)
    assert model.version != OURS.model_version


def test_a_model_says_what_is_at_stake_when_others_tell_of_a_place(tmp_path: Path) -> None:
    nothing = read(tmp_path, WHOLE)
    little, more = (read(tmp_path, f"{WHOLE}place_past: {stake}\n") for stake in (0.2, 0.3))
    none = read(tmp_path, f"{WHOLE}place_past: 0\n")

    assert [one.catalogue.place_past for one in (nothing, little, more)] == [0.0, 0.2, 0.3]
    assert len({one.version for one in (nothing, little, more)}) == 3
    assert none.version == nothing.version, "nothing is at stake"


def test_a_scale_never_takes_a_valence_past_its_ends(tmp_path: Path) -> None:
    stretches = read(tmp_path, WHOLE).catalogue.stretches

    damaged = -OURS.constants["delivery.damaged"] / 1e6
    assert stretches == {
        "delivery.damaged": Stretch(good=4, bad=1 / damaged),
        "survey.csat": Stretch(good=0.5, bad=0.5),
    }


def test_the_version_is_a_hash_of_all_that_weighs_and_of_nothing_else(tmp_path: Path) -> None:
    version = read(tmp_path, WHOLE).version
    renamed = read(tmp_path, WHOLE.replace("spring", "summer")).version
    nothing = read(tmp_path, "model: {name: same, provenance: {by: nobody}}").version
    others = {
        read(tmp_path, WHOLE.replace(old, new)).version
        for old, new in (
            ("lambda: 1.5", "lambda: 1.6"),
            ("damaged: 1", "damaged: 2"),
            ("csat: 0.5", "csat: 0.6"),
            ("[20, 0.9]", "[20, 0.8]"),
            ("so-so: 45", "so-so: 46"),
            ("so-so: 45", "fair: 45"),
        )
    }

    assert renamed == version
    assert nothing == OURS.model_version
    assert len(others) == 6
    assert version not in others


MISTAKES = {
    "negative weight": (
        "damaged: 1",
        "damaged: -1",
        9,
        "weights.delivery.damaged: -1 is out of range; give a number from 0",
    ),
    "heavy weight": ("damaged: 1", "damaged: 11", 9, "give a number from 0 to 10"),
    "place past": ("bands:", "place_past: 3\nbands:", 16, "place_past: 3 is out of range; give a number from 0 to 2"),
    "nan": ("damaged: 1", "damaged: .nan", 9, "weights.delivery.damaged: must be a number"),
    "unknown touchpoint": ("delivery.damaged: 1", "delivery.damagd: 1", 9, "did you mean 'delivery.damaged'?"),
    "prior": ("lambda: 1.5", "prior: 1", 6, "parameters.prior: 1 is out of range; give a number from 0.01 to 0.99"),
    "factor": ("half_life_days: 45", "factor_user: -1", 7, "give a number from 0.01 to 10"),
    "half-life": ("half_life_days: 45", "half_life_days: 0", 7, "give a number from 0.1 to 4000"),
    "cap": ("lambda: 1.5", "cap: 0", 6, "parameters.cap: 0 is out of range; give a number from 0.01 to 100"),
    "infinity": ("lambda: 1.5", "kappa: .inf", 6, "give a number from 0.01 to 100"),
    "unknown parameter": ("lambda: 1.5", "kapa: 1", 6, "is not a known key; did you mean 'kappa'?"),
    "unknown part": ("weights:", "weigths:", 8, "is not a known key; did you mean 'weights'?"),
    "scale": ("csat: 0.5", "csat: 0", 12, "valence_scales.survey.csat: 0 is out of range"),
    "falling scores": ("[60, 0.2]", "[10, 0.2]", 15, "the score 10 follows 20; write the knots with rising scores"),
    "rising risk": ("[80, 0.2]", "[80, 0.3]", 15, "a better score must never be the greater risk"),
    "risk": ("[20, 0.9]", "[20, 1.9]", 15, "1.9 is out of range; give a number from 0 to 1"),
    "no pair": ("[20, 0.9]", "[20]", 15, "must be [score, probability]"),
    "no knots": ("[[20, 0.9], [60, 0.2], [80, 0.2]]", "[]", 14, "must hold 1 to 1000 knots"),
    "no name": ("  name: spring\n", "", 1, "lacks `name`; add it"),
    "long name": ("spring", "s" * 101, 2, "is longer than 100 characters; shorten it"),
    "no provenance": ("{by: Anna, outcomes: survey-may.csv}", "{}", 4, "is empty; say where the numbers come from"),
    "first band": ("poor: 0", "poor: 1", 17, "bands.poor: the first band must begin at 0"),
    "falling bands": ("so-so: 45", "so-so: 71", 19, "bands.fine: 70.5 follows 71; write the bands from the worst"),
    "equal bands": ("so-so: 45", "so-so: 70.5", 19, "70.5 follows 70.5"),
    "band past the end": ("fine: 70.5", "fine: 101", 19, "101 is out of range; give a number from 0 to 100"),
    "empty band": ("fine: 70.5", "fine: 100", 19, "must begin below 100, which no score reaches"),
    "nan band": ("so-so: 45", "so-so: .nan", 18, "bands.so-so: must be a number"),
    "name of a band": ("so-so: 45", "So so: 45", 18, "the name must be lower-case letters"),
    "unknown band": ("so-so: 45", "unknown: 45", 18, "and not 'unknown'"),
    "one band": ("  so-so: 45\n  fine: 70.5\n", "", 16, "must name 2 to 10 bands"),
    "many bands": ("  fine: 70.5\n", "".join(f"  b{n}: {60 + n}\n" for n in range(9)), 16, "must name 2 to 10 bands"),
    "time": ("2026-05-01T10:00:00Z", "in May", 3, "must be an RFC 3339 time"),
    "twice": ("  delivery.damaged: 1\n", "  delivery.damaged: 1\n  delivery.damaged: 2\n", 10, "stands twice"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_its_line_and_its_fix(mistake: str, tmp_path: Path) -> None:
    old, new, line, says = MISTAKES[mistake]
    assert WHOLE.count(old) >= 1

    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, WHOLE.replace(old, new, 1))

    told = str(raised.value).splitlines()
    assert any(f"model.yaml:{line}: " in each and says in each for each in told), told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks `model`; add it"),
        ("- a list", "must hold `key: value` pairs"),
        ("model: [", "is not YAML"),
        ("model: {name: x, provenance: {by: \x00}}", "is not YAML"),
    ],
)
def test_what_is_no_model_is_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=says):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"model\.yaml: cannot be read .*tune-the-score\.md"):
        read_model(tmp_path / "model.yaml", catalogue=OURS)
