"""The catalogue's file says what was agreed on, in two languages, and a deployment may override it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from services.core.catalogue import CATEGORIES, CONTROLS, DRIVERS, STAGES, Catalogue, Entry, Parameters
from services.core.thresholds import USUAL
from services.core.valence import (
    Conditional,
    Const,
    Kept,
    Late,
    NoValence,
    Per,
    Resolved,
    Scale,
    Sentiment,
    Valence,
    Wait,
)
from services.infra.catalogue.reading import (
    CATALOGUE_FILE,
    LANGUAGES,
    check,
    labels,
    load_catalogue,
    read_catalogue,
    show,
)
from services.infra.errors import ConfigurationError

CHECKOUT = Path(__file__).parents[3]
AGREED = Path(__file__).with_name("catalogue_table.md")
DOCUMENT = CHECKOUT.parent / "shared" / "SCORING.md"
TABLES = [pytest.param(AGREED, id="the agreed table")] + [
    pytest.param(path, id="the document itself") for path in (DOCUMENT,) if path.exists()
]
ROWS = 102
BESIDE = {"callback.made"}
"""What the table speaks of without a row for it."""
KEEPS_TOO = "delivery.dispatched"
"""What keeps a promise, as the table's document says elsewhere."""
ONCE_ORDER = (
    *("order.completed", "pos.sale_completed", "delivery.dispatched", "delivery.delivered"),
    *("delivery.lost_or_returned", "order.cancelled_by_shop", "order.cancelled_by_customer"),
    *("refund.requested", "refund.completed"),
)
ONCE_CASE = ("case.opened", "case.reopened", "case.escalated", "case.resolved", "complaint.made")
ONCE_OF = {**dict.fromkeys(ONCE_ORDER, "order"), **dict.fromkeys(ONCE_CASE, "case")}

STAGE_OF = dict(zip(("AW", "CO", "PU", "FU", "ON", "US", "SU", "LO", "AD", "EX"), STAGES, strict=True))
CATEGORY_OF = dict(zip("PMIUS", CATEGORIES, strict=True))
CONTROL_OF = dict(zip("OPT", CONTROLS, strict=True))
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def rows(path: Path) -> list[list[str]]:
    lines = [line for line in path.read_text().splitlines() if re.match(r"\| [a-z_]+\.[a-z_]+ \|", line)]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]


def seconds(text: str) -> float:
    amount, unit = re.fullmatch(r"([\d.]+) (s|min|h|d)", text.strip()).groups()  # type: ignore[union-attr]  # or fail
    return float(amount) * SECONDS[unit]


def kept(text: str) -> Kept:
    felt = valence_of(text)
    assert isinstance(felt, Wait | Resolved | Late)
    return Kept(felt)


NOTATION: dict[str, Callable[..., Valence]] = {
    r"kept\((min.*)\); keeps.*": kept,
    r"kept\(late\) (.*)": lambda inner: kept(f"late {inner}"),
    r"kept\((.*)\)": kept,
    r"min\(1, wait\(([^,]+),([^)]+)\) \+ ([.\d]+)\).*": lambda d, a, b: Resolved(
        Wait(seconds(d), seconds(a)), float(b)
    ),
    r"const (\S+); (\w+) = (\d+) → (\S+)": lambda c, p, e, t: Conditional(float(c), p, float(e), float(t)),
    r"const (-?[\d.]+).*": lambda c: Const(float(c)),
    r"wait\(([^,]+),([^)]+)\)(?: from .*)?": lambda d, a: Wait(seconds(d), seconds(a)),
    r"late \(hours_late.*\)": lambda: Late(None),
    r"late \((\w+)\)": Late,
    r"per\((\w+), (-\d+)/(\d+), floor (-\d+)\)": lambda p, c, d, f: Per(p, float(c) / float(d), float(f)),
    r"per\((\w+), (-[\d.]+), floor (-\d+)\)": lambda p, c, f: Per(p, float(c), float(f)),
    r"scale (\w+)": Scale,
    r"(nps)": Scale,
    r"sentiment": Sentiment,
    r"none \(q 0\)": NoValence,
    r"the open promise's .*; sent without an order: const (-1)": lambda c: Const(float(c)),
    r"the open promise's .*": NoValence,
}
"""How the table writes valence functions; the first that fits."""


def valence_of(text: str) -> Valence:
    fits = ((make, re.fullmatch(pattern, text.replace("−", "-"))) for pattern, make in NOTATION.items())
    return next(make(*found.groups()) for make, found in fits if found)


@pytest.mark.parametrize("path", TABLES)
def test_every_touchpoint_stands_and_weighs_and_feels_as_agreed(path: Path) -> None:
    table = rows(path)
    expected = {
        name: Entry(
            name=name,
            channel=channel,
            stage=STAGE_OF[stage],
            category=CATEGORY_OF[category],
            control=CONTROL_OF[control],
            driver=driver,
            weight=float(weight),
            valence=kept(valence) if name == KEEPS_TOO else valence_of(valence),
            once=ONCE_OF.get(name, ""),
        )
        for name, channel, stage, category, control, driver, weight, valence, *_ in table
    }

    entries = {name: entry for name, entry in load_catalogue().entries.items() if name not in BESIDE}

    assert len(table) == len(expected) == ROWS
    assert dict(entries) == expected
    assert list(entries) == list(expected)


def test_the_parameters_are_the_models_defaults() -> None:
    assert load_catalogue().parameters == Parameters()


