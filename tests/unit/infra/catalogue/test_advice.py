"""Whatever can hurt a customer has advice, in both languages, and a deployment may have its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.core.catalogue import Catalogue
from services.core.valence import Arguments, Felt
from services.infra.catalogue.reading import CATALOGUE_FILE, LANGUAGES, load_catalogue, read_catalogue

LONG_S = 1e8
WORST = Arguments(
    occurred_at_us=1_772_366_400_000_000,
    properties={"wait_seconds": LONG_S, "hours_late": 1000.0, "minutes": 1000.0, "hops": 10.0, "results": 0.0},
    rating_value=1.0,
    valence=-1.0,
)
CATALOGUE = load_catalogue()
TEXT_CHARS_MAX = 120
"""Two lines in a channel."""


def that_can_hurt(catalogue: Catalogue) -> list[str]:
    """What feels bad by itself, and what is felt while a promise is overdue."""
    missed = {kind.missed for kind in catalogue.promises.kinds.values()}
    return [
        name
        for name, entry in catalogue.entries.items()
        if name in missed or (isinstance(felt := entry.valence.felt(WORST), Felt) and felt.v < 0)
    ]


def test_many_touchpoints_can_hurt() -> None:
    assert {"delivery.delivered", "survey.nps", "case.resolved", "refund.missed"} <= set(that_can_hurt(CATALOGUE))
    assert "referral.made" not in that_can_hurt(CATALOGUE)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("touchpoint", that_can_hurt(CATALOGUE))
def test_a_touchpoint_that_can_hurt_says_what_to_do(touchpoint: str, language: str) -> None:
    advice = read_catalogue(CATALOGUE_FILE, override=None).labels[language].advice[touchpoint]

    assert 0 < len(advice) <= TEXT_CHARS_MAX
    assert advice.endswith(".")


def test_a_deployment_advises_in_its_own_way(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("touchpoints: {pos.queue_waited: {advice: {en: Ring the bell., pl: Zadzwoń dzwonkiem.}}}")

    read = read_catalogue(CATALOGUE_FILE, override=own)

    assert read.labels["en"].advice["pos.queue_waited"] == "Ring the bell."
    assert read.labels["pl"].advice["pos.price_mismatch"].startswith("Oddaj")
    assert read.catalogue.model_version == CATALOGUE.model_version
