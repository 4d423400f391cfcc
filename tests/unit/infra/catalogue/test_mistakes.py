"""Whoever breaks the catalogue's file, or an override of it, is told the line and the fix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from services.infra.catalogue.reading import CATALOGUE_FILE, load_catalogue, read_catalogue
from services.infra.errors import ConfigurationError


class Mistake(NamedTuple):
    """One change to the good file, what the message says, and how many lines below the change it points."""

    old: str
    new: str
    says: str
    below: int = 0


MISTAKES = [
    Mistake("stage: awareness", "stage: awarness", "'awarness' is not known here; did you mean 'awareness'?"),
    Mistake("category: marketing", "category: x", "write one of process, marketing, image, product, staff"),
    Mistake("control: owned", "control: [owned]", "web.page_viewed.control: must be text"),
    Mistake("weight: 0.02", "weight: heavy", "web.page_viewed.weight: must be a number"),
    Mistake("weight: 0.02", "weight: .nan", "web.page_viewed.weight: must be a number"),
    Mistake("weight: 0.02", "weight: true", "web.page_viewed.weight: must be a number"),
    Mistake("weight: 0.02", "weight: 11", "11 is out of range; give a number from 0 to 10"),
    Mistake("weight: 0.02", "wieght: 0.02", "web.page_viewed.wieght: is not a known key; did you mean 'weight'?"),
    Mistake("    channel: web\n", "", "web.page_viewed: lacks `channel`; add it", below=-1),
    Mistake("channel: web", "channel: Web Site", "is not a channel's name; use small letters"),
    Mistake("channel: web", "channel: no", "must be text; put it in quotes"),
    Mistake("{const: 0.02}", "{const: 1.5}", "1.5 is out of range; give a number from -1 to 1"),
    Mistake("{const: 0.02}", "{constant: 0.02}", "is not a known key; did you mean 'const'?"),
    Mistake("{const: 0.02}", "{const: 0.02, scale: nps}", "must name one function"),
    Mistake("{const: 0.02}", "sentimental", "'sentimental' is not known here; did you mean 'sentiment'?"),
    Mistake("{scale: smiley4}", "{scale: smiley5}", "did you mean 'smiley4'?"),
    Mistake("{late: ship_by}", "{late: shipped}", "write one of promised_at, ship_by, hours_late"),
    Mistake("desired_seconds: 2.5", "desired_seconds: 4", "desired_seconds must be less than adequate_seconds"),
    Mistake("desired_seconds: 2.5, ", "", "lacks `desired_seconds`; add it"),
    Mistake("floor: -1}}", "floor: 1}}", "1 is out of range; give a number from -1 to 0"),
    Mistake("segment: [Page]", "segmnt: [Page]", "is not a known key; did you mean 'segment'?"),
    Mistake("segment: [Page]", "segment: Page", "web.page_viewed.aliases.segment: must be a list"),
    Mistake("sendgrid: [open]", "sendgrid: [open, open]", "'open' stands twice; remove one of the two"),
    Mistake("{en: Page viewed, ", "{", "web.page_viewed.labels: lacks `en`; add it"),
    Mistake(
        "ga4: [view_item]", "ga4: [page_view]", "ga4's 'page_view' already means web.page_viewed; take it", below=-2
    ),
    Mistake("en: Slow page", "en: Page viewed", "'Page viewed' is also the en label of web.page_viewed"),
    Mistake("en: Page viewed", "en: ''", "web.page_viewed.labels.en: must be text"),
    Mistake("  web.page_slow:", "  web.page_viewed:", "stands twice; remove one of the two"),
    Mistake("  web.page_slow:", "  Web Page Slow:", "write it like area.what_happened"),
    Mistake("  use: {en: Use", "  usage: {en: Use", "is not a known key; did you mean 'use'?"),
    Mistake("  kappa: 3 ", "  kappa: 0 ", "0 is out of range; give a number from 0.01 to 100"),
    Mistake("  prior: 0.5 ", "  prior: 1 ", "1 is out of range; give a number from 0.01 to 0.99"),
    Mistake("  beta: 0.5 ", "  gamma: 0.5 ", "parameters.gamma: is not a known key"),
    Mistake("unknown: {", "other: {", "is not a known key"),
    Mistake("{const: 0.02}", "{const: 0.02", "while parsing a flow mapping, begun on line 153", below=1),
    Mistake("stage: awareness", "\tstage: awareness", "is not YAML"),
]


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=[f"{m.new.strip() or 'nothing'} for {m.old.strip()}" for m in MISTAKES]
)
def test_a_mistake_in_the_file_is_told_with_its_line_and_its_fix(mistake: Mistake, tmp_path: Path) -> None:
    good = CATALOGUE_FILE.read_text()
    assert mistake.old in good
    path = tmp_path / "catalogue.yaml"
    path.write_text(good.replace(mistake.old, mistake.new, 1))
    line = good[: good.index(mistake.old)].count("\n") + 1 + mistake.below

    with pytest.raises(ConfigurationError) as raised:
        read_catalogue(path, override=None)

    told = str(raised.value).splitlines()
    assert any(t.startswith(f"{path}:{line}: ") and mistake.says in t for t in told), (line, told)


OWN = (
    "{stage: use, category: staff, control: owned, driver: kindness, weight: 1, valence: {scale: stars5}, "
    "labels: {en: O, pl: W}}"
)

OVERRIDES = [
    ("touchpoints: {pos.queue_wait: {weight: 1}}", 1, "did you mean 'pos.queue_waited'?"),
    ("touchpoints:\n  pos.queue_waited: {weight: -1}", 2, "-1 is out of range"),
    ("touchpoints:\n  pos.queue_waited:\n    stage: use", 3, "touchpoints.pos.queue_waited.stage: is not a known key"),
    ("touchpoints:\n  pos.queue_waited: 3", 2, "must hold `key: value` pairs"),
    ("touchpoints:\n  pos.queue_wait: {weight: 1, labels: {en: A, pl: B}}", 2, "one of your own says stage, category,"),
    ("touchpoints:\n  shop.own: {stage: use, weight: 1}", 2, "touchpoints.shop.own: lacks `category`; add it"),
    (f"touchpoints:\n  Shop own: {OWN}", 2, "write it like area.what_happened"),
    (f"touchpoints:\n  shop.own: {OWN}".replace("use", "usage"), 2, "did you mean 'use'?"),
    (f"touchpoints:\n  shop.own: {OWN}".replace("stars5", "star5"), 2, "did you mean 'stars5'?"),
    (f"touchpoints:\n  shop.own: {OWN}".replace(", pl: W", ""), 2, "shop.own.labels: lacks `pl`; add it"),
    (
        f"touchpoints:\n  shop.own: {OWN}".replace("en: O", "en: Page viewed"),
        2,
        "is also the en label of web.page_viewed",
    ),
    (f"touchpoints:\n  shop.own: {OWN}\n  shop.other: {OWN}", 3, "'O' is also the en label of shop.own"),
    ("touchpoints:\n  pos.queue_waited: {labels: {en: Page viewed, pl: K}}", 2, "is also the en label of web.page"),
    (
        f"touchpoints:\n  shop.own: {OWN[:-1]}, aliases: {{ga4: [page_view]}}}}",
        2,
        "ga4's 'page_view' already means web.page_viewed",
    ),
    (f"touchpoints:\n  shop.own: {OWN[:-1]}, aliases: {{ga: [x]}}}}", 2, "is not a known key; did you mean 'ga4'?"),
    ("parameters:\n  lambda: 0\n", 2, "0 is out of range; give a number from 0.1 to 10"),
    ("parameters:\n  cap: '2'\n", 2, "parameters.cap: must be a number"),
    ("- one\n- two\n", 1, "the file: must hold `key: value` pairs"),
    ("alerts:\n  points: 0.5\n", 2, "alerts.points: 0.5 is out of range; give a number from 1 to 100"),
    ("alerts:\n  evidence: 0\n", 2, "alerts.evidence: 0 is out of range; give a number from 0.1 to 100"),
    ("alerts:\n  preset: loud\n", 2, "alerts.preset: is not a known key"),
    ("weights: {}\n", 1, "is not a known key; write one of parameters, touchpoints"),
    ("a: &x [*x]\n", 1, "is not a known key"),
    ("a: !!python/object:os.system 1\n", 1, "is not a known key"),
    ("\n\nparameters: {\n", 4, "is not YAML"),
    ("a: \x00\n", 1, "is not YAML"),
    ("a: 1\n---\nb: 2\n", 2, "is not YAML"),
]


@pytest.mark.parametrize(("text", "line", "says"), OVERRIDES, ids=[repr(text) for text, *_ in OVERRIDES])
def test_a_mistake_in_an_override_names_that_file(text: str, line: int, says: str, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)

    with pytest.raises(ConfigurationError) as raised:
        load_catalogue(own)

    assert any(t.startswith(f"{own}:{line}: ") and says in t for t in str(raised.value).splitlines()), raised.value


def test_every_mistake_is_told_at_once_and_a_flood_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(CATALOGUE_FILE.read_text().replace("control: owned", "control: ownd"))

    with pytest.raises(ConfigurationError) as raised:
        read_catalogue(path, override=None)

    told = str(raised.value).splitlines()
    owned = sum(entry.control == "owned" for entry in load_catalogue().entries.values())
    assert len(told) == 21
    assert told[-1] == f"… and {owned - 20} more"


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read (No such file or directory); set TACTUS_CATALOGUE"), (b"a: \xff", ":1: is not UTF-8")],
    ids=["absent", "not UTF-8"],
)
def test_a_file_that_cannot_be_read_says_what_to_do(content: bytes | None, says: str, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    if content is not None:
        own.write_bytes(content)

    with pytest.raises(ConfigurationError, match=re.escape(says)):
        load_catalogue(own)


def test_a_huge_override_is_refused_unread(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("#" * (1024 * 1024 + 1))

    with pytest.raises(ConfigurationError, match="larger than 1048576 bytes"):
        load_catalogue(own)


def test_an_empty_catalogue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text("")

    with pytest.raises(ConfigurationError, match="is empty"):
        read_catalogue(path, override=None)