def test_constant_touchpoints_are_listed_in_millionths() -> None:
    catalogue = load_catalogue()

    assert catalogue.constants["delivery.damaged"] == -900_000
    assert catalogue.constants["web.page_viewed"] == 20_000
    constant = {name for name, entry in catalogue.entries.items() if isinstance(entry.valence, Const)}
    assert catalogue.constants.keys() == constant - catalogue.leaves_facts
    assert not {"identity.linked", "survey.nps", "web.search_performed"} & catalogue.constants.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_people_see_has_a_label_of_its_own(language: str) -> None:
    names = labels(language)

    assert names.touchpoints.keys() == load_catalogue().entries.keys()
    for words, group in (
        (STAGES, names.stages),
        (CATEGORIES, names.categories),
        (CONTROLS, names.controls),
        (DRIVERS, names.drivers),
    ):
        assert group.keys() == {*words, "unknown"}
    for group in names:
        assert len(set(group.values())) == len(group)
        assert all(label == label.strip() and label[0] == label[0].upper() for label in group.values())


def test_there_are_no_labels_in_a_language_nobody_wrote() -> None:
    with pytest.raises(ConfigurationError, match="use one of en, pl"):
        labels("de")


def test_other_programs_names_lead_to_touchpoints() -> None:
    aliases = read_catalogue(CATALOGUE_FILE, override=None).aliases

    assert aliases["segment"]["Order Completed"] == "order.completed"
    assert aliases["sendgrid"]["group_unsubscribe"] == "email.unsubscribed"
    assert aliases["schema_org"]["ReviewAction"] == "review.posted_own"
    assert {len(names) > 0 for names in aliases.values()} == {True}


def test_a_deployment_overrides_weights_valences_and_parameters(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "parameters: {half_life_days: 14, lambda: 1.5}\n"
        "touchpoints:\n"
        "  pos.queue_waited: {weight: 2}\n"
        "  email.opened: {valence: none}\n"
        "  call.answered: {valence: {wait: {desired_seconds: 10, adequate_seconds: 60}}}\n"
    )

    catalogue, default = load_catalogue(own), load_catalogue()

    assert catalogue.parameters == Parameters(half_life_days=14, lambda_=1.5)
    assert catalogue.entry("pos.queue_waited").weight == 2
    assert catalogue.entry("pos.queue_waited").valence == default.entry("pos.queue_waited").valence
    assert catalogue.entry("email.opened").valence == NoValence()
    assert catalogue.entry("call.answered").valence == Wait(10, 60)
    assert catalogue.model_version != default.model_version
    changed = {name for name, entry in catalogue.entries.items() if entry != default.entries[name]}
    assert changed == {"pos.queue_waited", "email.opened", "call.answered"}


GARDEN = """\
touchpoints:
  garden.party_held:
    stage: loyalty
    category: image
    control: owned
    driver: kindness
    weight: 1.5
    valence: {scale: stars5}
    labels: {en: Garden party, pl: Przyjęcie w ogrodzie}
    aliases:
      segment: [Party Held]
      other: [eventbrite checked_in]
  pos.queue_waited:
    labels: {en: Queue at the counter, pl: Kolejka do lady}
"""


def test_a_deployment_declares_touchpoints_of_its_own(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(GARDEN)

    file, default = read_catalogue(CATALOGUE_FILE, override=own), load_catalogue()

    entry = file.catalogue.entry("garden.party_held")
    assert entry == Entry(
        name="garden.party_held",
        channel="any",
        stage="loyalty",
        category="image",
        control="owned",
        driver="kindness",
        weight=1.5,
        valence=Scale("stars5"),
    )
    assert file.catalogue.model_version != default.model_version
    assert {name: file.catalogue.entries[name] for name in default.entries} == dict(default.entries)
    assert file.labels["pl"].touchpoints["garden.party_held"] == "Przyjęcie w ogrodzie"
    assert file.aliases["segment"]["Party Held"] == "garden.party_held"
    assert file.aliases["segment"]["Order Completed"] == "order.completed"
    assert check(own).startswith(f"{ROWS + len(BESIDE) + 1} touchpoints, 1 of them of {own}, model ")
    assert any(line.startswith("garden.party_held ") for line in show(override=own, language="pl").splitlines())


def test_a_deployment_calls_a_touchpoint_by_its_own_words(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(GARDEN)

    assert labels("en", override=own).touchpoints["pos.queue_waited"] == "Queue at the counter"
    assert labels("en").touchpoints["pos.queue_waited"] != "Queue at the counter"


def test_an_override_of_comments_only_changes_nothing(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("# nothing yet\n")

    assert load_catalogue(own).model_version == load_catalogue().model_version


def test_check_counts_and_show_lists_every_touchpoint_in_either_language() -> None:
    assert check() == f"{ROWS + len(BESIDE)} touchpoints, model {load_catalogue().model_version}: in order"
    for language, word in (("en", "Parcel delivered"), ("pl", "Doręczenie przesyłki")):
        lines = show(language=language).splitlines()
        assert len(lines) == ROWS + len(BESIDE) + 1
        assert any(line.startswith("delivery.delivered ") and word in line for line in lines)


def test_a_touchpoint_is_unknown_only_if_the_catalogue_lacks_it() -> None:
    catalogue = load_catalogue()

    assert isinstance(catalogue, Catalogue)
    assert catalogue.entry("x.new").stage == "unknown"
    assert catalogue.entry("x.new").weight == 0.1
    assert "unknown" not in {entry.stage for entry in catalogue.entries.values()}


def test_a_deployment_says_from_where_on_a_fall_is_worth_an_alert(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("alerts:\n  points: 5\n")
    usual = load_catalogue()

    catalogue = load_catalogue(own)

    assert usual.thresholds == USUAL
    assert catalogue.thresholds == (5.0, USUAL.evidence)
    assert catalogue.model_version == usual.model_version
    assert catalogue.weighed_by(usual.weighing).thresholds == catalogue.thresholds
