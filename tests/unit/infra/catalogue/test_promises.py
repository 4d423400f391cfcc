"""A catalogue's file says who states, keeps and ends promises; whoever mistypes it is told the line and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.core.catalogue import Catalogue
from services.core.promise_kinds import After, PromiseKind
from services.core.valence import Kept, Late, Resolved, Wait
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import ConfigurationError

FITTED = """\
touchpoints:
  fitting.done: {stage: onboarding, category: product, control: partner, driver: speed, weight: 2, once: order,
    valence: {kept: {late: hours_late}}, labels: {en: Fitted, pl: Zamontowano}}
  fitting.missed: {stage: onboarding, category: product, control: partner, driver: reliability, weight: 2,
    valence: none, labels: {en: Fitting overdue, pl: Spóźniony montaż}}
promises:
  fitting:
    about: order
    parts: [parcel, line]
    felt: late
    due: fitting_at
    within_seconds: 86400
    missed: fitting.missed
    begins: [order.completed]
    states: [order.updated_by_shop]
    keeps: [fitting.done]
    ends: [order.cancelled_by_shop, order.cancelled_by_customer]
    slow: delivery.dispatched
    part_missing: delivery.damaged
  fitting_again:
    same_as: fitting
    felt: late
    due: fitting_again_at
    missed: fitting.missed
    states: [order.updated_by_shop]
"""
FITTED_WELL = FITTED.replace(
    "promises:",
    "  delivery.dispatched: {valence: {wait: {desired_seconds: 86400, adequate_seconds: 172800}}}\npromises:",
)
FIRST = FITTED_WELL.split("\n").index("  fitting:") + 1
"""The line of the first promise."""


def read(text: str, folder: Path) -> Catalogue:
    own = folder / "own.yaml"
    own.write_text(text)
    return load_catalogue(own)


def test_a_deployment_declares_a_promise_of_its_own(tmp_path: Path) -> None:
    catalogue = read(FITTED_WELL, tmp_path)

    assert catalogue.promises.kinds["fitting"] == PromiseKind(
        name="fitting",
        shares="fitting",
        key="order",
        parts=("parcel", "line"),
        felt=Late(None),
        due="fitting_at",
        within_s=86400.0,
        missed="fitting.missed",
        begins=("order.completed",),
        states=("order.updated_by_shop",),
        keeps=("fitting.done",),
        ends=("order.cancelled_by_shop", "order.cancelled_by_customer"),
        slow="delivery.dispatched",
        part_missing="delivery.damaged",
    )
    assert catalogue.entry("fitting.done").valence == Kept(Late(None))
    assert catalogue.entry("fitting.done").once == "order"
    assert catalogue.model_version != load_catalogue().model_version


def test_a_promise_that_is_the_same_as_another_is_about_the_same(tmp_path: Path) -> None:
    kind = read(FITTED_WELL, tmp_path).promises.kinds["fitting_again"]

    assert (kind.shares, kind.key, kind.parts, kind.due) == ("fitting", "order", ("parcel", "line"), "fitting_again_at")
    assert (kind.slow, kind.part_missing) == ("", "")


def test_waiting_is_felt_as_a_delay_a_wait_or_once_for_good(tmp_path: Path) -> None:
    text = """\
promises:
  answer: {about: case, again: true, recovers: true, missed: web.frustration, begins: [case.opened],
    felt: {wait: {desired_seconds: 60, adequate_seconds: 600}}, keeps: [case.resolved]}
  basket: {about: cart, missed: web.cart_abandoned, begins: [web.cart_added], felt: {after: {seconds: 5, valence: -0.3}}}
"""

    kinds = read(text, tmp_path).promises.kinds

    answer, basket = kinds["answer"], kinds["basket"]
    assert (answer.felt, answer.again, answer.recovers) == (Wait(60, 600), True, True)
    assert (basket.felt, basket.key, basket.again) == (After(5, -0.3), "cart", False)


@pytest.mark.parametrize(
    ("written", "valence"),
    [
        ("{wait: {desired_seconds: 1, adequate_seconds: 2}}", Wait(1, 2)),
        ("{late: promised_at}", Late("promised_at")),
        ("{late: ship_by}", Late("ship_by")),
        ("{resolved: {desired_seconds: 1, adequate_seconds: 2, bonus: 0.3}}", Resolved(Wait(1, 2), 0.3)),
    ],
)
def test_what_keeps_a_promise_feels_like_what_was_kept(
    written: str, valence: Wait | Late | Resolved, tmp_path: Path
) -> None:
    catalogue = read(f"touchpoints: {{case.resolved: {{valence: {{kept: {written}}}}}}}", tmp_path)

    assert catalogue.entry("case.resolved").valence == Kept(valence)


def test_what_counts_once_counts_each_time_where_a_deployment_says_so(tmp_path: Path) -> None:
    once = read("touchpoints: {order.completed: {once: order}, case.opened: {once: case}}", tmp_path)
    each = read("touchpoints: {order.completed: {once: each}, case.opened: {once: each}}", tmp_path)

    assert [once.entry(name).once for name in ("order.completed", "case.opened")] == ["order", "case"]
    assert [each.entry(name).once for name in ("order.completed", "case.opened")] == ["", ""]


ALONE = "touchpoints:\n  order.completed: {once: till}\n"
VALENCE = "touchpoints:\n  delivery.delivered: {valence: {kept: VALENCE}}\n"

MISTAKES = [
    ("  fitting:", "  Fitting:", FIRST, "is not a promise's name; use up to 40 small letters"),
    ("    about: order", "    about: ordr", FIRST + 1, "'ordr' is not known here; did you mean 'order'?"),
    ("    about: order\n", "", FIRST, "lacks `about`; say what it is about: order, case or cart"),
    ("[parcel, line]", "[box]", FIRST + 2, "'box' is not known here; write one of parcel, line, refund"),
    ("felt: late\n    due: fitting_at", "felt: early\n    due: fitting_at", FIRST + 3, "'early' is not known here"),
    ("felt: late\n    due: fitting_at", "felt: {}\n    due: fitting_at", FIRST + 3, "must be late, {wait: …} or"),
    ("felt: late\n    due: fitting_at\n", "due: fitting_at\n", FIRST, "fitting: lacks `felt`; add it"),
    (
        "late\n    due: fitting_at\n    within_seconds: 86400",
        "late",
        FIRST + 3,
        "being late needs `due` or `within_seconds`",
    ),
    ("late\n", "{after: {seconds: 5, valence: -1}}\n", FIRST + 4, "due: is read only where `felt` is late; take it"),
    (
        "late\n",
        "{wait: {desired_seconds: 1, adequate_seconds: 2}}\n",
        FIRST + 5,
        "within_seconds: a wait is felt from its beginning; take it out",
    ),
    ("late\n", "{after: {seconds: 5, valence: 1}}\n", FIRST + 3, "1 is out of range; give a number from -1 to 0"),
    ("late\n", "{after: {seconds: 5}}\n", FIRST + 3, "lacks `valence`; add it"),
    ("due: fitting_at", "due: Fitting At", FIRST + 4, "is not a property's name; use small letters"),
    ("within_seconds: 86400", "within_seconds: -1", FIRST + 5, "-1 is out of range"),
    ("within_seconds", "within_hours", FIRST + 5, "fitting.within_hours: is not a known key"),
    ("    begins: [order.completed]\n", "", FIRST + 5, "is counted from a touchpoint of `begins`; name one"),
    ("missed: fitting.missed\n    begins", "missed: fitting.mised\n    begins", FIRST + 6, "mean 'fitting.missed'?"),
    ("[order.completed]", "[order.complete]", FIRST + 7, "'order.complete' is not in the catalogue; did you mean"),
    ("[order.completed]", "order.completed", FIRST + 7, "must be a list"),
    ("keeps: [fitting.done]", "keeps: [order.completed]", FIRST + 9, "order.completed also states it; keep one of"),
    ("keeps: [fitting.done]", "keeps: [fitting.missed]", FIRST + 9, "fitting.missed also misses it; keep one of"),
    ("keeps: [fitting.done]", "again: true", FIRST + 9, "a promise with parts is made once; take one of the two"),
    ("keeps: [fitting.done]", "recovers: true", FIRST + 9, "makes up for the harms of a case; set `about: case`"),
    ("keeps: [fitting.done]", "recovers: 1", FIRST + 9, "must be true or false"),
    ("part_missing: delivery.damaged", "part_missing: damage", FIRST + 12, "'damage' is not in the catalogue"),
    (
        "slow: delivery.dispatched",
        "slow: delivery.delivered",
        1,
        "delivery.delivered is told at the arrival of fitting",
    ),
    ("same_as: fitting", "same_as: fiting", FIRST + 14, "'fiting' is no promise of its own; did you mean 'fitting'?"),
    ("same_as: fitting", "same_as: fitting\n    again: true", FIRST + 15, "again: is that of fitting; take it out"),
]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"), MISTAKES, ids=[f"{says} on line {line}" for *_, line, says in MISTAKES]
)
def test_a_mistake_in_a_promise_is_told_with_its_line_and_its_fix(
    old: str, new: str, line: int, says: str, tmp_path: Path
) -> None:
    assert old in FITTED_WELL

    told = mistakes(FITTED_WELL.replace(old, new, 1), tmp_path)

    assert any(f":{line}: " in one and says in one for one in told), (line, told)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (ALONE, 2, "order.completed.once: 'till' is not known here; write one of order, case, each"),
        (VALENCE.replace("VALENCE", "late"), 2, "valence.kept: must hold `key: value` pairs"),
        (VALENCE.replace("VALENCE", "{const: 1}"), 2, "valence.kept.const: is not a known key; write one of wait,"),
        (VALENCE.replace("VALENCE", "{late: promised}"), 2, "did you mean 'promised_at'?"),
        ("promises:\n  refunds: none\n", 2, "promises.refunds: must hold `key: value` pairs"),
        ("promises: [fitting]\n", 1, "promises: must hold `key: value` pairs"),
        (f"{FITTED}\n", 1, "delivery.dispatched is told at the arrival of fitting; its valence must be {wait: …}"),
    ],
)
def test_a_mistake_beside_promises_is_told_too(text: str, line: int, says: str, tmp_path: Path) -> None:
    told = mistakes(text, tmp_path)

    assert any(f":{line}: " in one and says in one for one in told), told


def test_more_promises_than_anybody_made_are_refused(tmp_path: Path) -> None:
    one = "  p{}: {{about: cart, felt: {{after: {{seconds: 1, valence: -1}}}}, missed: web.frustration, begins: [web.cart_added]}}"
    text = "promises:\n" + "\n".join(one.format(number) for number in range(51))

    told = mistakes(text, tmp_path)

    assert any("there are more than 50 promises; leave some out" in one for one in told)


def mistakes(text: str, folder: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        read(text, folder)
    return str(raised.value).splitlines()
